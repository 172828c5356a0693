/** Commands that tell what a daemon counts and measures: coverage/*, memory/show, stopwatch/* (ovs-appctl(8)). */
import type { ControlCommand, Coverage, Stopwatch } from "@weft/runtime";
import { type EngineFace, engineCommands } from "./engine.ts";

export interface Measured {
  readonly coverage: Coverage;
  /** Of the daemons of OVN. */
  readonly stopwatches?: ReadonlyMap<string, Stopwatch>;
  readonly engine?: EngineFace;
  /** What is held in memory, by the names that memory/show gives. */
  memory(): ReadonlyMap<string, number>;
}

export function coverageCommands(coverage: Coverage): ControlCommand[] {
  return [
    { name: "coverage/show", usage: "", minArgs: 0, maxArgs: 0, run: () => showCoverage(coverage) },
    {
      name: "coverage/read-counter",
      usage: "COUNTER",
      minArgs: 1,
      maxArgs: 1,
      run([name]) {
        const total = coverage.total(name ?? "");
        if (total === undefined) throw new Error("No such counter");
        return `${total}\n`;
      },
    },
  ];
}

export function measuredCommands({ coverage, stopwatches, engine, memory }: Measured): ControlCommand[] {
  const commands: ControlCommand[] = [
    ...coverageCommands(coverage),
    {
      name: "memory/show",
      usage: "",
      minArgs: 0,
      maxArgs: 0,
      run() {
        const sorted = [...memory()].sort(([a], [b]) => (a < b ? -1 : 1));
        return `${sorted.map(([name, value]) => `${name}:${value}`).join(" ")}\n`;
      },
    },
  ];
  if (engine !== undefined) commands.push(...engineCommands(engine));
  if (stopwatches !== undefined) commands.push(...stopwatchCommands(stopwatches));
  return commands;
}

function showCoverage(coverage: Coverage): string {
  const lines = coverage.lines();
  const seen = lines.filter(({ total }) => total > 0);
  // Tells at a glance whether two daemons have been through about the same.
  let hash = 0;
  for (const { name, total } of lines) {
    for (const char of `${name}${Math.floor(Math.log2(total + 1))}`) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  }
  const [second, minute, hour] = [5, 9, 13];
  return [
    `Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash=${hash.toString(16).padStart(8, "0")}:`,
    ...seen.map(
      ({ name, total, rates }) =>
        `${name.padEnd(24)} ${rates[0].toFixed(1).padStart(second)}/sec ${rates[1].toFixed(3).padStart(minute)}/sec ${rates[2].toFixed(4).padStart(hour)}/sec   total: ${total}`,
    ),
    `${lines.length - seen.length} events never hit`,
    "",
  ].join("\n");
}

function stopwatchCommands(stopwatches: ReadonlyMap<string, Stopwatch>): ControlCommand[] {
  return [
    {
      name: "inc-engine/list-stopwatches",
      usage: "",
      minArgs: 0,
      maxArgs: 0,
      run: () => [...stopwatches.keys()].map((name) => `${name}\n`).join(""),
    },
    {
      name: "stopwatch/show",
      usage: "[NAME]",
      minArgs: 0,
      maxArgs: 1,
      run([only]) {
        if (only !== undefined && !stopwatches.has(only)) throw new Error("No such stopwatch");
        const shown = [...stopwatches].filter(([name]) => only === undefined || name === only);
        return shown.map(([name, stopwatch]) => showStopwatch(name, stopwatch)).join("");
      },
    },
    {
      name: "stopwatch/reset",
      usage: "[NAME]",
      minArgs: 0,
      maxArgs: 1,
      run([only]) {
        for (const [name, stopwatch] of stopwatches) if (only === undefined || name === only) stopwatch.reset();
        return "";
      },
    },
  ];
}

function showStopwatch(name: string, stopwatch: Stopwatch): string {
  const { samples, maximum, minimum, percentile95, shortTerm, longTerm } = stopwatch.statistics();
  return [
    `Statistics for '${name}'`,
    `  Total samples: ${samples}`,
    `  Maximum: ${maximum} msec`,
    `  Minimum: ${minimum} msec`,
    `  95th percentile: ${percentile95.toFixed(6)} msec`,
    `  Short term average: ${shortTerm.toFixed(6)} msec`,
    `  Long term average: ${longTerm.toFixed(6)} msec`,
    "",
  ].join("\n");
}
