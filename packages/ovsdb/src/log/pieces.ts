/**
 * A long record in pieces. Its text and its JSON tree as a whole would be in memory beside the rows that come of them, and
 * the collector of garbage would walk the tree again and again while it is read.
 */
import { WeftError } from "@weft/runtime";
import { type Json, type JsonObject, parseJson } from "../jsonrpc/json.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The record cannot be read in pieces; it may still be read as a whole. */
export class PiecesError extends WeftError {}

/** Some rows of one table: the bytes of `"uuid":{...},"uuid":{...}`. */
interface Rows {
  readonly table: string;
  readonly bytes: Uint8Array;
}

// A byte order mark within the record would be an error in the whole, so it must be one in a piece.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(bytes: Uint8Array, before = "", after = ""): Json {
  try {
    return parseJson(`${before}${decoder.decode(bytes)}${after}`);
  } catch (error) {
    throw new PiecesError("ovsdb.pieces", "a piece is not JSON", { cause: error });
  }
}

/** Throws PiecesError where another byte stands. */
function expectByte(body: Uint8Array, at: number, byte: number): void {
  if (body[at] !== byte) throw new PiecesError("ovsdb.pieces", `not in compact form at byte ${at}`);
}

/** The position behind the string whose first quote is at `at`; behind the end of `body` if it does not end. */
function stringEnd(body: Uint8Array, at: number): number {
  let end = at + 1;
  while (end < body.length && body[end] !== QUOTE) end += body[end] === BACKSLASH ? 2 : 1;
  return end + 1;
}

/** The position of the comma or bracket that ends the member at `at`. */
function memberEnd(body: Uint8Array, at: number): number {
  let depth = 0;
  let end = at;
  while (end < body.length) {
    const byte = body[end];
    if (byte === QUOTE) {
      end = stringEnd(body, end);
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return end;
      depth--;
    } else if (byte === COMMA && depth === 0) return end;
    end++;
  }
  return end;
}

/**
 * Parses a transaction record in pieces of whole rows, each of about `size` bytes of text, that together are the record: an
 * object with the record's members that are no tables, and some rows of one table. The record must be in the compact form
 * in which servers write it. Throws PiecesError, also after good pieces.
 */
export function* recordPieces(body: Uint8Array, size: number): Iterable<JsonObject> {
  const plain: { [name: string]: Json } = {};
  const pieces: Rows[] = [];
  expectByte(body, 0, OPEN_BRACE);
  let at = 0;
  do {
    at++;
    expectByte(body, at, QUOTE);
    const colon = stringEnd(body, at);
    expectByte(body, colon, COLON);
    const name = String(parse(body.subarray(at, colon)));
    at = colon + 1;
    if (body[at] === OPEN_BRACE) at = cutTable(body, at, size, name, pieces);
    else {
      const end = memberEnd(body, at);
      plain[name] = parse(body.subarray(at, end));
      at = end;
    }
  } while (body[at] === COMMA);
  expectByte(body, at, CLOSE_BRACE);
  if (at + 1 < body.length) expectByte(body, body.length - 1, NEWLINE);
  if (at + 2 < body.length) throw new PiecesError("ovsdb.pieces", `not in compact form at byte ${at + 1}`);
  if (pieces.length === 0) yield plain;
  for (const { table, bytes } of pieces) yield { ...plain, [table]: parse(bytes, "{", "}") };
}

/** Cuts the object of a table's rows, which begins at `start`, into pieces, and gives the position behind it. */
function cutTable(body: Uint8Array, start: number, size: number, table: string, pieces: Rows[]): number {
  let from = start + 1;
  let at = from;
  for (;;) {
    expectByte(body, at, QUOTE);
    at = memberEnd(body, at);
    const more = body[at] === COMMA;
    if (!more || at - from >= size) {
      pieces.push({ table, bytes: body.subarray(from, at) });
      from = at + 1;
    }
    if (!more) break;
    at++;
  }
  expectByte(body, at, CLOSE_BRACE);
  return at + 1;
}
