import type { Uuid } from "@weft/ovsdb";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { fail } from "../error.ts";
import {
  findSwitchPort,
  type NbCall,
  type NbCommand,
  needSwitch,
  needSwitchPort,
  parseEnabled,
  parsePairs,
  parseUnsigned,
  printEnabled,
  printNamed,
  printPairs,
  type Switch,
  type SwitchPort,
  switchOf,
} from "./common.ts";

const GROUP = "Logical switch port commands";
const tables = ["Logical_Switch", "Logical_Switch_Port"] as const;
const portTypes = ["", "router", "localnet", "localport", "l2gateway", "vtep", "external", "virtual", "remote", "switch"];

const MAC = /^([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}/;

/** Whether a word of lsp-set-addresses has the form that ovn-nb(5) "addresses" asks for. */
function isAddress(text: string): boolean {
  if (["unknown", "router", "dynamic"].includes(text) || MAC.test(text)) return true;
  const [first, ...rest] = text.split(" ").filter((word) => word !== "");
  const dynamic = first === "dynamic" && rest.length > 0;
  return dynamic && rest.every((ip) => parseIpv4(ip) !== undefined || parseIpv6(ip) !== undefined);
}

/** Adds a port to a switch. */
function insertPort(call: NbCall, to: Switch, columns: Parameters<typeof call.db.insert<"Logical_Switch_Port">>[1]): void {
  const port = call.db.insert("Logical_Switch_Port", columns);
  call.db.mutate("Logical_Switch", to._uuid, "ports", { insert: [port] });
}

function addPort(call: NbCall): void {
  const may = call.has("may-exist");
  const [switchName, name, parent, tagText] = [call.arg(0), call.arg(1), call.args[2], call.args[3]];
  const to = needSwitch(call, switchName);
  let tag: number | undefined;
  if (parent !== undefined) {
    if (tagText === undefined) fail("lsp-add with parent must also specify a tag");
    tag = parseUnsigned(tagText ?? "", 4095);
    if (tag === undefined) fail(`${tagText}: invalid tag (must be in range 0 to 4095)`);
  }
  const there = findSwitchPort(call, name);
  if (there === undefined) {
    insertPort(call, to, { name, ...(parent === undefined ? {} : { parent_name: parent, tag_request: tag }) });
    return;
  }
  if (!may) fail(`${name}: a port with this name already exists`);
  const home = switchOf(call, there);
  if (home?._uuid !== to._uuid)
    fail(`${name}: port already exists but in switch ${home === undefined ? "" : home.name || home._uuid}`);
  if (parent === undefined) {
    if (there.parent_name !== undefined) fail(`${name}: port already exists but has parent ${there.parent_name}`);
    return;
  }
  if (there.parent_name === undefined) fail(`${name}: port already exists but has no parent`);
  if (there.parent_name !== parent) fail(`${name}: port already exists with different parent ${there.parent_name}`);
  if (there.tag_request === undefined) fail(`${name}: port already exists but has no tag_request`);
  if (there.tag_request !== tag) fail(`${name}: port already exists with different tag_request ${there.tag_request}`);
}

/** lsp-add-router-port and lsp-add-localnet-port: a port of a type, with the option that the type needs. */
function addTypedPort(call: NbCall, type: string, option: string, addresses: readonly string[]): void {
  const [switchName, name, value] = [call.arg(0), call.arg(1), call.arg(2)];
  const to = needSwitch(call, switchName);
  const there = findSwitchPort(call, name);
  if (there === undefined) {
    insertPort(call, to, { name, type, addresses, options: [[option, value]] });
    return;
  }
  if (!call.has("may-exist")) fail(`${name}: a port with this name already exists`);
  const home = switchOf(call, there);
  if (home?._uuid !== to._uuid)
    fail(`${name}: a port already exists but in switch ${home === undefined ? "" : home.name || home._uuid}`);
  if (there.type !== type) fail(`${name}: a port already exists but with different type "${there.type}"`);
  const before = there.options.get(option) ?? "";
  if (before !== value) fail(`${name}: a port already exists but with different ${option} "${before}"`);
}

/** A command that prints something of one port. */
function reading(
  name: string,
  help: string,
  run: (call: NbCall, port: SwitchPort) => void,
  more: readonly "DHCP_Options"[] = [],
): NbCommand {
  return {
    name,
    usage: "PORT",
    min: 1,
    max: 1,
    tables: [...tables, ...more],
    group: GROUP,
    help,
    run: (call) => run(call, needSwitchPort(call, call.arg(0))),
  };
}

/** A command that writes columns of one port from the arguments after it. */
function writing(
  name: string,
  usage: string,
  [min, max]: readonly [number, number],
  help: string,
  columns: (call: NbCall, args: readonly string[]) => Parameters<NbCall["db"]["update"]>[2] & object,
): NbCommand {
  return {
    name,
    usage,
    min,
    max,
    tables: [...tables, "DHCP_Options"],
    group: GROUP,
    help,
    run(call) {
      const port = needSwitchPort(call, call.arg(0));
      call.db.update("Logical_Switch_Port", port._uuid, columns(call, call.args.slice(1)));
    },
  };
}

const many = Number.POSITIVE_INFINITY;

function dhcpOptions(call: NbCall, version: 4 | 6): Uuid | undefined {
  const text = call.args[1];
  if (text === undefined) return undefined;
  const row =
    [...call.db.rows("DHCP_Options")].find(({ _uuid }) => _uuid === text.toLowerCase()) ??
    fail(`${text}: dhcp options UUID not found`);
  const [address = ""] = row.cidr.split("/");
  const fits = version === 4 ? parseIpv4(address) : parseIpv6(address);
  if (fits === undefined) fail(`DHCP options cidr '${row.cidr}' is not IPv${version}`);
  return row._uuid;
}

function printDhcpOptions(call: NbCall, uuid: Uuid | undefined): void {
  const row = uuid === undefined ? undefined : call.db.row("DHCP_Options", uuid);
  if (row !== undefined) call.print(`${row._uuid} (${row.cidr})\n`);
}

export const switchPortCommands: readonly NbCommand[] = [
  {
    name: "lsp-add",
    usage: "SWITCH PORT [PARENT] [TAG]",
    min: 2,
    max: 4,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a port to a switch; with PARENT and TAG a child of another port",
    run: addPort,
  },
  {
    name: "lsp-add-router-port",
    usage: "SWITCH PORT LRP_PEER",
    min: 3,
    max: 3,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a port that leads to a router's port",
    run: (call) => addTypedPort(call, "router", "router-port", ["router"]),
  },
  {
    name: "lsp-add-localnet-port",
    usage: "SWITCH PORT NETWORK",
    min: 3,
    max: 3,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a port that leads to a physical network",
    run: (call) => addTypedPort(call, "localnet", "network_name", ["unknown"]),
  },
  {
    name: "lsp-del",
    usage: "PORT",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "delete a port",
    run(call) {
      const port = call.has("if-exists") ? findSwitchPort(call, call.arg(0)) : needSwitchPort(call, call.arg(0));
      if (port === undefined) return;
      const from = switchOf(call, port);
      if (from === undefined) fail(`logical port ${call.arg(0)} is not part of any logical switch`);
      else call.db.mutate("Logical_Switch", from._uuid, "ports", { delete: [port._uuid] });
      call.db.delete("Logical_Switch_Port", port._uuid);
    },
  },
  {
    name: "lsp-list",
    usage: "SWITCH",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the ports of a switch",
    run(call) {
      const { ports } = needSwitch(call, call.arg(0));
      const rows = ports.map((uuid) => call.db.row("Logical_Switch_Port", uuid));
      printNamed(
        call,
        rows.filter((row) => row !== undefined),
      );
    },
  },
  reading("lsp-get-parent", "print the parent of a port", (call, { parent_name }) => {
    if (parent_name !== undefined) call.print(`${parent_name}\n`);
  }),
  reading("lsp-get-tag", "print the tag of a port", (call, { tag }) => {
    if (tag !== undefined) call.print(`${tag}\n`);
  }),
  writing("lsp-set-addresses", "PORT [ADDRESS]...", [1, many], "set the addresses of a port", (_, args) => {
    for (const text of args) {
      if (!isAddress(text)) {
        const hint = "An Ethernet address must be listed before an IP address, together as a single argument.";
        fail(`${text}: Invalid address format. See ovn-nb(5). Hint: ${hint}`);
      }
    }
    return { addresses: args };
  }),
  reading("lsp-get-addresses", "print the addresses of a port", (call, { addresses }) => {
    for (const text of addresses) call.print(`${text}\n`);
  }),
  writing("lsp-set-port-security", "PORT [ADDRS]...", [1, many], "set what a port may send", (_, args) => ({
    port_security: args,
  })),
  reading("lsp-get-port-security", "print what a port may send", (call, { port_security }) => {
    for (const text of port_security) call.print(`${text}\n`);
  }),
  reading("lsp-get-up", "print whether a port is up", (call, { up }) => call.print(up === true ? "up\n" : "down\n")),
  writing("lsp-set-enabled", "PORT STATE", [2, 2], "enable or disable a port", (_, [state = ""]) => ({
    enabled: parseEnabled(state),
  })),
  reading("lsp-get-enabled", "print whether a port is enabled", (call, { enabled }) => printEnabled(call, enabled)),
  writing("lsp-set-type", "PORT TYPE", [2, 2], "set the type of a port", (_, [type = ""]) => {
    if (!portTypes.includes(type)) fail(`Logical switch port type '${type}' is unrecognized. Not setting type.`);
    return { type };
  }),
  reading("lsp-get-type", "print the type of a port", (call, { type }) => call.print(`${type}\n`)),
  writing("lsp-set-options", "PORT KEY=VALUE...", [1, many], "set the options of a port", (_, args) => ({
    options: parsePairs(args),
  })),
  reading("lsp-get-options", "print the options of a port", (call, { options }) => printPairs(call, options)),
  writing("lsp-set-dhcpv4-options", "PORT [DHCP_OPTIONS]", [1, 2], "set the DHCPv4 options of a port", (call) => ({
    dhcpv4_options: dhcpOptions(call, 4),
  })),
  reading(
    "lsp-get-dhcpv4-options",
    "print the DHCPv4 options of a port",
    (call, port) => printDhcpOptions(call, port.dhcpv4_options),
    ["DHCP_Options"],
  ),
  writing("lsp-set-dhcpv6-options", "PORT [DHCP_OPTIONS]", [1, 2], "set the DHCPv6 options of a port", (call) => ({
    dhcpv6_options: dhcpOptions(call, 6),
  })),
  reading(
    "lsp-get-dhcpv6-options",
    "print the DHCPv6 options of a port",
    (call, port) => printDhcpOptions(call, port.dhcpv6_options),
    ["DHCP_Options"],
  ),
  reading("lsp-get-ls", "print the switch of a port", (call, port) => {
    const home = switchOf(call, port);
    if (home !== undefined) call.print(`${home._uuid} (${home.name})\n`);
  }),
];
