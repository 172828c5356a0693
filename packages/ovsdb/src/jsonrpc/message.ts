/** JSON-RPC 1.0 messages as OVSDB uses them (RFC 7047 section 4). */
import { WeftError } from "@weft/runtime";
import { isArray, isObject, type Json, stringifyJson } from "./json.ts";

export interface Request {
  readonly method: string;
  readonly params: readonly Json[];
  /** Not null. */
  readonly id: Json;
}

export interface Notification {
  readonly method: string;
  readonly params: readonly Json[];
  readonly id: null;
}

/** A reply: `error` is null for success. */
export interface Reply {
  readonly result: Json;
  readonly error: Json;
  readonly id: Json;
}

export type Message = Request | Notification | Reply;

export function isReply(message: Message): message is Reply {
  return !("method" in message);
}

export function isRequest(message: Request | Notification): message is Request {
  return message.id !== null;
}

/** The peer sent JSON that is not a JSON-RPC message. */
export class MessageError extends WeftError {}

/** Checks that a JSON value is a message. Throws {@link MessageError}. */
export function messageFrom(value: Json): Message {
  const bad = (why: string): never => {
    throw new MessageError("jsonrpc.bad-message", `received bad JSON-RPC message: ${why}`);
  };
  if (!isObject(value)) return bad("message is not a JSON object");
  const { method, params, result, error, id } = value;
  for (const key in value) {
    if (key !== "method" && key !== "params" && key !== "result" && key !== "error" && key !== "id") {
      return bad(`message has unexpected member "${key}"`);
    }
  }
  if (method !== undefined && method !== null) {
    if (typeof method !== "string") return bad("method is not a JSON string");
    if (!isArray(params)) return bad(params === undefined ? 'request must have "params"' : '"params" must be JSON array');
    if (result !== undefined && result !== null) return bad('request must not have "result"');
    if (error !== undefined && error !== null) return bad('request must not have "error"');
    return { method, params, id: id ?? null };
  }
  if (params !== undefined && params !== null) return bad('reply must not have "params"');
  if (id === undefined || id === null) return bad('reply must have "id"');
  if (result === undefined && error === undefined) return bad('reply must have "result" or "error"');
  return { result: result ?? null, error: error ?? null, id };
}

/** The wire text of a message. */
export function messageText(message: Message): string {
  if (isReply(message)) {
    return `{"error":${stringifyJson(message.error)},"id":${stringifyJson(message.id)},"result":${stringifyJson(message.result)}}`;
  }
  return `{"id":${stringifyJson(message.id)},"method":${stringifyJson(message.method)},"params":${stringifyJson(message.params)}}`;
}

/**
 * A message that may go to many, or whose text is there already: its bytes are made once, and only if some channel needs
 * bytes. `bytes`, if given, is what the message serialises to, in one or more parts.
 */
export class SharedMessage {
  readonly #make: () => Message;
  readonly #serialise: () => readonly Uint8Array[];
  #message: Message | undefined;
  #bytes: readonly Uint8Array[] | undefined;

  constructor(make: () => Message, bytes?: () => readonly Uint8Array[]) {
    this.#make = make;
    this.#serialise = bytes ?? (() => [Buffer.from(messageText(this.message))]);
  }

  get message(): Message {
    this.#message ??= this.#make();
    return this.#message;
  }

  get bytes(): readonly Uint8Array[] {
    this.#bytes ??= this.#serialise();
    return this.#bytes;
  }
}
