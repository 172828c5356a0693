/** How far a column of the northbound database, or a key of one, is done. */
import type { TableName } from "@weft/ovsdb";
import type { NbRow, NbSchema } from "@weft/schemas";

type NbTable = TableName<NbSchema>;

export interface Entry<Row = unknown> {
  readonly state: "works" | "partly" | "not yet";
  /** Of what is partly done, what is lacking; of the others a remark. */
  readonly remark?: string;
  /** Whether a row uses what is lacking; by default a row does whose column is not empty, or has the key. */
  readonly used?: (row: Row) => boolean;
}

/** A map whose documented keys have entries of their own: the keys that work, and the others. */
export interface Keys<Row = unknown> {
  readonly keys: { readonly [key: string]: Entry<Row> };
}

export type Column<Row = unknown> = Entry<Row> | Keys<Row>;

/** Every column of every table has an entry: the type forgets none. */
export type Support = {
  readonly [T in NbTable]: { readonly [C in Exclude<keyof NbRow<T>, "_uuid">]: Column<NbRow<T>> };
};

export const works: Entry = { state: "works" };

/** It works as far as it can; the remark says what follows. */
export function remarked(remark: string): Entry {
  return { state: "works", remark };
}

export function partly<Row = unknown>(lacking: string, used?: (row: Row) => boolean): Entry<Row> {
  return { state: "partly", remark: lacking, ...(used === undefined ? {} : { used }) };
}

export function notYet(remark?: string): Entry {
  return { state: "not yet", ...(remark === undefined ? {} : { remark }) };
}

/** `done`: keys that work, with spaces between. */
export function keys<Row = unknown>(done: string, others: { readonly [key: string]: Entry<Row> } = {}): Keys<Row> {
  const working = done.split(" ").filter((key) => key !== "");
  return { keys: { ...Object.fromEntries(working.map((key) => [key, works])), ...others } };
}

export function isKeys<Row>(column: Column<Row>): column is Keys<Row> {
  return "keys" in column;
}
