/** Random matches of every kind, from a seed. */
import { seededRandom } from "@weft/runtime";

const WIDTHS: Readonly<Record<string, number>> = {
  reg0: 32,
  reg1: 32,
  reg4: 32,
  reg9: 32,
  "ip4.src": 32,
  "ip4.dst": 32,
  "arp.spa": 32,
  "arp.tpa": 32,
  "pkt.mark": 32,
  ct_mark: 32,
  "eth.src": 48,
  "eth.dst": 48,
  "tcp.src": 16,
  "tcp.dst": 16,
  "udp.dst": 16,
  "vlan.vid": 12,
  "ip6.label": 20,
  xreg0: 64,
  "sctp.src": 16,
};
const NOMINAL: Readonly<Record<string, readonly number[]>> = {
  "eth.type": [0x800, 0x806, 0x86dd],
  "ip.proto": [1, 6, 17, 58],
  "ip.ttl": [1, 64, 255],
  "icmp4.type": [3, 8],
  "icmp6.type": [135, 136],
  "icmp6.code": [0, 1],
  "arp.op": [1, 2],
};
const PREDICATES = [
  "ip",
  "ip4",
  "ip6",
  "tcp",
  "udp",
  "icmp",
  "icmp4",
  "arp",
  "nd",
  "nd_ns",
  "vlan.present",
  "ct.new",
  "ct.est",
  "ct.trk",
  "eth.mcast",
  "igmp",
  "flags.loopback",
  "reg0[3]",
  "eth.src[40]",
  "nd_na",
  "mldv2",
  "ct_label.nf",
];
const PORT_OPERANDS = ['"lsp1"', '"lsp2"', '{"lsp1","lsp3"}', "@pg1", '"nope"', '{"lsp1","nope"}', "@pg2"];

export function randomMatches(seed: number, count: number): string[] {
  const random = seededRandom(seed);
  const below = (bound: number): number => random.below(bound);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const chance = (percent: number): boolean => below(100) < percent;
  const bits = (width: number): bigint =>
    ((BigInt(random.uint32()) << 32n) | BigInt(random.uint32())) & ((1n << BigInt(width)) - 1n);

  const constant = (width: number): string => {
    if (width === 32 && chance(40)) {
      return [0, 0, 0, 0].map(() => pick([0, 1, 2, 10, 255])).join(".") + pick(["", "", "/24", "/8", "/255.0.255.0"]);
    }
    if (width === 48 && chance(50)) {
      return `${[0, 0, 0, 0, 0, 0].map(() => pick(["00", "01", "ff"])).join(":")}${pick(["", "", "/ff:ff:ff:00:00:00"])}`;
    }
    const full = (1n << BigInt(width)) - 1n;
    const value = pick([0n, 1n, 2n, 3n, 5n, full, bits(width)]) & full;
    if (chance(15)) return `0x${value.toString(16)}/0x${(bits(width) | 1n).toString(16)}`;
    return chance(50) ? value.toString() : `0x${value.toString(16)}`;
  };

  const comparison = (): string => {
    const kind = below(100);
    if (kind < 30) return pick(["", "", "", "", "!"]) + pick(PREDICATES);
    if (kind < 42) {
      const name = pick(Object.keys(NOMINAL));
      const values = NOMINAL[name]!;
      return `${name} == ${chance(50) ? pick(values) : `{${values.slice(0, 2).join(", ")}}`}`;
    }
    if (kind < 52) return `${pick(["inport", "outport"])} == ${pick(PORT_OPERANDS)}`;
    if (kind < 60) return `${pick(["ip4.src", "ip4.dst"])} ${pick(["==", "==", "!="])} ${pick(["$as4", "$as4b"])}`;
    let name = pick(Object.keys(WIDTHS));
    let width = WIDTHS[name]!;
    if (chance(15)) {
      const low = below(width);
      const high = Math.min(width - 1, low + below(4));
      name = low === high ? `${name}[${low}]` : `${name}[${low}..${high}]`;
      width = high - low + 1;
    }
    const how = below(100);
    if (how < 50) return `${name} == ${constant(width)}`;
    if (how < 75)
      return `${name} == {${[1, 2, 3]
        .slice(below(3))
        .map(() => constant(width))
        .join(", ")}}`;
    if (width > 20) return `${name} == ${constant(width)}`;
    if (how < 80) return `${name} != ${bits(width)}`;
    if (how < 90) return `${name} ${pick(["<", "<=", ">", ">="])} ${bits(width)}`;
    return `${bits(width) >> 1n} < ${name} <= ${bits(width)}`;
  };

  const expression = (depth: number): string => {
    if (depth === 0 || chance(35)) return comparison();
    const joint = pick([" && ", " && ", " || "]);
    const parts = [1, 2, 3].slice(below(2)).map(() => {
      const part = expression(depth - 1);
      const compound = part.includes("&&") || part.includes("||");
      const whole = compound ? `(${part})` : part;
      if (!chance(5)) return whole;
      return compound ? `!${whole}` : `!(${part.replace(/^!/, "")})`;
    });
    return parts.join(joint);
  };

  const made = new Set<string>();
  while (made.size < count) {
    const text = expression(pick([1, 2, 2, 3]));
    if (text.length < 160) made.add(text);
  }
  return [...made];
}
