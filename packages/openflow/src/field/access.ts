/** Reading and writing fields in word arrays: flow keys, masks, and the sparse words of matches. */
import type { TlvMap } from "./tlvMap.ts";
import type { Field } from "./types.ts";

const WORD_BITS = 32n;

/** Where the field begins in the key: for tun_metadata as the TLV table map says, undefined where it is not mapped. */
export function placeOf(field: Field, tlv?: TlvMap): { readonly word: number; readonly words: number } | undefined {
  if (field.metadataIndex === undefined) return field;
  return tlv?.place(field.metadataIndex);
}

/** The field's value in `key`, unsigned and right-aligned; 0n for an unmapped tun_metadata field. */
export function readField(key: Int32Array, field: Field, tlv?: TlvMap): bigint {
  const place = placeOf(field, tlv);
  if (place === undefined) return 0n;
  if (place.words === 1) return BigInt(((key[place.word]! & field.wordMask) >>> field.shift) >>> 0);
  let value = 0n;
  for (let i = 0; i < place.words; i++) value = (value << WORD_BITS) | BigInt(key[place.word + i]! >>> 0);
  return value;
}

/** The value of a field of at most 32 bits in `key`, as an unsigned number. */
export function readNumber(key: Int32Array, field: Field): number {
  return ((key[field.word]! & field.wordMask) >>> field.shift) >>> 0;
}

/** Sets the whole field in `key`; bits of other fields in the same word stay. */
export function writeField(key: Int32Array, field: Field, value: bigint | number, tlv?: TlvMap): void {
  const place = placeOf(field, tlv);
  if (place === undefined) return;
  if (place.words === 1) {
    const bits = typeof value === "number" ? value : Number(BigInt.asUintN(32, value));
    key[place.word] = (key[place.word]! & ~field.wordMask) | ((bits << field.shift) & field.wordMask);
    return;
  }
  let rest = BigInt(value);
  for (let i = place.words - 1; i >= 0; i--) {
    key[place.word + i] = Number(BigInt.asIntN(32, rest));
    rest >>= WORD_BITS;
  }
}

/** All ones in the field's bits. */
export function fieldMask(field: Field): bigint {
  return (1n << BigInt(field.bits)) - 1n;
}
