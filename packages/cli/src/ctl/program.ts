/** A ctl program from its tables: parses the line, and runs it itself, as a daemon's client, or as the daemon. */
import { databaseModel, type Replica, type SchemaJson, type TableName, type Transaction } from "@weft/ovsdb";
import { type Host, messageOf, type Program, type Runtime, WeftError } from "@weft/runtime";
import { directoriesOf } from "../directories.ts";
import { daemonOptions, type GivenOption, loggingOptions, type OptionRow, tableOptions, tlsOptions } from "../options.ts";
import { type Family, versionReply } from "../version.ts";
import { askDaemon, daemonSocketOf } from "./ask.ts";
import type { Command, Prepared } from "./command.ts";
import { databaseCommands } from "./database.ts";
import { helpText } from "./help.ts";
import { commandOptions, type Grammar, parseLine } from "./line.ts";
import type { RowRules } from "./lookup.ts";
import { runOnce } from "./once.ts";

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
  /** How often (ms) a server that is silent is asked whether it is still there, as far as the database says; 0: never. */
  readonly probeInterval?: (replica: Replica<S>) => number;
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
  // The OVN tools can also be daemons.
  const daemon = program.family === "ovn" ? daemonOptions : [];
  const options = [...ctlOptions, ...program.options, ...daemon, ...loggingOptions, ...tableOptions, ...tlsOptions];
  const database = databaseModel(program.schema);
  const grammar: Grammar<S> = { options, commands, database, rules: program.rules, wording: program.wording };
  return async (given, host) => {
    try {
      const preset = host.env[`${program.name.toUpperCase().replace("-", "_")}_OPTIONS`] ?? "";
      const args = [...preset.split(/\s+/).filter((word) => word !== ""), ...given];
      const line = parseLine(args, grammar);
      const text = await informational(program, commands, options, line.options, host);
      if (text !== undefined) {
        await host.stdout.write(text);
        return 0;
      }
      if (line.options.some(({ name }) => name === "detach")) {
        const { serve } = await import("./serve.ts");
        return await serve(program, grammar, line, host);
      }
      const socket = daemonSocketOf(program, line.options, host);
      if (socket !== undefined) return await askDaemon(program, socket, line, host);
      return await runOnce(program, args, line, host);
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
      return `${versionReply(program.name, program.family)}\nDB Schema ${program.schema.version}\n`;
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
