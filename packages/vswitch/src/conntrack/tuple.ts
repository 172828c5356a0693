/**
 * A packet's tuple, and whether connection tracking may believe the packet: lengths and checksums are looked at, for the userspace
 * datapath calls a packet with a wrong one invalid. Nothing here allocates.
 */
import { crc32c, finishSum, internetChecksum, pseudoSum4, pseudoSum6At, sumBytes } from "@weft/packet";
import { ETH_IP, ETH_IPV6, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import { be16, be32, type NetworkHeader, newNetworkHeader, readNetwork } from "./headers.ts";
import { newTuple, type Tuple } from "./table.ts";

/** The type of the message in the other direction, of ICMP (RFC 792, 950) and ICMPv6 (RFC 4443); undefined for others. */
export function oppositeType(protocol: number, type: number): number | undefined {
  if (protocol === IP_ICMPV6) return type === 128 ? 129 : type === 129 ? 128 : undefined;
  // Echo 8 and 0, timestamp 13 and 14, information 15 and 16.
  if (type === 8) return 0;
  if (type === 0) return 8;
  if (type === 13 || type === 15) return type + 1;
  if (type === 14 || type === 16) return type - 1;
  return undefined;
}

/** Does a message of this type begin an exchange? */
export const isRequest = (protocol: number, type: number): boolean =>
  protocol === IP_ICMPV6 ? type === 128 : type === 8 || type === 13 || type === 15;

/** Messages about another packet, part of which they carry. */
const isError = (protocol: number, type: number): boolean =>
  protocol === IP_ICMPV6 ? type >= 1 && type <= 4 : type === 3 || type === 4 || type === 5 || type === 11 || type === 12;

/** The tuple of the same connection's packets in the other direction. */
export function reverse(tuple: Tuple, into: Tuple): void {
  const { ports } = tuple;
  const protocol = tuple.head & 0xff;
  into.head = tuple.head;
  if (protocol === IP_ICMP || protocol === IP_ICMPV6) {
    const type = (ports >>> 8) & 0xff;
    into.ports = (ports & ~0xff00) | ((oppositeType(protocol, type) ?? type) << 8);
  } else into.ports = (ports << 16) | (ports >>> 16);
  for (let i = 0; i < 4; i++) {
    const source = tuple.addresses[i] as number;
    into.addresses[i] = tuple.addresses[4 + i] as number;
    into.addresses[4 + i] = source;
  }
}

/** What a packet is to connection tracking. */
export type Kind = "valid" | "invalid" | "related";

/** The headers of the packet read last, and of the packet inside if it was an ICMP error. */
export const OUTER: NetworkHeader = newNetworkHeader();
export const INNER: NetworkHeader = newNetworkHeader();

/**
 * Reads the tuple of a packet that is no fragment. "related": it is an ICMP error, and `into` is the tuple by which the error's own
 * direction of the connection is found (that of the packet inside, turned round).
 */
export function readTuple(packet: Packet, zone: number, into: Tuple): Kind {
  const type = packet.key[WORD.eth_type];
  const { bytes: b, l3 } = packet;
  if ((type !== ETH_IP && type !== ETH_IPV6) || l3 < 0) return "invalid";
  if (!readNetwork(b, l3, b.length, type === ETH_IP ? 4 : 6, OUTER, false)) return "invalid";
  if (type === ETH_IP && internetChecksum(b, l3, OUTER.l4) !== 0) return "invalid";
  into.head = (zone << 16) | OUTER.protocol;
  readAddresses(b, OUTER, into);
  const { l4, end, protocol } = OUTER;
  const size = end - l4;
  switch (protocol) {
    case IP_TCP: {
      const header = size < 20 ? 0 : ((b[l4 + 12] as number) >>> 4) * 4;
      if (header < 20 || header > size || transportSum(b, OUTER) !== 0) return "invalid";
      return readPorts(b, l4, into);
    }
    case IP_UDP: {
      if (size < 8) return "invalid";
      const length = be16(b, l4 + 4);
      if (length !== size) return "invalid";
      const checked = be16(b, l4 + 6) !== 0 || type === ETH_IPV6;
      if (checked && (be16(b, l4 + 6) === 0 || transportSum(b, OUTER) !== 0)) return "invalid";
      return readPorts(b, l4, into);
    }
    case IP_SCTP: {
      if (size < 12 || crc32c(b, l4, end, l4 + 8) !== littleEndian(b, l4 + 8)) return "invalid";
      return readPorts(b, l4, into);
    }
    case IP_ICMP:
    case IP_ICMPV6: {
      if ((protocol === IP_ICMP) !== (type === ETH_IP)) {
        into.ports = 0;
        return "valid";
      }
      if (size < 8) return "invalid";
      const sum = protocol === IP_ICMP ? internetChecksum(b, l4, end) : transportSum(b, OUTER);
      if (sum !== 0) return "invalid";
      if (isError(protocol, b[l4] as number)) return readInner(b, OUTER, zone, into) ? "related" : "invalid";
      return readIcmp(b, l4, protocol, into) ? "valid" : "invalid";
    }
    default:
      into.ports = 0;
      return "valid";
  }
}

/** The sum over the transport segment and its pseudo-header: 0 where the checksum is right. */
function transportSum(b: Uint8Array, header: NetworkHeader): number {
  const { l3, l4, end, protocol } = header;
  const pseudo =
    header.family === 4
      ? pseudoSum4(be32(b, l3 + 12) >>> 0, be32(b, l3 + 16) >>> 0, protocol, end - l4)
      : pseudoSum6At(b, l3, protocol, end - l4);
  return finishSum(sumBytes(b, l4, end, pseudo));
}

const littleEndian = (b: Uint8Array, at: number): number =>
  ((b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24)) >>> 0;

function readAddresses(b: Uint8Array, header: NetworkHeader, into: Tuple): void {
  const { addresses } = into;
  const { l3 } = header;
  if (header.family === 4) {
    addresses.fill(0);
    addresses[0] = be32(b, l3 + 12);
    addresses[4] = be32(b, l3 + 16);
  } else for (let i = 0; i < 8; i++) addresses[i] = be32(b, l3 + 8 + 4 * i);
}

function readPorts(b: Uint8Array, l4: number, into: Tuple): Kind {
  into.ports = be32(b, l4);
  // Port 0 is nobody's.
  return be16(b, l4) === 0 || be16(b, l4 + 2) === 0 ? "invalid" : "valid";
}

function readIcmp(b: Uint8Array, l4: number, protocol: number, into: Tuple): boolean {
  const type = b[l4] as number;
  const code = b[l4 + 1] as number;
  if (oppositeType(protocol, type) === undefined || code !== 0) return false;
  into.ports = (be16(b, l4 + 4) << 16) | (type << 8) | code;
  return true;
}

const inside = newTuple();

function readInner(b: Uint8Array, outer: NetworkHeader, zone: number, into: Tuple): boolean {
  if (!readNetwork(b, outer.l4 + 8, outer.end, outer.family, INNER, true)) return false;
  const { l4, end, protocol } = INNER;
  inside.head = (zone << 16) | protocol;
  readAddresses(b, INNER, inside);
  if (protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP) {
    if (end - l4 < 8 || readPorts(b, l4, inside) !== "valid") return false;
  } else if (protocol === IP_ICMP || protocol === IP_ICMPV6) {
    if (end - l4 < 8 || !readIcmp(b, l4, protocol, inside)) return false;
  } else inside.ports = 0;
  reverse(inside, into);
  return true;
}
