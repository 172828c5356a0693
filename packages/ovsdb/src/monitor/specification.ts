/**
 * What a monitor watches: RFC 7047 section 4.1.5 and ovsdb-server(7) sections 4.1.12 to 4.1.16. A specification is shared
 * by all clients that ask for the same, so that a commit is evaluated and serialised once for all of them.
 */
import { type Clause, clauseHolds, parseClause } from "../condition.ts";
import { datumJson, difference, equalData, isDefault } from "../datum.ts";
import { writeDatum } from "../datumBytes.ts";
import type { Database } from "../engine/database.ts";
import type { Row } from "../engine/row.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import { syntaxError } from "../error.ts";
import { isArray, isObject, type Json, stringifyJson } from "../jsonrpc/json.ts";
import { JsonBytes } from "../jsonrpc/jsonBytes.ts";
import { Members } from "../members.ts";
import type { ColumnSchema } from "../model.ts";

/** 1: "monitor", answered with "update"; 2: "monitor_cond", "update2"; 3: "monitor_cond_since", "update3". */
export type MonitorVersion = 1 | 2 | 3;

const INITIAL = 1;
const INSERT = 2;
const DELETE = 4;
const MODIFY = 8;

interface MonitoredColumn {
  readonly column: ColumnSchema;
  /** Bits of what is sent of this column. */
  readonly select: number;
}

/** A row is watched if some clause holds; "all" without any. */
export type MonitorCondition = "all" | readonly Clause[];

export interface MonitoredTable {
  readonly table: Table;
  readonly columns: readonly MonitoredColumn[];
  /** Union of the requests' bits: a request may name no column and still ask for the rows. */
  readonly select: number;
  readonly condition: MonitorCondition;
  /** The JSON from which it was made, for comparing. */
  readonly key: string;
  readonly conditionKey: string;
}

/** What a monitor is told first is written here: there is much of it, and only its text is wanted. */
const initial = new JsonBytes();

export type TableUpdates = { [table: string]: { [uuid: string]: Json } };

export class Specification {
  readonly database: Database;
  readonly version: MonitorVersion;
  readonly tables: ReadonlyMap<Table, MonitoredTable>;
  /** Equal for specifications that mean the same. Version 3 differs from 2 only in the message around the updates. */
  readonly key: string;

  constructor(database: Database, version: MonitorVersion, tables: ReadonlyMap<Table, MonitoredTable>) {
    this.database = database;
    this.version = version;
    this.tables = tables;
    this.key = `${version === 1 ? 1 : 2}${[...tables.values()].map(({ key, conditionKey }) => `${key}${conditionKey}`).join("\n")}`;
  }

  /** The rows there are now, for the reply to the monitor request: the JSON text of <table-updates>. */
  initial(): Uint8Array {
    let separator = "{";
    for (const monitored of this.tables.values()) {
      if ((monitored.select & INITIAL) !== 0 && this.#writeTable(monitored, separator)) separator = ",";
    }
    if (separator === "{") initial.ascii("{");
    initial.ascii("}");
    return initial.take(0);
  }

  /** False if no row is watched. */
  #writeTable({ table, columns, condition }: MonitoredTable, before: string): boolean {
    const kind = this.version === 1 ? '":{"new":{' : '":{"initial":{';
    let any = false;
    for (const row of table.rows()) {
      if (!this.#watches(condition, row)) continue;
      if (!any) initial.ascii(`${before}"${table.name}":{"`);
      else initial.ascii(',"');
      any = true;
      initial.ascii(row.uuid);
      initial.ascii(kind);
      let separator = '"';
      for (const { column, select } of columns) {
        const cell = row.cell(column);
        if ((select & INITIAL) === 0 || (this.version !== 1 && isDefault(cell, column.type))) continue;
        initial.ascii(separator);
        separator = ',"';
        initial.ascii(column.name);
        initial.ascii('":');
        writeDatum(initial, cell, column.type);
      }
      initial.ascii("}}");
    }
    if (any) initial.ascii("}");
    return any;
  }

  /** What a commit means to the watchers; undefined where nothing of it concerns them. */
  updates(deltas: Iterable<RowDelta>): TableUpdates | undefined {
    let updates: TableUpdates | undefined;
    for (const { table, uuid, before, after } of deltas) {
      const monitored = this.tables.get(table);
      if (monitored === undefined) continue;
      const was = before !== undefined && this.#watches(monitored.condition, before) ? before : undefined;
      const is = after !== undefined && this.#watches(monitored.condition, after) ? after : undefined;
      const change = this.#change(monitored, was, is);
      if (change === undefined) continue;
      updates ??= {};
      const rows = (updates[table.name] ??= {});
      rows[uuid] = change;
    }
    return updates;
  }

  /** What a change from another condition to this one's means to the watcher. */
  updatesFrom(old: Specification): TableUpdates | undefined {
    let updates: TableUpdates | undefined;
    for (const monitored of this.tables.values()) {
      const previous = old.tables.get(monitored.table);
      if (previous === undefined || previous.conditionKey === monitored.conditionKey) continue;
      for (const row of monitored.table.rows()) {
        const was = this.#watches(previous.condition, row);
        const is = this.#watches(monitored.condition, row);
        if (was === is) continue;
        const change = this.#change(monitored, was ? row : undefined, is ? row : undefined);
        if (change === undefined) continue;
        updates ??= {};
        const rows = (updates[monitored.table.name] ??= {});
        rows[row.uuid] = change;
      }
    }
    return updates;
  }

  /** The same with other conditions; `json` is <monitor-cond-update-requests>. Throws OvsdbError. */
  withConditions(json: Json): Specification {
    if (!isObject(json)) throw syntaxError("monitor-cond-change-requests must be object");
    const tables = new Map(this.tables);
    for (const [name, requests] of Object.entries(json)) {
      const table = this.database.table(name);
      if (table === undefined) throw syntaxError(`no table named ${name}`);
      const monitored = tables.get(table);
      if (monitored === undefined) throw syntaxError(`no table named ${name} in monitor session`);
      if (!isArray(requests)) throw syntaxError(`table ${name} no monitor-cond-change JSON array`);
      let condition: MonitorCondition = monitored.condition;
      let conditionKey = monitored.conditionKey;
      for (const request of requests) {
        const members = new Members(request, () => `table ${name}`);
        const columns = members.optional("columns", "array");
        const where = members.array("where", true);
        members.finish();
        if (columns !== undefined) throw syntaxError("changing columns is unsupported", request);
        if (where === undefined) continue;
        condition = parseCondition(table, where);
        conditionKey = conditionKeyOf(condition, where);
      }
      tables.set(table, { ...monitored, condition, conditionKey });
    }
    return new Specification(this.database, this.version, tables);
  }

  #watches(condition: MonitorCondition, row: Row): boolean {
    if (condition === "all") return true;
    for (const clause of condition) if (clauseHolds(clause, (column) => row.cell(column))) return true;
    return false;
  }

  #row(monitored: MonitoredTable, row: Row, bit: number): Json {
    const content: { [column: string]: Json } = {};
    for (const { column, select } of monitored.columns) {
      if ((select & bit) === 0) continue;
      const cell = row.cell(column);
      if (this.version === 1 || !isDefault(cell, column.type)) content[column.name] = datumJson(cell, column.type);
    }
    return content;
  }

  #change(monitored: MonitoredTable, before: Row | undefined, after: Row | undefined): Json | undefined {
    const { select } = monitored;
    if (before === undefined) {
      if (after === undefined || (select & INSERT) === 0) return undefined;
      const content = this.#row(monitored, after, INSERT);
      return this.version === 1 ? { new: content } : { insert: content };
    }
    if (after === undefined) {
      if ((select & DELETE) === 0) return undefined;
      return this.version === 1 ? { old: this.#row(monitored, before, DELETE) } : { delete: null };
    }
    if ((select & MODIFY) === 0) return undefined;
    return this.#modification(monitored, before, after);
  }

  #modification(monitored: MonitoredTable, before: Row, after: Row): Json | undefined {
    const changed: { [column: string]: Json } = {};
    let any = false;
    for (const { column, select } of monitored.columns) {
      const was = before.cell(column);
      const is = after.cell(column);
      if (equalData(was, is)) continue;
      any = true;
      if ((select & MODIFY) === 0) continue;
      changed[column.name] =
        this.version === 1 ? datumJson(was, column.type) : datumJson(difference(was, is, column.type), column.type);
    }
    // A change of what the condition reads is told of too, as an empty modification.
    any ||= conditionColumns(monitored).some((column) => !equalData(before.cell(column), after.cell(column)));
    if (!any) return undefined;
    return this.version === 1 ? { old: changed, new: this.#row(monitored, after, MODIFY) } : { modify: changed };
  }
}

function conditionColumns({ condition }: MonitoredTable): ColumnSchema[] {
  if (condition === "all") return [];
  return condition.flatMap((clause) => (typeof clause === "boolean" ? [] : [clause.column]));
}

function parseCondition(table: Table, where: readonly Json[]): MonitorCondition {
  if (where.length === 0) return "all";
  const clauses = where.map((clause) => parseClause(table.schema, clause));
  return clauses.includes(true) ? "all" : clauses.filter((clause) => clause !== false);
}

function conditionKeyOf(condition: MonitorCondition, where: readonly Json[]): string {
  return condition === "all" ? "all" : stringifyJson(where);
}

/** Parses <monitor-requests> or <monitor-cond-requests>. Throws OvsdbError. */
export function parseMonitorRequests(database: Database, version: MonitorVersion, json: Json): Specification {
  if (!isObject(json)) throw syntaxError("monitor-requests must be object", json);
  const tables = new Map<Table, MonitoredTable>();
  for (const [name, value] of Object.entries(json)) {
    const table = database.table(name);
    if (table === undefined) throw syntaxError(`no table named ${name}`);
    // A single request in place of an array of them: ovsdb-server(7) section 4.1.5.
    const requests = isArray(value) ? value : [value ?? null];
    const columns = new Map<ColumnSchema, number>();
    let condition: Json[] | undefined;
    let selects = 0;
    for (const request of requests) {
      const { where, select } = parseRequest(table, version, request, columns);
      selects |= select;
      if (where !== undefined) (condition ??= []).push(...where);
    }
    const monitored = [...columns].map(([column, select]) => ({ column, select }));
    const parsed = parseCondition(table, condition ?? []);
    tables.set(table, {
      table,
      columns: monitored,
      select: selects,
      condition: parsed,
      key: `${name} ${selects} ${monitored.map(({ column, select }) => `${column.name}:${select}`).join(",")} `,
      conditionKey: conditionKeyOf(parsed, condition ?? []),
    });
  }
  return new Specification(database, version, tables);
}

function parseRequest(
  table: Table,
  version: MonitorVersion,
  json: Json,
  columns: Map<ColumnSchema, number>,
): { readonly where: readonly Json[] | undefined; readonly select: number } {
  const members = new Members(json, () => `table ${table.name}`);
  const names = members.array("columns", true);
  const selectJson = members.optional("select", "object");
  const where = version === 1 ? undefined : members.array("where", true);
  members.finish();
  let select = INITIAL | INSERT | DELETE | MODIFY;
  if (selectJson !== undefined) {
    const choices = new Members(selectJson, () => `table ${table.name} select`);
    for (const [name, bit] of [
      ["initial", INITIAL],
      ["insert", INSERT],
      ["delete", DELETE],
      ["modify", MODIFY],
    ] as const) {
      if (choices.boolean(name, true) === false) select &= ~bit;
    }
    choices.finish();
  }
  const add = (column: ColumnSchema, source: Json): void => {
    if (columns.has(column)) throw syntaxError("column name mentioned more than once", source);
    columns.set(column, select);
  };
  if (names === undefined) {
    // Everything but _uuid, which is the key of every row update.
    for (const column of table.schema.allColumns) if (column.name !== "_uuid") add(column, json);
    return { where, select };
  }
  for (const name of names) {
    if (typeof name !== "string") throw syntaxError("array of column names expected", names);
    const column = table.schema.column(name);
    if (column === undefined) throw syntaxError(`${name} is not a valid column name`, names);
    add(column, names);
  }
  return { where, select };
}
