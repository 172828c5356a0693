/**
 * A replica over a connection (ovsdb-server(7) 4.1.12 to 4.1.18): finds the database through `_Server`, monitors what
 * was asked for of what the server's schema has, and after a lost connection goes on where it was.
 */
import { type Logger, WeftError } from "@weft/runtime";
import type { Connection } from "../jsonrpc/connection.ts";
import { isArray, isObject, type Json, parseJson, stringifyJson } from "../jsonrpc/json.ts";
import type { Notification } from "../jsonrpc/message.ts";
import type { ChangeSet, Condition, Replica, ReplicaState, RowChange, Selection, TransactionResult } from "../replica.ts";
import type { SchemaJson, TableName } from "../schema.ts";
import { databaseModel, ZERO_UUID } from "./columns.ts";
import { Conditions } from "./conditions.ts";
import { type DatabaseEntry, DIRECTORY_COLUMNS, Directory } from "./directory.ts";
import { Draft, type Knowledge, Operations } from "./draft.ts";
import { outcomeOf } from "./outcome.ts";
import { Session, type SessionOptions } from "./session.ts";
import { Store } from "./store.ts";
import { transactionOver } from "./transaction.ts";
import { transactRequest } from "./transactRequest.ts";

export interface ReplicaOptions<S extends SchemaJson> extends SessionOptions {
  readonly schema: S;
  /** The database's name, where it is not the schema's. */
  readonly database?: string;
  /** What to follow: tables, each with some columns or (`true`) all; everything where left out. */
  readonly monitor?: { readonly [T in TableName<S>]?: true | readonly (keyof S["tables"][T]["columns"] & string)[] };
  /** Conditions from the start on: see `setCondition`. */
  readonly conditions?: { readonly [T in TableName<S>]?: readonly Condition[] | boolean };
  /** Of a clustered database, talk to the leader only, and so to no relay. True by default. */
  readonly leaderOnly?: boolean;
  /** Give up when every remote has failed once: `ready()` rejects. */
  readonly once?: boolean;
}

export function createReplica<S extends SchemaJson>(options: ReplicaOptions<S>): Replica<S> {
  return new ConnectedReplica(options);
}

type Format = "update" | "update2" | "update3";

const DIRECTORY_ID: Json = ["monid", "_Server"];

class ConnectedReplica<S extends SchemaJson> implements Replica<S> {
  readonly schema: S;
  readonly #options: ReplicaOptions<S>;
  readonly #database: string;
  readonly #store: Store;
  readonly #log: Logger;
  readonly #session: Session;
  readonly #id: Json;
  readonly #conditions: Conditions;
  readonly #changeListeners = new Set<(change: ChangeSet) => void>();
  readonly #stateListeners = new Set<(state: ReplicaState) => void>();
  readonly #lockListeners = new Set<(held: boolean) => void>();
  readonly #ready: Promise<void>;
  #settleReady: { resolve(): void; reject(error: Error): void } | undefined;
  #state: ReplicaState = "connecting";
  #directory = new Directory();
  /** The schema text of the running monitor. */
  #schemaText: string | undefined;
  /** Of the monitored tables, the columns that the server has. */
  #available: Map<string, ReadonlySet<string>> | undefined;
  /** Of the server's schema: tables, their columns, and how many values each holds. */
  #serverTables: ReadonlyMap<string, ReadonlyMap<string, number>> | undefined;
  #format: Format = "update3";
  #lastTransaction: string = ZERO_UUID;
  #filledOnce = false;
  #minIndex = 0;
  #lock: string | undefined;
  #hasLock = false;

  constructor(options: ReplicaOptions<S>) {
    const { runtime, schema } = options;
    this.schema = schema;
    this.#options = options;
    this.#database = options.database ?? schema.name;
    this.#store = new Store(databaseModel(schema));
    this.#log = runtime.log.logger("ovsdb_idl");
    this.#id = ["monid", this.#database];
    this.#conditions = new Conditions(options.conditions ?? {});
    this.#ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // Whoever wants to know asks ready(); nobody asking is no crash.
    this.#ready.catch(() => {});
    this.#session = new Session(options, {
      onConnected: (connection) => this.#connected(connection),
      onNotification: (connection, notification) => this.#notified(connection, notification),
      onDisconnected: (error, round) => this.#disconnected(error, round),
    });
    this.#session.start();
  }

  get state(): ReplicaState {
    return this.#state;
  }

  get hasLock(): boolean {
    return this.#hasLock;
  }

  // Rows are made from the schema that RowOf reads.
  table: Replica<S>["table"] = (name) => this.#store.table(name) as never;

  ready(): Promise<void> {
    return this.#ready;
  }

  onChange(listener: (change: ChangeSet) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onState(listener: (state: ReplicaState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  onLock(listener: (held: boolean) => void): () => void {
    this.#lockListeners.add(listener);
    return () => this.#lockListeners.delete(listener);
  }

  transaction: Replica<S>["transaction"] = () => {
    const draft = new Draft(this.#store, this.#options.runtime.random, (table, column) => this.#knows(table, column));
    return transactionOver<S>(draft, () => this.#commit(draft));
  };

  capacity: Replica<S>["capacity"] = (table, column) => this.#serverTables?.get(table)?.get(column) ?? 0;

  setCondition: Replica<S>["setCondition"] = (table, clauses) => {
    this.#conditions.set(table, clauses);
    this.#options.runtime.clock.soon(() => this.#sendConditions());
  };

  fetch(selections: readonly Selection<S>[]): Promise<void> {
    const connection = this.#session.connection;
    if (connection === undefined) return Promise.reject(new WeftError("ovsdb.connection-closed", "not connected"));
    const operations = selections.map(({ table, where, columns }): Json => {
      const there = this.#serverTables?.get(table);
      const known = [...(this.#store.model.tables.get(table)?.columns.keys() ?? [])];
      const asked = (columns ?? known).filter((column) => there?.has(column));
      // a condition's value is JSON, as its type says in words
      return { op: "select", table, where: where, columns: ["_uuid", ...asked] };
    });
    return new Promise((resolve, reject) => {
      connection.call("transact", [this.#database, ...operations], (reply) => {
        try {
          this.#emit(this.#store.apply(1, selectedRows(selections, reply?.result)), false);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  conditionsApplied(): Promise<void> {
    return this.#conditions.applied();
  }

  cells(): number {
    return this.#store.cells();
  }

  setProbe(ms: number | undefined): void {
    this.#session.setProbe(ms);
  }

  resetClusterState(): void {
    this.#minIndex = 0;
  }

  setLock(name: string | undefined): void {
    if (name === this.#lock) return;
    const connection = this.#session.connection;
    if (connection !== undefined && this.#lock !== undefined) connection.call("unlock", [this.#lock], () => {});
    this.#lock = name;
    this.#held(false);
    if (connection !== undefined) this.#askForLock(connection);
  }

  async close(): Promise<void> {
    this.#session.close();
    this.#held(false);
    this.#enter("closed");
    this.#settleReady?.reject(new WeftError("ovsdb.closed", "the replica was closed", { blame: "caller" }));
    this.#settleReady = undefined;
  }

  #connected(connection: Connection): void {
    this.#directory = new Directory();
    this.#schemaText = undefined;
    this.#askForLock(connection);
    const request = { Database: [{ columns: DIRECTORY_COLUMNS }] };
    connection.call("monitor_cond", ["_Server", DIRECTORY_ID, request], (reply) => {
      if (reply === undefined || this.#stale(connection)) return;
      if (reply.error !== null) this.#withoutDirectory(connection);
      else {
        this.#directory.apply(reply.result);
        connection.call("set_db_change_aware", [true], () => {});
        this.#consider(connection);
      }
    });
  }

  /** A server from before `_Server` (Open vSwitch 2.8 or older). */
  #withoutDirectory(connection: Connection): void {
    connection.call("get_schema", [this.#database], (reply) => {
      if (reply === undefined || this.#stale(connection)) return;
      if (reply.error === null) this.#monitor(connection, reply.result);
      else this.#session.reconnect(`no ${this.#database} database on server`);
    });
  }

  /** Decides by `_Server` whether this is the server to stay with. */
  #consider(connection: Connection): void {
    const entry = this.#directory.find(this.#database);
    const objection = this.#objection(entry);
    if (objection !== undefined) this.#session.reconnect(objection);
    else if (entry?.schema !== undefined && entry.schema !== this.#schemaText) {
      if (this.#schemaText !== undefined) {
        this.#session.reconnect("database schema changed");
        return;
      }
      this.#schemaText = entry.schema;
      try {
        this.#monitor(connection, parseJson(entry.schema));
      } catch (error) {
        if (!(error instanceof WeftError)) throw error;
        this.#session.reconnect(`bad schema from server: ${error.message}`);
      }
    }
  }

  #objection(entry: DatabaseEntry | undefined): string | undefined {
    if (entry === undefined) return `no ${this.#database} database on server`;
    if (entry.model === "standalone") return undefined;
    if (!entry.connected) return `${this.#database}: database is disconnected, trying another server`;
    // A relay is no leader either.
    if ((this.#options.leaderOnly ?? true) && !entry.leader) {
      return "clustered database server is not cluster leader; trying another server";
    }
    if (entry.model !== "clustered") return undefined;
    if (entry.index !== undefined) {
      if (entry.index < this.#minIndex) return "clustered database server has stale data; trying another server";
      this.#minIndex = entry.index;
    }
    return undefined;
  }

  #monitor(connection: Connection, schema: Json): void {
    this.#readSchema(schema);
    this.#enter("filling");
    const resume = this.#filledOnce && this.#lastTransaction !== ZERO_UUID;
    const start = this.#conditions.begin(resume);
    const requests: { [table: string]: Json } = {};
    const plain: { [table: string]: Json } = {};
    for (const [table, columns] of this.#available ?? []) {
      const where = start.get(table);
      plain[table] = [{ columns: [...columns] }];
      requests[table] = [{ columns: [...columns], ...(where === undefined ? {} : { where }) }];
    }
    const attempts: readonly [string, Format, Json[]][] = [
      ["monitor_cond_since", "update3", [this.#database, this.#id, requests, this.#lastTransaction]],
      ["monitor_cond", "update2", [this.#database, this.#id, requests]],
      ["monitor", "update", [this.#database, this.#id, plain]],
    ];
    const attempt = (at: number): void => {
      const [method, format, params] = attempts[at]!;
      connection.call(method, params, (reply) => {
        if (reply === undefined || this.#stale(connection)) return;
        if (reply.error === null) this.#fill(connection, format, reply.result);
        else if (at + 1 < attempts.length) attempt(at + 1);
        else this.#session.reconnect(`monitor request failed: ${stringifyJson(reply.error)}`);
      });
    };
    attempt(0);
  }

  #readSchema(json: Json): void {
    const tables = isObject(json) && isObject(json["tables"]) ? json["tables"] : {};
    const server = new Map<string, ReadonlyMap<string, number>>();
    for (const [name, table] of Object.entries(tables)) {
      const columns = isObject(table) && isObject(table["columns"]) ? Object.entries(table["columns"]) : [];
      server.set(name, new Map(columns.map(([column, json]) => [column, capacityOf(json)])));
    }
    const available = new Map<string, ReadonlySet<string>>();
    for (const { name, columns } of this.#store.model.tables.values()) {
      const asked: true | readonly string[] | undefined =
        this.#options.monitor === undefined ? true : this.#options.monitor[name as TableName<S>];
      if (asked === undefined) continue;
      const there = server.get(name);
      if (there === undefined) {
        this.#log.warn(`${this.#database} database lacks ${name} table (database needs upgrade?)`);
        continue;
      }
      const wanted = asked === true ? [...columns.keys()] : asked;
      for (const column of wanted) {
        if (!there.has(column)) {
          this.#log.warn(`${name} table in ${this.#database} database lacks ${column} column (database needs upgrade?)`);
        }
      }
      available.set(name, new Set(wanted.filter((column) => there.has(column))));
    }
    this.#available = available;
    this.#serverTables = server;
  }

  #fill(connection: Connection, format: Format, result: Json): void {
    this.#format = format;
    this.#guard(() => {
      let updates = result;
      let found = false;
      if (format === "update3") {
        if (!isArray(result) || typeof result[1] !== "string") {
          throw new WeftError("ovsdb.bad-reply", "bad reply to monitor_cond_since");
        }
        found = result[0] === true;
        this.#lastTransaction = result[1];
        updates = result[2] ?? {};
      }
      const changes = found ? this.#store.apply(2, updates) : this.#store.replace(format === "update" ? 1 : 2, updates);
      this.#filledOnce = true;
      this.#conditions.begun(format !== "update");
      this.#enter("synced");
      this.#emit(changes, !found);
      this.#settleReady?.resolve();
      this.#settleReady = undefined;
      if (!this.#stale(connection)) this.#sendConditions();
    });
  }

  #notified(connection: Connection, { method, params }: Notification): void {
    const [id, ...rest] = params;
    if (method === "locked" || method === "stolen") {
      if (id === this.#lock) this.#held(method === "locked");
    } else if (method === "update2" && sameJson(id, DIRECTORY_ID)) {
      this.#directory.apply(rest[0] ?? null);
      this.#consider(connection);
    } else if (method === "monitor_canceled") {
      if (sameJson(id, this.#id)) this.#session.reconnect("monitor canceled by server");
    } else if ((method === "update" || method === "update2" || method === "update3") && sameJson(id, this.#id)) {
      this.#guard(() => {
        const changes = this.#store.apply(method === "update" ? 1 : 2, (method === "update3" ? rest[1] : rest[0]) ?? null);
        if (method === "update3" && typeof rest[0] === "string") this.#lastTransaction = rest[0];
        if (changes.length > 0) this.#emit(changes, false);
      });
    }
  }

  /** What the server sends may not fit: then nothing of ours can be trusted, and everything is fetched again. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof WeftError) || error.blame !== "peer") throw error;
      this.#log.warn(`${this.#database}: ${error.message}`);
      this.#lastTransaction = ZERO_UUID;
      this.#filledOnce = false;
      this.#session.reconnect("inconsistent data from server");
    }
  }

  #disconnected(error: Error, round: boolean): void {
    this.#held(false);
    if (this.#state === "closed") return;
    this.#enter("connecting");
    this.#conditions.interrupted();
    if (round && this.#options.once === true) {
      this.#session.close();
      this.#enter("closed");
      this.#settleReady?.reject(error);
      this.#settleReady = undefined;
    }
  }

  #sendConditions(): void {
    const connection = this.#session.connection;
    if (connection === undefined || this.#state !== "synced") return;
    if (this.#format === "update") {
      this.#conditions.begun(false);
      return;
    }
    const change = this.#conditions.change((table) => this.#available?.has(table) ?? false);
    if (change === undefined) return;
    connection.call("monitor_cond_change", [this.#id, this.#id, change], (reply) => {
      if (reply === undefined || this.#stale(connection)) return;
      if (reply.error !== null) {
        this.#session.reconnect(`monitor_cond_change failed: ${stringifyJson(reply.error)}`);
        return;
      }
      this.#conditions.acknowledged();
      this.#sendConditions();
    });
  }

  #askForLock(connection: Connection): void {
    const name = this.#lock;
    if (name === undefined) return;
    connection.call("lock", [name], (reply) => {
      if (reply === undefined || this.#stale(connection) || name !== this.#lock) return;
      if (isObject(reply.result) && reply.result["locked"] === true) this.#held(true);
    });
  }

  #held(held: boolean): void {
    if (held === this.#hasLock) return;
    this.#hasLock = held;
    for (const listener of [...this.#lockListeners]) listener(held);
  }

  #knows(table: string, column: string): Knowledge {
    if (this.#serverTables !== undefined && !(this.#serverTables.get(table)?.has(column) ?? false)) return "absent";
    return this.#available?.get(table)?.has(column) ? "known" : "unknown";
  }

  #commit(draft: Draft): Promise<TransactionResult> {
    if (draft.empty) return Promise.resolve({ status: "unchanged", inserted: new Map() });
    const connection = this.#session.connection;
    if (connection === undefined || this.#state !== "synced") return Promise.resolve({ status: "try-again" });
    if (this.#lock !== undefined && !this.#hasLock) return Promise.resolve({ status: "not-locked" });
    const sent = new Operations();
    const operations = draft.operations(this.#lock, sent);
    this.#store.expected.add(sent.rows);
    return new Promise((resolve) => {
      // Whether a transaction without an answer was committed nobody knows; the replica will show it.
      connection.callInParts(
        (id) => transactRequest(this.#database, operations, id),
        (reply) => {
          this.#store.expected.delete(sent.rows);
          resolve(reply === undefined ? { status: "try-again" } : outcomeOf(sent, reply));
        },
      );
    });
  }

  #emit(changes: readonly RowChange[], reset: boolean): void {
    for (const listener of [...this.#changeListeners]) listener({ changes, reset });
  }

  #enter(state: ReplicaState): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    for (const listener of [...this.#stateListeners]) listener(state);
  }

  #stale(connection: Connection): boolean {
    return this.#session.connection !== connection || this.#state === "closed";
  }
}

/** The rows of an answer to selects, in the form of an update message. */
function selectedRows(selections: readonly { readonly table: string }[], results: Json | undefined): Json {
  const updates: { [table: string]: { [uuid: string]: Json } } = {};
  for (const [i, { table }] of selections.entries()) {
    const result = isArray(results) ? results[i] : undefined;
    const rows = isObject(result) ? result["rows"] : undefined;
    if (!isArray(rows)) throw new WeftError("ovsdb.bad-reply", `${table}: bad reply to select: ${stringifyJson(result ?? null)}`);
    for (const row of rows) {
      if (!isObject(row) || !isArray(row["_uuid"])) throw new WeftError("ovsdb.bad-reply", `${table}: a row without _uuid`);
      const { _uuid, ...columns } = row;
      (updates[table] ??= {})[String((_uuid as readonly Json[])[1])] = { new: columns };
    }
  }
  return updates;
}

/** The "max" of a column's type (RFC 7047 section 3.2). */
function capacityOf(column: Json | undefined): number {
  const type = isObject(column) ? column["type"] : undefined;
  const max = isObject(type) ? type["max"] : undefined;
  if (max === "unlimited") return Number.POSITIVE_INFINITY;
  return typeof max === "number" ? max : 1;
}

function sameJson(a: Json | undefined, b: Json): boolean {
  return a !== undefined && stringifyJson(a) === stringifyJson(b);
}
