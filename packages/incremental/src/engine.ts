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
import {
  Cell,
  COMPUTED,
  cellsOf,
  EVALUATION,
  forgetDerived,
  GONE,
  type GroupNews,
  Home,
  link,
  nameOf,
  PRESENT,
  QUEUED,
  RUNNING,
} from "./cell.ts";
import { bodyOf, type DefinitionBody } from "./definitions.ts";
import { IncrementalError } from "./error.ts";
import { cycleError, Failure, pathBetween } from "./failure.ts";
import { raise } from "./heights.ts";
import { compareKeys, groupsOf, leadingValue, membership, mergeMembers, noteProducer, sameKeys, statisticsOf } from "./home.ts";
import { tellSink } from "./sink.ts";
import type { Each, Engine, EngineOptions, EngineStatistics, Input, Key, Read, Sink } from "./types.ts";

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

/** As Array.from, which takes several times as long for a generator; without the room that pushing leaves behind. */
function listOf(made: Iterable<unknown>): readonly unknown[] {
  const list: unknown[] = [];
  for (const one of made) list.push(one);
  return list.slice();
}

class EngineState implements Engine {
  readonly read: Read;
  readonly #options: EngineOptions;
  readonly #homes: (Home | undefined)[] = [];
  readonly #queue: Cell[][] = [];
  #pending = 0;
  readonly #eachQueue: Cell[] = [];
  readonly #patientQueue: Cell[] = [];
  /** How many of a queue have run. */
  #ran = 0;
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

  collect<O>(eaches: readonly Each<O>[], sink: Sink<O>, patient = false): void {
    for (const each of eaches) {
      const home = this.#home(each.id, each);
      if (home.sink !== undefined)
        throw new IncrementalError("incremental.misuse", `${each.name} is collected already`, each.name);
      home.sink = sink as Sink<unknown>;
      home.patient = patient;
      this.#starting.push(home);
    }
  }

  commit(most = LAST): boolean {
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
      const ran = this.#runEaches(most);
      this.#report();
      this.#collectGarbage();
      return news || ran;
    } finally {
      this.#level = LAST;
      this.#committing = false;
    }
  }

  recompute(): void {
    for (const home of this.#homes) if (home !== undefined) forgetDerived(home);
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
    return statisticsOf(this.#homes, this.#commits);
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
      // Of an abandoned run nothing is kept.
      if (this.#retryFor === undefined) value = error instanceof Failure ? error : new Failure(cell, error);
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
      if (!raise(cell, height, reads)) {
        this.#cyclic.push(cell);
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
    for (const cell of chain) this.#cyclic.push(cell);
    return cycleError(chain);
  }

  // --- marking and settling ------------------------------------------------------------------------------------------

  #mark(cell: Cell): void {
    if (cell.flags & (QUEUED | GONE)) return;
    cell.flags |= QUEUED;
    if (cell.flags & EVALUATION && cell.home.body.kind === "each")
      (cell.home.patient ? this.#patientQueue : this.#eachQueue).push(cell);
    else this.#enqueue(cell);
  }

  #enqueue(cell: Cell): void {
    while (this.#queue.length <= cell.height) this.#queue.push([]);
    this.#queue[cell.height]!.push(cell);
    this.#pending++;
  }

  #markReaders(cell: Cell): void {
    const { readers } = cell;
    for (let i = 0; i < readers.length; i += 2) this.#mark(readers[i] as Cell);
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
          was ? groupsOf(this.#options, other, before, key) : EMPTY,
          present ? groupsOf(this.#options, other, value, key) : EMPTY,
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
    if (raise(cell, target.height + 1, [target])) {
      link(cell, [...cellsOf(cell.deps), target], this.#orphan);
      this.#mark(cell);
      return;
    }
    this.#cyclic.push(cell);
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
        const list = Array.isArray(made) ? made : listOf(made);
        return body.kind === "relation" && list.length > 1 ? [...new Set(list)] : list;
      },
      row,
    );
  }

  // --- groups and entries --------------------------------------------------------------------------------------------

  #regroup(home: Home, key: Key, before: readonly Key[], after: readonly Key[]): void {
    const remains = membership(after);
    for (const group of before) if (!remains(group)) this.#groupNews(home, group).left.push(key);
    const was = membership(before);
    for (const group of after) if (!was(group)) this.#groupNews(home, group).joined.push(key);
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
    const value = leadingValue(producers);
    if (!was || !home.body.equals(cell.value, value)) this.#entryChanged(cell, true, value);
  }

  #produce(home: Home, key: Key, producer: Key, value: unknown, present: boolean): void {
    noteProducer(home, key, producer, value, present);
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
        tellSink(cell, before, output);
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
        if (body.kind === "index") this.#regroup(home, row.key, EMPTY, groupsOf(this.#options, home, row.value, row.key));
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

  get unfinished(): boolean {
    return this.#eachQueue.length + this.#patientQueue.length > 0;
  }

  #runEaches(most: number): boolean {
    if (!this.unfinished) return false;
    this.#runQueue(this.#eachQueue, LAST);
    this.#runQueue(this.#patientQueue, most);
    return true;
  }

  #runQueue(queue: Cell[], most: number): void {
    this.#ran = 0;
    try {
      this.#runFirst(queue, most);
    } finally {
      queue.splice(0, this.#ran);
    }
  }

  /** A function of nothing but its loop: code that V8 makes in the midst of a first build would end where it has not been yet, every time. */
  #runFirst(queue: readonly Cell[], most: number): void {
    for (; this.#ran < queue.length && this.#ran < most; this.#ran++) this.#runEach(queue[this.#ran]!);
  }

  #runEach(cell: Cell): void {
    cell.flags &= ~QUEUED;
    if (cell.flags & GONE) return;
    const value = this.#runEvaluation(cell);
    this.#replaceOutput(cell, value instanceof Failure ? EMPTY : (value as readonly unknown[]));
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
