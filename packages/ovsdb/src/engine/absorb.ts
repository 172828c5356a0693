/**
 * The contents of another server taken over: rows as its monitors tell them (RFC 7047 section 4.1.6, ovsdb-server(7)
 * sections 4.1.14 and 4.1.16) become one transaction here.
 */
import { applyDifference, parseDatum, parseUuid } from "../datum.ts";
import { syntaxError } from "../error.ts";
import { isObject, type Json, type JsonObject } from "../jsonrpc/json.ts";
import type { Datum, Uuid } from "../value.ts";
import type { Database } from "./database.ts";
import type { Row } from "./row.ts";
import type { RowDelta, Table } from "./table.ts";
import { Transaction } from "./transaction.ts";

/** How much the updates say. */
export type Extent =
  /** What has changed. */
  | "changes"
  /** Everything: a row of a watched table that is not in them is gone. */
  | "everything";

/**
 * Makes the database agree with `updates`, <table-updates> or <table-updates2>, in one transaction that obeys all
 * constraints. Tables and columns that the database does not have are left out. `watched` are the tables that the
 * updates are about. Throws OvsdbError, with everything as before.
 */
export function absorb(database: Database, updates: Json, extent: Extent, watched: ReadonlySet<string>): RowDelta[] {
  if (!isObject(updates)) throw syntaxError("<table-updates> is not an object", updates);
  const transaction = new Transaction(database);
  let open = true;
  try {
    for (const table of database.tables.values()) {
      if (!watched.has(table.name)) continue;
      const rows = updates[table.name] ?? {};
      if (!isObject(rows)) throw syntaxError(`<table-update> of table ${table.name} is not an object`, rows);
      if (extent === "everything") dropOthers(transaction, table, rows);
      for (const [text, update] of Object.entries(rows)) {
        const uuid = parseUuid(text);
        if (uuid === undefined) throw syntaxError(`"${text}" is not a valid UUID`);
        absorbRow(transaction, table, uuid, update ?? null);
      }
    }
    const deltas = transaction.commit();
    open = false;
    return deltas;
  } finally {
    if (open) transaction.abort();
  }
}

function dropOthers(transaction: Transaction, table: Table, rows: JsonObject): void {
  for (const slot of [...table.slots]) if (!Object.hasOwn(rows, slot.uuid)) transaction.delete(slot);
}

function absorbRow(transaction: Transaction, table: Table, uuid: Uuid, update: Json): void {
  if (!isObject(update)) throw syntaxError(`<row-update> of row ${uuid} is not an object`, update);
  const slot = table.slots.get(uuid);
  const before = slot?.row;
  const { modify } = update;
  // <row-update2> names what happened; <row-update> has the whole row in "new", or nothing where it is gone.
  const whole = update.initial ?? update.insert ?? update.new;
  let cells: Datum[];
  if (isObject(whole)) cells = parsedCells(table, whole);
  else if (isObject(modify)) {
    // A row that was collected as garbage here, for want of a table that is not watched, is not missed.
    if (before === undefined) return;
    cells = changedCells(table, before, modify);
  } else {
    if (slot !== undefined) transaction.delete(slot);
    return;
  }
  if (slot === undefined || before === undefined) transaction.insert(table, uuid, cells);
  else transaction.update(slot, before, cells);
}

function parsedCells(table: Table, columns: JsonObject): Datum[] {
  return table.schema.columns.map((column) => {
    const json = columns[column.name];
    return json === undefined ? column.default : parseDatum(json, column.type);
  });
}

function changedCells(table: Table, before: Row, columns: JsonObject): Datum[] {
  const cells = before.cells.slice();
  for (const { name, type, index } of table.schema.columns) {
    const json = columns[name];
    if (json === undefined) continue;
    // A difference may be empty or longer than the column itself.
    cells[index] =
      type.max === 1
        ? parseDatum(json, type)
        : applyDifference(before.cells[index]!, parseDatum(json, { ...type, min: 0, max: 4294967295 }), type);
  }
  return cells;
}
