/** A frame from a flow key: what ofproto/trace -generate and netdev-dummy/receive make of a flow. */
import { finishSum, internetChecksum, pseudoSum4, sumBytes } from "@weft/packet";
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_NONE,
  ETH_RARP,
  ETH_VLAN,
  IP_ICMP,
  IP_ICMPV6,
  IP_IGMP,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  VLAN_CFI,
  WORD,
} from "./key.ts";

class Writer {
  bytes: number[] = [];
  u8(value: number): void {
    this.bytes.push(value & 0xff);
  }
  u16(value: number): void {
    this.u8(value >>> 8);
    this.u8(value);
  }
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }
  words(key: Int32Array, at: number, count: number): void {
    for (let i = 0; i < count; i++) this.u32(key[at + i] as number);
  }
  mac(key: Int32Array, at: number): void {
    this.u16(key[at] as number);
    this.u32(key[at + 1] as number);
  }
  zeros(count: number): void {
    for (let i = 0; i < count; i++) this.u8(0);
  }
}

/** Bytes that netdev-dummy/receive puts behind the headers of UDP, TCP and SCTP packets: 0, 1, 2, ... */
const PAYLOAD = 64;

/** The frame that has this key, with `data` behind the transport header: bytes, or how many (default 64). Checksums are right. */
export function composeFrame(key: Int32Array, data: number | Uint8Array = PAYLOAD): Uint8Array {
  const payload = typeof data === "number" ? Uint8Array.from({ length: data }, (_, i) => i) : data;
  const w = new Writer();
  const word = (at: number): number => key[at] as number;
  w.mac(key, WORD.eth_dst);
  w.mac(key, WORD.eth_src);
  for (const at of [WORD.vlan_tci, WORD.vlan_tci1]) {
    if ((word(at) & VLAN_CFI) === 0) continue;
    w.u16(word(at + 1) === 0 ? ETH_VLAN : word(at + 1));
    w.u16(word(at) & ~VLAN_CFI);
  }
  const type = word(WORD.eth_type);
  if (type === ETH_NONE) {
    w.u16(0);
    return Uint8Array.from(w.bytes);
  }
  w.u16(type);
  const l3 = w.bytes.length;
  if (type === ETH_IP) composeIpv4(w, key, l3, payload);
  else if (type === ETH_IPV6) composeIpv6(w, key, l3, payload);
  else if (type === ETH_ARP || type === ETH_RARP) {
    w.u16(1);
    w.u16(ETH_IP);
    w.u8(6);
    w.u8(4);
    w.u16(word(WORD.nw_proto));
    w.mac(key, WORD.arp_sha);
    w.u32(word(WORD.nw_src));
    w.mac(key, WORD.arp_tha);
    w.u32(word(WORD.nw_dst));
  } else if (type === ETH_MPLS || type === ETH_MPLSM) {
    for (let i = 0; i < 3; i++) {
      w.u32(word(WORD.mpls_lse + i));
      if ((word(WORD.mpls_lse + i) & 0x100) !== 0) break;
    }
  }
  return Uint8Array.from(w.bytes);
}

function transport(w: Writer, key: Int32Array, payload: Uint8Array): void {
  const protocol = key[WORD.nw_proto] as number;
  const src = key[WORD.tp_src] as number;
  const dst = key[WORD.tp_dst] as number;
  const data = (): void => {
    for (const byte of payload) w.u8(byte);
  };
  if (protocol === IP_TCP) {
    w.u16(src);
    w.u16(dst);
    w.u32(0);
    w.u32(0);
    w.u16(0x5000 | ((key[WORD.tcp_flags] as number) & 0xfff));
    w.u16(0);
    w.u32(0);
    data();
  } else if (protocol === IP_UDP) {
    w.u16(src);
    w.u16(dst);
    w.u16(8 + payload.length);
    w.u16(0);
    data();
  } else if (protocol === IP_SCTP) {
    w.u16(src);
    w.u16(dst);
    w.zeros(8);
    data();
  } else if (protocol === IP_ICMP || protocol === IP_IGMP) {
    w.u8(src);
    w.u8(dst);
    w.zeros(6);
    if (protocol === IP_ICMP) data();
  } else if (protocol === IP_ICMPV6) {
    w.u8(src);
    w.u8(dst);
    w.u16(0);
    w.u32(key[WORD.nd_reserved] as number);
    if ((src === 135 || src === 136) && dst === 0) {
      w.words(key, WORD.nd_target, 4);
      for (const [at, kind] of [
        [WORD.arp_sha, 1],
        [WORD.arp_tha, 2],
      ] as const) {
        if (key[at] === 0 && key[at + 1] === 0) continue;
        w.u8(kind);
        w.u8(1);
        w.mac(key, at);
      }
    } else data();
  } else data();
}

function composeIpv4(w: Writer, key: Int32Array, l3: number, payload: Uint8Array): void {
  const frag = key[WORD.nw_frag] as number;
  w.u8(0x45);
  w.u8(key[WORD.nw_tos] as number);
  w.u16(0);
  w.u16(0);
  w.u16((frag & 1) === 0 ? 0 : (frag & 2) === 0 ? 0x2000 : 0x2000 | 100);
  w.u8(key[WORD.nw_ttl] as number);
  w.u8(key[WORD.nw_proto] as number);
  w.u16(0);
  w.u32(key[WORD.nw_src] as number);
  w.u32(key[WORD.nw_dst] as number);
  if ((frag & 2) === 0) transport(w, key, payload);
  else for (const byte of payload) w.u8(byte);
  const b = w.bytes;
  const length = b.length - l3;
  b[l3 + 2] = length >>> 8;
  b[l3 + 3] = length & 0xff;
  const bytes = Uint8Array.from(b);
  const sum = internetChecksum(bytes, l3, l3 + 20);
  b[l3 + 10] = sum >>> 8;
  b[l3 + 11] = sum & 0xff;
  if ((frag & 2) === 0) {
    const l4 = l3 + 20;
    finish(
      w,
      key,
      l4,
      pseudoSum4(
        (key[WORD.nw_src] as number) >>> 0,
        (key[WORD.nw_dst] as number) >>> 0,
        key[WORD.nw_proto] as number,
        b.length - l4,
      ),
    );
  }
}

function composeIpv6(w: Writer, key: Int32Array, l3: number, payload: Uint8Array): void {
  const frag = key[WORD.nw_frag] as number;
  w.u32(0x60000000 | ((key[WORD.nw_tos] as number) << 20) | (key[WORD.ipv6_label] as number));
  w.u16(0);
  w.u8(frag === 0 ? (key[WORD.nw_proto] as number) : 44);
  w.u8(key[WORD.nw_ttl] as number);
  w.words(key, WORD.ipv6_src, 4);
  w.words(key, WORD.ipv6_dst, 4);
  if (frag !== 0) {
    w.u8(key[WORD.nw_proto] as number);
    w.u8(0);
    w.u16((frag & 2) === 0 ? 1 : (100 << 3) | 1);
    w.u32(0);
  }
  const l4 = w.bytes.length;
  if ((frag & 2) === 0) transport(w, key, payload);
  const b = w.bytes;
  const length = b.length - l3 - 40;
  b[l3 + 4] = length >>> 8;
  b[l3 + 5] = length & 0xff;
  if ((frag & 2) === 0) {
    const bytes = Uint8Array.from(b);
    const size = b.length - l4;
    finish(w, key, l4, sumBytes(bytes, l3 + 8, l3 + 40, (key[WORD.nw_proto] as number) + size));
  }
}

/** Fills in the transport checksum. */
function finish(w: Writer, key: Int32Array, l4: number, pseudo: number): void {
  const b = w.bytes;
  const bytes = Uint8Array.from(b);
  const protocol = key[WORD.nw_proto];
  const at =
    protocol === IP_TCP
      ? l4 + 16
      : protocol === IP_UDP
        ? l4 + 6
        : protocol === IP_ICMP || protocol === IP_IGMP || protocol === IP_ICMPV6
          ? l4 + 2
          : -1;
  if (at < 0 || at + 2 > b.length) return;
  const sum = finishSum(sumBytes(bytes, l4, bytes.length, protocol === IP_ICMP || protocol === IP_IGMP ? 0 : pseudo));
  const stored = sum === 0 && protocol === IP_UDP ? 0xffff : sum;
  b[at] = stored >>> 8;
  b[at + 1] = stored & 0xff;
}
