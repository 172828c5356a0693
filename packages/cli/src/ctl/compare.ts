/** The relations of `find` and `wait-until` (ovs-vsctl(8) "find"). */
import { type AnyRow, type Atom, type ColumnModel, type ColumnValue, compareAtoms, type TableModel } from "@weft/ovsdb";
import { fail } from "./error.ts";
import { parseAssignment, parseAtom, parseValue, type Relation, type Symbols, valuesColumn } from "./value.ts";

type Elements = readonly (readonly [Atom, Atom | undefined])[];

function elements(column: ColumnModel, value: ColumnValue): Elements {
  if (column.kind === "map") return [...(value as ReadonlyMap<Atom, Atom>)];
  if (column.kind === "set") return (value as readonly Atom[]).map((atom) => [atom, undefined] as const);
  return value === undefined ? [] : [[value as Atom, undefined]];
}

/** By number of elements, then by keys, then by values. */
function order(a: Elements, b: Elements): number {
  if (a.length !== b.length) return a.length - b.length;
  for (const part of [0, 1] as const) {
    for (const [i, element] of a.entries()) {
      const [x, y] = [element[part], b[i]?.[part]];
      if (x === undefined || y === undefined) continue;
      const difference = compareAtoms(x, y);
      if (difference !== 0) return difference;
    }
  }
  return 0;
}

function includes(all: Elements, [key, value]: Elements[number]): boolean {
  return all.some(([k, v]) => k === key && v === value);
}

const subset = (a: Elements, b: Elements) => a.every((element) => includes(b, element));

const relate: { readonly [R in Relation]: (a: Elements, b: Elements) => boolean } = {
  "=": (a, b) => order(a, b) === 0,
  "!=": (a, b) => order(a, b) !== 0,
  "<": (a, b) => order(a, b) < 0,
  ">": (a, b) => order(a, b) > 0,
  "<=": (a, b) => order(a, b) <= 0,
  ">=": (a, b) => order(a, b) >= 0,
  "{=}": (a, b) => order(a, b) === 0,
  "{!=}": (a, b) => order(a, b) !== 0,
  "{<}": (a, b) => subset(a, b) && a.length < b.length,
  "{>}": (a, b) => subset(b, a) && b.length < a.length,
  "{<=}": subset,
  "{>=}": (a, b) => subset(b, a),
  "{in}": subset,
  "{not-in}": (a, b) => !a.some((element) => includes(b, element)),
};

/** Whether a row satisfies `column[:key]OPvalue`. */
export function matches(table: TableModel, row: AnyRow, condition: string, symbols: Symbols): boolean {
  const { column, key, operator, value } = parseAssignment(table, condition, true);
  const relation = relate[operator as Relation]; // parseAssignment finds no others
  if (key === undefined)
    return relation(elements(column, row[column.name]), elements(column, parseValue(column, value, symbols)));
  if (column.kind !== "map") return fail(`cannot specify key to check for non-map column ${column.name}`);
  const values = valuesColumn(column);
  const wanted = elements(values, parseValue(values, value, symbols));
  const found = (row[column.name] as ReadonlyMap<Atom, Atom>).get(parseAtom(column.key, key, symbols));
  if (found === undefined) return operator.startsWith("{") && relation([], wanted);
  return relation([[found, undefined]], wanted);
}
