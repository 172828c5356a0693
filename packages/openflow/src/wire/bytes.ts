/** Reading and building messages; all numbers are big-endian. */
import { DecodeError } from "./error.ts";

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  /** Offset of the next byte, from the start of the message. */
  at: number;
  readonly end: number;
  /** The error for reads beyond the end. */
  readonly short: string;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length, short = "OFPBRC_BAD_LEN", view?: DataView) {
    this.bytes = bytes;
    this.#view = view ?? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
    this.end = end;
    this.short = short;
  }

  get left(): number {
    return this.end - this.at;
  }

  fail(error: string, detail?: string): DecodeError {
    return new DecodeError(error, this.at, detail);
  }

  need(bytes: number): void {
    if (this.end - this.at < bytes) throw this.fail(this.short, `${bytes} bytes expected, ${this.left} left`);
  }

  u8(): number {
    this.need(1);
    return this.bytes[this.at++]!;
  }

  u16(): number {
    this.need(2);
    const value = this.#view.getUint16(this.at);
    this.at += 2;
    return value;
  }

  u32(): number {
    this.need(4);
    const value = this.#view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  u64(): bigint {
    this.need(8);
    const value = this.#view.getBigUint64(this.at);
    this.at += 8;
    return value;
  }

  /** A 48-bit number. */
  u48(): number {
    return this.u16() * 2 ** 32 + this.u32();
  }

  /** An unsigned number of `bytes` bytes. */
  big(bytes: number): bigint {
    this.need(bytes);
    let value = 0n;
    let left = bytes;
    while (left >= 8) {
      value = (value << 64n) | this.u64();
      left -= 8;
    }
    if (left >= 4) {
      value = (value << 32n) | BigInt(this.u32());
      left -= 4;
    }
    while (left-- > 0) value = (value << 8n) | BigInt(this.u8());
    return value;
  }

  /** A copy of the next bytes. */
  take(bytes: number): Uint8Array {
    this.need(bytes);
    const part = this.bytes.slice(this.at, this.at + bytes);
    this.at += bytes;
    return part;
  }

  /** Text up to a zero byte within `bytes` bytes. */
  text(bytes: number): string {
    this.need(bytes);
    let end = this.at;
    while (end < this.at + bytes && this.bytes[end] !== 0) end++;
    const value = new TextDecoder().decode(this.bytes.subarray(this.at, end));
    this.at += bytes;
    return value;
  }

  skip(bytes: number): void {
    this.need(bytes);
    this.at += bytes;
  }

  /** Skips bytes that must be zero. */
  zeros(bytes: number, error: string): void {
    this.need(bytes);
    for (let i = 0; i < bytes; i++) if (this.bytes[this.at + i] !== 0) throw this.fail(error, "padding is not zero");
    this.at += bytes;
  }

  /** A reader of the next `bytes` bytes, which this one skips. */
  part(bytes: number, short = this.short): ByteReader {
    this.need(bytes);
    const reader = new ByteReader(this.bytes, this.at, this.at + bytes, short, this.#view);
    this.at += bytes;
    return reader;
  }

  peek16(offset: number): number {
    return this.#view.getUint16(this.at + offset);
  }
}

/** Grows as needed; `patch` methods fill in lengths afterwards. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get at(): number {
    return this.#at;
  }

  #room(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(2 * this.#bytes.length, at + bytes));
      bigger.set(this.#bytes.subarray(0, at));
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    this.#at = at + bytes;
    return at;
  }

  u8(value: number): this {
    // Room first: it may put a bigger array in place of this one.
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  u48(value: number): this {
    return this.u16(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  big(value: bigint, bytes: number): this {
    const at = this.#room(bytes);
    let rest = value;
    let i = at + bytes;
    while (i - at >= 4) {
      i -= 4;
      this.#view.setUint32(i, Number(rest & 0xffffffffn));
      rest >>= 32n;
    }
    while (i > at) {
      this.#bytes[--i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    return this;
  }

  zeros(bytes: number): this {
    const at = this.#room(bytes);
    this.#bytes.fill(0, at, at + bytes);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Text in `bytes` bytes, cut so that a zero byte remains at the end, filled with zeros. */
  text(text: string, bytes: number): this {
    const encoded = new TextEncoder().encode(text).subarray(0, bytes - 1);
    return this.raw(encoded).zeros(bytes - encoded.length);
  }

  /** Zeros up to a multiple of `unit` from `start` on. */
  pad(unit: number, start = 0): this {
    const over = (this.#at - start) % unit;
    return over === 0 ? this : this.zeros(unit - over);
  }

  patch16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  /** What was written from `start` on, as a copy. */
  slice(start = 0): Uint8Array {
    return this.#bytes.slice(start, this.#at);
  }

  /** Forgets everything from `at` on. */
  cut(at: number): void {
    this.#at = at;
  }
}
