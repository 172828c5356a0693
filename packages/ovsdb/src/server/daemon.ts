/** A server as ovsdb-server(1) runs it: databases in files, remotes and certificates possibly named by a database. */
import { type ControlCommand, messageOf, type Runtime, type TlsOptions, WeftError } from "@weft/runtime";
import { serverCommands } from "./control.ts";
import { findSource, parseDatabaseSource } from "./remotes.ts";
import { OvsdbServer } from "./server.ts";

/** Where certificates come from: a file, or `db:DATABASE,TABLE,COLUMN` with the file's name; "none" for no CA. */
export interface TlsSources {
  readonly privateKey?: string;
  readonly certificate?: string;
  readonly caCertificate?: string;
}

export interface ServerDaemonOptions {
  readonly runtime: Runtime;
  /** Files. */
  readonly databases: readonly string[];
  readonly remotes: readonly string[];
  readonly tls?: TlsSources;
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
  const logger = runtime.log.logger("ovsdb_server");
  const server = new OvsdbServer({ runtime });
  const fail = async (): Promise<never> => {
    await server.close();
    throw new WeftError("ovsdb.configuration", "server configuration failed", { blame: "caller" });
  };
  for (const path of options.databases) {
    try {
      await server.addDatabaseFile(path);
    } catch (error) {
      logger.warn(`failed to open database '${path}': ${messageOf(error)}`);
      logger.warn("failed to configure databases");
      await fail();
    }
  }
  const tls = options.tls === undefined ? undefined : new Certificates(server, runtime, options.tls);
  await tls?.refresh();
  for (const remote of options.remotes) {
    try {
      await server.addRemote(remote, true);
    } catch (error) {
      logger.warn(messageOf(error));
      logger.warn("failed to configure remotes");
      await fail();
    }
  }
  return { server, commands: serverCommands(server, runtime.log), close: () => server.close() };
}

/** Follows the database columns that name certificate files. */
class Certificates {
  readonly #server: OvsdbServer;
  readonly #runtime: Runtime;
  readonly #sources: TlsSources;
  #last = "";

  constructor(server: OvsdbServer, runtime: Runtime, sources: TlsSources) {
    this.#server = server;
    this.#runtime = runtime;
    this.#sources = sources;
    for (const name of new Set(Object.values(sources).map((text: string) => parseDatabaseSource(text)?.database))) {
      const served = name === undefined ? undefined : server.databases.get(name);
      served?.onCommit(() => void this.refresh());
    }
  }

  async refresh(): Promise<void> {
    const names = [this.#sources.privateKey, this.#sources.certificate, this.#sources.caCertificate].map((source) =>
      source === undefined ? undefined : this.#fileNamed(source),
    );
    const key = names.join("\n");
    if (key === this.#last) return;
    this.#last = key;
    const [privateKey, certificate, caCertificate] = await Promise.all(names.map((name) => this.#read(name)));
    const tls: TlsOptions = {
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(caCertificate === undefined ? {} : { caCertificate }),
      ...(names[2] === "none" ? { acceptAny: true } : {}),
    };
    await this.#server.setTls(Object.keys(tls).length === 0 ? undefined : tls);
  }

  /** The first nonempty string of the column, for a `db:` source. */
  #fileNamed(text: string): string | undefined {
    const source = parseDatabaseSource(text);
    if (source === undefined) return text;
    const { table, column } = findSource(this.#server.databases.get(source.database), source, text);
    for (const row of table.rows()) {
      for (const atom of row.cells[column.index]!) if (typeof atom === "string" && atom !== "") return atom;
    }
    return undefined;
  }

  async #read(path: string | undefined): Promise<string | undefined> {
    if (path === undefined || path === "none") return undefined;
    try {
      return new TextDecoder().decode(await this.#runtime.files.read(path));
    } catch (error) {
      this.#runtime.log.logger("stream_ssl").err(messageOf(error));
      return undefined;
    }
  }
}
