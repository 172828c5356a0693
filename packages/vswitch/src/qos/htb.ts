/**
 * A hierarchical token bucket of one level, as tc-htb(8) describes it: a port with a rate, and queues below it. Each queue has a rate
 * that it is guaranteed and one that it never exceeds. What a queue sends within its guarantee goes first; what the port has left is
 * borrowed, by those of the smallest priority value that want it before any of the next. Queues of equal priority share in
 * proportion to their guarantees (start-time fair queueing). Unlike tc's, the port's own rate holds even where more than it is
 * guaranteed. Time is an argument; nothing here waits.
 */

export interface HtbQueueConfig {
  /** Guaranteed, bit/s; 0: nothing is. */
  readonly minRate: number;
  /** Never exceeded, bit/s. */
  readonly maxRate: number;
  /** What may be sent at once after a pause, bits. */
  readonly burst: number;
  /** Smaller values borrow first. */
  readonly priority: number;
}

export interface HtbConfig {
  /** Of all queues together, bit/s. */
  readonly maxRate: number;
  /** Has queue 0, which takes what is for queues that there are not. */
  readonly queues: ReadonlyMap<number, HtbQueueConfig>;
}

export function sameHtb(a: HtbConfig, b: HtbConfig): boolean {
  if (a.maxRate !== b.maxRate || a.queues.size !== b.queues.size) return false;
  for (const [id, queue] of a.queues) {
    const other = b.queues.get(id);
    if (
      other === undefined ||
      queue.minRate !== other.minRate ||
      queue.maxRate !== other.maxRate ||
      queue.burst !== other.burst ||
      queue.priority !== other.priority
    )
      return false;
  }
  return true;
}

export interface QueueCounters {
  txPackets: number;
  txBytes: number;
  /** Not sent: the queue was full. */
  txErrors: number;
  /** Monotonic ms of the queue's making. */
  readonly created: number;
}

/** Frames that a queue holds, as a Linux device's by default. */
export const QUEUE_FRAMES = 1000;
/** Bytes that all queues of a port hold together. */
export const PORT_BYTES = 16 << 20;

/** A bucket holds what is earned while the process does something else. */
const SLACK_MS = 10;
/** A bucket holds a frame, bytes. */
const MIN_BURST = 1564;
/** Bytes by which sums of fractions may be wrong. */
const ROUNDING = 1e-6;
/** The share of a queue that is guaranteed less, bit/s. */
const MIN_WEIGHT = 12_000;

class Bucket {
  /** Bytes that may be sent; sending may take it below zero. */
  #tokens = Number.POSITIVE_INFINITY;
  /** Bytes a ms. */
  #rate = 0;
  #size = 0;
  #filled: number;

  constructor(now: number) {
    this.#filled = now;
  }

  configure(bitsPerSecond: number, burstBits: number): void {
    this.#rate = bitsPerSecond / 8000;
    this.#size = Math.max(burstBits / 8, MIN_BURST, this.#rate * SLACK_MS);
    this.#tokens = Math.min(this.#tokens, this.#size);
  }

  ready(now: number): boolean {
    this.#fill(now);
    return this.#rate > 0 && this.#tokens >= -ROUNDING;
  }

  /** When it is ready, ms; Infinity: never. */
  readyAt(now: number): number {
    if (this.ready(now)) return now;
    return this.#rate > 0 ? now - this.#tokens / this.#rate : Number.POSITIVE_INFINITY;
  }

  take(bytes: number): void {
    this.#tokens -= bytes;
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#size, this.#tokens + (now - this.#filled) * this.#rate);
    this.#filled = now;
  }
}

/** First in, first out; taking out costs nothing. */
class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** Whether a queue sends of its own, or of what the port has left. */
const OWN = 0;
const BORROWED = 1;
type Level = typeof OWN | typeof BORROWED;

class Queue<T> {
  readonly frames = new Fifo<{ readonly frame: T; readonly bytes: number }>();
  readonly counters: QueueCounters;
  /** Bytes held. */
  bytes = 0;
  readonly guaranteed: Bucket;
  readonly ceiling: Bucket;
  priority = 0;
  weight = 1;
  /** At each level, the virtual time at which its next frame starts. */
  readonly start: [number, number] = [0, 0];

  constructor(now: number) {
    this.counters = { txPackets: 0, txBytes: 0, txErrors: 0, created: now };
    this.guaranteed = new Bucket(now);
    this.ceiling = new Bucket(now);
  }

  configure(config: HtbQueueConfig): void {
    this.guaranteed.configure(config.minRate, config.burst);
    this.ceiling.configure(config.maxRate, config.burst);
    this.priority = config.priority;
    this.weight = Math.max(config.minRate, MIN_WEIGHT);
  }
}

/** `T`: what a frame is to the caller. */
export class Htb<T> {
  readonly #queues = new Map<number, Queue<T>>();
  /** Those that hold frames. */
  readonly #active = new Set<Queue<T>>();
  readonly #port: Bucket;
  /** Virtual times by priority and level. */
  readonly #virtual = new Map<number, [number, number]>();
  #bytes = 0;

  constructor(config: HtbConfig, now: number) {
    this.#port = new Bucket(now);
    this.configure(config, now);
  }

  /** Takes other rates. Frames of queues that are no more are lost; how many. */
  configure(config: HtbConfig, now: number): number {
    this.#port.configure(config.maxRate, 0);
    for (const [id, queue] of config.queues) {
      const held = this.#queues.get(id) ?? new Queue<T>(now);
      held.configure(queue);
      this.#queues.set(id, held);
    }
    let lost = 0;
    for (const [id, queue] of this.#queues) {
      if (config.queues.has(id)) continue;
      lost += queue.frames.length;
      this.#bytes -= queue.bytes;
      this.#queues.delete(id);
      this.#active.delete(queue);
    }
    this.#virtual.clear();
    for (const queue of this.#queues.values()) queue.start.fill(0);
    return lost;
  }

  /** Frames that are held. */
  get length(): number {
    let sum = 0;
    for (const queue of this.#active) sum += queue.frames.length;
    return sum;
  }

  counters(id: number): Readonly<QueueCounters> | undefined {
    return this.#queues.get(id)?.counters;
  }

  /** The frame's place in its queue, from 1; 0: the queue is full, and the frame lost. */
  enqueue(id: number, frame: T, bytes: number): number {
    const queue = this.#queues.get(id) ?? this.#queues.get(0);
    if (queue === undefined) return 0;
    if (queue.frames.length >= QUEUE_FRAMES || this.#bytes + bytes > PORT_BYTES) {
      queue.counters.txErrors++;
      return 0;
    }
    if (queue.frames.length === 0) this.#activate(queue);
    queue.frames.push({ frame, bytes });
    queue.bytes += bytes;
    this.#bytes += bytes;
    return queue.frames.length;
  }

  /** The frame that may leave now; undefined: none. */
  dequeue(now: number): T | undefined {
    if (this.#active.size === 0 || !this.#port.ready(now)) return undefined;
    const own = this.#choose(now, OWN);
    if (own !== undefined) return this.#take(own, OWN);
    const borrower = this.#choose(now, BORROWED);
    return borrower === undefined ? undefined : this.#take(borrower, BORROWED);
  }

  /** When the next frame may leave, ms, if nothing else comes; undefined: there is none, or never. */
  nextAt(now: number): number | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const queue of this.#active) first = Math.min(first, queue.ceiling.readyAt(now));
    const at = Math.max(first, this.#port.readyAt(now));
    return Number.isFinite(at) ? at : undefined;
  }

  /** A queue that was idle has saved up nothing of its share. */
  #activate(queue: Queue<T>): void {
    this.#active.add(queue);
    const virtual = this.#virtualOf(queue);
    for (const level of [OWN, BORROWED] as const) queue.start[level] = Math.max(queue.start[level], virtual[level]);
  }

  #virtualOf(queue: Queue<T>): [number, number] {
    let virtual = this.#virtual.get(queue.priority);
    if (virtual === undefined) {
      virtual = [0, 0];
      this.#virtual.set(queue.priority, virtual);
    }
    return virtual;
  }

  #choose(now: number, level: Level): Queue<T> | undefined {
    let best: Queue<T> | undefined;
    for (const queue of this.#active) {
      if (!queue.ceiling.ready(now) || (level === OWN && !queue.guaranteed.ready(now))) continue;
      if (
        best === undefined ||
        queue.priority < best.priority ||
        (queue.priority === best.priority && queue.start[level] < best.start[level])
      )
        best = queue;
    }
    return best;
  }

  #take(queue: Queue<T>, level: Level): T | undefined {
    const held = queue.frames.peek();
    if (held === undefined) return undefined;
    const { frame, bytes } = held;
    queue.frames.shift();
    if (queue.frames.length === 0) this.#active.delete(queue);
    queue.bytes -= bytes;
    this.#bytes -= bytes;
    if (level === OWN) queue.guaranteed.take(bytes);
    queue.ceiling.take(bytes);
    this.#port.take(bytes);
    this.#virtualOf(queue)[level] = queue.start[level];
    queue.start[level] += bytes / queue.weight;
    queue.counters.txPackets++;
    queue.counters.txBytes += bytes;
    return frame;
  }
}
