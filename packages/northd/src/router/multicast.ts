/** Multicast through routers (ovn-nb(5), Logical_Router:options:mcast_relay, Logical_Router_Port:options:mcast_flood). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { relays } from "../model/multicast.ts";
import { nb } from "../model/nb.ts";
import { type RouterPort, redirectName, routerPort, routerPorts } from "../model/routerPort.ts";
import { type Row, row } from "../output/row.ts";
import { datapathRef } from "../southbound/datapaths.ts";
import { portRef } from "../southbound/ports.ts";
import { LR_IN_IP_INPUT, LR_IN_IP_ROUTING, LR_OUT_DELIVERY } from "../stages.ts";

/** Tunnel key of the group of a router's ports that multicast is always sent to. */
const STATIC = 32771;
const MLD = "mldv1 || mldv2";

function floods({ options }: RouterPort): boolean {
  return options.get("mcast_flood") === "true";
}

export const multicastInput = each("router/multicastInput", nb.Logical_Router, function* (uuid, _row, read): Iterable<Flow> {
  const ports = read(routerPorts, uuid);
  const flooding = ports.some(floods);
  if (flooding) {
    yield flow(uuid, LR_IN_IP_INPUT, 120, "igmp && ip.ttl == 1", "next;");
    yield flow(uuid, LR_IN_IP_INPUT, 120, `(${MLD}) && ip.ttl == 1`, "next;");
  }
  const relaying = read(relays, uuid);
  yield flow(uuid, LR_IN_IP_INPUT, 82, "ip4.mcast || ip6.mcast", relaying ? "next;" : "drop;");
  if (!relaying) return;
  const all = 'clone { outport = "_MC_static"; ip.ttl--; next; };';
  yield flow(uuid, LR_IN_IP_ROUTING, 10450, "ip4.mcast || ip6.mcast", flooding ? all : "drop;");
  if (!flooding) return;
  // Reports keep their TTL of 1: those that come back are recognised by their source.
  for (const match of ["igmp", MLD]) {
    yield flow(uuid, LR_IN_IP_ROUTING, 10460, match, 'clone { outport = "_MC_static"; next; };');
  }
  for (const { address } of ports) {
    for (const match of ["igmp", `(${MLD})`]) {
      yield flow(uuid, LR_IN_IP_ROUTING, 10550, `eth.src == ${address.macText} && ${match}`, "drop;");
    }
  }
});

export const multicastDelivery = each(
  "router/multicastDelivery",
  nb.Logical_Router_Port,
  function* (uuid, _row, read): Iterable<Flow> {
    const port = read(routerPort, uuid);
    if (port === undefined || !port.enabled || !read(relays, port.datapath)) return;
    const match = `(ip4.mcast || ip6.mcast) && outport == ${port.json}`;
    yield flow(port.datapath, LR_OUT_DELIVERY, 110, match, `eth.src = ${port.address.macText}; output;`, { hint: uuid });
  },
);

export const routerMulticastGroups = each(
  "router/multicastGroups",
  nb.Logical_Router,
  function* (uuid, _row, read): Iterable<Row> {
    const names = read(routerPorts, uuid)
      .filter(floods)
      .map(({ name, isGateway }) => (isGateway ? redirectName(name) : name));
    if (names.length === 0) return;
    yield row("Multicast_Group", `${uuid} _MC_static`, {
      datapath: datapathRef(uuid),
      name: "_MC_static",
      tunnel_key: STATIC,
      ports: names.map(portRef),
    });
  },
);
