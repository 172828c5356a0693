/** What a commit did, at rest: for those who may ask for it later. */
import type { PackedRow } from "./packedRow.ts";
import { Row } from "./row.ts";
import { type RowDelta, Table } from "./table.ts";

export class PackedCommit {
  /** A table, then the rows before and after of each delta of it, then another table, and so on. */
  readonly #items: (Table | PackedRow | undefined)[] = [];

  constructor(deltas: readonly RowDelta[]) {
    let last: Table | undefined;
    for (const { table, before, after } of deltas) {
      if (table !== last) this.#items.push(table);
      last = table;
      this.#items.push(before?.packed, after?.packed);
    }
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
