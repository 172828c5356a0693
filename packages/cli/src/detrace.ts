/** The program ovn-detrace (ovn-detrace(1)): a face on the trace package. */
import { createReplica, type Replica, type ReplicaOptions, type SchemaJson } from "@weft/ovsdb";
import { ConfigurableLogBook, type Host, messageOf, type Program, WeftError } from "@weft/runtime";
import { openVSwitch, ovnNorthbound, ovnSouthbound, type VsSchema } from "@weft/schemas";
import { cookiesIn, type DetraceSources, detrace, NorthboundRecords, SouthboundRecords } from "@weft/trace";
import { directoriesOf, inFolder } from "./directories.ts";
import { type GivenOption, type OptionRow, parseOptions, tlsOptions, tlsProviderOf, UsageError } from "./options.ts";
import { versionText } from "./version.ts";

const PROGRAM = "ovn-detrace";

const rows: readonly OptionRow[] = [
  { name: "ovnsb", argument: "required" },
  { name: "ovnnb", argument: "required" },
  { name: "ovs" },
  { name: "ovsdb", argument: "required" },
  { name: "no-leader-only" },
  ...tlsOptions,
  { name: "help", short: "h" },
  { name: "version", short: "V" },
];

const help = `${PROGRAM}:
usage: ${PROGRAM} < FILE
where FILE is output from ovs-appctl ofproto/trace.

The following options are also available:
  -h, --help                  display this help message
  -V, --version               display version information
  --ovnsb=DATABASE            use DATABASE as southbound DB
  --ovnnb=DATABASE            use DATABASE as northbound DB
  --ovs                       also tell of the switch's interfaces
  --ovsdb=DATABASE            use DATABASE as OVS DB
  --no-leader-only            accept any cluster member, not just the leader
  -p, --private-key=FILE      file with private key
  -c, --certificate=FILE      file with certificate for private key
  -C, --ca-cert=FILE          file with peer CA certificate
`;

export const ovnDetrace: Program = async (args, host) => {
  const { options, rest } = parseOptions(args, rows);
  const has = (name: string) => options.some((option) => option.name === name);
  if (has("help")) {
    await host.stdout.write(help);
    return 0;
  }
  if (has("version")) {
    await host.stdout.write(versionText(PROGRAM, "ovn"));
    return 0;
  }
  if (rest.length > 0) throw new UsageError("non-option argument not supported (use --help for help)");
  const interfaces = has("ovs") ? await interfacesOf(options, host) : undefined;
  const [southbound, northbound] = await Promise.all([
    reached("SB", options, host, "ovnsb", "OVN_SB_DB", { schema: ovnSouthbound, monitor: {} }),
    reached("NB", options, host, "ovnnb", "OVN_NB_DB", { schema: ovnNorthbound, monitor: {} }),
  ]);
  try {
    const text = await textOf(host.stdin);
    const cookies = cookiesIn(text);
    const sources: DetraceSources = {
      ...(southbound === undefined ? {} : { southbound: new SouthboundRecords(southbound) }),
      ...(northbound === undefined ? {} : { northbound: new NorthboundRecords(northbound) }),
      ...(interfaces === undefined ? {} : { interfaces }),
    };
    await sources.southbound?.read(cookies);
    const hints = [...cookies].flatMap((cookie) => sources.southbound?.of(cookie) ?? []).flatMap((found) => found.hints);
    if (hints.length > 0) await sources.northbound?.read(hints);
    await host.stdout.write(detrace(text, sources));
    return 0;
  } finally {
    await Promise.all([southbound?.close(), northbound?.close()]);
  }
};

async function textOf(input: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of input) text += decoder.decode(bytes, { stream: true });
  return text + decoder.decode();
}

/** Where a database is: an option says it, or a variable, or it is in the run directory. */
function remotesOf(options: readonly GivenOption[], host: Host, option: string, variable: string): string[] {
  const { run } = directoriesOf(host.env, option === "ovsdb" ? "ovs" : "ovn");
  const socket = option === "ovsdb" ? "db.sock" : `${option}_db.sock`;
  const given = options.findLast(({ name }) => name === option)?.value ?? host.env[variable] ?? `unix:${socket}`;
  return given
    .split(/,(?=[a-z]+:)/)
    .map((remote) => (remote.startsWith("unix:") ? `unix:${inFolder(run, remote.slice(5))}` : remote));
}

/** A replica of a database; undefined, and said so, where it cannot be reached. */
async function reached<S extends SchemaJson>(
  what: string,
  options: readonly GivenOption[],
  host: Host,
  option: string,
  variable: string,
  replica: Pick<ReplicaOptions<S>, "schema" | "monitor">,
): Promise<Replica<S> | undefined> {
  try {
    return await open(remotesOf(options, host, option, variable), options, host, replica);
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    await host.stderr.write(`${messageOf(error)}\n`);
    await host.stderr.write(
      `The connection to ${what} DB is not available, ${what} information will be missing from the detrace.\n`,
    );
    return undefined;
  }
}

async function open<S extends SchemaJson>(
  remotes: readonly string[],
  options: readonly GivenOption[],
  host: Host,
  more: Pick<ReplicaOptions<S>, "schema" | "monitor">,
): Promise<Replica<S>> {
  const tls = tlsProviderOf(host.runtime.files, options);
  const replica = createReplica({
    runtime: { ...host.runtime, log: new ConfigurableLogBook(host.runtime.clock, PROGRAM) },
    remotes,
    leaderOnly: options.every(({ name }) => name !== "no-leader-only"),
    once: true,
    ...(tls === undefined ? {} : { tls }),
    ...more,
  });
  try {
    await replica.ready();
    return replica;
  } catch (error) {
    await replica.close();
    const text = messageOf(error);
    throw new WeftError(
      "detrace.no-database",
      `Unable to connect to ${remotes.join(",")}, error: ${text.slice(text.lastIndexOf(": ") + 1).trim()}`,
      { blame: "caller", cause: error },
    );
  }
}

/** Interfaces by their OpenFlow ports: those of the integration bridge before those of others. */
async function interfacesOf(options: readonly GivenOption[], host: Host): Promise<ReadonlyMap<number, string>> {
  const monitor = { Bridge: ["name", "ports"], Port: ["interfaces"], Interface: ["name", "ofport", "external_ids"] } as const;
  const remotes = remotesOf(options, host, "ovsdb", "");
  const replica: Replica<VsSchema> = await open(remotes, options, host, { schema: openVSwitch, monitor });
  try {
    const named = new Map<number, string>();
    const bridges = [...replica.table("Bridge").rows()].sort((a, b) => Number(a.name === "br-int") - Number(b.name === "br-int"));
    for (const uuid of bridges
      .flatMap(({ ports }) => ports)
      .flatMap((port) => replica.table("Port").get(port)?.interfaces ?? [])) {
      const row = replica.table("Interface").get(uuid);
      if (row?.ofport === undefined) continue;
      named.set(Number(row.ofport), `${row.name} (${row.external_ids.get("iface-id") ?? "None"})`);
    }
    return named;
  } finally {
    await replica.close();
  }
}
