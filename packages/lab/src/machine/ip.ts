/** IP addresses of either family as one value, for tables that hold both. */
import {
  formatIpv4,
  formatIpv6,
  type Header,
  type Ipv4,
  type Ipv6,
  ipv4Mask,
  ipv4Of,
  ipv6Mask,
  ipv6Of,
  isIpv4Multicast,
  isIpv6Multicast,
  parseIpv4,
  parseIpv6,
} from "@weft/packet";

export type Family = 4 | 6;
export type Ip = { readonly family: 4; readonly value: Ipv4 } | { readonly family: 6; readonly value: Ipv6 };

export interface Network {
  readonly address: Ip;
  readonly length: number;
}

export function ip4(value: Ipv4): Ip {
  return { family: 4, value };
}
export function ip6(value: Ipv6): Ip {
  return { family: 6, value };
}

export function parseIp(text: string): Ip | undefined {
  const four = parseIpv4(text);
  if (four !== undefined) return ip4(four);
  const six = parseIpv6(text);
  return six === undefined ? undefined : ip6(six);
}

export function formatIp(ip: Ip): string {
  return ip.family === 4 ? formatIpv4(ip.value) : formatIpv6(ip.value);
}

/** Bits of an address. */
export function widthOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** "10.0.0.1/24"; without a slash the length is that of a single address. */
export function parseNetwork(text: string): Network | undefined {
  const [host = "", digits, ...rest] = text.split("/");
  const address = parseIp(host);
  if (!address || rest.length > 0) return undefined;
  const width = widthOf(address.family);
  if (digits === undefined) return { address, length: width };
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > width) return undefined;
  return { address, length: Number(digits) };
}

/** 0.0.0.0/0 or ::/0 */
export function anyNetwork(family: Family): Network {
  return { address: parseIp(family === 4 ? "0.0.0.0" : "::")!, length: 0 };
}

export function formatNetwork({ address, length }: Network): string {
  return `${formatIp(address)}/${length}`;
}

export function equalIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

/** The network's own address: all host bits zero. */
export function networkOf({ address, length }: Network): Ip {
  return address.family === 4
    ? ip4(ipv4Of((address.value & ipv4Mask(length)) >>> 0))
    : ip6(ipv6Of(address.value & ipv6Mask(length)));
}

export function contains(network: Network, ip: Ip): boolean {
  return network.address.family === ip.family && equalIp(networkOf(network), networkOf({ address: ip, length: network.length }));
}

export function isMulticast(ip: Ip): boolean {
  return ip.family === 4 ? isIpv4Multicast(ip.value) : isIpv6Multicast(ip.value);
}

export function isAny(ip: Ip): boolean {
  return ip.family === 4 ? ip.value === 0 : ip.value === 0n;
}

/** fe80::/10 */
export function isLinkLocal(ip: Ip): boolean {
  return ip.family === 6 && ip.value >> 118n === 0x3fan;
}

/** A key for maps. */
export function ipKey(ip: Ip): string {
  return ip.family === 4 ? `4${ip.value}` : `6${ip.value.toString(16)}`;
}

/** An IP header; undefined for addresses of different families. */
export function ipHeader(
  src: Ip,
  dst: Ip,
  { ttl = 64, tos = 0, id, dontFragment = false }: { ttl?: number; tos?: number; id?: number; dontFragment?: boolean } = {},
): (Header & { readonly kind: "ipv4" | "ipv6" }) | undefined {
  if (src.family === 4 && dst.family === 4)
    return { kind: "ipv4", src: src.value, dst: dst.value, ttl, tos, dontFragment, ...(id === undefined ? {} : { id }) };
  if (src.family === 6 && dst.family === 6)
    return { kind: "ipv6", src: src.value, dst: dst.value, hopLimit: ttl, trafficClass: tos };
  return undefined;
}
