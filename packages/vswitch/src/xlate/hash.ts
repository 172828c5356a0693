/** Hashes of a flow for multipath, bundle and select groups (ovs-actions(7)); symmetric ones are equal for both directions. */
import type { HashFields } from "@weft/openflow";
import { ETH_IP, ETH_IPV6, IP_SCTP, IP_TCP, IP_UDP, WORD } from "../flow/key.ts";
import type { Context } from "./context.ts";

export function mixHash(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

export function finishHash(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const words = (key: Int32Array, word: number, count: number, hash: number): number => {
  let h = hash;
  for (let w = word; w < word + count; w++) h = mixHash(h, key[w] as number);
  return h;
};

const isIp = (type: number): boolean => type === ETH_IP || type === ETH_IPV6;
const hasPorts = (protocol: number): boolean => protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP;

/** XOR of both ends, so that direction does not matter. */
function symmetric(key: Int32Array, a: number, b: number, count: number, hash: number): number {
  let h = hash;
  for (let i = 0; i < count; i++) h = mixHash(h, (key[a + i] as number) ^ (key[b + i] as number));
  return h;
}

export function hashFields(ctx: Context, fields: HashFields, basis: number): number {
  const { flow } = ctx;
  const type = flow[WORD.eth_type] as number;
  const protocol = flow[WORD.nw_proto] as number;
  let h = basis;
  const addresses = (): void => {
    if (type === ETH_IP) {
      ctx.look(WORD.nw_src);
      ctx.look(WORD.nw_dst);
      h = symmetric(flow, WORD.nw_src, WORD.nw_dst, 1, h);
    } else if (type === ETH_IPV6) {
      ctx.lookAt(WORD.ipv6_src, 4);
      ctx.lookAt(WORD.ipv6_dst, 4);
      h = symmetric(flow, WORD.ipv6_src, WORD.ipv6_dst, 4, h);
    }
  };
  const ports = (): void => {
    ctx.look(WORD.tp_src, 0xffff);
    ctx.look(WORD.tp_dst, 0xffff);
    h = symmetric(flow, WORD.tp_src, WORD.tp_dst, 1, h);
  };
  switch (fields) {
    case "eth_src":
      ctx.lookMac(WORD.eth_src);
      h = words(flow, WORD.eth_src, 2, h);
      break;
    case "symmetric_l4":
      ctx.lookMac(WORD.eth_src);
      ctx.lookMac(WORD.eth_dst);
      h = symmetric(flow, WORD.eth_src, WORD.eth_dst, 2, h);
      h = mixHash(h, type);
      h = mixHash(h, (flow[WORD.vlan_tci] as number) & 0xfff);
      ctx.look(WORD.vlan_tci, 0x1fff);
      if (isIp(type)) {
        ctx.look(WORD.nw_proto, 0xff);
        h = mixHash(h, protocol);
        addresses();
        if (protocol === IP_TCP || protocol === IP_SCTP) ports();
      }
      break;
    case "symmetric_l3l4":
    case "symmetric_l3l4+udp":
      if (isIp(type)) {
        ctx.look(WORD.nw_proto, 0xff);
        h = mixHash(h, protocol);
        addresses();
        if (protocol === IP_TCP || protocol === IP_SCTP || (fields === "symmetric_l3l4+udp" && protocol === IP_UDP)) ports();
      }
      break;
    case "symmetric_l3":
      addresses();
      break;
    case "nw_src":
    case "nw_dst": {
      const v4 = fields === "nw_src" ? WORD.nw_src : WORD.nw_dst;
      const v6 = fields === "nw_src" ? WORD.ipv6_src : WORD.ipv6_dst;
      if (type === ETH_IP) {
        ctx.look(v4);
        h = words(flow, v4, 1, h);
      } else if (type === ETH_IPV6) {
        ctx.lookAt(v6, 4);
        h = words(flow, v6, 4, h);
      }
      break;
    }
  }
  return finishHash(h);
}

/** The datapath's hash actions: five-tuple, in order or symmetric. No field is marked: every packet is hashed anew. */
export function datapathHash(key: Int32Array, algorithm: "l4" | "sym_l4", basis: number): number {
  const type = key[WORD.eth_type] as number;
  const protocol = key[WORD.nw_proto] as number;
  let h = mixHash(basis, protocol);
  const ordered = algorithm === "l4";
  if (type === ETH_IP) {
    h = ordered
      ? mixHash(mixHash(h, key[WORD.nw_src] as number), key[WORD.nw_dst] as number)
      : symmetric(key, WORD.nw_src, WORD.nw_dst, 1, h);
  } else if (type === ETH_IPV6) {
    h = ordered
      ? words(key, WORD.ipv6_dst, 4, words(key, WORD.ipv6_src, 4, h))
      : symmetric(key, WORD.ipv6_src, WORD.ipv6_dst, 4, h);
  }
  if (isIp(type) && hasPorts(protocol)) {
    h = ordered
      ? mixHash(h, ((key[WORD.tp_src] as number) << 16) | (key[WORD.tp_dst] as number))
      : symmetric(key, WORD.tp_src, WORD.tp_dst, 1, h);
  }
  return finishHash(h);
}
