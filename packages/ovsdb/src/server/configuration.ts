/** The configuration file of ovsdb-server(1) --config-file: remotes and databases, applied by difference. */
import { type Logger, messageOf, type Runtime, WeftError } from "@weft/runtime";
import { OvsdbError } from "../error.ts";
import { isObject, type Json, JsonError, type JsonObject, parseJson } from "../jsonrpc/json.ts";
import { CLUSTERED } from "../log/format.ts";
import { Members } from "../members.ts";
import { DEFAULT_REMOTE_OPTIONS, type RemoteOptions } from "./remotes.ts";
import type { Replication, Role } from "./replication.ts";
import type { OvsdbServer } from "./server.ts";
import type { Source } from "./source.ts";

type DatabaseConfiguration =
  | { readonly model: "standalone" | undefined }
  | { readonly model: "relay"; readonly source: Source }
  | { readonly model: "active-backup"; readonly role: Role };

interface Configuration {
  readonly remotes: ReadonlyMap<string, RemoteOptions>;
  /** By file name; for relays by the database's name. */
  readonly databases: ReadonlyMap<string, DatabaseConfiguration>;
}

/** The file cannot be used; why is in the log. */
class ConfigurationError extends WeftError {
  constructor(message: string, cause?: unknown) {
    super("ovsdb.configuration", message, { blame: "caller", ...(cause === undefined ? {} : { cause }) });
  }
}

export class ConfigurationFile {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #server: OvsdbServer;
  readonly #replication: Replication;
  readonly #locate: (name: string) => string;
  readonly #log: Logger;
  #current: Configuration = { remotes: new Map(), databases: new Map() };
  /** Names of the databases that are served, by the keys of the file. */
  readonly #served = new Map<string, string>();

  /** `locate` gives the path of a database's file. */
  constructor(path: string, runtime: Runtime, server: OvsdbServer, replication: Replication, locate: (name: string) => string) {
    this.path = path;
    this.#runtime = runtime;
    this.#server = server;
    this.#replication = replication;
    this.#locate = locate;
    this.#log = runtime.log.logger("ovsdb_server");
  }

  /** Reads the file and makes the server agree with it; false if that failed, which the log tells about. */
  async load(): Promise<boolean> {
    this.#log.info(`loading configuration from '${this.path}'`);
    let wanted: Configuration;
    try {
      wanted = this.#parse(await this.#read());
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      this.#log.warn(error.message);
      this.#log.warn(`failed to load configuration from ${this.path}`);
      return false;
    }
    const databases = await this.#applyDatabases(wanted.databases);
    const remotes = databases && (await this.#applyRemotes(wanted.remotes));
    this.#current = wanted;
    return remotes;
  }

  async #read(): Promise<string> {
    try {
      return new TextDecoder().decode(await this.#runtime.files.read(this.path));
    } catch (error) {
      const why = messageOf(error).replace(`${this.path}: `, "");
      throw new ConfigurationError(`failed to open configuration file '${this.path}': ${why}`, error);
    }
  }

  #parse(text: string): Configuration {
    let json: Json;
    try {
      json = parseJson(text);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      throw new ConfigurationError(`config: reading JSON failed (${error.message})`, error);
    }
    if (!isObject(json)) throw new ConfigurationError("configuration in a file must be a JSON object");
    return {
      remotes: this.#section("remotes", () => this.#remotes(json)),
      databases: this.#section("databases", () => {
        const entries = sectionOf(json, "databases").map(
          ([name, options]) => [name, this.#database(name, options ?? null)] as const,
        );
        return new Map(entries);
      }),
    };
  }

  /** Parses a part of the file; what is wrong there is logged in front of the part's name. */
  #section<T>(name: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      this.#log.warn(error instanceof OvsdbError ? error.line : error.message);
      throw new ConfigurationError(`config: failed to parse '${name}'`, error);
    }
  }

  #remotes(json: JsonObject): Map<string, RemoteOptions> {
    const remotes = new Map<string, RemoteOptions>();
    for (const [target, options] of sectionOf(json, "remotes")) {
      if (options !== null && !isObject(options)) {
        throw new ConfigurationError(`${target}: JSON-RPC options are not a JSON object or null`);
      }
      if (target.startsWith("pfd:")) throw new ConfigurationError(`${target}: listening on given descriptors is not supported`);
      remotes.set(target, this.#remoteOptions(options ?? {}, true));
    }
    return remotes;
  }

  /** Options that are wrong are told, and the defaults are used, as the reference does it. */
  #remoteOptions(json: JsonObject, listening: boolean): RemoteOptions {
    const members = new Members(json, () => "JSON-RPC options");
    const probe = integer(members, "inactivity-probe");
    const maxBackoff = integer(members, "max-backoff");
    integer(members, "dscp");
    const readOnly = listening ? members.boolean("read-only", true) : undefined;
    const role = listening ? members.string("role", true) : undefined;
    try {
      members.finish();
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      this.#runtime.log.logger("ovsdb_jsonrpc_server").warn(error.line);
    }
    return {
      probe,
      maxBackoff: maxBackoff ?? DEFAULT_REMOTE_OPTIONS.maxBackoff,
      readOnly: readOnly ?? false,
      role: role ?? "",
    };
  }

  #database(name: string, json: Json): DatabaseConfiguration {
    const members = new Members(json, () => `database ${name}`);
    const model = members.string("service-model", true);
    if (model === undefined || model === "standalone") {
      members.finish();
      return { model };
    }
    if (model === "clustered") throw new ConfigurationError(`${name}: ${CLUSTERED}`);
    if (model !== "relay" && model !== "active-backup") {
      members.fail(`'${model}' is not a valid service model`);
      members.finish();
    }
    const backup = model === "active-backup" ? members.boolean("backup") : undefined;
    const sources = Object.entries(members.object("source") ?? {});
    if (!members.failed && sources.length !== 1) members.fail("'source' should be an object with exactly one element");
    const excluded = model === "active-backup" ? members.array("exclude-tables", true) : undefined;
    members.finish();
    const [remote, given] = sources[0]!;
    const { probe, maxBackoff } = this.#remoteOptions(isObject(given ?? null) ? (given as JsonObject) : {}, false); // isObject has said so
    const source: Source = { remote, maxBackoff, ...(probe === undefined ? {} : { probe }) };
    if (model === "relay") return { model, source };
    const tables = new Set((excluded ?? []).filter((table) => typeof table === "string"));
    return { model: "active-backup", role: { source, excluded: tables, backup: backup === true } };
  }

  async #applyDatabases(wanted: Configuration["databases"]): Promise<boolean> {
    for (const [key, served] of [...this.#served]) {
      const now = wanted.get(key);
      if (now !== undefined && (now.model !== "relay" || same(now, this.#current.databases.get(key)))) continue;
      this.#served.delete(key);
      this.#replication.assign(served, undefined);
      await this.#server.removeDatabase(served);
    }
    for (const [key, database] of wanted) {
      try {
        const before = this.#served.get(key);
        let name = before;
        if (name === undefined) {
          const served =
            database.model === "relay"
              ? this.#server.addRelay(key, database.source)
              : await this.#server.addDatabaseFile(this.#locate(key));
          name = served.name;
          this.#served.set(key, name);
        }
        if (before !== undefined && same(database, this.#current.databases.get(key))) continue;
        this.#replication.assign(name, database.model === "active-backup" ? database.role : undefined);
      } catch (error) {
        this.#log.warn(`failed to open database '${key}': ${messageOf(error)}`);
        this.#log.warn("failed to configure databases");
        return false;
      }
    }
    return true;
  }

  async #applyRemotes(wanted: Configuration["remotes"]): Promise<boolean> {
    for (const [target, options] of this.#current.remotes) {
      if (!same(options, wanted.get(target))) await this.#server.removeRemote(target);
    }
    for (const [target, options] of wanted) {
      try {
        await this.#server.addRemote(target, true, options);
      } catch (error) {
        this.#log.warn(`failed to configure remotes: ${error instanceof OvsdbError ? error.details : messageOf(error)}`);
        return false;
      }
    }
    return true;
  }
}

function sectionOf(json: JsonObject, name: string): [string, Json | undefined][] {
  const section = json[name];
  if (!isObject(section ?? null)) throw new ConfigurationError(`config: '${name}' is not a JSON object`);
  return Object.entries(section as JsonObject); // isObject has said so
}

function integer(members: Members, name: string): number | undefined {
  const value = members.optional(name, "integer");
  return typeof value === "number" ? value : undefined;
}

/** Whether two parts of configurations say the same. */
function same(a: object | undefined, b: object | undefined): boolean {
  const text = (part: object | undefined): string =>
    JSON.stringify(part, (_key, value: unknown) => (value instanceof Set ? [...value] : value)) ?? "";
  return text(a) === text(b);
}
