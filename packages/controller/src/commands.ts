/** The commands of ovn-controller's control socket (ovn-controller(8) "RUNTIME MANAGEMENT COMMANDS"). */
import { type ControlCommand, WeftError } from "@weft/runtime";
import type { RunningController } from "./controller.ts";
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
    usage: "[--restart]",
    max: 1,
    run: (controller, [option]) => {
      if (option !== undefined && option !== "--restart") throw caller(`unknown option ${option}`);
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
    run: () => {
      throw caller("inject-pkt is not supported yet");
    },
  },
  recompute: {
    usage: "[deprecated]",
    run: (controller) => {
      controller.recompute();
      return "";
    },
  },
  "inc-engine/recompute": {
    run: (controller) => {
      controller.recompute();
      return "";
    },
  },
  "inc-engine/show-stats": {
    usage: "[NODE [COUNTER]]",
    max: 2,
    run: ({ core }, [node, counter]) => {
      const out: string[] = [];
      for (const [name, count] of core.engine.statistics().evaluations) {
        if (node !== undefined && node !== name) continue;
        if (counter !== undefined) out.push(counter === "compute" ? String(count) : "0");
        else
          out.push(
            `Node: ${name}`,
            "- recompute:            0",
            `- compute:   ${String(count).padStart(12)}`,
            "- cancel:               0",
          );
      }
      return lines(out);
    },
  },
  "lflow-cache/show-stats": {
    run: ({ core }) => {
      const counts = core.engine.statistics().evaluations;
      const matches = counts.get("compiledMatch") ?? 0;
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
      controller.recompute();
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
      if (!Number.isInteger(seconds) || seconds < 0) throw caller("invalid seconds");
      controller.reportDelay = seconds;
      return seconds === 0 ? "no delay for nb_cfg report." : `delay nb_cfg report for ${seconds} seconds.`;
    },
  },
  "sb-cluster-state-reset": {
    run: (controller) => {
      controller.southbound?.resetClusterState?.();
      return "";
    },
  },
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
