/** Codec rows of messages about flows. */
import { Match } from "../match/match.ts";
import {
  FLOW_FLAG,
  type FlowMod,
  type FlowModCommand,
  type FlowRemoved,
  type FlowRemovedReason,
  type FlowStats,
  type FlowStatsRequest,
} from "../message/flow.ts";
import type { MessageOf } from "../message/types.ts";
import { ALL_TABLES, fromOfp11Port, KEEP_COOKIE, OFPG, OFPP, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import {
  type DecodeState,
  type EncodeState,
  multipart,
  nicira,
  niciraStats,
  type Row,
  row,
  standard,
  type Where,
} from "./codecRow.ts";
import { decodeInstructions, encodeInstructions } from "./instructions.ts";
import { readMatch, readNxm, readOf10Match, writeMatch, writeNxm, writeOf10Match } from "./match.ts";
import { readStats, writeStats } from "./oxs.ts";

const COMMANDS: readonly FlowModCommand[] = ["add", "modify", "modify_strict", "delete", "delete_strict"];

const FLOW_MOD_10 = standard(14, 1, 1);
const FLOW_MOD_NX = nicira(13, 1, 1);

/** Flags that a version knows. */
function flagMask(version: number): number {
  if (version <= 2) return FLOW_FLAG.SEND_FLOW_REM | FLOW_FLAG.CHECK_OVERLAP;
  if (version === 3) return FLOW_FLAG.SEND_FLOW_REM | FLOW_FLAG.CHECK_OVERLAP | FLOW_FLAG.RESET_COUNTS;
  return 31;
}

export function readOutPort(input: ByteReader, version: number): number {
  if (version === 1) return input.u16();
  const port = fromOfp11Port(input.u32());
  if (port === undefined) throw input.fail("OFPBRC_BAD_PORT");
  return port;
}

export function writeOutPort(out: ByteWriter, port: number, version: number): void {
  if (version === 1) out.u16(port);
  else out.u32(toOfp11Port(port));
}

function encodeFlowMod(mod: FlowMod, { out, version, options }: EncodeState): void {
  const command = COMMANDS.indexOf(mod.command);
  if (version === 1) {
    const nxm = (options.flowFormat ?? "nxm") === "nxm";
    const tableId = options.flowModTableId ?? true;
    if (!nxm) writeOf10Match(out, mod.match);
    out.u64(mod.newCookie);
    out.u16(tableId ? (mod.table << 8) | command : command);
    out
      .u16(mod.idleTimeout)
      .u16(mod.hardTimeout)
      .u16(mod.priority)
      .u32(mod.buffer)
      .u16(mod.outPort)
      .u16(mod.flags & flagMask(1));
    if (nxm) {
      const at = out.at;
      out.u16(0).zeros(6);
      out.patch16(at, writeNxm(out, mod.match, mod.cookie, mod.cookieMask));
    }
  } else {
    // OpenFlow 1.1 and later have one cookie: the new one of additions, the one to look for otherwise.
    const fresh = mod.command === "add" || (version === 2 && mod.command.startsWith("modify") && mod.cookieMask === 0n);
    out.u64(fresh ? mod.newCookie : mod.cookie & mod.cookieMask).u64(mod.cookieMask);
    const anyTable = version > 2 && (mod.command === "delete" || mod.command === "delete_strict");
    out.u8(mod.table === ALL_TABLES && !anyTable ? 0 : mod.table).u8(command);
    out.u16(mod.idleTimeout).u16(mod.hardTimeout).u16(mod.priority).u32(mod.buffer);
    out
      .u32(toOfp11Port(mod.outPort))
      .u32(mod.outGroup)
      .u16(mod.flags & flagMask(version));
    out.u16(version >= 5 ? mod.importance : 0);
    writeMatch(out, mod.match, version);
  }
  encodeInstructions(mod.actions, out, version, mod.match);
}

function decodeFlowMod({ input, version, where, options }: DecodeState): FlowMod {
  let cookie = 0n;
  let cookieMask = 0n;
  let newCookie: bigint;
  let table: number = ALL_TABLES;
  let number: number;
  let match: Match = Match.ANY;
  let outGroup: number = OFPG.ANY;
  let importance = 0;
  let exact = false;
  if (version === 1) {
    const nxm = where.place === "nx";
    if (!nxm) {
      // None of OFPFW_ALL's bits. Such a flow is above all others, whatever it says (OpenFlow 1.0, section 3.4).
      exact = (input.peek16(0) & 0x3f) === 0 && input.peek16(2) === 0;
      match = readOf10Match(input);
    }
    newCookie = input.u64();
    number = input.u16();
    if (options.flowModTableId ?? true) {
      table = number >> 8;
      number &= 0xff;
    }
  } else {
    newCookie = input.u64();
    cookieMask = input.u64();
    table = input.u8();
    number = input.u8();
  }
  const command = COMMANDS[number];
  if (command === undefined) throw input.fail("OFPFMFC_BAD_COMMAND", `command ${number}`);
  const idleTimeout = input.u16();
  const hardTimeout = input.u16();
  const said = input.u16();
  const priority = exact ? 0xffff : said;
  const buffer = input.u32();
  const outPort = readOutPort(input, version);
  if (version > 1) outGroup = input.u32();
  const rawFlags = input.u16();
  if ((rawFlags & ~flagMask(version)) !== 0) throw input.fail("OFPFMFC_BAD_FLAGS", `flags ${rawFlags}`);
  if (version === 1) {
    if (where.place === "nx") {
      const length = input.u16();
      input.skip(6);
      match = readNxm(input, length, {
        onCookie: (value, mask) => {
          cookie = value;
          cookieMask = mask;
        },
      });
    }
  } else {
    importance = input.u16();
    match = readMatch(input);
    if (command === "add") {
      cookie = 0n;
      cookieMask = 0n;
    } else {
      cookie = newCookie & cookieMask;
      if (!(version === 2 && command.startsWith("modify") && cookieMask === 0n)) newCookie = KEEP_COOKIE;
    }
  }
  const deletes = command === "delete" || command === "delete_strict";
  return {
    type: "flow_mod",
    command,
    table,
    priority,
    match,
    cookie,
    cookieMask,
    newCookie,
    modifyCookie: newCookie !== KEEP_COOKIE && command.startsWith("modify"),
    idleTimeout,
    hardTimeout,
    importance: version >= 5 ? importance : 0,
    // Before OpenFlow 1.2 an addition always resets counters.
    flags: rawFlags | (version <= 2 && command === "add" ? FLOW_FLAG.RESET_COUNTS : 0),
    buffer,
    outPort: deletes ? outPort : OFPP.NONE,
    outGroup: deletes ? outGroup : OFPG.ANY,
    actions: decodeInstructions(input, version),
  };
}

const REMOVED_REASONS: readonly FlowRemovedReason[] = [
  "idle_timeout",
  "hard_timeout",
  "delete",
  "group_delete",
  "meter_delete",
  "eviction",
];

function encodeFlowRemoved(m: FlowRemoved, { out, version, options }: EncodeState): void {
  const nxm = version === 1 && (options.flowFormat ?? "nxm") === "nxm";
  const reason = REMOVED_REASONS.indexOf(m.reason);
  if (version === 1 && !nxm) {
    writeOf10Match(out, m.match);
    out.u64(m.cookie).u16(m.priority).u8(reason).zeros(1);
    out.u32(m.durationSec).u32(m.durationNsec).u16(m.idleTimeout).zeros(2).u64(m.packets).u64(m.bytes);
    return;
  }
  if (nxm) {
    out
      .u64(m.cookie)
      .u16(m.priority)
      .u8(reason)
      .u8(m.table === ALL_TABLES ? 0 : m.table + 1);
    out.u32(m.durationSec).u32(m.durationNsec).u16(m.idleTimeout);
    const at = out.at;
    out.u16(0).u64(m.packets).u64(m.bytes);
    out.patch16(at, writeNxm(out, m.match));
    return;
  }
  if (version >= 6) {
    out.u8(m.table).u8(reason).u16(m.priority).u16(m.idleTimeout).u16(m.hardTimeout).u64(m.cookie);
    writeMatch(out, m.match, version);
    writeStats(out, { durationSec: m.durationSec, durationNsec: m.durationNsec, packets: m.packets, bytes: m.bytes });
    return;
  }
  out.u64(m.cookie).u16(m.priority).u8(reason).u8(m.table).u32(m.durationSec).u32(m.durationNsec).u16(m.idleTimeout);
  out
    .u16(version >= 3 ? m.hardTimeout : 0)
    .u64(m.packets)
    .u64(m.bytes);
  writeMatch(out, m.match, version);
}

function decodeFlowRemoved({ input, version, where }: DecodeState): FlowRemoved {
  let match: Match = Match.ANY;
  if (version === 1 && where.place === "standard") match = readOf10Match(input);
  if (version >= 6) {
    const table = input.u8();
    const reason = reasonOf(input, input.u8());
    const priority = input.u16();
    const idleTimeout = input.u16();
    const hardTimeout = input.u16();
    const cookie = input.u64();
    match = readMatch(input, { lenient: true });
    const stats = readStats(input);
    return {
      type: "flow_removed",
      match,
      cookie,
      priority,
      reason,
      table,
      durationSec: stats.durationSec ?? 0,
      durationNsec: stats.durationNsec ?? 0,
      idleTimeout,
      hardTimeout,
      packets: stats.packets ?? KEEP_COOKIE,
      bytes: stats.bytes ?? KEEP_COOKIE,
    };
  }
  const cookie = input.u64();
  const priority = input.u16();
  const reason = reasonOf(input, input.u8());
  const tableByte = input.u8();
  const table = version > 1 ? tableByte : where.place === "nx" && tableByte !== 0 ? tableByte - 1 : ALL_TABLES;
  const durationSec = input.u32();
  const durationNsec = input.u32();
  const idleTimeout = input.u16();
  const extra = input.u16();
  const packets = input.u64();
  const bytes = input.u64();
  if (where.place === "nx") match = readNxm(input, extra, { lenient: true });
  else if (version > 1) match = readMatch(input, { lenient: true });
  return {
    type: "flow_removed",
    match,
    cookie,
    priority,
    reason,
    table,
    durationSec,
    durationNsec,
    idleTimeout,
    hardTimeout: version >= 3 ? extra : 0,
    packets,
    bytes,
  };
}

function reasonOf(input: ByteReader, number: number): FlowRemovedReason {
  const reason = REMOVED_REASONS[number];
  if (reason === undefined) throw input.fail("NXBRC_BAD_REASON", `reason ${number}`);
  return reason;
}

function encodeStatsRequest(m: FlowStatsRequest, { out, version, options }: EncodeState): void {
  if (version === 1) {
    if ((options.flowFormat ?? "nxm") === "nxm") {
      out.u16(m.outPort);
      const at = out.at;
      out.u16(0).u8(m.table).zeros(3);
      out.patch16(at, writeNxm(out, m.match, m.cookie, m.cookieMask));
    } else {
      writeOf10Match(out, m.match);
      out.u8(m.table).zeros(1).u16(m.outPort);
    }
    return;
  }
  out
    .u8(m.table)
    .zeros(3)
    .u32(toOfp11Port(m.outPort))
    .u32(m.outGroup)
    .zeros(4)
    .u64(m.cookie & m.cookieMask)
    .u64(m.cookieMask);
  writeMatch(out, m.match, version);
}

function statsRequestDecoder<T extends FlowStatsRequest["type"]>(type: T): (state: DecodeState) => MessageOf<T> {
  const decode = ({ input, version, where }: DecodeState): FlowStatsRequest => {
    let cookie = 0n;
    let cookieMask = 0n;
    if (where.place === "nx-request") {
      const outPort = input.u16();
      const length = input.u16();
      const table = input.u8();
      input.skip(3);
      const match = readNxm(input, length, {
        onCookie: (value, mask) => {
          cookie = value;
          cookieMask = mask;
        },
      });
      return { type, match, cookie, cookieMask, outPort, outGroup: OFPG.ANY, table };
    }
    if (version === 1) {
      const match = readOf10Match(input);
      const table = input.u8();
      input.skip(1);
      return { type, match, cookie, cookieMask, outPort: input.u16(), outGroup: OFPG.ANY, table };
    }
    const table = input.u8();
    input.skip(3);
    const outPort = readOutPort(input, version);
    const outGroup = input.u32();
    input.skip(4);
    cookie = input.u64();
    cookieMask = input.u64();
    return { type, match: readMatch(input), cookie, cookieMask, outPort, outGroup, table };
  };
  return decode as unknown as (state: DecodeState) => MessageOf<T>; // The literal `type` makes it T's message.
}

function age(raw: number): number {
  return raw === 0 ? -1 : raw - 1;
}

function rawAge(seconds: number): number {
  return seconds < 0 ? 0 : Math.min(seconds + 1, 0xffff);
}

/** Writes one flow of a statistics reply. */
export function encodeFlowStats(f: FlowStats, { out, version, options }: EncodeState): void {
  const start = out.at;
  if (version === 1) {
    const nxm = (options.flowFormat ?? "nxm") === "nxm";
    out.u16(0).u8(f.table).zeros(1);
    if (!nxm) writeOf10Match(out, f.match);
    out.u32(f.durationSec).u32(f.durationNsec).u16(f.priority).u16(f.idleTimeout).u16(f.hardTimeout);
    const at = out.at;
    if (nxm) out.u16(0).u16(rawAge(f.idleAge)).u16(rawAge(f.hardAge));
    else out.zeros(6);
    out.u64(f.cookie).u64(f.packets).u64(f.bytes);
    if (nxm) out.patch16(at, writeNxm(out, f.match));
  } else if (version >= 6) {
    out.u16(0).zeros(2).u8(f.table).zeros(1).u16(f.priority).u16(f.idleTimeout).u16(f.hardTimeout);
    out
      .u16(f.flags & flagMask(version))
      .u16(f.importance)
      .u64(f.cookie);
    writeMatch(out, f.match, version);
    writeStats(out, {
      durationSec: f.durationSec,
      durationNsec: f.durationNsec,
      ...(f.idleAge < 0 ? {} : { idleSec: f.idleAge, idleNsec: 0 }),
      packets: f.packets,
      bytes: f.bytes,
    });
  } else {
    out.u16(0).u8(f.table).zeros(1).u32(f.durationSec).u32(f.durationNsec).u16(f.priority).u16(f.idleTimeout).u16(f.hardTimeout);
    out
      .u16(version >= 4 ? f.flags & flagMask(version) : 0)
      .u16(version >= 5 ? f.importance : 0)
      .zeros(2);
    out.u64(f.cookie).u64(f.packets).u64(f.bytes);
    writeMatch(out, f.match, version);
  }
  encodeInstructions(f.actions, out, version, f.match);
  out.patch16(start, out.at - start);
}

function decodeFlowStats({ input, version, where, options }: DecodeState): FlowStats {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `flow entry of ${length} bytes`);
  const part = input.part(length - 2);
  const base = { flags: 0, importance: 0, idleAge: -1, hardAge: -1 };
  if (version >= 6) {
    part.skip(2);
    const table = part.u8();
    part.skip(1);
    const priority = part.u16();
    const idleTimeout = part.u16();
    const hardTimeout = part.u16();
    const flags = part.u16();
    const importance = part.u16();
    const cookie = part.u64();
    const match = readMatch(part);
    const stats = readStats(part);
    return {
      table,
      priority,
      cookie,
      match,
      idleTimeout,
      hardTimeout,
      flags,
      importance,
      durationSec: stats.durationSec ?? 0,
      durationNsec: stats.durationNsec ?? 0,
      idleAge: stats.idleSec ?? -1,
      hardAge: -1,
      packets: stats.packets ?? KEEP_COOKIE,
      bytes: stats.bytes ?? KEEP_COOKIE,
      actions: options.actionLists?.read(part, version) ?? decodeInstructions(part, version),
    };
  }
  const table = part.u8();
  part.skip(1);
  let match: Match = Match.ANY;
  if (version === 1 && where.place === "reply") match = readOf10Match(part);
  const durationSec = part.u32();
  const durationNsec = part.u32();
  const priority = part.u16();
  const idleTimeout = part.u16();
  const hardTimeout = part.u16();
  const a = part.u16();
  const b = part.u16();
  const c = part.u16();
  const cookie = part.u64();
  const packets = part.u64();
  const bytes = part.u64();
  const common = { table, priority, cookie, idleTimeout, hardTimeout, durationSec, durationNsec, packets, bytes };
  if (where.place === "nx-reply") {
    match = readNxm(part, a);
    return { ...base, ...common, match, idleAge: age(b), hardAge: age(c), actions: decodeInstructions(part, version) };
  }
  if (version === 1) return { ...base, ...common, match, actions: decodeInstructions(part, version) };
  match = readMatch(part);
  return {
    ...base,
    ...common,
    match,
    flags: version >= 4 ? a : 0,
    importance: version >= 5 ? b : 0,
    actions: decodeInstructions(part, version),
  };
}

function chooseFlowFormat(standardWhere: Where, nxWhere: Where, where: readonly Where[]) {
  return (_: unknown, version: number, options: { readonly flowFormat?: "openflow10" | "nxm" }): Where | undefined =>
    version === 1
      ? (options.flowFormat ?? "nxm") === "nxm"
        ? nxWhere
        : standardWhere
      : where.find((w) => w.first <= version && version <= w.last);
}

function flowRow<T extends "flow_stats_request" | "aggregate_stats_request">(type: T, number: number, nxNumber: number): Row {
  const where = [multipart("request", number), niciraStats("nx-request", nxNumber, 1, 1)];
  return row<T>(
    type,
    where,
    encodeStatsRequest as unknown as (message: MessageOf<T>, state: EncodeState) => void, // Both types have one shape.
    statsRequestDecoder(type),
    chooseFlowFormat(where[0]!, where[1]!, where),
  );
}

const FLOW_MOD_WHERE = [FLOW_MOD_10, standard(14, 2), FLOW_MOD_NX];
const REMOVED_WHERE = [standard(11), nicira(14, 1, 1)];
const STATS_WHERE = [multipart("reply", 1), niciraStats("nx-reply", 0, 1, 1)];
const AGGREGATE_WHERE = [multipart("reply", 2), niciraStats("nx-reply", 1, 1, 1)];

export const FLOW_ROWS: readonly Row[] = [
  row("flow_mod", FLOW_MOD_WHERE, encodeFlowMod, decodeFlowMod, chooseFlowFormat(FLOW_MOD_10, FLOW_MOD_NX, FLOW_MOD_WHERE)),
  row(
    "flow_removed",
    REMOVED_WHERE,
    encodeFlowRemoved,
    decodeFlowRemoved,
    chooseFlowFormat(REMOVED_WHERE[0]!, REMOVED_WHERE[1]!, REMOVED_WHERE),
  ),
  flowRow("flow_stats_request", 1, 0),
  flowRow("aggregate_stats_request", 2, 1),
  row(
    "flow_stats_reply",
    STATS_WHERE,
    (m, state) => {
      for (const flow of m.flows) encodeFlowStats(flow, state);
    },
    (state) => {
      const flows: FlowStats[] = [];
      while (state.input.left > 0) flows.push(decodeFlowStats(state));
      return { type: "flow_stats_reply", flows, more: state.more };
    },
    chooseFlowFormat(STATS_WHERE[0]!, STATS_WHERE[1]!, STATS_WHERE),
  ),
  row(
    "aggregate_stats_reply",
    AGGREGATE_WHERE,
    (m, { out, version }) => {
      if (version >= 6) writeStats(out, { flows: m.flows, packets: m.packets, bytes: m.bytes });
      else out.u64(m.packets).u64(m.bytes).u32(m.flows).zeros(4);
    },
    ({ input, version }) => {
      if (version >= 6) {
        const stats = readStats(input);
        return {
          type: "aggregate_stats_reply",
          packets: stats.packets ?? KEEP_COOKIE,
          bytes: stats.bytes ?? KEEP_COOKIE,
          flows: stats.flows ?? 0,
        };
      }
      const packets = input.u64();
      const bytes = input.u64();
      const flows = input.u32();
      input.skip(4);
      return { type: "aggregate_stats_reply", packets, bytes, flows };
    },
    chooseFlowFormat(AGGREGATE_WHERE[0]!, AGGREGATE_WHERE[1]!, AGGREGATE_WHERE),
  ),
];
