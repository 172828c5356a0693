import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "../world.ts";

/** setTimeout takes at most 2^31 - 1 ms; longer waits are cut into pieces. */
const longest = 2 ** 31 - 1;

/** setTimeout makes a whole millisecond of anything shorter; less than half of one is nearer to none. */
const FINEST = 0.5;

export const nodeClock: Clock = {
  now: () => performance.now(),
  wall: () => performance.timeOrigin + performance.now(),
  after(ms, run, background = false): Timer {
    if (ms < FINEST) {
      const soon = setImmediate(run);
      if (background) soon.unref();
      return { cancel: () => clearImmediate(soon) };
    }
    let handle: NodeJS.Timeout;
    const wait = (left: number) => {
      handle = setTimeout(() => (left > longest ? wait(left - longest) : run()), Math.min(left, longest));
      if (background) handle.unref();
    };
    wait(Math.max(0, ms));
    return { cancel: () => clearTimeout(handle) };
  },
  every(ms, run, background = false): Timer {
    const handle = setInterval(run, ms);
    if (background) handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
  soon(run) {
    setImmediate(run);
  },
  sleep: (ms) => new Promise((resolve) => void nodeClock.after(ms, resolve)),
};
