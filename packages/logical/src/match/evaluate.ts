/** Matches on one packet: whether it matches, and which packet a microflow expression describes. */
import { type Field, readField, writeField } from "@weft/openflow";
import { LogicalError } from "../error.ts";
import { quote } from "../lexer.ts";
import { annotate, type BitsNode, type Node } from "./annotate.ts";
import { NO_PORT, openflowField } from "./compile.ts";
import type { Expression } from "./expression.ts";

/** What names in a match mean where it is evaluated. */
export interface EvaluationScope {
  /** The key of a logical port or multicast group, as inport and outport hold it. */
  lookupPort(name: string): number | undefined;
  resident(port: string): boolean;
}

/** Whether the packet with this flow key (see @weft/openflow) matches. */
export function evaluateMatch(expression: Expression, key: Int32Array, scope: EvaluationScope): boolean {
  return evaluateNode(annotate(expression), key, scope);
}

/** A match as evaluated: what {@link prepareMatch} gives, to be kept. */
export type PreparedMatch = Node;

/** Adds prerequisites once, for matches that are evaluated often. */
export function prepareMatch(expression: Expression): PreparedMatch {
  return annotate(expression);
}

export function evaluateNode(node: PreparedMatch, key: Int32Array, scope: EvaluationScope): boolean {
  switch (node.kind) {
    case "literal":
      return node.value;
    case "resident":
      return scope.resident(node.port) !== node.negated;
    case "port":
      return readField(key, openflowField(node.root)) === BigInt(node.port === NO_PORT ? 0 : (scope.lookupPort(node.port) ?? -1));
    case "bits":
      return holds(node, readField(key, openflowField(node.root)));
    case "and":
      return node.args.every((arg) => evaluateNode(arg, key, scope));
    case "or":
      return node.args.some((arg) => evaluateNode(arg, key, scope));
  }
}

function holds({ relation, value, mask }: BitsNode, whole: bigint): boolean {
  const bits = whole & mask;
  switch (relation) {
    case "==":
      return bits === value;
    case "!=":
      return bits !== value;
    case "<":
      return bits < value;
    case "<=":
      return bits <= value;
    case ">":
      return bits > value;
    case ">=":
      return bits >= value;
  }
}

// ---- microflows

interface Known {
  value: bigint;
  mask: bigint;
}

/**
 * Fills a flow key with the packet that `expression` describes: everything that it says must be equal, everything else 0.
 * Throws a LogicalError when constraints contradict one another, or leave a choice.
 */
export function microflow(expression: Expression, key: Int32Array, scope: EvaluationScope, text = ""): void {
  const node = annotate(expression);
  const known = new Map<Field, Known>();
  const fail = (message: string): never => {
    throw new LogicalError("logical.type", message, text, 0);
  };
  const contradiction = (): never => fail("Constraints are contradictory.");
  const set = (field: Field, value: bigint, mask: bigint): void => {
    const old = known.get(field) ?? { value: 0n, mask: 0n };
    if (((old.value ^ value) & old.mask & mask) !== 0n) contradiction();
    known.set(field, { value: old.value | value, mask: old.mask | mask });
  };
  // what cannot be taken as given yet, because it leaves a choice
  let open: Node[] = [];
  const assume = (one: Node): void => {
    if (one.kind === "and") one.args.forEach(assume);
    else if (one.kind === "bits" && one.relation === "==") set(openflowField(one.root), one.value, one.mask);
    else if (one.kind === "port") {
      const port = scope.lookupPort(one.port);
      if (port !== undefined) set(openflowField(one.root), BigInt(port), 0xffff_ffffn);
    } else open.push(one);
  };
  const judge = (one: Node): boolean | undefined => decide(one, known, scope);
  assume(node);
  for (;;) {
    const pending = open;
    open = [];
    let progress = false;
    for (const one of pending) {
      const result = judge(one);
      if (result === false) contradiction();
      if (result === true) {
        progress = true;
        continue;
      }
      const left = one.kind === "or" ? one.args.filter((arg) => judge(arg) !== false) : [];
      if (left.length === 1) {
        assume(left[0]!);
        progress = true;
      } else open.push(one);
    }
    if (open.length === 0) break;
    if (!progress) fail(`Constraints are ambiguous: ${formatNode(node)}.`);
  }
  for (const [field, { value }] of known) writeField(key, field, value);
}

/** Whether what is known already decides a condition. */
function decide(node: Node, known: ReadonlyMap<Field, Known>, scope: EvaluationScope): boolean | undefined {
  switch (node.kind) {
    case "literal":
      return node.value;
    case "resident":
      return scope.resident(node.port) !== node.negated;
    case "port": {
      const port = scope.lookupPort(node.port);
      const one = known.get(openflowField(node.root));
      if (port === undefined) return false;
      return one === undefined ? undefined : one.value === BigInt(port);
    }
    case "bits": {
      const one = known.get(openflowField(node.root));
      if (one !== undefined && (one.mask & node.mask) === node.mask) return holds(node, one.value);
      const differs = one !== undefined && ((one.value ^ node.value) & one.mask & node.mask) !== 0n;
      if (!differs) return undefined;
      return node.relation === "==" ? false : node.relation === "!=" ? true : undefined;
    }
    case "and": {
      let all: boolean | undefined = true;
      for (const arg of node.args) {
        const result = decide(arg, known, scope);
        if (result === false) return false;
        if (result === undefined) all = undefined;
      }
      return all;
    }
    case "or": {
      let any: boolean | undefined = false;
      for (const arg of node.args) {
        const result = decide(arg, known, scope);
        if (result === true) return true;
        if (result === undefined) any = undefined;
      }
      return any;
    }
  }
}

/** A condition in terms of fields, as errors about microflows show it. */
export function formatNode(node: Node): string {
  switch (node.kind) {
    case "literal":
      return node.value ? "1" : "0";
    case "resident":
      return `${node.negated ? "!" : ""}is_chassis_resident(${quote(node.port)})`;
    case "port":
      return `${node.root.name} == ${quote(node.port)}`;
    case "bits":
      return formatBits(node);
    default: {
      const flat = flatten(node.kind, node.args);
      const parts = flat.map((arg) => (arg.kind === "and" || arg.kind === "or" ? `(${formatNode(arg)})` : formatNode(arg)));
      return parts.join(node.kind === "and" ? " && " : " || ");
    }
  }
}

function flatten(kind: "and" | "or", args: readonly Node[]): readonly Node[] {
  return args.flatMap((arg) => (arg.kind === kind ? flatten(kind, arg.args) : [arg]));
}

function hex(value: bigint): string {
  return value === 0n ? "0" : `0x${value.toString(16)}`;
}

function formatBits({ root, relation, value, mask }: BitsNode): string {
  const full = (1n << BigInt(root.width)) - 1n;
  if (mask === full) return `${root.name} ${relation} ${hex(value)}`;
  const low = BigInt((mask & -mask).toString(2).length - 1);
  const bits = mask >> low;
  if ((bits & (bits + 1n)) !== 0n) return `${root.name} ${relation} ${hex(value)}/${hex(mask)}`;
  const width = bits.toString(2).length;
  if (width === 1 && (relation === "==" || relation === "!=")) {
    return `${(value !== 0n) === (relation === "==") ? "" : "!"}${root.name}[${low}]`;
  }
  const range = width === 1 ? `[${low}]` : `[${low}..${Number(low) + width - 1}]`;
  return `${root.name}${range} ${relation} ${hex(value >> low)}`;
}
