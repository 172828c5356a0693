import { sortTargets, warnOfTargets } from "../connection.ts";
import { fail } from "../error.ts";
import { tables as bridgeTables, Model, type VsCall, type VsCommand } from "./model.ts";

const GROUP = "Controller commands";
const tables = [...bridgeTables, "Controller"] as const;

/** The Bridge row that a name means: of a fake bridge its parent's. */
function rowOf(call: VsCall) {
  return new Model(call).needBridge(call.arg(0)).row;
}

/** Only a real bridge has settings of its own. */
function realRowOf(call: VsCall) {
  const bridge = new Model(call).needBridge(call.arg(0));
  if (bridge.parent !== undefined) fail(`${call.arg(0)} is a fake bridge`);
  return bridge.row;
}

function deleteControllers(call: VsCall): void {
  const row = realRowOf(call);
  for (const uuid of row.controller) call.db.delete("Controller", uuid);
  call.db.update("Bridge", row._uuid, { controller: [] });
}

function command(
  name: string,
  usage: string,
  max: number,
  help: string,
  run: (call: VsCall) => void,
  options?: string,
): VsCommand {
  const min = usage.split(" ").length;
  return { name, usage, min, max, tables, group: GROUP, help, run, ...(options === undefined ? {} : { options }) };
}

export const controllerCommands: readonly VsCommand[] = [
  command("get-controller", "BRIDGE", 1, "print the controllers of a bridge", (call) => {
    const rows = rowOf(call).controller.map((uuid) => call.db.row("Controller", uuid));
    for (const target of sortTargets(rows.flatMap((row) => (row === undefined ? [] : [row.target])))) call.print(`${target}\n`);
  }),
  command("del-controller", "BRIDGE", 1, "delete the controllers of a bridge", deleteControllers),
  command(
    "set-controller",
    "BRIDGE TARGET...",
    Number.POSITIVE_INFINITY,
    "set the controllers of a bridge",
    (call) => {
      const row = realRowOf(call);
      warnOfTargets(call, "vsctl", call.args.slice(1));
      const targets = sortTargets(call.args.slice(1));
      const probe = call.option("inactivity-probe");
      const there = sortTargets(row.controller.map((uuid) => call.db.row("Controller", uuid)?.target ?? ""));
      if (there.join("\n") === targets.join("\n") && probe === undefined) return;
      deleteControllers(call);
      const handles = targets.map((target) =>
        call.db.insert("Controller", { target, ...(probe === undefined ? {} : { inactivity_probe: Number(probe) }) }),
      );
      call.db.update("Bridge", row._uuid, { controller: handles });
    },
    "--inactivity-probe=",
  ),
  command("get-fail-mode", "BRIDGE", 1, "print what a bridge does without its controller", (call) => {
    const mode = rowOf(call).fail_mode;
    if (mode !== undefined) call.print(`${mode}\n`);
  }),
  command("del-fail-mode", "BRIDGE", 1, "forget what a bridge does without its controller", (call) =>
    call.db.update("Bridge", realRowOf(call)._uuid, { fail_mode: undefined }),
  ),
  command("set-fail-mode", "BRIDGE MODE", 2, "set what a bridge does without its controller: standalone or secure", (call) => {
    const row = realRowOf(call);
    const mode = call.arg(1);
    if (mode !== "standalone" && mode !== "secure") return fail('fail-mode must be "standalone" or "secure"');
    call.db.update("Bridge", row._uuid, { fail_mode: mode });
  }),
];
