import { Heap } from "../heap.ts";
import type { Clock, Timer } from "../world.ts";

interface Pending {
  readonly due: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/**
 * A clock that stands still until it is told to go on. Timers fire in the order of their time, those of equal time in
 * the order in which they were set; between two of them all promises settle. As long as nothing outside is waited for,
 * the same program gives the same sequence of events every time.
 */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #start: number;
  #order = 0;
  readonly #heap = new Heap(before);
  #soon: (() => void)[] = [];

  /** `start`: the wall-clock time at which the clock begins, ms since the epoch. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return this.#now;
  }
  wall(): number {
    return this.#start + this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const pending: Pending = { due: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#heap.push(pending);
    return {
      cancel() {
        pending.run = undefined;
      },
    };
  }

  every(ms: number, run: () => void): Timer {
    const period = Math.max(ms, 0.001);
    let timer: Timer;
    const again = () => {
      timer = this.after(period, again);
      run();
    };
    timer = this.after(period, again);
    return { cancel: () => timer.cancel() };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets everything happen that can happen without time passing. */
  async settle(): Promise<void> {
    do {
      while (this.#soon.length > 0) {
        const batch = this.#soon;
        this.#soon = [];
        for (const run of batch) run();
        await turn();
      }
      await turn();
    } while (this.#soon.length > 0);
  }

  /** Lets `ms` milliseconds pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let next = this.#peek(); next !== undefined && next.due <= end; next = this.#peek()) {
      this.#heap.pop();
      this.#now = Math.max(this.#now, next.due);
      next.run?.();
      await this.settle();
    }
    this.#now = end;
  }

  /** Lets time pass until `done` holds; false if it does not within `limit` milliseconds of virtual time. */
  async until(done: () => boolean, limit = 60_000): Promise<boolean> {
    const end = this.#now + limit;
    await this.settle();
    while (!done()) {
      const next = this.#peek();
      if (next === undefined || next.due > end) return false;
      this.#heap.pop();
      this.#now = Math.max(this.#now, next.due);
      next.run?.();
      await this.settle();
    }
    return true;
  }

  /** Lets time pass until the promise settles. */
  async run<T>(promise: Promise<T>, limit = 60_000): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    if (!(await this.until(() => settled, limit))) throw new Error(`nothing left to happen within ${limit} ms of virtual time`);
    return promise;
  }

  #peek(): Pending | undefined {
    let next = this.#heap.peek();
    while (next !== undefined && next.run === undefined) {
      this.#heap.pop();
      next = this.#heap.peek();
    }
    return next;
  }
}

function before(a: Pending, b: Pending): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/** One turn of Node's event loop: every promise that can settle has settled afterwards. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
