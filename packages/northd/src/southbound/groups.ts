/** Multicast groups of switches, port groups, address sets. */
import { each, index, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { centralised } from "../model/centralised.ts";
import { globals } from "../model/globals.ts";
import { logicalMirrors, mirrorPortName } from "../model/mirror.ts";
import { floodedRouterPorts, groupKey, routerGroups, switchMulticast } from "../model/multicast.ts";
import { datapathKey, globalRow, nb, routers, switches } from "../model/nb.ts";
import { partKey, portGroupAddresses, portGroupPart, portGroupsOfSwitch } from "../model/portGroup.ts";
import { redirectName } from "../model/routerPort.ts";
import { type SwitchPort, switchPorts } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";
import { portRef } from "./ports.ts";

/** Tunnel keys of the groups that every switch may have. */
const FLOOD = 32768;
const UNKNOWN = 32769;
const TO_ROUTERS = 32770;
const STATIC = 32771;
const FLOOD_L2 = 32772;

export const multicastGroups = each("northd/multicastGroups", switches, function* (uuid, { name }, read): Iterable<Row> {
  const ports = read(switchPorts, uuid).filter((port) => port.enabled);
  const reached = (port: SwitchPort) => {
    const redirected = port.peer !== undefined && read(centralised, port.peer) === port.uuid;
    return redirected ? redirectName(port.name) : port.name;
  };
  const group = (name: string, key: number, members: readonly string[]): Row => multicastGroup(uuid, name, key, members);
  const heard = ports.filter((port) => port.options.get("receive_multicast") !== "false");
  const hosts = heard.filter((port) => port.type !== "router");
  // The port that carries copies is there for each of the ports that are watched.
  const copies = (watched: readonly SwitchPort[]): string[] => {
    const mirrors = watched.filter((port) => port.mirrored).flatMap((port) => read(logicalMirrors, port.uuid));
    const sinks = new Set(mirrors.map(({ sink }) => sink));
    return [...sinks].map((sink) => mirrorPortName(name, sink));
  };
  const unknown = heard.filter((port) => port.unknown);
  if (heard.length > 0) yield group("_MC_flood", FLOOD, [...heard.map(reached), ...copies(heard)]);
  if (hosts.length > 0) yield group("_MC_flood_l2", FLOOD_L2, [...hosts.map(reached), ...copies(hosts)]);
  if (unknown.length > 0) yield group("_MC_unknown", UNKNOWN, unknown.map(reached));
  const { flooded, towardsRouters, groups } = read(switchMulticast, uuid);
  const named = new Map(ports.map((port) => [port.name, reached(port)]));
  const bindings = (names: readonly string[]) => names.map((name) => named.get(name) ?? name);
  if (towardsRouters.length > 0) yield group("_MC_mrouter_flood", TO_ROUTERS, bindings(towardsRouters));
  if (flooded.length > 0) yield group("_MC_static", STATIC, bindings(flooded));
  yield* learnedGroups(uuid, groups, read);
});

export const routerMulticastGroups = each("northd/routerMulticastGroups", routers, function* (uuid, _row, read): Iterable<Row> {
  const flooded = read(floodedRouterPorts, uuid);
  if (flooded.length > 0) yield multicastGroup(uuid, "_MC_static", STATIC, flooded);
  yield* learnedGroups(uuid, read(routerGroups, uuid), read);
});

function* learnedGroups(datapath: Uuid, groups: ReadonlyMap<string, readonly string[]>, read: Read): Iterable<Row> {
  for (const [address, members] of groups) {
    const key = read(groupKey, `${datapath} ${address}`);
    if (key !== undefined) yield multicastGroup(datapath, address, key, members);
  }
}

function multicastGroup(datapath: Uuid, name: string, key: number, members: readonly string[]): Row {
  return row("Multicast_Group", `${datapath} ${name}`, {
    datapath: datapathRef(datapath),
    name,
    tunnel_key: key,
    ports: members.map(portRef),
  });
}

/** A port group is divided by datapaths: "KEY_NAME". */
export const portGroups = each("northd/portGroups", portGroupsOfSwitch, function* (datapath, groups, read): Iterable<Row> {
  const key = read(datapathKey, datapath as Uuid);
  if (key === undefined) return;
  for (const uuid of groups) {
    const part = read(portGroupPart, partKey(uuid as Uuid, datapath as Uuid));
    if (part === undefined) continue;
    const name = `${key}_${part.name}`;
    yield row("Port_Group", name, { name, ports: part.ports });
  }
});

const addressSetNames = index("addressSetNames", nb.Address_Set, (set) => [set.name]);

export const addressSets = each("northd/addressSets", nb.Address_Set, function* (uuid, set, read): Iterable<Row> {
  if (read(addressSetNames, set.name)[0] !== uuid) return;
  yield addressSet(set.name, set.addresses);
});

function addressSet(name: string, addresses: Iterable<string>): Row {
  return row("Address_Set", name, { name, addresses: [...new Set(addresses)].sort() });
}

/** The addresses of a group's ports, by family, under the group's name. */
export const portGroupAddressSets = each(
  "northd/portGroupAddresses",
  nb.Port_Group,
  function* (uuid, { name }, read): Iterable<Row> {
    const { ip4, ip6 } = read(portGroupAddresses, uuid);
    yield addressSet(`${name}_ip4`, ip4);
    yield addressSet(`${name}_ip6`, ip6);
  },
);

/** The MAC addresses by which flows know the service monitor. */
export const monitorAddresses = each("northd/monitorAddresses", globalRow, function* (_key, _uuids, read): Iterable<Row> {
  const { svcMonitorMac, svcMonitorMacDst } = read(globals, "");
  const macs = [svcMonitorMac, svcMonitorMacDst].filter((mac) => mac !== undefined);
  if (macs.length > 0) yield addressSet("svc_monitor_mac", macs);
});
