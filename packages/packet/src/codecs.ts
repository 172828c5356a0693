/** The codec of every kind of header. */
import { badValue, TruncatedError } from "./errors.ts";
import { arpCodec } from "./wire/arp.ts";
import { bfdCodec } from "./wire/bfd.ts";
import type { Codec } from "./wire/codec.ts";
import { dhcpCodec } from "./wire/dhcp.ts";
import { dhcpv6Codec } from "./wire/dhcpv6.ts";
import { dnsCodec } from "./wire/dns.ts";
import { ethernetCodec } from "./wire/ethernet.ts";
import { geneveCodec } from "./wire/geneve.ts";
import type { Header, HeaderOf, Payload } from "./wire/header.ts";
import { icmpCodec } from "./wire/icmp.ts";
import { icmpv6Codec, kindOfIcmpv6Type } from "./wire/icmpv6.ts";
import { igmpCodec } from "./wire/igmp.ts";
import { ipv4Codec } from "./wire/ipv4.ts";
import { ipv6Codec } from "./wire/ipv6.ts";
import { ipv6FragmentCodec, ipv6OptionsCodec, ipv6RoutingCodec } from "./wire/ipv6Extensions.ts";
import type { Kind } from "./wire/kind.ts";
import { llcCodec } from "./wire/llc.ts";
import { lldpCodec } from "./wire/lldp.ts";
import { mldCodec } from "./wire/mld.ts";
import { ndCodec } from "./wire/nd.ts";
import { sctpCodec } from "./wire/sctp.ts";
import { stpCodec } from "./wire/stp.ts";
import { tcpCodec } from "./wire/tcp.ts";
import { udpCodec } from "./wire/udp.ts";
import { vlanCodec } from "./wire/vlan.ts";
import { vxlanCodec } from "./wire/vxlan.ts";

const payloadCodec: Codec<Payload> = {
  length: (header) => header.bytes.length,
  parse: (bytes, start, end) => ({ header: { kind: "payload", bytes: bytes.subarray(start, end) }, payload: end, end }),
  emit: (header, bytes, start) => bytes.set(header.bytes, start),
};

const CODECS: { readonly [K in Kind]: Codec<HeaderOf<K>> } = {
  ethernet: ethernetCodec,
  vlan: vlanCodec,
  llc: llcCodec,
  stp: stpCodec,
  lldp: lldpCodec,
  arp: arpCodec,
  ipv4: ipv4Codec,
  ipv6: ipv6Codec,
  "ipv6-options": ipv6OptionsCodec("destination"),
  "ipv6-routing": ipv6RoutingCodec,
  "ipv6-fragment": ipv6FragmentCodec,
  icmp: icmpCodec,
  icmpv6: icmpv6Codec,
  nd: ndCodec,
  mld: mldCodec,
  igmp: igmpCodec,
  tcp: tcpCodec,
  udp: udpCodec,
  sctp: sctpCodec,
  dhcp: dhcpCodec,
  dhcpv6: dhcpv6Codec,
  dns: dnsCodec,
  bfd: bfdCodec,
  geneve: geneveCodec,
  vxlan: vxlanCodec,
  payload: payloadCodec,
};

const hopByHopCodec = ipv6OptionsCodec("hop-by-hop");

export function codecOf(header: Header): Codec<Header> {
  return CODECS[header.kind] as Codec<Header>; // the table pairs each kind with its own codec
}

/** The codec for bytes announced as `kind` by the header `before` them; ICMPv6 splits by its type byte. */
export function codecFor(kind: Kind, before: Header | undefined, bytes: Uint8Array, start: number, end: number): Codec<Header> {
  // parse gives whatever kind it reads, and nothing else of the codec is used by decode: so any codec serves as one of Header
  const as = <H extends Header>(codec: Codec<H>): Codec<Header> => codec as unknown as Codec<Header>;
  if (kind === "ipv6-options") {
    // the same layout in two places: the number that announced it tells which
    const number = before && "nextHeader" in before ? before.nextHeader : undefined;
    return as(number === 0 ? hopByHopCodec : CODECS[kind]);
  }
  if (kind === "icmpv6") {
    if (start >= end) throw new TruncatedError("ICMPv6 header", start, 4, 0);
    return as(CODECS[kindOfIcmpv6Type(bytes[start]!)] as Codec<HeaderOf<"icmpv6">>);
  }
  return as(CODECS[kind] as Codec<HeaderOf<typeof kind>>);
}

/** For values that come from untyped code. */
export function checkKind(header: Header): void {
  if (!(header.kind in CODECS)) throw badValue("header", `unknown kind "${String(header.kind)}"`);
}
