/**
 * Where bits of fields lie in the words of a key, worked out once for the actions that read or write them. A first packet
 * runs some hundred such actions; on words they need neither bigints nor the field table.
 */
import type { Action, Field, Subfield } from "@weft/openflow";

/** Bits within one word: `ones` of them, from bit `shift` on. */
export interface WordBits {
  readonly word: number;
  readonly shift: number;
  readonly ones: number;
}

/** New values of some words, each under its mask. */
export interface Patch {
  /** Whose prerequisite the packet must meet. */
  readonly field: Field;
  readonly words: readonly number[];
  readonly values: readonly number[];
  readonly masks: readonly number[];
}

/** Tunnel options lie where their bridge has them; VLAN fields are more than their bits. */
const isPlain = (field: Field): boolean => field.metadataIndex === undefined && !/vlan/.test(field.name);

const places = new WeakMap<Subfield, WordBits | null>();

/** The word that holds all of a subfield; undefined where there is no such word. */
export function wordBits(sub: Subfield): WordBits | undefined {
  let place = places.get(sub);
  if (place === undefined) {
    place = computeWordBits(sub) ?? null;
    places.set(sub, place);
  }
  return place ?? undefined;
}

function computeWordBits({ field, offset, bits }: Subfield): WordBits | undefined {
  if (!isPlain(field) || bits > 32) return undefined;
  const from = field.words === 1 ? field.shift + offset : offset & 31;
  const word = field.words === 1 ? field.word : field.word + field.words - 1 - (offset >>> 5);
  if (from + bits > 32) return undefined;
  const ones = bits === 32 ? -1 : (1 << bits) - 1;
  // Bits that a field has beyond its place in the key are never there.
  if (field.words === 1 && ((ones << from) & ~field.wordMask) !== 0) return undefined;
  return { word, shift: from, ones };
}

const patches = new WeakMap<readonly Action[], readonly (Patch | undefined)[]>();

/** Of a list's actions those that only write bits, as patches at their places. */
export function patchesOf(actions: readonly Action[]): readonly (Patch | undefined)[] {
  let list = patches.get(actions);
  if (list === undefined) {
    list = actions.map((action) => {
      if (action.type === "set_field") return patchOf(action.field, action.value, action.mask ?? ones(action.field.bits));
      if (action.type !== "load") return undefined;
      const { field, offset, bits } = action.dst;
      return patchOf(field, action.value << BigInt(offset), ones(bits) << BigInt(offset));
    });
    patches.set(actions, list);
  }
  return list;
}

const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** What writing `value` under `mask` does to the words; undefined where it is more than that. */
function patchOf(field: Field, value: bigint, mask: bigint): Patch | undefined {
  if (!isPlain(field)) return undefined;
  const words: number[] = [];
  const values: number[] = [];
  const masks: number[] = [];
  const put = (word: number, bits: bigint, under: bigint): void => {
    const m = Number(BigInt.asIntN(32, under));
    if (m === 0) return;
    words.push(word);
    masks.push(m);
    values.push(Number(BigInt.asIntN(32, bits)) & m);
  };
  if (field.words === 1) {
    const place = BigInt.asUintN(32, BigInt(field.wordMask));
    const shift = BigInt(field.shift);
    put(field.word, value << shift, (mask << shift) & place);
  } else
    for (let i = 0; i < field.words; i++) {
      const shift = BigInt(32 * (field.words - 1 - i));
      put(field.word + i, value >> shift, mask >> shift);
    }
  return { field, words, values, masks };
}
