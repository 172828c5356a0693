/** dpctl/... and dpif/...: the datapath's ports, flows and features (ovs-dpctl(8), ovs-vswitchd(8)). */
import { Match, NO_NAMES, parseMatch, TlvMap } from "@weft/openflow";
import { type ControlCommand, type JsonReply, messageOf } from "@weft/runtime";
import { tunnelOptions } from "../bridge/tunnel-options.ts";
import { formatDpActions, type PortName, portNumber } from "../datapath/actions.ts";
import type { Megaflow } from "../datapath/cache.ts";
import type { DpPort } from "../datapath/dp-port.ts";
import { formatDpKey } from "../datapath/key-text.ts";
import { WORD } from "../flow/key.ts";
import { NO_STATISTICS } from "../netdev.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { OfPort } from "../ofproto/port.ts";
import { bridgeNamed, type ControlContext, command, datapathName, isDatapath, refuse } from "./context.ts";
import { parseExactFlow } from "./exactFlow.ts";

const SHOWN_DUMMY = ["pstream", "stream"];

/** The options that matter to a port of a type. */
function shownOptions(type: string, options: ReadonlyMap<string, string> | undefined): (readonly [string, string])[] {
  return [...(options ?? [])].filter(([name]) => !type.startsWith("dummy") || SHOWN_DUMMY.includes(name));
}

/** "geneve: csum=true, key=flow": a port's type with the options that matter to it. */
function typeText(type: string, options: ReadonlyMap<string, string> | undefined): string {
  const shown = shownOptions(type, options)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  return shown.length === 0 ? type : `${type}: ${shown.join(", ")}`;
}

/** A dummy in place of a system device (--enable-dummy=system) is shown as what it stands for. */
const standsForSystem = ({ type }: OfPort): boolean => type === "" || type === "system";

const ownType = (port: OfPort): string =>
  port.kind === "patch" || port.kind === "tunnel" ? port.type : (port.netdev?.type ?? port.type);

const optionsOf = (port: OfPort): ReadonlyMap<string, string> =>
  port.tunnel === undefined ? port.options : tunnelOptions(port.tunnel, port.options);

function ofportJson(port: OfPort): JsonReply {
  const config = shownOptions(ownType(port), optionsOf(port));
  return {
    ...(config.length === 0 ? {} : { config: Object.fromEntries(config) }),
    ofport: String(port.ofport),
    port_no: String(port.dpPort ?? "none"),
    type: standsForSystem(port) ? "system" : ownType(port),
  };
}

function ofportText(port: OfPort): string {
  const text = typeText(ownType(port), optionsOf(port));
  const type = standsForSystem(port) ? text.replace(/^[^:]*/, "system") : text;
  return `${port.name} ${port.ofport}/${port.dpPort ?? "none"}: (${type})`;
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

function dpifShow(c: ControlContext): string {
  const { datapath } = c;
  // Counters of the flow cache, as of now.
  const lines = [`${datapathName(c)}: hit:${datapath.hits} missed:${datapath.misses}`];
  for (const bridge of [...datapath.bridges.values()].sort(byName)) {
    lines.push(`  ${bridge.name}:`);
    const ports = [...bridge.ports.values()].sort(byName);
    for (const port of ports) lines.push(`    ${ofportText(port)}`);
  }
  return lines.join("\n");
}

function dpifJson(c: ControlContext): JsonReply {
  const { datapath } = c;
  const bridges = [...datapath.bridges.values()].map((bridge) => {
    const ports = [...bridge.ports.values()].map((port) => [port.name, ofportJson(port)] as const);
    return [bridge.name, Object.fromEntries(ports)] as const;
  });
  const stats = { hit: String(datapath.hits), missed: String(datapath.misses) };
  return { [datapathName(c)]: { bridges: Object.fromEntries(bridges), stats } };
}

function dpctlShow(c: ControlContext, statistics: boolean): string {
  const { datapath } = c;
  const lines = [
    `${datapathName(c)}:`,
    `  lookups: hit:${datapath.hits} missed:${datapath.misses} lost:${datapath.lost}`,
    `  flows: ${datapath.cache.size}`,
    `  port 0: ovs-${datapath.type} (dummy-internal)`,
    ...(statistics ? statisticsLines(undefined) : []),
  ];
  for (const port of [...datapath.ports.values()].sort((a, b) => a.number - b.number)) {
    const type = dpPortType(c, port);
    lines.push(`  port ${port.number}: ${port.name}${type === undefined ? "" : ` (${type})`}`);
    if (statistics) lines.push(...statisticsLines(port));
  }
  return lines.join("\n");
}

/** Undefined: a device of the system. */
function dpPortType(c: ControlContext, port: DpPort): string | undefined {
  if (port.tunnel !== undefined) return `${port.type}: packet_type=ptap`;
  const ofport = c.datapath.ofportOf(port.number);
  if (ofport !== undefined && standsForSystem(ofport)) return undefined;
  return typeText(port.netdev?.type ?? port.type, ofport?.options);
}

/** ovs-dpctl(8), show -s: "?" is what the device does not count. */
function statisticsLines(port: DpPort | undefined): string[] {
  const counters = port?.netdev?.statistics ?? NO_STATISTICS;
  const isCounted = port?.netdev !== undefined && !port.netdev.type.startsWith("dummy");
  const rare = (value: number): string => (isCounted ? String(value) : "?");
  const drops = port?.drops;
  const dropped = (device: number, ours: number | undefined): string =>
    isCounted || ours !== undefined ? String(device + (ours ?? 0)) : "?";
  return [
    `    RX packets:${counters.rx_packets} errors:${rare(counters.rx_errors)} dropped:${dropped(counters.rx_dropped, drops?.rx)} overruns:? frame:?`,
    `    TX packets:${counters.tx_packets} errors:${rare(counters.tx_errors)} dropped:${dropped(counters.tx_dropped, drops?.tx)} aborted:? carrier:?`,
    "    collisions:?",
    `    RX bytes:${counters.rx_bytes}  TX bytes:${counters.tx_bytes}`,
    "    UPCALL packets:? errors:?",
  ];
}

const TCP_FLAGS = ["F", "S", "R", "P", ".", "U", "E", "C", "N"];

function usedText(c: ControlContext, flow: Megaflow): string {
  if (flow.used === 0) return "never";
  return `${((c.datapath.now() - flow.used) / 1000).toFixed(3)}s`;
}

export function flowLine(c: ControlContext, flow: Megaflow, port: PortName, verbose: boolean): string {
  const tlv = flow.bridge?.tlv;
  const ufid = verbose ? `ufid:${flow.ufid}, ` : "";
  const key = formatDpKey(flow.key, flow.mask, port, verbose, tlv);
  let stats = `packets:${flow.packets}, bytes:${flow.bytes}, used:${usedText(c, flow)}`;
  const flags = TCP_FLAGS.filter((_, i) => ((flow.tcpFlags >>> i) & 1) === 1).join("");
  if (flags !== "") stats += `, flags:${flags}`;
  const actions = flow.slow === undefined ? formatDpActions(flow.actions, port) : `userspace(pid=0,slow_path(${flow.slow}))`;
  return `${ufid}${key}, ${stats},${verbose ? " dp:ovs," : ""} actions:${actions}`;
}

interface FlowQuery {
  readonly bridge: Bridge | undefined;
  readonly verbose: boolean;
  readonly names: boolean;
  readonly filter?: string | undefined;
}

function dumpFlows(c: ControlContext, { bridge, verbose, names, filter }: FlowQuery): string[] {
  const port: PortName = names ? c.datapath.portName : portNumber;
  const wanted = filter === undefined ? Match.ANY : filterOf(filter);
  const lines: string[] = [];
  for (const flow of c.datapath.cache) {
    if (bridge !== undefined && !flowOf(c, flow, bridge)) continue;
    if (!mayMatch(flow, wanted)) continue;
    lines.push(flowLine(c, flow, port, verbose));
  }
  return lines;
}

/** A flow's text, with every field behind what says that a packet has it. */
function filterOf(text: string): Match {
  try {
    parseExactFlow(text, NO_NAMES, TlvMap.EMPTY, true);
    return parseMatch(text);
  } catch (error) {
    throw refuse(`ovs-vswitchd: Failed to parse filter (${messageOf(error).replace("Bad openflow flow syntax: ", "")})`);
  }
}

/** Kinds of flows for type=, and whether those of this datapath, which has no offload, are of it. */
const FLOW_TYPES: ReadonlyMap<string, boolean> = new Map([
  ["all", true],
  ["ovs", true],
  ["non-offloaded", true],
  ["tc", false],
  ["dpdk", false],
  ["offloaded", false],
  ["partially-offloaded", false],
]);

/** The flows of those threads and kinds that are asked for; options stand in front, and what follows the datapath in any order. */
function dpctlDumpFlows(c: ControlContext, args: readonly string[]): string {
  const first = args.findIndex((arg) => !/^-./.test(arg));
  const options = args.slice(0, first < 0 ? args.length : first);
  const wrong = options.find((option) => !["-m", "--more", "--names", "--no-names"].includes(option));
  if (wrong !== undefined) throw refuse(`Unrecognized option ${wrong}`);
  const operands = args.slice(options.length);
  const given = new Map<string, string>();
  for (let word = operands.at(-1); word !== undefined; word = operands.at(-1)) {
    const [, name = "", value = ""] = /^(filter|type|pmd)=(.*)$/.exec(word) ?? [];
    if (name === "" || given.has(name)) break;
    given.set(name, value);
    operands.pop();
  }
  if (operands.some((name) => !isDatapath(c, name))) throw refuse("ovs-vswitchd: datapath not found (Invalid argument)");
  const type = given.get("type") ?? "all";
  const kinds = type.split(",").map((kind) => FLOW_TYPES.get(kind));
  if (kinds.includes(undefined)) throw refuse(`ovs-vswitchd: Failed to parse type (${type}) (Invalid argument)`);
  const pmd = given.get("pmd");
  if (pmd !== undefined && !/^-?\d+$/.test(pmd)) throw refuse("");
  const verbose = options.includes("-m") || options.includes("--more");
  const names = options.includes("--names") || (verbose && !options.includes("--no-names"));
  const lines = dumpFlows(c, { bridge: undefined, verbose, names, filter: given.get("filter") });
  // All packets are the main thread's, which counts as core -1.
  const shown = kinds.includes(true) && (pmd === undefined || pmd === "-1") ? lines : [];
  return shown.length === 0 ? "" : ["flow-dump from the main thread:", ...shown].join("\n");
}

/** Whether there are packets of the cached flow that match. */
function mayMatch({ key, mask }: Megaflow, match: Match): boolean {
  for (let i = 0; i < match.size; i++) {
    const at = match.offset(i);
    if ((((key[at] as number) ^ match.value(i)) & (mask[at] as number) & match.mask(i)) !== 0) return false;
  }
  return true;
}

/** Does a cached flow begin in this bridge? */
function flowOf(c: ControlContext, flow: Megaflow, bridge: Bridge): boolean {
  const port = c.datapath.ofportOf(flow.key[WORD.in_port] as number);
  return (port?.bridge ?? flow.bridge) === bridge;
}

/** Why a datapath of that name cannot be opened. */
function missing(name: string): string {
  return /^(?!system@|netdev@|dummy@).*@/.test(name) ? "Address family not supported by protocol" : "No such device";
}

/** "ufid:UUID", as flows are printed with it. */
export function ufidOf(text: string): string | undefined {
  return /^ufid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(text)?.[1]?.toLowerCase();
}

export function datapathCommands(c: ControlContext): ControlCommand[] {
  let tersely = true;
  return [
    { ...command("dpif/show", "", 0, 0, () => dpifShow(c)), json: () => dpifJson(c) },
    command("dpif/dump-dps", "", 0, 0, () =>
      [...c.datapath.bridges.keys()]
        .sort()
        .map((name) => `${c.datapath.type}@${name}`)
        .join("\n"),
    ),
    command("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 3, (args) => {
      const bridge = bridgeNamed(
        c,
        args.findLast((arg) => !arg.startsWith("-")),
      );
      const verbose = args.includes("-m");
      return dumpFlows(c, { bridge, verbose, names: args.includes("--names") || (verbose && !args.includes("--no-names")) }).join(
        "\n",
      );
    }),
    command("dpctl/show", "[-s] [dp...]", 0, 4, (args) => {
      const other = args.find((arg) => !arg.startsWith("-") && !isDatapath(c, arg));
      if (other !== undefined) throw refuse(`ovs-vswitchd: opening datapath ${other} failed (${missing(other)})`);
      return dpctlShow(c, args.includes("-s"));
    }),
    command("dpctl/dump-dps", "", 0, 0, () => datapathName(c)),
    command("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, (args) => dpctlDumpFlows(c, args)),
    command("dpctl/del-flows", "[dp] [file]", 0, 2, (args) => {
      const file = args.length > 0 && isDatapath(c, args[0] as string) ? args[1] : args[0];
      if (file !== undefined)
        throw refuse("flows belong to the bridges here: they can be deleted all together, not those of a file");
      c.datapath.flushFlows();
      return "";
    }),
    command("dpctl/get-flow", "[dp] ufid", 1, 2, (args) => {
      const text = args.at(-1) as string;
      if (args.length === 2 && !isDatapath(c, args[0] as string))
        throw refuse("ovs-vswitchd: datapath not found (Invalid argument)");
      const ufid = ufidOf(text);
      if (ufid === undefined) return `ovs-vswitchd: parsing flow ufid${text.startsWith("ufid:") ? " (Invalid argument)" : ""}`;
      const flow = [...c.datapath.cache].find((one) => one.ufid === ufid);
      if (flow === undefined) throw refuse("ovs-vswitchd: getting flow (No such file or directory)");
      return flowLine(c, flow, portNumber, true);
    }),
    command("dpctl/cache-get-size", "[dp]", 0, 1, ([name]) => {
      if (name !== undefined && !isDatapath(c, name))
        throw refuse(`ovs-vswitchd: Opening datapath ${name} failed (${missing(name)})`);
      return `${datapathName(c)}:`;
    }),
    command("dpctl/cache-set-size", "dp cache <size>", 3, 3, ([name = "", , size = ""]) => {
      if (!/^\d+$/.test(size)) throw refuse("ovs-vswitchd: size is malformed (Invalid argument)");
      if (!isDatapath(c, name)) throw refuse(`ovs-vswitchd: Opening datapath ${name} failed (${missing(name)})`);
      throw refuse("ovs-vswitchd: Setting caches not supported (Operation not supported)");
    }),
    command("dpctl/offload-stats-show", "[dp]", 0, 1, ([name]) => {
      if (name !== undefined && !name.startsWith("-") && !isDatapath(c, name))
        throw refuse("ovs-vswitchd: datapath not found (Invalid argument)");
      return "HW Offload stats:";
    }),
    command("upcall/show", "", 0, 0, () => {
      const { cache, flowLimit, mostFlows, averageFlows } = c.datapath;
      return [
        `${datapathName(c)}:`,
        `  flows         : (current ${cache.size}) (avg ${Math.floor(averageFlows)}) (max ${mostFlows}) (limit ${flowLimit})`,
        `  dump duration : ${c.datapath.sweepMs}ms`,
        `  ufid enabled : ${tersely}`,
        "",
        `  0: (keys ${cache.size})`,
      ].join("\n");
    }),
    // How flows are dumped inside: here there is one way only, and what was chosen is shown.
    command("upcall/disable-ufid", "", 0, 0, () => {
      tersely = false;
      return "Datapath dumping tersely using UFID disabled";
    }),
    command("upcall/enable-ufid", "", 0, 0, () => {
      tersely = true;
      return "Datapath dumping tersely using UFID enabled for supported datapaths";
    }),
    command("upcall/disable-megaflows", "", 0, 0, () => {
      c.datapath.megaflows = false;
      c.datapath.flushFlows();
      return "megaflows disabled";
    }),
    command("upcall/enable-megaflows", "", 0, 0, () => {
      c.datapath.megaflows = true;
      c.datapath.flushFlows();
      return "megaflows enabled";
    }),
    command("upcall/set-flow-limit", "flow-limit-number", 1, 1, ([text]) => {
      // As atoi() reads it.
      const limit = Number(/^\s*-?\d+/.exec(text ?? "")?.[0] ?? 0) >>> 0;
      c.datapath.flowLimit = limit;
      return `set flow_limit to ${limit}`;
    }),
    command("revalidator/purge", "", 0, 0, () => {
      c.datapath.flushFlows();
      return "";
    }),
    command("revalidator/wait", "", 0, 0, () => {
      c.datapath.maintain();
      return "";
    }),
  ];
}
