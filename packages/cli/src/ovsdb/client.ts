/** ovsdb-client(1): asks an OVSDB server directly. */
import { Connection, isArray, isObject, type Json, type JsonObject, streamChannel } from "@weft/ovsdb";
import { ConfigurableLogBook, type Host, logModulesOf, messageOf, type Program, type Stream, WeftError } from "@weft/runtime";
import { directoriesOf, inFolder, networkIn } from "../directories.ts";
import {
  daemonOptions,
  type GivenOption,
  loggingOptions,
  type OptionRow,
  parseOptions,
  tableOptions,
  tlsOptions,
  tlsProviderOf,
  UsageError,
} from "../options.ts";
import { type TableStyle, tableStyle } from "../table.ts";
import { ovsVersion } from "../version.ts";
import { commands } from "./clientCommands.ts";
import { type ClientCommand, ClientError } from "./request.ts";

const OPTIONS: readonly OptionRow[] = [
  { name: "timestamp" },
  { name: "force" },
  { name: "leader-only" },
  { name: "no-leader-only" },
  { name: "help", short: "h" },
  { name: "version", short: "V" },
  { name: "timeout", short: "t", argument: "required" },
  ...tableOptions,
  ...daemonOptions,
  ...loggingOptions,
  ...tlsOptions,
];

const EXIT_TIMEOUT = 142;
const EXIT_TERMINATED = 143;

function helpText(): string {
  const lines = commands.map(({ name, database, usage, help }) => {
    const words = ["[SERVER]", ...(database ? ["[DATABASE]"] : []), ...(usage === "" ? [] : [usage])];
    return `  ${name} ${words.join(" ")}\n    ${help}\n`;
  });
  const options = OPTIONS.map(({ name, short, argument }) => {
    const value = argument === undefined ? "" : argument === "optional" ? "[=ARG]" : "=ARG";
    return `  ${short === undefined ? "" : `-${short}, `}--${name}${value}\n`;
  });
  return `ovsdb-client: asks an OVSDB server\nusage: ovsdb-client [OPTIONS] COMMAND [ARG...]\n\n${lines.join("")}\nOptions:\n${options.join("")}`;
}

export const ovsdbClient: Program = async (args, host) => {
  try {
    return await run(args, host);
  } catch (error) {
    if (!(error instanceof WeftError) || error.blame === "us") throw error;
    await host.stderr.write(`ovsdb-client: ${messageOf(error)}\n`);
    return 1;
  }
};

async function run(args: readonly string[], host: Host): Promise<number> {
  const { options, rest } = parseOptions(args, OPTIONS);
  const has = (option: string) => options.some(({ name }) => name === option);
  if (has("help")) {
    await host.stdout.write(helpText());
    return 0;
  }
  if (has("version")) {
    await host.stdout.write(`ovsdb-client (Open vSwitch) ${ovsVersion}\n`);
    return 0;
  }
  const style = tableStyle(options);
  const log = new ConfigurableLogBook(host.runtime.clock, "ovsdb-client", logModulesOf("ovsdb-client"));
  log.setOutput("console", (line) => void host.stderr.write(`${line}\n`));
  log.setThreshold(undefined, "console", "info");
  for (const { name, value } of options) if (name === "verbose") log.applyOption(value);
  const timeout = options.findLast(({ name }) => name === "timeout")?.value;
  if (timeout !== undefined && !/^[1-9][0-9]*$/.test(timeout))
    throw new UsageError(`value ${timeout} on -t or --timeout is invalid`);
  const [name, ...words] = rest;
  if (name === undefined) throw new UsageError("missing command name; use --help for help");
  const command = commands.find((row) => row.name === name);
  if (command === undefined) throw new UsageError(`unknown command '${name}'; use --help for help`);
  return race(host, log, timeout, (ended) => connectAndRun(command, words, { host, log, options, style, has, ended }));
}

/** Ends the work when the time is over, or when the program is told to end. */
function race(
  host: Host,
  log: ConfigurableLogBook,
  timeout: string | undefined,
  work: (ended: Promise<void>) => Promise<number>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const { clock } = host.runtime;
    const killed = (signal: number, what: string, code: number) => {
      log.logger("fatal_signal").warn(`terminating with signal ${signal} (${what})`);
      resolve(code);
    };
    const timer =
      timeout === undefined
        ? undefined
        : clock.after(Number(timeout) * 1000, () => killed(14, "Alarm clock", EXIT_TIMEOUT), true);
    const ended = new Promise<void>((end) => {
      host.signal.addEventListener("abort", () => {
        end();
        killed(15, "Terminated", EXIT_TERMINATED);
      });
    });
    work(ended)
      .then(resolve, reject)
      .finally(() => timer?.cancel());
  });
}

interface Settings {
  readonly host: Host;
  readonly log: ConfigurableLogBook;
  readonly options: readonly GivenOption[];
  readonly style: TableStyle;
  readonly ended: Promise<void>;
  has(option: string): boolean;
}

const isRemote = (text: string) => /^(p?(tcp|ssl|unix)|memory):/.test(text);

/** A connection, and who hears its notifications. */
interface Conversation {
  readonly connection: Connection;
  readonly listeners: Set<(method: string, params: readonly Json[]) => void>;
  readonly closed: Promise<void>;
}

async function connectAndRun(command: ClientCommand, words: readonly string[], settings: Settings): Promise<number> {
  const { host, log, style, ended } = settings;
  const runDirectory = directoriesOf(host.env, "ovs").run;
  // A first word that the command cannot do without is never a server.
  const named = words[0] !== undefined && words.length > command.min && isRemote(words[0]) ? words[0] : undefined;
  const remote = named ?? `unix:${inFolder(runDirectory, "db.sock")}`;
  const rest = named === undefined ? words : words.slice(1);
  // What can be wrong without asking the server, for commands that take no database.
  if (!command.database && rest.length < command.min) usage(command);
  const { connection, listeners, closed } = await converse(settings, remote, command.database ? rest : undefined);
  try {
    const [database, args] = command.database ? await chooseDatabase(connection, rest) : ["", rest];
    if (args.length < command.min || args.length > command.max) usage(command);
    return await command.run({
      host,
      log,
      remote,
      connection,
      database,
      args,
      style,
      has: settings.has,
      print: async (text) => {
        await host.stdout.write(text);
      },
      onNotification: (listener) => void listeners.add(listener),
      ended: Promise.race([closed, ended]),
    });
  } finally {
    connection.destroy();
  }
}

function usage({ name }: ClientCommand): never {
  throw new UsageError(`invalid syntax for '${name}' (use --help for help)`);
}

/**
 * Connects to the server; of several ones (ovsdb(7) "Connection Methods") to the one that leads the cluster of the database
 * that `words` name, or to any of it with --no-leader-only.
 */
async function converse(settings: Settings, remote: string, words: readonly string[] | undefined): Promise<Conversation> {
  const { host, has } = settings;
  const remotes = remote.split(/,\s*(?=[a-z]+:)/);
  const { random } = host.runtime;
  let failure: unknown;
  while (remotes.length > 0) {
    const [one = ""] = remotes.splice(random.below(remotes.length), 1);
    let conversation: Conversation;
    try {
      conversation = begin(host, await connect(settings, one));
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      failure = error;
      continue;
    }
    const several = remote !== one;
    if (!several || words === undefined) return conversation;
    const [database] = await chooseDatabase(conversation.connection, words);
    if (await serves(conversation.connection, database, !has("no-leader-only"))) return conversation;
    conversation.connection.destroy();
    failure = new ClientError(`${remote}: no server is the leader of the cluster of ${database}`);
  }
  throw failure;
}

function begin({ runtime: { clock } }: Host, stream: Stream): Conversation {
  const listeners: Conversation["listeners"] = new Set();
  let gone: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const connection = new Connection(
    streamChannel(stream),
    clock,
    {
      onNotification: ({ method, params }) => {
        for (const listener of listeners) listener(method, params);
      },
      onClose: () => gone(),
    },
    0,
  );
  return { connection, listeners, closed };
}

/** Whether a server has the database at hand, and leads where that is asked: ovsdb-server(5), table Database. */
async function serves(connection: Connection, database: string, leading: boolean): Promise<boolean> {
  const select = { op: "select", table: "Database", where: [["name", "==", database]], columns: ["connected", "leader"] };
  const reply = await connection.request("transact", ["_Server", select]);
  const [result] = isArray(reply) ? reply : [];
  const [row] =
    isObject(result ?? null) && isArray((result as JsonObject).rows ?? null) ? ((result as JsonObject).rows as Json[]) : []; // both checked
  return isObject(row ?? null) && (row as JsonObject).connected === true && (!leading || (row as JsonObject).leader === true);
}

/** Connects, or for a passive method waits for the server to do so. */
async function connect({ host, log, options }: Settings, remote: string): Promise<Stream> {
  const runDirectory = directoriesOf(host.env, "ovs").run;
  const net = networkIn(runDirectory, host.runtime.net);
  const tls = await tlsProviderOf(host.runtime.files, options)?.();
  const connecting = { defaultPort: 6640, ...(tls === undefined ? {} : { tls }) };
  const fail = (what: string, error: unknown): never => {
    const reason = messageOf(error).split(": ").at(-1);
    throw new ClientError(`failed to ${what} "${remote}" (${reason})`);
  };
  if (!remote.startsWith("p")) {
    try {
      return await net.connect(remote, connecting);
    } catch (error) {
      return fail("connect to", error);
    }
  }
  let accept: (stream: Stream) => void = () => {};
  const first = new Promise<Stream>((resolve) => {
    accept = resolve;
  });
  try {
    const listener = await net.listen(remote, accept, connecting);
    log.logger("ovsdb_client").info(`${remote}: waiting for connection...`);
    const stream = await first;
    void listener.close();
    return stream;
  } catch (error) {
    return fail("listen on", error);
  }
}

/** A database named in front of the arguments; otherwise Open_vSwitch, or the only one that there is. */
async function chooseDatabase(connection: Connection, words: readonly string[]): Promise<readonly [string, readonly string[]]> {
  const reply = await connection.request("list_dbs", []);
  const databases = isArray(reply) ? reply.filter((name) => typeof name === "string") : [];
  const [first] = words;
  if (first !== undefined && databases.includes(first)) return [first, words.slice(1)];
  if (databases.includes("Open_vSwitch")) return ["Open_vSwitch", words];
  const own = databases.filter((name) => !name.startsWith("_"));
  if (own.length === 1) return [own[0]!, words];
  throw new ClientError("no default database for `SERVER' command, please specify a database name");
}
