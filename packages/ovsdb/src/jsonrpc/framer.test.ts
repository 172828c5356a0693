import type { WeftError } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Framer, FramingError } from "./framer.ts";
import { type Json, parseExact, parseJson, stringifyJson } from "./json.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function frame(bytes: Uint8Array, cuts: readonly number[] = []): Json[] {
  const framer = new Framer();
  const messages: Json[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    framer.push(bytes.slice(from, cut), (message) => messages.push(message));
    from = cut;
  }
  return messages;
}

function offsetOfError(text: string | Uint8Array): number | undefined {
  try {
    frame(typeof text === "string" ? encode(text) : text);
  } catch (error) {
    if (error instanceof FramingError) return error.place.offset;
    throw error;
  }
  return undefined;
}

describe("Framer", () => {
  it("finds messages that stand one behind the other", () => {
    expect(frame(encode('{"id":1}{"id":"}"} \n {"id":[{"a":"\\"{"}]}'))).toEqual([{ id: 1 }, { id: "}" }, { id: [{ a: '"{' }] }]);
  });

  it("gives the same messages when the bytes come one at a time", () => {
    const bytes = encode('{"a":"zwölf \\\\ \\" \\u00e4 🦊"}{"b":[1,{"c":2}]}');
    const all = Array.from(bytes, (_, i) => i);
    expect(frame(bytes, all)).toEqual(frame(bytes));
  });

  it("keeps 64-bit integers whole", () => {
    expect(frame(encode('{"n":9223372036854775807,"m":-9007199254740993,"k":9007199254740991}'))).toEqual([
      { n: 9223372036854775807n, m: -9007199254740993n, k: 9007199254740991 },
    ]);
  });

  it("says at which byte of the stream the error is", () => {
    expect(offsetOfError('{"id":1}x')).toBe(8);
    expect(offsetOfError('{"id":1}12')).toBe(8);
    expect(offsetOfError('{"id":1}{"ä" 1}')).toBe(14);
    expect(offsetOfError("[1]")).toBe(0);
    expect(offsetOfError('{"id":01}')).toBe(7);
    expect(offsetOfError('{"id":"\\u0000"}')).toBe(7);
    expect(offsetOfError('{"id":"\\ud800"}')).toBe(14);
    expect(offsetOfError('{"id":1e400}')).toBe(6);
    expect(offsetOfError("{".repeat(2000))).toBe(1000);
    expect(offsetOfError(Uint8Array.from([0x7b, 0x22, 0x61, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(3);
  });

  it("refuses a message without end before it fills the memory", () => {
    const framer = new Framer(1000);
    const chunk = encode(`{"a":"${"x".repeat(600)}`);
    framer.push(chunk, () => {});
    expect(() => framer.push(encode("y".repeat(600)), () => {})).toThrow(/longer than 1000 bytes/);
  });

  it("round-trips any JSON, cut anywhere", () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ noUnicodeString: false })), { maxLength: 4 }),
        fc.array(fc.nat(200)),
        (objects, cuts) => {
          const clean = objects.map((object) => JSON.parse(JSON.stringify(object)) as Json);
          // Integers beyond 2^53 come back as bigint: a test of their own.
          if (/(?<![.\d])\d{16,}(?![.\d])/.test(JSON.stringify(clean))) return;
          if (/\p{Surrogate}|\\u0000|\\ud/u.test(JSON.stringify(clean)) || /e\+/.test(JSON.stringify(clean))) return;
          const bytes = encode(clean.map(stringifyJson).join(" "));
          const sorted = cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
          expect(frame(bytes, sorted)).toEqual(clean);
        },
      ),
    );
  });

  it("answers every mutation of a message with messages or a FramingError", () => {
    const good = encode('{"id":12,"method":"transact","params":["db",{"op":"insert","row":{"n":1.5e3,"s":"\\u00e4ö"}}]}');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(good.length),
        (edits, cut) => {
          const bytes = good.slice();
          for (const [at, value] of edits) bytes[at] = value;
          try {
            frame(bytes, [cut]);
          } catch (error) {
            expect(error).toBeInstanceOf(FramingError);
            const offset = (error as WeftError).place.offset; // checked the line above
            expect(offset).toBeGreaterThanOrEqual(0);
            expect(offset).toBeLessThanOrEqual(bytes.length);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("parseJson", () => {
  it("does not take __proto__ for the prototype", () => {
    for (const text of ['{"__proto__":{"a":1}}', '{"__proto__":{"a":12345678901234567890}}']) {
      const value = parseJson(text);
      expect(Object.keys(value as object)).toEqual(["__proto__"]); // an object, by the text above
      expect((value as { a?: unknown }).a).toBeUndefined();
    }
  });
});

it("parses like the exact parser, whatever is in strings", () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.array(fc.constantFrom("1e5", "12345678901234567890", 'a\\"1e5', "\\\\", '"', "5e8-12", "é")),
      (value, words) => {
        const text = JSON.stringify([value, words, 12, { [words.join("")]: 1.5 }]).replace(/\\u(0000|d...)/g, "x");
        const exact = parseExact(text);
        expect(parseJson(text)).toEqual(exact);
      },
    ),
  );
  expect(parseJson('{"a\\\\":12345678901234567,"b":"12345678901234567"}')).toEqual({
    "a\\": 12345678901234567n,
    b: "12345678901234567",
  });
});
