/** Which number says that which protocol follows: EtherTypes, IP protocol numbers, UDP ports, 802.2 service access points. */
import type { Following, Kind } from "./kind.ts";

interface Numbered {
  readonly number: number;
  readonly kind: Kind;
}

/** IEEE EtherTypes of the protocols in this package. The first row of a kind is the one that emit fills in. */
export const ETHER_TYPES: readonly Numbered[] = [
  { number: 0x0800, kind: "ipv4" },
  { number: 0x86dd, kind: "ipv6" },
  { number: 0x0806, kind: "arp" },
  { number: 0x8035, kind: "arp" },
  { number: 0x8100, kind: "vlan" },
  { number: 0x88a8, kind: "vlan" },
  { number: 0x9100, kind: "vlan" },
  { number: 0x88cc, kind: "lldp" },
  { number: 0x6558, kind: "ethernet" },
];

/** IANA protocol numbers, by the IP version that carries them. */
export const IP_PROTOCOLS: readonly (Numbered & { readonly version?: 4 | 6 })[] = [
  { number: 1, kind: "icmp", version: 4 },
  { number: 2, kind: "igmp", version: 4 },
  { number: 6, kind: "tcp" },
  { number: 17, kind: "udp" },
  { number: 132, kind: "sctp" },
  { number: 58, kind: "icmpv6", version: 6 },
  { number: 58, kind: "nd", version: 6 },
  { number: 58, kind: "mld", version: 6 },
  { number: 0, kind: "ipv6-options", version: 6 },
  { number: 60, kind: "ipv6-options", version: 6 },
  { number: 43, kind: "ipv6-routing", version: 6 },
  { number: 44, kind: "ipv6-fragment", version: 6 },
  { number: 4, kind: "ipv4" },
  { number: 41, kind: "ipv6" },
];

/** UDP destination or source ports by which a payload is read. */
export const UDP_PORTS: readonly Numbered[] = [
  { number: 6081, kind: "geneve" },
  { number: 4789, kind: "vxlan" },
  { number: 67, kind: "dhcp" },
  { number: 68, kind: "dhcp" },
  { number: 53, kind: "dns" },
  { number: 5353, kind: "dns" },
  { number: 546, kind: "dhcpv6" },
  { number: 547, kind: "dhcpv6" },
  { number: 3784, kind: "bfd" },
];

const byEtherType = new Map(ETHER_TYPES.map((row) => [row.number, row.kind]));
const byUdpPort = new Map(UDP_PORTS.map((row) => [row.number, row.kind]));

export function kindOfEtherType(type: number): Kind | undefined {
  return byEtherType.get(type);
}

export function kindOfIpProtocol(version: 4 | 6, protocol: number): Kind | undefined {
  return IP_PROTOCOLS.find((row) => row.number === protocol && (row.version ?? version) === version)?.kind;
}

/** Tunnels go by destination port alone, others by either. */
export function kindOfUdpPorts(src: number, dst: number): Kind | undefined {
  const kind = byUdpPort.get(dst);
  if (kind !== undefined) return kind;
  const from = byUdpPort.get(src);
  return from === "geneve" || from === "vxlan" ? undefined : from;
}

/** The EtherType that announces `next`, undefined for plain bytes. */
export function etherTypeOf(next: Following | undefined): number | undefined {
  if (next === undefined) return undefined;
  if (next.kind === "vlan" && next.tpid !== undefined) return next.tpid;
  return ETHER_TYPES.find((row) => row.kind === next.kind)?.number;
}

/** The IP protocol number that announces `next`, undefined for plain bytes. */
export function ipProtocolOf(next: Following | undefined): number | undefined {
  if (next === undefined) return undefined;
  if (next.kind === "ipv6-options") return next.where === "hop-by-hop" ? 0 : 60;
  return IP_PROTOCOLS.find((row) => row.kind === next.kind)?.number;
}
