/** Where tunnelled packets arrive: output to a bridge's LOCAL port may mean to take the outer header off. */
import { OFPP } from "@weft/openflow";
import { ipv4Of, macOf } from "@weft/packet";
import { ipv6At, macAt } from "../datapath/fields.ts";
import { ETH_ARP, ETH_IPV6, IP_ICMPV6, WORD } from "../flow/key.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { IpAddress } from "../tunnel/address.ts";
import type { Context } from "./context.ts";

const ARP_REPLY = 2;
const ND_ADVERT = 136;

/** The tunnel's datapath port if the packet is one of a tunnel that ends here; otherwise neighbours are learned from it. */
export function terminateTunnel(ctx: Context, port: OfPort): number | undefined {
  const { datapath, flow } = ctx;
  if (!datapath.nativeTunnels || port.ofport !== OFPP.LOCAL || !datapath.tunnels.ends.any) return undefined;
  if ((datapath.addresses.get(port.name) ?? []).length === 0) return undefined;
  const found = datapath.tunnels.ends.lookup(flow, ctx.wc);
  if (found !== undefined) return found;
  if (flow[WORD.eth_type] === ETH_ARP) learnFromArp(ctx, port);
  else if (flow[WORD.eth_type] === ETH_IPV6) learnFromAdvertisement(ctx, port);
  return undefined;
}

/** A neighbour is who announces itself (gratuitous ARP) and who answers one of the port's addresses; who asks is none. */
function learnFromArp(ctx: Context, port: OfPort): void {
  const { flow } = ctx;
  ctx.look(WORD.nw_src);
  ctx.look(WORD.nw_dst);
  const ip = ipv4Of((flow[WORD.nw_src] as number) >>> 0);
  if (flow[WORD.nw_src] !== flow[WORD.nw_dst]) {
    if (!hasAddress(ctx, port, { family: 4, ip: ipv4Of((flow[WORD.nw_dst] as number) >>> 0) })) return;
    ctx.look(WORD.nw_proto, 0xff);
    if (flow[WORD.nw_proto] !== ARP_REPLY) return;
  }
  ctx.lookMac(WORD.arp_sha);
  learn(ctx, { family: 4, ip }, macAt(flow, WORD.arp_sha));
}

/** Of neighbour advertisements only those to one of the port's addresses count. */
function learnFromAdvertisement(ctx: Context, port: OfPort): void {
  const { flow } = ctx;
  if (flow[WORD.nw_proto] !== IP_ICMPV6) return;
  if (!hasAddress(ctx, port, { family: 6, ip: ipv6At(flow, WORD.ipv6_dst) })) return;
  ctx.look(WORD.nw_proto, 0xff);
  ctx.look(WORD.tp_dst, 0xff);
  if (flow[WORD.tp_dst] !== 0) return;
  ctx.look(WORD.tp_src, 0xff);
  if (flow[WORD.tp_src] !== ND_ADVERT) return;
  ctx.lookMac(WORD.arp_tha);
  const mac = macAt(flow, WORD.arp_tha);
  if (mac === 0) return;
  ctx.lookAt(WORD.ipv6_src, 4);
  ctx.lookAt(WORD.ipv6_dst, 4);
  ctx.lookAt(WORD.nd_target, 4);
  learn(ctx, { family: 6, ip: ipv6At(flow, WORD.nd_target) }, mac);
}

function hasAddress(ctx: Context, port: OfPort, address: IpAddress): boolean {
  const own = ctx.datapath.addresses.get(port.name) ?? [];
  return own.some(({ family, ip }) => family === address.family && ip === address.ip);
}

function learn(ctx: Context, address: IpAddress, mac: number): void {
  const { datapath, bridge } = ctx;
  if (mac === 0 || !ctx.sideEffects) return;
  if (datapath.neighbours.set(bridge.name, address, macOf(mac), datapath.now())) datapath.invalidate();
}
