/** The texts of a trace that come from OpenFlow's syntax. */
import {
  type Action,
  formatAction,
  formatActions,
  formatFieldValue,
  formatMatch,
  formatSubfield,
  formatWholeFlow,
  type Match,
  MatchBuilder,
  type Names,
  NO_NAMES,
  namesOf,
  type Subfield,
  type TlvMap,
} from "@weft/openflow";
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_RARP,
  FLOW_WORDS,
  IP_ICMP,
  IP_ICMPV6,
  IP_IGMP,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  TUN_KEY,
  VLAN_CFI,
  WORD,
} from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { Rule } from "../ofproto/rule.ts";
import type { Context } from "./context.ts";

/** The names of a bridge's ports and tables, for texts that show them. */
export function bridgeNames(bridge: Bridge): Names {
  return namesOf(
    new Map([...bridge.ports.values()].map((port) => [port.ofport, port.name])),
    new Map(bridge.tables.filter((table) => table.name !== "").map((table) => [table.id, table.name])),
  );
}

export const namesFor = (ctx: Context): Names => (ctx.names ? bridgeNames(ctx.bridge) : NO_NAMES);

export const actionText = (ctx: Context, action: Action): string =>
  action.type === "set_field" && action.field.name === "in_port" ? formatAction(action) : formatAction(action, namesFor(ctx));

export const actionSetText = (_ctx: Context, actions: readonly Action[]): string => formatActions(actions);

export const subfieldText = (sub: Subfield): string => formatSubfield(sub);

/** A subfield's new value: a whole field in its own format, a part in hexadecimal. */
export function fieldValueText(sub: Subfield, value: bigint): string {
  return sub.offset === 0 && sub.bits === sub.field.bits
    ? formatFieldValue(sub.field, value, undefined)
    : value === 0n
      ? "0"
      : `0x${value.toString(16)}`;
}

/** " 0. ip,in_port=1, priority 100, cookie 0x5": the node of a rule that was found. */
export function ruleText(ctx: Context, rule: Rule, table: number): string {
  const name = ctx.names ? (ctx.bridge.tables[table]?.name ?? "") : "";
  const label = name !== "" ? name : String(table).padStart(2, " ");
  const match = formatMatch(rule.wire, namesFor(ctx));
  const parts = [match === "" ? `priority ${rule.priority}` : `${match}, priority ${rule.priority}`];
  if (rule.cookie !== 0n) parts.push(`cookie 0x${rule.cookie.toString(16)}`);
  return `${label}. ${parts.join(", ")}`;
}

/** "priority=50,ip,nw_src=10.0.0.0/24": a flow that gave a clause of a conjunctive match. */
export function conjunctiveText(ctx: Context, rule: Rule): string {
  const match = formatMatch(rule.wire, namesFor(ctx));
  return `priority=${rule.priority}${match === "" ? "" : `,${match}`}`;
}

/** A packet's flow as ovs prints flows: every field that such a packet has. `tlv` is its bridge's. */
export function flowText(key: Int32Array, tlv: TlvMap, names: Names = NO_NAMES): string {
  const text = withInnerLabels(formatWholeFlow(wholeFlow(key, tlv), names), key, undefined);
  if (key[WORD.vlan_tci] === 0) return text;
  // The inner header is no OpenFlow field, but part of a flow.
  const inner = key[WORD.vlan_tci1] as number;
  const shown =
    (inner & VLAN_CFI) === 0
      ? `vlan_tci1=0x${inner.toString(16).padStart(4, "0")}`
      : `dl_vlan1=${inner & 0xfff},dl_vlan_pcp1=${(inner >>> 13) & 7}`;
  return text.replace(/(dl_vlan=\d+,dl_vlan_pcp=\d|vlan_tci=0x[0-9a-f]{4})/, `$1,${shown}`);
}

/** Adds the second and the third label of a stack, which are no OpenFlow fields, to a text that ends with the first's. */
function withInnerLabels(text: string, key: Int32Array, masks: Int32Array | undefined): string {
  if (!isMpls(key)) return text;
  let shown = "";
  for (const [name, word] of INNER_LABELS) {
    const mask = masks === undefined ? -1 : (masks[word] as number);
    const value = (key[word] as number) >>> 0;
    if (mask === -1) shown += `,${name}=${value}`;
    else if (mask !== 0) shown += `,${name}=0x${hex8(value & mask)}/0x${hex8(mask)}`;
    if (masks === undefined && (value & MPLS_BOS) !== 0) break;
  }
  if (masks === undefined && ((key[WORD.mpls_lse] as number) & MPLS_BOS) !== 0) shown = "";
  return text.replace(/mpls_\w+=[^,]*(?!.*mpls_\w+=)/, (last) => last + shown);
}

const MPLS_BOS = 0x100;
const INNER_LABELS = [
  ["mpls_lse1", WORD.mpls_lse1],
  ["mpls_lse2", WORD.mpls_lse2],
] as const;
const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
const isMpls = (key: Int32Array): boolean => key[WORD.eth_type] === ETH_MPLS || key[WORD.eth_type] === ETH_MPLSM;

/** The match that stands for exactly this packet: fields that it has are exact; registers and metadata only where they are not zero. */
function wholeFlow(key: Int32Array, tlv: TlvMap): Match {
  const b = new MatchBuilder();
  const exact = (word: number, words = 1, mask = -1): void => {
    for (let w = word; w < word + words; w++) b.setWord(w, key[w] as number, mask);
  };
  const ifSet = (word: number, words: number): void => {
    for (let w = word; w < word + words; w++) {
      if (key[w] !== 0) {
        exact(word, words);
        return;
      }
    }
  };
  if (isTunnelled(key)) {
    if (((key[WORD.tun_flags] as number) & TUN_KEY) !== 0) exact(WORD.tun_id, 2);
    exact(WORD.tun_src);
    exact(WORD.tun_dst);
    exact(WORD.tun_ipv6_src, 4);
    exact(WORD.tun_ipv6_dst, 4);
    exact(WORD.tun_flags, 1, 0xf);
    exact(WORD.tun_tos, 1, 0xff);
    exact(WORD.tun_ttl, 1, 0xff);
    exact(WORD.tun_gbp_id, 1, 0xffff);
    exact(WORD.tun_gbp_flags, 1, 0xff);
    exact(WORD.tun_erspan_ver, 1, 0xf);
    exact(WORD.tun_erspan_idx, 1, 0xfffff);
    exact(WORD.tun_erspan_dir, 1, 1);
    exact(WORD.tun_erspan_hwid, 1, 0x3f);
    exact(WORD.tun_gtpu_flags, 1, 0xff);
    exact(WORD.tun_gtpu_msgtype, 1, 0xff);
    for (const { index } of tlv.mappings) {
      const place = tlv.place(index);
      if (place !== undefined && optionPresent(key, index))
        b.set(`tun_metadata${index}`, wideValue(key, place.word, place.words));
    }
  } else ifSet(WORD.tun_id, 2);
  ifSet(WORD.metadata, 2);
  for (let r = 0; r < 32; r++) ifSet(WORD.reg + r, 1);
  ifSet(WORD.pkt_mark, 1);
  ifSet(WORD.skb_priority, 1);
  ifSet(WORD.recirc_id, 1);
  ifSet(WORD.dp_hash, 1);
  ifSet(WORD.conj_id, 1);
  ifSet(WORD.ct_state, 1);
  ifSet(WORD.ct_zone, 1);
  ifSet(WORD.ct_mark, 1);
  ifSet(WORD.ct_label, 4);
  if (key[WORD.ct_nw_proto] !== 0) connectionFields(key, exact);
  if (key[WORD.recirc_id] !== 0 || key[WORD.ct_state] !== 0) exact(WORD.packet_type);
  exact(WORD.in_port);
  packetFields(key, exact);
  return b.build();
}

/** The original tuple of a connection. */
function connectionFields(key: Int32Array, exact: (word: number, words?: number, mask?: number) => void): void {
  if (key[WORD.eth_type] === ETH_IPV6) {
    exact(WORD.ct_ipv6_src, 4);
    exact(WORD.ct_ipv6_dst, 4);
  } else {
    exact(WORD.ct_nw_src);
    exact(WORD.ct_nw_dst);
  }
  exact(WORD.ct_nw_proto, 1, 0xff);
  exact(WORD.ct_tp_src, 1, 0xffff);
  exact(WORD.ct_tp_dst, 1, 0xffff);
}

const tunnelV6 = (key: Int32Array): boolean => {
  for (let w = WORD.tun_ipv6_src; w < WORD.tun_ipv6_dst + 4; w++) if (key[w] !== 0) return true;
  return false;
};
export const isTunnelled = (key: Int32Array): boolean => key[WORD.tun_dst] !== 0 || tunnelV6(key);

const optionPresent = (key: Int32Array, index: number): boolean =>
  ((key[WORD.tun_metadata_present + (index >> 5)] as number) & (1 << (index & 31))) !== 0;

/** Some words of a key as one number. */
function wideValue(key: Int32Array, word: number, words: number): bigint {
  let value = 0n;
  for (let w = word; w < word + words; w++) value = (value << 32n) | BigInt((key[w] as number) >>> 0);
  return value;
}

/** Calls `exact` for the words of the fields that a packet with this key has. */
export function packetFields(key: Int32Array, exact: (word: number, words?: number, mask?: number) => void): void {
  exact(WORD.eth_dst, 1, 0xffff);
  exact(WORD.eth_dst + 1);
  exact(WORD.eth_src, 1, 0xffff);
  exact(WORD.eth_src + 1);
  exact(WORD.eth_type, 1, 0xffff);
  exact(WORD.vlan_tci, 1, 0xffff);
  const type = key[WORD.eth_type];
  if (type === ETH_IP || type === ETH_IPV6) {
    if (type === ETH_IP) {
      exact(WORD.nw_src);
      exact(WORD.nw_dst);
    } else {
      exact(WORD.ipv6_src, 4);
      exact(WORD.ipv6_dst, 4);
      exact(WORD.ipv6_label, 1, 0xfffff);
    }
    exact(WORD.nw_proto, 1, 0xff);
    exact(WORD.nw_tos, 1, 0xff);
    exact(WORD.nw_ttl, 1, 0xff);
    exact(WORD.nw_frag, 1, 3);
    if (((key[WORD.nw_frag] as number) & 2) !== 0) return;
    const protocol = key[WORD.nw_proto];
    if (protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP) {
      exact(WORD.tp_src, 1, 0xffff);
      exact(WORD.tp_dst, 1, 0xffff);
      if (protocol === IP_TCP) exact(WORD.tcp_flags, 1, 0xfff);
    } else if (
      (type === ETH_IP && (protocol === IP_ICMP || protocol === IP_IGMP)) ||
      (type === ETH_IPV6 && protocol === IP_ICMPV6)
    ) {
      exact(WORD.tp_src, 1, 0xff);
      exact(WORD.tp_dst, 1, 0xff);
      const kind = key[WORD.tp_src];
      if (type === ETH_IPV6 && key[WORD.tp_dst] === 0 && (kind === 135 || kind === 136)) {
        exact(WORD.nd_target, 4);
        for (const lla of [WORD.arp_sha, WORD.arp_tha]) {
          exact(lla, 1, 0xffff);
          exact(lla + 1);
        }
        if (key[WORD.nd_reserved] !== 0) exact(WORD.nd_reserved);
        if (key[WORD.nd_options_type] !== 0) exact(WORD.nd_options_type, 1, 0xff);
      }
    }
  } else if (type === ETH_ARP || type === ETH_RARP) {
    exact(WORD.nw_src);
    exact(WORD.nw_dst);
    exact(WORD.nw_proto, 1, 0xffff);
    exact(WORD.arp_sha, 1, 0xffff);
    exact(WORD.arp_sha + 1);
    exact(WORD.arp_tha, 1, 0xffff);
    exact(WORD.arp_tha + 1);
  } else if (type === ETH_MPLS || type === ETH_MPLSM) {
    for (let i = 0; i < 3; i++) {
      exact(WORD.mpls_lse + i);
      if (((key[WORD.mpls_lse + i] as number) & 0x100) !== 0) break;
    }
  }
}

/** A megaflow's text. `tlv` is the bridge's that the packet came to. */
export function megaflowText(key: Int32Array, masks: Int32Array, tlv: TlvMap, names: Names): string {
  // These fields are narrower than the place that they have in a key, so that their masks never are all ones.
  return withInnerLabels(formatMatch(maskedMatch(key, masks, tlv), names), key, masks)
    .replace(
      /(icmp_(?:type|code))=(\d+)(?![x\d])/g,
      (_, name: string, value: string) => `${name}=0x${Number(value).toString(16)}/0xff`,
    )
    .replace(/(ipv6_label=0x[0-9a-f]+)(?!\/)\b/, "$1/0xfffff");
}

/** A match of these bits of a key. */
function maskedMatch(key: Int32Array, given: Int32Array, tlv: TlvMap): Match {
  const masks = given.slice();
  // Whether there is a VLAN header goes with the Ethernet type, without being told.
  for (const word of [WORD.vlan_tci, WORD.vlan_tci1]) {
    if (key[word] === 0) masks[word] = 0;
    else if (((key[word] as number) & VLAN_CFI) === 0 && masks[word] !== 0) masks[word] = 0xffff;
  }
  masks[WORD.vlan_tpid] = 0;
  masks[WORD.vlan_tci1] = 0;
  masks[WORD.vlan_tpid1] = 0;
  const b = new MatchBuilder();
  masks.fill(0, WORD.tun_metadata);
  for (let w = 0; w < FLOW_WORDS; w++) if (masks[w] !== 0) b.setWord(w, key[w] as number, masks[w] as number);
  for (const { index } of tlv.mappings) {
    const place = tlv.place(index);
    if (place === undefined || !optionPresent(key, index)) continue;
    const mask = wideValue(given, place.word, place.words);
    if (mask !== 0n) b.set(`tun_metadata${index}`, wideValue(key, place.word, place.words) & mask, mask);
  }
  const type = key[WORD.eth_type];
  // arp_op is a field of 16 bits, of which a key holds 8.
  if ((type === ETH_ARP || type === ETH_RARP) && masks[WORD.nw_proto] === 0xff)
    b.setWord(WORD.nw_proto, key[WORD.nw_proto] as number, 0xffff);
  return b.build();
}
