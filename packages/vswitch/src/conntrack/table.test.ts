import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionTable, newTuple, type Tuple } from "./table.ts";
import { reverse } from "./tuple.ts";

function tupleOf(n: number): Tuple {
  const tuple = newTuple();
  tuple.head = (5 << 16) | 17;
  tuple.ports = (n << 16) | 53;
  tuple.addresses[0] = 0x0a000000 + (n >>> 16);
  tuple.addresses[4] = 0x0a800001;
  return tuple;
}

function insert(table: ConnectionTable, n: number): number {
  const reply = newTuple();
  reverse(tupleOf(n), reply);
  return table.insert(tupleOf(n), reply);
}

const replyOf = (n: number): Tuple => {
  const reply = newTuple();
  reverse(tupleOf(n), reply);
  return reply;
};

describe("ConnectionTable", () => {
  it("finds what was inserted and not removed, in either direction", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 300 })), { maxLength: 1000 }), (steps) => {
        const table = new ConnectionTable(4, 12345);
        const held = new Map<number, number>();
        for (const [add, n] of steps) {
          const index = held.get(n);
          if (add && index === undefined) held.set(n, insert(table, n));
          else if (!add && index !== undefined) {
            table.remove(index);
            held.delete(n);
          }
        }
        expect(table.size).toBe(held.size);
        for (let n = 1; n <= 300; n++) {
          const index = held.get(n);
          expect(table.lookup(tupleOf(n))).toBe(index === undefined ? -1 : index << 1);
          expect(table.lookup(replyOf(n))).toBe(index === undefined ? -1 : (index << 1) | 1);
        }
        expect(table.bucketSizes().reduce((sum, size) => sum + size, 0)).toBe(2 * held.size);
      }),
      { numRuns: 50 },
    );
  });

  it("tells a connection from the next in its record", () => {
    const table = new ConnectionTable(6, 1);
    const first = insert(table, 1);
    const serial = table.serial(first);
    table.remove(first);
    expect(insert(table, 2)).toBe(first);
    expect(table.serial(first)).not.toBe(serial);
  });

  it("takes little memory for each, with short chains", () => {
    const table = new ConnectionTable(4, 99);
    const count = 300_000;
    for (let n = 1; n <= count; n++) insert(table, n);
    expect(table.bytes / count).toBeLessThan(110);
    expect(Math.max(...table.bucketSizes().slice(0, 1000))).toBeLessThan(16);
  });
});
