/** Multicast listener discovery, version 1 (RFC 2710) and 2 (RFC 3810). */
import { type Ipv6, readIpv6, writeIpv6 } from "../address.ts";
import { put16 } from "../bytes.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, ipv6, layout, u8, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { emitIcmpv6Start, foundIcmpv6Checksum, ICMPV6_TYPE } from "./icmpv6.ts";

/** Queries, version 1 reports and dones. The fields from 24 on are those of a version 2 query, 28 bytes long. */
export const MLD = layout("MLD message", 24, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  maxResponse: u16(4),
  reserved: u16(6),
  group: ipv6(8),
});
export const MLD_QUERY2 = layout("MLDv2 query", 28, {
  suppress: flag(24, 3),
  robustness: bits(24, 1, 0, 3),
  intervalCode: u8(25),
  sourceCount: u16(26),
});
export const MLD_REPORT2 = layout("MLDv2 report", 8, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  reserved: u16(4),
  recordCount: u16(6),
});
export const MLD_RECORD = layout("MLDv2 record", 20, { type: u8(0), auxiliaryWords: u8(1), sourceCount: u16(2), group: ipv6(4) });

export interface MldRecord {
  /** 1 is include, 2 exclude, 3 to include, 4 to exclude, 5 allow new, 6 block old. */
  readonly type: number;
  readonly group: Ipv6;
  readonly sources: readonly Ipv6[];
}

interface MldBase extends HeaderBase {
  readonly kind: "mld";
  readonly code?: number | undefined;
  readonly checksum?: number | undefined;
}

/** Query (130), version 1 report (131), done (132). */
export interface MldGroup extends MldBase {
  readonly type: 130 | 131 | 132;
  /** Milliseconds, or the code of version 2. */
  readonly maxResponse?: number | undefined;
  readonly group: Ipv6;
  /** Present in version 2 queries. */
  readonly version2?:
    | {
        readonly suppress: boolean;
        readonly robustness: number;
        readonly intervalCode: number;
        readonly sources: readonly Ipv6[];
      }
    | undefined;
}

export interface MldReport2 extends MldBase {
  readonly type: 143;
  readonly records: readonly MldRecord[];
}

export type Mld = MldGroup | MldReport2;

const recordLength = (record: MldRecord): number => MLD_RECORD.length + 16 * record.sources.length;

function parseSources(bytes: Uint8Array, at: number, count: number, end: number): Ipv6[] {
  if (end - at < 16 * count) throw new TruncatedError("MLDv2 sources", at, 16 * count, end - at);
  const sources: Ipv6[] = [];
  for (let i = 0; i < count; i++) sources.push(readIpv6(bytes, at + 16 * i));
  return sources;
}

function emitSources(sources: readonly Ipv6[], bytes: Uint8Array, at: number): void {
  sources.forEach((source, i) => {
    writeIpv6(bytes, at + 16 * i, source);
  });
}

export const mldCodec: Codec<Mld> = {
  length(header) {
    if (header.type === 143) return header.records.reduce((sum, record) => sum + recordLength(record), MLD_REPORT2.length);
    return header.version2 ? MLD_QUERY2.length + 16 * header.version2.sources.length : MLD.length;
  },
  parse(bytes, start, end, under) {
    const { type, code, recordCount } = MLD_REPORT2.view(bytes, start, end);
    const base = { kind: "mld", code, checksum: foundIcmpv6Checksum(bytes, start, end, under) } as const;
    if (type === ICMPV6_TYPE.mldv2Report) {
      const records: MldRecord[] = [];
      let at = start + MLD_REPORT2.length;
      for (let i = 0; i < recordCount; i++) {
        const v = MLD_RECORD.view(bytes, at, end);
        if (v.auxiliaryWords !== 0) throw new MalformedError(MLD_RECORD.name, "auxiliary data", at + 1);
        const record = { type: v.type, group: v.group, sources: parseSources(bytes, at + MLD_RECORD.length, v.sourceCount, end) };
        records.push(record);
        at += recordLength(record);
      }
      return { header: { ...base, type, records }, payload: at, end };
    }
    if (type !== ICMPV6_TYPE.mldQuery && type !== ICMPV6_TYPE.mldReport && type !== ICMPV6_TYPE.mldDone)
      throw new MalformedError("MLD message", `type ${type}`, start);
    const { maxResponse, group } = MLD.view(bytes, start, end);
    if (type !== ICMPV6_TYPE.mldQuery || end - start < MLD_QUERY2.length)
      return { header: { ...base, type, maxResponse, group }, payload: start + MLD.length, end };
    const { suppress, robustness, intervalCode, sourceCount } = MLD_QUERY2.view(bytes, start, end);
    const sources = parseSources(bytes, start + MLD_QUERY2.length, sourceCount, end);
    const version2 = { suppress, robustness, intervalCode, sources };
    return {
      header: { ...base, type, maxResponse, group, version2 },
      payload: start + MLD_QUERY2.length + 16 * sourceCount,
      end,
    };
  },
  emit(header, bytes, start, end, under) {
    if (header.type === 143) {
      put16(bytes, start + 4, 0);
      put16(bytes, start + 6, header.records.length);
      let at = start + MLD_REPORT2.length;
      for (const record of header.records) {
        bytes[at] = record.type;
        bytes[at + 1] = 0;
        put16(bytes, at + 2, record.sources.length);
        writeIpv6(bytes, at + 4, record.group);
        emitSources(record.sources, bytes, at + MLD_RECORD.length);
        at += recordLength(record);
      }
    } else {
      put16(bytes, start + 4, header.maxResponse ?? 0);
      put16(bytes, start + 6, 0);
      writeIpv6(bytes, start + 8, header.group);
      if (header.version2) {
        const { suppress, robustness, intervalCode, sources } = header.version2;
        bytes[start + 24] = (suppress ? 8 : 0) | (robustness & 7);
        bytes[start + 25] = intervalCode;
        put16(bytes, start + 26, sources.length);
        emitSources(sources, bytes, start + MLD_QUERY2.length);
      }
    }
    emitIcmpv6Start(header, bytes, start, end, under);
  },
};

/** The milliseconds of a version 2 query's maximum response code (RFC 3810 section 5.1.3). */
export function mldMaxResponse(code: number): number {
  return code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << (((code >>> 12) & 7) + 3);
}
