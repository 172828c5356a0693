/** Frames for tests of connection tracking, built byte by byte: numbers, flags, checksums and lengths may be wrong where asked. */
import { crc32c, finishSum, internetChecksum, parseIpv4, parseIpv6, sumBytes } from "@weft/packet";

export interface Network {
  readonly ttl?: number;
  readonly id?: number;
  /** IPv4: flags and offset word. IPv6: a fragment header with this offset word is put in when it is given. */
  readonly fragment?: number;
  readonly badHeader?: boolean;
}

export interface Segment {
  /** Letters of FSRPAUEC. */
  readonly flags: string;
  readonly sequence?: number;
  readonly acknowledged?: number;
  readonly window?: number;
  readonly options?: readonly number[];
  readonly data?: Uint8Array;
  readonly bad?: boolean;
}

const concat = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((p) => [...p]));
const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];

export function addressBytes(text: string): Uint8Array {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return Uint8Array.from(u32(v4));
  const v6 = parseIpv6(text) ?? 0n;
  return Uint8Array.from({ length: 16 }, (_, i) => Number((v6 >> BigInt(120 - 8 * i)) & 0xffn));
}

/** The transport checksum over pseudo-header and segment. */
function pseudo(src: string, dst: string, protocol: number, segment: Uint8Array): number {
  const head = concat(addressBytes(src), addressBytes(dst), u32(segment.length), u32(protocol));
  return finishSum(sumBytes(segment, 0, segment.length, sumBytes(head, 0, head.length)));
}

function withSum(segment: Uint8Array, at: number, sum: number): Uint8Array {
  segment[at] = sum >>> 8;
  segment[at + 1] = sum;
  return segment;
}

/** A network packet around a payload. */
export function ip(src: string, dst: string, protocol: number, payload: Uint8Array, n: Network = {}): Uint8Array {
  if (src.includes(":")) {
    const body = n.fragment === undefined ? payload : concat([protocol, 0], u16(n.fragment), u32(n.id ?? 1), payload);
    return concat(
      u32(0x60000000),
      u16(body.length),
      [n.fragment === undefined ? protocol : 44, n.ttl ?? 64],
      addressBytes(src),
      addressBytes(dst),
      body,
    );
  }
  const header = concat(
    [0x45, 0],
    u16(20 + payload.length),
    u16(n.id ?? 1),
    u16(n.fragment ?? 0),
    [n.ttl ?? 64, protocol, 0, 0],
    addressBytes(src),
    addressBytes(dst),
  );
  withSum(header, 10, internetChecksum(header) ^ (n.badHeader === true ? 0x55 : 0));
  return concat(header, payload);
}

export function tcp(src: string, sport: number, dst: string, dport: number, s: Segment, n?: Network): Uint8Array {
  const options = [...(s.options ?? [])];
  while (options.length % 4 !== 0) options.push(0);
  const flags = [..."FSRPAUEC"].reduce((bits, letter, i) => (s.flags.includes(letter) ? bits | (1 << i) : bits), 0);
  const segment = concat(
    u16(sport),
    u16(dport),
    u32((s.sequence ?? 0) >>> 0),
    u32((s.acknowledged ?? 0) >>> 0),
    [(5 + options.length / 4) << 4, flags],
    u16(s.window ?? 1000),
    [0, 0, 0, 0],
    options,
    s.data ?? [],
  );
  return ip(src, dst, 6, withSum(segment, 16, pseudo(src, dst, 6, segment) ^ (s.bad === true ? 0x55 : 0)), n);
}

export interface Datagram {
  readonly data?: Uint8Array;
  readonly bad?: boolean;
  /** Without a checksum. */
  readonly unchecked?: boolean;
}

export function udp(src: string, sport: number, dst: string, dport: number, d: Datagram = {}, n?: Network): Uint8Array {
  const data = d.data ?? new Uint8Array(8).fill(0x78);
  const datagram = concat(u16(sport), u16(dport), u16(8 + data.length), [0, 0], data);
  const sum = (pseudo(src, dst, 17, datagram) || 0xffff) ^ (d.bad === true ? 0x55 : 0);
  return ip(src, dst, 17, withSum(datagram, 6, d.unchecked === true ? 0 : sum), n);
}

export interface Message {
  readonly code?: number;
  /** The four bytes behind the checksum. */
  readonly rest?: readonly number[];
  readonly data?: Uint8Array;
  readonly bad?: boolean;
}

export function icmp(src: string, dst: string, type: number, m: Message = {}, n?: Network): Uint8Array {
  const v6 = src.includes(":");
  const message = concat([type, m.code ?? 0, 0, 0], m.rest ?? [0, 1, 0, 1], m.data ?? []);
  const sum = (v6 ? pseudo(src, dst, 58, message) : internetChecksum(message)) ^ (m.bad === true ? 0x55 : 0);
  return ip(src, dst, v6 ? 58 : 1, withSum(message, 2, sum), n);
}

export function sctp(src: string, sport: number, dst: string, dport: number, chunk: Uint8Array, bad = false): Uint8Array {
  const packet = concat(u16(sport), u16(dport), u32(0), u32(0), chunk);
  const crc = crc32c(packet) ^ (bad ? 0x55 : 0);
  for (let i = 0; i < 4; i++) packet[8 + i] = crc >>> (8 * i);
  return ip(src, dst, 132, packet);
}

/** An Ethernet frame around an IP packet. */
export const frame = (packet: Uint8Array): Uint8Array =>
  concat([0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1], u16((packet[0] as number) >>> 4 === 6 ? 0x86dd : 0x0800), packet);
