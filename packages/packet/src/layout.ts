/**
 * Header layouts: a table of fields at fixed places. From the table come a zero-copy view (a getter and a setter for each
 * field, one check of the length when the view is made) and its type.
 */

import { WeftError } from "@weft/runtime";
import { type Ipv4, type Ipv6, type Mac, readIpv4, readIpv6, readMac, writeIpv4, writeIpv6, writeMac } from "./address.ts";
import { get16, get24, get32, put16, put24, put32 } from "./bytes.ts";
import { TruncatedError } from "./errors.ts";

/** One field: `offset` and `length` in bytes from the header's start; read and write take the header's place in the array. */
export interface Field<T> {
  readonly offset: number;
  readonly length: number;
  read(bytes: Uint8Array, header: number): T;
  write(bytes: Uint8Array, header: number, value: T): void;
}

function field<T>(
  offset: number,
  length: number,
  read: (bytes: Uint8Array, at: number) => T,
  write: (bytes: Uint8Array, at: number, value: T) => void,
): Field<T> {
  return {
    offset,
    length,
    read: (bytes, header) => read(bytes, header + offset),
    write: (bytes, header, value) => write(bytes, header + offset, value),
  };
}

const get8 = (bytes: Uint8Array, at: number): number => bytes[at]!;
const put8 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value;
};

export const u8 = (offset: number): Field<number> => field(offset, 1, get8, put8);
export const u16 = (offset: number): Field<number> => field(offset, 2, get16, put16);
export const u24 = (offset: number): Field<number> => field(offset, 3, get24, put24);
export const u32 = (offset: number): Field<number> => field(offset, 4, get32, put32);
export const mac = (offset: number): Field<Mac> => field(offset, 6, readMac, writeMac);
export const ipv4 = (offset: number): Field<Ipv4> => field(offset, 4, readIpv4, writeIpv4);
export const ipv6 = (offset: number): Field<Ipv6> => field(offset, 16, readIpv6, writeIpv6);

/** `width` bits of the byte-aligned word of `length` bytes (1, 2 or 4) at `offset`, `shift` bits from its right end. */
export function bits(offset: number, length: 1 | 2 | 4, shift: number, width: number): Field<number> {
  const get = length === 1 ? get8 : length === 2 ? get16 : get32;
  const put = length === 1 ? put8 : length === 2 ? put16 : put32;
  const mask = (2 ** width - 1) >>> 0;
  return field(
    offset,
    length,
    (bytes, at) => (get(bytes, at) >>> shift) & mask,
    (bytes, at, value) => put(bytes, at, ((get(bytes, at) & ~(mask << shift)) | ((value & mask) << shift)) >>> 0),
  );
}

/** One bit as a boolean: bit `shift` of the byte at `offset`. */
export function flag(offset: number, shift: number): Field<boolean> {
  return field(
    offset,
    1,
    (bytes, at) => ((bytes[at]! >>> shift) & 1) === 1,
    (bytes, at, value) => put8(bytes, at, value ? bytes[at]! | (1 << shift) : bytes[at]! & ~(1 << shift)),
  );
}

type Fields = Readonly<Record<string, Field<never> | Field<unknown>>>;

/** The header's fields as properties over the bytes themselves; assigning one writes it. */
export type View<F> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never } & {
  readonly bytes: Uint8Array;
  /** Where the header begins in `bytes`. */
  readonly offset: number;
};

export interface Layout<F> {
  readonly name: string;
  /** Bytes of the fixed header. */
  readonly length: number;
  readonly fields: F;
  /** A view of the header at `offset`; throws {@link TruncatedError} unless `length` bytes lie before `end`. */
  view(bytes: Uint8Array, offset?: number, end?: number): View<F>;
}

export function layout<F>(
  name: string,
  length: number,
  fields: F & { [K in keyof F]: Field<F[K] extends Field<infer T> ? T : never> },
): Layout<F> {
  class HeaderView {
    readonly bytes: Uint8Array;
    readonly offset: number;
    constructor(bytes: Uint8Array, offset: number) {
      this.bytes = bytes;
      this.offset = offset;
    }
  }
  for (const [key, column] of Object.entries(fields as Fields)) {
    if (key === "bytes" || key === "offset")
      throw new WeftError("packet.layout", `${name}: a field named ${key}`, { blame: "us" });
    const typed = column as Field<unknown>; // a view only passes back what the same field reads
    Object.defineProperty(HeaderView.prototype, key, {
      get(this: HeaderView) {
        return typed.read(this.bytes, this.offset);
      },
      set(this: HeaderView, value: unknown) {
        typed.write(this.bytes, this.offset, value);
      },
    });
  }
  return {
    name,
    length,
    fields,
    view(bytes, offset = 0, end = bytes.length) {
      const there = Math.min(end, bytes.length) - offset;
      if (there < length) throw new TruncatedError(name, offset, length, there);
      return new HeaderView(bytes, offset) as unknown as View<F>; // the properties were defined from the same table above
    },
  };
}
