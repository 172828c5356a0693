/** Where a ctl program's database is, and how it is connected to. */
import type { ReplicaOptions, SchemaJson } from "@weft/ovsdb";
import {
  type ConfigurableLogBook,
  type Host,
  type LogBook,
  type Logger,
  messageOf,
  type Runtime,
  WeftError,
} from "@weft/runtime";
import { directoriesOf, inFolder } from "../directories.ts";
import { type GivenOption, tlsProviderOf } from "../options.ts";
import type { CtlProgram } from "./program.ts";

const last = (options: readonly GivenOption[], name: string): string | undefined =>
  options.findLast((option) => option.name === name)?.value;

/** Which of a switch and its opposite was given last. */
const chosen = (options: readonly GivenOption[], ...names: readonly string[]): string | undefined =>
  options.findLast(({ name }) => names.includes(name))?.name;

/** The remotes as they were given, for messages. */
export function remotesOf<S extends SchemaJson>(
  { database, family }: CtlProgram<S>,
  options: readonly GivenOption[],
  env: Host["env"],
): string {
  const given = last(options, "db");
  if (given !== undefined) return given;
  const inherited = database.variable === undefined ? undefined : env[database.variable];
  return inherited ?? `unix:${inFolder(directoriesOf(env, family).run, database.socket)}`;
}

/** `tables`: those that are monitored; all of them where it is absent. */
export function replicaOptionsOf<S extends SchemaJson>(
  program: CtlProgram<S>,
  options: readonly GivenOption[],
  host: Host,
  runtime: Runtime,
  tables?: ReadonlySet<string>,
): ReplicaOptions<S> {
  const text = remotesOf(program, options, host.env);
  const run = directoriesOf(host.env, program.family).run;
  const remotes = text
    .split(/,(?=[a-z]+:)/)
    .map((remote) => (remote.startsWith("unix:") ? `unix:${inFolder(run, remote.slice(5))}` : remote));
  const tls = tlsProviderOf(runtime.files, options);
  // An object with exactly the tables that the commands name.
  const monitor =
    tables && (Object.fromEntries([...tables].map((table) => [table, true])) as NonNullable<ReplicaOptions<S>["monitor"]>);
  return {
    runtime,
    schema: program.schema,
    remotes,
    ...(monitor === undefined ? {} : { monitor }),
    shuffle: chosen(options, "shuffle-remotes", "no-shuffle-remotes") !== "no-shuffle-remotes",
    leaderOnly: chosen(options, "leader-only", "no-leader-only") !== "no-leader-only",
    ...(tls === undefined ? {} : { tls }),
  };
}

/** A connection comes with every command and is not worth a record. */
export function withoutReconnects(log: ConfigurableLogBook): LogBook {
  return {
    onRecord: (listener) => log.onRecord(listener),
    logger(module) {
      const logger = log.logger(module);
      if (module !== "reconnect") return logger;
      const { err, warn, emer } = logger;
      const dbg: Logger["dbg"] = (text) => logger.dbg(text);
      return {
        module,
        emer: emer.bind(logger),
        err: err.bind(logger),
        warn: warn.bind(logger),
        info: dbg,
        dbg,
        enabled: (level) => logger.enabled(level),
      };
    },
  };
}

export function connectReason(error: unknown, remotes: string): string {
  if (!(error instanceof WeftError)) return messageOf(error);
  const cause = error.cause instanceof WeftError ? error.cause : error;
  if (cause.code === "net.bad-remote") return "Address family not supported by protocol";
  // A server that is there but has no such database gives no reason.
  if (cause.code === "ovsdb.reconnect" || cause.code === "ovsdb.connection-closed") return "";
  const { source } = error.place;
  return messageOf(error).replace(`${source ?? remotes}: `, "");
}
