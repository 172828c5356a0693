import type { SchemaJson, Uuid } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";
import type { Call, Prepared } from "../command.ts";
import { setColumn } from "../database.ts";
import { fail } from "../error.ts";
import { findTable } from "../lookup.ts";
import { parseAssignment } from "../value.ts";
import { byName, Model, remember, tables, type VsCall, type VsCommand } from "./model.ts";

const GROUP = "Port commands";
const many = Number.POSITIVE_INFINITY;

/** Adds a port of one interface or more. */
function addPort(
  call: VsCall,
  typed: string,
  bridgeName: string,
  name: string,
  interfaces: readonly string[],
  settings: readonly string[],
  fakeInterface: boolean,
): void {
  const model = new Model(call);
  const there = model.ports.get(name);
  if (there !== undefined && call.has("may-exist")) {
    const words = `"--may-exist ${typed}"`;
    if (there.bridge.name !== bridgeName) fail(`${words} but ${name} is actually attached to bridge ${there.bridge.name}`);
    const held = byName(there.interfaces);
    if (held.join() !== [...interfaces].sort().join()) fail(`${words} but ${name} actually has interface(s) ${held.join(", ")}`);
    return;
  }
  model.checkFree(name, "a port");
  for (const iface of interfaces) model.checkFree(iface, "an interface");
  const bridge = model.needBridge(bridgeName);
  const rows = interfaces.map((iface) => {
    remember(call, iface);
    return call.db.insert("Interface", { name: iface });
  });
  const port = call.db.insert("Port", {
    name,
    interfaces: rows,
    ...(fakeInterface ? { bond_fake_iface: true } : {}),
    ...(bridge.parent === undefined ? {} : { tag: bridge.vlan }),
  });
  const generic = call as unknown as Call<SchemaJson>; // the columns are found at run time
  const table = findTable(call.database, "Port");
  for (const setting of settings) setColumn(generic, table, port.rowHandle as Uuid, setting);
  call.db.mutate("Bridge", bridge.row._uuid, "ports", { insert: [port] });
}

/** Checks the COLUMN=VALUE arguments before there is a connection. */
const prepareSettings =
  (settings: (args: readonly string[]) => readonly string[]) =>
  (call: Prepared<VsSchema>): readonly string[] => {
    const table = findTable(call.database, "Port");
    for (const setting of settings(call.args)) parseAssignment(table, setting);
    return [];
  };

const bondParts = (args: readonly string[]) => {
  const rest = args.slice(2);
  const first = rest.findIndex((arg) => arg.includes("="));
  return first < 0 ? ([rest, []] as const) : ([rest.slice(0, first), rest.slice(first)] as const);
};

function deletePort(call: VsCall): void {
  const model = new Model(call);
  const must = !call.has("if-exists");
  const name = call.args[1] ?? call.arg(0);
  const bridgeName = call.args.length > 1 ? call.arg(0) : undefined;
  const withInterface = call.has("with-iface");
  const bridge = bridgeName === undefined ? undefined : model.needBridge(bridgeName);
  const local = model.bridges.get(name);
  if (local !== undefined && must && !withInterface) {
    fail(
      `cannot delete port ${name} because it is the local port for bridge ${name} (deleting this port requires deleting the entire bridge)`,
    );
  }
  const port = model.ports.get(name) ?? (withInterface ? model.portOfInterface(name) : undefined);
  if (port === undefined) {
    if (must) fail(withInterface ? `no port or interface named ${name}` : `no port named ${name}`);
    return;
  }
  if (bridge !== undefined && port.bridge.name !== bridge.name) {
    const { parent } = port.bridge;
    const child = parent?.name === bridge.name ? ` (although its child bridge ${port.bridge.name} does)` : "";
    fail(`bridge ${bridge.name} does not have a port ${name}${child}`);
  }
  model.deletePort(port.bridge, port.row);
}

function addBondInterface(call: VsCall): void {
  const model = new Model(call);
  const [bond, name] = [call.arg(0), call.arg(1)];
  const port = model.needPort(bond);
  const holder = model.portOfInterface(name);
  if (holder !== undefined && call.has("may-exist")) {
    if (holder.row.name !== bond)
      fail(`"--may-exist add-bond-iface ${bond} ${name}" but ${name} is actually attached to port ${holder.row.name}`);
    return;
  }
  model.checkFree(name, "an interface");
  const iface = call.db.insert("Interface", { name });
  remember(call, name);
  call.db.mutate("Port", port.row._uuid, "interfaces", { insert: [iface] });
}

function deleteBondInterface(call: VsCall): void {
  const model = new Model(call);
  const must = !call.has("if-exists");
  const name = call.args[1] ?? call.arg(0);
  const bond = call.args.length > 1 ? model.needPort(call.arg(0)) : undefined;
  const port = model.portOfInterface(name);
  if (port === undefined) {
    if (must) fail(`no interface named ${name}`);
    return;
  }
  if (bond !== undefined && port.row.name !== bond.row.name) fail(`port ${bond.row.name} does not have an interface ${name}`);
  if (port.interfaces.length === 1) fail(`cannot delete last interface from port ${port.row.name}`);
  const gone = port.interfaces.filter((row) => row.name === name).map(({ _uuid }) => _uuid);
  call.db.mutate("Port", port.row._uuid, "interfaces", { delete: gone });
  for (const uuid of gone) call.db.delete("Interface", uuid);
}

export const portCommands: readonly VsCommand[] = [
  {
    name: "list-ports",
    usage: "BRIDGE",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the ports of a bridge",
    run(call) {
      const model = new Model(call);
      for (const name of byName(model.portsOf(model.needBridge(call.arg(0))).map(({ row }) => row))) call.print(`${name}\n`);
    },
  },
  {
    name: "add-port",
    usage: "BRIDGE PORT [COLUMN[:KEY]=VALUE]...",
    min: 2,
    max: many,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a network device to a bridge",
    prepare: prepareSettings((args) => args.slice(2)),
    run(call) {
      const [bridge, name] = [call.arg(0), call.arg(1)];
      addPort(call, `add-port ${bridge} ${name}`, bridge, name, [name], call.args.slice(2), false);
    },
  },
  {
    name: "add-bond",
    usage: "BRIDGE PORT IFACE... [COLUMN[:KEY]=VALUE]...",
    min: 4,
    max: many,
    options: "--may-exist --fake-iface",
    tables,
    group: GROUP,
    help: "add a port of several network devices to a bridge",
    prepare: prepareSettings((args) => bondParts(args)[1]),
    run(call) {
      const [bridge, name] = [call.arg(0), call.arg(1)];
      const [interfaces, settings] = bondParts(call.args);
      addPort(
        call,
        `add-bond ${bridge} ${name} ${interfaces.join(" ")}`,
        bridge,
        name,
        interfaces,
        settings,
        call.has("fake-iface"),
      );
    },
  },
  {
    name: "del-port",
    usage: "[BRIDGE] PORT|IFACE",
    min: 1,
    max: 2,
    options: "--if-exists --with-iface",
    tables,
    group: GROUP,
    help: "delete a port",
    run: deletePort,
  },
  {
    name: "add-bond-iface",
    usage: "BOND IFACE",
    min: 2,
    max: 2,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a network device to a port",
    run: addBondInterface,
  },
  {
    name: "del-bond-iface",
    usage: "[BOND] IFACE",
    min: 1,
    max: 2,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "remove a network device from its port",
    run: deleteBondInterface,
  },
  {
    name: "port-to-br",
    usage: "PORT",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the bridge of a port",
    run: (call) => call.print(`${new Model(call).needPort(call.arg(0)).bridge.name}\n`),
  },
  {
    name: "list-ifaces",
    usage: "BRIDGE",
    min: 1,
    max: 1,
    tables,
    group: "Interface commands",
    help: "print the interfaces of a bridge",
    run(call) {
      const model = new Model(call);
      const ports = model.portsOf(model.needBridge(call.arg(0)));
      for (const name of byName(ports.flatMap(({ interfaces }) => interfaces))) call.print(`${name}\n`);
    },
  },
  {
    name: "iface-to-br",
    usage: "IFACE",
    min: 1,
    max: 1,
    tables,
    group: "Interface commands",
    help: "print the bridge of an interface",
    run: (call) => call.print(`${new Model(call).needPortOfInterface(call.arg(0)).bridge.name}\n`),
  },
];
