import { expect, test } from "vitest";
import { rebalance, type Slot } from "./balance.ts";
import { type BondEvent, bondDue, bondStep, NEW_BOND } from "./machine.ts";

const observe = (links: Record<string, boolean>, changes = {}): BondEvent => ({
  type: "observe",
  links: new Map(Object.entries(links)),
  updelay: 0,
  downdelay: 0,
  primary: undefined,
  ...changes,
});

/** The bond after events at times, and its active member after each. */
function run(...events: readonly (readonly [time: number, event: BondEvent])[]) {
  let bond = NEW_BOND;
  const active = events.map(([time, event]) => {
    [bond] = bondStep(bond, event, time);
    return bond.active;
  });
  return { bond, active };
}

test("the active member stays until it fails", () => {
  const { active } = run(
    [0, observe({ a: true, b: true })],
    [1, { type: "activate", member: "b" }],
    [2, observe({ a: true, b: true })],
    [3, observe({ a: true, b: false })],
    [4, observe({ a: true, b: true })],
    [5, observe({ a: false, b: false })],
  );
  expect(active).toEqual(["a", "b", "b", "a", "a", undefined]);
});

test("delays are waited for, but for the updelay where nothing else works", () => {
  const delays = { updelay: 100, downdelay: 50 };
  const { bond, active } = run(
    [0, observe({ a: true, b: true }, delays)],
    [10, observe({ a: false, b: true }, delays)],
    [59, observe({ a: false, b: true }, delays)],
    [60, observe({ a: false, b: true }, delays)],
    [70, observe({ a: true, b: true }, delays)],
  );
  expect(active).toEqual(["a", "a", "a", "b", "b"]);
  expect(bondDue(bond)).toBe(170);
  const [, news] = bondStep(bond, observe({ a: true, b: false }, { ...delays, downdelay: 0 }), 80);
  expect(news).toContainEqual({ type: "active", member: "a", skipped: 90 });
});

test("the primary member is active whenever it comes up", () => {
  const primary = { primary: "b" };
  const { active } = run(
    [0, observe({ a: true, b: false }, primary)],
    [1, observe({ a: true, b: true }, primary)],
    [2, { type: "activate", member: "a" }],
    [3, observe({ a: true, b: true }, primary)],
  );
  expect(active).toEqual(["a", "b", "a", "a"]);
});

test("load goes from the busiest member to the idlest, as long as that brings them closer", () => {
  const slots: Slot[] = [
    { member: "a", load: 900_000 },
    { member: "a", load: 400_000 },
    { member: "a", load: 200_000 },
    { member: "b", load: 100_000 },
  ];
  expect(rebalance(slots, ["a", "b"])).toEqual([
    { slot: 0, from: "a", to: "b" },
    { slot: 3, from: "b", to: "a" },
  ]);
  expect(rebalance([{ member: "a", load: 900_000 }], ["a", "b"])).toEqual([]);
});
