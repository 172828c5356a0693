/** Routers that relay multicast (ovn-northd(8), "IP Input", "IP Routing", "Delivery"; ovn-nb(5), mcast_relay). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow, quoted } from "../flow.ts";
import { floodedRouterPorts, groupMatch, relays, routerGroups } from "../model/multicast.ts";
import { routers } from "../model/nb.ts";
import { type RouterPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_IP_INPUT, LR_IN_IP_ROUTING, LR_OUT_DELIVERY } from "../stages.ts";

const MULTICAST = "ip4.mcast || ip6.mcast";

export const relay = each("router/relay", routers, function* (uuid, _row, read): Iterable<Flow> {
  const relaying = relays(uuid, read);
  const flooded = read(floodedRouterPorts, uuid).length > 0;
  yield flow(uuid, LR_IN_IP_INPUT, 82, MULTICAST, relaying ? "next;" : "drop;");
  if (flooded) {
    for (const reports of ["igmp", "(mldv1 || mldv2)"])
      yield flow(uuid, LR_IN_IP_INPUT, 120, `${reports} && ip.ttl == 1`, "next;");
  }
  if (!relaying) return;
  const copy = flooded ? 'clone { outport = "_MC_static"; ip.ttl--; next; };' : "";
  yield flow(uuid, LR_IN_IP_ROUTING, 10450, MULTICAST, flooded ? copy : "drop;");
  for (const address of read(routerGroups, uuid).keys()) {
    const actions = `${copy}outport = ${quoted(address)}; ip.ttl--; next;`;
    yield flow(uuid, LR_IN_IP_ROUTING, 10500, groupMatch(address), actions);
  }
  const ports = read(routerPorts, uuid);
  for (const { json, address, uuid: hint, enabled } of ports) {
    if (!enabled) continue;
    const delivered = `(${MULTICAST}) && outport == ${json}`;
    yield flow(uuid, LR_OUT_DELIVERY, 110, delivered, `eth.src = ${address.macText}; output;`, { hint });
  }
  if (flooded) yield* reports(uuid, ports);
});

/** Reports go on to where everything goes, but those of the router's own do not come back. */
function* reports(uuid: Uuid, ports: readonly RouterPort[]): Iterable<Flow> {
  const toFlooded = 'clone { outport = "_MC_static"; next; };';
  yield flow(uuid, LR_IN_IP_ROUTING, 10460, "igmp", toFlooded);
  yield flow(uuid, LR_IN_IP_ROUTING, 10460, "mldv1 || mldv2", toFlooded);
  for (const { address } of ports) {
    yield flow(uuid, LR_IN_IP_ROUTING, 10550, `eth.src == ${address.macText} && igmp`, "drop;");
    yield flow(uuid, LR_IN_IP_ROUTING, 10550, `eth.src == ${address.macText} && (mldv1 || mldv2)`, "drop;");
  }
}
