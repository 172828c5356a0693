/**
 * The symbols of the logical flow language: one row each, from which parser, type checks, prerequisites and the mapping to
 * OpenFlow fields follow. Source: ovn-sb(5), Logical_Flow, "Symbols"; what the manual leaves out (flags.*, ct_mark.*,
 * ct_label.* bits, IGMP and MLD) from the flows that ovn-controller 26.03 installs.
 */

/** What can be asked of a symbol's values; see ovn-sb(5), "Level of Measurement". */
export type Level =
  /** Bits can be examined one by one. */
  | "ordinal"
  /** Only equality can be tested. */
  | "nominal"
  /** A predicate that can be negated. */
  | "boolean";

export type SymbolKind =
  | "field"
  /** Bits of another symbol. */
  | "subfield"
  /** Shorthand for an expression. */
  | "predicate"
  /** A field that only actions can set and only ovn-controller knows. */
  | "ovn-field";

export interface LogicalSymbol {
  readonly name: string;
  readonly kind: SymbolKind;
  /** Bits; 0 for a string (a port name). */
  readonly width: number;
  readonly level: Level;
  /** The field that the bits are taken from: the symbol itself for a field, the outermost one for a subfield. */
  readonly root: LogicalSymbol;
  /** Least significant bit within `root`. */
  readonly offset: number;
  /** OpenFlow field of `root`, by its name in @weft/openflow. Absent for predicates and OVN fields. */
  readonly field?: string;
  /** Expression implied by every use. */
  readonly prerequisites?: string;
  /** What a predicate stands for. */
  readonly expansion?: string;
  /** Different values of this field give different conjunctive matches, as it is a prerequisite of other fields. */
  readonly separates: boolean;
  /** May be assigned. */
  readonly writable: boolean;
}

interface Row {
  readonly level?: Level;
  readonly needs?: string;
  readonly separates?: boolean;
  readonly readOnly?: boolean;
}

const table = new Map<string, LogicalSymbol>();

function add(symbol: Omit<LogicalSymbol, "root"> & { root?: LogicalSymbol }): void {
  const { root, ...rest } = symbol;
  // a field is its own root, so the object is tied together after its making
  const made = rest as Omit<LogicalSymbol, "root"> & { root: LogicalSymbol };
  made.root = root ?? made;
  table.set(symbol.name, made);
}

function field(name: string, width: number, openflow: string, row: Row = {}): void {
  add({
    name,
    kind: "field",
    width,
    level: row.level ?? (width === 0 ? "nominal" : "ordinal"),
    offset: 0,
    field: openflow,
    ...(row.needs === undefined ? {} : { prerequisites: row.needs }),
    separates: row.separates ?? false,
    writable: row.readOnly !== true,
  });
}

function subfield(name: string, of: string, low: number, high: number, row: Row = {}): void {
  const parent = table.get(of)!;
  const needs = row.needs ?? parent.prerequisites;
  add({
    name,
    kind: "subfield",
    width: high - low + 1,
    level: "ordinal",
    root: parent.root,
    offset: parent.offset + low,
    ...(parent.field === undefined ? {} : { field: parent.field }),
    ...(needs === undefined ? {} : { prerequisites: needs }),
    separates: parent.separates,
    writable: parent.writable,
  });
}

function predicate(name: string, level: "nominal" | "boolean", expansion: string): void {
  add({ name, kind: "predicate", width: 1, level, offset: 0, expansion, separates: false, writable: false });
}

// ---- registers

for (const wide of [0, 1]) {
  field(`xxreg${wide}`, 128, `xxreg${wide}`);
  for (const half of [0, 1]) subfield(`xreg${2 * wide + half}`, `xxreg${wide}`, 64 - 64 * half, 127 - 64 * half);
  for (const quarter of [0, 1, 2, 3]) subfield(`reg${4 * wide + quarter}`, `xxreg${wide}`, 96 - 32 * quarter, 127 - 32 * quarter);
}
field("xreg4", 64, "xreg4");
subfield("reg8", "xreg4", 32, 63);
subfield("reg9", "xreg4", 0, 31);

field("inport", 0, "reg14");
field("outport", 0, "reg15");

field("flags", 32, "reg10");
for (const [bit, name] of [
  [0, "loopback"],
  [2, "force_snat_for_dnat"],
  [3, "force_snat_for_lb"],
  [9, "skip_snat_for_lb"],
  [11, "use_snat_zone"],
  [15, "localnet"],
  [16, "tunnel_rx"],
  [17, "icmp_snat"],
  [19, "from_ctrl"],
  [20, "unsnat_new"],
  [21, "unsnat_not_tracked"],
  [22, "igmp_loopback"],
  [23, "pkt_sampled"],
] as const) {
  subfield(`flags.${name}`, "flags", bit, bit);
}
subfield("flags.network_id", "flags", 28, 31);

// ---- connection tracking

field("ct_mark", 32, "ct_mark", { readOnly: true });
subfield("ct_mark.blocked", "ct_mark", 0, 0);
subfield("ct_mark.natted", "ct_mark", 1, 1);
subfield("ct_mark.skip_snat", "ct_mark", 2, 2);
subfield("ct_mark.force_snat", "ct_mark", 3, 3);
subfield("ct_mark.obs_stage", "ct_mark", 4, 5);
subfield("ct_mark.allow_established", "ct_mark", 6, 6);
subfield("ct_mark.ecmp_reply_port", "ct_mark", 16, 31);
subfield("ct_mark.obs_collector_id", "ct_mark", 16, 23);
field("ct_label", 128, "ct_label", { readOnly: true });
subfield("ct_label.nf", "ct_label", 7, 7);
subfield("ct_label.tun_if", "ct_label", 8, 8);
subfield("ct_label.nf_id", "ct_label", 17, 24);
subfield("ct_label.ecmp_reply_eth", "ct_label", 32, 79);
subfield("ct_label.acl_id", "ct_label", 80, 95);
subfield("ct_label.tun_if_id", "ct_label", 80, 95);
subfield("ct_label.label", "ct_label", 96, 127);
subfield("ct_label.obs_point_id", "ct_label", 96, 127);
subfield("ct_label.obs_unused", "ct_label", 0, 95);
field("ct_state", 32, "ct_state", { readOnly: true });
subfield("ct.trk", "ct_state", 5, 5);
for (const [bit, name] of [
  [0, "new"],
  [1, "est"],
  [2, "rel"],
  [3, "rpl"],
  [4, "inv"],
  [6, "snat"],
  [7, "dnat"],
] as const) {
  subfield(`ct.${name}`, "ct_state", bit, bit, { needs: "ct.trk" });
}

// ---- layer 2

field("pkt.mark", 32, "pkt_mark");
field("eth.src", 48, "eth_src");
field("eth.dst", 48, "eth_dst");
field("eth.type", 16, "eth_type", { level: "nominal", separates: true, readOnly: true });
predicate("eth.bcast", "boolean", "eth.dst == ff:ff:ff:ff:ff:ff");
subfield("eth.mcast", "eth.dst", 40, 40);
predicate("eth.mcastv6", "boolean", "eth.dst[32..47] == 0x3333");
field("vlan.tci", 16, "vlan_tci");
predicate("vlan.present", "boolean", "vlan.tci[12]");
subfield("vlan.pcp", "vlan.tci", 13, 15, { needs: "vlan.present" });
subfield("vlan.vid", "vlan.tci", 0, 11, { needs: "vlan.present" });

// ---- layer 3

predicate("ip4", "nominal", "eth.type == 0x800");
predicate("ip6", "nominal", "eth.type == 0x86dd");
predicate("ip", "nominal", "ip4 || ip6");
field("ip.proto", 8, "nw_proto", { level: "nominal", needs: "ip", separates: true, readOnly: true });
field("ip.dscp", 6, "ip_dscp", { level: "nominal", needs: "ip" });
field("ip.ecn", 2, "nw_ecn", { level: "nominal", needs: "ip" });
field("ip.ttl", 8, "nw_ttl", { level: "nominal", needs: "ip" });
field("ip4.src", 32, "ip_src", { needs: "ip4" });
field("ip4.dst", 32, "ip_dst", { needs: "ip4" });
predicate("ip4.src_mcast", "boolean", "ip4.src[28..31] == 0xe");
predicate("ip4.mcast", "boolean", "eth.mcast && ip4.dst[28..31] == 0xe");
field("ip6.src", 128, "ipv6_src", { needs: "ip6" });
field("ip6.dst", 128, "ipv6_dst", { needs: "ip6" });
field("ip6.label", 20, "ipv6_label", { needs: "ip6" });
/** RFC 4291 section 2.7.1: reserved multicast addresses. */
const RESERVED = "0123456789abcdef".split("").map((scope) => `ff0${scope}::`);
const ALL_NODES = ["ff01::1", "ff02::1"];
const ALL_ROUTERS = ["ff01::2", "ff02::2", "ff05::2"];
const SOLICITED_NODE = "ff02::1:ff00:0000/104";
predicate("ip6.mcast_rsvd", "boolean", `ip6.dst == {${RESERVED.join(", ")}}`);
predicate("ip6.mcast_all_nodes", "boolean", `ip6.dst == {${ALL_NODES.join(", ")}}`);
predicate("ip6.mcast_all_rtrs", "boolean", `ip6.dst == {${ALL_ROUTERS.join(", ")}}`);
predicate("ip6.mcast_sol_node", "boolean", `ip6.dst == ${SOLICITED_NODE}`);
predicate(
  "ip6.mcast_flood",
  "boolean",
  "eth.mcastv6 && (ip6.mcast_rsvd || ip6.mcast_all_nodes || ip6.mcast_all_rtrs || ip6.mcast_sol_node)",
);
predicate("ip6.mcast", "boolean", "eth.mcastv6 && ip6.dst[120..127] == 0xff");
field("ip.frag", 2, "nw_frag", { needs: "ip", readOnly: true });
predicate("ip.is_frag", "boolean", "ip.frag[0]");
predicate("ip.later_frag", "boolean", "ip.frag[1]");
predicate("ip.first_frag", "boolean", "ip.is_frag && !ip.later_frag");

predicate("arp", "nominal", "eth.type == 0x806");
field("arp.op", 16, "arp_op", { level: "nominal", needs: "arp" });
field("arp.spa", 32, "arp_spa", { needs: "arp" });
field("arp.tpa", 32, "arp_tpa", { needs: "arp" });
field("arp.sha", 48, "arp_sha", { needs: "arp" });
field("arp.tha", 48, "arp_tha", { needs: "arp" });
predicate("rarp", "nominal", "eth.type == 0x8035");
field("rarp.op", 16, "arp_op", { level: "nominal", needs: "rarp" });
field("rarp.spa", 32, "arp_spa", { needs: "rarp" });
field("rarp.tpa", 32, "arp_tpa", { needs: "rarp" });
field("rarp.sha", 48, "arp_sha", { needs: "rarp" });
field("rarp.tha", 48, "arp_tha", { needs: "rarp" });

// ---- layer 4

predicate("icmp4", "nominal", "ip4 && ip.proto == 1");
field("icmp4.type", 8, "icmp_type", { level: "nominal", needs: "icmp4" });
field("icmp4.code", 8, "icmp_code", { level: "nominal", needs: "icmp4" });
predicate("igmp", "nominal", "ip4.mcast && ip.proto == 2");
predicate("icmp6", "nominal", "ip6 && ip.proto == 58");
field("icmp6.type", 8, "icmpv6_type", { level: "nominal", needs: "icmp6", separates: true });
field("icmp6.code", 8, "icmpv6_code", { level: "nominal", needs: "icmp6", separates: true });
predicate("icmp", "nominal", "icmp4 || icmp6");
predicate("nd", "nominal", "icmp6.type == {135, 136} && icmp6.code == 0 && ip.ttl == 255");
predicate("nd_ns", "nominal", "icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255");
predicate("nd_ns_mcast", "nominal", "ip6.mcast && icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255");
predicate("nd_na", "nominal", "icmp6.type == 136 && icmp6.code == 0 && ip.ttl == 255");
predicate("nd_rs", "nominal", "icmp6.type == 133 && icmp6.code == 0 && ip.ttl == 255");
predicate("nd_ra", "nominal", "icmp6.type == 134 && icmp6.code == 0 && ip.ttl == 255");
field("nd.target", 128, "nd_target", { needs: "nd" });
field("nd.sll", 48, "nd_sll", { needs: "nd_ns" });
field("nd.tll", 48, "nd_tll", { needs: "nd_na" });
predicate("mldv1", "nominal", "eth.mcastv6 && ip6.src == fe80::/10 && icmp6.type == {130, 131, 132}");
predicate("mldv2", "nominal", "eth.mcastv6 && ip6.dst == ff02::16 && icmp6.type == 143");
for (const [name, proto] of [
  ["tcp", 6],
  ["udp", 17],
  ["sctp", 132],
] as const) {
  predicate(name, "nominal", `ip.proto == ${proto}`);
  field(`${name}.src`, 16, `${name}_src`, { needs: name });
  field(`${name}.dst`, 16, `${name}_dst`, { needs: name });
}
field("tcp.flags", 12, "tcp_flags", { needs: "tcp", readOnly: true });

// ---- what only ovn-controller can set

for (const name of ["icmp4.frag_mtu", "icmp6.frag_mtu"]) {
  const width = name === "icmp4.frag_mtu" ? 16 : 32;
  add({ name, kind: "ovn-field", width, level: "nominal", offset: 0, separates: false, writable: true });
}

/** All symbols by name. */
export const SYMBOLS: ReadonlyMap<string, LogicalSymbol> = table;
