/** Where clients come from: listening and connecting, given directly or through the rows of a database. */
import { type Listener, type Logger, messageOf, type Runtime, type Stream, type TlsOptions } from "@weft/runtime";
import type { Row } from "../engine/row.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import type { ColumnSchema } from "../model.ts";
import type { Datum } from "../value.ts";
import type { ServedDatabase } from "./served.ts";

/** How clients of a remote are treated. */
export interface RemoteOptions {
  /** Ms of silence before a probe; undefined for the transport's default. */
  readonly probe: number | undefined;
  /** Ms between attempts to connect, at most. */
  readonly maxBackoff: number;
  readonly readOnly: boolean;
  readonly role: string;
}

export const DEFAULT_REMOTE_OPTIONS: RemoteOptions = { probe: undefined, maxBackoff: 8000, readOnly: false, role: "" };

const DEFAULT_PORT = 6640;
const FIRST_BACKOFF = 1000;

/** Probing a socket of the same machine tells nothing. */
export function probeOf(target: string, options: RemoteOptions): number {
  return options.probe ?? (/^p?(tcp|ssl):/.test(target) ? 5000 : 0);
}

export interface Endpoint {
  readonly target: string;
  readonly options: RemoteOptions;
  /** The bound port of a listening TCP remote. */
  readonly port: number | undefined;
  /** Rejects when a passive remote cannot listen. */
  readonly ready: Promise<void>;
  /** For the status column of a Manager or Connection row. */
  status(): EndpointStatus;
  /** Other certificates, for connections from now on. */
  setTls(tls: TlsOptions): void;
  close(): Promise<void>;
}

export interface EndpointStatus {
  readonly connected: boolean;
  /** Keys as of ovs-vswitchd.conf.db(5), Manager table, sorted. */
  readonly fields: readonly (readonly [string, string])[];
}

export interface EndpointWorld {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly tls: TlsOptions | undefined;
  readonly tlsLogger: Logger;
  /** A client; resolves when it is gone. */
  accept(stream: Stream, target: string, options: RemoteOptions): Promise<void>;
  /** The locks of the client at a target that was connected to. */
  locks(target: string): { readonly held: string[]; readonly waiting: string[]; readonly lost: string[] };
}

/** Listens at, or connects to, a target. */
export function openEndpoint(world: EndpointWorld, target: string, options: RemoteOptions): Endpoint {
  return target.startsWith("p") ? listen(world, target, options) : dial(world, target, options);
}

function netOptions(tls: TlsOptions | undefined): { readonly defaultPort: number; readonly tls?: TlsOptions } {
  return { defaultPort: DEFAULT_PORT, ...(tls === undefined ? {} : { tls }) };
}

function listen(world: EndpointWorld, target: string, options: RemoteOptions): Endpoint {
  let listener: Listener | undefined;
  let closed = false;
  let clients = 0;
  const accept = (stream: Stream): void => {
    clients++;
    void world.accept(stream, target, options).then(() => clients--);
  };
  const ready = world.runtime.net
    .listen(target, accept, { ...netOptions(world.tls), refused: (why) => world.tlsLogger.warn(why) })
    .then(async (opened) => {
      listener = opened;
      // Whoever asked for any port finds out which one here.
      const asked = /^p(?:tcp|ssl):(0(?::.*)?)$/.exec(target)?.[1];
      if (asked !== undefined) {
        world.runtime.log.logger("socket_util").info(`${asked}: listening on port ${opened.port ?? 0}`);
      }
      if (closed) await opened.close();
    });
  return {
    target,
    options,
    get port() {
      return listener?.port;
    },
    ready,
    status() {
      const fields: [string, string][] = [];
      if (listener?.port !== undefined) fields.push(["bound_port", String(listener.port)]);
      if (clients > 1) fields.push(["n_connections", String(clients)]);
      // The reference counts no seconds for those who come by themselves.
      fields.push(["sec_since_connect", "0"], ["sec_since_disconnect", "0"]);
      return { connected: clients > 0, fields };
    },
    setTls(tls) {
      try {
        listener?.setTls?.(tls);
      } catch (error) {
        world.logger.err(`${target}: ${messageOf(error)}`);
      }
    },
    async close() {
      closed = true;
      await listener?.close();
    },
  };
}

function dial(world: EndpointWorld, target: string, options: RemoteOptions): Endpoint {
  const { clock, net } = world.runtime;
  let { tls } = world;
  let closed = false;
  let current: Stream | undefined;
  let backoff = FIRST_BACKOFF;
  let state: "CONNECTING" | "ACTIVE" | "BACKOFF" = "CONNECTING";
  let connectedAt: number | undefined;
  let disconnectedAt: number | undefined;
  const run = async (): Promise<void> => {
    while (!closed) {
      world.logger.info(`${target}: connecting...`);
      state = "CONNECTING";
      try {
        current = await net.connect(target, netOptions(tls));
        if (closed) {
          current.destroy();
          return;
        }
        world.logger.info(`${target}: connected`);
        backoff = FIRST_BACKOFF;
        state = "ACTIVE";
        connectedAt = clock.now();
        await world.accept(current, target, options);
        disconnectedAt = clock.now();
        world.logger.info(`${target}: connection closed by peer`);
      } catch (error) {
        world.logger.info(`${target}: connection attempt failed (${messageOf(error)})`);
      }
      if (closed) return;
      state = "BACKOFF";
      await new Promise<void>((resolve) => clock.after(backoff, resolve, true));
      backoff = Math.min(2 * backoff, Math.max(options.maxBackoff, FIRST_BACKOFF));
    }
  };
  void run();
  return {
    target,
    options,
    port: undefined,
    ready: Promise.resolve(),
    status() {
      const since = (name: string, at: number | undefined): [string, string][] =>
        at === undefined ? [] : [[name, String(Math.floor((clock.now() - at) / 1000))]];
      return {
        connected: state === "ACTIVE",
        fields: [
          ...Object.entries(world.locks(target))
            .filter(([, names]) => names.length > 0)
            .map(([how, names]): [string, string] => [`locks_${how}`, names.join(" ")]),
          ...since("sec_since_connect", connectedAt),
          ...since("sec_since_disconnect", disconnectedAt),
          ["state", state],
        ],
      };
    },
    setTls(renewed) {
      tls = renewed;
    },
    async close() {
      closed = true;
      current?.destroy();
    },
  };
}

/** `db:DATABASE,TABLE,COLUMN` of ovsdb-server(1). */
export interface DatabaseSource {
  readonly database: string;
  readonly table: string;
  readonly column: string;
}

/** Parses a `db:` name; undefined if it is not one. Throws OvsdbError if it is malformed. */
export function parseDatabaseSource(text: string): DatabaseSource | undefined {
  if (!text.startsWith("db:")) return undefined;
  const [database, table, column, ...rest] = text.slice(3).split(",");
  if (!database || !table || !column || rest.length > 0) {
    throw new OvsdbError("invalid parameters", `"${text}": invalid syntax`);
  }
  return { database, table, column };
}

/** Table and column of a source. Throws OvsdbError where they do not exist or cannot name remotes. */
export function findSource(
  served: ServedDatabase | undefined,
  source: DatabaseSource,
  text: string,
): { readonly table: Table; readonly column: ColumnSchema } {
  const fail = (why: string): never => {
    throw new OvsdbError("invalid parameters", `"${text}": ${why}`);
  };
  if (served === undefined) return fail(`no database named ${source.database}`);
  const table = served.database.table(source.table);
  if (table === undefined) return fail(`no table named ${source.table}`);
  const column = table.schema.column(source.column);
  if (column === undefined) return fail(`table "${source.table}" has no column "${source.column}"`);
  const { key, value } = column.type;
  const strings = key.type === "string" && value === undefined;
  if (!strings && !(key.type === "uuid" && value === undefined && key.refTable !== undefined)) {
    return fail(`type mismatch: not a column of strings or references`);
  }
  return { table, column };
}

function scalar(table: Table, row: Row, name: string): Datum[number] | undefined {
  const column = table.schema.column(name);
  return column === undefined || column.index < 0 ? undefined : row.cells[column.index]![0];
}

/** The remotes that a database's rows give. */
export function remotesInDatabase(table: Table, column: ColumnSchema): Map<string, RemoteOptions> {
  const found = new Map<string, RemoteOptions>();
  const target = column.type.key.refTable === undefined ? undefined : table.tables.get(column.type.key.refTable);
  for (const row of table.rows()) {
    for (const atom of row.cells[column.index]!) {
      if (target === undefined) {
        if (typeof atom === "string" && atom !== "") found.set(atom, DEFAULT_REMOTE_OPTIONS);
        continue;
      }
      const remote = slotRow(target, atom);
      if (remote === undefined) continue;
      const name = scalar(target, remote, "target");
      if (typeof name !== "string" || name === "") continue;
      const probe = scalar(target, remote, "inactivity_probe");
      const backoff = scalar(target, remote, "max_backoff");
      const role = scalar(target, remote, "role");
      found.set(name, {
        probe: typeof probe === "number" ? probe : undefined,
        maxBackoff: typeof backoff === "number" ? backoff : DEFAULT_REMOTE_OPTIONS.maxBackoff,
        readOnly: scalar(target, remote, "read_only") === true,
        role: typeof role === "string" ? role : "",
      });
    }
  }
  return found;
}

function slotRow(table: Table, uuid: Datum[number]): Row | undefined {
  for (const slot of table.match([{ column: table.schema.column("_uuid")!, function: "==", arg: [uuid] }])) return slot.row;
  return undefined;
}

/** Whether a commit may have changed the remotes that a source gives. */
export function touchesSource(deltas: readonly RowDelta[], table: Table, column: ColumnSchema): boolean {
  const target = column.type.key.refTable;
  return deltas.some((delta) => delta.table === table || delta.table.name === target);
}
