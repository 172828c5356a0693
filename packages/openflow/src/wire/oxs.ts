/** OXS, the extensible statistics of OpenFlow 1.5 (specification 7.2.4). */
import type { ByteReader, ByteWriter } from "./bytes.ts";

export interface Oxs {
  readonly durationSec?: number;
  readonly durationNsec?: number;
  readonly idleSec?: number;
  readonly idleNsec?: number;
  readonly flows?: number;
  readonly packets?: bigint;
  readonly bytes?: bigint;
}

const CLASS = 0x8002;
const FIELD = { duration: 0, idle: 1, flows: 3, packets: 4, bytes: 5 } as const;

/** Writes the fields that are given, with header and padding. */
export function writeStats(out: ByteWriter, stats: Oxs): void {
  const start = out.at;
  out.u16(0).u16(0);
  const header = (field: number, length: number) =>
    out
      .u16(CLASS)
      .u8(field << 1)
      .u8(length);
  if (stats.durationSec !== undefined)
    header(FIELD.duration, 8)
      .u32(stats.durationSec)
      .u32(stats.durationNsec ?? 0);
  if (stats.idleSec !== undefined)
    header(FIELD.idle, 8)
      .u32(stats.idleSec)
      .u32(stats.idleNsec ?? 0);
  if (stats.flows !== undefined) header(FIELD.flows, 4).u32(stats.flows);
  if (stats.packets !== undefined) header(FIELD.packets, 8).u64(stats.packets);
  if (stats.bytes !== undefined) header(FIELD.bytes, 8).u64(stats.bytes);
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

/** Reads what {@link writeStats} writes; unknown fields are skipped. */
export function readStats(input: ByteReader): Oxs {
  const start = input.at;
  input.skip(2);
  const length = input.u16();
  if (length < 4 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `statistics of ${length} bytes`);
  const part = input.part(length - 4);
  input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
  const found: { -readonly [K in keyof Oxs]: Oxs[K] } = {};
  while (part.left > 0) {
    const cls = part.u16();
    const field = part.u8() >> 1;
    const body = part.part(part.u8());
    if (cls !== CLASS) continue;
    switch (field) {
      case FIELD.duration:
        found.durationSec = body.u32();
        found.durationNsec = body.u32();
        break;
      case FIELD.idle:
        found.idleSec = body.u32();
        found.idleNsec = body.u32();
        break;
      case FIELD.flows:
        found.flows = body.u32();
        break;
      case FIELD.packets:
        found.packets = body.u64();
        break;
      case FIELD.bytes:
        found.bytes = body.u64();
        break;
    }
  }
  return found;
}
