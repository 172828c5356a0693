/**
 * One flow table of a bridge: a classifier with what OpenFlow adds to it, limits, eviction, the behaviour on a miss, and counters.
 */
import type { TableMiss } from "@weft/openflow";
import { Classifier } from "../classifier/classifier.ts";
import { KEY_LAYOUT } from "../flow/key.ts";
import type { Effect } from "../xlate/effects.ts";
import type { Rule } from "./rule.ts";

export class FlowTable {
  readonly id: number;
  readonly classifier = new Classifier<Rule>(KEY_LAYOUT);
  name = "";
  /** Flows at most; undefined: no limit (Flow_Table flow_limit). */
  limit: number | undefined;
  /** What to do when the table is full: refuse, or give up a flow (Flow_Table overflow_policy, OFPTC14_EVICTION). */
  evict = false;
  miss: TableMiss = "default";
  vacancy: { on: boolean; down: number; up: number } | undefined;
  lookups = 0;
  matched = 0;
  /** That a packet has found no flow here, and is dropped or goes to the controllers. */
  readonly missed: Effect = { kind: "missed", table: this, toController: false };
  readonly missedToController: Effect = { kind: "missed", table: this, toController: true };

  constructor(id: number) {
    this.id = id;
  }

  get size(): number {
    return this.classifier.size;
  }

  rules(): IterableIterator<Rule> {
    return this.classifier[Symbol.iterator]();
  }

  /** The flow to give up for another: the least important, of those the one that expires soonest. */
  victim(now: number): Rule | undefined {
    let best: Rule | undefined;
    let bestEnd = Number.POSITIVE_INFINITY;
    for (const rule of this.rules()) {
      if (rule.idleTimeout === 0 && rule.hardTimeout === 0 && rule.importance === 0 && !this.evict) continue;
      const end = expiry(rule, now);
      if (best === undefined || rule.importance < best.importance || (rule.importance === best.importance && end < bestEnd)) {
        best = rule;
        bestEnd = end;
      }
    }
    return best;
  }
}

function expiry(rule: Rule, _now: number): number {
  const idle = rule.idleTimeout === 0 ? Number.POSITIVE_INFINITY : rule.used + rule.idleTimeout * 1000;
  const hard = rule.hardTimeout === 0 ? Number.POSITIVE_INFINITY : rule.modified + rule.hardTimeout * 1000;
  return Math.min(idle, hard);
}
