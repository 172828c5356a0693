/**
 * JSON text to values and back, without loss of OVSDB's 64-bit integers (RFC 7047 section 3.1 <integer>): an integer beyond
 * 2^53 is a bigint here. `JSON.parse` serves the usual case; {@link parseExact} is for texts with long numbers or \u
 * escapes, and finds the place of an error.
 */
import { WeftError } from "@weft/runtime";

/** A JSON value. Never changed by whoever receives it: in-process channels pass the very object that was sent. */
export type Json = string | number | bigint | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Deepest nesting of arrays and objects, as in the reference. */
export const MAX_DEPTH = 1000;

/** The text is not JSON. `place.offset` counts UTF-16 units of the text. */
export class JsonError extends WeftError {}

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;

/** Exact JSON parser: bigint for integers beyond 2^53, real for those beyond 64 bits. Throws {@link JsonError}. */
export function parseExact(text: string): Json {
  let at = 0;
  const fail = (what: string): never => {
    const why = at >= text.length ? "unexpected end of input" : what;
    throw new JsonError("json.syntax", `${why} at offset ${at}`, { place: { offset: at } });
  };
  const space = (): void => {
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 32 || c === 10 || c === 13 || c === 9) at++;
      else return;
    }
  };
  const string = (): string => {
    at++;
    let out = "";
    let from = at;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 34) {
        out += text.slice(from, at++);
        if (LONE_SURROGATE.test(out)) fail("string with half of a surrogate pair");
        return out;
      }
      if (Number.isNaN(c)) fail("unexpected end of input in quoted string");
      if (c < 32) fail(`U+00${c.toString(16).toUpperCase().padStart(2, "0")} must be escaped in quoted string`);
      if (c !== 92) {
        at++;
        continue;
      }
      out += text.slice(from, at);
      const letter = text[at + 1];
      const simple = letter === undefined ? -1 : 'bfnrt"\\/'.indexOf(letter);
      if (simple >= 0) {
        out += '\b\f\n\r\t"\\/'[simple];
        at += 2;
      } else if (letter === "u") {
        const hex = text.slice(at + 2, at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) fail("malformed \\u escape");
        if (hex === "0000") fail("null bytes not supported in quoted strings");
        out += String.fromCharCode(Number.parseInt(hex, 16));
        at += 6;
      } else fail(`bad escape \\${letter ?? ""}`);
      from = at;
    }
  };
  const number = (): number | bigint => {
    const pattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return fail("malformed number");
    const digits = found[0];
    const value = Number(digits);
    if (!Number.isFinite(value)) fail("number outside valid range");
    at += digits.length;
    if (/[0-9]/.test(text[at] ?? "")) fail("leading zeros not allowed");
    if (Number.isSafeInteger(value) || found[1] !== undefined || found[2] !== undefined) return value;
    const exact = BigInt(digits);
    return exact <= INT64_MAX && exact >= INT64_MIN ? exact : value;
  };
  const value = (depth: number): Json => {
    if (depth > MAX_DEPTH) fail(`input exceeds maximum nesting depth ${MAX_DEPTH}`);
    space();
    const c = text[at];
    if (c === "{") {
      const out: { [key: string]: Json } = {};
      at++;
      space();
      if (text[at] === "}") {
        at++;
        return out;
      }
      for (;;) {
        space();
        if (text[at] !== '"') fail("syntax error parsing object expecting string");
        const key = string();
        space();
        if (text[at] !== ":") fail("syntax error parsing object expecting ':'");
        at++;
        const member = value(depth + 1);
        // A plain assignment of "__proto__" would set the prototype.
        if (key === "__proto__")
          Object.defineProperty(out, key, { value: member, enumerable: true, configurable: true, writable: true });
        else out[key] = member;
        space();
        if (text[at] === ",") at++;
        else if (text[at] === "}") {
          at++;
          return out;
        } else fail("syntax error expecting '}' or ','");
      }
    }
    if (c === "[") {
      const out: Json[] = [];
      at++;
      space();
      if (text[at] === "]") {
        at++;
        return out;
      }
      for (;;) {
        out.push(value(depth + 1));
        space();
        if (text[at] === ",") at++;
        else if (text[at] === "]") {
          at++;
          return out;
        } else fail("syntax error expecting ']' or ','");
      }
    }
    if (c === '"') return string();
    for (const [word, meaning] of LITERALS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    if (c === undefined) fail("unexpected end of input");
    return number();
  };
  const result = value(0);
  space();
  if (at < text.length) fail("trailing garbage");
  return result;
}

/** With the u flag a pair is one code point, so that this finds only halves. */
const LONE_SURROGATE = /\p{Surrogate}/u;

const LITERALS: readonly (readonly [string, Json])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** Whether a part of a text has long runs of digits or exponents: where `JSON.parse` and OVSDB's reading of numbers differ. */
function hasUnusualNumber(text: string, from: number, end: number): boolean {
  let digits = 0;
  for (let i = from; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x30 && c <= 0x39) {
      if (++digits >= 16) return true;
    } else {
      if (digits > 0 && (c | 0x20) === 0x65) return true;
      digits = 0;
    }
  }
  return false;
}

/** Whether a text has, outside its strings, such numbers, or a \u escape in them. */
function needsExact(text: string): boolean {
  let backslash = text.indexOf("\\");
  let from = 0;
  for (;;) {
    const quote = text.indexOf('"', from);
    const end = quote < 0 ? text.length : quote;
    if (hasUnusualNumber(text, from, end)) return true;
    if (quote < 0) return false;
    let at = quote + 1;
    for (;;) {
      const close = text.indexOf('"', at);
      if (close < 0) return true;
      if (backslash >= 0 && backslash < at) backslash = text.indexOf("\\", at);
      if (backslash < 0 || backslash > close) {
        from = close + 1;
        break;
      }
      if (text[backslash + 1] === "u") return true;
      at = backslash + 2;
    }
  }
}

/** Parses JSON text. Throws {@link JsonError}. */
export function parseJson(text: string): Json {
  return needsExact(text) ? parseExact(text) : parsePlain(text);
}

/** As {@link parseJson}, for a text that is known to have no long numbers, exponents or \u escapes. */
export function parsePlain(text: string): Json {
  try {
    return JSON.parse(text) as Json; // JSON.parse gives any; what it makes is Json by its definition
  } catch {
    return parseExact(text);
  }
}

/** Compact JSON text. */
export function stringifyJson(value: Json): string {
  try {
    return JSON.stringify(value);
  } catch {
    return stringifyExact(value);
  }
}

function stringifyExact(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (isArray(value)) return `[${value.map(stringifyExact).join(",")}]`;
  if (isObject(value)) {
    const members: string[] = [];
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) members.push(`${JSON.stringify(key)}:${stringifyExact(member)}`);
    }
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}
