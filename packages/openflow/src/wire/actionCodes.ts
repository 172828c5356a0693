/** Numbers of actions on the wire. */

export const NICIRA = 0x00002320;
export const ONF = 0x4f4e4600;

/** Subtypes of Nicira's actions, by our names. */
export const NXAST = {
  resubmit: 1,
  set_tunnel: 2,
  set_queue: 4,
  pop_queue: 5,
  move: 6,
  load: 7,
  note: 8,
  set_tunnel64: 9,
  multipath: 10,
  bundle: 12,
  bundle_load: 13,
  resubmit_table: 14,
  output_reg: 15,
  learn: 16,
  exit: 17,
  dec_ttl: 18,
  fin_timeout: 19,
  controller: 20,
  dec_ttl_cnt_ids: 21,
  write_metadata: 22,
  push_mpls: 23,
  pop_mpls: 24,
  set_mpls_ttl: 25,
  dec_mpls_ttl: 26,
  push: 27,
  pop: 28,
  sample: 29,
  set_mpls_label: 30,
  set_mpls_tc: 31,
  output_reg2: 32,
  load2: 33,
  conjunction: 34,
  ct: 35,
  nat: 36,
  controller2: 37,
  sample2: 38,
  output_trunc: 39,
  group: 40,
  sample3: 41,
  clone: 42,
  ct_clear: 43,
  resubmit_table_ct: 44,
  learn2: 45,
  encap: 46,
  decap: 47,
  dec_nsh_ttl: 48,
  check_pkt_larger: 49,
  delete_field: 50,
  sample4: 51,
} as const;

/** OFPAT_ of OpenFlow 1.0. */
export const OFPAT10 = {
  output: 0,
  set_vlan_vid: 1,
  set_vlan_pcp: 2,
  strip_vlan: 3,
  set_dl_src: 4,
  set_dl_dst: 5,
  set_nw_src: 6,
  set_nw_dst: 7,
  set_nw_tos: 8,
  set_tp_src: 9,
  set_tp_dst: 10,
  enqueue: 11,
} as const;

/** OFPAT_ of OpenFlow 1.1 and later; those that some versions lack are used only where they exist. */
export const OFPAT11 = {
  output: 0,
  set_vlan_vid: 1,
  set_vlan_pcp: 2,
  set_dl_src: 3,
  set_dl_dst: 4,
  set_nw_src: 5,
  set_nw_dst: 6,
  set_nw_tos: 7,
  set_nw_ecn: 8,
  set_tp_src: 9,
  set_tp_dst: 10,
  set_mpls_label: 13,
  set_mpls_tc: 14,
  set_mpls_ttl: 15,
  dec_mpls_ttl: 16,
  push_vlan: 17,
  pop_vlan: 18,
  push_mpls: 19,
  pop_mpls: 20,
  set_queue: 21,
  group: 22,
  set_nw_ttl: 23,
  dec_nw_ttl: 24,
  set_field: 25,
  copy_field: 28,
  meter: 29,
} as const;

export const OFPAT_EXPERIMENTER = 0xffff;

export const HASH_FIELDS = [
  "eth_src",
  "symmetric_l4",
  "symmetric_l3l4",
  "symmetric_l3l4+udp",
  "nw_src",
  "nw_dst",
  "symmetric_l3",
] as const;
export const MULTIPATH_ALGORITHMS = ["modulo_n", "hash_threshold", "hrw", "iter_hash"] as const;
export const BUNDLE_ALGORITHMS = ["active_backup", "hrw"] as const;
/** The member type of bundles, as an NXM header of in_port. */
export const BUNDLE_MEMBER_OFPORT = 2;
export const REASONS = [
  "no_match",
  "action",
  "invalid_ttl",
  "action_set",
  "group",
  "packet_out",
  "explicit_miss",
  "implicit_miss",
] as const;
export const ALGS: Readonly<Record<"ftp" | "tftp", number>> = { ftp: 21, tftp: 69 };
/** decap: the next header says what the packet is. */
export const PACKET_TYPE_NEXT = 0xfffe;
