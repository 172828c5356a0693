/** The rows of a replica: tables with indexes, and updates of the three formats applied to them. */
import { WeftError } from "@weft/runtime";
import { isObject, type Json, type JsonObject } from "../jsonrpc/json.ts";
import type { ReplicaIndex, ReplicaTable, RowChange } from "../replica.ts";
import type { ColumnValue, Uuid } from "../value.ts";
import {
  type AnyRow,
  applyDifference,
  type DatabaseModel,
  decode,
  equalValues,
  isUuid,
  isWritten,
  type TableModel,
  ZERO_UUID,
} from "./columns.ts";

interface Bucket {
  readonly rows: Map<Uuid, AnyRow>;
  /** What readers were given last; undefined when the rows have changed since. */
  list: readonly AnyRow[] | undefined;
}

class Index<K> implements ReplicaIndex<K, AnyRow> {
  readonly #keysOf: (row: AnyRow) => Iterable<K>;
  readonly #buckets = new Map<K, Bucket>();

  constructor(keysOf: (row: AnyRow) => Iterable<K>) {
    this.#keysOf = keysOf;
  }

  get(key: K): readonly AnyRow[] {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return NONE;
    bucket.list ??= [...bucket.rows.values()];
    return bucket.list;
  }

  change(before: AnyRow | undefined, after: AnyRow | undefined): void {
    const fresh = new Set(after === undefined ? [] : this.#keysOf(after));
    for (const key of before === undefined ? [] : new Set(this.#keysOf(before))) {
      const bucket = this.#buckets.get(key);
      if (fresh.has(key) || bucket === undefined || before === undefined) continue;
      bucket.rows.delete(before._uuid);
      bucket.list = undefined;
      if (bucket.rows.size === 0) this.#buckets.delete(key);
    }
    if (after === undefined) return;
    for (const key of fresh) {
      const bucket = this.#buckets.get(key);
      if (bucket === undefined) this.#buckets.set(key, { rows: new Map([[after._uuid, after]]), list: undefined });
      else {
        bucket.rows.set(after._uuid, after);
        bucket.list = undefined;
      }
    }
  }
}

const NONE: readonly AnyRow[] = [];

/** A row that is being made. */
export type DraftRow = { _uuid: Uuid } & { [column: string]: ColumnValue };

export class StoreTable implements ReplicaTable<AnyRow> {
  readonly model: TableModel;
  readonly #rows = new Map<Uuid, AnyRow>();
  readonly #indexes = new Map<string, Index<unknown>>();
  readonly #blank: DraftRow = { _uuid: ZERO_UUID };

  constructor(model: TableModel) {
    this.model = model;
    for (const [name, column] of model.columns) this.#blank[name] = column.initial;
  }

  get name(): string {
    return this.model.name;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(uuid: Uuid): AnyRow | undefined {
    return this.#rows.get(uuid);
  }

  rows(): Iterable<AnyRow> {
    return this.#rows.values();
  }

  index<K extends string | number | boolean>(name: string, keysOf: (row: AnyRow) => Iterable<K>): ReplicaIndex<K, AnyRow> {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = new Index<unknown>(keysOf);
      for (const row of this.#rows.values()) index.change(undefined, row);
      this.#indexes.set(name, index);
    }
    return index as ReplicaIndex<K, AnyRow>; // the name stands for one function, and so for one type of key
  }

  /** A row of defaults, to be filled and frozen. Copying one object keeps the rows of a table alike, and so fast and small. */
  blank(uuid: Uuid): DraftRow {
    const row = { ...this.#blank };
    row._uuid = uuid;
    return row;
  }

  /** Puts, replaces or (undefined) removes a row. */
  put(uuid: Uuid, after: AnyRow | undefined): RowChange<AnyRow> | undefined {
    const before = this.#rows.get(uuid);
    if (before === after) return undefined;
    if (after === undefined) this.#rows.delete(uuid);
    else this.#rows.set(uuid, after);
    for (const index of this.#indexes.values()) index.change(before, after);
    const table = this.name;
    if (before === undefined) return { table, uuid, after: after! };
    return after === undefined ? { table, uuid, before } : { table, uuid, before, after };
  }
}

/** The peer sent an update that is not one, or that does not fit what was sent before. */
export class UpdateError extends WeftError {}

export class Store {
  readonly model: DatabaseModel;
  readonly #tables = new Map<string, StoreTable>();
  /**
   * Rows that transactions under way insert. When the server tells of one it is taken as it was written, so that its values
   * are in memory once; not where the server tells of something else.
   */
  readonly expected = new Set<ReadonlyMap<Uuid, AnyRow>>();

  constructor(model: DatabaseModel) {
    this.model = model;
    for (const table of model.tables.values()) this.#tables.set(table.name, new StoreTable(table));
  }

  table(name: string): StoreTable {
    const table = this.#tables.get(name);
    if (table === undefined) {
      throw new WeftError("ovsdb.no-table", `database ${this.model.name} has no table "${name}"`, { blame: "caller" });
    }
    return table;
  }

  tables(): Iterable<StoreTable> {
    return this.#tables.values();
  }

  /** See `Replica.cells`. */
  cells(): number {
    let count = 0;
    for (const table of this.#tables.values()) {
      const columns = [...table.model.columns.keys()];
      for (const row of table.rows()) for (const column of columns) count += cellsOf(row[column]);
    }
    return count;
  }

  /**
   * Applies a <table-updates> (`format` 1) or <table-updates2> (2). Tables and columns that this replica does not know
   * are skipped. Throws {@link UpdateError}; nothing is applied then.
   */
  apply(format: 1 | 2, updates: Json): RowChange<AnyRow>[] {
    if (!isObject(updates)) throw new UpdateError("ovsdb.bad-update", "table updates are not a JSON object");
    const work: [StoreTable, Uuid, AnyRow | undefined][] = [];
    for (const [name, rows] of Object.entries(updates)) {
      const table = this.#tables.get(name);
      if (table === undefined) continue;
      if (!isObject(rows)) throw new UpdateError("ovsdb.bad-update", `update of table ${name} is not a JSON object`);
      for (const [uuid, update] of Object.entries(rows)) {
        if (!isUuid(uuid) || !isObject(update)) {
          throw new UpdateError("ovsdb.bad-update", `bad update of row "${uuid}" of table ${name}`);
        }
        work.push([table, uuid, format === 1 ? this.#after1(table, uuid, update) : this.#after2(table, uuid, update)]);
      }
    }
    const changes: RowChange<AnyRow>[] = [];
    for (const [table, uuid, after] of work) {
      const change = table.put(uuid, after);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  /** Makes the contents those of `updates` (all "initial" or "new" rows): the changes are what differs. */
  replace(format: 1 | 2, updates: Json): RowChange<AnyRow>[] {
    const next = new Store(this.model);
    next.apply(format, updates);
    const changes: RowChange<AnyRow>[] = [];
    const put = (table: StoreTable, uuid: Uuid, after: AnyRow | undefined) => {
      const change = table.put(uuid, after);
      if (change !== undefined) changes.push(change);
    };
    for (const table of this.#tables.values()) {
      const fresh = next.table(table.name);
      for (const { _uuid } of [...table.rows()]) if (fresh.get(_uuid) === undefined) put(table, _uuid, undefined);
      for (const row of fresh.rows()) {
        const before = table.get(row._uuid);
        const same =
          before !== undefined && [...table.model.columns.keys()].every((column) => equalValues(before[column], row[column]));
        if (!same) put(table, row._uuid, row);
      }
    }
    return changes;
  }

  #after1(table: StoreTable, uuid: Uuid, update: JsonObject): AnyRow | undefined {
    const fresh = update.new;
    if (fresh === undefined || fresh === null) return undefined;
    if (!isObject(fresh)) throw new UpdateError("ovsdb.bad-update", `"new" of row ${uuid} is not a row`);
    const before = table.get(uuid);
    return Object.freeze(decodeInto(table, before === undefined ? table.blank(uuid) : { ...before }, fresh));
  }

  #after2(table: StoreTable, uuid: Uuid, update: JsonObject): AnyRow | undefined {
    if ("delete" in update) return undefined;
    const whole = update.initial ?? update.insert;
    if (isObject(whole)) {
      for (const rows of this.expected) {
        const own = rows.get(uuid);
        if (own !== undefined && shows(table, own, whole)) return own;
      }
      return Object.freeze(decodeInto(table, table.blank(uuid), whole));
    }
    const { modify } = update;
    if (!isObject(modify)) throw new UpdateError("ovsdb.bad-update", `bad update of row ${uuid} of table ${table.name}`);
    const before = table.get(uuid);
    if (before === undefined) {
      throw new UpdateError("ovsdb.unknown-row", `modification of row ${uuid} of table ${table.name}, which is not here`);
    }
    const after: { [column: string]: ColumnValue } = { ...before };
    for (const [name, json] of Object.entries(modify)) {
      const column = table.model.columns.get(name);
      if (column !== undefined && json !== undefined) after[name] = applyDifference(column, before[name], json);
    }
    return Object.freeze(after) as AnyRow; // a copy of a row, `_uuid` included
  }
}

/** Fills in the columns of a row on the wire. */
export function decodeInto(table: StoreTable, row: DraftRow, json: JsonObject): DraftRow {
  for (const name in json) {
    const column = table.model.columns.get(name);
    const value = json[name];
    if (column !== undefined && value !== undefined) row[name] = decode(column, value);
  }
  return row;
}

/** Whether a row is what `json`, which leaves out defaults, says. May be false for an equal row that is written differently. */
function shows(table: StoreTable, row: AnyRow, json: JsonObject): boolean {
  for (const column of table.model.columns.values()) {
    const value = json[column.name];
    if (value === undefined ? !equalValues(row[column.name], column.initial) : !isWritten(column, row[column.name], value)) {
      return false;
    }
  }
  return true;
}

function cellsOf(value: ColumnValue): number {
  if (value === undefined) return 0;
  if (value instanceof Map) return 2 * value.size;
  return Array.isArray(value) ? value.length : 1;
}
