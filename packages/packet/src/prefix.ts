/** Prefixes and masks: an address with how many leading bits of it count. Host bits are kept as written ("10.0.0.1/24"). */
import { formatIpv4, formatIpv6, type Ipv4, type Ipv6, ipv4Of, ipv6Of, parseIpv4, parseIpv6 } from "./address.ts";

/** `length` is 0..32. `address` may have host bits: see {@link ipv4Network}. */
export interface Ipv4Prefix {
  readonly address: Ipv4;
  readonly length: number;
}

/** `length` is 0..128. */
export interface Ipv6Prefix {
  readonly address: Ipv6;
  readonly length: number;
}

/** An address with any mask, also one with holes, as OVS matches allow. */
export interface Ipv4Masked {
  readonly address: Ipv4;
  readonly mask: Ipv4;
}

export interface Ipv6Masked {
  readonly address: Ipv6;
  readonly mask: Ipv6;
}

const ALL = (1n << 128n) - 1n;

/** The mask of a prefix length, 0..32. */
export function ipv4Mask(length: number): Ipv4 {
  return ipv4Of(length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0);
}

/** The mask of a prefix length, 0..128. */
export function ipv6Mask(length: number): Ipv6 {
  return ipv6Of(ALL ^ (ALL >> BigInt(length)));
}

/** The prefix length of a contiguous mask, undefined for one with holes. */
export function ipv4MaskLength(mask: Ipv4): number | undefined {
  const length = Math.clz32(~mask);
  return ipv4Mask(length) === mask ? length : undefined;
}

/** The prefix length of a contiguous mask, undefined for one with holes. */
export function ipv6MaskLength(mask: Ipv6): number | undefined {
  const inverted = ALL ^ mask;
  if ((inverted & (inverted + 1n)) !== 0n) return undefined;
  return 128 - (inverted === 0n ? 0 : inverted.toString(2).length);
}

function parseLength(text: string, limit: number): number | undefined {
  if (!/^[0-9]{1,3}$/.test(text)) return undefined;
  const length = Number(text);
  return length <= limit ? length : undefined;
}

/** Parses "A", "A/LENGTH" or "A/MASK" with any mask. A lone address has a mask of ones. */
export function parseIpv4Masked(text: string): Ipv4Masked | undefined {
  const slash = text.indexOf("/");
  const address = parseIpv4(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, mask: ipv4Mask(32) };
  const rest = text.slice(slash + 1);
  const length = parseLength(rest, 32);
  const mask = length === undefined ? parseIpv4(rest) : ipv4Mask(length);
  return mask === undefined ? undefined : { address, mask };
}

/** Parses "A", "A/LENGTH" or "A/MASK" with any mask. A lone address has a mask of ones. */
export function parseIpv6Masked(text: string): Ipv6Masked | undefined {
  const slash = text.indexOf("/");
  const address = parseIpv6(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, mask: ipv6Mask(128) };
  const rest = text.slice(slash + 1);
  const length = parseLength(rest, 128);
  const mask = length === undefined ? parseIpv6(rest) : ipv6Mask(length);
  return mask === undefined ? undefined : { address, mask };
}

/** Parses "10.0.0.1/24", "10.0.0.0/255.255.255.0" or a lone address (length 32). Undefined when malformed or a mask has holes. */
export function parseIpv4Prefix(text: string): Ipv4Prefix | undefined {
  const masked = parseIpv4Masked(text);
  const length = masked && ipv4MaskLength(masked.mask);
  return masked && length !== undefined ? { address: masked.address, length } : undefined;
}

/** Parses "fd00::1/64", "fd00::/ffff:ffff::" or a lone address (length 128). Undefined when malformed or a mask has holes. */
export function parseIpv6Prefix(text: string): Ipv6Prefix | undefined {
  const masked = parseIpv6Masked(text);
  const length = masked && ipv6MaskLength(masked.mask);
  return masked && length !== undefined ? { address: masked.address, length } : undefined;
}

/** "10.0.0.1/24"; a full-length prefix prints as the lone address. */
export function formatIpv4Prefix(prefix: Ipv4Prefix): string {
  return prefix.length === 32 ? formatIpv4(prefix.address) : `${formatIpv4(prefix.address)}/${prefix.length}`;
}

/** "fd00::1/64"; a full-length prefix prints as the lone address. */
export function formatIpv6Prefix(prefix: Ipv6Prefix): string {
  return prefix.length === 128 ? formatIpv6(prefix.address) : `${formatIpv6(prefix.address)}/${prefix.length}`;
}

/** "A", "A/LENGTH" or, for a mask with holes, "A/MASK", as OVS prints matches. */
export function formatIpv4Masked({ address, mask }: Ipv4Masked): string {
  const length = ipv4MaskLength(mask);
  return length === undefined ? `${formatIpv4(address)}/${formatIpv4(mask)}` : formatIpv4Prefix({ address, length });
}

/** "A", "A/LENGTH" or, for a mask with holes, "A/MASK", as OVS prints matches. */
export function formatIpv6Masked({ address, mask }: Ipv6Masked): string {
  const length = ipv6MaskLength(mask);
  return length === undefined ? `${formatIpv6(address)}/${formatIpv6(mask)}` : formatIpv6Prefix({ address, length });
}

/** The prefix' first address: host bits cleared. */
export function ipv4Network(prefix: Ipv4Prefix): Ipv4 {
  return ipv4Of(prefix.address & ipv4Mask(prefix.length));
}

export function ipv6Network(prefix: Ipv6Prefix): Ipv6 {
  return ipv6Of(prefix.address & ipv6Mask(prefix.length));
}

/** The prefix' last address: host bits set. */
export function ipv4Broadcast(prefix: Ipv4Prefix): Ipv4 {
  return ipv4Of(prefix.address | ~ipv4Mask(prefix.length));
}

export function ipv4Contains(prefix: Ipv4Prefix, address: Ipv4): boolean {
  return ((prefix.address ^ address) & ipv4Mask(prefix.length)) === 0;
}

export function ipv6Contains(prefix: Ipv6Prefix, address: Ipv6): boolean {
  return ((prefix.address ^ address) & ipv6Mask(prefix.length)) === 0n;
}
