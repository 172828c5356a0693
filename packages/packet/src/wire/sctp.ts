/** SCTP (RFC 9260): the common header and its chunks. */
import { put16, put32 } from "../bytes.ts";
import { crc32c } from "../checksum.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { layout, u8, u16, u32 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const SCTP_PROTOCOL = 132;

export const SCTP = layout("SCTP header", 12, { srcPort: u16(0), dstPort: u16(2), tag: u32(4), checksum: u32(8) });
export const SCTP_CHUNK = layout("SCTP chunk", 4, { type: u8(0), flags: u8(1), length: u16(2) });

export const SCTP_CHUNK_TYPE = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
} as const;

export interface SctpChunk {
  readonly type: number;
  readonly flags: number;
  /** Without the chunk header and without padding. */
  readonly data: Uint8Array;
}

export interface Sctp extends HeaderBase {
  readonly kind: "sctp";
  readonly srcPort: number;
  readonly dstPort: number;
  readonly tag: number;
  readonly chunks: readonly SctpChunk[];
  /** CRC32c as the field reads in network order (the CRC's bytes swapped). */
  readonly checksum?: number | undefined;
}

/** The checksum field for the packet bytes[start, end): CRC32c with its least significant byte first. */
export function sctpChecksum(bytes: Uint8Array, start: number, end: number): number {
  const crc = crc32c(bytes, start, end, start + 8);
  return (((crc & 0xff) << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24)) >>> 0;
}

const padded = (length: number): number => (length + 3) & ~3;

export const sctpCodec: Codec<Sctp> = {
  length: (header) => header.chunks.reduce((sum, chunk) => sum + padded(SCTP_CHUNK.length + chunk.data.length), SCTP.length),
  parse(bytes, start, end, under) {
    const v = SCTP.view(bytes, start, end);
    const { srcPort, dstPort, tag } = v;
    const chunks: SctpChunk[] = [];
    let at = start + SCTP.length;
    while (at < end) {
      const chunk = SCTP_CHUNK.view(bytes, at, end);
      const length = chunk.length;
      if (length < SCTP_CHUNK.length) throw new MalformedError("SCTP chunk", `length ${length}`, at + 2);
      if (end - at < padded(length)) throw new TruncatedError("SCTP chunk", at, padded(length), end - at);
      chunks.push({ type: chunk.type, flags: chunk.flags, data: bytes.subarray(at + SCTP_CHUNK.length, at + length) });
      at += padded(length);
    }
    const right = !under?.fragment && v.checksum === sctpChecksum(bytes, start, end);
    const header: Sctp = { kind: "sctp", srcPort, dstPort, tag, chunks, ...(right ? {} : { checksum: v.checksum }) };
    return { header, payload: end, end };
  },
  emit(header, bytes, start, end) {
    put16(bytes, start, header.srcPort);
    put16(bytes, start + 2, header.dstPort);
    put32(bytes, start + 4, header.tag);
    let at = start + SCTP.length;
    for (const { type, flags, data } of header.chunks) {
      const length = SCTP_CHUNK.length + data.length;
      bytes[at] = type;
      bytes[at + 1] = flags;
      put16(bytes, at + 2, length);
      bytes.set(data, at + SCTP_CHUNK.length);
      bytes.fill(0, at + length, at + padded(length));
      at += padded(length);
    }
    put32(bytes, start + 8, header.checksum ?? sctpChecksum(bytes, start, end));
  },
};
