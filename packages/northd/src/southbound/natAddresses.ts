/** Addresses that the gateway chassis announces on a switch for a router (ovn-nb(5), Logical_Switch_Port:options:nat-addresses). */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { parsePortAddress } from "../model/addresses.ts";
import { ofEach } from "../model/balancers.ts";
import { onlyGateway } from "../model/centralised.ts";
import { loadBalancer } from "../model/loadBalancer.ts";
import { nats } from "../model/nat.ts";
import { gatewayPorts, type RouterPort, residence } from "../model/routerPort.ts";
import { switchPort, switchPorts } from "../model/switchPort.ts";

/** "is_chassis_resident(...)" of the chassis that announces, led by a space. */
function where(port: RouterPort): string {
  return residence(port).replace(" &&", "");
}

export function natAddresses(lsp: NbRow<"Logical_Switch_Port">, peer: RouterPort | undefined, read: Read): readonly string[] {
  if (peer === undefined || lsp.type !== "router") return [];
  const texts: string[] = [];
  const asked = lsp.options.get("nat-addresses");
  if (asked === "router") {
    if (peer.gatewayChassis !== undefined || read(gatewayPorts, peer.datapath).length > 0) {
      const vips = lsp.options.get("exclude-lb-vips-from-garp") === "true" ? [] : read(announcedVips, peer.datapath);
      texts.push(...translated(peer, vips, read));
    }
  } else if (asked !== undefined && parsePortAddress(asked) !== undefined) texts.push(asked);
  if (lsp.options.get("exclude-router-ips-from-garp") === "true") return texts;
  const announced = ownAddresses(lsp._uuid, peer, read);
  if (announced !== undefined) texts.push(announced);
  return texts;
}

/** The router port's own addresses: where it is on one chassis only. */
function ownAddresses(lsp: Uuid, peer: RouterPort, read: Read): string | undefined {
  const { ip4, macText } = peer.address;
  if (ip4.length === 0) return undefined;
  const own = [macText, ...ip4.map(({ text }) => text)].join(" ");
  if (peer.isGateway) return own + where(peer);
  const datapath = read(switchPort, lsp)?.datapath;
  const external = datapath !== undefined && read(switchPorts, datapath).some(({ type }) => type === "localnet");
  if (peer.gatewayChassis !== undefined) return external ? own : undefined;
  const gateway = onlyGateway(peer, read);
  return peer.options.get("reside-on-redirect-chassis") === "true" && gateway !== undefined ? own + where(gateway) : undefined;
}

/** The VIPs of a router's load balancers. */
const announcedVips = derive(
  "announcedVips",
  (router: Uuid, read): readonly string[] => [...new Set(read(vipsOfBalancers, router).flat())].sort(),
  { equals: sameContent },
);

const vipsOfBalancers = ofEach("vipsOfBalancers", (uuid, read) => {
  const lb = read(loadBalancer, uuid);
  return lb === undefined || lb.template ? [] : lb.vips.map(({ address }) => address);
});

/** The external addresses of NAT rules of a port's router, and its VIPs, by who announces them. */
function translated(port: RouterPort, vips: readonly string[], read: Read): readonly string[] {
  const own = new Set(port.address.ip4.map(({ text }) => text));
  const several = read(gatewayPorts, port.datapath).length > 1;
  const central: string[] = [];
  const shared = new Set<string>();
  const texts: string[] = [];
  for (const rule of read(nats, port.datapath).rules) {
    if (rule.family === 6) continue;
    if (several && rule.gateway !== port) continue;
    if (rule.local !== undefined) {
      texts.push(`${rule.local.mac} ${rule.externalIp} is_chassis_resident(${rule.local.portJson})`);
      continue;
    }
    if (own.has(rule.externalIp)) continue;
    // Many SNAT rules have one address, which is named once.
    if (rule.type === "snat" && shared.has(rule.externalIp)) continue;
    if (rule.type === "snat") shared.add(rule.externalIp);
    central.push(rule.externalIp);
  }
  central.push(...vips);
  if (central.length > 0) texts.push([port.address.macText, ...central].join(" ") + where(port));
  return texts;
}
