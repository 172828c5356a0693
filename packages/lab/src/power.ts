/**
 * A machine's power. What runs on a machine is part of this process and cannot be killed; but once the power is off, none
 * of its timers fires, nothing goes into or out of its connections, and so nothing of it is ever heard again: its peers
 * notice as they would notice a machine that lost its power, by silence.
 */
import type { Clock, Listener, MemoryFiles, Stream, StreamHandlers, Timer } from "@weft/runtime";

/** What a reboot takes away: folders that are in memory. */
const VOLATILE = /^\/(var\/)?run\//;

export class Power {
  #on = true;
  readonly #listeners = new Set<Listener>();
  #told: () => void = () => undefined;
  /** Resolves when the power goes. */
  readonly lost = new Promise<void>((resolve) => {
    this.#told = resolve;
  });

  get on(): boolean {
    return this.#on;
  }

  /** Ends everything at once; resolves when the machine's ports are free again. */
  async off(): Promise<void> {
    if (!this.#on) return;
    this.#on = false;
    this.#told();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    this.#listeners.clear();
  }

  /** A clock whose timers fire as long as there is power. */
  clock(clock: Clock): Clock {
    const powered = (run: () => void) => () => {
      if (this.#on) run();
    };
    return {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (ms, run, background): Timer => clock.after(ms, powered(run), background),
      every: (ms, run, background): Timer => {
        const timer = clock.every(
          ms,
          () => {
            if (this.#on) run();
            else timer.cancel();
          },
          background,
        );
        return timer;
      },
      soon: (run) => clock.soon(powered(run)),
      sleep: (ms) => new Promise((resolve) => void clock.after(ms, powered(resolve))),
    };
  }

  stream(stream: Stream): Stream {
    const on = () => this.#on;
    const handlersWithPower = (handlers: StreamHandlers): StreamHandlers => ({
      onData: (bytes) => on() && handlers.onData(bytes),
      onDrain: () => on() && handlers.onDrain?.(),
      onClose: (error) => on() && handlers.onClose(error),
    });
    return {
      name: stream.name,
      ...(stream.local ? { local: stream.local } : {}),
      ...(stream.remote ? { remote: stream.remote } : {}),
      ...(stream.peerCommonName === undefined ? {} : { peerCommonName: stream.peerCommonName }),
      get pending() {
        return stream.pending;
      },
      start: (handlers) => stream.start(handlersWithPower(handlers)),
      write: (bytes) => !on() || stream.write(bytes),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      end: () => on() && stream.end(),
      destroy: (error) => on() && stream.destroy(error),
    };
  }

  /** A listener that goes with the power. */
  listener(listener: Listener): Listener {
    this.#listeners.add(listener);
    return {
      ...listener,
      close: async () => {
        this.#listeners.delete(listener);
        await listener.close();
      },
    };
  }
}

/** The files that a machine finds at its next start. */
export function filesOnDisk(files: MemoryFiles): MemoryFiles {
  return files.copy((path) => !VOLATILE.test(path));
}
