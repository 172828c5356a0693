/** Options of ovs-ofctl(8), and what they come to. */
import type { Host } from "@weft/runtime";
import { daemonOptions, loggingOptions, type OptionRow, parseOptions, tlsOptions, UsageError } from "../options.ts";
import { ANY_PROTOCOL, protocolNames, protocolsNamed, protocolsOf } from "./protocols.ts";

const rows: readonly OptionRow[] = [
  { name: "timeout", short: "t", argument: "required" },
  { name: "strict" },
  { name: "readd" },
  { name: "flow-format", short: "F", argument: "required" },
  { name: "packet-in-format", short: "P", argument: "required" },
  { name: "protocols", short: "O", argument: "required" },
  { name: "more", short: "m" },
  { name: "timestamp" },
  { name: "sort", argument: "optional" },
  { name: "rsort", argument: "optional" },
  { name: "names" },
  { name: "no-names" },
  { name: "stats" },
  { name: "no-stats" },
  { name: "unixctl", argument: "required" },
  { name: "help", short: "h" },
  { name: "option" },
  { name: "version", short: "V" },
  { name: "color", argument: "optional" },
  { name: "may-create" },
  { name: "read-only" },
  { name: "bundle" },
  ...daemonOptions,
  ...loggingOptions,
  ...tlsOptions,
];

export interface SortKey {
  readonly field: string;
  readonly descending: boolean;
}

export interface Settings {
  readonly help: boolean;
  readonly version: boolean;
  readonly listOptions: boolean;
  /** Seconds; undefined: wait for ever. */
  readonly timeout: number | undefined;
  readonly strict: boolean;
  readonly readd: boolean;
  /** Wire versions as a bitmap. */
  readonly versions: number;
  readonly protocols: number;
  readonly packetInFormat: string | undefined;
  readonly verbosity: number;
  readonly timestamp: boolean;
  readonly sort: readonly SortKey[];
  readonly acceptNames: boolean;
  readonly showNames: boolean;
  readonly stats: boolean;
  readonly mayCreate: boolean;
  readonly readOnly: boolean;
  readonly bundle: boolean;
  readonly args: readonly string[];
}

const VERSION_NAMES: readonly (readonly [string, number])[] = [
  ["OpenFlow10", 1],
  ["OpenFlow11", 2],
  ["OpenFlow12", 3],
  ["OpenFlow13", 4],
  ["OpenFlow14", 5],
  ["OpenFlow15", 6],
];

/** "OpenFlow10", also "OpenFlow1.0". */
export function versionNamed(word: string): number | undefined {
  return VERSION_NAMES.find(([name]) => name.toLowerCase() === word.toLowerCase().replace("flow1.", "flow1"))?.[1];
}

function versionsNamed(text: string): number {
  let versions = 0;
  for (const word of text.split(/[ ,\t]+/)) {
    if (word === "") continue;
    const version = versionNamed(word);
    if (version === undefined) throw new UsageError(`Unknown OpenFlow version: "${word}"`);
    versions |= 1 << version;
  }
  if (versions === 0) throw new UsageError("Unable to find any OpenFlow version in given list");
  return versions;
}

const OF13_UP = (1 << 4) | (1 << 5) | (1 << 6);

function versionList(versions: number): string {
  return VERSION_NAMES.filter(([, v]) => (versions & (1 << v)) !== 0)
    .map(([name]) => name)
    .join(", ");
}

/** Reads the command line. Throws a UsageError. */
export function readSettings(args: readonly string[], host: Host): Settings {
  const { options, rest } = parseOptions(args, rows);
  const has = (name: string) => options.some((option) => option.name === name);
  const last = (name: string) => options.filter((option) => option.name === name).at(-1)?.value;
  const sort: SortKey[] = [];
  for (const option of options)
    if (option.name === "sort" || option.name === "rsort")
      sort.push({ field: option.value ?? "priority", descending: option.name === "rsort" });
  const formats = last("flow-format");
  const protocols = formats === undefined ? ANY_PROTOCOL : protocolsNamed(formats);
  if (typeof protocols === "string") throw new UsageError(`${protocols}: unknown flow protocol`);
  const packetIn = last("packet-in-format");
  if (
    packetIn !== undefined &&
    !["standard", "openflow10", "nxt_packet_in", "nxm", "nxt_packet_in2", "nxt_packet_in_2"].includes(packetIn)
  )
    throw new UsageError(`unknown packet-in format \`${packetIn}'`);
  const given = last("protocols");
  const bundle = has("bundle");
  let versions = given === undefined ? 1 << 1 : versionsNamed(given);
  // Bundles exist from OpenFlow 1.4 on, in 1.3 as an extension.
  if (bundle || rest[0] === "bundle") versions = (versions & OF13_UP) === 0 ? 1 << 5 : versions & OF13_UP;
  if ((protocolsOf(versions) & protocols) === 0)
    throw new UsageError(
      `None of the enabled OpenFlow versions (${versionList(versions)}) supports any of the enabled flow formats ` +
        `(${protocolNames(protocols)}).  (Use -O to enable additional OpenFlow versions or -F to enable additional flow formats.)`,
    );
  const namesOption = options.filter(({ name }) => name === "names" || name === "no-names").at(-1)?.name;
  const timeout = last("timeout");
  if (timeout !== undefined && !/^\d+$/.test(timeout)) throw new UsageError(`value ${timeout} on -t or --timeout is invalid`);
  return {
    help: has("help"),
    version: has("version"),
    listOptions: has("option"),
    timeout: timeout === undefined || Number(timeout) === 0 ? undefined : Number(timeout),
    strict: has("strict"),
    readd: has("readd"),
    versions,
    protocols,
    packetInFormat: packetIn,
    verbosity: options.filter(({ name }) => name === "more").length,
    timestamp: has("timestamp"),
    sort,
    acceptNames: namesOption !== "no-names",
    showNames: namesOption === "names" || (namesOption === undefined && host.stdout.isTerminal),
    stats: options.filter(({ name }) => name === "stats" || name === "no-stats").at(-1)?.name !== "no-stats",
    mayCreate: has("may-create"),
    readOnly: has("read-only"),
    bundle,
    args: rest,
  };
}

/** Options, as `--option` lists them. */
export const optionNames: readonly string[] = rows.flatMap(({ name, short, argument }) => [
  `--${name}${argument === "required" ? "=ARG" : argument === "optional" ? "=[ARG]" : ""}`,
  ...(short === undefined ? [] : [`-${short} ${argument === "required" ? "ARG" : ""}`]),
]);
