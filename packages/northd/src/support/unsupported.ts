/** What a row asks for that is not done: each is reported once for its row, never ignored in silence. */
import type { Uuid } from "@weft/ovsdb";
import { type Column, type Entry, isKeys } from "./entry.ts";
import { support } from "./table.ts";

type Row = Readonly<Record<string, unknown>>;

function given(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return value !== undefined && value !== false && value !== "" && value !== 0;
}

function lacks({ state, used }: Entry<Row>, row: Row, present: boolean): boolean {
  return state !== "works" && (used === undefined ? present : used(row));
}

function text(what: string, { state, remark }: Entry<Row>): string {
  return `${what} is ${state === "partly" ? "only partly" : "not"} supported${remark === undefined ? "" : `: ${remark}`}`;
}

/** What a row of a table asks for and does not get, a sentence each. */
export function unsupported(table: string, row: Row): string[] {
  // A row is of its table by the change set's word.
  const columns = (support as unknown as Record<string, Readonly<Record<string, Column<Row>>>>)[table] ?? {};
  return Object.entries(columns).flatMap(([name, column]) => {
    const value = row[name];
    if (!isKeys(column)) return lacks(column, row, given(value)) ? [text(name, column)] : [];
    return Object.entries(column.keys)
      .filter(([key, entry]) => lacks(entry, row, value instanceof Map && value.has(key)))
      .map(([key, entry]) => text(`${name}:${key}`, entry));
  });
}

/** Remembers what was reported. */
export class Unsupported {
  readonly #reported = new Set<string>();
  readonly #warn: (text: string) => void;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  check(table: string, uuid: Uuid, row: object): void {
    const { name } = row as { readonly name?: string };
    for (const what of unsupported(table, row as Row)) {
      if (this.#reported.has(`${uuid} ${what}`)) continue;
      this.#reported.add(`${uuid} ${what}`);
      this.#warn(`${table} ${name || uuid}: ${what}`);
    }
  }
}
