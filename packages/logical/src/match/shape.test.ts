import { formatMatch } from "@weft/openflow";
import { seededRandom } from "@weft/runtime";
import { expect, test } from "vitest";
import { LogicalError } from "../error.ts";
import { matches } from "../interop/matches.ts";
import { randomMatches } from "../interop/random.ts";
import { compileMatch, type MatchTemplate } from "./compile.ts";
import { parseMatch } from "./parse.ts";
import { MatchShapes } from "./shape.ts";

/** As northd writes them, and such where the shape does not say all. */
const texts = [
  'outport == "lsp1" && reg0 == 10.0.0.1',
  'arp.tpa == 10.0.0.1 && arp.op == 1 && eth.dst == 00:00:00:00:00:01 && inport == "lsp1"',
  'inport == "lsp1" && eth.src == 00:00:00:00:00:01 && (ip4.src == {0.0.0.0, 10.0.0.1} && ip4.dst == {10.0.0.1, 255.255.255.255}) && udp',
  '((ip4 && icmp4.type == 3) || (ip6 && icmp6.type == 2)) && eth.src == 00:00:00:00:00:01 && outport == "lsp2" && !is_chassis_resident("lsp1")',
  'outport == "lsp1" && xxreg0 == fe80::1',
  "nd_ns_mcast && ip6.dst == ff02::1:ff00:1 && nd.target == fe80::1",
  "eth.mcast && eth.dst == 01:00:00:00:00:01",
  "eth.bcast || eth.dst == ff:ff:ff:ff:ff:ff",
  "ip4.src == {10.0.0.1, 10.0.0.0/8}",
  "ip4.src == 10.0.0.1 && ip4.src == {10.0.0.1, 10.0.0.2}",
  "reg0 == 10.0.0.1 && reg1 == 10.0.0.2",
  "reg0 == 10.0.0.1 && reg1 == 167772161",
  "ip4.src != 10.0.0.1",
  "!(ip4.src == 10.0.0.1)",
  "ip4.src[0..7] == 0.0.0.1",
  "xxreg0 == 10.0.0.1",
  "10.0.0.1 == ip4.dst",
  'inport == {"lsp1", "lsp2"} && ip4.dst == {10.0.0.1, 10.0.0.2, 10.0.0.2}',
  'inport == "lsp1" && inport == "lsp2"',
  "ip4.dst == 10.0.0.300",
  "ip4.dst == 10.0.0.1:80",
  "eth.src == 00:00:00:00:00:01/ff:00:00:00:00:00",
];

const POOLS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/"lsp\d"/g, ['"lsp1"', '"lsp2"', '"lsp3"', '"nope"', '"none"']],
  [/[0-9a-f]{2}(:[0-9a-f]{2}){5}/g, ["00:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "80:00:00:00:00:00"]],
  [/\d+\.\d+\.\d+\.\d+/g, ["10.0.0.1", "10.0.0.2", "0.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"]],
  [/f[ef]\d\d::[0-9a-f:]+/g, ["fe80::1", "fe80::2", "ff02::1:ff00:1", "ff02::1", "::1", "0::1"]],
];

function outcome(compile: () => MatchTemplate): string {
  try {
    const template = compile();
    const lookupPort = (name: string) => ({ lsp1: 1, lsp2: 2, lsp3: 0x7fff })[name];
    const flows = template.instantiate({ datapath: 7, conjunctionId: 100, lookupPort });
    return flows.map(({ match, conjunctions }) => `${formatMatch(match)} ${JSON.stringify(conjunctions)}`).join("\n");
  } catch (error) {
    if (error instanceof LogicalError) return error.message;
    throw error;
  }
}

test("a match made of its shape is what it becomes by itself", () => {
  const shapes = new MatchShapes(500);
  const random = seededRandom(7);
  const all = [...texts, ...matches, ...randomMatches(3, 1500)].filter((text) => MatchShapes.takes(text));
  for (let round = 0; round < 40; round++) {
    for (const text of round < 2 ? all : texts) {
      let other = text;
      for (const [pattern, pool] of POOLS) other = other.replace(pattern, () => pool[random.below(pool.length)]!);
      const lsp1 = random.below(2) === 0;
      const options = { resident: (port: string) => port === "lsp1" && lsp1, prerequisites: round % 2 === 0 ? [] : ["ip"] };
      expect(
        outcome(() => shapes.compile(other, options)),
        other,
      ).toBe(outcome(() => compileMatch(parseMatch(other).expression, { ...options, text: other })));
    }
  }
});

test("matches of one shape are compiled once", () => {
  const shapes = new MatchShapes();
  const first = shapes.compile('outport == "a" && reg0 == 10.0.0.1', {});
  const second = shapes.compile('outport == "b" && reg0 == 10.0.0.9', {});
  const flows = second.instantiate({ datapath: 1, conjunctionId: 1, lookupPort: (name) => (name === "b" ? 2 : undefined) });
  expect(flows.map(({ match }) => formatMatch(match))).toEqual(["reg0=0xa000009,reg15=0x2,metadata=0x1"]);
  expect(shapes.counts).toEqual({ shapes: 1, texts: 0 });
  expect(first.conjunctions).toBe(0);
  shapes.compile("nd_ns_mcast && ip6.dst == ff02::1", {});
  shapes.compile("nd_ns_mcast && ip6.dst == ff02::2", {});
  expect(shapes.counts).toEqual({ shapes: 2, texts: 2 });
});
