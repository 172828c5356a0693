/** Commands about the switch as a whole, its ports, queues and tables. */
import {
  ALL_QUEUES,
  encode,
  type FragmentHandling,
  formatMessage,
  formatTableFeatures,
  type Message,
  type MessageOf,
  NO_NAMES,
  OFPP,
  type OfVersion,
  type OpenFlowConnection,
  PORT_CONFIG,
  type PortDescription,
  parsePort,
  parseTable,
  type TableDescription,
  type TableFeatures,
} from "@weft/openflow";
import { Fatal } from "./fatal.ts";
import type { Session } from "./session.ts";

export async function show(session: Session, args: readonly string[]): Promise<void> {
  const connection = await session.open(args[0]!);
  const version = connection.version!;
  const [features] = await session.askReplies(connection, { type: "features_request" });
  await session.print(formatMessage(features!.bytes));
  if (version >= 4) await session.dump(connection, { type: "port_desc_request", port: OFPP.NONE });
  else if (version > 1 && features!.message.type === "features_reply" && features!.message.ports.length === 0)
    await session.dump(connection, { type: "port_desc_request", port: OFPP.NONE });
  connection.nextXid(); // The original spends an id here on a table of what it has seen.
  await session.dump(connection, { type: "get_config_request" });
}

export async function dumpDesc(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "desc_request" });
}

export async function dumpTables(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "table_stats_request" });
}

function needs(session: Session, wanted: number, command: string, text: string): number {
  const versions = session.settings.versions & wanted;
  if (versions === 0) throw new Fatal(`${command} needs ${text}`);
  return versions;
}

const OF13_UP = (1 << 4) | (1 << 5) | (1 << 6);
const OF14_UP = (1 << 5) | (1 << 6);

export async function dumpTableFeatures(session: Session, args: readonly string[]): Promise<void> {
  const versions = needs(session, OF13_UP, "dump-table-features", "OpenFlow 1.3 or later ('-O OpenFlow13')");
  const connection = await session.connect(args[0]!, { versions });
  const tables: TableFeatures[] = await session.tableFeatures(connection);
  await session.print(formatTableFeatures(tables, connection.version!));
}

export async function dumpTableDesc(session: Session, args: readonly string[]): Promise<void> {
  const versions = needs(session, OF14_UP, "dump-table-desc", "OpenFlow 1.4 or later ('-O OpenFlow14')");
  const connection = await session.connect(args[0]!, { versions });
  await session.dump(connection, { type: "table_desc_request" });
}

/** Versions of OpenFlow that a setting of mod-table works with, as a bitmap. */
function settingVersions(setting: string): number {
  if (["controller", "continue", "drop"].includes(setting)) return (1 << 2) | (1 << 3);
  if (/^(evict|noevict|novacancy)$/.test(setting) || setting.startsWith("vacancy:")) return OF14_UP;
  if (setting.startsWith("name:")) return OF13_UP;
  throw new Fatal(`invalid table_mod setting ${setting}`);
}

export async function modTable(session: Session, args: readonly string[]): Promise<void> {
  const [name, tableText, setting] = args as [string, string, string];
  if (/^\d+$/.test(tableText) && Number(tableText) > ALL_TABLES) throw new Fatal(`unknown table "${tableText}"`);
  const wanted = settingVersions(setting);
  const versions = session.settings.versions & wanted;
  if (versions === 0) {
    const list = [1, 2, 3, 4, 5, 6].filter((v) => (wanted & (1 << v)) !== 0).map((v) => `OpenFlow1${v - 1}`);
    throw new Fatal(`table_mod '${setting}' requires one of the OpenFlow versions ${list.join(", ")}`);
  }
  const names = await session.namesToAccept(name);
  const table = tableText.toLowerCase() === "all" ? ALL_TABLES : parseTable(tableText, names);
  if (table === undefined) throw new Fatal(`unknown table "${tableText}"`);
  const connection = await session.connect(name, { versions });
  if (setting.startsWith("name:")) {
    await renameTable(session, connection, table, setting.slice(5));
    return;
  }
  if (connection.version! < 5) {
    const miss = setting as "controller" | "continue" | "drop"; // settingVersions lets only these through for 1.1 and 1.2.
    await session.mustSucceed(connection, { type: "table_mod", table, miss, eviction: undefined, vacancy: undefined });
    return;
  }
  const vacancy = setting.startsWith("vacancy:") ? parseVacancy(setting.slice(8)) : undefined;
  const tables = table !== ALL_TABLES ? [table] : (await tableDescriptions(session, connection)).map((t) => t.table);
  for (const each of tables) await changeTable(session, connection, each, setting, vacancy);
}

const ALL_TABLES = 0xff;

type Vacancy = { readonly down: number; readonly up: number };

/** Thresholds in percent. */
function parseVacancy(text: string): Vacancy {
  const [down, up] = text.split(",") as [string, string | undefined];
  const percent = (what: string, value: string | undefined) => {
    if (value === undefined) throw new Fatal(`Vacancy ${what} value missing`);
    if (!/^\d+$/.test(value) || Number(value) > 100) throw new Fatal(`Invalid vacancy ${what} value "${value}"`);
    return Number(value);
  };
  const thresholds = { down: percent("down", down), up: percent("up", up) };
  if (thresholds.up < thresholds.down)
    throw new Fatal("Invalid vacancy range, vacancy up should be greater than vacancy down (OFPBPC_BAD_VALUE)");
  return thresholds;
}

async function tableDescriptions(session: Session, connection: OpenFlowConnection): Promise<readonly TableDescription[]> {
  const replies = await session.askAll(connection, { type: "table_desc_request" });
  return replies.flatMap((reply) => (reply.type === "table_desc_reply" ? reply.tables : []));
}

/** Changes eviction or vacancy events; what is not changed keeps its present setting. */
async function changeTable(
  session: Session,
  connection: OpenFlowConnection,
  table: number,
  setting: string,
  wanted: Vacancy | undefined,
): Promise<void> {
  const now = (await tableDescriptions(session, connection)).find((t) => t.table === table);
  const ofEviction = setting === "evict" || setting === "noevict";
  const vacancy = wanted ?? { down: now?.vacancy.down ?? 0, up: now?.vacancy.up ?? 0 };
  await session.mustSucceed(connection, {
    type: "table_mod",
    table,
    miss: "default",
    eviction: ofEviction ? setting === "evict" : (now?.eviction ?? false),
    ...(ofEviction ? {} : { evictionFlags: now?.evictionFlags ?? 0 }),
    vacancy: { ...vacancy, on: wanted !== undefined || (setting !== "novacancy" && (now?.vacancy.on ?? false)) },
  });
}

async function renameTable(session: Session, connection: OpenFlowConnection, table: number, name: string): Promise<void> {
  const features = await session.tableFeatures(connection);
  if (connection.version! >= 6) {
    const found = features.find((f) => f.table === table);
    if (found === undefined) throw new Fatal(`no table ${table}`);
    // What is not said stays as it is.
    const none = { instructions: [], next: [], write: NO_ACTIONS, apply: NO_ACTIONS };
    const change = { ...found, name, command: "modify", capabilities: 0, features: 0, nonmiss: none, miss: none } as const;
    await session.askParts(connection, [
      { type: "table_features_request", tables: [{ ...change, match: [], mask: [], wildcard: [] }], more: false },
    ]);
    return;
  }
  // Before OpenFlow 1.5 the whole pipeline is said anew.
  const wanted = features.map((each) => (each.table === table ? { ...each, name } : each));
  await session.askParts(connection, partsOf(wanted, connection.version!));
}

const NO_ACTIONS = { actions: [], setFields: [] };

/** The tables in as few messages as hold them. */
function partsOf(tables: readonly TableFeatures[], version: OfVersion): Message[] {
  const parts: TableFeatures[][] = [];
  let room = 0;
  for (const table of tables) {
    const bytes = encode({ type: "table_features_request", tables: [table], more: false }, version, 0).length - HEADERS;
    if (bytes > room || parts.length === 0) {
      parts.push([]);
      room = 0xffff - HEADERS;
    }
    parts.at(-1)!.push(table);
    room -= bytes;
  }
  return parts.map((part, i) => ({ type: "table_features_request", tables: part, more: i < parts.length - 1 }));
}

/** Bytes of the headers of a message and of a multipart message. */
const HEADERS = 16;

/** A port's number: a number, a reserved name, or a name that the switch knows. Throws a Fatal. */
async function portNamed(session: Session, name: string, text: string): Promise<PortDescription | number> {
  const number = parsePort(text, NO_NAMES);
  if (number !== undefined) return number;
  const found = (await session.portsOf(name)).find((port) => port.name === text);
  if (found === undefined) throw new Fatal(`${name}: unknown port \`${text}'`);
  return found;
}

export async function dumpPorts(session: Session, args: readonly string[]): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const found = text === undefined ? OFPP.NONE : await portNamed(session, name, text);
  const names = await session.namesToShow(name);
  await session.dumpOnce(name, { type: "port_stats_request", port: typeof found === "number" ? found : found.port }, names);
}

export async function dumpPortsDesc(session: Session, args: readonly string[]): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const found = text === undefined ? OFPP.NONE : await portNamed(session, name, text);
  await session.dumpOnce(name, { type: "port_desc_request", port: typeof found === "number" ? found : found.port });
}

/** Actions of mod-port: the bits to change, and their new values. */
const PORT_ACTIONS: ReadonlyMap<string, readonly [mask: number, config: number]> = new Map(
  (
    [
      ["up", PORT_CONFIG.PORT_DOWN, false],
      ["down", PORT_CONFIG.PORT_DOWN, true],
      ["stp", PORT_CONFIG.NO_STP, false],
      ["receive", PORT_CONFIG.NO_RECV, false],
      ["receive-stp", PORT_CONFIG.NO_RECV_STP, false],
      ["flood", PORT_CONFIG.NO_FLOOD, false],
      ["forward", PORT_CONFIG.NO_FWD, false],
      ["packet-in", PORT_CONFIG.NO_PACKET_IN, false],
    ] as const
  ).flatMap(([word, bit, set]): (readonly [string, readonly [number, number]])[] =>
    word === "up" || word === "down"
      ? [[word, [bit, set ? bit : 0]]]
      : [
          [word, [bit, 0]],
          [`no-${word}`, [bit, bit]],
        ],
  ),
);

export async function modPort(session: Session, args: readonly string[]): Promise<void> {
  const [name, text, word] = args as [string, string, string];
  const action = PORT_ACTIONS.get(word);
  const number = parsePort(text, NO_NAMES);
  const ports = await session.portsOf(name);
  const port = ports.find((p) => (number === undefined ? session.settings.acceptNames && p.name === text : p.port === number));
  if (port === undefined) throw new Fatal(`${name}: couldn't find port \`${text}'`);
  if (action === undefined) throw new Fatal(`unknown mod-port command '${word}'`);
  const connection = await session.open(name);
  const [mask, config] = action;
  await session.mustSucceed(connection, { type: "port_mod", port: port.port, mac: port.mac, config, mask, advertise: 0 });
}

export async function queueStats(session: Session, args: readonly string[]): Promise<void> {
  const [name, portText, queueText] = args as [string, string | undefined, string | undefined];
  let port: number = OFPP.NONE;
  if (portText !== undefined && portText.toUpperCase() !== "ALL") {
    const found = await portNamed(session, name, portText);
    port = typeof found === "number" ? found : found.port;
  }
  const queue = queueText === undefined || queueText.toUpperCase() === "ALL" ? ALL_QUEUES : Number(queueText);
  if (!Number.isInteger(queue)) throw new Fatal(`invalid queue id ${queueText}`);
  const names = await session.namesToShow(name);
  await session.dumpOnce(name, { type: "queue_stats_request", port, queue }, names);
}

export async function queueGetConfig(session: Session, args: readonly string[]): Promise<void> {
  const [name, portText, queueText] = args as [string, string | undefined, string | undefined];
  let port: number = OFPP.NONE;
  if (portText !== undefined && portText.toUpperCase() !== "ANY") {
    const found = await portNamed(session, name, portText);
    port = typeof found === "number" ? found : found.port;
  }
  const queue = queueText === undefined || /^(any|all)$/i.test(queueText) ? ALL_QUEUES : Number(queueText);
  if (!Number.isInteger(queue)) throw new Fatal(`invalid queue id ${queueText}`);
  const connection = await session.open(name);
  if (connection.version! > 1 || port !== OFPP.NONE) {
    await session.dump(connection, { type: "queue_config_request", port, queue });
    return;
  }
  // OpenFlow 1.0 has no "any port" here.
  const other = await session.open(name);
  const features = await session.ask(other, { type: "features_request" });
  const ports = features.type === "features_reply" ? features.ports : [];
  for (const { port: each } of ports)
    if (each < OFPP.MAX) await session.dump(connection, { type: "queue_config_request", port: each, queue });
}

async function configOf(
  session: Session,
  connection: Awaited<ReturnType<Session["open"]>>,
): Promise<MessageOf<"get_config_reply">> {
  const reply = await session.ask(connection, { type: "get_config_request" });
  if (reply.type !== "get_config_reply") throw new Fatal("bad reply to a request for the configuration");
  return reply;
}

export async function getFrags(session: Session, args: readonly string[]): Promise<void> {
  const connection = await session.open(args[0]!);
  await session.print(`${(await configOf(session, connection)).fragments}\n`);
}

export async function setFrags(session: Session, args: readonly string[]): Promise<void> {
  const [name, mode] = args as [string, string];
  const wanted = (["normal", "drop", "reassemble", "nx-match"] as const).find((m): m is FragmentHandling => m === mode);
  if (wanted === undefined) throw new Fatal(`${mode}: unknown fragment handling mode`);
  const connection = await session.open(name);
  const config = await configOf(session, connection);
  if (config.fragments === wanted) return;
  await session.mustSucceed(connection, { ...config, type: "set_config", fragments: wanted });
  // A switch without the mode leaves its setting alone.
  const now = await configOf(session, connection);
  if (now.fragments !== wanted)
    throw new Fatal(`${name}: setting fragment handling mode failed (this switch probably doesn't support mode "${wanted}")`);
}

export async function ipfixBridge(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "ipfix_bridge_stats_request" });
}

export async function ipfixFlow(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "ipfix_flow_stats_request" });
}

export async function probe(session: Session, args: readonly string[]): Promise<void> {
  const connection = await session.open(args[0]!);
  const reply = await session.ask(connection, { type: "echo_request", data: new Uint8Array(0) });
  if (reply.type !== "echo_reply") throw new Fatal("reply does not match request");
}

export async function ping(session: Session, args: readonly string[]): Promise<void> {
  const [name, size] = args as [string, string | undefined];
  const payload = size === undefined ? 64 : Number(size);
  if (!Number.isInteger(payload) || payload < 0 || payload > 65535 - 8)
    throw new Fatal("payload must be between 0 and 65527 bytes");
  const connection = await session.open(name);
  const remote = await session.remoteOf(name);
  const { clock, random } = session.host.runtime;
  for (let i = 0; i < 10; i++) {
    const data = random.bytes(payload);
    const start = clock.now();
    const [reply] = await session.askReplies(connection, { type: "echo_request", data });
    const ms = (clock.now() - start).toFixed(1);
    if (reply!.message.type !== "echo_reply") throw new Fatal("Reply does not match request:");
    const xid = new DataView(reply!.bytes.buffer, reply!.bytes.byteOffset).getUint32(4);
    await session.print(`${payload} bytes from ${remote}: xid=${xid.toString(16).padStart(8, "0")} time=${ms} ms\n`);
  }
}

export async function benchmark(session: Session, args: readonly string[]): Promise<void> {
  const [name, sizeText, countText] = args as [string, string, string];
  const size = Number(sizeText);
  const count = Number(countText);
  if (!Number.isInteger(size) || size < 0 || size > 65535 - 8) throw new Fatal("payload must be between 0 and 65527 bytes");
  const total = (size + 8) * count;
  await session.print(`Sending ${count} packets * ${size + 8} bytes (with header) = ${total} bytes total\n`);
  const connection = await session.open(name);
  const { clock } = session.host.runtime;
  const start = clock.now();
  const data = new Uint8Array(size);
  for (let i = 0; i < count; i++) await session.ask(connection, { type: "echo_request", data });
  const ms = clock.now() - start;
  await session.print(
    `Finished in ${ms.toFixed(1)} ms (${Math.round((count / ms) * 1000)} packets/s) (${Math.round((total / ms) * 1000)} bytes/s)\n`,
  );
}
