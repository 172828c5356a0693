import { fail } from "../error.ts";
import { byName, Model, remember, tables, type VsCall, type VsCommand } from "./model.ts";

const GROUP = "Bridge commands";

function add(call: VsCall): void {
  const [name, parentName, vlanText] = [call.arg(0), call.args[1], call.args[2]];
  if (parentName !== undefined && vlanText === undefined) fail("'add-br' command takes exactly 1 or 3 arguments");
  const vlan = vlanText === undefined ? 0 : parseVlan(vlanText);
  const model = new Model(call);
  const there = model.bridges.get(name);
  if (there !== undefined && call.has("may-exist")) {
    const typed = `"--may-exist add-br ${[name, parentName, vlanText].filter((word) => word !== undefined).join(" ")}"`;
    if (parentName === undefined) {
      if (there.parent !== undefined) fail(`${typed} but ${name} is a VLAN bridge for VLAN ${there.vlan}`);
      return;
    }
    if (there.parent === undefined) fail(`${typed} but ${name} is not a VLAN bridge`);
    if (there.parent?.name !== parentName) fail(`${typed} but ${name} has the wrong parent ${there.parent?.name}`);
    if (there.vlan !== vlan) fail(`${typed} but ${name} is a VLAN bridge for the wrong VLAN ${there.vlan}`);
    return;
  }
  model.checkFree(name, "a bridge");
  if (parentName === undefined) {
    const iface = call.db.insert("Interface", { name, type: "internal" });
    const port = call.db.insert("Port", { name, interfaces: [iface] });
    const bridge = call.db.insert("Bridge", { name, ports: [port] });
    const [root] = call.db.rows("Open_vSwitch");
    if (root !== undefined) call.db.mutate("Open_vSwitch", root._uuid, "bridges", { insert: [bridge] });
  } else {
    const parent = model.bridges.get(parentName) ?? fail(`parent bridge ${parentName} does not exist`);
    if (parent.parent !== undefined) fail("cannot create bridge with fake bridge as parent");
    const sibling = [...model.bridges.values()].find((bridge) => bridge.parent?.name === parentName && bridge.vlan === vlan);
    if (sibling !== undefined) fail(`bridge ${parentName} already has a child VLAN bridge ${sibling.name} on VLAN ${vlan}`);
    const iface = call.db.insert("Interface", { name, type: "internal" });
    const port = call.db.insert("Port", { name, interfaces: [iface], fake_bridge: true, tag: vlan });
    call.db.mutate("Bridge", parent.row._uuid, "ports", { insert: [port] });
  }
  remember(call, name);
}

function parseVlan(text: string): number {
  // What is no number counts as zero.
  const vlan = /^[+-]?[0-9]+/.test(text.trim()) ? Number.parseInt(text, 10) : 0;
  if (vlan < 0 || vlan > 4095) fail("add-br: vlan must be between 0 and 4095");
  return vlan;
}

function remove(call: VsCall): void {
  const model = new Model(call);
  const name = call.arg(0);
  const bridge = call.has("if-exists") ? model.bridges.get(name) : model.needBridge(name);
  if (bridge === undefined) return;
  if (bridge.parent !== undefined) {
    for (const port of model.portsOf(bridge)) model.deletePort(bridge, port.row);
    if (bridge.port !== undefined) model.deletePort(bridge, bridge.port);
    return;
  }
  for (const uuid of bridge.row.ports) {
    for (const iface of call.db.row("Port", uuid)?.interfaces ?? []) call.db.delete("Interface", iface);
    call.db.delete("Port", uuid);
  }
  for (const root of call.db.rows("Open_vSwitch"))
    call.db.mutate("Open_vSwitch", root._uuid, "bridges", { delete: [bridge.row._uuid] });
  call.db.delete("Bridge", bridge.row._uuid);
}

/** The row that holds a bridge's external ids, and what its keys begin with. */
function idsOf(call: VsCall) {
  const bridge = new Model(call).needBridge(call.arg(0));
  return bridge.port === undefined
    ? ({ table: "Bridge", row: bridge.row, prefix: "" } as const)
    : ({ table: "Port", row: bridge.port, prefix: "fake-bridge-" } as const);
}

function command(
  name: string,
  usage: string,
  [min, max]: readonly [number, number],
  help: string,
  run: (call: VsCall) => void,
  more: Partial<VsCommand> = {},
): VsCommand {
  return { name, usage, min, max, tables, group: GROUP, help, run, ...more };
}

export const bridgeCommands: readonly VsCommand[] = [
  command("add-br", "BRIDGE [PARENT] [VLAN]", [1, 3], "create a bridge, or a fake bridge on a VLAN of another", add, {
    options: "--may-exist",
  }),
  command("del-br", "BRIDGE", [1, 1], "delete a bridge and its ports", remove, { options: "--if-exists" }),
  command(
    "list-br",
    "",
    [0, 0],
    "print all bridges",
    (call) => {
      const [real, fake] = [call.has("real"), call.has("fake")];
      const wanted = [...new Model(call).bridges.values()].filter(
        ({ parent }) => real === fake || (parent === undefined) === real,
      );
      for (const name of byName(wanted)) call.print(`${name}\n`);
    },
    { options: "--real --fake" },
  ),
  command("br-exists", "BRIDGE", [1, 1], "exit with 2 if there is no such bridge", (call) => {
    if (!new Model(call).bridges.has(call.arg(0))) call.session.exitCode = 2;
  }),
  command("br-to-vlan", "BRIDGE", [1, 1], "print the VLAN that a fake bridge is on", (call) =>
    call.print(`${new Model(call).needBridge(call.arg(0)).vlan}\n`),
  ),
  command("br-to-parent", "BRIDGE", [1, 1], "print the parent of a fake bridge", (call) => {
    const bridge = new Model(call).needBridge(call.arg(0));
    call.print(`${(bridge.parent ?? bridge).name}\n`);
  }),
  command("br-set-external-id", "BRIDGE KEY [VALUE]", [2, 3], "set or remove an external id of a bridge", (call) => {
    const { table, row, prefix } = idsOf(call);
    const ids = new Map(row.external_ids);
    const key = prefix + call.arg(1);
    if (call.args[2] === undefined) ids.delete(key);
    else ids.set(key, call.args[2]);
    call.db.update(table, row._uuid, { external_ids: ids });
  }),
  command("br-get-external-id", "BRIDGE [KEY]", [1, 2], "print external ids of a bridge", (call) => {
    const { row, prefix } = idsOf(call);
    const wanted = call.args[1];
    if (wanted !== undefined) {
      const value = row.external_ids.get(prefix + wanted);
      if (value !== undefined) call.print(`${value}\n`);
      return;
    }
    for (const [key, value] of row.external_ids) {
      if (key.startsWith(prefix)) call.print(`${key.slice(prefix.length)}=${value}\n`);
    }
  }),
];
