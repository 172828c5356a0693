/** TCP (RFC 9293) with options. */
import { put16, put32 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { bits, layout, u16, u32 } from "../layout.ts";
import { type Codec, foundChecksum, type HeaderBase, pseudoSum } from "./codec.ts";

export const TCP_PROTOCOL = 6;

export const TCP = layout("TCP header", 20, {
  srcPort: u16(0),
  dstPort: u16(2),
  sequence: u32(4),
  acknowledgment: u32(8),
  /** In 32-bit words. */
  headerWords: bits(12, 1, 4, 4),
  flags: bits(12, 2, 0, 12),
  window: u16(14),
  checksum: u16(16),
  urgent: u16(18),
});

export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128, ae: 256 } as const;
export const TCP_OPTION = { end: 0, nop: 1, maxSegment: 2, windowScale: 3, sackPermitted: 4, sack: 5, timestamps: 8 } as const;

export interface Tcp extends HeaderBase {
  readonly kind: "tcp";
  readonly srcPort: number;
  readonly dstPort: number;
  readonly sequence: number;
  readonly acknowledgment?: number | undefined;
  /** TCP_FLAG bits; the upper four of the twelve are reserved and AE. */
  readonly flags: number;
  readonly window?: number | undefined;
  readonly urgent?: number | undefined;
  /** As on the wire, padded with zeros to a multiple of 4; at most 40 bytes. See {@link parseTcpOptions}. */
  readonly options?: Uint8Array | undefined;
  readonly checksum?: number | undefined;
}

/** One option; types 0 and 1 have no data. */
export interface TcpOption {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Splits an option area; throws MalformedError with the offset within it. */
export function parseTcpOptions(area: Uint8Array): TcpOption[] {
  const options: TcpOption[] = [];
  for (let at = 0; at < area.length; ) {
    const type = area[at]!;
    if (type <= TCP_OPTION.nop) {
      options.push({ type, data: area.subarray(at, at) });
      if (type === TCP_OPTION.end) break;
      at++;
      continue;
    }
    const length = area[at + 1];
    if (length === undefined || length < 2 || at + length > area.length)
      throw new MalformedError("TCP option", `bad length ${length ?? "(none)"}`, at);
    options.push({ type, data: area.subarray(at + 2, at + length) });
    at += length;
  }
  return options;
}

/** The option area for a list of options, not padded. */
export function emitTcpOptions(options: readonly TcpOption[]): Uint8Array {
  const area: number[] = [];
  for (const { type, data } of options) area.push(...(type <= TCP_OPTION.nop ? [type] : [type, data.length + 2, ...data]));
  return Uint8Array.from(area);
}

function headerLength(header: Tcp): number {
  const options = header.options?.length ?? 0;
  if (options > 40) throw badValue("TCP options", `${options} bytes do not fit into 40`);
  return TCP.length + ((options + 3) & ~3);
}

export const tcpCodec: Codec<Tcp> = {
  length: headerLength,
  parse(bytes, start, end, under) {
    const v = TCP.view(bytes, start, end);
    const { srcPort, dstPort, sequence, acknowledgment, flags, window, urgent } = v;
    const payload = start + v.headerWords * 4;
    if (v.headerWords < 5) throw new MalformedError("TCP header", `header length ${v.headerWords * 4}`, start + 12);
    if (payload > end)
      throw new TruncatedError("TCP options", start + TCP.length, payload - start - TCP.length, end - start - TCP.length);
    const sum = pseudoSum(under, TCP_PROTOCOL, end - start);
    const checksum = under?.fragment ? v.checksum : foundChecksum(bytes, start, end, end, sum, v.checksum);
    const options = payload > start + TCP.length ? { options: bytes.subarray(start + TCP.length, payload) } : {};
    const header: Tcp = { kind: "tcp", srcPort, dstPort, sequence, acknowledgment, flags, window, urgent, checksum, ...options };
    return { header, payload, end };
  },
  emit(header, bytes, start, end, under) {
    const length = headerLength(header);
    put16(bytes, start, header.srcPort);
    put16(bytes, start + 2, header.dstPort);
    put32(bytes, start + 4, header.sequence);
    put32(bytes, start + 8, header.acknowledgment ?? 0);
    put16(bytes, start + 12, ((length / 4) << 12) | (header.flags & 0xfff));
    put16(bytes, start + 14, header.window ?? 65535);
    put16(bytes, start + 16, 0);
    put16(bytes, start + 18, header.urgent ?? 0);
    bytes.fill(0, start + TCP.length, start + length);
    if (header.options) bytes.set(header.options, start + TCP.length);
    const sum = pseudoSum(under, TCP_PROTOCOL, end - start);
    put16(bytes, start + 16, header.checksum ?? internetChecksum(bytes, start, end, sum));
  },
};
