/** Transaction records of ovsdb(5), to and from what a commit changed. */
import { applyDifference, difference, equalData, isDefault, parseDatum, parseUuid } from "../datum.ts";
import { writeDatum } from "../datumBytes.ts";
import type { Database } from "../engine/database.ts";
import { hashOf } from "../engine/hashIndex.ts";
import { Row } from "../engine/row.ts";
import { Slot } from "../engine/slots.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import { OvsdbError, syntaxError } from "../error.ts";
import { isObject, type Json, type JsonObject } from "../jsonrpc/json.ts";
import { JsonBytes } from "../jsonrpc/jsonBytes.ts";
import type { ColumnSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { MAX_HEADER, recordHeader } from "./format.ts";
import { type Piece, pieceRow } from "./pieces.ts";
import { RowReader } from "./rowReader.ts";

/**
 * The record of a commit, header line included; undefined where nothing of the commit belongs on disk (ephemeral columns
 * alone). `wall` is in ms since 1970.
 */
export function transactionRecord(deltas: Iterable<RowDelta>, wall: number, comment: string): Uint8Array | undefined {
  const tables = new Map<Table, RowDelta[]>();
  for (const delta of deltas) {
    const known = tables.get(delta.table);
    if (known === undefined) tables.set(delta.table, [delta]);
    else known.push(delta);
  }
  beginRecord(wall, comment, true);
  let any = comment !== "";
  for (const [table, rows] of tables) if (writeTable(table, rows)) any = true;
  return endRecord(any);
}

/** The record of all rows of a database; undefined where there are none. */
export function snapshotRecord(database: Database, wall: number, comment: string): Uint8Array | undefined {
  beginRecord(wall, comment, false);
  let any = false;
  for (const table of database.tables.values()) if (writeTable(table, table.contents())) any = true;
  return endRecord(any);
}

/** The record that is being written; there is only one at a time. */
const record = new JsonBytes();

function beginRecord(wall: number, comment: string, isDifference: boolean): void {
  // In front of it is room for the header line.
  record.end = MAX_HEADER;
  record.ascii(`{"_date":${Math.floor(wall)}`);
  if (comment !== "") {
    record.ascii(',"_comment":');
    record.string(comment);
  }
  if (isDifference) record.ascii(',"_is_diff":true');
}

function endRecord(any: boolean): Uint8Array | undefined {
  if (!any) return undefined;
  record.ascii("}\n");
  const header = recordHeader(record.from(MAX_HEADER));
  const start = MAX_HEADER - header.length;
  record.overwrite(start, header);
  return record.take(start);
}

/** False if nothing of the table is on disk. */
function writeTable(table: Table, deltas: Iterable<RowDelta>): boolean {
  const start = record.end;
  record.ascii(",");
  record.string(table.name);
  let any = false;
  for (const { uuid, before, after } of deltas) {
    const end = record.end;
    record.ascii(any ? ',"' : ':{"');
    record.ascii(uuid);
    record.ascii('":');
    if (after === undefined) record.ascii("null");
    else if (!writeRow(table, before, after)) {
      record.end = end;
      continue;
    }
    any = true;
  }
  if (any) record.ascii("}");
  else record.end = start;
  return any;
}

/** False for a change of which nothing is on disk. */
function writeRow(table: Table, before: Row | undefined, after: Row): boolean {
  let separator = "{";
  for (const column of table.schema.columns) {
    if (column.ephemeral) continue;
    const { type, index, name } = column;
    const is = after.cells[index]!;
    const was = before?.cells[index];
    if (was === undefined ? isDefault(is, type) : equalData(was, is)) continue;
    record.ascii(separator);
    separator = ",";
    record.string(name);
    record.ascii(":");
    writeDatum(record, was === undefined ? is : difference(was, is, type), type);
  }
  if (separator === "{") record.ascii("{");
  record.ascii("}");
  return before === undefined || separator === ",";
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

/** As {@link applyRecord}, for a piece of a record. Throws PiecesError too. */
export function applyPiece(database: Database, piece: Piece): void {
  const { plain, body, uuids, spans } = piece;
  for (const member in plain) if (!SPECIAL.has(member)) applyRecord(database, { [member]: plain[member] });
  if (uuids.length === 0) return;
  const table = tableNamed(database, piece.table);
  const reader = readerOf(table);
  for (let i = 0; i < uuids.length; i++) {
    const uuid = uuids[i]!;
    const hash = hashOf(uuid);
    const isNew = table.slots.get(uuid, hash) === undefined;
    const packed = isNew ? reader.read(uuid, body, spans[2 * i]!, spans[2 * i + 1]!) : undefined;
    if (packed !== undefined) table.slots.add(new Slot(table, packed), hash);
    else applyRow(table, uuid, pieceRow(piece, i), plain._is_diff === true);
  }
}

const readers = new WeakMap<Table, RowReader>();

function readerOf(table: Table): RowReader {
  let reader = readers.get(table);
  if (reader === undefined) {
    reader = new RowReader(table);
    readers.set(table, reader);
  }
  return reader;
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
