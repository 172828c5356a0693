/** Where a packet's IP header is, for its addresses, ports and pseudo-header. */
import { get32 } from "../bytes.ts";
import { pseudoSum4, pseudoSum6At, sumBytes } from "../checksum.ts";
import type { Text } from "./text.ts";

/** Where a transport header's IP header lies, for addresses and pseudo-headers. */
export interface IpPlace {
  readonly version: 4 | 6;
  readonly start: number;
  /** More fragments follow: checksums cannot be verified. */
  readonly fragment: boolean;
  readonly hopLimit: number;
  /** Where the last address of an IPv6 routing header lies. */
  readonly finalDestination?: number | undefined;
}

/** Prints "10.0.0.1.80 > 10.0.0.2.1234: "; the ports alone where the addresses were printed before extension headers. */
export function putPorts(t: Text, start: number, ip: IpPlace, protocol: "tcp" | "udp" | "sctp", number: number): void {
  const src = t.port(protocol, t.u16(start));
  const dst = t.port(protocol, t.u16(start + 2));
  if (ip.version === 6 && t.u8(ip.start + 6) !== number) {
    t.put(`${src} > ${dst}: `);
    return;
  }
  const [from, to] = addresses(t, ip);
  t.put(`${from}.${src} > ${to}.${dst}: `);
}

export function addresses(t: Text, ip: IpPlace): [string, string] {
  return ip.version === 4 ? [t.ip4(ip.start + 12), t.ip4(ip.start + 16)] : [t.ip6(ip.start + 8), t.ip6(ip.start + 24)];
}

/** The unfolded pseudo-header sum for a transport of `length` bytes. */
export function placeSum(t: Text, ip: IpPlace, protocol: number, length: number): number {
  if (ip.version === 6) return placeSum6(t, ip, protocol, length);
  return pseudoSum4(get32(t.bytes, ip.start + 12), get32(t.bytes, ip.start + 16), protocol, length);
}

/** With the final destination in place of the header's, where a routing header has one. */
export function placeSum6(t: Text, ip: IpPlace, protocol: number, length: number): number {
  const sum = pseudoSum6At(t.bytes, ip.start, protocol, length);
  const at = ip.finalDestination;
  if (at === undefined) return sum;
  return sum - sumBytes(t.bytes, ip.start + 24, ip.start + 40) + sumBytes(t.bytes, at, at + 16);
}
