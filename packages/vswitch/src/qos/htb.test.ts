import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Htb, type HtbConfig, type HtbQueueConfig, PORT_BYTES, QUEUE_FRAMES } from "./htb.ts";

const MBIT = 1e6;
const BURST = 12_512;

const queue = (minRate: number, maxRate: number, more: Partial<HtbQueueConfig> = {}): HtbQueueConfig => ({
  minRate,
  maxRate,
  burst: BURST,
  priority: 0,
  ...more,
});

const config = (maxRate: number, ...queues: HtbQueueConfig[]): HtbConfig => ({ maxRate, queues: new Map([...queues.entries()]) });

/** What leaves in `ms`, bytes by queue, where those of `wanting` always have frames of `size` bytes to send. */
function saturated(htb: HtbConfig, wanting: readonly number[], ms: number, size = 1000): number[] {
  const shaper = new Htb<number>(htb, 0);
  const sent = new Array<number>(htb.queues.size).fill(0);
  const more = (id: number): void => void shaper.enqueue(id, id, size);
  for (const id of wanting) for (let i = 0; i < 3; i++) more(id);
  for (let now = 0; now <= ms; now = shaper.nextAt(now) ?? Number.POSITIVE_INFINITY) {
    for (let id = shaper.dequeue(now); id !== undefined; id = shaper.dequeue(now)) {
      sent[id] = sent[id]! + size;
      more(id);
    }
  }
  return sent;
}

/** Bit/s over a span of ms. */
const rates = (sent: readonly number[], ms: number): number[] => sent.map((bytes) => (bytes * 8000) / ms);

describe("a hierarchical token bucket", () => {
  it("sends at the port's rate what comes faster", () => {
    const [rate] = rates(saturated(config(10 * MBIT, queue(0, 10 * MBIT)), [0], 10_000), 10_000);
    expect(rate).toBeCloseTo(10 * MBIT, -5);
  });

  it("lets a queue borrow what others leave, up to its own limit", () => {
    const shared = config(10 * MBIT, queue(1 * MBIT, 10 * MBIT), queue(2 * MBIT, 5 * MBIT));
    expect(rates(saturated(shared, [1], 10_000), 10_000)[1]).toBeCloseTo(5 * MBIT, -5);
    expect(rates(saturated(shared, [0], 10_000), 10_000)[0]).toBeCloseTo(10 * MBIT, -5);
    const [rest, limited] = rates(
      saturated(config(10 * MBIT, queue(1 * MBIT, 10 * MBIT), queue(8 * MBIT, 8 * MBIT)), [0, 1], 10_000),
      10_000,
    );
    expect(limited).toBeCloseTo(8 * MBIT, -5);
    expect(rest).toBeCloseTo(2 * MBIT, -5);
  });

  it("gives what is not guaranteed to the smallest priority value that wants it, and all their guarantees", () => {
    const three = config(
      10 * MBIT,
      queue(1 * MBIT, 10 * MBIT, { priority: 2 }),
      queue(1 * MBIT, 6 * MBIT, { priority: 1 }),
      queue(1 * MBIT, 10 * MBIT, { priority: 7 }),
    );
    const [second, first, last] = rates(saturated(three, [0, 1, 2], 10_000), 10_000);
    expect(first).toBeCloseTo(6 * MBIT, -5);
    expect(second).toBeCloseTo(3 * MBIT, -5);
    expect(last).toBeCloseTo(1 * MBIT, -5);
  });

  it("shares the rest by what is guaranteed, between queues of one priority", () => {
    const [one, two] = rates(
      saturated(config(9 * MBIT, queue(1 * MBIT, 9 * MBIT), queue(2 * MBIT, 9 * MBIT)), [0, 1], 10_000),
      10_000,
    );
    expect(one).toBeCloseTo(3 * MBIT, -5);
    expect(two).toBeCloseTo(6 * MBIT, -5);
  });

  it("keeps the port's rate where more is guaranteed than there is", () => {
    const sent = rates(saturated(config(3 * MBIT, queue(2 * MBIT, 3 * MBIT), queue(2 * MBIT, 3 * MBIT)), [0, 1], 10_000), 10_000);
    expect(sent[0]! + sent[1]!).toBeCloseTo(3 * MBIT, -5);
    expect(sent[0]).toBeCloseTo(sent[1]!, -5);
  });

  it("keeps to all rates, whatever they are", () => {
    const rate = fc.integer({ min: 0, max: 20 }).map((mbit) => mbit * MBIT);
    const any = fc.record({ minRate: rate, more: rate, priority: fc.nat(2), burst: fc.constantFrom(BURST, 400_000) });
    fc.assert(
      fc.property(
        fc.array(any, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(64, 1500, 9000),
        (specs, portMbit, size) => {
          const port = portMbit * MBIT;
          const queues = specs.map(({ minRate, more, priority, burst }) =>
            queue(Math.min(minRate, port), Math.min(Math.max(minRate + more, 12_000), port), { priority, burst }),
          );
          const ms = 500;
          const sent = saturated(config(port, ...queues), [...queues.keys()], ms, size);
          // A bucket holds its burst, or 10 ms, and one frame may overdraw it.
          const bucket = (bits: number, burst: number): number => Math.max(burst / 8, 1564, bits / 800) + size;
          const total = sent.reduce((sum, bytes) => sum + bytes, 0);
          expect(total).toBeLessThanOrEqual((port / 8000) * ms + bucket(port, 0));
          const guaranteed = queues.reduce((sum, { minRate }) => sum + minRate, 0);
          for (const [id, { minRate, maxRate, burst }] of queues.entries()) {
            expect(sent[id]).toBeLessThanOrEqual((maxRate / 8000) * ms + bucket(maxRate, burst));
            // Beside others a guarantee waits for their bursts and for a frame of each.
            const others = queues.reduce((sum, each) => sum + bucket(each.minRate, each.burst), 0);
            if (guaranteed <= port) expect(sent[id]).toBeGreaterThanOrEqual((minRate / 8000) * ms - others);
          }
          const wanted = queues.reduce((sum, { maxRate }) => sum + maxRate, 0);
          expect(total).toBeGreaterThanOrEqual((Math.min(port, wanted) / 8000) * ms - size * queues.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps the order within a queue, and loses what a full queue does not hold", () => {
    const shaper = new Htb<number>(config(MBIT, queue(0, MBIT), queue(0, MBIT)), 0);
    for (let n = 0; n < QUEUE_FRAMES + 50; n++) expect(shaper.enqueue(1, n, 100)).toBe(n < QUEUE_FRAMES ? n + 1 : 0);
    expect(shaper.enqueue(0, -1, 100)).toBe(1);
    expect(shaper.counters(1)).toMatchObject({ txErrors: 50, txPackets: 0 });
    const left: number[] = [];
    for (let now: number | undefined = 0; now !== undefined; now = shaper.nextAt(now))
      for (let n = shaper.dequeue(now); n !== undefined; n = shaper.dequeue(now)) left.push(n);
    expect(left.filter((n) => n >= 0)).toEqual(Array.from({ length: QUEUE_FRAMES }, (_, n) => n));
    expect(left).toContain(-1);
    expect(shaper.length).toBe(0);
    expect(shaper.counters(1)).toMatchObject({ txErrors: 50, txPackets: QUEUE_FRAMES, txBytes: QUEUE_FRAMES * 100 });
  });

  it("holds so many bytes and no more, however many queues there are", () => {
    const shaper = new Htb<number>(config(MBIT, ...Array.from({ length: 20 }, () => queue(0, MBIT))), 0);
    let held = 0;
    for (let n = 0; n < 20 * QUEUE_FRAMES; n++) if (shaper.enqueue(n % 20, n, 9000) > 0) held += 9000;
    expect(held).toBeLessThanOrEqual(PORT_BYTES);
    expect(held).toBeGreaterThan(PORT_BYTES - 9000);
  });

  it("sends by the default queue what is for none, and loses what a queue that goes holds", () => {
    const shaper = new Htb<number>(config(MBIT, queue(0, MBIT), queue(0, MBIT)), 0);
    shaper.enqueue(77, 77, 100);
    expect(shaper.dequeue(0)).toBe(77);
    expect(shaper.counters(0)?.txPackets).toBe(1);
    shaper.enqueue(1, 1, 100);
    expect(shaper.configure(config(MBIT, queue(0, MBIT)), 0)).toBe(1);
    expect(shaper.dequeue(0)).toBeUndefined();
    expect(shaper.counters(1)).toBeUndefined();
  });
});
