/**
 * Matches by their shape. A network has thousands of matches that differ only in addresses and port names, and for most
 * fields these do not change what a match becomes. So the first match of a shape is compiled as it is, with notes where
 * its constants went; the others are that result with their own constants in those places.
 *
 * That is right only where nothing was decided by what the constants are, other than by which of them are equal, which is
 * part of the shape. {@link holesOf} makes sure of it; matches of which it cannot are kept by their text.
 */
import { parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import type { LogicalSymbol } from "../symbols.ts";
import type { Node } from "./annotate.ts";
import {
  annotated,
  type CompileOptions,
  compileConjuncts,
  compileMatch,
  conjunctsOf,
  type Filling,
  type Hole,
  type Holes,
  type MatchTemplate,
  openflowField,
} from "./compile.ts";
import type { Bits } from "./normalize.ts";
import { parseMatch } from "./parse.ts";

/** A number that stands in a match, in the width that its way of writing has. */
interface Numeral {
  readonly value: bigint;
  readonly width: 32 | 48 | 128;
}

interface Constants {
  /** The match without its constants: equal for matches of the same shape. */
  readonly shape: string;
  readonly fillings: readonly Filling[];
  readonly count: number;
}

/** Port names, and unmasked MAC, IPv4 and IPv6 addresses. */
const CONSTANT =
  /"[^"\\]*"|(?<![\w.:$@])(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:]+)(?![\w.:/])/g;
const RESIDENT = "is_chassis_resident(";

/** Where the text alone does not tell the match: sets, comments, escapes. */
const OPAQUE = /[$@\\]|\/[/*]/;

function wordsOf(text: string): readonly number[] | undefined {
  if (!text.includes(":")) {
    const ip = parseIpv4(text);
    return ip === undefined ? undefined : [ip | 0];
  }
  const mac = parseMac(text);
  if (mac !== undefined) return [Math.floor(mac / 2 ** 32), mac | 0];
  const ip = parseIpv6(text);
  return ip === undefined ? undefined : [96n, 64n, 32n, 0n].map((down) => Number(BigInt.asIntN(32, ip >> down)));
}

function same(a: Filling, b: Filling): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

function constantsOf(text: string, resident: (port: string) => boolean): Constants {
  const fillings: Filling[] = [];
  let count = 0;
  const shape = text.replace(CONSTANT, (found: string, at: number) => {
    const isName = found[0] === '"';
    if (isName && text.endsWith(RESIDENT, at)) return resident(found.slice(1, -1)) ? '"+"' : '"-"';
    const filling = isName ? found.slice(1, -1) : wordsOf(found);
    if (filling === undefined) return found;
    count++;
    let index = fillings.findIndex((known) => same(known, filling));
    if (index < 0) index = fillings.push(filling) - 1;
    return isName ? `"${index}"` : `?${filling.length}.${index}`;
  });
  return { shape, fillings, count };
}

function numeralOf(words: readonly number[]): Numeral {
  const value = words.reduce((high, word) => (high << 32n) | BigInt(word >>> 0), 0n);
  return { value, width: words.length === 1 ? 32 : words.length === 2 ? 48 : 128 };
}

/** Which of the constants these bits of a field are compared with. */
function holeOf(numerals: readonly (Numeral | undefined)[], root: LogicalSymbol, { value, mask }: Bits): Hole | undefined {
  const to = openflowField(root);
  for (let offset = 0; offset < root.width; offset += 32) {
    const index = numerals.findIndex((numeral) => {
      if (numeral === undefined) return false;
      const up = BigInt(offset);
      return value === numeral.value << up && mask === ((1n << BigInt(numeral.width)) - 1n) << up;
    });
    if (index < 0) continue;
    const words = Math.ceil(numerals[index]!.width / 32);
    return { index, words, word: to.word + to.words - offset / 32 - words };
  }
  return undefined;
}

/** All comparisons of a match with numbers. */
function* comparisons(node: Node): Generator<Extract<Node, { kind: "bits" | "port" }>> {
  if (node.kind === "and" || node.kind === "or") for (const arg of node.args) yield* comparisons(arg);
  else if (node.kind === "bits" || node.kind === "port") yield node;
}

/**
 * Where the constants of a match are to be found in what it becomes; undefined where the match does not leave them as they
 * are. It does where every constant is compared for equality with a field that nothing else is compared with, and where no
 * comparison was weighed against another of the same field.
 */
function holesOf(node: Node, { fillings, count }: Constants, weighed: ReadonlySet<LogicalSymbol>): Holes | undefined {
  const numerals = fillings.map((filling) => (typeof filling === "string" ? undefined : numeralOf(filling)));
  const holed = new Set<LogicalSymbol>();
  const fixed = new Set<LogicalSymbol>(weighed);
  let found = 0;
  for (const one of comparisons(node)) {
    const isHole =
      one.kind === "port" ? fillings.includes(one.port) : one.relation === "==" && holeOf(numerals, one.root, one) !== undefined;
    (isHole ? holed : fixed).add(one.root);
    if (isHole) found++;
  }
  if (found !== count || [...holed].some((root) => fixed.has(root))) return undefined;
  return {
    bits: (root, bits) => (holed.has(root) ? holeOf(numerals, root, bits) : undefined),
    port: (name) => (fillings.includes(name) ? fillings.indexOf(name) : undefined),
  };
}

/** Compiled matches, kept by shape or, where the shape does not say all, by text. */
export class MatchShapes {
  readonly #most: number;
  readonly #byShape = new Map<string, MatchTemplate | "unlike">();
  readonly #byText = new Map<string, MatchTemplate>();

  /** @param most Shapes, and texts, that are kept. */
  constructor(most = 4096) {
    this.#most = most;
  }

  get counts(): { readonly shapes: number; readonly texts: number } {
    return { shapes: this.#byShape.size, texts: this.#byText.size };
  }

  /** Whether {@link compile} takes the text: not if it refers to address sets or port groups. */
  static takes(text: string): boolean {
    return !OPAQUE.test(text);
  }

  /** The same as parseMatch and compileMatch. Throws a LogicalError. */
  compile(text: string, options: Omit<CompileOptions, "text">): MatchTemplate {
    const { prerequisites = [], resident = () => false } = options;
    const constants = constantsOf(text, resident);
    const shape = prerequisites.length === 0 ? constants.shape : [constants.shape, ...prerequisites].join("\n");
    const known = this.#byShape.get(shape);
    if (known === undefined) return this.#compileFirst(text, constants, shape, options);
    return known === "unlike" ? this.#compileText(text, shape, options) : known.filled(constants.fillings);
  }

  #compileFirst(text: string, constants: Constants, shape: string, options: CompileOptions): MatchTemplate {
    const node = annotated(parseMatch(text).expression, options.prerequisites);
    const weighed = new Set<LogicalSymbol>();
    const conjuncts = conjunctsOf(node, { ...options, text }, weighed);
    const holes = holesOf(node, constants, weighed);
    if (this.#byShape.size >= this.#most) this.#byShape.clear();
    if (holes === undefined) {
      this.#byShape.set(shape, "unlike");
      return this.#compileText(text, shape, options);
    }
    const template = compileConjuncts(conjuncts, { ...options, text }, holes);
    this.#byShape.set(shape, template);
    return template.filled(constants.fillings);
  }

  #compileText(text: string, shape: string, options: CompileOptions): MatchTemplate {
    // The shape says which ports are resident and what else must hold.
    const key = `${text}\n${shape}`;
    let template = this.#byText.get(key);
    if (template === undefined) {
      template = compileMatch(parseMatch(text).expression, { ...options, text });
      if (this.#byText.size >= this.#most) this.#byText.clear();
      this.#byText.set(key, template);
    }
    return template;
  }
}
