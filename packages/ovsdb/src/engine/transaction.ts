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
import { Change, Slot } from "./slots.ts";
import type { RowDelta, Table, UniqueIndex } from "./table.ts";

const NOTHING: Datum = [];

export class Transaction {
  readonly #database: Database;
  readonly #touched: Change[] = [];
  readonly #counted: Change[] = [];
  /** Tables with touched slots. */
  readonly #tables: Table[] = [];

  constructor(database: Database) {
    if (database.busy) throw new OvsdbError("internal error", "a transaction is in progress already");
    database.busy = true;
    this.#database = database;
  }

  /** What the transaction does to a slot with a row; `row` is this row where the caller has it already. */
  #changeOf(slot: Slot, row?: Row): Change {
    const { state } = slot;
    if (typeof state !== "string") return state;
    const change = new Change(slot, row ?? Row.unpack(slot.table, state));
    slot.state = change;
    return change;
  }

  #touch(change: Change): void {
    if (change.touched) return;
    change.touched = true;
    this.#touched.push(change);
    const { table } = change.slot;
    if (table.touched.length === 0) this.#tables.push(table);
    table.touched.push(change.slot);
  }

  /** Whether an insert may use this uuid: not that of a row, nor of one that this transaction deleted. */
  isFree(table: Table, uuid: Uuid): boolean {
    return !table.slots.has(uuid);
  }

  insert(table: Table, uuid: Uuid, cells: readonly Datum[]): void {
    const row = Row.of(table, uuid, cells);
    const slot = new Slot(table, row.packed);
    const change = new Change(slot, undefined, row);
    slot.state = change;
    this.#touch(change);
    table.slots.add(slot);
  }

  /** Puts other cells in place of the slot's row. */
  update(slot: Slot, row: Row, cells: readonly Datum[]): void {
    const change = this.#changeOf(slot, row);
    this.#touch(change);
    change.row = Row.of(slot.table, row.uuid, cells);
  }

  delete(slot: Slot): void {
    this.#delete(this.#changeOf(slot));
  }

  #delete(change: Change): void {
    this.#touch(change);
    change.row = undefined;
    // What came and went within the transaction leaves no trace: its uuid may be used again.
    if (change.before === undefined) change.slot.table.slots.delete(change.slot);
  }

  /** Undoes everything. */
  abort(): void {
    for (const change of this.#touched) change.row = change.before;
    this.#release();
  }

  /** Puts every slot at rest. */
  #release(): void {
    for (const changes of [this.#touched, this.#counted]) {
      for (const { slot, row } of changes) {
        if (row !== undefined) slot.state = row.packed;
        else slot.table.slots.delete(slot);
      }
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
    for (const change of this.#touched) {
      const { before, row } = change;
      if (before === undefined || row === undefined || before === row) continue;
      if (before.cells.every((cell, i) => equalData(cell, row.cells[i]!))) change.row = before;
    }
  }

  #count(slot: Slot, sign: 1 | -1): Change {
    const change = this.#changeOf(slot);
    if (!change.counted) {
      change.counted = true;
      this.#counted.push(change);
    }
    change.refs += sign;
    return change;
  }

  #countReferences(): void {
    const { tables } = this.#database;
    for (const { slot, uuid: own, before, row } of this.#touched) {
      if (before === row) continue;
      const { table } = slot;
      for (const column of table.schema.strongColumns) {
        const from = before?.cell(column) ?? NOTHING;
        const to = row?.cell(column) ?? NOTHING;
        if (from === to) continue;
        referenceChanges(column.type, from, to, "strong", (targetTable, uuid, sign) => {
          // A row's references to itself do not keep it.
          if (uuid === own && targetTable === table.name) return;
          const target = tables.get(targetTable)!.slots.get(uuid);
          if (target !== undefined) this.#count(target, sign);
          else if (sign === 1) throw nonexistent(slot, column, targetTable, uuid);
        });
      }
    }
    for (const change of this.#touched) checkDeleted(change);
    for (const change of this.#counted) checkDeleted(change);
  }

  #collectGarbage(): void {
    const work: Change[] = [];
    const isRoot = ({ slot }: Change): boolean => slot.table.schema.isRoot;
    for (const change of this.#touched) if (change.before === undefined && !isRoot(change)) work.push(change);
    for (const change of this.#counted) if (change.refs < 0 && !isRoot(change)) work.push(change);
    const { tables } = this.#database;
    for (let change = work.pop(); change !== undefined; change = work.pop()) {
      const { row, slot } = change;
      const { table } = slot;
      if (row === undefined || slot.refs + change.refs > 0) continue;
      this.#delete(change);
      for (const column of table.schema.strongColumns) {
        referenceChanges(column.type, row.cell(column), NOTHING, "strong", (targetTable, uuid) => {
          if (uuid === row.uuid && targetTable === table.name) return;
          const target = tables.get(targetTable)!.slots.get(uuid);
          if (target === undefined) return;
          const counted = this.#count(target, -1);
          if (!isRoot(counted)) work.push(counted);
        });
      }
    }
  }

  #dropWeakReferences(): void {
    // Not for...of: dropping a reference touches more slots, which need no second look.
    const count = this.#touched.length;
    const { tables } = this.#database;
    for (let i = 0; i < count; i++) {
      const { slot, before, row } = this.#touched[i]!;
      const { table } = slot;
      if (row === undefined) {
        for (const source of table.weakIn.get(slot)?.keys() ?? []) this.#dropDangling(source);
        continue;
      }
      if (before === row) continue;
      for (const column of table.schema.weakColumns) {
        const from = before?.cell(column) ?? NOTHING;
        const to = row.cell(column);
        if (from === to) continue;
        let dangling = false;
        referenceChanges(column.type, from, to, "weak", (targetTable, uuid, sign) => {
          if (sign === 1 && !tables.get(targetTable)!.has(uuid)) dangling = true;
        });
        if (dangling) this.#dropDanglingIn(slot, column);
      }
    }
  }

  #dropDangling(slot: Slot): void {
    for (const column of slot.table.schema.weakColumns) this.#dropDanglingIn(slot, column);
  }

  #dropDanglingIn(slot: Slot, column: ColumnSchema): void {
    const { row } = slot;
    if (row === undefined) return;
    const cell = row.cell(column);
    const kept = this.#database.withoutDanglingWeak(column, cell);
    if (kept === cell) return;
    if (kept.length === 0 && column.type.min > 0) throw emptied(slot, column, cell);
    checkSize(kept, column.type, describeType);
    const change = this.#changeOf(slot, row);
    this.#touch(change);
    change.row = replaceCell(row, column, kept);
  }

  #apply(): RowDelta[] {
    const deltas: RowDelta[] = [];
    const { tables } = this.#database;
    for (const { slot, refs } of this.#counted) slot.refs += refs;
    for (const { slot, uuid, before, row } of this.#touched) {
      const { table } = slot;
      if (before === row) continue;
      deltas.push({ table, uuid, before, after: row });
      for (const column of table.schema.weakColumns) {
        const from = before?.cell(column) ?? NOTHING;
        const to = row?.cell(column) ?? NOTHING;
        if (from === to) continue;
        referenceChanges(column.type, from, to, "weak", (targetTable, target, sign) => {
          const found = tables.get(targetTable)!.slots.get(target);
          if (found !== undefined) countWeak(found, slot, sign);
        });
      }
      if (before !== undefined) for (const index of table.indexes) index.delete(index.keyOf(before), slot);
    }
    for (const { slot, before, row } of this.#touched) {
      if (row === undefined || before === row) continue;
      for (const index of slot.table.indexes) index.add(index.keyOf(row), slot);
    }
    this.#release();
    return deltas;
  }
}

function checkDeleted({ slot, uuid, row, refs }: Change): void {
  const count = slot.refs + refs;
  if (row !== undefined || count === 0) return;
  throw new OvsdbError(
    "referential integrity violation",
    `cannot delete ${slot.table.name} row ${uuid} because of ${count} remaining reference(s)`,
  );
}

function emptied(slot: Slot, column: ColumnSchema, cell: Datum): OvsdbError {
  const place = `"${column.name}" in "${slot.table.name}" row ${slot.uuid}`;
  if (slot.committed === undefined && cell.length === 1 && cell[0] === ZERO_UUID && isDefault(cell, column.type)) {
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
    const { row, committed } = slot;
    if (row === undefined || row === committed) continue;
    const key = index.keyOf(row);
    const twin = added?.get(key);
    if (twin !== undefined) throw duplicate(index, slot, twin);
    added?.set(key, slot);
    const holder = index.get(key);
    if (holder === undefined || holder === slot) continue;
    // The holder may have left the key within this transaction.
    const held = holder.row;
    if (held === undefined || (held !== holder.committed && index.keyOf(held) !== key)) continue;
    throw duplicate(index, slot, holder);
  }
}

function duplicate(index: UniqueIndex, first: Slot, second: Slot): OvsdbError {
  const names = index.columns.map((column) => `"${column.name}"`);
  const values = (row: Row): string => list(index.columns.map((column) => valueText(row.cell(column), column)));
  const history = ({ row, change }: Slot): string => {
    if (change === undefined || change.before === row) {
      return "existed in the database before this transaction and was not modified by the transaction.";
    }
    const { before } = change;
    if (before === undefined) return "was inserted by this transaction.";
    if (index.keyOf(before) === index.keyOf(row!)) {
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
