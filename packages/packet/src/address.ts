/**
 * MAC, IPv4 and IPv6 addresses as values. All are plain numbers in host order, so that arithmetic and comparison are what they
 * look like: the first octet is the most significant one. The brands keep a MAC from being taken for a tunnel key.
 *
 * Parsers return undefined for malformed text (the caller knows the place and words the error); formats are those of
 * inet_ntop(3) and OVS: lower case, RFC 5952 for IPv6, IPv4-mapped and IPv4-compatible tails in dotted form.
 */
import { WeftError } from "@weft/runtime";

declare const macBrand: unique symbol;
declare const ipv4Brand: unique symbol;
declare const ipv6Brand: unique symbol;

/** An Ethernet address: an integer below 2^48. */
export type Mac = number & { readonly [macBrand]: true };
/** An IPv4 address: an integer below 2^32 (never negative). */
export type Ipv4 = number & { readonly [ipv4Brand]: true };
/** An IPv6 address: a bigint below 2^128. */
export type Ipv6 = bigint & { readonly [ipv6Brand]: true };

/** 2^32: what shifts cannot do above 32 bits, multiplication and division by this can. */
const WORD = 0x1_0000_0000;

function badAddress(what: string, value: number | bigint): WeftError {
  return new WeftError("packet.bad-address", `${value} is not ${what}`, { blame: "caller" });
}

/** Brands an integer as a MAC. Throws "packet.bad-address" outside 0..2^48-1. */
export function macOf(value: number): Mac {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 48) throw badAddress("a 48-bit Ethernet address", value);
  return value as Mac; // the brand's own constructor
}

/** Brands an integer as an IPv4 address. Negative 32-bit results of bit operators are taken as unsigned. */
export function ipv4Of(value: number): Ipv4 {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= WORD) throw badAddress("a 32-bit IPv4 address", value);
  return (value >>> 0) as Ipv4; // the brand's own constructor
}

/** Brands a bigint as an IPv6 address. Throws "packet.bad-address" outside 0..2^128-1. */
export function ipv6Of(value: bigint): Ipv6 {
  if (value < 0n || value >> 128n !== 0n) throw badAddress("a 128-bit IPv6 address", value);
  return value as Ipv6; // the brand's own constructor
}

export const MAC_ZERO = macOf(0);
export const MAC_BROADCAST = macOf(0xffff_ffff_ffff);
export const IPV4_ZERO = ipv4Of(0);
export const IPV4_BROADCAST = ipv4Of(0xffff_ffff);
export const IPV6_ZERO = ipv6Of(0n);
/** ff02::1, all nodes of the link. */
export const IPV6_ALL_NODES = ipv6Of(0xff02_0000_0000_0000_0000_0000_0000_0001n);
/** ff02::2, all routers of the link. */
export const IPV6_ALL_ROUTERS = ipv6Of(0xff02_0000_0000_0000_0000_0000_0000_0002n);

// ---- text

const MAC = /^([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2})$/i;

/** Parses "0a:00:27:00:00:01"; each octet may have one digit or two. Undefined when malformed. */
export function parseMac(text: string): Mac | undefined {
  const match = MAC.exec(text);
  if (!match) return undefined;
  let value = 0;
  for (let i = 1; i <= 6; i++) value = value * 256 + Number.parseInt(match[i]!, 16);
  return value as Mac; // six octets are in range
}

/** "0a:00:27:00:00:01". */
export function formatMac(mac: Mac): string {
  const hex = mac.toString(16).padStart(12, "0");
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10)}`;
}

/** Parses dotted quad as inet_pton(3) does: four decimal octets, no leading zeros, nothing else. Undefined when malformed. */
export function parseIpv4(text: string): Ipv4 | undefined {
  if (text.length > 15) return undefined;
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x30 && c <= 0x39) {
      if (octet === 0) return undefined;
      octet = Math.max(octet, 0) * 10 + c - 0x30;
      if (octet > 255) return undefined;
    } else if (c === 0x2e && octet >= 0 && dots < 3) {
      value = value * 256 + octet;
      octet = -1;
      dots++;
    } else return undefined;
  }
  if (octet < 0 || dots !== 3) return undefined;
  return (value * 256 + octet) as Ipv4; // four octets are in range
}

/** "10.0.0.1". */
export function formatIpv4(ip: Ipv4): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** Parses RFC 4291 text, with "::" and a dotted tail, as inet_pton(3) does; no zone. Undefined when malformed. */
export function parseIpv6(text: string): Ipv6 | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  let body = text;
  const tail: number[] = [];
  if (text.includes(".")) {
    const colon = text.lastIndexOf(":");
    const ip = colon < 0 ? undefined : parseIpv4(text.slice(colon + 1));
    if (ip === undefined) return undefined;
    tail.push(ip >>> 16, ip & 0xffff);
    // what is before the dotted part either ends in "::" or loses its separating colon
    body = text[colon - 1] === ":" ? text.slice(0, colon + 1) : text.slice(0, colon);
  }
  const gap = body.indexOf("::");
  if (gap !== body.lastIndexOf("::")) return undefined;
  const before = groups(gap < 0 ? body : body.slice(0, gap));
  const after = gap < 0 ? [] : groups(body.slice(gap + 2));
  if (before === undefined || after === undefined) return undefined;
  after.push(...tail);
  const missing = 8 - before.length - after.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const word of before) value = (value << 16n) | BigInt(word);
  value <<= BigInt(16 * missing);
  for (const word of after) value = (value << 16n) | BigInt(word);
  return value as Ipv6; // eight words are in range
}

function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const words: number[] = [];
  for (const part of text.split(":")) {
    if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
    words.push(Number.parseInt(part, 16));
  }
  return words;
}

/** RFC 5952 text as inet_ntop(3) gives it: "fe80::1", "::ffff:10.0.0.1", "::10.0.0.1". */
export function formatIpv6(ip: Ipv6): string {
  const words: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) words.push(Number((ip >> shift) & 0xffffn));
  // the first of the longest runs of at least two zero words
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && words[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    i = end + 1;
  }
  const dotted = best === 0 && (bestLength === 6 || (bestLength === 5 && words[5] === 0xffff));
  const count = dotted ? 6 : 8;
  const part = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((w) => w.toString(16))
      .join(":");
  const tail = dotted ? formatIpv4(ipv4Of(Number(ip & 0xffff_ffffn))) : "";
  if (best < 0) return part(0, 8);
  const right = part(best + bestLength, count);
  return `${part(0, best)}::${right}${dotted && right !== "" ? ":" : ""}${tail}`;
}

// ---- bytes (network order)

/** Reads 6 octets at `offset`; the caller has checked the length. */
export function readMac(bytes: Uint8Array, offset: number): Mac {
  const high = (bytes[offset]! << 8) | bytes[offset + 1]!;
  return (high * WORD + readIpv4(bytes, offset + 2)) as Mac; // six octets are in range
}

/** Reads 4 octets at `offset`; the caller has checked the length. */
export function readIpv4(bytes: Uint8Array, offset: number): Ipv4 {
  const value = (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
  return (value >>> 0) as Ipv4; // four octets are in range
}

/** Reads 16 octets at `offset`; the caller has checked the length. */
export function readIpv6(bytes: Uint8Array, offset: number): Ipv6 {
  const high = (BigInt(readIpv4(bytes, offset)) << 32n) | BigInt(readIpv4(bytes, offset + 4));
  const low = (BigInt(readIpv4(bytes, offset + 8)) << 32n) | BigInt(readIpv4(bytes, offset + 12));
  return ((high << 64n) | low) as Ipv6; // sixteen octets are in range
}

export function writeMac(bytes: Uint8Array, offset: number, mac: Mac): void {
  const high = Math.floor(mac / WORD);
  bytes[offset] = high >>> 8;
  bytes[offset + 1] = high;
  writeIpv4(bytes, offset + 2, (mac % WORD) as Ipv4); // below 2^32 by the modulus
}

export function writeIpv4(bytes: Uint8Array, offset: number, ip: Ipv4): void {
  bytes[offset] = ip >>> 24;
  bytes[offset + 1] = ip >>> 16;
  bytes[offset + 2] = ip >>> 8;
  bytes[offset + 3] = ip;
}

export function writeIpv6(bytes: Uint8Array, offset: number, ip: Ipv6): void {
  for (let i = 0; i < 4; i++) {
    const word = Number((ip >> BigInt(96 - 32 * i)) & 0xffff_ffffn);
    writeIpv4(bytes, offset + 4 * i, word as Ipv4); // below 2^32 by the mask
  }
}

// ---- kinds of addresses

/** The group bit: multicast or broadcast. */
export function isMacMulticast(mac: Mac): boolean {
  return (Math.floor(mac / 2 ** 40) & 1) === 1;
}

export function isMacBroadcast(mac: Mac): boolean {
  return mac === MAC_BROADCAST;
}

/** The locally-administered bit. */
export function isMacLocal(mac: Mac): boolean {
  return (Math.floor(mac / 2 ** 40) & 2) === 2;
}

/** 01:80:c2:00:00:00 to 0f: bridges do not forward these (IEEE 802.1D table 7-10). */
export function isMacReserved(mac: Mac): boolean {
  return mac >= 0x0180_c200_0000 && mac <= 0x0180_c200_000f;
}

/** 224.0.0.0/4. */
export function isIpv4Multicast(ip: Ipv4): boolean {
  return ip >>> 28 === 0xe;
}

/** 224.0.0.0/24, never forwarded by routers. */
export function isIpv4LocalMulticast(ip: Ipv4): boolean {
  return ip >>> 8 === 0xe00000;
}

/** 169.254.0.0/16. */
export function isIpv4LinkLocal(ip: Ipv4): boolean {
  return ip >>> 16 === 0xa9fe;
}

/** 127.0.0.0/8. */
export function isIpv4Loopback(ip: Ipv4): boolean {
  return ip >>> 24 === 127;
}

/** ff00::/8. */
export function isIpv6Multicast(ip: Ipv6): boolean {
  return ip >> 120n === 0xffn;
}

/** fe80::/10. */
export function isIpv6LinkLocal(ip: Ipv6): boolean {
  return ip >> 118n === 0x3fan;
}

/** ::ffff:0:0/96. */
export function isIpv6Ipv4Mapped(ip: Ipv6): boolean {
  return ip >> 32n === 0xffffn;
}

/** ff02::1:ff00:0/104, where neighbour solicitations go. */
export function isIpv6SolicitedNode(ip: Ipv6): boolean {
  return ip >> 24n === 0xff02_0000_0000_0000_0000_0001_ffn;
}

// ---- mappings

/** The modified EUI-64 interface identifier of RFC 4291 appendix A: universal bit inverted, ff:fe in the middle. */
export function eui64OfMac(mac: Mac): bigint {
  const value = BigInt(mac);
  return (((value >> 24n) << 40n) | 0xff_fe00_0000n | (value & 0xff_ffffn)) ^ (1n << 57n);
}

/** fe80::/64 with the EUI-64 of `mac`. */
export function linkLocalOfMac(mac: Mac): Ipv6 {
  return ipv6Of((0xfe80n << 112n) | eui64OfMac(mac));
}

/** The upper 64 bits of `prefix` with the EUI-64 of `mac` (stateless address configuration). */
export function slaacOfMac(prefix: Ipv6, mac: Mac): Ipv6 {
  return ipv6Of(((prefix >> 64n) << 64n) | eui64OfMac(mac));
}

/** ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1). */
export function solicitedNodeOf(ip: Ipv6): Ipv6 {
  return ipv6Of((0xff02_0000_0000_0000_0000_0001_ffn << 24n) | (ip & 0xff_ffffn));
}

/** The group address that an IPv4 multicast address maps to: 01:00:5e and its lower 23 bits (RFC 1112). */
export function multicastMacOfIpv4(ip: Ipv4): Mac {
  return macOf(0x0100_5e00_0000 + (ip & 0x7f_ffff));
}

/** The group address that an IPv6 multicast address maps to: 33:33 and its lower 32 bits (RFC 2464). */
export function multicastMacOfIpv6(ip: Ipv6): Mac {
  return macOf(0x3333_0000_0000 + Number(ip & 0xffff_ffffn));
}

/** ::ffff:a.b.c.d. */
export function mappedOfIpv4(ip: Ipv4): Ipv6 {
  return ipv6Of((0xffffn << 32n) | BigInt(ip));
}
