/**
 * Rows of records as servers write them, from their bytes: without texts, JSON trees and values, which take most of the time
 * in which a database is read.
 */
import type { BaseType, ColumnType } from "../columnType.ts";
import { parseDatum } from "../datum.ts";
import { CellPacker, type PackedRow } from "../engine/packedRow.ts";
import type { Table } from "../engine/table.ts";
import type { ColumnSchema } from "../model.ts";
import type { Uuid } from "../value.ts";
import { isUuidAt, latin1Of, memberEnd, parsePiece, UUID_LENGTH } from "./pieces.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NOT_ASCII = 0x80;

/** An integer of so many digits is exact as a number. */
const EXACT_DIGITS = 15;

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");
const SET = ascii('["set",[');
const MAP = ascii('["map",[');
const UUID = ascii('["uuid","');
const TRUE = ascii("true");
const FALSE = ascii("false");

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte < ZERO + 10;
/** Whether an integer satisfies the constraints of a type whose integers are not enumerated. */
function within(value: number, { min, max }: BaseType): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

export class RowReader {
  readonly #table: Table;
  readonly #packer: CellPacker;
  /** By a hash of the name; which of two with the same one does not matter, for names are compared. */
  readonly #columns = new Map<number, { readonly column: ColumnSchema; readonly name: Uint8Array }>();
  #bytes: Uint8Array = new Uint8Array();
  /** Where the next thing is read. */
  #at = 0;
  /** The last atom that was read: its text, and its value where it has no text. */
  #from = 0;
  #to = 0;
  #value = 0;

  constructor(table: Table) {
    this.#table = table;
    this.#packer = new CellPacker(table.schema.columns);
    for (const column of table.schema.columns) {
      const name = ascii(column.name);
      this.#columns.set(
        name.reduce((hash, byte) => hashStep(hash, byte), 0),
        { column, name },
      );
    }
  }

  /**
   * A new row, whose <row> is in `bytes` at `from`, up to `to`. Undefined where it is not written in the usual way: it may be right
   * nevertheless. Throws OvsdbError for a value that its column cannot have, PiecesError for one that is not JSON.
   */
  read(uuid: Uuid, bytes: Uint8Array, from: number, to: number): PackedRow | undefined {
    this.#bytes = bytes;
    this.#at = from;
    this.#packer.begin();
    if (!this.#take(OPEN_BRACE)) return undefined;
    if (!this.#take(CLOSE_BRACE)) {
      do {
        const column = this.#column();
        if (column === undefined) return undefined;
        this.#member(column);
      } while (this.#take(COMMA));
      if (!this.#take(CLOSE_BRACE)) return undefined;
    }
    return this.#at === to ? this.#packer.finish(uuid, this.#table.nextVersion()) : undefined;
  }

  #take(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #takeAll(text: Uint8Array): boolean {
    for (let i = 0; i < text.length; i++) if (this.#bytes[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  /** Reads the name of a column, and its colon. */
  #column(): ColumnSchema | undefined {
    if (!this.#take(QUOTE)) return undefined;
    const bytes = this.#bytes;
    let hash = 0;
    let end = this.#at;
    for (; end < bytes.length && bytes[end] !== QUOTE; end++) hash = hashStep(hash, bytes[end]!);
    const found = this.#columns.get(hash);
    if (found === undefined || found.name.length !== end - this.#at || !this.#takeAll(found.name)) return undefined;
    return this.#take(QUOTE) && this.#take(COLON) ? found.column : undefined;
  }

  /** Reads the value of a column. */
  #member(column: ColumnSchema): void {
    const start = this.#at;
    this.#packer.beginCell();
    if (this.#cell(column.type)) {
      this.#packer.endCell(column);
      return;
    }
    const end = memberEnd(this.#bytes, start);
    this.#packer.replaceCell(column, parseDatum(parsePiece(this.#bytes, start, end), column.type));
    this.#at = end;
  }

  /** False where the value is not written in the usual way, or is wrong. */
  #cell({ key, value, min, max }: ColumnType): boolean {
    if (value === undefined && !this.#takeAll(SET)) return this.#atom(key);
    if (value !== undefined && !this.#takeAll(MAP)) return false;
    let count = 0;
    // The key before.
    let from = 0;
    let to = 0;
    let number = 0;
    if (!this.#take(CLOSE_BRACKET)) {
      do {
        if (value !== undefined && !this.#take(OPEN_BRACKET)) return false;
        if (!this.#atom(key) || (count > 0 && !this.#follows(from, to, number))) return false;
        from = this.#from;
        to = this.#to;
        number = this.#value;
        if (value !== undefined && !(this.#take(COMMA) && this.#atom(value) && this.#take(CLOSE_BRACKET))) return false;
        count++;
      } while (this.#take(COMMA));
      if (!this.#take(CLOSE_BRACKET)) return false;
    }
    return this.#take(CLOSE_BRACKET) && count >= min && count <= max;
  }

  /** Whether the last atom is behind another one in the order of a set. */
  #follows(from: number, to: number, value: number): boolean {
    if (value !== this.#value) return value < this.#value;
    const bytes = this.#bytes;
    const length = Math.min(to - from, this.#to - this.#from);
    for (let i = 0; i < length; i++) {
      const [before, after] = [bytes[from + i]!, bytes[this.#from + i]!];
      if (before !== after) return before < after;
    }
    return to - from < this.#to - this.#from;
  }

  #atom(base: BaseType): boolean {
    this.#from = 0;
    this.#to = 0;
    this.#value = 0;
    switch (base.type) {
      case "string":
        return this.#string(base);
      case "integer":
        return base.enum === undefined && this.#integer(base);
      case "uuid":
        return this.#uuid();
      case "boolean":
        return base.enum === undefined && this.#boolean();
      case "real":
        return false;
    }
  }

  /** A string without escapes. */
  #string({ minLength = 0, maxLength = Infinity, enum: choices }: BaseType): boolean {
    if (!this.#take(QUOTE)) return false;
    const bytes = this.#bytes;
    const from = this.#at;
    let to = from;
    for (; to < bytes.length && bytes[to] !== QUOTE; to++) {
      const byte = bytes[to]!;
      if (byte < SPACE || byte === BACKSLASH || byte >= NOT_ASCII) return false;
    }
    this.#from = from;
    this.#to = to;
    this.#at = to;
    if (!this.#take(QUOTE) || to - from < minLength || to - from > maxLength) return false;
    if (choices !== undefined && !choices.includes(latin1Of(bytes, from, to))) return false;
    this.#packer.ascii(bytes, from, to);
    return true;
  }

  #integer(base: BaseType): boolean {
    const bytes = this.#bytes;
    const negative = this.#take(MINUS);
    const start = this.#at;
    let value = 0;
    for (; isDigit(bytes[this.#at]); this.#at++) value = 10 * value + bytes[this.#at]! - ZERO;
    const digits = this.#at - start;
    if (digits === 0 || digits > EXACT_DIGITS || (digits > 1 && bytes[start] === ZERO)) return false;
    const next = bytes[this.#at];
    // A fraction or an exponent may follow.
    if (next !== COMMA && next !== CLOSE_BRACKET && next !== CLOSE_BRACE) return false;
    this.#value = negative ? 0 - value : value;
    if (!within(this.#value, base)) return false;
    this.#packer.integer(this.#value);
    return true;
  }

  #uuid(): boolean {
    if (!this.#takeAll(UUID) || !isUuidAt(this.#bytes, this.#at)) return false;
    this.#from = this.#at;
    this.#at += UUID_LENGTH;
    this.#to = this.#at;
    this.#packer.uuid(this.#bytes, this.#from);
    return this.#take(QUOTE) && this.#take(CLOSE_BRACKET);
  }

  #boolean(): boolean {
    const value = this.#takeAll(TRUE);
    if (!value && !this.#takeAll(FALSE)) return false;
    this.#value = value ? 1 : 0;
    this.#packer.boolean(value);
    return true;
  }
}

function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}
