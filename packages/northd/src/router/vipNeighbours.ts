/** Routers answer ARP and ND for the VIPs of their load balancers (ovn-nb(5), neighbor_responder). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { type IpAddress, isInNetworksOf, parseIp } from "../model/addresses.ts";
import { ofEach } from "../model/balancers.ts";
import { metered } from "../model/copp.ts";
import { loadBalancer } from "../model/loadBalancer.ts";
import { datapathKey, nb, routers } from "../model/nb.ts";
import { type RouterPort, routerNetworks, routerPort } from "../model/routerPort.ts";
import { switchPort } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { LR_IN_IP_INPUT } from "../stages.ts";
import { requests } from "../switch/lookup.ts";
import { resident } from "./loadBalancer.ts";

interface Vips {
  readonly ip4: readonly string[];
  readonly ip6: readonly string[];
}

/** A VIP that routers answer for: all of them, or those with a network that it is in. */
interface Answerable {
  readonly address: IpAddress | Variable;
  readonly everywhere: boolean;
}

/** In a template; the reference takes it for an IPv6 address. */
interface Variable {
  readonly family: 6;
  readonly text: string;
  readonly ip?: never;
}

const answerableVips = ofEach("answerableVips", (uuid, read): readonly Answerable[] => {
  const lb = read(loadBalancer, uuid);
  const mode = lb?.options.get("neighbor_responder") ?? "reachable";
  // What is reachable of a variable is not known here.
  if (lb === undefined || mode === "none" || (lb.template && mode !== "all")) return [];
  return lb.vips.flatMap((vip) => {
    const address: IpAddress | Variable | undefined = lb.template ? { family: 6, text: vip.address } : parseIp(vip.address);
    return address === undefined ? [] : [{ address, everywhere: mode === "all" }];
  });
});

/** The VIPs that a router answers for. */
const answered = derive(
  "answeredVips",
  (uuid: Uuid, read): Vips => {
    const vips = { ip4: new Set<string>(), ip6: new Set<string>() };
    const networks = read(routerNetworks, uuid);
    for (const list of read(answerableVips, uuid)) {
      for (const { address, everywhere } of list) {
        if (everywhere || (address.ip !== undefined && networks.portOf(address) !== undefined))
          vips[`ip${address.family}`].add(address.text);
      }
    }
    return { ip4: [...vips.ip4].sort(), ip6: [...vips.ip6].sort() };
  },
  { equals: sameContent },
);

function setName(key: number, family: 4 | 6): string {
  return `_rtr_lb_${key}_ip${family}`;
}

export const vipAddressSets = each("router/vipAddressSets", routers, function* (uuid, _row, read): Iterable<Row> {
  const key = read(datapathKey, uuid);
  if (key === undefined) return;
  const vips = read(answered, uuid);
  for (const family of [4, 6] as const) {
    const addresses = vips[`ip${family}`];
    const name = setName(key, family);
    if (addresses.length > 0) yield row("Address_Set", name, { name, addresses });
  }
});

export const vipAnswers = each("router/vipAnswers", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const key = port === undefined ? undefined : read(datapathKey, port.datapath);
  if (port === undefined || key === undefined) return;
  const vips = read(answered, port.datapath);
  const where = port.isGateway ? ` && ${resident(port)}` : "";
  const own = { hint: uuid };
  if (vips.ip4.length > 0) {
    yield flow(
      port.datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${port.json} && arp.op == 1 && arp.tpa == $${setName(key, 4)}${where}`,
      "eth.dst = eth.src; eth.src = xreg0[0..47]; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; " +
        "arp.sha = xreg0[0..47]; arp.tpa <-> arp.spa; outport = inport; flags.loopback = 1; output;",
      own,
    );
  }
  if (vips.ip6.length > 0) {
    yield flow(
      port.datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${port.json} && nd_ns && nd.target == $${setName(key, 6)}${where}`,
      "nd_na { eth.src = xreg0[0..47]; ip6.src = nd.target; nd.tll = xreg0[0..47]; outport = inport; " +
        "flags.loopback = 1; output; };",
      { ...own, ...metered(port.datapath, "nd-na", read) },
    );
  }
});

/** Requests for a VIP on the network of a router's port go to that port, whoever else hears them. */
export const vipLookup = each("switch/vipLookup", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  const peer = port?.peer === undefined ? undefined : read(routerPort, port.peer);
  if (port === undefined || peer === undefined) return;
  for (const [match, address] of questions(peer, read)) {
    if (isInNetworksOf(peer.address, address)) yield* requests(port, peer, `${match}${address}`, read);
  }
});

function* questions(peer: RouterPort, read: Read): Iterable<readonly [match: string, address: string]> {
  const { ip4, ip6 } = read(answered, peer.datapath);
  for (const address of ip4) yield ["arp.op == 1 && arp.tpa == ", address];
  for (const address of ip6) yield ["nd_ns && nd.target == ", address];
}
