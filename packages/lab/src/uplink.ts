/**
 * The end of an underlay network that is real: tunnel datagrams that the lab's machines send to addresses that none of them
 * has leave through UDP sockets of the host, and what arrives on these sockets goes to the machine that has the address.
 *
 * On the wire it is a NIC that answers for every address that is not the lab's, as a router with proxy ARP (RFC 1027) does.
 */
import {
  ARP_OPERATION,
  decode,
  emit,
  find,
  findLayer,
  type Header,
  isMacMulticast,
  type Layer,
  MAC_BROADCAST,
  type Mac,
  readMac,
} from "@weft/packet";
import { type DatagramSocket, messageOf, type Network, WeftError } from "@weft/runtime";
import { Device } from "./machine/device.ts";
import { equalIp, formatIp, type Ip, ip4, ip6, ipHeader, ipKey, parseIp } from "./machine/ip.ts";
import type { Segment } from "./underlay.ts";

/** The UDP ports of tunnels (RFC 8926, RFC 7348); nothing else crosses between the lab and the host. */
const TUNNEL_PORTS = [6081, 4789] as const;

/** Bytes of a packet that an ICMP error quotes. */
const QUOTED = { 4: 548, 6: 1232 } as const;
const ADMINISTRATIVELY_PROHIBITED = { 4: { type: 3, code: 13 }, 6: { type: 1, code: 1 } } as const;

export class Uplink {
  readonly #segment: Segment;
  readonly #device: Device;
  readonly #outside: Network;
  readonly #sockets = new Map<string, DatagramSocket>();
  /** Addresses that announced themselves on the wire: routers and floating addresses of the lab's logical networks. */
  readonly #heard = new Set<string>();

  constructor(segment: Segment, mac: Mac, outside: Network) {
    this.#segment = segment;
    this.#outside = outside;
    this.#device = new Device("ether", `uplink-${segment.name}`, mac, 65535);
    this.#device.attached = (frame) => this.#input(frame);
    this.#device.setUp(true);
    segment.attach(this.#device);
  }

  /**
   * Binds the tunnel ports at addresses of the lab's machines. Throws "lab.real-address" for one that the host does not
   * have or that is in use.
   */
  async open(addresses: readonly Ip[]): Promise<void> {
    for (const ip of addresses) {
      for (const port of TUNNEL_PORTS) {
        const address = formatIp(ip);
        let socket: DatagramSocket;
        try {
          socket = await this.#outside.datagram({ address, port, family: ip.family });
        } catch (error) {
          if (!(error instanceof WeftError)) throw error;
          throw new WeftError(
            "lab.real-address",
            `network ${this.#segment.name} is real, but ${messageOf(error)} (the host must have the address: ip addr add ${address}/${ip.family === 4 ? 32 : 128} dev lo)`,
            { blame: "caller", cause: error },
          );
        }
        this.#sockets.set(`${ipKey(ip)} ${port}`, socket);
        socket.onMessage((bytes, from) => this.#arrived(bytes, from, ip, port));
      }
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#segment.detach(this.#device);
  }

  /** The device of a machine on this wire (or above its NIC there) that has an address. */
  #owner(ip: Ip): Device | undefined {
    for (const nic of this.#segment.devices) {
      const found = nic.namespace?.addresses.find(({ network }) => equalIp(network.address, ip));
      if (found) return found.device.kind === "loopback" ? nic : found.device;
    }
    return undefined;
  }

  #isOutside(ip: Ip): boolean {
    return !this.#owner(ip) && !this.#heard.has(ipKey(ip));
  }

  #transmit(dst: Mac, packet: readonly Header[]): void {
    this.#device.transmit(emit([{ kind: "ethernet", dst, src: this.#device.mac }, ...packet]));
  }

  /** A real datagram for a tunnel address of the lab. */
  #arrived(bytes: Uint8Array, from: { readonly address: string; readonly port: number }, to: Ip, port: number): void {
    const src = parseIp(from.address);
    const owner = this.#owner(to);
    const ip = src && ipHeader(src, to);
    // While the machine's address is gone, the datagram is lost, as it would be on a machine.
    if (!ip || !owner) return;
    this.#transmit(owner.mac, [ip, { kind: "udp", srcPort: from.port, dstPort: port }, { kind: "payload", bytes }]);
  }

  #input(frame: Uint8Array): void {
    if (frame.length < 14) return;
    const dst = readMac(frame, 0);
    const layers = decode(frame);
    const arp = find(layers, "arp");
    const nd = find(layers, "nd");
    if (arp) {
      const sender = ip4(arp.senderIp);
      const target = ip4(arp.targetIp);
      if (!this.#owner(sender)) this.#heard.add(ipKey(sender));
      if (arp.operation !== ARP_OPERATION.request || equalIp(sender, target) || !this.#isOutside(target)) return;
      this.#transmit(arp.senderMac, [
        {
          kind: "arp",
          operation: ARP_OPERATION.reply,
          senderMac: this.#device.mac,
          senderIp: arp.targetIp,
          targetMac: arp.senderMac,
          targetIp: arp.senderIp,
        },
      ]);
    } else if (nd) {
      const header = find(layers, "ipv6");
      if (nd.type === 136 && !this.#owner(ip6(nd.target))) this.#heard.add(ipKey(ip6(nd.target)));
      // Duplicate address detection comes from the unspecified address and is nobody else's to answer.
      if (nd.type !== 135 || !header || header.src === 0n || !this.#isOutside(ip6(nd.target))) return;
      this.#transmit(readMac(frame, 6), [
        { kind: "ipv6", src: nd.target, dst: header.src, hopLimit: 255 },
        {
          kind: "nd",
          type: 136,
          target: nd.target,
          solicited: true,
          override: true,
          options: [{ option: "target-mac", mac: this.#device.mac }],
        },
      ]);
    } else if (dst === this.#device.mac && !isMacMulticast(dst) && dst !== MAC_BROADCAST) this.#leave(frame, layers);
  }

  /** An IP packet for the outside: tunnel datagrams go, anything else is answered as a firewall would. */
  #leave(frame: Uint8Array, layers: readonly Layer[]): void {
    const four = findLayer(layers, "ipv4");
    const six = findLayer(layers, "ipv6");
    const [layer, src, to] = four
      ? [four, ip4(four.header.src), ip4(four.header.dst)]
      : six
        ? [six, ip6(six.header.src), ip6(six.header.dst)]
        : [];
    if (!layer || !src || !to || layer.missing > 0) return;
    const udp = findLayer(layers, "udp");
    const socket = udp && this.#sockets.get(`${ipKey(src)} ${udp.header.dstPort}`);
    if (udp && socket) {
      if (udp.header.checksum !== undefined && udp.header.checksum !== 0) return;
      const tos = layer.header.kind === "ipv4" ? layer.header.tos : layer.header.trafficClass;
      const ttl = layer.header.kind === "ipv4" ? layer.header.ttl : layer.header.hopLimit;
      socket.send(frame.slice(udp.payload, udp.end), formatIp(to), udp.header.dstPort, {
        ...(tos === undefined ? {} : { tos }),
        ...(ttl === undefined ? {} : { ttl }),
      });
      return;
    }
    if (find(layers, "icmp")?.type === 3 || (find(layers, "icmpv6")?.type ?? 128) < 128) return;
    const quote = frame.slice(layer.start, Math.min(layer.end, layer.start + QUOTED[src.family]));
    const error: Header = { kind: src.family === 4 ? "icmp" : "icmpv6", ...ADMINISTRATIVELY_PROHIBITED[src.family] };
    const ip = ipHeader(to, src);
    if (ip) this.#transmit(readMac(frame, 6), [ip, error, { kind: "payload", bytes: quote }]);
  }
}
