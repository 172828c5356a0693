/** Destination lookup: MAC addresses of ports, floods, unknown destinations (ovn-northd(8), "Destination Lookup"). */
import { derive, each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow, quoted } from "../flow.ts";
import { arpProxy, toRouter } from "../model/arpProxy.ts";
import { addressKey, isVip } from "../model/balancers.ts";
import { centralised, heardOf } from "../model/centralised.ts";
import { localRules, type Nat, nats } from "../model/nat.ts";
import { listOfSwitch, nb, switches } from "../model/nb.ts";
import { ownAddresses, type RouterPort, redirectName, routerPort } from "../model/routerPort.ts";
import { type SwitchPort, switchPort, switchPorts } from "../model/switchPort.ts";
import { LS_IN_L2_LKUP, LS_IN_L2_UNKNOWN } from "../stages.ts";
import { evpn } from "./evpn.ts";

export const lookup = each("switch/lookup", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  const { datapath, json, name, type } = port;
  const peer = port.peer === undefined ? undefined : read(routerPort, port.peer);
  const redirect = redirectOf(port, peer, read);
  if (!port.enabled) yield* unreachable(port, name);
  if (!port.enabled && redirect !== undefined) yield* unreachable(port, redirect);
  const learned = peer === undefined && port.unknown && port.options.get("force_fdb_lookup") === "true";
  if (type === "external" || learned) return;
  const actions = port.enabled ? `outport = ${json}; output;` : "drop;";
  const cloned = peer === undefined && port.options.get("pkt_clone_type") === "mc_unknown" && read(hasUnknown, datapath);
  const resident = peer === undefined ? "" : read(heardOf, peer.uuid);
  // A router is where its port says, whatever addresses the switch's port has.
  for (const { macText } of peer === undefined ? port.addresses : [peer.address]) {
    const match = toRouter(macText, read(arpProxy, uuid));
    for (const place of placesOf(port, redirect, resident)) {
      const to = `outport = ${place.outport}; output;`;
      const reached = cloned ? `clone {${to} };outport = "_MC_unknown"; output;` : to;
      yield flow(datapath, LS_IN_L2_LKUP, 50, match + place.resident, port.enabled ? reached : "drop;", { hint: uuid });
    }
  }
  if (peer?.isGateway !== true) return;
  for (const { mac, portJson } of read(localRules, peer.datapath)) {
    yield flow(datapath, LS_IN_L2_LKUP, 50, `eth.dst == ${mac} && is_chassis_resident(${portJson})`, actions, { hint: uuid });
  }
});

/** What a disabled port, or its instance on the gateway chassis, is not given. */
function* unreachable({ uuid, datapath }: SwitchPort, name: string): Iterable<Flow> {
  yield flow(datapath, LS_IN_L2_UNKNOWN, 50, `outport == ${quoted(name)}`, "drop;", { hint: uuid, port: name });
}

/** Whether a switch has ports behind which any address may be. */
const hasUnknown = derive("hasUnknown", (datapath: Uuid, read): boolean =>
  read(switchPorts, datapath).some(({ unknown }) => unknown),
);

/** Where a router port is reached from a switch: a flow for each kind of chassis. */
interface Place {
  /** A condition on the chassis, led by " && ". */
  readonly resident: string;
  readonly outport: string;
}

/** The instance of the switch port on the gateway chassis, if it has one. */
function redirectOf(port: SwitchPort, peer: RouterPort | undefined, read: Read): string | undefined {
  return peer !== undefined && read(centralised, peer.uuid) === port.uuid ? redirectName(port.name) : undefined;
}

function placesOf(port: SwitchPort, redirect: string | undefined, resident: string): readonly Place[] {
  if (redirect === undefined) return [{ resident, outport: port.json }];
  const other = quoted(redirect);
  return [
    { resident: ` && is_chassis_resident(${other})`, outport: port.json },
    { resident: ` && !is_chassis_resident(${other})`, outport: other },
  ];
}

/** Requests for a router's addresses go to the router, and to the hosts, but not to other routers. */
export const routerLookup = each("switch/routerLookup", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  const peer = port?.peer === undefined ? undefined : read(routerPort, port.peer);
  if (port === undefined || peer?.enabled !== true) return;
  const lonely = read(onlyRouters, port.datapath);
  // Requests for what is a port's own address go to that port alone.
  const own = read(ownAddresses, peer.datapath);
  const { rules } = read(nats, peer.datapath);
  const asked = rules
    .filter(({ type, externalIp }) => type !== "snat" || !own.has(externalIp))
    .filter(({ externalIp }) => !read(isVip, addressKey(peer.datapath, externalIp)));
  if (!lonely) yield* selfOriginated(port, peer, rules);
  const asked4 = [
    ...peer.address.ip4.map(({ text }) => text),
    ...asked.flatMap((rule) => (rule.family === 4 ? rule.external : [])),
  ];
  const asked6 = [
    ...peer.address.ip6.map(({ text }) => text),
    ...asked.flatMap((rule) => (rule.family === 6 ? rule.external : [])),
  ];
  for (const text of asked4) yield* requests(port, peer, `arp.op == 1 && arp.tpa == ${text}`, read);
  for (const text of asked6) yield* requests(port, peer, `nd_ns && nd.target == ${text}`, read);
});

/** Whether all ports of a switch lead to routers: then there is nobody else to hear of a request. */
const onlyRouters = derive("onlyRouters", (datapath: Uuid, read): boolean => {
  return (
    read(listOfSwitch.ports, datapath).length === read(switchPorts, datapath).filter((port) => port.peer !== undefined).length
  );
});

/** Requests for an address of the router behind a port go to it, and to the hosts if there are any. */
export function* requests(port: SwitchPort, peer: RouterPort, match: string, read: Read): Iterable<Flow> {
  const lonely = read(onlyRouters, port.datapath);
  for (const { resident, outport } of placesOf(port, redirectOf(port, peer, read), "")) {
    const actions = lonely
      ? `outport = ${outport}; output;`
      : `clone {outport = ${outport}; output; }; outport = "_MC_flood_l2"; output;`;
    yield flow(port.datapath, LS_IN_L2_LKUP, 80, `flags[1] == 0 && ${match}${resident}`, actions, { hint: port.uuid });
  }
}

function* selfOriginated(port: SwitchPort, peer: RouterPort, rules: readonly Nat[]): Iterable<Flow> {
  const others = rules.flatMap(({ externalMac }) => externalMac ?? []).sort();
  const macs = new Set([peer.address.macText, ...others]);
  yield flow(
    port.datapath,
    LS_IN_L2_LKUP,
    75,
    `eth.src == {${[...macs].join(", ")}} && eth.dst == ff:ff:ff:ff:ff:ff && (arp.op == 1 || rarp.op == 3 || nd_ns)`,
    'outport = "_MC_flood_l2"; output;',
  );
}

export const flood = each("switch/flood", switches, function* (uuid, row, read): Iterable<Flow> {
  if (row.other_config.get("broadcast-arps-to-all-routers") === "false") {
    yield flow(uuid, LS_IN_L2_LKUP, 72, "eth.mcast && (arp.op == 1 || nd_ns)", 'outport = "_MC_flood_l2"; output;');
  }
  yield flow(uuid, LS_IN_L2_LKUP, 72, "eth.mcast && (nd_na || nd_rs || nd_ra)", 'outport = "_MC_flood"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 71, "eth.mcast && arp", 'outport = "_MC_flood"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 70, "eth.mcast", 'outport = "_MC_flood_l2"; output;');
  const nowhere = `outport == "none"${read(evpn, uuid) === undefined ? "" : ' && remote_outport == "none"'}`;
  if (read(switchPorts, uuid).some((port) => port.unknown)) {
    yield flow(uuid, LS_IN_L2_UNKNOWN, 50, nowhere, 'outport = "_MC_unknown"; output;');
  } else {
    yield flow(uuid, LS_IN_L2_UNKNOWN, 50, nowhere, "drop;", { description: "No L2 destination" });
  }
});
