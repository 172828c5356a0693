/**
 * Rows as they are worked on. A row never changes: an update puts another one in its place. At rest there is but its packed
 * form; a Row is made of it for as long as somebody reads it.
 */
import type { ColumnSchema } from "../model.ts";
import { UUID_INDEX } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { cellOf, cellsOf, type PackedRow, packRow, uuidOf, versionOf } from "./packedRow.ts";
import type { Table } from "./table.ts";

export class Row {
  readonly table: Table;
  #uuid: Uuid | undefined;
  #cells: readonly Datum[] | undefined;
  #packed: PackedRow | undefined;
  /** Somebody has asked for a cell of the packed row. */
  #asked = false;

  private constructor(table: Table, uuid: Uuid | undefined, cells: readonly Datum[] | undefined, packed: PackedRow | undefined) {
    this.table = table;
    this.#uuid = uuid;
    this.#cells = cells;
    this.#packed = packed;
  }

  /** A row, or another version of one, of the given cells by {@link ColumnSchema.index}. */
  static of(table: Table, uuid: Uuid, cells: readonly Datum[]): Row {
    return new Row(table, uuid, cells, undefined);
  }

  static unpack(table: Table, packed: PackedRow): Row {
    return new Row(table, undefined, undefined, packed);
  }

  get uuid(): Uuid {
    // A row without a uuid of its own was made of its packed form.
    this.#uuid ??= uuidOf(this.#packed!);
    return this.#uuid;
  }

  /** By {@link ColumnSchema.index}. */
  get cells(): readonly Datum[] {
    this.#cells ??= cellsOf(this.#packed!, this.table.schema.columns); // as above
    return this.#cells;
  }

  get packed(): PackedRow {
    this.#packed ??= packRow(this.uuid, this.table.nextVersion(), this.cells, this.table.schema.columns);
    return this.#packed;
  }

  /** A column's value, `_uuid` and `_version` included. */
  cell(column: ColumnSchema): Datum {
    const { index } = column;
    if (index >= 0) {
      if (this.#cells !== undefined || this.#asked) return this.cells[index]!;
      // Conditions ask for one cell of many rows: the others are unpacked when somebody asks for a second one.
      this.#asked = true;
      return cellOf(this.packed, column);
    }
    return [index === UUID_INDEX ? this.uuid : versionOf(this.packed, this.table.versionSeed)];
  }
}
