/**
 * Random packets for a random network: from a guest's port, with addresses that are right, another's, a router's, unknown or
 * of many. Written as a logical expression (ovn-trace(8)) and as a flow of ovs-ofctl(8).
 */
import type { RandomNetwork } from "./network.ts";

export interface Microflow {
  readonly inport: string;
  /** The packet as a logical expression, without its port. */
  readonly expression: string;
  /** The packet as a flow, without its port. */
  readonly flow: string;
}

interface Known {
  readonly macs: readonly string[];
  readonly ip4: readonly string[];
  readonly ip6: readonly string[];
}

/** Chance of its own, so that packets do not change the network that follows. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x85eb_ca6b) >>> 0 || 1;
  }

  below(bound: number): number {
    let x = this.#state;
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % bound;
  }

  percent(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** Addresses that packets are sent to besides those of guests and routers. */
export interface Services {
  readonly ip4: readonly string[];
  readonly ip6: readonly string[];
}

const NONE: Services = { ip4: [], ip6: [] };

/** The external addresses of NAT and the VIPs of load balancers among edits, each the arguments of an ovn-nbctl call. */
export function servicesOf(edits: readonly (readonly string[])[]): Services {
  const words = edits.flat().join(" ");
  const outside = [...words.matchAll(/external_ip="?([^"\s]+)/g)].map(([, address]) => address!);
  const vips = [...words.matchAll(/"([^"]+)"="/g)].map(
    ([, vip]) => vip!.match(/^\[(.+)\]/)?.[1] ?? vip!.replace(/^([^:]+):\d+$/, "$1"),
  );
  // Other columns have quoted keys too.
  const all = [...outside, ...vips].filter((address) => /^[\d.]+$|^[\da-f]*:/.test(address));
  return { ip4: all.filter((address) => !address.includes(":")), ip6: all.filter((address) => address.includes(":")) };
}

function known(network: RandomNetwork, services: Services): { readonly guests: Known; readonly routers: Known } {
  const ports = network.switches.flatMap((at) => at.ports.filter((port) => port.mac !== "" && port.kind !== "router"));
  const routerPorts = network.routers.flatMap((router) => router.ports);
  const networks = routerPorts.flatMap((port) => port.networks.map((text) => text.slice(0, text.indexOf("/"))));
  const present = (texts: readonly (string | undefined)[]) => texts.filter((text) => text !== undefined);
  return {
    guests: {
      macs: ports.map((port) => port.mac),
      ip4: present(ports.map((port) => port.ip4)),
      ip6: present(ports.map((port) => port.ip6)),
    },
    routers: {
      macs: routerPorts.map((port) => port.mac),
      ip4: [...networks.filter((text) => !text.includes(":")), ...services.ip4],
      ip6: [...networks.filter((text) => text.includes(":")), ...services.ip6],
    },
  };
}

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const NOBODY = "0a:99:99:99:99:99";

/** A field's value in both languages; with one name, it is called the same in both. */
type Field = readonly [logical: string, openflow: string, value: string | number];

function microflow(inport: string, words: readonly string[], fields: readonly Field[]): Microflow {
  return {
    inport,
    expression: fields.map(([name, , value]) => `${name} == ${value}`).join(" && "),
    flow: [...words, ...fields.map(([, name, value]) => `${name}=${value}`)].join(","),
  };
}

/** Packets that a network's guests might send; none when it has no guests. `seed` decides, with the network. */
export function microflows(network: RandomNetwork, seed: number, count: number, services = NONE): Microflow[] {
  const chance = new Chance(seed);
  const { guests: ports } = network;
  if (ports.length === 0) return [];
  const { guests, routers } = known(network, services);
  const some = (what: keyof Known, others: readonly string[]): string => {
    const pool = chance.percent(55) ? guests[what] : routers[what];
    return pool.length > 0 && chance.percent(88) ? chance.pick(pool) : chance.pick(others);
  };
  const list: Microflow[] = [];
  while (list.length < count) {
    const from = chance.pick(ports);
    const source = chance.percent(85) ? from.mac : some("macs", [NOBODY]);
    const target = chance.percent(80)
      ? some("macs", [NOBODY])
      : chance.pick([BROADCAST, "01:00:5e:01:02:03", "33:33:00:00:00:05"]);
    const ip4 = () => some("ip4", ["192.168.7.9", "8.8.8.8", "255.255.255.255", "224.0.0.5", "239.1.2.3", "0.0.0.0"]);
    const ip6 = () => some("ip6", ["fd88:7::9", "2001:db8::1", "ff02::5", "ff0e::77", "fe80::99"]);
    const mine4 = chance.percent(85) ? (from.ip4 ?? ip4()) : ip4();
    const mine6 = chance.percent(85) ? (from.ip6 ?? ip6()) : ip6();
    const ethernet: Field[] = [
      ["eth.src", "dl_src", source],
      ["eth.dst", "dl_dst", target],
    ];
    const ttl = chance.percent(15) ? 1 : 64;
    const kind = chance.below(10);
    if (kind === 0) {
      list.push(
        microflow(
          from.name,
          ["arp"],
          [
            ["eth.src", "dl_src", source],
            ["eth.dst", "dl_dst", chance.percent(70) ? BROADCAST : target],
            ["arp.op", "arp_op", chance.percent(75) ? 1 : 2],
            ["arp.sha", "arp_sha", chance.percent(90) ? source : NOBODY],
            ["arp.spa", "arp_spa", mine4],
            ["arp.tha", "arp_tha", "00:00:00:00:00:00"],
            ["arp.tpa", "arp_tpa", ip4()],
          ],
        ),
      );
    } else if (kind === 1) {
      const wanted = ip6();
      const solicit = chance.percent(75);
      list.push(
        microflow(
          from.name,
          ["icmp6"],
          [
            ["eth.src", "dl_src", source],
            ["eth.dst", "dl_dst", target],
            ["ip6.src", "ipv6_src", mine6],
            ["ip6.dst", "ipv6_dst", chance.percent(50) ? wanted : "ff02::1:ff00:7"],
            ["ip.ttl", "nw_ttl", 255],
            ["icmp6.type", "icmpv6_type", solicit ? 135 : 136],
            ["icmp6.code", "icmpv6_code", 0],
            ["nd.target", "nd_target", wanted],
            solicit ? ["nd.sll", "nd_sll", source] : ["nd.tll", "nd_tll", source],
          ],
        ),
      );
    } else {
      const six = chance.percent(40);
      const addresses: Field[] = six
        ? [
            ["ip6.src", "ipv6_src", mine6],
            ["ip6.dst", "ipv6_dst", ip6()],
            ["ip.ttl", "nw_ttl", ttl],
          ]
        : [
            ["ip4.src", "nw_src", mine4],
            ["ip4.dst", "nw_dst", ip4()],
            ["ip.ttl", "nw_ttl", ttl],
          ];
      const base = [...ethernet, ...addresses];
      const v = six ? "6" : "";
      if (kind < 4) {
        const icmp = six ? "icmp6" : "icmp4";
        const flow = six ? "icmpv6" : "icmp";
        const type = six ? chance.pick([128, 129]) : chance.pick([8, 0]);
        list.push(
          microflow(
            from.name,
            [`icmp${v}`],
            [...base, [`${icmp}.type`, `${flow}_type`, type], [`${icmp}.code`, `${flow}_code`, 0]],
          ),
        );
      } else if (kind < 7) {
        list.push(
          microflow(
            from.name,
            [`udp${v}`],
            [...base, ["udp.src", "udp_src", 4242], ["udp.dst", "udp_dst", chance.pick([7, 53, 547, 4789])]],
          ),
        );
      } else {
        list.push(
          microflow(
            from.name,
            [`tcp${v}`],
            [...base, ["tcp.src", "tcp_src", 4242], ["tcp.dst", "tcp_dst", chance.pick([80, 443])]],
          ),
        );
      }
    }
  }
  return list;
}
