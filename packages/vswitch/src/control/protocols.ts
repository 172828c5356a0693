/**
 * Protocols between neighbouring devices that this switch does not speak (configuring one is reported as not supported):
 * no port or bridge has a session of any, and so the commands answer.
 */
import type { ControlCommand } from "@weft/runtime";
import { command, refuse } from "./context.ts";

/** Shows nothing of all; one that is named is not there. */
function show(name: string, usage: string, missing: string | undefined): ControlCommand {
  return command(name, usage, 0, 1, ([which]) => {
    if (which !== undefined && missing !== undefined) throw refuse(missing);
    return "";
  });
}

/** Tells a topology change to all bridges, of which there are none. */
function topologyChange(name: string, missing: string): ControlCommand {
  return command(name, "[bridge]", 0, 1, ([bridge]) => {
    if (bridge !== undefined) throw refuse(missing);
    return "OK";
  });
}

/** Overrides what sessions see, of all or of one. */
function override(name: string, missing: string): ControlCommand {
  return command(name, "[interface] normal|false|true", 1, 2, (args) => {
    if (!["normal", "false", "true"].includes(args.at(-1) ?? "")) throw refuse("unknown fault string");
    if (args.length === 2) throw refuse(missing);
    return "OK";
  });
}

export const protocolCommands: readonly ControlCommand[] = [
  show("autoattach/show-isid", "[bridge]", undefined),
  show("autoattach/statistics", "[bridge]", undefined),
  show("autoattach/status", "[bridge]", undefined),
  show("cfm/show", "[interface]", "no such CFM object"),
  override("cfm/set-fault", "no such CFM object"),
  show("rstp/show", "[bridge]", "No such RSTP object"),
  topologyChange("rstp/tcn", "No such RSTP object"),
  show("stp/show", "[bridge]", "no such stp object"),
  topologyChange("stp/tcn", "no such stp object"),
];
