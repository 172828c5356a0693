/**
 * Matches: which bits of a flow key must have which values. A match is sparse and canonical: the words that it looks at
 * in ascending order, each with value and mask; no value bit outside its mask, no word with an empty mask.
 */
import { TUN_METADATA_VIRTUAL } from "../field/layout.ts";
import type { TlvMap } from "../field/tlvMap.ts";
import type { Field } from "../field/types.ts";

/** A field's part of a match. Bits that are not in `mask` are 0 in `value`. */
export interface FieldMatch {
  readonly value: bigint;
  readonly mask: bigint;
}

export class Match {
  /** Matches every packet. */
  static readonly ANY: Match = new Match([]);

  /**
   * Triples of word offset, value, mask, each a number of 32 bits with sign. Never changed. No Int32Array: those of more
   * than 64 bytes have their bytes outside of the heap, which takes ten times as long to make.
   */
  readonly data: readonly number[];
  #key: string | undefined;

  /** `data` must be canonical; build matches with a MatchBuilder. */
  constructor(data: readonly number[]) {
    this.data = data;
  }

  /** Number of words looked at. */
  get size(): number {
    return this.data.length / 3;
  }

  /** Offset in the flow key of the `i`th word. */
  offset(i: number): number {
    return this.data[3 * i]!;
  }

  value(i: number): number {
    return this.data[3 * i + 1]!;
  }

  mask(i: number): number {
    return this.data[3 * i + 2]!;
  }

  /** Equal matches, and only those, have equal keys. For Map keys, not for people. */
  get key(): string {
    if (this.#key === undefined) {
      const { data } = this;
      let text = "";
      for (let i = 0; i < data.length; i += 3) {
        const value = data[i + 1]!;
        const mask = data[i + 2]!;
        text += String.fromCharCode(data[i]!, value & 0xffff, value >>> 16, mask & 0xffff, mask >>> 16);
      }
      this.#key = text;
    }
    return this.#key;
  }

  /** Equal matches have equal hashes, of 32 bits. */
  get hash(): number {
    const { data } = this;
    let hash = data.length;
    for (let i = 0; i < data.length; i++) {
      hash = Math.imul(hash ^ data[i]!, 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return hash;
  }

  equals(other: Match): boolean {
    const a = this.data;
    const b = other.data;
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /** The value of a word under the match, 0 where nothing is matched. */
  wordValue(offset: number): number {
    const i = this.#find(offset);
    return i < 0 ? 0 : this.data[i + 1]!;
  }

  /** The mask of a word, 0 where nothing is matched. */
  wordMask(offset: number): number {
    const i = this.#find(offset);
    return i < 0 ? 0 : this.data[i + 2]!;
  }

  #find(offset: number): number {
    const { data } = this;
    for (let i = 0; i < data.length; i += 3) {
      const here = data[i]!;
      if (here >= offset) return here === offset ? i : -1;
    }
    return -1;
  }

  /** The part of the match that is `field`; undefined where none of its bits is looked at. */
  get(field: Field): FieldMatch | undefined {
    if (field.words === 1) {
      const i = this.#find(field.word);
      if (i < 0) return undefined;
      const mask = (this.data[i + 2]! & field.wordMask) >>> field.shift;
      if (mask === 0) return undefined;
      return { value: BigInt((this.data[i + 1]! & field.wordMask) >>> field.shift), mask: BigInt(mask) };
    }
    let value = 0n;
    let mask = 0n;
    for (let i = 0; i < this.data.length; i += 3) {
      const index = this.data[i]! - field.word;
      if (index < 0 || index >= field.words) continue;
      const up = BigInt(32 * (field.words - 1 - index));
      value |= BigInt(this.data[i + 1]! >>> 0) << up;
      mask |= BigInt(this.data[i + 2]! >>> 0) << up;
    }
    return mask === 0n ? undefined : { value, mask };
  }

  /** The value of a field of at most 32 bits that is matched exactly; undefined otherwise. */
  exact(field: Field): number | undefined {
    const i = this.#find(field.word);
    if (i < 0 || (this.data[i + 2]! & field.wordMask) !== field.wordMask) return undefined;
    return (this.data[i + 1]! & field.wordMask) >>> field.shift;
  }

  /** Whether any bit of the field is looked at. */
  has(field: Field): boolean {
    const { data } = this;
    for (let i = 0; i < data.length; i += 3) {
      const index = data[i]! - field.word;
      if (index >= 0 && index < field.words && (data[i + 2]! & field.wordMask) !== 0) return true;
    }
    return false;
  }

  /** Whether a packet with this key matches. The match must have been placed (see {@link place}). */
  matches(key: Int32Array): boolean {
    const { data } = this;
    for (let i = 0; i < data.length; i += 3) if (((key[data[i]!]! ^ data[i + 1]!) & data[i + 2]!) !== 0) return false;
    return true;
  }

  /**
   * Whether every packet that this matches is matched by `wider` too: the test for non-strict modification and deletion
   * and for flow statistics requests.
   */
  isWithin(wider: Match): boolean {
    const a = this.data;
    const b = wider.data;
    let i = 0;
    for (let j = 0; j < b.length; j += 3) {
      while (i < a.length && a[i]! < b[j]!) i += 3;
      if (i >= a.length || a[i] !== b[j]) return false;
      const mask = b[j + 2]!;
      if ((a[i + 2]! & mask) !== mask || ((a[i + 1]! ^ b[j + 1]!) & mask) !== 0) return false;
    }
    return true;
  }

  /** Whether some packet could match both: the test for OFPFF_CHECK_OVERLAP. */
  overlaps(other: Match): boolean {
    const a = this.data;
    const b = other.data;
    let i = 0;
    for (let j = 0; j < b.length; j += 3) {
      while (i < a.length && a[i]! < b[j]!) i += 3;
      if (i >= a.length) break;
      if (a[i] === b[j] && ((a[i + 1]! ^ b[j + 1]!) & a[i + 2]! & b[j + 2]!) !== 0) return false;
    }
    return true;
  }

  /** Whether any tun_metadata field is matched and has no place in the key yet. */
  get unplaced(): boolean {
    const { data } = this;
    return data.length > 0 && data[data.length - 3]! >= TUN_METADATA_VIRTUAL;
  }

  /**
   * The same match with tun_metadata at the words that `tlv` gives them. Returns undefined when a matched option is not
   * mapped, or matched beyond its mapped length.
   */
  place(tlv: TlvMap): Match | undefined {
    if (!this.unplaced) return this;
    const words: [number, number, number][] = [];
    for (let i = 0; i < this.size; i++) {
      let offset = this.offset(i);
      if (offset >= TUN_METADATA_VIRTUAL) {
        const index = (offset - TUN_METADATA_VIRTUAL) >> 5;
        const place = tlv.place(index);
        if (place === undefined) return undefined;
        const fromEnd = TUN_METADATA_VIRTUAL + 32 * index + 32 - offset; // 1 for the last word
        if (fromEnd > place.words) {
          if (this.value(i) !== 0) return undefined;
          continue; // An exact match without a map looks at all 124 bytes.
        }
        offset = place.word + place.words - fromEnd;
      }
      words.push([offset, this.value(i), this.mask(i)]);
    }
    words.sort((a, b) => a[0] - b[0]);
    return new Match(words.flat());
  }

  /** The key's value of `field` under this match's values. */
  valueOf(field: Field): bigint {
    return this.get(field)?.value ?? 0n;
  }
}

/** Dense value and mask arrays of a placed match, for those who compile matches. */
export function denseOf(match: Match, words: number): { readonly values: Int32Array; readonly masks: Int32Array } {
  const values = new Int32Array(words);
  const masks = new Int32Array(words);
  for (let i = 0; i < match.size; i++) {
    values[match.offset(i)] = match.value(i);
    masks[match.offset(i)] = match.mask(i);
  }
  return { values, masks };
}

/** The match for exactly the bits of `masks` with the values of `key`. */
export function matchOfKey(key: Int32Array, masks: Int32Array): Match {
  const data: number[] = [];
  for (let i = 0; i < masks.length; i++) if (masks[i] !== 0) data.push(i, key[i]! & masks[i]!, masks[i]!);
  return new Match(data);
}
