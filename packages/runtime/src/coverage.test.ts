import { expect, test } from "vitest";
import { Coverage } from "./coverage.ts";
import { Stopwatch } from "./stopwatch.ts";
import { virtualRuntime } from "./virtual/runtime.ts";

test("events are counted in all, and as rates over the last 5 seconds, minute and hour", async () => {
  const { clock } = virtualRuntime();
  const coverage = new Coverage(clock, ["never"]);
  coverage.count("event", 30);
  await clock.advance(5_000);
  const line = () => coverage.lines().find(({ name }) => name === "event");
  expect(line()).toEqual({ name: "event", total: 30, rates: [6, 0.5, 0] });
  await clock.advance(60_000);
  expect(line()).toEqual({ name: "event", total: 30, rates: [0, 0, 30 / 3600] });
  await clock.advance(3_660_000);
  coverage.count("event");
  expect(line()).toEqual({ name: "event", total: 31, rates: [0, 0, 0] });
  expect(coverage.total("never")).toBe(0);
  expect(coverage.total("unknown")).toBeUndefined();
});

test("a stopwatch tells of its samples", () => {
  const watch = new Stopwatch();
  expect(watch.statistics()).toEqual({ samples: 0, maximum: 0, minimum: 0, percentile95: 0, shortTerm: 0, longTerm: 0 });
  for (const ms of [4.7, 2, 10]) watch.add(ms);
  expect(watch.statistics()).toMatchObject({ samples: 3, maximum: 10, minimum: 2, percentile95: 10, shortTerm: 6.5 });
  watch.reset();
  expect(watch.statistics().samples).toBe(0);
});
