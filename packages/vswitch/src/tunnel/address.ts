/** IP addresses of both families in one form. */
import { formatIpv4, formatIpv6, type Ipv4, type Ipv6, parseIpv4, parseIpv6 } from "@weft/packet";

export type IpAddress = { readonly family: 4; readonly ip: Ipv4 } | { readonly family: 6; readonly ip: Ipv6 };

export function parseAddress(text: string): IpAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { family: 4, ip: v4 };
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : { family: 6, ip: v6 };
}

export const formatAddress = (address: IpAddress): string =>
  address.family === 4 ? formatIpv4(address.ip) : formatIpv6(address.ip);

/** The address as a 128-bit number; IPv4 as ::ffff:a.b.c.d, so that both families live in one space. */
export const address128 = (address: IpAddress): bigint =>
  address.family === 4 ? 0xffff_0000_0000n | BigInt(address.ip) : address.ip;

/** "10.0.0.0/24" or a bare address (a full-length prefix). */
export function parsePrefix(text: string): { readonly address: IpAddress; readonly length: number } | undefined {
  const [ip, length, extra] = text.split("/");
  if (ip === undefined || extra !== undefined) return undefined;
  const address = parseAddress(ip);
  if (address === undefined) return undefined;
  const most = address.family === 4 ? 32 : 128;
  if (length === undefined) return { address, length: most };
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return undefined;
  return { address, length: Number(length) };
}
