/**
 * Logical flows as the southbound database has them: flows that are alike on several datapaths are one row with a group
 * of datapaths. Which datapaths a flow is on is counted, so that adding or removing one, or a set that is known as such,
 * costs the same however many there are.
 */
import type { OutputFrom, Sink } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { Datapaths, Flow } from "../flow.ts";
import type { Stage } from "../stages.ts";
import { DatapathSet, hashesOf, sameSet, setKey } from "./datapathSet.ts";
import { drops } from "./dropSample.ts";

export class DatapathGroup {
  readonly key: string;
  readonly members: readonly Uuid[];
  /** Flows whose row has this group. */
  uses = 0;
  uuid: Uuid | undefined = undefined;

  constructor(key: string, members: readonly Uuid[]) {
    this.key = key;
    this.members = members;
  }
}

interface Origin {
  readonly source: string;
  readonly hint: Uuid | undefined;
  count: number;
}

const NO_SETS: readonly DatapathSet[] = [];

export class FlowEntry {
  readonly stage: Stage;
  readonly priority: number;
  readonly match: string;
  readonly actions: string;
  readonly port: string | undefined;
  readonly translated: boolean;
  readonly meter: string | undefined;
  readonly description: string | undefined;
  /** Another flow of the same stage, priority and match. */
  next: FlowEntry | undefined = undefined;
  /** The only datapath that was yielded by itself, and how often; or all of these. */
  datapath: Uuid | undefined = undefined;
  count = 0;
  datapaths: Map<Uuid, number> | undefined = undefined;
  /** Sums over the datapaths that were yielded by themselves: see {@link hashesOf}. */
  hash1 = 0;
  hash2 = 0;
  /** Sets that were yielded, one for every time. */
  sets: readonly DatapathSet[] = NO_SETS;
  origins: Origin[] = [];
  uuid: Uuid | undefined = undefined;
  group: DatapathGroup | undefined = undefined;
  dirty = false;

  constructor(flow: Flow) {
    this.stage = flow.stage;
    this.priority = flow.priority;
    this.match = flow.match;
    this.actions = flow.actions;
    this.port = flow.port;
    this.translated = flow.translated;
    this.meter = flow.meter;
    this.description = flow.description;
  }

  get empty(): boolean {
    return this.datapath === undefined && this.datapaths === undefined && this.sets.length === 0;
  }

  /** Whether all datapaths are in {@link sets}, which are alike. */
  get #onlySet(): DatapathSet | undefined {
    const [set] = this.sets;
    if (set === undefined || this.datapath !== undefined || this.datapaths !== undefined) return undefined;
    return this.sets.every(({ key }) => key === set.key) ? set : undefined;
  }

  members(): readonly Uuid[] {
    const set = this.#onlySet;
    if (set !== undefined) return set.members;
    const alone = this.datapaths === undefined ? (this.datapath === undefined ? [] : [this.datapath]) : this.datapaths.keys();
    if (this.sets.length === 0) return [...alone];
    return [...new Set([...alone, ...this.sets.flatMap(({ members }) => members)])];
  }

  /** The datapaths, told apart from others by the key. */
  place(): { readonly key: string; readonly size: number } {
    const set = this.sets.length === 0 ? undefined : (this.#onlySet ?? new DatapathSet(this.members()));
    if (set !== undefined) return set;
    const size = this.datapaths?.size ?? (this.datapath === undefined ? 0 : 1);
    return { key: setKey(this.hash1, this.hash2, size), size };
  }

  /** Where the flow is said to come from: the first in order, if there are several. */
  get origin(): { readonly source: string; readonly hint: Uuid | undefined } {
    let best = this.origins[0]!;
    for (const other of this.origins) if (`${other.source} ${other.hint}` < `${best.source} ${best.hint}`) best = other;
    return best;
  }
}

/** What makes two flows the same row, beside the datapaths. */
export interface FlowIdentity {
  readonly actions: string;
  readonly port: string | undefined;
  readonly translated: boolean;
  readonly meter: string | undefined;
  readonly description: string | undefined;
}

function alike(a: Datapaths, b: Datapaths): boolean {
  return typeof a !== "string" && typeof b !== "string" && sameSet(a, b);
}

function same(entry: FlowIdentity, flow: FlowIdentity): boolean {
  return (
    entry.actions === flow.actions &&
    entry.port === flow.port &&
    entry.translated === flow.translated &&
    entry.meter === flow.meter &&
    entry.description === flow.description
  );
}

export class FlowStore implements Sink<Flow> {
  /** By stage and priority, then match. */
  readonly #buckets = new Map<number, Map<string, FlowEntry>>();
  readonly dirty = new Set<FlowEntry>();
  size = 0;
  #dropSample: string | undefined;

  /** What flows that drop do before (dropSample.ts). */
  get dropSample(): string | undefined {
    return this.#dropSample;
  }

  set dropSample(sample: string | undefined) {
    if (sample === this.#dropSample) return;
    this.#dropSample = sample;
    for (const entry of this.entries()) if (drops(entry)) this.mark(entry);
  }

  *entries(): Iterable<FlowEntry> {
    for (const bucket of this.#buckets.values()) {
      for (const first of bucket.values()) for (let entry: FlowEntry | undefined = first; entry; entry = entry.next) yield entry;
    }
  }

  find(stage: Stage, priority: number, match: string, identity: FlowIdentity): FlowEntry | undefined {
    let entry = this.#buckets.get(stage.id * 65536 + priority)?.get(match);
    while (entry !== undefined && !same(entry, identity)) entry = entry.next;
    return entry;
  }

  same(a: Flow, b: Flow): boolean {
    return (
      a.stage === b.stage &&
      a.priority === b.priority &&
      a.match === b.match &&
      a.hint === b.hint &&
      same(a, b) &&
      (a.datapath === b.datapath || alike(a.datapath, b.datapath))
    );
  }

  add(flow: Flow, from: OutputFrom): void {
    const bucketKey = flow.stage.id * 65536 + flow.priority;
    let bucket = this.#buckets.get(bucketKey);
    if (bucket === undefined) {
      bucket = new Map();
      this.#buckets.set(bucketKey, bucket);
    }
    const first = bucket.get(flow.match);
    let entry = first;
    while (entry !== undefined && !same(entry, flow)) entry = entry.next;
    if (entry === undefined) {
      entry = new FlowEntry(flow);
      entry.next = first;
      bucket.set(flow.match, entry);
      this.size++;
    }
    this.#place(entry, flow.datapath, 1);
    this.#originate(entry, from.each.name, flow.hint, 1);
  }

  remove(flow: Flow, from: OutputFrom): void {
    const entry = this.find(flow.stage, flow.priority, flow.match, flow);
    if (entry === undefined) return;
    this.#place(entry, flow.datapath, -1);
    this.#originate(entry, from.each.name, flow.hint, -1);
  }

  /** Forgets a flow that is on no datapath. */
  forget(entry: FlowEntry): void {
    const bucketKey = entry.stage.id * 65536 + entry.priority;
    const bucket = this.#buckets.get(bucketKey);
    if (bucket === undefined) return;
    let at = bucket.get(entry.match);
    if (at === entry) {
      if (entry.next !== undefined) bucket.set(entry.match, entry.next);
      else if (bucket.delete(entry.match) && bucket.size === 0) this.#buckets.delete(bucketKey);
    } else {
      while (at !== undefined && at.next !== entry) at = at.next;
      if (at === undefined) return;
      at.next = entry.next;
    }
    this.size--;
  }

  mark(entry: FlowEntry): void {
    if (entry.dirty) return;
    entry.dirty = true;
    this.dirty.add(entry);
  }

  #place(entry: FlowEntry, datapath: Uuid | DatapathSet, by: 1 | -1): void {
    if (typeof datapath === "string") {
      this.#count(entry, datapath, by);
      return;
    }
    if (by === 1) entry.sets = [...entry.sets, datapath];
    else {
      const at = entry.sets.findIndex(({ key }) => key === datapath.key);
      entry.sets = entry.sets.filter((_, index) => index !== at);
    }
    this.mark(entry);
  }

  #count(entry: FlowEntry, datapath: Uuid, by: 1 | -1): void {
    const before = entry.datapaths?.get(datapath) ?? (entry.datapath === datapath ? entry.count : 0);
    const after = before + by;
    if (entry.datapaths === undefined && (entry.datapath === undefined || entry.datapath === datapath)) {
      entry.datapath = after === 0 ? undefined : datapath;
      entry.count = after;
    } else {
      if (entry.datapaths === undefined) {
        entry.datapaths = new Map([[entry.datapath!, entry.count]]);
        entry.datapath = undefined;
        entry.count = 0;
      }
      if (after === 0) entry.datapaths.delete(datapath);
      else entry.datapaths.set(datapath, after);
      if (entry.datapaths.size === 1) {
        const [only, count] = entry.datapaths.entries().next().value!;
        entry.datapath = only;
        entry.count = count;
        entry.datapaths = undefined;
      }
    }
    if ((before === 0) === (after === 0)) return;
    const [one, two] = hashesOf(datapath);
    entry.hash1 = (entry.hash1 + by * one) >>> 0;
    entry.hash2 = (entry.hash2 + by * two) >>> 0;
    this.mark(entry);
  }

  #originate(entry: FlowEntry, source: string, hint: Uuid | undefined, by: 1 | -1): void {
    const origin = entry.origins.find((other) => other.source === source && other.hint === hint);
    if (origin === undefined) {
      entry.origins.push({ source, hint, count: by });
      if (entry.origins.length > 1) this.mark(entry);
      return;
    }
    origin.count += by;
    if (origin.count !== 0) return;
    entry.origins.splice(entry.origins.indexOf(origin), 1);
    if (entry.origins.length > 0) this.mark(entry);
  }
}
