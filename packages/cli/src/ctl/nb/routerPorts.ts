import type { SchemaJson, Uuid } from "@weft/ovsdb";
import { parseIpv4Prefix, parseIpv6Prefix, parseMac } from "@weft/packet";
import type { Call } from "../command.ts";
import { setColumn } from "../database.ts";
import { fail } from "../error.ts";
import { findTable } from "../lookup.ts";
import { parseAssignment } from "../value.ts";
import {
  findRouterPort,
  type NbCall,
  type NbCommand,
  needRouter,
  needRouterPort,
  parseEnabled,
  parsePairs,
  parsePriority,
  printEnabled,
  printNamed,
  type RouterPort,
  routerOf,
} from "./common.ts";

const GROUP = "Logical router port commands";
const tables = ["Logical_Router", "Logical_Router_Port"] as const;
const many = Number.POSITIVE_INFINITY;

/** NETWORK arguments come first, COLUMN=VALUE ones after them. */
function split(args: readonly string[]): readonly [networks: readonly string[], settings: readonly string[]] {
  const first = args.findIndex((arg) => arg.includes("="));
  return first < 0 ? [args, []] : [args.slice(0, first), args.slice(first)];
}

function add(call: NbCall): void {
  const [routerName, name, mac] = [call.arg(0), call.arg(1), call.arg(2)];
  const [networks, settings] = split(call.args.slice(3));
  const router = needRouter(call, routerName);
  const there = findRouterPort(call, name);
  const peer = settings.find((setting) => setting.startsWith("peer="))?.slice(5);
  if (there !== undefined) {
    if (!call.has("may-exist")) fail(`${name}: a port with this name already exists`);
    const home = routerOf(call, there);
    if (home?._uuid !== router._uuid)
      fail(`${name}: port already exists but in router ${home === undefined ? "" : home.name || home._uuid}`);
    if (parseMac(mac) !== parseMac(there.mac)) fail(`${name}: port already exists with mac ${there.mac}`);
    if (there.networks.length !== new Set(networks).size) fail(`${name}: port already exists with different network`);
    if (peer !== there.peer) fail(`${name}: port already exists with mismatching peer`);
    return;
  }
  if (parseMac(mac) === undefined) fail(`${name}: invalid mac address ${mac}`);
  for (const network of networks) {
    if (parseIpv4Prefix(network) === undefined && parseIpv6Prefix(network) === undefined) {
      fail(`${name}: invalid network address: ${network}`);
    }
  }
  const port = call.db.insert("Logical_Router_Port", { name, mac, networks: new Set(networks) });
  const generic = call as unknown as Call<SchemaJson>; // the columns are found at run time
  const table = findTable(call.database, "Logical_Router_Port");
  for (const setting of settings) setColumn(generic, table, port.rowHandle as Uuid, setting);
  call.db.mutate("Logical_Router", router._uuid, "ports", { insert: [port] });
}

function chassisOf(call: NbCall, port: RouterPort) {
  return port.gateway_chassis.map((uuid) => call.db.row("Gateway_Chassis", uuid)).filter((row) => row !== undefined);
}

export const routerPortCommands: readonly NbCommand[] = [
  {
    name: "lrp-add",
    usage: "ROUTER PORT MAC [NETWORK]... [COLUMN[:KEY]=VALUE]...",
    min: 3,
    max: many,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "add a port to a router",
    prepare(call) {
      const table = findTable(call.database, "Logical_Router_Port");
      for (const setting of split(call.args.slice(3))[1]) parseAssignment(table, setting);
      return [];
    },
    run: add,
  },
  {
    name: "lrp-del",
    usage: "PORT",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "delete a port",
    run(call) {
      const port = call.has("if-exists") ? findRouterPort(call, call.arg(0)) : needRouterPort(call, call.arg(0));
      if (port === undefined) return;
      const from = routerOf(call, port);
      if (from === undefined) fail(`logical port ${call.arg(0)} is not part of any logical router`);
      else call.db.mutate("Logical_Router", from._uuid, "ports", { delete: [port._uuid] });
      call.db.delete("Logical_Router_Port", port._uuid);
    },
  },
  {
    name: "lrp-list",
    usage: "ROUTER",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the ports of a router",
    run(call) {
      const rows = needRouter(call, call.arg(0)).ports.map((uuid) => call.db.row("Logical_Router_Port", uuid));
      printNamed(
        call,
        rows.filter((row) => row !== undefined),
      );
    },
  },
  {
    name: "lrp-set-enabled",
    usage: "PORT STATE",
    min: 2,
    max: 2,
    tables,
    group: GROUP,
    help: "enable or disable a port",
    run: (call) =>
      call.db.update("Logical_Router_Port", needRouterPort(call, call.arg(0))._uuid, { enabled: parseEnabled(call.arg(1)) }),
  },
  {
    name: "lrp-get-enabled",
    usage: "PORT",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print whether a port is enabled",
    run: (call) => printEnabled(call, needRouterPort(call, call.arg(0)).enabled),
  },
  {
    name: "lrp-set-options",
    usage: "PORT KEY=VALUE...",
    min: 1,
    max: many,
    tables,
    group: GROUP,
    help: "set the options of a port",
    run: (call) =>
      call.db.update("Logical_Router_Port", needRouterPort(call, call.arg(0))._uuid, { options: parsePairs(call.args.slice(1)) }),
  },
  {
    name: "lrp-set-redirect-type",
    usage: "PORT TYPE",
    min: 2,
    max: 2,
    tables,
    group: GROUP,
    help: "set how packets to the gateway chassis travel: overlay or bridged",
    run(call) {
      const port = needRouterPort(call, call.arg(0));
      const type = call.arg(1);
      if (type !== "overlay" && type !== "bridged") fail(`Invalid redirect type: ${type}`);
      call.db.update("Logical_Router_Port", port._uuid, { options: [...port.options, ["redirect-type", type]] });
    },
  },
  {
    name: "lrp-get-redirect-type",
    usage: "PORT",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print how packets to the gateway chassis travel",
    run: (call) => call.print(`${needRouterPort(call, call.arg(0)).options.get("redirect-type") ?? "overlay"}\n`),
  },
  {
    name: "lrp-set-gateway-chassis",
    usage: "PORT CHASSIS [PRIORITY]",
    min: 2,
    max: 3,
    options: "--may-exist",
    tables: [...tables, "Gateway_Chassis"],
    group: GROUP,
    help: "let a chassis be the gateway of a port",
    run(call) {
      const port = needRouterPort(call, call.arg(0));
      const [chassis, text] = [call.arg(1), call.args[2]];
      const priority = text === undefined ? 0 : parsePriority(text);
      const name = `${port.name}-${chassis}`;
      const there = [...call.db.rows("Gateway_Chassis")].find((row) => row.name === name);
      if (there !== undefined) {
        call.db.update("Gateway_Chassis", there._uuid, { priority });
        return;
      }
      const handle = call.db.insert("Gateway_Chassis", { name, chassis_name: chassis, priority });
      call.db.mutate("Logical_Router_Port", port._uuid, "gateway_chassis", { insert: [handle] });
    },
  },
  {
    name: "lrp-del-gateway-chassis",
    usage: "PORT CHASSIS",
    min: 2,
    max: 2,
    tables: [...tables, "Gateway_Chassis"],
    group: GROUP,
    help: "let a chassis be the gateway of a port no more",
    run(call) {
      const port = needRouterPort(call, call.arg(0));
      const chassis = call.arg(1);
      const row = chassisOf(call, port).find(({ chassis_name }) => chassis_name === chassis);
      if (row === undefined) fail(`chassis ${chassis} is not added to logical port ${call.arg(0)}`);
      else call.db.mutate("Logical_Router_Port", port._uuid, "gateway_chassis", { delete: [row._uuid] });
    },
  },
  {
    name: "lrp-get-gateway-chassis",
    usage: "PORT",
    min: 1,
    max: 1,
    tables: [...tables, "Gateway_Chassis"],
    group: GROUP,
    help: "print the gateway chassis of a port",
    run(call) {
      const rows = chassisOf(call, needRouterPort(call, call.arg(0))).sort((a, b) => b.priority - a.priority);
      for (const { name, priority } of rows) call.print(`${name} ${String(priority).padStart(5)}\n`);
    },
  },
];
