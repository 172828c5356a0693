/** The daemon's own commands on its control socket (ovn-northd(8), "Runtime Management Commands"). */
import type { ControlCommand } from "@weft/runtime";
import type { Northd } from "./types.ts";

export function northdCommands(northd: Omit<Northd, "controlCommands">): readonly ControlCommand[] {
  const command = (
    name: string,
    usage: string,
    minArgs: number,
    maxArgs: number,
    run: (args: readonly string[]) => string,
  ): ControlCommand => ({ name, usage, minArgs, maxArgs, run });
  const connection = (database: "nb" | "sb") => () => `${northd.connected(database) ? "connected" : "not connected"}\n`;
  let cleared: ReadonlyMap<string, number> = new Map();
  const counters = (only: string | undefined): string => {
    const lines: string[] = [];
    for (const [name, count] of northd.statistics().evaluations) {
      if (only === undefined || only === name) lines.push(`Node: ${name}\n- compute: ${count - (cleared.get(name) ?? 0)}\n`);
    }
    return lines.join("");
  };
  return [
    command("pause", "", 0, 0, () => {
      northd.pause();
      return "";
    }),
    command("resume", "", 0, 0, () => {
      northd.resume();
      return "";
    }),
    command("is-paused", "", 0, 0, () => `${northd.status() === "paused"}\n`),
    command("status", "", 0, 0, () => `Status: ${northd.status()}\n`),
    command("sb-connection-status", "", 0, 0, connection("sb")),
    command("nb-connection-status", "", 0, 0, connection("nb")),
    command("sb-cluster-state-reset", "", 0, 0, () => {
      northd.resetClusterState("sb");
      return "";
    }),
    command("nb-cluster-state-reset", "", 0, 0, () => {
      northd.resetClusterState("nb");
      return "";
    }),
    command("inc-engine/show-stats", "[engine_node_name] [counter_name]", 0, 2, ([name]) => counters(name)),
    command("inc-engine/clear-stats", "", 0, 0, () => {
      cleared = new Map(northd.statistics().evaluations);
      return "";
    }),
    command("inc-engine/recompute", "", 0, 0, () => {
      northd.recompute();
      return "";
    }),
    command("inc-engine/compute-log-timeout", "MSECS", 1, 1, () => ""),
    command("set-n-threads", "N_THREADS", 1, 1, ([count]) => {
      const threads = Number(count);
      if (!Number.isInteger(threads) || threads < 1 || threads > 256) throw new Error(`invalid n_threads: ${count}\n`);
      return "";
    }),
    command("get-n-threads", "", 0, 0, () => "1\n"),
  ];
}
