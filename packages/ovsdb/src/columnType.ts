/** Column types as the server uses them: RFC 7047 section 3.2 <type> and <base-type>, parsed and checked. */
import { syntaxError } from "./error.ts";
import { type Json, stringifyJson } from "./jsonrpc/json.ts";
import { Members } from "./members.ts";
import type { AtomicType, Datum } from "./value.ts";

export interface BaseType {
  readonly type: AtomicType;
  /** The only values allowed, sorted. */
  readonly enum?: Datum;
  /** Bounds of an integer or real. */
  readonly min?: number | bigint;
  readonly max?: number | bigint;
  /** Bounds of a string's length, in characters. */
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly refTable?: string;
  /** Present with refTable. */
  readonly refType?: "strong" | "weak";
}

/** `max` of a column that may have any number of elements. */
export const UNLIMITED = 4294967295;

export interface ColumnType {
  readonly key: BaseType;
  /** Present for a map. */
  readonly value?: BaseType;
  readonly min: number;
  readonly max: number;
}

export function isScalar(type: ColumnType): boolean {
  return type.min === 1 && type.max === 1 && type.value === undefined;
}

const ATOMIC_TYPES: readonly AtomicType[] = ["integer", "real", "boolean", "string", "uuid"];

function parseAtomicType(json: Json): AtomicType {
  const found = ATOMIC_TYPES.find((type) => type === json);
  if (found === undefined) throw syntaxError(`${stringifyJson(json)} is not an atomic-type`, json);
  return found;
}

/** How atoms are parsed; given by datum.ts, which needs the types of this file. */
export type EnumParser = (json: Json, type: ColumnType) => Datum;

function parseBase(json: Json, parseEnum: EnumParser): BaseType {
  if (typeof json === "string") return { type: parseAtomicType(json) };
  const members = new Members(json, () => "ovsdb type");
  const name = members.required("type", "string");
  if (name === undefined) {
    members.finish();
    throw syntaxError("type expected", json);
  }
  const type = parseAtomicType(name);
  const base: { -readonly [K in keyof BaseType]: BaseType[K] } = { type };
  const choices = members.optional("enum", "string", "integer", "number", "boolean", "array");
  if (choices !== undefined) base.enum = parseEnum(choices, { key: { type }, min: 1, max: UNLIMITED });
  else if (type === "integer" || type === "real") {
    const suffix = type === "integer" ? "Integer" : "Real";
    const kind = type === "integer" ? "integer" : "number";
    const min = members.optional(`min${suffix}`, kind);
    const max = members.optional(`max${suffix}`, kind);
    if (isNumber(min) && !(type === "integer" && min <= -(2n ** 63n))) base.min = min;
    if (isNumber(max) && !(type === "integer" && max >= 2n ** 63n - 1n)) base.max = max;
    if (isNumber(min) && isNumber(max) && min > max) throw syntaxError(`min${suffix} exceeds max${suffix}`, json);
  } else if (type === "string") {
    const min = members.optional("minLength", "integer");
    const max = members.optional("maxLength", "integer");
    for (const [what, bound] of [
      ["minLength", min],
      ["maxLength", max],
    ] as const) {
      if (bound === undefined) continue;
      if (!isNumber(bound) || bound < 0 || bound > UNLIMITED) {
        throw syntaxError(`${what} out of valid range 0 to ${UNLIMITED}`, bound);
      }
      if (what === "minLength" ? Number(bound) > 0 : Number(bound) < UNLIMITED) base[what] = Number(bound);
    }
    if (isNumber(min) && isNumber(max) && min > max) throw syntaxError("minLength exceeds maxLength", json);
  } else if (type === "uuid") {
    const table = members.string("refTable", true, "id");
    if (table !== undefined) {
      const refType = members.string("refType", true, "id") ?? "strong";
      if (refType !== "strong" && refType !== "weak") {
        throw syntaxError(`refType must be "strong" or "weak" (not "${refType}")`, json);
      }
      base.refTable = table;
      base.refType = refType;
    }
  }
  members.finish();
  return base;
}

function isNumber(value: Json | undefined): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Parses a <type>. Throws OvsdbError. */
export function parseColumnType(json: Json, parseEnum: EnumParser): ColumnType {
  if (typeof json === "string") return { key: { type: parseAtomicType(json) }, min: 1, max: 1 };
  const members = new Members(json, () => "ovsdb type");
  const key = members.required("key", "string", "object");
  const value = members.optional("value", "string", "object");
  const min = members.optional("min", "integer");
  const max = members.optional("max", "integer", "string");
  members.finish();
  const bound = (given: Json | undefined): number => {
    if (given === undefined) return 1;
    if (isNumber(given) && given >= 0 && given <= UNLIMITED) return Number(given);
    throw syntaxError("bad min or max value", given);
  };
  const type: ColumnType = {
    key: parseBase(key ?? null, parseEnum),
    ...(value === undefined ? {} : { value: parseBase(value, parseEnum) }),
    min: bound(min),
    max: max === "unlimited" ? UNLIMITED : bound(max),
  };
  if (type.min > 1 || type.max < 1 || type.min > type.max) throw syntaxError("ovsdb type fails constraint checks", json);
  return type;
}

/** The <base-type>, in the shortest form that means the same. */
function baseJson(base: BaseType, printSet: (datum: Datum, base: BaseType) => Json): Json {
  const { type, enum: choices, min, max, minLength, maxLength, refTable, refType } = base;
  if (
    choices === undefined &&
    min === undefined &&
    max === undefined &&
    minLength === undefined &&
    maxLength === undefined &&
    refTable === undefined
  )
    return type;
  const suffix = type === "integer" ? "Integer" : "Real";
  return {
    ...(choices === undefined ? {} : { enum: printSet(choices, base) }),
    ...(max === undefined ? {} : { [`max${suffix}`]: max }),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(min === undefined ? {} : { [`min${suffix}`]: min }),
    ...(minLength === undefined ? {} : { minLength }),
    ...(refTable === undefined ? {} : { refTable }),
    ...(refType === "weak" ? { refType } : {}),
    type,
  };
}

/** The <type>, in the shortest form that means the same, members sorted by name. */
export function columnTypeJson(type: ColumnType, printSet: (datum: Datum, base: BaseType) => Json): Json {
  const key = baseJson(type.key, printSet);
  if (isScalar(type) && typeof key === "string") return key;
  return {
    key,
    ...(type.max === 1 ? {} : { max: type.max === UNLIMITED ? "unlimited" : type.max }),
    ...(type.min === 1 ? {} : { min: type.min }),
    ...(type.value === undefined ? {} : { value: baseJson(type.value, printSet) }),
  };
}

/** The type in English, as error messages of the reference name it: "set of up to 3 strings". */
export function describeType(type: ColumnType): string {
  if (isScalar(type)) return type.key.type;
  let size = "";
  if (type.max === UNLIMITED) size = type.min === 0 ? "" : `${type.min} or more `;
  else size = type.min === 0 ? `up to ${type.max} ` : `${type.min} to ${type.max} `;
  return type.value === undefined
    ? `set of ${size}${type.key.type}s`
    : `map of ${size}(${type.key.type}, ${type.value.type}) pairs`;
}
