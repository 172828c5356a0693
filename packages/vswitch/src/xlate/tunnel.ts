/** Output to tunnel ports: through the host's stack, or through the switch's own bridges, routes and neighbours. */
import { formatIpv4, formatIpv6, formatMac, ipv4Of, type Mac, macOf } from "@weft/packet";
import type { DpAction, GeneveOption } from "../datapath/actions.ts";
import { ipv6At, putIpv6, putMac } from "../datapath/fields.ts";
import { ETH_IP, ETH_IPV6, IP_GRE, TUN_CSUM, TUN_DF, TUN_KEY, TUN_OAM, WORD } from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { ErspanConfig, OfPort, TunnelConfig } from "../ofproto/port.ts";
import { type IpAddress, parseAddress } from "../tunnel/address.ts";
import { ERSPAN_SESSIONS, type Erspan } from "../tunnel/erspan.ts";
import { buildHeader, ipProtocolOf } from "../tunnel/header.ts";
import type { Context } from "./context.ts";

type EnterBridge = (ctx: Context, from: OfPort | undefined, peer: OfPort, last: boolean) => void;

const addressText = (address: IpAddress): string => (address.family === 4 ? formatIpv4(address.ip) : formatIpv6(address.ip));

/** The outer address that the flow's tunnel fields hold; undefined when there is none. */
export function flowAddress(key: Int32Array, v4: number, v6: number): IpAddress | undefined {
  if (key[v4] !== 0) return { family: 4, ip: ipv4Of((key[v4] as number) >>> 0) };
  const ip = ipv6At(key, v6);
  return ip === 0n ? undefined : { family: 6, ip };
}

export function flowTunnelId(key: Int32Array): bigint {
  return (BigInt((key[WORD.tun_id] as number) >>> 0) << 32n) | BigInt((key[WORD.tun_id + 1] as number) >>> 0);
}

/** Geneve options of the flow, as its bridge maps them. They are what the packet brought unless actions have set them. */
function flowOptions(ctx: Context): GeneveOption[] {
  const options: GeneveOption[] = [];
  const { tlv } = ctx.bridge;
  for (const { index, length, optionClass, optionType: type } of tlv.mappings) {
    const place = tlv.place(index);
    if (place === undefined) continue;
    const word = WORD.tun_metadata_present + (index >> 5);
    const bit = 1 << (index & 31);
    ctx.look(word, bit);
    if (((ctx.flow[word] as number) & bit) === 0) continue;
    ctx.lookAt(place.word, place.words);
    const data = new Uint8Array(length);
    for (let i = 0; i < place.words; i++) {
      const value = ctx.flow[place.word + i] as number;
      data[4 * i] = value >>> 24;
      data[4 * i + 1] = value >>> 16;
      data[4 * i + 2] = value >>> 8;
      data[4 * i + 3] = value;
    }
    options.push({ optionClass, type, data });
  }
  return options;
}

interface Outer {
  /** Undefined: the flow has none. */
  readonly dst: IpAddress | undefined;
  readonly src: IpAddress | undefined;
  readonly id: bigint;
  readonly tos: number;
  readonly ttl: number;
  readonly options: readonly GeneveOption[];
  readonly oam: boolean;
}

function outerOf(ctx: Context, config: TunnelConfig): Outer {
  const { flow } = ctx;
  const dst = config.remoteIp === "flow" ? flowAddress(flow, WORD.tun_dst, WORD.tun_ipv6_dst) : parseAddress(config.remoteIp);
  const src =
    config.localIp === "flow"
      ? flowAddress(flow, WORD.tun_src, WORD.tun_ipv6_src)
      : config.localIp === undefined
        ? undefined
        : parseAddress(config.localIp);
  const id = config.outKey === "flow" ? flowTunnelId(flow) : (config.outKey ?? 0n);
  const isIp = flow[WORD.eth_type] === ETH_IP || flow[WORD.eth_type] === ETH_IPV6;
  let tos = config.tos === "inherit" ? 0 : config.tos;
  if (isIp) {
    // The congestion bits of the packet always go along (RFC 6040).
    ctx.look(WORD.nw_tos, config.tos === "inherit" ? 0xff : 3);
    const inner = flow[WORD.nw_tos] as number;
    if (config.tos === "inherit") tos = inner & 0xfc;
    tos = (tos & 0xfc) | ((inner & 3) === 3 ? 2 : inner & 3);
  }
  let { ttl } = config;
  if (ttl === "inherit") {
    if (isIp) ctx.look(WORD.nw_ttl, 0xff);
    ttl = isIp ? (flow[WORD.nw_ttl] as number) : 64;
  }
  if (config.protocol !== "geneve") return { dst, src, id, tos, ttl, options: [], oam: false };
  ctx.look(WORD.tun_flags, TUN_OAM);
  const oam = ((flow[WORD.tun_flags] as number) & TUN_OAM) !== 0;
  return { dst, src, id, tos, ttl, options: flowOptions(ctx), oam };
}

export function outputTunnel(ctx: Context, port: OfPort, last: boolean, enter: EnterBridge): void {
  const config = port.tunnel;
  if (config === undefined || port.dpPort === undefined) return;
  const outer = outerOf(ctx, config);
  const { dst } = outer;
  if (dst === undefined || isSame(dst, ctx.ownAddress)) {
    ctx.report("warning", "Not tunneling to our own address");
    putOuter(ctx.flow, outer, config);
    return;
  }
  if (ctx.datapath.throughHost(dst, (ctx.flow[WORD.pkt_mark] as number) >>> 0)) {
    ctx.commit();
    ctx.report("detail", "output to kernel tunnel");
    ctx.effects.push({ kind: "transmit", port });
    ctx.odp.push({
      type: "set_tunnel",
      tunnel: {
        id: outer.id,
        src: outer.src,
        dst,
        tos: outer.tos,
        ttl: outer.ttl,
        tpDst: config.dstPort,
        options: outer.options,
        oam: outer.oam,
        df: config.df,
        csum: config.csum,
        key: config.outKey !== undefined,
      },
    });
    ctx.odp.push({ type: "output", port: port.dpPort });
    return;
  }
  if (outputNative(ctx, port, config, { ...outer, dst }, last, enter)) return;
  const dropped: DpAction = { type: "drop" };
  ctx.odp.push(last ? dropped : { type: "clone", actions: [dropped] });
}

const isSame = (a: IpAddress, b: IpAddress | undefined): boolean => a.family === b?.family && a.ip === b.ip;

/** The flow's tunnel fields as the packet would have been sent with. */
function putOuter(flow: Int32Array, { dst, src, id, tos, ttl, oam }: Outer, config: TunnelConfig): void {
  const putAddress = (address: IpAddress | undefined, v4: number, v6: number): void => {
    flow[v4] = address?.family === 4 ? address.ip | 0 : 0;
    putIpv6(flow, v6, address?.family === 6 ? address.ip : 0n);
  };
  putAddress(src, WORD.tun_src, WORD.tun_ipv6_src);
  putAddress(dst, WORD.tun_dst, WORD.tun_ipv6_dst);
  flow[WORD.tun_id] = Number(id >> 32n) | 0;
  flow[WORD.tun_id + 1] = Number(id & 0xffff_ffffn) | 0;
  flow[WORD.tun_tos] = tos;
  flow[WORD.tun_ttl] = ttl;
  flow[WORD.tun_flags] =
    (oam ? TUN_OAM : 0) | (config.df ? TUN_DF : 0) | (config.csum ? TUN_CSUM : 0) | (config.outKey === undefined ? 0 : TUN_KEY);
}

/** OVS's own tunnels: route, neighbour, header; then the outer packet goes through the bridge that it leaves by. False: there is no way. */
function outputNative(
  ctx: Context,
  port: OfPort,
  config: TunnelConfig,
  outer: Outer & { readonly dst: IpAddress },
  last: boolean,
  enter: EnterBridge,
): boolean {
  const { datapath } = ctx;
  ctx.commit();
  ctx.report("detail", "output to native tunnel");
  const route = datapath.routes.lookup(outer.dst, (ctx.flow[WORD.pkt_mark] as number) >>> 0);
  const outBridge = route === undefined ? undefined : datapath.bridgeOfDevice(route.device);
  const source = outer.src ?? route?.source;
  if (route === undefined || outBridge?.local === undefined || !isOwn(ctx, outBridge, outer.src)) {
    ctx.report("warning", "native tunnel routing failed");
    return false;
  }
  const nextHop = route.gateway ?? outer.dst;
  ctx.report("detail", `tunneling to ${addressText(nextHop)} via ${outBridge.name}`);
  const smac: Mac = macOf(outBridge.local.mac);
  if (source === undefined || source.family !== outer.dst.family) {
    ctx.report("warning", "native tunnel routing failed");
    return false;
  }
  let dmac = datapath.neighbours.lookup(outBridge.name, nextHop, datapath.now());
  if (dmac === undefined && isMulticast(nextHop)) dmac = multicastMac(nextHop);
  if (dmac === undefined) {
    const kind = nextHop.family === 4 ? "ARP request" : "ND request";
    const ask = (): boolean => datapath.askNeighbour(outBridge, smac, source, nextHop);
    const what = ask() ? "sending" : "waiting on";
    ctx.report("detail", `neighbor cache miss for ${addressText(nextHop)} on bridge ${outBridge.name}, ${what} ${kind}`);
    ctx.effects.push({ kind: "neighbour", again: ask });
    return false;
  }
  ctx.effects.push({ kind: "neighbour", again: () => datapath.neighbours.used(outBridge.name, nextHop, datapath.now()) });
  ctx.report("detail", `tunneling from ${formatMac(smac)} ${addressText(source)} to ${formatMac(dmac)} ${addressText(nextHop)}`);
  const erspan = config.erspan && erspanOf(ctx, config.erspan);
  if (config.erspan !== undefined && (erspan === undefined || outer.id >= ERSPAN_SESSIONS)) {
    ctx.report("warning", erspan === undefined ? "ERSPAN without a version" : `no ERSPAN session can be ${outer.id}`);
    return false;
  }
  const header = buildHeader({
    protocol: config.protocol,
    ethDst: dmac,
    ethSrc: smac,
    src: source,
    dst: outer.dst,
    tos: outer.tos,
    ttl: outer.ttl,
    df: config.df,
    udpDst: config.dstPort,
    csum: config.csum,
    vni: Number(BigInt.asUintN(ipProtocolOf(config.protocol) === IP_GRE ? 32 : 24, outer.id)),
    hasKey: config.outKey !== undefined,
    options: outer.options,
    oam: outer.oam,
    erspan,
  });
  const outPort = outBridge.local.dpPort;
  if (outPort === undefined || port.dpPort === undefined) return false;
  const before = ctx.odp;
  const inner: DpAction[] = [{ type: "tnl_push", tunnelPort: port.dpPort, outPort, header }];
  ctx.odp = inner;
  const saved = { flow: ctx.flow.slice(), base: ctx.base.slice(), wc: Int32Array.from(ctx.wc) };
  outerFlow(ctx.flow, header.ethSrc, header.ethDst, source, outer.dst, outer.tos, outer.ttl, config);
  ctx.base.set(ctx.flow);
  enter(ctx, port, outBridge.local, true);
  ctx.odp = before;
  if (inner.length > 1) {
    if (last) ctx.odp.push(...inner);
    else ctx.odp.push({ type: "clone", actions: inner });
  }
  ctx.flow.set(saved.flow);
  ctx.base.set(saved.base);
  // What the outer packet's bridge looked at is not of the packet that came in.
  ctx.wc.set(saved.wc);
  return true;
}

/** What an ERSPAN header is to say; undefined: it has no version. */
function erspanOf(ctx: Context, config: ErspanConfig): Erspan | undefined {
  const value = (option: "flow" | number, word: number): number => {
    if (option !== "flow") return option;
    ctx.look(word);
    return ctx.flow[word] as number;
  };
  const version = value(config.version ?? 0, WORD.tun_erspan_ver);
  if (version === 1) return { version, index: value(config.index, WORD.tun_erspan_idx) };
  if (version !== 2) return undefined;
  const direction = value(config.direction, WORD.tun_erspan_dir);
  return { version, direction, hardware: value(config.hardware, WORD.tun_erspan_hwid) };
}

/** Whether tunnels of this bridge may have the address as their source: any of its own, or what the route says. */
function isOwn({ datapath }: Context, bridge: Bridge, source: IpAddress | undefined): boolean {
  if (source === undefined) return true;
  return (datapath.addresses.get(bridge.name) ?? []).some((address) => isSame(address, source));
}

/** The key of the packet as it is once encapsulated. */
function outerFlow(
  key: Int32Array,
  smac: Mac,
  dmac: Mac,
  src: IpAddress,
  dst: IpAddress,
  tos: number,
  ttl: number,
  config: TunnelConfig,
): void {
  key.fill(0, WORD.tun_id, WORD.metadata);
  key.fill(0, WORD.eth_dst);
  putMac(key, WORD.eth_src, smac);
  putMac(key, WORD.eth_dst, dmac);
  if (src.family === 4 && dst.family === 4) {
    key[WORD.eth_type] = ETH_IP;
    key[WORD.nw_src] = src.ip | 0;
    key[WORD.nw_dst] = dst.ip | 0;
  } else if (src.family === 6 && dst.family === 6) {
    key[WORD.eth_type] = ETH_IPV6;
    putIpv6(key, WORD.ipv6_src, src.ip);
    putIpv6(key, WORD.ipv6_dst, dst.ip);
  }
  key[WORD.nw_tos] = tos;
  key[WORD.nw_ttl] = ttl;
  key[WORD.nw_proto] = ipProtocolOf(config.protocol);
  key[WORD.tp_dst] = config.dstPort;
}

const isMulticast = (address: IpAddress): boolean =>
  address.family === 4 ? (address.ip & 0xf0000000) >>> 0 === 0xe0000000 : address.ip >> 120n === 0xffn;

function multicastMac(address: IpAddress): Mac {
  return address.family === 4
    ? macOf(0x01005e000000 + (address.ip & 0x7fffff))
    : macOf(0x333300000000 + Number(address.ip & 0xffffffffn));
}
