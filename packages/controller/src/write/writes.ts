/**
 * Writes as derivations: an evaluation yields what is still to be written as long as the database differs from what it
 * should say. When the update comes back, the evaluation runs again and yields nothing.
 */
import type { Columns, TableName, Transaction, Uuid } from "@weft/ovsdb";
import type { SbSchema, VsSchema } from "@weft/schemas";

/** One row's outstanding change. */
export interface Write<T> {
  /** What and which row, for identity: the later write of the same name replaces the earlier. */
  readonly name: string;
  /** Puts the change into a transaction; `wall` is the wall time in ms. */
  readonly apply: (transaction: T, wall: number) => void;
  /** Log lines of module "binding" for the moment when it is sent. */
  readonly log?: readonly string[];
  /** Not sooner after the last try than this many milliseconds (for a port that two chassis fight for). */
  readonly patience?: number;
}

export type SbWrite = Write<Transaction<SbSchema>>;
export type VsWrite = Write<Transaction<VsSchema>>;

export function updateSb<T extends TableName<SbSchema>>(
  table: T,
  uuid: Uuid,
  columns: Columns<SbSchema, T>,
  more: Pick<SbWrite, "log" | "patience"> = {},
): SbWrite {
  return {
    name: `${table} ${uuid} ${Object.keys(columns).join()}`,
    apply: (transaction) => transaction.update(table, uuid, columns),
    ...more,
  };
}

/** Changes of a map column of the local database, key by key: undefined removes. */
export function mutateMap<T extends TableName<VsSchema>>(
  table: T,
  uuid: Uuid,
  column: keyof VsSchema["tables"][T]["columns"] & string,
  old: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | undefined>,
  more: Pick<VsWrite, "log"> = {},
): VsWrite | undefined {
  const gone: string[] = [];
  const added: [string, string][] = [];
  for (const [key, value] of changes) {
    const before = old.get(key);
    if (before === value) continue;
    if (before !== undefined) gone.push(key);
    if (value !== undefined) added.push([key, value]);
  }
  if (gone.length === 0 && added.length === 0) return undefined;
  return {
    name: `${table} ${uuid} ${column} ${[...changes.keys()].join()}`,
    apply: (transaction) => transaction.mutate(table, uuid, column, { delete: gone, insert: added }),
    ...more,
  };
}

/** What is outstanding of one database. Evaluations come and go through a sink. */
export class Outstanding<T> {
  readonly #writes = new Map<Write<T>, number>();
  readonly #tried = new Map<string, number>();

  readonly sink = {
    add: (write: Write<T>): void => {
      this.#writes.set(write, 1);
    },
    remove: (write: Write<T>): void => {
      this.#writes.delete(write);
    },
  };

  get size(): number {
    return this.#writes.size;
  }

  /** The writes that may be tried at `now` (ms, monotonic), and when the next of the others may be. */
  due(now: number): { readonly writes: readonly Write<T>[]; readonly next: number | undefined } {
    const writes: Write<T>[] = [];
    let next: number | undefined;
    for (const write of this.#writes.keys()) {
      const last = this.#tried.get(write.name);
      const at = last === undefined || write.patience === undefined ? now : last + write.patience;
      if (at <= now) writes.push(write);
      else next = next === undefined ? at : Math.min(next, at);
    }
    return { writes, next };
  }

  tried(writes: readonly Write<T>[], now: number): void {
    for (const write of writes) if (write.patience !== undefined) this.#tried.set(write.name, now);
  }
}
