import { parseMac } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import {
  compareNames,
  findSwitchPort,
  type NbCall,
  type NbCommand,
  named,
  needRouter,
  needRouterPort,
  parsePriority,
  type Router,
} from "./common.ts";
import { normaliseAddress, normalisePrefix } from "./routes.ts";

const GROUP = "NAT commands";
const tables = [
  "Logical_Router",
  "NAT",
  "Logical_Router_Port",
  "Logical_Switch_Port",
  "Gateway_Chassis",
  "Logical_Router_Static_Route",
] as const;
const types = ["snat", "dnat", "dnat_and_snat"] as const;

type Nat = NbRow<"NAT">;
type NatType = (typeof types)[number];

function typeOf(text: string): NatType {
  return types.find((type) => type === text) ?? fail(`${text}: type must be one of "dnat", "snat" and "dnat_and_snat".`);
}

function natsOf(call: NbCall, router: Router): Nat[] {
  return router.nat.map((uuid) => call.db.row("NAT", uuid)).filter((row) => row !== undefined);
}

/** The address that a type of translation is known by. */
const keyOf = ({ type, external_ip, logical_ip }: Pick<Nat, "type" | "external_ip" | "logical_ip">) =>
  type === "snat" ? logical_ip : external_ip;
const keyName = (type: NatType) => (type === "snat" ? "logical_ip" : "external_ip");

function isPortRange(text: string): boolean {
  const found = /^([0-9]+)(?:-([0-9]+))?$/.exec(text);
  if (found === null) return false;
  const [low, high] = [Number(found[1]), Number(found[2] ?? found[1])];
  return low > 0 && low <= high && high <= 65535;
}

function add(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const type = typeOf(call.arg(1));
  const external = normaliseAddress(call.arg(2)) ?? fail(`${call.arg(2)}: Not a valid IPv4 or IPv6 address.`);
  const version = external.includes(":") ? 6 : 4;
  const text = call.arg(3);
  const logical = type === "snat" ? normalisePrefix(text) : normaliseAddress(text);
  if (logical === undefined || logical.includes(":") !== (version === 6)) {
    return fail(
      type === "snat" ? `${text}: should be an IPv${version} address or network.` : `${text}: Not a valid IPv${version} address.`,
    );
  }
  const withRange = call.has("portrange");
  const rest = call.args.slice(4);
  let [port, mac, range] = rest;
  if (withRange && rest.length === 1) [port, mac, range] = [undefined, undefined, rest[0]];
  if (port !== undefined) {
    if (mac === undefined) fail("lr-nat-add with logical_port must also specify external_mac.");
    if (type !== "dnat_and_snat") fail('logical_port and external_mac are only valid when type is "dnat_and_snat".');
    if (findSwitchPort(call, port) === undefined) fail(`${port}: port name not found`);
    if (parseMac(mac ?? "") === undefined) fail(`invalid mac address ${mac}.`);
  }
  if (range !== undefined && !withRange) fail("lr-nat-add with logical_port must also specify external_mac.");
  if (range !== undefined && !isPortRange(range)) fail(`invalid port range ${range}.`);
  const stateless = call.has("stateless");
  if (stateless && type !== "dnat_and_snat") fail("stateless is not applicable to dnat or snat types");
  const gateway = gatewayOf(call, router, call.option("gateway-port"));
  const match = call.option("match");
  const priorityText = call.option("priority");
  if (priorityText !== undefined && match === undefined) fail("priority can be set only with --match option.");
  const priority = priorityText === undefined ? 0 : parsePriority(priorityText);
  const wanted = { type, external_ip: external, logical_ip: logical };
  for (const nat of natsOf(call, router)) {
    if (nat.type !== type || keyOf(nat) !== keyOf(wanted) || nat.gateway_port !== gateway?._uuid) continue;
    if (nat.match !== "" && nat.match !== (match ?? "")) continue;
    if (nat.external_ip === external && nat.logical_ip === logical) {
      if (call.has("may-exist")) {
        call.db.update("NAT", nat._uuid, { logical_port: port, external_mac: mac });
        return;
      }
      fail(`${external}, ${logical}: a NAT with this external_ip and logical_ip already exists`);
    }
    fail(`a NAT with this type (${type}), ${keyName(type)} (${keyOf(wanted)}) already exists`);
  }
  const options = [["stateless", String(stateless)], ...(call.has("add-route") ? [["add_route", "true"]] : [])] as [
    string,
    string,
  ][];
  const handle = call.db.insert("NAT", {
    ...wanted,
    options,
    priority,
    ...(match === undefined ? {} : { match }),
    ...(port === undefined ? {} : { logical_port: port }),
    ...(mac === undefined ? {} : { external_mac: mac }),
    ...(range === undefined ? {} : { external_port_range: range }),
    ...(gateway === undefined ? {} : { gateway_port: gateway._uuid }),
  });
  call.db.mutate("Logical_Router", router._uuid, "nat", { insert: [handle] });
}

function gatewayOf(call: NbCall, router: Router, name: string | undefined) {
  if (name === undefined) return undefined;
  const port = needRouterPort(call, name);
  const distributed = port.gateway_chassis.length > 0 || port.ha_chassis_group !== undefined;
  if (!router.ports.includes(port._uuid) || !distributed) fail(`${name} is not a distributed gateway router port.`);
  return port;
}

function remove(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const type = call.args[1] === undefined ? undefined : typeOf(call.args[1]);
  const address = call.args[2] === undefined ? undefined : (normalisePrefix(call.args[2]) ?? undefined);
  // What is no address is the name of a gateway port.
  const portName = call.args[2] !== undefined && address === undefined ? call.args[2] : call.args[3];
  const port = portName === undefined ? undefined : needRouterPort(call, portName);
  const match = call.option("match");
  const gone = natsOf(call, router).filter(
    (nat) =>
      (type === undefined || nat.type === type) &&
      (address === undefined || (normalisePrefix(keyOf(nat)) ?? keyOf(nat)) === address) &&
      (port === undefined || nat.gateway_port === port._uuid) &&
      (match === undefined || nat.match === match),
  );
  if (gone.length > 0) call.db.mutate("Logical_Router", router._uuid, "nat", { delete: gone.map(({ _uuid }) => _uuid) });
  else if (type !== undefined && address !== undefined && port !== undefined && !call.has("if-exists")) {
    fail(`no matching NAT with the type (${type}), ${keyName(type)} (${call.arg(2)}) and gateway_port (${portName})`);
  }
}

const widths = [17, 22, 22, 19, 17, 20, 21, 0] as const;

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join("")
    .trimEnd();
}

function list(call: NbCall): void {
  const lines = natsOf(call, needRouter(call, call.arg(0))).map((nat) => {
    const port = nat.gateway_port === undefined ? undefined : call.db.row("Logical_Router_Port", nat.gateway_port);
    return line([
      nat.type,
      port?.name ?? "",
      nat.match,
      nat.external_ip,
      nat.external_port_range,
      nat.logical_ip,
      nat.external_mac ?? "",
      nat.logical_port ?? "",
    ]);
  });
  if (lines.length === 0) return;
  const headings = [
    "TYPE",
    "GATEWAY_PORT",
    "MATCH",
    "EXTERNAL_IP",
    "EXTERNAL_PORT",
    "LOGICAL_IP",
    "EXTERNAL_MAC",
    "LOGICAL_PORT",
  ];
  for (const text of [line(headings), ...lines.sort(compareNames)]) call.print(`${text}\n`);
}

export const natCommands: readonly NbCommand[] = [
  {
    name: "lr-nat-add",
    usage: "ROUTER TYPE EXTERNAL_IP LOGICAL_IP [LOGICAL_PORT] [EXTERNAL_MAC] [EXTERNAL_PORT_RANGE]",
    min: 4,
    max: 7,
    options: "--may-exist --stateless --portrange --add-route --gateway-port= --priority= --match=",
    tables,
    group: GROUP,
    help: "add a NAT to a router",
    run: add,
  },
  {
    name: "lr-nat-del",
    usage: "ROUTER [TYPE] [IP] [GATEWAY_PORT]",
    min: 1,
    max: 4,
    options: "--if-exists --match=",
    tables,
    group: GROUP,
    help: "remove NATs from a router",
    run: remove,
  },
  { name: "lr-nat-list", usage: "ROUTER", min: 1, max: 1, tables, group: GROUP, help: "print the NATs of a router", run: list },
  {
    name: "lr-nat-update-ext-ip",
    usage: "ROUTER TYPE IP ADDRESS_SET",
    min: 4,
    max: 4,
    options: "--is-exempted",
    tables: [...tables, "Address_Set"],
    group: GROUP,
    help: "let a NAT hold for the addresses of a set only, or not for them",
    run(call) {
      const router = needRouter(call, call.arg(0));
      const type = typeOf(call.arg(1));
      const address = normalisePrefix(call.arg(2));
      const set = named(call.db.rows("Address_Set"), call.arg(3)) ?? fail(`${call.arg(3)}: Address Set name not found`);
      const nat = natsOf(call, router).find((row) => row.type === type && normalisePrefix(keyOf(row)) === address);
      if (nat === undefined) return;
      call.db.update(
        "NAT",
        nat._uuid,
        call.has("is-exempted") ? { exempted_ext_ips: set._uuid } : { allowed_ext_ips: set._uuid },
      );
    },
  },
];
