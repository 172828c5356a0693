/**
 * Values of OVSDB (RFC 7047 section 3 and 5.1), in the form that the server keeps and the form that programs read.
 */
declare const uuidBrand: unique symbol;
/** A uuid in lower case with hyphens. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** One atom: integer (also as number: OVSDB integers are int64, those beyond 2^53 are bigint), real, boolean, string or uuid. */
export type Atom = number | bigint | boolean | string | Uuid;

export type AtomicType = "integer" | "real" | "boolean" | "string" | "uuid";

/**
 * A column's value as the server keeps it. A scalar or set: its atoms, sorted and without duplicates (a scalar is an
 * array of one). A map: keys and values in turn, `[k0, v0, k1, v1, ...]`, sorted by key. Never changed in place.
 */
export type Datum = readonly Atom[];

/** A column's value as programs read it: see `schema.ts` for which column type gives which. */
export type ColumnValue = Atom | undefined | readonly Atom[] | ReadonlyMap<Atom, Atom>;
