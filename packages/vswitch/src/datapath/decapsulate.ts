/** Taking outer headers off: what they say becomes tunnel fields of the inner packet's key. */
import type { TlvMap } from "@weft/openflow";
import { ETH_IP, ETH_IPV6, IP_GRE, TUN_CSUM, TUN_DF, TUN_KEY, TUN_OAM, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import {
  type Decapsulated,
  eachOption,
  ipProtocolOf,
  readErspanTunnel,
  readGeneve,
  readGre,
  readVxlan,
  type TunnelProtocol,
} from "../tunnel/header.ts";

/** Puts what a tunnel header said into a key; the outer addresses are put by the caller. `flags`: TUN_DF and TUN_CSUM. */
export function tunnelFields(key: Int32Array, header: Decapsulated, tos: number, ttl: number, flags = 0): void {
  key[WORD.tun_id] = Number(BigInt.asIntN(32, header.vni >> 32n));
  key[WORD.tun_id + 1] = Number(BigInt.asIntN(32, header.vni));
  key[WORD.tun_tos] = tos;
  key[WORD.tun_ttl] = ttl;
  key[WORD.tun_flags] = flags | (header.oam ? TUN_OAM : 0) | (header.hasKey ? TUN_KEY : 0);
  const { erspan } = header;
  if (erspan === undefined) return;
  key[WORD.tun_erspan_ver] = erspan.version;
  if (erspan.version === 1) key[WORD.tun_erspan_idx] = erspan.index;
  else {
    key[WORD.tun_erspan_dir] = erspan.direction;
    key[WORD.tun_erspan_hwid] = erspan.hardware;
  }
}

const READERS = { geneve: readGeneve, vxlan: readVxlan, gre: readGre, erspan: readErspanTunnel } as const;

export function readTunnel(protocol: TunnelProtocol, bytes: Uint8Array, at: number): Decapsulated | undefined {
  return READERS[protocol](bytes, at);
}

/** Congestion marks of the outer header go to the inner packet (RFC 6040); false when they say to drop it. */
export function inheritCongestion(frame: Uint8Array, tos: number): boolean {
  if ((tos & 3) !== 3 || frame.length < 34) return true;
  const type = ((frame[12] as number) << 8) | (frame[13] as number);
  if (type === ETH_IP) {
    const inner = frame[15] as number;
    if ((inner & 3) === 0) return false;
    if ((inner & 3) !== 3) {
      const before = (frame[14] as number) * 256 + inner;
      frame[15] = inner | 3;
      const after = before | 3;
      // RFC 1624: the header checksum follows the changed word.
      let sum = (~(((frame[24] as number) << 8) | (frame[25] as number)) & 0xffff) + (~before & 0xffff) + after;
      sum = (sum & 0xffff) + (sum >>> 16);
      sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
      frame[24] = sum >>> 8;
      frame[25] = sum;
    }
  } else if (type === ETH_IPV6) {
    const inner = ((frame[15] as number) >>> 4) & 3;
    if (inner === 0) return false;
    frame[15] = (frame[15] as number) | 0x30;
  }
  return true;
}

function hasChecksum(bytes: Uint8Array, gre: boolean, l4: number): boolean {
  return gre ? ((bytes[l4] as number) & 0x80) !== 0 : bytes[l4 + 6] !== 0 || bytes[l4 + 7] !== 0;
}

/** Turns a received tunnel packet into the frame inside it. False when the header is malformed. */
export function decapsulate(packet: Packet, protocol: TunnelProtocol, dpPort: number): boolean {
  const { key, l4 } = packet;
  if (l4 < 0) return false;
  const gre = ipProtocolOf(protocol) === IP_GRE;
  const start = gre ? l4 : l4 + 8;
  const end = packet.bytes.length - packet.padding;
  const header = readTunnel(protocol, packet.bytes, start);
  if (header === undefined || start + header.length + 14 > end) return false;
  const inner = packet.bytes.slice(start + header.length, end);
  const v4 = key[WORD.eth_type] === ETH_IP;
  const src = key[WORD.nw_src] as number;
  const dst = key[WORD.nw_dst] as number;
  const src6 = key.slice(WORD.ipv6_src, WORD.ipv6_src + 4);
  const dst6 = key.slice(WORD.ipv6_dst, WORD.ipv6_dst + 4);
  const tos = key[WORD.nw_tos] as number;
  const ttl = key[WORD.nw_ttl] as number;
  if (!inheritCongestion(inner, tos)) return false;
  const df = v4 && ((packet.bytes[packet.l3 + 6] as number) & 0x40) !== 0 ? TUN_DF : 0;
  const flags = df | (hasChecksum(packet.bytes, gre, l4) ? TUN_CSUM : 0);
  key.fill(0);
  packet.bytes = inner;
  packet.shared = false;
  packet.tunnelOptions = header.options;
  key[WORD.in_port] = dpPort;
  if (v4) {
    key[WORD.tun_src] = src;
    key[WORD.tun_dst] = dst;
  } else {
    key.set(src6, WORD.tun_ipv6_src);
    key.set(dst6, WORD.tun_ipv6_dst);
  }
  tunnelFields(key, header, tos, ttl, flags);
  return true;
}

/** Geneve options as tun_metadata words, as `tlv` maps them. */
export function tunnelKeyInto(key: Int32Array, options: Uint8Array, tlv: TlvMap): void {
  eachOption(options, (optionClass, type, data) => {
    const mapping = tlv.option(optionClass, type);
    if (mapping === undefined || mapping.length !== data.length) return;
    for (let i = 0; i < data.length / 4; i++) {
      key[mapping.word + i] =
        ((data[4 * i] as number) << 24) |
        ((data[4 * i + 1] as number) << 16) |
        ((data[4 * i + 2] as number) << 8) |
        (data[4 * i + 3] as number);
    }
    const word = WORD.tun_metadata_present + (mapping.index >> 5);
    key[word] = (key[word] as number) | (1 << (mapping.index & 31));
  });
}
