/**
 * A record in pieces. Its text and its JSON tree as a whole would be in memory beside the rows that come of them, and the
 * collector of garbage would walk the tree again and again while it is read.
 */
import { WeftError } from "@weft/runtime";
import { parseUuid } from "../datum.ts";
import { type Json, type JsonObject, parseJson } from "../jsonrpc/json.ts";
import type { Uuid } from "../value.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const DASH = 0x2d;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Bytes of a uuid's text, and of a row's name with its quotes and the colon. */
export const UUID_LENGTH = 36;
const UUID_NAME = UUID_LENGTH + 3;

/** The record cannot be read in pieces; it may still be read as a whole. */
export class PiecesError extends WeftError {}

/** Some rows of one table, or no row of a record that has none. */
export interface Piece {
  /** The record's members that are no tables. */
  readonly plain: JsonObject;
  readonly table: string;
  /** The record. */
  readonly body: Uint8Array;
  readonly uuids: readonly Uuid[];
  /** What the record says of each row: the bytes from every second of these positions to the one behind it. */
  readonly spans: readonly number[];
}

/** What the record says of a row of a piece. Throws PiecesError. */
export function pieceRow({ body, spans }: Piece, index: number): Json {
  return parsePiece(body, spans[2 * index]!, spans[2 * index + 1]!);
}

/** Where a piece is in the record: the bytes of `"uuid":{...},"uuid":{...}`. */
interface Cut {
  readonly table: string;
  readonly from: number;
  readonly to: number;
  /** Where the rows' names begin, with their quotes. */
  readonly names: readonly number[];
}

// A byte order mark within the record would be an error in the whole, so it must be one in a piece.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A piece of a text: small ones are ASCII mostly, for which there is a faster way. Throws TypeError where it is not UTF-8. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
  for (let i = from; i < to; i++) if (bytes[i]! >= 0x80) return decoder.decode(bytes.subarray(from, to));
  return latin1Of(bytes, from, to);
}

/** A piece of a text of one byte a character. */
export function latin1Of(bytes: Uint8Array, from: number, to: number): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1", from, to);
}

/** Parses a piece of a record's text. Throws PiecesError. */
export function parsePiece(bytes: Uint8Array, from: number, to: number): Json {
  try {
    return parseJson(textOf(bytes, from, to));
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
export function memberEnd(body: Uint8Array, at: number): number {
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
 * Finds the rows of a transaction record, in pieces, each of about `size` bytes of text, that together are the record. It
 * must be in the compact form in which servers write it, and name its rows by uuids. Throws PiecesError, also after good
 * pieces.
 */
export function* recordPieces(body: Uint8Array, size: number): Iterable<Piece> {
  const plain: { [name: string]: Json } = {};
  const cuts: Cut[] = [];
  expectByte(body, 0, OPEN_BRACE);
  let at = 0;
  do {
    at++;
    expectByte(body, at, QUOTE);
    const colon = stringEnd(body, at);
    expectByte(body, colon, COLON);
    const name = String(parsePiece(body, at, colon));
    at = colon + 1;
    if (body[at] === OPEN_BRACE) at = cutTable(body, at, size, name, cuts);
    else {
      const end = memberEnd(body, at);
      plain[name] = parsePiece(body, at, end);
      at = end;
    }
  } while (body[at] === COMMA);
  expectByte(body, at, CLOSE_BRACE);
  if (at + 1 < body.length) expectByte(body, body.length - 1, NEWLINE);
  if (at + 2 < body.length) throw new PiecesError("ovsdb.pieces", `not in compact form at byte ${at + 1}`);
  if (cuts.length === 0) yield { plain, table: "", body, uuids: [], spans: [] };
  for (const cut of cuts) yield { plain, table: cut.table, body, ...rowsOf(body, cut) };
}

/** Cuts the object of a table's rows, which begins at `start`, into pieces, and gives the position behind it. */
function cutTable(body: Uint8Array, start: number, size: number, table: string, cuts: Cut[]): number {
  let from = start + 1;
  let at = from;
  let names: number[] = [];
  for (;;) {
    expectByte(body, at, QUOTE);
    names.push(at);
    at = memberEnd(body, stringEnd(body, at));
    const more = body[at] === COMMA;
    if (!more || at - from >= size) {
      cuts.push({ table, from, to: at, names });
      from = at + 1;
      names = [];
    }
    if (!more) break;
    at++;
  }
  expectByte(body, at, CLOSE_BRACE);
  return at + 1;
}

/** The rows of a piece: their uuids, and where in the record each is. */
function rowsOf(body: Uint8Array, { to, names }: Cut): Pick<Piece, "uuids" | "spans"> {
  const uuids: Uuid[] = [];
  const spans: number[] = [];
  for (const [i, name] of names.entries()) {
    const value = name + UUID_NAME;
    expectByte(body, value - 2, QUOTE);
    expectByte(body, value - 1, COLON);
    const text = latin1Of(body, name + 1, value - 2);
    const uuid = isUuidAt(body, name + 1) ? (text as Uuid) : parseUuid(text); // has the form of one
    if (uuid === undefined) throw new PiecesError("ovsdb.pieces", `no uuid at byte ${name}`);
    uuids.push(uuid);
    const next = names[i + 1];
    spans.push(value, next === undefined ? to : next - 1);
  }
  return { uuids, spans };
}

/** Whether a uuid is written at a position, in lower case. */
export function isUuidAt(bytes: Uint8Array, at: number): boolean {
  if (at + UUID_LENGTH > bytes.length) return false;
  for (let i = 0; i < UUID_LENGTH; i++) {
    const byte = bytes[at + i]!;
    const isHex = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);
    if (i === 8 || i === 13 || i === 18 || i === 23 ? byte !== DASH : !isHex) return false;
  }
  return true;
}
