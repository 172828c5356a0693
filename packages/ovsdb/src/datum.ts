/** Atoms and data: wire form (RFC 7047 section 5.1), checks, text, comparison, and the arithmetic of sets and maps. */
import { type BaseType, type ColumnType, isScalar } from "./columnType.ts";
import { formatReal, OvsdbError, syntaxError } from "./error.ts";
import { isArray, type Json, stringifyJson } from "./jsonrpc/json.ts";
import { isId } from "./members.ts";
import type { Atom, Datum, Uuid } from "./value.ts";

export const ZERO_UUID = "00000000-0000-0000-0000-000000000000" as Uuid; // has the form of one

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const LOWER_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A uuid from its text, in any case; undefined if it is none. */
export function parseUuid(text: string): Uuid | undefined {
  if (text.length !== 36) return undefined;
  if (LOWER_UUID.test(text)) return text as Uuid; // has the form of one
  return UUID.test(text) ? (text.toLowerCase() as Uuid) : undefined; // has the form of one
}

/** What a <named-uuid> stands for within a transaction. */
export type NameResolver = (name: string) => Uuid;

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** An integer in its normal form: number up to 2^53, bigint beyond; undefined outside 64 bits. */
export function normalInteger(value: bigint): number | bigint | undefined {
  if (value >= -9007199254740991n && value <= 9007199254740991n) return Number(value);
  return value <= INT64_MAX && value >= INT64_MIN ? value : undefined;
}

function defaultAtom(base: BaseType): Atom {
  switch (base.type) {
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

/** The one datum without elements: most optional columns are empty in most rows. */
export const EMPTY: Datum = [];

/** RFC 7047 section 5.2.1: the value of a column that an insert does not give. */
export function defaultDatum(type: ColumnType): Datum {
  if (type.min === 0) return EMPTY;
  const key = defaultAtom(type.key);
  return type.value === undefined ? [key] : [key, defaultAtom(type.value)];
}

function parseAtom(json: Json, base: BaseType, resolve: NameResolver | undefined): Atom {
  switch (base.type) {
    case "string":
      if (typeof json === "string") return json;
      break;
    case "integer":
      if (typeof json === "number" && Number.isInteger(json)) {
        if (Number.isSafeInteger(json)) return json + 0;
        const normal = normalInteger(BigInt(json));
        if (normal !== undefined) return normal;
      } else if (typeof json === "bigint") {
        const normal = normalInteger(json);
        if (normal !== undefined) return normal;
      }
      break;
    case "real":
      if (typeof json === "number" && Number.isFinite(json)) return json + 0;
      if (typeof json === "bigint") return Number(json);
      break;
    case "boolean":
      if (typeof json === "boolean") return json;
      break;
    case "uuid": {
      if (!isArray(json) || json.length !== 2) break;
      const [tag, text] = json;
      if (typeof text !== "string") break;
      if (tag === "uuid") {
        const uuid = parseUuid(text);
        if (uuid === undefined) throw syntaxError(`"${text}" is not a valid UUID`, json);
        return uuid;
      }
      if (tag === "named-uuid" && resolve !== undefined) {
        if (!isId(text)) throw syntaxError("named-uuid string is not a valid <id>", json);
        return resolve(text);
      }
      break;
    }
  }
  throw syntaxError(base.type === "uuid" ? 'expected ["uuid", <string>]' : `expected ${base.type}`, json);
}

/** The fault of an atom by its base type's constraints. */
function atomFault(atom: Atom, base: BaseType): string | undefined {
  if (base.enum !== undefined) {
    if (indexOf(base.enum, atom, 1) >= 0) return undefined;
    return `${atomText(atom, base)} is not one of the allowed values (${datumText(base.enum, { key: base, min: 1, max: 2 ** 31 })})`;
  }
  if (base.min !== undefined || base.max !== undefined) {
    const low = base.min !== undefined && (atom as number) < base.min; // a base type with bounds is numeric
    const high = base.max !== undefined && (atom as number) > base.max; // as above
    if (!low && !high) return undefined;
    const text = (value: Atom): string => atomText(value, base);
    if (base.min !== undefined && base.max !== undefined) {
      return `${text(atom)} is not in the valid range ${text(base.min)} to ${text(base.max)} (inclusive)`;
    }
    return base.min !== undefined
      ? `${text(atom)} is less than minimum allowed value ${text(base.min)}`
      : `${text(atom)} is greater than maximum allowed value ${text(base.max ?? 0)}`;
  }
  if (typeof atom === "string" && (base.minLength !== undefined || base.maxLength !== undefined)) {
    const length = [...atom].length;
    if (length < (base.minLength ?? 0)) {
      return `"${atom}" length ${length} is less than minimum allowed length ${base.minLength}`;
    }
    if (base.maxLength !== undefined && length > base.maxLength) {
      return `"${atom}" length ${length} is greater than maximum allowed length ${base.maxLength}`;
    }
  }
  return undefined;
}

function isConstrained(base: BaseType): boolean {
  return (
    base.enum !== undefined ||
    base.min !== undefined ||
    base.max !== undefined ||
    base.minLength !== undefined ||
    base.maxLength !== undefined
  );
}

/** Throws "constraint violation" if an atom does not satisfy its base type. */
export function checkAtoms(datum: Datum, type: ColumnType): void {
  const { key, value } = type;
  const step = value === undefined ? 1 : 2;
  const keys = isConstrained(key);
  const values = value !== undefined && isConstrained(value);
  if (!keys && !values) return;
  for (let i = 0; i < datum.length; i += step) {
    const fault = (keys ? atomFault(datum[i]!, key) : undefined) ?? (values ? atomFault(datum[i + 1]!, value) : undefined);
    if (fault !== undefined) throw new OvsdbError("constraint violation", fault);
  }
}

/** Throws "constraint violation" if there are too many or too few elements. */
export function checkSize(datum: Datum, type: ColumnType, describe: (type: ColumnType) => string): void {
  const count = type.value === undefined ? datum.length : datum.length / 2;
  if (count < type.min || count > type.max) {
    throw new OvsdbError("constraint violation", `Attempted to store ${count} elements in ${describe(type)}.`);
  }
}

function parseChecked(json: Json, base: BaseType, resolve: NameResolver | undefined): Atom {
  const atom = parseAtom(json, base, resolve);
  const fault = atomFault(atom, base);
  if (fault !== undefined) throw new OvsdbError("constraint violation", fault);
  return atom;
}

/** Parses a <value> of the given type, constraints included. Throws OvsdbError. */
export function parseDatum(json: Json, type: ColumnType, resolve?: NameResolver): Datum {
  const { key, value } = type;
  if (value === undefined && !(isArray(json) && json[0] === "set")) return [parseChecked(json, key, resolve)];
  const tag = value === undefined ? "set" : "map";
  const elements = isArray(json) && json.length === 2 && json[0] === tag ? json[1] : undefined;
  if (!isArray(elements)) throw syntaxError(`expected ["${tag}", <array>]`, json);
  const count = elements.length;
  if (count < type.min || count > type.max) {
    const allowed = type.min === 1 && type.max === 1 ? "exactly one member" : `${type.min} to ${type.max} members`;
    throw syntaxError(`${tag} must have ${allowed} but ${count} are present`, json);
  }
  if (value === undefined) {
    if (count === 0) return EMPTY;
    // Made with its length: an array that grows by push keeps room for 16 more, for as long as the row lives.
    const atoms = new Array<Atom>(count);
    for (let i = 0; i < count; i++) atoms[i] = parseChecked(elements[i]!, key, resolve);
    return sortSet(atoms);
  }
  if (count === 0) return EMPTY;
  const flat = new Array<Atom>(2 * count);
  let sorted = true;
  for (let i = 0; i < count; i++) {
    const element = elements[i]!;
    if (!isArray(element) || element.length !== 2) throw syntaxError("expected 2-element array", element);
    const atom = parseChecked(element[0]!, key, resolve);
    if (i > 0 && !(flat[2 * i - 2]! < atom)) sorted = false;
    flat[2 * i] = atom;
    flat[2 * i + 1] = parseChecked(element[1]!, value, resolve);
  }
  return sorted ? flat : sortMap(flat);
}

function sortSet(atoms: Atom[]): Datum {
  let sorted = true;
  for (let i = 1; i < atoms.length; i++) {
    if (!(atoms[i - 1]! < atoms[i]!)) {
      sorted = false;
      break;
    }
  }
  if (sorted) return atoms;
  atoms.sort(compareAtoms);
  for (let i = 1; i < atoms.length; i++) {
    if (atoms[i - 1] === atoms[i]) throw new OvsdbError("ovsdb error", "set contains duplicate");
  }
  return atoms;
}

function sortMap(flat: readonly Atom[]): Datum {
  const positions = Array.from({ length: flat.length / 2 }, (_, i) => 2 * i);
  positions.sort((a, b) => compareAtoms(flat[a]!, flat[b]!));
  const sorted = new Array<Atom>(flat.length);
  for (const [i, at] of positions.entries()) {
    const key = flat[at]!;
    if (i > 0 && sorted[2 * i - 2] === key) throw new OvsdbError("ovsdb error", "map contains duplicate key");
    sorted[2 * i] = key;
    sorted[2 * i + 1] = flat[at + 1]!;
  }
  return sorted;
}

export function compareAtoms(a: Atom, b: Atom): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function equalData(a: Datum, b: Datum): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Where a key stands in a sorted datum of the given step; if it is not there, `-1 - position to insert at`. */
export function indexOf(datum: Datum, key: Atom, step: number): number {
  let low = 0;
  let high = datum.length / step;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = datum[middle * step]!;
    if (at === key) return middle * step;
    if (at < key) low = middle + 1;
    else high = middle;
  }
  return -1 - low * step;
}

function stepOf(type: ColumnType): 1 | 2 {
  return type.value === undefined ? 1 : 2;
}

/** Whether every element of `part` is in `whole`: for a map, key and value. */
export function includesAll(whole: Datum, part: Datum, type: ColumnType): boolean {
  const step = stepOf(type);
  for (let i = 0; i < part.length; i += step) {
    const at = indexOf(whole, part[i]!, step);
    if (at < 0 || (step === 2 && whole[at + 1] !== part[i + 1])) return false;
  }
  return true;
}

/** Whether no element of `part` is in `whole`: for a map, key and value. */
export function excludesAll(whole: Datum, part: Datum, type: ColumnType): boolean {
  const step = stepOf(type);
  for (let i = 0; i < part.length; i += step) {
    const at = indexOf(whole, part[i]!, step);
    if (at >= 0 && (step === 1 || whole[at + 1] === part[i + 1])) return false;
  }
  return true;
}

/** `a` and the elements of `b` whose keys are not in `a` (RFC 7047 section 5.1 mutator "insert"). */
export function union(a: Datum, b: Datum, type: ColumnType): Datum {
  const step = stepOf(type);
  if (b.length <= 8 * step) {
    let out: Atom[] | undefined;
    for (let i = 0; i < b.length; i += step) {
      const at = indexOf(out ?? a, b[i]!, step);
      if (at >= 0) continue;
      out ??= a.slice();
      if (step === 1) out.splice(-1 - at, 0, b[i]!);
      else out.splice(-1 - at, 0, b[i]!, b[i + 1]!);
    }
    return out ?? a;
  }
  const out: Atom[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && a[i]! <= b[j]!);
    const source = fromA ? a : b;
    const at = fromA ? i : j;
    if (fromA && j < b.length && a[i] === b[j]) j += step;
    out.push(source[at]!);
    if (step === 2) out.push(source[at + 1]!);
    if (fromA) i += step;
    else j += step;
  }
  return out.length === a.length ? a : out;
}

/** `a` without the elements of `b`: for a map, those whose key and value both match. */
export function subtract(a: Datum, b: Datum, type: ColumnType): Datum {
  const step = stepOf(type);
  return without(a, step, (at) => {
    const found = indexOf(b, a[at]!, step);
    return found >= 0 && (step === 1 || b[found + 1] === a[at + 1]);
  });
}

/** A map without the given keys. */
export function subtractKeys(map: Datum, keys: Datum): Datum {
  return without(map, 2, (at) => indexOf(keys, map[at]!, 1) >= 0);
}

/** The datum without the elements for which `drop` holds, given the position of the key. */
export function without(datum: Datum, step: 1 | 2, drop: (at: number) => boolean): Datum {
  let out: Atom[] | undefined;
  for (let i = 0; i < datum.length; i += step) {
    if (drop(i)) out ??= datum.slice(0, i);
    else if (out !== undefined) {
      out.push(datum[i]!);
      if (step === 2) out.push(datum[i + 1]!);
    }
  }
  return out ?? datum;
}

/**
 * What changed from `before` to `after`, as ovsdb-server(7) section 4.1.14 and the on-disk log have it: a column of at
 * most one element gives the new value; a set the elements of only one side; a map the pairs that are new, changed
 * (with the new value) or gone (with the old one).
 */
export function difference(before: Datum, after: Datum, type: ColumnType): Datum {
  if (type.max === 1) return after;
  const step = stepOf(type);
  const out: Atom[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const a = before[i];
    const b = after[j];
    if (a !== undefined && a === b) {
      if (step === 2 && before[i + 1] !== after[j + 1]) out.push(b, after[j + 1]!);
      i += step;
      j += step;
    } else if (b === undefined || (a !== undefined && a < b)) {
      out.push(a!);
      if (step === 2) out.push(before[i + 1]!);
      i += step;
    } else {
      out.push(b);
      if (step === 2) out.push(after[j + 1]!);
      j += step;
    }
  }
  return out;
}

/** The inverse of {@link difference}: the value after, from the value before and the difference. */
export function applyDifference(before: Datum, change: Datum, type: ColumnType): Datum {
  if (type.max === 1) return change;
  const step = stepOf(type);
  const out: Atom[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < change.length) {
    const a = before[i];
    const b = change[j];
    if (a !== undefined && a === b) {
      if (step === 2 && before[i + 1] !== change[j + 1]) out.push(b, change[j + 1]!);
      i += step;
      j += step;
    } else if (b === undefined || (a !== undefined && a < b)) {
      out.push(a!);
      if (step === 2) out.push(before[i + 1]!);
      i += step;
    } else {
      out.push(b);
      if (step === 2) out.push(change[j + 1]!);
      j += step;
    }
  }
  return out;
}

function atomJson(atom: Atom, base: BaseType): Json {
  return base.type === "uuid" ? ["uuid", atom] : atom;
}

/** The <value>: a set of one element as the bare atom. */
export function datumJson(datum: Datum, type: ColumnType): Json {
  const { key, value } = type;
  if (value === undefined) {
    if (datum.length === 1) return atomJson(datum[0]!, key);
    if (key.type !== "uuid") return ["set", datum];
    return ["set", datum.map((atom) => ["uuid", atom])];
  }
  const pairs: Json[] = [];
  for (let i = 0; i < datum.length; i += 2) pairs.push([atomJson(datum[i]!, key), atomJson(datum[i + 1]!, value)]);
  return ["map", pairs];
}

const BARE = /^[a-zA-Z_][a-zA-Z0-9_.-]*$/;

/** An atom as the reference's tools print and messages name it: a string is quoted unless it is a plain word. */
export function atomText(atom: Atom, base: BaseType): string {
  if (base.type === "real") return formatReal(atom as number); // reals are numbers
  if (base.type !== "string") return String(atom);
  const text = atom as string; // strings are strings
  return BARE.test(text) && text !== "true" && text !== "false" && !UUID.test(text) ? text : stringifyJson(text);
}

/** A datum as text: `[a, b]`, `{k=v, k2=v2}`, or the bare atom where the type allows but one. */
export function datumText(datum: Datum, type: ColumnType): string {
  const { key, value } = type;
  if (value === undefined) {
    const atoms = datum.map((atom) => atomText(atom, key));
    return type.max === 1 && atoms.length === 1 ? atoms[0]! : `[${atoms.join(", ")}]`;
  }
  const pairs: string[] = [];
  for (let i = 0; i < datum.length; i += 2) pairs.push(`${atomText(datum[i]!, key)}=${atomText(datum[i + 1]!, value)}`);
  return `{${pairs.join(", ")}}`;
}

/** Whether a datum is what an insert would give without a value for the column. */
export function isDefault(datum: Datum, type: ColumnType): boolean {
  if (type.min === 0) return datum.length === 0;
  if (!isScalar(type)) return equalData(datum, defaultDatum(type));
  return datum[0] === defaultAtom(type.key);
}
