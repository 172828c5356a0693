/**
 * Options of a command line, as getopt_long() reads them and as it words its errors: long options with unambiguous
 * abbreviations, `--name=value` or `--name value`, clusters of short ones, `--` as the end.
 */
import { type Files, messageOf, parseTlsProtocols, readTls, type TlsFiles, type TlsProvider, WeftError } from "@weft/runtime";

export interface OptionRow {
  /** Without the dashes. A row may have only a short form: then its long name is never matched ("" is not a name). */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly argument?: "required" | "optional";
}

export interface GivenOption {
  readonly name: string;
  readonly value?: string;
}

export interface ParsedArguments {
  readonly options: readonly GivenOption[];
  readonly rest: readonly string[];
}

/** What was typed is not a command line of this program. The exit code is 1. */
export class UsageError extends WeftError {
  constructor(message: string) {
    super("cli.usage", message, { blame: "caller" });
  }
}

export type LongOptionMatch<R extends OptionRow> =
  | { readonly row: R; readonly value?: string }
  | { readonly problem: "unknown" }
  | { readonly problem: "ambiguous"; readonly candidates: readonly R[] };

/** Finds the row for `--text` (given without the dashes): an exact name, or the only one that it begins. */
export function matchLongOption<R extends OptionRow>(text: string, rows: readonly R[]): LongOptionMatch<R> {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const given = equals < 0 ? {} : { value: text.slice(equals + 1) };
  const exact = rows.find((row) => row.name === name && name !== "");
  if (exact !== undefined) return { row: exact, ...given };
  const candidates = rows.filter((row) => row.name !== "" && row.name.startsWith(name));
  const [first] = candidates;
  if (first === undefined) return { problem: "unknown" };
  // Several names of one kind of option are as good as one.
  return candidates.length === 1 ? { row: first, ...given } : { problem: "ambiguous", candidates };
}

/**
 * Parses `args`. `stopAtFirst`: the first argument that is no option ends the options (getopt's "+"); otherwise options
 * may stand anywhere. Throws {@link UsageError}.
 */
export function parseOptions(
  args: readonly string[],
  rows: readonly OptionRow[],
  mode: { readonly stopAtFirst?: boolean } = {},
): ParsedArguments {
  const options: GivenOption[] = [];
  const rest: string[] = [];
  let at = 0;
  const push = (row: OptionRow, value?: string) => {
    options.push({ name: row.name === "" ? (row.short ?? "") : row.name, ...(value === undefined ? {} : { value }) });
  };
  while (at < args.length) {
    const arg = args[at++]!;
    if (arg === "--") {
      rest.push(...args.slice(at));
      break;
    }
    if (arg.startsWith("--")) {
      const found = matchLongOption(arg.slice(2), rows);
      if ("problem" in found) {
        if (found.problem === "unknown") throw new UsageError(`unrecognized option '${arg}'`);
        const possible = found.candidates.map((row) => `'--${row.name}'`).join(" ");
        throw new UsageError(`option '${arg}' is ambiguous; possibilities: ${possible}`);
      }
      const { row, value } = found;
      if (row.argument === undefined && value !== undefined) {
        throw new UsageError(`option '--${row.name}' doesn't allow an argument`);
      }
      if (row.argument === "required" && value === undefined) {
        if (at >= args.length) throw new UsageError(`option '--${row.name}' requires an argument`);
        push(row, args[at++]);
      } else push(row, value);
    } else if (arg.startsWith("-") && arg.length > 1) {
      for (let i = 1; i < arg.length; i++) {
        const letter = arg[i]!;
        const row = rows.find((row) => row.short === letter);
        if (row === undefined) throw new UsageError(`invalid option -- '${letter}'`);
        if (row.argument === undefined) {
          push(row);
          continue;
        }
        const attached = arg.slice(i + 1);
        if (attached !== "") push(row, attached);
        else if (row.argument === "optional") push(row);
        else if (at < args.length) push(row, args[at++]);
        else throw new UsageError(`option requires an argument -- '${letter}'`);
        break;
      }
    } else if (mode.stopAtFirst === true) {
      rest.push(arg, ...args.slice(at));
      break;
    } else rest.push(arg);
  }
  return { options, rest };
}

/** The options of every program that logs (ovs-appctl(8) "vlog"), of every client with TLS, and of every printer of tables. */
export const loggingOptions = [
  { name: "verbose", short: "v", argument: "optional" },
  { name: "log-file", argument: "optional" },
  { name: "syslog-method", argument: "required" },
  { name: "syslog-target", argument: "required" },
] as const satisfies readonly OptionRow[];

export const tlsOptions = [
  { name: "private-key", short: "p", argument: "required" },
  { name: "certificate", short: "c", argument: "required" },
  { name: "ca-cert", short: "C", argument: "required" },
  { name: "ssl-protocols", argument: "required" },
  { name: "ssl-ciphers", argument: "required" },
  { name: "ssl-ciphersuites", argument: "required" },
  { name: "ssl-server-name", argument: "required" },
  { name: "bootstrap-ca-cert", argument: "required" },
  { name: "peer-ca-cert", argument: "required" },
] as const satisfies readonly OptionRow[];

/** The files and settings that {@link tlsOptions} give. Throws {@link UsageError} for protocols that there are not. */
export function tlsFilesOf(given: readonly GivenOption[]): TlsFiles {
  const value = (name: string) => given.findLast((option) => option.name === name)?.value;
  const entries: readonly (readonly [keyof TlsFiles, string | undefined])[] = [
    ["privateKey", value("private-key")],
    ["certificate", value("certificate")],
    ["caCertificate", value("ca-cert")],
    ["bootstrapCaCertificate", value("bootstrap-ca-cert")],
    ["peerCaCertificate", value("peer-ca-cert")],
    ["protocols", value("ssl-protocols")],
    ["ciphers", value("ssl-ciphers")],
    ["ciphersuites", value("ssl-ciphersuites")],
    ["serverName", value("ssl-server-name")],
  ];
  const files: TlsFiles = Object.fromEntries(entries.filter(([, text]) => text !== undefined));
  try {
    if (files.protocols !== undefined) parseTlsProtocols(files.protocols);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
  return files;
}

/** Certificates as they are when a connection is made; undefined where no option names any. */
export function tlsProviderOf(files: Files, given: readonly GivenOption[]): TlsProvider | undefined {
  const names = tlsFilesOf(given);
  return Object.keys(names).length === 0 ? undefined : () => readTls(files, names);
}

export const tableOptions = [
  { name: "format", short: "f", argument: "required" },
  { name: "data", short: "d", argument: "required" },
  { name: "no-headings" },
  { name: "pretty" },
  { name: "bare" },
  { name: "max-column-width", argument: "required" },
] as const satisfies readonly OptionRow[];

export const daemonOptions = [
  { name: "detach" },
  { name: "no-self-confinement" },
  { name: "no-chdir" },
  { name: "pidfile", argument: "optional" },
  { name: "overwrite-pidfile" },
  { name: "monitor" },
  { name: "user", argument: "required" },
] as const satisfies readonly OptionRow[];
