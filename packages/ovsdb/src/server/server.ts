/** An OVSDB server: databases, remotes, clients. */
import { type Logger, type Runtime, type Stream, type TlsOptions, WeftError } from "@weft/runtime";
import { convertDatabase } from "../engine/convert.ts";
import { Database } from "../engine/database.ts";
import { TRUSTED } from "../engine/operations.ts";
import { OvsdbError } from "../error.ts";
import { type Channel, channelPair, streamChannel } from "../jsonrpc/channel.ts";
import { isObject, type Json, stringifyJson } from "../jsonrpc/json.ts";
import { type LogFile, openDatabase } from "../log/file.ts";
import { parseSchema } from "../model.ts";
import type { SchemaJson } from "../schema.ts";
import { Backup } from "./backup.ts";
import { Locks } from "./locks.ts";
import { Relay } from "./relay.ts";
import { RemoteSet, type RemoteWorld } from "./remoteSet.ts";
import { DEFAULT_REMOTE_OPTIONS, probeOf, type RemoteOptions } from "./remotes.ts";
import { ServedDatabase } from "./served.ts";
import { SERVER_SCHEMA } from "./serverSchema.ts";
import { Session, type SessionServer } from "./session.ts";
import type { Source, SourceWorld } from "./source.ts";

export interface ServerOptions {
  readonly runtime: Runtime;
  /** For pssl: and ssl: remotes. */
  readonly tls?: TlsOptions;
}

export class OvsdbServer implements SessionServer {
  readonly clock: Runtime["clock"];
  readonly logger: Logger;
  readonly locks = new Locks();
  readonly serverId: string;
  readonly #runtime: Runtime;
  readonly #reconnectLog: Logger;
  #tls: TlsOptions | undefined;
  readonly #databases = new Map<string, ServedDatabase>();
  /** Where the databases come from: file names, by database. */
  readonly #paths = new Map<string, string>();
  readonly #own: ServedDatabase;
  readonly #backups = new Map<string, Backup>();
  readonly #relays = new Map<string, Relay>();
  readonly #sourceWorld: SourceWorld;
  readonly #remotes: RemoteSet;
  readonly #sessions = new Set<Session>();
  readonly #leaving = new Map<Session, () => void>();
  #inProcess = 0;
  #closed = false;

  constructor(options: ServerOptions) {
    this.#runtime = options.runtime;
    this.clock = options.runtime.clock;
    this.logger = options.runtime.log.logger("ovsdb_jsonrpc_server");
    this.#reconnectLog = options.runtime.log.logger("reconnect");
    this.#tls = options.tls;
    this.serverId = options.runtime.random.uuid();
    this.#own = new ServedDatabase(new Database(parseSchema(SERVER_SCHEMA), options.runtime.random), {
      clock: this.clock,
      readOnly: true,
    });
    this.#remotes = new RemoteSet(this.#remoteWorld(), options.tls);
    this.#sourceWorld = { runtime: options.runtime, tls: async () => this.#tls };
    this.#databases.set(this.#own.name, this.#own);
    this.#announce(this.#own);
  }

  get databases(): ReadonlyMap<string, ServedDatabase> {
    return this.#databases;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** Other certificates, for connections from now on. */
  setTls(tls: TlsOptions | undefined): void {
    this.#tls = tls;
    this.#remotes.setTls(tls);
  }

  #ownTransact(...operations: Json[]): void {
    this.#own.transact(operations, TRUSTED, (results) => {
      const fault = results.find((result) => isObject(result) && result.error !== undefined);
      if (fault !== undefined) this.logger.err(`_Server: ${stringifyJson(fault)}`);
    });
  }

  /** Writes a database's row of the _Server database. */
  #announce(served: ServedDatabase): void {
    this.#ownTransact({
      op: "insert",
      table: "Database",
      row: {
        name: served.name,
        model: served.source === undefined ? "standalone" : "relay",
        connected: served.available,
        leader: served.source === undefined,
        ...(served.available ? { schema: stringifyJson(served.database.schema.toJson()) } : {}),
      },
    });
  }

  /** Writes columns of a database's row of the _Server database. */
  #tell(served: ServedDatabase, row: { readonly [column: string]: Json }): void {
    this.#ownTransact({ op: "update", table: "Database", where: [["name", "==", served.name]], row });
  }

  /** Serves a database. Throws OvsdbError if there is one of its name already. */
  addDatabase(database: Database, log?: LogFile): ServedDatabase {
    this.#checkNew(database.name, log?.path ?? database.name);
    if (log !== undefined) this.#paths.set(database.name, log.path);
    return this.#serve(new ServedDatabase(database, { clock: this.clock, log, logger: this.logger }));
  }

  #checkNew(name: string, place: string): void {
    if (this.#databases.has(name)) throw new OvsdbError("ovsdb error", `${place}: duplicate database name`);
  }

  /**
   * Serves the database `name` of another server: ovsdb(7) "Relay Service Model". It is there at once, and available when
   * the source has told its schema. Throws OvsdbError if there is one of the name already.
   */
  addRelay(name: string, source: Source): ServedDatabase {
    this.#checkNew(name, name);
    const relay = new Relay(
      {
        ...this.#sourceWorld,
        schemaChanged: (served, database) => this.#relayed(served, database),
        connectedChanged: (served, connected) => this.#tell(served, { connected }),
      },
      name,
      source,
    );
    const nothing = new Database(parseSchema({ name, tables: {} }), this.#runtime.random);
    const served = this.#serve(new ServedDatabase(nothing, { clock: this.clock, logger: this.logger, source: relay }));
    this.#relays.set(name, relay);
    relay.start(served);
    return served;
  }

  /** The source of a relay has told its schema, for the first time or another one. */
  #relayed(served: ServedDatabase, database: Database): void {
    const reason = `${served.name} database schema changed at the relay source`;
    if (served.available) for (const session of [...this.#sessions]) session.forget(served, reason);
    served.replaceRelayed(database);
    this.#tell(served, { schema: stringifyJson(database.schema.toJson()) });
    void this.#remotes.refresh(served.name);
  }

  get relays(): ReadonlyMap<string, Relay> {
    return this.#relays;
  }

  /** Databases that are copies of another server's. */
  get backups(): ReadonlyMap<string, Backup> {
    return this.#backups;
  }

  /** Makes a database a copy of an active server's; clients may only read it. `excluded`: tables that are not copied. */
  startBackup(name: string, source: Source, excluded: ReadonlySet<string>): void {
    const served = this.#databases.get(name);
    if (served === undefined) throw new OvsdbError("unknown database", "Failed to find the database.");
    this.#backups.get(name)?.close();
    this.#backups.set(name, new Backup({ ...this.#sourceWorld, serverId: this.serverId }, served, source, excluded));
  }

  /** Makes a database an active one again. */
  stopBackup(name: string): void {
    this.#backups.get(name)?.close();
    this.#backups.delete(name);
  }

  #serve(served: ServedDatabase): ServedDatabase {
    this.#databases.set(served.name, served);
    this.#announce(served);
    served.onCommit((deltas) => this.#remotes.committed(served, deltas));
    this.#changed(`adding ${served.name} database`);
    void this.#remotes.refresh(served.name);
    return served;
  }

  /** Opens a database file and serves it. Throws OvsdbError. */
  async addDatabaseFile(path: string): Promise<ServedDatabase> {
    const { files, clock, random, log } = this.#runtime;
    for (const known of this.#paths.values()) {
      if (known === path) throw new OvsdbError("ovsdb error", `${path}: already open`);
    }
    const opened = await openDatabase({ files, clock, random, logger: log.logger("ovsdb_server") }, path);
    try {
      return this.addDatabase(opened.database, opened.log);
    } catch (error) {
      await opened.log.close();
      throw error;
    }
  }

  /** Serves what the command line or `add-db` names: a file, or a relay as `relay:NAME:REMOTE`. Throws OvsdbError. */
  async addNamed(database: string): Promise<ServedDatabase> {
    const relay = parseRelay(database);
    return relay === undefined ? this.addDatabaseFile(database) : this.addRelay(relay.name, { remote: relay.remote });
  }

  /** The file of a database. */
  pathOf(name: string): string | undefined {
    return this.#paths.get(name);
  }

  /** Stops serving a database; resolves when its log is closed. Throws OvsdbError. */
  async removeDatabase(name: string): Promise<void> {
    const served = this.#databases.get(name);
    if (served === undefined) throw new OvsdbError("unknown database", "Failed to find the database.");
    if (served === this.#own) throw new OvsdbError("invalid parameters", "Cannot remove reserved database.");
    this.stopBackup(name);
    this.#relays.delete(name);
    this.#databases.delete(name);
    this.#paths.delete(name);
    const reason = `removing ${name} database`;
    for (const session of [...this.#sessions]) session.forget(served, reason);
    this.#ownTransact({ op: "delete", table: "Database", where: [["name", "==", name]] });
    void this.#remotes.refresh(name);
    await served.close();
  }

  /** Sends away the clients that do not keep track of databases themselves. */
  #changed(reason: string): void {
    for (const session of [...this.#sessions]) if (!session.changeAware) session.disconnect(reason);
  }

  async convert(served: ServedDatabase, schemaJson: Json, reply: (fault: OvsdbError | undefined) => void): Promise<void> {
    const database = convertDatabase(served.database, parseSchema(schemaJson));
    const sessions = [...this.#sessions];
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const session of sessions) void session.suspend(held);
    try {
      await served.replace(database, "converted by ovsdb-server");
      reply(undefined);
      const reason = `committed ${served.name} database schema conversion`;
      for (const session of sessions) session.forget(served, reason);
      this.#tell(served, { schema: stringifyJson(database.schema.toJson()) });
    } catch (fault) {
      if (!(fault instanceof OvsdbError)) throw fault;
      reply(fault);
    } finally {
      release();
    }
  }

  /** Compacts one database's log, or all. Throws OvsdbError. */
  async compact(name?: string): Promise<void> {
    if (name !== undefined && !this.#databases.has(name)) {
      throw new OvsdbError("unknown database", "no database by that name");
    }
    if (name === this.#own.name) throw new OvsdbError("invalid parameters", "cannot compact built-in databases");
    for (const served of [...this.#databases.values()]) {
      if (served !== this.#own && (name === undefined || served.name === name)) {
        await served.compact("compacted by ovsdb-server");
      }
    }
  }

  /** The remotes as they were given. */
  get remotes(): string[] {
    return this.#remotes.names;
  }

  /** Port that a passive remote is bound to. */
  portOf(remote: string): number | undefined {
    return this.#remotes.portOf(remote);
  }

  /** As {@link RemoteSet.add}. */
  addRemote(name: string, retry = false, options: RemoteOptions = DEFAULT_REMOTE_OPTIONS): Promise<void> {
    return this.#remotes.add(name, retry, options);
  }

  /** Takes a remote away, and the clients that came through it. False if there is none of this name. */
  removeRemote(name: string): Promise<boolean> {
    return this.#remotes.remove(name);
  }

  /** How remotes are served: their clients become sessions. */
  #remoteWorld(): RemoteWorld {
    const { log } = this.#runtime;
    return {
      runtime: this.#runtime,
      logger: this.#reconnectLog,
      serverLogger: this.logger,
      tlsLogger: log.logger("stream_ssl"),
      databases: this.#databases,
      accept: (stream, target, options) => this.#accept(stream, target, options),
      dismiss: (target) => {
        for (const session of [...this.#sessions]) if (session.options.remote === target) session.destroy();
      },
      locks: (target) => {
        for (const session of this.#sessions) if (session.options.remote === target) return session.locks();
        return { held: [], waiting: [], lost: [] };
      },
    };
  }

  #accept(stream: Stream, target: string, options: RemoteOptions): Promise<void> {
    if (this.#closed) {
      stream.destroy();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const session = new Session(this, streamChannel(stream), {
        readOnly: options.readOnly,
        role: options.role,
        probe: probeOf(target, options),
        remote: target,
      });
      this.#sessions.add(session);
      this.#leaving.set(session, resolve);
    });
  }

  /** A connection within the process: messages are passed, not serialised. */
  connect(options: { readonly readOnly?: boolean } = {}): Channel {
    const number = this.#inProcess++;
    const [ours, theirs] = channelPair(this.clock, "memory:ovsdb-server", `memory#${number}`);
    this.#sessions.add(new Session(this, theirs, { readOnly: options.readOnly ?? false, role: "", probe: 0, remote: "memory" }));
    return ours;
  }

  closed(session: Session, error: Error | undefined): void {
    this.#sessions.delete(session);
    this.#leaving.get(session)?.();
    this.#leaving.delete(session);
    if (error === undefined) return;
    const peers = error instanceof WeftError && error.blame === "peer";
    if (peers && /^jsonrpc\.(syntax|utf8|bad-message)$/.test(error.code)) {
      this.#runtime.log.logger("jsonrpc").warn(`${session.name}: ${error.message}`);
    }
    this.#reconnectLog.warn(`${session.name}: connection dropped (${error.message})`);
  }

  /** Drops all clients; they may come again. */
  disconnectAll(reason: string): void {
    for (const session of [...this.#sessions]) session.disconnect(reason);
  }

  /** Figures of memory/show. */
  usage(): { readonly [counter: string]: number } {
    let atoms = 0;
    let cells = 0;
    let weak = 0;
    let monitors = 0;
    for (const { database, monitors: group } of this.#databases.values()) {
      monitors += group.count;
      for (const table of database.tables.values()) {
        const columns = table.schema.allColumns.length;
        for (const row of table.rows()) {
          cells += columns;
          atoms += 2;
          for (const cell of row.cells) atoms += cell.length;
        }
        for (const counts of table.weakIn.values()) for (const count of counts.values()) weak += count;
      }
    }
    return { atoms, cells, monitors, "n-weak-refs": weak, sessions: this.#sessions.size };
  }

  /** Closes remotes, clients and databases, in this order; what was committed is in the logs. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#remotes.close();
    for (const session of [...this.#sessions]) session.destroy();
    for (const name of [...this.#backups.keys()]) this.stopBackup(name);
    for (const served of this.#databases.values()) await served.close();
  }
}

/** `relay:NAME:REMOTE` of ovsdb-server(1); undefined where it is something else. */
export function parseRelay(text: string): { readonly name: string; readonly remote: string } | undefined {
  const match = /^relay:([^:]+):(.+)$/.exec(text);
  return match === null ? undefined : { name: match[1]!, remote: match[2]! };
}

export interface CreateServerOptions extends ServerOptions {
  /** Databases to serve: files, relays as `relay:NAME:REMOTE`, or databases in memory. */
  readonly databases?: readonly (string | Database)[];
  /** As of ovsdb-server(1) --remote. */
  readonly remotes?: readonly string[];
}

/** A server with its databases open and its remotes listening. Rejects, with everything closed, if one of them fails. */
export async function createServer(options: CreateServerOptions): Promise<OvsdbServer> {
  const server = new OvsdbServer(options);
  try {
    for (const database of options.databases ?? []) {
      if (typeof database === "string") await server.addNamed(database);
      else server.addDatabase(database);
    }
    for (const remote of options.remotes ?? []) await server.addRemote(remote);
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** An empty database in memory. Throws OvsdbError for a bad schema. */
export function memoryDatabase(runtime: Pick<Runtime, "random">, schema: SchemaJson | Json): Database {
  return new Database(parseSchema(schema), runtime.random);
}
