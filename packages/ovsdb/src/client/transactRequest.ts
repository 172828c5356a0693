/** A request "transact" (RFC 7047 section 4.1.3) in parts: what the server has of it, it can read while the rest is made. */
import { type Json, stringifyJson } from "../jsonrpc/json.ts";

/** Characters of a part. */
const PART = 1 << 18;

/** The bytes of the request; the last are returned. Each operation is an object only until it is text. */
export function* transactRequest(database: string, operations: Iterable<Json>, id: number): Generator<Uint8Array, Uint8Array> {
  let text = `{"id":${id},"method":"transact","params":[${stringifyJson(database)}`;
  for (const operation of operations) {
    text += `,${stringifyJson(operation)}`;
    if (text.length < PART) continue;
    yield Buffer.from(text);
    text = "";
  }
  return Buffer.from(`${text}]}`);
}
