/** Counted events: what coverage/show and coverage/read-counter tell (ovs-appctl(8), "COVERAGE COMMANDS"). */
import type { Clock } from "./world.ts";

/** Lengths of the slots in which recent events are counted, in ms, and how many of them are kept. */
const SHORT = { length: 5_000, slots: 12 };
const LONG = { length: 60_000, slots: 60 };

/** Events of the last slots. Counts move on when they are looked at: no timer runs. */
class Recent {
  readonly #length: number;
  readonly #counts: Float64Array;
  #slot = 0;

  constructor({ length, slots }: { readonly length: number; readonly slots: number }) {
    this.#length = length;
    // One more than are told of, for the one that is not over.
    this.#counts = new Float64Array(slots + 1);
  }

  add(now: number, count: number): void {
    this.#move(now);
    const at = this.#slot % this.#counts.length;
    this.#counts[at] = this.#counts[at]! + count;
  }

  /** The events of the last `slots` slots that are over. */
  sum(now: number, slots: number): number {
    this.#move(now);
    let sum = 0;
    for (let back = 1; back <= slots; back++) {
      const slot = this.#slot - back;
      if (slot >= 0) sum += this.#counts[slot % this.#counts.length]!;
    }
    return sum;
  }

  #move(now: number): void {
    const slot = Math.floor(now / this.#length);
    const steps = Math.min(slot - this.#slot, this.#counts.length);
    for (let step = 0; step < steps; step++) this.#counts[(slot - step) % this.#counts.length] = 0;
    this.#slot = Math.max(slot, this.#slot);
  }
}

interface Counter {
  total: number;
  readonly short: Recent;
  readonly long: Recent;
}

export interface CoverageLine {
  readonly name: string;
  readonly total: number;
  /** Events a second over the last 5 seconds, the last minute and the last hour. */
  readonly rates: readonly [number, number, number];
}

export class Coverage {
  readonly #clock: Clock;
  readonly #counters = new Map<string, Counter>();

  /** `names` are known from the start, as events that never happened. */
  constructor(clock: Clock, names: readonly string[]) {
    this.#clock = clock;
    for (const name of names) this.#counters.set(name, { total: 0, short: new Recent(SHORT), long: new Recent(LONG) });
  }

  count(name: string, events = 1): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = { total: 0, short: new Recent(SHORT), long: new Recent(LONG) };
      this.#counters.set(name, counter);
    }
    const now = this.#clock.now();
    counter.total += events;
    counter.short.add(now, events);
    counter.long.add(now, events);
  }

  /** How often an event has happened; undefined where no such event is counted. */
  total(name: string): number | undefined {
    return this.#counters.get(name)?.total;
  }

  lines(): readonly CoverageLine[] {
    const now = this.#clock.now();
    return [...this.#counters].map(([name, { total, short, long }]) => ({
      name,
      total,
      rates: [short.sum(now, 1) / 5, short.sum(now, 12) / 60, long.sum(now, 60) / 3600],
    }));
  }
}
