/**
 * A replica without a server, for tests and tools: its rows are what was put into it, its transactions are applied on the
 * spot. Weak references vanish with their rows and rows that nothing refers to any more are removed, as a server would
 * do; constraints (ranges, unique indexes) are not checked.
 */
import { type Random, seededRandom } from "@weft/runtime";
import type { JsonObject } from "../jsonrpc/json.ts";
import type { ChangeSet, Columns, Condition, Replica, RowChange, Transaction, TransactionResult } from "../replica.ts";
import type { SchemaJson, TableName } from "../schema.ts";
import type { Uuid } from "../value.ts";
import { type AnyRow, databaseModel } from "./columns.ts";
import { Draft, Operations } from "./draft.ts";
import { clean, mayLoseReferences, type Touched } from "./integrity.ts";
import { decodeInto, Store, type StoreTable } from "./store.ts";
import { transactionOver } from "./transaction.ts";

export interface MemoryReplica<S extends SchemaJson> extends Replica<S> {
  /** Inserts a row at once; listeners are told. Returns its uuid. */
  insert<T extends TableName<S>>(table: T, columns: Columns<S, T>, uuid?: Uuid): Uuid;
  /** Changes a row at once. */
  update<T extends TableName<S>>(table: T, uuid: Uuid, columns: Columns<S, T>): void;
  /** Deletes a row at once. */
  delete<T extends TableName<S>>(table: T, uuid: Uuid): void;
  /** Several writes as one change set, applied at once. Returns what `write` returns. */
  edit<R>(write: (transaction: Omit<Transaction<S>, "commit">) => R): R;
  /** Puts rows in wire form (RFC 7047 section 5.1), by table and uuid; null deletes. One change set. */
  apply(tables: { readonly [table: string]: { readonly [uuid: string]: JsonObject | null } }): void;
  /** Makes the next commit of a transaction end so, in place of being applied. */
  failNext(result: TransactionResult): void;
}

export interface MemoryOptions {
  /** Where uuids come from; by default a generator that starts the same every time. */
  readonly random?: Random;
  /** False: neither weak references nor unreferenced rows are cleaned up (faster for large contents). */
  readonly integrity?: boolean;
}

export function memoryReplica<S extends SchemaJson>(schema: S, options: MemoryOptions = {}): MemoryReplica<S> {
  const random = options.random ?? seededRandom(1);
  const store = new Store(databaseModel(schema));
  const integrity = options.integrity ?? true;
  const listeners = new Set<(change: ChangeSet) => void>();
  let closed = false;
  let lock: string | undefined;
  let failure: TransactionResult | undefined;

  const commit = (draft: Draft): void => {
    const before = new Map<string, { readonly table: StoreTable; readonly row: AnyRow | undefined }>();
    const put = (table: StoreTable, uuid: Uuid, after: AnyRow | undefined) => {
      if (!before.has(uuid)) before.set(uuid, { table, row: table.get(uuid) });
      table.put(uuid, after);
    };
    for (const { table, uuid, after } of draft.outcome()) put(table, uuid, after);
    if (integrity && mayLoseReferences(before)) clean(store, put);
    notify(before);
  };
  const notify = (before: Touched): void => {
    const changes: RowChange<AnyRow>[] = [];
    for (const [uuid, { table, row }] of before) {
      const after = table.get(uuid as Uuid);
      if (row === after) continue;
      changes.push({
        table: table.name,
        uuid: uuid as Uuid,
        ...(row === undefined ? {} : { before: row }),
        ...(after === undefined ? {} : { after }),
      });
    }
    if (changes.length > 0) for (const listener of [...listeners]) listener({ changes, reset: false });
  };
  const draft = () => new Draft(store, random, () => "known");
  const writing = (): { readonly draft: Draft; readonly transaction: Transaction<S> } => {
    const opened = draft();
    const finish = async (): Promise<TransactionResult> => {
      const given = failure;
      failure = undefined;
      if (given !== undefined) return given;
      if (closed) return { status: "try-again" };
      if (opened.empty) return { status: "unchanged", inserted: new Map() };
      const told = new Operations();
      // Each is made, as it would be for a server.
      for (const _operation of opened.operations(lock, told));
      const { inserts, increment } = told;
      const value =
        increment === undefined ? undefined : (opened.row(increment.table, increment.uuid)?.[increment.column] as number);
      commit(opened);
      const inserted = new Map([...inserts.keys()].map((handle) => [handle, handle as Uuid]));
      return { status: "success", inserted, ...(value === undefined ? {} : { increment: value }) };
    };
    return { draft: opened, transaction: transactionOver<S>(opened, finish) };
  };
  const edit = <R>(write: (transaction: Omit<Transaction<S>, "commit">) => R): R => {
    const { draft: opened, transaction } = writing();
    const result = write(transaction);
    commit(opened);
    return result;
  };

  return {
    schema,
    get state() {
      return closed ? "closed" : "synced";
    },
    table: (name) => store.table(name) as never, // rows are made from the same schema that RowOf reads
    ready: async () => {},
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onState: () => () => {},
    transaction: () => writing().transaction,
    capacity: (table, column) => store.model.tables.get(table)?.columns.get(column)?.max ?? 0,
    setCondition: <T extends TableName<S>>(_table: T, _clauses: readonly Condition[] | boolean) => {},
    conditionsApplied: async () => {},
    setLock(name) {
      lock = name;
    },
    get hasLock() {
      return lock !== undefined;
    },
    onLock: () => () => {},
    close: async () => {
      closed = true;
    },
    insert: (table, columns, uuid) => edit((transaction) => transaction.insert(table, columns, uuid)).rowHandle as Uuid,
    update: (table, uuid, columns) => edit((transaction) => transaction.update(table, uuid, columns)),
    delete: (table, uuid) => edit((transaction) => transaction.delete(table, uuid)),
    edit,
    apply(tables) {
      const before = new Map<string, { readonly table: StoreTable; readonly row: AnyRow | undefined }>();
      for (const [name, rows] of Object.entries(tables)) {
        const table = store.table(name);
        for (const [uuid, json] of Object.entries(rows) as [Uuid, JsonObject | null][]) {
          before.set(uuid, { table, row: table.get(uuid) });
          table.put(uuid, json === null ? undefined : Object.freeze(decodeInto(table, table.blank(uuid), json)));
        }
      }
      notify(before);
    },
    failNext(result) {
      failure = result;
    },
  };
}
