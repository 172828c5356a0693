/** Addresses of ports as ovn-nb(5) writes them: "MAC IP...", where every IP may have a prefix length. */
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv4,
  type Ipv4Prefix,
  type Ipv6,
  type Ipv6Prefix,
  ipv4Broadcast,
  ipv4Mask,
  ipv4Network,
  ipv6Network,
  linkLocalOfMac,
  type Mac,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseIpv6Prefix,
  parseMac,
  solicitedNodeOf,
} from "@weft/packet";

export interface Address4 {
  readonly ip: Ipv4;
  /** The address as it is printed. */
  readonly text: string;
  readonly length: number;
  /** "10.0.0.0/24", always with the length. */
  readonly network: string;
  readonly netmask: string;
  readonly broadcast: string;
}

export interface Address6 {
  readonly ip: Ipv6;
  readonly text: string;
  readonly length: number;
  /** "fd00::/64", always with the length. */
  readonly network: string;
  /** The link-local address that comes with the MAC address, and was not configured. */
  readonly implicit: boolean;
  readonly solicitedNode: string;
}

export interface PortAddress {
  readonly mac: Mac;
  readonly macText: string;
  readonly ip4: readonly Address4[];
  readonly ip6: readonly Address6[];
}

export function address4(prefix: Ipv4Prefix): Address4 {
  return {
    ip: prefix.address,
    text: formatIpv4(prefix.address),
    length: prefix.length,
    network: `${formatIpv4(ipv4Network(prefix))}/${prefix.length}`,
    netmask: formatIpv4(ipv4Mask(prefix.length)),
    broadcast: formatIpv4(ipv4Broadcast(prefix)),
  };
}

export function address6(prefix: Ipv6Prefix, implicit = false): Address6 {
  return {
    ip: prefix.address,
    text: formatIpv6(prefix.address),
    length: prefix.length,
    network: `${formatIpv6(ipv6Network(prefix))}/${prefix.length}`,
    implicit,
    solicitedNode: formatIpv6(solicitedNodeOf(prefix.address)),
  };
}

/** Words that are no address end the list, as in the reference; undefined where there is no MAC address first. */
export function parsePortAddress(text: string): PortAddress | undefined {
  const [first, ...rest] = text.trim().split(/\s+/);
  const mac = parseMac(first ?? "");
  if (mac === undefined) return undefined;
  const ip4: Address4[] = [];
  const ip6: Address6[] = [];
  for (const word of rest) {
    const prefix4 = parseIpv4Prefix(word);
    const prefix6 = prefix4 === undefined ? parseIpv6Prefix(word) : undefined;
    if (prefix4 !== undefined) ip4.push(address4(prefix4));
    else if (prefix6 !== undefined) ip6.push(address6(prefix6));
    else break;
  }
  return { mac, macText: formatMac(mac), ip4, ip6 };
}

/** The addresses of a router port: its networks, and the link-local address of its MAC address. */
export function parseRouterPortAddress(macText: string, networks: readonly string[]): PortAddress | undefined {
  const parsed = parsePortAddress([macText, ...networks].join(" "));
  if (parsed === undefined) return undefined;
  const linkLocal = address6({ address: linkLocalOfMac(parsed.mac), length: 64 }, true);
  return parsed.ip6.some((other) => other.ip === linkLocal.ip) ? parsed : { ...parsed, ip6: [...parsed.ip6, linkLocal] };
}

/** An address of either family, with its text. */
export type IpAddress =
  | { readonly family: 4; readonly ip: Ipv4; readonly text: string }
  | { readonly family: 6; readonly ip: Ipv6; readonly text: string };

export function parseIp(text: string): IpAddress | undefined {
  const ip4 = parseIpv4(text);
  if (ip4 !== undefined) return { family: 4, ip: ip4, text };
  const ip6 = parseIpv6(text);
  return ip6 === undefined ? undefined : { family: 6, ip: ip6, text };
}

/** Whether an address is in one of the networks of a port. */
function isInNetworks(port: PortAddress, address: IpAddress): boolean {
  if (address.family === 4) {
    return port.ip4.some(({ ip, length }) => {
      return ipv4Network({ address: ip, length }) === ipv4Network({ address: address.ip, length });
    });
  }
  return port.ip6.some(({ ip, length }) => ipv6Network({ address: ip, length }) === ipv6Network({ address: address.ip, length }));
}

export function isInNetworksOf(port: PortAddress, text: string): boolean {
  const address = parseIp(text);
  return address !== undefined && isInNetworks(port, address);
}

/** The networks of several ports, by their lengths: an address is looked up once for each length that there is. */
export class Networks<Port extends { readonly address: PortAddress }> {
  readonly #ports: readonly Port[];
  /** By length and network: the place of the first port that has it. */
  readonly #ip4 = new Map<number, Map<Ipv4, number>>();
  readonly #ip6 = new Map<number, Map<Ipv6, number>>();

  constructor(ports: readonly Port[]) {
    this.#ports = ports;
    for (const [place, { address }] of ports.entries()) {
      for (const { ip, length } of address.ip4) add(this.#ip4, length, ipv4Network({ address: ip, length }), place);
      for (const { ip, length } of address.ip6) add(this.#ip6, length, ipv6Network({ address: ip, length }), place);
    }
  }

  /** The first port that has a network with the address. */
  portOf(address: IpAddress): Port | undefined {
    let first = this.#ports.length;
    const found = (place: number | undefined): void => {
      if (place !== undefined && place < first) first = place;
    };
    if (address.family === 4) {
      for (const [length, places] of this.#ip4) found(places.get(ipv4Network({ address: address.ip, length })));
    } else for (const [length, places] of this.#ip6) found(places.get(ipv6Network({ address: address.ip, length })));
    return this.#ports[first];
  }
}

function add<T>(networks: Map<number, Map<T, number>>, length: number, network: T, place: number): void {
  const places = networks.get(length);
  if (places === undefined) networks.set(length, new Map([[network, place]]));
  else if (!places.has(network)) places.set(network, place);
}
