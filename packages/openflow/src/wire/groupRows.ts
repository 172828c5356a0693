/** Codec rows of groups and meters. */
import type { GroupFeatures, GroupStats, MeterBand, MeterConfig, MeterStats } from "../message/config.ts";
import { OFPG } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { multipart, nicira, niciraStats, type Row, row, standard } from "./codecRow.ts";
import { EncodeError } from "./error.ts";
import { decodeGroupDescription, decodeGroupMod, encodeGroupDescription, encodeGroupMod } from "./groupCodec.ts";

function writeGroupStats(out: ByteWriter, g: GroupStats, version: number): void {
  const start = out.at;
  out.u16(0).zeros(2).u32(g.group).u32(g.refCount).zeros(4).u64(g.packets).u64(g.bytes);
  if (version === 1 || version >= 4)
    out.u32(g.durationSec ?? 0xffffffff).u32(g.durationSec === undefined ? 0xffffffff : g.durationNsec);
  for (const bucket of g.buckets) out.u64(bucket.packets).u64(bucket.bytes);
  out.patch16(start, out.at - start);
}

function readGroupStats(input: ByteReader, version: number): GroupStats {
  const start = input.at;
  const length = input.u16();
  if (length < 32 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `group statistics of ${length} bytes`);
  const part = input.part(length - 2);
  part.skip(2);
  const group = part.u32();
  const refCount = part.u32();
  part.skip(4);
  const packets = part.u64();
  const bytes = part.u64();
  let sec = 0xffffffff;
  let nsec = 0;
  if (version === 1 || version >= 4) {
    sec = part.u32();
    nsec = part.u32();
  }
  const buckets: { packets: bigint; bytes: bigint }[] = [];
  while (part.left > 0) buckets.push({ packets: part.u64(), bytes: part.u64() });
  return {
    group,
    refCount,
    packets,
    bytes,
    durationSec: sec === 0xffffffff ? undefined : sec,
    durationNsec: sec === 0xffffffff ? 0 : nsec,
    buckets,
  };
}

const BANDS = { drop: 1, dscp_remark: 2 } as const;

function writeBand(out: ByteWriter, band: MeterBand): void {
  out.u16(BANDS[band.band]).u16(16).u32(band.rate).u32(band.burst);
  out.u8(band.band === "dscp_remark" ? band.precedence : 0).zeros(3);
}

function readBand(input: ByteReader): MeterBand {
  const type = input.u16();
  const length = input.u16();
  if (length !== 16) throw input.fail("OFPBRC_BAD_LEN", `meter band of ${length} bytes`);
  if (type !== 1 && type !== 2) throw input.fail("OFPMMFC_BAD_BAND", `meter band ${type}`);
  const rate = input.u32();
  const burst = input.u32();
  const precedence = input.u8();
  input.skip(3);
  return { band: type === 1 ? "drop" : "dscp_remark", rate, burst, precedence: type === 2 ? precedence : 0 };
}

function readBands(input: ByteReader): MeterBand[] {
  const bands: MeterBand[] = [];
  while (input.left > 0) bands.push(readBand(input));
  return bands;
}

function writeMeterConfig(out: ByteWriter, m: MeterConfig): void {
  const start = out.at;
  out.u16(0).u16(m.flags).u32(m.meter);
  for (const band of m.bands) writeBand(out, band);
  out.patch16(start, out.at - start);
}

function readMeterConfig(input: ByteReader): MeterConfig {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `meter of ${length} bytes`);
  const part = input.part(length - 2);
  return { flags: part.u16(), meter: part.u32(), bands: readBands(part) };
}

function writeMeterStats(out: ByteWriter, m: MeterStats): void {
  const start = out.at;
  out.u32(m.meter).u16(0).zeros(6).u32(m.flowCount).u64(m.packets).u64(m.bytes).u32(m.durationSec).u32(m.durationNsec);
  for (const band of m.bands) out.u64(band.packets).u64(band.bytes);
  out.patch16(start + 4, out.at - start);
}

function readMeterStats(input: ByteReader): MeterStats {
  const start = input.at;
  const meter = input.u32();
  const length = input.u16();
  if (length < 40 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `meter statistics of ${length} bytes`);
  const part = input.part(length - 6);
  part.skip(6);
  const flowCount = part.u32();
  const packets = part.u64();
  const bytes = part.u64();
  const durationSec = part.u32();
  const durationNsec = part.u32();
  const bands: { packets: bigint; bytes: bigint }[] = [];
  while (part.left > 0) bands.push({ packets: part.u64(), bytes: part.u64() });
  return { meter, flowCount, packets, bytes, durationSec, durationNsec, bands };
}

function four(input: ByteReader): readonly [number, number, number, number] {
  return [input.u32(), input.u32(), input.u32(), input.u32()];
}

function many<T>(input: ByteReader, read: () => T): T[] {
  const found: T[] = [];
  while (input.left > 0) found.push(read());
  return found;
}

const METER_COMMANDS = ["add", "modify", "delete"] as const;

export const GROUP_ROWS: readonly Row[] = [
  row(
    "group_mod",
    [nicira(31, 1, 1), standard(15, 2)],
    (m, { out, version }) => {
      if ((m.command === "insert_bucket" || m.command === "remove_bucket") && version > 1 && version < 6)
        throw new EncodeError(`OpenFlow version ${version} has no ${m.command}`);
      encodeGroupMod(m, out, version);
    },
    ({ input, version }) => decodeGroupMod(input, version),
  ),
  row(
    "group_stats_request",
    [niciraStats("nx-request", 7, 1, 1), multipart("request", 6, 2)],
    (m, { out }) => {
      out.u32(m.group).zeros(4);
    },
    ({ input }) => {
      const group = input.u32();
      input.skip(4);
      return { type: "group_stats_request", group };
    },
  ),
  row(
    "group_stats_reply",
    [niciraStats("nx-reply", 7, 1, 1), multipart("reply", 6, 2)],
    (m, { out, version }) => {
      for (const group of m.groups) writeGroupStats(out, group, version);
    },
    ({ input, version, more }) => ({
      type: "group_stats_reply",
      groups: many(input, () => readGroupStats(input, version)),
      more,
    }),
  ),
  row(
    "group_desc_request",
    [niciraStats("nx-request", 8, 1, 1), multipart("request", 7, 2)],
    (m, { out, version }) => {
      if (version === 1 || version >= 6) out.u32(m.group).zeros(4);
    },
    ({ input, version }) => {
      if (version > 1 && version < 6) return { type: "group_desc_request", group: OFPG.ALL };
      const group = input.u32();
      input.skip(4);
      return { type: "group_desc_request", group };
    },
  ),
  row(
    "group_desc_reply",
    [niciraStats("nx-reply", 8, 1, 1), multipart("reply", 7, 2)],
    (m, { out, version }) => {
      for (const group of m.groups) encodeGroupDescription(group, out, version);
    },
    ({ input, version, more }) => ({
      type: "group_desc_reply",
      groups: many(input, () => decodeGroupDescription(input, version)),
      more,
    }),
  ),
  row(
    "group_features_reply",
    [niciraStats("nx-reply", 9, 1, 2), multipart("reply", 8, 3)],
    (m, { out }) => {
      out.u32(m.types).u32(m.capabilities);
      for (const n of [...m.maxGroups, ...m.actions]) out.u32(n);
    },
    ({ input }): GroupFeatures => ({
      type: "group_features_reply",
      types: input.u32(),
      capabilities: input.u32(),
      maxGroups: four(input),
      actions: four(input),
    }),
  ),
  row(
    "meter_mod",
    [standard(29, 4)],
    (m, { out }) => {
      out.u16(METER_COMMANDS.indexOf(m.command)).u16(m.flags).u32(m.meter);
      for (const band of m.bands) writeBand(out, band);
    },
    ({ input }) => {
      const number = input.u16();
      const command = METER_COMMANDS[number];
      if (command === undefined) throw input.fail("OFPMMFC_BAD_COMMAND", `command ${number}`);
      const flags = input.u16();
      if ((flags & ~15) !== 0 || (flags & 3) === 3) throw input.fail("OFPMMFC_BAD_FLAGS", `flags ${flags}`);
      return { type: "meter_mod", command, flags, meter: input.u32(), bands: readBands(input) };
    },
  ),
  ...(["meter_stats", "meter_config"] as const).map((kind) =>
    row(
      `${kind}_request` as const,
      [multipart("request", kind === "meter_stats" ? 9 : 10, 4)],
      (m, { out }) => {
        out.u32(m.meter).zeros(4);
      },
      ({ input }) => {
        const meter = input.u32();
        input.skip(4);
        return { type: `${kind}_request` as const, meter };
      },
    ),
  ),
  row(
    "meter_stats_reply",
    [multipart("reply", 9, 4)],
    (m, { out }) => {
      for (const meter of m.meters) writeMeterStats(out, meter);
    },
    ({ input, more }) => ({ type: "meter_stats_reply", meters: many(input, () => readMeterStats(input)), more }),
  ),
  row(
    "meter_config_reply",
    [multipart("reply", 10, 4)],
    (m, { out }) => {
      for (const meter of m.meters) writeMeterConfig(out, meter);
    },
    ({ input, more }) => ({ type: "meter_config_reply", meters: many(input, () => readMeterConfig(input)), more }),
  ),
  row(
    "meter_features_reply",
    [multipart("reply", 11, 4)],
    (m, { out }) => {
      out.u32(m.maxMeters).u32(m.bandTypes).u32(m.capabilities).u8(m.maxBands).u8(m.maxColor).zeros(2);
    },
    ({ input, version }) => {
      const message = {
        type: "meter_features_reply" as const,
        maxMeters: input.u32(),
        bandTypes: input.u32(),
        capabilities: input.u32(),
        maxBands: input.u8(),
        maxColor: input.u8(),
      };
      input.skip(2);
      if (version >= 6) input.skip(Math.min(8, input.left)); // OpenFlow 1.5's features and padding.
      return message;
    },
  ),
];
