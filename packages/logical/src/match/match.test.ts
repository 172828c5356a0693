import { FIELDS, field, formatMatch, newFlowKey, writeField } from "@weft/openflow";
import { seededRandom } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogicalError } from "../error.ts";
import { matches } from "../interop/matches.ts";
import { randomMatches } from "../interop/random.ts";
import type { Names } from "../reader.ts";
import { SYMBOLS } from "../symbols.ts";
import { compileMatch, conjunctionIdOf, type FlowMatch } from "./compile.ts";
import { evaluateMatch, microflow } from "./evaluate.ts";
import { formatExpression } from "./expression.ts";
import { parseMatch } from "./parse.ts";

const names: Names = {
  addressSet: (name) => ({ as4: ["10.0.0.1", "10.1.0.0/16"], as4b: ["1.1.1.1", "1.1.1.2"], empty: [] })[name],
  portGroup: (name) => ({ pg1: ["lsp1", "lsp2"], pg2: ["lsp2", "lsp3"] })[name],
};
const ports: Readonly<Record<string, number>> = { lsp1: 1, lsp2: 2, lsp3: 3 };

function flowsOf(text: string, resident: readonly string[] = []): FlowMatch[] {
  const template = compileMatch(parseMatch(text, names).expression, { resident: (port) => resident.includes(port) });
  return template.instantiate({ datapath: 7, conjunctionId: 100, lookupPort: (name) => ports[name] });
}

function flowTexts(text: string, resident: readonly string[] = []): string[] {
  return flowsOf(text, resident).map(({ match, conjunctions }) => {
    const refs = conjunctions.map(({ id, clause, clauses }) => ` conjunction(${id},${clause}/${clauses})`).join("");
    return (
      formatMatch(match)
        .replace(/,?metadata=0x7/, "")
        .replace(/^,/, "") + refs
    );
  });
}

function messageOf(text: string): { message: string; offset: number } {
  try {
    parseMatch(text, names);
  } catch (error) {
    if (error instanceof LogicalError) return { message: error.message, offset: error.offset };
    throw error;
  }
  return { message: "", offset: -1 };
}

describe("matches become flows", () => {
  test.each([
    ["1", [""]],
    ["0", []],
    ["ip4 && ip6", []],
    ["ip4.src == 10.0.0.0/8", ["ip,nw_src=10.0.0.0/8"]],
    ["ip4.src == {10.0.0.0/8, 10.1.1.1}", ["ip,nw_src=10.0.0.0/8"]],
    ['inport == "lsp1" && tcp.dst == 80', ["tcp,reg14=0x1,tp_dst=80", "tcp6,reg14=0x1,tp_dst=80"]],
    ['inport == "nowhere"', []],
    ['outport == "none"', ["reg15=0"]],
    ["tcp.src > 65532 && ip4", ["tcp,tp_src=65533", "tcp,tp_src=0xfffe/0xfffe"]],
    ["!ct.new", ["ct_state=-new+trk"]],
    ["ct.est && !ct.rel", ["ct_state=+est-rel+trk"]],
    ["vlan.vid == 5", ["dl_vlan=5"]],
    ["reg0[0..3] == {1, 2}", ["reg0=0x1/0xf", "reg0=0x2/0xf"]],
    ["nd_ns", ["icmp6,nw_ttl=255,icmp_type=135,icmp_code=0"]],
    ["ip4.src == $empty", []],
  ])("%s", (text, expected) => {
    expect(flowTexts(text)).toEqual(expected);
  });

  test("two sets make a conjunctive match, its clauses in the order of the fields' names", () => {
    expect(flowTexts("ip4.src == $as4b && ip4.dst == {2.2.2.1, 2.2.2.2}")).toEqual([
      "conj_id=100,ip",
      "ip,nw_dst=2.2.2.1 conjunction(100,1/2)",
      "ip,nw_dst=2.2.2.2 conjunction(100,1/2)",
      "ip,nw_src=1.1.1.1 conjunction(100,2/2)",
      "ip,nw_src=1.1.1.2 conjunction(100,2/2)",
    ]);
  });

  test("a conjunctive match of which one clause cannot hold is none", () => {
    expect(flowTexts('inport == {"a", "b"} && ip4.src == $as4b')).toEqual([]);
  });

  test("residence of a port", () => {
    const text = '(is_chassis_resident("gw") || eth.dst == 00:00:00:00:00:01) && reg0 == 1';
    expect(flowTexts(text, ["gw"])).toEqual(["reg0=0x1"]);
    expect(flowTexts(text)).toEqual(["reg0=0x1,dl_dst=00:00:00:00:00:01"]);
  });

  test("prerequisites of actions are conditions, too", () => {
    const template = compileMatch(parseMatch("1").expression, { prerequisites: ["ip4", "tcp"] });
    const flows = template.instantiate({ datapath: 7, conjunctionId: 1, lookupPort: () => undefined });
    expect(flows.map(({ match }) => formatMatch(match))).toEqual(["tcp,metadata=0x7"]);
  });

  test("an expansion without end is an error", () => {
    const text = "ip6.src != {::1, ::2, ::3, ::4} || ip6.dst != {::5, ::6, ::7, ::8}";
    const { expression } = parseMatch(`!(${text})`);
    expect(() => compileMatch(parseMatch(`(${text}) && ip6.src != {ff::1, ff::2}`).expression, { limit: 1000 })).toThrow(
      LogicalError,
    );
    expect(() => compileMatch(expression, { limit: 100_000 })).not.toThrow();
  });

  test("conjunction ids depend on the flow alone", () => {
    const uuid = "0f0e0d0c-0000-4000-8000-000000000000";
    expect(conjunctionIdOf(uuid, 1)).toBe(conjunctionIdOf(uuid, 1));
    expect(conjunctionIdOf(uuid, 1)).not.toBe(conjunctionIdOf(uuid, 2));
  });
});

describe("errors say what and where", () => {
  test.each([
    ["reg0 == 0x123456789", "33-bit constant is not compatible with 32-bit field reg0.", 0],
    ["ip4 && foo == 1", "Syntax error at `foo' expecting field name.", 7],
    ["ip4 && ip6 || arp", "&& and || must be parenthesized when used together.", 11],
    ["!reg0 == 1", "Missing parentheses around operand of !.", 1],
    ['inport != "a"', "Nominal field inport may only be tested for equality (taking enclosing `!' operators into account).", 0],
    ["inport == @nope", "Syntax error at `@nope' expecting port group name.", 10],
    ["(ip4", "Syntax error at end of input expecting `)'.", 4],
    ["ip4 ip6", "Syntax error at `ip6' expecting end of input.", 4],
    ["icmp4.type[0] == 1", "Cannot select subfield of nominal field icmp4.type.", 0],
    ["reg0", "Explicit `!= 0' is required for inequality test of multibit field against 0.", 0],
  ])("%s", (text, message, offset) => {
    expect(messageOf(text)).toEqual({ message, offset });
  });

  test("nesting is bounded", () => {
    expect(messageOf("(".repeat(200)).message).toBe("Parentheses nested too deeply.");
  });
});

test("what is printed parses back to what was printed", () => {
  for (const text of [...matches, ...randomMatches(3, 300)]) {
    let printed: string;
    try {
      printed = formatExpression(parseMatch(text, names).expression);
    } catch (error) {
      if (error instanceof LogicalError) continue;
      throw error;
    }
    expect(formatExpression(parseMatch(printed, names).expression), text).toBe(printed);
  }
});

/** A packet that is likely to be near the match: fields from a few values that matches like to use. */
function randomKey(random: ReturnType<typeof seededRandom>): Int32Array {
  const key = newFlowKey();
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const set = (name: string, values: readonly (number | bigint)[]): void => writeField(key, field(name), BigInt(pick(values)));
  for (const name of ["reg0", "reg1", "reg4", "reg9", "pkt_mark", "ct_mark"])
    set(name, [0, 1, 2, 3, 5, 0xffffffff, random.uint32()]);
  set("reg14", [1, 2, 3, 9]);
  set("reg15", [1, 2, 3, 9]);
  set("reg10", [0, 1]);
  set("ct_state", [0, 0x21, 0x22, 0x26, 0x30]);
  set("ct_label", [0n, 0x80n]);
  for (const name of ["eth_src", "eth_dst"]) set(name, [0n, 1n, 0xffffffffffffn, 0x333300000016n, 0x01005e000001n]);
  set("vlan_tci", [0, 0x1001, 0x1005, 0x1fff]);
  const type = pick([0x800, 0x800, 0x86dd, 0x806, 0x1234]);
  set("eth_type", [type]);
  if (type === 0x806) set("arp_op", [1, 2]);
  if (type === 0x806) for (const name of ["arp_spa", "arp_tpa"]) set(name, [0, 1, 0x0a000001, 0x02000200]);
  if (type === 0x800) for (const name of ["ip_src", "ip_dst"]) set(name, [0, 1, 0x0a000001, 0x01010101, 0xe0000001, 0x0a010203]);
  if (type === 0x86dd) set("ipv6_src", [0n, 0xfe80n << 112n]);
  if (type === 0x86dd) set("ipv6_dst", [0n, (0xff02n << 112n) | 0x16n]);
  if (type === 0x86dd) set("ipv6_label", [0, 1, 5]);
  if (type === 0x800 || type === 0x86dd) {
    const proto = pick(type === 0x800 ? [1, 2, 6, 17, 132, 50] : [6, 17, 58, 132]);
    set("nw_proto", [proto]);
    set("nw_ttl", [1, 64, 255]);
    if (proto === 58) set("icmpv6_type", [128, 135, 136, 143]);
    else if (proto === 1) set("icmp_type", [3, 8]);
    else set("tcp_src", [0, 1, 2, 3, 5, 80, random.below(65536)]);
    if (proto === 58 || proto === 1) set("icmp_code", [0, 1]);
    else set("tcp_dst", [0, 1, 2, 3, 5, 80, random.below(65536)]);
  }
  return key;
}

/** Whether the flows, clauses of conjunctions taken together, match a packet. */
function flowsMatch(flows: readonly FlowMatch[], key: Int32Array): boolean {
  const clauses = new Map<number, Set<number>>();
  for (const { match, conjunctions } of flows) {
    if (conjunctions.length === 0 || !match.matches(key)) continue;
    for (const { id, clause } of conjunctions) clauses.set(id, (clauses.get(id) ?? new Set()).add(clause));
  }
  const sizes = new Map(flows.flatMap(({ conjunctions }) => conjunctions.map(({ id, clauses: size }) => [id, size] as const)));
  const ids = [0, ...[...clauses].filter(([id, held]) => held.size === sizes.get(id)).map(([id]) => id)];
  return ids.some((id) => {
    const seen = Int32Array.from(key);
    seen[field("conj_id").word] = id;
    return flows.some(({ match, conjunctions }) => conjunctions.length === 0 && match.matches(seen));
  });
}

test("flows match exactly the packets that the expression describes", () => {
  const random = seededRandom(11);
  const keys = Array.from({ length: 200 }, () => {
    const key = randomKey(random);
    writeField(key, field("metadata"), 7n);
    return key;
  });
  const scope = { lookupPort: (name: string) => ports[name], resident: () => false };
  for (const text of randomMatches(5, 400)) {
    let flows: readonly FlowMatch[];
    try {
      flows = flowsOf(text);
    } catch (error) {
      if (error instanceof LogicalError) continue;
      throw error;
    }
    const { expression } = parseMatch(text, names);
    for (const key of keys) expect(flowsMatch(flows, key), text).toBe(evaluateMatch(expression, key, scope));
  }
});

describe("microflows", () => {
  const fill = (text: string): Int32Array => {
    const key = newFlowKey();
    microflow(parseMatch(text, names).expression, key, { lookupPort: (name) => ports[name], resident: () => true }, text);
    return key;
  };

  test("a microflow is the packet that it describes", () => {
    const text = 'inport == "lsp2" && tcp.dst == 80 && ip4.src == 10.0.0.1 && ip.ttl == 64';
    const scope = { lookupPort: (name: string) => ports[name], resident: () => true };
    expect(evaluateMatch(parseMatch(text).expression, fill(text), scope)).toBe(true);
  });

  test("choices and contradictions are errors", () => {
    expect(() => fill("tcp.src == 5")).toThrow(
      "Constraints are ambiguous: tcp.src == 0x5 && ip.proto == 0x6 && (eth.type == 0x800 || eth.type == 0x86dd).",
    );
    expect(() => fill("ip4 && ip6")).toThrow("Constraints are contradictory.");
    expect(() => fill("(reg0 == 1 || reg1 == 2) && reg1 == 3")).not.toThrow();
  });
});

test("every symbol names a field of OpenFlow, or stands for an expression that does", () => {
  const known = new Set(FIELDS.flatMap(({ name, aliases }) => [name, ...aliases]));
  for (const symbol of SYMBOLS.values()) {
    if (symbol.field !== undefined) expect(known.has(symbol.field), symbol.name).toBe(true);
    if (symbol.expansion !== undefined) expect(() => parseMatch(symbol.expansion!), symbol.name).not.toThrow();
    if (symbol.prerequisites !== undefined) expect(() => parseMatch(symbol.prerequisites!), symbol.name).not.toThrow();
  }
});

test("mutated matches give an error with its place, and never anything else", () => {
  const word = fc.constantFrom(
    "ip4",
    "tcp.dst",
    "==",
    "!=",
    "<",
    "(",
    ")",
    "{",
    "}",
    "&&",
    "||",
    "!",
    "1",
    "0x5/0xf",
    '"a"',
    "$as4",
    "@pg1",
    "reg0[3]",
    ",",
    "10.0.0.1/24",
    "is_chassis_resident(",
    "..",
  );
  const mutated = fc
    .tuple(fc.constantFrom(...matches), fc.nat(200), fc.nat(10), fc.string({ maxLength: 5 }))
    .map(([text, at, count, insert]) => text.slice(0, at) + insert + text.slice(at + count));
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.array(word, { maxLength: 25 }).map((words) => words.join(" ")),
      ),
      (text) => {
        try {
          const { expression } = parseMatch(text, names);
          compileMatch(expression, { limit: 20_000, text });
        } catch (error) {
          expect(error).toBeInstanceOf(LogicalError);
          const { offset, place } = error as LogicalError;
          return offset >= 0 && offset <= text.length && place.text !== undefined;
        }
        return true;
      },
    ),
    { numRuns: 2000 },
  );
});
