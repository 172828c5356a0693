/** The commands of ovn-controller's control socket (ovn-controller(8) "RUNTIME MANAGEMENT COMMANDS"). */
import { type ControlCommand, WeftError } from "@weft/runtime";
import type { RunningController } from "./controller.ts";
import { conjunctionIds } from "./lflow/flows.ts";
import { matchShapes } from "./lflow/match.ts";
import { config } from "./model/config.ts";
import { isRelated, isSwitch, localDatapaths, peerOf } from "./model/datapaths.ts";
import { childrenOf, portsByName, sb, vs } from "./model/inputs.ts";
import { interfaceOf, interfacesByIfaceId } from "./model/interfaces.ts";
import { datapathName } from "./model/zones.ts";
import { formatGroup } from "./ofctrl/groupText.ts";

type Run = (controller: RunningController, args: readonly string[]) => string | Promise<string>;

interface Row {
  readonly usage?: string;
  readonly min?: number;
  readonly max?: number;
  readonly run: Run;
}

function caller(text: string): WeftError {
  return new WeftError("controller.bad-command", text, { blame: "caller" });
}

const COMMANDS: { readonly [name: string]: Row } = {
  exit: {
    max: 1,
    run: (controller, [option]) => {
      void controller.stop(option === "--restart" ? { restart: true } : {});
      return "";
    },
  },
  "connection-status": {
    run: (controller) => (controller.southbound?.state === "synced" ? "connected\n" : "not connected\n"),
  },
  "ct-zone-list": {
    run: ({ core }) => lines([...core.zones.entries()].map(([name, id]) => `${name} ${id}`)),
  },
  "group-table-list": {
    run: ({ core }) => lines([...core.groups.entries()].map(([, { request, number }]) => `${formatGroup(request)}: ${number}`)),
  },
  "meter-table-list": {
    run: ({ core }) =>
      lines(
        [...core.meters.entries()].map(([, { request, number }]) => {
          if (request.kind === "named") return `${request.name}: ${number}`;
          const burst = request.burst > 0 ? ` burst_size=${request.burst}` : "";
          return `kbps${burst === "" ? "" : ",burst"},stats,bands=type=drop rate=${request.rate}${burst}: ${number}`;
        }),
      ),
  },
  "inject-pkt": {
    usage: "MICROFLOW",
    min: 1,
    max: 1,
    run: (controller, [text = ""]) => {
      controller.inject(text);
      return "";
    },
  },
  recompute: {
    usage: "[deprecated]",
    run: (controller) => {
      controller.recompute();
      return "";
    },
  },
  "lflow-cache/show-stats": {
    run: ({ core }) => {
      const counts = core.engine.statistics().evaluations;
      const { shapes, texts } = core.read(matchShapes, 0).counts;
      const matches = (counts.get("compiledSetMatch") ?? 0) + shapes + texts;
      const actions = counts.get("parsedActions") ?? 0;
      return lines([
        "Enabled: true",
        `total           : ${matches + actions}`,
        `cache-matches   : ${matches}`,
        `cache-actions   : ${actions}`,
      ]);
    },
  },
  "lflow-cache/flush": {
    run: (controller) => {
      controller.flushFlowCache();
      return "";
    },
  },
  "flush-lflow-cache": {
    usage: "[deprecated]",
    run: (controller) => {
      controller.flushFlowCache();
      return "";
    },
  },
  "debug/pause": {
    run: (controller) => {
      controller.setPaused(true);
      return "";
    },
  },
  "debug/resume": {
    run: (controller) => {
      controller.setPaused(false);
      return "";
    },
  },
  "debug/status": { run: (controller) => (controller.paused ? "paused" : "running") },
  "debug/delay-nb-cfg-report": {
    usage: "SECONDS",
    min: 1,
    max: 1,
    run: (controller, [text]) => {
      const seconds = Number(text);
      if (!Number.isInteger(seconds) || seconds < 0) throw caller("unsigned integer required");
      controller.reportDelay = seconds;
      return seconds === 0 ? "no delay for nb_cfg report." : `delay nb_cfg report for ${seconds} seconds.`;
    },
  },
  "sb-cluster-state-reset": {
    run: (controller) => {
      controller.resetClusterState();
      return "";
    },
  },
  "debug/dump-lflow-conj-ids": { run: dumpConjunctionIds },
  "debug/dump-local-template-vars": {
    run: ({ core: { read } }) => {
      const out = ["Local template vars:"];
      const own = read(config, 0)?.chassis;
      for (const uuid of read.keys(sb.Chassis_Template_Var)) {
        const row = read(sb.Chassis_Template_Var, uuid);
        if (row?.chassis !== own) continue;
        for (const [name, value] of row?.variables ?? []) out.push(`name: '${name}' value: '${value}'`);
      }
      return lines(out);
    },
  },
  "debug/dump-mac-bindings": {
    // Those that are watched for their age by a cache of their own, of which there is none: the table MAC_Binding has them.
    run: () => "Local MAC bindings:",
  },
  "debug/enable-timewarp": {
    run: () => {
      throw caller("the clock of this daemon cannot be set forward");
    },
  },
  ...Object.fromEntries(
    ["remote-vtep-list", "vtep-arp-list", "vtep-binding-list", "vtep-fdb-list", "vtep-multicast-group-list"].map((name) => [
      `evpn/${name}`,
      {
        // Nothing is learned from EVPN.
        run: () => "",
      } satisfies Row,
    ]),
  ),
  "debug/dump-local-bindings": { run: dumpLocalBindings },
  "debug/dump-local-datapaths": {
    run: ({ core: { read } }) => {
      const out = ["Local datapaths:"];
      for (const datapath of read(localDatapaths, 0)) {
        const row = read(sb.Datapath_Binding, datapath);
        if (row !== undefined)
          out.push(`Datapath: ${read(datapathName, datapath)}, type: ${isSwitch(row) ? "switch" : "router"}`);
      }
      return lines(out);
    },
  },
  "debug/dump-peer-ports": {
    run: ({ core: { read } }) => {
      const out: string[] = [];
      for (const uuid of read.keys(sb.Port_Binding)) {
        const row = read(sb.Port_Binding, uuid);
        const peer = read(peerOf, uuid);
        if (row === undefined || peer === undefined || !read(isRelated, uuid)) continue;
        out.push(
          `dp ${read(datapathName, row.datapath)} : local = ${row.logical_port}, remote = ${read(sb.Port_Binding, peer)?.logical_port}`,
        );
      }
      return lines(out);
    },
  },
  "debug/dump-related-ports": {
    run: ({ core: { read } }) => {
      const out: string[] = [];
      for (const uuid of read.keys(sb.Port_Binding)) {
        const row = read(sb.Port_Binding, uuid);
        if (row !== undefined && read(isRelated, uuid)) out.push(row.logical_port);
      }
      return lines(out);
    },
  },
};

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

/** A flow's ids follow from its uuid and datapath, so that each has one. */
function dumpConjunctionIds({ core: { read } }: RunningController): string {
  const out = ["Conjunction IDs allocations:"];
  let total = 0;
  for (const { lflow, datapath, start, count } of conjunctionIds(read)) {
    out.push(`lflow: ${lflow}, dp: ${datapath}, start: ${start}, n: ${count}`);
    total += count;
  }
  out.push("---", `Total ${total} IDs used.`);
  return lines(out);
}

function dumpLocalBindings({ core: { read } }: RunningController): string {
  const out = ["Local bindings:"];
  for (const id of read.keys(interfacesByIfaceId)) {
    const iface = read(interfaceOf, id);
    const name = iface === undefined ? "NULL" : read(vs.Interface, iface.uuid)?.name;
    const port = read(portsByName, id)[0];
    const children = read(childrenOf, id);
    const row = port === undefined ? undefined : read(sb.Port_Binding, port);
    const count = (row === undefined ? 0 : 1) + children.length;
    out.push(`name: [${id}], OVS interface name : [${name}], num binding lports : [${count}]`);
    if (row === undefined) out.push("no primary lport");
    else out.push(`${row.type === "localport" ? "localport" : "primary"} lport : [${row.logical_port}]`);
    for (const [i, child] of children.entries())
      out.push(`child lport[${i + 1}] : [${read(sb.Port_Binding, child)?.logical_port}], type : [CONTAINER]`);
    out.push("-".repeat(40));
  }
  return lines(out);
}

export function controlCommands(controller: RunningController): ControlCommand[] {
  return Object.entries(COMMANDS).map(([name, row]) => ({
    name,
    usage: row.usage ?? "",
    minArgs: row.min ?? 0,
    maxArgs: row.max ?? 0,
    run: (args) => row.run(controller, args),
  }));
}
