/** The commands that work on every table (ovs-vsctl(8) "Database Commands"). */
import {
  type AnyRow,
  type Atom,
  type ColumnModel,
  type ColumnValue,
  compareAtoms,
  isUuid,
  type SchemaJson,
  type TableModel,
  type Transaction,
  type Uuid,
} from "@weft/ovsdb";
import { formatAtom, formatValue } from "../datum.ts";
import type { Cell } from "../table.ts";
import type { Call, Command, Prepared } from "./command.ts";
import { matches } from "./compare.ts";
import { fail } from "./error.ts";
import { findColumn, findRow, findTable, needRow, tablesFor } from "./lookup.ts";
import { parseAssignment, parseAtom, parseValue, type Symbols, takeColumn } from "./value.ts";

type AnyCommand = Command<SchemaJson>;
type AnyCall = Call<SchemaJson>;

const GROUP = "Database commands";
const UUID_COLUMN: ColumnModel = {
  name: "_uuid",
  kind: "scalar",
  key: { type: "uuid" },
  value: undefined,
  min: 1,
  max: 1,
  mutable: false,
  ephemeral: false,
  initial: "",
};

function tableOf(call: Prepared<SchemaJson>): TableModel {
  return findTable(call.database, call.args[0]!);
}

function symbolsFor(call: AnyCall, column?: ColumnModel): Symbols {
  return (name) => {
    const symbol = symbolOf(call, name);
    if (column?.key.refType === "strong" || column?.value?.refType === "strong") symbol.strong = true;
    else if (column?.key.refType === "weak" || column?.value?.refType === "weak") symbol.weak = true;
    return symbol.handle.rowHandle;
  };
}

function symbolOf(call: AnyCall, name: string) {
  const { symbols } = call.session;
  let symbol = symbols.get(name);
  if (symbol === undefined) {
    symbol = { handle: call.db.reserve(), created: false, strong: false, weak: false };
    symbols.set(name, symbol);
  }
  return symbol;
}

/** A column to read: also `_uuid`. */
function readable(table: TableModel, name: string): ColumnModel {
  return name === "_uuid" ? UUID_COLUMN : findColumn(table, name);
}

function listedColumns(call: Prepared<SchemaJson>, table: TableModel): readonly ColumnModel[] {
  const given = call.options.get("columns");
  if (given === undefined) {
    return [UUID_COLUMN, ...[...table.columns.values()].sort((a, b) => (a.name < b.name ? -1 : 1))];
  }
  const names = given.split(/[, ]+/).filter((name) => name !== "");
  if (names.length === 0) fail("must specify at least one column name");
  return names.map((name) => readable(table, name));
}

function showRows(call: AnyCall, table: TableModel, rows: readonly AnyRow[]): void {
  const columns = listedColumns(call, table);
  call.show({
    headings: columns.map(({ name }) => name),
    rows: rows.map((row) => columns.map((column): Cell => ({ column, value: row[column.name] }))),
  });
}

/** The row that argument 1 names; undefined only with --if-exists. */
function recordOf(call: AnyCall, table: TableModel, record = call.arg(1)): AnyRow | undefined {
  const rows = rowsOf(call.db);
  return call.has("if-exists") ? findRow(table, call.rules, record, rows) : needRow(table, call.rules, record, rows);
}

function rowsOf(db: Transaction<SchemaJson>) {
  return {
    rows: (table: string) => db.rows(table) as Iterable<AnyRow>, // the same rows, their columns known at run time only
    row: (table: string, uuid: Uuid) => db.row(table, uuid) as AnyRow | undefined,
  };
}

function requireMutable(table: TableModel, column: ColumnModel): void {
  if (!column.mutable) fail(`cannot modify read-only column ${column.name} in table ${table.name}`);
}

function checkCount(operation: string, table: TableModel, column: ColumnModel, count: number): void {
  const where = `"${operation}" operation would put ${count} values in column ${column.name} of table ${table.name}`;
  if (count < column.min) fail(`${where} but the minimum number is ${column.min}`);
  if (count > column.max) fail(`${where} but the maximum number is ${column.max}`);
}

/** The atoms or pairs that a value holds. */
export function elementsOf(column: ColumnModel, value: ColumnValue): Map<Atom, Atom | undefined> {
  if (column.kind === "map") return new Map(value as ReadonlyMap<Atom, Atom>);
  if (column.kind === "set") return new Map((value as readonly Atom[]).map((atom) => [atom, undefined]));
  return new Map(value === undefined ? [] : [[value as Atom, undefined]]);
}

function fromElements(column: ColumnModel, elements: Map<Atom, Atom | undefined>): ColumnValue {
  if (column.kind === "map") return elements as Map<Atom, Atom>; // a map's elements have values
  if (column.kind === "set") return [...elements.keys()].sort(compareAtoms);
  return [...elements.keys()][0];
}

/** The new value of a column after `column[:key]=value`. */
function assign(call: AnyCall, table: TableModel, before: ColumnValue, argument: string): readonly [ColumnModel, ColumnValue] {
  const { column, key, value } = parseAssignment(table, argument);
  if (key === undefined) return [column, parseValue(column, value, symbolsFor(call, column))];
  if (column.kind !== "map" || column.value === undefined)
    return fail(`cannot specify key to set for non-map column ${column.name}`);
  const after = new Map(before as ReadonlyMap<Atom, Atom>);
  after.set(parseAtom(column.key, key, symbolsFor(call, column)), parseAtom(column.value, value, symbolsFor(call, column)));
  return [column, after];
}

function prepareRecord(call: Prepared<SchemaJson>): readonly string[] {
  return tablesFor(tableOf(call).name, call.rules);
}

const prepareColumns =
  (columnOf: (table: TableModel, argument: string) => unknown, from: number, to = Number.POSITIVE_INFINITY) =>
  (call: Prepared<SchemaJson>): readonly string[] => {
    const table = tableOf(call);
    for (const argument of call.args.slice(from, to)) columnOf(table, argument);
    return tablesFor(table.name, call.rules);
  };

const list: AnyCommand = {
  name: "list",
  usage: "TABLE [RECORD]...",
  min: 1,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists --columns=",
  group: GROUP,
  help: "print all rows, or those named",
  prepare(call) {
    listedColumns(call, tableOf(call));
    return prepareRecord(call);
  },
  run(call) {
    const table = tableOf(call);
    const named = call.args.slice(1);
    const rows =
      named.length === 0 ? [...rowsOf(call.db).rows(table.name)] : named.map((record) => recordOf(call, table, record));
    showRows(
      call,
      table,
      rows.filter((row) => row !== undefined),
    );
  },
};

const find: AnyCommand = {
  name: "find",
  usage: "TABLE [COLUMN[:KEY]=VALUE]...",
  min: 1,
  max: Number.POSITIVE_INFINITY,
  options: "--columns=",
  group: GROUP,
  help: "print the rows that satisfy all conditions",
  prepare(call) {
    const table = tableOf(call);
    listedColumns(call, table);
    for (const argument of call.args.slice(1)) takeColumn(table, argument);
    return tablesFor(table.name, call.rules);
  },
  run(call) {
    const table = tableOf(call);
    const rows = [...rowsOf(call.db).rows(table.name)];
    showRows(
      call,
      table,
      rows.filter((row) => call.args.slice(1).every((condition) => matches(table, row, condition, symbolsFor(call)))),
    );
  },
};

const get: AnyCommand = {
  name: "get",
  usage: "TABLE RECORD [COLUMN[:KEY]]...",
  min: 2,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists --id=",
  group: GROUP,
  help: "print values of a row",
  prepare: prepareColumns((table, argument) => argument === "_uuid" || takeColumn(table, argument), 2),
  run(call) {
    const table = tableOf(call);
    const id = call.option("id");
    if (id !== undefined && call.has("if-exists")) fail("--if-exists and --id may not be specified together");
    const row = recordOf(call, table);
    if (row === undefined) return;
    if (id !== undefined) declare(call, id, row._uuid, true);
    for (const argument of call.args.slice(2)) {
      if (argument === "_uuid") {
        call.print(`${row._uuid}\n`);
        continue;
      }
      const [column, key, rest] = takeColumn(table, argument);
      if (rest !== "") fail(`${argument}: trailing garbage "${rest}" in argument`);
      if (key === undefined) {
        call.print(`${formatValue(column, row[column.name])}\n`);
        continue;
      }
      if (column.kind !== "map" || column.value === undefined)
        return fail(`cannot specify key to get for non-map column ${column.name}`);
      const map = row[column.name] as ReadonlyMap<Atom, Atom>;
      const value = map.get(parseAtom(column.key, key, symbolsFor(call)));
      if (value !== undefined) call.print(`${formatAtom(column.value.type, value)}\n`);
      else if (call.has("if-exists")) call.print("\n");
      else fail(`no key "${key}" in ${table.name} record "${call.arg(1)}" column ${column.name}`);
    }
  },
};

const set: AnyCommand = {
  name: "set",
  usage: "TABLE RECORD COLUMN[:KEY]=VALUE...",
  min: 3,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists",
  group: GROUP,
  help: "set columns of a row",
  prepare: prepareColumns((table, argument) => parseAssignment(table, argument), 2),
  run(call) {
    const table = tableOf(call);
    const row = recordOf(call, table);
    if (row === undefined) return;
    for (const argument of call.args.slice(2)) setColumn(call, table, row._uuid, argument);
  },
};

/** Sets `column[:key]=value` of a row; also for commands that take such arguments. */
export function setColumn(call: AnyCall, table: TableModel, uuid: Uuid, argument: string): void {
  const row = call.db.row(table.name, uuid) as AnyRow | undefined;
  const { column: named } = parseAssignment(table, argument);
  requireMutable(table, named);
  const [column, value] = assign(call, table, row?.[named.name], argument);
  call.db.update(table.name, uuid, { [column.name]: value as never });
}

const add: AnyCommand = {
  name: "add",
  usage: "TABLE RECORD COLUMN [KEY=]VALUE...",
  min: 4,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists",
  group: GROUP,
  help: "add values or pairs to a column of a row",
  prepare: prepareColumns(findColumn, 2, 3),
  run(call) {
    const table = tableOf(call);
    const column = findColumn(table, call.arg(2));
    const row = recordOf(call, table);
    if (row === undefined) return;
    requireMutable(table, column);
    const before = elementsOf(column, row[column.name]);
    const after = new Map(before);
    const any: ColumnModel = { ...column, kind: column.kind === "map" ? "map" : "set", min: 1, max: Number.POSITIVE_INFINITY };
    for (const argument of call.args.slice(3)) {
      for (const [key, value] of elementsOf(any, parseValue(any, argument, symbolsFor(call, column)))) {
        if (!after.has(key)) after.set(key, value);
      }
    }
    checkCount("add", table, column, after.size);
    const insert = [...after].filter(([key]) => !before.has(key));
    write(call, table, row._uuid, column, after, { insert: column.kind === "map" ? insert : insert.map(([key]) => key) });
  },
};

/** A set or map is changed by what comes and goes, so that others may change it too; anything else is written. */
function write(
  call: AnyCall,
  table: TableModel,
  uuid: Uuid,
  column: ColumnModel,
  after: Map<Atom, Atom | undefined>,
  change: { readonly insert?: Iterable<unknown>; readonly delete?: Iterable<unknown> },
): void {
  if (column.kind === "set" || column.kind === "map") call.db.mutate(table.name, uuid, column.name, change);
  else call.db.update(table.name, uuid, { [column.name]: fromElements(column, after) as never });
}

const remove: AnyCommand = {
  name: "remove",
  usage: "TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...",
  min: 4,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists",
  group: GROUP,
  help: "remove values, keys or pairs from a column of a row",
  prepare: prepareColumns(findColumn, 2, 3),
  run(call) {
    const table = tableOf(call);
    const column = findColumn(table, call.arg(2));
    const row = recordOf(call, table);
    if (row === undefined) return;
    requireMutable(table, column);
    const before = elementsOf(column, row[column.name]);
    const after = new Map(before);
    for (const argument of call.args.slice(3)) {
      for (const [key, value] of removals(call, column, argument)) {
        if (value === undefined || after.get(key) === value) after.delete(key);
      }
    }
    checkCount("remove", table, column, after.size);
    write(call, table, row._uuid, column, after, { delete: [...before.keys()].filter((key) => !after.has(key)) });
  },
};

/** Pairs of a map where the text reads as such, keys or values otherwise. */
function removals(call: AnyCall, column: ColumnModel, argument: string): Map<Atom, Atom | undefined> {
  const any: ColumnModel = { ...column, kind: column.kind === "map" ? "map" : "set", min: 1, max: Number.POSITIVE_INFINITY };
  if (column.kind === "map") {
    try {
      return elementsOf(any, parseValue(any, argument, symbolsFor(call)));
    } catch {
      // Not pairs: keys, and what is wrong with them counts.
    }
  }
  const keys: ColumnModel = { ...any, kind: "set", value: undefined };
  return elementsOf(keys, parseValue(keys, argument, symbolsFor(call)));
}

const clear: AnyCommand = {
  name: "clear",
  usage: "TABLE RECORD COLUMN...",
  min: 3,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists",
  group: GROUP,
  help: "empty columns of a row",
  prepare: prepareColumns(findColumn, 2),
  run(call) {
    const table = tableOf(call);
    const row = recordOf(call, table);
    if (row === undefined) return;
    for (const name of call.args.slice(2)) {
      const column = findColumn(table, name);
      requireMutable(table, column);
      if (column.min > 0) {
        fail(
          `"clear" operation cannot be applied to column ${column.name} of table ${table.name}, which is not allowed to be empty`,
        );
      }
      call.db.update(table.name, row._uuid, { [column.name]: column.initial as never });
    }
  },
};

const create: AnyCommand = {
  name: "create",
  usage: "TABLE COLUMN[:KEY]=VALUE...",
  min: 2,
  max: Number.POSITIVE_INFINITY,
  options: "--id=",
  group: GROUP,
  help: "insert a row and print its uuid",
  prepare: (call) => {
    const table = tableOf(call);
    for (const argument of call.args.slice(1)) parseAssignment(table, argument);
    return tablesFor(table.name, call.rules);
  },
  run(call) {
    const table = tableOf(call);
    const id = call.option("id");
    const fixed = id !== undefined && isUuid(id) ? (id.toLowerCase() as Uuid) : undefined;
    if (id === undefined && !table.isRoot) {
      call.warn("db_ctl_base", `applying "create" command to table ${table.name} without --id option will have no effect`);
    }
    const as = fixed ?? (id === undefined ? undefined : declare(call, id, undefined, table.isRoot));
    const handle = call.db.insert(table.name, {}, as);
    for (const argument of call.args.slice(1)) {
      const uuid = handle.rowHandle as Uuid; // the transaction knows the row by it
      const before = (call.db.row(table.name, uuid) as AnyRow | undefined) ?? fail("row vanished");
      const { column: named } = parseAssignment(table, argument);
      const [column, value] = assign(call, table, before[named.name], argument);
      call.db.update(table.name, uuid, { [column.name]: value as never });
    }
    call.kept = handle;
    call.print(`${handle.rowHandle}\n`);
  },
  after(call, result) {
    if (result.status !== "success") return;
    const { rowHandle } = call.kept as { readonly rowHandle: string };
    const uuid = result.inserted.get(rowHandle);
    if (uuid !== undefined) call.reprint(`${uuid}\n`);
  },
};

/** Gives a row the name of --id. */
function declare(call: AnyCall, id: string, uuid: Uuid | undefined, kept: boolean) {
  if (!id.startsWith("@")) fail(`row id "${id}" does not begin with "@"`);
  const symbol = symbolOf(call, id);
  if (symbol.created) fail(`row id "${id}" may only be specified on one --id option`);
  symbol.created = true;
  // What is root, or there already, needs no reference to stay.
  if (kept) symbol.strong = true;
  if (uuid !== undefined) symbol.handle = { rowHandle: uuid };
  return symbol.handle;
}

const destroy: AnyCommand = {
  name: "destroy",
  usage: "TABLE [RECORD]...",
  min: 1,
  max: Number.POSITIVE_INFINITY,
  options: "--if-exists --all",
  group: GROUP,
  help: "delete rows",
  prepare: prepareRecord,
  run(call) {
    const table = tableOf(call);
    const named = call.args.slice(1);
    if (call.has("all") && named.length > 0) fail("--all and records argument should not be specified together");
    if (call.has("all") && call.has("if-exists")) fail("--all and --if-exists should not be specified together");
    if (!call.has("all") && named.length === 0) call.warn("db_ctl_base", "either --all or records argument should be specified");
    const rows = call.has("all") ? [...rowsOf(call.db).rows(table.name)] : undefined;
    for (const row of rows ?? []) call.db.delete(table.name, row._uuid);
    for (const record of named) {
      const row = recordOf(call, table, record);
      if (row !== undefined) call.db.delete(table.name, row._uuid);
    }
  },
};

const waitUntil: AnyCommand = {
  name: "wait-until",
  usage: "TABLE RECORD [COLUMN[:KEY]=VALUE]...",
  min: 2,
  max: Number.POSITIVE_INFINITY,
  group: GROUP,
  help: "wait until a row is there and satisfies all conditions",
  prepare: prepareColumns(takeColumn, 2),
  run(call) {
    const table = tableOf(call);
    const row = findRow(table, call.rules, call.arg(1), rowsOf(call.db));
    const holds = row !== undefined && call.args.slice(2).every((condition) => matches(table, row, condition, symbolsFor(call)));
    if (!holds) call.session.tryAgain = true;
  },
};

const comment: AnyCommand = {
  name: "comment",
  usage: "[ARG]...",
  min: 0,
  max: Number.POSITIVE_INFINITY,
  group: GROUP,
  help: "do nothing; the arguments stand in the database's log",
  run() {},
};

export const databaseCommands: readonly AnyCommand[] = [
  comment,
  get,
  list,
  find,
  set,
  add,
  remove,
  clear,
  create,
  destroy,
  waitUntil,
];
