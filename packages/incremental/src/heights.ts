/** Heights: a cell's is above those of all it reads, and gives the order of recomputation. */
import { type Cell, cellsOf, EVALUATION, type Home } from "./cell.ts";

/**
 * Raises a cell, and whatever reads it above it, so that it may read cells below `height`. If one of those, `wanted`,
 * was raised along because it reads the cell, that is a cycle: then nothing is changed and false returned.
 */
export function raise(origin: Cell, height: number, wanted: readonly Cell[]): boolean {
  const undo: [Cell | Home, number][] = [];
  const raiseHome = (home: Home, to: number): void => {
    if (home.height >= to) return;
    undo.push([home, home.height]);
    home.height = to;
    for (const cell of home.cells.values()) raiseCell(cell, to);
    if (home.keysCell) raiseCell(home.keysCell, to);
    for (const other of home.subscribers) if (other.body.kind === "index") raiseHome(other, to + 1);
  };
  const raiseCell = (cell: Cell, to: number): void => {
    if (cell.height >= to) return;
    undo.push([cell, cell.height]);
    cell.height = to;
    if (!(cell.flags & EVALUATION)) for (const reader of cellsOf(cell.readers)) raiseCell(reader, to + 1);
    else if (cell.home.body.kind !== "each") raiseHome(cell.home, to + 1);
  };
  raiseCell(origin, height);
  if (wanted.every((other) => other.height < origin.height)) return true;
  for (const [what, old] of undo.reverse()) what.height = old;
  return false;
}
