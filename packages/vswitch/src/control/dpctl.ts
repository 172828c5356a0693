/** dpctl/... and dpif/...: the datapath's ports, flows and features (ovs-dpctl(8), ovs-vswitchd(8)). */
import { Match, parseMatch } from "@weft/openflow";
import type { ControlCommand } from "@weft/runtime";
import { formatDpActions, type PortName, portNumber } from "../datapath/actions.ts";
import type { Megaflow } from "../datapath/cache.ts";
import type { DpPort } from "../datapath/datapath.ts";
import { formatDpKey } from "../datapath/key-text.ts";
import { WORD } from "../flow/key.ts";
import { NO_STATISTICS } from "../netdev.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { OfPort } from "../ofproto/port.ts";
import { bridgeNamed, type ControlContext, command, datapathName, refuse } from "./context.ts";

const SHOWN_DUMMY = ["pstream", "stream"];

/** "geneve: csum=true, key=flow": a port's type with the options that matter to it. */
function typeText(type: string, options: ReadonlyMap<string, string> | undefined): string {
  const shown = [...(options ?? [])]
    .filter(([name]) => !type.startsWith("dummy") || SHOWN_DUMMY.includes(name))
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  return shown.length === 0 ? type : `${type}: ${shown.join(", ")}`;
}

/** A dummy in place of a system device (--enable-dummy=system) is shown as what it stands for. */
const standsForSystem = ({ type }: OfPort): boolean => type === "" || type === "system";

function ofportText(port: OfPort): string {
  const own = port.kind === "patch" || port.kind === "tunnel" ? port.type : (port.netdev?.type ?? port.type);
  const text = typeText(own, port.options);
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

/** Whether it is the datapath's name, TYPE@NAME; without a type it is one of type "system". */
function isDatapath(c: ControlContext, name: string): boolean {
  return (name.includes("@") ? name : `system@${name}`) === datapathName(c);
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
  if (port.tunnel !== undefined) return `${port.tunnel.protocol}: packet_type=ptap`;
  const ofport = c.datapath.ofportOf(port.number);
  if (ofport !== undefined && standsForSystem(ofport)) return undefined;
  return typeText(port.netdev?.type ?? port.type, ofport?.options);
}

/** ovs-dpctl(8), show -s: "?" is what the device does not count. */
function statisticsLines(port: DpPort | undefined): string[] {
  const counters = port?.netdev?.statistics ?? NO_STATISTICS;
  const isCounted = port?.netdev !== undefined && !port.netdev.type.startsWith("dummy");
  const rare = (value: number): string => (isCounted ? String(value) : "?");
  return [
    `    RX packets:${counters.rx_packets} errors:${rare(counters.rx_errors)} dropped:${rare(counters.rx_dropped)} overruns:? frame:?`,
    `    TX packets:${counters.tx_packets} errors:${rare(counters.tx_errors)} dropped:${rare(counters.tx_dropped)} aborted:? carrier:?`,
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

function dumpFlows(c: ControlContext, args: readonly string[], bridge: Bridge | undefined): string[] {
  const verbose = args.includes("-m") || args.includes("--more");
  const names = args.includes("--names") || (verbose && !args.includes("--no-names"));
  const port: PortName = names ? c.datapath.portName : portNumber;
  const filter = args.find((arg) => arg.startsWith("filter="))?.slice("filter=".length);
  const wanted = filter === undefined ? Match.ANY : parseMatch(filter);
  const lines: string[] = [];
  for (const flow of c.datapath.cache) {
    if (bridge !== undefined && !flowOf(c, flow, bridge)) continue;
    if (!mayMatch(flow, wanted)) continue;
    lines.push(flowLine(c, flow, port, verbose));
  }
  return lines;
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

const FEATURES = `Masked set action: Yes
Tunnel push pop: Yes
Ufid: Yes
Truncate action: Yes
Clone action: Yes
Sample nesting: 10
Conntrack eventmask: Yes
Conntrack clear: Yes
Max dp_hash algorithm: 1
Check pkt length action: Yes
Conntrack timeout policy: Yes
Explicit Drop action: Yes
Optimized Balance TCP mode: Yes
Conntrack all-zero IP SNAT: Yes
MPLS Label add: Yes
psample action: No`;
const FEATURES_AFTER = `Max MPLS depth: 3
Recirc: Yes
CT state: Yes
CT zone: Yes
CT mark: Yes
CT label: Yes
CT state NAT: Yes
CT orig tuple: Yes
CT orig tuple for IPv6: Yes
IPv6 ND Extension: Yes`;

export function datapathCommands(c: ControlContext): ControlCommand[] {
  return [
    command("dpif/show", "", 0, 0, () => dpifShow(c)),
    command("dpif/dump-dps", "", 0, 0, () =>
      [...c.datapath.bridges.keys()]
        .sort()
        .map((name) => `${c.datapath.type}@${name}`)
        .join("\n"),
    ),
    command("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 3, (args) =>
      dumpFlows(
        c,
        args,
        bridgeNamed(
          c,
          args.findLast((arg) => !arg.startsWith("-")),
        ),
      ).join("\n"),
    ),
    command("dpif/show-dp-features", "bridge", 1, 1, ([name]) => {
      bridgeNamed(c, name, "no such bridge");
      return `${FEATURES}\nMax VLAN headers: ${c.datapath.vlanHeaders}\n${FEATURES_AFTER}`;
    }),
    command("dpctl/show", "[-s] [dp...]", 0, 4, (args) => {
      const other = args.find((arg) => !arg.startsWith("-") && !isDatapath(c, arg));
      if (other !== undefined) throw refuse(`ovs-vswitchd: opening datapath ${other} failed (No such device)`);
      return dpctlShow(c, args.includes("-s"));
    }),
    command("dpctl/dump-dps", "", 0, 0, () => datapathName(c)),
    command("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, (args) => {
      const other = args.find((arg) => !arg.startsWith("-") && !arg.includes("=") && !isDatapath(c, arg));
      if (other !== undefined) throw refuse("ovs-vswitchd: datapath not found (Invalid argument)");
      const lines = dumpFlows(c, args, undefined);
      return lines.length === 0 ? "" : ["flow-dump from the main thread:", ...lines].join("\n");
    }),
    command("dpctl/del-flows", "[dp] [file]", 0, 2, () => {
      c.datapath.flushFlows();
      return "";
    }),
    command("upcall/show", "", 0, 0, () =>
      [
        `${datapathName(c)}:`,
        `  flows         : (current ${c.datapath.cache.size}) (avg ${c.datapath.cache.size}) (max ${c.datapath.cache.size}) (limit ${c.datapath.flowLimit})`,
        "  dump duration : 1ms",
        "  ufid enabled : true",
        "",
        `  0: (keys ${c.datapath.cache.size})`,
      ].join("\n"),
    ),
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
      const limit = Number(/^\s*\d+/.exec(text ?? "")?.[0] ?? 0);
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
