/**
 * Continuations: what Open vSwitch puts into a packet-in about a paused packet, to go on with it later (ovs-ofctl(8) "monitor").
 * Properties of type, length and value, each padded to 8 bytes; learned from what the switch sends.
 */
import type { Action } from "../action/types.ts";
import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { decodeActionList, encodeActionList } from "../wire/instructions.ts";

/** An action still to be done, or the table and cookie that those behind it belong to. */
export type ContinuedAction = Action | { readonly type: "unroll"; readonly table: number; readonly cookie: bigint };

export interface Continuation {
  /** 32 hexadecimal digits with hyphens. */
  readonly bridge: string;
  /** The top first; widths in bits. */
  readonly stack: readonly { readonly bits: number; readonly value: bigint }[];
  /** A bit for each mirror that has had the packet. */
  readonly mirrors: number;
  /** Do the connection tracking fields hold? */
  readonly conntracked: boolean;
  readonly actions: readonly ContinuedAction[];
  readonly actionSet: readonly Action[];
  /** The datapath's port that the packet came from. */
  readonly datapathPort: number | undefined;
}

const PROPERTY = {
  bridge: 0x8000,
  stack: 0x8001,
  mirrors: 0x8002,
  conntracked: 0x8003,
  table: 0x8004,
  cookie: 0x8005,
  actions: 0x8006,
  actionSet: 0x8007,
  datapathPort: 0x8008,
} as const;

function property(out: ByteWriter, type: number, write: () => void): void {
  const start = out.at;
  out.u16(type).u16(0);
  write();
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

/** Actions whose packet-ins, or whose meaning, depend on the table that they are in. */
function needsPlace(action: Action): boolean {
  switch (action.type) {
    case "output":
    case "output_reg":
    case "output_trunc":
    case "controller":
    case "enqueue":
    case "group":
    case "dec_ttl":
    case "dec_mpls_ttl":
      return true;
    case "resubmit":
      return action.table === undefined;
    default:
      return false;
  }
}

/** The actions in runs of one table and cookie. */
function* runs(actions: readonly ContinuedAction[]): Generator<{ table: number; cookie: bigint; actions: Action[] }> {
  let place = { table: 0, cookie: 0n };
  let run = { ...place, actions: [] as Action[] };
  for (const action of actions) {
    if (action.type === "unroll") {
      place = action;
      continue;
    }
    if (needsPlace(action) && (place.table !== run.table || place.cookie !== run.cookie)) {
      if (run.actions.length > 0) yield run;
      run = { table: place.table, cookie: place.cookie, actions: [] };
    }
    run.actions.push(
      action.type === "goto_table" ? { type: "resubmit", port: undefined, table: action.table, ct: false } : action,
    );
  }
  if (run.actions.length > 0) yield run;
}

/** Actions as OpenFlow `version` has them. Throws an EncodeError for what that version cannot say. */
export function encodeContinuation(c: Continuation, version: number): Uint8Array {
  const out = new ByteWriter();
  const list = (type: number, actions: readonly Action[]) =>
    property(out, type, () => {
      out.zeros(4);
      encodeActionList(actions, out, version);
    });
  property(out, PROPERTY.bridge, () => {
    // Four words in the byte order of the machine, here little-endian.
    const digits = c.bridge.replaceAll("-", "");
    for (let at = 0; at < 32; at += 8)
      for (let byte = 6; byte >= 0; byte -= 2) out.u8(Number.parseInt(digits.slice(at + byte, at + byte + 2), 16));
  });
  for (const { bits, value } of c.stack) property(out, PROPERTY.stack, () => out.big(value, Math.ceil(bits / 8)));
  if (c.mirrors !== 0) property(out, PROPERTY.mirrors, () => out.u32(c.mirrors));
  if (c.conntracked) property(out, PROPERTY.conntracked, () => undefined);
  let [table, cookie] = [0, 0n];
  for (const run of runs(c.actions)) {
    if (run.table !== table) property(out, PROPERTY.table, () => out.u8(run.table));
    if (run.cookie !== cookie) property(out, PROPERTY.cookie, () => out.zeros(4).u64(run.cookie));
    ({ table, cookie } = run);
    list(PROPERTY.actions, run.actions);
  }
  if (c.actionSet.length > 0) list(PROPERTY.actionSet, c.actionSet);
  const port = c.datapathPort;
  if (port !== undefined) property(out, PROPERTY.datapathPort, () => out.u32(port));
  return out.slice();
}

/** The inverse; throws a DecodeError. Unknown properties are passed over. */
export function decodeContinuation(bytes: Uint8Array, version: number): Continuation {
  const input = new ByteReader(bytes);
  let [table, cookie] = [0, 0n];
  const found = {
    bridge: "",
    stack: [] as { bits: number; value: bigint }[],
    mirrors: 0,
    conntracked: false,
    actions: [] as ContinuedAction[],
    actionSet: [] as Action[],
    datapathPort: undefined as number | undefined,
  };
  while (input.left > 0) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) throw input.fail("OFPBPC_BAD_LEN", `continuation property ${type}`);
    const part = input.part(length - 4, "OFPBPC_BAD_LEN");
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
    const list = () => {
      part.skip(4);
      return decodeActionList(part.take(part.left), version);
    };
    switch (type) {
      case PROPERTY.bridge:
        found.bridge = uuidOf(part.take(16));
        break;
      case PROPERTY.stack:
        found.stack.push({ bits: part.left * 8, value: part.big(part.left) });
        break;
      case PROPERTY.mirrors:
        found.mirrors = part.u32();
        break;
      case PROPERTY.conntracked:
        found.conntracked = true;
        break;
      case PROPERTY.table:
        table = part.u8();
        break;
      case PROPERTY.cookie:
        part.skip(4);
        cookie = part.u64();
        break;
      case PROPERTY.actions:
        found.actions.push({ type: "unroll", table, cookie }, ...list());
        break;
      case PROPERTY.actionSet:
        found.actionSet = list();
        break;
      case PROPERTY.datapathPort:
        found.datapathPort = part.u32();
        break;
    }
  }
  return found;
}

/** From four words in the byte order of the switch's machine, here taken as little-endian. */
function uuidOf(bytes: Uint8Array): string {
  const digits = [0, 4, 8, 12]
    .flatMap((at) => [...bytes.subarray(at, at + 4)].reverse())
    .map((b) => b.toString(16).padStart(2, "0"))
    .join("");
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}
