/** `show`: the database as a tree (ovs-vsctl, ovn-sbctl; ovs-vsctl(8) "show"). */
import type { AnyRow, Atom, ColumnModel, DatabaseModel, SchemaJson, Uuid } from "@weft/ovsdb";
import { formatValue } from "../datum.ts";
import type { Command } from "./command.ts";
import { fail } from "./error.ts";

export interface ShowTable {
  readonly table: string;
  /** The column that a row is called by; by its uuid without one. */
  readonly name?: string;
  /** What is told of a row, if it differs from the default. References show what they refer to. */
  readonly columns: readonly string[];
  /** Rows of another table that refer to this one, shown below it: by `column` of `table`, called by `name`. */
  readonly referrers?: { readonly table: string; readonly column: string; readonly name: string };
}

/** The first of `tables` is the root. */
export function showCommand<S extends SchemaJson>(tables: readonly ShowTable[]): Command<S> {
  const needed = tables.flatMap(({ table, referrers }) => [table, ...(referrers === undefined ? [] : [referrers.table])]);
  return {
    name: "show",
    usage: "",
    min: 0,
    max: 0,
    options: "--filter=",
    group: "General commands",
    help: "print an overview of the database",
    prepare: () => needed,
    run(call) {
      const tree = new Tree(
        call.database,
        tables,
        (table) => call.db.rows(table as never) as unknown as Iterable<AnyRow>, // columns known at run time only
        (table, uuid) => call.db.row(table as never, uuid) as unknown as AnyRow | undefined,
      );
      const [root] = tables;
      if (root === undefined) return;
      const rules = filterRules(call.option("filter"), root.table);
      for (const row of tree.rows(root.table)) call.print(textOf(tree.node(root, row, 0), rules));
    },
  };
}

interface Node {
  /** The table of the row that the line begins; absent for a column's line. */
  readonly table?: string;
  readonly line: string;
  readonly children: readonly Node[];
}

class Tree {
  readonly #tables: ReadonlyMap<string, ShowTable>;
  readonly #database: DatabaseModel;
  readonly rows: (table: string) => Iterable<AnyRow>;
  readonly #row: (table: string, uuid: Uuid) => AnyRow | undefined;
  /** Tables on the way down, so that references in a circle end. */
  readonly #open = new Set<string>();

  constructor(
    database: DatabaseModel,
    tables: readonly ShowTable[],
    rows: (table: string) => Iterable<AnyRow>,
    row: (table: string, uuid: Uuid) => AnyRow | undefined,
  ) {
    this.#database = database;
    this.#tables = new Map(tables.map((table) => [table.table, table]));
    this.rows = rows;
    this.#row = row;
  }

  node(show: ShowTable, row: AnyRow, level: number): Node {
    const model = this.#database.tables.get(show.table) ?? fail(`unknown table "${show.table}"`);
    const title =
      show.name === undefined ? row._uuid : `${show.table} ${formatValue(model.columns.get(show.name)!, row[show.name])}`;
    this.#open.add(show.table);
    const children: Node[] = [];
    for (const name of show.columns) {
      const column = model.columns.get(name);
      if (column !== undefined) children.push(...this.#column(column, row, level + 1));
    }
    if (show.referrers !== undefined) children.push(...this.#referrers(show.referrers, row, level + 1));
    this.#open.delete(show.table);
    return { table: show.table, line: `${"    ".repeat(level)}${title}\n`, children };
  }

  #column(column: ColumnModel, row: AnyRow, level: number): Node[] {
    const value = row[column.name];
    const target = column.kind === "map" ? column.value?.refTable : column.key.refTable;
    const show = target === undefined ? undefined : this.#tables.get(target);
    if (show !== undefined) {
      if (this.#open.has(show.table)) return [];
      const uuids: readonly (Atom | undefined)[] =
        value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : [value as Atom | undefined];
      const rows = uuids.map((uuid) => (uuid === undefined ? undefined : this.#row(show.table, uuid as Uuid)));
      return rows.filter((found) => found !== undefined).map((found) => this.node(show, found, level));
    }
    return isDefault(column, row)
      ? []
      : [{ line: `${"    ".repeat(level)}${column.name}: ${formatValue(column, value)}\n`, children: [] }];
  }

  #referrers({ table, column, name }: NonNullable<ShowTable["referrers"]>, row: AnyRow, level: number): Node[] {
    const model = this.#database.tables.get(table)?.columns.get(name);
    if (model === undefined) return [];
    return [...this.rows(table)]
      .filter((referrer) => referrer[column] === row._uuid)
      .map((referrer) => ({ line: `${"    ".repeat(level)}${table} ${formatValue(model, referrer[name])}\n`, children: [] }));
  }
}

function isDefault(column: ColumnModel, row: AnyRow): boolean {
  return formatValue(column, row[column.name]) === formatValue(column, column.initial);
}

/** `TABLE(TEXT|TEXT),...`, or bare texts for the root's table: what the rows of a table must contain to be shown. */
function filterRules(text: string | undefined, root: string): ReadonlyMap<string, readonly string[]> {
  const rules = new Map<string, readonly string[]>();
  for (const rule of text?.split(",") ?? []) {
    const found = /^([^(]*)\((.*)\)$/s.exec(rule);
    const [table, texts] = found === null ? [root, rule] : [found[1]!, found[2]!];
    rules.set(table.toLowerCase(), [...(rules.get(table.toLowerCase()) ?? []), ...texts.split("|")]);
  }
  return rules;
}

function textOf({ table, line, children }: Node, rules: ReadonlyMap<string, readonly string[]>): string {
  const text = line + children.map((child) => textOf(child, rules)).join("");
  const wanted = table === undefined ? undefined : rules.get(table.toLowerCase());
  return wanted === undefined || wanted.some((part) => text.includes(part)) ? text : "";
}
