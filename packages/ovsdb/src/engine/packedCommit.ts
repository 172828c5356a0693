/** What a commit did, at rest: for those who may ask for it later. */
import type { PackedRow } from "./packedRow.ts";
import { Row } from "./row.ts";
import { type RowDelta, Table } from "./table.ts";

export class PackedCommit {
  /** A table, then the rows before and after of each delta of it, then another table, and so on. */
  readonly #items: readonly (Table | PackedRow | undefined)[];

  constructor(deltas: readonly RowDelta[]) {
    let size = 2 * deltas.length;
    for (let i = 0; i < deltas.length; i++) if (deltas[i]!.table !== deltas[i - 1]?.table) size++;
    // Made with its length: an array that grows has room for half as much again, for as long as it is kept.
    const items = new Array<Table | PackedRow | undefined>(size);
    let last: Table | undefined;
    let at = 0;
    for (const { table, before, after } of deltas) {
      if (table !== last) items[at++] = table;
      last = table;
      items[at++] = before?.packed;
      items[at++] = after?.packed;
    }
    this.#items = items;
  }

  *deltas(): Iterable<RowDelta> {
    let table: Table | undefined;
    const items = this.#items;
    for (let i = 0; i < items.length; ) {
      const item = items[i];
      if (item instanceof Table) {
        table = item;
        i++;
        continue;
      }
      const [before, after] = [rowOf(table!, item), rowOf(table!, items[i + 1])]; // a table comes first
      yield { table: table!, uuid: (after ?? before)!.uuid, before, after }; // one of them is there
      i += 2;
    }
  }
}

function rowOf(table: Table, item: Table | PackedRow | undefined): Row | undefined {
  return typeof item === "string" ? Row.unpack(table, item) : undefined;
}
