import { fail } from "../error.ts";
import { type NbCall, type NbCommand, named, needRouter, needSwitch } from "./common.ts";

const GROUP = "Control plane protection commands";
const protocols = [
  "arp",
  "arp-resolve",
  "dhcpv4-opts",
  "dhcpv6-opts",
  "dns",
  "event-elb",
  "icmp4-error",
  "icmp6-error",
  "igmp",
  "nd-na",
  "nd-ns",
  "nd-ns-resolve",
  "nd-ra-opts",
  "tcp-reset",
  "bfd",
  "reject",
  "svc-monitor",
  "dhcpv4-relay",
];

function checkProtocol(text: string): string {
  if (!protocols.includes(text)) fail(`Invalid control protocol. Allowed values: ${protocols.join(", ")}.`);
  return text;
}

const findCopp = (call: NbCall, name: string) => named(call.db.rows("Copp"), name);
const needCopp = (call: NbCall, name: string) => findCopp(call, name) ?? fail(`${name}: copp name not found`);

function command(
  name: string,
  usage: string,
  [min, max]: readonly [number, number],
  help: string,
  run: (call: NbCall) => void,
): NbCommand {
  return { name, usage, min, max, tables: ["Copp", "Logical_Switch", "Logical_Router"], group: GROUP, help, run };
}

export const coppCommands: readonly NbCommand[] = [
  command("copp-add", "NAME PROTO METER", [3, 3], "limit packets of a protocol to the controller by a meter", (call) => {
    const protocol = checkProtocol(call.arg(1));
    const there = findCopp(call, call.arg(0));
    const meters = [...(there?.meters ?? []), [protocol, call.arg(2)] as const];
    if (there === undefined) call.db.insert("Copp", { name: call.arg(0), meters });
    else call.db.update("Copp", there._uuid, { meters });
  }),
  command("copp-del", "NAME [PROTO]", [1, 2], "remove one limit or all", (call) => {
    const protocol = call.args[1] === undefined ? undefined : checkProtocol(call.args[1]);
    const there = findCopp(call, call.arg(0));
    if (there === undefined) return;
    if (protocol === undefined) call.db.delete("Copp", there._uuid);
    else call.db.mutate("Copp", there._uuid, "meters", { delete: [protocol] });
  }),
  command("copp-list", "NAME", [1, 1], "print the limits", (call) => {
    for (const [protocol, meter] of findCopp(call, call.arg(0))?.meters ?? []) call.print(`${protocol}: ${meter}\n`);
  }),
  command("ls-copp-add", "NAME SWITCH", [2, 2], "use limits on a switch", (call) => {
    const copp = needCopp(call, call.arg(0));
    call.db.update("Logical_Switch", needSwitch(call, call.arg(1))._uuid, { copp: copp._uuid });
  }),
  command("lr-copp-add", "NAME ROUTER", [2, 2], "use limits on a router", (call) => {
    const copp = needCopp(call, call.arg(0));
    call.db.update("Logical_Router", needRouter(call, call.arg(1))._uuid, { copp: copp._uuid });
  }),
];
