/** Destination lookup: MAC addresses of ports, floods, unknown destinations (ovn-northd(8), "Destination Lookup"). */
import { derive, each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { type RouterPort, routerPort } from "../model/routerPort.ts";
import { type SwitchPort, switchPort, switchPorts } from "../model/switchPort.ts";
import { LS_IN_L2_LKUP, LS_IN_L2_UNKNOWN } from "../stages.ts";

export const lookup = each("switch/lookup", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  const { datapath, json, name, type } = port;
  if (!port.enabled) {
    yield flow(datapath, LS_IN_L2_UNKNOWN, 50, `outport == ${json}`, "drop;", { hint: uuid, port: name });
  }
  if (type === "external" || (port.unknown && port.options.get("force_fdb_lookup") === "true")) return;
  const actions = port.enabled ? `outport = ${json}; output;` : "drop;";
  for (const { macText } of port.addresses) {
    yield flow(datapath, LS_IN_L2_LKUP, 50, `eth.dst == ${macText}`, actions, { hint: uuid });
  }
});

/** Requests for a router's addresses go to the router, and to the hosts, but not to other routers. */
export const routerLookup = each("switch/routerLookup", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  const peer = port?.peer === undefined ? undefined : read(routerPort, port.peer);
  if (port === undefined || peer === undefined) return;
  const lonely = read(onlyRouters, port.datapath);
  if (!lonely) yield* selfOriginated(port, peer);
  for (const { text } of peer.address.ip4) {
    yield request(port, `arp.op == 1 && arp.tpa == ${text}`, lonely);
  }
  for (const { text } of peer.address.ip6) {
    yield request(port, `nd_ns && nd.target == ${text}`, lonely);
  }
});

/** Whether all ports of a switch lead to routers: then there is nobody else to hear of a request. */
const onlyRouters = derive("onlyRouters", (datapath: Uuid, read): boolean => {
  const row = read(nb.Logical_Switch, datapath);
  return row?.ports.length === read(switchPorts, datapath).filter((port) => port.peer !== undefined).length;
});

function request(port: SwitchPort, match: string, lonely: boolean): Flow {
  return flow(
    port.datapath,
    LS_IN_L2_LKUP,
    80,
    `flags[1] == 0 && ${match}`,
    lonely ? `outport = ${port.json}; output;` : `clone {outport = ${port.json}; output; }; outport = "_MC_flood_l2"; output;`,
    { hint: port.uuid },
  );
}

function* selfOriginated(port: SwitchPort, peer: RouterPort): Iterable<Flow> {
  yield flow(
    port.datapath,
    LS_IN_L2_LKUP,
    75,
    `eth.src == {${peer.address.macText}} && eth.dst == ff:ff:ff:ff:ff:ff && (arp.op == 1 || rarp.op == 3 || nd_ns)`,
    'outport = "_MC_flood_l2"; output;',
  );
}

export const flood = each("switch/flood", nb.Logical_Switch, function* (uuid, row, read): Iterable<Flow> {
  if (row.other_config.get("broadcast-arps-to-all-routers") === "false") {
    yield flow(uuid, LS_IN_L2_LKUP, 72, "eth.mcast && (arp.op == 1 || nd_ns)", 'outport = "_MC_flood_l2"; output;');
  }
  yield flow(uuid, LS_IN_L2_LKUP, 72, "eth.mcast && (nd_na || nd_rs || nd_ra)", 'outport = "_MC_flood"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 71, "eth.mcast && arp", 'outport = "_MC_flood"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 71, "eth.mcast && ip", 'outport = "_MC_flood_l2"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 70, "eth.mcast", 'outport = "_MC_flood_l2"; output;');
  if (row.other_config.get("mcast_snoop") === "true") yield* snooping(uuid, row.other_config);
  if (read(switchPorts, uuid).some((port) => port.unknown)) {
    yield flow(uuid, LS_IN_L2_UNKNOWN, 50, 'outport == "none"', 'outport = "_MC_unknown"; output;');
  } else {
    yield flow(uuid, LS_IN_L2_UNKNOWN, 50, 'outport == "none"', "drop;", { description: "No L2 destination" });
  }
});

function* snooping(uuid: Flow["datapath"], config: ReadonlyMap<string, string>): Iterable<Flow> {
  yield flow(uuid, LS_IN_L2_LKUP, 100, "flags.igmp_loopback == 0 && igmp", "igmp;");
  yield flow(uuid, LS_IN_L2_LKUP, 100, "flags.igmp_loopback == 0 && (mldv1 || mldv2)", "igmp;");
  yield flow(uuid, LS_IN_L2_LKUP, 85, "ip4.mcast && ip4.dst == 224.0.0.0/24", 'outport = "_MC_flood_l2"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 85, "ip6.mcast_flood", 'outport = "_MC_flood"; output;');
  if (config.get("mcast_flood_unregistered") !== "true") {
    yield flow(uuid, LS_IN_L2_LKUP, 80, "ip4.mcast || ip6.mcast", "drop;");
  }
}
