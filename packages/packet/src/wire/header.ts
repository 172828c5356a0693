/** The header values of all protocols, told apart by `kind`. */
import type { Arp } from "./arp.ts";
import type { Bfd } from "./bfd.ts";
import type { HeaderBase } from "./codec.ts";
import type { Dhcp } from "./dhcp.ts";
import type { Dhcpv6 } from "./dhcpv6.ts";
import type { Dns } from "./dns.ts";
import type { Ethernet } from "./ethernet.ts";
import type { Geneve } from "./geneve.ts";
import type { Icmp } from "./icmp.ts";
import type { Icmpv6 } from "./icmpv6.ts";
import type { Igmp } from "./igmp.ts";
import type { Ipv4Header } from "./ipv4.ts";
import type { Ipv6Header } from "./ipv6.ts";
import type { Ipv6Fragment, Ipv6Options, Ipv6Routing } from "./ipv6Extensions.ts";
import type { Kind } from "./kind.ts";
import type { Llc } from "./llc.ts";
import type { Lldp } from "./lldp.ts";
import type { Mld } from "./mld.ts";
import type { Nd } from "./nd.ts";
import type { Sctp } from "./sctp.ts";
import type { Stp } from "./stp.ts";
import type { Tcp } from "./tcp.ts";
import type { Udp } from "./udp.ts";
import type { Vlan } from "./vlan.ts";
import type { Vxlan } from "./vxlan.ts";

/** Bytes that no codec read: application data, or what follows a problem. */
export interface Payload extends HeaderBase {
  readonly kind: "payload";
  readonly bytes: Uint8Array;
}

export type Header =
  | Ethernet
  | Vlan
  | Llc
  | Stp
  | Lldp
  | Arp
  | Ipv4Header
  | Ipv6Header
  | Ipv6Options
  | Ipv6Routing
  | Ipv6Fragment
  | Icmp
  | Icmpv6
  | Nd
  | Mld
  | Igmp
  | Tcp
  | Udp
  | Sctp
  | Dhcp
  | Dhcpv6
  | Dns
  | Bfd
  | Geneve
  | Vxlan
  | Payload;

/** The header value of a kind. That every kind has one, and no header another kind, is checked where codecs.ts has its table. */
export type HeaderOf<K extends Kind> = Extract<Header, { kind: K }>;
