/** Column values as people type them (ovs-vsctl(8) "Database Values"), and `column[:key]=value`. */
import {
  type Atom,
  type AtomModel,
  type ColumnModel,
  type ColumnValue,
  compareAtoms,
  isUuid,
  type TableModel,
} from "@weft/ovsdb";
import { formatAtom } from "../datum.ts";
import { fail } from "./error.ts";
import { findColumn } from "./lookup.ts";

/** Finds what an @name stands for: a provisional uuid. */
export type Symbols = (name: string) => string;

const DELIMITERS = ':=, []{}!<>"';

/**
 * Takes one token off the front of `text`: a quoted string, or characters up to a delimiter. Outside of quotes, a backslash
 * takes the character after it as it is.
 */
export function takeToken(text: string): readonly [token: string, rest: string] {
  let at = 0;
  if (text[0] === '"') {
    for (at = 1; text[at] !== '"'; at++) {
      if (text[at] === "\\") at++;
      if (at >= text.length) fail(`${text}: quoted string extends past end of argument`);
    }
    at++;
  }
  let token = text.slice(0, at);
  for (; at < text.length && (text[at] === '"' || !DELIMITERS.includes(text[at]!)); at++) {
    if (text[at] === "\\" && ++at === text.length) fail(`${text} backslash at end of argument`);
    token += text[at];
  }
  return [token, text.slice(at)];
}

/** A token without its quotes. */
export function unquote(token: string): string {
  if (token === "") fail('An empty string is not valid as input; use "" to represent the empty string');
  if (token[0] !== '"') return token;
  if (token.length < 2 || !token.endsWith('"')) fail(`${token}: missing quote at end of quoted string`);
  let text: unknown;
  try {
    text = JSON.parse(token);
  } catch {
    fail(`${token}: bad JSON string`);
  }
  return text as string; // quoted: JSON text of a string
}

const INT64_MAX = 2n ** 63n - 1n;

function parseInteger(text: string): number | bigint | undefined {
  if (!/^\s*[+-]?[0-9]+$/.test(text)) return undefined;
  const exact = BigInt(text.trim().replace(/^\+/, ""));
  if (exact > INT64_MAX || exact < -INT64_MAX - 1n) return undefined;
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : exact;
}

function checkConstraints(model: AtomModel, atom: Atom): Atom {
  const shown = formatAtom(model.type, atom);
  const violated = (what: string) => fail(`constraint violation: ${shown} ${what}`);
  if (model.enumeration !== undefined && !model.enumeration.includes(atom)) {
    const allowed = [...model.enumeration].sort(compareAtoms).map((value) => formatAtom(model.type, value));
    violated(`is not one of the allowed values ([${allowed.join(", ")}])`);
  }
  const min = model.minInteger ?? model.minReal;
  const max = model.maxInteger ?? model.maxReal;
  if (typeof atom === "string" || typeof atom === "boolean") return atom;
  const low = min !== undefined && atom < min;
  const high = max !== undefined && atom > max;
  if ((low || high) && min !== undefined && max !== undefined) violated(`is not in the valid range ${min} to ${max} (inclusive)`);
  if (low) violated(`is less than minimum allowed value ${min}`);
  if (high) violated(`is greater than maximum allowed value ${max}`);
  return atom;
}

/** Longest range of integers. */
const MAX_RANGE = 4096;

/** The atoms that a token stands for: one, or those of a range of integers. */
function parseAtoms(model: AtomModel, token: string, symbols: Symbols, ranges: boolean): Atom[] {
  switch (model.type) {
    case "integer": {
      const one = parseInteger(token);
      if (one !== undefined) return [checkConstraints(model, one)];
      const range = ranges ? /^([+-]?[0-9]+)-([+-]?[0-9]+)$/.exec(token) : null;
      const [first, last] = range === null ? [] : [parseInteger(range[1]!), parseInteger(range[2]!)];
      if (first === undefined || last === undefined) return fail(`"${token}" is not a valid integer or range`);
      if (last < first) fail(`"${token}" is not a valid range. Range end cannot be before start.`);
      checkConstraints(model, first);
      checkConstraints(model, last);
      if (Number(last) - Number(first) >= MAX_RANGE) {
        fail(`"${token}" is not a valid range. Range width is limited to ${MAX_RANGE}.`);
      }
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
    }
    case "real": {
      const value = Number(token);
      if (token.trim() === "" || !Number.isFinite(value)) fail(`"${token}" is not a valid real number`);
      return [checkConstraints(model, value)];
    }
    case "boolean":
      if (["true", "yes", "on", "1"].includes(token)) return [true];
      if (["false", "no", "off", "0"].includes(token)) return [false];
      return fail(`"${token}" is not a valid boolean (use "true" or "false")`);
    case "string":
      return [checkConstraints(model, unquote(token))];
    case "uuid":
      if (token.startsWith("@")) return [symbols(token)];
      if (!isUuid(token)) fail(`"${token}" is not a valid UUID`);
      return [token.toLowerCase()];
  }
}

/** One atom from a whole text: no delimiters are special. */
export function parseAtom(model: AtomModel, text: string, symbols: Symbols): Atom {
  return parseAtoms(model, text, symbols, false)[0]!;
}

const plural: { readonly [type: string]: string } = {
  integer: "integers",
  real: "reals",
  boolean: "booleans",
  string: "strings",
  uuid: "uuids",
};

/** What the shape of a column is, in words. */
function typeInWords(column: ColumnModel): string {
  const { min, max, key, value } = column;
  if (min === 1 && max === 1 && value === undefined) return key.type;
  const kind = value === undefined ? "set" : "map";
  const count =
    max === Number.POSITIVE_INFINITY
      ? min > 0
        ? `of ${min} or more `
        : "of "
      : min > 0
        ? `of ${min} to ${max} `
        : `of up to ${max} `;
  return `${kind} ${count}${value === undefined ? plural[key.type] : `(${key.type}, ${value.type}) pairs`}`;
}

/** Elements of a set or map as typed: optional brackets, spaces or single commas between. */
function parseElements(column: ColumnModel, text: string, symbols: Symbols): [Atom, Atom | undefined][] {
  const [open, close] = column.value === undefined ? "[]" : "{}";
  const elements: [Atom, Atom | undefined][] = [];
  let rest = text;
  const space = () => {
    rest = rest.replace(/^ +/, "");
  };
  const token = (): string => {
    const [taken, after] = takeToken(rest);
    if (taken === "") {
      if (rest === "") fail('An empty string is not valid as input; use "" to represent the empty string');
      fail(`${text}: unexpected "${rest[0]}" parsing ${typeInWords(column)}`);
    }
    rest = after;
    return taken;
  };
  space();
  const bracketed = rest[0] === open;
  if (bracketed) {
    rest = rest.slice(1);
    space();
  }
  while (rest !== "" && !(bracketed && rest[0] === close)) {
    const keys = parseAtoms(column.key, token(), symbols, column.value === undefined);
    let value: Atom | undefined;
    if (column.value !== undefined) {
      // The end of the text is shown as nothing, and cuts off the rest of the message.
      if (rest[0] !== "=")
        fail(rest === "" ? `${text}: syntax error at "` : `${text}: syntax error at "${rest[0]}" expecting "="`);
      rest = rest.slice(1);
      value = parseAtom(column.value, token(), symbols);
    }
    for (const key of keys) elements.push([key, value]);
    space();
    if (rest[0] === ",") {
      rest = rest.slice(1);
      space();
    }
  }
  if (bracketed) {
    if (rest === "") fail(`${text}: missing "${close}" at end of data`);
    rest = rest.slice(1);
    space();
    if (rest !== "") fail(`${text}: trailing garbage after "${close}"`);
  }
  return elements;
}

/** A value of a column from text. Throws CtlError in the words of the OVS tools. */
export function parseValue(column: ColumnModel, text: string, symbols: Symbols): ColumnValue {
  const elements = parseElements(column, text, symbols);
  const unique = new Map(elements);
  if (elements.length < column.min) {
    fail(`${text}: ${elements.length} value(s) specified but the minimum number is ${column.min}`);
  }
  if (elements.length > column.max) {
    fail(`${text}: ${elements.length} value(s) specified but the maximum number is ${column.max}`);
  }
  if (unique.size < elements.length) {
    fail(`${text}: ${column.value === undefined ? "set contains duplicate value" : "map contains duplicate key"}`);
  }
  const sorted = [...unique].sort(([a], [b]) => compareAtoms(a, b));
  if (column.kind === "map") return new Map(sorted as [Atom, Atom][]); // a map's elements have values
  if (column.kind === "set") return sorted.map(([key]) => key);
  return sorted[0]?.[0];
}

/** The column as a set of any size of the map's values, or of its own atoms. */
export function valuesColumn(column: ColumnModel, min = 0): ColumnModel {
  const { value = column.key } = column;
  return { ...column, kind: "set", key: value, value: undefined, min, max: Number.POSITIVE_INFINITY, initial: [] };
}

export interface Assignment {
  readonly column: ColumnModel;
  readonly key: string | undefined;
  readonly operator: string;
  readonly value: string;
}

/** Longer operators first, so that none hides another. */
export const relations = [
  "{not-in}",
  "{<=}",
  "{>=}",
  "{!=}",
  "{in}",
  "{=}",
  "{<}",
  "{>}",
  "!=",
  "<=",
  ">=",
  "=",
  "<",
  ">",
] as const;
export type Relation = (typeof relations)[number];

const relationsInWords =
  '"=", "!=", "<", ">", "<=", ">=", "{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}", or "{not-in}" followed by a value.';

/** `column[:key]` at the front of an argument. */
export function takeColumn(table: TableModel, argument: string): readonly [ColumnModel, string | undefined, string] {
  const [name, rest] = takeToken(argument);
  if (name === "") fail(`${argument}: missing column name`);
  const column = findColumn(table, name);
  if (rest[0] !== ":") return [column, undefined, rest];
  const [key, after] = takeToken(rest.slice(1));
  return [column, unquote(key), after];
}

/** Splits `column[:key]OPvalue`; with `relational` any relation, otherwise "=". */
export function parseAssignment(table: TableModel, argument: string, relational = false): Assignment {
  const [column, key, rest] = takeColumn(table, argument);
  const operator = (relational ? relations : (["="] as const)).find((text) => rest.startsWith(text));
  const value = operator === undefined ? "" : rest.slice(operator.length);
  if (operator === undefined || value === "") {
    fail(`${argument}: argument does not end in ${relational ? relationsInWords : '"=" followed by a value.'}`);
  }
  return { column, key, operator, value };
}
