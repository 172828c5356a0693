/** The daemon's own commands on its control socket (ovn-northd(8), "Runtime Management Commands"). */
import { type ControlCommand, WeftError } from "@weft/runtime";
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
    command("debug/chassis-features-list", "", 0, 0, () =>
      [...northd.chassisFeatures()].map(([name, used]) => `${name}: ${used}\n`).join(""),
    ),
    command("debug/enable-timewarp", "", 0, 0, () => {
      throw refusal("the clock of this daemon cannot be set forward");
    }),
    command("parallel-build/get-n-threads", "", 0, 0, () => "1\n"),
    command("parallel-build/set-n-threads", "N_THREADS", 1, 1, ([text]) => {
      const threads = Number(text);
      if (!Number.isInteger(threads) || threads < 1 || threads > 256) throw refusal(`invalid n_threads: ${threads || 0}`);
      if (threads > 1) throw refusal("flows are computed by one thread, incrementally");
      return "";
    }),
  ];
}

function refusal(text: string): WeftError {
  return new WeftError("northd.control", text, { blame: "caller" });
}
