/**
 * A long record in pieces. Its text and its JSON tree as a whole would be in memory beside the rows that come of them, and
 * the collector of garbage would walk the tree again and again while it is read.
 */
import { WeftError } from "@weft/runtime";
import { parseUuid } from "../datum.ts";
import { isArray, type Json, type JsonObject, parseJson } from "../jsonrpc/json.ts";
import type { Uuid } from "../value.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Bytes of a row's name, its quotes and the colon. */
const UUID_NAME = 39;

/** The record cannot be read in pieces; it may still be read as a whole. */
export class PiecesError extends WeftError {}

/** Some rows of one table, or no row of a record that has none. */
export interface Piece {
  /** The record's members that are no tables. */
  readonly plain: JsonObject;
  readonly table: string;
  /** The rows, and what the record says of each. */
  readonly uuids: readonly Uuid[];
  readonly rows: readonly Json[];
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
 * Parses a transaction record in pieces of whole rows, each of about `size` bytes of text, that together are the record. It
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
    const name = String(parse(body.subarray(at, colon)));
    at = colon + 1;
    if (body[at] === OPEN_BRACE) at = cutTable(body, at, size, name, cuts);
    else {
      const end = memberEnd(body, at);
      plain[name] = parse(body.subarray(at, end));
      at = end;
    }
  } while (body[at] === COMMA);
  expectByte(body, at, CLOSE_BRACE);
  if (at + 1 < body.length) expectByte(body, body.length - 1, NEWLINE);
  if (at + 2 < body.length) throw new PiecesError("ovsdb.pieces", `not in compact form at byte ${at + 1}`);
  if (cuts.length === 0) yield { plain, table: "", uuids: [], rows: [] };
  for (const cut of cuts) yield { plain, table: cut.table, ...parseCut(body, cut) };
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

/**
 * Parses a piece as an array of rows, without their names: an object with a member for each uuid takes the engine more than
 * twice the time, for it makes a type of its own for each.
 */
function parseCut(body: Uint8Array, { from, to, names }: Cut): Pick<Piece, "uuids" | "rows"> {
  const piece = Buffer.from(body.buffer, body.byteOffset + from, to - from);
  const text = piece.toString("latin1");
  const values = Buffer.allocUnsafe(piece.length);
  let length = 0;
  const uuids: Uuid[] = [];
  for (const [i, start] of names.entries()) {
    const value = start + UUID_NAME;
    expectByte(body, value - 2, QUOTE);
    expectByte(body, value - 1, COLON);
    const uuid = parseUuid(text.substring(start + 1 - from, value - 2 - from));
    if (uuid === undefined) throw new PiecesError("ovsdb.pieces", `no uuid at byte ${start}`);
    uuids.push(uuid);
    // With the comma in front of the next name.
    length += piece.copy(values, length, value - from, (names[i + 1] ?? to) - from);
  }
  const rows = parse(values.subarray(0, length), "[", "]");
  if (!isArray(rows) || rows.length !== uuids.length) throw new PiecesError("ovsdb.pieces", `no rows at byte ${from}`);
  return { uuids, rows };
}
