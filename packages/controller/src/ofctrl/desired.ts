/**
 * The flows that should be in the switch, with everyone who asks for each, and what is there. Two rows of the Southbound
 * may ask for flows with the same table, priority and match; a switch can hold only one.
 */
import { type Sink, sameContent } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { DesiredFlow } from "../physical/flow.ts";

/** A table, priority and match: what at most one flow of a switch has. */
export interface Place {
  /** A flow that is or was there, for the table, the priority and the match. */
  readonly flow: DesiredFlow;
  readonly hash: number;
  /** The next place with the same hash. */
  next: Place | undefined;
  /** As often as they are asked for. Nearly all places have one; never pushed to, for that makes room for many more. */
  asked: readonly DesiredFlow[];
  /** What is to be there, as of the last {@link DesiredFlows.take}. */
  settled: DesiredFlow | undefined;
  /** What the switch has there. */
  installed: DesiredFlow | undefined;
  /** What is asked for has changed since the last {@link DesiredFlows.take}. */
  touched: boolean;
}

const NONE: readonly DesiredFlow[] = [];

type Conjunction = Extract<Action, { type: "conjunction" }>;

function isConjunctive(flow: DesiredFlow): boolean {
  return flow.actions[0]?.type === "conjunction";
}

/**
 * The flow that stands for all that are asked for at one place. Clauses of conjunctions are collected into one flow, for
 * a packet may satisfy a clause of several; else a whole match wins over clauses, and the smallest cookie among equals,
 * so that the outcome does not depend on the order of arrival.
 */
export function settle(asked: readonly DesiredFlow[]): DesiredFlow | undefined {
  if (asked.length === 1) return asked[0]!.waits === true ? undefined : asked[0];
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

function hashOf({ table, priority, match }: DesiredFlow): number {
  const hash = Math.imul((table << 16) ^ priority, 0x9e3779b1) ^ match.hash;
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}

function atSamePlace(a: DesiredFlow, b: DesiredFlow): boolean {
  return a.table === b.table && a.priority === b.priority && a.match.equals(b.match);
}

export class DesiredFlows {
  /** The first place of each hash; by number, for a string of the whole match would cost more than all the rest. */
  readonly #places = new Map<number, Place>();
  #touched: Place[] = [];

  readonly sink: Sink<DesiredFlow> = {
    add: (flow) => {
      const place = this.#placeOf(flow);
      place.asked = place.asked.length === 0 ? [flow] : [...place.asked, flow];
      this.#touch(place);
    },
    remove: (flow) => {
      const place = this.at(flow);
      const at = place?.asked.indexOf(flow) ?? -1;
      if (place === undefined || at < 0) return;
      place.asked = place.asked.length === 1 ? NONE : place.asked.toSpliced(at, 1);
      this.#touch(place);
    },
  };

  #touch(place: Place): void {
    if (place.touched) return;
    place.touched = true;
    this.#touched.push(place);
  }

  #placeOf(flow: DesiredFlow): Place {
    const hash = hashOf(flow);
    const first = this.#places.get(hash);
    for (let place = first; place !== undefined; place = place.next) if (atSamePlace(place.flow, flow)) return place;
    const place: Place = {
      flow,
      hash,
      next: first,
      asked: NONE,
      settled: undefined,
      installed: undefined,
      touched: false,
    };
    this.#places.set(hash, place);
    return place;
  }

  /** The place of a flow, where it is known. */
  at(flow: DesiredFlow): Place | undefined {
    for (let place = this.#places.get(hashOf(flow)); place !== undefined; place = place.next)
      if (atSamePlace(place.flow, flow)) return place;
    return undefined;
  }

  /** How many places the next {@link take} looks at. */
  get changing(): number {
    return this.#touched.length;
  }

  /** Settles what is to be where; returns the places where that has changed since the last call. */
  take(): Place[] {
    const changed: Place[] = [];
    const touched = this.#touched;
    this.#touched = [];
    for (const place of touched) {
      place.touched = false;
      const before = place.settled;
      const after = settle(place.asked);
      if (before !== after && !(before !== undefined && after !== undefined && sameFlow(before, after))) {
        place.settled = after;
        changed.push(place);
      }
      this.#drop(place);
    }
    return changed;
  }

  /** Notes what the switch has at a place. */
  installed(place: Place, flow: DesiredFlow | undefined): void {
    place.installed = flow;
    this.#drop(place);
  }

  /** Notes a flow that was found in the switch. */
  found(flow: DesiredFlow): void {
    this.#placeOf(flow).installed = flow;
  }

  /** Nothing is known of what the switch has. */
  forgetInstalled(): void {
    for (const place of this.places()) this.installed(place, undefined);
  }

  /** Forgets a place that means nothing any more. */
  #drop(place: Place): void {
    if (place.settled !== undefined || place.installed !== undefined || place.asked.length > 0) return;
    const first = this.#places.get(place.hash);
    if (first === place) {
      if (place.next === undefined) this.#places.delete(place.hash);
      else this.#places.set(place.hash, place.next);
      return;
    }
    for (let before = first; before !== undefined; before = before.next) if (before.next === place) before.next = place.next;
  }

  *places(): Iterable<Place> {
    for (const first of this.#places.values()) {
      for (let place: Place | undefined = first; place !== undefined; place = place.next) yield place;
    }
  }

  /** All flows that are to be there, as of the last {@link take}. */
  *flows(): Iterable<DesiredFlow> {
    for (const { settled } of this.places()) if (settled !== undefined) yield settled;
  }
}
