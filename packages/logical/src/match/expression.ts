/** What a match expression says, as parsed: fields still named as written, prerequisites not yet added. Source: ovn-sb(5). */
import { formatMasked, type IntegerFormat, quote } from "../lexer.ts";
import type { LogicalSymbol } from "../symbols.ts";

/** Bits `low` to `low + width - 1` of a symbol. For a string symbol both are 0. */
export interface FieldRef {
  readonly symbol: LogicalSymbol;
  readonly low: number;
  readonly width: number;
}

export type Relation = "==" | "!=" | "<" | "<=" | ">" | ">=";

export interface IntegerConstant {
  readonly kind: "integer";
  readonly value: bigint;
  /** Absent: all bits of the field. */
  readonly mask?: bigint;
  readonly format: IntegerFormat;
}

export interface StringConstant {
  readonly kind: "string";
  readonly value: string;
}

export type Constant = IntegerConstant | StringConstant;

export interface Comparison {
  readonly kind: "compare";
  readonly field: FieldRef;
  readonly relation: Relation;
  readonly constant: Constant;
}

export interface Combination {
  readonly kind: "and" | "or";
  readonly args: readonly Expression[];
}

export interface Literal {
  readonly kind: "literal";
  readonly value: boolean;
}

/** is_chassis_resident("port"), or its negation. */
export interface Residence {
  readonly kind: "resident";
  readonly port: string;
  readonly negated: boolean;
}

/** A match. Negation is already applied to the comparisons: !(a == 1 && b == 2) is a != 1 || b != 2. */
export type Expression = Comparison | Combination | Literal | Residence;

/** `args` joined; nested combinations of the same kind are merged into one. */
export function combine(kind: "and" | "or", args: readonly Expression[]): Expression {
  if (args.length === 1) return args[0]!;
  if (args.length === 0) return { kind: "literal", value: kind === "and" };
  if (!args.some((arg) => arg.kind === kind)) return { kind, args };
  const flat: Expression[] = [];
  for (const arg of args) {
    if (arg.kind === kind) for (const inner of arg.args) flat.push(inner);
    else flat.push(arg);
  }
  return { kind, args: flat };
}

/** `reg0[0..3]`, `ip4.src`, `ct.new`. */
export function formatField(field: FieldRef): string {
  const { symbol, low, width } = field;
  if (symbol.width === 0 || width === symbol.width) return symbol.name;
  return width === 1 ? `${symbol.name}[${low}]` : `${symbol.name}[${low}..${low + width - 1}]`;
}

export function formatConstant(constant: Constant): string {
  return constant.kind === "string" ? quote(constant.value) : formatMasked(constant.value, constant.mask, constant.format);
}

/** The expression as text that parses back to it. */
export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return expression.value ? "1" : "0";
    case "resident":
      return `${expression.negated ? "!" : ""}is_chassis_resident(${quote(expression.port)})`;
    case "compare":
      return formatComparison(expression);
    default: {
      const parts = expression.args.map((arg) => {
        const text = formatExpression(arg);
        return arg.kind === "and" || arg.kind === "or" ? `(${text})` : text;
      });
      return parts.join(expression.kind === "and" ? " && " : " || ");
    }
  }
}

function formatComparison({ field, relation, constant }: Comparison): string {
  const name = formatField(field);
  if (field.width === 1 && constant.kind === "integer" && (relation === "==" || relation === "!=")) {
    const positive = ((constant.value & (constant.mask ?? 1n) & 1n) === 1n) === (relation === "==");
    return positive ? name : `!${name}`;
  }
  return `${name} ${relation} ${formatConstant(constant)}`;
}
