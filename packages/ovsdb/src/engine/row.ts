/** Rows. A row never changes: an update puts another one in its place. */
import type { Random } from "@weft/runtime";
import { type ColumnSchema, UUID_INDEX } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";

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
