/**
 * Writing changed fields of a packet's flow key back into its bytes. Each function takes one group of fields (one datapath
 * "set" action's) from `packet.key`, writes those that differ from the bytes and brings checksums up to date incrementally (RFC 1624).
 */
import { crc32c, updateChecksum16, updateChecksum32 } from "@weft/packet";
import { ETH_IPV6, FRAG_LATER, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, VLAN_CFI, WORD } from "./key.ts";
import type { Packet } from "./packet.ts";

const be16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
const be32 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);
function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}
function put32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}
function putMac(b: Uint8Array, at: number, key: Int32Array, word: number): void {
  put16(b, at, key[word] as number);
  put32(b, at + 2, key[word + 1] as number);
}

export function writeEth(packet: Packet): void {
  packet.own();
  putMac(packet.bytes, 0, packet.key, WORD.eth_dst);
  putMac(packet.bytes, 6, packet.key, WORD.eth_src);
}

/** Where the transport checksum is that covers the pseudo-header; -1 for none (or a UDP checksum of zero, which means none). */
function pseudoChecksumAt(packet: Packet): number {
  const { key, bytes: b, l4 } = packet;
  if (l4 < 0 || ((key[WORD.nw_frag] as number) & FRAG_LATER) !== 0) return -1;
  const stop = b.length - packet.padding;
  switch (key[WORD.nw_proto]) {
    case IP_TCP:
      return stop >= l4 + 20 ? l4 + 16 : -1;
    case IP_UDP:
      return stop >= l4 + 8 && be16(b, l4 + 6) !== 0 ? l4 + 6 : -1;
    case IP_ICMPV6:
      return key[WORD.eth_type] === ETH_IPV6 && stop >= l4 + 4 ? l4 + 2 : -1;
    default:
      return -1;
  }
}

/** A UDP checksum that comes out as zero is sent as all ones (RFC 768). */
function storeL4Checksum(packet: Packet, at: number, checksum: number): void {
  put16(packet.bytes, at, checksum === 0 && packet.key[WORD.nw_proto] === IP_UDP ? 0xffff : checksum);
}

export function writeIpv4(packet: Packet): void {
  const { l3 } = packet;
  if (l3 < 0 || packet.bytes.length < l3 + 20) return;
  packet.own();
  const { bytes: b, key } = packet;
  let checksum = be16(b, l3 + 10);
  for (const [at, word] of IPV4_ADDRESSES) {
    const before = be32(b, l3 + at);
    const after = key[word] as number;
    if (before === after) continue;
    const l4 = pseudoChecksumAt(packet);
    if (l4 >= 0) storeL4Checksum(packet, l4, updateChecksum32(be16(b, l4), before, after));
    checksum = updateChecksum32(checksum, before, after);
    put32(b, l3 + at, after);
  }
  const tos = be16(b, l3);
  const newTos = (tos & 0xff00) | (key[WORD.nw_tos] as number);
  if (tos !== newTos) {
    checksum = updateChecksum16(checksum, tos, newTos);
    put16(b, l3, newTos);
  }
  const ttl = be16(b, l3 + 8);
  const newTtl = (ttl & 0xff) | ((key[WORD.nw_ttl] as number) << 8);
  if (ttl !== newTtl) {
    checksum = updateChecksum16(checksum, ttl, newTtl);
    put16(b, l3 + 8, newTtl);
  }
  put16(b, l3 + 10, checksum);
}
const IPV4_ADDRESSES = [
  [12, WORD.nw_src],
  [16, WORD.nw_dst],
] as const;

export function writeIpv6(packet: Packet): void {
  const { l3 } = packet;
  if (l3 < 0 || packet.bytes.length < l3 + 40) return;
  packet.own();
  const { bytes: b, key } = packet;
  for (let i = 0; i < 8; i++) {
    const at = l3 + 8 + 4 * i;
    const before = be32(b, at);
    const after = key[(i < 4 ? WORD.ipv6_src : WORD.ipv6_dst - 4) + i] as number;
    if (before === after) continue;
    const l4 = pseudoChecksumAt(packet);
    if (l4 >= 0) storeL4Checksum(packet, l4, updateChecksum32(be16(b, l4), before, after));
    put32(b, at, after);
  }
  put32(b, l3, 0x60000000 | ((key[WORD.nw_tos] as number) << 20) | ((key[WORD.ipv6_label] as number) & 0xfffff));
  b[l3 + 7] = key[WORD.nw_ttl] as number;
}

/** TCP, UDP or SCTP ports. */
export function writePorts(packet: Packet): void {
  const { l4 } = packet;
  const protocol = packet.key[WORD.nw_proto];
  const header = protocol === IP_TCP ? 20 : protocol === IP_UDP ? 8 : 12;
  if (l4 < 0 || packet.bytes.length - packet.padding < l4 + header) return;
  packet.own();
  const { bytes: b, key } = packet;
  const src = key[WORD.tp_src] as number;
  const dst = key[WORD.tp_dst] as number;
  const ports = (src << 16) | dst;
  const before = be32(b, l4);
  if (before === ports) return;
  if (protocol === IP_SCTP) {
    const stop = b.length - packet.padding;
    const held =
      (b[l4 + 8] as number) | ((b[l4 + 9] as number) << 8) | ((b[l4 + 10] as number) << 16) | ((b[l4 + 11] as number) << 24);
    const old = crc32c(b, l4, stop, l4 + 8);
    put32(b, l4, ports);
    // XOR keeps a wrong checksum wrong: the difference of the right sums is applied to the one that was there.
    const crc = held ^ old ^ crc32c(b, l4, stop, l4 + 8);
    for (let i = 0; i < 4; i++) b[l4 + 8 + i] = crc >>> (8 * i);
    return;
  }
  const at = protocol === IP_TCP ? l4 + 16 : l4 + 6;
  if (protocol === IP_TCP || be16(b, at) !== 0) storeL4Checksum(packet, at, updateChecksum32(be16(b, at), before, ports));
  put32(b, l4, ports);
}

/** ICMP or ICMPv6 type and code. */
export function writeIcmp(packet: Packet): void {
  const { l4 } = packet;
  if (l4 < 0 || packet.bytes.length - packet.padding < l4 + 4) return;
  packet.own();
  const { bytes: b, key } = packet;
  const before = be16(b, l4);
  const after = ((key[WORD.tp_src] as number) << 8) | (key[WORD.tp_dst] as number);
  if (before === after) return;
  put16(b, l4 + 2, updateChecksum16(be16(b, l4 + 2), before, after));
  put16(b, l4, after);
}

export function writeArp(packet: Packet): void {
  const { l3 } = packet;
  if (l3 < 0 || packet.bytes.length < l3 + 28) return;
  packet.own();
  const { bytes: b, key } = packet;
  put16(b, l3 + 6, key[WORD.nw_proto] as number);
  putMac(b, l3 + 8, key, WORD.arp_sha);
  put32(b, l3 + 14, key[WORD.nw_src] as number);
  putMac(b, l3 + 18, key, WORD.arp_tha);
  put32(b, l3 + 24, key[WORD.nw_dst] as number);
}

/** Neighbour discovery: target, link-layer address options that are there, reserved word and the kind of the first option. */
export function writeNd(packet: Packet): void {
  const { l4 } = packet;
  const stop = packet.bytes.length - packet.padding;
  if (l4 < 0 || stop < l4 + 24) return;
  packet.own();
  const { bytes: b, key } = packet;
  let checksum = be16(b, l4 + 2);
  const write32 = (at: number, value: number): void => {
    const before = be32(b, at);
    if (before === value) return;
    checksum = updateChecksum32(checksum, before, value);
    put32(b, at, value);
  };
  const write16 = (at: number, value: number): void => {
    const before = be16(b, at);
    if (before === value) return;
    checksum = updateChecksum16(checksum, before, value);
    put16(b, at, value);
  };
  write32(l4 + 4, key[WORD.nd_reserved] as number);
  for (let i = 0; i < 4; i++) write32(l4 + 8 + 4 * i, key[WORD.nd_target + i] as number);
  let kind = key[WORD.nd_options_type] as number;
  for (let p = l4 + 24; stop >= p + 8; ) {
    const type = b[p] as number;
    const length = (b[p + 1] as number) * 8;
    if (length === 0 || p + length > stop) break;
    if ((type === 1 || type === 2) && length === 8) {
      if (kind !== 0 && kind !== type) write16(p, (kind << 8) | 1);
      const word = (b[p] as number) === 1 ? WORD.arp_sha : WORD.arp_tha;
      write16(p + 2, key[word] as number);
      write32(p + 4, key[word + 1] as number);
      kind = 0;
    }
    p += length;
  }
  put16(b, l4 + 2, checksum);
}

/** Puts a VLAN header in front of the others. `tci` with the present bit as in the key. */
export function pushVlan(packet: Packet, tpid: number, tci: number): void {
  packet.insert(12, 4);
  put16(packet.bytes, 12, tpid);
  put16(packet.bytes, 14, tci & ~VLAN_CFI);
}

/** Removes the outer VLAN header, if there is one. */
export function popVlan(packet: Packet): void {
  const { bytes } = packet;
  if (bytes.length < 18) return;
  const type = be16(bytes, 12);
  if (type === 0x8100 || type === 0x88a8) packet.remove(12, 4);
}

/** Pushes an MPLS label stack entry below the VLAN headers, with `type` as the new Ethernet type. */
export function pushMpls(packet: Packet, type: number, lse: number): void {
  const at = packet.l25 >= 0 ? packet.l25 : packet.l3;
  if (at < 14) return;
  packet.insert(at, 4);
  packet.l25 = at;
  put32(packet.bytes, at, lse);
  put16(packet.bytes, at - 2, type);
}

/** Removes the outermost label stack entry; what is below is of Ethernet type `type`. */
export function popMpls(packet: Packet, type: number): void {
  const at = packet.l25;
  if (at < 14 || packet.bytes.length < at + 4) return;
  const last = (be32(packet.bytes, at) & 0x100) !== 0;
  packet.remove(at, 4);
  put16(packet.bytes, at - 2, type);
  if (last) packet.l25 = -1;
}

export function writeMpls(packet: Packet): void {
  if (packet.l25 < 0) return;
  packet.own();
  put32(packet.bytes, packet.l25, packet.key[WORD.mpls_lse] as number);
}
