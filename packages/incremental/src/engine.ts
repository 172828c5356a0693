/**
 * The engine. What is up to date is kept so by pushing: a commit marks the readers of the inputs that changed, and goes
 * through marked cells in the order of their heights (a cell's height is above those of all it reads), so that each runs
 * at most once and only when something that it read has really changed; an equal result marks nobody. What is read for
 * the first time is computed on the spot. Eaches run last, when everything below is settled.
 *
 * While settling at some height, an evaluation may read a cell of the same or a greater height, below which work is still
 * pending. Then it is abandoned, raised above that cell and run again when its turn comes: definitions are pure, so an
 * abandoned run leaves no trace. A raise that comes back to its origin is a cycle.
 */
import { Cell, COMPUTED, EVALUATION, forgetEdges, GONE, link, nameOf, PRESENT, QUEUED, RUNNING } from "./cell.ts";
import { bodyOf, type DefinitionBody } from "./definitions.ts";
import { IncrementalError } from "./error.ts";
import { compareKeys, type GroupNews, Home, mergeMembers, sameKeys } from "./home.ts";
import type { Each, Engine, EngineOptions, EngineStatistics, Input, Key, OutputFrom, Read, Sink } from "./types.ts";

/** What a failed evaluation holds as its value, and what reading it throws. */
class Failure extends IncrementalError {
  reported = false;

  constructor(cell: Cell, error: unknown) {
    super("incremental.failed", error instanceof Error ? error.message : String(error), nameOf(cell));
    this.cause = error;
  }
}

interface Frame {
  cell: Cell | undefined;
  readonly reads: Cell[];
  stamp: number;
}

const RETRY = new IncrementalError("incremental.retry", "an evaluation is abandoned to be run later");
const EMPTY: readonly never[] = Object.freeze([]);
const LAST = Number.POSITIVE_INFINITY;

export function createEngine(options: EngineOptions = {}): Engine {
  return new EngineState(options);
}

class EngineState implements Engine {
  readonly read: Read;
  readonly #options: EngineOptions;
  readonly #homes: (Home | undefined)[] = [];
  readonly #queue: Cell[][] = [];
  #pending = 0;
  #eachQueue: Cell[] = [];
  readonly #staged = new Set<Home>();
  readonly #starting: Home[] = [];
  #orphans: Cell[] = [];
  /** Evaluations that were part of a cycle: tried again, for what they read may have changed behind their back. */
  #cyclic: Cell[] = [];
  /** Evaluations that threw, and those among them that did so in this commit. */
  readonly #failed = new Map<Cell, Failure>();
  #failures: Cell[] = [];
  readonly #knownCycles = new Set<string>();
  /** Counts results that differed. */
  #news = 0;
  /** The height that is being settled; LAST when everything is settled. */
  #level = LAST;
  #committing = false;
  #commits = 0;
  readonly #frames: Frame[] = [];
  #depth = -1;
  #stamp = 0;
  /** The cell whose unsettled state made the running evaluation be abandoned. */
  #retryFor: Cell | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const read = (definition: { readonly id: number }, key: Key): unknown =>
      this.#read(this.#home(definition.id, definition), key);
    // The function has the overloads of Read by construction; key and value types exist in the declarations only.
    this.read = Object.assign(read, {
      keys: (definition: { readonly id: number }): readonly Key[] => this.#readKeys(this.#home(definition.id, definition)),
    }) as unknown as Read;
  }

  set<K extends Key, V>(source: Input<K, V>, key: K, value: V): void {
    this.#stage(source, key, { value });
  }

  delete<K extends Key, V>(source: Input<K, V>, key: K): void {
    this.#stage(source, key, undefined);
  }

  #stage(source: { readonly id: number }, key: Key, write: { readonly value: unknown } | undefined): void {
    const home = this.#home(source.id, source);
    home.staged.set(key, write);
    this.#staged.add(home);
  }

  collect<O>(eaches: readonly Each<O>[], sink: Sink<O>): void {
    for (const each of eaches) {
      const home = this.#home(each.id, each);
      if (home.sink !== undefined)
        throw new IncrementalError("incremental.misuse", `${each.name} is collected already`, each.name);
      home.sink = sink as Sink<unknown>;
      this.#starting.push(home);
    }
  }

  commit(): boolean {
    if (this.#committing || this.#depth >= 0) throw new IncrementalError("incremental.misuse", "commit within a commit");
    this.#committing = true;
    this.#level = 0;
    this.#commits++;
    try {
      const news = this.#applyStaged();
      this.#settle();
      this.#retryCycles();
      this.#level = LAST;
      for (const home of this.#starting.splice(0)) this.#start(home);
      const ran = this.#runEaches();
      this.#report();
      this.#collectGarbage();
      return news || ran;
    } finally {
      this.#level = LAST;
      this.#committing = false;
    }
  }

  recompute(): void {
    for (const home of this.#homes) {
      if (home === undefined) continue;
      if (home.keysCell) forgetEdges(home.keysCell);
      home.keysCell = undefined;
      home.subscribers.length = 0;
      for (const cell of home.cells.values()) forgetEdges(cell);
      for (const cell of home.evaluations.values()) forgetEdges(cell);
      for (const [key, cell] of home.cells) if (!(cell.flags & PRESENT)) home.cells.delete(key);
      if (home.body.kind === "input" || home.body.kind === "each") continue;
      home.cells.clear();
      home.evaluations.clear();
      home.producers.clear();
      home.news.clear();
      home.state = "idle";
    }
    this.#orphans = [];
    this.#cyclic = [];
    this.#failed.clear();
    this.#failures = [];
    for (const home of this.#homes) {
      if (home?.body.kind !== "each" || home.state !== "active") continue;
      home.state = "idle";
      this.#starting.push(home);
    }
  }

  statistics(): EngineStatistics {
    const evaluations = new Map<string, number>();
    let cells = 0;
    for (const home of this.#homes) {
      if (home === undefined) continue;
      cells += home.cells.size + home.evaluations.size;
      if (home.runs > 0) evaluations.set(home.body.name, (evaluations.get(home.body.name) ?? 0) + home.runs);
    }
    return { evaluations, commits: this.#commits, cells };
  }

  #home(id: number, definition: { readonly id: number }): Home {
    const known = this.#homes[id];
    if (known !== undefined) return known;
    const body: DefinitionBody = bodyOf(definition);
    const home = new Home(body, body.source === undefined ? undefined : this.#home(body.source.id, body.source));
    if (body.kind === "input") home.state = "active";
    this.#homes[id] = home;
    return home;
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  #read(home: Home, key: Key): unknown {
    const kind = home.body.kind;
    if (kind === "derivation") return this.#readDerivation(home, key);
    if (home.state !== "active") this.#start(home);
    let cell = home.cells.get(key);
    if (cell === undefined) {
      cell = new Cell(home, key, home.height, 0);
      cell.value = kind === "index" || kind === "relation" ? EMPTY : undefined;
      home.cells.set(key, cell);
      this.#orphans.push(cell);
    }
    this.#track(cell);
    return cell.value;
  }

  #readDerivation(home: Home, key: Key): unknown {
    let cell = home.cells.get(key);
    if (cell === undefined) {
      cell = new Cell(home, key, 0, 0);
      home.cells.set(key, cell);
    } else if (cell.flags & RUNNING) throw this.#cycleOfFrames(cell);
    if (!(cell.flags & COMPUTED)) {
      const body = home.body;
      const fresh = cell;
      const value = this.#evaluate(fresh, () => body.compute(fresh.key, this.read));
      fresh.value = value;
      fresh.flags |= COMPUTED;
      if (this.#depth < 0) this.#orphans.push(fresh);
    }
    this.#track(cell);
    const { value } = cell;
    if (value instanceof Failure) throw value;
    return value;
  }

  #readKeys(home: Home): readonly Key[] {
    if (home.state !== "active") this.#start(home);
    const cell = this.#keysOf(home);
    this.#track(cell);
    if (cell.value === undefined) {
      const keys: Key[] = [];
      for (const other of home.cells.values()) if (other.flags & PRESENT) keys.push(other.key);
      cell.value = keys.sort(compareKeys);
    }
    return cell.value as readonly Key[];
  }

  #keysOf(home: Home): Cell {
    home.keysCell ??= new Cell(home, "*", home.height, 0);
    return home.keysCell;
  }

  /** Notes that the running evaluation read the cell; abandons the run if the cell is not settled yet. */
  #track(cell: Cell): void {
    if (this.#depth < 0) return;
    if (cell.height >= this.#level && this.#pending > 0 && this.#unsettled(cell.height)) this.#abandon(cell);
    const frame = this.#frames[this.#depth]!;
    if (cell.stamp === frame.stamp) return;
    cell.stamp = frame.stamp;
    frame.reads.push(cell);
  }

  #unsettled(height: number): boolean {
    for (let level = this.#level; level <= height && level < this.#queue.length; level++) {
      if (this.#queue[level]!.length > 0) return true;
    }
    return false;
  }

  #abandon(target: Cell): never {
    this.#retryFor ??= target;
    throw RETRY;
  }

  /** Runs an evaluation and links what it read. Returns its value or a Failure; throws RETRY when it was abandoned. */
  #evaluate(cell: Cell, run: () => unknown, row?: Cell): unknown {
    const depth = ++this.#depth;
    let frame = this.#frames[depth];
    if (frame === undefined) {
      frame = { cell: undefined, reads: [], stamp: 0 };
      this.#frames.push(frame);
    }
    frame.cell = cell;
    frame.reads.length = 0;
    frame.stamp = ++this.#stamp;
    cell.flags |= RUNNING;
    cell.home.runs++;
    let value: unknown;
    try {
      if (row !== undefined) this.#track(row);
      value = run();
    } catch (error) {
      value = error instanceof Failure ? error : new Failure(cell, error);
    }
    cell.flags &= ~RUNNING;
    this.#depth = depth - 1;
    frame.cell = undefined;
    if (this.#retryFor !== undefined) {
      if (!(cell.flags & COMPUTED)) this.#orphans.push(cell);
      throw RETRY;
    }
    value = this.#linkReads(cell, frame.reads, value);
    return this.#note(cell, value);
  }

  /** Notes a failure at the evaluation where it arose; the same failure as before stays the same value. */
  #note(cell: Cell, value: unknown): unknown {
    const known = this.#failed.get(cell);
    if (!(value instanceof Failure) || value.place.text !== nameOf(cell)) {
      if (known !== undefined) this.#failed.delete(cell);
      return value;
    }
    if (known?.message === value.message) return known;
    this.#failed.set(cell, value);
    this.#failures.push(cell);
    return value;
  }

  /** Reports the new failures that still stand at the end of a commit. */
  #report(): void {
    if (this.#cyclic.length === 0) this.#knownCycles.clear();
    for (const cell of new Set(this.#failures.splice(0))) {
      const failure = this.#failed.get(cell);
      if (failure === undefined || failure.reported) continue;
      failure.reported = true;
      // Which cell of a cycle throws depends on where it was entered; the message does not.
      if (failure.cause instanceof IncrementalError && failure.cause.code === "incremental.cycle") {
        if (this.#knownCycles.has(failure.message)) continue;
        this.#knownCycles.add(failure.message);
      }
      this.#options.onError?.({ definition: cell.home.body.name, key: cell.key, error: failure.cause });
    }
  }

  #linkReads(cell: Cell, reads: Cell[], value: unknown): unknown {
    let height = 0;
    for (const dep of reads) if (dep.height >= height) height = dep.height + 1;
    let result = value;
    if (cell.home.body.kind !== "each" && height > cell.height) {
      const old = cell.height;
      if (!this.#raise(cell, height, reads)) {
        this.#noteCyclic(cell);
        const above = reads.find((dep) => dep.height >= old)!;
        result = new Failure(cell, cycleError(pathBetween(above, cell)));
        link(
          cell,
          reads.filter((dep) => dep.height < old),
          this.#orphan,
        );
        return result;
      }
    }
    link(cell, reads, this.#orphan);
    return result;
  }

  readonly #orphan = (cell: Cell): void => {
    this.#orphans.push(cell);
  };

  #cycleOfFrames(target: Cell): IncrementalError {
    const chain: Cell[] = [];
    for (let i = 0; i <= this.#depth; i++) {
      const cell = this.#frames[i]!.cell!;
      if (chain.length > 0 || cell === target) chain.push(cell);
    }
    for (const cell of chain) this.#noteCyclic(cell);
    return cycleError(chain);
  }

  #noteCyclic(cell: Cell): void {
    this.#cyclic.push(cell);
  }

  // --- heights -------------------------------------------------------------------------------------------------------

  /**
   * Raises a cell, and whatever reads it above it, so that it may read cells below `height`. If one of those, `wanted`,
   * was raised along because it reads the cell, that is a cycle: then nothing is changed and false returned.
   */
  #raise(origin: Cell, height: number, wanted: readonly Cell[]): boolean {
    const undo: [Cell | Home, number][] = [];
    const raiseHome = (home: Home, to: number): void => {
      if (home.height >= to) return;
      undo.push([home, home.height]);
      home.height = to;
      for (const cell of home.cells.values()) raiseCell(cell, to);
      if (home.keysCell) raiseCell(home.keysCell, to);
      for (const other of home.subscribers) if (other.body.kind === "index") raiseHome(other, to + 1);
    };
    const raiseCell = (cell: Cell, to: number): void => {
      if (cell.height >= to) return;
      undo.push([cell, cell.height]);
      cell.height = to;
      if (!(cell.flags & EVALUATION)) for (const reader of cell.readers) raiseCell(reader, to + 1);
      else if (cell.home.body.kind !== "each") raiseHome(cell.home, to + 1);
    };
    raiseCell(origin, height);
    if (wanted.every((other) => other.height < origin.height)) return true;
    for (const [what, old] of undo.reverse()) what.height = old;
    return false;
  }

  // --- marking and settling ------------------------------------------------------------------------------------------

  #mark(cell: Cell): void {
    if (cell.flags & (QUEUED | GONE)) return;
    cell.flags |= QUEUED;
    if (cell.flags & EVALUATION && cell.home.body.kind === "each") this.#eachQueue.push(cell);
    else this.#enqueue(cell);
  }

  #enqueue(cell: Cell): void {
    while (this.#queue.length <= cell.height) this.#queue.push([]);
    this.#queue[cell.height]!.push(cell);
    this.#pending++;
  }

  #markReaders(cell: Cell): void {
    for (const reader of cell.readers) this.#mark(reader);
  }

  #applyStaged(): boolean {
    let news = false;
    for (const home of this.#staged) {
      for (const [key, write] of home.staged) {
        const cell = home.cells.get(key);
        if (write === undefined) {
          if (cell === undefined || !(cell.flags & PRESENT)) continue;
          this.#entryChanged(cell, false, undefined);
        } else {
          if (cell !== undefined && cell.flags & PRESENT && home.body.equals(cell.value, write.value)) continue;
          this.#entryChanged(cell ?? this.#newEntry(home, key), true, write.value);
        }
        news = true;
      }
      home.staged.clear();
    }
    this.#staged.clear();
    return news;
  }

  #newEntry(home: Home, key: Key): Cell {
    const cell = new Cell(home, key, home.height, 0);
    home.cells.set(key, cell);
    return cell;
  }

  /** A key of a source has come, gone, or changed its value: tells whoever ranges over the source, marks the readers. */
  #entryChanged(cell: Cell, present: boolean, value: unknown): void {
    const { home, key } = cell;
    const was = (cell.flags & PRESENT) !== 0;
    const before = cell.value;
    cell.value = value;
    if (present) cell.flags |= PRESENT;
    else cell.flags &= ~PRESENT;
    if (was !== present && home.keysCell) {
      home.keysCell.value = undefined;
      this.#markReaders(home.keysCell);
    }
    for (const other of home.subscribers) {
      if (other.body.kind === "index") {
        this.#regroup(
          other,
          key,
          was ? this.#groupsOf(other, before, key) : EMPTY,
          present ? this.#groupsOf(other, value, key) : EMPTY,
        );
      } else if (was !== present) {
        if (present) this.#mark(this.#newEvaluation(other, key));
        else this.#dropEvaluation(other, key);
      }
    }
    this.#markReaders(cell);
    if (!present && cell.readers.length === 0) this.#orphans.push(cell);
  }

  #newEvaluation(home: Home, key: Key): Cell {
    const cell = new Cell(home, key, home.source!.height + 1, EVALUATION);
    home.evaluations.set(key, cell);
    return cell;
  }

  #dropEvaluation(home: Home, key: Key): void {
    const cell = home.evaluations.get(key);
    if (cell === undefined) return;
    home.evaluations.delete(key);
    this.#failed.delete(cell);
    link(cell, EMPTY, this.#orphan);
    this.#replaceOutput(cell, EMPTY);
    cell.flags |= GONE;
  }

  #settle(): void {
    for (let level = 0; level < this.#queue.length; level++) {
      this.#level = level;
      const bucket = this.#queue[level]!;
      for (let cell = bucket.pop(); cell !== undefined; cell = bucket.pop()) {
        this.#pending--;
        if (cell.flags & GONE) continue;
        if (cell.height > level) {
          this.#enqueue(cell);
          continue;
        }
        cell.flags &= ~QUEUED;
        try {
          this.#refresh(cell);
        } catch (error) {
          if (error !== RETRY) throw error;
          this.#postpone(cell);
        }
      }
    }
  }

  /**
   * A cycle may have been seen only because one of its cells was not yet up to date, or may be broken by a change that
   * none of its edges tells of; so these are run again until nothing changes.
   */
  #retryCycles(): void {
    for (let round = this.#cyclic.length; round >= 0 && this.#cyclic.length > 0; round--) {
      const before = this.#news;
      for (const cell of new Set(this.#cyclic.splice(0))) this.#mark(cell);
      this.#settle();
      if (this.#news === before) return;
      round = Math.min(round, this.#cyclic.length + 1);
    }
  }

  /**
   * Puts an abandoned evaluation above what it could not read yet. It counts as a reader of that from now on, so that
   * two evaluations that wait for each other are seen to be a cycle.
   */
  #postpone(cell: Cell): void {
    const target = this.#retryFor!;
    this.#retryFor = undefined;
    if (this.#raise(cell, target.height + 1, [target])) {
      link(cell, [...cell.deps, target], this.#orphan);
      this.#mark(cell);
      return;
    }
    this.#noteCyclic(cell);
    this.#settleValue(cell, this.#note(cell, new Failure(cell, cycleError(pathBetween(target, cell)))));
  }

  #refresh(cell: Cell): void {
    const { home } = cell;
    const kind = home.body.kind;
    if (cell.flags & EVALUATION) this.#settleValue(cell, this.#runEvaluation(cell));
    else if (kind === "derivation") {
      if (cell.readers.length === 0) this.#forget(cell);
      else
        this.#settleValue(
          cell,
          this.#evaluate(cell, () => home.body.compute(cell.key, this.read)),
        );
    } else if (kind === "table") this.#refreshEntry(cell);
    else this.#refreshGroup(cell);
  }

  /** Takes over the result of an evaluation, and marks whom it concerns if it differs. */
  #settleValue(cell: Cell, value: unknown): void {
    if (cell.flags & EVALUATION) {
      this.#replaceOutput(cell, value instanceof Failure ? EMPTY : (value as readonly unknown[]));
      return;
    }
    const old = cell.value;
    cell.flags |= COMPUTED;
    if (value instanceof Failure || old instanceof Failure) {
      if (value === old) return;
    } else if (cell.home.body.equals(old, value)) return;
    cell.value = value;
    this.#news++;
    this.#markReaders(cell);
  }

  #runEvaluation(cell: Cell): unknown {
    const { body, source } = cell.home;
    const row = source!.cells.get(cell.key)!;
    return this.#evaluate(
      cell,
      () => {
        const made = body.run(cell.key, row.value, this.read);
        const list = Array.isArray(made) ? made : Array.from(made);
        return body.kind === "relation" && list.length > 1 ? [...new Set(list)] : list;
      },
      row,
    );
  }

  // --- groups and entries --------------------------------------------------------------------------------------------

  #groupsOf(home: Home, row: unknown, key: Key): readonly Key[] {
    try {
      const groups = home.body.groups(row, key);
      const list = Array.isArray(groups) ? (groups as Key[]) : [...groups];
      return list.length > 1 ? [...new Set(list)] : list;
    } catch (error) {
      this.#options.onError?.({ definition: home.body.name, key, error });
      return EMPTY;
    }
  }

  #regroup(home: Home, key: Key, before: readonly Key[], after: readonly Key[]): void {
    for (const group of before) if (!after.includes(group)) this.#groupNews(home, group).left.push(key);
    for (const group of after) if (!before.includes(group)) this.#groupNews(home, group).joined.push(key);
  }

  #groupNews(home: Home, group: Key): GroupNews {
    let cell = home.cells.get(group);
    if (cell === undefined) {
      cell = this.#newEntry(home, group);
      cell.value = EMPTY;
    }
    let news = home.news.get(cell);
    if (news === undefined) {
      news = { joined: [], left: [] };
      home.news.set(cell, news);
    }
    if (home.state === "active") this.#mark(cell);
    return news;
  }

  #refreshGroup(cell: Cell): void {
    const { home } = cell;
    const news = home.news.get(cell);
    if (news === undefined) return;
    home.news.delete(cell);
    const before = cell.value as readonly Key[];
    const members = mergeMembers(before, news);
    if (sameKeys(before, members)) {
      if (members.length === 0 && cell.readers.length === 0) this.#orphans.push(cell);
      return;
    }
    this.#entryChanged(cell, members.length > 0, members);
  }

  #refreshEntry(cell: Cell): void {
    const { home } = cell;
    const producers = home.producers.get(cell.key);
    const was = (cell.flags & PRESENT) !== 0;
    if (producers === undefined) {
      if (was) this.#entryChanged(cell, false, undefined);
      else if (cell.readers.length === 0) this.#orphans.push(cell);
      return;
    }
    let first = 0;
    for (let i = 2; i < producers.length; i += 2) {
      if (compareKeys(producers[i] as Key, producers[first] as Key) < 0) first = i;
    }
    const value = producers[first + 1];
    if (!was || !home.body.equals(cell.value, value)) this.#entryChanged(cell, true, value);
  }

  #produce(home: Home, key: Key, producer: Key, value: unknown, present: boolean): void {
    let producers = home.producers.get(key);
    if (producers === undefined) {
      producers = [];
      home.producers.set(key, producers);
    }
    let at = 0;
    while (at < producers.length && producers[at] !== producer) at += 2;
    if (present) {
      producers[at] = producer;
      producers[at + 1] = value;
    } else producers.splice(at, 2);
    if (producers.length === 0) home.producers.delete(key);
    const cell = home.cells.get(key) ?? this.#newEntry(home, key);
    if (home.state === "active") this.#mark(cell);
  }

  /** Puts the new output of an evaluation in place of the old. */
  #replaceOutput(cell: Cell, output: readonly unknown[]): void {
    const { home, key } = cell;
    const before = (cell.flags & COMPUTED ? cell.value : EMPTY) as readonly unknown[];
    cell.value = output;
    cell.flags |= COMPUTED;
    switch (home.body.kind) {
      case "relation":
        this.#regroup(home, key, before as readonly Key[], output as readonly Key[]);
        break;
      case "table": {
        const entries = new Map(output as readonly (readonly [Key, unknown])[]);
        for (const [old] of before as readonly (readonly [Key, unknown])[]) {
          if (!entries.has(old)) this.#produce(home, old, key, undefined, false);
        }
        for (const [name, value] of entries) this.#produce(home, name, key, value, true);
        break;
      }
      default:
        this.#tellSink(cell, before, output);
    }
  }

  #tellSink(cell: Cell, before: readonly unknown[], after: readonly unknown[]): void {
    const { body, sink } = cell.home;
    const from: OutputFrom = { each: body as unknown as Each<unknown>, key: cell.key };
    const { identity } = body;
    let start = 0;
    const shorter = Math.min(before.length, after.length);
    while (start < shorter && identity(before[start]) === identity(after[start])) start++;
    let endBefore = before.length;
    let endAfter = after.length;
    while (endBefore > start && endAfter > start && identity(before[endBefore - 1]) === identity(after[endAfter - 1])) {
      endBefore--;
      endAfter--;
    }
    const counts = new Map<unknown, number>();
    for (let i = start; i < endBefore; i++) {
      const id = identity(before[i]);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (let i = start; i < endAfter; i++) {
      const id = identity(after[i]);
      const count = counts.get(id) ?? 0;
      if (count > 0) counts.set(id, count - 1);
      else sink!.add(after[i], from);
    }
    for (let i = start; i < endBefore; i++) {
      const id = identity(before[i]);
      const count = counts.get(id) ?? 0;
      if (count === 0) continue;
      counts.set(id, count - 1);
      sink!.remove(before[i], from);
    }
  }

  // --- beginning to range over a source ------------------------------------------------------------------------------

  #start(home: Home): void {
    if (home.state === "active") return;
    const { body, source } = home;
    if (home.state === "starting" || source === undefined) {
      throw new IncrementalError("incremental.cycle", `${body.name} reads itself while it is first computed`, body.name);
    }
    if (source.state !== "active") this.#start(source);
    if (this.#depth >= 0 && source.height >= this.#level && this.#pending > 0 && this.#unsettled(source.height)) {
      this.#abandon(this.#keysOf(source));
    }
    if (body.kind === "each") {
      this.#startEach(home, source);
      return;
    }
    home.state = "starting";
    home.height = Math.max(home.height, source.height + (body.kind === "index" ? 1 : 2));
    try {
      for (const row of [...source.cells.values()]) {
        if (!(row.flags & PRESENT)) continue;
        if (body.kind === "index") this.#regroup(home, row.key, EMPTY, this.#groupsOf(home, row.value, row.key));
        else {
          const cell = this.#newEvaluation(home, row.key);
          const value = this.#runEvaluation(cell);
          this.#replaceOutput(cell, value instanceof Failure ? EMPTY : (value as readonly unknown[]));
          if (home.height <= cell.height) home.height = cell.height + 1;
        }
      }
    } catch (error) {
      this.#unwind(home);
      throw error;
    }
    for (const cell of home.cells.values()) {
      cell.height = home.height;
      if (body.kind === "table") this.#refreshEntry(cell);
      else this.#refreshGroup(cell);
    }
    source.subscribers.push(home);
    home.state = "active";
  }

  #startEach(home: Home, source: Home): void {
    home.state = "active";
    source.subscribers.push(home);
    for (const key of [...home.evaluations.keys()]) {
      const row = source.cells.get(key);
      if (row === undefined || !(row.flags & PRESENT)) this.#dropEvaluation(home, key);
    }
    for (const row of source.cells.values()) {
      if (row.flags & PRESENT) this.#mark(home.evaluations.get(row.key) ?? this.#newEvaluation(home, row.key));
    }
  }

  #unwind(home: Home): void {
    for (const cell of home.evaluations.values()) {
      link(cell, EMPTY, this.#orphan);
      cell.flags |= GONE;
    }
    home.evaluations.clear();
    home.cells.clear();
    home.producers.clear();
    home.news.clear();
    home.state = "idle";
  }

  // --- the end of a commit -------------------------------------------------------------------------------------------

  #runEaches(): boolean {
    const queue = this.#eachQueue;
    if (queue.length === 0) return false;
    let done = 0;
    try {
      for (; done < queue.length; done++) {
        const cell = queue[done]!;
        cell.flags &= ~QUEUED;
        if (cell.flags & GONE) continue;
        const value = this.#runEvaluation(cell);
        this.#replaceOutput(cell, value instanceof Failure ? EMPTY : (value as readonly unknown[]));
      }
    } finally {
      this.#eachQueue = queue.slice(done);
    }
    return true;
  }

  #forget(cell: Cell): void {
    cell.flags |= GONE;
    this.#failed.delete(cell);
    if (cell.home.cells.get(cell.key) === cell) cell.home.cells.delete(cell.key);
    link(cell, EMPTY, this.#orphan);
  }

  #collectGarbage(): void {
    while (this.#orphans.length > 0) {
      const orphans = this.#orphans;
      this.#orphans = [];
      for (const cell of orphans) {
        if (cell.readers.length > 0 || cell.flags & (GONE | PRESENT | EVALUATION) || cell === cell.home.keysCell) continue;
        this.#forget(cell);
      }
    }
  }
}

/** The cells through which `from` depends on `to`, beginning with `to`, which reads `from`. */
function pathBetween(from: Cell, to: Cell): Cell[] {
  const seen = new Set<Cell>();
  const walk = (cell: Cell): Cell[] | undefined => {
    if (cell === to) return [];
    if (seen.has(cell)) return undefined;
    seen.add(cell);
    for (const dep of cell.deps) {
      const rest = walk(dep);
      if (rest !== undefined) return [cell, ...rest];
    }
    return undefined;
  };
  return [to, ...(walk(from) ?? [from])];
}

/** The message begins with the smallest name, so that it does not depend on where the cycle was entered. */
function cycleError(chain: readonly Cell[]): IncrementalError {
  const names = chain.map(nameOf);
  let first = 0;
  for (let i = 1; i < names.length; i++) if (names[i]! < names[first]!) first = i;
  const turned = [...names.slice(first), ...names.slice(0, first)];
  const text = [...turned, turned[0]].join(" reads ");
  return new IncrementalError("incremental.cycle", `evaluations read each other in a cycle: ${text}`, text);
}
