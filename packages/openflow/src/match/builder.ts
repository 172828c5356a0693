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
  readonly #offsets: number[] = [];
  readonly #values: number[] = [];
  readonly #masks: number[] = [];

  constructor(from?: Match) {
    if (from !== undefined) this.merge(from);
  }

  /** Takes over every word of `match`; where both look at a bit, `match` wins. */
  merge(match: Match): this {
    if (this.#offsets.length === 0) return this.#copy(match);
    for (let i = 0; i < match.size; i++) this.setWord(match.offset(i), match.value(i), match.mask(i));
    return this;
  }

  #copy({ data }: Match): this {
    for (let i = 0; i < data.length; i += 3) {
      this.#offsets.push(data[i]!);
      this.#values.push(data[i + 1]!);
      this.#masks.push(data[i + 2]!);
    }
    return this;
  }

  /** Sets the bits of `mask` in the word at `offset`; other bits of the word stay. */
  setWord(offset: number, value: number, mask: number): this {
    if (mask === 0) return this;
    const offsets = this.#offsets;
    let i = offsets.length;
    while (i > 0 && offsets[i - 1]! >= offset) i--;
    if (offsets[i] === offset) {
      this.#values[i] = (this.#values[i]! & ~mask) | (value & mask);
      this.#masks[i]! |= mask;
    } else {
      offsets.splice(i, 0, offset);
      this.#values.splice(i, 0, value & mask);
      this.#masks.splice(i, 0, mask | 0);
    }
    return this;
  }

  /** Stops looking at the bits of `mask` in the word at `offset`. */
  clearWord(offset: number, mask = -1): this {
    const i = this.#offsets.indexOf(offset);
    if (i < 0) return this;
    this.#masks[i]! &= ~mask;
    this.#values[i]! &= ~mask;
    if (this.#masks[i] === 0) {
      this.#offsets.splice(i, 1);
      this.#values.splice(i, 1);
      this.#masks.splice(i, 1);
    }
    return this;
  }

  wordValue(offset: number): number {
    const i = this.#offsets.indexOf(offset);
    return i < 0 ? 0 : this.#values[i]!;
  }

  wordMask(offset: number): number {
    const i = this.#offsets.indexOf(offset);
    return i < 0 ? 0 : this.#masks[i]!;
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
      const max = f.bits === 32 ? 0xffffffff : 2 ** f.bits - 1;
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
    const n = this.#offsets.length;
    if (n === 0) return Match.ANY;
    const data = new Int32Array(3 * n);
    for (let i = 0; i < n; i++) {
      data[3 * i] = this.#offsets[i]!;
      data[3 * i + 1] = this.#values[i]!;
      data[3 * i + 2] = this.#masks[i]!;
    }
    return new Match(data);
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
