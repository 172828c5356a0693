/** How many connections a zone may have (dpctl/ct-set-limits, CT_Zone.limit). */

export interface ZoneLimit {
  readonly zone: number;
  /** 0: no limit. */
  readonly limit: number;
  readonly count: number;
}

export class ZoneLimits {
  /** Of zones without a limit of their own; 0 for none. */
  defaultLimit = 0;
  readonly #limits = new Map<number, number>();
  readonly #counts = new Map<number, number>();

  set(zone: number, limit: number): void {
    this.#limits.set(zone, limit);
  }

  delete(zone: number): void {
    this.#limits.delete(zone);
  }

  get(zone: number): ZoneLimit {
    return { zone, limit: this.#limits.get(zone) ?? this.defaultLimit, count: this.#counts.get(zone) ?? 0 };
  }

  /** Zones with limits of their own. */
  zones(): ZoneLimit[] {
    return [...this.#limits.keys()].sort((a, b) => a - b).map((zone) => this.get(zone));
  }

  /** May the zone have one more? */
  admits(zone: number): boolean {
    const limit = this.#limits.get(zone) ?? this.defaultLimit;
    return limit === 0 || (this.#counts.get(zone) ?? 0) < limit;
  }

  /** Are the zone's connections counted? Those that were there before it had a limit are not. */
  counts(zone: number): boolean {
    return this.#limits.has(zone) || this.defaultLimit !== 0;
  }

  add(zone: number, difference: 1 | -1): void {
    const count = (this.#counts.get(zone) ?? 0) + difference;
    if (count <= 0) this.#counts.delete(zone);
    else this.#counts.set(zone, count);
  }
}
