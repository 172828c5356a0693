/**
 * Codec rows of flow monitors: Nicira's for OpenFlow 1.0 to 1.2, OpenFlow 1.4's, and ONF's for 1.3 (EXT-187), which is Nicira's
 * with ports, matches and instructions of OpenFlow 1.3.
 */
import { Match } from "../match/match.ts";
import { type FlowMonitorRequest, type FlowRemovedReason, type FlowUpdate, MONITOR_FLAG } from "../message/flow.ts";
import { OFPG, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type DecodeState, type EncodeState, multipart, niciraStats, onfStats, type Row, row } from "./codecRow.ts";
import { decodeActions } from "./decodeActions.ts";
import { readOutPort } from "./flowRows.ts";
import { decodeInstructions, encodeActionList, encodeInstructions } from "./instructions.ts";
import { readMatch, readNxm, writeMatch, writeNxm } from "./match.ts";

const COMMANDS = ["add", "modify", "delete"] as const;
const REASONS: readonly FlowRemovedReason[] = [
  "idle_timeout",
  "hard_timeout",
  "delete",
  "group_delete",
  "meter_delete",
  "eviction",
];
const EVENTS_NX = ["added", "removed", "modified"] as const;
const EVENTS_14 = ["initial", "added", "removed", "modified"] as const;
const ABBREV_NX = 3;
const ABBREV_14 = 4;

const { ADD, DELETE, MODIFY, OWN } = MONITOR_FLAG;
const FLAGS = 0x3f;
/** Where OpenFlow 1.4 has ONLY_OWN, Open vSwitch has OWN; it refuses NO_ABBREV, which is OWN's bit elsewhere. */
const OWN_14 = 0x40;

function readFlags(input: ByteReader, version: number): number {
  const wire = input.u16();
  const flags = version < 5 ? wire : (wire & OWN_14) !== 0 ? (wire & ~OWN_14) | OWN : wire;
  const known = version < 5 ? FLAGS : (FLAGS & ~OWN) | OWN_14;
  if ((wire & ~known) !== 0 || (wire & (ADD | DELETE | MODIFY)) === 0) throw input.fail("OFPMOFC_BAD_FLAGS", `flags ${wire}`);
  return flags;
}

function encodeRequest(m: FlowMonitorRequest, { out, version }: EncodeState): void {
  if (version >= 5) {
    out
      .u32(m.id)
      .u32(toOfp11Port(m.outPort))
      .u32(m.outGroup)
      .u16((m.flags & OWN) !== 0 ? (m.flags & ~OWN) | OWN_14 : m.flags)
      .u8(m.table)
      .u8(COMMANDS.indexOf(m.command));
    writeMatch(out, m.match, version);
    return;
  }
  if (version === 4) {
    out.u32(m.id).u16(m.flags);
    const at = out.at;
    out.u16(0).u32(toOfp11Port(m.outPort)).u8(m.table).zeros(3);
    out.patch16(at, writeCountedMatch(out, m.match));
    return;
  }
  out.u32(m.id).u16(m.flags).u16(m.outPort);
  const at = out.at;
  out.u16(0).u8(m.table).zeros(5);
  out.patch16(at, writeNxm(out, m.match));
}

function decodeRequest({ input, version }: DecodeState): FlowMonitorRequest {
  const id = input.u32();
  if (version >= 5) {
    const outPort = readOutPort(input, version);
    const outGroup = input.u32();
    const flags = readFlags(input, version);
    const table = input.u8();
    const number = input.u8();
    const command = COMMANDS[number];
    if (command === undefined) throw input.fail("OFPMOFC_BAD_COMMAND", `command ${number}`);
    return { type: "flow_monitor_request", id, command, flags, outPort, outGroup, table, match: readMatch(input) };
  }
  const flags = readFlags(input, version);
  const base = { type: "flow_monitor_request", id, command: "add", flags, outGroup: OFPG.ANY } as const;
  if (version === 4) {
    input.skip(2); // the match has its own length
    const outPort = readOutPort(input, version);
    const table = input.u8();
    input.zeros(3, "NXBRC_MUST_BE_ZERO");
    return { ...base, outPort, table, match: readMatch(input) };
  }
  const outPort = input.u16();
  const length = input.u16();
  const table = input.u8();
  input.zeros(5, "NXBRC_MUST_BE_ZERO");
  return { ...base, outPort, table, match: readNxm(input, length) };
}

/** Writes a match of OpenFlow 1.3; returns its length without the padding. */
function writeCountedMatch(out: ByteWriter, match: Match): number {
  const start = out.at;
  writeMatch(out, match, 4);
  const bytes = out.slice(start);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(2);
}

function reasonNumber(update: FlowUpdate): number {
  return update.event !== "abbrev" && update.reason !== undefined ? REASONS.indexOf(update.reason) : 0;
}

function writeUpdate(out: ByteWriter, update: FlowUpdate, version: number): void {
  const start = out.at;
  if (update.event === "abbrev") {
    out
      .u16(8)
      .u16(version >= 5 ? ABBREV_14 : ABBREV_NX)
      .u32(update.xid);
    return;
  }
  if (version >= 5) {
    out
      .u16(0)
      .u16(EVENTS_14.indexOf(update.event))
      .u8(update.table)
      .u8(reasonNumber(update))
      .u16(update.idleTimeout)
      .u16(update.hardTimeout);
    out.u16(update.priority).zeros(4).u64(update.cookie);
    writeMatch(out, update.match, version);
    encodeInstructions(update.actions, out, version, update.match);
  } else {
    out
      .u16(0)
      .u16(update.event === "initial" ? 0 : EVENTS_NX.indexOf(update.event))
      .u16(reasonNumber(update))
      .u16(update.priority);
    out.u16(update.idleTimeout).u16(update.hardTimeout);
    const at = out.at;
    out.u16(0).u8(update.table).zeros(1).u64(update.cookie);
    if (version === 4) {
      out.patch16(at, writeCountedMatch(out, update.match));
      encodeInstructions(update.actions, out, version, update.match);
    } else {
      out.patch16(at, writeNxm(out, update.match));
      encodeActionList(update.actions, out, version);
    }
  }
  out.patch16(start, out.at - start);
}

function readUpdate(input: ByteReader, version: number): FlowUpdate {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `flow update of ${length} bytes`);
  const part = input.part(length - 2);
  const number = part.u16();
  if (number === (version >= 5 ? ABBREV_14 : ABBREV_NX)) return { event: "abbrev", xid: part.u32() };
  const event = version >= 5 ? EVENTS_14[number] : EVENTS_NX[number];
  if (event === undefined) throw part.fail("NXBRC_FM_BAD_EVENT", `event ${number}`);
  let match: Match = Match.ANY;
  if (version >= 5) {
    const table = part.u8();
    const reason = REASONS[part.u8()];
    const idleTimeout = part.u16();
    const hardTimeout = part.u16();
    const priority = part.u16();
    part.skip(4);
    const cookie = part.u64();
    match = readMatch(part, { lenient: true });
    const actions = decodeInstructions(part, version);
    return {
      event,
      reason: event === "removed" ? reason : undefined,
      idleTimeout,
      hardTimeout,
      table,
      priority,
      cookie,
      match,
      actions,
    };
  }
  const reason = REASONS[part.u16()];
  const priority = part.u16();
  const idleTimeout = part.u16();
  const hardTimeout = part.u16();
  const matchLength = part.u16();
  const table = part.u8();
  part.skip(1);
  const cookie = part.u64();
  const lenient = { lenient: true };
  match = version === 4 ? readMatch(part, lenient) : readNxm(part, matchLength, lenient);
  const actions = version === 4 ? decodeInstructions(part, version) : decodeActions(part, version);
  return {
    event,
    reason: event === "removed" ? reason : undefined,
    idleTimeout,
    hardTimeout,
    table,
    priority,
    cookie,
    match,
    actions,
  };
}

export const MONITOR_ROWS: readonly Row[] = [
  row(
    "flow_monitor_request",
    [niciraStats("nx-request", 2, 1, 3), onfStats("onf-request", 1870), multipart("request", 16, 5)],
    encodeRequest,
    decodeRequest,
  ),
  row(
    "flow_monitor_reply",
    [niciraStats("nx-reply", 2, 1, 3), onfStats("onf-reply", 1870), multipart("reply", 16, 5)],
    (m, { out, version }) => {
      for (const update of m.updates) writeUpdate(out, update, version);
    },
    ({ input, version, more }) => {
      const updates: FlowUpdate[] = [];
      while (input.left > 0) updates.push(readUpdate(input, version));
      return { type: "flow_monitor_reply", updates, more };
    },
  ),
];
