/**
 * The internet checksum (RFC 1071), its incremental update (RFC 1624), pseudo-headers, and SCTP's CRC32c (RFC 9260 appendix A).
 * Nothing here allocates. Sums are carried unfolded as plain numbers, below 2^32 for up to 64 KiB of data, so partial sums can be added.
 */
import type { Ipv6 } from "./address.ts";

/** Adds the 16-bit words of bytes[start, end) to `sum`; an odd last byte counts as the upper half of a word. */
export function sumBytes(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let total = sum;
  let at = start;
  const last = end - 1;
  for (; at < last; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at === last) total += bytes[at]! << 8;
  return total;
}

/** Folds a sum to its 16 bits, not inverted. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return folded;
}

/** The checksum field of a sum: folded and inverted. */
export function finishSum(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/** The internet checksum of bytes[start, end), continuing `sum`. Over data that includes a right checksum it is 0. */
export function internetChecksum(bytes: Uint8Array, start = 0, end = bytes.length, sum = 0): number {
  return finishSum(sumBytes(bytes, start, end, sum));
}

/** The unfolded sum of the IPv4 pseudo-header; `src` and `dst` as numbers, `length` of the upper layer in bytes. */
export function pseudoSum4(src: number, dst: number, protocol: number, length: number): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + protocol + length;
}

/** The same from the 16 bits words of an IPv6 header in place: `header` is where the IPv6 header begins. */
export function pseudoSum6At(bytes: Uint8Array, header: number, protocol: number, length: number): number {
  return sumBytes(bytes, header + 8, header + 40, protocol + (length >>> 16) + (length & 0xffff));
}

function sumIpv6(ip: Ipv6): number {
  let sum = 0;
  for (let rest: bigint = ip; rest > 0n; rest >>= 32n) {
    const word = Number(rest & 0xffff_ffffn);
    sum += (word >>> 16) + (word & 0xffff);
  }
  return sum;
}

/** The unfolded sum of the IPv6 pseudo-header (RFC 8200 section 8.1). */
export function pseudoSum6(src: Ipv6, dst: Ipv6, protocol: number, length: number): number {
  return sumIpv6(src) + sumIpv6(dst) + (length >>> 16) + (length & 0xffff) + protocol;
}

/** RFC 1624 equation 3: the checksum field after a 16-bit word of the data changed from `before` to `after`. */
export function updateChecksum16(checksum: number, before: number, after: number): number {
  return finishSum((~checksum & 0xffff) + (~before & 0xffff) + (after & 0xffff));
}

/** The same for an aligned 32-bit word (an IPv4 address). */
export function updateChecksum32(checksum: number, before: number, after: number): number {
  return finishSum(
    (~checksum & 0xffff) + (~(before >>> 16) & 0xffff) + (~before & 0xffff) + ((after >>> 16) & 0xffff) + (after & 0xffff),
  );
}

/** The same for aligned bytes of equal, even length (an IPv6 address, a MAC). */
export function updateChecksumBytes(checksum: number, before: Uint8Array, after: Uint8Array): number {
  const removed = foldSum(sumBytes(before, 0, before.length));
  return finishSum((~checksum & 0xffff) + (~removed & 0xffff) + sumBytes(after, 0, after.length));
}

/** CRC32c (Castagnoli) by table, reflected. */
const CRC32C = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  CRC32C[i] = crc;
}

/** CRC32c of bytes[start, end), unsigned. `zeroAt`: four bytes there count as zero (where the SCTP checksum itself lies). */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, zeroAt = -1): number {
  let crc = -1;
  for (let at = start; at < end; at++) {
    const byte = zeroAt >= 0 && at >= zeroAt && at < zeroAt + 4 ? 0 : bytes[at]!;
    crc = CRC32C[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
