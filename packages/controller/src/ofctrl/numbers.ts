/**
 * Numbers for OpenFlow groups and meters. Flows ask for them by content; equal requests share one. The numbers stay as
 * long as some flow uses them.
 */
import type { Engine, Input } from "@weft/incremental";
import type { DesiredFlow } from "../physical/flow.ts";

interface Entry<Request> {
  readonly request: Request;
  readonly number: number;
}

export class NumberBook<Request> {
  readonly #input: Input<string, number>;
  readonly #wantedOf: (flow: DesiredFlow) => ReadonlyMap<string, Request> | undefined;
  readonly #uses = new Map<string, { readonly request: Request; count: number }>();
  readonly #entries = new Map<string, Entry<Request>>();
  readonly #taken = new Set<number>();
  readonly #touched = new Set<string>();
  #lowest = 1;

  constructor(input: Input<string, number>, wantedOf: (flow: DesiredFlow) => ReadonlyMap<string, Request> | undefined) {
    this.#input = input;
    this.#wantedOf = wantedOf;
  }

  add(flow: DesiredFlow): void {
    for (const [key, request] of this.#wantedOf(flow) ?? []) {
      const use = this.#uses.get(key);
      if (use === undefined) {
        this.#uses.set(key, { request, count: 1 });
        this.#touched.add(key);
      } else use.count++;
    }
  }

  remove(flow: DesiredFlow): void {
    for (const key of this.#wantedOf(flow)?.keys() ?? []) {
      const use = this.#uses.get(key);
      if (use === undefined) continue;
      if (--use.count > 0) continue;
      this.#uses.delete(key);
      this.#touched.add(key);
    }
  }

  /** Gives numbers to new requests and writes them into the engine. Returns whether there were any. */
  allot(engine: Engine): boolean {
    let fresh = false;
    for (const key of this.#touched) {
      const use = this.#uses.get(key);
      if (use === undefined || this.#entries.has(key)) continue;
      while (this.#taken.has(this.#lowest)) this.#lowest++;
      this.#taken.add(this.#lowest);
      this.#entries.set(key, { request: use.request, number: this.#lowest });
      engine.set(this.#input, key, this.#lowest);
      fresh = true;
    }
    return fresh;
  }

  /** Takes over a number that the switch has for a request already. */
  restore(engine: Engine, key: string, request: Request, number: number): void {
    if (this.#entries.has(key) || this.#taken.has(number)) return;
    this.#taken.add(number);
    this.#entries.set(key, { request, number });
    this.#touched.add(key);
    engine.set(this.#input, key, number);
  }

  /** Forgets requests that nobody uses any more; returns them with their numbers. */
  release(engine: Engine): Entry<Request>[] {
    const gone: Entry<Request>[] = [];
    for (const key of this.#touched) {
      const entry = this.#entries.get(key);
      if (this.#uses.has(key) || entry === undefined) continue;
      this.#entries.delete(key);
      this.#taken.delete(entry.number);
      this.#lowest = Math.min(this.#lowest, entry.number);
      engine.delete(this.#input, key);
      gone.push(entry);
    }
    this.#touched.clear();
    return gone;
  }

  /** What has a number now. */
  entries(): Iterable<readonly [key: string, entry: Entry<Request>]> {
    return this.#entries;
  }
}
