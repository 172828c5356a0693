/**
 * The client's copy of a database: typed tables that follow the server (ovsdb-server(7) monitor_cond_since), indexes,
 * change sets, and transactions. This file is the interface that programs are written against; `createReplica`
 * (client/) is the one over a connection, `memoryReplica` the one for tests.
 */
import type { Json } from "./jsonrpc/json.ts";
import type { RowOf, SchemaJson, TableName, ValueOf } from "./schema.ts";
import type { Uuid } from "./value.ts";

export interface ReplicaTable<R extends { readonly _uuid: Uuid }> {
  readonly name: string;
  readonly size: number;
  get(uuid: Uuid): R | undefined;
  /** All rows, in the order of their arrival. */
  rows(): Iterable<R>;
  /** An index kept up to date from the first call on; keys are compared with `===`. A row may stand under several keys. */
  index<K extends string | number | boolean>(name: string, keysOf: (row: R) => Iterable<K>): ReplicaIndex<K, R>;
}

export interface ReplicaIndex<K, R> {
  get(key: K): readonly R[];
}

/** One row's change. `before` is absent for an insert, `after` for a delete. */
export interface RowChange<R = unknown> {
  readonly table: string;
  readonly uuid: Uuid;
  readonly before?: R;
  readonly after?: R;
}

/** Everything that one update message changed, applied to the tables before listeners hear of it. */
export interface ChangeSet {
  readonly changes: readonly RowChange[];
  /** True when the replica was (re)filled as a whole: the first contents, or a reconnect without fast resync. */
  readonly reset: boolean;
}

/** A column's value to write, in the form in which rows are read; a set also from any iterable. */
export type Writable<V> = V extends readonly (infer E)[]
  ? Iterable<E | RowHandle>
  : V extends ReadonlyMap<infer K, infer W>
    ? Iterable<readonly [K, W | RowHandle]>
    : V | RowHandle;

/**
 * A row inserted in a transaction that has not been committed: stands for its uuid wherever a uuid is written. Its
 * `rowHandle` is a provisional uuid, under which the transaction itself knows the row.
 */
export interface RowHandle {
  readonly rowHandle: string;
}

export type Columns<S extends SchemaJson, T extends TableName<S>> = {
  readonly [C in keyof S["tables"][T]["columns"]]?: Writable<ValueOf<S["tables"][T]["columns"][C]["type"]>>;
};

export type TransactionResult =
  | {
      readonly status: "success" | "unchanged";
      /** The uuids of inserted rows, by their handles; not of those whose uuids the caller chose. */
      readonly inserted: ReadonlyMap<string, Uuid>;
      /** The value that an incremented column has now. */
      readonly increment?: number;
    }
  /** A prerequisite (wait, assert) did not hold: try again after the replica has caught up. */
  | { readonly status: "try-again" }
  | { readonly status: "not-locked" }
  | { readonly status: "error"; readonly error: string; readonly details?: string; readonly json?: Json };

/** Writes collected and sent as one OVSDB transaction. Writes of one row are merged; writes of what is there already are dropped. */
export interface Transaction<S extends SchemaJson> {
  /** `as`: the row's uuid, or a handle that {@link Transaction.reserve} gave. */
  insert<T extends TableName<S>>(table: T, columns: Columns<S, T>, as?: Uuid | RowHandle): RowHandle;
  /** A handle to refer to a row before it is inserted. */
  reserve(): RowHandle;
  update<T extends TableName<S>>(table: T, uuid: Uuid, columns: Columns<S, T>): void;
  delete<T extends TableName<S>>(table: T, uuid: Uuid): void;
  /** Adds to and removes from a set or map column without writing the rest of it. */
  mutate<T extends TableName<S>>(
    table: T,
    uuid: Uuid,
    column: keyof S["tables"][T]["columns"] & string,
    change: { readonly insert?: Iterable<unknown>; readonly delete?: Iterable<unknown> },
  ): void;
  /** Adds to an integer column on the server; the new value is in the result under `increment`. */
  increment<T extends TableName<S>>(table: T, uuid: Uuid, column: keyof S["tables"][T]["columns"] & string, by: number): void;
  /** The transaction fails with "try-again" unless these columns still have the values that the replica shows. */
  verify<T extends TableName<S>>(table: T, uuid: Uuid, columns: readonly (keyof S["tables"][T]["columns"] & string)[]): void;
  comment(text: string): void;
  /** The row as it will be after this transaction; also one that it inserts. Undefined when deleted or not there. */
  row<T extends TableName<S>>(table: T, uuid: Uuid | RowHandle): RowOf<S, T> | undefined;
  /** The table as it will be after this transaction, for which an inserted row has a provisional uuid (its handle's). */
  rows<T extends TableName<S>>(table: T): Iterable<RowOf<S, T>>;
  readonly empty: boolean;
  commit(): Promise<TransactionResult>;
}

export type ReplicaState = "connecting" | "filling" | "synced" | "closed";

export interface Replica<S extends SchemaJson> {
  readonly schema: S;
  readonly state: ReplicaState;
  table<T extends TableName<S>>(name: T): ReplicaTable<RowOf<S, T>>;
  /** Resolves when the first contents are there. */
  ready(): Promise<void>;
  onChange(listener: (change: ChangeSet) => void): () => void;
  onState(listener: (state: ReplicaState) => void): () => void;
  transaction(): Transaction<S>;
  /**
   * How many values (or pairs) a column holds at the server, whose schema may be older: 0 where it has no such column,
   * and as long as its schema is not known.
   */
  capacity<T extends TableName<S>>(table: T, column: keyof S["tables"][T]["columns"] & string): number;
  /** Changes what is monitored of a table: rows for which some clause holds (RFC 7047 5.1 <condition>); `true` is all. */
  setCondition<T extends TableName<S>>(table: T, clauses: readonly Condition[] | boolean): void;
  /**
   * Reads rows that are not monitored, as they are now: those for which all clauses hold (RFC 7047 5.2.2 <select>), in one
   * transaction. They join the replica's tables, but do not follow the server. Absent where all rows are there anyway.
   */
  fetch?(selections: readonly Selection<S>[]): Promise<void>;
  /** Resolves when the server has answered the conditions set so far and the rows are here. */
  conditionsApplied(): Promise<void>;
  /** Asks for a lock of RFC 7047 4.1.8; transactions then assert it. */
  setLock(name: string | undefined): void;
  readonly hasLock: boolean;
  onLock(listener: (held: boolean) => void): () => void;
  /**
   * Ms of silence of the server before it is probed, from now on: at least 1000; 0 never, undefined the default. A unix
   * socket is never probed.
   */
  setProbe?(ms: number | undefined): void;
  /** Forgets how far a clustered database had come, for when its servers were rebuilt from nothing. */
  resetClusterState?(): void;
  /** How many values the rows hold: atoms of scalars and sets, keys and values of maps. */
  cells?(): number;
  close(): Promise<void>;
}

/** Rows to read, by a conjunction of clauses. */
export interface Selection<S extends SchemaJson> {
  readonly table: TableName<S>;
  readonly where: readonly Condition[];
  /** All that the server has where left out; the others read as their defaults. */
  readonly columns?: readonly string[];
}

/** RFC 7047 5.1: [column, function, value] with the value in the wire form of section 5.1. */
export type Condition = readonly [string, "==" | "!=" | "includes" | "excludes" | "<" | "<=" | ">" | ">=", Json];
