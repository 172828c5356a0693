/** The command line of a ctl program: options, then commands with options of their own, separated by `--`. */
import type { DatabaseModel, SchemaJson } from "@weft/ovsdb";
import { type GivenOption, matchLongOption, type OptionRow, UsageError } from "../options.ts";
import type { Command, Prepared } from "./command.ts";
import type { RowRules } from "./lookup.ts";

export interface Grammar<S extends SchemaJson> {
  readonly options: readonly OptionRow[];
  readonly commands: readonly Command<S>[];
  readonly database: DatabaseModel;
  readonly rules: RowRules;
  /** How errors about short options are worded: the OVN tools read options by their own code. */
  readonly wording: "ovn" | "getopt";
}

interface CommandOption extends OptionRow {
  readonly local: true;
}

/** The rows of "--may-exist --type= --bfd?". */
export function commandOptions(text: string | undefined): readonly CommandOption[] {
  const words = (text ?? "").split(" ").filter((word) => word !== "");
  return words.map((word) => {
    const name = word.replace(/^--|[=?]$/g, "");
    const argument = word.endsWith("=") ? "required" : word.endsWith("?") ? "optional" : undefined;
    return { name, local: true, ...(argument === undefined ? {} : { argument }) };
  });
}

/** A command line that has been read. */
export interface Line<S extends SchemaJson> {
  /** Options of the program, in front of the commands. */
  readonly options: readonly GivenOption[];
  /** Options of the first command that stand among those of the program. */
  readonly first: readonly GivenOption[];
  /** What follows. */
  readonly rest: readonly string[];
  calls(): readonly Prepared<S>[];
}

/**
 * Reads the options in front of the commands. `calls` reads the rest: only after the options have been looked at, for
 * some of them end the program. Both throw UsageError.
 */
export function parseLine<S extends SchemaJson>(args: readonly string[], grammar: Grammar<S>): Line<S> {
  const [options, first, rest] = takeOptions(args, grammar);
  return { options, first, rest, calls: () => takeCommands(first, rest, grammar) };
}

function takeOptions<S extends SchemaJson>(
  args: readonly string[],
  { options: globals, commands, wording }: Grammar<S>,
): readonly [GivenOption[], GivenOption[], readonly string[]] {
  const locals = new Map<string, CommandOption>();
  for (const command of commands) {
    for (const option of commandOptions(command.options)) {
      if (!globals.some(({ name }) => name === option.name)) locals.set(option.name, option);
    }
  }
  const rows: readonly (OptionRow & { readonly local?: true })[] = [...globals, ...locals.values()];
  const given: GivenOption[] = [];
  const local: GivenOption[] = [];
  let at = 0;
  const push = (row: OptionRow & { readonly local?: true }, value?: string) => {
    (row.local ? local : given).push({ name: row.name, ...(value === undefined ? {} : { value }) });
  };
  for (; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      at++;
      break;
    }
    if (!arg.startsWith("-") || arg === "-") break;
    if (arg.startsWith("--")) {
      const found = matchLongOption(arg.slice(2), rows);
      if ("problem" in found) {
        if (found.problem === "unknown" || wording === "ovn") throw new UsageError(`unrecognized option '${arg}'`);
        const possible = found.candidates.map(({ name }) => `'--${name}'`).join(" ");
        throw new UsageError(`option '${arg}' is ambiguous; possibilities: ${possible}`);
      }
      const { row, value } = found;
      if (row.argument === undefined && value !== undefined) {
        throw new UsageError(`option '${wording === "ovn" ? arg : `--${row.name}`}' doesn't allow an argument`);
      }
      if (row.argument === "required" && value === undefined) {
        if (at + 1 >= args.length) throw new UsageError(`option '--${row.name}' requires an argument`);
        push(row, args[++at]);
      } else push(row, value);
      continue;
    }
    for (let i = 1; i < arg.length; i++) {
      const letter = arg[i]!;
      const row = rows.find(({ short }) => short === letter);
      if (row === undefined) {
        throw new UsageError(wording === "ovn" ? `unrecognized option '${letter}'` : `invalid option -- '${letter}'`);
      }
      if (row.argument === undefined) {
        push(row);
        continue;
      }
      const attached = arg.slice(i + 1);
      if (attached !== "") push(row, attached);
      else if (row.argument === "optional") push(row);
      else if (at + 1 < args.length) push(row, args[++at]);
      else {
        throw new UsageError(
          wording === "ovn" ? `option '-${letter}' requires an argument` : `option requires an argument -- '${letter}'`,
        );
      }
      break;
    }
  }
  return [given, local, args.slice(at)];
}

function takeCommands<S extends SchemaJson>(
  first: readonly GivenOption[],
  args: readonly string[],
  grammar: Grammar<S>,
): readonly Prepared<S>[] {
  const calls: Prepared<S>[] = [];
  let pending: readonly GivenOption[] = first;
  let words: string[] = [];
  const end = (last: boolean) => {
    if (words.length > 0) {
      calls.push(takeCommand(pending, words, grammar));
      pending = [];
    } else if (pending.length > 0 || (last && calls.length === 0))
      throw new UsageError("missing command name (use --help for help)");
    words = [];
  };
  for (const arg of args) {
    if (arg === "--") end(false);
    else words.push(arg);
  }
  end(true);
  return calls;
}

function takeCommand<S extends SchemaJson>(
  before: readonly GivenOption[],
  words: readonly string[],
  { commands, database, rules }: Grammar<S>,
): Prepared<S> {
  const given: GivenOption[] = [...before];
  let at = 0;
  for (; at < words.length && words[at]!.startsWith("-"); at++) {
    const word = words[at]!;
    const equals = word.indexOf("=");
    const name = (equals < 0 ? word : word.slice(0, equals)).replace(/^--/, "");
    if (given.some((option) => option.name === name)) throw new UsageError(`'--${name}' option specified multiple times`);
    given.push({ name, ...(equals < 0 ? {} : { value: word.slice(equals + 1) }) });
  }
  const name = words[at];
  if (name === undefined) throw new UsageError("missing command name (use --help for help)");
  const command = commands.find((row) => row.name === name);
  if (command === undefined) throw new UsageError(`unknown command '${name}'; use --help for help`);
  const rows = commandOptions(command.options);
  for (const option of given) {
    const row = rows.find((row) => row.name === option.name);
    if (row === undefined) throw new UsageError(`'${name}' command has no '--${option.name}' option`);
    if (row.argument === "required" && option.value === undefined) {
      throw new UsageError(`missing argument to '--${option.name}' option on '${name}' command`);
    }
    if (row.argument === undefined && option.value !== undefined) {
      throw new UsageError(`'--${option.name}' option on '${name}' does not accept an argument`);
    }
  }
  const args = words.slice(at + 1);
  if (args.length < command.min) throw new UsageError(`'${name}' command requires at least ${command.min} arguments`);
  if (args.length > command.max) throw new UsageError(`'${name}' command takes at most ${command.max} arguments`);
  return { command, args, options: new Map(given.map(({ name, value }) => [name, value])), database, rules };
}
