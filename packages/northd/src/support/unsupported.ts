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

function text(what: string, { state, remark }: Entry<Row>): string {
  return `${what} is ${state === "partly" ? "only partly" : "not"} supported${remark === undefined ? "" : `: ${remark}`}`;
}

/** What may be asked for in vain, by table: what is looked at in every row. */
const lacking = new Map(
  // A row is of its table by the change set's word, so that its entries' predicates may be given it.
  Object.entries(support as unknown as Record<string, Readonly<Record<string, Column<Row>>>>).map(([table, columns]) => [
    table,
    Object.entries(columns).flatMap(([column, entry]): Lacking[] => {
      const entries = isKeys(entry) ? Object.entries(entry.keys) : [[undefined, entry] as const];
      return entries.filter(([, { state }]) => state !== "works").map(([key, found]) => ({ column, key, entry: found }));
    }),
  ]),
);

interface Lacking {
  readonly column: string;
  readonly key: string | undefined;
  readonly entry: Entry<Row>;
}

function asksFor({ column, key, entry }: Lacking, row: Row): boolean {
  if (entry.used !== undefined) return entry.used(row);
  const value = row[column];
  return key === undefined ? given(value) : value instanceof Map && value.has(key);
}

/** What a row of a table asks for and does not get, a sentence each. */
export function unsupported(table: string, row: Row): string[] {
  return (lacking.get(table) ?? [])
    .filter((what) => asksFor(what, row))
    .map(({ column, key, entry }) => text(key === undefined ? column : `${column}:${key}`, entry));
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
