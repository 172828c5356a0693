/** Transaction records of ovsdb(5), to and from what a commit changed. */
import { applyDifference, datumJson, difference, equalData, isDefault, parseDatum, parseUuid } from "../datum.ts";
import type { Database } from "../engine/database.ts";
import { Row } from "../engine/row.ts";
import { Slot } from "../engine/slots.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import { OvsdbError, syntaxError } from "../error.ts";
import { isObject, type Json, type JsonObject, stringifyJson } from "../jsonrpc/json.ts";
import type { ColumnSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import type { Piece } from "./pieces.ts";

/**
 * The record's JSON text; undefined where nothing of the commit belongs on disk (ephemeral columns alone). `wall` is in
 * ms since 1970.
 */
export function transactionRecord(
  deltas: Iterable<RowDelta>,
  wall: number,
  comment: string,
  isDifference: boolean,
): string | undefined {
  const tables: { [table: string]: { [uuid: string]: Json } } = {};
  let any = comment !== "";
  for (const { table, uuid, before, after } of deltas) {
    let content: Json;
    if (after === undefined) content = null;
    else {
      const columns = rowRecord(table, before, after);
      if (columns === undefined) continue;
      content = columns;
    }
    const rows = (tables[table.name] ??= {});
    rows[uuid] = content;
    any = true;
  }
  if (!any) return undefined;
  return stringifyJson({
    _date: Math.floor(wall),
    ...(comment === "" ? {} : { _comment: comment }),
    ...(isDifference ? { _is_diff: true } : {}),
    ...tables,
  });
}

function rowRecord(table: Table, before: Row | undefined, after: Row): JsonObject | undefined {
  const columns: { [column: string]: Json } = {};
  let any = before === undefined;
  for (const column of table.schema.columns) {
    if (column.ephemeral) continue;
    const { type, index, name } = column;
    const is = after.cells[index]!;
    if (before === undefined) {
      if (!isDefault(is, type)) columns[name] = datumJson(is, type);
      continue;
    }
    const was = before.cells[index]!;
    if (equalData(was, is)) continue;
    columns[name] = datumJson(difference(was, is, type), type);
    any = true;
  }
  return any ? columns : undefined;
}

const SPECIAL = new Set(["_date", "_comment", "_is_diff"]);

/** Applies a record to a database, unchecked: {@link Database.settle} must follow the last. Throws OvsdbError. */
export function applyRecord(database: Database, record: Json): void {
  if (!isObject(record)) throw syntaxError("transaction record is not a JSON object", record);
  const isDifference = record._is_diff === true;
  for (const [name, rows] of Object.entries(record)) {
    if (SPECIAL.has(name)) continue;
    const table = tableNamed(database, name);
    if (!isObject(rows)) throw syntaxError(`transaction record of table ${name} is not a JSON object`);
    for (const [name, columns] of Object.entries(rows)) {
      const uuid = parseUuid(name);
      if (uuid === undefined) throw syntaxError(`"${name}" is not a valid UUID`);
      applyRow(table, uuid, columns ?? null, isDifference);
    }
  }
}

/** As {@link applyRecord}, for a piece of a record. */
export function applyPiece(database: Database, { plain, table: name, uuids, rows }: Piece): void {
  for (const [member, value] of Object.entries(plain)) if (!SPECIAL.has(member)) applyRecord(database, { [member]: value });
  if (uuids.length === 0) return;
  const table = tableNamed(database, name);
  for (const [i, uuid] of uuids.entries()) applyRow(table, uuid, rows[i]!, plain._is_diff === true);
}

function tableNamed(database: Database, name: string): Table {
  const table = database.table(name);
  if (table === undefined) throw syntaxError(`No table named ${name}.`, name);
  return table;
}

function applyRow(table: Table, uuid: Uuid, columns: Json, isDifference: boolean): void {
  const slot = table.slots.get(uuid);
  if (columns === null) {
    if (slot === undefined) throw new OvsdbError("ovsdb error", `Deletion of nonexistent row ${uuid} in table ${table.name}`);
    table.slots.delete(slot);
  } else if (isObject(columns)) {
    const { packed } = Row.of(table, uuid, cellsOf(table, slot?.row, columns, isDifference));
    if (slot === undefined) table.slots.add(new Slot(table, packed));
    else slot.state = packed;
  } else throw syntaxError(`record of row ${uuid} is neither null nor an object`);
}

function cellsOf(table: Table, before: Row | undefined, columns: JsonObject, isDifference: boolean): Datum[] {
  const cells = before === undefined ? table.schema.columns.map((column) => column.default) : before.cells.slice();
  for (const name in columns) {
    const column = table.schema.column(name);
    if (column === undefined || column.index < 0) {
      throw new OvsdbError("unknown column", `No column ${name} in table ${table.name}.`);
    }
    cells[column.index] = cellOf(column, before, columns[name] ?? null, isDifference);
  }
  return cells;
}

function cellOf(column: ColumnSchema, before: Row | undefined, json: Json, isDifference: boolean): Datum {
  const { type } = column;
  if (!isDifference || before === undefined) return parseDatum(json, type);
  if (type.max === 1) return parseDatum(json, type);
  // A difference may be empty or longer than the column itself.
  const change = parseDatum(json, { ...type, min: 0, max: 4294967295 });
  return applyDifference(before.cells[column.index]!, change, type);
}
