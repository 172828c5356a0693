/**
 * Dynamic addresses (ovn-nb(5), Logical_Switch:other_config "IP Address Assignment"): a switch with a subnet, an IPv6
 * prefix or mac_only gives addresses to its ports that ask for them. What a port got, it keeps while it is valid.
 */
import { each, index, type Sink } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv6,
  ipv4Mask,
  ipv4Network,
  ipv4Of,
  macOf,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseIpv6Prefix,
  parseMac,
  slaacOfMac,
} from "@weft/packet";
import { parsePortAddress } from "../model/addresses.ts";
import { nb, switches } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { isDynamic, switchOf, switchPort } from "../model/switchPort.ts";

interface Pool {
  readonly kind: "pool";
  readonly id: Uuid;
  readonly first: number;
  /** Beyond the last address. */
  readonly end: number;
  /** Pairs: from, to (included). */
  readonly excluded: readonly (readonly [number, number])[];
  readonly prefix6: Ipv6 | undefined;
}

interface Want {
  readonly kind: "want";
  readonly id: Uuid;
  readonly pool: Uuid;
  readonly mac: number | undefined;
  readonly ip4: number | undefined;
  readonly ip6: Ipv6 | undefined;
  readonly current: string | undefined;
}

interface Taken {
  readonly kind: "taken";
  readonly pool: Uuid | undefined;
  readonly mac: number;
  readonly ip4: readonly number[];
}

export type IpamFact = Pool | Want | Taken;

const pooled = index("pooledSwitches", nb.Logical_Switch, ({ other_config }) =>
  other_config.has("subnet") || other_config.has("ipv6_prefix") || other_config.get("mac_only") === "true" ? [""] : [],
);

function poolOf(uuid: Uuid, config: ReadonlyMap<string, string>): Pool {
  const subnet = parseIpv4Prefix(config.get("subnet") ?? "");
  let first = 0;
  let end = 0;
  if (subnet !== undefined && subnet.length < 32) {
    const base = ipv4Network(subnet) as number;
    // The first address is the router's by custom; the last one is the broadcast address.
    first = base + 2;
    end = base + (0xffff_ffff - ipv4Mask(subnet.length));
  }
  const excluded: [number, number][] = [];
  for (const range of (config.get("exclude_ips") ?? "").split(/\s+/).filter(Boolean)) {
    const [from, to] = range.split("..").map((text) => parseIpv4(text));
    if (from !== undefined) excluded.push([from, to ?? from]);
  }
  const prefix = config.get("ipv6_prefix");
  const prefix6 = prefix === undefined ? undefined : (parseIpv6(prefix) ?? parseIpv6Prefix(prefix)?.address);
  return { kind: "pool", id: uuid, first, end, excluded, prefix6 };
}

export const pools = each("ipam/pools", switches, function* (uuid, row, read): Iterable<IpamFact> {
  if (read(pooled, "").includes(uuid)) yield poolOf(uuid, row.other_config);
});

export const wants = each("ipam/wants", nb.Logical_Switch_Port, function* (uuid, row, read): Iterable<IpamFact> {
  const pool = switchOf(uuid, read);
  if (pool === undefined || !read(pooled, "").includes(pool)) return;
  const spec = row.addresses.find(isDynamic);
  if (spec === undefined) return;
  const words = spec.split(/\s+/).filter((word) => word !== "dynamic" && word !== "");
  yield {
    kind: "want",
    id: uuid,
    pool,
    mac: words.map((word) => parseMac(word)).find((mac) => mac !== undefined),
    ip4: words.map((word) => parseIpv4(word)).find((ip) => ip !== undefined),
    ip6: words.map((word) => parseIpv6(word)).find((ip) => ip !== undefined),
    current: row.dynamic_addresses,
  };
});

/** Addresses that were given by hand; asked for only where some switch gives addresses at all. */
export const takenBySwitchPorts = each(
  "ipam/takenBySwitchPorts",
  nb.Logical_Switch_Port,
  function* (uuid, row, read): Iterable<IpamFact> {
    if (read(pooled, "").length === 0) return;
    const port = read(switchPort, uuid);
    if (port === undefined) return;
    for (const text of row.addresses) {
      const address = isDynamic(text) ? undefined : parsePortAddress(text);
      if (address !== undefined) {
        yield { kind: "taken", pool: port.datapath, mac: address.mac, ip4: address.ip4.map(({ ip }) => ip) };
      }
    }
    const peer = port.peer === undefined ? undefined : read(routerPort, port.peer);
    if (peer !== undefined) {
      yield { kind: "taken", pool: port.datapath, mac: peer.address.mac, ip4: peer.address.ip4.map(({ ip }) => ip) };
    }
  },
);

export const takenByRouterPorts = each(
  "ipam/takenByRouterPorts",
  nb.Logical_Router_Port,
  function* (uuid, _row, read): Iterable<IpamFact> {
    if (read(pooled, "").length === 0) return;
    const port = read(routerPort, uuid);
    if (port !== undefined) yield { kind: "taken", pool: undefined, mac: port.address.mac, ip4: [] };
  },
);

interface Given {
  readonly pool: Uuid;
  readonly mac: number;
  readonly ip4: number | undefined;
  readonly text: string;
}

export interface IpamOutcome {
  set(port: Uuid, addresses: string): void;
  delete(port: Uuid): void;
  warn(text: string): void;
}

/** Counts by key. */
class Bag<K> {
  readonly #counts = new Map<K, number>();

  change(key: K, by: 1 | -1): void {
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }

  count(key: K): number {
    return this.#counts.get(key) ?? 0;
  }
}

export class Ipam implements Sink<IpamFact> {
  readonly #outcome: IpamOutcome;
  readonly #pools = new Map<Uuid, Pool>();
  readonly #wants = new Map<Uuid, Want>();
  readonly #given = new Map<Uuid, Given>();
  /** All MAC addresses in use, and IPv4 addresses by "switch ip"; given ones included. */
  readonly #macs = new Bag<number>();
  readonly #ips = new Bag<string>();
  /** MAC addresses of ports that are to get another IPv4 address. */
  readonly #kept = new Map<Uuid, number>();
  #changed = false;
  #macPrefix = 0;

  constructor(outcome: IpamOutcome) {
    this.#outcome = outcome;
  }

  /** "0a:bc:de": the first half of the MAC addresses given from now on. */
  set macPrefix(text: string) {
    this.#macPrefix = parseMac(`${text}:00:00:00`) ?? 0;
  }

  add(fact: IpamFact): void {
    this.#note(fact, 1);
    if (fact.kind === "pool") this.#pools.set(fact.id, fact);
    if (fact.kind === "want") this.#wants.set(fact.id, fact);
  }

  remove(fact: IpamFact): void {
    this.#note(fact, -1);
    if (fact.kind === "pool" && this.#pools.get(fact.id) === fact) this.#pools.delete(fact.id);
    if (fact.kind === "want" && this.#wants.get(fact.id) === fact) this.#wants.delete(fact.id);
  }

  #note(fact: IpamFact, by: 1 | -1): void {
    this.#changed = true;
    if (fact.kind !== "taken") return;
    this.#macs.change(fact.mac, by);
    if (fact.pool !== undefined) for (const ip of fact.ip4) this.#ips.change(`${fact.pool} ${ip}`, by);
  }

  /** Gives addresses to ports that have none, or none that is valid. Returns whether anything changed. */
  flush(): boolean {
    if (!this.#changed) return false;
    this.#changed = false;
    let news = false;
    for (const [id, given] of [...this.#given]) {
      const want = this.#wants.get(id);
      if (want !== undefined && this.#valid(want, given)) continue;
      this.#take(given, -1);
      this.#given.delete(id);
      if (want === undefined) this.#outcome.delete(id);
      // A port whose IPv4 address is no longer good keeps its MAC address.
      else this.#kept.set(id, given.mac);
      news = true;
    }
    const open = [...this.#wants.values()].filter(({ id }) => !this.#given.has(id));
    for (const want of open) if (this.#giveCurrent(want)) news = true;
    for (const want of open) if (!this.#given.has(want.id) && this.#giveNew(want)) news = true;
    this.#kept.clear();
    return news;
  }

  #take(given: Given, by: 1 | -1): void {
    this.#macs.change(given.mac, by);
    if (given.ip4 !== undefined) this.#ips.change(`${given.pool} ${given.ip4}`, by);
  }

  #give(id: Uuid, given: Given): void {
    this.#take(given, 1);
    this.#given.set(id, given);
    this.#outcome.set(id, given.text);
  }

  #free4(pool: Pool, ip: number, own: number): boolean {
    return (
      ip >= pool.first &&
      ip < pool.end &&
      this.#ips.count(`${pool.id} ${ip}`) === own &&
      !pool.excluded.some(([from, to]) => ip >= from && ip <= to)
    );
  }

  #valid(want: Want, given: Given): boolean {
    const pool = this.#pools.get(want.pool);
    if (pool === undefined || given.pool !== want.pool) return false;
    if (want.mac !== undefined && want.mac !== given.mac) return false;
    if (want.ip4 !== undefined) return given.ip4 === want.ip4 && given.text === this.#textOf(pool, want, given.mac, given.ip4);
    if (pool.end > 0 !== (given.ip4 !== undefined) && pool.end > 0) return false;
    if (given.ip4 !== undefined && !this.#free4(pool, given.ip4, 1)) return false;
    return given.text === this.#textOf(pool, want, given.mac, given.ip4);
  }

  #textOf(pool: Pool, want: Want, mac: number, ip4: number | undefined): string {
    const words = [formatMac(macOf(mac))];
    if (ip4 !== undefined) words.push(formatIpv4(ipv4Of(ip4)));
    if (pool.prefix6 !== undefined) words.push(formatIpv6(want.ip6 ?? slaacOfMac(pool.prefix6, macOf(mac))));
    return words.join(" ");
  }

  /** Keeps what the database says that the port has. */
  #giveCurrent(want: Want): boolean {
    const pool = this.#pools.get(want.pool);
    const address = want.current === undefined ? undefined : parsePortAddress(want.current);
    if (pool === undefined || address === undefined || this.#kept.has(want.id)) return false;
    const ip4: number | undefined = address.ip4[0]?.ip;
    if (want.mac === undefined && this.#macs.count(address.mac) > 0) return false;
    if (ip4 !== undefined && want.ip4 === undefined && !this.#free4(pool, ip4, 0)) return false;
    const given = { pool: pool.id, mac: address.mac, ip4, text: want.current! };
    if (!this.#valid(want, given) && given.text !== this.#textOf(pool, want, address.mac, ip4)) return false;
    if ((want.mac !== undefined && want.mac !== address.mac) || (want.ip4 !== undefined && want.ip4 !== ip4)) return false;
    if (pool.end > 0 && ip4 === undefined) return false;
    this.#give(want.id, given);
    return true;
  }

  #giveNew(want: Want): boolean {
    const pool = this.#pools.get(want.pool);
    if (pool === undefined) return false;
    const ip4 = want.ip4 ?? this.#find4(pool);
    const mac = want.mac ?? this.#kept.get(want.id) ?? this.#findMac(ip4);
    if (mac === undefined) {
      this.#outcome.warn("MAC address space exhausted.");
      return false;
    }
    this.#give(want.id, { pool: pool.id, mac, ip4, text: this.#textOf(pool, want, mac, ip4) });
    return true;
  }

  #find4(pool: Pool): number | undefined {
    for (let ip = pool.first; ip < pool.end; ip++) if (this.#free4(pool, ip, 0)) return ip;
    if (pool.end > 0) this.#outcome.warn(`${pool.id}: Subnet address space has been exhausted.`);
    return undefined;
  }

  /** The MAC address follows the IPv4 address, so that it is seldom taken; the lowest free one where there is none. */
  #findMac(ip4: number | undefined): number | undefined {
    const start = ((ip4 ?? 0) % 0x100_0000) + 1;
    for (let i = 0; i < 0xff_fffe; i++) {
      const mac = this.#macPrefix + 1 + ((start - 1 + i) % 0xff_fffe);
      if (this.#macs.count(mac) === 0) return mac;
    }
    return undefined;
  }
}
