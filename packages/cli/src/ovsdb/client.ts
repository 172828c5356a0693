/** ovsdb-client(1): asks an OVSDB server directly. */
import { Connection, isArray, type Json, streamChannel } from "@weft/ovsdb";
import { ConfigurableLogBook, type Host, messageOf, type Program, type Stream, type TlsOptions, WeftError } from "@weft/runtime";
import { directoriesOf, inFolder } from "../directories.ts";
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
  const log = new ConfigurableLogBook(host.runtime.clock, "ovsdb-client");
  log.setOutput("console", (line) => void host.stderr.write(`${line}\n`));
  log.setThreshold(undefined, "console", "info");
  for (const { name, value } of options) if (name === "verbose") log.apply(value ?? "dbg");
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

const isRemote = (text: string) => /^(tcp|ssl|unix|memory):/.test(text);

async function connectAndRun(command: ClientCommand, words: readonly string[], settings: Settings): Promise<number> {
  const { host, log, options, style, ended } = settings;
  const runDirectory = directoriesOf(host.env, "ovs").run;
  // A first word that the command cannot do without is never a server.
  const named = words[0] !== undefined && words.length > command.min && isRemote(words[0]) ? words[0] : undefined;
  const remote = named ?? `unix:${inFolder(runDirectory, "db.sock")}`;
  const rest = named === undefined ? words : words.slice(1);
  // What can be wrong without asking the server, for commands that take no database.
  if (!command.database && rest.length < command.min) usage(command);
  const stream = await connect(settings, remote, runDirectory, await tlsProviderOf(host.runtime.files, options)?.());
  const listeners = new Set<(method: string, params: readonly Json[]) => void>();
  let gone: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const connection = new Connection(
    streamChannel(stream, host.runtime.clock),
    host.runtime.clock,
    {
      onNotification: ({ method, params }) => {
        for (const listener of listeners) listener(method, params);
      },
      onClose: () => gone(),
    },
    0,
  );
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

async function connect({ host }: Settings, remote: string, runDirectory: string, tls: TlsOptions | undefined): Promise<Stream> {
  const address = remote.startsWith("unix:") ? `unix:${inFolder(runDirectory, remote.slice(5))}` : remote;
  try {
    return await host.runtime.net.connect(address, { defaultPort: 6640, ...(tls === undefined ? {} : { tls }) });
  } catch (error) {
    throw new ClientError(`failed to connect to "${remote}" (${messageOf(error).replace(`${address}: `, "")})`);
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
