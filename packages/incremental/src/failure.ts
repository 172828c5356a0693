/** Evaluations that failed, and cycles among them. */
import { type Cell, cellsOf, nameOf } from "./cell.ts";
import { IncrementalError } from "./error.ts";

/** What a failed evaluation holds as its value, and what reading it throws. */
export class Failure extends IncrementalError {
  reported = false;

  constructor(cell: Cell, error: unknown) {
    super("incremental.failed", error instanceof Error ? error.message : String(error), nameOf(cell));
    this.cause = error;
  }
}

/** The cells through which `from` depends on `to`, beginning with `to`, which reads `from`. */
export function pathBetween(from: Cell, to: Cell): Cell[] {
  const seen = new Set<Cell>();
  const walk = (cell: Cell): Cell[] | undefined => {
    if (cell === to) return [];
    if (seen.has(cell)) return undefined;
    seen.add(cell);
    for (const dep of cellsOf(cell.deps)) {
      const rest = walk(dep);
      if (rest !== undefined) return [cell, ...rest];
    }
    return undefined;
  };
  return [to, ...(walk(from) ?? [from])];
}

/** The message begins with the smallest name, so that it does not depend on where the cycle was entered. */
export function cycleError(chain: readonly Cell[]): IncrementalError {
  const names = chain.map(nameOf);
  let first = 0;
  for (let i = 1; i < names.length; i++) if (names[i]! < names[first]!) first = i;
  const turned = [...names.slice(first), ...names.slice(0, first)];
  const text = [...turned, turned[0]].join(" reads ");
  return new IncrementalError("incremental.cycle", `evaluations read each other in a cycle: ${text}`, text);
}
