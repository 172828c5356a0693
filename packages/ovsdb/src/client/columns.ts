/**
 * What a client knows of a column: how its values go from the wire (RFC 7047 section 5.1) to the form that programs
 * read, and back; how an update2 difference is applied (ovsdb-server(7) 4.1.14); its default.
 */
import { WeftError } from "@weft/runtime";
import { isArray, type Json } from "../jsonrpc/json.ts";
import type { BaseTypeJson, ColumnJson, SchemaJson, TableJson } from "../schema.ts";
import type { Atom, AtomicType, ColumnValue, Uuid } from "../value.ts";

/** A row whose columns are known at run time only. */
export type AnyRow = { readonly _uuid: Uuid } & { readonly [column: string]: ColumnValue };

/** The base type of a column's keys or values, written out. */
export interface AtomModel {
  readonly type: AtomicType;
  readonly enumeration?: readonly Atom[];
  readonly refTable?: string;
  readonly refType?: "strong" | "weak";
  readonly minInteger?: number;
  readonly maxInteger?: number;
  readonly minReal?: number;
  readonly maxReal?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** "scalar" is exactly one atom, "optional" one or none, "set" may hold several, "map" pairs. */
export type ColumnKind = "scalar" | "optional" | "set" | "map";

export interface ColumnModel {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly key: AtomModel;
  readonly value: AtomModel | undefined;
  readonly min: number;
  /** Infinity for "unlimited". */
  readonly max: number;
  readonly mutable: boolean;
  readonly ephemeral: boolean;
  /** The value that a row has when nothing was said (RFC 7047 5.2.1). */
  readonly initial: ColumnValue;
}

export interface TableModel {
  readonly name: string;
  readonly columns: ReadonlyMap<string, ColumnModel>;
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly string[])[];
  readonly maxRows: number;
}

export interface DatabaseModel {
  readonly name: string;
  readonly version: string;
  readonly tables: ReadonlyMap<string, TableModel>;
}

/** A value on the wire is not one of its column. */
export class ValueError extends WeftError {}

function atomModel(json: BaseTypeJson): AtomModel {
  if (typeof json === "string") return { type: json };
  const { enum: choice, ...rest } = json;
  const base = rest.refTable === undefined ? rest : { ...rest, refType: rest.refType ?? ("strong" as const) };
  if (choice === undefined) return base;
  return { ...base, enumeration: typeof choice === "object" ? choice[1] : [choice] };
}

export function columnModel(name: string, json: ColumnJson): ColumnModel {
  const type = typeof json.type === "string" ? { key: json.type } : json.type;
  const key = atomModel(type.key);
  const value = type.value === undefined ? undefined : atomModel(type.value);
  const min = type.min ?? 1;
  const max = type.max === "unlimited" ? Number.POSITIVE_INFINITY : (type.max ?? 1);
  const kind: ColumnKind = value !== undefined ? "map" : max > 1 ? "set" : min === 0 ? "optional" : "scalar";
  const atom = defaultAtom(key);
  const initial =
    kind === "map"
      ? new Map(min > 0 && value !== undefined ? [[atom, defaultAtom(value)]] : [])
      : kind === "set"
        ? min > 0
          ? [atom]
          : []
        : kind === "optional"
          ? undefined
          : atom;
  return {
    name,
    kind,
    key,
    value,
    min,
    max,
    mutable: json.mutable ?? true,
    ephemeral: json.ephemeral ?? false,
    initial,
  };
}

export function tableModel(name: string, json: TableJson): TableModel {
  return {
    name,
    columns: new Map(Object.entries(json.columns).map(([column, type]) => [column, columnModel(column, type)])),
    isRoot: json.isRoot ?? false,
    indexes: json.indexes ?? [],
    maxRows: json.maxRows ?? Number.POSITIVE_INFINITY,
  };
}

/** In a schema in which no table says isRoot, every table is root (RFC 7047 section 3.2). */
export function databaseModel(schema: SchemaJson): DatabaseModel {
  const tables = Object.entries(schema.tables).map(([name, json]) => tableModel(name, json));
  const rooted = tables.some((table) => table.isRoot);
  return {
    name: schema.name,
    version: schema.version,
    tables: new Map(tables.map((table) => [table.name, rooted ? table : { ...table, isRoot: true }])),
  };
}

export const ZERO_UUID = "00000000-0000-0000-0000-000000000000" as Uuid;

/** Also of a column with a choice of strings: the empty one, which is none of them. */
export function defaultAtom(model: AtomModel): Atom {
  switch (model.type) {
    case "integer":
    case "real":
      return 0;
    case "boolean":
      return false;
    case "string":
      return "";
    case "uuid":
      return ZERO_UUID;
  }
}

/** The order of atoms in sets and of keys in maps: numbers by value, false before true, strings by their UTF-8 bytes. */
export function compareAtoms(a: Atom, b: Atom): number {
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === length) return a.length - b.length;
  // Surrogates stand for code points above U+FFFF but are numbered below U+E000: lift them.
  const weigh = (unit: number) => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);
  return weigh(a.charCodeAt(at)) - weigh(b.charCodeAt(at));
}

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

export function isUuid(text: string): text is Uuid {
  return UUID.test(text);
}

function bad(column: ColumnModel, json: Json): never {
  throw new ValueError("ovsdb.bad-value", `${JSON.stringify(json)} is not a value of column ${column.name}`, {
    place: { column: column.name },
  });
}

function decodeAtom(column: ColumnModel, model: AtomModel, json: Json): Atom {
  switch (model.type) {
    case "string":
      if (typeof json === "string") return json;
      break;
    case "uuid":
      if (isArray(json) && json[0] === "uuid" && typeof json[1] === "string" && isUuid(json[1])) return json[1];
      break;
    case "integer":
      if (typeof json === "bigint" || (typeof json === "number" && Number.isInteger(json))) return json;
      break;
    case "real":
      if (typeof json === "number") return json;
      if (typeof json === "bigint") return Number(json);
      break;
    case "boolean":
      if (typeof json === "boolean") return json;
      break;
  }
  return bad(column, json);
}

function members(json: Json, tag: "set" | "map"): readonly Json[] | undefined {
  return isArray(json) && json.length === 2 && json[0] === tag && isArray(json[1]) ? json[1] : undefined;
}

function sorted(atoms: Atom[]): readonly Atom[] {
  let inOrder = true;
  for (let i = 1; i < atoms.length; i++) {
    if (compareAtoms(atoms[i - 1] as Atom, atoms[i] as Atom) >= 0) {
      inOrder = false;
      break;
    }
  }
  if (inOrder) return atoms;
  atoms.sort(compareAtoms);
  return atoms.filter((atom, i) => i === 0 || atom !== atoms[i - 1]);
}

function sortedMap(pairs: (readonly [Atom, Atom])[]): ReadonlyMap<Atom, Atom> {
  let inOrder = true;
  for (let i = 1; i < pairs.length; i++) {
    if (compareAtoms((pairs[i - 1] as [Atom, Atom])[0], (pairs[i] as [Atom, Atom])[0]) >= 0) {
      inOrder = false;
      break;
    }
  }
  return new Map(inOrder ? pairs : pairs.sort(([a], [b]) => compareAtoms(a, b)));
}

/** From the wire to what programs read. Throws {@link ValueError}. */
export function decode(column: ColumnModel, json: Json): ColumnValue {
  if (column.kind === "map") {
    const pairs = members(json, "map") ?? bad(column, json);
    const value = column.value as AtomModel;
    return sortedMap(
      pairs.map((pair) => {
        if (!isArray(pair) || pair.length !== 2) return bad(column, json);
        return [decodeAtom(column, column.key, pair[0] as Json), decodeAtom(column, value, pair[1] as Json)] as const;
      }),
    );
  }
  const set = members(json, "set");
  if (column.kind === "set") {
    return sorted((set ?? [json]).map((atom) => decodeAtom(column, column.key, atom)));
  }
  if (set === undefined) return decodeAtom(column, column.key, json);
  if (set.length === 1) return decodeAtom(column, column.key, set[0] as Json);
  return column.kind === "optional" && set.length === 0 ? undefined : bad(column, json);
}

/** A set without what of `change` it has, and with the rest. */
export function toggled(old: readonly Atom[], change: readonly Atom[]): readonly Atom[] {
  if (change.length * 8 > old.length) {
    const atoms = new Set(old);
    for (const atom of change) if (!atoms.delete(atom)) atoms.add(atom);
    return sorted([...atoms]);
  }
  const atoms = old.slice();
  for (const atom of change) {
    const at = placeIn(atoms, atom);
    if (atoms[at] === atom) atoms.splice(at, 1);
    else atoms.splice(at, 0, atom);
  }
  return atoms;
}

/** Where an atom stands, or would stand, in a sorted list. */
export function placeIn(atoms: readonly Atom[], atom: Atom): number {
  let [from, to] = [0, atoms.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareAtoms(atoms[middle]!, atom) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The value after an update2 "modify" gave `json` for it. */
export function applyDifference(column: ColumnModel, old: ColumnValue, json: Json): ColumnValue {
  const change = decode(column, json);
  if (column.kind === "set") {
    return toggled(old as readonly Atom[], change as readonly Atom[]);
  }
  if (column.kind === "map") {
    const map = new Map(old as ReadonlyMap<Atom, Atom>);
    let added = false;
    for (const [key, value] of change as ReadonlyMap<Atom, Atom>) {
      const before = map.get(key);
      // A pair that is there exactly as named goes; another value for its key replaces it.
      if (before === value) map.delete(key);
      else {
        added ||= before === undefined;
        map.set(key, value);
      }
    }
    return added ? sortedMap([...map]) : map;
  }
  return change;
}

/** An atom to its wire form. `uuidJson` gives that of a uuid (named-uuid for rows that are not committed). */
export function encodeAtom(type: AtomicType, atom: Atom, uuidJson?: (uuid: string) => Json): Json {
  return type === "uuid" ? (uuidJson?.(atom as string) ?? ["uuid", atom as string]) : atom;
}

/** From what programs read to the wire. */
export function encode(column: ColumnModel, value: ColumnValue, uuidJson?: (uuid: string) => Json): Json {
  if (column.kind === "map") {
    const type = (column.value as AtomModel).type;
    const pairs = [...(value as ReadonlyMap<Atom, Atom>)];
    return ["map", pairs.map(([k, v]) => [encodeAtom(column.key.type, k, uuidJson), encodeAtom(type, v, uuidJson)])];
  }
  if (column.kind === "set") {
    const atoms = value as readonly Atom[];
    if (atoms.length === 1) return encodeAtom(column.key.type, atoms[0] as Atom, uuidJson);
    return ["set", atoms.map((atom) => encodeAtom(column.key.type, atom, uuidJson))];
  }
  if (value === undefined) return ["set", []];
  return encodeAtom(column.key.type, value as Atom, uuidJson);
}

export function equalValues(a: ColumnValue, b: ColumnValue): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((atom, i) => atom === b[i]);
  }
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) if (b.get(key) !== value) return false;
    return true;
  }
  return false;
}

/** Whether `json` is this value as `encode` writes it. */
export function isWritten(column: ColumnModel, value: ColumnValue, json: Json): boolean {
  if (column.kind === "map") {
    const pairs = members(json, "map");
    const map = value as ReadonlyMap<Atom, Atom>;
    return (
      pairs !== undefined &&
      pairs.length === map.size &&
      pairs.every((pair) => {
        if (!isArray(pair)) return false;
        const key = plainAtom(column.key, pair[0]);
        return key !== undefined && map.has(key) && map.get(key) === plainAtom(column.value as AtomModel, pair[1]);
      })
    );
  }
  const set = members(json, "set");
  if (column.kind === "set") {
    const atoms = value as readonly Atom[];
    if (set === undefined) return atoms.length === 1 && atoms[0] === plainAtom(column.key, json);
    return set.length === atoms.length && set.every((atom, i) => atoms[i] === plainAtom(column.key, atom));
  }
  return set === undefined && value !== undefined && value === plainAtom(column.key, json);
}

/** The atom that a piece of JSON is; undefined where it is none. */
function plainAtom(model: AtomModel, json: Json | undefined): Atom | undefined {
  const atom = model.type === "uuid" && isArray(json) ? json[1] : json;
  return typeof atom === "object" || atom === undefined ? undefined : atom;
}

function isHandle(value: unknown): value is { readonly rowHandle: string } {
  return typeof value === "object" && value !== null && "rowHandle" in value;
}

/** Throws where something is not an atom of the type; gives the provisional uuid of a row handle. */
function checkAtom(column: ColumnModel, model: AtomModel, given: unknown): Atom {
  const atom = (isHandle(given) ? given.rowHandle : given) as Atom;
  const type = typeof atom;
  const fits =
    model.type === "integer"
      ? type === "bigint" || Number.isInteger(atom)
      : model.type === "real"
        ? type === "number"
        : model.type === "boolean"
          ? type === "boolean"
          : type === "string";
  if (fits) return atom;
  throw new ValueError("ovsdb.bad-write", `${String(atom)} is not a ${model.type} for column ${column.name}`, {
    blame: "caller",
    place: { column: column.name },
  });
}

/**
 * What a program gives to be written (any iterable for a set or map; row handles) to the form in which rows are read; a
 * map or array that has it already is taken as it is. Throws {@link ValueError} where the value is of another type than
 * the column.
 */
export function normalise(column: ColumnModel, given: unknown): ColumnValue {
  if (column.kind === "map") {
    const value = column.value as AtomModel;
    if (given instanceof Map && isSortedMap(column, given)) return given;
    const pairs = [...(given as Iterable<readonly [unknown, unknown]>)];
    const unique = new Map(pairs.map(([k, v]) => [checkAtom(column, column.key, k), checkAtom(column, value, v)] as const));
    return sortedMap([...unique]);
  }
  if (column.kind === "set") {
    const atoms = [...(given as Iterable<unknown>)];
    for (let i = 0; i < atoms.length; i++) atoms[i] = checkAtom(column, column.key, atoms[i]);
    return sorted(atoms as Atom[]); // checked just now
  }
  if (given === undefined && column.kind === "optional") return undefined;
  return checkAtom(column, column.key, given);
}

/** Whether a map has atoms of the column's types, and its keys in order. */
function isSortedMap(column: ColumnModel, map: ReadonlyMap<unknown, unknown>): map is ReadonlyMap<Atom, Atom> {
  let last: Atom | undefined;
  for (const [given, to] of map) {
    const key = checkAtom(column, column.key, given);
    if (key !== given || checkAtom(column, column.value as AtomModel, to) !== to) return false;
    if (last !== undefined && compareAtoms(last, key) >= 0) return false;
    last = key;
  }
  return true;
}

/** The uuids that a value refers to by this strength of reference. */
export function referencesIn(column: ColumnModel, value: ColumnValue, strength?: "strong" | "weak"): Iterable<[string, Uuid]> {
  const found: [string, Uuid][] = [];
  const take = (model: AtomModel, atom: Atom | undefined) => {
    if (model.refTable !== undefined && atom !== undefined && (strength === undefined || model.refType === strength)) {
      found.push([model.refTable, atom as Uuid]);
    }
  };
  if (column.kind === "map") {
    for (const [key, atom] of value as ReadonlyMap<Atom, Atom>) {
      take(column.key, key);
      take(column.value as AtomModel, atom);
    }
  } else if (column.kind === "set") for (const atom of value as readonly Atom[]) take(column.key, atom);
  else take(column.key, value as Atom | undefined);
  return found;
}
