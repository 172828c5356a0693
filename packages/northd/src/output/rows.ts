import type { Sink } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { Row, SbTable } from "./row.ts";

/** A row as it was written, and what it was written for. */
interface Written {
  readonly desired: Row;
  row: object;
}

/** One row of the southbound database that is northd's: what it should be, and which it is. */
export class RowEntry {
  readonly table: SbTable;
  readonly key: string;
  desired: Row | undefined = undefined;
  uuid: Uuid | undefined = undefined;
  written: Written | undefined = undefined;

  constructor(table: SbTable, key: string) {
    this.table = table;
    this.key = key;
  }
}

export class RowStore implements Sink<Row> {
  readonly #tables = new Map<SbTable, Map<string, RowEntry>>();
  readonly dirty = new Set<RowEntry>();

  table(name: SbTable): Map<string, RowEntry> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new Map();
      this.#tables.set(name, table);
    }
    return table;
  }

  *entries(): Iterable<RowEntry> {
    for (const table of this.#tables.values()) yield* table.values();
  }

  find(table: SbTable, key: string): RowEntry | undefined {
    return this.#tables.get(table)?.get(key);
  }

  entry(table: SbTable, key: string): RowEntry {
    const rows = this.table(table);
    let entry = rows.get(key);
    if (entry === undefined) {
      entry = new RowEntry(table, key);
      rows.set(key, entry);
    }
    return entry;
  }

  add(row: Row): void {
    const entry = this.entry(row.table, row.key);
    entry.desired = row;
    this.dirty.add(entry);
  }

  /** A row that was replaced under the same key stays. */
  remove(row: Row): void {
    const entry = this.find(row.table, row.key);
    if (entry?.desired !== row) return;
    entry.desired = undefined;
    this.dirty.add(entry);
  }

  forget(entry: RowEntry): void {
    this.#tables.get(entry.table)?.delete(entry.key);
  }
}
