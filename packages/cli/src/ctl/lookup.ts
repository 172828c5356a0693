/** Tables, columns and rows by what people call them (ovs-vsctl(8) "Identifying Tables, Records, and Columns"). */
import type { AnyRow, Atom, ColumnModel, ColumnValue, DatabaseModel, TableModel, Uuid } from "@weft/ovsdb";
import { fail } from "./error.ts";

/** A way to name a row of a table beside its uuid. */
export type RowRule =
  /** The table's only row, as ".". */
  | { readonly by: "singleton" }
  | { readonly by: "column"; readonly column: string; readonly key?: string }
  /** Through a reference to it from a row of another table. */
  | { readonly by: "reference"; readonly from: string; readonly through: string; readonly column: string; readonly key?: string };

export type RowRules = { readonly [table: string]: readonly RowRule[] };

export const byName: readonly RowRule[] = [{ by: "column", column: "name" }];
export const onlyOne: readonly RowRule[] = [{ by: "singleton" }];

/** Rows as a transaction shows them. */
export interface Rows {
  rows(table: string): Iterable<AnyRow>;
  row(table: string, uuid: Uuid): AnyRow | undefined;
}

const canonical = (name: string): string => name.toLowerCase().replaceAll("-", "_");

/** All whose names begin with `text`, or the one that is `text`. */
function candidates<T extends { readonly name: string }>(items: Iterable<T>, text: string): T[] {
  const wanted = canonical(text);
  const found = [...items].filter(({ name }) => canonical(name).startsWith(wanted));
  const exact = found.find(({ name }) => canonical(name) === wanted);
  return exact === undefined ? found : [exact];
}

const names = (items: readonly { readonly name: string }[]): string =>
  items
    .map(({ name }) => name)
    .sort()
    .join(", ");

export function findTable(database: DatabaseModel, text: string): TableModel {
  const found = candidates(database.tables.values(), text);
  if (found.length > 1) fail(`"${text}" matches multiple table names: ${names(found)}`);
  return found[0] ?? fail(`unknown table "${text}"`);
}

export function findColumn(table: TableModel, text: string): ColumnModel {
  const found = candidates(table.columns.values(), text);
  if (found.length > 1) fail(`${table.name} contains more than one column whose name matches "${text}": ${names(found)}`);
  return found[0] ?? fail(`${table.name} does not contain a column whose name matches "${text}"`);
}

/** The tables that must be there to find rows of `table` by its rules. */
export function tablesFor(table: string, rules: RowRules): string[] {
  return [table, ...(rules[table] ?? []).flatMap((rule) => (rule.by === "reference" ? [rule.from] : []))];
}

function contains(value: ColumnValue, key: string | undefined, wanted: string): boolean {
  if (key !== undefined) return value instanceof Map && String(value.get(key)) === wanted;
  if (Array.isArray(value)) return value.length === 1 && String(value[0]) === wanted;
  return value !== undefined && String(value) === wanted;
}

function byRule(table: string, rule: RowRule, record: string, db: Rows): AnyRow[] {
  if (rule.by === "singleton") return record === "." ? [...db.rows(table)].slice(0, 1) : [];
  if (rule.by === "column") return [...db.rows(table)].filter((row) => contains(row[rule.column], rule.key, record));
  const found = new Map<string, AnyRow>();
  for (const referrer of db.rows(rule.from)) {
    if (!contains(referrer[rule.column], rule.key, record)) continue;
    const value = referrer[rule.through];
    const uuids: readonly (Atom | undefined)[] = Array.isArray(value) ? value : [value as Atom | undefined];
    // Several references leave it open which row is meant.
    if (uuids.length !== 1) continue;
    const row = db.row(table, uuids[0] as Uuid);
    if (row !== undefined) found.set(row._uuid, row);
  }
  return [...found.values()];
}

const PARTIAL_UUID = /^[0-9a-fA-F]{4}[0-9a-fA-F-]*$/;

/** The row, or undefined where there is none. Throws CtlError where several are meant. */
export function findRow(table: TableModel, rules: RowRules, record: string, db: Rows): AnyRow | undefined {
  const exact = db.row(table.name, record.toLowerCase() as Uuid);
  if (exact !== undefined) return exact;
  for (const rule of rules[table.name] ?? []) {
    const found = byRule(table.name, rule, record, db);
    if (found.length > 1) fail(`multiple rows in ${table.name} match "${record}"`);
    if (found[0] !== undefined) return found[0];
  }
  if (!PARTIAL_UUID.test(record)) return undefined;
  const wanted = record.toLowerCase();
  const found = [...db.rows(table.name)].filter((row) => row._uuid.startsWith(wanted));
  if (found.length > 1) fail(`${record} contains 2 or more matching UUIDs in table ${table.name}`);
  return found[0];
}

export function needRow(table: TableModel, rules: RowRules, record: string, db: Rows): AnyRow {
  return findRow(table, rules, record, db) ?? fail(`no row "${record}" in table ${table.name}`);
}
