/**
 * Finds the messages in a stream of bytes. JSON-RPC 1.0 over a stream (RFC 7047 section 4) has no frames: a message is a
 * JSON object and ends with its brace. The scanner looks at every byte once, wherever the stream was cut into chunks, and
 * gives each whole message to one JSON.parse.
 */
import { WeftError } from "@weft/runtime";
import { type Json, JsonError, MAX_DEPTH, parseExact, parsePlain } from "./json.ts";

/** The bytes are not a stream of JSON objects. `place.offset` counts bytes from the beginning of the stream. */
export class FramingError extends WeftError {}

/** Messages longer than this are refused: 256 MiB. */
export const MAX_MESSAGE = 256 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class Framer {
  readonly #limit: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** Bytes of the message begun in earlier chunks. */
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  /** Open braces and brackets; 0 between messages. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Digits seen in a row, outside strings. */
  #digits = 0;
  /** The message needs the exact parser: a long number, an exponent or a \u escape. */
  #exact = false;
  /** Stream offset of the first byte of the current chunk. */
  #offset = 0;

  constructor(limit: number = MAX_MESSAGE) {
    this.#limit = limit;
  }

  /** Bytes held of a message that is not whole yet. */
  get held(): number {
    return this.#partsLength;
  }

  /**
   * Takes a chunk, which must not be changed afterwards, and calls `emit` for every message that ends in it.
   * Throws {@link FramingError}; the framer must not be used after that.
   */
  push(chunk: Uint8Array, emit: (message: Json) => void): void {
    const length = chunk.length;
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let digits = this.#digits;
    /** Where the message begins in this chunk. */
    let from = 0;
    let i = 0;
    while (i < length) {
      if (inString) {
        if (escaped) {
          if (chunk[i] === 0x75) this.#exact = true;
          escaped = false;
          i++;
        }
        while (i < length && chunk[i] !== QUOTE && chunk[i] !== BACKSLASH) i++;
        if (i === length) break;
        if (chunk[i] === QUOTE) inString = false;
        else escaped = true;
        i++;
        continue;
      }
      const c = chunk[i]!;
      if (c >= 0x30 && c <= 0x39) {
        if (++digits >= 16) this.#exact = true;
      } else {
        if (digits > 0) {
          if ((c | 0x20) === 0x65) this.#exact = true;
          digits = 0;
        }
        if (depth === 0 && c !== 0x7b) {
          if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) this.#fail("syntax error at beginning of input", i);
          i++;
          from = i;
          continue;
        }
        if (c === QUOTE) inString = true;
        else if (c === 0x7b || c === 0x5b) {
          if (depth === 0) from = i;
          if (++depth > MAX_DEPTH) this.#fail(`input exceeds maximum nesting depth ${MAX_DEPTH}`, i);
        } else if (c === 0x7d || c === 0x5d) {
          if (--depth === 0) {
            emit(this.#finish(chunk, from, i + 1));
            from = i + 1;
          }
        }
      }
      if (depth === 0 && digits > 0) this.#fail("syntax error at beginning of input", i);
      i++;
    }
    if (depth > 0) {
      const rest = from === 0 ? chunk : chunk.subarray(from);
      this.#parts.push(rest);
      this.#partsLength += rest.length;
      if (this.#partsLength > this.#limit) this.#fail(`message longer than ${this.#limit} bytes`, length);
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    this.#digits = digits;
    this.#offset += length;
  }

  #finish(chunk: Uint8Array, from: number, to: number): Json {
    let bytes = chunk.subarray(from, to);
    const start = this.#offset + from - this.#partsLength;
    if (this.#partsLength > 0) {
      bytes = join(this.#parts, this.#partsLength, bytes);
      this.#parts = [];
      this.#partsLength = 0;
    }
    if (bytes.length > this.#limit) this.#fail(`message longer than ${this.#limit} bytes`, to);
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
    } catch (cause) {
      const at = start + validUtf8Prefix(bytes);
      throw new FramingError("jsonrpc.utf8", `invalid UTF-8 sequence at byte ${at}`, { place: { offset: at }, cause });
    }
    const exact = this.#exact;
    this.#exact = false;
    try {
      return exact ? parseExact(text) : parsePlain(text);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      const within = new TextEncoder().encode(text.slice(0, error.place.offset ?? 0)).length;
      const message = error.message.replace(/ at offset \d+$/, "");
      throw new FramingError("jsonrpc.syntax", `${message} at byte ${start + within}`, { place: { offset: start + within } });
    }
  }

  #fail(what: string, index: number): never {
    const offset = this.#offset + index;
    throw new FramingError("jsonrpc.syntax", `${what} at byte ${offset}`, { place: { offset } });
  }
}

function join(parts: readonly Uint8Array[], length: number, last: Uint8Array): Uint8Array {
  const whole = new Uint8Array(length + last.length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  whole.set(last, at);
  return whole;
}

/** How many bytes at the beginning are whole UTF-8 sequences. */
function validUtf8Prefix(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decodes = (end: number): boolean => {
    try {
      decoder.decode(bytes.subarray(0, end), { stream: true });
      decoder.decode();
      return true;
    } catch {
      return false;
    }
  };
  // Whether a prefix decodes is not monotonic within a sequence (a cut one fails); steps of bisection stay near the fault.
  while (bad - good > 4) {
    const middle = (good + bad) >>> 1;
    let end = middle;
    while (end > good && (bytes[end]! & 0xc0) === 0x80 && middle - end < 3) end--;
    if (decodes(end)) good = Math.max(end, good + 1);
    else bad = end > good ? end : middle;
  }
  while (good < bad && decodes(good + 1)) good++;
  return good;
}
