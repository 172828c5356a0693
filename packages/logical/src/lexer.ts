/**
 * Words of the logical flow language, which matches, actions and microflows share. Source: ovn-sb(5), Logical_Flow, columns
 * match and actions; the wording of errors is that of ovn-controller's log.
 */
import { formatIpv4, formatIpv6, formatMac, ipv4Of, ipv6Of, macOf, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { LogicalError } from "./error.ts";

/** How an integer was written; it decides how it is printed and which masks fit. */
export type IntegerFormat = "decimal" | "hexadecimal" | "ipv4" | "ipv6" | "ethernet";

export interface IntegerToken {
  readonly kind: "integer";
  readonly offset: number;
  /** The text as written. */
  readonly text: string;
  readonly format: IntegerFormat;
  /** Below 2^128, or more for an overlong hexadecimal constant (the width check refuses it). */
  readonly value: bigint;
  /** Present for `value/mask`. */
  readonly mask?: bigint;
}

export type Token =
  | { readonly kind: "end"; readonly offset: number; readonly text: "" }
  /** `foo`, `ip4.src`, `ct_lb_mark`. */
  | { readonly kind: "id"; readonly offset: number; readonly text: string }
  | { readonly kind: "string"; readonly offset: number; readonly text: string; readonly value: string }
  | IntegerToken
  /** `$set`: `value` is without the sign. */
  | { readonly kind: "address-set"; readonly offset: number; readonly text: string; readonly value: string }
  /** `@group`. */
  | { readonly kind: "port-group"; readonly offset: number; readonly text: string; readonly value: string }
  /** `^variable`. */
  | { readonly kind: "template"; readonly offset: number; readonly text: string; readonly value: string }
  | { readonly kind: "punctuation"; readonly offset: number; readonly text: string };

/** Longer ones first: the first that fits is taken. */
const PUNCTUATION = [
  "<->",
  "==",
  "!=",
  "<=",
  ">=",
  "&&",
  "||",
  "..",
  "--",
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  "<",
  ">",
  "!",
  "=",
  ",",
  ";",
  ":",
  "-",
];

const ID_START = /[A-Za-z_.]/;
const ID = /[A-Za-z_.][A-Za-z0-9_.]*/y;
/** Everything that can continue a number, an address included; what it is, is decided afterwards. */
const NUMBER = /[0-9A-Za-z:.]+/y;
const HEX_ADDRESS = /[0-9A-Fa-f]*:[0-9A-Fa-f:.]*/y;
const MAX_DECIMAL = (1n << 64n) - 1n;

/** Splits `text` into tokens, the last of kind "end". Throws {@link LogicalError} at what is no token. */
export function lex(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at = skipBlank(text, at);
    if (at >= text.length) break;
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: "end", offset: text.length, text: "" });
  return tokens;
}

/** Skips white space and comments. */
function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    const c = text[at];
    if (c === " " || c === "\t" || c === "\n" || c === "\r" || c === "\f" || c === "\v") at++;
    else if (c !== "/") return at;
    else if (text[at + 1] === "/") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
    } else if (text[at + 1] === "*") {
      const end = text.indexOf("*/", at + 2);
      if (end < 0) throw new LogicalError("logical.syntax", "`/*' without matching `*/'.", text, at);
      at = end + 2;
    } else throw new LogicalError("logical.syntax", "`/' is only valid as part of `//' or `/*'.", text, at);
  }
}

function tokenAt(text: string, at: number): Token {
  const c = text[at]!;
  if (c === '"') return stringAt(text, at);
  if (c >= "0" && c <= "9") return integerAt(text, at);
  // "::1" and "fe80::1" are addresses although they begin like punctuation and like a name
  if (c === ":" && text[at + 1] === ":") return integerAt(text, at);
  if (/[A-Fa-f]/.test(c) && matchAt(HEX_ADDRESS, text, at) !== undefined) return integerAt(text, at);
  if (c === "." && text[at + 1] === ".") return { kind: "punctuation", offset: at, text: ".." };
  if (c === "$" || c === "@" || c === "^") return sigilAt(text, at, c);
  if (ID_START.test(c)) return { kind: "id", offset: at, text: matchAt(ID, text, at)! };
  for (const mark of PUNCTUATION) if (text.startsWith(mark, at)) return { kind: "punctuation", offset: at, text: mark };
  if (c === "&" || c === "|") throw new LogicalError("logical.syntax", `\`${c}' is only valid as part of \`${c}${c}'.`, text, at);
  throw new LogicalError("logical.syntax", `Invalid character \`${printable(text, at)}' in input.`, text, at);
}

function printable(text: string, at: number): string {
  const code = text.codePointAt(at)!;
  return code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, "0")}` : String.fromCodePoint(code);
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

const SIGILS = { $: "address-set", "@": "port-group", "^": "template" } as const;

function sigilAt(text: string, at: number, sigil: keyof typeof SIGILS): Token {
  const name = matchAt(ID, text, at + 1);
  if (name === undefined) {
    throw new LogicalError("logical.syntax", `\`${sigil}' must be followed by a valid identifier.`, text, at);
  }
  return { kind: SIGILS[sigil], offset: at, text: sigil + name, value: name };
}

/** A JSON string (RFC 8259 section 7). */
function stringAt(text: string, at: number): Token {
  let value = "";
  let i = at + 1;
  for (;;) {
    const c = text[i];
    if (c === undefined || c === "\n") throw new LogicalError("logical.syntax", "Input ends inside quoted string.", text, at);
    if (c === '"') return { kind: "string", offset: at, text: text.slice(at, i + 1), value };
    if (c !== "\\") {
      value += c;
      i++;
      continue;
    }
    const escaped = text[i + 1];
    if (escaped === undefined) throw new LogicalError("logical.syntax", "Input ends inside quoted string.", text, at);
    if (escaped === "u") {
      const hex = text.slice(i + 2, i + 6);
      if (/^[0-9A-Fa-f]{0,3}("|$)/.test(hex)) {
        throw new LogicalError("logical.syntax", "quoted string ends within \\u escape", text, i);
      }
      if (!/^[0-9A-Fa-f]{4}$/.test(hex)) throw new LogicalError("logical.syntax", "malformed \\u escape", text, i);
      const code = Number.parseInt(hex, 16);
      if (code === 0) throw new LogicalError("logical.syntax", "null bytes not supported in quoted strings", text, i);
      value += String.fromCharCode(code);
      i += 6;
      continue;
    }
    const plain = ESCAPES[escaped];
    if (plain === undefined) throw new LogicalError("logical.syntax", `bad escape \\${escaped}`, text, i);
    value += plain;
    i += 2;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

interface Constant {
  readonly text: string;
  readonly format: IntegerFormat;
  readonly value: bigint;
}

function integerAt(text: string, at: number): IntegerToken {
  const value = constantAt(text, at, at);
  const end = at + value.text.length;
  // "1//" is a comment behind a constant, "1/2" a masked constant
  if (text[end] !== "/" || text[end + 1] === "/" || text[end + 1] === "*") {
    return { kind: "integer", offset: at, text: value.text, format: value.format, value: value.value };
  }
  const c = text[end + 1];
  if (c === undefined || !/[0-9A-Fa-f:]/.test(c))
    throw new LogicalError("logical.syntax", "Integer constant expected.", text, at);
  const mask = constantAt(text, end + 1, at);
  const whole = text.slice(at, end + 1 + mask.text.length);
  let bits = mask.value;
  if (mask.format !== value.format) {
    const width = value.format === "ipv4" ? 32n : value.format === "ipv6" ? 128n : undefined;
    if (width === undefined || mask.format !== "decimal" || mask.value > width) {
      throw new LogicalError("logical.syntax", "Value and mask have incompatible formats.", text, at);
    }
    bits = ((1n << mask.value) - 1n) << (width - mask.value);
  }
  return { kind: "integer", offset: at, text: whole, format: value.format, value: value.value & bits, mask: bits };
}

function constantAt(text: string, at: number, start: number): Constant {
  let word = matchAt(NUMBER, text, at) ?? "";
  // in "1..5" the range operator ends the number; in "{1.2.3.4:80}" and "10.0.0.1:80" the port is not the address's
  const dots = word.indexOf("..");
  if (dots >= 0) word = word.slice(0, dots);
  const bad = (message: string): LogicalError => new LogicalError("logical.syntax", message, text, start);
  if (/^0[xX]/.test(word)) {
    const hex = /^[0-9A-Fa-f]*/.exec(word.slice(2))![0];
    if (hex === "") throw bad("Hex digits expected following 0x.");
    if (hex.length !== word.length - 2) throw bad("Invalid numeric constant.");
    return { text: word, format: "hexadecimal", value: BigInt(word) };
  }
  if (/^[0-9]+$/.test(word)) {
    if (word.length > 1 && word[0] === "0") throw bad("Decimal constants must not have leading zeros.");
    // longer than any 64-bit number: not even converted
    if (word.length > 20 || BigInt(word) > MAX_DECIMAL) throw bad("Decimal constants must be less than 2**64.");
    return { text: word, format: "decimal", value: BigInt(word) };
  }
  const address = addressIn(word);
  if (address === undefined) throw bad("Invalid numeric constant.");
  return address;
}

function addressIn(word: string): Constant | undefined {
  const mac = parseMac(word);
  if (mac !== undefined) return { text: word, format: "ethernet", value: BigInt(mac) };
  const ip = parseIpv4(word);
  if (ip !== undefined) return { text: word, format: "ipv4", value: BigInt(ip) };
  const ip6 = parseIpv6(word);
  if (ip6 !== undefined) return { text: word, format: "ipv6", value: ip6 };
  // "10.0.0.1:80", an address with a port: the address alone
  const colon = /^([0-9.]+):[0-9]*$/.exec(word);
  const before = colon === null ? undefined : parseIpv4(colon[1]!);
  return before === undefined ? undefined : { text: colon![1]!, format: "ipv4", value: BigInt(before) };
}

/** An integer as it is written in a format, e.g. 0x1f as "31", "0x1f" or "0.0.0.31". */
export function formatInteger(value: bigint, format: IntegerFormat): string {
  switch (format) {
    case "decimal":
      return value.toString();
    case "hexadecimal":
      return `0x${value.toString(16)}`;
    case "ipv4":
      return formatIpv4(ipv4Of(Number(value & 0xffff_ffffn)));
    case "ipv6":
      return formatIpv6(ipv6Of(value & ((1n << 128n) - 1n)));
    case "ethernet":
      return formatMac(macOf(Number(value & 0xffff_ffff_ffffn)));
  }
}

/** An integer with its mask: CIDR where the mask is a prefix of an address, no mask where it is full. */
export function formatMasked(value: bigint, mask: bigint | undefined, format: IntegerFormat): string {
  const text = formatInteger(value, format);
  if (mask === undefined) return text;
  const width = format === "ipv4" ? 32n : format === "ipv6" ? 128n : undefined;
  if (width !== undefined) {
    const full = (1n << width) - 1n;
    const inverse = ~mask & full;
    if ((inverse & (inverse + 1n)) === 0n) return `${text}/${Number(width) - inverse.toString(2).replace(/^0$/, "").length}`;
  }
  return `${text}/${formatInteger(mask, format)}`;
}

/** A string as JSON writes it, the form of string constants in matches and actions. */
export function quote(value: string): string {
  return JSON.stringify(value);
}
