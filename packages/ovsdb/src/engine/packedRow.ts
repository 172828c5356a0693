/**
 * Rows at rest. A database has far more rows than anybody works on at a time, so that a row is kept as one string: a tenth
 * of what its values take as objects, and nothing in it for the collector of garbage to follow. Its characters are bytes:
 *
 * - the row's uuid, 16 bytes;
 * - the number of this version of the row (see {@link versionOf});
 * - for each column in the order of the schema the length of the rest of the cell, and its atoms one after the other,
 *   for a map keys and values in turn.
 *
 * An atom is, by its type: integer, a byte for its kind and a number; real, 8 bytes; boolean, a byte; uuid, 16 bytes;
 * string, twice its length in UTF-16 units (plus 1 where not all of these are below 256) as a number, and the units, of one
 * byte each (of two, low byte first). A number has 7 bits in each byte, the lowest first, and the upper bit where another
 * byte follows.
 */
import { uuidFromBytes } from "@weft/runtime";
import type { ColumnType } from "../columnType.ts";
import { EMPTY } from "../datum.ts";
import type { ColumnSchema } from "../model.ts";
import type { Atom, AtomicType, Datum, Uuid } from "../value.ts";

declare const packedBrand: unique symbol;
export type PackedRow = string & { readonly [packedBrand]: true };

const UUID_SIZE = 16;

const NATURAL = 0;
/** A negative integer is that number below -1. */
const NEGATIVE = 1;
/** An integer beyond 2^53, 8 bytes. */
const LONG = 2;

/** Bytes of room for what is being packed, at first and at most from one row to the next. */
const USUAL = 64 * 1024;
const KEPT = 1024 * 1024;

let bytes = Buffer.allocUnsafeSlow(USUAL);
let view = new DataView(bytes.buffer);
/** The end of what has been packed. */
let end = 0;

function room(size: number): void {
  const old = bytes.subarray(0, end);
  bytes = Buffer.allocUnsafeSlow(size);
  view = new DataView(bytes.buffer);
  bytes.set(old);
}

function reserve(count: number): void {
  if (end + count > bytes.length) room(2 * (end + count));
}

function writeNumber(value: number): void {
  let rest = value;
  while (rest >= 128) {
    bytes[end++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[end++] = rest;
}

function numberSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

const HEX = "0123456789abcdef";
/** The values of hexadecimal digits, by character code. */
const NIBBLES = new Uint8Array(256);
for (const [value, digit] of [...HEX].entries()) NIBBLES[digit.charCodeAt(0)] = value;

/** Positions in a uuid's text of the first digits of its bytes. */
const DIGITS: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

function byteOf(uuid: string, index: number): number {
  const at = DIGITS[index]!;
  return (NIBBLES[uuid.charCodeAt(at)]! << 4) | NIBBLES[uuid.charCodeAt(at + 1)]!;
}

function writeUuid(uuid: string): void {
  for (let i = 0; i < UUID_SIZE; i++) bytes[end++] = byteOf(uuid, i);
}

function writeString(text: string): void {
  const { length } = text;
  reserve(2 * length + 8);
  const start = end;
  writeNumber(2 * length);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 255) {
      end = start;
      writeWideString(text);
      return;
    }
    bytes[end++] = unit;
  }
}

function writeWideString(text: string): void {
  writeNumber(2 * text.length + 1);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[end++] = unit & 255;
    bytes[end++] = unit >>> 8;
  }
}

function writeInteger(value: number | bigint): void {
  if (typeof value === "bigint") {
    bytes[end++] = LONG;
    view.setBigInt64(end, value);
    end += 8;
  } else if (value >= 0) {
    bytes[end++] = NATURAL;
    writeNumber(value);
  } else {
    bytes[end++] = NEGATIVE;
    writeNumber(-1 - value);
  }
}

/** A column's values are of its type, which is why the casts here are right. */
function writeAtom(atom: Atom, type: AtomicType): void {
  reserve(UUID_SIZE);
  switch (type) {
    case "string":
      return writeString(atom as string);
    case "uuid":
      return writeUuid(atom as string);
    case "integer":
      return writeInteger(atom as number | bigint);
    case "boolean":
      bytes[end++] = atom === true ? 1 : 0;
      return;
    case "real":
      view.setFloat64(end, atom as number);
      end += 8;
  }
}

/** Begins a cell, with a byte for its length; where it is. */
function beginCell(): number {
  reserve(UUID_SIZE);
  return end++;
}

/** Sets the length of the cell that was begun at `start`. */
function endCell(start: number): void {
  const length = end - start - 1;
  if (length < 128) {
    bytes[start] = length;
    return;
  }
  // The length takes more than the byte that was left for it.
  const size = numberSize(length);
  reserve(size);
  bytes.copyWithin(start + size, start + 1, end);
  end = start;
  writeNumber(length);
  end += length;
}

function writeCell(cell: Datum, { key, value }: ColumnType): void {
  const start = beginCell();
  if (value === undefined) for (let i = 0; i < cell.length; i++) writeAtom(cell[i]!, key.type);
  else for (let i = 0; i < cell.length; i++) writeAtom(cell[i]!, (i & 1) === 0 ? key.type : value.type);
  endCell(start);
}

/** What {@link cellEquals} compares with. */
export type PackedCell = string & { readonly [packedBrand]: true };

export function packCell(cell: Datum, type: ColumnType): PackedCell {
  end = 0;
  writeCell(cell, type);
  return finish() as PackedCell; // a cell was written
}

/** Packs a row; `version` is a natural number. */
export function packRow(uuid: Uuid, version: number, cells: readonly Datum[], columns: readonly ColumnSchema[]): PackedRow {
  end = 0;
  writeUuid(uuid);
  writeNumber(version);
  for (let i = 0; i < columns.length; i++) writeCell(cells[i]!, columns[i]!.type);
  return finish() as PackedRow; // a row was written
}

/**
 * Packs a row of cells that come one by one in any order, their atoms as the bytes of their texts: for who reads many rows and has
 * no use for their values. No other row may be packed between {@link CellPacker.begin} and {@link CellPacker.finish}.
 */
export class CellPacker {
  readonly #columns: readonly ColumnSchema[];
  /** Where each column's cell is from and to; two zeros for the default. */
  readonly #spans: Int32Array;
  #start = 0;

  constructor(columns: readonly ColumnSchema[]) {
    this.#columns = columns;
    this.#spans = new Int32Array(2 * columns.length);
  }

  begin(): void {
    end = 0;
    this.#spans.fill(0);
  }

  beginCell(): void {
    this.#start = beginCell();
  }

  /** The cell that was begun is that of a column: the last one is. */
  endCell(column: ColumnSchema): void {
    endCell(this.#start);
    this.#spans[2 * column.index] = this.#start;
    this.#spans[2 * column.index + 1] = end;
  }

  /** Another cell in place of the one that was begun. */
  replaceCell(column: ColumnSchema, cell: Datum): void {
    end = this.#start;
    writeCell(cell, column.type);
    this.#spans[2 * column.index] = this.#start;
    this.#spans[2 * column.index + 1] = end;
  }

  /** A string, by the bytes of its ASCII text. */
  ascii(text: Uint8Array, from: number, to: number): void {
    reserve(to - from + 8);
    writeNumber(2 * (to - from));
    for (let i = from; i < to; i++) bytes[end++] = text[i]!;
  }

  /** A uuid, by the position of its 36 digits and dashes. */
  uuid(text: Uint8Array, from: number): void {
    reserve(UUID_SIZE);
    for (let i = 0; i < UUID_SIZE; i++) {
      const digit = from + DIGITS[i]!;
      bytes[end++] = (NIBBLES[text[digit]!]! << 4) | NIBBLES[text[digit + 1]!]!;
    }
  }

  integer(value: number): void {
    reserve(UUID_SIZE);
    writeInteger(value);
  }

  boolean(value: boolean): void {
    reserve(UUID_SIZE);
    bytes[end++] = value ? 1 : 0;
  }

  /** The row of the cells since {@link begin}, with defaults for the columns of which there is none. */
  finish(uuid: Uuid, version: number): PackedRow {
    const row = end;
    reserve(row + 2 * UUID_SIZE);
    writeUuid(uuid);
    writeNumber(version);
    for (let i = 0; i < this.#columns.length; i++) {
      const from = this.#spans[2 * i]!;
      const to = this.#spans[2 * i + 1]!;
      if (to === 0) writeCell(this.#columns[i]!.default, this.#columns[i]!.type);
      else {
        reserve(to - from);
        for (let at = from; at < to; at++) bytes[end++] = bytes[at]!;
      }
    }
    return finish(row) as PackedRow; // a row was written
  }
}

function finish(start = 0): string {
  const packed = bytes.toString("latin1", start, end);
  end = 0;
  if (bytes.length > KEPT) room(USUAL);
  return packed;
}

/** Where the next thing is read. */
let at = 0;

function readNumber(row: PackedRow): number {
  let byte = row.charCodeAt(at++);
  let value = byte & 127;
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = row.charCodeAt(at++);
    value += (byte & 127) * scale;
  }
  return value;
}

/** A uuid's text, from character codes: a text put together from pieces would keep the pieces. */
const uuidText = Buffer.alloc(36, "-");

function readUuid(row: PackedRow): Uuid {
  for (let i = 0; i < UUID_SIZE; i++) {
    const byte = row.charCodeAt(at++);
    const digit = DIGITS[i]!;
    uuidText[digit] = HEX.charCodeAt(byte >>> 4);
    uuidText[digit + 1] = HEX.charCodeAt(byte & 15);
  }
  return uuidText.toString("latin1") as Uuid; // has the form of one
}

function readString(row: PackedRow): string {
  const number = readNumber(row);
  const length = number >>> 1;
  const start = at;
  if ((number & 1) === 0) {
    at += length;
    return row.substring(start, at);
  }
  at += 2 * length;
  let text = "";
  for (let i = start; i < at; i += 2) text += String.fromCharCode(row.charCodeAt(i) | (row.charCodeAt(i + 1) << 8));
  return text;
}

const word = new DataView(new ArrayBuffer(8));

/** The next eight bytes, in {@link word}. */
function readWord(row: PackedRow): DataView {
  for (let i = 0; i < 8; i++) word.setUint8(i, row.charCodeAt(at++));
  return word;
}

function readInteger(row: PackedRow): number | bigint {
  const kind = row.charCodeAt(at++);
  if (kind === LONG) return readWord(row).getBigInt64(0);
  const value = readNumber(row);
  return kind === NATURAL ? value : -1 - value;
}

function readAtom(row: PackedRow, type: AtomicType): Atom {
  switch (type) {
    case "string":
      return readString(row);
    case "uuid":
      return readUuid(row);
    case "integer":
      return readInteger(row);
    case "boolean":
      return row.charCodeAt(at++) === 1;
    case "real":
      return readWord(row).getFloat64(0);
  }
}

function readCell(row: PackedRow, { key, value }: ColumnType): Datum {
  const length = readNumber(row);
  if (length === 0) return EMPTY;
  const end = at + length;
  if (value === undefined) {
    const atoms = [readAtom(row, key.type)];
    while (at < end) atoms.push(readAtom(row, key.type));
    return atoms;
  }
  const flat: Atom[] = [];
  while (at < end) flat.push(readAtom(row, key.type), readAtom(row, value.type));
  return flat;
}

/** All cells of a row. */
export function cellsOf(row: PackedRow, columns: readonly ColumnSchema[]): Datum[] {
  at = UUID_SIZE;
  readNumber(row);
  const cells = new Array<Datum>(columns.length);
  for (let i = 0; i < columns.length; i++) cells[i] = readCell(row, columns[i]!.type);
  return cells;
}

/** Goes to a cell of a row: the ones before it are passed over. */
function seekCell(row: PackedRow, column: ColumnSchema): void {
  at = UUID_SIZE;
  readNumber(row);
  for (let i = 0; i < column.index; i++) {
    const length = readNumber(row);
    at += length;
  }
}

/** One cell of a row. */
export function cellOf(row: PackedRow, column: ColumnSchema): Datum {
  seekCell(row, column);
  return readCell(row, column.type);
}

/** Whether a row has this cell in a column: what is equal is packed equally. */
export function cellEquals(row: PackedRow, column: ColumnSchema, cell: PackedCell): boolean {
  seekCell(row, column);
  return row.startsWith(cell, at);
}

export function uuidOf(row: PackedRow): Uuid {
  at = 0;
  return readUuid(row);
}

/** Whether a row is the one of this uuid. */
export function hasUuid(row: PackedRow, uuid: Uuid): boolean {
  for (let i = 0; i < UUID_SIZE; i++) if (row.charCodeAt(i) !== byteOf(uuid, i)) return false;
  return true;
}

/**
 * The row's `_version`: a uuid that follows from its uuid, the number of this version and `seed`, which is a random uuid of
 * the table's own. Those of one row differ as the numbers do, up to 2^32.
 */
export function versionOf(row: PackedRow, seed: Uuid): Uuid {
  const version = new Uint8Array(UUID_SIZE);
  for (let i = 0; i < UUID_SIZE; i++) version[i] = row.charCodeAt(i) ^ byteOf(seed, i);
  at = UUID_SIZE;
  const number = readNumber(row);
  const words = new DataView(version.buffer);
  // The last word tells them apart; the first makes those that follow each other look different.
  words.setUint32(0, words.getUint32(0) ^ Math.imul(number, 0x9e3779b1));
  words.setUint32(12, words.getUint32(12) ^ number);
  return uuidFromBytes(version) as Uuid; // gives the form of one
}
