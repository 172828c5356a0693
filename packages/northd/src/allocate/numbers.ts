/**
 * Allocation of numbers that stay: tunnel keys of datapaths and ports, VLAN tags of child ports. What was given once is
 * kept until it is asked for no more; what stands in the database already counts as given.
 */
import type { Sink } from "@weft/incremental";

export interface NumberRequest {
  /** Numbers are unique within a scope: a datapath's uuid, a parent port's name, or "" for all. */
  readonly scope: string;
  readonly id: string;
  /** A number that the configuration asks for. */
  readonly requested: number | undefined;
  /** The number that the database has already. */
  readonly existing: number | undefined;
}

export interface NumberPolicy {
  readonly min: number;
  /** The largest that is given unasked. */
  readonly max: number;
  /** The largest that may be asked for, where that is more. */
  readonly requestable?: number;
  /** New numbers: the one after the last given, or the lowest that is free. */
  readonly order: "next" | "lowest";
  /** A number may be given to several who all ask for it. */
  readonly share: boolean;
}

interface Scope {
  /** number → ids that have it. */
  readonly taken: Map<number, Set<string>>;
  last: number;
}

export interface NumberOutcome<Request extends NumberRequest = NumberRequest> {
  set(id: string, number: number): void;
  delete(id: string): void;
  exhausted(request: Request): void;
  /** Somebody else asked for the same number, and has it. */
  conflict(request: Request): void;
  /** The number that is asked for is none that could be given. */
  refused(request: Request): void;
}

export class Numbers<Request extends NumberRequest = NumberRequest> implements Sink<Request> {
  readonly #policy: NumberPolicy;
  readonly #outcome: NumberOutcome<Request>;
  readonly #requests = new Map<string, Request>();
  readonly #given = new Map<string, { readonly scope: string; readonly number: number; readonly requested: boolean }>();
  readonly #scopes = new Map<string, Scope>();
  readonly #changed = new Set<string>();
  /** Who asked for a number that another has who asked for it too. */
  readonly #denied = new Set<string>();
  /** Numbers that were asked for and are none, of which the outcome was told. */
  readonly #refused = new Map<string, number>();

  constructor(policy: NumberPolicy, outcome: NumberOutcome<Request>) {
    this.#policy = policy;
    this.#outcome = outcome;
  }

  add(request: Request): void {
    this.#requests.set(request.id, request);
    this.#changed.add(request.id);
  }

  remove(request: Request): void {
    if (this.#requests.get(request.id) !== request) return;
    this.#requests.delete(request.id);
    this.#changed.add(request.id);
  }

  get(id: string): number | undefined {
    return this.#given.get(id)?.number;
  }

  /** Gives numbers to what was asked since the last time. Returns whether any number changed. */
  flush(): boolean {
    if (this.#changed.size === 0) return false;
    const changed = new Set(this.#changed);
    this.#changed.clear();
    let news = false;
    for (const id of changed) {
      const request = this.#requests.get(id);
      const given = this.#given.get(id);
      if (request === undefined) {
        this.#denied.delete(id);
        this.#refused.delete(id);
      }
      if (given === undefined || (request !== undefined && given.scope === request.scope)) continue;
      this.#release(id);
      if (request === undefined) this.#outcome.delete(id);
      news = true;
    }
    // Whoever was denied a number is asked again: it may be free now.
    const asked = [...changed, ...this.#denied].flatMap((id) => this.#requests.get(id) ?? []);
    const fresh = asked.filter(({ id }) => !this.#given.has(id));
    const evicted: Request[] = [];
    // Who has the requested number already comes first.
    for (const request of asked) if (this.#current(request) === request.requested) this.#giveRequested(request, evicted);
    for (const request of asked) if (this.#giveRequested(request, evicted)) news = true;
    for (const request of fresh) if (!this.#given.has(request.id)) this.#giveExisting(request);
    for (const request of [...fresh, ...evicted]) if (!this.#given.has(request.id)) this.#giveNew(request);
    return news || fresh.length > 0;
  }

  #current(request: Request): number | undefined {
    return this.#given.get(request.id)?.number ?? request.existing;
  }

  #scope(name: string): Scope {
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      scope = { taken: new Map(), last: 0 };
      this.#scopes.set(name, scope);
    }
    return scope;
  }

  #release(id: string): void {
    const given = this.#given.get(id)!;
    this.#given.delete(id);
    const scope = this.#scope(given.scope);
    const holders = scope.taken.get(given.number);
    holders?.delete(id);
    if (holders?.size === 0) scope.taken.delete(given.number);
    if (scope.taken.size === 0 && given.scope !== "") this.#scopes.delete(given.scope);
  }

  #give(request: Request, number: number): void {
    const scope = this.#scope(request.scope);
    const holders = scope.taken.get(number);
    if (holders === undefined) scope.taken.set(number, new Set([request.id]));
    else holders.add(request.id);
    if (number <= this.#policy.max) scope.last = number;
    this.#given.set(request.id, { scope: request.scope, number, requested: request.requested === number });
    this.#outcome.set(request.id, number);
  }

  #valid(number: number | undefined): number is number {
    return number !== undefined && number >= this.#policy.min && number <= (this.#policy.requestable ?? this.#policy.max);
  }

  /** Gives a requested number, taking it from whoever has it without having asked for it. Returns whether anything changed. */
  #giveRequested(request: Request, evicted: Request[]): boolean {
    const { requested, id } = request;
    const given = this.#given.get(id);
    if (requested === undefined || !this.#valid(requested)) {
      this.#refuse(request);
      this.#denied.delete(id);
      if (given?.requested === true) this.#given.set(id, { ...given, requested: false });
      return false;
    }
    this.#refused.delete(id);
    if (given?.number === requested) {
      this.#denied.delete(id);
      if (!given.requested) this.#given.set(id, { ...given, requested: true });
      return false;
    }
    const holders = this.#scope(request.scope).taken.get(requested);
    for (const holder of holders === undefined ? [] : [...holders]) {
      if (this.#given.get(holder)!.requested) {
        if (this.#policy.share) continue;
        if (!this.#denied.has(id)) this.#outcome.conflict(request);
        this.#denied.add(id);
        return false;
      }
      this.#release(holder);
      evicted.push(this.#requests.get(holder)!);
    }
    this.#denied.delete(id);
    if (given !== undefined) this.#release(id);
    this.#give(request, requested);
    return true;
  }

  /** Tells once of a request that cannot be met. */
  #refuse(request: Request): void {
    const { id, requested } = request;
    if (requested === undefined) this.#refused.delete(id);
    else if (this.#refused.get(id) !== requested) {
      this.#refused.set(id, requested);
      this.#outcome.refused(request);
    }
  }

  #giveExisting(request: Request): void {
    const { existing } = request;
    if (this.#valid(existing) && !this.#scope(request.scope).taken.has(existing)) this.#give(request, existing);
  }

  #giveNew(request: Request): void {
    const { min, max, order } = this.#policy;
    const scope = this.#scope(request.scope);
    const count = max - min + 1;
    const start = order === "lowest" || scope.last < min ? min : scope.last + 1;
    for (let i = 0; i < count; i++) {
      const number = min + ((start - min + i) % count);
      if (scope.taken.has(number)) continue;
      this.#give(request, number);
      return;
    }
    this.#outcome.exhausted(request);
    this.#outcome.delete(request.id);
  }
}
