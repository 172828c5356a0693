import { ConfigurableLogBook, VirtualClock } from "@weft/runtime";
import { expect, test } from "vitest";
import { reportMemory } from "./memory.ts";

test("the peak is told after ten seconds, and whenever it has grown by half since", async () => {
  const clock = new VirtualClock();
  const book = new ConfigurableLogBook(clock, "test");
  const lines: string[] = [];
  book.setOutput("console", (line) => lines.push(line.split("|").slice(2).join("|")));
  book.setThreshold(undefined, undefined, "info");
  let peak = 1000;
  let cells = 5;
  const show = { name: "memory/show", usage: "", minArgs: 0, maxArgs: 0, run: () => `cells:${cells} rules:7\n` };
  const end = reportMemory({ clock, log: book.logger("memory"), peakMemory: () => peak, show });

  await clock.advance(9_000);
  expect(lines.splice(0)).toEqual([]);
  await clock.advance(1_000);
  expect(lines.splice(0)).toEqual([
    "memory|INFO|1000 kB peak resident set size after 10.0 seconds",
    "memory|INFO|cells:5 rules:7",
  ]);
  peak = 1499;
  await clock.advance(10_000);
  expect(lines.splice(0)).toEqual([]);
  [peak, cells] = [1666, 6];
  await clock.advance(10_000);
  expect(lines.splice(0)).toEqual([
    "memory|INFO|peak resident set size grew 67% in last 20.0 seconds, from 1000 kB to 1666 kB",
    "memory|INFO|cells:6 rules:7",
  ]);
  end();
  peak = 9999;
  await clock.advance(20_000);
  expect(lines).toEqual([]);
});
