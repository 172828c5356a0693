/**
 * Matches to OpenFlow. Three steps, so that each is done as seldom as it can be: parsing (once per distinct text),
 * {@link compileMatch} (once per text, set contents and residence of ports), {@link MatchTemplate.instantiate} (once per
 * datapath).
 */
import { type Field, field, Match, MatchBuilder, meets, WORD } from "@weft/openflow";
import { LogicalError } from "../error.ts";
import type { LogicalSymbol } from "../symbols.ts";
import { annotate, type Node, nodeOf } from "./annotate.ts";
import type { Expression } from "./expression.ts";
import { type Alternatives, type Bits, type Conjunct, normalize, singles } from "./normalize.ts";

/** Which flow a clause of a conjunctive match belongs to; clauses count from 1. */
export interface ConjunctionRef {
  readonly id: number;
  readonly clause: number;
  readonly clauses: number;
}

/** One OpenFlow match that a logical match became. */
export interface FlowMatch {
  readonly match: Match;
  /** Not empty: the flow's actions are these conjunctions. Empty: they are those of the logical flow. */
  readonly conjunctions: readonly ConjunctionRef[];
}

export interface InstantiateOptions {
  /** Matched in `metadata`: the datapath's tunnel key. */
  readonly datapath: number;
  /**
   * The tunnel key of a logical port or multicast group of the datapath, as a value of that field; undefined if there is
   * none, which makes the comparison false.
   */
  lookupPort(name: string, field: "inport" | "outport"): number | undefined;
  /** Id of the first conjunctive match; the others count on from it, modulo 2^32 and skipping 0. See conjunctionIdOf. */
  readonly conjunctionId: number;
}

export interface CompileOptions {
  /** is_chassis_resident(port). Default: never. */
  resident?(port: string): boolean;
  /** Matches that must hold as well: {@link ParsedActions.prerequisites} of the flow's actions. */
  readonly prerequisites?: readonly string[];
  /** The text of the match, for errors. */
  readonly text?: string;
  /** Bound on the expansion, in alternatives. Default {@link DEFAULT_LIMIT}. */
  readonly limit?: number;
}

/** Alternatives that are looked at before a match is given up. The reference has no bound, and runs out of memory. */
export const DEFAULT_LIMIT = 1 << 24;

/** Flows that one match may become. */
const MAX_FLOWS = 1 << 18;

/** A constant that matches of the same shape do not have in common: a port's name, or the words of a number. */
export type Filling = string | readonly number[];

/** Which of a shape's constants a value or port name in one match of that shape is. */
export interface Holes {
  bits(root: LogicalSymbol, bits: Bits): Hole | undefined;
  port(name: string): number | undefined;
}

export interface Hole {
  readonly index: number;
  /** The first of the field's words that the constant is in, and how many there are. */
  readonly word: number;
  readonly words: number;
}

interface PortTerm {
  readonly field: "inport" | "outport";
  readonly port: string;
  /** In place of `port`: which filling. */
  readonly hole: number | undefined;
  /** Where in the data of the match the port's key goes. */
  readonly at: number;
}

/** A match with gaps (see Match.data), which {@link MatchTemplate.instantiate} fills in. */
interface TemplateFlow {
  readonly data: readonly number[];
  /** Where the datapath's key goes. */
  readonly datapathAt: number;
  readonly ports: readonly PortTerm[];
  /** Which filling goes where: the first word at `at`, the next ones three further each. */
  readonly holes: readonly { readonly index: number; readonly at: number; readonly words: number }[];
  /** Indexes of conjunctions within the template, with clause numbers. */
  readonly clauses: readonly { readonly conjunction: number; readonly clause: number; readonly clauses: number }[];
  /** The flow that matches conj_id: which conjunction, and where its id goes. */
  readonly conjunction: number | undefined;
  readonly conjunctionAt: number;
}

/** What one flow of a template has become; several may have become the same match. */
interface Made {
  readonly match: Match;
  readonly conjunctions: ConjunctionRef[];
  plain: boolean;
  /** Another match with the same hash. */
  readonly next: Made | undefined;
}

const NONE: readonly ConjunctionRef[] = [];

/** How many clauses each conjunction of a template has. */
function clauseCounts(flows: readonly TemplateFlow[]): readonly number[] {
  const counts: number[] = [];
  for (const flow of flows) for (const { conjunction, clauses } of flow.clauses) counts[conjunction] = clauses;
  return counts;
}

/** A compiled match in which ports and the datapath are still names. */
export class MatchTemplate {
  readonly #flows: readonly TemplateFlow[];
  /** Number of clauses of each conjunctive match. */
  readonly #clauses: readonly number[];
  /** Number of conjunctive matches, so of ids that an instance needs. */
  readonly conjunctions: number;
  readonly #fillings: readonly Filling[];

  constructor(
    flows: readonly TemplateFlow[],
    conjunctions: number,
    fillings: readonly Filling[] = [],
    clauses: readonly number[] = clauseCounts(flows),
  ) {
    this.#flows = flows;
    this.conjunctions = conjunctions;
    this.#fillings = fillings;
    this.#clauses = clauses;
  }

  /** The same with other constants in the holes of its shape. */
  filled(fillings: readonly Filling[]): MatchTemplate {
    return new MatchTemplate(this.#flows, this.conjunctions, fillings, this.#clauses);
  }

  /** True if no packet can match, whatever the ports are. */
  get never(): boolean {
    return this.#flows.length === 0;
  }

  /**
   * The flows for one datapath. No two have the same match. A conjunctive match of which some clause has no flow (all its
   * ports are unknown) is left out.
   */
  instantiate(options: InstantiateOptions): FlowMatch[] {
    if (this.#flows.length === 1) {
      const match = instance(this.#flows[0]!, this.#fillings, options);
      return match === undefined ? [] : [{ match, conjunctions: NONE }];
    }
    const there: { flow: TemplateFlow; match: Match }[] = [];
    const present: Set<number>[] = Array.from({ length: this.conjunctions }, () => new Set());
    for (const flow of this.#flows) {
      const match = instance(flow, this.#fillings, options);
      if (match === undefined) continue;
      there.push({ flow, match });
      for (const { conjunction, clause } of flow.clauses) present[conjunction]!.add(clause);
    }
    const byHash = new Map<number, Made>();
    const flows: Made[] = [];
    for (const { flow, match } of there) {
      const refs: ConjunctionRef[] = [];
      for (const { conjunction, clause, clauses } of flow.clauses) {
        if (present[conjunction]!.size !== clauses) continue;
        refs.push({ id: conjunctionId(options.conjunctionId, conjunction), clause, clauses });
      }
      if (refs.length === 0 && flow.clauses.length > 0) continue;
      if (flow.conjunction !== undefined && present[flow.conjunction]!.size !== this.#clauses[flow.conjunction]) continue;
      const { hash } = match;
      const first = byHash.get(hash);
      let same = first;
      while (same !== undefined && !same.match.equals(match)) same = same.next;
      if (same === undefined) {
        const made: Made = { match, conjunctions: refs, plain: refs.length === 0, next: first };
        byHash.set(hash, made);
        flows.push(made);
      } else if (refs.length === 0) {
        // the whole match holds already for what one of its clauses would only contribute to
        same.plain = true;
        same.conjunctions.length = 0;
      } else if (!same.plain) same.conjunctions.push(...refs);
    }
    return flows;
  }
}

/** A flow's match for one datapath; undefined where one of its ports is not known there. */
function instance(flow: TemplateFlow, fillings: readonly Filling[], options: InstantiateOptions): Match | undefined {
  const data = flow.data.slice();
  data[flow.datapathAt] = options.datapath | 0;
  for (const { field: name, port, hole, at } of flow.ports) {
    const actual = hole === undefined ? port : (fillings[hole] as string); // a port's hole is filled with a name
    const key = actual === NO_PORT ? 0 : options.lookupPort(actual, name);
    if (key === undefined) return undefined;
    data[at] = key | 0;
  }
  for (const { index, at, words } of flow.holes) {
    const filling = fillings[index] as readonly number[]; // as Holes.bits has told them apart
    for (let i = 0; i < words; i++) data[at + 3 * i] = filling[i]! | 0;
  }
  if (flow.conjunction !== undefined) data[flow.conjunctionAt] = conjunctionId(options.conjunctionId, flow.conjunction) | 0;
  return new Match(data);
}

const CONJ_ID = field("conj_id");

function conjunctionId(first: number, index: number): number {
  const id = (first + index) >>> 0;
  return id === 0 ? 1 : id;
}

/** The name that stands for "no port", as get_fdb leaves it when it finds nothing. */
export const NO_PORT = "none";

/** The lower half of metadata, in which the datapath's key is. */
const DATAPATH_WORD = WORD.metadata + 1;
const PORT_WORD = { inport: field("reg14").word, outport: field("reg15").word } as const;

/** Compiles a parsed match. Throws LogicalError "logical.too-large". */
export function compileMatch(expression: Expression, options: CompileOptions = {}): MatchTemplate {
  return compileConjuncts(conjunctsOf(annotated(expression, options.prerequisites), options), options);
}

/** The expression together with what else must hold. */
export function annotated(expression: Expression, prerequisites: readonly string[] = []): Node {
  const node = annotate(expression);
  return prerequisites.length === 0 ? node : { kind: "and", args: [node, ...prerequisites.map(nodeOf)] };
}

export function conjunctsOf(node: Node, options: CompileOptions, weighed?: Set<LogicalSymbol>): readonly Conjunct[] {
  const resident = (port: string): boolean => options.resident?.(port) ?? false;
  const limit = options.limit ?? DEFAULT_LIMIT;
  return normalize(node, { resident, limit, ...(weighed === undefined ? {} : { weighed }) }, options.text);
}

export function compileConjuncts(conjuncts: readonly Conjunct[], options: CompileOptions, holes?: Holes): MatchTemplate {
  const flows: TemplateFlow[] = [];
  let conjunctions = 0;
  for (const conjunct of separated(conjuncts)) {
    if (flows.length > MAX_FLOWS) {
      throw new LogicalError("logical.too-large", `The match becomes more than ${MAX_FLOWS} flows.`, options.text ?? "", 0);
    }
    const shared: Alternatives[] = [];
    const multiple: Alternatives[] = [];
    for (const name of [...conjunct.keys()].sort()) {
      const one = conjunct.get(name)!;
      (count(one) === 1 ? shared : multiple).push(one);
    }
    const draft = extended(EMPTY, shared, holes);
    if (multiple.length < 2) {
      const alternatives = multiple[0];
      if (alternatives === undefined) flows.push(templateFlow(draft));
      else for (const single of singles(alternatives)) flows.push(templateFlow(extended(draft, [single], holes)));
      continue;
    }
    const conjunction = conjunctions++;
    flows.push(templateFlow(draft, { conjunction }));
    for (const [i, alternatives] of multiple.entries()) {
      const clauses = [{ conjunction, clause: i + 1, clauses: multiple.length }];
      for (const single of singles(alternatives)) flows.push(templateFlow(extended(draft, [single], holes), { clauses }));
    }
  }
  return new MatchTemplate(flows, conjunctions);
}

function count(one: Alternatives): number {
  return one.kind === "ports" ? one.ports.length : one.values.length;
}

/** Conjuncts in which every field that separates has one value. */
function* separated(conjuncts: readonly Conjunct[]): Generator<Conjunct> {
  for (const conjunct of conjuncts) {
    const name = [...conjunct.values()].find((one) => one.root.separates && count(one) > 1)?.root.name;
    if (name === undefined) {
      yield conjunct;
      continue;
    }
    const parts: Conjunct[] = [];
    for (const single of singles(conjunct.get(name)!)) parts.push(new Map(conjunct).set(name, single));
    yield* separated(parts);
  }
}

/** What a flow of a template is made of so far. */
interface Draft {
  readonly match: Match;
  readonly used: readonly Field[];
  readonly ports: readonly Omit<PortTerm, "at">[];
  readonly holes: readonly Hole[];
}

const EMPTY: Draft = {
  match: new MatchBuilder().setWord(WORD.metadata, 0, -1).setWord(DATAPATH_WORD, 0, -1).build(),
  used: [],
  ports: [],
  holes: [],
};

/** The same where alternatives, of one value each, hold as well. */
function extended(draft: Draft, alternatives: readonly Alternatives[], holes: Holes | undefined): Draft {
  const builder = new MatchBuilder(draft.match);
  const used = [...draft.used];
  const ports = [...draft.ports];
  const open = [...draft.holes];
  for (const one of alternatives) {
    if (one.kind === "ports") {
      const name = one.root.name as "inport" | "outport"; // the only string symbols
      builder.setWord(PORT_WORD[name], 0, -1);
      ports.push({ field: name, port: one.ports[0]!, hole: holes?.port(one.ports[0]!) });
      continue;
    }
    const to = openflowField(one.root);
    const { value, mask } = one.values[0]!;
    const hole = holes?.bits(one.root, one.values[0]!);
    if (hole !== undefined) open.push(hole);
    const full = (1n << BigInt(one.root.width)) - 1n;
    // A field that OpenFlow cannot match in part is not matched at all then, as the reference has it.
    if (!to.maskable && mask !== full) continue;
    builder.set(to, value, mask);
    used.push(to);
  }
  return { match: builder.build(), used, ports, holes: open };
}

function templateFlow(
  draft: Draft,
  { conjunction, clauses = [] }: Partial<Pick<TemplateFlow, "conjunction" | "clauses">> = {},
): TemplateFlow {
  const builder = new MatchBuilder(draft.match);
  if (conjunction !== undefined) builder.setWord(CONJ_ID.word, 0, -1);
  dropInapplicable(builder, draft.used);
  const { data } = builder.build();
  return {
    data,
    datapathAt: valueAt(data, DATAPATH_WORD),
    ports: draft.ports.map((term) => ({ ...term, at: valueAt(data, PORT_WORD[term.field]) })),
    holes: draft.holes
      .map(({ index, word, words }) => ({ index, words, at: valueAt(data, word) }))
      .filter(({ at }) => at < data.length),
    clauses,
    conjunction,
    conjunctionAt: valueAt(data, CONJ_ID.word),
  };
}

/** Where in a match's data the value of a word stands. */
function valueAt(data: readonly number[], word: number): number {
  let at = 0;
  while (at < data.length && data[at] !== word) at += 3;
  return at + 1;
}

/** A switch ignores fields whose prerequisites the match does not meet; so that equal flows look equal they are left out. */
function dropInapplicable(builder: MatchBuilder, used: readonly Field[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const one of used) {
      if (one.name === "nw_frag" ? meets(builder, "ip") : meets(builder, one.prerequisite)) continue;
      for (let i = 0; i < one.words; i++) {
        if (builder.wordMask(one.word + i) === 0) continue;
        builder.clearWord(one.word + i, one.wordMask);
        changed = true;
      }
    }
  }
}

const openflowFields = new Map<LogicalSymbol, Field>();

/** The OpenFlow field of a symbol that has one. */
export function openflowField(symbol: LogicalSymbol): Field {
  let found = openflowFields.get(symbol.root);
  if (found === undefined) {
    found = field(symbol.root.field!);
    openflowFields.set(symbol.root, found);
  }
  return found;
}

/**
 * The first conjunction id of a logical flow on a datapath: a 32-bit hash of both, so that it never depends on the order in
 * which flows arrive. 0 is not used.
 */
export function conjunctionIdOf(logicalFlow: string, datapath = 0): number {
  let hash = (0x811c9dc5 ^ datapath) >>> 0;
  for (let i = 0; i < logicalFlow.length; i++) hash = Math.imul(hash ^ logicalFlow.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0 || 1;
}
