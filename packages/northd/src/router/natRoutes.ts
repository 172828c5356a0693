/**
 * Routers on a switch know the NAT addresses and VIPs of their neighbours that ask for it (ovn-nb(5), options:add_route): gateways
 * have the MAC address for them, and all have a route to them.
 */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { ofEach } from "../model/balancers.ts";
import { loadBalancer } from "../model/loadBalancer.ts";
import { type Nat, nats } from "../model/nat.ts";
import { nb } from "../model/nb.ts";
import { attachedSwitchPort, type RouterPort, routerPort } from "../model/routerPort.ts";
import { routerPortsOfSwitch, switchPort } from "../model/switchPort.ts";
import { LR_IN_ARP_RESOLVE } from "../stages.ts";
import { connectedRoute } from "./routing.ts";

export const natRoutes = each("router/natRoutes", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const source = port?.address.ip4[0]?.text;
  if (port === undefined) return;
  for (const other of neighbours(port, read)) {
    const rules = read(nats, other.datapath).rules.filter((rule) => rule.addRoute && rule.family === 4 && rule.type !== "snat");
    const vips = other.gatewayChassis === undefined && !other.isGateway ? [] : read(routedVips, other.datapath);
    if (source !== undefined) {
      for (const { address, lb } of vips) {
        yield* connectedRoute(port, { family: 4, source, network: `${address}/32`, length: 32 }, lb, read);
      }
    }
    if (rules.length === 0 && vips.length === 0) continue;
    if (port.isGateway || port.gatewayChassis !== undefined) yield* resolution(port, other, rules, vips);
    for (const rule of rules) {
      if (source === undefined || (other.gatewayChassis === undefined && rule.gateway !== other)) continue;
      yield* connectedRoute(port, { family: 4, source, network: `${rule.externalIp}/32`, length: 32 }, rule.uuid, read);
    }
  }
});

interface RoutedVip {
  readonly address: string;
  readonly lb: Uuid;
}

/** The VIPs of a router whose neighbours are to know them (ovn-nb(5), Load_Balancer:options:add_route). */
const routedVipsOf = ofEach("routedVipsOfBalancers", (lb, read): readonly RoutedVip[] => {
  const parsed = read(loadBalancer, lb);
  if (parsed === undefined || parsed.template || parsed.options.get("add_route") !== "true") return [];
  return parsed.vips.flatMap(({ family, address }) => (family === 4 ? [{ address, lb }] : []));
});

const routedVips = derive("routedVips", (router: Uuid, read): readonly RoutedVip[] => read(routedVipsOf, router).flat(), {
  equals: sameContent,
});

/** The other routers' ports on a port's switch. */
function* neighbours(port: RouterPort, read: Read): Iterable<RouterPort> {
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined || own.peer !== port.uuid || !own.enabled) return;
  for (const id of read(routerPortsOfSwitch, own.datapath)) {
    const other = id === port.uuid ? undefined : read(routerPort, id);
    if (other !== undefined && other.datapath !== port.datapath) yield other;
  }
}

function* resolution(port: RouterPort, other: RouterPort, rules: readonly Nat[], vips: readonly RoutedVip[]): Iterable<Flow> {
  if (port.routerOptions.get("dynamic_neigh_routers") === "true") return;
  const know = (addresses: readonly string[], mac: string) =>
    flow(
      port.datapath,
      LR_IN_ARP_RESOLVE,
      100,
      `outport == ${port.json} && reg0 == {${addresses.join(", ")}}`,
      `eth.dst = ${mac}; next;`,
      { hint: other.uuid },
    );
  const central = rules.filter(({ distributed }) => distributed === undefined).map(({ externalIp }) => externalIp);
  const all = [...new Set([...central, ...vips.map(({ address }) => address)])].sort();
  if (all.length > 0) yield know(all, other.address.macText);
  for (const { distributed, externalIp } of rules) if (distributed !== undefined) yield know([externalIp], distributed.mac);
}
