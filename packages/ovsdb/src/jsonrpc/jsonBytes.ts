/**
 * JSON text written as bytes, piece by piece: no text as a whole, and no objects, come between the values and what goes to
 * the disk. Whoever writes is responsible for the brackets and commas.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Bytes of room at first, and at most for the next time. */
const USUAL = 64 * 1024;
const KEPT = 1024 * 1024;

export class JsonBytes {
  #bytes = Buffer.allocUnsafeSlow(USUAL);
  /** The end of what is written; may be set back. */
  end = 0;

  #reserve(count: number): void {
    if (this.end + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.end + count));
    this.#bytes.copy(larger, 0, 0, this.end);
    this.#bytes = larger;
  }

  /** Text of characters below 128 that is JSON already. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const bytes = this.#bytes;
    let { end } = this;
    for (let i = 0; i < length; i++) bytes[end++] = text.charCodeAt(i);
    this.end = end;
  }

  /** A JSON string of the given value. */
  string(value: string): void {
    const { length } = value;
    this.#reserve(length + 2);
    const bytes = this.#bytes;
    let { end } = this;
    bytes[end++] = QUOTE;
    for (let i = 0; i < length; i++) {
      const c = value.charCodeAt(i);
      if (c < 0x20 || c > 0x7e || c === QUOTE || c === BACKSLASH) {
        this.#escaped(value);
        return;
      }
      bytes[end++] = c;
    }
    bytes[end++] = QUOTE;
    this.end = end;
  }

  #escaped(value: string): void {
    const text = JSON.stringify(value);
    this.#reserve(3 * text.length);
    this.end += this.#bytes.write(text, this.end);
  }

  /** Writes over what is there already. */
  overwrite(at: number, text: string): void {
    this.#bytes.write(text, at, "latin1");
  }

  /** What is written from a position on; good until the next thing is written. */
  from(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.end);
  }

  /** What is written from a position on, for the caller to keep; then nothing is. */
  take(start: number): Uint8Array {
    const { end } = this;
    this.end = 0;
    if (this.#bytes.length <= KEPT) return Buffer.from(this.#bytes.subarray(start, end));
    const taken = this.#bytes.subarray(start, end);
    this.#bytes = Buffer.allocUnsafeSlow(USUAL);
    return taken;
  }
}
