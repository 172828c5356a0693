import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogicalError } from "./error.ts";
import { formatMasked, lex, type Token } from "./lexer.ts";

function kinds(text: string): string[] {
  return lex(text).map(({ kind, text: word }) => `${kind}:${word}`);
}

function errorOf(text: string): LogicalError {
  try {
    lex(text);
  } catch (error) {
    if (error instanceof LogicalError) return error;
    throw error;
  }
  throw new LogicalError("logical.syntax", "no error", text, 0);
}

test("names, marks and comments", () => {
  expect(kinds("reg0[0..3] <-> ip4.src; // comment")).toEqual([
    "id:reg0",
    "punctuation:[",
    "integer:0",
    "punctuation:..",
    "integer:3",
    "punctuation:]",
    "punctuation:<->",
    "id:ip4.src",
    "punctuation:;",
    "end:",
  ]);
  expect(kinds("a/* b */&&c")).toEqual(["id:a", "punctuation:&&", "id:c", "end:"]);
  expect(kinds("ip.ttl--;")).toEqual(["id:ip.ttl", "punctuation:--", "punctuation:;", "end:"]);
});

test("sets, groups and templates", () => {
  expect(lex("$as1 @pg_1 ^vip.a")).toMatchObject([
    { kind: "address-set", value: "as1" },
    { kind: "port-group", value: "pg_1" },
    { kind: "template", value: "vip.a" },
    { kind: "end" },
  ]);
});

test.each([
  ["5", "decimal", 5n, undefined],
  ["0x1F", "hexadecimal", 31n, undefined],
  ["10.0.0.1", "ipv4", 0x0a000001n, undefined],
  ["10.0.0.0/8", "ipv4", 0x0a000000n, 0xff000000n],
  ["10.0.0.1/255.0.0.255", "ipv4", 0x0a000001n, 0xff0000ffn],
  ["fe80::1", "ipv6", (0xfe80n << 112n) | 1n, undefined],
  ["::", "ipv6", 0n, undefined],
  ["fe80::/10", "ipv6", 0xfe80n << 112n, 0xffc0n << 112n],
  ["00:00:00:00:00:0a", "ethernet", 10n, undefined],
  ["01:00:00:00:00:00/01:00:00:00:00:00", "ethernet", 1n << 40n, 1n << 40n],
  ["3/2", "decimal", 2n, 2n],
] as const)("constant %s", (text, format, value, mask) => {
  const [token] = lex(text);
  expect(token).toMatchObject({ kind: "integer", text, format, value });
  if (token?.kind !== "integer") return;
  expect(token.mask).toBe(mask);
  // what is printed reads as the same constant
  expect(lex(formatMasked(value, mask, format))[0]).toMatchObject({ format, value });
});

test("an address ends before the port behind it", () => {
  expect(kinds("10.0.0.1:80,[fd00::1]:443")).toEqual([
    "integer:10.0.0.1",
    "punctuation::",
    "integer:80",
    "punctuation:,",
    "punctuation:[",
    "integer:fd00::1",
    "punctuation:]",
    "punctuation::",
    "integer:443",
    "end:",
  ]);
});

test("strings are JSON strings", () => {
  expect(lex('"a\\"b\\u00e9"')[0]).toMatchObject({ kind: "string", value: 'a"b\u00e9' });
});

describe("errors name what and where", () => {
  test.each([
    ["a & b", "`&' is only valid as part of `&&'.", 2],
    ["a /* b", "`/*' without matching `*/'.", 2],
    ["a / b", "`/' is only valid as part of `//' or `/*'.", 2],
    ["0x", "Hex digits expected following 0x.", 0],
    ["007", "Decimal constants must not have leading zeros.", 0],
    ["99999999999999999999", "Decimal constants must be less than 2**64.", 0],
    ["1.2.3", "Invalid numeric constant.", 0],
    ["10.0.0.1/33", "Value and mask have incompatible formats.", 0],
    ["10.0.0.1/", "Integer constant expected.", 0],
    ['x "a', "Input ends inside quoted string.", 2],
    ['"a\\q"', "bad escape \\q", 2],
    ["é", "Invalid character `é' in input.", 0],
    ["$1", "`$' must be followed by a valid identifier.", 0],
  ])("%s", (text, message, offset) => {
    expect(errorOf(text)).toMatchObject({ message, offset, text });
  });
});

test("any text gives tokens in order, or an error within the text", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789abcf:./x "\\$@^[]{}()<>=!&|-,;') })),
      (text) => {
        let tokens: readonly Token[];
        try {
          tokens = lex(text);
        } catch (error) {
          expect(error).toBeInstanceOf(LogicalError);
          const { offset } = error as LogicalError;
          return offset >= 0 && offset <= text.length;
        }
        let end = 0;
        for (const token of tokens) {
          if (token.offset < end || text.slice(token.offset, token.offset + token.text.length) !== token.text) return false;
          end = token.offset + token.text.length;
        }
        return true;
      },
    ),
  );
});
