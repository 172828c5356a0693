/** Tunnels by the IP stack of a Linux host: a UDP port to receive from, whole IP packets to send, so that every flow has a port of its own. */
import { finishSum, formatIpv4, formatIpv6, ipv4Of, ipv6Of, pseudoSum6At, sumBytes } from "@weft/packet";
import type { HostNetwork, IpSender } from "@weft/runtime";
import type { TunnelHost } from "../netdev.ts";
import { type IpAddress, parseAddress } from "./address.ts";
import { hostRoutes } from "./hostRoutes.ts";
import { RouteTable } from "./routes.ts";

const UDP = 17;
const UDP_HEADER = 8;
const DONT_FRAGMENT = 0x40;

/** Conversions of few values, done for each packet. */
class Remembered<K, V> {
  readonly #known = new Map<K, V>();
  readonly #convert: (key: K) => V;
  constructor(convert: (key: K) => V) {
    this.#convert = convert;
  }
  get(key: K): V {
    let value = this.#known.get(key);
    if (value === undefined) {
      if (this.#known.size >= 4096) this.#known.clear();
      value = this.#convert(key);
      this.#known.set(key, value);
    }
    return value;
  }
}

function bytesOf(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 4 : 16);
  for (let i = bytes.length - 1, rest = BigInt(address.ip); i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

function textOf(bytes: Uint8Array): string {
  const number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return bytes.length === 4 ? formatIpv4(ipv4Of(Number(number))) : formatIpv6(ipv6Of(number));
}

type Outer = Parameters<Awaited<ReturnType<TunnelHost["bindTunnel"]>>["send"]>[1];

/** An IP packet with a UDP datagram; the IPv4 header's checksum is left to the host. */
export function udpPacket(payload: Uint8Array, src: Uint8Array, dst: Uint8Array, outer: Outer, dstPort: number): Uint8Array {
  const v4 = dst.length === 4;
  const l4 = v4 ? 20 : 40;
  const length = UDP_HEADER + payload.length;
  const packet = new Uint8Array(l4 + length);
  const view = new DataView(packet.buffer);
  if (v4) {
    packet[0] = 0x45;
    packet[1] = outer.tos;
    view.setUint16(2, packet.length);
    packet[6] = outer.df ? DONT_FRAGMENT : 0;
    packet[8] = outer.ttl;
    packet[9] = UDP;
    packet.set(src, 12);
    packet.set(dst, 16);
  } else {
    view.setUint32(0, 0x60000000 | (outer.tos << 20));
    view.setUint16(4, length);
    packet[6] = UDP;
    packet[7] = outer.ttl;
    packet.set(src, 8);
    packet.set(dst, 24);
  }
  view.setUint16(l4, outer.srcPort);
  view.setUint16(l4 + 2, dstPort);
  view.setUint16(l4 + 4, length);
  packet.set(payload, l4 + UDP_HEADER);
  if (outer.csum || !v4) {
    const pseudo = v4 ? sumBytes(packet, 12, 20, UDP + length) : pseudoSum6At(packet, 0, UDP, length);
    view.setUint16(l4 + 6, finishSum(sumBytes(packet, l4, packet.length, pseudo)) || 0xffff);
  }
  return packet;
}

export function linuxTunnels(network: HostNetwork): TunnelHost {
  // Packets without a source take that of the host's route.
  const routes = new RouteTable();
  const follow = () => routes.setHost(hostRoutes(network).all());
  follow();
  network.onChange(follow);
  const parsed = new Remembered((text: string) => parseAddress(text) ?? null);
  const bytes = new Remembered((text: string) => {
    const address = parsed.get(text);
    return address === null ? new Uint8Array(0) : bytesOf(address);
  });
  const texts = new Remembered((key: string) => textOf(Uint8Array.from(key, (char) => char.charCodeAt(0))));
  const text = (address: Uint8Array): string => texts.get(String.fromCharCode(...address));
  let sender: IpSender | undefined;
  let users = 0;
  return {
    async bindTunnel(udpPort, receive) {
      const receiver = network.openUdp(udpPort, (payload, { src, dst, tos, ttl, srcPort }) =>
        receive(payload, { src: text(src), dst: text(dst), tos, ttl, srcPort }),
      );
      sender ??= network.openIp();
      const out = sender;
      users++;
      return {
        send(payload, outer) {
          const dst = parsed.get(outer.dst);
          if (dst === null) return;
          const given = outer.src === "" ? routes.lookup(dst)?.source : parsed.get(outer.src);
          if (given === null || given === undefined || given.family !== dst.family) return;
          const src = outer.src === "" ? bytesOf(given) : bytes.get(outer.src);
          out.send(udpPacket(payload, src, bytes.get(outer.dst), outer, udpPort));
        },
        close() {
          receiver.close();
          if (--users > 0) return;
          out.close();
          sender = undefined;
        },
      };
    },
  };
}
