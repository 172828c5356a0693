/** MAC addresses of next hops that are known from the configuration (ovn-northd(8), "ARP/ND Resolution"). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { ipv4Contains, ipv6Contains } from "@weft/packet";
import { type Flow, flow } from "../flow.ts";
import type { Address4, Address6, PortAddress } from "../model/addresses.ts";
import { nb } from "../model/nb.ts";
import { attachedSwitchPort, peerRouterPort, type RouterPort, routerPort } from "../model/routerPort.ts";
import { routerPortsOfSwitch, switchPort } from "../model/switchPort.ts";
import { LR_IN_ARP_RESOLVE } from "../stages.ts";
import { oneOf } from "./ipInput.ts";

function reaches4(port: RouterPort, { ip }: Address4): boolean {
  return port.address.ip4.some((own) => ipv4Contains({ address: own.ip, length: own.length }, ip));
}

function reaches6(port: RouterPort, { ip }: Address6): boolean {
  return port.address.ip6.some((own) => ipv6Contains({ address: own.ip, length: own.length }, ip));
}

function known(port: RouterPort, match: string, mac: string, hint: Uuid): Flow {
  return flow(port.datapath, LR_IN_ARP_RESOLVE, 100, `outport == ${port.json} && ${match}`, `eth.dst = ${mac}; next;`, { hint });
}

/** Hosts of the switches that a router is attached to. */
export const hosts = each("router/hosts", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined || !port.enabled || port.type === "router" || port.type === "virtual") return;
  if (port.addresses.every(({ ip4, ip6 }) => ip4.length === 0 && ip6.length === 0)) return;
  for (const id of read(routerPortsOfSwitch, port.datapath)) {
    const router = read(routerPort, id);
    if (router === undefined) continue;
    for (const { macText, ip4, ip6 } of port.addresses) {
      for (const address of ip4) {
        if (reaches4(router, address)) yield known(router, `reg0 == ${address.text}`, macText, uuid);
      }
      for (const address of ip6) {
        if (reaches6(router, address)) yield known(router, `xxreg0 == ${address.text}`, macText, uuid);
      }
    }
  }
});

/** Other routers: those on the same switch, and the one at the other end of a link. */
export const routers = each("router/routers", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined) return;
  const peer = peerRouterPort(port, read);
  if (peer !== undefined) yield* linked(port, peer);
  if (port.routerOptions.get("dynamic_neigh_routers") === "true") return;
  yield* neighbours(port, read);
});

function* linked(port: RouterPort, peer: RouterPort): Iterable<Flow> {
  const { macText, ip4, ip6 } = peer.address;
  if (ip4.length > 0) yield known(port, `reg0== ${oneOf(ip4.map(({ text }) => text))}`, macText, peer.uuid);
  if (ip6.length > 0) yield known(port, `xxreg0 == ${oneOf(ip6.map(({ text }) => text))}`, macText, peer.uuid);
}

function* neighbours(port: RouterPort, read: Read): Iterable<Flow> {
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined || own.peer !== port.uuid || !own.enabled) return;
  for (const id of read(routerPortsOfSwitch, own.datapath)) {
    const other = id === port.uuid ? undefined : read(routerPort, id);
    if (other === undefined || other.datapath === port.datapath) continue;
    const { macText, ip4, ip6 }: PortAddress = other.address;
    if (ip4.length > 0) yield known(port, `reg0 == ${oneOf(ip4.map(({ text }) => text))}`, macText, own.uuid);
    if (ip6.length > 0) yield known(port, `xxreg0 == ${oneOf(ip6.map(({ text }) => text))}`, macText, own.uuid);
  }
}
