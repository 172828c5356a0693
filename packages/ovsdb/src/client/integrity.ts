/** What a server does to rows at the end of a transaction (RFC 7047 section 3.2 "isRoot", 3.2 <base-type> "refType"). */
import type { Atom, ColumnValue, Uuid } from "../value.ts";
import { type AnyRow, type AtomModel, type ColumnModel, referencesIn } from "./columns.ts";
import type { Store, StoreTable } from "./store.ts";

/** The rows that a transaction touched, as they were before it. */
export type Touched = ReadonlyMap<string, { readonly table: StoreTable; readonly row: AnyRow | undefined }>;

function refers(column: ColumnModel): boolean {
  return column.key.refTable !== undefined || column.value?.refTable !== undefined;
}

/** Whether these changes can leave a dangling weak reference or an unreferenced row behind. */
export function mayLoseReferences(touched: Touched): boolean {
  for (const [uuid, { table, row }] of touched) {
    const after = table.get(uuid as Uuid);
    if (row === undefined && after === undefined) continue;
    if (after === undefined) return true;
    if (row === undefined ? !table.model.isRoot : lostReference(table, row, after)) return true;
  }
  return false;
}

function lostReference(table: StoreTable, row: AnyRow, after: AnyRow): boolean {
  for (const column of table.model.columns.values()) {
    if (refers(column) && row[column.name] !== after[column.name]) return true;
  }
  return false;
}

/** Removes dangling weak references and unreferenced rows of tables that are not root, until there are none. */
export function clean(store: Store, put: (table: StoreTable, uuid: Uuid, after: AnyRow | undefined) => void): void {
  for (let again = true; again; ) {
    again = false;
    const kept = new Set<Uuid>();
    for (const table of store.tables()) {
      const columns = [...table.model.columns.values()].filter(refers);
      if (columns.length === 0) continue;
      for (const row of [...table.rows()]) {
        const fixed: { [column: string]: ColumnValue } = {};
        let dangling = false;
        for (const column of columns) {
          const value = withoutDangling(store, column, row[column.name]);
          if (value !== row[column.name]) {
            fixed[column.name] = value;
            dangling = true;
          }
          for (const [, uuid] of referencesIn(column, value, "strong")) if (uuid !== row._uuid) kept.add(uuid);
        }
        if (dangling) {
          put(table, row._uuid, Object.freeze({ ...row, ...fixed }));
          again = true;
        }
      }
    }
    for (const table of store.tables()) {
      if (table.model.isRoot) continue;
      for (const { _uuid } of [...table.rows()]) {
        if (kept.has(_uuid)) continue;
        put(table, _uuid, undefined);
        again = true;
      }
    }
  }
}

function withoutDangling(store: Store, column: ColumnModel, value: ColumnValue): ColumnValue {
  const there = (model: AtomModel | undefined, atom: Atom | undefined) =>
    model?.refTable === undefined ||
    model.refType !== "weak" ||
    atom === undefined ||
    store.table(model.refTable).get(atom as Uuid) !== undefined;
  if (column.kind === "set") {
    const atoms = value as readonly Atom[];
    return atoms.every((atom) => there(column.key, atom)) ? atoms : atoms.filter((atom) => there(column.key, atom));
  }
  if (column.kind === "map") {
    const pairs = [...(value as ReadonlyMap<Atom, Atom>)];
    const left = pairs.filter(([k, v]) => there(column.key, k) && there(column.value, v));
    return left.length === pairs.length ? value : new Map(left);
  }
  return column.kind === "optional" && !there(column.key, value as Atom | undefined) ? undefined : value;
}
