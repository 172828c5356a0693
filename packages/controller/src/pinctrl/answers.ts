/**
 * Packets that the controller makes from one that it was sent, for the actions arp, nd_ns, nd_na, icmp4, icmp6,
 * tcp_reset, sctp_abort and reject (ovn-sb(5), Logical_Flow). The nested actions then complete them in the switch.
 */
import { type Action, IP_PROTO } from "@weft/openflow";
import {
  decode,
  type Ethernet,
  emit,
  findLayer,
  get16,
  get32,
  type Header,
  type Ipv4Header,
  type Ipv6Header,
  type Layer,
  linkLocalOfMac,
  MAC_ZERO,
  multicastMacOfIpv6,
  solicitedNodeOf,
} from "@weft/packet";
import { resized, under } from "./udp.ts";

/** ICMP errors are no longer than this with the Ethernet header (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4). */
const ICMP4_FRAME = 576;
const ICMP6_FRAME = 1280;
/** Hop limit of resets and aborts. */
const RESET_TTL = 63;
const ERROR_TTL = 255;

/** A packet's Ethernet and IP headers, and what is behind them. */
export interface IpPacket {
  readonly frame: Uint8Array;
  readonly ethernet: Ethernet;
  readonly ip: Ipv4Header | Ipv6Header;
  /** Where the IP header begins in the frame, and where the packet ends. */
  readonly start: number;
  readonly end: number;
  readonly layers: readonly Layer[];
}

export function ipPacketOf(frame: Uint8Array): IpPacket | undefined {
  const layers = decode(frame);
  const ethernet = layers[0]?.header;
  const network = layers.find((layer) => layer.header.kind === "ipv4" || layer.header.kind === "ipv6");
  if (ethernet?.kind !== "ethernet" || network === undefined) return undefined;
  const ip = network.header;
  if (ip.kind !== "ipv4" && ip.kind !== "ipv6") return undefined;
  return { frame, ethernet, ip, start: network.start, end: network.end, layers };
}

/** An ARP request for the packet's destination, from its source. */
export function arpRequest(packet: IpPacket): Uint8Array | undefined {
  const { ethernet, ip } = packet;
  if (ip.kind !== "ipv4") return undefined;
  return emit([
    { kind: "ethernet", dst: ethernet.dst, src: ethernet.src },
    { kind: "arp", operation: 1, senderMac: ethernet.src, senderIp: ip.src, targetMac: MAC_ZERO, targetIp: ip.dst },
  ]);
}

/** A neighbour solicitation for the packet's destination. */
export function neighbourSolicitation(packet: IpPacket): Uint8Array | undefined {
  const { ethernet, ip } = packet;
  if (ip.kind !== "ipv6") return undefined;
  const dst = solicitedNodeOf(ip.dst);
  return emit([
    { kind: "ethernet", dst: multicastMacOfIpv6(dst), src: ethernet.src },
    { kind: "ipv6", src: linkLocalOfMac(ethernet.src), dst, hopLimit: 255 },
    {
      kind: "nd",
      type: 135,
      target: ip.dst,
      options: [{ option: "source-mac", mac: ethernet.src }],
    },
  ]);
}

/**
 * The answer to a neighbour solicitation, from the address and the MAC that it was sent to. Like the reference's it goes to
 * the asker's address even if that is unspecified (duplicate address detection).
 */
export function neighbourAdvertisement(packet: IpPacket, router: boolean): Uint8Array | undefined {
  const nd = findLayer(packet.layers, "nd")?.header;
  if (packet.ip.kind !== "ipv6" || nd?.type !== 135) return undefined;
  const { ethernet, ip } = packet;
  return emit([
    { kind: "ethernet", dst: ethernet.src, src: ethernet.dst },
    { kind: "ipv6", src: nd.target, dst: ip.src, hopLimit: 255 },
    {
      kind: "nd",
      type: 136,
      target: nd.target,
      router,
      solicited: true,
      override: true,
      options: [{ option: "target-mac", mac: ethernet.dst }],
    },
  ]);
}

/** Also of a fragment without its UDP header. */
function isUdp({ ip, layers }: IpPacket): boolean {
  return findLayer(layers, "udp") !== undefined || (ip.kind === "ipv4" && ip.protocol === IP_PROTO.udp);
}

/** ICMP's and ICMPv6's "destination unreachable". */
function isUnreachable({ layers }: IpPacket): boolean {
  return findLayer(layers, "icmp")?.header.type === 3 || findLayer(layers, "icmpv6")?.header.type === 1;
}

function reversed<H extends Ipv4Header | Ipv6Header>(ip: H, reverse: boolean): Pick<H, "src" | "dst"> {
  return reverse ? { src: ip.dst, dst: ip.src } : { src: ip.src, dst: ip.dst };
}

function ethernetFor({ ethernet }: IpPacket, reverse: boolean): Header {
  return reverse
    ? { kind: "ethernet", dst: ethernet.src, src: ethernet.dst }
    : { kind: "ethernet", dst: ethernet.dst, src: ethernet.src };
}

/** How a note that carries a value for the controller begins, and where the value is. */
const NOTE = [0x6f, 0x76, 0x6e, 0];
const NOTE_KIND = 4;
const NOTE_VALUE = 8;
const FRAG_MTU6 = 1;

/** The value that nested actions assign to icmp4.frag_mtu or icmp6.frag_mtu (ovn-sb(5)); 0 without one. */
export function fragMtu(actions: readonly Action[]): number {
  for (const action of actions) {
    if (action.type !== "note" || NOTE.some((byte, i) => action.data[i] !== byte)) continue;
    return get16(action.data, NOTE_KIND) === FRAG_MTU6 ? get32(action.data, NOTE_VALUE) : get16(action.data, NOTE_VALUE);
  }
  return 0;
}

/**
 * An ICMP or ICMPv6 error about the packet: port unreachable for UDP, host unreachable or prohibited otherwise. `reverse`:
 * already addressed to where the packet came from. `mtu` makes it "too big".
 */
export function icmpError(packet: IpPacket, options: { readonly reverse?: boolean; readonly mtu?: number } = {}): Uint8Array {
  const { frame, ip, start, end } = packet;
  const reverse = options.reverse ?? false;
  const room = (ip.kind === "ipv4" ? ICMP4_FRAME - 14 - 20 : ICMP6_FRAME - 14 - 40) - 8;
  const quoted: Header = { kind: "payload", bytes: frame.slice(start, Math.min(end, start + room)) };
  if (ip.kind === "ipv4") {
    return emit([
      ethernetFor(packet, reverse),
      { kind: "ipv4", ...reversed(ip, reverse), ttl: ERROR_TTL, dontFragment: true, protocol: 1 },
      options.mtu === undefined
        ? { kind: "icmp", type: 3, code: isUdp(packet) ? 3 : 1 }
        : { kind: "icmp", type: 3, code: 4, rest: options.mtu },
      quoted,
    ]);
  }
  return emit([
    ethernetFor(packet, reverse),
    { kind: "ipv6", ...reversed(ip, reverse), hopLimit: ERROR_TTL, nextHeader: 58 },
    options.mtu === undefined
      ? { kind: "icmpv6", type: 1, code: isUdp(packet) ? 4 : 1 }
      : { kind: "icmpv6", type: 2, code: 0, rest: options.mtu },
    quoted,
  ]);
}

function ipFor(ip: Ipv4Header | Ipv6Header, reverse: boolean, protocol: number): Header {
  return ip.kind === "ipv4"
    ? { kind: "ipv4", ...reversed(ip, reverse), ttl: RESET_TTL, dontFragment: true, protocol }
    : { kind: "ipv6", ...reversed(ip, reverse), hopLimit: RESET_TTL, nextHeader: protocol };
}

const RST = 0x04;
const ACK = 0x10;

/** A reset for a TCP segment; none for a reset. */
export function tcpReset(packet: IpPacket, reverse = false): Uint8Array | undefined {
  const tcp = findLayer(packet.layers, "tcp")?.header;
  if (tcp === undefined || (tcp.flags & RST) !== 0) return undefined;
  return emit([
    ethernetFor(packet, reverse),
    ipFor(packet.ip, reverse, 6),
    {
      kind: "tcp",
      srcPort: tcp.dstPort,
      dstPort: tcp.srcPort,
      sequence: 0,
      acknowledgment: (tcp.sequence + 1) >>> 0,
      flags: RST | ACK,
      window: 0,
    },
  ]);
}

const ABORT = 6;

/** An abort for an SCTP packet; none for an abort. */
export function sctpAbort(packet: IpPacket, reverse = false): Uint8Array | undefined {
  const sctp = findLayer(packet.layers, "sctp")?.header;
  if (sctp === undefined || sctp.chunks?.[0]?.type === ABORT) return undefined;
  return emit([
    ethernetFor(packet, reverse),
    ipFor(packet.ip, reverse, 132),
    {
      kind: "sctp",
      srcPort: sctp.dstPort,
      dstPort: sctp.srcPort,
      tag: sctp.tag,
      chunks: [{ type: ABORT, flags: 1, data: new Uint8Array(0) }],
    },
  ]);
}

/**
 * What refuses a packet: a reset for TCP, an abort for SCTP, else an ICMP error; addressed to where it came from. What says
 * itself that something is unreachable gets no answer.
 */
export function refusal(packet: IpPacket): Uint8Array | undefined {
  if (findLayer(packet.layers, "tcp") !== undefined) return tcpReset(packet, true);
  if (findLayer(packet.layers, "sctp") !== undefined) return sctpAbort(packet, true);
  return isUnreachable(packet) ? undefined : icmpError(packet, { reverse: true });
}

/** The router advertisement with this ICMPv6 message, in the place of the solicitation. */
export function routerAdvertisement(packet: IpPacket, message: Uint8Array): Uint8Array | undefined {
  if (packet.ip.kind !== "ipv6" || findLayer(packet.layers, "nd")?.header.type !== 133 || message.length < 8) return undefined;
  return under(
    packet,
    resized(packet.ip),
    { kind: "icmpv6", type: message[0]!, code: message[1]!, rest: get32(message, 4) },
    { kind: "payload", bytes: message.slice(8) },
  );
}
