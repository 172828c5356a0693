import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeField } from "../field/access.ts";
import { newFlowKey } from "../field/layout.ts";
import { field } from "../field/lookup.ts";
import { FIELDS } from "../field/table.ts";
import { fieldsOf, formatMatch, parseMatch } from "../text/match.ts";
import { MatchBuilder } from "./builder.ts";
import { Match } from "./match.ts";
import { normalizeMatch } from "./normalize.ts";

describe("a match", () => {
  test("is built field by field, with prerequisites when asked for", () => {
    const match = new MatchBuilder().set("ip_src", 0x0a000000, 0xff000000).require("ip_src").build();
    expect(formatMatch(match)).toBe("ip,nw_src=10.0.0.0/8");
    expect(match.get(field("ip_src"))).toEqual({ value: 0x0a000000n, mask: 0xff000000n });
    expect(match.exact(field("eth_type"))).toBe(0x0800);
    expect(fieldsOf(match).map((f) => f.name)).toEqual(["eth_type", "ip_src"]);
  });

  test("refuses prerequisites that contradict it", () => {
    expect(() => new MatchBuilder().set("eth_type", 0x0806).require("ip_src")).toThrow(/prerequisites/);
    expect(() => new MatchBuilder().set("eth_type", 0x10000)).toThrow();
  });

  test("is the same however it was built", () => {
    const a = new MatchBuilder().set("reg1", 5).set("in_port", 3).build();
    const b = new MatchBuilder().set("in_port", 3).set("reg1", 5).build();
    expect(a.equals(b)).toBe(true);
    expect(a.key).toBe(b.key);
    expect(a.key).not.toBe(new MatchBuilder().set("reg1", 5, 7).set("in_port", 3).build().key);
  });

  test("compares masked bits of flow keys", () => {
    const match = parseMatch("tcp,nw_dst=10.0.0.0/24,tcp_dst=80");
    const key = newFlowKey();
    writeField(key, field("eth_type"), 0x800);
    writeField(key, field("nw_proto"), 6);
    writeField(key, field("ip_dst"), 0x0a000063);
    writeField(key, field("tcp_dst"), 80);
    expect(match.matches(key)).toBe(true);
    writeField(key, field("ip_dst"), 0x0a000163);
    expect(match.matches(key)).toBe(false);
    expect(Match.ANY.matches(key)).toBe(true);
  });

  test("knows whether it is within another, and whether they overlap", () => {
    const tcp = parseMatch("tcp");
    const web = parseMatch("tcp,tp_dst=80");
    expect(web.isWithin(tcp)).toBe(true);
    expect(tcp.isWithin(web)).toBe(false);
    expect(tcp.overlaps(web)).toBe(true);
    expect(parseMatch("udp").overlaps(web)).toBe(false);
    expect(parseMatch("in_port=3").overlaps(web)).toBe(true);
  });

  test("loses by normalisation what its protocol does not have", () => {
    const match = new MatchBuilder().set("tcp_dst", 80).set("eth_type", 0x806).build();
    expect(formatMatch(normalizeMatch(match))).toBe("arp");
  });
});

describe("masks", () => {
  const u128 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
  const settable = FIELDS.filter((f) => f.maskable && f.metadataIndex === undefined && f.words <= 4);
  test("match exactly what their bits say, for any field", () => {
    fc.assert(
      fc.property(fc.constantFrom(...settable), u128, u128, u128, (f, value, mask, packet) => {
        const all = (1n << BigInt(f.bits)) - 1n;
        const match = new MatchBuilder().set(f, value & all, mask & all).build();
        const key = newFlowKey();
        writeField(key, f, packet & all);
        expect(match.matches(key)).toBe(((value ^ packet) & mask & all & wordsOf(f.name, all)) === 0n);
      }),
    );
  });

  /** Bits that are in the key at all: arp_op has 8 there. */
  function wordsOf(name: string, all: bigint): bigint {
    return name === "arp_op" ? 0xffn : all;
  }
});
