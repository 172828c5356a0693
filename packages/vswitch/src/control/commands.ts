/** All control commands of a switch but those that every daemon has. */
import type { ControlCommand } from "@weft/runtime";
import { absentCommands } from "./absent.ts";
import { bfdCommands } from "./bfd.ts";
import { bridgeCommands } from "./bridges.ts";
import { conntrackCommands } from "./conntrack.ts";
import { type ControlContext, command } from "./context.ts";
import { datapathCommands } from "./dpctl.ts";
import { dummyCommands } from "./dummies.ts";
import { fragmentCommands } from "./fragments.ts";
import { protocolCommands } from "./protocols.ts";
import { tunnelCommands } from "./tunnels.ts";

export function controlCommands(context: ControlContext): ControlCommand[] {
  const there = [
    ...bridgeCommands(context),
    ...datapathCommands(context),
    ...conntrackCommands(context),
    ...fragmentCommands(context),
    ...tunnelCommands(context),
    ...dummyCommands(context),
    ...protocolCommands,
    ...bfdCommands(context),
  ];
  const all = [...there, ...absentCommands(there)];
  all.push(command("dpctl/list-commands", "", 0, 0, () => listDatapathCommands(all)));
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function listDatapathCommands(commands: readonly ControlCommand[]): string {
  const rows = commands.filter(({ name }) => name.startsWith("dpctl/"));
  return `The available commands are:\n${rows.map(({ name, usage }) => `  ${name.padEnd(30)}${usage}\n`).join("")}`;
}
