/**
 * Random microflows for ovn-trace(8), from what a southbound database holds: ports of every type, and addresses and transport
 * ports that its flows speak of.
 */
import type { Replica } from "@weft/ovsdb";
import { parseIpv6 } from "@weft/packet";
import type { SbRow, SbSchema } from "@weft/schemas";
import type { Chance } from "./xorshift.ts";

type PortBinding = SbRow<"Port_Binding">;

const MAC = /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g;
const IP4 = /\b\d+\.\d+\.\d+\.\d+\b/g;
const IP6 = /(?<![0-9a-f:])(?:[0-9a-f]{1,4}:){1,7}(?::|(?::?[0-9a-f]{1,4}){1,7})(?![0-9a-f:])/g;
const TRANSPORT = /\b(?:tcp|udp|sctp)\.(?:src|dst) == (\d+)/g;

export interface TracedPacket {
  readonly datapath: string;
  readonly microflow: string;
}

export class TracedPackets {
  readonly #ports: readonly PortBinding[];
  readonly #datapaths = new Map<string, string>();
  readonly #chance: Chance;
  readonly #macs = ["ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:00:5e:00:00:05", "0a:99:99:99:99:99"];
  readonly #ip4 = ["0.0.0.0", "255.255.255.255", "224.0.0.5", "239.1.1.1", "8.8.8.8"];
  readonly #ip6 = ["::", "ff02::1", "ff02::2", "ff0e::5", "2001::5"];
  readonly #transport = [53, 67, 68, 80, 546, 547];
  readonly #routers: readonly PortBinding[];

  constructor(southbound: Pick<Replica<SbSchema>, "table">, chance: Chance) {
    this.#chance = chance;
    const byName = (a: PortBinding, b: PortBinding): number => (a.logical_port < b.logical_port ? -1 : 1);
    this.#ports = [...southbound.table("Port_Binding").rows()].sort(byName);
    this.#routers = this.#ports.filter(({ type }) => type === "patch" || type === "l3gateway");
    for (const row of southbound.table("Datapath_Binding").rows())
      this.#datapaths.set(row._uuid, row.external_ids.get("name") ?? row._uuid);
    const texts = [...southbound.table("Logical_Flow").rows()].map(({ match, actions }) => `${match} ${actions}`);
    const all = [...texts, ...this.#ports.flatMap(({ mac }) => mac)].sort().join("\n");
    const add = (list: (string | number)[], pattern: RegExp): void => void list.push(...new Set(all.match(pattern) ?? []));
    add(this.#macs, MAC);
    add(this.#ip4, IP4);
    this.#ip6.push(...new Set((all.match(IP6) ?? []).filter((text) => parseIpv6(text) !== undefined)));
    this.#transport.push(...new Set([...all.matchAll(TRANSPORT)].map(([, port]) => Number(port))));
  }

  next(): TracedPacket {
    const chance = this.#chance;
    const port = chance.pick(this.#ports.filter(({ type }) => type !== "chassisredirect"));
    const [mac, ip4, ip6] = this.#addressesOf(port);
    const neighbours = this.#routers.filter(({ datapath }) => datapath === port.datapath);
    const router = neighbours.length === 0 ? undefined : chance.pick(neighbours);
    const peer = this.#ports.find(({ logical_port }) => logical_port === router?.options.get("peer"));
    const gateway = (port.type === "patch" ? port : peer)?.mac[0]?.match(MAC)?.[0];
    const dst = gateway !== undefined && chance.percent(55) ? gateway : chance.pick(this.#macs);
    const src = chance.percent(88) ? (mac ?? chance.pick(this.#macs)) : chance.pick(this.#macs);
    const terms = [`inport == "${port.logical_port}"`, `eth.src == ${src}`, `eth.dst == ${dst}`];
    const kind = chance.below(100);
    if (kind < 50) terms.push(...this.#ip4Terms(ip4));
    else if (kind < 75) terms.push(...this.#ip6Terms(ip6, src));
    else if (kind < 92) terms.push(...this.#arpTerms(src, ip4));
    if (chance.percent(8)) terms.push(`vlan.vid == ${chance.pick([1, 5, 100])}`);
    if (chance.percent(4)) terms.push("flags.loopback == 1");
    return { datapath: this.#datapaths.get(port.datapath) ?? port.datapath, microflow: terms.join(" && ") };
  }

  #addressesOf(port: PortBinding): readonly [mac: string | undefined, ip4: string | undefined, ip6: string | undefined] {
    const text = port.mac.join(" ");
    return [text.match(MAC)?.[0], text.match(IP4)?.[0], text.replace(MAC, "").match(IP6)?.[0]];
  }

  #own<T>(own: T | undefined, others: readonly T[]): T {
    return own !== undefined && this.#chance.percent(85) ? own : this.#chance.pick(others);
  }

  #ip4Terms(own: string | undefined): string[] {
    const chance = this.#chance;
    const ttl = `ip.ttl == ${chance.pick([64, 64, 64, 1, 0, 255])}`;
    const terms = [`ip4.src == ${this.#own(own, this.#ip4)}`, `ip4.dst == ${chance.pick(this.#ip4)}`, ttl];
    return [...terms, ...this.#transportTerms("icmp4", [8, 0, 3])];
  }

  #transportTerms(icmp: "icmp4" | "icmp6", types: readonly number[]): string[] {
    const chance = this.#chance;
    const kind = chance.below(100);
    const protocol = kind < 45 ? "tcp" : kind < 65 ? "udp" : kind < 72 ? "sctp" : undefined;
    if (protocol !== undefined) {
      const ports = [`${protocol}.dst == ${chance.pick(this.#transport)}`, `${protocol}.src == ${chance.pick(this.#transport)}`];
      return [...ports, ...(chance.percent(5) ? ["ip.frag == 1"] : [])];
    }
    if (kind < 88) return [`${icmp}.type == ${chance.pick(types)}`, `${icmp}.code == 0`];
    return kind < 94 ? [`ip.proto == ${chance.pick([2, 47])}`] : [];
  }

  #ip6Terms(own: string | undefined, mac: string): string[] {
    const chance = this.#chance;
    const terms = [`ip6.src == ${this.#own(own, this.#ip6)}`, `ip6.dst == ${chance.pick(this.#ip6)}`];
    if (chance.percent(60)) {
      return [...terms, `ip.ttl == ${chance.pick([64, 64, 1, 255])}`, ...this.#transportTerms("icmp6", [128, 129, 1])];
    }
    const type = chance.pick([133, 134, 135, 136, 131, 143]);
    terms.push("ip.ttl == 255", `icmp6.type == ${type}`, "icmp6.code == 0");
    if (type === 135 || type === 136)
      terms.push(`nd.target == ${chance.pick(this.#ip6)}`, `nd.${type === 135 ? "sll" : "tll"} == ${mac}`);
    return terms;
  }

  #arpTerms(mac: string, own: string | undefined): string[] {
    const chance = this.#chance;
    const spa = `arp.spa == ${this.#own(own, this.#ip4)}`;
    return [`arp.op == ${chance.pick([1, 1, 2])}`, `arp.sha == ${mac}`, spa, `arp.tpa == ${chance.pick(this.#ip4)}`];
  }
}
