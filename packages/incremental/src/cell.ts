/**
 * A cell is one remembered thing: an input's row, a derivation's value, a group, a table's entry, or an evaluation of a
 * relation, table or each. There are hundreds of thousands, so edges are kept in plain arrays, in both directions, each
 * end knowing the other's position: adding and removing an edge take constant time, however many readers a cell has.
 */
import type { DefinitionBody } from "./definitions.ts";
import type { Key, Sink } from "./types.ts";

/** In the queue of cells to bring up to date. */
export const QUEUED = 1;
/** Its evaluation is on the stack. */
export const RUNNING = 2;
/** No longer part of the engine. */
export const GONE = 4;
/** Holds a value that was computed (derivations, evaluations). */
export const COMPUTED = 8;
/** The key is there (rows, entries; groups: it has members). */
export const PRESENT = 16;
/** An evaluation of a relation, table or each, as opposed to what these make. */
export const EVALUATION = 32;

const NO_CELLS: Cell[] = [];
const NO_SLOTS: number[] = [];

export class Cell {
  readonly home: Home;
  readonly key: Key;
  value: unknown = undefined;
  flags = 0;
  /** Above the heights of everything it reads; the order of recomputation. */
  height: number;
  /** The number of the evaluation that read this cell last: saves most duplicate edges. */
  stamp = 0;
  /** What it read, and at which position of their `readers` it stands. */
  deps: Cell[] = NO_CELLS;
  depSlots: number[] = NO_SLOTS;
  /** Who read it, and at which position of their `deps` it stands. */
  readers: Cell[] = NO_CELLS;
  readerSlots: number[] = NO_SLOTS;

  constructor(home: Home, key: Key, height: number, flags: number) {
    this.home = home;
    this.key = key;
    this.height = height;
    this.flags = flags;
  }
}

/** Members that joined and left a group since its sorted list was made. */
export interface GroupNews {
  readonly joined: Key[];
  readonly left: Key[];
}

/** An engine's state of one definition. */
export class Home {
  readonly body: DefinitionBody;
  readonly source: Home | undefined;
  /** Rows, values, groups or entries. */
  readonly cells = new Map<Key, Cell>();
  /** Evaluations of a relation, table or each, by the source's key. */
  readonly evaluations = new Map<Key, Cell>();
  /** Relations, indexes, tables and eaches that range over this source. */
  readonly subscribers: Home[] = [];
  readonly news = new Map<Cell, GroupNews>();
  /** Of a table's keys: source key and value in turn, for every evaluation that yields the key. */
  readonly producers = new Map<Key, unknown[]>();
  /** Writes of an input that wait for the commit; `undefined` deletes. */
  readonly staged = new Map<Key, { readonly value: unknown } | undefined>();
  keysCell: Cell | undefined = undefined;
  state: "idle" | "starting" | "active" = "idle";
  /** The height of the cells. */
  height = 0;
  runs = 0;
  sink: Sink<unknown> | undefined = undefined;
  /** Its evaluations are run after those of all others, and may be put off. Of eaches. */
  patient = false;

  constructor(body: DefinitionBody, source: Home | undefined) {
    this.body = body;
    this.source = source;
  }
}

function addReader(dep: Cell, reader: Cell, slot: number): number {
  if (dep.readers === NO_CELLS) {
    dep.readers = [reader];
    dep.readerSlots = [slot];
    return 0;
  }
  dep.readerSlots.push(slot);
  return dep.readers.push(reader) - 1;
}

function removeReader(dep: Cell, position: number): void {
  const last = dep.readers.pop()!;
  const lastSlot = dep.readerSlots.pop()!;
  if (position < dep.readers.length) {
    dep.readers[position] = last;
    dep.readerSlots[position] = lastSlot;
    last.depSlots[lastSlot] = position;
  }
}

/**
 * Makes `reads` what the cell depends on. Cells that lose their last reader are handed to `orphan`. Of long lists that differ
 * in the middle, as those of a group that a member has joined, the ends keep their edges.
 */
export function link(cell: Cell, reads: readonly Cell[], orphan: (cell: Cell) => void): void {
  const { deps, depSlots } = cell;
  const count = reads.length;
  let same = 0;
  while (same < deps.length && same < count && deps[same] === reads[same]) same++;
  if (same === deps.length && same === count) return;
  if (deps === NO_CELLS) {
    linkFirst(cell, reads);
    return;
  }
  let end = deps.length;
  let endOfReads = count;
  while (end > same && endOfReads > same && deps[end - 1] === reads[endOfReads - 1]) {
    end--;
    endOfReads--;
  }
  const dropped = same < end ? deps.slice(same, end) : NO_CELLS;
  for (let i = end - 1; i >= same; i--) removeReader(deps[i]!, depSlots[i]!);
  const kept = deps.slice(end);
  const keptSlots = depSlots.slice(end);
  deps.length = same;
  depSlots.length = same;
  for (let i = same; i < endOfReads; i++) depSlots.push(addReader(reads[i]!, cell, deps.push(reads[i]!) - 1));
  for (let i = 0; i < kept.length; i++) {
    kept[i]!.readerSlots[keptSlots[i]!] = deps.push(kept[i]!) - 1;
    depSlots.push(keptSlots[i]!);
  }
  for (const dep of dropped) if (dep.readers.length === 0) orphan(dep);
}

function linkFirst(cell: Cell, reads: readonly Cell[]): void {
  cell.deps = reads.slice();
  cell.depSlots = new Array<number>(reads.length).fill(0);
  for (let i = 0; i < reads.length; i++) cell.depSlots[i] = addReader(reads[i]!, cell, i);
}

/** Forgets all edges at once, without telling the other ends: for when everything is forgotten. */
function forgetEdges(cell: Cell): void {
  cell.deps = NO_CELLS;
  cell.depSlots = NO_SLOTS;
  cell.readers = NO_CELLS;
  cell.readerSlots = NO_SLOTS;
}

/** "addressesOf(3fa8...)", for messages. */
export function nameOf(cell: Cell): string {
  return `${cell.home.body.name}(${cell.key})`;
}

/** Forgets what was derived; inputs keep their rows, eaches what they yielded. */
export function forgetDerived(home: Home): void {
  if (home.keysCell) forgetEdges(home.keysCell);
  home.keysCell = undefined;
  home.subscribers.length = 0;
  for (const cell of home.cells.values()) forgetEdges(cell);
  for (const cell of home.evaluations.values()) forgetEdges(cell);
  for (const [key, cell] of home.cells) if (!(cell.flags & PRESENT)) home.cells.delete(key);
  if (home.body.kind === "input" || home.body.kind === "each") return;
  home.cells.clear();
  home.evaluations.clear();
  home.producers.clear();
  home.news.clear();
  home.state = "idle";
}
