/**
 * The flow cache: megaflows in a tuple-space search, and in front of it an exact-match table of the packets seen last. Both are
 * looked up without allocating.
 */
import { Classifier, type ClassifierRule, type KeyLayout, type KeyMatch } from "../classifier/classifier.ts";
import { END_PACKET_WORD, FIRST_PACKET_WORD, FLOW_WORDS, WORD } from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { Effect } from "../xlate/effects.ts";
import type { DpAction } from "./actions.ts";
import type { Run } from "./execute.ts";

export class Megaflow implements ClassifierRule {
  readonly match: KeyMatch;
  readonly priority = 0;
  /** The first packet's key, and the bits of it that all packets of this flow share. */
  readonly key: Int32Array;
  readonly mask: Int32Array;
  readonly ufid: string;
  actions: readonly DpAction[];
  run: Run;
  effects: readonly Effect[];
  recircIds: readonly number[];
  slow: string | undefined;
  readonly bridge: Bridge | undefined;
  /** The datapath's generation that the translation was made in. */
  generation: number;
  packets = 0;
  bytes = 0;
  /** Counted since the effects were applied last. */
  pushedPackets = 0;
  pushedBytes = 0;
  tcpFlags = 0;
  /** Monotonic ms; 0: no packet yet but the first. */
  used = 0;
  readonly created: number;
  dead = false;

  constructor(init: {
    key: Int32Array;
    mask: Int32Array;
    ufid: string;
    actions: readonly DpAction[];
    run: Run;
    effects: readonly Effect[];
    recircIds: readonly number[];
    slow: string | undefined;
    bridge: Bridge | undefined;
    generation: number;
    now: number;
  }) {
    const words: number[] = [];
    const values: number[] = [];
    const masks: number[] = [];
    for (let w = 0; w < FLOW_WORDS; w++) {
      const mask = init.mask[w] as number;
      if (mask === 0) continue;
      words.push(w);
      values.push((init.key[w] as number) & mask);
      masks.push(mask);
    }
    this.match = { words, values, masks };
    this.key = init.key;
    this.mask = init.mask;
    this.ufid = init.ufid;
    this.actions = init.actions;
    this.run = init.run;
    this.effects = init.effects;
    this.recircIds = init.recircIds;
    this.slow = init.slow;
    this.bridge = init.bridge;
    this.generation = init.generation;
    this.created = init.now;
  }
}

/** One stage, no tries: the cache wants speed, not wide masks. */
const CACHE_LAYOUT: KeyLayout = {
  words: FLOW_WORDS,
  stages: new Uint8Array(FLOW_WORDS),
  prefixes: [],
  conjId: WORD.conj_id,
  tpSrc: -1,
  tpDst: -1,
};

/** Words that tell packets of a datapath apart; registers and the like are zero in all of them. */
const IDENTITY: readonly number[] = (() => {
  const words: number[] = [];
  for (let w = 0; w < FLOW_WORDS; w++) {
    if (w >= WORD.reg && w < WORD.reg + 32) continue;
    if (w === WORD.metadata || w === WORD.metadata + 1 || w === WORD.conj_id || w === WORD.actset_output) continue;
    words.push(w);
  }
  return words;
})();
/** Of those, the ones that vary most from packet to packet: the hash reads no others. */
const HASHED: readonly number[] = [
  WORD.in_port,
  WORD.recirc_id,
  WORD.dp_hash,
  WORD.tun_id + 1,
  WORD.tun_src,
  WORD.ct_state,
  WORD.ct_mark,
  WORD.tun_metadata,
  ...IDENTITY.filter((w) => w >= FIRST_PACKET_WORD && w < WORD.nsh_flags && w < END_PACKET_WORD),
];

// The generated functions have exactly these signatures; Function() cannot express them.
const hashKey = new Function(
  "key",
  `let h = 0; ${HASHED.map((w) => `h = Math.imul(h ^ key[${w}], 0x9e3779b1); h ^= h >>> 15;`).join(" ")} return h >>> 0;`,
) as (key: Int32Array) => number;
const equalKeys = new Function("a", "b", `return ${IDENTITY.map((w) => `a[${w}] === b[${w}]`).join(" && ")};`) as (
  a: Int32Array,
  b: Int32Array,
) => boolean;

const SLOTS = 8192;

export class FlowCache {
  readonly #flows = new Classifier<Megaflow>(CACHE_LAYOUT);
  readonly #exactFlows: (Megaflow | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #exactKeys: Int32Array[] = [];
  hits = 0;
  misses = 0;

  constructor() {
    for (let i = 0; i < SLOTS; i++) this.#exactKeys.push(EMPTY);
  }

  get size(): number {
    return this.#flows.size;
  }

  [Symbol.iterator](): IterableIterator<Megaflow> {
    return this.#flows[Symbol.iterator]();
  }

  lookup(key: Int32Array): Megaflow | undefined {
    const slot = hashKey(key) & (SLOTS - 1);
    const exact = this.#exactFlows[slot];
    if (exact !== undefined && !exact.dead && equalKeys(this.#exactKeys[slot] as Int32Array, key)) return exact;
    const flow = this.#flows.lookup(key, undefined);
    if (flow === undefined) return undefined;
    let held = this.#exactKeys[slot] as Int32Array;
    if (held === EMPTY) {
      held = new Int32Array(FLOW_WORDS);
      this.#exactKeys[slot] = held;
    }
    held.set(key);
    this.#exactFlows[slot] = flow;
    return flow;
  }

  insert(flow: Megaflow): void {
    const old = this.#flows.get(flow.match, 0);
    if (old !== undefined) this.remove(old);
    this.#flows.insert(flow);
  }

  remove(flow: Megaflow): void {
    if (flow.dead) return;
    flow.dead = true;
    this.#flows.remove(flow);
  }
}
const EMPTY = new Int32Array(0);
