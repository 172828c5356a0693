/**
 * What the switch knows about the flow key beyond openflow's field table: which words come from the packet's bytes, which
 * are the datapath's, and how the classifier stages them.
 */
import { FLOW_WORDS, type Match, newFlowKey, WORD } from "@weft/openflow";
import type { KeyLayout, KeyMatch } from "../classifier/classifier.ts";

export { FLOW_WORDS, newFlowKey, WORD };

type LayoutName = keyof typeof WORD;

/** The words that {@link extract} writes are FIRST_PACKET_WORD up to before END_PACKET_WORD; all others are metadata. */
export const FIRST_PACKET_WORD: number = WORD.eth_dst;
export const END_PACKET_WORD: number = WORD.tun_metadata;

const L2: readonly LayoutName[] = [
  "eth_dst",
  "eth_src",
  "eth_type",
  "vlan_tci",
  "vlan_tpid",
  "vlan_tci1",
  "vlan_tpid1",
  "mpls_lse",
  "mpls_lse1",
  "mpls_lse2",
];
const L4: readonly LayoutName[] = ["nd_target", "arp_sha", "arp_tha", "tp_src", "tp_dst", "tcp_flags", "ct_tp_src", "ct_tp_dst"];
const CT_L3: readonly LayoutName[] = ["ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst"];

/** Words of each layout name, in the layout's order. */
export const NAMES: readonly { readonly name: LayoutName; readonly word: number; readonly words: number }[] = (() => {
  // Object.entries forgets the key type.
  const entries = (Object.entries(WORD) as [LayoutName, number][]).sort((a, b) => a[1] - b[1]);
  return entries.map(([name, word], i) => ({ name, word, words: (entries[i + 1]?.[1] ?? FLOW_WORDS) - word }));
})();

const stages = new Uint8Array(FLOW_WORDS);
for (const { name, word, words } of NAMES) {
  const stage = L4.includes(name)
    ? 3
    : L2.includes(name)
      ? 1
      : CT_L3.includes(name) || (word >= FIRST_PACKET_WORD && word < END_PACKET_WORD)
        ? 2
        : 0;
  stages.fill(stage, word, word + words);
}

export const KEY_LAYOUT: KeyLayout = {
  words: FLOW_WORDS,
  stages,
  prefixes: [
    { word: WORD.nw_dst, words: 1, typeWord: WORD.eth_type, type: 0x0800 },
    { word: WORD.nw_src, words: 1, typeWord: WORD.eth_type, type: 0x0800 },
    { word: WORD.ipv6_dst, words: 4, typeWord: WORD.eth_type, type: 0x86dd },
    { word: WORD.ipv6_src, words: 4, typeWord: WORD.eth_type, type: 0x86dd },
  ],
  conjId: WORD.conj_id,
  tpSrc: WORD.tp_src,
  tpDst: WORD.tp_dst,
};

/** A placed match (no tun_metadata outside the key) in the classifier's form: words by stage, then by offset. */
export function keyMatch(match: Match): KeyMatch {
  const order: number[] = [];
  for (let i = 0; i < match.size; i++) order.push(i);
  order.sort((a, b) => {
    const wa = match.offset(a);
    const wb = match.offset(b);
    return (stages[wa] as number) - (stages[wb] as number) || wa - wb;
  });
  return {
    words: order.map((i) => match.offset(i)),
    values: order.map((i) => match.value(i)),
    masks: order.map((i) => match.mask(i)),
  };
}

/** Numbers of fields that the switch itself looks at. */
export const ETH_IP = 0x0800;
export const ETH_ARP = 0x0806;
export const ETH_RARP = 0x8035;
export const ETH_VLAN = 0x8100;
export const ETH_QINQ = 0x88a8;
export const ETH_IPV6 = 0x86dd;
export const ETH_MPLS = 0x8847;
export const ETH_MPLSM = 0x8848;
/** The dl_type of 802.3 frames without SNAP (ovs-fields(7), dl_type). */
export const ETH_NONE = 0x05ff;
export const IP_ICMP = 1;
export const IP_IGMP = 2;
export const IP_TCP = 6;
export const IP_UDP = 17;
export const IP_GRE = 47;
export const IP_ICMPV6 = 58;
export const IP_SCTP = 132;
/** Bits of tun_flags: OpenFlow's own, and what else the outer header said. */
export const TUN_OAM = 1;
export const TUN_DF = 2;
export const TUN_CSUM = 4;
/** The header has a place for a key. */
export const TUN_KEY = 8;
/** Bits of nw_frag. */
export const FRAG_ANY = 1;
export const FRAG_LATER = 2;
/** Bit of vlan_tci: a header is there. */
export const VLAN_CFI = 0x1000;
