/** A flow in a flow table. */
import type { Action, Match } from "@weft/openflow";
import type { ClassifierRule, Conjunction, KeyMatch } from "../classifier/classifier.ts";
import type { Effect } from "../xlate/effects.ts";
import type { FlowTable } from "./flow-table.ts";

export interface RuleInit {
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly key: KeyMatch;
  readonly cookie: bigint;
  readonly actions: readonly Action[];
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly flags: number;
  readonly importance: number;
  /** Monotonic ms. */
  readonly now: number;
}

export class Rule implements ClassifierRule {
  readonly table: number;
  readonly priority: number;
  /** As the controller gave it. */
  readonly wire: Match;
  /** For the classifier: tun_metadata placed. */
  readonly match: KeyMatch;
  cookie: bigint;
  actions: readonly Action[];
  conjunctions: readonly Conjunction[] | undefined;
  /** Seconds; 0 for never. */
  idleTimeout: number;
  hardTimeout: number;
  readonly flags: number;
  importance: number;
  /** Monotonic ms of adding, of the last change of actions, and of the last packet. */
  created: number;
  modified: number;
  used: number;
  packets = 0;
  bytes = 0;
  #hit: Effect | undefined;
  /** False once removed from its table; cached translations that use it are then stale. */
  live = true;

  constructor(init: RuleInit) {
    this.table = init.table;
    this.priority = init.priority;
    this.wire = init.match;
    this.match = init.key;
    this.cookie = init.cookie;
    this.actions = init.actions;
    this.conjunctions = conjunctionsOf(init.actions);
    this.idleTimeout = init.idleTimeout;
    this.hardTimeout = init.hardTimeout;
    this.flags = init.flags;
    this.importance = init.importance;
    this.created = init.now;
    this.modified = init.now;
    this.used = init.now;
  }

  /** Does it take what no other flow of its table takes (a table-miss flow)? */
  get isTableMiss(): boolean {
    return this.priority === 0 && this.wire.size === 0;
  }

  /** That a packet has found this flow in its table. */
  hitIn(table: FlowTable): Effect {
    this.#hit ??= { kind: "rule", rule: this, table };
    return this.#hit;
  }
}

/** A flow whose actions are conjunctions (and notes) stands for clauses of conjunctive matches. */
export function conjunctionsOf(actions: readonly Action[]): readonly Conjunction[] | undefined {
  const found: Conjunction[] = [];
  for (const action of actions) {
    if (action.type === "conjunction") found.push({ id: action.id | 0, clause: action.clause - 1, clauses: action.clauses });
  }
  return found.length === 0 ? undefined : found;
}
