import type { Cell } from "./cell.ts";
import type { Each, OutputFrom, Sink } from "./types.ts";

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

/** Tells the sink of an each how the outputs of one evaluation differ; additions first. */
export function tellSink(cell: Cell, before: readonly unknown[], after: readonly unknown[]): void {
  const { body, sink } = cell.home;
  // The body is the definition; its public type is Each.
  const from: OutputFrom = { each: body as unknown as Each<unknown>, key: cell.key };
  if (before.length === 0) {
    for (let i = 0; i < after.length; i++) sink!.add(after[i], from);
    return;
  }
  const { identity } = body;
  const same = (a: unknown, b: unknown) => identity(a) === identity(b) || sink!.same?.(a, b) === true;
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && same(before[start], after[start])) start++;
  let endBefore = before.length;
  let endAfter = after.length;
  while (endBefore > start && endAfter > start && same(before[endBefore - 1], after[endAfter - 1])) {
    endBefore--;
    endAfter--;
  }
  if (start === endBefore) {
    for (let i = start; i < endAfter; i++) sink!.add(after[i], from);
    return;
  }
  const counts = new Map<unknown, number>();
  for (let i = start; i < endBefore; i++) {
    const id = identity(before[i]);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (let i = start; i < endAfter; i++) {
    const id = identity(after[i]);
    const count = counts.get(id) ?? 0;
    if (count > 0) counts.set(id, count - 1);
    else sink!.add(after[i], from);
  }
  for (let i = start; i < endBefore; i++) {
    const id = identity(before[i]);
    const count = counts.get(id) ?? 0;
    if (count === 0) continue;
    counts.set(id, count - 1);
    sink!.remove(before[i], from);
  }
}
