import type { Random } from "./world.ts";

const digits: readonly number[] = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const dash = "-".charCodeAt(0);

/** A version-4 uuid (RFC 9562) from 16 random bytes; two bits and the version are set here. */
export function uuidFromBytes(bytes: Uint8Array): string {
  // From character codes, for a text put together from pieces would keep the pieces: databases hold uuids by the million.
  const codes: number[] = [];
  for (let i = 0; i < 16; i++) {
    let byte = bytes[i]!;
    if (i === 6) byte = (byte & 0x0f) | 0x40;
    if (i === 8) byte = (byte & 0x3f) | 0x80;
    if (i === 4 || i === 6 || i === 8 || i === 10) codes.push(dash);
    codes.push(digits[byte >>> 4]!, digits[byte & 0xf]!);
  }
  return String.fromCharCode(...codes);
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
      const bytes = new Uint8Array(16);
      for (let i = 0; i < 16; i += 4) new DataView(bytes.buffer).setUint32(i, uint32());
      return uuidFromBytes(bytes);
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
