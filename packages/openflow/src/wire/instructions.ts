/** Instructions of OpenFlow 1.1 and later, which wrap a flow's actions; OpenFlow 1.0 has actions alone. */
import type { Action } from "../action/types.ts";
import { WORD } from "../field/layout.ts";
import type { Match } from "../match/match.ts";
import { IP_PROTO, ipProtoOf } from "../match/prerequisites.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { decodeActions } from "./decodeActions.ts";
import { encodeActions } from "./encodeActions.ts";
import type { EncodeContext } from "./encodeContext.ts";

const OFPIT = { goto_table: 1, write_metadata: 2, write_actions: 3, apply_actions: 4, clear_actions: 5, meter: 6 } as const;

/** Instruction kinds in the order in which they take effect. */
const ORDER = ["meter", "apply_actions", "clear_actions", "write_actions", "write_metadata", "goto_table"] as const;
type Kind = (typeof ORDER)[number];

function kindOf(action: Action): Kind {
  switch (action.type) {
    case "meter":
    case "clear_actions":
    case "write_actions":
    case "write_metadata":
    case "goto_table":
      return action.type;
    default:
      return "apply_actions";
  }
}

/**
 * What is wrong with the order of instructions in a flow's actions, in ovs-ofctl's words; undefined when nothing is.
 * (OpenFlow error: OFPBAC_UNSUPPORTED_ORDER.)
 */
export function instructionOrderProblem(actions: readonly Action[]): string | undefined {
  let last: Kind | undefined;
  for (const action of actions) {
    const kind = kindOf(action);
    if (last !== undefined) {
      if (kind === last && kind !== "apply_actions")
        return `duplicate ${kind} instruction not allowed, for OpenFlow 1.1+ compatibility`;
      if (ORDER.indexOf(kind) < ORDER.indexOf(last))
        return `invalid instruction ordering: ${kind} must appear before ${last}, for OpenFlow 1.1+ compatibility`;
    }
    last = kind;
  }
  return undefined;
}

function contextOf(out: ByteWriter, version: number, match: Match | undefined): EncodeContext {
  const present = match !== undefined && (match.wordMask(WORD.vlan_tci) & match.wordValue(WORD.vlan_tci) & 0x1000) !== 0;
  // Before OpenFlow 1.2 one action sets the ports of all of them.
  const proto = match === undefined || version < 3 ? undefined : ipProtoOf(match);
  const transport = proto === IP_PROTO.udp ? "udp" : proto === IP_PROTO.sctp ? "sctp" : "tcp";
  return { out, version, hasVlan: present, transport, nested: encodeActions };
}

/** Writes a flow's actions: bare in OpenFlow 1.0, in instructions later. `match` tells whether packets have a VLAN header. */
export function encodeInstructions(actions: readonly Action[], out: ByteWriter, version: number, match?: Match): void {
  const context = contextOf(out, version, match);
  if (version === 1) {
    encodeActions(actions, context);
    return;
  }
  let i = 0;
  while (i < actions.length) {
    const action = actions[i]!;
    switch (action.type) {
      case "meter":
        if (version >= 6) break; // An action since OpenFlow 1.5.
        if (version >= 4) out.u16(OFPIT.meter).u16(8).u32(action.meter);
        i++;
        continue;
      case "clear_actions":
        out.u16(OFPIT.clear_actions).u16(8).zeros(4);
        i++;
        continue;
      case "write_actions": {
        const start = out.at;
        out.u16(OFPIT.write_actions).u16(0).zeros(4);
        encodeActions(action.actions, context);
        out.patch16(start + 2, out.at - start);
        i++;
        continue;
      }
      case "write_metadata":
        out.u16(OFPIT.write_metadata).u16(24).zeros(4).u64(action.value).u64(action.mask);
        i++;
        continue;
      case "goto_table":
        out.u16(OFPIT.goto_table).u16(8).u8(action.table).zeros(3);
        i++;
        continue;
    }
    const start = out.at;
    out.u16(OFPIT.apply_actions).u16(0).zeros(4);
    let end = i;
    while (
      end < actions.length &&
      (kindOf(actions[end]!) === "apply_actions" || (version >= 6 && actions[end]!.type === "meter"))
    )
      end++;
    encodeActions(actions.slice(i, end), context);
    out.patch16(start + 2, out.at - start);
    i = end;
  }
}

/** Writes actions alone (packet-out, buckets). */
export function encodeActionList(actions: readonly Action[], out: ByteWriter, version: number): void {
  encodeActions(actions, contextOf(out, version, undefined));
}

/** Reads actions (OpenFlow 1.0) or instructions up to the reader's end. */
export function decodeInstructions(input: ByteReader, version: number): Action[] {
  if (version === 1) {
    const actions = decodeActions(input, version);
    const problem = instructionOrderProblem(actions);
    if (problem !== undefined) throw input.fail("OFPBAC_UNSUPPORTED_ORDER", problem);
    return actions;
  }
  if (input.left === 0) return [];
  const [first, only] = readInstruction(input, version);
  // Nearly all flows have one instruction.
  if (input.left === 0) return only;
  const found = new Map<Kind, Action[]>([[first, only]]);
  while (input.left > 0) {
    const start = input.at;
    const [kind, actions] = readInstruction(input, version);
    if (found.has(kind)) {
      input.at = start;
      throw input.fail("OFPBIC_DUP_INST", kind);
    }
    found.set(kind, actions);
  }
  const actions: Action[] = [];
  for (const kind of ORDER) actions.push(...(found.get(kind) ?? []));
  return actions;
}

function readInstruction(input: ByteReader, version: number): [Kind, Action[]] {
  const start = input.at;
  if (input.left < 8) throw input.fail("OFPBIC_BAD_LEN", "truncated instruction");
  const type = input.u16();
  const length = input.u16();
  if (length < 8 || length % 8 !== 0 || start + length > input.end) {
    input.at = start;
    throw input.fail("OFPBIC_BAD_LEN", `instruction length ${length}`);
  }
  return decodeInstruction(input.part(length - 4, "OFPBIC_BAD_LEN"), type, length, version);
}

function decodeInstruction(part: ByteReader, type: number, length: number, version: number): [Kind, Action[]] {
  const exactly = (bytes: number) => {
    if (length !== bytes) throw part.fail("OFPBIC_BAD_LEN", `instruction length ${length}`);
  };
  switch (type) {
    case OFPIT.goto_table:
      exactly(8);
      return ["goto_table", [{ type: "goto_table", table: part.u8() }]];
    case OFPIT.write_metadata:
      exactly(24);
      part.skip(4);
      return ["write_metadata", [{ type: "write_metadata", value: part.u64(), mask: part.u64() }]];
    case OFPIT.write_actions:
      part.skip(4);
      return ["write_actions", [{ type: "write_actions", actions: decodeActions(part, version) }]];
    case OFPIT.apply_actions:
      part.skip(4);
      return ["apply_actions", decodeActions(part, version)];
    case OFPIT.clear_actions:
      exactly(8);
      return ["clear_actions", [{ type: "clear_actions" }]];
    case OFPIT.meter:
      if (version < 4 || version > 5) break;
      exactly(8);
      return ["meter", [{ type: "meter", meter: part.u32() }]];
    case 0xffff:
      throw part.fail("OFPBIC_BAD_EXPERIMENTER", "experimenter instruction");
  }
  throw part.fail("OFPBIC_UNKNOWN_INST", `instruction ${type}`);
}

/** Reads actions alone. */
export function decodeActionList(bytes: Uint8Array, version: number): Action[] {
  return decodeActions(new ByteReader(bytes), version);
}
