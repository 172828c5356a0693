import { ConfigurableLogBook } from "../log.ts";
import { seededRandom } from "../random.ts";
import type { Runtime } from "../world.ts";
import { VirtualClock } from "./clock.ts";
import { MemoryFiles } from "./files.ts";
import { MemoryNetwork } from "./net.ts";

/** A runtime in which nothing comes from outside: time, chance, network and files are all inside. */
export interface VirtualRuntime extends Runtime {
  readonly clock: VirtualClock;
  readonly files: MemoryFiles;
  readonly log: ConfigurableLogBook;
}

/** The same `seed` (and the same program) gives the same events, byte for byte. */
export function virtualRuntime(options: { readonly seed?: number; readonly start?: number } = {}): VirtualRuntime {
  const clock = new VirtualClock(options.start);
  return {
    clock,
    random: seededRandom(options.seed ?? 0),
    net: new MemoryNetwork(clock),
    files: new MemoryFiles(),
    log: new ConfigurableLogBook(clock),
  };
}
