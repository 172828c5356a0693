/** The primitives of the filter language as tests, with libpcap's meaning for Ethernet and raw IP. */
import type { Ipv6, Mac } from "../address.ts";
import { LINK_TYPE } from "../pcap/packet.ts";
import { FilterError } from "./error.ts";
import {
  and,
  equals,
  fixed,
  load,
  loads,
  type Offset,
  or,
  type Packet,
  plus,
  resolve,
  type Test,
  type Value,
} from "./machine.ts";

export type Direction = "src" | "dst" | "src or dst" | "src and dst" | undefined;

/**
 * Where headers are: `vlan` and tunnels move these for everything that comes after them in the text, whether or not they are
 * true of a packet. That is how pcap-filter(7) defines them.
 */
export class Layout {
  readonly raw: boolean;
  linkHeader: Offset;
  linkType: Offset;
  network: Offset;
  /** Inside a tunnel that may carry frames or bare packets. */
  tunnel = false;
  registers = 0;

  constructor(linkType: number) {
    this.raw = linkType === LINK_TYPE.raw;
    this.linkHeader = fixed(0);
    this.linkType = fixed(12);
    this.network = fixed(this.raw ? 0 : 14);
  }
}

const ETHERNET_MAX_LENGTH = 1500;
export const ETHERTYPE = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806, rarp: 0x8035 } as const;

function byDirection(direction: Direction, at: (which: "src" | "dst") => Test): Test {
  switch (direction) {
    case "src":
    case "dst":
      return at(direction);
    case "src and dst":
      return and(at("src"), at("dst"));
    default:
      return or(at("src"), at("dst"));
  }
}

/** True where the link-level header announces `type`: an EtherType, or an LLC service access point up to 1500. */
export function linkType(layout: Layout, type: number): Test {
  if (layout.raw && !layout.tunnel) {
    const version = type === ETHERTYPE.ip ? 0x40 : type === ETHERTYPE.ip6 ? 0x60 : undefined;
    return version === undefined ? () => false : equals(layout.network, 1, version, 0xf0);
  }
  if (type > ETHERNET_MAX_LENGTH) return equals(layout.linkType, 2, type);
  const length = loads(layout.linkType, 2);
  const isLength: Test = (p) => length(p) <= ETHERNET_MAX_LENGTH && !p.failed;
  return and(isLength, equals(layout.network, 1, type));
}

/** True where there is a link-level header: not so in a tunnel with a bare packet. */
export function hasLinkHeader(layout: Layout): Test | undefined {
  if (!layout.tunnel) return undefined;
  const { linkHeader, network } = layout;
  return (p) => resolve(p, linkHeader) !== resolve(p, network);
}

function withLinkHeader(layout: Layout, test: Test): Test {
  const has = hasLinkHeader(layout);
  return has ? and(has, test) : test;
}

export function etherHost(layout: Layout, mac: Mac, direction: Direction): Test {
  const high = Math.floor(mac / 0x1_0000_0000);
  const low = mac % 0x1_0000_0000;
  return withLinkHeader(
    layout,
    byDirection(direction, (which) => {
      const at = which === "src" ? 6 : 0;
      return and(equals(plus(layout.linkHeader, at + 2), 4, low), equals(plus(layout.linkHeader, at), 2, high));
    }),
  );
}

export function etherMulticast(layout: Layout): Test {
  const first = loads(layout.linkHeader, 1);
  return withLinkHeader(layout, (p) => (first(p) & 1) === 1 && !p.failed);
}

/** Addresses at these offsets of the network header. */
const ADDRESSES = { ip: [12, 16], arp: [14, 24], rarp: [14, 24] } as const;

function host4(layout: Layout, of: keyof typeof ADDRESSES, address: number, mask: number, direction: Direction): Test {
  const [src, dst] = ADDRESSES[of];
  const compare = byDirection(direction, (which) => equals(plus(layout.network, which === "src" ? src : dst), 4, address, mask));
  return and(linkType(layout, ETHERTYPE[of]), compare);
}

/** An IPv4 address, or network where the mask is shorter. `of` undefined: in IP, ARP and RARP alike. */
export function ipv4Host(
  layout: Layout,
  of: keyof typeof ADDRESSES | undefined,
  address: number,
  mask: number,
  direction: Direction,
): Test {
  if (of !== undefined) return host4(layout, of, address, mask, direction);
  return or(...(["ip", "arp", "rarp"] as const).map((each) => host4(layout, each, address, mask, direction)));
}

export function ipv6Host(layout: Layout, address: Ipv6, mask: Ipv6, direction: Direction): Test {
  const words = [96n, 64n, 32n, 0n].map(
    (shift) => [Number((address >> shift) & 0xffff_ffffn), Number((mask >> shift) & 0xffff_ffffn)] as const,
  );
  const compare = byDirection(direction, (which) => {
    const at = which === "src" ? 8 : 24;
    const tests = words.map(([word, wordMask], i) => equals(plus(layout.network, at + 4 * i), 4, word, wordMask));
    return and(...tests);
  });
  return and(linkType(layout, ETHERTYPE.ip6), compare);
}

/** True where the IP header (or an IPv6 fragment header behind it) names `protocol`. */
export function ipProtocol(layout: Layout, version: 4 | 6 | undefined, protocol: number): Test {
  if (version === undefined) return or(ipProtocol(layout, 4, protocol), ipProtocol(layout, 6, protocol));
  if (version === 4) return and(linkType(layout, ETHERTYPE.ip), equals(plus(layout.network, 9), 1, protocol));
  const fragment = and(equals(plus(layout.network, 6), 1, 44), equals(plus(layout.network, 40), 1, protocol));
  return and(linkType(layout, ETHERTYPE.ip6), or(equals(plus(layout.network, 6), 1, protocol), fragment));
}

const EXTENSIONS = new Set([0, 43, 44, 60]);

/** As ipProtocol, looking through all extension headers. */
export function protocolChain(layout: Layout, version: 4 | 6 | undefined, protocol: number): Test {
  if (version === undefined) return or(protocolChain(layout, 4, protocol), protocolChain(layout, 6, protocol));
  const { network } = layout;
  const walk: Test = (p) => {
    const start = resolve(p, network);
    let next = load(p, start + (version === 4 ? 9 : 6), 1);
    let at = version === 4 ? start + (load(p, start, 1) & 15) * 4 : start + 40;
    while (!p.failed) {
      if (next === protocol) return true;
      if (next === 59) return false;
      const authentication = next === 51;
      if (!authentication && !(version === 6 && EXTENSIONS.has(next))) return false;
      next = load(p, at, 1);
      const length = load(p, at + 1, 1);
      at += authentication ? (length + 2) * 4 : (length + 1) * 8;
    }
    return false;
  };
  return and(linkType(layout, version === 4 ? ETHERTYPE.ip : ETHERTYPE.ip6), walk);
}

/** True where an IPv4 packet is no later fragment. */
export function notFragment(layout: Layout): Test {
  const word = loads(plus(layout.network, 6), 2);
  return (p) => (word(p) & 0x1fff) === 0 && !p.failed;
}

/** Where the header behind the IPv4 header begins. */
export function transport4(layout: Layout): Value {
  const { network } = layout;
  const first = loads(network, 1);
  return (p) => resolve(p, network) + (first(p) & 15) * 4;
}

export type PortProtocol = "tcp" | "udp" | "sctp";
const PORT_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** A port in first..last of TCP, UDP and SCTP, or of one of them; never of a later fragment. */
export function ports(layout: Layout, of: PortProtocol | undefined, first: number, last: number, direction: Direction): Test {
  const protocols: readonly number[] = of ? [PORT_PROTOCOLS[of]] : [17, 6, 132];
  const inRange = (at: Value, add: number): Test => {
    return (p) => {
      const port = load(p, at(p) + add, 2);
      return port >= first && port <= last && !p.failed;
    };
  };
  const at4 = transport4(layout);
  const { network } = layout;
  const at6: Value = (p) => resolve(p, network) + 40;
  const carries = (offset: number): Test => or(...protocols.map((protocol) => equals(plus(network, offset), 1, protocol)));
  const compare = (at: Value): Test => byDirection(direction, (which) => inRange(at, which === "src" ? 0 : 2));
  return or(
    and(linkType(layout, ETHERTYPE.ip), carries(9), notFragment(layout), compare(at4)),
    and(linkType(layout, ETHERTYPE.ip6), carries(6), compare(at6)),
  );
}

const VLAN_TYPES = [0x8100, 0x88a8, 0x9100];

/** A VLAN tag; moves the layout behind it. */
export function vlan(layout: Layout, id: number | undefined, at: number): Test {
  if (layout.raw && !layout.tunnel) throw new FilterError("no VLAN support for data link type 12", at);
  if (id !== undefined && id > 0xfff) throw new FilterError(`VLAN tag ${id} greater than maximum 4095`, at);
  const tagged = or(...VLAN_TYPES.map((type) => linkType(layout, type)));
  const test = id === undefined ? tagged : and(tagged, equals(layout.network, 2, id, 0xfff));
  layout.linkType = plus(layout.linkType, 4);
  layout.network = plus(layout.network, 4);
  return test;
}

const TEB = 0x6558;
const TUNNEL_PORTS = { geneve: 6081, vxlan: 4789 } as const;

/**
 * A Geneve or VXLAN packet, by its UDP port; with `vni` one of that network. Moves the layout to the packet inside, which may be
 * a frame or, in Geneve, a bare packet.
 */
export function tunnel(layout: Layout, kind: "geneve" | "vxlan", vni: number | undefined, at: number): Test {
  if (vni !== undefined && vni > 0xffffff)
    throw new FilterError(`${kind === "geneve" ? "Geneve" : "VXLAN"} VNI ${vni} greater than maximum 16777215`, at);
  const port = TUNNEL_PORTS[kind];
  const checks = (header: Value): Test => {
    return (p) => {
      const start = header(p);
      if (kind === "geneve" && (load(p, start, 1) & 0xc0) !== 0) return false;
      return !p.failed && (vni === undefined || (load(p, start + 4, 4) >>> 8 === vni && !p.failed));
    };
  };
  const { network } = layout;
  const at4 = transport4(layout);
  const header4: Value = (p) => at4(p) + 8;
  const header6: Value = (p) => resolve(p, network) + 48;
  const v4 = and(
    linkType(layout, ETHERTYPE.ip),
    equals(plus(network, 9), 1, 17),
    notFragment(layout),
    (p) => load(p, at4(p) + 2, 2) === port,
    checks(header4),
  );
  const v6 = and(
    linkType(layout, ETHERTYPE.ip6),
    equals(plus(network, 6), 1, 17),
    equals(plus(network, 42), 2, port),
    checks(header6),
  );
  const registers = layout.registers;
  layout.registers += 3;
  const enter = (header: Value): Test => {
    return (p) => {
      enterTunnel(p, header(p), kind, registers);
      return !p.failed;
    };
  };
  layout.linkHeader = { register: registers, constant: 0 };
  layout.linkType = { register: registers + 1, constant: 0 };
  layout.network = { register: registers + 2, constant: 0 };
  layout.tunnel = true;
  return or(and(v4, enter(header4)), and(v6, enter(header6)));
}

function enterTunnel(p: Packet, header: number, kind: "geneve" | "vxlan", register: number): void {
  const options = kind === "geneve" ? (load(p, header, 1) & 0x3f) * 4 : 0;
  const inner = header + 8 + options;
  const frame = kind === "vxlan" || load(p, header + 2, 2) === TEB;
  p.registers[register] = inner;
  p.registers[register + 1] = frame ? inner + 12 : header + 2;
  p.registers[register + 2] = frame ? inner + 14 : inner;
}

/** The frame inside a Geneve or VXLAN packet: where it begins, -1 for anything else. Looks through VLAN tags of the outer frame. */
export function innerFrame(bytes: Uint8Array, raw: boolean): number {
  const p: Packet = { bytes, length: bytes.length, failed: false, registers: [] };
  let network = raw ? 0 : 14;
  let type = raw ? ([0, 0, 0, 0, 0x0800, 0, 0x86dd][load(p, 0, 1) >>> 4] ?? 0) : load(p, 12, 2);
  while (VLAN_TYPES.includes(type) && !p.failed) {
    type = load(p, network + 2, 2);
    network += 4;
  }
  let udp: number;
  if (type === ETHERTYPE.ip && load(p, network + 9, 1) === 17 && (load(p, network + 6, 2) & 0x1fff) === 0) {
    udp = network + (load(p, network, 1) & 15) * 4;
  } else if (type === ETHERTYPE.ip6 && load(p, network + 6, 1) === 17) udp = network + 40;
  else return -1;
  const port = load(p, udp + 2, 2);
  const header = udp + 8;
  let inner = -1;
  if (port === TUNNEL_PORTS.vxlan) inner = header + 8;
  else if (port === TUNNEL_PORTS.geneve && load(p, header, 1) >>> 6 === 0 && load(p, header + 2, 2) === TEB)
    inner = header + 8 + (load(p, header, 1) & 0x3f) * 4;
  return p.failed || inner > bytes.length ? -1 : inner;
}

export function ipMulticast(layout: Layout): Test {
  const octet = loads(plus(layout.network, 16), 1);
  return and(linkType(layout, ETHERTYPE.ip), (p) => octet(p) >= 224 && !p.failed);
}

/** All zeros or all ones: what libpcap makes of it for a capture file, where no netmask is known. */
export function ipBroadcast(layout: Layout): Test {
  const dst = plus(layout.network, 16);
  return and(linkType(layout, ETHERTYPE.ip), or(equals(dst, 4, 0), equals(dst, 4, 0xffff_ffff)));
}

export function ip6Multicast(layout: Layout): Test {
  return and(linkType(layout, ETHERTYPE.ip6), equals(plus(layout.network, 24), 1, 255));
}
