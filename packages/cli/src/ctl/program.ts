/** A ctl program from its tables: parses the line, connects, runs the commands as one transaction, waits, prints. */
import {
  createReplica,
  databaseModel,
  type Json,
  type Replica,
  type ReplicaOptions,
  type SchemaJson,
  type TableName,
  type Transaction,
  type TransactionResult,
} from "@weft/ovsdb";
import {
  ConfigurableLogBook,
  type Host,
  type LogBook,
  type Logger,
  messageOf,
  type Program,
  type Runtime,
  type TlsOptions,
  WeftError,
} from "@weft/runtime";
import { directoriesOf, inFolder } from "../directories.ts";
import {
  daemonOptions,
  type GivenOption,
  loggingOptions,
  type OptionRow,
  tableOptions,
  tlsOptions,
  UsageError,
} from "../options.ts";
import { printTable, sortedJson, type Table, type TableStyle, tableStyle } from "../table.ts";
import { type Family, ovsVersion, versionLine } from "../version.ts";
import type { Call, CallSession, Command, Prepared } from "./command.ts";
import { databaseCommands } from "./database.ts";
import { CtlError } from "./error.ts";
import { helpText } from "./help.ts";
import { commandOptions, parseLine } from "./line.ts";
import type { RowRules } from "./lookup.ts";

export interface CtlProgram<S extends SchemaJson> {
  readonly name: string;
  readonly family: Family;
  readonly title: string;
  readonly schema: S;
  readonly commands: readonly Command<S>[];
  readonly rules: RowRules;
  /** Beside those that every ctl program has. */
  readonly options: readonly OptionRow[];
  /** The environment variable and the socket's file that say where the database is. */
  readonly database: { readonly variable?: string; readonly socket: string };
  /** The table with one row that is there always: made when it is missing. */
  readonly root: TableName<S>;
  /** The log module of the program. */
  readonly module: string;
  readonly wording: "ovn" | "getopt";
  /** What is read whatever the commands are. */
  readonly tables: readonly TableName<S>[];
  /** Looks at the options before anything else. Throws UsageError or CtlError. */
  readonly check?: (context: { readonly options: readonly GivenOption[] }) => void;
  /** Called before the commit. Returns whether there is something to wait for after it. */
  readonly beforeCommit?: (context: WaitContext<S>, db: Transaction<S>) => boolean;
  /** Called after a commit that is to be waited for; resolves to the exit code. */
  readonly wait?: (context: WaitContext<S>, increment: number) => Promise<number>;
}

export interface WaitContext<S extends SchemaJson> {
  readonly replica: Replica<S>;
  readonly options: readonly GivenOption[];
  readonly calls: readonly Prepared<S>[];
  /** What the commands kept for after the commit, each in its turn. */
  readonly kept: readonly unknown[];
  readonly host: Host;
  readonly runtime: Runtime;
  /** Wall time of the commit, in ms. */
  readonly started: number;
  /** Resolves when `holds` does, looked at after every change. */
  until(holds: () => boolean): Promise<void>;
}

/** Options of every ctl program, in the order in which --options tells them. */
export const ctlOptions = [
  { name: "db", argument: "required" },
  { name: "no-syslog" },
  { name: "help", short: "h" },
  { name: "commands" },
  { name: "options" },
  { name: "leader-only" },
  { name: "no-leader-only" },
  { name: "shuffle-remotes" },
  { name: "no-shuffle-remotes" },
  { name: "version", short: "V" },
  { name: "dry-run" },
  { name: "oneline" },
  { name: "timeout", short: "t", argument: "required" },
] as const satisfies readonly OptionRow[];

/** The names of commands that only read. */
const READS = /^(comment|find|sync|wait-until)$|(^|-)(list|get|show|exists|to|dump|count)(-|$)/;

/** Of a process that SIGALRM ended. */
const EXIT_TIMEOUT = 142;

export function ctlProgram<S extends SchemaJson>(program: CtlProgram<S>): Program {
  const generic = databaseCommands as unknown as readonly Command<S>[]; // they find tables and columns at run time
  const init: Command<S> = {
    name: "init",
    usage: "",
    min: 0,
    max: 0,
    group: "General commands",
    help: "make sure that the database is initialised",
    run() {},
  };
  const own = program.commands.some(({ name }) => name === "init") ? [] : [init];
  const commands = [...own, ...program.commands, ...generic];
  // The OVN tools can also be daemons; what is meant for that is known, and refused by name.
  const daemon = program.family === "ovn" ? daemonOptions : [];
  const options = [...ctlOptions, ...program.options, ...daemon, ...loggingOptions, ...tableOptions, ...tlsOptions];
  const database = databaseModel(program.schema);
  return async (args, host) => {
    try {
      const grammar = { options, commands, database, rules: program.rules, wording: program.wording };
      const line = parseLine(args, grammar);
      const text = await informational(program, commands, options, line.options, host);
      if (text !== undefined) {
        await host.stdout.write(text);
        return 0;
      }
      return await new Run(program, args, line.options, line.calls, host).run();
    } catch (error) {
      if (!(error instanceof WeftError) || error.blame === "us") throw error;
      await host.stderr.write(`${program.name}: ${messageOf(error)}\n`);
      return 1;
    }
  };
}

async function informational<S extends SchemaJson>(
  program: CtlProgram<S>,
  commands: readonly Command<S>[],
  options: readonly OptionRow[],
  given: readonly GivenOption[],
  host: Host,
): Promise<string | undefined> {
  for (const { name } of given) {
    if (name === "help") return helpText(program, commands, directoriesOf(host.env, program.family).run);
    if (name === "version") {
      const library = program.family === "ovn" ? `Open vSwitch Library ${ovsVersion}\n` : "";
      return `${versionLine(program.name, program.family)}\n${library}DB Schema ${program.schema.version}\n`;
    }
    if (name === "commands") return commands.map((command) => `${describeCommand(command)}\n`).join("");
    if (name === "options") {
      const long = (row: OptionRow) => `--${row.name}${row.argument === undefined ? "" : "=ARG"}\n`;
      const short = (row: OptionRow) =>
        row.short === undefined ? "" : `-${row.short}${row.argument === undefined ? "" : " ARG"}\n`;
      const own = program.wording === "ovn" ? commands.flatMap((command) => commandOptions(command.options)) : [];
      const names = new Set(options.map((row) => row.name));
      const more = new Map(own.filter((row) => !names.has(row.name)).map((row) => [row.name, row]));
      return [...options, ...more.values()].map((row) => long(row) + short(row)).join("");
    }
  }
  return undefined;
}

/** As shell completion reads it: options, name, arguments, with commas between. */
function describeCommand<S extends SchemaJson>({ name, usage, options }: Command<S>): string {
  const own = commandOptions(options).map((row) => {
    const mark = row.argument === "required" ? "=" : row.argument === "optional" ? "?" : "";
    return `[--${row.name}${mark}] `;
  });
  const words = usage.split(" ").filter((word) => word !== "");
  const args = words.map((word) => {
    const bare = word.replace(/^\[|\]?(\.\.\.)?$/g, "").replace(/\]$/, "");
    const mark = word.endsWith("...") ? (word.startsWith("[") ? "*" : "+") : word.startsWith("[") ? "?" : "!";
    return mark + bare;
  });
  return `${own.join("")},${name},${args.join(" ")}`;
}

class Run<S extends SchemaJson> {
  readonly #program: CtlProgram<S>;
  readonly #args: readonly string[];
  readonly #options: readonly GivenOption[];
  readonly #parseCalls: () => readonly Prepared<S>[];
  #calls: readonly Prepared<S>[] = [];
  readonly #host: Host;
  readonly #runtime: Runtime;
  readonly #log: ConfigurableLogBook;

  constructor(
    program: CtlProgram<S>,
    args: readonly string[],
    options: readonly GivenOption[],
    parseCalls: () => readonly Prepared<S>[],
    host: Host,
  ) {
    this.#program = program;
    this.#args = args;
    this.#options = options;
    this.#parseCalls = parseCalls;
    this.#host = host;
    this.#log = new ConfigurableLogBook(host.runtime.clock, program.name);
    this.#runtime = { ...host.runtime, log: withoutReconnects(this.#log) };
  }

  async run(): Promise<number> {
    this.#refuseDaemon();
    this.#openLog();
    const timeout = this.#timeout();
    const style = tableStyle(this.#options, "list");
    this.#program.check?.({ options: this.#options });
    this.#calls = this.#parseCalls();
    // Everything that is wrong with the line itself is told before there is a connection.
    const named = this.#calls.flatMap((call) => [...(call.command.tables ?? []), ...(call.command.prepare?.(call) ?? [])]);
    const tables = new Set<string>([...this.#program.tables, this.#program.root, ...named]);
    const called = this.#log.logger(this.#program.module);
    const text = `Called as ${this.#commandLine()}`;
    if (this.#calls.every(({ command }) => READS.test(command.name))) called.dbg(text);
    else called.info(text);
    const replica = createReplica(await this.#replicaOptions(tables));
    const aborted = new Promise<number>((resolve) => {
      this.#host.signal.addEventListener("abort", () => resolve(143), { once: true });
    });
    const timer = new Promise<number>((resolve) => {
      if (timeout === undefined) return;
      this.#runtime.clock.after(
        timeout * 1000,
        () => {
          this.#log.logger("fatal_signal").warn("terminating with signal 14 (Alarm clock)");
          resolve(EXIT_TIMEOUT);
        },
        true,
      );
    });
    try {
      return await Promise.race([this.#work(replica, style), timer, aborted]);
    } finally {
      await replica.close();
    }
  }

  #refuseDaemon(): void {
    const { name, database } = this.#program;
    const variable = database.variable?.replace(/_DB$/, "_DAEMON");
    const asked = this.#options.find((option) => option.name === "detach" || option.name === "unixctl");
    if (asked !== undefined) throw new UsageError(`--${asked.name}: ${name} does not run as a daemon yet`);
    if (variable !== undefined && (this.#host.env[variable] ?? "") !== "") {
      throw new UsageError(`${variable} is set, but ${name} does not talk to a daemon yet`);
    }
  }

  #openLog(): void {
    const log = this.#log;
    log.setOutput("console", (line) => void this.#host.stderr.write(`${line}\n`));
    log.setThreshold(undefined, "console", "warn");
    for (const { name, value } of this.#options) {
      if (name === "verbose") log.apply(value ?? "dbg");
    }
  }

  #timeout(): number | undefined {
    const given = this.#last("timeout");
    if (given === undefined) {
      const inherited = this.#host.env.OVS_CTL_TIMEOUT;
      return inherited !== undefined && /^[1-9][0-9]*$/.test(inherited) ? Number(inherited) : undefined;
    }
    if (!/^[0-9]+$/.test(given) || Number(given) === 0) throw new UsageError(`value ${given} on -t or --timeout is invalid`);
    return Number(given);
  }

  #last(...names: readonly string[]): string | undefined {
    return this.#options.findLast(({ name }) => names.includes(name))?.value;
  }

  #chosen(...names: readonly string[]): string | undefined {
    return this.#options.findLast(({ name }) => names.includes(name))?.name;
  }

  #commandLine(): string {
    return [this.#program.name, ...this.#args].join(" ");
  }

  #remotes(): string {
    const { database, family } = this.#program;
    const given = this.#last("db");
    if (given !== undefined) return given;
    const inherited = database.variable === undefined ? undefined : this.#host.env[database.variable];
    return inherited ?? `unix:${inFolder(directoriesOf(this.#host.env, family).run, database.socket)}`;
  }

  async #replicaOptions(tables: ReadonlySet<string>): Promise<ReplicaOptions<S>> {
    const { schema, family } = this.#program;
    const run = directoriesOf(this.#host.env, family).run;
    const remotes = this.#remotes()
      .split(/,(?=[a-z]+:)/)
      .map((remote) => (remote.startsWith("unix:") ? `unix:${inFolder(run, remote.slice(5))}` : remote));
    const tls = await this.#tls();
    return {
      runtime: this.#runtime,
      schema,
      remotes,
      // An object with exactly the tables that the commands name.
      monitor: Object.fromEntries([...tables].map((table) => [table, true])) as NonNullable<ReplicaOptions<S>["monitor"]>,
      shuffle: this.#chosen("shuffle-remotes", "no-shuffle-remotes") !== "no-shuffle-remotes",
      leaderOnly: this.#chosen("leader-only", "no-leader-only") !== "no-leader-only",
      once: this.#chosen("retry") === undefined,
      ...(tls === undefined ? {} : { tls }),
    };
  }

  async #tls(): Promise<TlsOptions | undefined> {
    const read = async (option: string): Promise<string | undefined> => {
      const path = this.#last(option);
      if (path === undefined) return undefined;
      return new TextDecoder().decode(await this.#runtime.files.read(path));
    };
    if (!this.#remotes().includes("ssl:")) return undefined;
    const ca = this.#last("ca-cert");
    const bootstrap = this.#last("bootstrap-ca-cert");
    const known = bootstrap !== undefined && (await this.#runtime.files.exists(bootstrap));
    const [privateKey, certificate, caCertificate] = await Promise.all([
      read("private-key"),
      read("certificate"),
      known ? read("bootstrap-ca-cert") : ca === "none" ? undefined : read("ca-cert"),
    ]);
    return {
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(caCertificate === undefined ? { acceptAny: ca === "none" || bootstrap !== undefined } : { caCertificate }),
    };
  }

  async #work(replica: Replica<S>, style: TableStyle): Promise<number> {
    const { name, root } = this.#program;
    try {
      await replica.ready();
    } catch (error) {
      throw new CtlError(`${this.#remotes()}: database connection failed (${connectReason(error, this.#remotes())})`);
    }
    const context: WaitContext<S> = {
      replica,
      options: this.#options,
      calls: this.#calls,
      kept: [],
      host: this.#host,
      runtime: this.#runtime,
      started: 0,
      until: (holds) => until(replica, holds),
    };
    for (;;) {
      let changed = false;
      const unsubscribe = replica.onChange(() => {
        changed = true;
      });
      const db = replica.transaction();
      if ([...db.rows(root)].length === 0) db.insert(root, {});
      const session: CallSession = { symbols: new Map(), tryAgain: false, exitCode: 0 };
      const outputs = this.#calls.map((call) => new RunningCall(call, db, session, this.#log));
      for (const call of outputs) {
        call.command.run(call);
        if (session.tryAgain) break;
      }
      if (!session.tryAgain) {
        this.#checkSymbols(session);
        const waiting = this.#program.beforeCommit?.(context, db) ?? false;
        db.comment(`${name}: ${this.#commandLine()}`);
        const started = this.#runtime.clock.wall();
        const dry = this.#chosen("dry-run") !== undefined;
        const result: TransactionResult = dry ? { status: "unchanged", inserted: new Map() } : await db.commit();
        if (result.status === "error") {
          const text = `transaction error: ${sortedJson((result.json ?? result.error) as Json)}`;
          this.#log.logger("ovsdb_idl").warn(text);
          throw new CtlError(text);
        }
        if (result.status === "not-locked") throw new CtlError("database not locked");
        if (result.status !== "try-again") {
          unsubscribe();
          for (const call of outputs) call.command.after?.(call, result);
          for (const call of outputs) await this.#host.stdout.write(call.output(this.#chosen("oneline") !== undefined, style));
          if (!waiting || result.status !== "success" || this.#program.wait === undefined) return session.exitCode;
          const after = { ...context, started, kept: outputs.map(({ kept }) => kept) };
          return (await this.#program.wait(after, result.increment ?? 0)) || session.exitCode;
        }
      }
      if (!changed) await nextChange(replica);
      unsubscribe();
    }
  }

  #checkSymbols({ symbols }: CallSession): void {
    for (const [id, { created, strong, weak }] of symbols) {
      if (!created) throw new CtlError(`row id "${id}" is referenced but never created (e.g. with "-- --id=${id} create ...")`);
      if (strong) continue;
      const what = weak ? "only a weak reference to it" : "no reference to it";
      this.#log
        .logger(this.#program.module)
        .warn(`row id "${id}" was created but ${what} was inserted, so it will not actually appear in the database`);
    }
  }
}

class RunningCall<S extends SchemaJson> implements Call<S> {
  readonly command: Command<S>;
  readonly args: readonly string[];
  readonly options: Prepared<S>["options"];
  readonly database: Prepared<S>["database"];
  readonly rules: RowRules;
  readonly db: Transaction<S>;
  readonly session: CallSession;
  readonly #log: ConfigurableLogBook;
  kept?: unknown;
  #text = "";
  #table: Table | undefined;

  constructor(call: Prepared<S>, db: Transaction<S>, session: CallSession, log: ConfigurableLogBook) {
    this.command = call.command;
    this.args = call.args;
    this.options = call.options;
    this.database = call.database;
    this.rules = call.rules;
    this.db = db;
    this.session = session;
    this.#log = log;
  }

  print(text: string): void {
    this.#text += text;
  }

  reprint(text: string): void {
    this.#text = text;
  }

  show(table: Table): void {
    this.#table = table;
  }

  warn(module: string, text: string): void {
    this.#log.logger(module).warn(text);
  }

  error(module: string, text: string): void {
    this.#log.logger(module).err(text);
  }

  has(option: string): boolean {
    return this.options.has(option);
  }

  option(name: string): string | undefined {
    return this.options.get(name);
  }

  arg(index: number): string {
    return this.args[index] ?? "";
  }

  output(oneline: boolean, style: TableStyle): string {
    if (this.#table !== undefined) return printTable(this.#table, style);
    if (!oneline) return this.#text;
    const line = this.#text.endsWith("\n") ? this.#text.slice(0, -1) : this.#text;
    return `${line.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;
  }
}

/** A connection comes with every command and is not worth a record. */
function withoutReconnects(log: ConfigurableLogBook): LogBook {
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

function connectReason(error: unknown, remotes: string): string {
  if (!(error instanceof WeftError)) return messageOf(error);
  const cause = error.cause instanceof WeftError ? error.cause : error;
  if (cause.code === "net.bad-remote") return "Address family not supported by protocol";
  // A server that is there but has no such database gives no reason.
  if (cause.code === "ovsdb.reconnect" || cause.code === "ovsdb.connection-closed") return "";
  const { source } = error.place;
  return messageOf(error).replace(`${source ?? remotes}: `, "");
}

function until<S extends SchemaJson>(replica: Replica<S>, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds()) {
      resolve();
      return;
    }
    const unsubscribe = replica.onChange(() => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    });
  });
}

function nextChange<S extends SchemaJson>(replica: Replica<S>): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = replica.onChange(() => {
      unsubscribe();
      resolve();
    });
  });
}
