/** IPv4 (RFC 791) with options. */
import { type Ipv4, writeIpv4 } from "../address.ts";
import { put16 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, ipv4, layout, u8, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { ipProtocolOf, kindOfIpProtocol } from "./numbers.ts";

export const IPV4 = layout("IPv4 header", 20, {
  version: bits(0, 1, 4, 4),
  /** In 32-bit words. */
  headerWords: bits(0, 1, 0, 4),
  tos: u8(1),
  totalLength: u16(2),
  id: u16(4),
  reservedFlag: flag(6, 7),
  dontFragment: flag(6, 6),
  moreFragments: flag(6, 5),
  /** In units of 8 bytes. */
  fragmentOffset: bits(6, 2, 0, 13),
  ttl: u8(8),
  protocol: u8(9),
  checksum: u16(10),
  src: ipv4(12),
  dst: ipv4(16),
});

export interface Ipv4Header extends HeaderBase {
  readonly kind: "ipv4";
  readonly src: Ipv4;
  readonly dst: Ipv4;
  /** 64 unless given. */
  readonly ttl?: number | undefined;
  /** The whole second byte: DSCP in the upper six bits, ECN in the lower two. */
  readonly tos?: number | undefined;
  readonly id?: number | undefined;
  readonly dontFragment?: boolean | undefined;
  readonly moreFragments?: boolean | undefined;
  readonly reservedFlag?: boolean | undefined;
  /** In bytes, a multiple of 8. */
  readonly fragmentOffset?: number | undefined;
  /** Absent: derived from what follows. */
  readonly protocol?: number | undefined;
  /** As on the wire, padded with zeros to a multiple of 4 when emitted; at most 40 bytes. See {@link parseIpv4Options}. */
  readonly options?: Uint8Array | undefined;
  readonly totalLength?: number | undefined;
  readonly checksum?: number | undefined;
}

/** One option; types 0 (end) and 1 (no operation) have no data. */
export interface Ipv4Option {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Splits an option area; throws MalformedError with the offset within it. Bytes behind an end-of-list are not looked at. */
export function parseIpv4Options(area: Uint8Array): Ipv4Option[] {
  const options: Ipv4Option[] = [];
  for (let at = 0; at < area.length; ) {
    const type = area[at]!;
    if (type <= 1) {
      options.push({ type, data: area.subarray(at, at) });
      if (type === 0) break;
      at++;
      continue;
    }
    const length = area[at + 1];
    if (length === undefined || length < 2 || at + length > area.length)
      throw new MalformedError("IPv4 option", `bad length ${length ?? "(none)"}`, at);
    options.push({ type, data: area.subarray(at + 2, at + length) });
    at += length;
  }
  return options;
}

/** The option area for a list of options, not padded. */
export function emitIpv4Options(options: readonly Ipv4Option[]): Uint8Array {
  const area: number[] = [];
  for (const { type, data } of options) area.push(...(type <= 1 ? [type] : [type, data.length + 2, ...data]));
  return Uint8Array.from(area);
}

function headerLength(header: Ipv4Header): number {
  const options = header.options?.length ?? 0;
  if (options > 40) throw badValue("IPv4 options", `${options} bytes do not fit into 40`);
  return IPV4.length + ((options + 3) & ~3);
}

export const ipv4Codec: Codec<Ipv4Header> = {
  length: headerLength,
  parse(bytes, start, end) {
    const v = IPV4.view(bytes, start, end);
    if (v.version !== 4) throw new MalformedError("IPv4 header", `version ${v.version}`, start);
    const payload = start + v.headerWords * 4;
    if (v.headerWords < 5) throw new MalformedError("IPv4 header", `header length ${v.headerWords * 4}`, start);
    if (payload > end)
      throw new TruncatedError("IPv4 options", start + IPV4.length, payload - start - IPV4.length, end - start - IPV4.length);
    if (v.totalLength < v.headerWords * 4) throw new MalformedError("IPv4 header", `total length ${v.totalLength}`, start + 2);
    const { src, dst, ttl, tos, id, dontFragment, moreFragments, protocol } = v;
    const fragmentOffset = v.fragmentOffset * 8;
    const declaredEnd = start + v.totalLength;
    const header: Ipv4Header = {
      kind: "ipv4",
      src,
      dst,
      ttl,
      tos,
      id,
      dontFragment,
      moreFragments,
      ...(v.reservedFlag ? { reservedFlag: true } : {}),
      fragmentOffset,
      protocol,
      ...(payload > start + IPV4.length ? { options: bytes.subarray(start + IPV4.length, payload) } : {}),
      ...(declaredEnd > end ? { totalLength: v.totalLength } : {}),
      ...(internetChecksum(bytes, start, payload) === 0 ? {} : { checksum: v.checksum }),
    };
    const fragment = fragmentOffset > 0 || moreFragments;
    const under = { version: 4, src, dst, fragment } as const;
    return { header, payload, end: declaredEnd, next: fragmentOffset > 0 ? undefined : kindOfIpProtocol(4, protocol), under };
  },
  emit(header, bytes, start, end, _under, next) {
    const length = headerLength(header);
    bytes[start] = 0x40 | (length / 4);
    bytes[start + 1] = header.tos ?? 0;
    put16(bytes, start + 2, header.totalLength ?? end - start);
    put16(bytes, start + 4, header.id ?? 0);
    const flags = (header.reservedFlag ? 0x8000 : 0) | (header.dontFragment ? 0x4000 : 0) | (header.moreFragments ? 0x2000 : 0);
    put16(bytes, start + 6, flags | ((header.fragmentOffset ?? 0) / 8));
    bytes[start + 8] = header.ttl ?? 64;
    bytes[start + 9] = header.protocol ?? ipProtocolOf(next) ?? 255;
    put16(bytes, start + 10, 0);
    writeIpv4(bytes, start + 12, header.src);
    writeIpv4(bytes, start + 16, header.dst);
    bytes.fill(0, start + IPV4.length, start + length);
    if (header.options) bytes.set(header.options, start + IPV4.length);
    put16(bytes, start + 10, header.checksum ?? internetChecksum(bytes, start, start + length));
  },
};
