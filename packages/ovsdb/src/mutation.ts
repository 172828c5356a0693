/** Mutations of columns: RFC 7047 section 5.1 <mutation>. */
import { type ColumnType, describeType, isScalar, UNLIMITED } from "./columnType.ts";
import {
  checkAtoms,
  checkSize,
  compareAtoms,
  type NameResolver,
  normalInteger,
  parseDatum,
  subtract,
  subtractKeys,
  union,
} from "./datum.ts";
import { OvsdbError, syntaxError } from "./error.ts";
import { isArray, type Json } from "./jsonrpc/json.ts";
import type { ColumnSchema, TableSchema } from "./model.ts";
import type { Atom, Datum } from "./value.ts";

const MUTATORS = ["+=", "-=", "*=", "/=", "%=", "insert", "delete"] as const;
export type Mutator = (typeof MUTATORS)[number];

export interface Mutation {
  readonly column: ColumnSchema;
  readonly mutator: Mutator;
  readonly arg: Datum;
  /** The argument of a delete from a map is a set of keys. */
  readonly keysOnly: boolean;
}

/** Parses a <mutation>. Throws OvsdbError. */
export function parseMutation(table: TableSchema, json: Json, resolve: NameResolver): Mutation {
  if (!isArray(json) || json.length !== 3) throw syntaxError("Parse error in mutation.", json);
  const [name, mutatorName, value] = json;
  if (typeof name !== "string" || typeof mutatorName !== "string" || value === undefined) {
    throw syntaxError("Parse error in mutation.", json);
  }
  const column = table.column(name);
  if (column === undefined) throw new OvsdbError("unknown column", `No column ${name} in table ${table.name}.`, json);
  const mutator = MUTATORS.find((candidate) => candidate === mutatorName);
  if (mutator === undefined) throw new OvsdbError("unknown mutator", `No mutator named ${mutatorName}.`);
  if (!column.mutable) {
    throw new OvsdbError("constraint violation", `Cannot mutate immutable column ${name} in table ${table.name}.`, json);
  }
  const { type } = column;
  const mismatch = (): OvsdbError =>
    syntaxError(`Type mismatch: "${mutator}" operator may not be applied to column ${name} of type ${describeType(type)}.`, json);
  if (mutator === "insert" || mutator === "delete") {
    if (isScalar(type)) throw mismatch();
    if (mutator === "insert") return { column, mutator, arg: parseDatum(value, { ...type, min: 0 }, resolve), keysOnly: false };
    return { column, mutator, ...parseDeletion(value, type, resolve) };
  }
  const kind = type.key.type;
  if (type.value !== undefined || (kind !== "integer" && (kind !== "real" || mutator === "%="))) throw mismatch();
  return { column, mutator, arg: parseDatum(value, { key: { type: kind }, min: 1, max: 1 }, resolve), keysOnly: false };
}

/** What to delete: elements, or the keys of a map. The argument is taken for keys where it is no map of the column's type. */
function parseDeletion(json: Json, type: ColumnType, resolve: NameResolver): { readonly arg: Datum; readonly keysOnly: boolean } {
  const any = { min: 0, max: UNLIMITED };
  if (type.value === undefined) return { arg: parseDatum(json, { ...type, ...any }, resolve), keysOnly: false };
  try {
    return { arg: parseDatum(json, { ...type, ...any }, resolve), keysOnly: false };
  } catch (fault) {
    if (!(fault instanceof OvsdbError)) throw fault;
    return { arg: parseDatum(json, { key: type.key, ...any }, resolve), keysOnly: true };
  }
}

/** The cell after the mutation. Throws OvsdbError: range, domain or constraint. */
export function mutate(cell: Datum, mutation: Mutation): Datum {
  const { column, mutator, arg } = mutation;
  const { type } = column;
  if (mutator === "insert" || mutator === "delete") {
    const result =
      mutator === "insert" ? union(cell, arg, type) : mutation.keysOnly ? subtractKeys(cell, arg) : subtract(cell, arg, type);
    if (result !== cell) checkSize(result, type, describeType);
    return result;
  }
  const by = arg[0]!;
  const real = type.key.type === "real";
  const result = cell.map((atom) =>
    real ? realResult(mutator, atom as number, by as number) : integerResult(mutator, atom, by),
  );
  checkAtoms(result, type);
  if (result.length > 1) {
    result.sort(compareAtoms);
    for (let i = 1; i < result.length; i++) {
      if (result[i - 1] === result[i]) {
        throw new OvsdbError("constraint violation", `Result of "${mutator}" operation contains duplicates.`);
      }
    }
  }
  return result;
}

type Arithmetic = Exclude<Mutator, "insert" | "delete">;

function outOfRange(mutator: Arithmetic): OvsdbError {
  return new OvsdbError("range error", `Result of "${mutator}" operation is out of range.`);
}

function realResult(mutator: Arithmetic, a: number, b: number): number {
  if (mutator === "/=" && b === 0) throw new OvsdbError("domain error", "Division by zero.");
  const result = mutator === "+=" ? a + b : mutator === "-=" ? a - b : mutator === "*=" ? a * b : a / b;
  if (!Number.isFinite(result)) throw outOfRange(mutator);
  return result + 0;
}

function integerResult(mutator: Arithmetic, a: Atom, b: Atom): Atom {
  if (typeof a === "number" && typeof b === "number") {
    if ((mutator === "/=" || mutator === "%=") && b === 0) throw new OvsdbError("domain error", "Division by zero.");
    const quick =
      mutator === "+="
        ? a + b
        : mutator === "-="
          ? a - b
          : mutator === "*="
            ? a * b
            : mutator === "/="
              ? Math.trunc(a / b)
              : a % b;
    if (Number.isSafeInteger(quick)) return quick + 0;
  }
  const x = BigInt(a as number | bigint); // integer columns hold numbers and bigints
  const y = BigInt(b as number | bigint); // as above
  if ((mutator === "/=" || mutator === "%=") && y === 0n) throw new OvsdbError("domain error", "Division by zero.");
  // The quotient does not fit, and with it C's remainder is not defined either; the reference refuses both.
  if (mutator === "%=" && y === -1n && x === -(2n ** 63n)) throw outOfRange(mutator);
  const exact = mutator === "+=" ? x + y : mutator === "-=" ? x - y : mutator === "*=" ? x * y : mutator === "/=" ? x / y : x % y;
  const result = normalInteger(exact);
  if (result === undefined) throw outOfRange(mutator);
  return result;
}
