/** Port security as the OpenFlow tables 73 to 75 check it. Sources: ovn-nb(5), port_security; ovn-architecture(7). */

import { ETH_TYPE, IP_PROTO } from "@weft/openflow";
import { linkLocalOfMac, macOf, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { get, type Packet } from "./packet.ts";

interface Prefix {
  readonly ip: bigint;
  readonly mask: bigint;
  /** Broadcast address, for an IPv4 address with a shorter prefix. */
  readonly broadcast: bigint | undefined;
}

interface Entry {
  readonly mac: bigint;
  readonly ip4: readonly Prefix[];
  readonly ip6: readonly Prefix[];
}

function parseEntry(text: string): Entry | undefined {
  const [first, ...rest] = text.trim().split(/[ ,]+/);
  const mac = parseMac(first ?? "");
  if (mac === undefined) return undefined;
  const ip4: Prefix[] = [];
  const ip6: Prefix[] = [];
  for (const word of rest) {
    const [address, length] = word.split("/");
    const four = parseIpv4(address!);
    const six = parseIpv6(address!);
    if (four !== undefined) ip4.push(prefix(BigInt(four), length, 32));
    else if (six !== undefined) ip6.push(prefix(six, length, 128));
  }
  return { mac: BigInt(mac), ip4, ip6 };
}

/** A host address with a prefix length allows the host; a network address allows the network. */
function prefix(ip: bigint, length: string | undefined, width: number): Prefix {
  const full = (1n << BigInt(width)) - 1n;
  if (length === undefined) return { ip, mask: full, broadcast: undefined };
  const host = (1n << BigInt(width - Number(length))) - 1n;
  const broadcast = width === 32 ? ip | host : undefined;
  return (ip & host) === 0n ? { ip, mask: full & ~host, broadcast } : { ip, mask: full, broadcast };
}

function covers(prefixes: readonly Prefix[], ip: bigint): boolean {
  return prefixes.some((one) => ((ip ^ one.ip) & one.mask) === 0n);
}

const DHCP_CLIENT = 68n;
const DHCP_SERVER = 67n;

/** Whether a packet from the port may pass. No entries: all may. */
export function inPortSecurity(entries: readonly string[], packet: Packet): boolean {
  const parsed = entries.map(parseEntry).filter((entry) => entry !== undefined);
  if (parsed.length === 0) return true;
  const source = get(packet, "eth_src");
  return parsed.some((entry) => entry.mac === source && mayBeFrom(entry, packet));
}

function mayBeFrom(entry: Entry, packet: Packet): boolean {
  const type = Number(get(packet, "eth_type"));
  const restricted = entry.ip4.length > 0 || entry.ip6.length > 0;
  if (type === ETH_TYPE.arp) {
    if (get(packet, "arp_sha") !== entry.mac) return false;
    return entry.ip4.length === 0 || covers(entry.ip4, get(packet, "arp_spa"));
  }
  if (type === ETH_TYPE.ip) {
    if (!restricted) return true;
    return covers(entry.ip4, get(packet, "ip_src")) || (entry.ip4.length > 0 && isDhcpRequest(packet));
  }
  if (type !== ETH_TYPE.ipv6) return true;
  if (!neighbourDiscovery(entry, packet)) return false;
  if (!restricted) return true;
  if (entry.ip6.length === 0) return false;
  const ip = get(packet, "ipv6_src");
  if (ip === 0n) return isFromUnspecified(packet);
  return covers(entry.ip6, ip) || ip === linkLocal(entry);
}

function isDhcpRequest(packet: Packet): boolean {
  return (
    get(packet, "ip_src") === 0n &&
    get(packet, "ip_dst") === 0xffff_ffffn &&
    get(packet, "nw_proto") === BigInt(IP_PROTO.udp) &&
    get(packet, "udp_src") === DHCP_CLIENT &&
    get(packet, "udp_dst") === DHCP_SERVER
  );
}

/** Duplicate address detection and multicast listener reports come from no address. */
function isFromUnspecified(packet: Packet): boolean {
  if (get(packet, "ipv6_dst") >> 112n !== 0xff02n || get(packet, "nw_proto") !== BigInt(IP_PROTO.icmpv6)) return false;
  return [131n, 135n, 143n].includes(get(packet, "icmpv6_type"));
}

function linkLocal({ mac }: Entry): bigint {
  return linkLocalOfMac(macOf(Number(mac)));
}

function neighbourDiscovery(entry: Entry, packet: Packet): boolean {
  if (get(packet, "nw_proto") !== BigInt(IP_PROTO.icmpv6) || get(packet, "nw_ttl") !== 255n) return true;
  if (get(packet, "icmpv6_code") !== 0n) return true;
  const type = get(packet, "icmpv6_type");
  if (type === 135n) return [0n, entry.mac].includes(get(packet, "arp_sha"));
  if (type !== 136n) return true;
  if (![0n, entry.mac].includes(get(packet, "arp_tha"))) return false;
  const restricted = entry.ip4.length > 0 || entry.ip6.length > 0;
  const target = get(packet, "nd_target");
  return !restricted || covers(entry.ip6, target) || target === linkLocal(entry);
}

/** Whether a packet towards the port may pass. */
export function outPortSecurity(entries: readonly string[], packet: Packet): boolean {
  const parsed = entries.map(parseEntry).filter((entry) => entry !== undefined);
  const destination = get(packet, "eth_dst");
  if (parsed.length === 0 || ((destination >> 40n) & 1n) === 1n) return true;
  return parsed.some((entry) => entry.mac === destination && mayBeTo(entry, packet));
}

function mayBeTo(entry: Entry, packet: Packet): boolean {
  const type = Number(get(packet, "eth_type"));
  if (entry.ip4.length === 0 && entry.ip6.length === 0) return true;
  if (type === ETH_TYPE.ip) {
    if (entry.ip4.length === 0) return false;
    const ip = get(packet, "ip_dst");
    const broadcast = ip === 0xffff_ffffn || ip >> 28n === 0xen || entry.ip4.some((one) => one.broadcast === ip);
    return broadcast || covers(entry.ip4, ip);
  }
  if (type !== ETH_TYPE.ipv6) return true;
  if (entry.ip6.length === 0) return false;
  const ip = get(packet, "ipv6_dst");
  return ip >> 120n === 0xffn || covers(entry.ip6, ip) || ip === linkLocal(entry);
}
