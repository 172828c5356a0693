/** Policing: what comes faster than a token bucket is filled is lost at once (ovs-vswitchd.conf.db(5), egress-policer and ingress policing). */
import type { PortDrops } from "../datapath/dp-port.ts";

export class TokenBucket {
  #tokens: number;
  readonly #size: number;
  /** Tokens a ms. */
  readonly #rate: number;
  #filled: number;

  /** `perSecond` and `size` in one unit, which the caller chooses. Full in the beginning. */
  constructor(perSecond: number, size: number, now: number) {
    this.#rate = perSecond / 1000;
    this.#size = size;
    this.#tokens = size;
    this.#filled = now;
  }

  /** Whether so much is there, and enough of it. */
  has(cost: number, now: number): boolean {
    this.#tokens = Math.min(this.#size, this.#tokens + (now - this.#filled) * this.#rate);
    this.#filled = now;
    return this.#tokens >= cost;
  }

  take(cost: number): void {
    this.#tokens -= cost;
  }
}

/** Settings of an Interface, in its columns' units: kbit/s, kbit, 1000 packets/s, 1000 packets; 0: by default, or no limit. */
export interface IngressPolicing {
  readonly rate: number;
  readonly burst: number;
  readonly kpktsRate: number;
  readonly kpktsBurst: number;
}

const DEFAULT_BURST = 8000;
const DEFAULT_KPKTS_BURST = 16;

/** What an interface receives, by bytes and by packets; the smaller of two limits is in effect. */
export class IngressPolicer {
  readonly config: IngressPolicing;
  readonly #bits: TokenBucket | undefined;
  readonly #packets: TokenBucket | undefined;
  readonly #drops: PortDrops;

  constructor(config: IngressPolicing, drops: PortDrops, now: number) {
    this.config = config;
    this.#drops = drops;
    const { rate, burst, kpktsRate, kpktsBurst } = config;
    this.#bits = rate > 0 ? new TokenBucket(rate * 1000, (burst || DEFAULT_BURST) * 1000, now) : undefined;
    this.#packets =
      kpktsRate > 0 ? new TokenBucket(kpktsRate * 1000, (kpktsBurst || DEFAULT_KPKTS_BURST) * 1000, now) : undefined;
  }

  /** False: the frames are to be dropped. `packets`: how many a frame stands for that is still to be cut up. */
  admit(bytes: number, packets: number, now: number): boolean {
    const bits = bytes * 8;
    if (this.#bits?.has(bits, now) === false || this.#packets?.has(packets, now) === false) {
      this.#drops.rx += packets;
      return false;
    }
    this.#bits?.take(bits);
    this.#packets?.take(packets);
    return true;
  }
}
