/**
 * Committing: the datapath actions that make the packet what the flow says it should be. Changes are collected in the flow
 * while the tables run and become actions only when the packet is about to be seen by somebody. A set action carries only the fields that differ; of a
 * field whose bits were partly read or written only those bits.
 */
import type { DpAction } from "../datapath/actions.ts";
import { DP_GROUPS, type DpField, type DpGroupName } from "../datapath/fields.ts";
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_RARP,
  IP_ICMP,
  IP_ICMPV6,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  VLAN_CFI,
  WORD,
} from "../flow/key.ts";

const isMpls = (type: number): boolean => type === ETH_MPLS || type === ETH_MPLSM;

/** The fields of each group that can be set. */
const SETTABLE: Readonly<Record<DpGroupName, readonly DpField[]>> = (() => {
  const entries = Object.entries(DP_GROUPS).map(([group, fields]) => [
    group,
    fields.filter((field) => field.name !== "proto" && field.name !== "frag"),
  ]);
  // Object.fromEntries forgets the key type.
  return Object.fromEntries(entries) as Record<DpGroupName, readonly DpField[]>;
})();

const differs = (field: DpField, flow: Int32Array, base: Int32Array): boolean => {
  for (let w = field.word; w < field.word + field.words; w++) if (flow[w] !== base[w]) return true;
  return false;
};

/**
 * Emits a set action for what differs in a group; true when there was something. With `all`, fields that were looked at go along
 * unchanged.
 */
function commitGroup(
  group: DpGroupName,
  flow: Int32Array,
  base: Int32Array,
  wc: Int32Array,
  out: DpAction[],
  all = false,
): boolean {
  const fields = SETTABLE[group];
  let first = 0;
  while (first < fields.length && !differs(fields[first] as DpField, flow, base)) first++;
  if (first === fields.length) return false;
  const words: number[] = [];
  const values: number[] = [];
  const masks: number[] = [];
  for (const field of fields) {
    if (words.includes(field.word) || (!all && !differs(field, flow, base))) continue;
    for (let w = field.word; w < field.word + field.words; w++) {
      const mask = (wc[w] as number) | ((flow[w] as number) ^ (base[w] as number));
      wc[w] = mask;
      if (mask === 0) continue;
      words.push(w);
      values.push((flow[w] as number) & mask);
      masks.push(mask);
      base[w] = flow[w] as number;
    }
  }
  out.push({ type: "set", group, words, values, masks });
  return true;
}

/** Appends to `out` what turns `base` into `flow`. Returns whether the datapath needs the slow path for some of it. */
export function commit(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): boolean {
  commitGroup("eth", flow, base, wc, out);
  let mplsDone = false;
  if (isMpls(base[WORD.eth_type] as number) && !isMpls(flow[WORD.eth_type] as number)) {
    commitMpls(flow, base, wc, out);
    mplsDone = true;
  }
  const slow = commitNetwork(flow, base, wc, out);
  commitTransport(flow, base, wc, out);
  const slowIcmp = commitIcmp(flow, base, wc, out);
  if (!mplsDone) commitMpls(flow, base, wc, out);
  commitVlan(flow, base, wc, out);
  if (flow[WORD.skb_priority] !== base[WORD.skb_priority]) {
    wc[WORD.skb_priority] = -1;
    out.push({ type: "set_priority", value: flow[WORD.skb_priority] as number });
    base[WORD.skb_priority] = flow[WORD.skb_priority] as number;
  }
  if (flow[WORD.pkt_mark] !== base[WORD.pkt_mark]) {
    const mask = (wc[WORD.pkt_mark] as number) | ((flow[WORD.pkt_mark] as number) ^ (base[WORD.pkt_mark] as number));
    wc[WORD.pkt_mark] = mask;
    out.push({ type: "set_mark", value: (flow[WORD.pkt_mark] as number) & mask, mask });
    base[WORD.pkt_mark] = flow[WORD.pkt_mark] as number;
  }
  return slow || slowIcmp;
}

function commitNetwork(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): boolean {
  switch (base[WORD.eth_type]) {
    case ETH_IP:
    case ETH_IPV6: {
      const group = base[WORD.eth_type] === ETH_IP ? "ipv4" : "ipv6";
      // Without a protocol there is no network header that could be parsed.
      if (flow[WORD.nw_proto] === 0) {
        if (DP_GROUPS[group].some((f) => flow[f.word] !== base[f.word])) wc[WORD.nw_proto] = 0xff;
        return false;
      }
      if (commitGroup(group, flow, base, wc, out)) wc[WORD.nw_proto] = 0xff;
      if (base[WORD.nw_proto] === IP_ICMPV6 && group === "ipv6") {
        const type = base[WORD.tp_src];
        if ((type === 135 || type === 136) && base[WORD.tp_dst] === 0) {
          const changed = commitGroup("nd", flow, base, wc, out);
          return commitGroup("nd_ext", flow, base, wc, out) || changed;
        }
      }
      return false;
    }
    case ETH_ARP:
    case ETH_RARP:
      return commitGroup("arp", flow, base, wc, out);
    default:
      return false;
  }
}

function commitTransport(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): void {
  const type = flow[WORD.eth_type];
  if (type !== ETH_IP && type !== ETH_IPV6) return;
  if (flow[WORD.tp_src] === 0 && flow[WORD.tp_dst] === 0) return;
  const protocol = flow[WORD.nw_proto];
  const group = protocol === IP_TCP ? "tcp" : protocol === IP_UDP ? "udp" : protocol === IP_SCTP ? "sctp" : undefined;
  if (group !== undefined && commitGroup(group, flow, base, wc, out)) wc[WORD.nw_proto] = 0xff;
}

function commitIcmp(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): boolean {
  const type = flow[WORD.eth_type];
  const protocol = flow[WORD.nw_proto];
  const group =
    type === ETH_IP && protocol === IP_ICMP ? "icmp" : type === ETH_IPV6 && protocol === IP_ICMPV6 ? "icmpv6" : undefined;
  return group !== undefined && commitGroup(group, flow, base, wc, out, true);
}

/** Headers are compared from the innermost; what differs is popped and pushed anew. */
function commitVlan(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): void {
  const count = (key: Int32Array): number =>
    ((key[WORD.vlan_tci] as number) & VLAN_CFI) === 0 ? 0 : ((key[WORD.vlan_tci1] as number) & VLAN_CFI) === 0 ? 1 : 2;
  const words = [WORD.vlan_tci, WORD.vlan_tci1] as const;
  let b = count(base) - 1;
  let f = count(flow) - 1;
  while (b >= 0 && f >= 0) {
    const bw = words[b] as number;
    const fw = words[f] as number;
    if (base[bw] !== flow[fw] || base[bw + 1] !== flow[fw + 1]) break;
    b--;
    f--;
  }
  for (; b >= 0; b--) {
    out.push({ type: "pop_vlan" });
    wc[WORD.vlan_tci] = 0xffff;
    wc[WORD.vlan_tpid] = 0xffff;
  }
  for (; f >= 0; f--) {
    const word = words[f] as number;
    out.push({ type: "push_vlan", tpid: (flow[word + 1] as number) || 0x8100, tci: flow[word] as number });
  }
  for (const word of words) {
    base[word] = flow[word] as number;
    base[word + 1] = flow[word + 1] as number;
  }
}

const LSE = [WORD.mpls_lse, WORD.mpls_lse1, WORD.mpls_lse2] as const;

/** The label stack that a key shows: up to three entries. */
export function mplsDepth(key: Int32Array): number {
  if (!isMpls(key[WORD.eth_type] as number)) return 0;
  for (let i = 0; i < LSE.length; i++) if (((key[LSE[i] as number] as number) & 0x100) !== 0) return i + 1;
  return LSE.length;
}

function commitMpls(flow: Int32Array, base: Int32Array, wc: Int32Array, out: DpAction[]): void {
  let baseDepth = mplsDepth(base);
  const flowDepth = mplsDepth(flow);
  if (baseDepth === 0 && flowDepth === 0) return;
  // How many entries, from the bottom, are the same in both.
  let common = 0;
  while (
    common < baseDepth &&
    common < flowDepth &&
    base[LSE[baseDepth - 1 - common] as number] === flow[LSE[flowDepth - 1 - common] as number]
  )
    common++;
  if (baseDepth === flowDepth && common === baseDepth) return;
  const setOuter = baseDepth === flowDepth && common === baseDepth - 1;
  if (setOuter) {
    commitGroup("mpls", flow, base, wc, out);
    return;
  }
  for (; baseDepth > common; baseDepth--) {
    // The type below the last entry is the flow's own, or still MPLS.
    const below =
      baseDepth > 1
        ? (base[WORD.eth_type] as number)
        : isMpls(flow[WORD.eth_type] as number)
          ? ETH_IP
          : (flow[WORD.eth_type] as number);
    out.push({ type: "pop_mpls", ethType: below });
    for (const word of LSE) wc[word] = -1;
  }
  for (let i = flowDepth - common - 1; i >= 0; i--) {
    out.push({ type: "push_mpls", ethType: flow[WORD.eth_type] as number, lse: flow[LSE[i] as number] as number });
  }
  for (const word of LSE) base[word] = flow[word] as number;
  base[WORD.eth_type] = flow[WORD.eth_type] as number;
}
