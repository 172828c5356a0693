/**
 * One transaction: rows are changed in place with the old ones kept, so that reading within the transaction needs no
 * overlay and its cost is that of what it touches. At the end the references are counted, garbage is collected, weak
 * references to what is gone are dropped, and sizes and unique indexes are checked, in this order.
 */
import { describeType } from "../columnType.ts";
import { atomText, checkSize, datumText, equalData, isDefault, ZERO_UUID } from "../datum.ts";
import { OvsdbError } from "../error.ts";
import type { ColumnSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { countWeak, type Database, nonexistent, referenceChanges, replaceCell, tooManyRows } from "./database.ts";
import { Row } from "./row.ts";
import { type RowDelta, Slot, type Table, type UniqueIndex } from "./table.ts";

const NOTHING: Datum = [];

export class Transaction {
  readonly #database: Database;
  readonly #touched: Slot[] = [];
  #counted: Slot[] = [];
  /** Tables with touched slots. */
  readonly #tables: Table[] = [];

  constructor(database: Database) {
    if (database.busy) throw new OvsdbError("internal error", "a transaction is in progress already");
    database.busy = true;
    this.#database = database;
  }

  #touch(slot: Slot): void {
    if (slot.touched) return;
    slot.touched = true;
    slot.before = slot.row;
    this.#touched.push(slot);
    const { table } = slot;
    if (table.touched.length === 0) this.#tables.push(table);
    table.touched.push(slot);
  }

  /** Whether an insert may use this uuid: not that of a row, nor of one that this transaction deleted. */
  isFree(table: Table, uuid: Uuid): boolean {
    return !table.slots.has(uuid);
  }

  insert(table: Table, uuid: Uuid, cells: readonly Datum[]): void {
    const slot = new Slot(table, uuid, undefined);
    this.#touch(slot);
    slot.row = new Row(uuid, cells);
    table.slots.set(uuid, slot);
  }

  /** Replaces a row's cells; `cells` must differ from what they were. */
  update(slot: Slot, cells: readonly Datum[]): void {
    this.#touch(slot);
    slot.row = new Row(slot.uuid, cells);
  }

  delete(slot: Slot): void {
    this.#touch(slot);
    slot.row = undefined;
    // What came and went within the transaction leaves no trace: its uuid may be used again.
    if (slot.before === undefined) slot.table.slots.delete(slot.uuid);
  }

  /** Undoes everything. */
  abort(): void {
    for (const slot of this.#touched) {
      if (slot.before === undefined) {
        if (slot.table.slots.get(slot.uuid) === slot) slot.table.slots.delete(slot.uuid);
        slot.row = undefined;
      } else slot.row = slot.before;
    }
    this.#release();
  }

  #release(): void {
    for (const slot of this.#touched) {
      slot.touched = false;
      slot.before = undefined;
    }
    for (const slot of this.#counted) {
      slot.counted = false;
      slot.refsDelta = 0;
    }
    for (const table of this.#tables) table.touched = [];
    this.#database.busy = false;
  }

  /**
   * Makes the changes permanent and gives them. Throws OvsdbError for a broken constraint; the transaction must then be
   * aborted.
   */
  commit(): RowDelta[] {
    this.#dropNoOps();
    this.#countReferences();
    this.#collectGarbage();
    this.#dropWeakReferences();
    for (const table of this.#tables) {
      const { maxRows } = table.schema;
      if (maxRows !== undefined && table.size > maxRows) throw tooManyRows(table, table.size);
      for (const index of table.indexes) checkIndex(table, index);
    }
    return this.#apply();
  }

  #dropNoOps(): void {
    for (const slot of this.#touched) {
      const { before, row } = slot;
      if (before === undefined || row === undefined || before === row) continue;
      if (before.cells.every((cell, i) => equalData(cell, row.cells[i]!))) slot.row = before;
    }
  }

  #count(slot: Slot, sign: 1 | -1): void {
    if (!slot.counted) {
      slot.counted = true;
      this.#counted.push(slot);
    }
    slot.refsDelta += sign;
  }

  #countReferences(): void {
    const { tables } = this.#database;
    for (const slot of this.#touched) {
      const { before, row, table } = slot;
      if (before === row) continue;
      for (const column of table.schema.strongColumns) {
        const from = before?.cells[column.index] ?? NOTHING;
        const to = row?.cells[column.index] ?? NOTHING;
        if (from === to) continue;
        referenceChanges(column.type, from, to, "strong", (targetTable, uuid, sign) => {
          // A row's references to itself do not keep it.
          if (uuid === slot.uuid && targetTable === slot.table.name) return;
          const target = tables.get(targetTable)!.slots.get(uuid);
          if (target !== undefined) this.#count(target, sign);
          else if (sign === 1) throw nonexistent(slot, column, targetTable, uuid);
        });
      }
    }
    for (const slot of this.#touched) this.#checkDeleted(slot);
    for (const slot of this.#counted) this.#checkDeleted(slot);
  }

  #checkDeleted(slot: Slot): void {
    const count = slot.refs + slot.refsDelta;
    if (slot.row !== undefined || count === 0) return;
    throw new OvsdbError(
      "referential integrity violation",
      `cannot delete ${slot.table.name} row ${slot.uuid} because of ${count} remaining reference(s)`,
    );
  }

  #collectGarbage(): void {
    const work: Slot[] = [];
    for (const slot of this.#touched) if (slot.before === undefined && !slot.table.schema.isRoot) work.push(slot);
    for (const slot of this.#counted) if (slot.refsDelta < 0 && !slot.table.schema.isRoot) work.push(slot);
    const { tables } = this.#database;
    for (let slot = work.pop(); slot !== undefined; slot = work.pop()) {
      const { row } = slot;
      if (row === undefined || slot.refs + slot.refsDelta > 0) continue;
      this.delete(slot);
      for (const column of slot.table.schema.strongColumns) {
        referenceChanges(column.type, row.cells[column.index]!, NOTHING, "strong", (targetTable, uuid) => {
          if (uuid === row.uuid && targetTable === slot.table.name) return;
          const target = tables.get(targetTable)!.slots.get(uuid);
          if (target === undefined) return;
          this.#count(target, -1);
          if (!target.table.schema.isRoot) work.push(target);
        });
      }
    }
  }

  #dropWeakReferences(): void {
    // Not for...of: dropping a reference touches more slots, which need no second look.
    const count = this.#touched.length;
    const { tables } = this.#database;
    for (let i = 0; i < count; i++) {
      const slot = this.#touched[i]!;
      const { before, row, table } = slot;
      if (row === undefined) {
        if (slot.weakIn !== undefined) for (const source of slot.weakIn.keys()) this.#dropDangling(source);
        continue;
      }
      if (before === row) continue;
      for (const column of table.schema.weakColumns) {
        const from = before?.cells[column.index] ?? NOTHING;
        const to = row.cells[column.index]!;
        if (from === to) continue;
        let dangling = false;
        referenceChanges(column.type, from, to, "weak", (targetTable, uuid, sign) => {
          if (sign === 1 && tables.get(targetTable)!.slots.get(uuid)?.row === undefined) dangling = true;
        });
        if (dangling) this.#dropDanglingIn(slot, column);
      }
    }
  }

  #dropDangling(slot: Slot): void {
    for (const column of slot.table.schema.weakColumns) if (slot.row !== undefined) this.#dropDanglingIn(slot, column);
  }

  #dropDanglingIn(slot: Slot, column: ColumnSchema): void {
    const row = slot.row!;
    const cell = row.cells[column.index]!;
    const kept = this.#database.withoutDanglingWeak(column, cell);
    if (kept === cell) return;
    if (kept.length === 0 && column.type.min > 0) throw emptied(slot, column, cell);
    checkSize(kept, column.type, describeType);
    this.#touch(slot);
    slot.row = replaceCell(row, column, kept);
  }

  #apply(): RowDelta[] {
    const deltas: RowDelta[] = [];
    const { tables } = this.#database;
    for (const slot of this.#counted) slot.refs += slot.refsDelta;
    for (const slot of this.#touched) {
      const { table, before, row, uuid } = slot;
      if (before === row) continue;
      deltas.push({ table, uuid, before, after: row });
      for (const column of table.schema.weakColumns) {
        const from = before?.cells[column.index] ?? NOTHING;
        const to = row?.cells[column.index] ?? NOTHING;
        if (from === to) continue;
        referenceChanges(column.type, from, to, "weak", (targetTable, target, sign) => {
          const found = tables.get(targetTable)!.slots.get(target);
          if (found !== undefined) countWeak(found, slot, sign);
        });
      }
      for (const index of table.indexes) {
        if (before === undefined) continue;
        const key = index.keyOf(before);
        if (index.slots.get(key) === slot) index.slots.delete(key);
      }
    }
    for (const slot of this.#touched) {
      const { table, row } = slot;
      if (row === undefined) {
        if (table.slots.get(slot.uuid) === slot) table.slots.delete(slot.uuid);
      } else for (const index of table.indexes) index.slots.set(index.keyOf(row), slot);
    }
    this.#release();
    return deltas;
  }
}

function emptied(slot: Slot, column: ColumnSchema, cell: Datum): OvsdbError {
  const place = `"${column.name}" in "${slot.table.name}" row ${slot.uuid}`;
  if (slot.before === undefined && cell.length === 1 && cell[0] === ZERO_UUID && isDefault(cell, column.type)) {
    return new OvsdbError(
      "constraint violation",
      `Weak reference column ${place} (inserted within this transaction) contained all-zeros UUID (probably as the default value for this column) but deleting this value caused a constraint volation because this column is not allowed to be empty.`,
    );
  }
  const step = column.type.value === undefined ? 1 : 2;
  return new OvsdbError(
    "constraint violation",
    `Deletion of ${cell.length / step} weak reference(s) to deleted (or never-existing) rows from column ${place} caused this column to become empty, but constraints on this column disallow an empty column.`,
  );
}

function checkIndex(table: Table, index: UniqueIndex): void {
  const { touched } = table;
  const added = touched.length > 1 ? new Map<string, Slot>() : undefined;
  for (const slot of touched) {
    const { row, before } = slot;
    if (row === undefined || row === before) continue;
    const key = index.keyOf(row);
    const twin = added?.get(key);
    if (twin !== undefined) throw duplicate(index, slot, twin);
    added?.set(key, slot);
    const holder = index.slots.get(key);
    if (holder === undefined || holder === slot || holder.row === undefined) continue;
    // The holder may have left the key within this transaction.
    if (holder.touched && holder.row !== holder.before && index.keyOf(holder.row) !== key) continue;
    throw duplicate(index, slot, holder);
  }
}

function duplicate(index: UniqueIndex, first: Slot, second: Slot): OvsdbError {
  const names = index.columns.map((column) => `"${column.name}"`);
  const values = (row: Row): string => list(index.columns.map((column) => valueText(row.cells[column.index]!, column)));
  const history = (slot: Slot): string => {
    const { before } = slot;
    if (!slot.touched || before === slot.row) {
      return "existed in the database before this transaction and was not modified by the transaction.";
    }
    if (before === undefined) return "was inserted by this transaction.";
    if (index.keyOf(before) === index.keyOf(slot.row!)) {
      return "existed in the database before this transaction, which modified some of the row's columns but not any columns in this index.";
    }
    return `had the following index values before the transaction: ${values(before)}.`;
  };
  return new OvsdbError(
    "constraint violation",
    `Transaction causes multiple rows in "${first.table.name}" table to have identical values (${values(first.row!)}) for index on ` +
      `column${names.length === 1 ? "" : "s"} ${list(names)}.  First row, with UUID ${first.uuid}, ${history(first)}  ` +
      `Second row, with UUID ${second.uuid}, ${history(second)}`,
  );
}

function valueText(cell: Datum, column: ColumnSchema): string {
  return cell.length === 1 && column.type.max === 1 ? atomText(cell[0]!, column.type.key) : datumText(cell, column.type);
}

/** "a", "a and b", "a, b, and c". */
function list(items: readonly string[]): string {
  if (items.length <= 2) return items.join(" and ");
  return `${items.slice(0, -1).join(", ")}, and ${items.at(-1)}`;
}
