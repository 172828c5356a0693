/** Matches as each version of OpenFlow frames them. */
import { WORD } from "../field/layout.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { Match } from "../match/match.ts";
import { ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf } from "../match/prerequisites.ts";
import { fromOfp11Port, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type ReadOptions, readOxms, writeCookie, writeOxms } from "./oxm.ts";

const FW10 = {
  IN_PORT: 1,
  DL_VLAN: 2,
  DL_SRC: 4,
  DL_DST: 8,
  DL_TYPE: 16,
  NW_PROTO: 32,
  TP_SRC: 64,
  TP_DST: 128,
  NW_SRC_SHIFT: 8,
  NW_DST_SHIFT: 14,
  DL_VLAN_PCP: 1 << 20,
  NW_TOS: 1 << 21,
} as const;

const VLAN_NONE = 0xffff;
const VLAN_ANY_11 = 0xfffe;

/** Words that a plain OpenFlow 1.0 or 1.1 match can look at. */
const PLAIN_WORDS = new Set<number>([
  WORD.in_port,
  WORD.eth_src,
  WORD.eth_src + 1,
  WORD.eth_dst,
  WORD.eth_dst + 1,
  WORD.eth_type,
  WORD.vlan_tci,
  WORD.nw_tos,
  WORD.nw_proto,
  WORD.nw_src,
  WORD.nw_dst,
  WORD.tp_src,
  WORD.tp_dst,
]);
/** "An Ethernet packet" is no match in these versions, for nothing else exists. */
function isDefaultType(match: Match, offset: number): boolean {
  return offset === WORD.packet_type && match.wordValue(offset) === 0;
}

const OF11_WORDS = new Set<number>([...PLAIN_WORDS, WORD.metadata, WORD.metadata + 1, WORD.mpls_lse]);

function plainVlan(mask: number, tci: number): boolean {
  if (mask === 0) return true;
  const vid = mask & 0x1fff;
  const pcp = mask & 0xe000;
  if (mask === 0xffff && tci === 0) return true;
  return (vid === 0x1fff || (vid === 0x1000 && pcp !== 0)) && (pcp === 0 || pcp === 0xe000);
}

function exactMac(match: Match, word: number): boolean {
  const high = match.wordMask(word);
  const low = match.wordMask(word + 1);
  return (high === 0 && low === 0) || (high === 0xffff && low === -1);
}

/** Number of low zero bits of a CIDR mask; undefined when it is none. */
function wildcardBits(mask: number): number | undefined {
  const inverted = ~mask >>> 0;
  return (inverted & (inverted + 1)) === 0 ? 32 - Math.clz32(inverted) : undefined;
}

/** Whether the match of protocols is one that a plain match can say: tp ports of TCP, UDP, SCTP; ICMPv4; ARP. */
function plainProtocols(match: Match): boolean {
  const type = etherTypeOf(match);
  const uses = (word: number) => match.wordMask(word) !== 0;
  if (type === ETH_TYPE.ipv6) return !(uses(WORD.nw_tos) || uses(WORD.nw_proto) || uses(WORD.tp_src) || uses(WORD.tp_dst));
  if (
    (match.wordMask(WORD.tp_src) !== 0 && match.wordMask(WORD.tp_src) !== 0xffff && match.wordMask(WORD.tp_src) !== 0xff) ||
    (match.wordMask(WORD.tp_dst) !== 0 && match.wordMask(WORD.tp_dst) !== 0xffff && match.wordMask(WORD.tp_dst) !== 0xff)
  )
    return false;
  return (match.wordMask(WORD.nw_tos) & 3) === 0;
}

/** Whether an OpenFlow 1.0 match structure can say this match. */
export function fitsOf10(match: Match): boolean {
  for (let i = 0; i < match.size; i++)
    if (!PLAIN_WORDS.has(match.offset(i)) && !isDefaultType(match, match.offset(i))) return false;
  return (
    exactMac(match, WORD.eth_src) &&
    exactMac(match, WORD.eth_dst) &&
    plainVlan(match.wordMask(WORD.vlan_tci), match.wordValue(WORD.vlan_tci)) &&
    wildcardBits(match.wordMask(WORD.nw_src)) !== undefined &&
    wildcardBits(match.wordMask(WORD.nw_dst)) !== undefined &&
    plainProtocols(match)
  );
}

/** Whether an OpenFlow 1.1 match structure can. */
export function fitsOf11(match: Match): boolean {
  for (let i = 0; i < match.size; i++)
    if (!OF11_WORDS.has(match.offset(i)) && !isDefaultType(match, match.offset(i))) return false;
  const mpls = match.wordMask(WORD.mpls_lse);
  return (
    plainVlan(match.wordMask(WORD.vlan_tci), match.wordValue(WORD.vlan_tci)) &&
    plainProtocols(match) &&
    (mpls & 0x1ff) === 0 &&
    ((mpls & 0xfffff000) === 0 || (mpls & 0xfffff000) >>> 0 === 0xfffff000)
  );
}

function vlanOf(match: Match, any: number): { vlan: number; pcp: number; wildVlan: boolean; wildPcp: boolean } {
  const mask = match.wordMask(WORD.vlan_tci) & 0xffff;
  const tci = match.wordValue(WORD.vlan_tci);
  if (mask === 0) return { vlan: 0, pcp: 0, wildVlan: true, wildPcp: true };
  if ((mask & 0x1fff) === 0x1fff && (tci & 0x1000) === 0) return { vlan: VLAN_NONE, pcp: 0, wildVlan: false, wildPcp: true };
  const exactVid = (mask & 0xfff) === 0xfff;
  const pcp = (mask & 0xe000) !== 0;
  return {
    vlan: exactVid ? tci & 0xfff : any,
    pcp: pcp ? (tci >> 13) & 7 : 0,
    wildVlan: !exactVid && any === 0,
    wildPcp: !pcp,
  };
}

/** Bits that are 0 at the end of a mask, which is how many OpenFlow 1.0 says are not looked at. */
const trailingZeros = (mask: number): number => (mask === 0 ? 32 : 31 - Math.clz32(mask & -mask));

/**
 * Writes the 40 bytes of an OpenFlow 1.0 match. What does not fit is left out; of masks that have no form there, as Open vSwitch
 * does it: an Ethernet address of which any bit counts counts as a whole, and of an IP address all up to its mask's last bit.
 */
export function writeOf10Match(out: ByteWriter, match: Match): void {
  let wild = 0;
  const value = (word: number, flag: number) => {
    if (match.wordMask(word) === 0) {
      wild |= flag;
      return 0;
    }
    return match.wordValue(word);
  };
  const inPort = value(WORD.in_port, FW10.IN_PORT);
  if (match.wordMask(WORD.eth_src) === 0 && match.wordMask(WORD.eth_src + 1) === 0) wild |= FW10.DL_SRC;
  if (match.wordMask(WORD.eth_dst) === 0 && match.wordMask(WORD.eth_dst + 1) === 0) wild |= FW10.DL_DST;
  const { vlan, pcp, wildVlan, wildPcp } = vlanOf(match, 0);
  if (wildVlan) wild |= FW10.DL_VLAN;
  if (wildPcp) wild |= FW10.DL_VLAN_PCP;
  const type = value(WORD.eth_type, FW10.DL_TYPE);
  const tos = match.wordValue(WORD.nw_tos);
  if ((match.wordMask(WORD.nw_tos) & 0xfc) === 0) wild |= FW10.NW_TOS;
  const proto = value(WORD.nw_proto, FW10.NW_PROTO);
  const src = value(WORD.tp_src, FW10.TP_SRC);
  const dst = value(WORD.tp_dst, FW10.TP_DST);
  wild |= trailingZeros(match.wordMask(WORD.nw_src)) << FW10.NW_SRC_SHIFT;
  wild |= trailingZeros(match.wordMask(WORD.nw_dst)) << FW10.NW_DST_SHIFT;
  out.u32(wild).u16(inPort);
  out.u16(match.wordValue(WORD.eth_src)).u32(match.wordValue(WORD.eth_src + 1));
  out.u16(match.wordValue(WORD.eth_dst)).u32(match.wordValue(WORD.eth_dst + 1));
  out
    .u16(vlan)
    .u8(pcp)
    .zeros(1)
    .u16(type)
    .u8(tos & 0xfc)
    .u8(proto)
    .zeros(2);
  out.u32(match.wordValue(WORD.nw_src)).u32(match.wordValue(WORD.nw_dst)).u16(src).u16(dst);
}

export function readOf10Match(input: ByteReader): Match {
  const wild = input.u32();
  const b = new MatchBuilder();
  const inPort = input.u16();
  if ((wild & FW10.IN_PORT) === 0) b.setWord(WORD.in_port, inPort, -1);
  const src = input.u48();
  if ((wild & FW10.DL_SRC) === 0) b.set("eth_src", src);
  const dst = input.u48();
  if ((wild & FW10.DL_DST) === 0) b.set("eth_dst", dst);
  const vlan = input.u16();
  const pcp = input.u8();
  input.skip(1);
  if ((wild & FW10.DL_VLAN) === 0) {
    if (vlan === VLAN_NONE) b.setWord(WORD.vlan_tci, 0, 0xffff);
    else b.setWord(WORD.vlan_tci, (vlan & 0xfff) | 0x1000, 0x1fff);
  }
  if ((wild & FW10.DL_VLAN_PCP) === 0 && !((wild & FW10.DL_VLAN) === 0 && vlan === VLAN_NONE))
    b.setWord(WORD.vlan_tci, ((pcp & 7) << 13) | 0x1000, 0xf000);
  const type = input.u16();
  if ((wild & FW10.DL_TYPE) === 0) b.setWord(WORD.eth_type, type, 0xffff);
  const tos = input.u8();
  if ((wild & FW10.NW_TOS) === 0) b.setWord(WORD.nw_tos, tos, 0xfc);
  const proto = input.u8();
  if ((wild & FW10.NW_PROTO) === 0) b.setWord(WORD.nw_proto, proto, 0xff);
  input.skip(2);
  const cidr = (shift: number): number => {
    const bits = Math.min(32, (wild >>> shift) & 63);
    return bits === 32 ? 0 : -1 << bits;
  };
  b.setWord(WORD.nw_src, input.u32(), cidr(FW10.NW_SRC_SHIFT));
  b.setWord(WORD.nw_dst, input.u32(), cidr(FW10.NW_DST_SHIFT));
  setPorts(b, input.u16(), input.u16(), (wild & FW10.TP_SRC) !== 0, (wild & FW10.TP_DST) !== 0);
  return b.build();
}

function setPorts(b: MatchBuilder, src: number, dst: number, wildSrc: boolean, wildDst: boolean): void {
  const icmp = etherTypeOf(b) === ETH_TYPE.ip && ipProtoOf(b) === IP_PROTO.icmp;
  const mask = icmp ? 0xff : 0xffff;
  if (!wildSrc) b.setWord(WORD.tp_src, src, mask);
  if (!wildDst) b.setWord(WORD.tp_dst, dst, mask);
}

const FW11 = {
  IN_PORT: 1,
  DL_VLAN: 2,
  DL_VLAN_PCP: 4,
  DL_TYPE: 8,
  NW_TOS: 16,
  NW_PROTO: 32,
  TP_SRC: 64,
  TP_DST: 128,
  MPLS_LABEL: 256,
  MPLS_TC: 512,
} as const;

function writeOf11Match(out: ByteWriter, match: Match): void {
  let wild = 0;
  const value = (word: number, flag: number, part = -1) => {
    if ((match.wordMask(word) & part) === 0) {
      wild |= flag;
      return 0;
    }
    return match.wordValue(word) & part;
  };
  const wildIn = match.wordMask(WORD.in_port) === 0;
  const inPort = value(WORD.in_port, FW11.IN_PORT);
  const { vlan, pcp, wildVlan, wildPcp } = vlanOf(match, VLAN_ANY_11);
  if (wildVlan) wild |= FW11.DL_VLAN;
  if (wildPcp) wild |= FW11.DL_VLAN_PCP;
  const type = value(WORD.eth_type, FW11.DL_TYPE);
  const tos = value(WORD.nw_tos, FW11.NW_TOS, 0xfc);
  const proto = value(WORD.nw_proto, FW11.NW_PROTO);
  const src = value(WORD.tp_src, FW11.TP_SRC);
  const dst = value(WORD.tp_dst, FW11.TP_DST);
  // Label and traffic class have flags of their own only where the packet is known to be MPLS.
  const isMpls = etherTypeOf(match) === ETH_TYPE.mpls || etherTypeOf(match) === ETH_TYPE.mplsm;
  const label = isMpls ? value(WORD.mpls_lse, FW11.MPLS_LABEL, 0xfffff000) >>> 12 : 0;
  const tc = isMpls ? value(WORD.mpls_lse, FW11.MPLS_TC, 0xe00) >>> 9 : 0;
  if (!isMpls) wild |= FW11.MPLS_LABEL | FW11.MPLS_TC;
  out
    .u16(0)
    .u16(88)
    .u32(wildIn ? 0 : toOfp11Port(inPort))
    .u32(wild);
  for (const word of [WORD.eth_src, WORD.eth_dst]) {
    out.u16(match.wordValue(word)).u32(match.wordValue(word + 1));
    out.u16(~match.wordMask(word)).u32(~match.wordMask(word + 1));
  }
  out.u16(vlan).u8(pcp).zeros(1).u16(type).u8(tos).u8(proto);
  for (const word of [WORD.nw_src, WORD.nw_dst]) out.u32(match.wordValue(word)).u32(~match.wordMask(word));
  out.u16(src).u16(dst).u32(label).u8(tc).zeros(3);
  out.u32(match.wordValue(WORD.metadata)).u32(match.wordValue(WORD.metadata + 1));
  out.u32(~match.wordMask(WORD.metadata)).u32(~match.wordMask(WORD.metadata + 1));
}

function readOf11Match(input: ByteReader): Match {
  const b = new MatchBuilder();
  const inPort = input.u32();
  const wild = input.u32();
  if ((wild & FW11.IN_PORT) === 0) {
    const port = fromOfp11Port(inPort);
    if (port === undefined) throw input.fail("OFPBMC_BAD_VALUE", "in_port");
    b.setWord(WORD.in_port, port, -1);
  }
  for (const word of [WORD.eth_src, WORD.eth_dst]) {
    const high = input.u16();
    const low = input.u32();
    b.setWord(word, high, ~input.u16() & 0xffff);
    b.setWord(word + 1, low, ~input.u32());
  }
  const vlan = input.u16();
  const pcp = input.u8();
  input.skip(1);
  if ((wild & FW11.DL_VLAN) === 0) {
    if (vlan === VLAN_NONE) b.setWord(WORD.vlan_tci, 0, 0xffff);
    else if (vlan === VLAN_ANY_11) b.setWord(WORD.vlan_tci, 0x1000, 0x1000);
    else b.setWord(WORD.vlan_tci, (vlan & 0xfff) | 0x1000, 0x1fff);
    if (vlan !== VLAN_NONE && (wild & FW11.DL_VLAN_PCP) === 0) b.setWord(WORD.vlan_tci, (pcp & 7) << 13, 0xe000);
  }
  const type = input.u16();
  if ((wild & FW11.DL_TYPE) === 0) b.setWord(WORD.eth_type, type, 0xffff);
  const tos = input.u8();
  if ((wild & FW11.NW_TOS) === 0) b.setWord(WORD.nw_tos, tos, 0xfc);
  const proto = input.u8();
  if ((wild & FW11.NW_PROTO) === 0) b.setWord(WORD.nw_proto, proto, 0xff);
  for (const word of [WORD.nw_src, WORD.nw_dst]) {
    const address = input.u32();
    b.setWord(word, address, ~input.u32());
  }
  setPorts(b, input.u16(), input.u16(), (wild & FW11.TP_SRC) !== 0, (wild & FW11.TP_DST) !== 0);
  const label = input.u32();
  const tc = input.u8();
  input.skip(3);
  const isMpls = etherTypeOf(b) === ETH_TYPE.mpls || etherTypeOf(b) === ETH_TYPE.mplsm;
  if (isMpls && (wild & FW11.MPLS_LABEL) === 0) b.setWord(WORD.mpls_lse, label << 12, 0xfffff000);
  if (isMpls && (wild & FW11.MPLS_TC) === 0) b.setWord(WORD.mpls_lse, (tc & 7) << 9, 0xe00);
  const high = input.u32();
  const low = input.u32();
  b.setWord(WORD.metadata, high, ~input.u32());
  b.setWord(WORD.metadata + 1, low, ~input.u32());
  return b.build();
}

/**
 * Writes a match with its header, padded to 8 bytes: in OpenFlow 1.1 the plain structure where it fits, otherwise and in
 * later versions OXM.
 */
export function writeMatch(out: ByteWriter, match: Match, version: number): void {
  if (version === 2 && fitsOf11(match)) {
    writeOf11Match(out, match);
    return;
  }
  const start = out.at;
  out.u16(1).u16(0);
  writeOxms(out, match, version);
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

/** Reads what {@link writeMatch} writes. */
export function readMatch(input: ByteReader, options: ReadOptions = {}): Match {
  const start = input.at;
  const type = input.u16();
  const length = input.u16();
  if (type === 0) {
    if (length !== 88) throw input.fail("OFPBMC_BAD_LEN", `match length ${length}`);
    return readOf11Match(input.part(84, "OFPBMC_BAD_LEN"));
  }
  if (type !== 1) throw input.fail("OFPBMC_BAD_TYPE", `match type ${type}`);
  if (length < 4 || start + Math.ceil(length / 8) * 8 > input.end) {
    input.at = start;
    throw input.fail("OFPBMC_BAD_LEN", `match length ${length}`);
  }
  const match = readOxms(input.part(length - 4, "OFPBMC_BAD_LEN"), options);
  const padding = (8 - (length % 8)) % 8;
  input.zeros(padding, "OFPBMC_BAD_LEN");
  return match;
}

/** Writes bare NXM entries and cookie; returns their length without the padding to 8 bytes that follows. */
export function writeNxm(out: ByteWriter, match: Match, cookie = 0n, cookieMask = 0n): number {
  const start = out.at;
  writeOxms(out, match, 1);
  writeCookie(out, cookie, cookieMask);
  const length = out.at - start;
  out.pad(8, start);
  return length;
}

/** Reads `length` bytes of NXM and the padding behind. */
export function readNxm(input: ByteReader, length: number, options: ReadOptions = {}): Match {
  const padded = Math.ceil(length / 8) * 8;
  if (padded > input.left) throw input.fail("OFPBMC_BAD_LEN", `match length ${length}`);
  const part = input.part(length, "OFPBMC_BAD_LEN");
  input.skip(padded - length);
  return readOxms(part, options);
}
