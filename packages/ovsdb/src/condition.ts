/** Conditions on rows: RFC 7047 section 5.1 <condition>, with booleans and optional numbers as in ovsdb-server(7). */
import { type ColumnType, describeType, isScalar, UNLIMITED } from "./columnType.ts";
import { equalData, excludesAll, includesAll, type NameResolver, parseDatum } from "./datum.ts";
import { OvsdbError, syntaxError } from "./error.ts";
import { isArray, type Json } from "./jsonrpc/json.ts";
import type { ColumnSchema, TableSchema } from "./model.ts";
import type { Datum } from "./value.ts";

const FUNCTIONS = ["<", "<=", "==", "!=", ">=", ">", "includes", "excludes"] as const;
export type ConditionFunction = (typeof FUNCTIONS)[number];

/** One clause; a boolean holds for all rows or none. */
export type Clause =
  | boolean
  | {
      readonly column: ColumnSchema;
      readonly function: ConditionFunction;
      readonly arg: Datum;
    };

/** A column's value in a row. */
export type CellReader = (column: ColumnSchema) => Datum;

function isOrder(name: ConditionFunction): name is "<" | "<=" | ">" | ">=" {
  return name === "<" || name === "<=" || name === ">" || name === ">=";
}

/** Parses a <condition>. Throws OvsdbError. */
export function parseClause(table: TableSchema, json: Json, resolve?: NameResolver): Clause {
  if (typeof json === "boolean") return json;
  if (!isArray(json) || json.length !== 3) throw syntaxError("Parse error in condition.", json);
  const [name, functionName, value] = json;
  if (typeof name !== "string" || typeof functionName !== "string" || value === undefined) {
    throw syntaxError("Parse error in condition.", json);
  }
  const column = table.column(name);
  if (column === undefined) throw new OvsdbError("unknown column", `No column ${name} in table ${table.name}.`, json);
  const fn = FUNCTIONS.find((candidate) => candidate === functionName);
  if (fn === undefined) throw new OvsdbError("unknown function", `No function named ${functionName}.`);
  let type: ColumnType = column.type;
  if (isOrder(fn)) {
    if (type.value !== undefined || type.max !== 1 || (type.key.type !== "integer" && type.key.type !== "real")) {
      throw syntaxError(
        `Type mismatch: "${fn}" operator may not be applied to column ${name} of type ${describeType(type)}.`,
        json,
      );
    }
    type = { ...type, min: 1 };
  } else if ((fn === "includes" || fn === "excludes") && !isScalar(type)) {
    // Any number of elements may be asked to be absent, but not more to be present than there can be.
    type = { ...type, min: 0, max: fn === "excludes" ? UNLIMITED : type.max };
  }
  return { column, function: fn, arg: parseDatum(value, type, resolve) };
}

export function clauseHolds(clause: Clause, read: CellReader): boolean {
  if (typeof clause === "boolean") return clause;
  const { column, arg } = clause;
  const cell = read(column);
  switch (clause.function) {
    case "==":
      return equalData(cell, arg);
    case "!=":
      return !equalData(cell, arg);
    case "includes":
      return includesAll(cell, arg, column.type);
    case "excludes":
      return excludesAll(cell, arg, column.type);
    default: {
      const left = cell[0];
      const right = arg[0];
      // An optional number that is not there is in no order (ovsdb-server(7) section 5.1).
      if (left === undefined || right === undefined) return false;
      if (clause.function === "<") return left < right;
      if (clause.function === "<=") return left <= right;
      if (clause.function === ">") return left > right;
      return left >= right;
    }
  }
}

/** The "where" of an operation: all clauses hold. */
export function parseWhere(table: TableSchema, json: readonly Json[], resolve?: NameResolver): Clause[] {
  return json.map((clause) => parseClause(table, clause, resolve));
}
