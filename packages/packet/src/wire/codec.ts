/**
 * What every protocol file of this folder has, in this order: its layout (fields at their places, from which comes the zero-copy
 * view), the plain value, and the codec that parses bytes to the value and emits the value to bytes. tcpdump's text of a
 * protocol is in the file of the same name in ../tcpdump.
 *
 * In values, lengths and checksums are absent when they are what emit fills in, and present when a packet has (or shall get)
 * other ones; so that a changed value is emitted rightly, and a broken packet is emitted as it was.
 */
import type { Ipv4, Ipv6 } from "../address.ts";
import { internetChecksum, pseudoSum4, pseudoSum6 } from "../checksum.ts";
import type { Following, Kind } from "./kind.ts";

/** What every header value may carry. */
export interface HeaderBase {
  /** Bytes within this layer that lie behind everything it carries: Ethernet padding, ICMP extensions. */
  readonly trailer?: Uint8Array | undefined;
}

/** The innermost enclosing IP header: where the pseudo-header comes from. */
export type Under =
  | { readonly version: 4; readonly src: Ipv4; readonly dst: Ipv4; readonly fragment: boolean }
  | { readonly version: 6; readonly src: Ipv6; readonly dst: Ipv6; readonly fragment: boolean };

export interface Parsed<H> {
  readonly header: H;
  /** Offset of what the header carries. */
  readonly payload: number;
  /** Offset behind this layer, as its own lengths say: may lie behind the end of the data (truncated) or before it. */
  readonly end: number;
  /** How to read the payload; absent: as plain bytes. */
  readonly next?: Kind | undefined;
  /** Set by IP headers. */
  readonly under?: Under | undefined;
}

export interface Codec<H> {
  /** Bytes that the header takes before its payload. */
  length(header: H): number;
  /**
   * Parses a header at `start`. The data end at `end`. Throws TruncatedError or MalformedError with the offset.
   * `under` is the enclosing IP header, if any.
   */
  parse(bytes: Uint8Array, start: number, end: number, under: Under | undefined): Parsed<H>;
  /**
   * Writes the header at `start`; its payload, already written, lies between it and `end`. `next` is the header
   * that follows. Every byte of the header is written.
   */
  emit(header: H, bytes: Uint8Array, start: number, end: number, under: Under | undefined, next: Following | undefined): void;
}

/** The unfolded sum of the pseudo-header for a transport protocol over `length` bytes; 0 when there is no IP below. */
export function pseudoSum(under: Under | undefined, protocol: number, length: number): number {
  if (under === undefined) return 0;
  return under.version === 4
    ? pseudoSum4(under.src, under.dst, protocol, length)
    : pseudoSum6(under.src, under.dst, protocol, length);
}

/**
 * The `checksum` of a parsed value: absent when bytes[start, end) with their pseudo-header sum to zero, otherwise the field as
 * found. What cannot be verified (truncated, a fragment) counts as not right, so that it is kept.
 */
export function foundChecksum(
  bytes: Uint8Array,
  start: number,
  end: number,
  declaredEnd: number,
  sum: number,
  field: number,
): number | undefined {
  if (declaredEnd > end) return field;
  return internetChecksum(bytes, start, declaredEnd, sum) === 0 ? undefined : field;
}
