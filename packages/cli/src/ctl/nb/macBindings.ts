import { parseMac } from "@weft/packet";
import { fail } from "../error.ts";
import { compareNames, type NbCall, type NbCommand, needRouterPort } from "./common.ts";
import { normaliseAddress } from "./routes.ts";

const GROUP = "MAC binding commands";
const tables = ["Static_MAC_Binding", "Logical_Router_Port"] as const;

function binding(call: NbCall) {
  const port = needRouterPort(call, call.arg(0)).name;
  const ip = normaliseAddress(call.arg(1)) ?? fail(`${call.arg(1)}: Not a valid IPv4 or IPv6 address.`);
  const row = [...call.db.rows("Static_MAC_Binding")].find((found) => found.logical_port === port && found.ip === ip);
  return { port, ip, row };
}

export const macBindingCommands: readonly NbCommand[] = [
  {
    name: "static-mac-binding-add",
    usage: "LOGICAL_PORT IP MAC",
    min: 3,
    max: 3,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "tell a router's port the MAC of an address",
    run(call) {
      const { port, ip, row } = binding(call);
      const mac = call.arg(2);
      if (parseMac(mac) === undefined) fail(`invalid mac address ${mac}.`);
      if (row === undefined) call.db.insert("Static_MAC_Binding", { logical_port: port, ip, mac });
      else if (call.has("may-exist")) call.db.update("Static_MAC_Binding", row._uuid, { mac });
      else fail(`${port}, ${ip}: a Static_MAC_Binding with this logical_port and ip already exists`);
    },
  },
  {
    name: "static-mac-binding-del",
    usage: "LOGICAL_PORT IP",
    min: 2,
    max: 2,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "forget the MAC of an address",
    run(call) {
      const { port, ip, row } = binding(call);
      if (row !== undefined) call.db.delete("Static_MAC_Binding", row._uuid);
      else if (!call.has("if-exists")) fail(`no matching Static_MAC_Binding with port ${port} and ip ${ip}`);
    },
  },
  {
    name: "static-mac-binding-list",
    usage: "",
    min: 0,
    max: 0,
    tables,
    group: GROUP,
    help: "print all static MAC bindings",
    run(call) {
      const rows = [...call.db.rows("Static_MAC_Binding")].map(
        ({ logical_port, ip, mac }) => `${logical_port.padEnd(25)}${ip.padEnd(25)}${mac}`,
      );
      for (const text of [`${"LOGICAL_PORT".padEnd(25)}${"IP".padEnd(25)}MAC`, ...rows.sort(compareNames)])
        call.print(`${text}\n`);
    },
  },
];
