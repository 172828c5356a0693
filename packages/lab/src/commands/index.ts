import type { Command } from "../machine/machine.ts";
import { arping } from "./arping.ts";
import { hostname } from "./hostname.ts";
import { ip } from "./ip/index.ts";
import { nc } from "./nc.ts";
import { pingCommand } from "./ping.ts";
import { tcpdump } from "./tcpdump.ts";

/** The commands of every emulated machine that are not programs of Weft's own. */
export const machineCommands: ReadonlyMap<string, Command> = new Map([
  ["arping", arping],
  ["hostname", hostname],
  ["ip", ip],
  ["nc", nc],
  ["ping", pingCommand()],
  ["ping6", pingCommand(6)],
  ["tcpdump", tcpdump],
]);
