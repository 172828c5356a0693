/** fdb/..., ofproto/..., bridge/...: what bridges know and do (ovs-vswitchd(8)). */
import { OFPP } from "@weft/openflow";
import { formatMac, macOf, parseMac } from "@weft/packet";
import type { ControlCommand, JsonReply } from "@weft/runtime";
import { tunnelMatchText } from "../bridge/tunnel-options.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { Bundle } from "../ofproto/port.ts";
import { bridgeNamed, type ControlContext, command, refuse } from "./context.ts";
import { flowText } from "./detrace.ts";
import { traceCommand } from "./trace-command.ts";

function portText(bundle: Bundle): string {
  const port = bundle.ports[0]?.ofport;
  return port === undefined ? "?" : port === OFPP.LOCAL ? "LOCAL" : String(port);
}

/** Of each bridge, in its hidden table: see dumpFlows(). */
const HIDDEN_RULES = 4;

const FDB_HEAD = " Port  VLAN  MAC                Age";

/** One bridge's entries below a head, or those of several, each behind its name. */
function fdbShow(c: ControlContext, names: readonly string[]): string {
  if (names.length === 1) return [FDB_HEAD, ...fdbLines(c, bridgeNamed(c, names[0], `no such bridge ${names[0]}`))].join("\n");
  const bridges = names.length === 0 ? [...c.datapath.bridges.keys()] : names;
  const lines = [` Bridge  ${FDB_HEAD}`];
  for (const name of bridges) lines.push(` ${name}`, ...fdbLines(c, bridgeNamed(c, name, `no such bridge ${name}`)));
  return lines.join("\n");
}

function fdbLines(c: ControlContext, bridge: Bridge): string[] {
  const now = c.datapath.now();
  const lines: string[] = [];
  for (const entry of bridge.macs.entries()) {
    const age = entry.static ? "static" : String(Math.floor((now - entry.seen) / 1000)).padStart(3);
    lines.push(`${portText(entry.port).padStart(5)}  ${String(entry.vlan).padStart(4)}  ${formatMac(macOf(entry.mac))}  ${age}`);
  }
  return lines;
}

function fdbJson(c: ControlContext, names: readonly string[]): JsonReply {
  const bridges = names.length === 0 ? [...c.datapath.bridges.keys()] : names;
  return Object.fromEntries(bridges.map((name) => [name, entriesJson(c, bridgeNamed(c, name, `no such bridge ${name}`))]));
}

function entriesJson(c: ControlContext, bridge: Bridge): JsonReply[] {
  const now = c.datapath.now();
  return [...bridge.macs.entries()].map((entry) => ({
    mac: formatMac(macOf(entry.mac)),
    port: entry.port.ports[0]?.ofport ?? null,
    vlan: entry.vlan,
    ...(entry.static ? { static: true } : { age: Math.floor((now - entry.seen) / 1000) }),
  }));
}

function dumpFlows(c: ControlContext, bridge: Bridge): string {
  c.datapath.pushStatistics();
  const lines: string[] = [];
  for (const table of bridge.tables) {
    const rules = [...table.rules()].sort((a, b) => b.priority - a.priority);
    for (const rule of rules) lines.push(flowText(c, rule, table.id));
  }
  const hidden = (match: string, actions: string): string =>
    `table_id=254, duration=0s, n_packets=0, n_bytes=0, priority=${match},actions=${actions}`;
  lines.push(
    hidden("2,recirc_id=0", "drop"),
    hidden("0,reg0=0x1", "controller(reason=)"),
    hidden("0,reg0=0x2", "drop"),
    hidden("0,reg0=0x3", "drop"),
  );
  return lines.join("\n");
}

function vlanAndMac(vlanText: string | undefined, macText: string | undefined): { vlan: number; mac: number } {
  const vlan = Number(vlanText);
  if (!Number.isInteger(vlan) || vlan < 0 || vlan > 4095) throw refuse("invalid vlan");
  const mac = macText === undefined ? undefined : parseMac(macText);
  if (mac === undefined) throw refuse("bad MAC address");
  return { vlan, mac };
}

export function bridgeCommands(c: ControlContext): ControlCommand[] {
  return [
    command("ofproto/list", "", 0, 0, () => [...c.datapath.bridges.keys()].join("\n")),
    command("ofproto/trace", "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1, 100, (args) =>
      traceCommand(c.datapath, args),
    ),
    command(
      "ofproto/trace-packet-out",
      "[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet] actions",
      2,
      100,
      (args) => traceCommand(c.datapath, args, true),
    ),
    command("ofproto/list-tunnels", "", 0, 0, () => {
      const lines: string[] = [];
      for (const port of [...c.datapath.tunnels].sort(
        (a, b) => (a.dpPort ?? 0) - (b.dpPort ?? 0) || (a.name < b.name ? -1 : 1),
      )) {
        const t = port.tunnel;
        if (t === undefined) continue;
        const packetType = port.options.get("packet_type") ?? "legacy_l2";
        const parts = [`${port.type}: ${tunnelMatchText(t, packetType, port.dpPort ?? 0)}`];
        if (t.outKey !== t.inKey)
          parts.push(
            `out_key=${t.outKey === undefined ? "none" : t.outKey === "flow" ? t.outKey : `0x${t.outKey.toString(16)}`}`,
          );
        parts.push(`ttl=${t.ttl}`);
        if (t.tos !== 0) parts.push(`tos=${t.tos === "inherit" ? t.tos : `0x${t.tos.toString(16)}`}`);
        if (!t.df) parts.push("df=false");
        if (t.csum) parts.push("csum=true");
        lines.push(`port ${port.dpPort}: ${port.name} (${parts.join(", ")})`);
      }
      return lines.join("\n");
    }),
    command("bridge/dump-flows", "[--offload-stats] bridge", 1, 2, (args) =>
      dumpFlows(c, bridgeNamed(c, args[args.length - 1], "Unknown bridge")),
    ),
    command("bridge/reconnect", "[bridge]", 0, 1, ([name]) => {
      if (name !== undefined) bridgeNamed(c, name, "Unknown bridge");
      return "";
    }),
    {
      ...command("fdb/show", "[bridge...]", 0, Number.POSITIVE_INFINITY, (names) => fdbShow(c, names)),
      json: (names) => fdbJson(c, names),
    },
    command("fdb/flush", "[bridge]", 0, 1, ([name]) => {
      const bridges = name === undefined ? [...c.datapath.bridges.values()] : [bridgeNamed(c, name)];
      for (const bridge of bridges) if (bridge.macs.flush()) bridge.changed();
      return "table successfully flushed";
    }),
    command("fdb/add", "bridge port vlan mac", 4, 4, ([name, portName, vlanText, macText]) => {
      const bridge = bridgeNamed(c, name);
      const bundle = portName === undefined ? undefined : bridge.portsByName.get(portName)?.bundle;
      if (bundle === undefined) throw refuse("software error, odp port is present but no ofp port");
      const { vlan, mac } = vlanAndMac(vlanText, macText);
      if (bridge.macs.addStatic(vlan, mac, bundle, c.datapath.now())) bridge.changed();
      return "";
    }),
    command("fdb/del", "bridge vlan mac", 3, 3, ([name, vlanText, macText]) => {
      const bridge = bridgeNamed(c, name);
      const { vlan, mac } = vlanAndMac(vlanText, macText);
      const entry = bridge.macs.lookup(vlan, mac);
      if (entry === undefined) throw refuse("could not find static mac entry");
      bridge.macs.remove(entry);
      bridge.changed();
      return "";
    }),
    command("fdb/stats-show", "bridge", 1, 1, ([name]) => {
      const { macs } = bridgeNamed(c, name);
      const fixed = [...macs.entries()].filter((entry) => entry.static).length;
      return [
        `Statistics for bridge "${name}":`,
        `  Current/maximum MAC entries in the table: ${macs.size}/${macs.maxEntries}`,
        `  Current static MAC entries in the table : ${fixed}`,
        `  Total number of learned MAC entries     : ${macs.statistics.learned}`,
        `  Total number of expired MAC entries     : ${macs.statistics.expired}`,
        `  Total number of evicted MAC entries     : ${macs.statistics.evicted}`,
        `  Total number of port moved MAC entries  : ${macs.statistics.moved}`,
      ].join("\n");
    }),
    command("fdb/stats-clear", "[bridge]", 0, 1, ([name]) => {
      const bridges = name === undefined ? [...c.datapath.bridges.values()] : [bridgeNamed(c, name)];
      for (const bridge of bridges)
        Object.assign(bridge.macs.statistics, { total: 0, learned: 0, expired: 0, evicted: 0, moved: 0 });
      return "statistics successfully cleared";
    }),
    command("mdb/show", "bridge", 1, 1, ([name]) => {
      bridgeNamed(c, name);
      throw refuse("multicast snooping is disabled");
    }),
    command("mdb/flush", "[bridge]", 0, 1, ([name]) => {
      if (name === undefined) return "table successfully flushed";
      bridgeNamed(c, name);
      throw refuse("multicast snooping is disabled");
    }),
    command("memory/show", "", 0, 0, () => {
      const bridges = [...c.datapath.bridges.values()];
      const ports = bridges.reduce((sum, bridge) => sum + bridge.ports.size, 0);
      const rules = bridges.reduce(
        (sum, bridge) => sum + HIDDEN_RULES + bridge.tables.reduce((n, table) => n + table.size, 0),
        0,
      );
      const connections = [...c.configuration.bridges.values()].reduce((sum, { server }) => sum + server.connections, 0);
      const shown: readonly (readonly [name: string, count: number])[] = [
        ["idl-cells-Open_vSwitch", c.databaseCells()],
        ["ofconns", connections],
        ["ports", ports],
        ["revalidators", 1],
        ["rules", rules],
        ["udpif keys", c.datapath.cache.size],
      ];
      return shown.flatMap(([name, count]) => (count > 0 ? [`${name}:${count}`] : [])).join(" ");
    }),
    command("coverage/show", "", 0, 0, () => {
      const counters = Object.entries(coverage(c)).filter(([, value]) => value > 0);
      const lines = counters.map(
        ([name, value]) =>
          `${name.padEnd(24)} ${"0.0/sec".padStart(5)} ${"0.000/sec".padStart(9)} ${"0.0000/sec".padStart(13)}   total: ${value}`,
      );
      return ["Event coverage, avg rate over last: 5 seconds, last minute, last hour:", ...lines].join("\n");
    }),
    command("coverage/read-counter", "COUNTER", 1, 1, ([name]) => {
      const value = coverage(c)[name ?? ""];
      if (value === undefined) throw refuse("No such counter");
      return String(value);
    }),
  ];
}

/** Events that are counted, by the names that scripts ask for. */
function coverage(c: ControlContext): Record<string, number> {
  return {
    xlate_actions: c.datapath.misses,
    flow_extract: c.datapath.hits + c.datapath.misses,
    datapath_drop_upcall_error: 0,
    datapath_drop_lost: c.datapath.lost,
  };
}
