/**
 * The field table: one row for every field of ovs-fields(7). Parser, printer, NXM/OXM codec, match and flow key follow
 * from it. The order is that of the manual, which is also the order of fields in OpenFlow table features.
 */
import { type LayoutName, TUN_METADATA_FIELDS, TUN_METADATA_VIRTUAL, WORD } from "./layout.ts";
import type { Field, FieldFormat, LegacySupport, OxmCode, Prerequisite } from "./types.ts";

const VENDOR_NICIRA = 0x00002320;
const VENDOR_NSH = 0x005ad650;
const VENDOR_ONF = 0x4f4e4600;

/** Class and vendor of each prefix of code point names; the longest fitting prefix counts. */
const PREFIXES: readonly (readonly [string, number, number])[] = [
  ["OXM_OF_PKT_REG", 0x8001, 0],
  ["NXM_OF_", 0x0000, 0],
  ["NXM_NX_", 0x0001, 0],
  ["ERICOXM_OF_", 0x1000, 0],
  ["OXM_OF_", 0x8000, 0],
  ["NXOXM_ET_", 0xffff, VENDOR_NICIRA],
  ["NXOXM_NSH_", 0xffff, VENDOR_NSH],
  ["ONFOXM_ET_", 0xffff, VENDOR_ONF],
];

type Bits = number | readonly [bits: number, bytes: number];

interface Row {
  readonly place?: LayoutName;
  readonly index?: number;
  readonly shift?: number;
  readonly mask?: boolean;
  readonly write?: boolean;
  /** NXM code: [name, number]. */
  readonly nxm?: readonly [string, number];
  /** OXM code: [name, number, OpenFlow wire version from which on]. */
  readonly oxm?: readonly (readonly [string, number, number])[];
  readonly of10?: LegacySupport;
  readonly of11?: LegacySupport;
  readonly variable?: boolean;
  /** Where it is not the field's own bits. */
  readonly wordMask?: number;
}

/** For code points that are understood but not sent. */
const NEVER_SENT = 99;

const list: Field[] = [];

function code(name: string, field: number, since: number): OxmCode {
  const [, cls, vendor] = PREFIXES.find(([prefix]) => name.startsWith(prefix))!;
  return { name, class: cls, vendor, field, since };
}

function add(names: string, width: Bits, format: FieldFormat, prerequisite: Prerequisite, row: Row): void {
  const [name, ...aliases] = names.split(" ") as [string, ...string[]];
  const [bits, bytes] = typeof width === "number" ? [width, width / 8] : width;
  const words = Math.ceil(bits / 32);
  const shift = row.shift ?? 0;
  const word =
    row.place === undefined && row.variable !== true
      ? WORD[name as LayoutName] // Where no place is given the field is its own part of the layout.
      : row.variable === true
        ? TUN_METADATA_VIRTUAL + 32 * row.index! + 1
        : WORD[row.place!] + (row.index ?? 0);
  const codes: OxmCode[] = [];
  if (row.nxm !== undefined) codes.push(code(row.nxm[0], row.nxm[1], 0));
  for (const [oxmName, number, since] of row.oxm ?? []) codes.push(code(oxmName, number, since));
  list.push({
    id: list.length,
    name,
    aliases,
    bytes,
    bits,
    variable: row.variable ?? false,
    maskable: row.mask ?? false,
    format,
    prerequisite,
    writable: row.write ?? false,
    codes,
    of10: row.of10 ?? "no",
    of11: row.of11 ?? "no",
    word,
    words,
    shift,
    wordMask: row.wordMask ?? (words > 1 || bits === 32 ? -1 : (((1 << bits) - 1) << shift) | 0),
    metadataIndex: row.variable === true ? row.index! : undefined,
  });
}

const RW = { mask: true, write: true } as const;
const RO = { mask: true } as const;
const exactRW = { write: true } as const;

add("dp_hash", 32, "hexadecimal", "none", { ...RO, nxm: ["NXM_NX_DP_HASH", 35], oxm: [["NXOXM_ET_DP_HASH", 0, NEVER_SENT]] });
add("recirc_id", 32, "decimal", "none", { nxm: ["NXM_NX_RECIRC_ID", 36] });
add("packet_type", 32, "packet-type", "none", { oxm: [["OXM_OF_PACKET_TYPE", 44, 6]] });
add("conj_id", 32, "decimal", "none", { nxm: ["NXM_NX_CONJ_ID", 37] });

add("tun_id tunnel_id", 64, "hexadecimal", "none", { ...RW, nxm: ["NXM_NX_TUN_ID", 16], oxm: [["OXM_OF_TUNNEL_ID", 38, 4]] });
add("tun_src", 32, "ipv4", "none", { ...RW, nxm: ["NXM_NX_TUN_IPV4_SRC", 31] });
add("tun_dst", 32, "ipv4", "none", { ...RW, nxm: ["NXM_NX_TUN_IPV4_DST", 32] });
add("tun_ipv6_src", 128, "ipv6", "none", { ...RW, nxm: ["NXM_NX_TUN_IPV6_SRC", 109] });
add("tun_ipv6_dst", 128, "ipv6", "none", { ...RW, nxm: ["NXM_NX_TUN_IPV6_DST", 110] });
add("tun_flags", [1, 2], "tunnel-flags", "none", { ...RW, nxm: ["NXM_NX_TUN_FLAGS", 104] });
add("tun_ttl", 8, "decimal", "none", exactRW);
add("tun_tos", 8, "decimal", "none", exactRW);
add("tun_gbp_id", 16, "decimal", "none", { ...RW, nxm: ["NXM_NX_TUN_GBP_ID", 38] });
add("tun_gbp_flags", 8, "hexadecimal", "none", { ...RW, nxm: ["NXM_NX_TUN_GBP_FLAGS", 39] });
add("tun_erspan_idx", [20, 4], "hexadecimal", "none", { ...RW, nxm: ["NXOXM_ET_ERSPAN_IDX", 11] });
add("tun_erspan_ver", [4, 1], "decimal", "none", { ...RW, nxm: ["NXOXM_ET_ERSPAN_VER", 12] });
add("tun_erspan_dir", [1, 1], "decimal", "none", { ...RW, nxm: ["NXOXM_ET_ERSPAN_DIR", 13] });
add("tun_erspan_hwid", [6, 1], "hexadecimal", "none", { ...RW, nxm: ["NXOXM_ET_ERSPAN_HWID", 14] });
add("tun_gtpu_flags", 8, "hexadecimal", "none", { ...RO, nxm: ["NXOXM_ET_GTPU_FLAGS", 15] });
add("tun_gtpu_msgtype", 8, "decimal", "none", { ...RO, nxm: ["NXOXM_ET_GTPU_MSGTYPE", 16] });
for (let i = 0; i < TUN_METADATA_FIELDS; i++)
  add(`tun_metadata${i}`, 992, "hexadecimal", "none", {
    ...RW,
    variable: true,
    index: i,
    nxm: [`NXM_NX_TUN_METADATA${i}`, 40 + i],
  });

add("metadata", 64, "hexadecimal", "none", { ...RW, oxm: [["OXM_OF_METADATA", 2, 3]], of11: "mask" });
// A port takes its whole word, whichever field names it.
add("in_port", 16, "ofp10-port", "none", { ...exactRW, wordMask: -1, nxm: ["NXM_OF_IN_PORT", 0], of10: "exact", of11: "exact" });
add("in_port_oxm", 32, "ofp11-port", "none", { ...exactRW, place: "in_port", oxm: [["OXM_OF_IN_PORT", 0, 3]], of11: "exact" });
add("actset_output", 32, "ofp11-port", "none", {
  oxm: [
    ["ONFOXM_ET_ACTSET_OUTPUT", 43, 4],
    ["OXM_OF_ACTSET_OUTPUT", 43, 6],
  ],
});
add("skb_priority", 32, "hexadecimal", "none", {});
add("pkt_mark", 32, "hexadecimal", "none", { ...RW, nxm: ["NXM_NX_PKT_MARK", 33] });

add("ct_state", 32, "ct-state", "none", { ...RO, nxm: ["NXM_NX_CT_STATE", 105] });
add("ct_zone", 16, "hexadecimal", "none", { nxm: ["NXM_NX_CT_ZONE", 106] });
add("ct_mark", 32, "hexadecimal", "none", { ...RW, nxm: ["NXM_NX_CT_MARK", 107] });
add("ct_label", 128, "hexadecimal", "none", { ...RW, nxm: ["NXM_NX_CT_LABEL", 108] });
add("ct_nw_proto", 8, "decimal", "ct", { nxm: ["NXM_NX_CT_NW_PROTO", 119] });
add("ct_nw_src", 32, "ipv4", "ct", { ...RO, nxm: ["NXM_NX_CT_NW_SRC", 120] });
add("ct_nw_dst", 32, "ipv4", "ct", { ...RO, nxm: ["NXM_NX_CT_NW_DST", 121] });
add("ct_ipv6_src", 128, "ipv6", "ct", { ...RO, nxm: ["NXM_NX_CT_IPV6_SRC", 122] });
add("ct_ipv6_dst", 128, "ipv6", "ct", { ...RO, nxm: ["NXM_NX_CT_IPV6_DST", 123] });
add("ct_tp_src", 16, "decimal", "ct", { ...RO, nxm: ["NXM_NX_CT_TP_SRC", 124] });
add("ct_tp_dst", 16, "decimal", "ct", { ...RO, nxm: ["NXM_NX_CT_TP_DST", 125] });

for (let i = 0; i < 32; i++)
  add(`reg${i}`, 32, "hexadecimal", "none", {
    ...RW,
    place: "reg",
    index: i,
    nxm: i < 16 ? [`NXM_NX_REG${i}`, i] : [`NXOXM_ET_REG${i}`, 17 + i - 16],
  });
for (let i = 0; i < 16; i++)
  add(`xreg${i}`, 64, "hexadecimal", "none", { ...RW, place: "reg", index: 2 * i, oxm: [[`OXM_OF_PKT_REG${i}`, i, 4]] });
for (let i = 0; i < 8; i++)
  add(`xxreg${i}`, 128, "hexadecimal", "none", {
    ...RW,
    place: "reg",
    index: 4 * i,
    nxm: i < 4 ? [`NXM_NX_XXREG${i}`, 111 + i] : [`NXOXM_ET_XXREG${i}`, 33 + i - 4],
  });

add("eth_src dl_src", 48, "ethernet", "ethernet", {
  ...RW,
  nxm: ["NXM_OF_ETH_SRC", 2],
  oxm: [["OXM_OF_ETH_SRC", 4, 3]],
  of10: "exact",
  of11: "mask",
});
add("eth_dst dl_dst", 48, "ethernet", "ethernet", {
  ...RW,
  nxm: ["NXM_OF_ETH_DST", 1],
  oxm: [["OXM_OF_ETH_DST", 3, 3]],
  of10: "exact",
  of11: "mask",
});
add("eth_type dl_type", 16, "hexadecimal", "ethernet", {
  nxm: ["NXM_OF_ETH_TYPE", 3],
  oxm: [["OXM_OF_ETH_TYPE", 5, 3]],
  of10: "exact",
  of11: "exact",
});
add("vlan_tci", 16, "hexadecimal", "ethernet", { ...RW, nxm: ["NXM_OF_VLAN_TCI", 4] });
add("dl_vlan", [12, 2], "decimal", "ethernet", { ...exactRW, place: "vlan_tci", of10: "exact", of11: "exact" });
add("vlan_vid", [12, 2], "decimal", "ethernet", {
  ...RW,
  place: "vlan_tci",
  oxm: [["OXM_OF_VLAN_VID", 6, 3]],
  of10: "exact",
  of11: "exact",
});
add("dl_vlan_pcp", [3, 1], "decimal", "ethernet", { ...exactRW, place: "vlan_tci", shift: 13, of10: "exact", of11: "exact" });
add("vlan_pcp", [3, 1], "decimal", "vlan-vid", {
  ...exactRW,
  place: "vlan_tci",
  shift: 13,
  oxm: [["OXM_OF_VLAN_PCP", 7, 3]],
  of10: "exact",
  of11: "exact",
});

add("mpls_label", [20, 4], "decimal", "mpls", {
  ...exactRW,
  place: "mpls_lse",
  shift: 12,
  oxm: [["OXM_OF_MPLS_LABEL", 34, 3]],
  of11: "exact",
});
add("mpls_tc", [3, 1], "decimal", "mpls", {
  ...exactRW,
  place: "mpls_lse",
  shift: 9,
  oxm: [["OXM_OF_MPLS_TC", 35, 3]],
  of11: "exact",
});
add("mpls_bos", [1, 1], "decimal", "mpls", { place: "mpls_lse", shift: 8, oxm: [["OXM_OF_MPLS_BOS", 36, 4]] });
add("mpls_ttl", 8, "decimal", "mpls", { ...exactRW, place: "mpls_lse", nxm: ["NXM_NX_MPLS_TTL", 30] });

add("ip_src nw_src", 32, "ipv4", "ipv4", {
  ...RW,
  place: "nw_src",
  nxm: ["NXM_OF_IP_SRC", 7],
  oxm: [["OXM_OF_IPV4_SRC", 11, 3]],
  of10: "cidr",
  of11: "mask",
});
add("ip_dst nw_dst", 32, "ipv4", "ipv4", {
  ...RW,
  place: "nw_dst",
  nxm: ["NXM_OF_IP_DST", 8],
  oxm: [["OXM_OF_IPV4_DST", 12, 3]],
  of10: "cidr",
  of11: "mask",
});
add("ipv6_src", 128, "ipv6", "ipv6", { ...RW, nxm: ["NXM_NX_IPV6_SRC", 19], oxm: [["OXM_OF_IPV6_SRC", 26, 3]] });
add("ipv6_dst", 128, "ipv6", "ipv6", { ...RW, nxm: ["NXM_NX_IPV6_DST", 20], oxm: [["OXM_OF_IPV6_DST", 27, 3]] });
add("ipv6_label", [20, 4], "hexadecimal", "ipv6", {
  ...RW,
  nxm: ["NXM_NX_IPV6_LABEL", 27],
  oxm: [["OXM_OF_IPV6_FLABEL", 28, 3]],
});
add("nw_proto ip_proto", 8, "decimal", "ip", {
  nxm: ["NXM_OF_IP_PROTO", 6],
  oxm: [["OXM_OF_IP_PROTO", 10, 3]],
  of10: "exact",
  of11: "exact",
});
add("nw_tos", 8, "decimal", "ip", { ...exactRW, nxm: ["NXM_OF_IP_TOS", 5], of10: "exact", of11: "exact" });
add("ip_dscp", [6, 1], "decimal", "ip", {
  ...exactRW,
  place: "nw_tos",
  shift: 2,
  oxm: [["OXM_OF_IP_DSCP", 8, 3]],
  of10: "exact",
  of11: "exact",
});
add("nw_ecn ip_ecn", [2, 1], "decimal", "ip", {
  ...exactRW,
  place: "nw_tos",
  nxm: ["NXM_NX_IP_ECN", 28],
  oxm: [["OXM_OF_IP_ECN", 9, 3]],
});
add("nw_ttl", 8, "decimal", "ip", { ...exactRW, nxm: ["NXM_NX_IP_TTL", 29] });
add("ip_frag nw_frag", [2, 1], "frag", "ip", { ...RO, place: "nw_frag", nxm: ["NXM_NX_IP_FRAG", 26] });

// The key has 8 bits of the opcode, as Open vSwitch.
add("arp_op", 16, "decimal", "arp", {
  ...exactRW,
  wordMask: 0xff,
  place: "nw_proto",
  nxm: ["NXM_OF_ARP_OP", 15],
  oxm: [["OXM_OF_ARP_OP", 21, 3]],
  of10: "exact",
  of11: "exact",
});
add("arp_spa", 32, "ipv4", "arp", {
  ...RW,
  place: "nw_src",
  nxm: ["NXM_OF_ARP_SPA", 16],
  oxm: [["OXM_OF_ARP_SPA", 22, 3]],
  of10: "cidr",
  of11: "mask",
});
add("arp_tpa", 32, "ipv4", "arp", {
  ...RW,
  place: "nw_dst",
  nxm: ["NXM_OF_ARP_TPA", 17],
  oxm: [["OXM_OF_ARP_TPA", 23, 3]],
  of10: "cidr",
  of11: "mask",
});
add("arp_sha", 48, "ethernet", "arp", { ...RW, nxm: ["NXM_NX_ARP_SHA", 17], oxm: [["OXM_OF_ARP_SHA", 24, 3]] });
add("arp_tha", 48, "ethernet", "arp", { ...RW, nxm: ["NXM_NX_ARP_THA", 18], oxm: [["OXM_OF_ARP_THA", 25, 3]] });

add("tcp_src tp_src", 16, "decimal", "tcp", {
  ...RW,
  place: "tp_src",
  nxm: ["NXM_OF_TCP_SRC", 9],
  oxm: [["OXM_OF_TCP_SRC", 13, 3]],
  of10: "exact",
  of11: "exact",
});
add("tcp_dst tp_dst", 16, "decimal", "tcp", {
  ...RW,
  place: "tp_dst",
  nxm: ["NXM_OF_TCP_DST", 10],
  oxm: [["OXM_OF_TCP_DST", 14, 3]],
  of10: "exact",
  of11: "exact",
});
add("tcp_flags", [12, 2], "tcp-flags", "tcp", {
  ...RO,
  nxm: ["NXM_NX_TCP_FLAGS", 34],
  oxm: [
    ["ONFOXM_ET_TCP_FLAGS", 42, 4],
    ["OXM_OF_TCP_FLAGS", 42, 6],
  ],
});
add("udp_src", 16, "decimal", "udp", {
  ...RW,
  place: "tp_src",
  nxm: ["NXM_OF_UDP_SRC", 11],
  oxm: [["OXM_OF_UDP_SRC", 15, 3]],
  of10: "exact",
  of11: "exact",
});
add("udp_dst", 16, "decimal", "udp", {
  ...RW,
  place: "tp_dst",
  nxm: ["NXM_OF_UDP_DST", 12],
  oxm: [["OXM_OF_UDP_DST", 16, 3]],
  of10: "exact",
  of11: "exact",
});
add("sctp_src", 16, "decimal", "sctp", { ...RW, place: "tp_src", oxm: [["OXM_OF_SCTP_SRC", 17, 3]], of11: "exact" });
add("sctp_dst", 16, "decimal", "sctp", { ...RW, place: "tp_dst", oxm: [["OXM_OF_SCTP_DST", 18, 3]], of11: "exact" });
add("icmp_type", 8, "decimal", "icmpv4", {
  ...exactRW,
  place: "tp_src",
  nxm: ["NXM_OF_ICMP_TYPE", 13],
  oxm: [["OXM_OF_ICMPV4_TYPE", 19, 3]],
  of10: "exact",
  of11: "exact",
});
add("icmp_code", 8, "decimal", "icmpv4", {
  ...exactRW,
  place: "tp_dst",
  nxm: ["NXM_OF_ICMP_CODE", 14],
  oxm: [["OXM_OF_ICMPV4_CODE", 20, 3]],
  of10: "exact",
  of11: "exact",
});
add("icmpv6_type", 8, "decimal", "icmpv6", {
  ...exactRW,
  place: "tp_src",
  nxm: ["NXM_NX_ICMPV6_TYPE", 21],
  oxm: [["OXM_OF_ICMPV6_TYPE", 29, 3]],
});
add("icmpv6_code", 8, "decimal", "icmpv6", {
  ...exactRW,
  place: "tp_dst",
  nxm: ["NXM_NX_ICMPV6_CODE", 22],
  oxm: [["OXM_OF_ICMPV6_CODE", 30, 3]],
});
add("nd_target", 128, "ipv6", "nd", { ...RW, nxm: ["NXM_NX_ND_TARGET", 23], oxm: [["OXM_OF_IPV6_ND_TARGET", 31, 3]] });
add("nd_sll", 48, "ethernet", "nd-solicit", {
  ...RW,
  place: "arp_sha",
  nxm: ["NXM_NX_ND_SLL", 24],
  oxm: [["OXM_OF_IPV6_ND_SLL", 32, 3]],
});
add("nd_tll", 48, "ethernet", "nd-advert", {
  ...RW,
  place: "arp_tha",
  nxm: ["NXM_NX_ND_TLL", 25],
  oxm: [["OXM_OF_IPV6_ND_TLL", 33, 3]],
});
add("nd_reserved", 32, "decimal", "nd", { ...exactRW, nxm: ["ERICOXM_OF_ICMPV6_ND_RESERVED", 1] });
add("nd_options_type", 8, "decimal", "nd", { ...exactRW, nxm: ["ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 2] });

add("nsh_flags", 8, "decimal", "nsh", { ...RW, nxm: ["NXOXM_NSH_FLAGS", 1] });
add("nsh_mdtype", 8, "decimal", "nsh", { nxm: ["NXOXM_NSH_MDTYPE", 2] });
add("nsh_np", 8, "decimal", "nsh", { nxm: ["NXOXM_NSH_NP", 3] });
add("nsh_spi nsp", [24, 4], "hexadecimal", "nsh", { ...exactRW, nxm: ["NXOXM_NSH_SPI", 4] });
add("nsh_si nsi", 8, "decimal", "nsh", { ...exactRW, nxm: ["NXOXM_NSH_SI", 5] });
for (let i = 1; i <= 4; i++) add(`nsh_c${i} nshc${i}`, 32, "hexadecimal", "nsh", { ...RW, nxm: [`NXOXM_NSH_C${i}`, 5 + i] });
add("nsh_ttl", 8, "decimal", "nsh", { ...exactRW, nxm: ["NXOXM_NSH_TTL", 10] });

/** Every field, in a fixed order. */
export const FIELDS: readonly Field[] = list;
