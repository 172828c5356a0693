/** Tunnels through the host's own IP stack: UDP sockets in place of the switch's routes and neighbours. */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "@weft/packet";
import { messageOf, type Runtime } from "@weft/runtime";
import type { TunnelKey } from "../datapath/actions.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { inheritCongestion, readTunnel, tunnelFields } from "../datapath/decapsulate.ts";
import type { DpPort } from "../datapath/dp-port.ts";
import { putIpv6 } from "../datapath/fields.ts";
import { extract } from "../flow/extract.ts";
import { IP_GRE, WORD } from "../flow/key.ts";
import { Packet } from "../flow/packet.ts";
import type { TunnelHost } from "../netdev.ts";
import type { TunnelConfig } from "../ofproto/port.ts";
import { datapathHash } from "../xlate/hash.ts";
import { geneveHeader, ipProtocolOf, vxlanHeader } from "./header.ts";

type Bound = Awaited<ReturnType<TunnelHost["bindTunnel"]>>;

export class HostTunnels {
  readonly #host: TunnelHost;
  readonly #datapath: Datapath;
  readonly #log;
  readonly #bound = new Map<number, Promise<Bound | undefined>>();
  readonly #ready = new Map<number, Bound>();

  constructor(host: TunnelHost, datapath: Datapath, runtime: Runtime) {
    this.#host = host;
    this.#datapath = datapath;
    this.#log = runtime.log.logger("tunnel");
    datapath.sendTunnel = (port, frame, tunnel) => this.#send(port, frame, tunnel);
  }

  bind(dpPort: number, config: TunnelConfig): void {
    if (ipProtocolOf(config.protocol) === IP_GRE) {
      this.#log.err("tunnels over GRE need the switch's own tunnels; the host has no socket for them");
      return;
    }
    const bound = this.#host
      .bindTunnel(config.dstPort, (payload, outer) => this.#receive(dpPort, config.protocol, payload, outer))
      .then(
        (socket) => {
          this.#ready.set(dpPort, socket);
          return socket;
        },
        (error: unknown) => {
          this.#log.err(`cannot bind UDP port ${config.dstPort} of ${config.protocol}: ${messageOf(error)}`);
          return undefined;
        },
      );
    this.#bound.set(dpPort, bound);
  }

  unbind(dpPort: number): void {
    const bound = this.#bound.get(dpPort);
    this.#bound.delete(dpPort);
    this.#ready.delete(dpPort);
    void bound?.then((socket) => socket?.close());
  }

  #send(port: DpPort, frame: Uint8Array, tunnel: TunnelKey): void {
    const socket = this.#ready.get(port.number);
    if (socket === undefined) return;
    const vni = Number(BigInt.asUintN(24, tunnel.id));
    const header = port.tunnel?.protocol === "vxlan" ? vxlanHeader(vni) : geneveHeader(vni, tunnel.options, tunnel.oam);
    const payload = new Uint8Array(header.length + frame.length);
    payload.set(header);
    payload.set(frame, header.length);
    const inner = new Packet(frame);
    extract(inner);
    const text = (address: TunnelKey["dst"]): string => (address.family === 4 ? formatIpv4(address.ip) : formatIpv6(address.ip));
    socket.send(payload, {
      src: tunnel.src === undefined ? "" : text(tunnel.src),
      dst: text(tunnel.dst),
      tos: tunnel.tos,
      ttl: tunnel.ttl,
      srcPort: 32768 + (datapathHash(inner.key, "sym_l4", 0) % 28233),
      df: tunnel.df,
      csum: tunnel.csum,
    });
  }

  #receive(
    dpPort: number,
    protocol: TunnelConfig["protocol"],
    payload: Uint8Array,
    outer: { readonly src: string; readonly dst: string; readonly tos: number; readonly ttl: number },
  ): void {
    const header = readTunnel(protocol, payload, 0);
    if (header === undefined || payload.length < header.length + 14) return;
    const frame = payload.slice(header.length);
    if (!inheritCongestion(frame, outer.tos)) return;
    const packet = new Packet(frame);
    const { key } = packet;
    if (this.#datapath.nativeTunnels && this.#datapath.ownsAddress(outer.dst)) return;
    const put = (text: string, v4: number, v6: number): boolean => {
      const ip4 = parseIpv4(text);
      if (ip4 !== undefined) {
        key[v4] = ip4 | 0;
        return true;
      }
      const ip6 = parseIpv6(text);
      if (ip6 === undefined) return false;
      putIpv6(key, v6, ip6);
      return true;
    };
    if (!put(outer.src, WORD.tun_src, WORD.tun_ipv6_src) || !put(outer.dst, WORD.tun_dst, WORD.tun_ipv6_dst)) return;
    tunnelFields(key, header, outer.tos, outer.ttl);
    packet.tunnelOptions = header.options;
    this.#datapath.receiveTunnelled(packet, dpPort);
  }
}
