/** All control commands of a switch but those that every daemon has. */
import type { ControlCommand } from "@weft/runtime";
import { absentCommands } from "./absent.ts";
import { bfdCommands } from "./bfd.ts";
import { bondCommands } from "./bonds.ts";
import { bridgeCommands } from "./bridges.ts";
import { conntrackCommands } from "./conntrack.ts";
import { type ControlContext, command } from "./context.ts";
import { detraceCommands } from "./detrace.ts";
import { datapathCommands } from "./dpctl.ts";
import { dummyCommands } from "./dummies.ts";
import { featureCommands } from "./features.ts";
import { fragmentCommands } from "./fragments.ts";
import { lacpCommands } from "./lacp.ts";
import { pmdCommands } from "./pmd.ts";
import { protocolCommands } from "./protocols.ts";
import { qosCommands } from "./qos.ts";
import { tunnelCommands } from "./tunnels.ts";

export function controlCommands(context: ControlContext): ControlCommand[] {
  const there = [
    ...bridgeCommands(context),
    ...datapathCommands(context),
    ...detraceCommands(context),
    ...conntrackCommands(context),
    ...fragmentCommands(context),
    ...featureCommands(context),
    ...pmdCommands(context),
    ...tunnelCommands(context),
    ...dummyCommands(context),
    ...protocolCommands,
    ...qosCommands(context),
    ...bfdCommands(context),
    ...bondCommands(context),
    ...lacpCommands(context),
  ];
  const all = [...there, ...absentCommands(there)];
  all.push(command("dpctl/list-commands", "", 0, Number.POSITIVE_INFINITY, () => listDatapathCommands(all)));
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As ovs-dpctl(8) has them. */
const DPCTL_ORDER = [
  ...[
    "add-dp",
    "del-dp",
    "add-if",
    "del-if",
    "set-if",
    "dump-dps",
    "show",
    "dump-flows",
    "add-flow",
    "mod-flow",
    "get-flow",
    "del-flow",
  ],
  ...["add-flows", "mod-flows", "del-flows", "offload-stats-show", "dump-conntrack", "dump-conntrack-exp", "flush-conntrack"],
  ...["cache-get-size", "cache-set-size", "ct-stats-show", "ct-bkts", "ct-set-maxconns", "ct-get-maxconns", "ct-get-nconns"],
  ...["ct-enable-tcp-seq-chk", "ct-disable-tcp-seq-chk", "ct-get-tcp-seq-chk", "ct-set-limits", "ct-del-limits", "ct-get-limits"],
  ...["ct-get-sweep-interval", "ct-set-sweep-interval", "ipf-set-enabled", "ipf-set-disabled", "ipf-set-min-frag"],
  ...["ipf-set-max-nfrags", "ipf-get-status", "list-commands", "parse-actions", "normalize-actions"],
];

function listDatapathCommands(commands: readonly ControlCommand[]): string {
  const place = ({ name }: ControlCommand): number => DPCTL_ORDER.indexOf(name.slice("dpctl/".length));
  const rows = commands.filter(({ name }) => name.startsWith("dpctl/")).sort((a, b) => place(a) - place(b));
  return `The available commands are:\n${rows.map(({ name, usage }) => `  ${name.padEnd(30)}${usage}\n`).join("")}`;
}
