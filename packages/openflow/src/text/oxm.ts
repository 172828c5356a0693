/** NXM and OXM entries as text: "NXM_OF_ETH_TYPE(0800), NXM_OF_IP_SRC_W(0a000000/ff000000)". */
import { oxmNamed } from "../field/lookup.ts";
import type { Match } from "../match/match.ts";
import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { byteLength, readHeader, readOxms, writeHeader, writeOxms } from "../wire/oxm.ts";
import { TextError } from "./error.ts";

function hex(value: bigint, bytes: number): string {
  return value.toString(16).padStart(2 * bytes, "0");
}

/** Entries of bytes as text. Throws a DecodeError. */
export function formatOxms(bytes: Uint8Array): string {
  const input = new ByteReader(bytes);
  const parts: string[] = [];
  while (input.left > 0) {
    const { code, hasMask, length } = readHeader(input)!;
    const half = hasMask ? length / 2 : length;
    const value = hex(input.big(half), half);
    parts.push(hasMask ? `${code.name}_W(${value}/${hex(input.big(half), half)})` : `${code.name}(${value})`);
  }
  return parts.length === 0 ? "<any>" : parts.join(", ");
}

/** A match as the entries that it is sent in, in a wire version. */
export function matchToOxms(match: Match, version: number): Uint8Array {
  const out = new ByteWriter();
  writeOxms(out, match, version);
  return out.slice();
}

/** A match from entries; `lenient`: unknown fields and missing prerequisites are let pass. Throws a DecodeError. */
export function matchOfOxms(bytes: Uint8Array, lenient = false): Match {
  return readOxms(new ByteReader(bytes), { lenient });
}

/** Parses entries into bytes. Throws a TextError. */
export function parseOxms(text: string): Uint8Array {
  const out = new ByteWriter();
  const trimmed = text.trim();
  if (trimmed === "<any>" || trimmed === "") return out.slice();
  let rest = trimmed;
  while (rest !== "") {
    const paren = rest.indexOf("(");
    if (paren < 0) throw new TextError(`${rest}: missing ( at end of nx_match`, text);
    const close = rest.indexOf(")", paren);
    if (close < 0) throw new TextError(`${rest}: missing ) following value`, text);
    writeEntry(out, rest.slice(0, paren), rest.slice(paren + 1, close), rest);
    rest = rest.slice(close + 1).replace(/^[, \t]+/, "");
  }
  return out.slice();
}

function writeEntry(out: ByteWriter, name: string, body: string, whole: string): void {
  const masked = name.endsWith("_W") && oxmNamed(name) === undefined;
  const found = oxmNamed(masked ? name.slice(0, -2) : name);
  if (found === undefined) throw new TextError(`${whole}: unknown field \`${name}'`, whole);
  const { field, code } = found;
  const [value, mask] = body.split("/").map((part) => part.trim()) as [string, string | undefined];
  const read = (digits: string): bigint => {
    if (!/^[0-9a-fA-F]+$/.test(digits)) throw new TextError(`${whole}: hex digits expected`, whole);
    const n = BigInt(`0x${digits}`);
    if (n >> BigInt(8 * field.bytes) !== 0n) throw new TextError(`${whole}: value too large`, whole);
    return n;
  };
  if (masked !== (mask !== undefined)) throw new TextError(`${name}: missing / in masked field ${name}`, whole);
  const v = read(value);
  const m = mask === undefined ? undefined : read(mask);
  const bytes = field.variable
    ? Math.max(byteLength(v), m === undefined ? 1 : byteLength(m), Math.ceil(value.length / 2))
    : field.bytes;
  writeHeader(out, code, masked, masked ? 2 * bytes : bytes);
  out.big(v, bytes);
  if (m !== undefined) out.big(m, bytes);
}
