/** Rows and where they stand. A row never changes: an update puts another one into its slot. */
import type { Random } from "@weft/runtime";
import { type ColumnSchema, UUID_INDEX } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import type { Table } from "./table.ts";

export class Row {
  readonly uuid: Uuid;
  /** By {@link ColumnSchema.index}. */
  readonly cells: readonly Datum[];
  #version: Uuid | undefined;

  constructor(uuid: Uuid, cells: readonly Datum[]) {
    this.uuid = uuid;
    this.cells = cells;
  }

  /** `_version`: another uuid for every change of the row, made when somebody first asks. */
  version(random: Random): Uuid {
    this.#version ??= random.uuid() as Uuid; // random.uuid gives the form of one
    return this.#version;
  }

  /** A column's value, `_uuid` and `_version` included. */
  cell(column: ColumnSchema, random: Random): Datum {
    const { index } = column;
    if (index >= 0) return this.cells[index]!;
    return [index === UUID_INDEX ? this.uuid : this.version(random)];
  }
}

/** The place of one uuid in a table: the row as the transaction in progress sees it, and who refers to it. */
export class Slot {
  readonly table: Table;
  readonly uuid: Uuid;
  /** Undefined when deleted by the transaction in progress. */
  row: Row | undefined;
  /** Strong references from other rows, as of the last commit. */
  refs = 0;
  /** What the transaction in progress adds to `refs`. */
  refsDelta = 0;
  /** Whether the transaction in progress has this slot in its list of counted ones. */
  counted = false;
  /** Rows with weak references to this one, and how many, as of the last commit. */
  weakIn: Map<Slot, number> | undefined;
  /** Set while the transaction in progress has touched this slot. */
  touched = false;
  /** The row before the transaction in progress, where `touched`. */
  before: Row | undefined;

  constructor(table: Table, uuid: Uuid, row: Row | undefined) {
    this.table = table;
    this.uuid = uuid;
    this.row = row;
  }
}

/** What a commit did to one row; neither side ever changes afterwards. */
export interface RowDelta {
  readonly table: Table;
  readonly uuid: Uuid;
  /** Absent for an insert. */
  readonly before: Row | undefined;
  /** Absent for a delete. */
  readonly after: Row | undefined;
}
