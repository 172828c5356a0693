/** `--help`, from the tables that the program is made of. */
import type { SchemaJson } from "@weft/ovsdb";
import type { OptionRow } from "../options.ts";
import type { Command } from "./command.ts";
import type { RowRule, RowRules } from "./lookup.ts";

const COLUMN = 28;

function describeRule(rule: RowRule): string {
  if (rule.by === "singleton") return 'as "."';
  const column = `"${rule.column}${rule.key === undefined ? "" : `:${rule.key}`}"`;
  return rule.by === "column" ? `by ${column}` : `via "${rule.through}" of ${rule.from} with matching ${column}`;
}

function entry(left: string, text: string): string {
  return left.length < COLUMN - 1 ? `${left.padEnd(COLUMN)}${text}\n` : `${left}\n${" ".repeat(COLUMN)}${text}\n`;
}

/** What of a program its help tells. */
interface Described<S extends SchemaJson> {
  readonly name: string;
  readonly title: string;
  readonly schema: S;
  readonly rules: RowRules;
  readonly options: readonly OptionRow[];
  readonly database: { readonly variable?: string; readonly socket: string };
}

export function helpText<S extends SchemaJson>(program: Described<S>, commands: readonly Command<S>[], rundir: string): string {
  const groups = new Map<string, string>();
  for (const { name, usage, options = "", group, help } of commands) {
    const own =
      options === ""
        ? ""
        : `  ${options.replaceAll(/--([\w-]+)([=?]?)/g, (_, option, mark) => `[--${option}${mark === "=" ? "=ARG" : mark === "?" ? "[=ARG]" : ""}]`)}\n`;
    groups.set(group, (groups.get(group) ?? "") + own + entry(`  ${name} ${usage}`.trimEnd(), help));
  }
  const sections = [...groups].map(([group, text]) => `${group}:\n${text}`);
  const tables = Object.keys(program.schema.tables)
    .sort()
    .map((table) => {
      const rules = (program.rules[table] ?? []).map((rule) => `    ${describeRule(rule)}\n`).join("");
      return `  ${table}:\n    by UUID\n${rules}`;
    });
  const { variable, socket } = program.database;
  const where = `unix:${rundir}/${socket}${variable === undefined ? "" : `, or $${variable}`}`;
  const options = [
    entry("  --db=DATABASE", `the database to use (default: ${where})`),
    entry("  -t, --timeout=SECS", "give up after SECS seconds"),
    entry("  --dry-run", "change nothing"),
    entry("  --oneline", "one line of output for each command"),
    entry("  -f, --format=FORMAT", "table, list, html, csv or json"),
    entry("  -d, --data=FORMAT", "cells as string, bare or json"),
    entry("  --no-headings", "tables without headings"),
    entry("  --pretty", "indent JSON"),
    entry("  --bare", "same as --format=list --data=bare --no-headings"),
    entry("  -v, --verbose[=SPEC]", "what to log"),
    entry("  -p, --private-key=FILE", "own key, for ssl: connections"),
    entry("  -c, --certificate=FILE", "own certificate"),
    entry("  -C, --ca-cert=FILE", "certificate of who signed the server's"),
    entry("  -h, --help", "this text"),
    entry("  -V, --version", "versions of program and schema"),
    ...program.options.map(
      ({ name, short, argument }) =>
        `  ${short === undefined ? "" : `-${short}, `}--${name}${argument === undefined ? "" : "=ARG"}\n`,
    ),
  ].join("");
  return (
    `${program.name}: ${program.title}\nusage: ${program.name} [OPTIONS] COMMAND [ARG...]\n\n` +
    `${sections.join("\n")}\nRows can be named in these ways:\n${tables.join("")}\nOptions:\n${options}`
  );
}
