import type { Uuid } from "@weft/ovsdb";
import { formatIpv6, linkLocalOfMac, parseMac } from "@weft/packet";
import { findRouter, findSwitch, type NbCall, type NbCommand, type Router, type Switch } from "./common.ts";

function list(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(", ");
}

function showSwitch(call: NbCall, row: Switch): void {
  call.print(`switch ${row._uuid} (${row.name})${alias(row.external_ids, "neutron:network_name")}\n`);
  for (const uuid of row.ports) {
    const port = call.db.row("Logical_Switch_Port", uuid);
    if (port === undefined) continue;
    call.print(`    port ${port.name}${alias(port.external_ids, "neutron:port_name")}\n`);
    if (port.type !== "") call.print(`        type: ${port.type}\n`);
    if (port.parent_name !== undefined) call.print(`        parent: ${port.parent_name}\n`);
    if (port.tag !== undefined) call.print(`        tag: ${port.tag}\n`);
    const peer = port.options.get("router-port");
    if (port.addresses.length > 0 && !(port.addresses.length === 1 && port.addresses[0] === "router" && peer !== undefined)) {
      call.print(`        addresses: [${list(port.addresses)}]\n`);
    }
    if (peer !== undefined) call.print(`        router-port: ${peer}\n`);
  }
}

function alias(ids: ReadonlyMap<string, string>, key: string): string {
  const name = ids.get(key);
  return name === undefined ? "" : ` (aka ${name})`;
}

function showRouter(call: NbCall, row: Router): void {
  call.print(`router ${row._uuid} (${row.name})${alias(row.external_ids, "neutron:router_name")}\n`);
  for (const uuid of row.ports) {
    const port = call.db.row("Logical_Router_Port", uuid);
    if (port === undefined) continue;
    call.print(`    port ${port.name}\n`);
    if (port.mac !== "") call.print(`        mac: ${JSON.stringify(port.mac)}\n`);
    const mac = parseMac(port.mac);
    if (mac !== undefined) call.print(`        ipv6-lla: "${formatIpv6(linkLocalOfMac(mac))}"\n`);
    if (port.ipv6_prefix.length > 0) call.print(`        ipv6-prefixes: [${list(port.ipv6_prefix)}]\n`);
    if (port.networks.length > 0) call.print(`        networks: [${list(port.networks)}]\n`);
    if (port.gateway_chassis.length > 0) {
      const chassis = port.gateway_chassis
        .map((uuid: Uuid) => call.db.row("Gateway_Chassis", uuid))
        .filter((found) => found !== undefined);
      call.print(`        gateway chassis: [${chassis.map(({ chassis_name }) => chassis_name).join(" ")}]\n`);
    }
  }
  for (const uuid of row.nat) {
    const nat = call.db.row("NAT", uuid);
    if (nat === undefined) continue;
    call.print(`    nat ${nat._uuid}\n        external ip: ${JSON.stringify(nat.external_ip)}\n`);
    if (nat.external_port_range !== "") call.print(`        external port(s): ${JSON.stringify(nat.external_port_range)}\n`);
    call.print(`        logical ip: ${JSON.stringify(nat.logical_ip)}\n        type: ${JSON.stringify(nat.type)}\n`);
  }
}

export const showCommands: readonly NbCommand[] = [
  {
    name: "show",
    usage: "[SWITCH|ROUTER]",
    min: 0,
    max: 1,
    tables: ["Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port", "Gateway_Chassis", "NAT"],
    group: "General commands",
    help: "print an overview of the database, or of one switch or router",
    run(call) {
      const name = call.args[0];
      const switches = name === undefined ? call.db.rows("Logical_Switch") : [findSwitch(call, name)];
      for (const row of switches) if (row !== undefined) showSwitch(call, row);
      const routers = name === undefined ? call.db.rows("Logical_Router") : [findRouter(call, name)];
      for (const row of routers) if (row !== undefined) showRouter(call, row);
    },
  },
];
