/** What must be matched for a field to be applicable (ovs-fields(7), "Prerequisites"). */
import { WeftError } from "@weft/runtime";
import { WORD } from "../field/layout.ts";
import type { Field, Prerequisite } from "../field/types.ts";
import type { MatchBuilder } from "./builder.ts";

export const ETH_TYPE = {
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  qinq: 0x88a8,
  ipv6: 0x86dd,
  mpls: 0x8847,
  mplsm: 0x8848,
  nsh: 0x894f,
} as const;
export const IP_PROTO = { icmp: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

/** A match or a builder. */
export interface Words {
  wordValue(offset: number): number;
  wordMask(offset: number): number;
}

/**
 * The Ethernet type that is matched exactly: from eth_type, or from packet_type (1, type) for packets without an
 * Ethernet header. Undefined: none.
 */
export function etherTypeOf(words: Words): number | undefined {
  if (words.wordMask(WORD.packet_type) === -1) {
    const type = words.wordValue(WORD.packet_type) >>> 0;
    if (type >>> 16 === 1) return type & 0xffff;
    if (type !== 0) return undefined;
  }
  return (words.wordMask(WORD.eth_type) & 0xffff) === 0xffff ? words.wordValue(WORD.eth_type) & 0xffff : undefined;
}

/** The IP protocol that is matched exactly. */
export function ipProtoOf(words: Words): number | undefined {
  return (words.wordMask(WORD.nw_proto) & 0xff) === 0xff ? words.wordValue(WORD.nw_proto) & 0xff : undefined;
}

function isEthernet(words: Words): boolean {
  return words.wordMask(WORD.packet_type) === 0 || words.wordValue(WORD.packet_type) === 0;
}

/** nw_frag does not select later fragments, which have no transport header. */
function notLaterFragment(words: Words): boolean {
  return (words.wordMask(WORD.nw_frag) & words.wordValue(WORD.nw_frag) & 2) === 0;
}

function exactByte(words: Words, offset: number, value: number): boolean {
  return (words.wordMask(offset) & 0xff) === 0xff && (words.wordValue(offset) & 0xff) === value;
}

/** The ICMP code of neighbour discovery is 0; a match need not ask for it. */
function noOtherCode(words: Words): boolean {
  return (words.wordValue(WORD.tp_dst) & 0xff) === 0;
}

/** Whether everything that `prerequisite` asks for is matched. */
export function meets(words: Words, prerequisite: Prerequisite): boolean {
  // These are most fields; the Ethernet type takes some looking for.
  if (prerequisite === "none") return true;
  if (prerequisite === "ethernet") return isEthernet(words);
  const type = etherTypeOf(words);
  const isIp = type === ETH_TYPE.ip || type === ETH_TYPE.ipv6;
  switch (prerequisite) {
    case "vlan-vid":
      return isEthernet(words) && (words.wordMask(WORD.vlan_tci) & words.wordValue(WORD.vlan_tci) & 0x1000) !== 0;
    case "arp":
      return type === ETH_TYPE.arp || type === ETH_TYPE.rarp;
    case "ipv4":
      return type === ETH_TYPE.ip;
    case "ipv6":
      return type === ETH_TYPE.ipv6;
    case "ip":
      return isIp;
    case "mpls":
      return type === ETH_TYPE.mpls || type === ETH_TYPE.mplsm;
    case "nsh":
      return type === ETH_TYPE.nsh;
    case "ct": {
      // A valid state: new, established, related (or translated), or tracked and known not to be invalid.
      const mask = words.wordMask(WORD.ct_state);
      const set = mask & words.wordValue(WORD.ct_state);
      return (set & 0x07) !== 0 || ((set & 0x20) !== 0 && (mask & 0x10) !== 0 && (set & 0x10) === 0);
    }
    case "tcp":
      return isIp && ipProtoOf(words) === IP_PROTO.tcp && notLaterFragment(words);
    case "udp":
      return isIp && ipProtoOf(words) === IP_PROTO.udp && notLaterFragment(words);
    case "sctp":
      return isIp && ipProtoOf(words) === IP_PROTO.sctp && notLaterFragment(words);
    case "icmpv4":
      return type === ETH_TYPE.ip && ipProtoOf(words) === IP_PROTO.icmp && notLaterFragment(words);
    case "icmpv6":
      return type === ETH_TYPE.ipv6 && ipProtoOf(words) === IP_PROTO.icmpv6 && notLaterFragment(words);
    case "nd":
      return meets(words, "nd-solicit") || meets(words, "nd-advert");
    case "nd-solicit":
      return meets(words, "icmpv6") && exactByte(words, WORD.tp_src, 135) && noOtherCode(words);
    case "nd-advert":
      return meets(words, "icmpv6") && exactByte(words, WORD.tp_src, 136) && noOtherCode(words);
  }
}

/** Whether `field` is applicable to the packets of the match. */
export function applicable(words: Words, field: Field): boolean {
  return meets(words, field.prerequisite);
}

/**
 * Adds what `field` asks for. Throws a WeftError "openflow.bad-prerequisite" when the match contradicts it, or when the
 * choice is not the field's (IPv4 or IPv6, neighbour solicitation or advertisement) and the match has not made it.
 */
export function addPrerequisites(builder: MatchBuilder, field: Field): void {
  if (applicable(builder, field)) return;
  const ethType = (value: number) => {
    if (etherTypeOf(builder) === undefined) builder.setWord(WORD.eth_type, value, 0xffff);
  };
  const proto = (value: number) => {
    if (ipProtoOf(builder) === undefined) builder.setWord(WORD.nw_proto, value, 0xff);
  };
  switch (field.prerequisite) {
    case "vlan-vid":
      builder.setWord(WORD.vlan_tci, 0x1000, 0x1000);
      break;
    case "arp":
      ethType(ETH_TYPE.arp);
      break;
    case "ipv4":
      ethType(ETH_TYPE.ip);
      break;
    case "ipv6":
      ethType(ETH_TYPE.ipv6);
      break;
    case "mpls":
      ethType(ETH_TYPE.mpls);
      break;
    case "nsh":
      ethType(ETH_TYPE.nsh);
      break;
    case "ct":
      builder.setWord(WORD.ct_state, 0x20, 0x30);
      break;
    case "tcp":
    case "udp":
    case "sctp":
      proto(IP_PROTO[field.prerequisite]);
      break;
    case "icmpv4":
      ethType(ETH_TYPE.ip);
      proto(IP_PROTO.icmp);
      break;
    case "icmpv6":
    case "nd":
    case "nd-solicit":
    case "nd-advert":
      ethType(ETH_TYPE.ipv6);
      proto(IP_PROTO.icmpv6);
      if (field.prerequisite === "nd-solicit" || field.prerequisite === "nd-advert") {
        builder.setWord(WORD.tp_src, field.prerequisite === "nd-solicit" ? 135 : 136, 0xff);
        builder.setWord(WORD.tp_dst, 0, 0xff);
      }
      break;
  }
  if (!applicable(builder, field))
    throw new WeftError("openflow.bad-prerequisite", `the match does not meet the prerequisites of ${field.name}`, {
      blame: "caller",
      place: { text: field.name },
    });
}
