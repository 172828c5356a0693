/** Where the network and transport headers of a packet, or of a packet inside an ICMP error, are. Nothing here allocates. */

export interface NetworkHeader {
  family: 4 | 6;
  /** Offsets in the frame: network header, transport header, first byte behind the network layer's end. */
  l3: number;
  l4: number;
  end: number;
  protocol: number;
  /** Where IPv6's fragment header is, or -1. */
  fragment: number;
}

export const newNetworkHeader = (): NetworkHeader => ({ family: 4, l3: 0, l4: 0, end: 0, protocol: 0, fragment: -1 });

export const be16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
export const be32 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);
export function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}
export function put32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/**
 * Reads the header at `l3` of a frame with `limit` bytes; false when it is not one. `cut`: the packet may end before its length
 * says, as one within an ICMP error does.
 */
export function readNetwork(b: Uint8Array, l3: number, limit: number, family: 4 | 6, into: NetworkHeader, cut: boolean): boolean {
  into.family = family;
  into.l3 = l3;
  into.fragment = -1;
  return family === 4 ? readIpv4(b, l3, limit, into, cut) : readIpv6(b, l3, limit, into, cut);
}

function readIpv4(b: Uint8Array, l3: number, limit: number, into: NetworkHeader, cut: boolean): boolean {
  if (limit < l3 + 20 || (b[l3] as number) >>> 4 !== 4) return false;
  const size = ((b[l3] as number) & 15) * 4;
  const total = be16(b, l3 + 2);
  if (size < 20 || limit < l3 + size || total < size) return false;
  if (!cut && total > limit - l3) return false;
  into.l4 = l3 + size;
  into.end = Math.min(limit, l3 + total);
  into.protocol = b[l3 + 9] as number;
  return true;
}

function readIpv6(b: Uint8Array, l3: number, limit: number, into: NetworkHeader, cut: boolean): boolean {
  if (limit < l3 + 40 || (b[l3] as number) >>> 4 !== 6) return false;
  const length = be16(b, l3 + 4);
  if (!cut && length > limit - l3 - 40) return false;
  const end = Math.min(limit, l3 + 40 + length);
  let next = b[l3 + 6] as number;
  let at = l3 + 40;
  // Hop-by-hop 0, routing 43, fragment 44, authentication 51, destination 60 (RFC 8200 section 4).
  while (next === 0 || next === 43 || next === 44 || next === 51 || next === 60) {
    if (at + 8 > end) return false;
    const fragment = next === 44 && (be16(b, at + 2) & 0xfff9) !== 0;
    if (next === 44) into.fragment = at;
    const size = next === 44 ? 8 : next === 51 ? ((b[at + 1] as number) + 2) * 4 : ((b[at + 1] as number) + 1) * 8;
    next = b[at] as number;
    at += size;
    if (at > end) return false;
    // What follows in a fragment is data, whatever it looks like.
    if (fragment) break;
  }
  into.l4 = at;
  into.end = end;
  into.protocol = next;
  return true;
}
