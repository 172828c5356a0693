/**
 * Port security: tables 73 and 74 look at what a port sends, table 75 at what it gets; the flag says "drop". From
 * Port_Binding.port_security (ovn-sb(5), and "port_security" of Logical_Switch_Port in ovn-nb(5) for its meaning).
 */
import { each, sameContent, table } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { eui64OfMac, linkLocalOfMac, type Mac, macOf, parseMac } from "@weft/packet";
import { type Ipv4Address, type Ipv6Address, parsePortAddresses } from "../model/addresses.ts";
import { claimOf } from "../model/binding.ts";
import { sb } from "../model/inputs.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { cookieOf, type DesiredFlow, desired, ETH, IP, type MatchSpec, type MatchValue, matchOf, resubmit, set } from "./flow.ts";
import { datapathKey, type Port } from "./port.ts";

const drop: readonly Action[] = [set(reg.flags, flag.portSecDrop, flag.portSecDrop)];
const allow: readonly Action[] = [set(reg.flags, 0, flag.portSecDrop)];
/** Looks at ARP and neighbour discovery too. */
const more: readonly Action[] = [resubmit(t.inPortSecNd)];

const MAC_BITS = 0xffff_ffff_ffffn;
const IPV6_BITS = (1n << 128n) - 1n;

export interface SecuredAddresses {
  /** The station itself: the source of ARP and neighbour discovery. */
  readonly mac: Mac;
  /** Sources and destinations of IPv4 and IPv6, with masks; those of VRRP for a VRRPv3 entry. */
  readonly macs4: readonly MacRange[];
  readonly macs6: readonly MacRange[];
  readonly ipv4: readonly Ipv4Address[];
  readonly ipv6: readonly Ipv6Address[];
  readonly vrrp: boolean;
}

interface MacRange {
  readonly mac: bigint;
  readonly mask: bigint;
}

const VRRP4 = 0x0000_5e00_0100n;
const VRRP6 = 0x0000_5e00_0200n;
const VRRP_MASK = 0xffff_ffff_ff00n;

/** One element of the column; undefined where it is malformed. Words are separated by spaces or commas. */
export function parsePortSecurity(text: string): SecuredAddresses | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  if (words[0] !== "VRRPv3") {
    const plain = parsePortAddresses(words.join(" "));
    if (plain === undefined) return undefined;
    const macs = [{ mac: BigInt(plain.mac), mask: MAC_BITS }];
    return { ...plain, macs4: macs, macs6: macs, vrrp: false };
  }
  const macs4: MacRange[] = [];
  const macs6: MacRange[] = [];
  const rest: string[] = words.slice(1, 2);
  for (const word of words.slice(2)) {
    const [address, length] = word.split("/");
    const mac = parseMac(address ?? "");
    if (mac === undefined) rest.push(word);
    else {
      const bits = length === undefined ? 48 : Number(length);
      if (!(bits >= 40 && bits <= 48)) return undefined;
      const mask = (MAC_BITS << BigInt(48 - bits)) & MAC_BITS;
      const prefix = BigInt(mac) & VRRP_MASK;
      if (prefix === VRRP4) macs4.push({ mac: BigInt(mac) & mask, mask });
      else if (prefix === VRRP6) macs6.push({ mac: BigInt(mac) & mask, mask });
      else return undefined;
    }
  }
  const plain = parsePortAddresses(rest.join(" "));
  if (plain === undefined) return undefined;
  if (macs4.length === 0 && macs6.length === 0) {
    macs4.push({ mac: VRRP4, mask: VRRP_MASK });
    macs6.push({ mac: VRRP6, mask: VRRP_MASK });
  }
  return { ...plain, macs4, macs6, vrrp: true };
}

function range({ mac, mask }: MacRange): MatchValue {
  return mask === MAC_BITS ? mac : [mac, mask];
}

/** A network where the host part is zero, else the address alone. */
function scope4({ address, length }: Ipv4Address): MatchValue {
  const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
  return length < 32 && (address & ~mask) >>> 0 === 0 ? [address, mask] : address;
}

function scope6({ address, length }: Ipv6Address): MatchValue {
  const mask = (IPV6_BITS << BigInt(128 - length)) & IPV6_BITS;
  return length < 128 && (address & ~mask) === 0n ? [address, mask] : address;
}

/** The link-local address of a MAC, or of all in a range. */
function linkLocal({ mac, mask }: MacRange): MatchValue {
  const own = macOf(Number(mac));
  if (mask === MAC_BITS) return linkLocalOfMac(own);
  const free = BigInt((~mask & MAC_BITS).toString(2).replace(/^0$/, "").length);
  const wide = (IPV6_BITS << free) & IPV6_BITS;
  return [((0xfe80n << 112n) | eui64OfMac(own)) & wide, wide];
}

const ND_NS = { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, nw_ttl: 255, icmpv6_type: 135, icmpv6_code: 0 };
const ND_NA = { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, nw_ttl: 255, icmpv6_type: 136, icmpv6_code: 0 };

interface Rule {
  readonly table: number;
  readonly priority: number;
  readonly match: MatchSpec;
  readonly actions: readonly Action[];
}

/** What an element allows the port to send. */
function* sends(entry: SecuredAddresses): Iterable<Rule> {
  const table = t.inPortSec;
  if (entry.ipv4.length === 0 && entry.ipv6.length === 0) {
    for (const mac of [...entry.macs4, ...entry.macs6])
      yield { table, priority: 90, match: { eth_src: range(mac) }, actions: more };
  }
  if (entry.ipv4.length > 0) {
    for (const mac of entry.macs4) {
      const from = { eth_src: range(mac), eth_type: ETH.ip };
      for (const ip of entry.ipv4) yield { table, priority: 90, match: { ...from, ip_src: scope4(ip) }, actions: allow };
      const dhcp = { ip_src: 0, ip_dst: 0xffffffff, ip_proto: IP.udp, udp_src: 68, udp_dst: 67 };
      yield { table, priority: 90, match: { ...from, ...dhcp }, actions: allow };
    }
  }
  if (entry.ipv6.length > 0) {
    for (const mac of entry.macs6) {
      const from = { eth_src: range(mac), eth_type: ETH.ipv6 };
      for (const ip of [linkLocal(mac), ...entry.ipv6.map(scope6)])
        yield { table, priority: 90, match: { ...from, ipv6_src: ip }, actions: more };
      const anonymous = { ipv6_src: 0n, ipv6_dst: [0xff02n << 112n, 0xffffn << 112n] as const, ip_proto: IP.icmpv6 };
      for (const type of [131, 143, 135]) {
        yield {
          table,
          priority: 90,
          match: { ...from, ...anonymous, icmpv6_type: type, icmpv6_code: 0 },
          actions: type === 135 ? more : allow,
        };
      }
    }
  }
  yield* discovers(entry);
}

/** Which ARP and neighbour discovery it allows. */
function* discovers(entry: SecuredAddresses): Iterable<Rule> {
  const table = t.inPortSecNd;
  const from = { eth_src: entry.mac };
  const arp = (mac: MacRange, spa: MatchSpec): Rule => ({
    table,
    priority: 90,
    match: { ...from, eth_type: ETH.arp, ...spa, arp_sha: range(mac) },
    actions: allow,
  });
  for (const mac of entry.macs4) {
    if (entry.ipv4.length > 0) for (const ip of entry.ipv4) yield arp(mac, { arp_spa: scope4(ip) });
    else if (entry.ipv6.length === 0) yield arp(mac, {});
  }
  const targets: MatchSpec[] =
    entry.ipv6.length === 0 ? [{}] : [linkLocalOfMac(entry.mac), ...entry.ipv6.map(scope6)].map((ip) => ({ nd_target: ip }));
  for (const mac of entry.macs6) {
    for (const lladdr of [0, range(mac)]) {
      yield { table, priority: 90, match: { ...from, ...ND_NS, nd_sll: lladdr }, actions: allow };
      for (const target of targets)
        yield { table, priority: 90, match: { ...from, ...ND_NA, ...target, nd_tll: lladdr }, actions: allow };
    }
  }
}

/** What it allows the port to get. */
function* gets(entry: SecuredAddresses): Iterable<Rule> {
  const table = t.outPortSec;
  const restricted = entry.ipv4.length > 0 || entry.ipv6.length > 0;
  for (const mac of entry.macs4) {
    const to = { eth_dst: range(mac), eth_type: ETH.ip };
    if (restricted) yield { table, priority: 90, match: to, actions: drop };
    for (const ip of entry.ipv4) {
      yield { table, priority: 95, match: { ...to, ip_dst: scope4(ip) }, actions: allow };
      const host = typeof scope4(ip) === "number" && ip.length < 32;
      if (host)
        yield {
          table,
          priority: 95,
          match: { ...to, ip_dst: (ip.address | (0xffffffff >>> ip.length)) >>> 0 },
          actions: allow,
        };
    }
    if (entry.ipv4.length > 0) {
      yield { table, priority: 95, match: { ...to, ip_dst: 0xffffffff }, actions: allow };
      yield { table, priority: 95, match: { ...to, ip_dst: [0xe0000000, 0xf0000000] }, actions: allow };
    }
  }
  for (const mac of entry.macs6) {
    const to = { eth_dst: range(mac), eth_type: ETH.ipv6 };
    if (restricted) yield { table, priority: 90, match: to, actions: drop };
    if (entry.ipv6.length > 0) {
      const group = [0xffn << 120n, 0xffn << 120n] as const;
      for (const ip of [linkLocal(mac), ...entry.ipv6.map(scope6), group])
        yield { table, priority: 95, match: { ...to, ipv6_dst: ip }, actions: allow };
    }
  }
  for (const mac of [...entry.macs4, ...entry.macs6])
    yield { table, priority: 85, match: { eth_dst: range(mac) }, actions: allow };
}

type Secured = Pick<Port, "datapath" | "tunnel_key" | "port_security">;

/** Claimed ports with port security, as far as it depends on their rows: these change with every claim and its confirmation. */
const securedPorts = table<Uuid, Secured, Uuid, Port>(
  "securedPorts",
  sb.Port_Binding,
  function* (uuid, { type, datapath, tunnel_key, port_security }, read) {
    if (type !== "" || port_security.length === 0 || read(claimOf, uuid) === undefined) return;
    yield [uuid, { datapath, tunnel_key, port_security }];
  },
  { equals: sameContent },
);

export const portSecurity = each<DesiredFlow, Uuid, Secured>("portSecurity", securedPorts, function* (uuid, row, read) {
  const key = datapathKey(read, row);
  if (key === undefined) return;
  const entries = row.port_security.map(parsePortSecurity).filter((entry) => entry !== undefined);
  if (entries.length === 0) return;
  const sent = matchOf({ metadata: key, [reg.inport]: row.tunnel_key });
  const got = matchOf({ metadata: key, [reg.outport]: row.tunnel_key });
  const cookie = cookieOf(uuid);
  const flows: DesiredFlow[] = [];
  for (const { table, priority, match, actions } of rulesOf(entries)) {
    const made = matchOf(match, table === t.outPortSec ? got : sent);
    const repeated = flows.some((flow) => flow.table === table && flow.priority === priority && flow.match.equals(made));
    if (!repeated) flows.push(desired(table, priority, made, actions, cookie));
  }
  yield* flows;
});

function rulesOf(entries: readonly SecuredAddresses[]): readonly Rule[] {
  const rules: Rule[] = [
    { table: t.inPortSec, priority: 80, match: {}, actions: drop },
    { table: t.inPortSec, priority: 95, match: { eth_type: ETH.arp }, actions: more },
    { table: t.inPortSecNd, priority: 80, match: { eth_type: ETH.arp }, actions: drop },
    { table: t.outPortSec, priority: 80, match: {}, actions: drop },
  ];
  for (const type of [135, 136]) {
    const match = { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, nw_ttl: 255, icmpv6_type: type };
    rules.push({ table: t.inPortSecNd, priority: 80, match, actions: drop });
  }
  for (const entry of entries) rules.push(...sends(entry), ...gets(entry));
  return rules;
}
