/** From a list of headers to bytes. Lengths, checksums and next-protocol numbers that the values leave out are filled in. */
import { checkKind, codecOf } from "./codecs.ts";
import { badValue } from "./errors.ts";
import type { Under } from "./wire/codec.ts";
import type { Header } from "./wire/header.ts";

/** The bytes that `emit` makes of these headers. */
export function emittedLength(headers: readonly Header[]): number {
  let length = 0;
  for (const header of headers) {
    checkKind(header);
    length += codecOf(header).length(header) + (header.trailer?.length ?? 0);
  }
  return length;
}

/**
 * Writes the packet into `bytes` at `offset` and returns the offset behind it. Every byte in between is written. Throws
 * "packet.bad-value" for values that do not fit their fields, and when `bytes` is too small.
 */
export function emitInto(bytes: Uint8Array, offset: number, headers: readonly Header[]): number {
  const end = offset + emittedLength(headers);
  if (end > bytes.length) throw badValue("packet", `${end - offset} bytes do not fit into ${bytes.length - offset}`);
  emitFrom(bytes, offset, end, headers, 0, undefined);
  return end;
}

/** The packet's bytes, e.g. `emit([ethernet, vlan, ipv4, icmp, payload])`. */
export function emit(headers: readonly Header[]): Uint8Array {
  const bytes = new Uint8Array(emittedLength(headers));
  emitInto(bytes, 0, headers);
  return bytes;
}

function emitFrom(
  bytes: Uint8Array,
  start: number,
  end: number,
  headers: readonly Header[],
  index: number,
  under: Under | undefined,
): void {
  const header = headers[index];
  if (!header) return;
  const codec = codecOf(header);
  const trailer = header.trailer;
  const inside = end - (trailer?.length ?? 0);
  if (trailer) bytes.set(trailer, inside);
  // an Ethernet trailer is padding outside of what the header counts; elsewhere it is part of the layer
  const next = headers[index + 1];
  emitFrom(bytes, start + codec.length(header), inside, headers, index + 1, underOf(header) ?? under);
  const counted = header.kind === "ethernet" || header.kind === "vlan" ? inside : end;
  codec.emit(header, bytes, start, counted, under, next);
}

function underOf(header: Header): Under | undefined {
  if (header.kind === "ipv4") return { version: 4, src: header.src, dst: header.dst, fragment: false };
  if (header.kind === "ipv6") return { version: 6, src: header.src, dst: header.dst, fragment: false };
  return undefined;
}

export function payload(bytes: Uint8Array): Header {
  return { kind: "payload", bytes };
}
