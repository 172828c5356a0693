import type { Random } from "./world.ts";

const digits: readonly number[] = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const dash = "-".charCodeAt(0);
/** Bits by which the first hexadecimal digit of a word is shifted to the right, and those of the others. */
const shifts = [28, 24, 20, 16, 12, 8, 4, 0] as const;

/** Character codes of the uuid that is being made. */
const codes: number[] = new Array(36).fill(dash);

/** Writes 32 bits as 8 digits, jumping over the dashes behind the 8th, 12th, 16th and 20th digit of the whole. */
function writeWord(word: number, start: number): void {
  let at = start;
  for (const shift of shifts) {
    if (at === 8 || at === 13 || at === 18 || at === 23) at++;
    codes[at++] = digits[(word >>> shift) & 0xf]!;
  }
}

/** A version-4 uuid (RFC 9562) from four words of 32 random bits; two bits and the version are set here. */
function uuidFromWords(first: number, second: number, third: number, fourth: number): string {
  writeWord(first, 0);
  writeWord((second & 0xffff0fff) | 0x4000, 8);
  writeWord((third & 0x3fffffff) | 0x80000000, 18);
  writeWord(fourth, 28);
  // From character codes, for a text put together from pieces would keep the pieces: databases hold uuids by the million.
  return String.fromCharCode(...codes);
}

/** As {@link uuidFromWords}, from 16 bytes. */
export function uuidFromBytes(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return uuidFromWords(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12));
}

/** Builds a {@link Random} on a source of unsigned 32-bit integers. */
export function randomFrom(uint32: () => number): Random {
  return {
    uint32,
    below(bound) {
      // Rejects the incomplete last range, so that every result is equally likely.
      const limit = Math.floor(0x1_0000_0000 / bound) * bound;
      for (;;) {
        const value = uint32();
        if (value < limit) return value % bound;
      }
    },
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i += 4) {
        const word = uint32();
        for (let j = i; j < Math.min(i + 4, length); j++) bytes[j] = (word >>> (8 * (j - i))) & 0xff;
      }
      return bytes;
    },
    uuid() {
      return uuidFromWords(uint32(), uint32(), uint32(), uint32());
    },
  };
}

/** Deterministic random numbers (the sfc32 generator): the same seed gives the same sequence everywhere. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return randomFrom(next);
}
