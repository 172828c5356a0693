/**
 * A database that is another server's: ovsdb(7) "Relay Service Model". Its contents are followed and served from memory;
 * transactions that write, and schema conversions, are passed on.
 */
import { type Logger, messageOf, type Timer } from "@weft/runtime";
import { DIRECTORY_COLUMNS, Directory } from "../client/directory.ts";
import type { Session } from "../client/session.ts";
import { ZERO_UUID } from "../datum.ts";
import { Database } from "../engine/database.ts";
import { type Connection, RpcError } from "../jsonrpc/connection.ts";
import { isArray, type Json, stringifyJson } from "../jsonrpc/json.ts";
import type { Notification } from "../jsonrpc/message.ts";
import { type DatabaseSchema, parseSchema } from "../model.ts";
import type { PendingTransaction, RelaySource, ServedDatabase, TransactionDone } from "./served.ts";
import { type Source, type SourceWorld, sourceSession } from "./source.ts";

/** What a relay needs of the server that it is part of. */
export interface RelayHost extends SourceWorld {
  /** The source's schema is another: waiting transactions and monitors of the database must end. */
  schemaChanged(served: ServedDatabase, database: Database): void;
  /** Tells clients, in the _Server database, whether the contents are up to date. */
  connectedChanged(served: ServedDatabase, connected: boolean): void;
}

/** Ms without the source before clients are told; they then look for another server. */
const LOST_AFTER = 30_000;

/** The monitor's name on the source. */
const DIRECTORY_MONITOR = "_Server";

interface Forwarded {
  readonly method: "transact" | "convert";
  /** Behind the database's name. */
  readonly params: readonly Json[];
  readonly done: TransactionDone;
  /** The request's id on the connection, once sent. */
  id: number | undefined;
}

export class Relay implements RelaySource {
  readonly #host: RelayHost;
  readonly #name: string;
  readonly #session: Session;
  readonly #log: Logger;
  #served: ServedDatabase | undefined;
  #schemaText: string | undefined;
  #directory = new Directory();
  /** Set while the source's contents are followed. */
  #following: { readonly connection: Connection; readonly tables: ReadonlySet<string> } | undefined;
  /** Whether a request to follow is on its way. */
  #asking = false;
  #lastId: string = ZERO_UUID;
  #forwarded: Forwarded[] = [];
  #connected = false;
  #lostTimer: Timer | undefined;

  /** `name` is the database's, here and at the source. */
  constructor(host: RelayHost, name: string, source: Source) {
    this.#host = host;
    this.#name = name;
    this.#log = host.runtime.log.logger("relay");
    this.#session = sourceSession(host, source, {
      onConnected: (connection) => this.#meet(connection),
      onNotification: (connection, notification) => this.#notified(connection, notification),
      onDisconnected: () => this.#disconnected(),
    });
  }

  start(served: ServedDatabase): void {
    this.#served = served;
    this.#session.start();
  }

  close(): void {
    this.#lostTimer?.cancel();
    this.#session.close();
    for (const { done } of this.#forwarded.splice(0)) done([], "canceled");
  }

  set probeInterval(ms: number) {
    this.#session.setProbe(ms);
  }

  transact(operations: readonly Json[], done: TransactionDone): PendingTransaction {
    const forwarded = this.#forward("transact", operations, done);
    return {
      cancel: () => {
        const at = this.#forwarded.indexOf(forwarded);
        if (at < 0) return false;
        // One that the source has may wait there, or be done already: its reply tells.
        if (forwarded.id !== undefined) {
          this.#following?.connection.notify("cancel", [forwarded.id]);
          return false;
        }
        this.#forwarded.splice(at, 1);
        return true;
      },
    };
  }

  convert(schema: Json): Promise<Json | undefined> {
    return new Promise((resolve) => {
      this.#forward("convert", [schema], (_results, failure) => resolve(failure));
    });
  }

  /** Sends a request on; without the source it waits. */
  #forward(method: Forwarded["method"], params: readonly Json[], done: TransactionDone): Forwarded {
    const forwarded: Forwarded = { method, params, done, id: undefined };
    this.#forwarded.push(forwarded);
    if (this.#following !== undefined) this.#send(this.#following.connection, forwarded);
    return forwarded;
  }

  #send(connection: Connection, forwarded: Forwarded): void {
    forwarded.id = connection.call(forwarded.method, [this.#name, ...forwarded.params], (reply) => {
      const at = this.#forwarded.indexOf(forwarded);
      if (at < 0) return;
      this.#forwarded.splice(at, 1);
      // Without a reply nobody knows whether the transaction was made.
      if (reply === undefined) forwarded.done([], "canceled");
      else if (reply.error !== null) forwarded.done([], reply.error);
      else forwarded.done(isArray(reply.result) ? reply.result : [reply.result]);
    });
  }

  #meet(connection: Connection): void {
    this.#directory = new Directory();
    const monitored = { Database: [{ columns: [...DIRECTORY_COLUMNS] }] };
    this.#attempt(connection, async () => {
      await connection.request("set_db_change_aware", [true]);
      this.#directory.apply(await connection.request("monitor_cond", ["_Server", DIRECTORY_MONITOR, monitored]));
      this.#look(connection);
    });
  }

  /** Does something with the source; a fault there ends the connection, and the next one may do better. */
  #attempt(connection: Connection, work: () => void | Promise<void>): void {
    const failed = (error: unknown): void => {
      if (connection.closed) return;
      this.#log.err(`${this.#name}: ${messageOf(error)}`);
      this.#session.reconnect(`cannot relay ${this.#name}`);
    };
    try {
      work()?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #notified(connection: Connection, { method, params }: Notification): void {
    const [id, ...rest] = params;
    this.#attempt(connection, () => {
      if (id === DIRECTORY_MONITOR && method === "update2") {
        this.#directory.apply(rest[0] ?? null);
        this.#look(connection);
      } else if (id === this.#name && method === "update3") this.#absorb(rest[1] ?? null, "changes", rest[0]);
      else if (id === this.#name && method === "monitor_canceled") return this.#convertedAt(connection);
    });
  }

  /** The source's schema is another, of which its directory need not tell. */
  async #convertedAt(connection: Connection): Promise<void> {
    this.#following = undefined;
    const text = stringifyJson(await connection.request("get_schema", [this.#name]));
    if (text !== this.#schemaText) this.#become(text);
    if (this.#following === undefined && !this.#asking) this.#follow(connection, this.#served!.database.schema);
  }

  #become(schemaText: string): void {
    const schema = parseSchema(JSON.parse(schemaText) as Json); // JSON.parse gives JSON
    this.#schemaText = schemaText;
    this.#following = undefined;
    this.#lastId = ZERO_UUID;
    this.#host.schemaChanged(this.#served!, new Database(schema, this.#host.runtime.random));
  }

  /** Follows the database as soon as the source has it. */
  #look(connection: Connection): void {
    const entry = this.#directory.find(this.#name);
    if (entry === undefined) {
      this.#log.warn(`${this.#name}: the relay source has no such database`);
      return;
    }
    if (!entry.connected || entry.schema === undefined) {
      if (entry.model !== "standalone") this.#session.reconnect(`${this.#name}: the relay source has lost the database`);
      return;
    }
    if (entry.schema !== this.#schemaText) this.#become(entry.schema);
    if (this.#following === undefined && !this.#asking) this.#follow(connection, this.#served!.database.schema);
  }

  #follow(connection: Connection, schema: DatabaseSchema): void {
    const tables = new Set(schema.tables.keys());
    const requests = Object.fromEntries([...tables].map((table) => [table, [{}]]));
    this.#asking = true;
    connection.call("monitor_cond_since", [this.#name, this.#name, requests, this.#lastId], (reply, error) => {
      this.#asking = false;
      if (reply === undefined) return;
      this.#attempt(connection, () => {
        if (reply.error !== null) throw error ?? new RpcError(reply.error);
        if (this.#served!.database.schema !== schema) return this.#look(connection);
        const [found, id, updates] = isArray(reply.result) ? reply.result : [];
        this.#following = { connection, tables };
        this.#absorb(updates ?? null, found === true ? "changes" : "everything", id);
        this.#setConnected(true);
        for (const forwarded of [...this.#forwarded]) if (forwarded.id === undefined) this.#send(connection, forwarded);
      });
    });
  }

  #absorb(updates: Json, extent: "changes" | "everything", id: Json | undefined): void {
    if (this.#following === undefined) return;
    const known = typeof id === "string" && id !== ZERO_UUID ? id : undefined;
    this.#served!.absorb(updates, extent, this.#following.tables, known === undefined ? {} : { id: known });
    this.#lastId = known ?? ZERO_UUID;
  }

  #disconnected(): void {
    this.#following = undefined;
    this.#asking = false;
    if (!this.#connected) return;
    this.#lostTimer ??= this.#host.runtime.clock.after(LOST_AFTER, () => this.#setConnected(false), true);
  }

  #setConnected(connected: boolean): void {
    this.#lostTimer?.cancel();
    this.#lostTimer = undefined;
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#host.connectedChanged(this.#served!, connected);
  }
}
