import { columnModel } from "@weft/ovsdb";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatValue } from "../datum.ts";
import { CtlError } from "./error.ts";
import { parseValue } from "./value.ts";

const numbers = columnModel("numbers", {
  type: { key: { type: "integer", minInteger: 0, maxInteger: 99 }, min: 0, max: "unlimited" },
});
const strings = columnModel("strings", { type: { key: "string", min: 0, max: "unlimited" } });
const pairs = columnModel("pairs", { type: { key: "string", value: "integer", min: 0, max: "unlimited" } });
const noSymbols = (name: string): string => {
  throw new CtlError(name);
};
const parse = (column: typeof numbers, text: string) => parseValue(column, text, noSymbols);

describe("values as people type them", () => {
  test("sets, ranges and maps", () => {
    expect(parse(numbers, "3,1 2")).toEqual([1, 2, 3]);
    expect(parse(numbers, "[7-9]")).toEqual([7, 8, 9]);
    expect(parse(strings, '"a b",c')).toEqual(["a b", "c"]);
    expect(parse(strings, "10.0.0.1\\:80,b\\ c")).toEqual(["10.0.0.1:80", "b c"]);
    expect(parse(pairs, "{a=1, b=2}")).toEqual(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    );
  });

  test("mistakes are named", () => {
    expect(() => parse(numbers, "100")).toThrow("constraint violation: 100 is not in the valid range 0 to 99 (inclusive)");
    expect(() => parse(strings, "a\\")).toThrow("a\\ backslash at end of argument");
    expect(() => parse(strings, "[a")).toThrow('[a: missing "]" at end of data');
    expect(() => parse(pairs, "a:1")).toThrow('a:1: syntax error at ":" expecting "="');
  });

  test("what is printed reads back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"))), (texts) => {
        const value = parse(strings, formatValue(strings, [...texts]));
        expect(new Set(value as string[])).toEqual(new Set(texts));
      }),
    );
  });

  test("any text is a value or an error", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(numbers, strings, pairs), (text, column) => {
        try {
          parse(column, text);
        } catch (error) {
          expect(error).toBeInstanceOf(CtlError);
        }
      }),
    );
  });
});
