/**
 * From a frame's bytes to the packet part of its flow key. Lenient: what does not parse leaves the later fields zero, as
 * ovs-fields(7) describes; nothing here throws or allocates.
 */
import {
  END_PACKET_WORD,
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_NONE,
  ETH_QINQ,
  ETH_RARP,
  ETH_VLAN,
  FIRST_PACKET_WORD,
  FRAG_ANY,
  FRAG_LATER,
  IP_ICMP,
  IP_ICMPV6,
  IP_IGMP,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  VLAN_CFI,
  WORD,
} from "./key.ts";
import type { Packet } from "./packet.ts";

const be16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
const be32 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);

/**
 * Fills the packet words of `packet.key` and the header offsets; metadata words stay. At most `vlanHeaders` VLAN headers (up to 2)
 * become fields, further ones are payload.
 */
export function extract(packet: Packet, vlanHeaders = 2): void {
  const { bytes: b, key } = packet;
  key.fill(0, FIRST_PACKET_WORD, END_PACKET_WORD);
  packet.l3 = -1;
  packet.l4 = -1;
  packet.l25 = -1;
  packet.padding = 0;
  const end = b.length;
  if (end < 14) return;
  key[WORD.eth_dst] = be16(b, 0);
  key[WORD.eth_dst + 1] = be32(b, 2);
  key[WORD.eth_src] = be16(b, 6);
  key[WORD.eth_src + 1] = be32(b, 8);
  let at = 12;
  let type = be16(b, at);
  for (let n = 0; n < vlanHeaders && (type === ETH_VLAN || type === ETH_QINQ); n++) {
    if (end < at + 6) break;
    const word = n === 0 ? WORD.vlan_tci : WORD.vlan_tci1;
    key[word] = be16(b, at + 2) | VLAN_CFI;
    key[word + 1] = type;
    at += 4;
    type = be16(b, at);
  }
  at += 2;
  if (type < 0x600) {
    // 802.3: only LLC with SNAP of OUI 0 carries an Ethernet type.
    if (end >= at + 8 && b[at] === 0xaa && b[at + 1] === 0xaa && b[at + 2] === 3 && be16(b, at + 3) === 0 && b[at + 5] === 0) {
      const snap = be16(b, at + 6);
      type = snap >= 0x600 ? snap : ETH_NONE;
      at += 8;
    } else type = ETH_NONE;
  }
  key[WORD.eth_type] = type;
  if (type === ETH_MPLS || type === ETH_MPLSM) {
    packet.l25 = at;
    at = extractMpls(key, b, at, end);
  }
  packet.l3 = at;
  if (type === ETH_IP) extractIpv4(packet, b, at, end);
  else if (type === ETH_IPV6) extractIpv6(packet, b, at, end);
  else if (type === ETH_ARP || type === ETH_RARP) extractArp(key, b, at, end);
}

function extractMpls(key: Int32Array, b: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let n = 0; end >= at + 4; n++) {
    const lse = be32(b, at);
    if (n < 3) key[WORD.mpls_lse + n] = lse;
    at += 4;
    if ((lse & 0x100) !== 0) break;
  }
  return at;
}

function extractArp(key: Int32Array, b: Uint8Array, at: number, end: number): void {
  if (end < at + 28 || be16(b, at) !== 1 || be16(b, at + 2) !== ETH_IP || b[at + 4] !== 6 || b[at + 5] !== 4) return;
  const op = be16(b, at + 6);
  if (op <= 0xff) key[WORD.nw_proto] = op;
  key[WORD.arp_sha] = be16(b, at + 8);
  key[WORD.arp_sha + 1] = be32(b, at + 10);
  key[WORD.nw_src] = be32(b, at + 14);
  key[WORD.arp_tha] = be16(b, at + 18);
  key[WORD.arp_tha + 1] = be32(b, at + 20);
  key[WORD.nw_dst] = be32(b, at + 24);
}

function extractIpv4(packet: Packet, b: Uint8Array, at: number, end: number): void {
  const { key } = packet;
  if (end < at + 20) return;
  const header = ((b[at] as number) & 15) * 4;
  const total = be16(b, at + 2);
  if ((b[at] as number) >>> 4 !== 4 || header < 20 || end < at + header || total > end - at || header > total) return;
  const stop = at + total;
  packet.padding = end - stop;
  key[WORD.nw_src] = be32(b, at + 12);
  key[WORD.nw_dst] = be32(b, at + 16);
  key[WORD.nw_tos] = b[at + 1] as number;
  key[WORD.nw_ttl] = b[at + 8] as number;
  key[WORD.nw_proto] = b[at + 9] as number;
  const fragment = be16(b, at + 6);
  if ((fragment & 0x3fff) !== 0) {
    if ((fragment & 0x1fff) !== 0) {
      key[WORD.nw_frag] = FRAG_ANY | FRAG_LATER;
      packet.l4 = at + header;
      return;
    }
    key[WORD.nw_frag] = FRAG_ANY;
  }
  packet.l4 = at + header;
  extractL4(packet, b, at + header, stop, b[at + 9] as number);
}

function extractIpv6(packet: Packet, b: Uint8Array, at: number, end: number): void {
  const { key } = packet;
  if (end < at + 40 || (b[at] as number) >>> 4 !== 6) return;
  const length = be16(b, at + 4);
  if (length > end - at - 40) return;
  const stop = at + 40 + length;
  packet.padding = end - stop;
  for (let i = 0; i < 4; i++) {
    key[WORD.ipv6_src + i] = be32(b, at + 8 + 4 * i);
    key[WORD.ipv6_dst + i] = be32(b, at + 24 + 4 * i);
  }
  const first = be32(b, at);
  key[WORD.ipv6_label] = first & 0xfffff;
  key[WORD.nw_tos] = (first >>> 20) & 0xff;
  key[WORD.nw_ttl] = b[at + 7] as number;
  let next = b[at + 6] as number;
  let p = at + 40;
  // Hop-by-hop 0, routing 43, destination 60, authentication 51, fragment 44 (RFC 8200 section 4).
  while (next === 0 || next === 43 || next === 60 || next === 51 || next === 44) {
    if (stop < p + 8) {
      return;
    }
    if (next === 44) {
      const fragment = be16(b, p + 2);
      next = b[p] as number;
      p += 8;
      if ((fragment & 0xfff8) !== 0) {
        key[WORD.nw_frag] = FRAG_ANY | FRAG_LATER;
        key[WORD.nw_proto] = 44;
        packet.l4 = p;
        return;
      }
      if ((fragment & 1) !== 0) key[WORD.nw_frag] = FRAG_ANY;
      continue;
    }
    const size = next === 51 ? ((b[p + 1] as number) + 2) * 4 : ((b[p + 1] as number) + 1) * 8;
    next = b[p] as number;
    p += size;
    if (p > stop) return;
  }
  key[WORD.nw_proto] = next;
  packet.l4 = p;
  extractL4(packet, b, p, stop, next);
}

function extractL4(packet: Packet, b: Uint8Array, at: number, stop: number, protocol: number): void {
  const { key } = packet;
  const size = stop - at;
  if (protocol === IP_TCP) {
    if (size < 20) return;
    key[WORD.tp_src] = be16(b, at);
    key[WORD.tp_dst] = be16(b, at + 2);
    key[WORD.tcp_flags] = be16(b, at + 12) & 0x0fff;
  } else if (protocol === IP_UDP) {
    if (size < 8) return;
    key[WORD.tp_src] = be16(b, at);
    key[WORD.tp_dst] = be16(b, at + 2);
  } else if (protocol === IP_SCTP) {
    if (size < 12) return;
    key[WORD.tp_src] = be16(b, at);
    key[WORD.tp_dst] = be16(b, at + 2);
  } else if (protocol === IP_ICMP) {
    if (size < 8) return;
    key[WORD.tp_src] = b[at] as number;
    key[WORD.tp_dst] = b[at + 1] as number;
  } else if (protocol === IP_IGMP) {
    if (size < 8) return;
    key[WORD.tp_src] = b[at] as number;
    key[WORD.tp_dst] = b[at + 1] as number;
  } else if (protocol === IP_ICMPV6) {
    if (size < 4) return;
    const type = b[at] as number;
    const code = b[at + 1] as number;
    key[WORD.tp_src] = type;
    key[WORD.tp_dst] = code;
    if ((type === 135 || type === 136) && code === 0) extractNd(key, b, at, stop);
  }
}

/** Neighbour discovery (RFC 4861 sections 4.3, 4.4): target, reserved word, link-layer address options. */
function extractNd(key: Int32Array, b: Uint8Array, at: number, stop: number): void {
  if (stop >= at + 8) key[WORD.nd_reserved] = be32(b, at + 4);
  if (stop < at + 24) return;
  for (let i = 0; i < 4; i++) key[WORD.nd_target + i] = be32(b, at + 8 + 4 * i);
  let p = at + 24;
  let kind = 0;
  while (stop >= p + 8) {
    const type = b[p] as number;
    const length = (b[p + 1] as number) * 8;
    if (length === 0 || p + length > stop) {
      clearNd(key);
      return;
    }
    if ((type === 1 || type === 2) && length === 8) {
      const word = type === 1 ? WORD.arp_sha : WORD.arp_tha;
      if (key[word] !== 0 || key[word + 1] !== 0) {
        // A second option of one kind makes the message invalid.
        clearNd(key);
        return;
      }
      key[word] = be16(b, p + 2);
      key[word + 1] = be32(b, p + 4);
      kind = type;
    }
    p += length;
  }
  key[WORD.nd_options_type] = kind;
}

function clearNd(key: Int32Array): void {
  for (let i = 0; i < 4; i++) key[WORD.nd_target + i] = 0;
  key[WORD.arp_sha] = 0;
  key[WORD.arp_sha + 1] = 0;
  key[WORD.arp_tha] = 0;
  key[WORD.arp_tha + 1] = 0;
}
