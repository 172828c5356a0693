/**
 * Disjunctive form: a match as a list of conjuncts, one of which must hold. A conjunct says, for some fields, which values
 * they may have; a field with several alternatives makes a dimension of a conjunctive match or several flows.
 */
import { LogicalError } from "../error.ts";
import type { LogicalSymbol } from "../symbols.ts";
import type { BitsNode, Node } from "./annotate.ts";

/** Value and mask; the value has no bits outside the mask, the mask is not 0. */
export interface Bits {
  readonly value: bigint;
  readonly mask: bigint;
}

/** What a field may be: at least one alternative; ports for string fields. */
export type Alternatives =
  | { readonly kind: "bits"; readonly root: LogicalSymbol; readonly values: readonly Bits[] }
  | { readonly kind: "ports"; readonly root: LogicalSymbol; readonly ports: readonly string[] };

/** By field name. Empty: always true. */
export type Conjunct = ReadonlyMap<string, Alternatives>;

export interface NormalizeOptions {
  /** Answers is_chassis_resident(port). */
  resident(port: string): boolean;
  /** The most alternatives, over all conjuncts, that may come out or be looked at in between. */
  readonly limit: number;
  /** Takes the fields of which several conditions were weighed against each other, beyond whether values are equal. */
  readonly weighed?: Set<LogicalSymbol>;
}

/** The text is only for error messages. Throws LogicalError "logical.too-large" beyond the limit. */
export function normalize(node: Node, options: NormalizeOptions, text = ""): readonly Conjunct[] {
  return new Normalizer(options, text).visit(node);
}

/** Conjuncts that a product of conditions may have: each is a flow at least. */
const MAX_CONJUNCTS = 1 << 16;
/** Alternatives of one field that several conditions on it may leave. */
const MAX_ALTERNATIVES = 1 << 18;

const ALWAYS: readonly Conjunct[] = [new Map()];

class Normalizer {
  readonly #options: NormalizeOptions;
  readonly #text: string;
  #work = 0;

  constructor(options: NormalizeOptions, text: string) {
    this.#options = options;
    this.#text = text;
  }

  visit(node: Node): readonly Conjunct[] {
    switch (node.kind) {
      case "literal":
        return node.value ? ALWAYS : [];
      case "resident":
        return this.#options.resident(node.port) !== node.negated ? ALWAYS : [];
      case "port":
        return [new Map([[node.root.name, { kind: "ports", root: node.root, ports: [node.port] }]])];
      case "bits":
        return this.#bits(node);
      case "or":
        return this.#or(node.args);
      case "and":
        return this.#and(node.args);
    }
  }

  #count(steps: number): void {
    this.#work += steps;
    if (this.#work > this.#options.limit) this.#tooLarge(this.#options.limit);
  }

  /** Bounds what is kept at one time, so memory, where `limit` bounds time. */
  #keep(size: number, most: number): void {
    if (size > most) this.#tooLarge(most);
  }

  #tooLarge(limit: number): never {
    throw new LogicalError("logical.too-large", `The match expands to more than ${limit} alternatives.`, this.#text, 0);
  }

  #bits(node: BitsNode): readonly Conjunct[] {
    if (node.mask === 0n) {
      const holds = node.relation === "==" || node.relation === "<=" || node.relation === ">=";
      return holds ? ALWAYS : [];
    }
    const values = equalities(node);
    if (values === undefined) return ALWAYS;
    if (values.length === 0) return [];
    return [new Map([[node.root.name, { kind: "bits", root: node.root, values }]])];
  }

  #or(args: readonly Node[]): readonly Conjunct[] {
    const lists: Conjunct[] = [];
    const split: Conjunct[] = [];
    for (const arg of args) {
      for (const conjunct of this.visit(arg)) {
        if (conjunct.size === 0) return ALWAYS;
        lists.push(conjunct);
        // Alternatives of one field beside other conjuncts stand for themselves, as if written with ||.
        if (conjunct.size > 1 || arg.kind === "and") split.push(conjunct);
        else for (const [name, one] of conjunct) for (const single of singles(one)) split.push(new Map([[name, single]]));
      }
    }
    if (lists.length <= 1) return lists;
    const root = commonField(lists);
    if (root !== undefined) {
      const merged = this.#union(lists.map((conjunct) => conjunct.get(root)!));
      return [new Map([[root, merged]])];
    }
    this.#count(split.length);
    return split;
  }

  #union(all: readonly Alternatives[]): Alternatives {
    const first = all[0]!;
    if (first.kind === "ports") {
      const ports = new Set<string>();
      for (const one of all) if (one.kind === "ports") for (const port of one.ports) ports.add(port);
      return { kind: "ports", root: first.root, ports: [...ports] };
    }
    const values: Bits[] = [];
    for (const one of all) if (one.kind === "bits") for (const bits of one.values) values.push(bits);
    this.#count(values.length);
    return { kind: "bits", root: first.root, values: this.#withoutCovered(values, first.root) };
  }

  #and(args: readonly Node[]): readonly Conjunct[] {
    let product: readonly Conjunct[] = ALWAYS;
    for (const arg of args) {
      const right = this.visit(arg);
      if (right.length === 0) return right;
      if (right.length === 1 && right[0]!.size === 0) continue;
      const next: Conjunct[] = [];
      for (const a of product) {
        for (const b of right) {
          this.#count(1);
          const both = this.#intersect(a, b);
          if (both === undefined) continue;
          next.push(both);
          this.#keep(next.length, MAX_CONJUNCTS);
        }
      }
      if (next.length === 0) return next;
      product = next;
    }
    return product;
  }

  #intersect(a: Conjunct, b: Conjunct): Conjunct | undefined {
    if (a.size === 0) return b;
    const both = new Map(a);
    for (const [name, right] of b) {
      const left = a.get(name);
      const met = left === undefined ? right : this.#meet(left, right);
      if (met === undefined) return undefined;
      both.set(name, met);
    }
    return both;
  }

  /** Drops alternatives that another one covers: 10.1.1.1 beside 10.0.0.0/8. The order of the rest stays. */
  #withoutCovered(values: readonly Bits[], root: LogicalSymbol): readonly Bits[] {
    if (values.length < 2) return values;
    const byMask = new Map<bigint, Set<bigint>>();
    const distinct: Bits[] = [];
    for (const bits of values) {
      let set = byMask.get(bits.mask);
      if (set === undefined) byMask.set(bits.mask, (set = new Set()));
      if (set.has(bits.value)) continue;
      set.add(bits.value);
      distinct.push(bits);
    }
    if (byMask.size === 1) return distinct;
    this.#options.weighed?.add(root);
    const masks = [...byMask];
    this.#count(distinct.length * masks.length);
    return distinct.filter(
      ({ value, mask }) => !masks.some(([wider, set]) => wider !== mask && (wider & mask) === wider && set.has(value & wider)),
    );
  }

  /** What both allow; undefined if nothing. */
  #meet(a: Alternatives, b: Alternatives): Alternatives | undefined {
    this.#options.weighed?.add(a.root);
    if (a.kind === "ports" && b.kind === "ports") {
      const ports = a.ports.filter((port) => b.ports.includes(port));
      return ports.length === 0 ? undefined : { kind: "ports", root: a.root, ports };
    }
    if (a.kind !== "bits" || b.kind !== "bits") return undefined;
    this.#count(a.values.length * b.values.length);
    const values: Bits[] = [];
    for (const x of a.values) {
      for (const y of b.values) {
        if (((x.value ^ y.value) & x.mask & y.mask) === 0n) values.push({ value: x.value | y.value, mask: x.mask | y.mask });
      }
      this.#keep(values.length, MAX_ALTERNATIVES);
    }
    return values.length === 0 ? undefined : { kind: "bits", root: a.root, values: this.#withoutCovered(values, a.root) };
  }
}

/** The one field that all conjuncts are about, if it is the same. */
function commonField(conjuncts: readonly Conjunct[]): string | undefined {
  let common: string | undefined;
  for (const conjunct of conjuncts) {
    if (conjunct.size !== 1) return undefined;
    const [name] = conjunct.keys();
    if (common === undefined) common = name;
    else if (common !== name) return undefined;
  }
  return common;
}

export function* singles(one: Alternatives): Generator<Alternatives> {
  if (one.kind === "ports") for (const port of one.ports) yield { kind: "ports", root: one.root, ports: [port] };
  else for (const bits of one.values) yield { kind: "bits", root: one.root, values: [bits] };
}

/**
 * A relation as alternatives of masked equality; undefined if it always holds. x != v, x < v and x > v split at each bit
 * where x may first differ from v.
 */
function equalities({ relation, value, mask }: BitsNode): readonly Bits[] | undefined {
  if (relation === "==") return [{ value, mask }];
  const orEqual = relation === "<=" || relation === ">=";
  if (relation === "<=" ? value === mask : relation === ">=" && value === 0n) return undefined;
  const values: Bits[] = orEqual ? [{ value, mask }] : [];
  const less = relation === "<" || relation === "<=";
  const more = relation === ">" || relation === ">=";
  let above = mask;
  for (let bit = 1n; bit <= mask; bit <<= 1n) {
    if ((mask & bit) === 0n) continue;
    const set = (value & bit) !== 0n;
    if (!(less && !set) && !(more && set)) values.push({ value: ((value & above) ^ bit) & above, mask: above });
    above &= ~bit;
  }
  return values;
}
