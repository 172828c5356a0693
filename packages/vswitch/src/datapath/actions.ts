/**
 * Datapath actions: what a translated flow does to a packet, and their text as ovs-dpctl(8) and ofproto/trace print it.
 */
import { formatIpv4, formatIpv6, formatMac, type Ipv4, type Ipv6, type Mac } from "@weft/packet";
import type { Erspan } from "../tunnel/erspan.ts";
import { ipProtocolOf, type TunnelProtocol } from "../tunnel/header.ts";
import { type DpGroupName, formatGroup } from "./fields.ts";

/** A Geneve option as it goes into a tunnel header. */
export interface GeneveOption {
  readonly optionClass: number;
  readonly type: number;
  readonly data: Uint8Array;
}

export type TunnelAddress = { readonly family: 4; readonly ip: Ipv4 } | { readonly family: 6; readonly ip: Ipv6 };

/** What the host's stack needs to send a tunnelled packet. */
export interface TunnelKey {
  readonly id: bigint;
  readonly src: TunnelAddress | undefined;
  readonly dst: TunnelAddress;
  readonly tos: number;
  readonly ttl: number;
  readonly tpDst: number;
  readonly options: readonly GeneveOption[];
  /** Of Geneve: the packet is for the tunnel's other end itself. */
  readonly oam: boolean;
  readonly df: boolean;
  readonly csum: boolean;
  readonly key: boolean;
}

/** An outer header to put in front of a frame, all but lengths, checksums and the UDP source port filled in. */
export interface TunnelHeader {
  readonly protocol: TunnelProtocol;
  readonly ethDst: Mac;
  readonly ethSrc: Mac;
  readonly src: TunnelAddress;
  readonly dst: TunnelAddress;
  readonly tos: number;
  readonly ttl: number;
  readonly df: boolean;
  /** Destination UDP port; 0 for GRE. */
  readonly udpDst: number;
  readonly csum: boolean;
  /** VNI, or GRE key. */
  readonly vni: number;
  readonly hasKey: boolean;
  readonly options: readonly GeneveOption[];
  readonly oam: boolean;
  /** Of ERSPAN; `vni` is its session. */
  readonly erspan?: Erspan | undefined;
  /** The header's bytes, the first of which is the outer Ethernet header. */
  readonly bytes: Uint8Array;
}

export interface CtAction {
  readonly type: "ct";
  readonly commit: boolean;
  readonly force: boolean;
  readonly zone: number;
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  readonly label: { readonly value: bigint; readonly mask: bigint } | undefined;
  readonly helper: string | undefined;
  readonly nat: CtNat | undefined;
}

export interface CtNat {
  readonly direction: "src" | "dst" | undefined;
  readonly min: TunnelAddress | undefined;
  readonly max: TunnelAddress | undefined;
  readonly portMin: number;
  readonly portMax: number;
  readonly persistent: boolean;
  readonly hash: boolean;
  readonly random: boolean;
}

/** Why a packet is handled by the switch's slow path in every case. */
export type SlowReason = "cfm" | "bfd" | "lacp" | "stp" | "lldp" | "controller" | "action" | "match";

export type DpAction =
  | { readonly type: "output"; readonly port: number }
  | { readonly type: "trunc"; readonly max: number }
  | {
      readonly type: "controller";
      /** OFPR_ number. */
      readonly reason: number;
      readonly dontSend: boolean;
      readonly continuation: boolean;
      readonly recircId: number;
      readonly cookie: bigint;
      readonly controllerId: number;
      readonly maxLen: number;
    }
  /** Says that something dropped the packet, where other actions stand beside it. */
  | { readonly type: "drop" }
  | { readonly type: "slow_path"; readonly reason: SlowReason }
  | {
      readonly type: "set";
      readonly group: DpGroupName;
      /** Words of the flow key with what to put there. */
      readonly words: readonly number[];
      readonly values: readonly number[];
      readonly masks: readonly number[];
    }
  | { readonly type: "set_mark"; readonly value: number; readonly mask: number }
  | { readonly type: "set_priority"; readonly value: number }
  | { readonly type: "set_tunnel"; readonly tunnel: TunnelKey }
  /** `tci` has the present bit. */
  | { readonly type: "push_vlan"; readonly tpid: number; readonly tci: number }
  | { readonly type: "pop_vlan" }
  | { readonly type: "push_mpls"; readonly ethType: number; readonly lse: number }
  | { readonly type: "pop_mpls"; readonly ethType: number }
  | { readonly type: "hash"; readonly algorithm: "l4" | "sym_l4"; readonly basis: number }
  | { readonly type: "recirc"; readonly id: number }
  | CtAction
  | { readonly type: "ct_clear" }
  | { readonly type: "clone"; readonly actions: readonly DpAction[] }
  /** `probability` of 2^32-1. */
  | { readonly type: "sample"; readonly probability: number; readonly actions: readonly DpAction[] }
  | { readonly type: "check_pkt_len"; readonly size: number; readonly gt: readonly DpAction[]; readonly le: readonly DpAction[] }
  | { readonly type: "meter"; readonly meter: number }
  | { readonly type: "tnl_push"; readonly tunnelPort: number; readonly outPort: number; readonly header: TunnelHeader }
  | { readonly type: "tnl_pop"; readonly port: number };

/** How to write a datapath port: its number, or its name. */
export type PortName = (port: number) => string;

export const portNumber: PortName = (port) => String(port);

/** "drop" for no actions. */
export function formatDpActions(actions: readonly DpAction[], port: PortName = portNumber): string {
  return actions.length === 0 ? "drop" : actions.map((action) => formatDpAction(action, port)).join(",");
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
/** printf's %#x, which writes zero bare. */
const sharpHex = (value: number): string => (value === 0 ? "0" : hex(value));
const addressText = (address: TunnelAddress): string => (address.family === 4 ? formatIpv4(address.ip) : formatIpv6(address.ip));

/** An option; with the mask of its data where that is not all ones. */
export function formatOption(option: GeneveOption, mask?: Uint8Array): string {
  const number = (bytes: Uint8Array): string => {
    let digits = "";
    for (const byte of bytes) digits += byte.toString(16).padStart(2, "0");
    digits = digits.replace(/^0+/, "");
    return digits === "" ? "0" : `0x${digits}`;
  };
  const text = `{class=${sharpHex(option.optionClass)},type=${sharpHex(option.type)},len=${option.data.length}`;
  if (option.data.length === 0) return `${text}}`;
  const masked = mask === undefined || mask.every((byte) => byte === 0xff) ? "" : `/${number(mask)}`;
  return `${text},${number(option.data)}${masked}}`;
}

export function formatVlan(tci: number): string {
  const cfi = (tci & 0x1000) === 0 ? ",cfi=0" : "";
  return `vid=${tci & 0xfff},pcp=${(tci >>> 13) & 7}${cfi}`;
}

function formatTunnelKey(t: TunnelKey): string {
  let text = t.key || t.id !== 0n ? `tun_id=${hex(t.id)},` : "";
  if (t.src !== undefined) text += `${t.src.family === 4 ? "src" : "ipv6_src"}=${addressText(t.src)},`;
  text += `${t.dst.family === 4 ? "dst" : "ipv6_dst"}=${addressText(t.dst)},`;
  if (t.tos !== 0) text += `tos=${hex(t.tos)},`;
  text += `ttl=${t.ttl},`;
  if (t.tpDst !== 0) text += `tp_dst=${t.tpDst},`;
  if (t.options.length > 0) text += `geneve(${t.options.map((option) => formatOption(option)).join("")}),`;
  const flags = [t.oam ? "oam" : "", t.df ? "df" : "", t.csum ? "csum" : "", t.key ? "key" : ""]
    .filter((flag) => flag !== "")
    .join("|");
  return `tunnel(${text}flags(${flags}))`;
}

/** Open vSwitch's numbers of tunnel headers, over IPv4 and over IPv6. */
const HEADER_TYPES = { gre: [3, 109], vxlan: [4, 4], geneve: [5, 5], erspan: [107, 108] } as const;

function formatErspan(erspan: Erspan, session: number): string {
  const rest = erspan.version === 1 ? `idx=${hex(erspan.index)}` : `dir=${erspan.direction},hwid=${hex(erspan.hardware)}`;
  return `erspan(ver=${erspan.version},sid=${hex(session)},${rest})`;
}

function formatHeader(h: TunnelHeader): string {
  const eth = `eth(dst=${formatMac(h.ethDst)},src=${formatMac(h.ethSrc)},dl_type=0x${h.src.family === 4 ? "0800" : "86dd"})`;
  const protocol = ipProtocolOf(h.protocol);
  const ip =
    h.src.family === 4
      ? `ipv4(src=${addressText(h.src)},dst=${addressText(h.dst)},proto=${protocol},tos=${sharpHex(h.tos)},ttl=${h.ttl},frag=0x${h.df ? "4000" : "0"})`
      : `ipv6(src=${addressText(h.src)},dst=${addressText(h.dst)},label=0,proto=${protocol},tclass=0x${h.tos.toString(16)},hlimit=${h.ttl})`;
  const types = HEADER_TYPES[h.protocol];
  const type = h.src.family === 4 ? types[0] : types[1];
  const udp = `udp(src=0,dst=${h.udpDst},csum=0x${h.csum ? "ffff" : "0"})`;
  let tunnel: string;
  if (h.protocol === "vxlan") tunnel = `${udp},vxlan(flags=0x8000000,vni=${hex(h.vni)})`;
  else if (h.protocol === "gre") {
    const flags = (h.csum ? 0x8000 : 0) | (h.hasKey ? 0x2000 : 0);
    tunnel = `gre((flags=${hex(flags)},proto=0x6558)${h.csum ? ",csum=0x0" : ""}${h.hasKey ? `,key=${hex(h.vni)}` : ""})`;
  } else if (h.erspan !== undefined) tunnel = formatErspan(h.erspan, h.vni);
  else {
    const critical = h.options.some((option) => (option.type & 0x80) !== 0) ? "crit," : "";
    const options = h.options.length === 0 ? "" : `,options(${h.options.map((option) => formatOption(option)).join("")})`;
    tunnel = `${udp},geneve(${h.oam ? "oam," : ""}${critical}vni=${hex(h.vni)}${options})`;
  }
  return `header(size=${h.bytes.length},type=${type},${eth},${ip},${tunnel})`;
}

function formatNat(nat: CtNat): string {
  if (nat.direction === undefined) return "nat";
  let text = nat.direction;
  if (nat.min !== undefined) {
    const v6 = nat.min.family === 6 && nat.portMin !== 0;
    const bracket = (a: TunnelAddress): string => (v6 ? `[${addressText(a)}]` : addressText(a));
    text += `=${bracket(nat.min)}`;
    if (nat.max !== undefined && nat.max.ip !== nat.min.ip) text += `-${bracket(nat.max)}`;
    if (nat.portMin !== 0) {
      text += `:${nat.portMin}`;
      if (nat.portMax !== 0 && nat.portMax !== nat.portMin) text += `-${nat.portMax}`;
    }
  }
  if (nat.persistent) text += ",persistent";
  if (nat.hash) text += ",hash";
  if (nat.random) text += ",random";
  return `nat(${text})`;
}

const ALL_LABEL = (1n << 128n) - 1n;

function formatCt(action: CtAction): string {
  const parts: string[] = [];
  if (action.commit) parts.push(action.force ? "force_commit" : "commit");
  if (action.zone !== 0) parts.push(`zone=${action.zone}`);
  if (action.mark !== undefined) {
    const mask = action.mark.mask >>> 0;
    parts.push(`mark=${sharpHex(action.mark.value >>> 0)}/${hex(mask)}`);
  }
  if (action.label !== undefined) {
    const mask = action.label.mask === ALL_LABEL ? "" : `/${hex(action.label.mask)}`;
    parts.push(`label=${sharpBig(action.label.value)}${mask}`);
  }
  if (action.helper !== undefined) parts.push(`helper=${action.helper}`);
  if (action.nat !== undefined) parts.push(formatNat(action.nat));
  return parts.length === 0 ? "ct" : `ct(${parts.join(",")})`;
}

export function formatDpAction(action: DpAction, port: PortName): string {
  switch (action.type) {
    case "output":
      return port(action.port);
    case "trunc":
      return `trunc(${action.max})`;
    case "controller":
      return (
        `userspace(pid=0,controller(reason=${action.reason},dont_send=${action.dontSend ? 1 : 0},` +
        `continuation=${action.continuation ? 1 : 0},recirc_id=${action.recircId},rule_cookie=${sharpBig(action.cookie)},` +
        `controller_id=${action.controllerId},max_len=${action.maxLen}))`
      );
    case "drop":
      return "drop";
    case "slow_path":
      return `userspace(pid=0,slow_path(${action.reason}))`;
    case "set": {
      const values: number[] = [];
      const masks: number[] = [];
      action.words.forEach((word, i) => {
        values[word] = action.values[i] as number;
        masks[word] = action.masks[i] as number;
      });
      return `set(${formatGroup(action.group, values, masks)})`;
    }
    case "set_mark":
      return action.mask === -1
        ? `set(skb_mark(${sharpHex(action.value >>> 0)}))`
        : `set(skb_mark(${sharpHex(action.value >>> 0)}/${hex(action.mask >>> 0)}))`;
    case "set_priority":
      return `set(skb_priority(${sharpHex(action.value >>> 0)}))`;
    case "set_tunnel":
      return `set(${formatTunnelKey(action.tunnel)})`;
    case "push_vlan":
      return `push_vlan(${action.tpid === 0x8100 ? "" : `tpid=0x${action.tpid.toString(16).padStart(4, "0")},`}${formatVlan(action.tci)})`;
    case "pop_vlan":
      return "pop_vlan";
    case "push_mpls":
      return `push_mpls(${formatLse(action.lse)},eth_type=0x${action.ethType.toString(16)})`;
    case "pop_mpls":
      return `pop_mpls(eth_type=0x${action.ethType.toString(16)})`;
    case "hash":
      return `hash(${action.algorithm}(${action.basis}))`;
    case "recirc":
      return `recirc(${sharpHex(action.id)})`;
    case "ct":
      return formatCt(action);
    case "ct_clear":
      return "ct_clear";
    case "clone":
      return `clone(${formatDpActions(action.actions, port)})`;
    case "sample":
      return `sample(sample=${((action.probability / 0xffffffff) * 100).toFixed(1)}%,actions(${formatDpActions(action.actions, port)}))`;
    case "check_pkt_len":
      return `check_pkt_len(size=${action.size},gt(${formatDpActions(action.gt, port)}),le(${formatDpActions(action.le, port)}))`;
    case "meter":
      return `meter(${action.meter})`;
    case "tnl_push":
      return `tnl_push(tnl_port(${port(action.tunnelPort)}),${formatHeader(action.header)},out_port(${port(action.outPort)}))`;
    case "tnl_pop":
      return `tnl_pop(${port(action.port)})`;
  }
}

const sharpBig = (value: bigint): string => (value === 0n ? "0" : hex(value));

function formatLse(lse: number): string {
  return `label=${lse >>> 12},tc=${(lse >>> 9) & 7},ttl=${lse & 0xff},bos=${(lse >>> 8) & 1}`;
}
