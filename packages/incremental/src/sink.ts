import type { OutputFrom, Sink } from "./types.ts";

/**
 * A sink that counts: `appear` is called when the first evaluation yields an output of that identity, `vanish` when the
 * last one has ceased. Collect the calls and act after the commit: within one commit an output may vanish and appear.
 */
export function counted<O>(
  identity: (output: O) => unknown,
  hear: { appear(output: O, from: OutputFrom): void; vanish(output: O, from: OutputFrom): void },
): Sink<O> {
  const counts = new Map<unknown, number>();
  return {
    add(output, from) {
      const id = identity(output);
      const count = counts.get(id) ?? 0;
      counts.set(id, count + 1);
      if (count === 0) hear.appear(output, from);
    },
    remove(output, from) {
      const id = identity(output);
      const count = counts.get(id) ?? 0;
      if (count > 1) counts.set(id, count - 1);
      else if (counts.delete(id)) hear.vanish(output, from);
    },
  };
}
