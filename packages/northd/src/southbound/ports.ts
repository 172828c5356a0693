/** Port_Binding: one row for every port of a switch or router. */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { ACTIVATED, activated } from "../model/activation.ts";
import { chassisByName, remoteChassis } from "../model/chassis.ts";
import { dynamicOptions } from "../model/dynamicRouting.ts";
import { nb, portKey, portQueue, portTag, switchPortsByName, switchPortsByPeer } from "../model/nb.ts";
import { physicalNetwork } from "../model/queue.ts";
import { REMOTELY_BOUND, remotelyBound } from "../model/remotelyBound.ts";
import { DELEGATED, delegated, type RouterAdvertisement, routerAdvertisement } from "../model/routerAdvertisement.ts";
import { peerRouterPort, redirectName, remoteChassisOf, routerPort } from "../model/routerPort.ts";
import { switchPort, vlanPassthru } from "../model/switchPort.ts";
import { Ref, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";
import { mirrorRefs } from "./mirrors.ts";

import { natAddresses } from "./natAddresses.ts";

export function portRef(name: string): Ref {
  return new Ref("Port_Binding", name);
}

function externalIds(ids: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const name = ids.get("neutron:port_name");
  return name === undefined || name === "" ? ids : new Map([...ids, ["name", name]]);
}

export const switchPortBindings = each(
  "northd/switchPortBindings",
  nb.Logical_Switch_Port,
  function* (uuid, lsp, read): Iterable<Row> {
    const port = read(switchPort, uuid);
    const key = read(portKey, uuid);
    if (port === undefined || key === undefined) return;
    const options = new Map(lsp.type === "router" ? [] : lsp.options);
    const peer = lsp.type === "switch" ? peerSwitchPort(lsp, read) : lsp.options.get("router-port");
    const routerAcl = lsp.options.get("enable_router_port_acl");
    if (peer !== undefined && (lsp.type === "router" || lsp.type === "switch")) options.set("peer", peer);
    if (lsp.type !== "router" && read(vlanPassthru, port.datapath)) options.set("vlan-passthru", "true");
    const queue = read(portQueue, uuid);
    if (queue !== undefined) {
      options.set("qdisc_queue_id", String(queue));
      const network = read(physicalNetwork, port.datapath);
      if (network !== undefined) options.set("qos_physical_network", network);
    }
    const told = read(activated, lsp.name);
    const places = lsp.options.get("requested-chassis")?.split(",").length ?? 0;
    if (told !== undefined && places > 1) options.set(ACTIVATED, told);
    const requested = requestedChassis(lsp, read);
    const remote = lsp.type === "remote" ? remoteChassis(lsp.options.get("requested-chassis")?.split(",")[0], read) : undefined;
    const heldBefore = read(remotelyBound, lsp.name) === "true";
    if (remote !== undefined) options.set(REMOTELY_BOUND, "true");
    const peerPort = port.peer === undefined ? undefined : read(routerPort, port.peer);
    const gateway = peerPort?.gatewayChassis;
    if (gateway !== undefined) options.set("l3gateway-chassis", gateway);
    if (peerPort?.isGateway === true && routerAcl === "true") options.set("enable_router_port_acl", "true");
    yield row(
      "Port_Binding",
      lsp.name,
      {
        datapath: datapathRef(port.datapath),
        logical_port: lsp.name,
        tunnel_key: key,
        type: gateway !== undefined ? "l3gateway" : lsp.type === "router" || lsp.type === "switch" ? "patch" : lsp.type,
        options,
        mac: lsp.addresses,
        port_security: lsp.port_security,
        parent_port: lsp.parent_name,
        tag: tagOf(lsp, read),
        ha_chassis_group: lsp.type === "external" ? haGroupOf(lsp, read) : undefined,
        nat_addresses: natAddresses(lsp, peerPort, read),
        external_ids: externalIds(lsp.external_ids),
        mirror_rules: mirrorRefs(lsp, read),
        requested_chassis: requested[0],
        requested_additional_chassis: requested.slice(1),
        ...(remote === undefined && !heldBefore ? {} : { chassis: remote }),
      },
      { up: false },
    );
  },
);

/** The port of another switch at the other end of a link between switches. */
function peerSwitchPort({ peer }: NbRow<"Logical_Switch_Port">, read: Read): string | undefined {
  const uuid = peer === undefined ? undefined : read(switchPortsByName, peer)[0];
  const port = uuid === undefined ? undefined : read(switchPort, uuid);
  return port?.type === "switch" ? port.name : undefined;
}

function haGroupOf({ ha_chassis_group }: NbRow<"Logical_Switch_Port">, read: Read): Ref | undefined {
  const group = ha_chassis_group === undefined ? undefined : read(nb.HA_Chassis_Group, ha_chassis_group);
  return group && new Ref("HA_Chassis_Group", group.name);
}

function tagOf(lsp: NbRow<"Logical_Switch_Port">, read: Read): number | undefined {
  if (lsp.parent_name !== undefined) return read(portTag, lsp._uuid);
  if (lsp.tag_request === undefined || lsp.tag_request === 0) return undefined;
  return lsp.tag_request;
}

function requestedChassis(lsp: NbRow<"Logical_Switch_Port">, read: Read): readonly Uuid[] {
  if (lsp.type === "router") return [];
  const names = lsp.options.get("requested-chassis");
  if (names === undefined || names === "") return [];
  const found: Uuid[] = [];
  for (const name of names.split(",")) {
    const uuid = read(chassisByName, name)[0];
    if (uuid !== undefined && !found.includes(uuid)) found.push(uuid);
  }
  return found;
}

/** What the chassis needs to advertise a port from time to time. `prefixes`: those that were delegated to the port. */
function advertise(options: Map<string, string>, told: RouterAdvertisement, mac: string, prefixes: readonly string[]): void {
  if (told.periodic === undefined) return;
  const set = (name: string, value: string | number | undefined) => {
    if (value !== undefined) options.set(`ipv6_ra_${name}`, String(value));
  };
  set("send_periodic", "true");
  set("address_mode", told.addressMode);
  set("max_interval", told.periodic.max);
  set("min_interval", told.periodic.min);
  set("prefixes", [...told.prefixes, ...prefixes].join(" "));
  set("prf", ["HIGH", "LOW"].find((preference) => preference === told.preference) ?? "MEDIUM");
  set("src_eth", mac);
  set("src_addr", told.linkLocal);
  set("mtu", told.mtu);
  set("rdnss", told.rdnss);
  set("dnssl", told.dnssl);
  set("route_info", told.routeInfo);
}

export const routerPortBindings = each(
  "northd/routerPortBindings",
  nb.Logical_Router_Port,
  function* (uuid, lrp, read): Iterable<Row> {
    const port = read(routerPort, uuid);
    const key = read(portKey, uuid);
    if (port === undefined || key === undefined) return;
    const options = new Map<string, string>();
    const attached = read(switchPortsByPeer, port.name)[0];
    const switchSide = attached === undefined ? undefined : read(switchPort, attached);
    const routerSide = peerRouterPort(port, read);
    const onSwitch = switchSide?.peer === uuid;
    if (onSwitch) options.set("peer", switchSide.name);
    else if (routerSide !== undefined) options.set("peer", routerSide.name);
    if (port.isGateway && options.has("peer")) options.set("chassis-redirect-port", redirectName(port.name));
    if (port.gatewayChassis !== undefined) options.set("l3gateway-chassis", port.gatewayChassis);
    for (const asked of onSwitch && port.enabled ? ["prefix_delegation", "prefix"] : []) {
      if (port.options.get(asked) === "true") options.set(`ipv6_${asked}`, "true");
    }
    for (const [name, value] of dynamicOptions(port, port.gatewayChassis !== undefined, read)) options.set(name, value);
    const told = read(routerAdvertisement, uuid);
    const prefixes = read(delegated, lrp.name);
    if (prefixes !== undefined) options.set(DELEGATED, prefixes);
    if (told !== undefined) advertise(options, told, port.address.macText, lrp.ipv6_prefix);
    const remote = remoteChassisOf(port, read);
    // Controllers claim routers that are on one chassis alone.
    const place = port.gatewayChassis === undefined ? { chassis: remote, requested_chassis: remote } : {};
    yield row(
      "Port_Binding",
      lrp.name,
      {
        datapath: datapathRef(port.datapath),
        logical_port: lrp.name,
        tunnel_key: key,
        type: remote !== undefined ? "remote" : port.gatewayChassis === undefined ? "patch" : "l3gateway",
        options,
        mac: [[lrp.mac, ...lrp.networks].join(" ")],
        external_ids: lrp.external_ids,
        ...place,
      },
      { up: false },
    );
  },
);
