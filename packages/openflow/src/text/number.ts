/** Numbers as C's strtoull with base 0 reads them: decimal, 0x hexadecimal, 0 octal; a minus sign wraps. */
import { TextError } from "./error.ts";

const INTEGER = /^[ \t]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)$/;

/** The value of `text`, or undefined when it is not a number. */
export function integerOf(text: string): bigint | undefined {
  const found = INTEGER.exec(text);
  if (found === null) return undefined;
  const digits = found[2]!;
  let value: bigint;
  if (digits[0] === "0" && digits.length > 1 && digits[1] !== "x" && digits[1] !== "X") {
    if (/[89]/.test(digits)) return undefined;
    value = BigInt(`0o${digits.slice(1)}`);
  } else value = BigInt(digits);
  return found[1] === "-" ? -value : value;
}

/** An unsigned number of at most `max`; `name` is what the error says is wrong. */
export function unsigned(text: string, max: number, name: string): number {
  const value = integerOf(text);
  if (value === undefined || value < 0n || value > BigInt(max)) throw new TextError(`invalid ${name} "${text}"`, text);
  return Number(value);
}

export function u8(text: string, name: string): number {
  return unsigned(text, 0xff, name);
}

export function u16(text: string, name: string): number {
  return unsigned(text, 0xffff, name);
}

export function u32(text: string): number {
  const value = integerOf(text);
  if (value === undefined) throw new TextError(`invalid numeric format ${text}`, text);
  if (value > 0xffffffffn || value < -0x80000000n) throw new TextError(`invalid numeric format ${text}`, text);
  return Number(BigInt.asUintN(32, value));
}

export function u64(text: string): bigint {
  const value = integerOf(text);
  if (value === undefined || value > 0xffffffffffffffffn || value < -0xffffffffffffffffn)
    throw new TextError(`invalid numeric format ${text}`, text);
  return BigInt.asUintN(64, value);
}
