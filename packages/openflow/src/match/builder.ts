/** Building matches field by field. */
import { WeftError } from "@weft/runtime";
import { WORD } from "../field/layout.ts";
import { fieldNamed } from "../field/lookup.ts";
import type { Field } from "../field/types.ts";
import { Match } from "./match.ts";
import { addPrerequisites } from "./prerequisites.ts";

/** The bit of the VLAN TCI that says "there is a VLAN header". */
export const VLAN_PRESENT = 0x1000;

export class MatchBuilder {
  /** Triples of word offset, value, mask, as in Match.data. */
  readonly #words: number[] = [];

  constructor(from?: Match) {
    if (from !== undefined) this.merge(from);
  }

  /** Takes over every word of `match`; where both look at a bit, `match` wins. */
  merge(match: Match): this {
    if (this.#words.length === 0) return this.#copy(match);
    for (let i = 0; i < match.size; i++) this.setWord(match.offset(i), match.value(i), match.mask(i));
    return this;
  }

  #copy({ data }: Match): this {
    for (let i = 0; i < data.length; i++) this.#words.push(data[i]!);
    return this;
  }

  /** Sets the bits of `mask` in the word at `offset`; other bits of the word stay. */
  setWord(offset: number, value: number, mask: number): this {
    if (mask === 0) return this;
    const words = this.#words;
    let at = words.length;
    while (at > 0 && words[at - 3]! >= offset) at -= 3;
    if (words[at] === offset) {
      words[at + 1] = (words[at + 1]! & ~mask) | (value & mask);
      words[at + 2]! |= mask;
      return this;
    }
    // By hand: splice() takes most of the time that building a match does.
    words.push(0, 0, 0);
    for (let i = words.length - 1; i > at + 2; i--) words[i] = words[i - 3]!;
    words[at] = offset;
    words[at + 1] = value & mask;
    words[at + 2] = mask | 0;
    return this;
  }

  /** Stops looking at the bits of `mask` in the word at `offset`. */
  clearWord(offset: number, mask = -1): this {
    const words = this.#words;
    const at = this.#find(offset);
    if (at < 0) return this;
    words[at + 1]! &= ~mask;
    words[at + 2]! &= ~mask;
    if (words[at + 2] === 0) words.splice(at, 3);
    return this;
  }

  wordValue(offset: number): number {
    const at = this.#find(offset);
    return at < 0 ? 0 : this.#words[at + 1]!;
  }

  wordMask(offset: number): number {
    const at = this.#find(offset);
    return at < 0 ? 0 : this.#words[at + 2]!;
  }

  /** Where a word's triple begins; -1 for a word that is not looked at. */
  #find(offset: number): number {
    const words = this.#words;
    for (let at = 0; at < words.length; at += 3) if (words[at] === offset) return at;
    return -1;
  }

  /**
   * Looks at `field`: exactly `value`, or only the bits of `mask`. Adds no prerequisites (see {@link require}).
   *
   * VLAN fields mean what they mean in OpenFlow: dl_vlan=0xffff asks for no VLAN header, any other dl_vlan and every
   * priority ask for a header; vlan_vid has the "present" bit as bit 12 of value and mask (exact: all 13 bits).
   * Throws a WeftError "openflow.bad-value" when the value does not fit, "openflow.unknown-field" for an unknown name.
   */
  set(field: Field | string, value: bigint | number, mask?: bigint | number): this {
    const f = typeof field === "string" ? named(field) : field;
    if (f.metadataIndex !== undefined) {
      const bit = 1 << (f.metadataIndex & 31);
      this.setWord(WORD.tun_metadata_present + (f.metadataIndex >> 5), bit, bit);
    }
    switch (f.name) {
      case "dl_vlan":
        return Number(value) === 0xffff
          ? this.setWord(WORD.vlan_tci, 0, 0xffff)
          : this.setWord(WORD.vlan_tci, fit(f, value, 0xfff) | VLAN_PRESENT, 0x1fff);
      case "vlan_vid":
        return this.setWord(WORD.vlan_tci, fit(f, value, 0x1fff), mask === undefined ? 0x1fff : fit(f, mask, 0x1fff));
      case "dl_vlan_pcp":
      case "vlan_pcp":
        return this.setWord(WORD.vlan_tci, (fit(f, value, 7) << 13) | VLAN_PRESENT, 0xe000 | VLAN_PRESENT);
      case "nw_tos":
        return this.setWord(WORD.nw_tos, fit(f, value, 0xff) & 0xfc, 0xfc);
    }
    if (f.words === 1) {
      const max = 0xffffffff >>> (32 - f.bits);
      const word = fit(f, value, max) << f.shift;
      // arp_op has 16 bits and, as in OVS, 8 in the key: those above are never looked at.
      return this.setWord(f.word, word, mask === undefined ? f.wordMask : (fit(f, mask, max) << f.shift) & f.wordMask);
    }
    if (f.words === 2 && typeof value === "number" && mask === undefined && Number.isSafeInteger(value)) {
      if (value < 0 || value >= 2 ** f.bits) throw misfit(f, value);
      const top = f.bits === 64 ? -1 : 2 ** (f.bits - 32) - 1;
      return this.setWord(f.word, Math.floor(value / 2 ** 32), top).setWord(f.word + 1, value | 0, -1);
    }
    let v = BigInt(value);
    let m = mask === undefined ? (1n << BigInt(f.bits)) - 1n : BigInt(mask);
    if (v < 0n || v >> BigInt(f.bits) !== 0n || m >> BigInt(f.bits) !== 0n || m < 0n) throw misfit(f, value);
    for (let i = f.words - 1; i >= 0; i--) {
      this.setWord(f.word + i, Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, m)));
      v >>= 32n;
      m >>= 32n;
    }
    return this;
  }

  /** Adds what `field` requires of a packet (dl_type, nw_proto, ...), where it is not there yet. */
  require(field: Field | string): this {
    addPrerequisites(this, typeof field === "string" ? named(field) : field);
    return this;
  }

  build(): Match {
    const words = this.#words;
    if (words.length === 0) return Match.ANY;
    return new Match(words.slice());
  }
}

function named(name: string): Field {
  const found = fieldNamed(name);
  if (found === undefined)
    throw new WeftError("openflow.unknown-field", `unknown field ${name}`, { blame: "caller", place: { text: name } });
  return found;
}

function fit(field: Field, value: bigint | number, max: number): number {
  const n = Number(value);
  if (!(n >= 0 && n <= max)) throw misfit(field, value);
  return n;
}

function misfit(field: Field, value: bigint | number): WeftError {
  return new WeftError("openflow.bad-value", `value ${value} does not fit field ${field.name} of ${field.bits} bits`, {
    blame: "caller",
    place: { text: field.name },
  });
}
