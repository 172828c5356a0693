/** A server as ovsdb-server(1) runs it: databases in files, remotes and certificates possibly named by a database. */
import {
  type ControlCommand,
  type Logger,
  messageOf,
  type Runtime,
  readTls,
  type Timer,
  type TlsFiles,
  WeftError,
} from "@weft/runtime";
import { ConfigurationFile } from "./configuration.ts";
import { serverCommands } from "./control.ts";
import { findSource, parseDatabaseSource } from "./remotes.ts";
import { Replication, type ReplicationOptions } from "./replication.ts";
import { OvsdbServer, parseRelay } from "./server.ts";

export interface ServerDaemonOptions {
  readonly runtime: Runtime;
  /** Files, and relays as `relay:NAME:REMOTE`. */
  readonly databases: readonly string[];
  readonly remotes: readonly string[];
  /** Files; for each also `db:DATABASE,TABLE,COLUMN`, where the column has the file's name. */
  readonly tls?: TlsFiles;
  readonly replication?: ReplicationOptions;
  /** In place of databases, remotes and replication. */
  readonly configFile?: string;
  /** The path of a database that the configuration file names. */
  readonly locate?: (name: string) => string;
}

export interface ServerDaemon {
  readonly server: OvsdbServer;
  readonly commands: readonly ControlCommand[];
  close(): Promise<void>;
}

/**
 * Opens the databases, then the remotes. A remote that cannot listen is logged and tried again. Rejects with WeftError
 * "ovsdb.configuration" when a database cannot be opened or a `db:` remote names nothing.
 */
export async function startServerDaemon(options: ServerDaemonOptions): Promise<ServerDaemon> {
  const { runtime } = options;
  const server = new OvsdbServer({ runtime });
  const replication = new Replication(server, options.replication ?? {});
  const configuration =
    options.configFile === undefined
      ? undefined
      : new ConfigurationFile(options.configFile, runtime, server, replication, options.locate ?? ((name) => name));
  const tls = options.tls === undefined ? undefined : new Certificates(server, runtime, options.tls);
  const configured =
    configuration === undefined ? await configure(server, replication, options, tls) : await configuration.load();
  if (configuration !== undefined) await tls?.start();
  if (!configured) {
    tls?.stop();
    await server.close();
    throw new WeftError("ovsdb.configuration", "server configuration failed", { blame: "caller" });
  }
  return {
    server,
    commands: serverCommands(server, replication, configuration, runtime.log),
    async close() {
      tls?.stop();
      await server.close();
    },
  };
}

/** What the command line names; false if some of it cannot be, which the log tells about. */
async function configure(
  server: OvsdbServer,
  replication: Replication,
  options: ServerDaemonOptions,
  tls: Certificates | undefined,
): Promise<boolean> {
  const logger = options.runtime.log.logger("ovsdb_server");
  const seen = new Set<string>();
  for (const database of options.databases) {
    if (seen.has(database)) {
      logger.warn(`Duplicate database configuration: ${database}`);
      continue;
    }
    seen.add(database);
    try {
      await server.addNamed(database);
    } catch (error) {
      logger.warn(`failed to open database '${parseRelay(database)?.name ?? database}': ${messageOf(error)}`);
      logger.warn("failed to configure databases");
      return false;
    }
  }
  replication.apply();
  await tls?.start();
  for (const remote of options.remotes) {
    try {
      await server.addRemote(remote, true);
    } catch (error) {
      logger.warn(messageOf(error));
      logger.warn("failed to configure remotes");
      return false;
    }
  }
  return true;
}

/** Ms between two looks at the certificates' files. */
const RENEWAL_INTERVAL = 1000;

/** Follows the database columns that name certificate files, and the files themselves. */
class Certificates {
  readonly #server: OvsdbServer;
  readonly #runtime: Runtime;
  readonly #sources: TlsFiles;
  readonly #log: Logger;
  #timer: Timer | undefined;
  #last = "";
  /** What was logged last, so that it is said once. */
  #complaint = "";

  constructor(server: OvsdbServer, runtime: Runtime, sources: TlsFiles) {
    this.#server = server;
    this.#runtime = runtime;
    this.#sources = sources;
    this.#log = runtime.log.logger("stream_ssl");
  }

  /** Resolves when what there is now is in use. */
  async start(): Promise<void> {
    await this.#refresh();
    let busy = false;
    this.#timer = this.#runtime.clock.every(
      RENEWAL_INTERVAL,
      () => {
        if (busy) return;
        busy = true;
        void this.#refresh().finally(() => {
          busy = false;
        });
      },
      true,
    );
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #refresh(): Promise<void> {
    try {
      const tls = await readTls(this.#runtime.files, this.#names());
      this.#complaint = "";
      const content = JSON.stringify({ ...tls, bootstrap: tls?.bootstrap !== undefined });
      if (content === this.#last) return;
      this.#last = content;
      this.#server.setTls(tls);
    } catch (error) {
      // Files that are being replaced do not fit together for a moment: what was is kept.
      const complaint = messageOf(error);
      if (complaint !== this.#complaint) this.#log.err(complaint);
      this.#complaint = complaint;
    }
  }

  #names(): TlsFiles {
    const entries = Object.entries(this.#sources as { readonly [name: string]: string | undefined });
    const resolved = entries.map(([name, text]) => [name, text === undefined ? undefined : this.#fileNamed(text)] as const);
    return Object.fromEntries(resolved.filter(([, text]) => text !== undefined));
  }

  /** The first nonempty string of the column, for a `db:` source; the text itself otherwise. */
  #fileNamed(text: string): string | undefined {
    const source = parseDatabaseSource(text);
    if (source === undefined) return text;
    const served = this.#server.databases.get(source.database);
    // A database that was removed may come again.
    if (served === undefined) return undefined;
    const { table, column } = findSource(served, source, text);
    for (const row of table.rows()) {
      for (const atom of row.cells[column.index]!) if (typeof atom === "string" && atom !== "") return atom;
    }
    return undefined;
  }
}
