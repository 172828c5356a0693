/** What became of a transaction, by the reply to "transact" (RFC 7047 section 4.1.3). */
import { isArray, isObject, type Json, type JsonObject, stringifyJson } from "../jsonrpc/json.ts";
import type { Reply } from "../jsonrpc/message.ts";
import type { TransactionResult } from "../replica.ts";
import type { Uuid } from "../value.ts";
import type { Operations } from "./draft.ts";

function failure(error: Json): TransactionResult {
  if (!isObject(error)) return { status: "error", error: stringifyJson(error), json: error };
  const { error: text, details } = error;
  return {
    status: "error",
    error: typeof text === "string" ? text : stringifyJson(error),
    ...(typeof details === "string" ? { details } : {}),
    json: error,
  };
}

/** A hard error counts before a lost lock, and that before a prerequisite that did not hold. */
export function outcomeOf(sent: Operations, reply: Reply): TransactionResult {
  if (reply.error !== null) return failure(reply.error);
  if (!isArray(reply.result)) return { status: "error", error: "bad reply to transact", json: reply.result };
  const results = reply.result;
  const errors = results.filter((result): result is JsonObject => isObject(result) && "error" in result);
  const hard = errors.find(
    ({ error }) => error !== "timed out" && error !== "not owner" && error !== "aborted" && error !== null,
  );
  if (hard !== undefined) return failure(hard);
  if (errors.some(({ error }) => error === "not owner")) return { status: "not-locked" };
  if (errors.length > 0) return { status: "try-again" };
  const inserted = new Map<string, Uuid>();
  for (const [handle, index] of sent.inserts) {
    const result = results[index];
    const uuid = isObject(result) && isArray(result["uuid"]) ? result["uuid"][1] : undefined;
    if (typeof uuid !== "string") return { status: "error", error: "insert without a uuid in the reply", json: reply.result };
    inserted.set(handle, uuid as Uuid); // a uuid by the protocol
  }
  if (sent.increment === undefined) return { status: "success", inserted };
  const selected = results[sent.increment.index];
  const row = isObject(selected) && isArray(selected["rows"]) ? selected["rows"][0] : undefined;
  const increment = isObject(row) ? row[sent.increment.column] : undefined;
  return typeof increment === "number"
    ? { status: "success", inserted, increment }
    : { status: "error", error: "no value of the incremented column in the reply", json: reply.result };
}
