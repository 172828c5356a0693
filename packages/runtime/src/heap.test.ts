import fc from "fast-check";
import { expect, it } from "vitest";
import { Heap } from "./heap.ts";

const smaller = (a: number, b: number): boolean => a < b;

it("gives the first, whatever was put in and taken out before", () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant("pop" as const)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (all) => {
      const heap = new Heap(smaller);
      const sorted: number[] = [];
      for (const step of all) {
        if (step === "pop") expect(heap.pop()).toBe(sorted.shift());
        else {
          heap.push(step);
          sorted.push(step);
          sorted.sort((a, b) => a - b);
        }
        expect(heap.peek()).toBe(sorted[0]);
        expect(heap.size).toBe(sorted.length);
      }
    }),
  );
});

it("is empty when it was cleared", () => {
  const heap = new Heap(smaller);
  for (const item of [3, 1, 2]) heap.push(item);
  heap.clear();
  expect([heap.size, heap.peek(), heap.pop()]).toEqual([0, undefined, undefined]);
  heap.push(4);
  expect(heap.pop()).toBe(4);
});
