/** Where tunnelled packets arrive: output to a bridge's LOCAL port may mean to take the outer header off. */
import { OFPP } from "@weft/openflow";
import { type Ipv4, ipv4Of, macOf } from "@weft/packet";
import { ipv6At, macAt } from "../datapath/fields.ts";
import { ETH_ARP, ETH_IPV6, IP_ICMPV6, VLAN_CFI, WORD } from "../flow/key.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Context } from "./context.ts";

/** The tunnel's datapath port if the packet is one of a tunnel that ends here; otherwise neighbours are learned from it. */
export function terminateTunnel(ctx: Context, port: OfPort): number | undefined {
  const { datapath, flow } = ctx;
  if (!datapath.nativeTunnels || port.ofport !== OFPP.LOCAL || !datapath.tunnelPorts.any) return undefined;
  // Tunnels end at untagged packets.
  if (((flow[WORD.vlan_tci] as number) & VLAN_CFI) !== 0) {
    ctx.look(WORD.vlan_tci, 0xffff);
    return undefined;
  }
  const found = datapath.tunnelPorts.lookup(flow, ctx.wc);
  if (found !== undefined) return found;
  snoop(ctx);
  return undefined;
}

function snoop(ctx: Context): void {
  const { flow } = ctx;
  if (flow[WORD.eth_type] === ETH_ARP) {
    ctx.look(WORD.nw_proto, 0xff);
    ctx.look(WORD.nw_src);
    ctx.look(WORD.nw_dst);
    ctx.lookMac(WORD.arp_sha);
    const op = flow[WORD.nw_proto];
    const mac = macAt(flow, WORD.arp_sha);
    const ip: Ipv4 = ipv4Of((flow[WORD.nw_src] as number) >>> 0);
    if ((op !== 1 && op !== 2) || mac === 0 || ip === 0 || !ctx.sideEffects) return;
    learn(ctx, { family: 4, ip }, mac);
    return;
  }
  if (flow[WORD.eth_type] !== ETH_IPV6) return;
  ctx.look(WORD.nw_proto, 0xff);
  if (flow[WORD.nw_proto] !== IP_ICMPV6) return;
  ctx.look(WORD.tp_src, 0xff);
  ctx.look(WORD.tp_dst, 0xff);
  if (flow[WORD.tp_dst] !== 0 || flow[WORD.tp_src] !== 136) return;
  ctx.lookAt(WORD.nd_target, 4);
  ctx.lookMac(WORD.arp_tha);
  const mac = macAt(flow, WORD.arp_tha);
  if (mac === 0 || !ctx.sideEffects) return;
  learn(ctx, { family: 6, ip: ipv6At(flow, WORD.nd_target) }, mac);
}

function learn(ctx: Context, address: import("../tunnel/address.ts").IpAddress, mac: number): void {
  const { datapath, bridge } = ctx;
  if (datapath.neighbours.set(bridge.name, address, macOf(mac), datapath.now())) datapath.invalidate();
}
