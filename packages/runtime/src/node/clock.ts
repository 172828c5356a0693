import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "../world.ts";

/** setTimeout takes at most 2^31 - 1 ms; longer waits are cut into pieces. */
const longest = 2 ** 31 - 1;

export const nodeClock: Clock = {
  now: () => performance.now(),
  wall: () => performance.timeOrigin + performance.now(),
  after(ms, run, background = false): Timer {
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
