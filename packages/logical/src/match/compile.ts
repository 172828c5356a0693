/**
 * Matches to OpenFlow. Three steps, so that each is done as seldom as it can be: parsing (once per distinct text),
 * {@link compileMatch} (once per text, set contents and residence of ports), {@link MatchTemplate.instantiate} (once per
 * datapath).
 */
import { type Field, field, type Match, MatchBuilder, meets, WORD } from "@weft/openflow";
import { LogicalError } from "../error.ts";
import type { LogicalSymbol } from "../symbols.ts";
import { annotate, type Node, nodeOf } from "./annotate.ts";
import type { Expression } from "./expression.ts";
import { type Alternatives, type Conjunct, normalize, singles } from "./normalize.ts";

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

interface PortTerm {
  readonly field: "inport" | "outport";
  readonly port: string;
}

interface TemplateFlow {
  readonly match: Match;
  readonly ports: readonly PortTerm[];
  /** Indexes of conjunctions within the template, with clause numbers. */
  readonly clauses: readonly { readonly conjunction: number; readonly clause: number; readonly clauses: number }[];
  /** The flow that matches conj_id: which conjunction. */
  readonly conjunction: number | undefined;
}

/** A compiled match in which ports and the datapath are still names. */
export class MatchTemplate {
  readonly #flows: readonly TemplateFlow[];
  /** Number of clauses of each conjunctive match. */
  readonly #clauses: readonly number[];
  /** Number of conjunctive matches, so of ids that an instance needs. */
  readonly conjunctions: number;
  /** Ports that the match compares inport or outport with. */
  readonly ports: ReadonlySet<string>;

  constructor(flows: readonly TemplateFlow[], conjunctions: number) {
    this.#flows = flows;
    this.conjunctions = conjunctions;
    const counts: number[] = [];
    for (const flow of flows) for (const { conjunction, clauses } of flow.clauses) counts[conjunction] = clauses;
    this.#clauses = counts;
    const ports = new Set<string>();
    for (const flow of flows) for (const { port } of flow.ports) ports.add(port);
    this.ports = ports;
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
    const made: { flow: TemplateFlow; match: Match }[] = [];
    const present: Set<number>[] = Array.from({ length: this.conjunctions }, () => new Set());
    for (const flow of this.#flows) {
      const builder = new MatchBuilder(flow.match).setWord(WORD.metadata, 0, -1).setWord(WORD.metadata + 1, options.datapath, -1);
      if (!setPorts(builder, flow.ports, options)) continue;
      if (flow.conjunction !== undefined) builder.set(CONJ_ID, conjunctionId(options.conjunctionId, flow.conjunction));
      made.push({ flow, match: builder.build() });
      for (const { conjunction, clause } of flow.clauses) present[conjunction]!.add(clause);
    }
    const flows = new Map<string, { match: Match; conjunctions: ConjunctionRef[]; plain: boolean }>();
    for (const { flow, match } of made) {
      const refs: ConjunctionRef[] = [];
      for (const { conjunction, clause, clauses } of flow.clauses) {
        if (present[conjunction]!.size !== clauses) continue;
        refs.push({ id: conjunctionId(options.conjunctionId, conjunction), clause, clauses });
      }
      if (refs.length === 0 && flow.clauses.length > 0) continue;
      if (flow.conjunction !== undefined && present[flow.conjunction]!.size !== this.#clauses[flow.conjunction]) continue;
      const same = flows.get(match.key);
      if (same === undefined) flows.set(match.key, { match, conjunctions: refs, plain: refs.length === 0 });
      else if (refs.length === 0) {
        // the whole match holds already for what one of its clauses would only contribute to
        same.plain = true;
        same.conjunctions.length = 0;
      } else if (!same.plain) same.conjunctions.push(...refs);
    }
    return [...flows.values()];
  }
}

const CONJ_ID = field("conj_id");

function conjunctionId(first: number, index: number): number {
  const id = (first + index) >>> 0;
  return id === 0 ? 1 : id;
}

/** The name that stands for "no port", as get_fdb leaves it when it finds nothing. */
export const NO_PORT = "none";

const PORT_WORD = { inport: field("reg14").word, outport: field("reg15").word } as const;

function setPorts(builder: MatchBuilder, ports: readonly PortTerm[], options: InstantiateOptions): boolean {
  for (const { field: name, port } of ports) {
    const key = port === NO_PORT ? 0 : options.lookupPort(port, name);
    if (key === undefined) return false;
    builder.setWord(PORT_WORD[name], key, -1);
  }
  return true;
}

/** Compiles a parsed match. Throws LogicalError "logical.too-large". */
export function compileMatch(expression: Expression, options: CompileOptions = {}): MatchTemplate {
  const needed = (options.prerequisites ?? []).map(nodeOf);
  const annotated = annotate(expression);
  const node: Node = needed.length === 0 ? annotated : { kind: "and", args: [annotated, ...needed] };
  const limit = options.limit ?? DEFAULT_LIMIT;
  const conjuncts = normalize(node, { resident: (port) => options.resident?.(port) ?? false, limit }, options.text);
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
    if (multiple.length < 2) {
      const alternatives = multiple[0];
      if (alternatives === undefined) flows.push(templateFlow(shared));
      else for (const single of singles(alternatives)) flows.push(templateFlow([...shared, single]));
      continue;
    }
    const conjunction = conjunctions++;
    flows.push({ ...templateFlow(shared), conjunction });
    for (const [i, alternatives] of multiple.entries()) {
      for (const single of singles(alternatives)) {
        flows.push({ ...templateFlow([...shared, single]), clauses: [{ conjunction, clause: i + 1, clauses: multiple.length }] });
      }
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

function templateFlow(alternatives: readonly Alternatives[]): TemplateFlow {
  const builder = new MatchBuilder();
  const used: Field[] = [];
  const ports: PortTerm[] = [];
  for (const one of alternatives) {
    if (one.kind === "ports") {
      ports.push({ field: one.root.name as "inport" | "outport", port: one.ports[0]! }); // the only string symbols
      continue;
    }
    const to = openflowField(one.root);
    const { value, mask } = one.values[0]!;
    const full = (1n << BigInt(one.root.width)) - 1n;
    // A field that OpenFlow cannot match in part is not matched at all then, as the reference has it.
    if (!to.maskable && mask !== full) continue;
    builder.set(to, value, mask);
    used.push(to);
  }
  dropInapplicable(builder, used);
  return { match: builder.build(), ports, clauses: [], conjunction: undefined };
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
