/** The kinds of headers, outermost first as far as there is an order. */
export type Kind =
  | "ethernet"
  | "vlan"
  | "llc"
  | "stp"
  | "lldp"
  | "arp"
  | "ipv4"
  | "ipv6"
  | "ipv6-options"
  | "ipv6-routing"
  | "ipv6-fragment"
  | "icmp"
  | "icmpv6"
  | "nd"
  | "mld"
  | "igmp"
  | "tcp"
  | "udp"
  | "sctp"
  | "dhcp"
  | "dhcpv6"
  | "dns"
  | "bfd"
  | "geneve"
  | "vxlan"
  | "payload";

/** What the header before needs to know of the one that follows, to announce it. */
export interface Following {
  readonly kind: Kind;
  /** Of a VLAN tag. */
  readonly tpid?: number | undefined;
  /** Of IPv6 options. */
  readonly where?: "hop-by-hop" | "destination" | undefined;
}
