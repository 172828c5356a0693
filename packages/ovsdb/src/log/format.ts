/**
 * The file format of standalone databases, ovsdb(5): records of two lines, `OVSDB JSON <length> <sha1>` and that many
 * bytes of JSON, line end included.
 */
import * as crypto from "node:crypto";
import { OvsdbError, syntaxError } from "../error.ts";
import { type Json, JsonError, parseJson } from "../jsonrpc/json.ts";
import { latin1Of, type Piece, recordPieces } from "./pieces.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/** The header line of a record whose JSON text, with the line end, is `body`. */
export function recordHeader(body: Uint8Array): string {
  return `OVSDB JSON ${body.length} ${sha1(body)}\n`;
}

/** One record, from its JSON text without the line end. */
export function encodeRecord(json: string): Uint8Array {
  const body = encoder.encode(`${json}\n`);
  return Buffer.concat([encoder.encode(recordHeader(body)), body]);
}

/** In hex. */
function sha1(data: Uint8Array): string {
  // Newer releases of Node 20 hash a short text several times faster so.
  return (
    (crypto.hash as typeof crypto.hash | undefined)?.("sha1", data, "hex") ?? crypto.createHash("sha1").update(data).digest("hex")
  );
}

export const CLUSTERED = "clustered databases are not supported: serve them with the original ovsdb-server";

/** Longest header line, magic and line end included. */
export const MAX_HEADER = 120;
const NEWLINE = 0x0a;

export interface LogContents {
  readonly records: readonly Json[];
  /** Bytes up to the end of the last whole record. */
  readonly goodSize: number;
  /** Why reading stopped before the end of the file. */
  readonly fault: OvsdbError | undefined;
}

/** The magic word of the first record, or undefined where the file is none of OVSDB's. */
export function magicOf(bytes: Uint8Array): string | undefined {
  const line = decoder.decode(bytes.subarray(0, MAX_HEADER));
  return /^OVSDB ([A-Z]+) /.exec(line)?.[1];
}

function checkMagic(bytes: Uint8Array, path: string): void {
  if (bytes.length === 0) throw new OvsdbError("ovsdb error", `${path}: cannot identify file type`);
  const magic = magicOf(bytes);
  if (magic === "CLUSTER") throw new OvsdbError("ovsdb error", `${path}: ${CLUSTERED}`);
  if (magic !== "JSON") throw new OvsdbError("ovsdb error", `${path}: unexpected file format`);
}

/** The first record of a log, which is the schema. Throws OvsdbError. */
export function readFirst(bytes: Uint8Array, path: string): Json {
  checkMagic(bytes, path);
  const body = readBody(bytes, 0, path);
  return parseBody(body, path, body.byteOffset - bytes.byteOffset);
}

export interface LogVisitor {
  record(record: Json): void;
  piece?(piece: Piece): void;
}

/**
 * Reads a log, giving every record to `visitor`. What is after the first record that is cut or damaged is not read, as the
 * reference does it; the fault then says what and where. Throws OvsdbError if the file is not a standalone database at
 * all, and what `visitor` throws.
 *
 * Where the visitor takes pieces and `pieceSize` is finite, transaction records come in pieces of about so many bytes at most
 * (see {@link recordPieces}, whose PiecesError this throws): a record that was begun may then turn out to be damaged.
 */
export function scanLog(
  bytes: Uint8Array,
  path: string,
  visitor: LogVisitor,
  pieceSize = Infinity,
): Omit<LogContents, "records"> {
  checkMagic(bytes, path);
  let at = 0;
  while (at < bytes.length) {
    let body: Uint8Array;
    let from: number;
    let json: Json | undefined;
    try {
      body = readBody(bytes, at, path);
      from = body.byteOffset - bytes.byteOffset;
      // The first record is the schema.
      if (at === 0 || visitor.piece === undefined || pieceSize === Infinity) json = parseBody(body, path, from);
    } catch (fault) {
      if (!(fault instanceof OvsdbError)) throw fault;
      return { goodSize: at, fault };
    }
    if (json !== undefined) visitor.record(json);
    else for (const piece of recordPieces(body, pieceSize)) visitor.piece?.(piece);
    at = from + body.length;
  }
  return { goodSize: at, fault: undefined };
}

/** As {@link scanLog}, with all records at once. */
export function readLog(bytes: Uint8Array, path: string): LogContents {
  const records: Json[] = [];
  const { goodSize, fault } = scanLog(bytes, path, { record: (record) => records.push(record) });
  return { records, goodSize, fault };
}

/** The JSON text of the record that begins at `start`. */
function readBody(bytes: Uint8Array, start: number, path: string): Uint8Array {
  const limit = Math.min(start + MAX_HEADER, bytes.length);
  let lineEnd = start;
  while (lineEnd < limit && bytes[lineEnd] !== NEWLINE) lineEnd++;
  const header = /^OVSDB JSON ([0-9]{1,15}) ([0-9a-f]{40})$/.exec(latin1Of(bytes, start, lineEnd));
  if (lineEnd === limit || header === null) {
    const line = decoder.decode(bytes.subarray(start, lineEnd));
    throw syntaxError(`${path}: parse error at offset ${start} in header line "${line}"`);
  }
  const from = lineEnd + 1;
  const length = Number(header[1]);
  const end = from + length;
  if (end > bytes.length) {
    throw new OvsdbError("I/O error", `${path}: error reading ${length} bytes starting at offset ${from} (End of file)`);
  }
  const body = bytes.subarray(from, end);
  const hash = sha1(body);
  if (hash !== header[2]) {
    throw syntaxError(
      `${path}: ${length} bytes starting at offset ${from} have SHA-1 hash ${hash} but should have hash ${header[2]}`,
    );
  }
  return body;
}

function parseBody(body: Uint8Array, path: string, from: number): Json {
  try {
    return parseJson(strictDecoder.decode(body));
  } catch (error) {
    const why = error instanceof JsonError ? error.message : "not valid UTF-8";
    throw syntaxError(`${path}: ${body.length} bytes starting at offset ${from} are not valid JSON (${why})`);
  }
}
