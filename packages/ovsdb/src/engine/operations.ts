/** The operations of RFC 7047 section 5.2, executed one after another on a {@link Transaction}. */
import { parseWhere } from "../condition.ts";
import { datumJson, equalData, type NameResolver, parseDatum, parseUuid } from "../datum.ts";
import { OvsdbError, syntaxError } from "../error.ts";
import { isArray, isObject, type Json, type JsonObject } from "../jsonrpc/json.ts";
import { isId, Members } from "../members.ts";
import { type ColumnSchema, parseColumnNames, type TableSchema } from "../model.ts";
import { type Mutation, mutate, parseMutation } from "../mutation.ts";
import type { Datum, Uuid } from "../value.ts";
import type { Database } from "./database.ts";
import type { Row } from "./row.ts";
import type { Slot } from "./slots.ts";
import { keyOfCells, type RowDelta, type Table } from "./table.ts";
import { Transaction } from "./transaction.ts";

/** Who asks, as far as operations depend on it. */
export interface Requester {
  /** Whether the session holds a lock (RFC 7047 section 5.2.10). */
  holdsLock(name: string): boolean;
  /** The connection may only read. */
  readonly readOnly: boolean;
  /** Throws "permission error" where role-based access control forbids the change (ovsdb-server(7) section 4.1.3). */
  authorize?(change: AccessChange): void;
}

export interface AccessChange {
  readonly kind: "insert" | "delete" | "update" | "mutate";
  readonly table: Table;
  readonly row: Row;
  /** Columns that an update or mutation writes. */
  readonly columns: readonly ColumnSchema[];
}

export const TRUSTED: Requester = { holdsLock: () => false, readOnly: false };

export interface Commit {
  readonly deltas: readonly RowDelta[];
  /** Texts of the comment operations. */
  readonly comments: readonly string[];
  /** Some commit operation asked for durability. */
  readonly durable: boolean;
}

export type Outcome =
  /** All operations done. `commit` is absent where an error took everything back. */
  | { readonly done: true; readonly results: readonly Json[]; readonly commit: Commit | undefined }
  /** A wait operation does not hold yet: nothing was done, try again when `table` has changed. */
  | { readonly done: false; readonly table: Table; readonly timeout: number | undefined };

/** Thrown through the operations by a wait that does not hold. */
class Blocked {
  readonly table: Table;
  readonly timeout: number | undefined;

  constructor(table: Table, timeout: number | undefined) {
    this.table = table;
    this.timeout = timeout;
  }
}

interface Context {
  readonly database: Database;
  readonly transaction: Transaction;
  readonly requester: Requester;
  readonly symbols: Map<string, { readonly uuid: Uuid; inserted: boolean }>;
  readonly resolve: NameResolver;
  /** Milliseconds since the request came in. */
  readonly elapsed: number;
  readonly comments: string[];
  durable: boolean;
}

/** Whether operations may change something, so that a server without a say in the contents must pass them on. */
export function mayWrite(operations: readonly Json[]): boolean {
  return operations.some((operation) => isObject(operation) && WRITING.has(operation.op ?? null));
}

const WRITING: ReadonlySet<Json> = new Set(["insert", "update", "mutate", "delete", "assert"]);

/**
 * Executes operations as one transaction. `elapsed` is how many ms the request has waited already. Faults of the
 * request are in the results, as RFC 7047 section 4.1.3 has them; nothing is thrown for them. A `rehearsal` ends with
 * everything as before.
 */
export function execute(
  database: Database,
  operations: readonly Json[],
  requester: Requester,
  elapsed: number,
  rehearsal = false,
): Outcome {
  const transaction = new Transaction(database);
  const symbols: Context["symbols"] = new Map();
  const context: Context = {
    database,
    transaction,
    requester,
    symbols,
    resolve: (name) => {
      let symbol = symbols.get(name);
      if (symbol === undefined) {
        symbol = { uuid: database.random.uuid() as Uuid, inserted: false }; // random.uuid gives the form of one
        symbols.set(name, symbol);
      }
      return symbol.uuid;
    },
    elapsed,
    comments: [],
    durable: false,
  };
  const results: Json[] = [];
  let open = true;
  try {
    declareExplicit(operations, symbols);
    for (const [i, operation] of operations.entries()) {
      results.push(executeOne(context, operation, () => `ovsdb operation ${i + 1} of ${operations.length}`));
    }
    if (rehearsal) return { done: true, results, commit: undefined };
    const deltas = transaction.commit();
    open = false;
    return { done: true, results, commit: { deltas, comments: context.comments, durable: context.durable } };
  } catch (fault) {
    if (fault instanceof Blocked) return { done: false, table: fault.table, timeout: fault.timeout };
    if (!(fault instanceof OvsdbError)) throw fault;
    results.push(fault.toJson());
    while (results.length < operations.length) results.push(null);
    return { done: true, results, commit: undefined };
  } finally {
    if (open) transaction.abort();
  }
}

/** A uuid-name with a uuid of its own stands for that one also in operations before its insert. */
function declareExplicit(operations: readonly Json[], symbols: Context["symbols"]): void {
  for (const operation of operations) {
    if (!isObject(operation) || operation.uuid === undefined) continue;
    const { "uuid-name": name, uuid } = operation;
    if (typeof name !== "string" || typeof uuid !== "string" || symbols.has(name)) continue;
    const parsed = parseUuid(uuid);
    if (parsed !== undefined) symbols.set(name, { uuid: parsed, inserted: false });
  }
}

type Executor = (context: Context, operation: JsonObject, name: () => string) => Json;

const EXECUTORS: ReadonlyMap<string, Executor> = new Map<string, Executor>([
  ["insert", executeInsert],
  ["select", executeSelect],
  ["update", executeUpdate],
  ["mutate", executeMutate],
  ["delete", executeDelete],
  ["wait", executeWait],
  ["commit", executeCommit],
  ["abort", executeAbort],
  ["comment", executeComment],
  ["assert", executeAssert],
]);

function executeOne(context: Context, operation: Json, name: () => string): Json {
  if (isObject(operation)) {
    const executor = typeof operation.op === "string" ? EXECUTORS.get(operation.op) : undefined;
    if (executor !== undefined) return executor(context, operation, name);
  }
  const members = new Members(operation, name);
  const op = members.string("op", false, "string");
  if (op !== undefined) members.fail(`No operation "${op}"`);
  members.finish();
  throw new OvsdbError("internal error", `operation ${String(op)} found and not found`);
}

/** The members object of an operation, with "op" read. */
function membersOf(operation: JsonObject, name: () => string): Members {
  const members = new Members(operation, name);
  members.string("op");
  return members;
}

function readTable(context: Context, members: Members): Table | undefined {
  const name = members.string("table");
  if (name === undefined) return undefined;
  return context.database.table(name) ?? members.fail(`No table named ${name}.`);
}

/** After `finish` every required member is there. */
function present<T>(value: T | undefined): T {
  if (value === undefined) throw new OvsdbError("internal error", "required member missing after check");
  return value;
}

function forbidReadOnly(context: Context, operation: string): void {
  if (!context.requester.readOnly) return;
  throw new OvsdbError("not allowed", `${operation} operation not allowed when database server is in read only mode`);
}

/** Gives columns and values of a <row> to `take`. */
function readRow(
  table: TableSchema,
  row: JsonObject,
  resolve: NameResolver,
  take: (column: ColumnSchema, datum: Datum) => void,
): void {
  for (const name in row) {
    const json = row[name];
    if (json === undefined) continue;
    const column = table.column(name);
    if (column === undefined) throw new OvsdbError("unknown column", `No column ${name} in table ${table.name}.`, row);
    take(column, parseDatum(json, column.type, resolve));
  }
}

/** Columns and values of a <row>. */
function parseRow(table: TableSchema, row: JsonObject, resolve: NameResolver): [ColumnSchema, Datum][] {
  const cells: [ColumnSchema, Datum][] = [];
  readRow(table, row, resolve, (column, datum) => cells.push([column, datum]));
  return cells;
}

function executeInsert(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const uuidText = members.string("uuid", true);
  const uuidName = members.string("uuid-name", true, "id");
  const row = members.object("row");
  members.finish();
  const table = present(foundTable);
  const { database, transaction } = context;
  let uuid: Uuid | undefined;
  if (uuidText !== undefined) {
    uuid = parseUuid(uuidText);
    if (uuid === undefined) throw syntaxError("bad uuid", uuidText);
    if (!transaction.isFree(table, uuid)) {
      const details = `This UUID would duplicate a UUID already present within the "${table.name}" table or deleted from this table within the same transaction.`;
      throw new OvsdbError("duplicate uuid", details, uuidText);
    }
  }
  if (uuidName !== undefined) {
    const known = context.symbols.get(uuidName);
    if (known?.inserted === true) {
      throw new OvsdbError("duplicate uuid-name", 'This "uuid-name" appeared on an earlier "insert" operation.', uuidName);
    }
    if (known === undefined) {
      uuid ??= database.random.uuid() as Uuid; // random.uuid gives the form of one
      context.symbols.set(uuidName, { uuid, inserted: true });
    } else {
      uuid ??= known.uuid;
      known.inserted = true;
    }
  }
  uuid ??= database.random.uuid() as Uuid; // as above
  const cells: Datum[] = new Array(table.schema.columns.length);
  readRow(table.schema, present(row), context.resolve, (column, datum) => {
    // `_uuid` and `_version` may be given and are not heeded.
    if (column.index >= 0) cells[column.index] = datum;
  });
  for (const column of table.schema.columns) {
    if (cells[column.index] !== undefined) continue;
    if (column.defaultFault !== undefined) throw column.defaultFault;
    cells[column.index] = column.default;
  }
  forbidReadOnly(context, "insert");
  transaction.insert(table, uuid, cells);
  context.requester.authorize?.({ kind: "insert", table, row: table.slots.get(uuid)!.row!, columns: [] });
  return { uuid: ["uuid", uuid] };
}

function executeSelect(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const where = members.array("where");
  const columnsJson = members.optional("columns", "array");
  members.optional("sort", "array");
  members.finish();
  const table = present(foundTable);
  const clauses = parseWhere(table.schema, present(where), context.resolve);
  const columns = columnsJson === undefined ? table.schema.allColumns : parseColumns(table, columnsJson);
  const rows: Json[] = [];
  const distinct = columns.some((column) => column.name === "_uuid") ? undefined : new Set<string>();
  for (const slot of table.match(clauses)) {
    const cells = cellsOf(slot, columns);
    if (distinct !== undefined) {
      const key = keyOfCells(cells);
      if (distinct.has(key)) continue;
      distinct.add(key);
    }
    const out: { [column: string]: Json } = {};
    for (const [i, column] of columns.entries()) out[column.name] = datumJson(cells[i]!, column.type);
    rows.push(out);
  }
  return { rows };
}

/** What a row that matched has in some columns. */
function cellsOf(slot: Slot, columns: readonly ColumnSchema[]): Datum[] {
  const row = slot.row!;
  return columns.map((column) => row.cell(column));
}

function parseColumns(table: Table, json: Json): ColumnSchema[] {
  return parseColumnNames(json, (column) => table.schema.column(column));
}

function executeUpdate(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const where = members.array("where");
  const row = members.object("row");
  members.finish();
  const table = present(foundTable);
  const cells = parseRow(table.schema, present(row), context.resolve);
  for (const [column] of cells) {
    if (!column.mutable) {
      const details = `Cannot update immutable column ${column.name} in table ${table.name}.`;
      throw new OvsdbError("constraint violation", details, operation);
    }
  }
  const clauses = parseWhere(table.schema, present(where), context.resolve);
  forbidReadOnly(context, "update");
  const slots = table.match(clauses);
  for (const slot of slots) {
    const before = slot.row!;
    context.requester.authorize?.({ kind: "update", table, row: before, columns: cells.map(([column]) => column) });
    let after: Datum[] | undefined;
    for (const [column, datum] of cells) {
      if (equalData(before.cells[column.index]!, datum)) continue;
      after ??= before.cells.slice();
      after[column.index] = datum;
    }
    if (after !== undefined) context.transaction.update(slot, before, after);
  }
  return { count: slots.length };
}

function executeMutate(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const where = members.array("where");
  const mutationsJson = members.array("mutations");
  members.finish();
  const table = present(foundTable);
  const mutations = present(mutationsJson).map((json) => parseMutation(table.schema, json, context.resolve));
  const clauses = parseWhere(table.schema, present(where), context.resolve);
  forbidReadOnly(context, "mutate");
  const slots = table.match(clauses);
  for (const slot of slots) {
    context.requester.authorize?.({ kind: "mutate", table, row: slot.row!, columns: mutations.map(({ column }) => column) });
    mutateRow(context, slot, mutations);
  }
  return { count: slots.length };
}

function mutateRow(context: Context, slot: Slot, mutations: readonly Mutation[]): void {
  const before = slot.row!;
  let after: Datum[] | undefined;
  for (const mutation of mutations) {
    const { index } = mutation.column;
    const cell = (after ?? before.cells)[index]!;
    const result = mutate(cell, mutation);
    if (equalData(cell, result)) continue;
    after ??= before.cells.slice();
    after[index] = result;
  }
  if (after !== undefined) context.transaction.update(slot, before, after);
}

function executeDelete(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const where = members.array("where");
  members.finish();
  const table = present(foundTable);
  const clauses = parseWhere(table.schema, present(where), context.resolve);
  forbidReadOnly(context, "delete");
  const slots = table.match(clauses);
  for (const slot of slots) {
    context.requester.authorize?.({ kind: "delete", table, row: slot.row!, columns: [] });
    context.transaction.delete(slot);
  }
  return { count: slots.length };
}

function executeWait(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const foundTable = readTable(context, members);
  const timeoutJson = members.optional("timeout", "integer");
  const where = members.array("where");
  const columnsJson = members.optional("columns", "array");
  const until = members.string("until");
  const rows = members.array("rows");
  members.finish();
  const table = present(foundTable);
  if (timeoutJson !== undefined && Number(timeoutJson) < 0) throw syntaxError("timeout must be nonnegative", timeoutJson);
  const timeout = timeoutJson === undefined ? undefined : Number(timeoutJson);
  const clauses = parseWhere(table.schema, present(where), context.resolve);
  if (until !== "==" && until !== "!=") throw syntaxError('"until" must be "==" or "!="', until ?? null);
  const columns = columnsJson === undefined ? table.schema.allColumns : parseColumns(table, columnsJson);
  const expected = new Set<string>();
  for (const row of present(rows)) {
    if (!isObject(row)) throw syntaxError("row must be JSON object", row);
    const given = new Map(parseRow(table.schema, row, context.resolve));
    expected.add(keyOfCells(columns.map((column) => given.get(column) ?? column.default)));
  }
  const actual = new Set<string>();
  for (const slot of table.match(clauses)) actual.add(keyOfCells(cellsOf(slot, columns)));
  let equal = actual.size === expected.size;
  if (equal) for (const key of actual) if (!expected.has(key)) equal = false;
  if (equal === (until === "==")) return {};
  if (timeout === 0) throw new OvsdbError("timed out", '"where" clause test failed');
  if (timeout !== undefined && context.elapsed >= timeout) {
    throw new OvsdbError("timed out", `"wait" timed out after ${Math.round(context.elapsed)} ms`);
  }
  throw new Blocked(table, timeout);
}

function executeCommit(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const durable = members.boolean("durable");
  members.finish();
  if (durable === true) {
    forbidReadOnly(context, "commit");
    context.durable = true;
  }
  return {};
}

function executeAbort(_context: Context, operation: JsonObject, name: () => string): Json {
  membersOf(operation, name).finish();
  throw new OvsdbError("aborted", "aborted by request");
}

function executeComment(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const comment = members.string("comment");
  members.finish();
  context.comments.push(present(comment));
  return {};
}

function executeAssert(context: Context, operation: JsonObject, name: () => string): Json {
  const members = membersOf(operation, name);
  const lock = members.string("lock", false, "id");
  members.finish();
  if (lock === undefined || !isId(lock)) throw new OvsdbError("internal error", "lock name missing after check");
  if (!context.requester.holdsLock(lock)) throw new OvsdbError("not owner", `Asserted lock ${lock} not held.`);
  return {};
}

/** Whether results of a transaction have an error, and which. */
export function errorIn(results: readonly Json[]): { readonly error: string; readonly details: string } | undefined {
  for (const result of results) {
    if (!isObject(result) || isArray(result)) continue;
    const { error, details } = result;
    if (typeof error === "string") return { error, details: typeof details === "string" ? details : "" };
  }
  return undefined;
}
