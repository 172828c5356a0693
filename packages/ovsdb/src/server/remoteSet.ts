/** The remotes of a server: those that were given, and those that databases name, with their status written back. */
import { type Logger, messageOf, type Runtime, type Timer, type TlsOptions } from "@weft/runtime";
import { errorIn, TRUSTED } from "../engine/operations.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import { type Json, stringifyJson } from "../jsonrpc/json.ts";
import type { ColumnSchema } from "../model.ts";
import {
  type DatabaseSource,
  type Endpoint,
  type EndpointWorld,
  findSource,
  openEndpoint,
  parseDatabaseSource,
  type RemoteOptions,
  remotesInDatabase,
  touchesSource,
} from "./remotes.ts";
import type { ServedDatabase } from "./served.ts";

/** Ms between two reports on remotes. */
const STATUS_INTERVAL = 2500;

export interface RemoteWorld extends Omit<EndpointWorld, "tls"> {
  readonly runtime: Runtime;
  readonly serverLogger: Logger;
  /** Served databases by name. */
  readonly databases: ReadonlyMap<string, ServedDatabase>;
  /** Sends the clients away that came through a target. */
  dismiss(target: string): void;
}

/** A remote as it was given: one endpoint, or those that a database names. */
interface Remote {
  readonly name: string;
  readonly endpoints: Map<string, Endpoint>;
  /** Follows the database that names the endpoints. */
  refresh(): Promise<void>;
}

export class RemoteSet {
  readonly #world: RemoteWorld;
  #tls: TlsOptions | undefined;
  readonly #remotes = new Map<string, Remote>();
  #statusTimer: Timer | undefined;
  #closed = false;

  constructor(world: RemoteWorld, tls: TlsOptions | undefined) {
    this.#world = world;
    this.#tls = tls;
  }

  /** As they were given. */
  get names(): string[] {
    return [...this.#remotes.keys()].sort();
  }

  portOf(name: string): number | undefined {
    for (const endpoint of this.#remotes.get(name)?.endpoints.values() ?? []) return endpoint.port;
    return undefined;
  }

  /** Other certificates, for connections from now on. */
  setTls(tls: TlsOptions | undefined): void {
    this.#tls = tls;
    for (const remote of this.#remotes.values()) for (const endpoint of remote.endpoints.values()) endpoint.setTls(tls ?? {});
  }

  /** A database has come, gone, or got another schema. */
  async refresh(database: string): Promise<void> {
    for (const remote of [...this.#remotes.values()]) {
      if (parseDatabaseSource(remote.name)?.database === database) await remote.refresh();
    }
  }

  /** A database has changed. */
  committed(served: ServedDatabase, deltas: readonly RowDelta[]): void {
    for (const remote of this.#remotes.values()) {
      const source = parseDatabaseSource(remote.name);
      if (source?.database !== served.name) continue;
      const found = this.#find(served, source, remote.name);
      if (found !== undefined && touchesSource(deltas, found.table, found.column)) void remote.refresh();
    }
  }

  /** The columns that a source means; undefined where the schema, which may have been another before, has none such. */
  #find(
    served: ServedDatabase,
    source: DatabaseSource,
    name: string,
  ): { readonly table: Table; readonly column: ColumnSchema } | undefined {
    if (!served.available) return undefined;
    try {
      return findSource(served, source, name);
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      return undefined;
    }
  }

  #endpoints(): EndpointWorld {
    return { ...this.#world, tls: this.#tls };
  }

  /**
   * Adds a remote of ovsdb-server(1) --remote: passive, active, or `db:DATABASE,TABLE,COLUMN`. A remote that is there already
   * is left alone. `options` are for remotes that no database names. Rejects when it names no column, or cannot listen and
   * shall not `retry`; it is then not added.
   */
  async add(name: string, retry: boolean, options: RemoteOptions): Promise<void> {
    if (this.#remotes.has(name)) return;
    const source = parseDatabaseSource(name);
    const endpoints = new Map<string, Endpoint>();
    if (source === undefined) {
      const remote: Remote = { name, endpoints, refresh: async () => {} };
      this.#remotes.set(name, remote);
      const endpoint = openEndpoint(this.#endpoints(), name, options);
      endpoints.set(name, endpoint);
      try {
        await endpoint.ready;
      } catch (error) {
        if (retry) this.#retryListening(remote, name, options, error);
        else {
          this.#remotes.delete(name);
          throw error;
        }
      }
      return;
    }
    const named = this.#world.databases.get(source.database);
    if (named?.available !== false) findSource(named, source, name);
    const refresh = async (): Promise<void> => {
      const served = this.#world.databases.get(source.database);
      const wanted = new Map<string, RemoteOptions>();
      const columns = served === undefined ? undefined : this.#find(served, source, name);
      if (columns !== undefined) {
        for (const [target, options] of remotesInDatabase(columns.table, columns.column)) wanted.set(target, options);
      }
      const closing: Promise<void>[] = [];
      for (const [target, endpoint] of endpoints) {
        const options = wanted.get(target);
        if (options !== undefined && stringifyJson({ ...options }) === stringifyJson({ ...endpoint.options })) continue;
        endpoints.delete(target);
        closing.push(this.#closeEndpoint(endpoint));
      }
      const opening: Promise<void>[] = [];
      for (const [target, options] of wanted) {
        if (endpoints.has(target)) continue;
        await Promise.all(closing);
        const endpoint = openEndpoint(this.#endpoints(), target, options);
        endpoints.set(target, endpoint);
        opening.push(
          endpoint.ready.catch((error: unknown) => {
            const remote = this.#remotes.get(name);
            if (remote !== undefined) this.#retryListening(remote, target, options, error);
          }),
        );
      }
      await Promise.all([...closing, ...opening]);
    };
    this.#remotes.set(name, { name, endpoints, refresh });
    await refresh();
    this.#statusTimer ??= this.#world.runtime.clock.every(STATUS_INTERVAL, () => this.#writeStatus(), true);
  }

  /** Tells in the rows that name remotes how these are: ovs-vswitchd.conf.db(5), Manager table. */
  #writeStatus(): void {
    for (const remote of this.#remotes.values()) {
      const source = parseDatabaseSource(remote.name);
      const served = source === undefined ? undefined : this.#world.databases.get(source.database);
      // A backup's rows are the active server's; a relay's too.
      if (source === undefined || served === undefined || served.readOnly || served.source !== undefined) continue;
      const found = this.#find(served, source, remote.name);
      if (found === undefined) continue;
      const { column } = found;
      const table = served.database.table(column.type.key.refTable ?? "");
      if (table?.schema.column("target") === undefined) continue;
      const operations: Json[] = [];
      for (const endpoint of remote.endpoints.values()) {
        const { connected, fields } = endpoint.status();
        const row: { [column: string]: Json } = {};
        if (table.schema.column("is_connected")?.type.key.type === "boolean") row.is_connected = connected;
        if (table.schema.column("status")?.type.value !== undefined) row.status = ["map", fields];
        if (Object.keys(row).length === 0) continue;
        operations.push({ op: "update", table: table.name, where: [["target", "==", endpoint.target]], row });
      }
      if (operations.length === 0) continue;
      served.transact(operations, TRUSTED, (results) => {
        const fault = errorIn(results);
        if (fault !== undefined)
          this.#world.serverLogger.err(`${served.name}: status of remotes: ${fault.error}: ${fault.details}`);
      });
    }
  }

  /** Tries again every second for as long as the remote is wanted. */
  #retryListening(remote: Remote, target: string, options: RemoteOptions, why: unknown): void {
    const failed = remote.endpoints.get(target);
    this.#world.serverLogger.err(`${target}: listen failed: ${messageOf(why)}`);
    this.#world.runtime.clock.after(
      1000,
      () => {
        if (this.#closed || this.#remotes.get(remote.name) !== remote || remote.endpoints.get(target) !== failed) return;
        const endpoint = openEndpoint(this.#endpoints(), target, options);
        remote.endpoints.set(target, endpoint);
        endpoint.ready.catch((error: unknown) => this.#retryListening(remote, target, options, error));
      },
      true,
    );
  }

  /** Takes a remote away, and the clients that came through it. False if there is none of this name. */
  async remove(name: string): Promise<boolean> {
    const remote = this.#remotes.get(name);
    if (remote === undefined) return false;
    this.#remotes.delete(name);
    for (const endpoint of remote.endpoints.values()) await this.#closeEndpoint(endpoint);
    return true;
  }

  async #closeEndpoint(endpoint: Endpoint): Promise<void> {
    const closing = endpoint.close();
    this.#world.dismiss(endpoint.target);
    await closing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#statusTimer?.cancel();
    for (const name of this.names) await this.remove(name);
  }
}
