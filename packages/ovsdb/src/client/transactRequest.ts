/** A request "transact" (RFC 7047 section 4.1.3) that is text from the start: each operation is an object only until it is added. */
import type { PreparedRequest } from "../jsonrpc/connection.ts";
import { type Json, parseJson, stringifyJson } from "../jsonrpc/json.ts";
import { messageFrom, SharedMessage } from "../jsonrpc/message.ts";

/** Characters of a part that is made into bytes by itself. */
const PART = 1 << 16;

export class TransactRequest implements PreparedRequest {
  readonly #parts: Uint8Array[] = [];
  /** What no part has yet. */
  #text: string;

  constructor(database: string) {
    this.#text = `{"method":"transact","params":[${stringifyJson(database)}`;
  }

  add(operation: Json): void {
    this.#text += `,${stringifyJson(operation)}`;
    if (this.#text.length < PART) return;
    this.#parts.push(Buffer.from(this.#text));
    this.#text = "";
  }

  message(id: number): SharedMessage {
    const bytes = [...this.#parts, Buffer.from(`${this.#text}],"id":${id}}`)];
    // A channel within the process takes an object.
    const message = () => messageFrom(parseJson(Buffer.concat(bytes).toString()));
    return new SharedMessage(message, () => bytes);
  }
}
