/**
 * What a daemon says of its memory in the log by itself, as the originals do: how much it has taken at most, with the counters of
 * memory/show. Once after ten seconds, and again whenever that has grown by half since it was told.
 */
import type { Clock, ControlCommand, Logger } from "@weft/runtime";

/** Between two looks (ms). */
const PAUSE = 10_000;
const GROWTH = 1.5;

export interface MemoryReportOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The most that was resident since the process began, kB. */
  readonly peakMemory: () => number;
  readonly show: ControlCommand;
}

/** Looks from time to time, until the function that is returned is called. */
export function reportMemory({ clock, log, peakMemory, show }: MemoryReportOptions): () => void {
  const begun = clock.now();
  let last: { readonly peak: number; readonly at: number } | undefined;
  const look = async (): Promise<void> => {
    const peak = peakMemory();
    if (last !== undefined && peak < last.peak * GROWTH) return;
    const at = clock.now();
    const seconds = ((at - (last?.at ?? begun)) / 1000).toFixed(1);
    if (last === undefined) log.info(`${peak} kB peak resident set size after ${seconds} seconds`);
    else {
      const percent = Math.round((peak / last.peak - 1) * 100);
      log.info(`peak resident set size grew ${percent}% in last ${seconds} seconds, from ${last.peak} kB to ${peak} kB`);
    }
    last = { peak, at };
    const counters = (await show.run([])).trim();
    if (counters !== "") log.info(counters);
  };
  const timer = clock.every(PAUSE, () => void look(), true);
  return () => timer.cancel();
}
