/**
 * From what was written to what is compared: predicates are replaced by what they stand for, subfields by bits of their
 * field, prerequisites are added, relations are reduced to masked equality.
 */
import { LogicalError } from "../error.ts";
import type { LogicalSymbol } from "../symbols.ts";
import type { Comparison, Expression, Relation } from "./expression.ts";
import { parseMatch } from "./parse.ts";

/** Bits `mask` of field `root` compared with `value` (no bits outside the mask). */
export interface BitsNode {
  readonly kind: "bits";
  readonly root: LogicalSymbol;
  readonly relation: Relation;
  readonly value: bigint;
  readonly mask: bigint;
}

export interface PortNode {
  readonly kind: "port";
  readonly root: LogicalSymbol;
  readonly port: string;
}

export interface GroupNode {
  readonly kind: "and" | "or";
  readonly args: readonly Node[];
}

export type Node =
  | BitsNode
  | PortNode
  | GroupNode
  | { readonly kind: "literal"; readonly value: boolean }
  | { readonly kind: "resident"; readonly port: string; readonly negated: boolean };

/** Adds predicates' expansions and symbols' prerequisites. */
export function annotate(expression: Expression): Node {
  switch (expression.kind) {
    case "literal":
    case "resident":
      return expression;
    case "compare":
      return withPrerequisites(expression.field.symbol, comparison(expression));
    default: {
      // tcp.src == 1 || tcp.src == 2 is (tcp.src == 1 || tcp.src == 2) && tcp: one set of alternatives, not two flows apart
      const symbol = commonSymbol(expression.args);
      if (symbol !== undefined) {
        const args = expression.args.map((arg) => comparison(arg as Comparison)); // commonSymbol saw that all are
        return withPrerequisites(symbol, { kind: expression.kind, args });
      }
      return { kind: expression.kind, args: expression.args.map(annotate) };
    }
  }
}

/** The symbol, or one of several of the same field with the same prerequisites, that all expressions compare. */
function commonSymbol(expressions: readonly Expression[]): LogicalSymbol | undefined {
  let common: LogicalSymbol | undefined;
  for (const expression of expressions) {
    if (expression.kind !== "compare") return undefined;
    const { symbol } = expression.field;
    if (symbol.kind === "predicate") return undefined;
    if (common === undefined) common = symbol;
    else if (common.root !== symbol.root || common.prerequisites !== symbol.prerequisites) return undefined;
  }
  return common;
}

function withPrerequisites(symbol: LogicalSymbol, node: Node): Node {
  const needed = prerequisitesOf(symbol);
  return needed === undefined ? node : { kind: "and", args: [node, needed] };
}

const prerequisiteNodes = new Map<string, Node>();

/** The prerequisites of a symbol, themselves annotated; undefined if it has none. */
export function prerequisitesOf(symbol: LogicalSymbol): Node | undefined {
  return symbol.prerequisites === undefined ? undefined : nodeOf(symbol.prerequisites);
}

/** A match of the symbol table as a node; the texts are few and constant, so they are kept. */
export function nodeOf(text: string): Node {
  let node = prerequisiteNodes.get(text);
  if (node === undefined) {
    node = annotate(parseMatch(text).expression);
    prerequisiteNodes.set(text, node);
  }
  return node;
}

function comparison({ field, relation, constant }: Comparison): Node {
  const { symbol } = field;
  if (symbol.kind === "predicate") {
    const node = nodeOf(symbol.expansion!);
    const one = constant.kind === "integer" && (constant.value & 1n) === 1n;
    return one === (relation === "==") ? node : negate(node);
  }
  if (symbol.field === undefined) {
    throw new LogicalError("logical.type", `Field ${symbol.name} may not be used in a match.`, symbol.name, 0);
  }
  if (constant.kind === "string") return { kind: "port", root: symbol.root, port: constant.value };
  const ones = (1n << BigInt(field.width)) - 1n;
  const mask = (constant.mask ?? ones) & ones;
  const up = BigInt(symbol.offset + field.low);
  return { kind: "bits", root: symbol.root, relation, value: (constant.value & mask) << up, mask: mask << up };
}

const OPPOSITE: Readonly<Record<Relation, Relation>> = { "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<" };

/** What holds exactly when `node` does not. */
export function negate(node: Node): Node {
  switch (node.kind) {
    case "literal":
      return { kind: "literal", value: !node.value };
    case "resident":
      return { kind: "resident", port: node.port, negated: !node.negated };
    case "bits":
      return { ...node, relation: OPPOSITE[node.relation] };
    case "port":
      throw new LogicalError("logical.type", `Nominal field ${node.root.name} may only be tested for equality.`, node.port, 0);
    default:
      return { kind: node.kind === "and" ? "or" : "and", args: node.args.map(negate) };
  }
}
