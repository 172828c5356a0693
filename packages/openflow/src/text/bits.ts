/** Named bits: TCP flags, connection states, tunnel flags. */
import { TextError } from "./error.ts";

export interface BitNames {
  /** From bit 0 up; a missing name is a bit that has none. */
  readonly names: readonly (string | undefined)[];
  /** All bits that may be matched. */
  readonly all: number;
  /** What errors call them. */
  readonly title: string;
}

export const TCP_FLAGS: BitNames = {
  names: ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"],
  all: 0xfff,
  title: "TCP",
};
export const CT_STATES: BitNames = {
  names: ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"],
  all: 0xff,
  title: "ct_state",
};
export const TUNNEL_FLAGS: BitNames = { names: ["oam"], all: 1, title: "tunnel" };
/** With those that no match can ask for, but that a switch keeps in the same word. */
export const ALL_TUNNEL_FLAGS: BitNames = { names: ["oam", "df", "csum", "key"], all: 0xf, title: "tunnel" };

/** "syn|ack"; bits without a name in hexadecimal at the end; "0" for none. */
export function formatBits(bits: BitNames, value: number): string {
  if (value === 0) return "0";
  const parts: string[] = [];
  let rest = value;
  bits.names.forEach((name, i) => {
    if (name !== undefined && (rest & (1 << i)) !== 0) {
      parts.push(name);
      rest &= ~(1 << i);
    }
  });
  if (rest !== 0) parts.push(`0x${(rest >>> 0).toString(16)}`);
  return parts.join("|");
}

/** "+syn-ack": bits of `mask`, set ones with +, others with -. */
export function formatMaskedBits(bits: BitNames, value: number, mask: number): string {
  let text = "";
  let rest = mask;
  bits.names.forEach((name, i) => {
    if (name === undefined || (rest & (1 << i)) === 0) return;
    text += ((value & (1 << i)) !== 0 ? "+" : "-") + name;
    rest &= ~(1 << i);
  });
  return text;
}

/** A field's value under a mask, as matches print it. */
export function formatBitMatch(bits: BitNames, value: number, mask: number): string {
  return (mask & bits.all) === bits.all ? formatBits(bits, value) : formatMaskedBits(bits, value, mask);
}

/** Parses "+a-b", "a|b" into value and mask. Numbers are not taken here. Throws a TextError. */
export function parseBits(bits: BitNames, text: string): { readonly value: number; readonly mask: number } {
  const bitOf = (name: string, whole = name): number => {
    const i = bits.names.indexOf(name);
    if (i < 0) throw new TextError(`${whole}: unknown ${bits.title} flag(s)`, text);
    return 1 << i;
  };
  let value = 0;
  if (!/^[+-]/.test(text)) {
    for (const name of text.split("|")) value |= bitOf(name, text);
    return { value, mask: bits.all };
  }
  let mask = 0;
  for (const [, sign, name] of text.matchAll(/([+-])([^+-]*)/g)) {
    const bit = bitOf(name!);
    if ((mask & bit) !== 0) throw new TextError(`${name}: Each ${bits.title} flag can be specified only once`, text);
    mask |= bit;
    if (sign === "+") value |= bit;
  }
  return { value, mask };
}
