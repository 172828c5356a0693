/**
 * The IP stack of a namespace: delivery to sockets, forwarding, ICMP errors. What Linux does for the packets
 * that a lab's guests send: enough that ping, sockets and tunnels behave as on a real machine.
 */
import {
  decode,
  emit,
  find,
  findLayer,
  type Header,
  headers as headersOf,
  type Ipv4Header,
  type Ipv6Header,
  isMacMulticast,
  type Layer,
  MAC_BROADCAST,
  MAC_ZERO,
  type Mac,
  multicastMacOfIpv4,
  multicastMacOfIpv6,
  readMac,
  solicitedNodeOf,
} from "@weft/packet";
import type { Device } from "./device.ts";
import { Discovery } from "./discovery.ts";
import { fragmentsOf, Reassembly, readFragment, sealIpv4 } from "./fragments.ts";
import { type Ip, ip4, ip6, ipKey, isAny, isLinkLocal, isMulticast } from "./ip.ts";
import type { Namespace } from "./namespace.ts";
import type { Neighbours } from "./neighbours.ts";
import type { RouteLookup } from "./route.ts";
import { TcpSockets } from "./tcp.ts";
import { UdpSockets } from "./udp.ts";

/** A packet that came for this machine: its IP header as a value, and the layers behind it. */
export interface Received {
  readonly device: Device;
  readonly src: Ip;
  readonly dst: Ip;
  /** TTL or hop limit. */
  readonly ttl: number;
  readonly tos: number;
  /** The whole frame's layers. */
  readonly layers: readonly Layer[];
  readonly frame: Uint8Array;
}

export interface SendOptions {
  readonly src?: Ip | undefined;
  readonly ttl?: number | undefined;
  readonly tos?: number | undefined;
  readonly dontFragment?: boolean | undefined;
  /** Cut into fragments what is longer than the path takes, though `dontFragment` is set for what is not (IP_PMTUDISC_WANT). */
  readonly mayFragment?: boolean | undefined;
  readonly id?: number | undefined;
  /** Send by this device only. */
  readonly device?: Device | undefined;
  /** Told when the next hop does not answer. */
  readonly onUnreachable?: (() => void) | undefined;
}

/** Why a packet could not be sent at once. `mtu` accompanies "too-big". */
export type SendResult =
  | { readonly ok: true; readonly src: Ip }
  | { readonly ok: false; readonly reason: "no-route" | "too-big" | "no-source"; readonly mtu?: number };

/** ICMP types and codes (RFC 792, RFC 4443) that the stack sends. */
const ECHO_REPLY = { 4: 0, 6: 129 } as const;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const UNREACHABLE = { 4: 3, 6: 1 } as const;
const HOST_UNREACHABLE = { 4: 1, 6: 3 } as const;
const NO_ROUTE = { 4: 0, 6: 0 } as const;
const PORT_UNREACHABLE = { 4: 3, 6: 4 } as const;
const TIME_EXCEEDED = { 4: 11, 6: 3 } as const;
const ETHER_TYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
const LONGEST_PACKET = 65535;
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;
const REASSEMBLY_TIME_EXCEEDED = { 4: 1, 6: 1 } as const;
/** Milliseconds for which Linux believes what it was told of a path (net.ipv4.route.mtu_expires). */
const PATH_MTU_AGE = 600_000;
/** No path has less (RFC 791, RFC 8200 5); Linux takes no less than 552 for IPv4. */
const LEAST_MTU = { 4: 552, 6: 1280 } as const;
/** Bytes of the offending packet that an error quotes: 576 or 1280 in all (RFC 1812 4.3.2.3, RFC 4443 2.4). */
const QUOTED = { 4: 548, 6: 1232 } as const;

export class Stack {
  readonly neighbours: Neighbours;
  readonly discovery: Discovery;
  readonly udp: UdpSockets;
  readonly tcp: TcpSockets;
  /** Hears of every ICMP and ICMPv6 message for this machine, errors included: ping and traceroute. */
  readonly icmpListeners = new Set<(received: Received) => void>();
  /** Protocols besides UDP and ICMP, by header kind. */
  readonly protocols = new Map<Header["kind"], (received: Received) => void>();
  readonly #namespace: Namespace;
  readonly #reassembly: Reassembly;
  /** What ICMP said of paths, by destination. */
  readonly #pathMtu = new Map<string, { readonly mtu: number; readonly until: number }>();
  #nextId: number;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.discovery = new Discovery(namespace);
    this.neighbours = this.discovery.neighbours;
    this.udp = new UdpSockets(this);
    this.tcp = new TcpSockets(namespace, this);
    this.#nextId = namespace.random.below(0x10000);
    this.#reassembly = new Reassembly(namespace.clock);
    this.#reassembly.onTimeout = (packet) => this.#reassemblyFailed(packet);
  }

  /** A frame arrived on one of the namespace's devices. */
  input(device: Device, frame: Uint8Array): void {
    if (frame.length < 14) return;
    const destination = readMac(frame, 0);
    if (destination !== device.mac && !isMacMulticast(destination) && device.kind !== "loopback") return;
    const layers = decode(frame);
    // What a tunnel carries is not for this machine's stack.
    const inFrame = layers.find(({ header }) => header.kind !== "ethernet" && header.kind !== "vlan")?.header;
    if (inFrame?.kind === "arp") return this.discovery.arp(device, inFrame);
    const read = this.#read(device, frame, layers);
    if (!read) return;
    const [received, layer] = read;
    if (this.#isForUs(received)) {
      const packet = frame.subarray(layer.start, layer.end);
      const fragment = readFragment(packet);
      if (!fragment) return this.#deliver(received);
      const whole = this.#reassembly.add(fragment, packet.slice());
      if (whole) this.#inputWhole(device, frame.subarray(0, layer.start), whole);
    } else if (this.#namespace.forwarding && !isMulticast(received.dst) && destination === device.mac)
      this.#forward(received, layer);
  }

  /** A packet that came in fragments, as if it had come in one. */
  #inputWhole(device: Device, link: Uint8Array, packet: Uint8Array): void {
    const frame = new Uint8Array(link.length + packet.length);
    frame.set(link);
    frame.set(packet, link.length);
    const read = this.#read(device, frame, decode(frame));
    if (read) this.#deliver(read[0]);
  }

  #reassemblyFailed(packet: Uint8Array): void {
    const layers = decode(packet, (packet[0] ?? 0) >> 4 === 6 ? "ipv6" : "ipv4");
    const read = this.#read(this.#namespace.loopback, packet, layers);
    if (read) this.sendError(read[0], TIME_EXCEEDED, REASSEMBLY_TIME_EXCEEDED);
  }

  /** The IP packet in a frame; undefined for none, or one that is cut short or has a wrong checksum. */
  #read(device: Device, frame: Uint8Array, layers: readonly Layer[]): readonly [Received, Layer] | undefined {
    const layer = layers.find(({ header }) => header.kind === "ipv4" || header.kind === "ipv6");
    if (!layer || layer.missing > 0) return undefined;
    const header = layer.header as Ipv4Header | Ipv6Header;
    if (header.kind === "ipv4" && header.checksum !== undefined) return undefined;
    const received: Received =
      header.kind === "ipv4"
        ? { device, src: ip4(header.src), dst: ip4(header.dst), ttl: header.ttl ?? 64, tos: header.tos ?? 0, layers, frame }
        : {
            device,
            src: ip6(header.src),
            dst: ip6(header.dst),
            ttl: header.hopLimit ?? 64,
            tos: header.trafficClass ?? 0,
            layers,
            frame,
          };
    return [received, layer];
  }

  #isForUs({ dst, device }: Received): boolean {
    if (this.#namespace.isLocal(dst)) return true;
    if (dst.family === 4) {
      return (
        dst.value === 0xffffffff ||
        isMulticast(dst) ||
        this.#namespace.addresses.some(
          ({ network }) =>
            network.address.family === 4 &&
            network.length < 31 &&
            dst.value === (network.address.value | (0xffffffff >>> network.length)) >>> 0,
        )
      );
    }
    if (!isMulticast(dst)) return false;
    const own = this.#namespace.addresses.filter((address) => address.device === device);
    return (
      dst.value >> 112n !== 0xff02n ||
      dst.value < (0xff02n << 112n) + 0x10000n ||
      own.some(({ network }) => network.address.family === 6 && solicitedNodeOf(network.address.value) === dst.value)
    );
  }

  #deliver(received: Received): void {
    const transport = received.layers.find(
      ({ header }) => !["ethernet", "vlan", "ipv4", "ipv6", "ipv6-options"].includes(header.kind),
    )?.header;
    switch (transport?.kind) {
      case "icmp":
      case "icmpv6":
        if (transport.checksum !== undefined) return;
        if (transport.type === ECHO_REQUEST[received.src.family] && transport.code === 0) this.#answerEcho(received);
        this.#learnPathMtu(received);
        for (const listener of this.icmpListeners) listener(received);
        break;
      case "nd":
        if (transport.checksum === undefined && received.ttl === 255) this.discovery.nd(received.device, received.src, transport);
        break;
      case "udp":
        // Zero stands for no checksum, with IPv4 (RFC 768).
        if (transport.checksum !== undefined && (transport.checksum !== 0 || received.src.family === 6)) return;
        if (!this.udp.deliver(received, transport) && !isMulticast(received.dst))
          this.sendError(received, UNREACHABLE, PORT_UNREACHABLE);
        break;
      default:
        if (transport) this.protocols.get(transport.kind)?.(received);
    }
  }

  #answerEcho(received: Received): void {
    const { family } = received.src;
    if (isMulticast(received.dst) && family === 4) return;
    const kind = family === 4 ? "icmp" : "icmpv6";
    const at = received.layers.findIndex(({ header }) => header.kind === kind);
    const [request, ...rest] = headersOf(received.layers.slice(at));
    if (request?.kind !== "icmp" && request?.kind !== "icmpv6") return;
    const reply: Header = { kind: request.kind, type: ECHO_REPLY[family], code: 0, rest: request.rest };
    const src = isMulticast(received.dst) ? undefined : received.dst;
    this.send(received.src, [reply, ...rest], {
      src,
      tos: received.tos,
      device: isMulticast(received.dst) || isLinkLocal(received.src) ? received.device : undefined,
    });
  }

  /** Sends an ICMP error about a packet, unless that one must not be answered (RFC 1122 3.2.2). `rest`: the header's last 32 bits. */
  sendError(received: Received, type: { 4: number; 6: number }, code: { 4: number; 6: number }, rest = 0): void {
    const { family } = received.src;
    if (isMulticast(received.dst) || isMulticast(received.src) || isAny(received.src)) return;
    if (isBroadcast(received.dst, this.#namespace)) return;
    const icmp = find(received.layers, "icmp");
    if (icmp && ![0, 8, 13, 14].includes(icmp.type)) return;
    const icmpv6 = find(received.layers, "icmpv6");
    if (icmpv6 && icmpv6.type < 128) return;
    const layer = findLayer(received.layers, family === 4 ? "ipv4" : "ipv6");
    if (!layer) return;
    const quote = received.frame.subarray(layer.start, Math.min(layer.end, layer.start + QUOTED[family]));
    const error: Header = { kind: family === 4 ? "icmp" : "icmpv6", type: type[family], code: code[family], rest };
    const src = this.#namespace.isLocal(received.dst) ? received.dst : undefined;
    this.send(received.src, [error, { kind: "payload", bytes: quote }], {
      src,
      tos: 0xc0,
      device: isLinkLocal(received.src) ? received.device : undefined,
    });
  }

  #forward(received: Received, layer: Layer): void {
    if (received.ttl <= 1) return this.sendError(received, TIME_EXCEEDED, { 4: 0, 6: 0 });
    const lookup = this.#namespace.lookup(received.dst);
    if (!lookup) return this.sendError(received, UNREACHABLE, NO_ROUTE);
    const packet = received.frame.slice(layer.start, layer.end);
    const { family } = received.dst;
    const { mtu } = lookup.route.device;
    if (packet.length > mtu && (family === 6 || ((packet[6] ?? 0) & 0x40) !== 0)) {
      const [type, code] =
        family === 4
          ? [UNREACHABLE, { 4: FRAGMENTATION_NEEDED, 6: 0 }]
          : [
              { 4: UNREACHABLE[4], 6: PACKET_TOO_BIG },
              { 4: FRAGMENTATION_NEEDED, 6: 0 },
            ];
      return this.sendError(received, type, code, mtu);
    }
    if (family === 4) {
      packet[8] = received.ttl - 1;
      sealIpv4(packet);
    } else packet[7] = received.ttl - 1;
    this.#transmit(lookup, packet, mtu, () => this.sendError(received, UNREACHABLE, HOST_UNREACHABLE));
  }

  /** Sends transport headers (with their payload) to an address; the route decides device, next hop and source. */
  send(dst: Ip, transport: readonly Header[], options: SendOptions = {}): SendResult {
    const lookup = this.#namespace.lookup(dst, options.device);
    if (!lookup) return { ok: false, reason: "no-route" };
    const src = options.src ?? lookup.source;
    if (!src) return { ok: false, reason: "no-source" };
    const header: Header | undefined =
      src.family === 4 && dst.family === 4
        ? {
            kind: "ipv4",
            src: src.value,
            dst: dst.value,
            ttl: options.ttl ?? 64,
            tos: options.tos ?? 0,
            id: options.id ?? this.#id(),
            dontFragment: options.dontFragment ?? false,
          }
        : src.family === 6 && dst.family === 6
          ? {
              kind: "ipv6",
              src: src.value,
              dst: dst.value,
              hopLimit: options.ttl ?? lookup.route.hopLimit ?? 64,
              trafficClass: options.tos ?? 0,
            }
          : undefined;
    if (!header) return { ok: false, reason: "no-source" };
    const mtu = this.#mtuTowards(dst, lookup.route.device);
    let packet = emit([header, ...transport]);
    if (packet.length > mtu) {
      const whole = options.dontFragment === true && options.mayFragment !== true;
      if (whole || packet.length > LONGEST_PACKET) return { ok: false, reason: "too-big", mtu };
      if (header.kind === "ipv4") packet = emit([{ ...header, dontFragment: false }, ...transport]);
    }
    this.#transmit(lookup, packet, mtu, options.onUnreachable);
    return { ok: true, src };
  }

  #id(): number {
    this.#nextId = (this.#nextId + 1) & 0xffff;
    return this.#nextId;
  }

  #mtuTowards(dst: Ip, device: Device): number {
    const path = this.#pathMtu.get(ipKey(dst));
    const mtu = dst.family === 6 ? (device.mtu6 ?? device.mtu) : device.mtu;
    return path && path.until > this.#namespace.clock.now() ? Math.min(path.mtu, mtu) : mtu;
  }

  /** A router said that a packet of ours was too long for what is behind it (RFC 1191, RFC 8201). */
  #learnPathMtu({ layers, src }: Received): void {
    const { family } = src;
    const message = family === 4 ? find(layers, "icmp") : find(layers, "icmpv6");
    const about =
      family === 4 ? message?.type === UNREACHABLE[4] && message.code === FRAGMENTATION_NEEDED : message?.type === PACKET_TOO_BIG;
    const quoted = family === 4 ? find(layers, "ipv4", 1) : find(layers, "ipv6", 1);
    if (!about || !quoted) return;
    const dst = quoted.kind === "ipv4" ? ip4(quoted.dst) : ip6(quoted.dst);
    const own = quoted.kind === "ipv4" ? ip4(quoted.src) : ip6(quoted.src);
    if (!this.#namespace.isLocal(own)) return;
    const said = family === 4 ? (message?.rest ?? 0) & 0xffff : (message?.rest ?? 0);
    const mtu = Math.max(said, LEAST_MTU[family]);
    this.#pathMtu.set(ipKey(dst), { mtu, until: this.#namespace.clock.now() + PATH_MTU_AGE });
    this.tcp.pathMtuChanged(dst, mtu);
  }

  /** Sends a whole IP packet by a route, in fragments of at most `mtu` bytes where it is longer. */
  #transmit(lookup: RouteLookup, packet: Uint8Array, mtu: number, onUnreachable?: () => void): void {
    const { device } = lookup.route;
    const pieces = packet.length > mtu ? (fragmentsOf(packet, mtu, this.#namespace.random.uint32()) ?? []) : [packet];
    const six = (packet[0] ?? 0) >> 4 === 6;
    const go = (mac: Mac) => {
      for (const piece of pieces) {
        device.transmit(
          emit([
            { kind: "ethernet", dst: mac, src: device.mac, etherType: six ? ETHER_TYPE.ipv6 : ETHER_TYPE.ipv4 },
            { kind: "payload", bytes: piece },
          ]),
        );
      }
    };
    const { nextHop } = lookup;
    if (device.kind === "loopback") go(MAC_ZERO);
    else if (isBroadcast(nextHop, this.#namespace)) go(MAC_BROADCAST);
    else if (isMulticast(nextHop))
      go(nextHop.family === 4 ? multicastMacOfIpv4(nextHop.value) : multicastMacOfIpv6(nextHop.value));
    else {
      this.neighbours.resolve(device, nextHop, go, () => onUnreachable?.());
    }
  }
}

function isBroadcast(ip: Ip, namespace: Namespace): boolean {
  if (ip.family !== 4) return false;
  if (ip.value === 0xffffffff) return true;
  return namespace.addresses.some(
    ({ network }) =>
      network.address.family === 4 &&
      network.length < 31 &&
      ip.value === (network.address.value | (0xffffffff >>> network.length)) >>> 0,
  );
}
