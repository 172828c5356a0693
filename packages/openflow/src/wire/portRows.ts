/** Codec rows about ports, tables and queues. */
import type { PortStats, QueueConfig, QueueStats, TableDescription, TableMiss, TableStats } from "../message/config.ts";
import type { MessageOf } from "../message/types.ts";
import { ALL_QUEUES, OFPP } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type DecodeState, type EncodeState, multipart, type Row, row, standard } from "./codecRow.ts";
import { readOutPort, writeOutPort } from "./flowRows.ts";
import { featuresFrom10, featuresTo10, readPort, writePort } from "./ports.ts";

const STATUS_REASONS = ["add", "delete", "modify"] as const;

function encodePortMod(m: MessageOf<"port_mod">, { out, version }: EncodeState): void {
  const start = out.at;
  writeOutPort(out, m.port, version);
  if (version > 1) out.zeros(4);
  out.u48(m.mac);
  if (version > 1) out.zeros(2);
  out.u32(m.config).u32(m.mask);
  if (version === 1) out.u32(featuresTo10(m.advertise)).zeros(4);
  else if (version < 5) out.u32(m.advertise).zeros(4);
  else if (m.advertise !== 0) out.u16(0).u16(8).u32(m.advertise);
  out.pad(8, start);
}

function decodePortMod({ input, version }: DecodeState): MessageOf<"port_mod"> {
  const port = readOutPort(input, version);
  if (version > 1) input.skip(4);
  const mac = input.u48();
  if (version > 1) input.skip(2);
  const config = input.u32();
  const mask = input.u32();
  let advertise = 0;
  if (version < 5) {
    advertise = version === 1 ? featuresFrom10(input.u32()) : input.u32();
    input.skip(4);
  } else
    while (input.left >= 8) {
      const type = input.u16();
      const length = input.u16();
      if (length < 8 || input.left < length - 4) throw input.fail("OFPBPC_BAD_LEN", "port modification");
      if (type === 0) advertise = input.u32();
      else throw input.fail("OFPBPC_BAD_TYPE", `port modification property ${type}`);
    }
  return { type: "port_mod", port, mac, config, mask, advertise };
}

const COUNTERS = [
  "rxPackets",
  "txPackets",
  "rxBytes",
  "txBytes",
  "rxDropped",
  "txDropped",
  "rxErrors",
  "txErrors",
  "rxFrameErrors",
  "rxOverErrors",
  "rxCrcErrors",
  "collisions",
] as const;
type Counters = PortStats["counters"];

const INTEL = 0x0000aa01;

function writePortStats(out: ByteWriter, s: PortStats, version: number): void {
  const start = out.at;
  if (version >= 5) out.u16(0).zeros(2);
  writeOutPort(out, s.port, version);
  if (version === 1) out.zeros(6);
  else if (version < 5) out.zeros(4);
  if (version >= 5) {
    out.u32(s.durationSec ?? 0xffffffff).u32(s.durationSec === undefined ? 0xffffffff : s.durationNsec);
    for (const name of COUNTERS.slice(0, 8)) out.u64(s.counters[name]);
    out.u16(0).u16(40).zeros(4);
    for (const name of COUNTERS.slice(8)) out.u64(s.counters[name]);
    if (s.extended.length > 0) {
      const at = out.at;
      out.u16(0xffff).u16(0).u32(INTEL).u32(1).zeros(4);
      for (const value of s.extended) out.u64(value);
      out.patch16(at + 2, out.at - at);
    }
    if (s.custom.length > 0) {
      const at = out.at;
      out.u16(0xffff).u16(0).u32(INTEL).u32(2).zeros(2).u16(s.custom.length);
      for (const { name, value } of s.custom) {
        const text = new TextEncoder().encode(name);
        out.u8(text.length).raw(text).u64(value);
      }
      out.patch16(at + 2, out.at - at);
      out.pad(8, at);
    }
    out.patch16(start, out.at - start);
    return;
  }
  for (const name of COUNTERS) out.u64(s.counters[name]);
  if (version >= 4) out.u32(s.durationSec ?? 0xffffffff).u32(s.durationSec === undefined ? 0xffffffff : s.durationNsec);
}

function readPortStats(input: ByteReader, version: number): PortStats {
  const start = input.at;
  let end = input.end;
  if (version >= 5) {
    const length = input.u16();
    if (length < 80 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `port statistics of ${length} bytes`);
    end = start + length;
    input.skip(2);
  }
  const port = readOutPort(input, version);
  if (version === 1) input.skip(6);
  else if (version < 5) input.skip(4);
  let sec = 0xffffffff;
  let nsec = 0xffffffff;
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, 0xffffffffffffffffn])) as {
    -readonly [K in keyof Counters]: bigint;
  };
  const extended: bigint[] = [];
  const custom: { name: string; value: bigint }[] = [];
  if (version >= 5) {
    sec = input.u32();
    nsec = input.u32();
    for (const name of COUNTERS.slice(0, 8)) counters[name] = input.u64();
    while (input.at < end) {
      const at = input.at;
      const type = input.u16();
      const length = input.u16();
      if (length < 4 || at + length > end) throw input.fail("OFPBPC_BAD_LEN", "port statistics property");
      const part = input.part(length - 4, "OFPBPC_BAD_LEN");
      input.at = Math.min(end, at + Math.ceil(length / 8) * 8);
      if (type === 0) {
        part.skip(4);
        for (const name of COUNTERS.slice(8)) counters[name] = part.u64();
      } else if (type === 0xffff && part.u32() === INTEL) {
        const kind = part.u32();
        if (kind === 1) {
          part.skip(4);
          while (part.left >= 8) extended.push(part.u64());
        } else if (kind === 2) {
          part.skip(2);
          const count = part.u16();
          for (let i = 0; i < count; i++) custom.push({ name: part.text(part.u8()), value: part.u64() });
        }
      }
    }
  } else {
    for (const name of COUNTERS) counters[name] = input.u64();
    if (version >= 4) {
      sec = input.u32();
      nsec = input.u32();
    }
  }
  return {
    port,
    durationSec: sec === 0xffffffff ? undefined : sec,
    durationNsec: sec === 0xffffffff ? 0 : nsec,
    counters,
    custom,
    extended,
  };
}

function writeQueueStats(out: ByteWriter, q: QueueStats, version: number): void {
  const sec = q.durationSec ?? 0xffffffff;
  const nsec = q.durationSec === undefined ? 0xffffffff : q.durationNsec;
  if (version >= 5) out.u16(48).zeros(6);
  writeOutPort(out, q.port, version);
  if (version === 1) out.zeros(2);
  out.u32(q.queue).u64(q.txBytes).u64(q.txPackets).u64(q.txErrors);
  if (version >= 4) out.u32(sec).u32(nsec);
}

function readQueueStats(input: ByteReader, version: number): QueueStats {
  let end: number | undefined;
  if (version >= 5) {
    const start = input.at;
    const length = input.u16();
    if (length < 48 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", "queue statistics");
    end = start + length;
    input.skip(6);
  }
  const port = readOutPort(input, version);
  if (version === 1) input.skip(2);
  const queue = input.u32();
  const txBytes = input.u64();
  const txPackets = input.u64();
  const txErrors = input.u64();
  const sec = version >= 4 ? input.u32() : 0xffffffff;
  const nsec = version >= 4 ? input.u32() : 0xffffffff;
  if (end !== undefined) input.at = end;
  return {
    port,
    queue,
    txBytes,
    txPackets,
    txErrors,
    durationSec: sec === 0xffffffff ? undefined : sec,
    durationNsec: sec === 0xffffffff ? 0 : nsec,
  };
}

const TABLE_MISS: readonly TableMiss[] = ["controller", "continue", "drop", "default"];
const TABLE_CONFIG = { EVICTION: 4, VACANCY: 8 } as const;

function encodeTableMod(m: MessageOf<"table_mod">, { out, version }: EncodeState): void {
  const vacancy = m.vacancy?.on === true;
  const config =
    version < 5
      ? TABLE_MISS.indexOf(m.miss)
      : (m.eviction === true ? TABLE_CONFIG.EVICTION : 0) | (vacancy ? TABLE_CONFIG.VACANCY : 0);
  out.u8(m.table).zeros(3).u32(config);
  if (version < 5) return;
  if (m.evictionFlags !== undefined) out.u16(2).u16(8).u32(m.evictionFlags);
  if (vacancy) out.u16(3).u16(8).u8(m.vacancy!.down).u8(m.vacancy!.up).zeros(2);
}

function decodeTableMod({ input, version }: DecodeState): MessageOf<"table_mod"> {
  const table = input.u8();
  input.skip(3);
  const config = input.u32();
  if (version < 5) {
    const miss = TABLE_MISS[config & 3]!;
    return { type: "table_mod", table, miss, eviction: undefined, vacancy: undefined };
  }
  let down = 0;
  let up = 0;
  let evictionFlags: number | undefined;
  while (input.left >= 8) {
    const type = input.u16();
    if (input.u16() !== 8) throw input.fail("OFPBPC_BAD_LEN", `property ${type}`);
    if (type === 3) {
      down = input.u8();
      up = input.u8();
      input.skip(2);
    } else if (type === 2) evictionFlags = input.u32();
    else throw input.fail("OFPBPC_BAD_TYPE", `property ${type}`);
  }
  return {
    type: "table_mod",
    table,
    miss: "default",
    eviction: (config & TABLE_CONFIG.EVICTION) !== 0,
    ...(evictionFlags === undefined ? {} : { evictionFlags }),
    vacancy: { on: (config & TABLE_CONFIG.VACANCY) !== 0, down, up },
  };
}

export function writeTableDescription(out: ByteWriter, t: TableDescription): void {
  const start = out.at;
  out
    .u16(0)
    .u8(t.table)
    .zeros(1)
    .u32((t.eviction ? TABLE_CONFIG.EVICTION : 0) | (t.vacancy.on ? TABLE_CONFIG.VACANCY : 0));
  out.u16(2).u16(8).u32(t.evictionFlags);
  out.u16(3).u16(8).u8(t.vacancy.down).u8(t.vacancy.up).u8(t.vacancy.now).zeros(1);
  out.patch16(start, out.at - start);
}

export function readTableDescription(input: ByteReader): TableDescription {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", "table description");
  const part = input.part(length - 2);
  const table = part.u8();
  part.skip(1);
  const config = part.u32();
  let evictionFlags = 0xffffffff;
  let down = 0;
  let up = 0;
  let now = 0;
  while (part.left >= 8) {
    const type = part.u16();
    part.skip(2);
    if (type === 2) evictionFlags = part.u32();
    else if (type === 3) {
      down = part.u8();
      up = part.u8();
      now = part.u8();
      part.skip(1);
    } else part.skip(4);
  }
  return {
    table,
    eviction: (config & TABLE_CONFIG.EVICTION) !== 0,
    evictionFlags,
    vacancy: { on: (config & TABLE_CONFIG.VACANCY) !== 0, down, up, now },
  };
}

function writeTableStats(out: ByteWriter, t: TableStats, version: number): void {
  out.u8(t.table);
  if (version === 1) {
    out
      .zeros(3)
      .text(t.name, 32)
      .u32(t.wildcards ?? 0x003fffff)
      .u32(t.maxEntries)
      .u32(t.active)
      .u64(t.lookups)
      .u64(t.matched);
  } else if (version === 2) {
    out.zeros(7).text(t.name, 32).u32(0x3ff).u32(0x3ff).u32(0x3e).u32(0xfff).u32(0xfff).u32(0).u32(t.maxEntries).u32(t.active);
    out.u64(t.lookups).u64(t.matched);
  } else if (version === 3) {
    out.zeros(7).text(t.name, 32);
    for (let i = 0; i < 2; i++) out.u64((1n << 40n) - 1n); // match, wildcards: every OXM_OF field
    out.u32(0).u32(0);
    for (let i = 0; i < 4; i++) out.u64((1n << 64n) - 1n);
    out.u32(0).u32(0).u32(t.maxEntries).u32(t.active).u64(t.lookups).u64(t.matched);
  } else out.zeros(3).u32(t.active).u64(t.lookups).u64(t.matched);
}

function readTableStats(input: ByteReader, version: number): TableStats {
  const table = input.u8();
  let name = "";
  let maxEntries = 0;
  let wildcards: number | undefined;
  if (version === 1) {
    input.skip(3);
    name = input.text(32);
    wildcards = input.u32();
    maxEntries = input.u32();
  } else if (version < 4) {
    input.skip(7);
    name = input.text(32);
    input.skip(version === 2 ? 24 : 64);
    maxEntries = input.u32();
  } else input.skip(3);
  const active = input.u32();
  const stats = { table, name, maxEntries, active, lookups: input.u64(), matched: input.u64() };
  return wildcards === undefined ? stats : { ...stats, wildcards };
}

/** OFPQT_ rates. */
const NO_RATE = 0xffff;

function readQueueConfig(input: ByteReader, port: number, version: number): QueueConfig {
  if (version >= 5) {
    const start = input.at;
    const at = readOutPort(input, version);
    const queue = input.u32();
    const length = input.u16();
    if (length < 16 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", "queue description");
    input.skip(6);
    const part = input.part(start + length - input.at);
    return { port: at, queue, ...readRates(part, version) };
  }
  const start = input.at;
  const queue = input.u32();
  let from = port;
  if (version >= 3) from = readOutPort(input, version);
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", "queue configuration");
  input.skip(version >= 3 ? 6 : 2);
  const part = input.part(Math.max(0, start + length - input.at));
  return { port: from, queue, ...readRates(part, version) };
}

function readRates(part: ByteReader, version: number): { minRate: number | undefined; maxRate: number | undefined } {
  const rates: [number, number] = [NO_RATE, NO_RATE];
  while (part.left >= 8) {
    const at = part.at;
    const type = part.u16();
    const length = part.u16();
    if (length < 8 || at + length > part.end) throw part.fail("OFPBRC_BAD_LEN", "queue property");
    if (version < 5) part.skip(4);
    if (type === 1 || type === 2) rates[type - 1] = part.u16();
    part.at = at + length;
  }
  const rate = (value: number) => (value > 1000 ? undefined : value);
  return { minRate: rate(rates[0]), maxRate: rate(rates[1]) };
}

function writeQueueConfig(out: ByteWriter, q: QueueConfig, version: number): void {
  const start = out.at;
  const rates: readonly (readonly [number, number | undefined])[] = [
    [1, q.minRate],
    [2, q.maxRate],
  ];
  if (version >= 5) {
    writeOutPort(out, q.port, version);
    out.u32(q.queue);
    const at = out.at;
    out.u16(0).zeros(6);
    for (const [type, rate] of rates) if (rate !== undefined) out.u16(type).u16(8).u16(rate).zeros(2);
    out.patch16(at, out.at - start);
    return;
  }
  out.u32(q.queue);
  if (version >= 3) writeOutPort(out, q.port, version);
  const at = out.at;
  out.u16(0).zeros(version >= 3 ? 6 : 2);
  for (const [type, rate] of rates) if (rate !== undefined) out.u16(type).u16(16).zeros(4).u16(rate).zeros(6);
  out.patch16(at, out.at - start);
}

function many<T>(input: ByteReader, read: () => T): T[] {
  const found: T[] = [];
  while (input.left > 0) found.push(read());
  return found;
}

export const PORT_ROWS: readonly Row[] = [
  row(
    "port_status",
    [standard(12)],
    (m, { out, version }) => {
      out.u8(STATUS_REASONS.indexOf(m.reason)).zeros(7);
      writePort(out, m.port, version);
    },
    ({ input, version }) => {
      const reason = STATUS_REASONS[input.u8()];
      if (reason === undefined) throw input.fail("NXBRC_BAD_REASON");
      input.skip(7);
      return { type: "port_status", reason, port: readPort(input, version) };
    },
  ),
  row("port_mod", [standard(15, 1, 1), standard(16, 2)], encodePortMod, decodePortMod),
  row("table_mod", [standard(17, 2)], encodeTableMod, decodeTableMod),
  row(
    "table_status",
    [standard(31, 5)],
    (m, { out }) => {
      out.u8(m.reason === "vacancy_down" ? 3 : 4).zeros(7);
      writeTableDescription(out, m.table);
    },
    ({ input }) => {
      const reason = input.u8();
      if (reason !== 3 && reason !== 4) throw input.fail("NXBRC_BAD_REASON", `table status ${reason}`);
      input.skip(7);
      return { type: "table_status", reason: reason === 3 ? "vacancy_down" : "vacancy_up", table: readTableDescription(input) };
    },
  ),
  row(
    "desc_reply",
    [multipart("reply", 0)],
    (m, { out }) => {
      out.text(m.manufacturer, 256).text(m.hardware, 256).text(m.software, 256).text(m.serial, 32).text(m.datapath, 256);
    },
    ({ input }) => ({
      type: "desc_reply",
      manufacturer: input.text(256),
      hardware: input.text(256),
      software: input.text(256),
      serial: input.text(32),
      datapath: input.text(256),
    }),
  ),
  row(
    "table_stats_reply",
    [multipart("reply", 3)],
    (m, { out, version }) => {
      for (const table of m.tables) writeTableStats(out, table, version);
    },
    ({ input, version, more }) => ({
      type: "table_stats_reply",
      tables: many(input, () => readTableStats(input, version)),
      more,
    }),
  ),
  row(
    "table_desc_reply",
    [multipart("reply", 14, 5)],
    (m, { out }) => {
      for (const table of m.tables) writeTableDescription(out, table);
    },
    ({ input, more }) => ({ type: "table_desc_reply", tables: many(input, () => readTableDescription(input)), more }),
  ),
  row(
    "port_stats_request",
    [multipart("request", 4)],
    (m, { out, version }) => {
      writeOutPort(out, m.port, version);
      out.zeros(version === 1 ? 6 : 4);
    },
    ({ input, version }) => {
      const port = readOutPort(input, version);
      input.skip(version === 1 ? 6 : 4);
      return { type: "port_stats_request", port };
    },
  ),
  row(
    "port_stats_reply",
    [multipart("reply", 4)],
    (m, { out, version }) => {
      for (const port of m.ports) writePortStats(out, port, version);
    },
    ({ input, version, more }) => ({ type: "port_stats_reply", ports: many(input, () => readPortStats(input, version)), more }),
  ),
  row(
    "port_desc_request",
    [multipart("request", 13)],
    (m, { out, version }) => {
      if (version < 6) return;
      writeOutPort(out, m.port, version);
      out.zeros(4);
    },
    ({ input, version }) => {
      if (version < 6) return { type: "port_desc_request", port: OFPP.NONE };
      const port = readOutPort(input, version);
      input.skip(4);
      return { type: "port_desc_request", port };
    },
  ),
  row(
    "port_desc_reply",
    [multipart("reply", 13)],
    (m, { out, version }) => {
      for (const port of m.ports) writePort(out, port, version);
    },
    ({ input, version, more }) => ({ type: "port_desc_reply", ports: many(input, () => readPort(input, version)), more }),
  ),
  row(
    "queue_stats_request",
    [multipart("request", 5)],
    (m, { out, version }) => {
      // OpenFlow 1.0 asks for all ports as ALL, later versions as ANY.
      writeOutPort(out, version === 1 && m.port === OFPP.NONE ? OFPP.ALL : m.port, version);
      if (version === 1) out.zeros(2);
      out.u32(m.queue);
    },
    ({ input, version }) => {
      const port = readOutPort(input, version);
      if (version === 1) input.skip(2);
      return { type: "queue_stats_request", port: version === 1 && port === OFPP.ALL ? OFPP.NONE : port, queue: input.u32() };
    },
  ),
  row(
    "queue_stats_reply",
    [multipart("reply", 5)],
    (m, { out, version }) => {
      for (const queue of m.queues) writeQueueStats(out, queue, version);
    },
    ({ input, version, more }) => ({
      type: "queue_stats_reply",
      queues: many(input, () => readQueueStats(input, version)),
      more,
    }),
  ),
  row(
    "queue_config_request",
    [standard(20, 1, 1), standard(22, 2, 4), multipart("request", 15, 5)],
    (m, { out, version }) => {
      writeOutPort(out, m.port, version);
      if (version >= 5) out.u32(m.queue);
      else out.zeros(version === 1 ? 2 : 4);
    },
    ({ input, version }) => {
      const port = readOutPort(input, version);
      if (version >= 5) return { type: "queue_config_request", port, queue: input.u32() };
      // OpenFlow 1.0 has no word for "any port" here.
      if (version === 1 && port >= OFPP.MAX && port !== OFPP.LOCAL) throw input.fail("OFPQOFC_BAD_PORT", `port ${port}`);
      input.skip(version === 1 ? 2 : 4);
      return { type: "queue_config_request", port, queue: ALL_QUEUES };
    },
  ),
  row(
    "queue_config_reply",
    [standard(21, 1, 1), standard(23, 2, 4), multipart("reply", 15, 5)],
    (m, { out, version }) => {
      if (version < 5) {
        writeOutPort(out, m.port, version);
        out.zeros(version === 1 ? 6 : 4);
      }
      for (const queue of m.queues) writeQueueConfig(out, queue, version);
    },
    ({ input, version, more }) => {
      let port: number = OFPP.NONE;
      if (version < 5) {
        port = readOutPort(input, version);
        input.skip(version === 1 ? 6 : 4);
      }
      return { type: "queue_config_reply", port, queues: many(input, () => readQueueConfig(input, port, version)), more };
    },
  ),
];
