/** A database kept as a copy of another server's: ovsdb(7) "Active-Backup Database Service Model". */
import { type Logger, messageOf } from "@weft/runtime";
import type { Session } from "../client/session.ts";
import { OvsdbError } from "../error.ts";
import type { Connection } from "../jsonrpc/connection.ts";
import { isArray, type Json } from "../jsonrpc/json.ts";
import type { Notification } from "../jsonrpc/message.ts";
import { type DatabaseSchema, parseSchema } from "../model.ts";
import type { ServedDatabase } from "./served.ts";
import { type Source, type SourceWorld, sourceSession } from "./source.ts";

export interface BackupWorld extends SourceWorld {
  /** Ours: a server cannot be its own backup. */
  readonly serverId: string;
}

export type BackupState = "connecting" | "replicating" | "error";

/**
 * Follows the active server for as long as it lives. What cannot be replicated stops it, until the active server is
 * connected anew; the database stays a backup, as it was last.
 */
export class Backup {
  readonly source: Source;
  readonly #world: BackupWorld;
  readonly #served: ServedDatabase;
  readonly #session: Session;
  readonly #log: Logger;
  /** Tables that are copied. */
  readonly #watched: ReadonlySet<string>;
  #state: BackupState = "connecting";
  #fault = "";

  /** `excluded`: tables that are left alone. */
  constructor(world: BackupWorld, served: ServedDatabase, source: Source, excluded: ReadonlySet<string>) {
    this.#world = world;
    this.#served = served;
    this.source = source;
    this.#log = world.runtime.log.logger("replication");
    this.#watched = new Set([...served.database.tables.keys()].filter((table) => !excluded.has(table)));
    this.#session = sourceSession(world, source, {
      onConnected: (connection) => {
        this.#state = "connecting";
        this.#follow(connection).catch((error: unknown) => this.#failed(connection, error));
      },
      onNotification: (connection, notification) => this.#notified(connection, notification),
      onDisconnected: () => {
        if (this.#state !== "error") this.#state = "connecting";
      },
    });
    served.readOnly = true;
    this.#session.start();
  }

  get state(): BackupState {
    return this.#state;
  }

  /** Why nothing is replicated, in the state "error". */
  get fault(): string {
    return this.#fault;
  }

  set probeInterval(ms: number) {
    this.#session.setProbe(ms);
  }

  /** Ends the copying: the database is an active one again. */
  close(): void {
    this.#session.close();
    this.#served.readOnly = false;
  }

  async #follow(connection: Connection): Promise<void> {
    const { name, database } = this.#served;
    if ((await connection.request("get_server_id", [])) === this.#world.serverId) {
      throw new OvsdbError("ovsdb error", `Server ID check failed: ${name}: Self replicating is not allowed`);
    }
    const databases = await connection.request("list_dbs", []);
    if (!isArray(databases) || !databases.includes(name)) {
      throw new OvsdbError("ovsdb error", `list_dbs failed: ${name}: database name is not in the list`);
    }
    this.#compare(parseSchema(await connection.request("get_schema", [name])));
    const requests = Object.fromEntries([...this.#watched].map((table) => [table, [{}]]));
    // The contents are taken over in the reply's own turn: what follows builds on them.
    connection.call("monitor", [name, name, requests], (reply) => {
      if (reply === undefined) return;
      try {
        if (reply.error !== null) throw new OvsdbError("ovsdb error", `monitor failed: ${JSON.stringify(reply.error)}`);
        this.#log.info(`${database.name}: Monitor reply received. Resetting the database.`);
        this.#absorb(connection, reply.result, "everything");
        this.#state = "replicating";
      } catch (error) {
        this.#failed(connection, error);
      }
    });
  }

  /** Of another version everything must have its place here, or be left out knowingly. */
  #compare(theirs: DatabaseSchema): void {
    const { name, database } = this.#served;
    const ours = database.schema;
    if (theirs.version === ours.version) return;
    this.#log.info(`${name}: Schema version mismatch, checking if ${name} can still be replicated or not.`);
    let missing: string | undefined;
    for (const table of theirs.tables.values()) {
      const own = ours.tables.get(table.name);
      if (own === undefined) missing = `Table ${table.name} not present in the local db schema`;
      else {
        for (const column of table.columns) {
          if (own.column(column.name) === undefined) {
            missing = `Column ${column.name} of table ${table.name} not present in the local db schema`;
          }
        }
      }
    }
    if (missing !== undefined) throw new OvsdbError("ovsdb error", `${missing}, ${name} cannot be replicated.`);
    this.#log.info(`${name} can be replicated.`);
  }

  #notified(connection: Connection, { method, params }: Notification): void {
    if (method !== "update" || params[0] !== this.#served.name || this.#state !== "replicating") return;
    try {
      this.#absorb(connection, params[1] ?? null, "changes");
    } catch (error) {
      this.#failed(connection, error);
    }
  }

  #absorb(connection: Connection, updates: Json, extent: "changes" | "everything"): void {
    this.#served.absorb(updates, extent, this.#watched, {
      // What was not written is missing from then on: begin again with everything.
      refused: (why) => {
        this.#log.err(`${this.#served.name}: ${why}`);
        connection.destroy();
      },
    });
  }

  #failed(connection: Connection, error: unknown): void {
    if (connection.closed) return;
    this.#state = "error";
    this.#fault = messageOf(error);
    this.#log.err(`${this.#served.name}: replication stopped: ${this.#fault}`);
  }
}
