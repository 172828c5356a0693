/** A port's way out where it has a QoS: between the datapath and the device. */
import type { Clock, FrameOffload, Timer } from "@weft/runtime";
import type { PortDrops } from "../datapath/dp-port.ts";
import type { Netdev } from "../netdev.ts";
import type { QosConfig } from "./config.ts";
import { Htb, type QueueCounters, sameHtb } from "./htb.ts";
import { TokenBucket } from "./policer.ts";

/** The array is the device's from now on. */
export type Transmit = (frame: Uint8Array, offload: FrameOffload | undefined) => void;

export interface Egress {
  readonly config: QosConfig;
  /** A frame for a queue; it leaves now, later, or not at all. */
  send(frame: Uint8Array, queue: number, offload: FrameOffload | undefined): void;
  /** Takes another configuration of its kind; false: it is of another kind. */
  configure(config: QosConfig): boolean;
  /** Of the queues, by their numbers in order; none, where it has no queues. */
  queues(): readonly (readonly [id: number, counters: Readonly<QueueCounters>])[];
  /** Whatever is held is lost. */
  close(): void;
}

/** `drops` counts what is lost on the way. */
export function createEgress(config: QosConfig, netdev: Netdev, drops: PortDrops, clock: Clock): Egress {
  const transmit: Transmit = (frame, offload) => {
    if (netdev.up || netdev.elsewhere === true) netdev.transmit(frame, offload);
  };
  return config.type === "egress-policer"
    ? new PolicedEgress(config, transmit, drops, clock)
    : new ShapedEgress(config, transmit, drops, clock);
}

type Shaping = Extract<QosConfig, { readonly htb: unknown }>;
type Policing = Extract<QosConfig, { readonly cir: number }>;

/** What a timer is set for at least, ms. */
const MIN_WAIT_MS = 0.01;

class ShapedEgress implements Egress {
  config: Shaping;
  readonly #htb: Htb<{ readonly frame: Uint8Array; readonly offload: FrameOffload | undefined }>;
  readonly #transmit: Transmit;
  readonly #drops: PortDrops;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #pumping = false;
  #closed = false;

  constructor(config: Shaping, transmit: Transmit, drops: PortDrops, clock: Clock) {
    this.config = config;
    this.#transmit = transmit;
    this.#drops = drops;
    this.#clock = clock;
    this.#htb = new Htb(config.htb, clock.now());
  }

  send(frame: Uint8Array, queue: number, offload: FrameOffload | undefined): void {
    const place = this.#htb.enqueue(queue, { frame, offload }, frame.length);
    if (place === 0) this.#drops.tx++;
    // Behind another there is nothing to be done before that one's time.
    else if (place === 1) this.#pump();
  }

  configure(config: QosConfig): boolean {
    if (config.type === "egress-policer") return false;
    if (sameHtb(config.htb, this.config.htb)) {
      this.config = config;
      return true;
    }
    this.config = config;
    this.#drops.tx += this.#htb.configure(config.htb, this.#clock.now());
    this.#pump();
    return true;
  }

  queues(): readonly (readonly [number, Readonly<QueueCounters>])[] {
    return [...this.config.htb.queues.keys()].map((id) => [id, this.#htb.counters(id) as QueueCounters]);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#closed = true;
  }

  #pump(): void {
    // A device may hand a frame on within the call, and that may come back here.
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#closed) {
      const next = this.#htb.dequeue(this.#clock.now());
      if (next === undefined) break;
      this.#transmit(next.frame, next.offload);
    }
    this.#pumping = false;
    this.#wait();
  }

  #wait(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#clock.now();
    const at = this.#htb.nextAt(now);
    if (at === undefined || this.#closed) return;
    this.#timer = this.#clock.after(
      Math.max(at - now, MIN_WAIT_MS),
      () => {
        this.#timer = undefined;
        this.#pump();
      },
      true,
    );
  }
}

/** Bytes of a frame that are no IP packet's. */
const ETHERNET_HEADER = 14;

class PolicedEgress implements Egress {
  config: Policing;
  #bucket: TokenBucket;
  readonly #transmit: Transmit;
  readonly #drops: PortDrops;
  readonly #clock: Clock;

  constructor(config: Policing, transmit: Transmit, drops: PortDrops, clock: Clock) {
    this.config = config;
    this.#transmit = transmit;
    this.#drops = drops;
    this.#clock = clock;
    this.#bucket = new TokenBucket(config.cir, config.cbs, clock.now());
  }

  send(frame: Uint8Array, _queue: number, offload: FrameOffload | undefined): void {
    const bytes = frame.length - ETHERNET_HEADER;
    if (!this.#bucket.has(bytes, this.#clock.now())) {
      this.#drops.tx++;
      return;
    }
    this.#bucket.take(bytes);
    this.#transmit(frame, offload);
  }

  configure(config: QosConfig): boolean {
    if (config.type !== "egress-policer") return false;
    if (config.cir !== this.config.cir || config.cbs !== this.config.cbs)
      this.#bucket = new TokenBucket(config.cir, config.cbs, this.#clock.now());
    this.config = config;
    return true;
  }

  queues(): readonly [] {
    return [];
  }

  close(): void {}
}
