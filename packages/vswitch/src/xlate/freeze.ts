/**
 * Frozen translations: where the pipeline goes on when a packet comes back from the datapath (recirculation) or from a
 * controller (pause and resume).
 */
import type { Action } from "@weft/openflow";
import type { Bond } from "../bond/bond.ts";
import { FLOW_WORDS, WORD } from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";

/** What a push saved: a value of so many bits. */
export interface StackEntry {
  readonly bits: number;
  readonly value: bigint;
}

/** An action still to be done, or the return into an outer table that the actions behind it belong to. */
export type FrozenAction = Action | { readonly type: "unroll"; readonly table: number; readonly cookie: bigint };

export interface FrozenState {
  readonly bridge: Bridge;
  /** The table to go on in; undefined: only `actions` are left. */
  readonly table: number | undefined;
  /** Words of the flow that the datapath does not carry: tunnel, metadata, registers, in_port. */
  readonly metadata: Int32Array;
  readonly stack: readonly StackEntry[];
  readonly mirrors: number;
  readonly conntracked: boolean;
  readonly actions: readonly FrozenAction[];
  readonly actionSet: readonly Action[];
  /** Of a packet-in: who asked. */
  readonly userdata?: Uint8Array | undefined;
  /** In place of all that: the packet leaves by this bond, by its hash. */
  readonly bond?: Bond | undefined;
}

/** Ranges of the key that are frozen: [first word, number of words]. */
const FROZEN: readonly (readonly [number, number])[] = [
  [WORD.in_port, 1],
  [WORD.tun_id, WORD.metadata - WORD.tun_id],
  [WORD.metadata, 2],
  [WORD.reg, 32],
  [WORD.tun_metadata, FLOW_WORDS - WORD.tun_metadata],
];

export function freezeMetadata(key: Int32Array): Int32Array {
  const saved = new Int32Array(FLOW_WORDS);
  for (const [word, words] of FROZEN) saved.set(key.subarray(word, word + words), word);
  return saved;
}

export function thawMetadata(saved: Int32Array, key: Int32Array): void {
  for (const [word, words] of FROZEN) key.set(saved.subarray(word, word + words), word);
}

/** Forgets what connection tracking found. */
export function clearTracking(key: Int32Array): void {
  key[WORD.ct_state] = 0;
  key[WORD.ct_zone] = 0;
  key[WORD.ct_mark] = 0;
  key.fill(0, WORD.ct_label, WORD.ct_label + 4);
}

const identities = new WeakMap<object, number>();
let nextIdentity = 1;
function identity(thing: object): number {
  let id = identities.get(thing);
  if (id === undefined) {
    id = nextIdentity++;
    identities.set(thing, id);
  }
  return id;
}

function keyOf(state: FrozenState): string {
  const actions = state.actions.map((a) => (a.type === "unroll" ? `u${a.table}.${a.cookie}` : identity(a))).join(",");
  const set = state.actionSet.map(identity).join(",");
  const stack = state.stack.map((s) => `${s.bits}:${s.value}`).join(",");
  const words: string[] = [];
  state.metadata.forEach((value, word) => {
    if (value !== 0) words.push(`${word}=${value}`);
  });
  return `${identity(state.bridge)}|${state.table}|${words.join(",")}|${stack}|${state.mirrors}|${state.conntracked}|${actions}|${set}|${state.userdata === undefined ? "" : identity(state.userdata)}|${state.bond === undefined ? "" : identity(state.bond)}`;
}

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly state: FrozenState;
  references: number;
}

/** Recirculation ids. Equal states share an id; an id is free again when no cached flow refers to it. */
export class RecircTable {
  readonly #byId = new Map<number, Entry>();
  readonly #byKey = new Map<string, Entry>();
  #next = 1;

  get size(): number {
    return this.#byId.size;
  }

  /** The id for a state, with one reference more; the caller gives it back with {@link release}. */
  allocate(state: FrozenState): number {
    const key = keyOf(state);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.references++;
      return known.id;
    }
    const entry: Entry = { id: this.#next++, key, state, references: 1 };
    this.#byId.set(entry.id, entry);
    this.#byKey.set(key, entry);
    return entry.id;
  }

  /** The id by which packets come back to leave by a bond; the bond gives it back with {@link release}. */
  allocateBond(bridge: Bridge, bond: Bond): number {
    return this.allocate({
      bridge,
      table: undefined,
      metadata: new Int32Array(FLOW_WORDS),
      stack: [],
      mirrors: 0,
      conntracked: false,
      actions: [],
      actionSet: [],
      bond,
    });
  }

  /** The id for a state if it has one. */
  get(id: number): FrozenState | undefined {
    return this.#byId.get(id)?.state;
  }

  /** One reference more to an id that is held. */
  refer(id: number): void {
    const entry = this.#byId.get(id);
    if (entry !== undefined) entry.references++;
  }

  release(id: number): void {
    const entry = this.#byId.get(id);
    if (entry === undefined || --entry.references > 0) return;
    this.#byId.delete(id);
    this.#byKey.delete(entry.key);
  }

  /** Drops what belongs to a bridge that goes away. */
  forgetBridge(bridge: Bridge): void {
    for (const entry of [...this.#byId.values()]) {
      if (entry.state.bridge !== bridge) continue;
      this.#byId.delete(entry.id);
      this.#byKey.delete(entry.key);
    }
  }
}
