/**
 * Lists of actions that were read before. A switch has tens of thousands of flows and few hundred lists of actions that
 * most of them have: who reads all flows gets each list once, and reads only its bytes the next time.
 */
import type { Action } from "../action/types.ts";
import type { ByteReader } from "./bytes.ts";
import { decodeInstructions } from "./instructions.ts";

interface Known {
  readonly bytes: Uint8Array;
  readonly version: number;
  readonly actions: readonly Action[];
  /** Another list whose bytes have the same hash. */
  readonly next: Known | undefined;
}

/** Longer ones are hardly ever the same. */
const LONGEST = 512;

export class ActionLists {
  readonly #most: number;
  readonly #byHash = new Map<number, Known>();
  #size = 0;

  /** @param most Lists that are kept: the first ones. */
  constructor(most = 16384) {
    this.#most = most;
  }

  /** As decodeInstructions, up to the reader's end. The same list for the same bytes: not to be changed. */
  read(input: ByteReader, version: number): readonly Action[] {
    const { bytes, at, end } = input;
    if (end - at > LONGEST) return decodeInstructions(input, version);
    const hash = hashOf(bytes, at, end);
    const first = this.#byHash.get(hash);
    for (let known = first; known !== undefined; known = known.next) {
      if (known.version !== version || !isAt(known.bytes, bytes, at, end)) continue;
      input.at = end;
      return known.actions;
    }
    const actions = decodeInstructions(input, version);
    if (this.#size < this.#most) {
      this.#byHash.set(hash, { bytes: bytes.slice(at, end), version, actions, next: first });
      this.#size++;
    }
    return actions;
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

/** Whether `some` is what stands in `bytes` between `from` and `to`. */
function isAt(some: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (some.length !== to - from) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== bytes[from + i]) return false;
  return true;
}
