/**
 * The words that the schemas are written in. Each gives a piece of schema JSON (RFC 7047 section 3.2) whose literal type
 * is kept, so that `RowOf` knows a column's exact type.
 *
 * An unconstrained atom (`string`, `integer`, ...) is a whole column by itself; constrained atoms and references are
 * base types and stand inside `one`, `optional`, `set`, `some` or `map`.
 */
import type { BaseTypeJson, ColumnJson } from "@weft/ovsdb";

export const string = { type: "string" } as const;
export const integer = { type: "integer" } as const;
export const boolean = { type: "boolean" } as const;
export const uuid = { type: "uuid" } as const;

type Base = Exclude<BaseTypeJson, string>;

/** Integers from `minInteger` to `maxInteger`, both included; without an upper bound where that is left out. */
export function range<const A extends number>(minInteger: A): { readonly type: "integer"; readonly minInteger: A };
export function range<const A extends number, const B extends number>(
  minInteger: A,
  maxInteger: B,
): { readonly type: "integer"; readonly minInteger: A; readonly maxInteger: B };
export function range(minInteger: number, maxInteger?: number): Base {
  return maxInteger === undefined ? { type: "integer", minInteger } : { type: "integer", minInteger, maxInteger };
}

/** Strings of a fixed choice. */
export function choice<const E extends readonly string[]>(
  ...values: E
): { readonly type: "string"; readonly enum: readonly ["set", E] } {
  return { type: "string", enum: ["set", values] };
}

/** Strings of at most `maxLength` characters. */
export function text<const N extends number>(maxLength: N): { readonly type: "string"; readonly maxLength: N } {
  return { type: "string", maxLength };
}

/** A reference that keeps the row it points to alive, and forbids deleting it. */
export function strong<const T extends string>(
  refTable: T,
): { readonly type: "uuid"; readonly refTable: T; readonly refType: "strong" } {
  return { type: "uuid", refTable, refType: "strong" };
}

/** A reference that vanishes with the row it points to. */
export function weak<const T extends string>(
  refTable: T,
): { readonly type: "uuid"; readonly refTable: T; readonly refType: "weak" } {
  return { type: "uuid", refTable, refType: "weak" };
}

/** Exactly one atom with a constraint. */
export function one<const K extends Base>(key: K): { readonly type: { readonly key: K } } {
  return { type: { key } };
}

/** One atom or none. */
export function optional<const K extends Base>(key: K): { readonly type: { readonly key: K; readonly min: 0; readonly max: 1 } } {
  return { type: { key, min: 0, max: 1 } };
}

/** Any number of atoms, or up to `max`. */
export function set<const K extends Base>(
  key: K,
): { readonly type: { readonly key: K; readonly min: 0; readonly max: "unlimited" } };
export function set<const K extends Base, const N extends number>(
  key: K,
  max: N,
): { readonly type: { readonly key: K; readonly min: 0; readonly max: N } };
export function set(key: Base, max: number | "unlimited" = "unlimited"): ColumnJson {
  return { type: { key, min: 0, max } };
}

/** One atom or more. */
export function some<const K extends Base>(
  key: K,
): { readonly type: { readonly key: K; readonly min: 1; readonly max: "unlimited" } } {
  return { type: { key, min: 1, max: "unlimited" } };
}

/** Any number of pairs. */
export function map<const K extends Base, const V extends Base>(
  key: K,
  value: V,
): { readonly type: { readonly key: K; readonly value: V; readonly min: 0; readonly max: "unlimited" } } {
  return { type: { key, value, min: 0, max: "unlimited" } };
}

/** The most common column of all: `external_ids`, `options`, `other_config`. */
export const strings = map(string, string);

/** A column that is not kept in the on-disk log. */
export function ephemeral<const C extends ColumnJson>(column: C): C & { readonly ephemeral: true } {
  return { ...column, ephemeral: true };
}

/** A column that is set when the row is inserted and never after. */
export function immutable<const C extends ColumnJson>(column: C): C & { readonly mutable: false } {
  return { ...column, mutable: false };
}
