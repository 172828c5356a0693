/**
 * What a compiled filter runs on. As in the Berkeley packet filter, a load from behind the captured bytes (or a division by
 * zero) rejects the packet whatever the rest of the expression says; numbers are unsigned 32-bit.
 */
import { get16, get32 } from "../bytes.ts";

export interface Packet {
  bytes: Uint8Array;
  /** On the wire. */
  length: number;
  /** Set by a load from behind the bytes: the packet is rejected. */
  failed: boolean;
  /** Offsets that are known only when the packet is there: of the packet inside a tunnel. */
  readonly registers: number[];
}

export type Test = (p: Packet) => boolean;
export type Value = (p: Packet) => number;

/** A place in the packet: a constant, or a constant behind what a register holds. */
export interface Offset {
  readonly register: number;
  readonly constant: number;
}

export const fixed = (constant: number): Offset => ({ register: -1, constant });
export const plus = (offset: Offset, more: number): Offset => ({ ...offset, constant: offset.constant + more });

export function resolve(p: Packet, offset: Offset): number {
  return offset.register < 0 ? offset.constant : (p.registers[offset.register] ?? Number.NaN) + offset.constant;
}

/** Loads `size` bytes (1, 2, 4) at `at`. */
export function load(p: Packet, at: number, size: number): number {
  // the offset of a tunnel's packet is no number where there is no tunnel
  if (!(at >= 0 && at + size <= p.bytes.length)) {
    p.failed = true;
    return 0;
  }
  return size === 1 ? p.bytes[at]! : size === 2 ? get16(p.bytes, at) : get32(p.bytes, at);
}

export function loads(offset: Offset, size: number): Value {
  if (offset.register >= 0) return (p) => load(p, resolve(p, offset), size);
  const at = offset.constant;
  return (p) => load(p, at, size);
}

/** True where the loaded value under `mask` is `value`. */
export function equals(offset: Offset, size: number, value: number, mask = 0xffff_ffff): Test {
  // no bit to compare: nothing is loaded
  if (mask === 0 && value === 0) return () => true;
  const get = loads(offset, size);
  const wanted = value >>> 0;
  return (p) => (get(p) & mask) >>> 0 === wanted && !p.failed;
}

export function and(...tests: readonly Test[]): Test {
  return tests.reduce((a, b) => (p) => a(p) && !p.failed && b(p));
}

export function or(...tests: readonly Test[]): Test {
  return tests.reduce((a, b) => (p) => a(p) || (!p.failed && b(p)));
}

export function not(test: Test): Test {
  return (p) => !test(p) && !p.failed;
}
