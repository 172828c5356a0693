/** Actions that change fields and headers of the flow: VLAN, MPLS, TTL, set_field. What is written counts as looked at. */
import type { Action, Field } from "@weft/openflow";
import {
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_QINQ,
  ETH_VLAN,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  VLAN_CFI,
  WORD,
} from "../flow/key.ts";
import { type Patch, wordBits } from "./bits.ts";
import { mplsDepth } from "./commit.ts";
import { type Context, markOption } from "./context.ts";
import { xlateController } from "./controller.ts";

export const isIp = (type: number | undefined): boolean => type === ETH_IP || type === ETH_IPV6;

export function setTpid(flow: Int32Array): void {
  if (((flow[WORD.vlan_tci] as number) & VLAN_CFI) === 0) flow[WORD.vlan_tpid] = ETH_VLAN;
}

export function popVlan(ctx: Context): void {
  const { flow } = ctx;
  ctx.look(WORD.vlan_tci, 0x1000);
  if (((flow[WORD.vlan_tci] as number) & VLAN_CFI) === 0) return;
  // What is looked at from now on as the outer header is the packet's inner one.
  if (((flow[WORD.vlan_tci1] as number) & VLAN_CFI) !== 0) ctx.look(WORD.vlan_tci1, 0xffff);
  flow[WORD.vlan_tci] = flow[WORD.vlan_tci1] as number;
  flow[WORD.vlan_tpid] = flow[WORD.vlan_tpid1] as number;
  flow[WORD.vlan_tci1] = 0;
  flow[WORD.vlan_tpid1] = 0;
}

export function pushVlan(ctx: Context, ethertype: number): void {
  const { flow } = ctx;
  const inner = flow[WORD.vlan_tci] as number;
  if ((inner & VLAN_CFI) !== 0) ctx.look(WORD.vlan_tci, 0xffff);
  flow[WORD.vlan_tci1] = inner;
  flow[WORD.vlan_tpid1] = flow[WORD.vlan_tpid] as number;
  flow[WORD.vlan_tpid] = ethertype === ETH_QINQ ? ETH_QINQ : ETH_VLAN;
  flow[WORD.vlan_tci] = VLAN_CFI;
}

export function pushMpls(ctx: Context, ethertype: number): void {
  const { flow } = ctx;
  const depth = mplsDepth(flow);
  if (depth >= 3) {
    ctx.report("error", `dropping packet on which an MPLS push would exceed the limit of 3 labels`);
    ctx.fail("Too many MPLS labels");
    return;
  }
  ctx.look(WORD.eth_type, 0xffff);
  ctx.lookAt(WORD.mpls_lse, 3);
  if (depth > 0) {
    flow[WORD.mpls_lse2] = flow[WORD.mpls_lse1] as number;
    flow[WORD.mpls_lse1] = flow[WORD.mpls_lse] as number;
    flow[WORD.mpls_lse] = (flow[WORD.mpls_lse] as number) & ~0x100;
  } else {
    const type = flow[WORD.eth_type];
    let lse = 0x100 | 64;
    if (isIp(type)) {
      ctx.look(WORD.nw_tos, 0xfc);
      ctx.look(WORD.nw_ttl, 0xff);
      lse = 0x100 | (flow[WORD.nw_ttl] as number) | (((flow[WORD.nw_tos] as number) >>> 5) << 9);
      // The label is the explicit null of the protocol below (RFC 3032 section 2.1).
      if (type === ETH_IPV6) lse |= 2 << 12;
    }
    // Headers below a label are not seen any more.
    ctx.commit();
    clearBelowMpls(flow);
    flow[WORD.mpls_lse] = lse;
  }
  flow[WORD.eth_type] = ethertype;
}

function clearBelowMpls(flow: Int32Array): void {
  flow.fill(0, WORD.nw_src, WORD.tun_metadata);
}

export function popMpls(ctx: Context, ethertype: number): void {
  const { flow } = ctx;
  const type = flow[WORD.eth_type];
  if (type !== ETH_MPLS && type !== ETH_MPLSM) return;
  const depth = mplsDepth(flow);
  ctx.look(WORD.mpls_lse);
  flow[WORD.mpls_lse] = flow[WORD.mpls_lse1] as number;
  flow[WORD.mpls_lse1] = flow[WORD.mpls_lse2] as number;
  flow[WORD.mpls_lse2] = 0;
  flow[WORD.eth_type] = ethertype;
  if (depth <= 1 && ethertype !== ETH_MPLS && ethertype !== ETH_MPLSM) {
    flow[WORD.mpls_lse] = 0;
    ctx.wasMpls = true;
  }
}

export function setLse(ctx: Context, mask: number, value: number): void {
  const type = ctx.flow[WORD.eth_type];
  if (type !== ETH_MPLS && type !== ETH_MPLSM) return;
  ctx.look(WORD.mpls_lse, mask);
  ctx.flow[WORD.mpls_lse] = ((ctx.flow[WORD.mpls_lse] as number) & ~mask) | (value & mask);
}

export function decMplsTtl(ctx: Context): boolean {
  const { flow } = ctx;
  const type = flow[WORD.eth_type];
  if (type !== ETH_MPLS && type !== ETH_MPLSM) return false;
  ctx.look(WORD.mpls_lse, 0xff);
  const ttl = (flow[WORD.mpls_lse] as number) & 0xff;
  if (ttl > 1) {
    flow[WORD.mpls_lse] = (flow[WORD.mpls_lse] as number) - 1;
    return false;
  }
  ctx.report("warning", "MPLS decrement TTL exception");
  ttlException(ctx, [0]);
  return true;
}

export function decTtl(ctx: Context, controllers: readonly number[]): boolean {
  const { flow } = ctx;
  if (!isIp(flow[WORD.eth_type])) return false;
  ctx.look(WORD.nw_ttl, 0xff);
  ctx.look(WORD.nw_proto, 0xff);
  if ((flow[WORD.nw_ttl] as number) > 1) {
    flow[WORD.nw_ttl] = (flow[WORD.nw_ttl] as number) - 1;
    return false;
  }
  ctx.report("warning", `${flow[WORD.eth_type] === ETH_IP ? "IPv4" : "IPv6"} decrement TTL exception`);
  ttlException(ctx, controllers);
  // The table's further actions do not see the packet.
  return true;
}

function ttlException(ctx: Context, controllers: readonly number[]): void {
  for (const controllerId of controllers) {
    xlateController(ctx, {
      type: "controller",
      maxLen: 0xffff,
      reason: "invalid_ttl",
      controllerId,
      userdata: new Uint8Array(0),
      pause: false,
      meter: undefined,
    });
  }
}

/** Does the packet have what a field to be written needs? Reading that counts as looking. */
export function applicable(ctx: Context, prerequisite: string): boolean {
  const { flow } = ctx;
  const type = flow[WORD.eth_type] as number;
  const protocol = flow[WORD.nw_proto] as number;
  const l4 = (wanted: number, v4: boolean, v6: boolean): boolean => {
    if (!((v4 && type === ETH_IP) || (v6 && type === ETH_IPV6))) return false;
    ctx.look(WORD.nw_proto, 0xff);
    return protocol === wanted && ((flow[WORD.nw_frag] as number) & 2) === 0;
  };
  switch (prerequisite) {
    case "ip":
      return isIp(type);
    case "ipv4":
      return type === ETH_IP;
    case "ipv6":
      return type === ETH_IPV6;
    case "arp":
      return type === 0x0806 || type === 0x8035;
    case "mpls":
      return type === ETH_MPLS || type === ETH_MPLSM;
    case "tcp":
      return l4(IP_TCP, true, true);
    case "udp":
      return l4(IP_UDP, true, true);
    case "sctp":
      return l4(IP_SCTP, true, true);
    case "icmpv4":
      return l4(1, true, false);
    case "icmpv6":
      return l4(58, false, true);
    case "nd-solicit":
    case "nd-advert":
    case "nd": {
      if (!l4(58, false, true)) return false;
      ctx.look(WORD.tp_src, 0xff);
      ctx.look(WORD.tp_dst, 0xff);
      const kind = flow[WORD.tp_src];
      return (
        flow[WORD.tp_dst] === 0 &&
        ((kind === 135 && prerequisite !== "nd-advert") || (kind === 136 && prerequisite !== "nd-solicit"))
      );
    }
    case "vlan-vid":
      ctx.look(WORD.vlan_tci, 0x1000);
      return ((flow[WORD.vlan_tci] as number) & VLAN_CFI) !== 0;
    default:
      return true;
  }
}

/** set_field and load where they only write bits, which is what most actions do. */
export function applyPatch(ctx: Context, { field: f, words, values, masks }: Patch): void {
  if (f.prerequisite !== "none" && !applicable(ctx, f.prerequisite)) return;
  const { flow, wc } = ctx;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    const mask = masks[i] as number;
    wc[word] = (wc[word] as number) | mask;
    flow[word] = ((flow[word] as number) & ~mask) | (values[i] as number);
  }
  if (f.prerequisite !== "none") ctx.lookPrerequisites(f);
}

/** move: by words where both sides are within one. */
export function moveBits(ctx: Context, { src, dst }: Extract<Action, { type: "move" }>): void {
  const from = wordBits(src);
  const to = wordBits(dst);
  if (from === undefined || to === undefined) {
    const value = ctx.readSubfield(src);
    if (applicable(ctx, dst.field.prerequisite)) ctx.writeSubfield(dst, value);
    return;
  }
  const { flow, wc } = ctx;
  wc[from.word] = (wc[from.word] as number) | (from.ones << from.shift);
  ctx.lookPrerequisites(src.field);
  if (!applicable(ctx, dst.field.prerequisite)) return;
  const mask = to.ones << to.shift;
  const value = ((flow[from.word] as number) >>> from.shift) & from.ones;
  wc[to.word] = (wc[to.word] as number) | mask;
  flow[to.word] = ((flow[to.word] as number) & ~mask) | ((value << to.shift) & mask);
  ctx.lookPrerequisites(dst.field);
}

export function setField(ctx: Context, action: Extract<Action, { type: "set_field" }>): void {
  const { field: f, value } = action;
  const { flow } = ctx;
  // A VLAN field is set only where a header is.
  if (f.name === "vlan_vid" || f.name === "dl_vlan") {
    ctx.look(WORD.vlan_tci, 0x1000);
    if (((flow[WORD.vlan_tci] as number) & VLAN_CFI) === 0) return;
    const mask = action.mask === undefined ? 0xfff : Number(action.mask) & 0xfff;
    ctx.look(WORD.vlan_tci, mask);
    flow[WORD.vlan_tci] = ((flow[WORD.vlan_tci] as number) & ~mask) | (Number(value) & mask) | VLAN_CFI;
    return;
  }
  if (f.name === "vlan_pcp" || f.name === "dl_vlan_pcp") {
    ctx.look(WORD.vlan_tci, 0x1000);
    if (((flow[WORD.vlan_tci] as number) & VLAN_CFI) === 0) return;
  }
  if (!applicable(ctx, f.prerequisite)) return;
  const all = (1n << BigInt(f.bits)) - 1n;
  const mask = action.mask ?? all;
  if (f.metadataIndex === undefined) ctx.lookField(f, mask);
  else if (ctx.placeOf(f) === undefined) {
    ctx.fail("Invalid tunnel metadata");
    return;
  } else markOption(flow, f.metadataIndex, true);
  ctx.writeField(f, (ctx.readField(f) & ~mask) | (value & mask));
}

export function deleteField(ctx: Context, f: Field): void {
  if (f.metadataIndex === undefined) return;
  markOption(ctx.flow, f.metadataIndex, false);
  ctx.writeField(f, 0n);
}
