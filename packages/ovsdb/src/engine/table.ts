/** A table: where its rows stand, and its unique indexes. */
import type { Random } from "@weft/runtime";
import { type Clause, clauseHolds } from "../condition.ts";
import { type ColumnSchema, type TableSchema, UUID_INDEX } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import type { Row } from "./row.ts";

/** The place of one uuid in a table: the row as the transaction in progress sees it, and who refers to it. */
export class Slot {
  readonly table: Table;
  readonly uuid: Uuid;
  /** Undefined when deleted by the transaction in progress. */
  row: Row | undefined;
  /** Strong references from other rows, as of the last commit. */
  refs = 0;
  /** What the transaction in progress adds to `refs`. */
  refsDelta = 0;
  /** Whether the transaction in progress has this slot in its list of counted ones. */
  counted = false;
  /** Rows with weak references to this one, and how many, as of the last commit. */
  weakIn: Map<Slot, number> | undefined;
  /** Set while the transaction in progress has touched this slot. */
  touched = false;
  /** The row before the transaction in progress, where `touched`. */
  before: Row | undefined;

  constructor(table: Table, uuid: Uuid, row: Row | undefined) {
    this.table = table;
    this.uuid = uuid;
    this.row = row;
  }
}

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
  readonly slots = new Map<string, Slot>();

  constructor(columns: readonly ColumnSchema[]) {
    this.columns = columns;
  }

  keyOf(row: Row): string {
    const { columns } = this;
    const first = row.cells[columns[0]!.index]!;
    if (columns.length === 1 && first.length === 1) return String(first[0]);
    return keyOfCells(columns.map((column) => row.cells[column.index]!));
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

export class Table {
  /** The tables of the database, this one among them. */
  readonly tables: ReadonlyMap<string, Table>;
  readonly random: Random;
  readonly schema: TableSchema;
  /** Includes the slots of rows that the transaction in progress deleted. */
  readonly slots = new Map<Uuid, Slot>();
  readonly indexes: readonly UniqueIndex[];
  /** Slots that the transaction in progress touched. */
  touched: Slot[] = [];

  constructor(tables: ReadonlyMap<string, Table>, random: Random, schema: TableSchema) {
    this.tables = tables;
    this.random = random;
    this.schema = schema;
    this.indexes = schema.indexes.map((columns) => new UniqueIndex(columns));
  }

  get name(): string {
    return this.schema.name;
  }

  /** How many rows there are, as the transaction in progress sees it. */
  get size(): number {
    let deleted = 0;
    for (const slot of this.touched) if (slot.row === undefined && this.slots.get(slot.uuid) === slot) deleted++;
    return this.slots.size - deleted;
  }

  *rows(): Iterable<Row> {
    for (const slot of this.slots.values()) if (slot.row !== undefined) yield slot.row;
  }

  /** Slots whose rows satisfy all clauses, in order of insertion; by uuid or unique index where the clauses allow. */
  match(clauses: readonly Clause[]): Slot[] {
    const candidates = this.#candidates(clauses);
    const found: Slot[] = [];
    const { random } = this;
    next: for (const slot of candidates) {
      const row = slot.row;
      if (row === undefined) continue;
      for (const clause of clauses) if (!clauseHolds(clause, (column) => row.cell(column, random))) continue next;
      found.push(slot);
    }
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
      const slot = index.slots.get(key);
      if (slot === undefined) return this.touched;
      return this.touched.length === 0 ? [slot] : new Set([slot, ...this.touched]);
    }
    return this.slots.values();
  }
}
