/** A table: its rows and their unique indexes. */
import type { Random } from "@weft/runtime";
import { type Clause, clauseHolds } from "../condition.ts";
import { type ColumnSchema, type TableSchema, UUID_INDEX } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { type HashIndex, hashOf } from "./hashIndex.ts";
import { cellEquals, packCell } from "./packedRow.ts";
import type { Row } from "./row.ts";
import { type Slot, Slots } from "./slots.ts";

/** What a commit did to one row; neither side ever changes afterwards. */
export interface RowDelta {
  readonly table: Table;
  readonly uuid: Uuid;
  /** Absent for an insert. */
  readonly before: Row | undefined;
  /** Absent for a delete. */
  readonly after: Row | undefined;
}

/** A unique index as of the last commit. */
export class UniqueIndex {
  readonly columns: readonly ColumnSchema[];
  readonly #slots: Slots;
  readonly #index: HashIndex;

  constructor(columns: readonly ColumnSchema[], slots: Slots) {
    this.columns = columns;
    this.#slots = slots;
    this.#index = slots.index();
  }

  get size(): number {
    return this.#index.size;
  }

  /** The slot whose committed row has this key. */
  get(key: string): Slot | undefined {
    const slots = this.#slots;
    // Slots in an index have a place and a committed row.
    return slots.at(this.#index.find(hashOf(key), (place) => this.keyOf(slots.at(place)!.committed!) === key));
  }

  add(key: string, slot: Slot): void {
    this.#index.add(hashOf(key), slot.place);
  }

  delete(key: string, slot: Slot): void {
    this.#index.delete(hashOf(key), slot.place);
  }

  keyOf(row: Row): string {
    const { columns } = this;
    const first = row.cell(columns[0]!);
    if (columns.length === 1 && first.length === 1) return String(first[0]);
    return keyOfCells(columns.map((column) => row.cell(column)));
  }

  /** The key for which every column of the index is given by an "==" clause. */
  keyOfClauses(clauses: readonly Clause[]): string | undefined {
    const cells: Datum[] = [];
    for (const column of this.columns) {
      const clause = clauses.find(
        (candidate) => typeof candidate === "object" && candidate.column === column && candidate.function === "==",
      );
      if (clause === undefined || typeof clause === "boolean") return undefined;
      cells.push(clause.arg);
    }
    return cells.length === 1 && cells[0]!.length === 1 ? String(cells[0]![0]) : keyOfCells(cells);
  }
}

/** Cells as one string, different for different cells of the same columns. Atoms never contain U+0000. */
export function keyOfCells(cells: readonly Datum[]): string {
  let key = "";
  for (const cell of cells) key += `${cell.length}\0${cell.join("\0")}\0`;
  return key;
}

/** Whether a clause holds for a slot with a row. */
function testOf(clause: Clause): (slot: Slot) => boolean {
  const holds = (slot: Slot): boolean => {
    const row = slot.row!;
    return clauseHolds(clause, (column) => row.cell(column));
  };
  if (typeof clause === "boolean" || clause.function !== "==" || clause.column.index < 0) return holds;
  // The usual condition is compared without unpacking anything: tables are looked through for it.
  const { column } = clause;
  const cell = packCell(clause.arg, column.type);
  return (slot) => (typeof slot.state === "string" ? cellEquals(slot.state, column, cell) : holds(slot));
}

export class Table {
  /** The tables of the database, this one among them. */
  readonly tables: ReadonlyMap<string, Table>;
  readonly #random: Random;
  readonly schema: TableSchema;
  /** Includes the slots of rows that the transaction in progress deleted. */
  readonly slots = new Slots();
  readonly indexes: readonly UniqueIndex[];
  /** For slots with weak references to them as of the last commit: the slots that have these, and how many each. */
  readonly weakIn = new Map<Slot, Map<Slot, number>>();
  /** Slots that the transaction in progress touched. */
  touched: Slot[] = [];
  #versions = 0;
  #versionSeed: Uuid | undefined;

  constructor(tables: ReadonlyMap<string, Table>, random: Random, schema: TableSchema) {
    this.tables = tables;
    this.#random = random;
    this.schema = schema;
    this.indexes = schema.indexes.map((columns) => new UniqueIndex(columns, this.slots));
  }

  get name(): string {
    return this.schema.name;
  }

  /** How many rows there are, as the transaction in progress sees it. */
  get size(): number {
    let deleted = 0;
    for (const slot of this.touched) if (slot.isDeleted && slot.place >= 0) deleted++;
    return this.slots.size - deleted;
  }

  /** Whether there is a row of this uuid, as the transaction in progress sees it. */
  has(uuid: Uuid): boolean {
    const slot = this.slots.get(uuid);
    return slot !== undefined && !slot.isDeleted;
  }

  *rows(): Iterable<Row> {
    for (const slot of this.slots) {
      const { row } = slot;
      if (row !== undefined) yield row;
    }
  }

  /** All rows, as inserts. */
  *contents(): Iterable<RowDelta> {
    for (const row of this.rows()) yield { table: this, uuid: row.uuid, before: undefined, after: row };
  }

  /** A number for another version of a row. */
  nextVersion(): number {
    return this.#versions++;
  }

  /** What makes the `_version` of this table's rows its own; made when somebody first asks. */
  get versionSeed(): Uuid {
    this.#versionSeed ??= this.#random.uuid() as Uuid; // random.uuid gives the form of one
    return this.#versionSeed;
  }

  /** Slots whose rows satisfy all clauses, in order of insertion; by uuid or unique index where the clauses allow. */
  match(clauses: readonly Clause[]): Slot[] {
    const tests = clauses.map(testOf);
    const found: Slot[] = [];
    for (const slot of this.#candidates(clauses)) if (!slot.isDeleted && tests.every((test) => test(slot))) found.push(slot);
    return found;
  }

  #candidates(clauses: readonly Clause[]): Iterable<Slot> {
    for (const clause of clauses) {
      if (typeof clause === "boolean") {
        if (!clause) return [];
      } else if (clause.column.index === UUID_INDEX && (clause.function === "==" || clause.function === "includes")) {
        const uuid = clause.arg[0];
        if (uuid === undefined) continue;
        const slot = this.slots.get(uuid as Uuid); // `_uuid` holds uuids
        return slot === undefined ? [] : [slot];
      }
    }
    for (const index of this.indexes) {
      const key = index.keyOfClauses(clauses);
      if (key === undefined) continue;
      // The index knows the rows as of the last commit; what this transaction touched may have come under the key.
      const slot = index.get(key);
      if (slot === undefined) return this.touched;
      return this.touched.length === 0 ? [slot] : new Set([slot, ...this.touched]);
    }
    return this.slots;
  }
}
