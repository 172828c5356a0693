/** Durations of what a daemon does over and over: what stopwatch/show tells. */

/** Weights of the newest sample in the averages. */
const SHORT_TERM = 0.5;
const LONG_TERM = 0.01;
/** So many of the newest samples the percentile is taken from. */
const KEPT = 1000;

export interface StopwatchStatistics {
  readonly samples: number;
  /** Whole ms; those of a watch without samples are 0, as all the rest. */
  readonly maximum: number;
  readonly minimum: number;
  /** Ms. */
  readonly percentile95: number;
  readonly shortTerm: number;
  readonly longTerm: number;
}

export class Stopwatch {
  #samples = 0;
  #maximum = 0;
  #minimum = 0;
  #shortTerm = 0;
  #longTerm = 0;
  readonly #recent: number[] = [];

  /** `ms` may have a fraction. */
  add(ms: number): void {
    const whole = Math.floor(ms);
    this.#maximum = this.#samples === 0 ? whole : Math.max(this.#maximum, whole);
    this.#minimum = this.#samples === 0 ? whole : Math.min(this.#minimum, whole);
    this.#shortTerm = this.#samples === 0 ? whole : SHORT_TERM * whole + (1 - SHORT_TERM) * this.#shortTerm;
    this.#longTerm = this.#samples === 0 ? whole : LONG_TERM * whole + (1 - LONG_TERM) * this.#longTerm;
    this.#recent[this.#samples % KEPT] = whole;
    this.#samples++;
  }

  reset(): void {
    this.#samples = this.#maximum = this.#minimum = this.#shortTerm = this.#longTerm = 0;
    this.#recent.length = 0;
  }

  statistics(): StopwatchStatistics {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    return {
      samples: this.#samples,
      maximum: this.#maximum,
      minimum: this.#minimum,
      percentile95: sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] ?? 0,
      shortTerm: this.#shortTerm,
      longTerm: this.#longTerm,
    };
  }
}
