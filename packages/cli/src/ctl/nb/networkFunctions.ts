import { fail } from "../error.ts";
import { compareNames, type NbCall, type NbCommand, named, needSwitchPort, parseUnsigned, printNamed } from "./common.ts";

const groupTables = ["Network_Function_Group", "Network_Function"] as const;
const functionTables = ["Network_Function", "Logical_Switch_Port"] as const;

const needFunction = (call: NbCall, name: string) =>
  named(call.db.rows("Network_Function"), name) ?? fail(`${name}: network function name not found`);
const needGroup = (call: NbCall, name: string) =>
  named(call.db.rows("Network_Function_Group"), name) ?? fail(`${name}: network function group name not found`);

function idOf(text: string, what: string): number {
  const id = parseUnsigned(text, 255);
  return id === undefined || id === 0 ? fail(`${what} id must be between 1 and 255`) : id;
}

const nf = (
  name: string,
  usage: string,
  [min, max]: readonly [number, number],
  help: string,
  run: (call: NbCall) => void,
  options?: string,
): NbCommand => ({
  name,
  usage,
  min,
  max,
  tables: functionTables,
  group: "Network function commands",
  help,
  run,
  ...(options === undefined ? {} : { options }),
});
const nfg = (...row: Parameters<typeof nf>): NbCommand => ({
  ...nf(...row),
  tables: groupTables,
  group: "Network function group commands",
});

export const networkFunctionCommands: readonly NbCommand[] = [
  nf(
    "nf-add",
    "NETWORK-FUNCTION ID PORT-IN PORT-OUT",
    [4, 4],
    "create a network function",
    (call) => {
      const name = call.arg(0);
      if (named(call.db.rows("Network_Function"), name) !== undefined) {
        if (call.has("may-exist")) return;
        fail(`${name}: same name network-function already exists`);
      }
      const id = idOf(call.arg(1), "network-function");
      const [inport, outport] = [needSwitchPort(call, call.arg(2))._uuid, needSwitchPort(call, call.arg(3))._uuid];
      call.db.insert("Network_Function", { name, id, inport, outport });
    },
    "--may-exist",
  ),
  nf(
    "nf-del",
    "NETWORK-FUNCTION",
    [1, 1],
    "delete a network function",
    (call) => {
      const found = call.has("if-exists")
        ? named(call.db.rows("Network_Function"), call.arg(0))
        : needFunction(call, call.arg(0));
      if (found !== undefined) call.db.delete("Network_Function", found._uuid);
    },
    "--if-exists",
  ),
  nf("nf-list", "", [0, 0], "print all network functions", (call) => {
    for (const row of [...call.db.rows("Network_Function")].sort((a, b) => compareNames(a.name, b.name))) {
      const [inport, outport] = [row.inport, row.outport].map((uuid) => call.db.row("Logical_Switch_Port", uuid)?.name ?? "");
      call.print(`${row._uuid} (${row.name}) id:${row.id} in:${inport} out:${outport}\n`);
    }
  }),
  nfg(
    "nfg-add",
    "NETWORK-FUNCTION-GROUP ID MODE [NETWORK-FUNCTION]...",
    [3, Number.POSITIVE_INFINITY],
    "create a group of network functions",
    (call) => {
      const name = call.arg(0);
      if (named(call.db.rows("Network_Function_Group"), name) !== undefined) {
        if (call.has("may-exist")) return;
        fail(`${name}: a network-function-group with this name already exists`);
      }
      const id = idOf(call.arg(1), "network-function-group");
      const mode = call.arg(2);
      if (mode !== "inline")
        return fail(`Unsupported mode provided for network-function-group:${name}, supported values: inline`);
      const members = call.args.slice(3).map((member) => needFunction(call, member)._uuid);
      call.db.insert("Network_Function_Group", { name, id, mode, network_function: members });
    },
    "--may-exist",
  ),
  nfg(
    "nfg-del",
    "NETWORK-FUNCTION-GROUP",
    [1, 1],
    "delete a group of network functions",
    (call) => {
      const found = call.has("if-exists")
        ? named(call.db.rows("Network_Function_Group"), call.arg(0))
        : needGroup(call, call.arg(0));
      if (found !== undefined) call.db.delete("Network_Function_Group", found._uuid);
    },
    "--if-exists",
  ),
  nfg("nfg-list", "", [0, 1], "print all groups of network functions", (call) =>
    printNamed(call, call.db.rows("Network_Function_Group")),
  ),
  nfg(
    "nfg-add-nf",
    "NETWORK-FUNCTION-GROUP NETWORK-FUNCTION",
    [2, 2],
    "add a network function to a group",
    (call) => {
      const group = needGroup(call, call.arg(0));
      const member = needFunction(call, call.arg(1));
      if (group.network_function.includes(member._uuid)) {
        if (call.has("may-exist")) return;
        fail(`network-function ${call.arg(1)} is already added to network-function-group ${call.arg(0)}`);
      }
      call.db.mutate("Network_Function_Group", group._uuid, "network_function", { insert: [member._uuid] });
    },
    "--may-exist",
  ),
  nfg(
    "nfg-del-nf",
    "NETWORK-FUNCTION-GROUP NETWORK-FUNCTION",
    [2, 2],
    "remove a network function from a group",
    (call) => {
      const group = needGroup(call, call.arg(0));
      const member = needFunction(call, call.arg(1));
      if (group.network_function.includes(member._uuid)) {
        call.db.mutate("Network_Function_Group", group._uuid, "network_function", { delete: [member._uuid] });
      } else if (!call.has("if-exists")) fail(`network-function ${call.arg(0)} is not part of any group`);
    },
    "--if-exists",
  ),
];
