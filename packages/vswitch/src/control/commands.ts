/** All control commands of a switch but those that every daemon has. */
import type { ControlCommand } from "@weft/runtime";
import { bridgeCommands } from "./bridges.ts";
import { conntrackCommands } from "./conntrack.ts";
import type { ControlContext } from "./context.ts";
import { datapathCommands } from "./dpctl.ts";
import { dummyCommands } from "./dummies.ts";
import { tunnelCommands } from "./tunnels.ts";

export function controlCommands(context: ControlContext): ControlCommand[] {
  return [
    ...bridgeCommands(context),
    ...datapathCommands(context),
    ...conntrackCommands(context),
    ...tunnelCommands(context),
    ...dummyCommands(context),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}
