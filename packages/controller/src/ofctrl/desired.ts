/**
 * The flows that should be in the switch, with everyone who asks for each. Two rows of the Southbound may ask for flows
 * with the same table, priority and match; a switch can hold only one.
 */
import { type Sink, sameContent } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { DesiredFlow } from "../physical/flow.ts";

/** What became different at one place; both undefined never. */
export interface FlowChange {
  readonly before: DesiredFlow | undefined;
  readonly after: DesiredFlow | undefined;
}

interface Place {
  readonly key: string;
  /** As often as they are asked for. An array, for nearly all places have one. */
  readonly asked: DesiredFlow[];
  settled: DesiredFlow | undefined;
}

type Conjunction = Extract<Action, { type: "conjunction" }>;

function isConjunctive(flow: DesiredFlow): boolean {
  return flow.actions[0]?.type === "conjunction";
}

/**
 * The flow that stands for all that are asked for at one place. Clauses of conjunctions are collected into one flow, for
 * a packet may satisfy a clause of several; else a whole match wins over clauses, and the smallest cookie among equals,
 * so that the outcome does not depend on the order of arrival.
 */
export function settle(asked: Iterable<DesiredFlow>): DesiredFlow | undefined {
  let best: DesiredFlow | undefined;
  const clauses: DesiredFlow[] = [];
  for (const flow of asked) {
    if (flow.waits === true) continue;
    if (isConjunctive(flow)) clauses.push(flow);
    else if (best === undefined || flow.cookie < best.cookie) best = flow;
  }
  if (best !== undefined) return best;
  const first = clauses[0];
  if (first === undefined || clauses.length === 1) return first;
  const merged = new Map<string, Conjunction>();
  for (const { actions } of clauses) {
    for (const action of actions) if (action.type === "conjunction") merged.set(`${action.id} ${action.clause}`, action);
  }
  const actions = [...merged.values()].sort((a, b) => a.id - b.id || a.clause - b.clause);
  const cookie = clauses.every((flow) => flow.cookie === first.cookie) ? first.cookie : 0;
  return { ...first, actions, cookie };
}

export function sameFlow(a: DesiredFlow, b: DesiredFlow): boolean {
  return a === b || (a.cookie === b.cookie && sameContent(a.actions, b.actions));
}

export class DesiredFlows {
  readonly #places = new Map<string, Place>();
  readonly #touched = new Set<Place>();

  readonly sink: Sink<DesiredFlow> = {
    add: (flow) => {
      let place = this.#places.get(flow.place);
      if (place === undefined) {
        place = { key: flow.place, asked: [flow], settled: undefined };
        this.#places.set(flow.place, place);
      } else place.asked.push(flow);
      this.#touched.add(place);
    },
    remove: (flow) => {
      const place = this.#places.get(flow.place);
      const at = place?.asked.indexOf(flow) ?? -1;
      if (place === undefined || at < 0) return;
      place.asked.splice(at, 1);
      this.#touched.add(place);
    },
  };

  /** What has changed since the last call. */
  take(): FlowChange[] {
    const changes: FlowChange[] = [];
    for (const place of this.#touched) {
      const before = place.settled;
      const after = settle(place.asked);
      if (after === undefined) this.#places.delete(place.key);
      if (before !== undefined && after !== undefined && sameFlow(before, after)) {
        place.settled = before;
        continue;
      }
      place.settled = after;
      if (before !== undefined || after !== undefined) changes.push({ before, after });
    }
    this.#touched.clear();
    return changes;
  }

  /** All flows as of the last {@link take}. */
  *flows(): Iterable<DesiredFlow> {
    for (const { settled } of this.#places.values()) if (settled !== undefined) yield settled;
  }

  /** The flow at a place as of the last {@link take}. */
  at(place: string): DesiredFlow | undefined {
    return this.#places.get(place)?.settled;
  }

  get size(): number {
    return this.#places.size;
  }
}
