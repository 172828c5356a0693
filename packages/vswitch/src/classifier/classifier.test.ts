import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Classifier, type ClassifierRule, type KeyLayout } from "./classifier.ts";

// A small key: a metadata word, a type, an IPv4 address, two ports, and conj_id.
const META = 0;
const TYPE = 1;
const ADDRESS = 2;
const SRC = 3;
const DST = 4;
const CONJ = 5;
const LAYOUT: KeyLayout = {
  words: 6,
  stages: Uint8Array.of(0, 1, 2, 3, 3, 0),
  prefixes: [{ word: ADDRESS, words: 1, typeWord: TYPE, type: 1 }],
  conjId: CONJ,
  tpSrc: SRC,
  tpDst: DST,
};

interface TestRule extends ClassifierRule {
  readonly name: string;
}

/** Words by stage, then by offset, as the classifier wants them. */
function rule(
  name: string,
  priority: number,
  fields: readonly (readonly [word: number, value: number, mask: number])[],
  more: Partial<TestRule> = {},
): TestRule {
  const sorted = [...fields].sort((a, b) => LAYOUT.stages[a[0]]! - LAYOUT.stages[b[0]]! || a[0] - b[0]);
  return {
    name,
    priority,
    match: {
      words: sorted.map(([word]) => word),
      values: sorted.map(([, value, mask]) => value & mask),
      masks: sorted.map(([, , mask]) => mask),
    },
    ...more,
  };
}

const matches = ({ match }: TestRule, key: Int32Array): boolean =>
  match.words.every((word, i) => (key[word]! & match.masks[i]!) === match.values[i]!);

/** What the classifier must agree with: look at every rule. */
function naive(rules: readonly TestRule[], key: Int32Array): TestRule | undefined {
  let best: TestRule | undefined;
  for (const one of rules) if (matches(one, key) && (best === undefined || one.priority > best.priority)) best = one;
  return best;
}

const prefix = fc.integer({ min: 1, max: 32 }).map((length) => (length === 32 ? -1 : ~(-1 >>> length)));
const small = fc.integer({ min: 0, max: 3 });
const address = fc.constantFrom(0x0a000001, 0x0a000002, 0x0a000101, 0x0b000001, 0xc0a80001 | 0);
const port = fc.constantFrom(80, 81, 85, 1024, 53);
const portMask = fc.constantFrom(0xffff, 0xfff0, 0xfc00);
const field = fc.oneof(
  fc.tuple(fc.constant(META), small, fc.constantFrom(-1, 1, 2)),
  fc.tuple(fc.constant(TYPE), fc.integer({ min: 1, max: 2 }), fc.constant(0xffff)),
  fc.tuple(fc.constant(ADDRESS), address, prefix),
  fc.tuple(fc.constant(SRC), port, portMask),
  fc.tuple(fc.constant(DST), port, portMask),
);
const fields = fc.uniqueArray(field, { selector: ([word]) => word, maxLength: 4 });
const keys = fc
  .tuple(small, fc.integer({ min: 1, max: 2 }), address, port, port)
  .map(([meta, type, ip, src, dst]) => Int32Array.of(meta, type, ip, src, dst, 0));

describe("Classifier", () => {
  it("gives the rule of highest priority", () => {
    const classifier = new Classifier<TestRule>(LAYOUT);
    classifier.insert(rule("any", 1, []));
    classifier.insert(rule("net", 10, [[ADDRESS, 0x0a000000, 0xff000000 | 0]]));
    const host = rule("host", 20, [[ADDRESS, 0x0a000001, -1]]);
    classifier.insert(host);
    const key = Int32Array.of(0, 1, 0x0a000001, 0, 0, 0);
    expect(classifier.lookup(key, undefined)?.name).toBe("host");
    classifier.remove(host);
    expect(classifier.lookup(key, undefined)?.name).toBe("net");
    expect(classifier.lookup(Int32Array.of(0, 1, 0x0b000001, 0, 0, 0), undefined)?.name).toBe("any");
  });

  it("needs only as many bits of an address as tell that no prefix covers it", () => {
    const classifier = new Classifier<TestRule>(LAYOUT);
    classifier.insert(rule("ten", 10, [[ADDRESS, 0x0a000001, -1]]));
    const wc = new Int32Array(6);
    classifier.lookup(Int32Array.of(0, 1, 0x8a000001 | 0, 0, 0, 0), wc);
    expect(wc[ADDRESS]).toBe(0x80000000 | 0);
  });

  it("does not look at ports when the metadata differ", () => {
    const classifier = new Classifier<TestRule>(LAYOUT);
    classifier.insert(
      rule("x", 10, [
        [META, 1, -1],
        [DST, 80, 0xffff],
      ]),
    );
    const wc = new Int32Array(6);
    classifier.lookup(Int32Array.of(2, 1, 0, 0, 80, 0), wc);
    expect([...wc]).toEqual([-1, 0, 0, 0, 0, 0]);
  });

  it("satisfies conjunctive matches by clauses of one priority", () => {
    const classifier = new Classifier<TestRule>(LAYOUT);
    const clause = (n: number): Partial<TestRule> => ({ conjunctions: [{ id: 7, clause: n, clauses: 2 }] });
    classifier.insert(rule("source", 50, [[META, 1, -1]], clause(0)));
    classifier.insert(rule("port", 50, [[DST, 80, 0xffff]], clause(1)));
    classifier.insert(rule("both", 50, [[CONJ, 7, -1]]));
    classifier.insert(rule("else", 1, []));
    expect(classifier.lookup(Int32Array.of(1, 1, 0, 0, 80, 0), undefined)?.name).toBe("both");
    expect(classifier.conjId).toBe(7);
    expect(classifier.lookup(Int32Array.of(1, 1, 0, 0, 81, 0), undefined)?.name).toBe("else");
  });

  it("agrees with a search of every rule, and on all packets that agree in the bits looked at", () => {
    fc.assert(
      fc.property(
        fc.array(fields, { maxLength: 25 }),
        fc.array(keys, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat({ max: 24 }), { maxLength: 8 }),
        (list, packets, removed) => {
          const classifier = new Classifier<TestRule>(LAYOUT);
          // Priorities differ, so that there is one answer.
          let rules = list.map((one, i) => rule(`r${i}`, (i * 7) % 101, one));
          rules = rules.filter((one, i) => rules.findIndex((other) => other.priority === one.priority) === i);
          for (const one of rules) classifier.insert(one);
          for (const at of removed) {
            const gone = rules[at];
            if (gone === undefined) continue;
            expect(classifier.remove(gone)).toBe(true);
            rules = rules.filter((one) => one !== gone);
          }
          for (const key of packets) {
            const wc = new Int32Array(6);
            wc[TYPE] = 0xffff;
            const found = classifier.lookup(key, wc);
            expect(found?.name).toBe(naive(rules, key)?.name);
            for (const other of packets) {
              const agrees = key.every((word, i) => ((word ^ other[i]!) & wc[i]!) === 0);
              if (agrees) expect(naive(rules, other)?.name).toBe(found?.name);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
