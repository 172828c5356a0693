/**
 * A cell is one remembered thing: an input's row, a derivation's value, a group, a table's entry, or an evaluation of a
 * relation, table or each. There are hundreds of thousands, so edges are kept in plain arrays, in both directions, each
 * end knowing the other's position: adding and removing an edge take constant time, however many readers a cell has. Cell
 * and position stand in one array, in turn, which halves the number of arrays.
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

/** Cells, each followed by a position. */
export type Edges = (Cell | number)[];

const NO_EDGES: Edges = [];

/** The cells at the other ends of edges. */
export function cellsOf(edges: Edges): Cell[] {
  const cells: Cell[] = [];
  for (let i = 0; i < edges.length; i += 2) cells.push(edges[i] as Cell);
  return cells;
}

export class Cell {
  readonly home: Home;
  readonly key: Key;
  value: unknown = undefined;
  flags = 0;
  /** Above the heights of everything it reads; the order of recomputation. */
  height: number;
  /** The number of the evaluation that read this cell last: saves most duplicate edges. */
  stamp = 0;
  /** What it read, each with its place in the `readers` there. */
  deps: Edges = NO_EDGES;
  /** Who read it, each with its place in the `deps` there. */
  readers: Edges = NO_EDGES;

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

/** Edges up to here are kept in arrays without room for more: most cells have few. Pushing leaves room for sixteen and more. */
const FEW = 8;

/** `edges` with one more, in the same array or another. */
function withEdge(edges: Edges, cell: Cell, place: number): Edges {
  const { length } = edges;
  if (length >= FEW) {
    edges.push(cell, place);
    return edges;
  }
  const more: Edges = new Array(length + 2);
  for (let i = 0; i < length; i++) more[i] = edges[i]!;
  more[length] = cell;
  more[length + 1] = place;
  return more;
}

/** Returns the place in the readers. */
function addReader(dep: Cell, reader: Cell, place: number): number {
  const at = dep.readers.length;
  dep.readers = withEdge(dep.readers, reader, place);
  return at;
}

function removeReader({ readers }: Cell, at: number): void {
  const place = readers.pop() as number;
  const last = readers.pop() as Cell;
  if (at === readers.length) return;
  readers[at] = last;
  readers[at + 1] = place;
  last.deps[place + 1] = at;
}

/**
 * Makes `reads` what the cell depends on. Cells that lose their last reader are handed to `orphan`. Of long lists that differ
 * in the middle, as those of a group that a member has joined, the ends keep their edges.
 */
export function link(cell: Cell, reads: readonly Cell[], orphan: (cell: Cell) => void): void {
  const { deps } = cell;
  const had = deps.length >> 1;
  const count = reads.length;
  let same = 0;
  while (same < had && same < count && deps[2 * same] === reads[same]) same++;
  if (same === had && same === count) return;
  if (had === 0) {
    linkFirst(cell, reads);
    return;
  }
  let end = had;
  let endOfReads = count;
  while (end > same && endOfReads > same && deps[2 * (end - 1)] === reads[endOfReads - 1]) {
    end--;
    endOfReads--;
  }
  const dropped = deps.slice(2 * same, 2 * end);
  for (let i = end - 1; i >= same; i--) removeReader(deps[2 * i] as Cell, deps[2 * i + 1] as number);
  const kept = deps.slice(2 * end);
  deps.length = 2 * same;
  for (let i = same; i < endOfReads; i++) deps.push(reads[i]!, addReader(reads[i]!, cell, 2 * i));
  for (let i = 0; i < kept.length; i += 2) {
    const dep = kept[i] as Cell;
    const at = kept[i + 1] as number;
    dep.readers[at + 1] = deps.length;
    deps.push(dep, at);
  }
  for (const dep of cellsOf(dropped)) if (dep.readers.length === 0) orphan(dep);
}

function linkFirst(cell: Cell, reads: readonly Cell[]): void {
  const count = reads.length;
  const deps: Edges = new Array(2 * count);
  for (let i = 0; i < count; i++) {
    const dep = reads[i]!;
    deps[2 * i] = dep;
    deps[2 * i + 1] = addReader(dep, cell, 2 * i);
  }
  cell.deps = deps;
}

/** Forgets all edges at once, without telling the other ends: for when everything is forgotten. */
function forgetEdges(cell: Cell): void {
  cell.deps = NO_EDGES;
  cell.readers = NO_EDGES;
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
