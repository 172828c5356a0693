/** Matches as ovs-ofctl writes and reads them. */

import { TUN_METADATA_FIELDS, WORD } from "../field/layout.ts";
import { fieldByOvsName } from "../field/lookup.ts";
import { FIELDS } from "../field/table.ts";
import type { Field } from "../field/types.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { Match } from "../match/match.ts";
import { applicable, ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf } from "../match/prerequisites.ts";
import { ALL_TUNNEL_FLAGS, CT_STATES, formatBitMatch, TCP_FLAGS } from "./bits.ts";
import { TextError } from "./error.ts";
import { formatPort, type Names, NO_NAMES } from "./names.ts";
import { items } from "./scan.ts";
import {
  formatFrag,
  formatIpv4Masked,
  formatIpv6Masked,
  formatMacNumber,
  formatPacketType,
  hex,
  parseFieldValue,
} from "./value.ts";

/** Shorthands: Ethernet type and IP protocol. */
const PROTOCOLS: ReadonlyMap<string, readonly [number, number | undefined]> = new Map([
  ["ip", [ETH_TYPE.ip, undefined]],
  ["ipv4", [ETH_TYPE.ip, undefined]],
  ["ip4", [ETH_TYPE.ip, undefined]],
  ["arp", [ETH_TYPE.arp, undefined]],
  ["icmp", [ETH_TYPE.ip, IP_PROTO.icmp]],
  ["tcp", [ETH_TYPE.ip, IP_PROTO.tcp]],
  ["udp", [ETH_TYPE.ip, IP_PROTO.udp]],
  ["sctp", [ETH_TYPE.ip, IP_PROTO.sctp]],
  ["ipv6", [ETH_TYPE.ipv6, undefined]],
  ["ip6", [ETH_TYPE.ipv6, undefined]],
  ["icmp6", [ETH_TYPE.ipv6, IP_PROTO.icmpv6]],
  ["tcp6", [ETH_TYPE.ipv6, IP_PROTO.tcp]],
  ["udp6", [ETH_TYPE.ipv6, IP_PROTO.udp]],
  ["sctp6", [ETH_TYPE.ipv6, IP_PROTO.sctp]],
  ["rarp", [ETH_TYPE.rarp, undefined]],
  ["mpls", [ETH_TYPE.mpls, undefined]],
  ["mplsm", [ETH_TYPE.mplsm, undefined]],
]);

/** Takes a protocol shorthand; false when `key` is none. */
export function setProtocol(builder: MatchBuilder, key: string): boolean {
  if (key === "eth") {
    builder.setWord(WORD.packet_type, 0, -1);
    return true;
  }
  const found = protocolNamed(key);
  if (found === undefined) return false;
  builder.setWord(WORD.eth_type, found.ethType, 0xffff);
  if (found.ipProto !== undefined) builder.setWord(WORD.nw_proto, found.ipProto, 0xff);
  return true;
}

/** What a protocol shorthand ("tcp6") stands for; undefined when `key` is none. */
export function protocolNamed(key: string): { readonly ethType: number; readonly ipProto: number | undefined } | undefined {
  const found = PROTOCOLS.get(key);
  return found === undefined ? undefined : { ethType: found[0], ipProto: found[1] };
}

/** Fields whose exact match looks, in Open vSwitch, only at the bits that are set in the value. */
const MASK_IS_VALUE = new Set(["tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype"]);

/** Takes `field=text` into the builder. Throws a TextError. */
export function setFieldText(builder: MatchBuilder, field: Field, text: string, names: Names = NO_NAMES): void {
  const { value, mask } = parseFieldValue(field, text, names);
  if (field.metadataIndex !== undefined) builder.setWord(...presence(field.metadataIndex));
  if (mask === 0n) return;
  if (mask !== undefined && !field.maskable && mask !== fullMask(field))
    throw new TextError(`${text}: invalid mask for field ${field.name}`, text);
  if (field.name === "vlan_tci") builder.setWord(WORD.vlan_tci, Number(value), Number(mask ?? 0xffffn));
  else if (field.name === "vlan_vid") {
    const v = Number(value) & 0x1fff;
    if (mask === undefined) builder.setWord(WORD.vlan_tci, v, 0x1fff);
    else builder.setWord(WORD.vlan_tci, v, Number(mask) & 0x1fff);
  } else if (field.name === "dl_vlan" && value !== 0xffffn) builder.set(field, value & 0xfffn);
  else if (MASK_IS_VALUE.has(field.name) && mask === undefined) builder.set(field, value, value);
  else builder.set(field, field.words === 1 && field.name !== "dl_vlan" ? value & fullMask(field) : value, mask);
}

function fullMask(field: Field): bigint {
  return (1n << BigInt(field.bits)) - 1n;
}

/** The word and bit that say that tun_metadata-n is there. */
function presence(index: number): [number, number, number] {
  const bit = 1 << (index & 31);
  return [WORD.tun_metadata_present + (index >> 5), bit, bit];
}

/** Parses a match alone, e.g. "tcp,nw_src=10.0.0.0/8". Throws a TextError. */
export function parseMatch(text: string, names: Names = NO_NAMES): Match {
  const builder = new MatchBuilder();
  for (const { key, value, delimiter } of items(text)) {
    if (delimiter === "" && setProtocol(builder, key)) continue;
    const field = fieldByOvsName(key);
    if (field === undefined)
      throw new TextError(delimiter === "" ? `field ${key} missing value` : `unknown keyword ${key}`, text);
    setFieldText(builder, field, delimiter === "" ? "*" : value, names);
  }
  return builder.build();
}

const F = Object.fromEntries(FIELDS.map((field) => [field.name, field]));
const METADATA_FIELDS = Array.from({ length: TUN_METADATA_FIELDS }, (_, i) => F[`tun_metadata${i}`]!);

/** How a match's part prints: name=value; the value by style, with the mask where it is not exact. */
class Printer {
  readonly match: Match;
  readonly names: Names;
  text = "";

  constructor(match: Match, names: Names) {
    this.match = match;
    this.names = names;
  }

  put(text: string): void {
    this.text += this.text === "" ? text : `,${text}`;
  }

  /** Hexadecimal as %#x: zero is "0". */
  hex(field: Field, label = field.name): void {
    const m = this.match.get(field);
    if (m !== undefined) this.put(`${label}=${hex(m.value)}${m.mask === fullMask(field) ? "" : `/${hex(m.mask)}`}`);
  }

  /** Decimal when exact, hex with a mask. */
  decimal(field: Field, label = field.name): void {
    const m = this.match.get(field);
    if (m === undefined) return;
    this.put(m.mask === fullMask(field) ? `${label}=${m.value}` : `${label}=0x${m.value.toString(16)}/0x${m.mask.toString(16)}`);
  }

  mac(field: Field, label = field.name): void {
    const m = this.match.get(field);
    if (m === undefined) return;
    this.put(`${label}=${formatMacNumber(m.value)}${m.mask === fullMask(field) ? "" : `/${formatMacNumber(m.mask)}`}`);
  }

  ipv4(field: Field, label = field.name): void {
    const m = this.match.get(field);
    if (m !== undefined) this.put(`${label}=${formatIpv4Masked(m.value, m.mask)}`);
  }

  ipv6(field: Field, label = field.name): void {
    const m = this.match.get(field);
    if (m !== undefined) this.put(`${label}=${formatIpv6Masked(m.value, m.mask)}`);
  }
}

/** What the match says of protocols, and which later parts are said by it. */
interface Protocol {
  readonly skipType: boolean;
  readonly skipProto: boolean;
}

function formatProtocol(out: Printer): Protocol {
  const { match } = out;
  const typeMask = match.wordMask(WORD.packet_type);
  let isEthernet = true;
  if (typeMask !== 0) {
    const value = match.wordValue(WORD.packet_type);
    if (value === 0) {
      if (match.wordMask(WORD.recirc_id) !== 0) out.put("eth");
    } else {
      isEthernet = false;
      out.put(`packet_type=${formatPacketType(value >>> 0)}`);
    }
  } else if (match.wordMask(WORD.recirc_id) !== 0) out.put("eth");
  if (!isEthernet || (match.wordMask(WORD.eth_type) & 0xffff) === 0) return { skipType: !isEthernet, skipProto: false };
  const type = etherTypeOf(match);
  const proto = ipProtoOf(match);
  if (type === ETH_TYPE.ip || type === ETH_TYPE.ipv6) {
    const six = type === ETH_TYPE.ipv6;
    const name =
      proto === undefined
        ? undefined
        : proto === (six ? IP_PROTO.icmpv6 : IP_PROTO.icmp)
          ? six
            ? "icmp6"
            : "icmp"
          : proto === IP_PROTO.tcp
            ? six
              ? "tcp6"
              : "tcp"
            : proto === IP_PROTO.udp
              ? six
                ? "udp6"
                : "udp"
              : proto === IP_PROTO.sctp
                ? six
                  ? "sctp6"
                  : "sctp"
                : undefined;
    out.put(name ?? (six ? "ipv6" : "ip"));
    return { skipType: true, skipProto: name !== undefined };
  }
  const simple =
    type === ETH_TYPE.arp
      ? "arp"
      : type === ETH_TYPE.rarp
        ? "rarp"
        : type === ETH_TYPE.mpls
          ? "mpls"
          : type === ETH_TYPE.mplsm
            ? "mplsm"
            : undefined;
  if (simple === undefined) return { skipType: false, skipProto: false };
  out.put(simple);
  return { skipType: true, skipProto: false };
}

function formatTunnel(out: Printer, whole: boolean): void {
  const { match } = out;
  out.hex(F.tun_id!);
  out.ipv4(F.tun_src!);
  out.ipv4(F.tun_dst!);
  out.ipv6(F.tun_ipv6_src!);
  out.ipv6(F.tun_ipv6_dst!);
  out.decimal(F.tun_gbp_id!);
  // From here to the options Open vSwitch prints values without their masks, some only when they are not zero.
  const gbp = match.get(F.tun_gbp_flags!);
  if (gbp !== undefined) out.put(`tun_gbp_flags=${hex(gbp.value)}`);
  out.decimal(F.tun_tos!);
  out.decimal(F.tun_ttl!);
  const of = (name: string) => match.get(F[name]!)?.value ?? 0n;
  const shown = (name: string) => (whole ? match.has(F[name]!) : of(name) !== 0n);
  const version = of("tun_erspan_ver");
  if (shown("tun_erspan_ver")) out.put(`tun_erspan_ver=${version}`);
  if (version === 1n && match.has(F.tun_erspan_idx!)) out.put(`tun_erspan_idx=${hex(of("tun_erspan_idx"))}`);
  if (version === 2n && shown("tun_erspan_dir")) out.put(`tun_erspan_dir=${of("tun_erspan_dir")}`);
  if (version === 2n && shown("tun_erspan_hwid")) out.put(`tun_erspan_hwid=${hex(of("tun_erspan_hwid"))}`);
  if (shown("tun_gtpu_flags")) out.put(`gtpu_flags=${hex(of("tun_gtpu_flags"))}`);
  if (shown("tun_gtpu_msgtype")) out.put(`gtpu_msgtype=${of("tun_gtpu_msgtype")}`);
  const flags = match.wordMask(WORD.tun_flags);
  if (flags !== 0) out.put(`tun_flags=${formatBitMatch(ALL_TUNNEL_FLAGS, match.wordValue(WORD.tun_flags), flags)}`);
  for (let i = 0; i < TUN_METADATA_FIELDS; i++) {
    const word = WORD.tun_metadata_present + (i >> 5);
    const bit = 1 << (i & 31);
    if ((match.wordMask(word) & bit) === 0) continue;
    if ((match.wordValue(word) & bit) === 0) {
      out.put(`tun_metadata${i}=NP`);
      continue;
    }
    const m = match.get(METADATA_FIELDS[i]!);
    if (m === undefined) out.put(`tun_metadata${i}`);
    else {
      // The width is not part of the match: a mask that is all ones up to some byte is exact.
      const exact = isByteMask(m.mask);
      out.put(`tun_metadata${i}=${exact ? hex(m.value) : `${hex(m.value)}/${hex(m.mask)}`}`);
    }
  }
}

/** All ones in some number of whole bytes, from the least significant on. */
export function isByteMask(mask: bigint): boolean {
  return (mask & (mask + 1n)) === 0n && mask.toString(2).length % 8 === 0;
}

function formatVlan(out: Printer): void {
  const mask = out.match.wordMask(WORD.vlan_tci) & 0xffff;
  if (mask === 0) return;
  const tci = out.match.wordValue(WORD.vlan_tci) & 0xffff;
  const vid = mask & 0xfff;
  const pcp = mask & 0xe000;
  const present = (mask & 0x1000) !== 0;
  if (present && (tci & 0x1000) !== 0 && (vid === 0xfff || vid === 0) && (pcp === 0xe000 || pcp === 0) && mask !== 0x1000) {
    if (vid !== 0) out.put(`dl_vlan=${tci & 0xfff}`);
    if (pcp !== 0) out.put(`dl_vlan_pcp=${tci >> 13}`);
    return;
  }
  const hex4 = (n: number) => `0x${n.toString(16).padStart(4, "0")}`;
  out.put(mask === 0xffff ? `vlan_tci=${hex4(tci)}` : `vlan_tci=${hex4(tci)}/${hex4(mask)}`);
}

function formatNetwork(out: Printer, skipType: boolean, skipProto: boolean): void {
  const { match } = out;
  const type = etherTypeOf(match);
  const isArp = type === ETH_TYPE.arp || type === ETH_TYPE.rarp;
  if (!skipType && (match.wordMask(WORD.eth_type) & 0xffff) !== 0)
    out.put(`dl_type=0x${(match.wordValue(WORD.eth_type) & 0xffff).toString(16).padStart(4, "0")}`);
  if (type === ETH_TYPE.ipv6) {
    out.ipv6(F.ipv6_src!);
    out.ipv6(F.ipv6_dst!);
    const label = match.get(F.ipv6_label!);
    if (label !== undefined) {
      const hex5 = (n: bigint) => `0x${n.toString(16).padStart(5, "0")}`;
      out.put(`ipv6_label=${hex5(label.value)}${label.mask === 0xfffffn ? "" : `/${hex5(label.mask)}`}`);
    }
  } else {
    out.ipv4(F.ip_src!, isArp ? "arp_spa" : "nw_src");
    out.ipv4(F.ip_dst!, isArp ? "arp_tpa" : "nw_dst");
  }
  if (isArp) {
    const op = match.get(F.arp_op!);
    if (op !== undefined) out.put(`arp_op=${op.value}`);
    out.mac(F.arp_sha!);
    out.mac(F.arp_tha!);
  } else if (!skipProto) {
    const proto = match.get(F.nw_proto!);
    if (proto !== undefined) out.put(`nw_proto=${proto.value}`);
  }
  formatNsh(out, type);
  const tosMask = match.wordMask(WORD.nw_tos);
  if ((tosMask & 0xfc) !== 0) out.put(`nw_tos=${match.wordValue(WORD.nw_tos) & 0xfc}`);
  if ((tosMask & 3) !== 0) out.put(`nw_ecn=${match.wordValue(WORD.nw_tos) & 3}`);
  out.decimal(F.nw_ttl!);
}

function formatNsh(out: Printer, type: number | undefined): void {
  if (type !== ETH_TYPE.nsh) return;
  const byte = (n: bigint) => `0x${n.toString(16).padStart(2, "0")}`;
  for (const name of ["nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np"]) {
    const m = out.match.get(F[name]!);
    if (m !== undefined) out.put(`${name}=${m.mask === 0xffn ? m.value : `${byte(m.value)}/${byte(m.mask)}`}`);
  }
  const spi = out.match.get(F.nsh_spi!);
  if (spi !== undefined) out.put(`nsh_spi=0x${spi.value.toString(16)}`);
  out.decimal(F.nsh_si!);
  for (const name of ["nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4"])
    if ((out.match.get(F[name]!)?.value ?? 0n) !== 0n) out.hex(F[name]!);
}

function formatTransport(out: Printer): void {
  const { match } = out;
  const type = etherTypeOf(match);
  const proto = ipProtoOf(match);
  for (const name of ["mpls_label", "mpls_tc", "mpls_ttl", "mpls_bos"]) out.decimal(F[name]!);
  const frag = match.get(F.ip_frag!);
  if (frag !== undefined) out.put(`nw_frag=${formatFrag(Number(frag.value), Number(frag.mask))}`);
  if (type === ETH_TYPE.ip && proto === IP_PROTO.icmp) {
    out.decimal(F.icmp_type!);
    out.decimal(F.icmp_code!);
  } else if (type === ETH_TYPE.ipv6 && proto === IP_PROTO.icmpv6) {
    out.decimal(F.icmp_type!);
    out.decimal(F.icmp_code!);
    out.ipv6(F.nd_target!);
    out.mac(F.nd_sll!);
    out.mac(F.nd_tll!);
    out.decimal(F.nd_reserved!);
    out.decimal(F.nd_options_type!);
  } else {
    out.decimal(F.tcp_src!, "tp_src");
    out.decimal(F.tcp_dst!, "tp_dst");
  }
  const flags = match.get(F.tcp_flags!);
  if (flags !== undefined) out.put(`tcp_flags=${formatBitMatch(TCP_FLAGS, Number(flags.value), Number(flags.mask))}`);
}

/** The match as ovs-ofctl prints it, without priority; "" for a match of everything. */
export const formatMatch = (match: Match, names: Names = NO_NAMES): string => format(match, names, false);

/** The match that stands for exactly one packet, as Open vSwitch prints flows: some fields are shown although they are zero. */
export const formatWholeFlow = (match: Match, names: Names = NO_NAMES): string => format(match, names, true);

function format(match: Match, names: Names, whole: boolean): string {
  if (match.size === 0) return "";
  const out = new Printer(match, names);
  out.hex(F.pkt_mark!);
  out.hex(F.recirc_id!);
  out.hex(F.dp_hash!);
  out.decimal(F.conj_id!);
  out.hex(F.skb_priority!);
  const actset = match.get(F.actset_output!);
  if (actset !== undefined) out.put(`actset_output=${formatPort(Number(actset.value), names)}`);
  const state = match.get(F.ct_state!);
  if (state !== undefined) {
    const value = Number(state.value);
    const mask = Number(state.mask);
    out.put(`ct_state=${formatBitMatch(CT_STATES, value, mask)}`);
  }
  out.decimal(F.ct_zone!);
  out.hex(F.ct_mark!);
  out.hex(F.ct_label!);
  out.ipv4(F.ct_nw_src!);
  out.ipv6(F.ct_ipv6_src!);
  out.ipv4(F.ct_nw_dst!);
  out.ipv6(F.ct_ipv6_dst!);
  out.decimal(F.ct_nw_proto!);
  out.decimal(F.ct_tp_src!);
  out.decimal(F.ct_tp_dst!);
  const { skipType, skipProto } = formatProtocol(out);
  for (let i = 0; i < 32; i++) if (match.wordMask(WORD.reg + i) !== 0) out.hex(F[`reg${i}`]!);
  formatTunnel(out, whole);
  out.hex(F.metadata!);
  const port = match.get(F.in_port!);
  if (port !== undefined) out.put(`in_port=${formatPort(Number(port.value), names)}`);
  formatVlan(out);
  out.mac(F.eth_src!, "dl_src");
  out.mac(F.eth_dst!, "dl_dst");
  formatNetwork(out, skipType, skipProto);
  formatTransport(out);
  return out.text;
}

/** Fields that a match of words stands for, given its protocols: e.g. the port words of a UDP match are udp_src. */
export function fieldsOf(match: Match): readonly Field[] {
  return FIELDS.filter((field) => !OVERLAYS.test(field.name) && match.has(field) && applicable(match, field));
}

const OVERLAYS = /^(xreg|xxreg|dl_vlan|in_port_oxm|vlan_vid|vlan_pcp|ip_dscp)/;
