/**
 * The flow key: where every field of a packet lives in an Int32Array of {@link FLOW_WORDS} words.
 *
 * A field of up to 32 bits has a word of its own, right-aligned; a wider one takes consecutive words, most significant
 * first (a MAC: the upper 16 bits, then the lower 32). Fields that are parts of one another share words as in Open
 * vSwitch: registers (xreg0 is reg0 and reg1), the VLAN TCI, the TOS byte, an MPLS label stack entry, transport ports
 * with ICMP type and code, IPv4 addresses with ARP addresses, ARP hardware addresses with ND link-layer addresses.
 */

/** Word counts in the order of the key. The names are those of fields, or of what fields share. */
const LAYOUT = {
  in_port: 1,
  packet_type: 1,
  tun_id: 2,
  tun_src: 1,
  tun_dst: 1,
  tun_ipv6_src: 4,
  tun_ipv6_dst: 4,
  tun_flags: 1,
  tun_gbp_id: 1,
  tun_gbp_flags: 1,
  tun_tos: 1,
  tun_ttl: 1,
  tun_erspan_ver: 1,
  tun_erspan_idx: 1,
  tun_erspan_dir: 1,
  tun_erspan_hwid: 1,
  tun_gtpu_flags: 1,
  tun_gtpu_msgtype: 1,
  /** Bit n % 32 of word n / 32 says that tun_metadata-n is present in the packet. */
  tun_metadata_present: 2,
  metadata: 2,
  skb_priority: 1,
  pkt_mark: 1,
  dp_hash: 1,
  recirc_id: 1,
  conj_id: 1,
  actset_output: 1,
  ct_state: 1,
  ct_zone: 1,
  ct_mark: 1,
  ct_label: 4,
  ct_nw_src: 1,
  ct_nw_dst: 1,
  ct_ipv6_src: 4,
  ct_ipv6_dst: 4,
  ct_nw_proto: 1,
  ct_tp_src: 1,
  ct_tp_dst: 1,
  reg: 32,
  eth_dst: 2,
  eth_src: 2,
  eth_type: 1,
  /** The outer VLAN header: TCI with bit 12 (0x1000) set when a header is there, 0 when there is none. */
  vlan_tci: 1,
  /** TPID of the outer VLAN header; no OpenFlow field. */
  vlan_tpid: 1,
  /** The second VLAN header, as the first; no OpenFlow field. */
  vlan_tci1: 1,
  vlan_tpid1: 1,
  /** Outermost MPLS label stack entry: label (bits 12..31), TC (9..11), bottom of stack (8), TTL (0..7). */
  mpls_lse: 1,
  mpls_lse1: 1,
  mpls_lse2: 1,
  /** IPv4 addresses; ARP sender and target protocol addresses. */
  nw_src: 1,
  nw_dst: 1,
  ipv6_src: 4,
  ipv6_dst: 4,
  ipv6_label: 1,
  /** IP protocol; low 8 bits of the ARP opcode. */
  nw_proto: 1,
  nw_ttl: 1,
  nw_frag: 1,
  /** TOS byte: DSCP in bits 2..7, ECN in bits 0..1. */
  nw_tos: 1,
  /** ARP sender hardware address; ND source link-layer address. */
  arp_sha: 2,
  /** ARP target hardware address; ND target link-layer address. */
  arp_tha: 2,
  nd_target: 4,
  /** Transport source port; ICMP type. */
  tp_src: 1,
  /** Transport destination port; ICMP code. */
  tp_dst: 1,
  tcp_flags: 1,
  nd_reserved: 1,
  nd_options_type: 1,
  nsh_flags: 1,
  nsh_ttl: 1,
  nsh_mdtype: 1,
  nsh_np: 1,
  nsh_spi: 1,
  nsh_si: 1,
  nsh_c1: 1,
  nsh_c2: 1,
  nsh_c3: 1,
  nsh_c4: 1,
  /** 256 bytes of Geneve option data, assigned to tun_metadata fields by a TlvMap. */
  tun_metadata: 64,
} as const;

export type LayoutName = keyof typeof LAYOUT;

/** Word offset of every part of the flow key. */
export const WORD: Readonly<Record<LayoutName, number>> = (() => {
  const offsets: Partial<Record<LayoutName, number>> = {};
  let next = 0;
  for (const [name, words] of Object.entries(LAYOUT)) {
    // Object.entries forgets the key type.
    offsets[name as LayoutName] = next;
    next += words;
  }
  return offsets as Record<LayoutName, number>;
})();

/** Words of a flow key. */
export const FLOW_WORDS: number = Object.values(LAYOUT).reduce<number>((sum, words) => sum + words, 0);

/**
 * Where matches on tun_metadata-n live before a TLV table map gives them a place in the key: 31 words (124 bytes) each,
 * from word TUN_METADATA_VIRTUAL + 32 * n + 1 on, so that the field is right-aligned in 32 words.
 */
export const TUN_METADATA_VIRTUAL = 1024;

/** Number of tun_metadata fields. */
export const TUN_METADATA_FIELDS = 64;

/** A fresh key, all zeros (a packet without anything, of Ethernet type, from port 0). */
export function newFlowKey(): Int32Array {
  return new Int32Array(FLOW_WORDS);
}
