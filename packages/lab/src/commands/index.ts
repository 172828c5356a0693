import type { Command } from "../machine/machine.ts";
import { absentCommands } from "./absent.ts";
import { arping } from "./arping.ts";
import { brctl } from "./brctl.ts";
import { cat } from "./cat.ts";
import { dhclient } from "./dhcp/dhclient.ts";
import { udhcpc } from "./dhcp/udhcpc.ts";
import { dig } from "./dns/dig.ts";
import { getent, hostCommand, nslookup } from "./dns/lookup.ts";
import { hostname } from "./hostname.ts";
import { curl } from "./http/curl.ts";
import { isHttpServer, python3 } from "./http/server.ts";
import { ip } from "./ip/index.ts";
import { nc } from "./nc.ts";
import { pingCommand } from "./ping.ts";
import { tcpdump } from "./tcpdump.ts";

/** The commands of every emulated machine that are not programs of Weft's own. */
export const machineCommands: ReadonlyMap<string, Command> = new Map([
  ...absentCommands,
  ["arping", arping],
  ["brctl", brctl],
  ["cat", cat],
  ["curl", curl],
  ["dhclient", dhclient],
  ["dig", dig],
  ["getent", getent],
  ["host", hostCommand],
  ["hostname", hostname],
  ["ip", ip],
  ["nc", nc],
  ["nslookup", nslookup],
  ["ping", pingCommand()],
  ["ping6", pingCommand(6)],
  ["python3", python3],
  ["tcpdump", tcpdump],
  ["udhcpc", udhcpc],
]);

/**
 * Commands that are the machine's with some arguments only; with others, the shell's own machine runs them. `cat`: of the
 * machine where the command line says so (`weft lab exec`, `ip netns exec`), never where it is typed alone in a shell.
 */
export const sharedCommands: ReadonlyMap<string, (args: readonly string[]) => boolean> = new Map([
  ["python3", isHttpServer],
  ["cat", (args: readonly string[]) => args.some((path) => path.startsWith("/"))],
]);
