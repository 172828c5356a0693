/**
 * The writes of one transaction, over the rows that a replica shows: what a program reads back while it goes on
 * writing, and the operations (RFC 7047 section 5.2) that make it so on the server.
 */
import { type Random, WeftError } from "@weft/runtime";
import type { Json } from "../jsonrpc/json.ts";
import type { RowHandle } from "../replica.ts";
import type { Atom, ColumnValue, Uuid } from "../value.ts";
import {
  type AnyRow,
  type ColumnModel,
  compareAtoms,
  encode,
  encodeAtom,
  equalValues,
  normalise,
  placeIn,
  toggled,
} from "./columns.ts";
import type { Store, StoreTable } from "./store.ts";

interface Mutation {
  readonly insert: Map<Atom, Atom | undefined>;
  readonly delete: Set<Atom>;
}

/**
 * What the transaction does to one row. Collections are made when something goes into them: nearly all rows of a large
 * transaction are inserts, which need none.
 */
class Pending {
  readonly table: StoreTable;
  readonly uuid: Uuid;
  /** As the replica showed it at the first write; undefined for an insert, or for a row that is not monitored. */
  readonly base: AnyRow | undefined;
  readonly inserted: boolean;
  /** Whether the caller chose the uuid. */
  readonly fixed: boolean;
  deleted = false;
  row: AnyRow;
  /** Columns to be written; of an insert they are those that differ from their defaults. */
  written: Set<string> | undefined = undefined;
  mutated: Map<string, Mutation> | undefined = undefined;
  verified: Set<string> | undefined = undefined;

  constructor(
    table: StoreTable,
    uuid: Uuid,
    kind: { readonly base?: AnyRow | undefined; readonly inserted?: boolean; readonly fixed: boolean; readonly row: AnyRow },
  ) {
    this.table = table;
    this.uuid = uuid;
    this.base = kind.base;
    this.inserted = kind.inserted ?? false;
    this.fixed = kind.fixed;
    this.row = kind.row;
  }

  get changes(): boolean {
    return this.inserted || this.deleted || (this.written?.size ?? 0) > 0 || (this.mutated?.size ?? 0) > 0;
  }
}

/** What of a column the server sends: needed to know whether a write changes anything. */
export type Knowledge = "known" | "unknown" | "absent";

/** What there is to know of operations that were handed out, to read their results. */
export class Operations {
  /** Handle of each inserted row whose uuid the server chooses, and the place of its operation. */
  readonly inserts = new Map<string, number>();
  /** Inserted rows whose uuids are known already, as a replica will show them. */
  readonly rows = new Map<Uuid, AnyRow>();
  /** The place of the select that reads an incremented column. */
  increment: { readonly index: number; readonly table: string; readonly uuid: Uuid; readonly column: string } | undefined;
}

export class Draft {
  readonly #store: Store;
  readonly #random: Random;
  readonly #knows: (table: string, column: string) => Knowledge;
  readonly #pending = new Map<Uuid, Pending>();
  #comments: string[] = [];
  #increment: { readonly pending: Pending; readonly column: string; readonly by: number } | undefined;

  constructor(store: Store, random: Random, knows: (table: string, column: string) => Knowledge) {
    this.#store = store;
    this.#random = random;
    this.#knows = knows;
  }

  reserve(): RowHandle {
    return { rowHandle: this.#random.uuid() };
  }

  insert(table: string, columns: { readonly [column: string]: unknown }, as: Uuid | RowHandle = this.reserve()): RowHandle {
    const store = this.#store.table(table);
    const key = typeof as === "string" ? as : (as.rowHandle as Uuid);
    const row = store.blank(key);
    for (const name in columns) {
      const column = this.#column(store, name);
      if (this.#knows(table, name) !== "absent") row[name] = normalise(column, columns[name]);
    }
    this.#pending.set(key, new Pending(store, key, { inserted: true, fixed: typeof as === "string", row: Object.freeze(row) }));
    return { rowHandle: key };
  }

  update(table: string, uuid: Uuid, columns: { readonly [column: string]: unknown }): void {
    const pending = this.#touch(table, uuid);
    const changed: { [column: string]: ColumnValue } = {};
    for (const [name, given] of Object.entries(columns)) {
      const column = this.#column(pending.table, name);
      const knowledge = this.#knows(table, name);
      if (knowledge === "absent") continue;
      const value = normalise(column, given);
      changed[name] = value;
      if (pending.inserted) continue;
      pending.mutated?.delete(name);
      if (pending.base !== undefined && knowledge === "known" && equalValues(pending.base[name], value)) {
        pending.written?.delete(name);
      } else (pending.written ??= new Set()).add(name);
    }
    pending.row = Object.freeze({ ...pending.row, ...changed });
  }

  delete(table: string, uuid: Uuid): void {
    const pending = this.#touch(table, uuid);
    if (pending.inserted) this.#pending.delete(uuid);
    else {
      pending.deleted = true;
      pending.written = undefined;
      pending.mutated = undefined;
    }
  }

  mutate(
    table: string,
    uuid: Uuid,
    name: string,
    change: { readonly insert?: Iterable<unknown>; readonly delete?: Iterable<unknown> },
  ): void {
    const pending = this.#touch(table, uuid);
    const column = this.#column(pending.table, name);
    const knowledge = this.#knows(table, name);
    if (knowledge === "absent") return;
    const set = normalise.bind(undefined, { ...column, kind: "set", value: undefined });
    const insert =
      change.insert === undefined
        ? []
        : column.kind === "map"
          ? [...(normalise(column, change.insert) as ReadonlyMap<Atom, Atom>)]
          : (set(change.insert) as readonly Atom[]).map((atom) => [atom, undefined] as const);
    const gone = change.delete === undefined ? [] : (set(change.delete) as readonly Atom[]);

    const value = changed(column, pending.row[name], insert, gone);
    if (column.kind === "scalar" || column.kind === "optional" || pending.inserted || pending.written?.has(name)) {
      this.update(table, uuid, { [name]: value });
      return;
    }
    const known = knowledge === "known" && pending.base !== undefined;
    const base = pending.base?.[name];
    const mutated = (pending.mutated ??= new Map());
    const mutation = mutated.get(name) ?? { insert: new Map(), delete: new Set() };
    for (const atom of gone) {
      mutation.insert.delete(atom);
      if (!known || holds(base, atom)) mutation.delete.add(atom);
    }
    for (const [key, to] of insert) {
      const there = holds(base, key);
      if (known && there && (column.kind === "set" || (base as ReadonlyMap<Atom, Atom>).get(key) === to)) {
        mutation.delete.delete(key);
        mutation.insert.delete(key);
      } else {
        // An insert leaves the value of a key that is there: it has to go first.
        if (column.kind === "map" && (!known || there)) mutation.delete.add(key);
        mutation.insert.set(key, to);
      }
    }
    if (mutation.insert.size + mutation.delete.size === 0) mutated.delete(name);
    else mutated.set(name, mutation);
    pending.row = Object.freeze({ ...pending.row, [name]: value });
  }

  increment(table: string, uuid: Uuid, name: string, by: number): void {
    const pending = this.#touch(table, uuid);
    const column = this.#column(pending.table, name);
    if (column.kind !== "scalar" || column.key.type !== "integer" || this.#increment !== undefined) {
      throw new WeftError("ovsdb.bad-increment", `a transaction increments one integer column, not ${table}.${name}`, {
        blame: "caller",
        place: { table, column: name },
      });
    }
    this.#increment = { pending, column: name, by };
    pending.row = Object.freeze({ ...pending.row, [name]: (pending.row[name] as number) + by });
  }

  verify(table: string, uuid: Uuid, columns: readonly string[]): void {
    const pending = this.#touch(table, uuid);
    for (const name of columns) {
      if (name !== "_uuid") this.#column(pending.table, name);
      if (!pending.inserted) (pending.verified ??= new Set()).add(name);
    }
  }

  comment(text: string): void {
    this.#comments.push(text);
  }

  row(table: string, uuid: string): AnyRow | undefined {
    const pending = this.#pending.get(uuid as Uuid);
    if (pending === undefined || pending.table.name !== table) return this.#store.table(table).get(uuid as Uuid);
    return pending.deleted || (pending.base === undefined && !pending.inserted) ? undefined : pending.row;
  }

  *rows(table: string): Iterable<AnyRow> {
    for (const row of this.#store.table(table).rows()) {
      const pending = this.#pending.get(row._uuid);
      if (pending === undefined) yield row;
      else if (!pending.deleted) yield pending.row;
    }
    for (const pending of this.#pending.values()) if (pending.inserted && pending.table.name === table) yield pending.row;
  }

  /** True when there is nothing to send. */
  get empty(): boolean {
    if (this.#increment !== undefined) return false;
    for (const pending of this.#pending.values()) if (pending.changes) return false;
    return true;
  }

  /** Every row that differs from the replica, as it will be. */
  *outcome(): Iterable<{ readonly table: StoreTable; readonly uuid: Uuid; readonly after: AnyRow | undefined }> {
    for (const { table, uuid, deleted, row, base, inserted } of this.#pending.values()) {
      if (deleted || inserted || base !== undefined) yield { table, uuid, after: deleted ? undefined : row };
    }
  }

  /**
   * The operations one by one: of a large transaction, not all are objects at once. `told` has what there is to know of them
   * when the last has been taken.
   */
  *operations(lock: string | undefined, told: Operations): Iterable<Json> {
    let count = 0;
    const counted = (operation: Json): Json => {
      count++;
      return operation;
    };
    if (lock !== undefined) yield counted({ op: "assert", lock });
    for (const pending of this.#pending.values()) {
      const wait = this.#prerequisite(pending);
      if (wait !== undefined) yield counted(wait);
    }
    for (const pending of this.#pending.values()) {
      if (pending.inserted) {
        if (pending.fixed) told.rows.set(pending.uuid, pending.row);
        else told.inserts.set(pending.uuid, count);
        yield counted(this.#insertion(pending));
      } else for (const operation of this.#changes(pending)) yield counted(operation);
    }
    if (this.#increment !== undefined) {
      const { pending, column, by } = this.#increment;
      const where = [["_uuid", "==", this.#uuidJson(pending.uuid)]];
      yield counted({ op: "mutate", table: pending.table.name, where, mutations: [[column, "+=", by]] });
      told.increment = { index: count, table: pending.table.name, uuid: pending.uuid, column };
      yield counted({ op: "select", table: pending.table.name, where, columns: [column] });
    }
    if (this.#comments.length > 0) yield { op: "comment", comment: this.#comments.join("\n") };
  }

  /** What is done to a row that is there. */
  #changes({ table, uuid, deleted, written, mutated, row }: Pending): readonly Json[] {
    const operations: Json[] = [];
    const where = [["_uuid", "==", ["uuid", uuid]]] as const;
    if (deleted) operations.push({ op: "delete", table: table.name, where });
    if (written !== undefined && written.size > 0) {
      const columns: { [column: string]: Json } = {};
      for (const name of written) columns[name] = this.#wire(this.#column(table, name), row[name]);
      operations.push({ op: "update", table: table.name, where, row: columns });
    }
    if (mutated !== undefined && mutated.size > 0) {
      const mutations = [...mutated].flatMap(([name, mutation]) => this.#mutations(this.#column(table, name), mutation));
      operations.push({ op: "mutate", table: table.name, where, mutations });
    }
    return operations;
  }

  #insertion({ table, uuid, fixed, row }: Pending): Json {
    const columns: { [column: string]: Json } = {};
    for (const column of table.model.columns.values()) {
      const value = row[column.name];
      if (!equalValues(value, column.initial)) columns[column.name] = this.#wire(column, value);
    }
    return { op: "insert", table: table.name, ...(fixed ? { uuid } : { "uuid-name": nameOf(uuid) }), row: columns };
  }

  #prerequisite(pending: Pending): Json | undefined {
    const { mutated, verified } = pending;
    if (verified === undefined && (mutated === undefined || mutated.size === 0)) return undefined;
    // A mutation that finds no row would be lost without a word.
    const columns = verified ?? ["_uuid"];
    const row: { [column: string]: Json } = {};
    for (const name of columns) {
      if (name === "_uuid") row[name] = ["uuid", pending.uuid];
      else if (this.#knows(pending.table.name, name) !== "absent" && pending.base !== undefined) {
        row[name] = this.#wire(this.#column(pending.table, name), pending.base[name]);
      }
    }
    return {
      op: "wait",
      table: pending.table.name,
      where: [["_uuid", "==", ["uuid", pending.uuid]]],
      columns: Object.keys(row),
      until: "==",
      rows: [row],
      timeout: 0,
    };
  }

  #mutations(column: ColumnModel, { insert, delete: gone }: Mutation): Json[] {
    const mutations: Json[] = [];
    const atoms = (list: Iterable<Atom>) => ["set", [...list].map((a) => encodeAtom(column.key.type, a, this.#uuidJson))];
    if (gone.size > 0) mutations.push([column.name, "delete", atoms(gone)]);
    if (insert.size > 0) {
      const value = column.kind === "map" ? this.#wire(column, insert as ReadonlyMap<Atom, Atom>) : atoms(insert.keys());
      mutations.push([column.name, "insert", value]);
    }
    return mutations;
  }

  #wire(column: ColumnModel, value: ColumnValue): Json {
    return encode(column, value, this.#uuidJson);
  }

  readonly #uuidJson = (uuid: string): Json => {
    const pending = this.#pending.get(uuid as Uuid);
    return pending?.inserted && !pending.fixed ? ["named-uuid", nameOf(uuid)] : ["uuid", uuid];
  };

  #touch(table: string, uuid: Uuid): Pending {
    const found = this.#pending.get(uuid);
    if (found !== undefined) {
      if (found.deleted || found.table.name !== table) {
        throw new WeftError("ovsdb.deleted-row", `row ${uuid} of table ${table} is deleted in this transaction`, {
          blame: "caller",
          place: { table, row: uuid },
        });
      }
      return found;
    }
    const store = this.#store.table(table);
    const base = store.get(uuid);
    const pending = new Pending(store, uuid, { base, fixed: true, row: base ?? Object.freeze(store.blank(uuid)) });
    this.#pending.set(uuid, pending);
    return pending;
  }

  #column(table: StoreTable, name: string): ColumnModel {
    const column = table.model.columns.get(name);
    if (column !== undefined) return column;
    throw new WeftError("ovsdb.no-column", `table ${table.name} has no column "${name}"`, {
      blame: "caller",
      place: { table: table.name, column: name },
    });
  }
}

function nameOf(uuid: string): string {
  return `row${uuid.replaceAll("-", "_")}`;
}

/** A column's value without what goes and with what comes. */
function changed(
  column: ColumnModel,
  old: ColumnValue,
  insert: readonly (readonly [Atom, Atom | undefined])[],
  gone: readonly Atom[],
): ColumnValue {
  if (column.kind === "set") {
    const inserted = new Set(insert.map(([atom]) => atom));
    const leave = gone.filter((atom) => holds(old, atom) && !inserted.has(atom));
    return toggled((old ?? []) as readonly Atom[], [...leave, ...[...inserted].filter((atom) => !holds(old, atom))]);
  }
  const held = new Map<Atom, Atom | undefined>(
    column.kind === "map" ? (old as ReadonlyMap<Atom, Atom> | undefined) : old === undefined ? [] : [[old as Atom, undefined]],
  );
  for (const atom of gone) held.delete(atom);
  for (const [key, value] of insert) held.set(key, value);
  const keys = [...held.keys()].sort(compareAtoms);
  return column.kind === "map" ? new Map(keys.map((key) => [key, held.get(key) as Atom])) : keys.at(-1);
}

/** Whether a set has an atom, or a map a key. */
function holds(value: ColumnValue, atom: Atom): boolean {
  if (value instanceof Map) return value.has(atom);
  return Array.isArray(value) && value[placeIn(value, atom)] === atom;
}
