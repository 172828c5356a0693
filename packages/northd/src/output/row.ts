/** Rows of the southbound database as evaluations yield them: by table and key, with references by key. */
import type { TableName, Uuid } from "@weft/ovsdb";
import type { SbSchema } from "@weft/schemas";

export type SbTable = TableName<SbSchema>;

/** Stands for the uuid of another row that northd makes. */
export class Ref {
  readonly table: SbTable;
  readonly key: string;

  constructor(table: SbTable, key: string) {
    this.table = table;
    this.key = key;
  }
}

/** Rows of a table without a root, that belong to one column of one row. */
export class Owned {
  readonly table: SbTable;
  readonly rows: readonly Readonly<Record<string, unknown>>[];

  constructor(table: SbTable, rows: readonly Readonly<Record<string, unknown>>[]) {
    this.table = table;
    this.rows = rows;
  }
}

/** A column's value in the form in which rows are read, but that a Ref may stand for a uuid and an Owned for a set of them. */
export type Columns = Readonly<Record<string, unknown>>;

export interface Row {
  readonly table: SbTable;
  readonly key: string;
  readonly columns: Columns;
  /** Columns that are only written when the row is made, or when they have no value. */
  readonly initial?: Columns;
  /** The row's uuid, where it matters. */
  readonly uuid?: Uuid;
}

export function row(table: SbTable, key: string, columns: Columns, initial?: Columns): Row {
  return initial === undefined ? { table, key, columns } : { table, key, columns, initial };
}
