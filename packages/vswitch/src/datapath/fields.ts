/**
 * The datapath's view of a flow key: the groups in which its fields are printed, parsed and set, as in
 * `recirc_id(0),in_port(1),eth(src=...,dst=...),ipv4(...)` (ovs-dpctl(8)). One table serves the printer of cached flows, the
 * parser of flows given to ofproto/trace and netdev-dummy/receive, and the printer of set actions.
 */
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv6,
  ipv4Of,
  ipv6Of,
  type Mac,
  macOf,
  parseIpv4,
  parseIpv6,
  parseMac,
} from "@weft/packet";
import { WORD } from "../flow/key.ts";

export type DpFormat = "mac" | "ipv4" | "ipv6" | "dec" | "hex" | "frag" | "tcp-flags";

export interface DpField {
  readonly name: string;
  readonly word: number;
  readonly words: number;
  /** Bits of the value when it is a part of one word, and how far up they are. */
  readonly bits: number;
  readonly shift: number;
  readonly format: DpFormat;
}

const f = (name: string, word: number, format: DpFormat, bits: number, shift = 0): DpField => ({
  name,
  word,
  words: Math.ceil(bits / 32),
  bits,
  shift,
  format,
});

export type DpGroupName = "eth" | "mpls" | "ipv4" | "ipv6" | "arp" | "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" | "nd" | "nd_ext";

export const DP_GROUPS: Readonly<Record<DpGroupName, readonly DpField[]>> = {
  eth: [f("src", WORD.eth_src, "mac", 48), f("dst", WORD.eth_dst, "mac", 48)],
  mpls: [
    f("label", WORD.mpls_lse, "dec", 20, 12),
    f("tc", WORD.mpls_lse, "dec", 3, 9),
    f("ttl", WORD.mpls_lse, "dec", 8),
    f("bos", WORD.mpls_lse, "dec", 1, 8),
  ],
  ipv4: [
    f("src", WORD.nw_src, "ipv4", 32),
    f("dst", WORD.nw_dst, "ipv4", 32),
    f("proto", WORD.nw_proto, "dec", 8),
    f("tos", WORD.nw_tos, "hex", 8),
    f("ttl", WORD.nw_ttl, "dec", 8),
    f("frag", WORD.nw_frag, "frag", 8),
  ],
  ipv6: [
    f("src", WORD.ipv6_src, "ipv6", 128),
    f("dst", WORD.ipv6_dst, "ipv6", 128),
    f("label", WORD.ipv6_label, "hex", 20),
    f("proto", WORD.nw_proto, "dec", 8),
    f("tclass", WORD.nw_tos, "hex", 8),
    f("hlimit", WORD.nw_ttl, "dec", 8),
    f("frag", WORD.nw_frag, "frag", 8),
  ],
  arp: [
    f("sip", WORD.nw_src, "ipv4", 32),
    f("tip", WORD.nw_dst, "ipv4", 32),
    f("op", WORD.nw_proto, "dec", 8),
    f("sha", WORD.arp_sha, "mac", 48),
    f("tha", WORD.arp_tha, "mac", 48),
  ],
  tcp: [f("src", WORD.tp_src, "dec", 16), f("dst", WORD.tp_dst, "dec", 16)],
  udp: [f("src", WORD.tp_src, "dec", 16), f("dst", WORD.tp_dst, "dec", 16)],
  sctp: [f("src", WORD.tp_src, "dec", 16), f("dst", WORD.tp_dst, "dec", 16)],
  icmp: [f("type", WORD.tp_src, "dec", 8), f("code", WORD.tp_dst, "dec", 8)],
  icmpv6: [f("type", WORD.tp_src, "dec", 8), f("code", WORD.tp_dst, "dec", 8)],
  nd: [f("target", WORD.nd_target, "ipv6", 128), f("sll", WORD.arp_sha, "mac", 48), f("tll", WORD.arp_tha, "mac", 48)],
  nd_ext: [f("nd_reserved", WORD.nd_reserved, "hex", 32), f("nd_options_type", WORD.nd_options_type, "dec", 8)],
};

const CT_PORTS: readonly DpField[] = [
  f("proto", WORD.ct_nw_proto, "dec", 8),
  f("tp_src", WORD.ct_tp_src, "dec", 16),
  f("tp_dst", WORD.ct_tp_dst, "dec", 16),
];
/** The original tuple of a packet's connection: matched, never set. */
export const CT_TUPLES: Readonly<Record<"ct_tuple4" | "ct_tuple6", readonly DpField[]>> = {
  ct_tuple4: [f("src", WORD.ct_nw_src, "ipv4", 32), f("dst", WORD.ct_nw_dst, "ipv4", 32), ...CT_PORTS],
  ct_tuple6: [f("src", WORD.ct_ipv6_src, "ipv6", 128), f("dst", WORD.ct_ipv6_dst, "ipv6", 128), ...CT_PORTS],
};

/** A 48-bit number of two words. */
export function macAt(words: ArrayLike<number>, at: number): Mac {
  return macOf(((words[at] as number) & 0xffff) * 2 ** 32 + ((words[at + 1] as number) >>> 0));
}

export function ipv6At(words: ArrayLike<number>, at: number): Ipv6 {
  let value = 0n;
  for (let i = 0; i < 4; i++) value = (value << 32n) | BigInt((words[at + i] as number) >>> 0);
  return ipv6Of(value);
}

export function putMac(words: Int32Array, at: number, mac: number): void {
  words[at] = Math.floor(mac / 2 ** 32);
  words[at + 1] = mac | 0;
}

export function putIpv6(words: Int32Array, at: number, ip: bigint): void {
  for (let i = 3, rest = ip; i >= 0; i--, rest >>= 32n) words[at + i] = Number(BigInt.asIntN(32, rest));
}

const fieldBits = (field: DpField): number => (field.bits >= 32 ? -1 : ((1 << field.bits) - 1) << field.shift);

/** A field's words are all ones or zeros in a mask, or something between. */
export function maskOf(masks: ArrayLike<number>, field: DpField): "none" | "some" | "all" {
  if (field.words === 1) {
    const bits = fieldBits(field);
    const mask = (masks[field.word] as number) & bits;
    return mask === 0 ? "none" : mask === bits ? "all" : "some";
  }
  let any = false;
  let all = true;
  for (let i = 0; i < field.words; i++) {
    const mask = masks[field.word + i] as number;
    const full = field.format === "mac" && i === 0 ? 0xffff : -1;
    if ((mask & full) !== 0) any = true;
    if ((mask & full) !== full) all = false;
  }
  return all ? "all" : any ? "some" : "none";
}

const FRAG_NAMES = ["no", "first", "error", "later"];

function valueText(words: ArrayLike<number>, field: DpField, isMask: boolean): string {
  if (field.format === "mac") return formatMac(macAt(words, field.word));
  if (field.format === "ipv6") return formatIpv6(ipv6At(words, field.word));
  const value = (((words[field.word] as number) & fieldBits(field)) >>> field.shift) >>> 0;
  switch (field.format) {
    case "ipv4":
      return formatIpv4(ipv4Of(value));
    case "frag":
      return isMask ? `0x${value.toString(16)}` : (FRAG_NAMES[value & 3] as string);
    case "dec":
      return isMask ? `0x${value.toString(16)}` : String(value);
    default:
      return value === 0 ? "0" : `0x${value.toString(16)}`;
  }
}

/** "ipv4(src=10.0.0.1,tos=0/0x3)": the fields that `masks` looks at; with `verbose` all of them. "" for nothing. */
export function formatGroup(group: DpGroupName, values: ArrayLike<number>, masks: ArrayLike<number>, verbose = false): string {
  return formatFields(group, DP_GROUPS[group], values, masks, verbose);
}

export function formatFields(
  name: string,
  fields: readonly DpField[],
  values: ArrayLike<number>,
  masks: ArrayLike<number>,
  verbose: boolean,
): string {
  const parts: string[] = [];
  for (const field of fields) {
    const mask = maskOf(masks, field);
    if (mask === "none" && !verbose) continue;
    const value = valueText(values, field, false);
    if (field.format === "frag") parts.push(`${field.name}=${value}`);
    else if (mask === "all") parts.push(`${field.name}=${value}`);
    else if (mask === "none" && (field.format === "dec" || field.format === "hex")) parts.push(`${field.name}=${value}/0`);
    else parts.push(`${field.name}=${value}/${valueText(masks, field, true)}`);
  }
  return parts.length === 0 ? "" : `${name}(${parts.join(",")})`;
}

/** Parses one value into `words`; false when it is malformed. */
export function parseDpValue(text: string, field: DpField, words: Int32Array): boolean {
  if (field.format === "mac") {
    const mac = parseMac(text);
    if (mac === undefined) return false;
    putMac(words, field.word, mac);
    return true;
  }
  if (field.format === "ipv6") {
    const ip = parseIpv6(text);
    if (ip === undefined) return false;
    putIpv6(words, field.word, ip);
    return true;
  }
  let value: number;
  if (field.format === "ipv4") {
    const ip = parseIpv4(text);
    if (ip === undefined) return false;
    value = ip;
  } else if (field.format === "frag" && FRAG_NAMES.includes(text)) value = FRAG_NAMES.indexOf(text);
  else if (/^(0x[0-9a-f]+|\d+)$/i.test(text)) value = Number(text);
  else return false;
  const bits = fieldBits(field);
  if (value >= 2 ** field.bits) return false;
  words[field.word] = ((words[field.word] as number) & ~bits) | (value << field.shift);
  return true;
}
