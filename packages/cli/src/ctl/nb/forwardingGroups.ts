import { parseMac } from "@weft/packet";
import { fail } from "../error.ts";
import { findSwitchPort, type NbCall, type NbCommand, named, needSwitch } from "./common.ts";
import { normaliseAddress } from "./routes.ts";

const GROUP = "Forwarding group commands";
const tables = ["Logical_Switch", "Logical_Switch_Port", "Forwarding_Group"] as const;

function* groupsOf(call: NbCall, only: string | undefined) {
  const switches = only === undefined ? call.db.rows("Logical_Switch") : [needSwitch(call, only)];
  for (const of of switches) {
    for (const uuid of of.forwarding_groups) {
      const group = call.db.row("Forwarding_Group", uuid);
      if (group !== undefined) yield { of, group };
    }
  }
}

export const forwardingGroupCommands: readonly NbCommand[] = [
  {
    name: "fwd-group-add",
    usage: "GROUP SWITCH VIP VMAC PORT...",
    min: 5,
    max: Number.POSITIVE_INFINITY,
    options: "--liveness",
    tables,
    group: GROUP,
    help: "add a forwarding group to a switch",
    run(call) {
      const [name, switchName, ip, mac, ...ports] = [call.arg(0), call.arg(1), call.arg(2), call.arg(3), ...call.args.slice(4)];
      if (named(call.db.rows("Forwarding_Group"), name) !== undefined)
        fail(`${name}: a forwarding group by this name already exists`);
      const of = needSwitch(call, switchName);
      const vip = normaliseAddress(ip) ?? fail(`invalid ip address ${ip}`);
      if (parseMac(mac) === undefined) fail(`invalid mac address ${mac}`);
      for (const port of ports) if (findSwitchPort(call, port) === undefined) fail(`${port}: logical switch port does not exist`);
      const group = call.db.insert("Forwarding_Group", {
        name,
        vip,
        vmac: mac,
        child_port: ports,
        liveness: call.has("liveness"),
      });
      call.db.mutate("Logical_Switch", of._uuid, "forwarding_groups", { insert: [group] });
    },
  },
  {
    name: "fwd-group-del",
    usage: "GROUP",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "delete a forwarding group",
    run(call) {
      for (const { of, group } of [...groupsOf(call, undefined)]) {
        if (group.name !== call.arg(0) && group._uuid !== call.arg(0)) continue;
        call.db.mutate("Logical_Switch", of._uuid, "forwarding_groups", { delete: [group._uuid] });
        call.db.delete("Forwarding_Group", group._uuid);
      }
    },
  },
  {
    name: "fwd-group-list",
    usage: "[SWITCH]",
    min: 0,
    max: 1,
    tables,
    group: GROUP,
    help: "print the forwarding groups of one switch or all",
    run(call) {
      const groups = [...groupsOf(call, call.args[0])];
      if (groups.length === 0) return;
      call.print("FWD_GROUP       LS            VIP             VMAC                  CHILD_PORTS\n");
      for (const { of, group } of groups) {
        const { name, vip, vmac, child_port } = group;
        call.print(`${name.padEnd(16)}${of.name.padEnd(14)}${vip.padEnd(15)}${vmac.padEnd(23)}${child_port.join(" ")}\n`);
      }
    },
  },
];
