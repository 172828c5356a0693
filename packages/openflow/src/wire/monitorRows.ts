/** Codec rows of flow monitors: Nicira's, and OpenFlow 1.4's. */
import { Match } from "../match/match.ts";
import type { FlowMonitorRequest, FlowRemovedReason, FlowUpdate } from "../message/flow.ts";
import { OFPG, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type DecodeState, type EncodeState, multipart, niciraStats, type Row, row } from "./codecRow.ts";
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

/** What OpenFlow 1.4 has of our MONITOR_FLAG bits: all but OWN. */
const FLAGS_14 = 0x1f;

function encodeRequest(m: FlowMonitorRequest, { out, version }: EncodeState): void {
  if (version >= 5) {
    out
      .u32(m.id)
      .u32(toOfp11Port(m.outPort))
      .u32(m.outGroup)
      .u16(m.flags & FLAGS_14)
      .u8(m.table)
      .u8(COMMANDS.indexOf(m.command));
    writeMatch(out, m.match, version);
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
    const flags = input.u16();
    if ((flags & ~FLAGS_14) !== 0) throw input.fail("OFPMOFC_BAD_FLAGS", `flags ${flags}`);
    const table = input.u8();
    const number = input.u8();
    const command = COMMANDS[number];
    if (command === undefined) throw input.fail("OFPMOFC_BAD_COMMAND", `command ${number}`);
    return { type: "flow_monitor_request", id, command, flags, outPort, outGroup, table, match: readMatch(input) };
  }
  const flags = input.u16();
  if ((flags & ~0x3f) !== 0) throw input.fail("OFPMOFC_BAD_FLAGS", `flags ${flags}`);
  const outPort = input.u16();
  const length = input.u16();
  const table = input.u8();
  input.zeros(5, "NXBRC_MUST_BE_ZERO");
  return {
    type: "flow_monitor_request",
    id,
    command: "add",
    flags,
    outPort,
    outGroup: OFPG.ANY,
    table,
    match: readNxm(input, length),
  };
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
    out.patch16(at, writeNxm(out, update.match));
    encodeActionList(update.actions, out, version);
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
  match = readNxm(part, matchLength, { lenient: true });
  const actions = decodeActions(part, version);
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
  row("flow_monitor_request", [niciraStats("nx-request", 2, 1, 3), multipart("request", 16, 5)], encodeRequest, decodeRequest),
  row(
    "flow_monitor_reply",
    [niciraStats("nx-reply", 2, 1, 3), multipart("reply", 16, 5)],
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
