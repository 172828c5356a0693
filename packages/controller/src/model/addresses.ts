/** Addresses as Port_Binding has them: "MAC [IP[/LEN]...]". */
import { type Ipv4, type Ipv6, type Mac, parseIpv4, parseIpv6, parseMac } from "@weft/packet";

export interface Ipv4Address {
  readonly address: Ipv4;
  readonly length: number;
}
export interface Ipv6Address {
  readonly address: Ipv6;
  readonly length: number;
}

export interface PortAddresses {
  readonly mac: Mac;
  readonly ipv4: readonly Ipv4Address[];
  readonly ipv6: readonly Ipv6Address[];
}

/** Undefined where the text does not begin with a MAC, or what follows are not addresses. */
export function parsePortAddresses(text: string): PortAddresses | undefined {
  const [first, ...rest] = text.trim().split(/\s+/);
  const mac = parseMac(first ?? "");
  if (mac === undefined) return undefined;
  const ipv4: Ipv4Address[] = [];
  const ipv6: Ipv6Address[] = [];
  for (const word of rest) {
    const [address, length, ...more] = word.split("/");
    if (more.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined;
    const v4 = parseIpv4(address!);
    if (v4 !== undefined) {
      const bits = length === undefined ? 32 : Number(length);
      if (bits > 32) return undefined;
      ipv4.push({ address: v4, length: bits });
      continue;
    }
    const v6 = parseIpv6(address!);
    const bits = length === undefined ? 128 : Number(length);
    if (v6 === undefined || bits > 128) return undefined;
    ipv6.push({ address: v6, length: bits });
  }
  return { mac, ipv4, ipv6 };
}
