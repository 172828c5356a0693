/** IGMP, versions 1 to 3 (RFC 1112, RFC 2236, RFC 3376). */
import { type Ipv4, readIpv4, writeIpv4 } from "../address.ts";
import { put16 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, ipv4, layout, u8, u16 } from "../layout.ts";
import { type Codec, foundChecksum, type HeaderBase } from "./codec.ts";

export const IGMP = layout("IGMP message", 8, { type: u8(0), maxResponse: u8(1), checksum: u16(2), group: ipv4(4) });
export const IGMP_QUERY3 = layout("IGMPv3 query", 12, {
  suppress: flag(8, 3),
  robustness: bits(8, 1, 0, 3),
  intervalCode: u8(9),
  sourceCount: u16(10),
});
export const IGMP_REPORT3 = layout("IGMPv3 report", 8, { type: u8(0), checksum: u16(2), recordCount: u16(6) });
export const IGMP_RECORD = layout("IGMPv3 record", 8, {
  type: u8(0),
  auxiliaryWords: u8(1),
  sourceCount: u16(2),
  group: ipv4(4),
});

export const IGMP_TYPE = { query: 0x11, report1: 0x12, report2: 0x16, leave: 0x17, report3: 0x22 } as const;

export interface IgmpRecord {
  /** 1 is include, 2 exclude, 3 to include, 4 to exclude, 5 allow new, 6 block old. */
  readonly type: number;
  readonly group: Ipv4;
  readonly sources: readonly Ipv4[];
}

interface IgmpBase extends HeaderBase {
  readonly kind: "igmp";
  readonly checksum?: number | undefined;
}

/** Queries of all versions, reports and leaves of versions 1 and 2. */
export interface IgmpGroup extends IgmpBase {
  readonly type: 0x11 | 0x12 | 0x16 | 0x17;
  /** Tenths of a second, 0 in version 1; version 3 has a code from 128 on. */
  readonly maxResponse?: number | undefined;
  readonly group: Ipv4;
  /** Present in version 3 queries. */
  readonly version3?:
    | {
        readonly suppress: boolean;
        readonly robustness: number;
        readonly intervalCode: number;
        readonly sources: readonly Ipv4[];
      }
    | undefined;
}

export interface IgmpReport3 extends IgmpBase {
  readonly type: 0x22;
  readonly records: readonly IgmpRecord[];
}

export type Igmp = IgmpGroup | IgmpReport3;

const recordLength = (record: IgmpRecord): number => IGMP_RECORD.length + 4 * record.sources.length;

function parseSources(bytes: Uint8Array, at: number, count: number, end: number): Ipv4[] {
  if (end - at < 4 * count) throw new TruncatedError("IGMPv3 sources", at, 4 * count, end - at);
  const sources: Ipv4[] = [];
  for (let i = 0; i < count; i++) sources.push(readIpv4(bytes, at + 4 * i));
  return sources;
}

function emitSources(sources: readonly Ipv4[], bytes: Uint8Array, at: number): void {
  sources.forEach((source, i) => {
    writeIpv4(bytes, at + 4 * i, source);
  });
}

export const igmpCodec: Codec<Igmp> = {
  length(header) {
    if (header.type === 0x22) return header.records.reduce((sum, record) => sum + recordLength(record), IGMP_REPORT3.length);
    return header.version3 ? IGMP_QUERY3.length + 4 * header.version3.sources.length : IGMP.length;
  },
  parse(bytes, start, end, under) {
    const v = IGMP.view(bytes, start, end);
    const { type, maxResponse, group } = v;
    const checksum = under?.fragment ? v.checksum : foundChecksum(bytes, start, end, end, 0, v.checksum);
    const base = { kind: "igmp", checksum } as const;
    if (type === IGMP_TYPE.report3) {
      const records: IgmpRecord[] = [];
      let at = start + IGMP_REPORT3.length;
      for (let i = IGMP_REPORT3.view(bytes, start, end).recordCount; i > 0; i--) {
        const r = IGMP_RECORD.view(bytes, at, end);
        if (r.auxiliaryWords !== 0) throw new MalformedError(IGMP_RECORD.name, "auxiliary data", at + 1);
        const record = {
          type: r.type,
          group: r.group,
          sources: parseSources(bytes, at + IGMP_RECORD.length, r.sourceCount, end),
        };
        records.push(record);
        at += recordLength(record);
      }
      return { header: { ...base, type, records }, payload: at, end };
    }
    if (type !== IGMP_TYPE.query && type !== IGMP_TYPE.report1 && type !== IGMP_TYPE.report2 && type !== IGMP_TYPE.leave)
      throw new MalformedError("IGMP message", `type ${type}`, start);
    if (type !== IGMP_TYPE.query || end - start < IGMP_QUERY3.length)
      return { header: { ...base, type, maxResponse, group }, payload: start + IGMP.length, end };
    const { suppress, robustness, intervalCode, sourceCount } = IGMP_QUERY3.view(bytes, start, end);
    const sources = parseSources(bytes, start + IGMP_QUERY3.length, sourceCount, end);
    const version3 = { suppress, robustness, intervalCode, sources };
    return {
      header: { ...base, type, maxResponse, group, version3 },
      payload: start + IGMP_QUERY3.length + 4 * sourceCount,
      end,
    };
  },
  emit(header, bytes, start, end) {
    bytes[start] = header.type;
    put16(bytes, start + 2, 0);
    if (header.type === 0x22) {
      bytes[start + 1] = 0;
      put16(bytes, start + 4, 0);
      put16(bytes, start + 6, header.records.length);
      let at = start + IGMP_REPORT3.length;
      for (const record of header.records) {
        bytes[at] = record.type;
        bytes[at + 1] = 0;
        put16(bytes, at + 2, record.sources.length);
        writeIpv4(bytes, at + 4, record.group);
        emitSources(record.sources, bytes, at + IGMP_RECORD.length);
        at += recordLength(record);
      }
    } else {
      bytes[start + 1] = header.maxResponse ?? 0;
      writeIpv4(bytes, start + 4, header.group);
      if (header.version3) {
        const { suppress, robustness, intervalCode, sources } = header.version3;
        bytes[start + 8] = (suppress ? 8 : 0) | (robustness & 7);
        bytes[start + 9] = intervalCode;
        put16(bytes, start + 10, sources.length);
        emitSources(sources, bytes, start + IGMP_QUERY3.length);
      }
    }
    put16(bytes, start + 2, header.checksum ?? internetChecksum(bytes, start, end));
  },
};
