/** A packet as the match that it is: how packet-ins and packet-outs show their packets. */
import { WORD } from "../field/layout.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { Match } from "../match/match.ts";
import { ETH_TYPE, IP_PROTO } from "../match/prerequisites.ts";
import { formatMatch } from "../text/match.ts";
import { ByteReader } from "../wire/bytes.ts";
import { DecodeError } from "../wire/error.ts";

export interface PacketFlow {
  /** Every field that the packet has, exactly. */
  readonly match: Match;
  /** The second VLAN tag, which no match has, with its presence bit (0x1000); 0 for none. */
  readonly innerTci: number;
  /** The transport checksum, with the name under which it is printed; undefined where the packet ends before it. */
  readonly checksum: readonly [name: string, value: number] | undefined;
}

/** Takes an Ethernet frame apart, as far as it goes. */
export function flowOfPacket(frame: Uint8Array): PacketFlow {
  const b = new MatchBuilder();
  const input = new ByteReader(frame);
  let checksum: PacketFlow["checksum"];
  let innerTci = 0;
  try {
    b.set("eth_dst", input.u48()).set("eth_src", input.u48());
    let type = input.u16();
    let tci = 0;
    if (type === ETH_TYPE.vlan || type === ETH_TYPE.qinq) {
      tci = input.u16() | 0x1000;
      type = input.u16();
      if (type === ETH_TYPE.vlan || type === ETH_TYPE.qinq) {
        innerTci = input.u16() | 0x1000;
        type = input.u16();
      }
    }
    b.setWord(WORD.vlan_tci, tci, 0xffff).setWord(WORD.eth_type, type < 0x600 ? 0x5ff : type, 0xffff);
    if (type === ETH_TYPE.ip) checksum = ipv4(b, input);
    else if (type === ETH_TYPE.ipv6) checksum = ipv6(b, input);
    else if (type === ETH_TYPE.arp || type === ETH_TYPE.rarp) arp(b, input);
    else if (type === ETH_TYPE.mpls || type === ETH_TYPE.mplsm) b.setWord(WORD.mpls_lse, input.u32(), -1);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error; // A packet may be cut anywhere; what is there has been read.
  }
  return { match: b.build(), innerTci, checksum };
}

function ipv4(b: MatchBuilder, input: ByteReader): PacketFlow["checksum"] {
  const start = input.at;
  const header = (input.u8() & 0xf) * 4;
  const tos = input.u8();
  input.skip(4);
  const fragment = input.u16();
  const ttl = input.u8();
  const proto = input.u8();
  input.skip(2);
  b.setWord(WORD.nw_src, input.u32(), -1).setWord(WORD.nw_dst, input.u32(), -1);
  b.setWord(WORD.nw_tos, tos, 0xff).setWord(WORD.nw_ttl, ttl, 0xff).setWord(WORD.nw_proto, proto, 0xff);
  const later = (fragment & 0x1fff) !== 0;
  b.setWord(WORD.nw_frag, later ? 3 : (fragment & 0x2000) !== 0 ? 1 : 0, 3);
  if (later) {
    b.setWord(WORD.tp_src, 0, 0xffff).setWord(WORD.tp_dst, 0, 0xffff);
    return undefined;
  }
  input.at = Math.min(input.end, start + Math.max(20, header));
  return transport(b, input, proto, IP_PROTO.icmp);
}

const EXTENSIONS = new Set([0, 43, 44, 51, 60]);

function ipv6(b: MatchBuilder, input: ByteReader): PacketFlow["checksum"] {
  const first = input.u32();
  input.skip(2);
  let proto = input.u8();
  const ttl = input.u8();
  b.set("ipv6_src", input.big(16)).set("ipv6_dst", input.big(16));
  b.setWord(WORD.ipv6_label, first & 0xfffff, 0xfffff);
  let frag = 0;
  while (EXTENSIONS.has(proto) && input.left >= 8) {
    const next = input.u8();
    const length = input.u8();
    if (proto === 44) {
      const offset = input.u16();
      input.skip(4);
      frag = (offset & 0xfff8) !== 0 ? 3 : (offset & 1) !== 0 ? 1 : 0;
    } else input.skip(proto === 51 ? (length + 2) * 4 - 2 : (length + 1) * 8 - 2);
    proto = next;
  }
  b.setWord(WORD.nw_tos, (first >>> 20) & 0xff, 0xff)
    .setWord(WORD.nw_ttl, ttl, 0xff)
    .setWord(WORD.nw_proto, proto, 0xff);
  b.setWord(WORD.nw_frag, frag, 3);
  return frag === 3 ? undefined : transport(b, input, proto, IP_PROTO.icmpv6);
}

function transport(b: MatchBuilder, input: ByteReader, proto: number, icmp: number): PacketFlow["checksum"] {
  if (proto === icmp) {
    b.setWord(WORD.tp_src, input.u8(), 0xff).setWord(WORD.tp_dst, input.u8(), 0xff);
    const checksum = input.u16();
    if (icmp === IP_PROTO.icmpv6) neighbour(b, input);
    return [icmp === IP_PROTO.icmp ? "icmp_csum" : "icmp6_csum", checksum];
  }
  if (proto !== IP_PROTO.tcp && proto !== IP_PROTO.udp && proto !== IP_PROTO.sctp) return undefined;
  b.setWord(WORD.tp_src, input.u16(), 0xffff).setWord(WORD.tp_dst, input.u16(), 0xffff);
  if (proto === IP_PROTO.udp) {
    input.skip(2);
    return ["udp_csum", input.u16()];
  }
  if (proto === IP_PROTO.sctp) {
    input.skip(4);
    return ["sctp_csum", input.u32()];
  }
  input.skip(8);
  b.setWord(WORD.tcp_flags, input.u16() & 0xfff, 0xfff);
  input.skip(2);
  return ["tcp_csum", input.u16()];
}

/** Target and link-layer address of a neighbour solicitation or advertisement. */
function neighbour(b: MatchBuilder, input: ByteReader): void {
  const kind = b.wordValue(WORD.tp_src);
  if ((kind !== 135 && kind !== 136) || b.wordValue(WORD.tp_dst) !== 0) return;
  input.skip(4);
  b.set("nd_target", input.big(16));
  const field = kind === 135 ? "nd_sll" : "nd_tll";
  let address = 0;
  while (input.left >= 8) {
    const type = input.u8();
    const length = input.u8();
    if (length === 0 || input.left < length * 8 - 2) break;
    if (type === (kind === 135 ? 1 : 2) && length === 1) address = input.u48();
    else input.skip(length * 8 - 2);
  }
  b.set(field, address);
}

function arp(b: MatchBuilder, input: ByteReader): void {
  input.skip(6);
  const op = input.u16();
  b.setWord(WORD.nw_proto, op > 0xff ? 0 : op, 0xff);
  b.set("arp_sha", input.u48());
  b.setWord(WORD.nw_src, input.u32(), -1);
  b.set("arp_tha", input.u48());
  b.setWord(WORD.nw_dst, input.u32(), -1);
}

/** The packet's line: its match and checksum. */
export function formatPacket(frame: Uint8Array): string {
  const { match, innerTci, checksum } = flowOfPacket(frame);
  const inner = innerTci === 0 ? "vlan_tci1=0x0000" : `dl_vlan1=${innerTci & 0xfff},dl_vlan_pcp1=${innerTci >> 13}`;
  const text = formatMatch(match).replace(/dl_vlan_pcp=\d/, `$&,${inner}`);
  return checksum === undefined ? text : `${text} ${checksum[0]}:${checksum[1].toString(16)}`;
}
