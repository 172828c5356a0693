/** Matches from text. Source: ovn-sb(5), Logical_Flow, column match. */
import { LogicalError } from "../error.ts";
import { MAX_DEPTH, type Names, type References, TokenReader } from "../reader.ts";
import { type Comparison, type Constant, combine, type Expression, type FieldRef, type Relation } from "./expression.ts";

export interface ParsedMatch extends References {
  readonly expression: Expression;
}

/**
 * Parses a match. `names` resolves address sets and port groups. Throws a LogicalError, worded as ovn-controller words it,
 * with the offset of what is wrong.
 */
export function parseMatch(text: string, names: Names = {}): ParsedMatch {
  const reader = new TokenReader(text, names);
  const expression = readExpression(reader);
  reader.expectEnd();
  return { expression, addressSets: reader.addressSets, portGroups: reader.portGroups };
}

/** Reads an expression and stops at what does not belong to it. */
export function readExpression(reader: TokenReader, depth = 0, negated = false): Expression {
  if (depth > MAX_DEPTH)
    throw new LogicalError("logical.syntax", "Parentheses nested too deeply.", reader.text, reader.token.offset);
  const first = readTerm(reader, depth, negated);
  const joint = reader.is("&&") ? "&&" : reader.is("||") ? "||" : undefined;
  if (joint === undefined) return first;
  const args = [first];
  while (reader.accept(joint)) args.push(readTerm(reader, depth, negated));
  if (reader.is("&&") || reader.is("||")) {
    throw new LogicalError(
      "logical.syntax",
      "&& and || must be parenthesized when used together.",
      reader.text,
      reader.token.offset,
    );
  }
  return combine((joint === "&&") !== negated ? "and" : "or", args);
}

function readTerm(reader: TokenReader, depth: number, negated: boolean): Expression {
  if (!reader.is("!")) return readPrimary(reader, depth, negated, false);
  reader.take();
  return readPrimary(reader, depth, !negated, true);
}

function readPrimary(reader: TokenReader, depth: number, negated: boolean, afterNot: boolean): Expression {
  if (reader.accept("(")) {
    const inner = readExpression(reader, depth + 1, negated);
    reader.expect(")");
    return inner;
  }
  const token = reader.token;
  if (token.kind === "id") {
    if (reader.isAhead("(")) return readResidence(reader, negated);
    return readFieldFirst(reader, negated, afterNot);
  }
  if (token.kind === "integer" && (token.text === "0" || token.text === "1") && !isRelation(reader.ahead.text)) {
    reader.take();
    return { kind: "literal", value: (token.text === "1") !== negated };
  }
  return readConstantFirst(reader, negated, afterNot);
}

function readResidence(reader: TokenReader, negated: boolean): Expression {
  if (!reader.acceptId("is_chassis_resident")) {
    throw new LogicalError("logical.syntax", "parsing function name", reader.text, reader.token.offset);
  }
  reader.expect("(");
  const token = reader.token;
  if (token.kind !== "string") throw reader.expected("string");
  reader.take();
  reader.expect(")");
  return { kind: "resident", port: token.value, negated };
}

const RELATIONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

function isRelation(text: string): boolean {
  return RELATIONS.has(text) || text === "=";
}

function readRelation(reader: TokenReader): Relation {
  const token = reader.token;
  if (token.kind !== "punctuation" || !RELATIONS.has(token.text)) throw reader.expected("relational operator");
  reader.take();
  return token.text as Relation; // a member of RELATIONS
}

function readFieldFirst(reader: TokenReader, negated: boolean, afterNot: boolean): Expression {
  const start = reader.token.offset;
  const field = reader.field();
  if (reader.token.kind !== "punctuation" || !isRelation(reader.token.text)) {
    if (field.symbol.width === 0) {
      throw reader.type(`String field ${field.symbol.name} may only be used in comparisons.`, start);
    }
    if (field.width > 1) throw reader.type("Explicit `!= 0' is required for inequality test of multibit field against 0.", start);
    const constant: Constant = { kind: "integer", value: 1n, format: "decimal" };
    return compare(reader, field, "==", [constant], false, negated, start);
  }
  const relation = readRelation(reader);
  const { values, braces } = reader.constants();
  const compared = compare(reader, field, relation, values, braces, negated, start);
  if (afterNot) throw parenthesesNeeded(reader, start);
  return compared;
}

function parenthesesNeeded(reader: TokenReader, offset: number): LogicalError {
  return new LogicalError("logical.syntax", "Missing parentheses around operand of !.", reader.text, offset);
}

const MIRRORED: Readonly<Record<Relation, Relation>> = { "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** `5 == reg0`, `1 < reg0`, `1 < reg0 <= 5`. */
function readConstantFirst(reader: TokenReader, negated: boolean, afterNot: boolean): Expression {
  const start = reader.token.offset;
  const first = reader.constants();
  const relation = readRelation(reader);
  const field = reader.field();
  const left = (): Expression => compare(reader, field, MIRRORED[relation], first.values, first.braces, negated, start);
  if (reader.token.kind !== "punctuation" || !isRelation(reader.token.text)) {
    const compared = left();
    if (afterNot) throw parenthesesNeeded(reader, start);
    return compared;
  }
  const second = readRelation(reader);
  const last = reader.constants();
  const up = relation[0] === "<" && second[0] === "<";
  const down = relation[0] === ">" && second[0] === ">";
  if (!up && !down) {
    throw reader.type(
      "Range expressions must have the form `x < field < y' or `x > field > y', with each `<' optionally replaced by `<=' or `>' by `>=').",
      start,
    );
  }
  const both = [left(), compare(reader, field, second, last.values, last.braces, negated, start)];
  if (afterNot) throw parenthesesNeeded(reader, start);
  return combine(negated ? "or" : "and", both);
}

const OPPOSITE: Readonly<Record<Relation, Relation>> = { "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<" };

function compare(
  reader: TokenReader,
  field: FieldRef,
  relation: Relation,
  values: readonly Constant[],
  set: boolean,
  negated: boolean,
  offset: number,
): Expression {
  const { symbol } = field;
  for (const value of values) checkConstant(reader, field, value, offset);
  if (relation !== "==" && relation !== "!=") {
    if (symbol.level !== "ordinal") {
      const what = symbol.level === "nominal" ? "nominal" : "Boolean";
      throw reader.type(`Only == and != operators may be used with ${what} field ${symbol.name}.`, offset);
    }
    if (set) throw reader.type("Only == and != operators may be used with value sets.", offset);
    if (values[0]?.kind === "integer" && values[0].mask !== undefined) {
      throw reader.type(
        "Only == and != operators may be used with masked constants.  Consider using subfields instead (e.g. eth.src[0..15] > 0x1111 in place of eth.src > 00:00:00:00:11:11/00:00:00:00:ff:ff).",
        offset,
      );
    }
  } else if (symbol.level === "nominal") checkPositive(reader, field, relation, values, negated, offset);
  const actual = negated ? OPPOSITE[relation] : relation;
  const comparisons: Comparison[] = values.map((constant) => ({ kind: "compare", field, relation: actual, constant }));
  return combine(actual === "!=" ? "and" : "or", comparisons);
}

/** Checks that a constant may be compared with, or assigned to, a field. */
export function checkConstant(reader: TokenReader, field: FieldRef, constant: Constant, offset: number): void {
  const { symbol } = field;
  if (symbol.width === 0) {
    if (constant.kind !== "string")
      throw reader.type(`String field ${symbol.name} is not compatible with integer constant.`, offset);
    return;
  }
  if (constant.kind !== "integer")
    throw reader.type(`Integer field ${symbol.name} is not compatible with string constant.`, offset);
  const bits = (constant.mask === undefined ? constant.value : constant.value | constant.mask).toString(2).length;
  if (bits > symbol.width) {
    throw reader.type(`${bits}-bit constant is not compatible with ${symbol.width}-bit field ${symbol.name}.`, offset);
  }
}

/** Nominal fields can only be compared in a positive sense. */
function checkPositive(
  reader: TokenReader,
  field: FieldRef,
  relation: Relation,
  values: readonly Constant[],
  negated: boolean,
  offset: number,
): void {
  const { symbol } = field;
  let positive = (relation === "==") !== negated;
  if (symbol.kind === "predicate") {
    if (values.some((value) => value.kind === "integer" && value.value === 0n)) positive = !positive;
    if (positive) return;
    const { name } = symbol;
    throw reader.type(
      `Nominal predicate ${name} may only be tested positively, e.g. \`${name}' or \`${name} == 1' but not \`!${name}' or \`${name} == 0'.`,
      offset,
    );
  }
  if (positive) return;
  throw reader.type(
    `Nominal field ${symbol.name} may only be tested for equality (taking enclosing \`!' operators into account).`,
    offset,
  );
}
