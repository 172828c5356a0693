import { fail } from "../error.ts";
import { compareNames, type NbCall, type NbCommand, named, needSwitchPort } from "./common.ts";

const GROUP = "Port group commands";
const tables = ["Port_Group", "Logical_Switch_Port"] as const;

function needGroup(call: NbCall) {
  return named(call.db.rows("Port_Group"), call.arg(0)) ?? fail(`${call.arg(0)}: port group name not found`);
}

const portsOf = (call: NbCall) => call.args.slice(1).map((name) => needSwitchPort(call, name)._uuid);

export const portGroupCommands: readonly NbCommand[] = [
  {
    name: "pg-add",
    usage: "PG [PORT]...",
    min: 1,
    max: Number.POSITIVE_INFINITY,
    tables,
    group: GROUP,
    help: "create a port group",
    run: (call) => void call.db.insert("Port_Group", { name: call.arg(0), ports: portsOf(call) }),
  },
  {
    name: "pg-set-ports",
    usage: "PG PORT...",
    min: 2,
    max: Number.POSITIVE_INFINITY,
    tables,
    group: GROUP,
    help: "set the ports of a port group",
    run: (call) => call.db.update("Port_Group", needGroup(call)._uuid, { ports: portsOf(call) }),
  },
  {
    name: "pg-del",
    usage: "PG",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "delete a port group",
    run: (call) => call.db.delete("Port_Group", needGroup(call)._uuid),
  },
  {
    name: "pg-get-ports",
    usage: "PG",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the ports of a port group",
    run(call) {
      const rows = needGroup(call).ports.map((uuid) => call.db.row("Logical_Switch_Port", uuid));
      const names = rows.flatMap((row) => (row === undefined ? [] : [row.name])).sort(compareNames);
      if (names.length > 0) call.print(`${names.join(" ")}\n`);
    },
  },
];
