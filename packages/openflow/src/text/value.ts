/** Values of fields as text, by the field's format (ovs-fields(7)). */
import { formatIpv4, formatIpv6, formatMac, ipv4Of, ipv6Of, macOf, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { fieldMask } from "../field/access.ts";
import type { Field } from "../field/types.ts";
import { type BitNames, CT_STATES, formatBits, formatMaskedBits, parseBits, TCP_FLAGS, TUNNEL_FLAGS } from "./bits.ts";
import { TextError } from "./error.ts";
import { formatPort, type Names, NO_NAMES, parsePort } from "./names.ts";
import { integerOf } from "./number.ts";

export interface MaskedValue {
  readonly value: bigint;
  /** undefined: exact. */
  readonly mask: bigint | undefined;
}

const BITS: Partial<Record<Field["format"], BitNames>> = {
  "tcp-flags": TCP_FLAGS,
  "ct-state": CT_STATES,
  "tunnel-flags": TUNNEL_FLAGS,
};

/** ip_frag by name: value and mask. */
const FRAG: readonly (readonly [string, number, number])[] = [
  ["no", 0, 3],
  ["yes", 1, 1],
  ["first", 1, 3],
  ["later", 3, 3],
  ["not_later", 0, 2],
];

/** The name of a masked value. Masks that no name has print as the nearest one: 0/1 as "no", 2/2 as "later". */
export function formatFrag(value: number, mask: number): string {
  const found = FRAG.find(([, v, m]) => m === mask && v === (value & mask));
  if (found !== undefined) return found[0];
  if (mask === 1) return "no";
  return mask === 2 ? "later" : "<error>";
}

/** 0 as "0", anything else as 0x with digits: C's %#x. */
export function hex(value: bigint | number): string {
  return value === 0n || value === 0 ? "0" : `0x${value.toString(16)}`;
}

/** Number of leading ones of a mask of `bits` bits when it is a prefix; undefined when it is not. */
export function prefixLength(mask: bigint, bits: number): number | undefined {
  const inverted = ~mask & ((1n << BigInt(bits)) - 1n);
  if ((inverted & (inverted + 1n)) !== 0n) return undefined;
  return bits - inverted.toString(2).length + (inverted === 0n ? 1 : 0);
}

export function formatIpv4Masked(value: bigint, mask: bigint): string {
  const address = formatIpv4(ipv4Of(Number(value)));
  const length = prefixLength(mask, 32);
  if (length === 32) return address;
  return length === undefined ? `${address}/${formatIpv4(ipv4Of(Number(mask)))}` : `${address}/${length}`;
}

export function formatIpv6Masked(value: bigint, mask: bigint): string {
  const address = formatIpv6(ipv6Of(value));
  const length = prefixLength(mask, 128);
  if (length === 128) return address;
  return length === undefined ? `${address}/${formatIpv6(ipv6Of(mask))}` : `${address}/${length}`;
}

export function formatMacNumber(value: bigint | number): string {
  return formatMac(macOf(Number(value)));
}

export function formatPacketType(value: number): string {
  return `(${value >>> 16},${hex(value & 0xffff)})`;
}

/** A value with its mask (undefined: exact) as set_field and learn write it. */
export function formatFieldValue(field: Field, value: bigint, mask: bigint | undefined, names: Names = NO_NAMES): string {
  const full = fieldMask(field);
  // A mask is exact when it fills the field's bytes, not only its bits.
  const exact = mask === undefined || mask === (1n << BigInt(8 * field.bytes)) - 1n;
  switch (field.format) {
    case "ofp10-port":
    case "ofp11-port":
      if (exact) return formatPort(Number(value), names);
      break;
    case "ethernet":
      return exact ? formatMacNumber(value) : `${formatMacNumber(value)}/${formatMacNumber(mask)}`;
    case "ipv4":
      return formatIpv4Masked(value, mask ?? full);
    case "ipv6":
      return formatIpv6Masked(value, mask ?? full);
    case "frag":
      return formatFrag(Number(value), Number(mask ?? full));
    case "tcp-flags":
    case "ct-state":
    case "tunnel-flags": {
      const bits = BITS[field.format]!;
      return exact ? formatBits(bits, Number(value)) : formatMaskedBits(bits, Number(value), Number(mask));
    }
    case "packet-type":
      return formatPacketType(Number(value));
    case "decimal":
      return exact ? String(value) : `${value}/${hex(mask)}`;
    case "hexadecimal":
      break;
  }
  return exact ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

function wrong(field: Field, text: string): TextError {
  return new TextError(`${text}: bad syntax for ${field.name} value`, text);
}

/**
 * Parses `text` as a value of `field`, with a mask where one is written. "*" is value 0 under mask 0. Throws a TextError
 * with the words that ovs-ofctl would use.
 */
export function parseFieldValue(field: Field, text: string, names: Names = NO_NAMES): MaskedValue {
  if (text === "*") return { value: 0n, mask: 0n };
  switch (field.format) {
    case "decimal":
    case "hexadecimal":
      return parseInteger(field, text);
    case "ethernet": {
      const [value, mask] = parts(text);
      const mac = parseMac(value);
      if (mac === undefined) throw new TextError(`${text}: invalid Ethernet address`, text);
      if (mask === undefined) return { value: BigInt(mac), mask: undefined };
      const maskMac = parseMac(mask);
      if (maskMac === undefined) throw new TextError(`${text}: invalid Ethernet address`, text);
      return { value: BigInt(mac), mask: BigInt(maskMac) };
    }
    case "ipv4": {
      const [value, mask] = parts(text);
      const ip = parseIpv4(value);
      if (ip === undefined) throw new TextError(`${text}: invalid IP address`, text);
      return { value: BigInt(ip), mask: mask === undefined ? undefined : ipMask(text, mask, 32, (m) => asBig(parseIpv4(m))) };
    }
    case "ipv6": {
      const [value, mask] = parts(text);
      const ip = parseIpv6(value);
      if (ip === undefined) throw new TextError(`${text}: invalid IPv6 address`, text);
      return { value: ip, mask: mask === undefined ? undefined : ipMask(text, mask, 128, parseIpv6) };
    }
    case "ofp10-port":
    case "ofp11-port": {
      const port = parsePort(text, names);
      const tooWide = field.format === "ofp10-port" && (integerOf(text) ?? 0n) > 0xffffn;
      if (port !== undefined && !tooWide) return { value: BigInt(port), mask: undefined };
      const masked = text.includes("/") ? parseInteger(field, text) : undefined;
      if (masked !== undefined) return masked;
      throw new TextError(`${text}: invalid or unknown port for ${field.name}`, text);
    }
    case "frag": {
      const found = FRAG.find(([name]) => name === text.toLowerCase());
      if (found === undefined)
        throw new TextError(`${text}: unknown fragment type (valid types are "no", "yes", "first", "later", "not_later"`, text);
      return { value: BigInt(found[1]), mask: found[2] === 3 ? undefined : BigInt(found[2]) };
    }
    case "tcp-flags":
    case "ct-state":
    case "tunnel-flags": {
      if (text === "") return { value: 0n, mask: 0n };
      const bits = BITS[field.format]!;
      if (/^[0-9]/.test(text)) {
        const { value, mask } = parseInteger(field, text);
        if ((value | (mask ?? 0n)) > BigInt(bits.all)) throw new TextError(`${text}: unknown ${bits.title} flag(s)`, text);
        return { value, mask: mask === undefined ? BigInt(bits.all) : mask };
      }
      const found = parseBits(bits, text);
      return { value: BigInt(found.value), mask: BigInt(found.mask) };
    }
    case "packet-type": {
      const found = /^\(([^,]+),([^)]+)\)$/.exec(text);
      const namespace = found === null ? undefined : integerOf(found[1]!.trim());
      const type = found === null ? undefined : integerOf(found[2]!.trim());
      if (namespace === undefined || type === undefined || namespace > 0xffffn || type > 0xffffn || namespace < 0n || type < 0n)
        throw new TextError(`${text}: bad syntax for packet type${text.startsWith("(") ? "" : " missing '('"}`, text);
      return { value: (namespace << 16n) | type, mask: undefined };
    }
  }
}

function parts(text: string): [string, string | undefined] {
  const slash = text.indexOf("/");
  return slash < 0 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)];
}

function asBig(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

function ipMask(text: string, mask: string, bits: number, parse: (text: string) => bigint | undefined): bigint {
  if (/^[0-9]+$/.test(mask)) {
    const length = Number(mask);
    if (length > bits)
      throw new TextError(`${text}: IPv${bits === 32 ? 4 : 6} network prefix bits not between 0 and ${bits}, inclusive`, text);
    return ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
  }
  const value = parse(mask);
  if (value === undefined) throw new TextError(`${text}: invalid IP${bits === 128 ? "v6" : ""} address`, text);
  return value;
}

function parseInteger(field: Field, text: string): MaskedValue {
  const [value, mask] = parts(text);
  const v = integerOf(value);
  if (v === undefined) throw wrong(field, text);
  // What fits the bytes is taken; bits beyond the field's are dropped where the match is made.
  const max = 1n << BigInt(8 * field.bytes);
  if (v < 0n || v >= max) throw new TextError(`${text}: value too large for ${field.bytes}-byte field ${field.name}`, text);
  if (mask === undefined) return { value: v, mask: undefined };
  let m = integerOf(mask);
  if (m !== undefined && m < 0n) m &= max - 1n;
  if (m === undefined) throw wrong(field, text);
  if (m >= max) throw new TextError(`${text}: mask too large for ${field.bytes}-byte field ${field.name}`, text);
  return { value: v, mask: m };
}
