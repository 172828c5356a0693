/** Cuts a byte stream into OpenFlow messages by the length in their headers. */
import { WeftError } from "@weft/runtime";

const HEADER = 8;

/**
 * Takes bytes as they come and hands over whole messages. A message is at most 65535 bytes long, so no more than that is
 * ever kept. A length below 8 leaves no way to go on: `push` throws a WeftError "openflow.bad-length".
 */
export class Framer {
  readonly #onMessage: (message: Uint8Array) => void;
  #pending: Uint8Array = new Uint8Array(0);
  #consumed = 0;

  constructor(onMessage: (message: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  /** Bytes of the stream that have been handed over as messages. */
  get consumed(): number {
    return this.#consumed;
  }

  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#pending.length > 0) {
      bytes = new Uint8Array(this.#pending.length + chunk.length);
      bytes.set(this.#pending);
      bytes.set(chunk, this.#pending.length);
    }
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length < HEADER)
        throw new WeftError("openflow.bad-length", `received OpenFlow message of ${length} bytes, shorter than its header`, {
          place: { offset: this.#consumed },
        });
      if (bytes.length - at < length) break;
      this.#consumed += length;
      const message = bytes.subarray(at, at + length);
      at += length;
      this.#onMessage(message);
    }
    this.#pending = at === bytes.length ? new Uint8Array(0) : bytes.slice(at);
  }
}
