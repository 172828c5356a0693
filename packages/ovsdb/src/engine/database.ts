/** A database in memory. */
import type { Random } from "@weft/runtime";
import { type ColumnType, describeType } from "../columnType.ts";
import { checkSize } from "../datum.ts";
import { OvsdbError } from "../error.ts";
import type { ColumnSchema, DatabaseSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { Row } from "./row.ts";
import { Slot } from "./slots.ts";
import { type RowDelta, Table } from "./table.ts";

export class Database {
  readonly schema: DatabaseSchema;
  readonly random: Random;
  readonly tables: ReadonlyMap<string, Table>;
  /** True while a transaction is in progress: there is only one at a time. */
  busy = false;

  /** An empty database. `random` gives the uuids of new rows. */
  constructor(schema: DatabaseSchema, random: Random) {
    this.schema = schema;
    this.random = random;
    const tables = new Map<string, Table>();
    for (const table of schema.tables.values()) tables.set(table.name, new Table(tables, random, table));
    this.tables = tables;
  }

  get name(): string {
    return this.schema.name;
  }

  table(name: string): Table | undefined {
    return this.tables.get(name);
  }

  /** Number of rows in all tables. */
  get size(): number {
    let size = 0;
    for (const table of this.tables.values()) size += table.slots.size;
    return size;
  }

  /** Puts a row in place without any check; {@link Database.settle} must follow. */
  place(table: Table, row: Row | undefined, uuid: Uuid): void {
    const slot = table.slots.get(uuid);
    if (row === undefined) {
      if (slot !== undefined) table.slots.delete(slot);
    } else if (slot === undefined) table.slots.add(new Slot(table, row.packed));
    else slot.state = row.packed;
  }

  /**
   * Counts references and builds indexes after rows were placed. Weak references to rows that are not there are taken
   * out. Throws OvsdbError where the contents break the schema.
   */
  settle(): void {
    for (const table of this.tables.values()) {
      const { schema } = table;
      if (schema.maxRows !== undefined && table.slots.size > schema.maxRows) throw tooManyRows(table, table.slots.size);
      const { weakColumns, strongColumns, indexes } = schema;
      // Rows are read only where there is something to find out.
      if (weakColumns.length + strongColumns.length + indexes.length === 0) continue;
      for (const slot of table.slots) {
        if (weakColumns.length > 0) this.#dropDanglingWeak(slot);
        this.#link(slot, slot.row, 1);
        for (const index of table.indexes) {
          const key = index.keyOf(slot.row!);
          const other = index.get(key);
          if (other !== undefined) {
            throw new OvsdbError(
              "constraint violation",
              `Rows ${other.uuid} and ${slot.uuid} in "${table.name}" table have identical values for index on ` +
                index.columns.map((column) => `"${column.name}"`).join(", "),
            );
          }
          index.add(key, slot);
        }
      }
    }
  }

  #dropDanglingWeak(slot: Slot): void {
    let row = slot.row!;
    for (const column of slot.table.schema.weakColumns) {
      const cell = row.cell(column);
      const kept = this.withoutDanglingWeak(column, cell);
      if (kept === cell) continue;
      checkSize(kept, column.type, describeType);
      row = replaceCell(row, column, kept);
    }
    slot.state = row.packed;
  }

  /** The cell without weak references to rows that are not there. */
  withoutDanglingWeak(column: ColumnSchema, cell: Datum): Datum {
    const { key, value } = column.type;
    const step = value === undefined ? 1 : 2;
    const missing = (table: string | undefined, atom: unknown): boolean => !this.tables.get(table!)!.has(atom as Uuid); // refTable is set where refType is
    let out: Datum[number][] | undefined;
    for (let i = 0; i < cell.length; i += step) {
      const gone =
        (key.refType === "weak" && missing(key.refTable, cell[i])) ||
        (value?.refType === "weak" && missing(value.refTable, cell[i + 1]));
      if (gone) out ??= cell.slice(0, i);
      else if (out !== undefined) {
        out.push(cell[i]!);
        if (step === 2) out.push(cell[i + 1]!);
      }
    }
    return out ?? cell;
  }

  /** Adds (1) or takes away (-1) what a row refers to. */
  #link(slot: Slot, row: Row | undefined, sign: 1 | -1): void {
    if (row === undefined) return;
    for (const column of slot.table.schema.strongColumns) {
      for (const [table, uuid] of references(column.type, row.cell(column), "strong")) {
        if (uuid === row.uuid && table === slot.table.name) continue;
        const target = this.tables.get(table)!.slots.get(uuid);
        if (target === undefined || target.isDeleted) throw nonexistent(slot, column, table, uuid);
        target.refs += sign;
      }
    }
    for (const column of slot.table.schema.weakColumns) {
      for (const [table, uuid] of references(column.type, row.cell(column), "weak")) {
        const target = this.tables.get(table)!.slots.get(uuid);
        if (target !== undefined) countWeak(target, slot, sign);
      }
    }
  }

  /** Takes a commit back: the database is as it was before. Later commits must have been taken back already. */
  revert(deltas: readonly RowDelta[]): void {
    for (const { table, uuid, after } of deltas) {
      if (after === undefined) continue;
      const slot = table.slots.get(uuid)!;
      for (const index of table.indexes) index.delete(index.keyOf(after), slot);
      this.#link(slot, after, -1);
    }
    for (const { table, uuid, before } of deltas) this.place(table, before, uuid);
    for (const { table, uuid, before } of deltas) {
      if (before === undefined) continue;
      const slot = table.slots.get(uuid)!;
      for (const index of table.indexes) index.add(index.keyOf(before), slot);
      this.#link(slot, before, 1);
    }
  }
}

export function replaceCell(row: Row, column: ColumnSchema, cell: Datum): Row {
  const cells = row.cells.slice();
  cells[column.index] = cell;
  return Row.of(row.table, row.uuid, cells);
}

export function tooManyRows(table: Table, size: number): OvsdbError {
  return new OvsdbError(
    "constraint violation",
    `transaction causes "${table.name}" table to contain ${size} rows, greater than the schema-defined limit of ${table.schema.maxRows} row(s)`,
  );
}

export function nonexistent(slot: Slot, column: ColumnSchema, table: string, uuid: Uuid): OvsdbError {
  return new OvsdbError(
    "referential integrity violation",
    `Table ${slot.table.name} column ${column.name} row ${slot.uuid} references nonexistent row ${uuid} in table ${table}.`,
  );
}

/** The references in a cell: table and uuid of each. */
export function references(type: ColumnType, cell: Datum, kind: "strong" | "weak"): [string, Uuid][] {
  const { key, value } = type;
  const step = value === undefined ? 1 : 2;
  const found: [string, Uuid][] = [];
  for (let i = 0; i < cell.length; i += step) {
    if (key.refType === kind) found.push([key.refTable!, cell[i] as Uuid]); // a refTable column holds uuids
    if (value?.refType === kind) found.push([value.refTable!, cell[i + 1] as Uuid]); // as above
  }
  return found;
}

/**
 * Calls `visit` for every reference that is only in one of two cells: +1 for one in `after`, -1 for one in `before`.
 * Costs a comparison per element and a call per change.
 */
export function referenceChanges(
  type: ColumnType,
  before: Datum,
  after: Datum,
  kind: "strong" | "weak",
  visit: (table: string, uuid: Uuid, sign: 1 | -1) => void,
): void {
  const { key, value } = type;
  const step = value === undefined ? 1 : 2;
  const both = (cell: Datum, at: number, sign: 1 | -1): void => {
    if (key.refType === kind) visit(key.refTable!, cell[at] as Uuid, sign); // a refTable column holds uuids
    if (value?.refType === kind) visit(value.refTable!, cell[at + 1] as Uuid, sign); // as above
  };
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const a = before[i];
    const b = after[j];
    if (a !== undefined && a === b) {
      if (step === 2 && before[i + 1] !== after[j + 1]) {
        both(before, i, -1);
        both(after, j, 1);
      }
      i += step;
      j += step;
    } else if (b === undefined || (a !== undefined && a < b)) {
      both(before, i, -1);
      i += step;
    } else {
      both(after, j, 1);
      j += step;
    }
  }
}

export function countWeak(target: Slot, source: Slot, sign: 1 | -1): void {
  const { weakIn } = target.table;
  const counts = weakIn.get(target) ?? new Map<Slot, number>();
  const count = (counts.get(source) ?? 0) + sign;
  if (count === 0) counts.delete(source);
  else counts.set(source, count);
  if (counts.size === 0) weakIn.delete(target);
  else weakIn.set(target, counts);
}
