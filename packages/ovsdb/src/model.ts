/** A database schema parsed, checked and linked: RFC 7047 section 3.2, with ovsdb-server(7)'s relaxations. */
import { type ColumnType, columnTypeJson, parseColumnType } from "./columnType.ts";
import { checkAtoms, datumJson, defaultDatum, parseDatum } from "./datum.ts";
import { OvsdbError, syntaxError } from "./error.ts";
import { isArray, type Json, type JsonObject } from "./jsonrpc/json.ts";
import { isId, Members } from "./members.ts";
import type { SchemaJson } from "./schema.ts";
import type { Datum } from "./value.ts";

export class ColumnSchema {
  readonly name: string;
  readonly type: ColumnType;
  readonly mutable: boolean;
  /** Not written to disk. */
  readonly ephemeral: boolean;
  /** Place in a row's cells; `_uuid` and `_version` have none of their own: {@link UUID_INDEX}, {@link VERSION_INDEX}. */
  readonly index: number;
  readonly default: Datum;
  /** Why an insert must give a value: the default does not satisfy the constraints. */
  readonly defaultFault: OvsdbError | undefined;
  readonly strongRef: boolean;
  readonly weakRef: boolean;

  constructor(name: string, type: ColumnType, mutable: boolean, ephemeral: boolean, index: number) {
    this.name = name;
    this.type = type;
    this.weakRef = type.key.refType === "weak" || type.value?.refType === "weak";
    // A weak reference goes away with its row, so that the column cannot be immutable.
    this.mutable = mutable || this.weakRef;
    this.ephemeral = ephemeral;
    this.index = index;
    this.default = defaultDatum(type);
    let fault: OvsdbError | undefined;
    try {
      checkAtoms(this.default, type);
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      fault = error;
    }
    this.defaultFault = fault;
    this.strongRef = type.key.refType === "strong" || type.value?.refType === "strong";
  }

  toJson(): Json {
    return {
      ...(this.ephemeral ? { ephemeral: true } : {}),
      ...(this.mutable ? {} : { mutable: false }),
      type: columnTypeJson(this.type, (datum, base) => datumJson(datum, { key: base, min: 0, max: 2 ** 31 })),
    };
  }
}

export const UUID_INDEX = -1;
export const VERSION_INDEX = -2;

const UUID_TYPE: ColumnType = { key: { type: "uuid" }, min: 1, max: 1 };

export class TableSchema {
  readonly name: string;
  /** In the order of the schema; `_uuid` and `_version` not among them. */
  readonly columns: readonly ColumnSchema[];
  readonly #byName = new Map<string, ColumnSchema>();
  /** `_uuid`, `_version` and all others. */
  readonly allColumns: readonly ColumnSchema[];
  /** Undefined for no limit. */
  readonly maxRows: number | undefined;
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly ColumnSchema[])[];
  readonly strongColumns: readonly ColumnSchema[];
  readonly weakColumns: readonly ColumnSchema[];
  readonly ephemeralColumns: boolean;

  constructor(
    name: string,
    columns: readonly ColumnSchema[],
    options: { readonly maxRows: number | undefined; readonly isRoot: boolean; readonly indexes: readonly (readonly string[])[] },
  ) {
    this.name = name;
    this.columns = columns;
    const uuid = new ColumnSchema("_uuid", UUID_TYPE, false, false, UUID_INDEX);
    const version = new ColumnSchema("_version", UUID_TYPE, false, true, VERSION_INDEX);
    this.allColumns = [uuid, version, ...columns];
    for (const column of this.allColumns) this.#byName.set(column.name, column);
    this.maxRows = options.maxRows;
    this.isRoot = options.isRoot;
    this.indexes = options.indexes.map((names) => names.map((column) => this.column(column)!));
    this.strongColumns = columns.filter((column) => column.strongRef);
    this.weakColumns = columns.filter((column) => column.weakRef);
    this.ephemeralColumns = columns.some((column) => column.ephemeral);
  }

  column(name: string): ColumnSchema | undefined {
    return this.#byName.get(name);
  }

  toJson(printRoot: boolean): Json {
    const columns: { [name: string]: Json } = {};
    for (const column of [...this.columns].sort((a, b) => (a.name < b.name ? -1 : 1))) columns[column.name] = column.toJson();
    return {
      columns,
      ...(this.indexes.length === 0 ? {} : { indexes: this.indexes.map((index) => index.map((column) => column.name)) }),
      ...(printRoot && this.isRoot ? { isRoot: true } : {}),
      ...(this.maxRows === undefined ? {} : { maxRows: this.maxRows }),
    };
  }
}

export class DatabaseSchema {
  readonly name: string;
  /** x.y.z, or "" where the schema has none. */
  readonly version: string;
  /** "" where the schema has none. */
  readonly cksum: string;
  readonly tables: ReadonlyMap<string, TableSchema>;

  constructor(name: string, version: string, cksum: string, tables: ReadonlyMap<string, TableSchema>) {
    this.name = name;
    this.version = version;
    this.cksum = cksum;
    this.tables = tables;
  }

  /** The <database-schema> in the shortest form that means the same, members sorted by name. */
  toJson(): Json {
    const names = [...this.tables.keys()].sort();
    // A schema where no table says isRoot means that all are (RFC 7047 section 3.2).
    const printRoot = names.some((name) => !this.tables.get(name)!.isRoot);
    const tables: { [name: string]: Json } = {};
    for (const name of names) tables[name] = this.tables.get(name)!.toJson(printRoot);
    return {
      ...(this.cksum === "" ? {} : { cksum: this.cksum }),
      name: this.name,
      tables,
      ...(this.version === "" ? {} : { version: this.version }),
    };
  }
}

function checkName(name: string, within: Json): void {
  if (name.startsWith("_")) throw syntaxError('names beginning with "_" are reserved', within);
  if (!isId(name)) throw syntaxError("name must be a valid id", within);
}

function parseColumn(name: string, json: Json, index: number): ColumnSchema {
  const members = new Members(json, () => `schema for column ${name}`);
  const mutable = members.boolean("mutable", true) ?? true;
  const ephemeral = members.boolean("ephemeral", true) ?? false;
  const type = members.required("type", "string", "object");
  members.finish();
  return new ColumnSchema(name, parseColumnType(type ?? null, parseDatum), mutable, ephemeral, index);
}

/** Column names of an index or a request: distinct and existing. Throws OvsdbError. */
export function parseColumnNames(json: Json, find: (name: string) => ColumnSchema | undefined): ColumnSchema[] {
  const expected = "array of distinct column names expected";
  if (!isArray(json)) throw syntaxError(expected, json);
  const columns: ColumnSchema[] = [];
  for (const name of json) {
    if (typeof name !== "string") throw syntaxError(expected, json);
    const column = find(name);
    if (column === undefined) throw syntaxError(`${name} is not a valid column name`, json);
    if (columns.includes(column)) throw syntaxError(expected, json);
    columns.push(column);
  }
  return columns;
}

function parseTable(name: string, json: Json): { readonly table: (isRoot: boolean) => TableSchema; readonly isRoot: boolean } {
  const members = new Members(json, () => `table schema for table ${name}`);
  const columnsJson = members.object("columns");
  const maxRows = members.optional("maxRows", "integer");
  const isRoot = members.boolean("isRoot", true) ?? false;
  const indexesJson = members.array("indexes", true) ?? [];
  members.finish();
  if (maxRows !== undefined && Number(maxRows) < 1) throw syntaxError("maxRows must be at least 1", json);
  const columns: ColumnSchema[] = [];
  for (const [column, columnJson] of Object.entries(columnsJson ?? {})) {
    checkName(column, json);
    columns.push(parseColumn(column, columnJson ?? null, columns.length));
  }
  if (columns.length === 0) throw syntaxError("table must have at least one column", json);
  const indexes: string[][] = [];
  for (const indexJson of indexesJson) {
    const index = parseColumnNames(indexJson, (column) => columns.find((candidate) => candidate.name === column));
    if (index.length === 0) throw syntaxError("index must have at least one column", json);
    for (const column of index) {
      if (column.ephemeral) throw syntaxError(`ephemeral columns (such as ${column.name}) may not be indexed`, json);
    }
    indexes.push(index.map((column) => column.name));
  }
  const limit = maxRows === undefined || Number(maxRows) >= 4294967295 ? undefined : Number(maxRows);
  return { isRoot, table: (root) => new TableSchema(name, columns, { maxRows: limit, isRoot: root, indexes }) };
}

/** Parses a <database-schema>. Throws OvsdbError. */
export function parseSchema(json: Json | SchemaJson): DatabaseSchema {
  const value = json as Json; // a SchemaJson is JSON; it only has no index signature
  const members = new Members(value, () => "database schema");
  const name = members.string("name", false, "id");
  const version = members.string("version", true);
  const cksum = members.string("cksum", true) ?? "";
  // As published schema files have it: a comment for people.
  members.optional("_comment", "string");
  const tablesJson: JsonObject | undefined = members.object("tables");
  members.finish();
  if (version !== undefined && !/^[0-9]+\.[0-9]+\.[0-9]+$/.test(version)) {
    throw syntaxError(`schema version "${version}" not in format x.y.z`, value);
  }
  const parsed: { readonly table: (isRoot: boolean) => TableSchema; readonly isRoot: boolean; readonly name: string }[] = [];
  for (const [table, tableJson] of Object.entries(tablesJson ?? {})) {
    checkName(table, value);
    parsed.push({ name: table, ...parseTable(table, tableJson ?? null) });
  }
  const someRoot = parsed.some((table) => table.isRoot);
  const tables = new Map<string, TableSchema>();
  for (const { name: table, isRoot, table: make } of parsed) tables.set(table, make(isRoot || !someRoot));
  for (const table of tables.values()) {
    for (const column of table.columns) {
      for (const [part, base] of [
        ["key", column.type.key],
        ["value", column.type.value],
      ] as const) {
        if (base?.refTable !== undefined && !tables.has(base.refTable)) {
          throw syntaxError(`column ${column.name} ${part} refers to undefined table ${base.refTable}`);
        }
      }
    }
  }
  return new DatabaseSchema(name ?? "", version ?? "", cksum, tables);
}
