/** The tunnels of a datapath: where they end, how a packet's outer header is taken off there, and which tunnel it then came by. */
import { macOf } from "@weft/packet";
import { IP_GRE, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { OfPort, TunnelConfig } from "../ofproto/port.ts";
import { type IpAddress, parseAddress } from "../tunnel/address.ts";
import { ipProtocolOf } from "../tunnel/header.ts";
import { decapsulate } from "./decapsulate.ts";
import type { DpPort } from "./dp-port.ts";
import { type TunnelEnd, TunnelPortMap } from "./tunnel-ports.ts";

type TunnelDpPort = DpPort & { readonly tunnel: NonNullable<DpPort["tunnel"]> };

export class Tunnels {
  /** Where packets of tunnels arrive. */
  readonly ends = new TunnelPortMap();
  readonly #dpPorts: ReadonlyMap<number, DpPort>;
  readonly #ports = new Set<OfPort>();

  /** `dpPorts`: the datapath's, by number, as they come and go. */
  constructor(dpPorts: ReadonlyMap<number, DpPort>) {
    this.#dpPorts = dpPorts;
  }

  [Symbol.iterator](): Iterator<OfPort> {
    return this.#ports.values();
  }

  add(port: OfPort): void {
    this.#ports.add(port);
  }

  delete(port: OfPort): void {
    this.#ports.delete(port);
  }

  /** The tunnel port for a packet with these outer fields: the one whose options say most about it. */
  portFor(key: Int32Array, dpPort: number): OfPort | undefined {
    let best: OfPort | undefined;
    let bestScore = -1;
    for (const port of this.#ports) {
      if (port.tunnel === undefined || !this.#sameEnd(port.dpPort, dpPort)) continue;
      const score = tunnelScore(port.tunnel, key);
      if (score > bestScore) {
        best = port;
        bestScore = score;
      }
    }
    return best;
  }

  /** Tunnels over IPv4 and over IPv6 may have ports of their own for one protocol. */
  #sameEnd(a: number | undefined, b: number): boolean {
    if (a === undefined || a === b) return a === b;
    const [one, other] = [this.#dpPorts.get(a)?.tunnel, this.#dpPorts.get(b)?.tunnel];
    return one?.protocol === other?.protocol && one?.udpPort === other?.udpPort;
  }

  /** Takes the outer header off. The datapath port whose protocol it was; undefined: of none. */
  pop(packet: Packet, dpPort: number): number | undefined {
    const tunnel = this.#dpPorts.get(dpPort)?.tunnel;
    if (tunnel === undefined) return undefined;
    if (decapsulate(packet, tunnel.protocol, dpPort)) return dpPort;
    if (ipProtocolOf(tunnel.protocol) !== IP_GRE) return undefined;
    // GRE and ERSPAN come to the same address, and only the header tells them apart.
    for (const { number: other, tunnel: candidate } of this.#dpPorts.values()) {
      if (candidate === undefined || candidate.protocol === tunnel.protocol || ipProtocolOf(candidate.protocol) !== IP_GRE)
        continue;
      if (decapsulate(packet, candidate.protocol, other)) return other;
    }
    return undefined;
  }

  /** Puts an end of each protocol at the addresses of the bridges' LOCAL devices, which are given by the devices' names. */
  updateEnds(bridges: Iterable<Bridge>, addresses: ReadonlyMap<string, readonly IpAddress[]>): void {
    const protocols = [...this.#dpPorts.values()].filter((port): port is TunnelDpPort => port.tunnel !== undefined);
    this.ends.protocols = protocols.map((port) => ({ dpPort: port.number, name: port.name }));
    const ends: TunnelEnd[] = [];
    for (const { local } of bridges) {
      if (local === undefined) continue;
      for (const address of addresses.get(local.name) ?? []) ends.push(...endsAt(address, local.mac, protocols));
    }
    this.ends.set(ends);
  }
}

/** Of several protocols over GRE the first stands for all. */
function endsAt(address: IpAddress, mac: number, protocols: readonly TunnelDpPort[]): TunnelEnd[] {
  const ends = new Map<string, TunnelEnd>();
  for (const { number: dpPort, name, tunnel } of protocols) {
    const protocol = ipProtocolOf(tunnel.protocol);
    const place = `${protocol} ${tunnel.udpPort}`;
    if (!ends.has(place)) ends.set(place, { dpPort, name, mac: macOf(mac), address, protocol, udpPort: tunnel.udpPort });
  }
  return [...ends.values()];
}

/** How much a tunnel's options say about a packet; -1: it is another's. */
function tunnelScore(tunnel: TunnelConfig, key: Int32Array): number {
  const address = (v4: number, v6: number): string => {
    if (key[v4] !== 0) return `4${(key[v4] as number) >>> 0}`;
    return `6${[0, 1, 2, 3].map((i) => (key[v6 + i] as number) >>> 0).join(".")}`;
  };
  let score = 0;
  if (tunnel.inKey !== "flow") {
    const id = (BigInt((key[WORD.tun_id] as number) >>> 0) << 32n) | BigInt((key[WORD.tun_id + 1] as number) >>> 0);
    if ((tunnel.inKey ?? 0n) !== id) return -1;
    score += 1;
  }
  if (tunnel.localIp !== undefined && tunnel.localIp !== "flow") {
    if (addressKey(tunnel.localIp) !== address(WORD.tun_dst, WORD.tun_ipv6_dst)) return -1;
    score += 2;
  }
  if (tunnel.remoteIp !== "flow") {
    if (addressKey(tunnel.remoteIp) !== address(WORD.tun_src, WORD.tun_ipv6_src)) return -1;
    score += 4;
  }
  return score;
}

const addressKeys = new Map<string, string>();
function addressKey(text: string): string {
  let key = addressKeys.get(text);
  if (key === undefined) {
    const address = parseAddress(text);
    key =
      address === undefined
        ? "none"
        : address.family === 4
          ? `4${address.ip}`
          : `6${[96n, 64n, 32n, 0n].map((shift) => (address.ip >> shift) & 0xffffffffn).join(".")}`;
    addressKeys.set(text, key);
  }
  return key;
}
