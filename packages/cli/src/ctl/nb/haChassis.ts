import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import { type NbCall, type NbCommand, named, parsePriority } from "./common.ts";

type Group = NbRow<"HA_Chassis_Group">;

const needGroup = (call: NbCall, name = call.arg(0)): Group =>
  named(call.db.rows("HA_Chassis_Group"), name) ?? fail(`${name}: ha_chassis_group name not found`);

function membersOf(call: NbCall, group: Group): NbRow<"HA_Chassis">[] {
  return group.ha_chassis.map((uuid) => call.db.row("HA_Chassis", uuid)).filter((row) => row !== undefined);
}

function needMember(call: NbCall, group: Group, chassis: string): NbRow<"HA_Chassis"> {
  const found = membersOf(call, group).find(({ chassis_name }) => chassis_name === chassis);
  return found ?? fail(`${chassis}: ha chassis not found in ${call.arg(0)} ha chassis group`);
}

function command(
  name: string,
  usage: string,
  [min, max]: readonly [number, number],
  help: string,
  run: (call: NbCall) => void,
): NbCommand {
  return { name, usage, min, max, tables: ["HA_Chassis_Group", "HA_Chassis"], group: "HA chassis group commands", help, run };
}

export const haChassisCommands: readonly NbCommand[] = [
  command(
    "ha-chassis-group-add",
    "GROUP",
    [1, 1],
    "create a group of chassis",
    (call) => void call.db.insert("HA_Chassis_Group", { name: call.arg(0) }),
  ),
  command("ha-chassis-group-del", "GROUP", [1, 1], "delete a group of chassis", (call) =>
    call.db.delete("HA_Chassis_Group", needGroup(call)._uuid),
  ),
  command("ha-chassis-group-list", "[GROUP]", [0, 1], "print one group or all", (call) => {
    const groups = call.args[0] === undefined ? [...call.db.rows("HA_Chassis_Group")] : [needGroup(call)];
    for (const group of groups) {
      call.print(`${group._uuid} (${group.name})\n`);
      for (const { _uuid, chassis_name, priority } of membersOf(call, group)) {
        call.print(`    ${_uuid} (${chassis_name})\n    priority ${priority}\n\n`);
      }
      call.print("\n");
    }
  }),
  command(
    "ha-chassis-group-add-chassis",
    "GROUP CHASSIS PRIORITY",
    [3, 3],
    "add a chassis to a group, or change its priority",
    (call) => {
      const group = needGroup(call);
      const priority = parsePriority(call.arg(2));
      const there = membersOf(call, group).find(({ chassis_name }) => chassis_name === call.arg(1));
      if (there !== undefined) call.db.update("HA_Chassis", there._uuid, { priority });
      else {
        const handle = call.db.insert("HA_Chassis", { chassis_name: call.arg(1), priority });
        call.db.mutate("HA_Chassis_Group", group._uuid, "ha_chassis", { insert: [handle] });
      }
    },
  ),
  command("ha-chassis-group-remove-chassis", "GROUP CHASSIS", [2, 2], "remove a chassis from a group", (call) => {
    const group = needGroup(call);
    const member = needMember(call, group, call.arg(1));
    call.db.mutate("HA_Chassis_Group", group._uuid, "ha_chassis", { delete: [member._uuid] });
    call.db.delete("HA_Chassis", member._uuid);
  }),
  command(
    "ha-chassis-group-set-chassis-prio",
    "GROUP CHASSIS PRIORITY",
    [3, 3],
    "set the priority of a chassis in a group",
    (call) => {
      const group = needGroup(call);
      const priority = parsePriority(call.arg(2));
      call.db.update("HA_Chassis", needMember(call, group, call.arg(1))._uuid, { priority });
    },
  ),
];
