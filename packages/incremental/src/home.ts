import type { Cell } from "./cell.ts";
import type { DefinitionBody } from "./definitions.ts";
import type { Key, Sink } from "./types.ts";

/** Members that joined and left a group since its sorted list was made. */
export interface GroupNews {
  readonly joined: Key[];
  readonly left: Key[];
}

/** An engine's state of one definition. */
export class Home {
  readonly body: DefinitionBody;
  readonly source: Home | undefined;
  /** Rows, values, groups or entries. */
  readonly cells = new Map<Key, Cell>();
  /** Evaluations of a relation, table or each, by the source's key. */
  readonly evaluations = new Map<Key, Cell>();
  /** Relations, indexes, tables and eaches that range over this source. */
  readonly subscribers: Home[] = [];
  readonly news = new Map<Cell, GroupNews>();
  /** Of a table's keys: source key and value in turn, for every evaluation that yields the key. */
  readonly producers = new Map<Key, unknown[]>();
  /** Writes of an input that wait for the commit; `undefined` deletes. */
  readonly staged = new Map<Key, { readonly value: unknown } | undefined>();
  keysCell: Cell | undefined = undefined;
  state: "idle" | "starting" | "active" = "idle";
  /** The height of the cells. */
  height = 0;
  runs = 0;
  sink: Sink<unknown> | undefined = undefined;

  constructor(body: DefinitionBody, source: Home | undefined) {
    this.body = body;
    this.source = source;
  }
}

/** Numbers before strings; strings by UTF-16 units. */
export function compareKeys(a: Key, b: Key): number {
  if (a === b) return 0;
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  if (typeof b === "number") return 1;
  return a < b ? -1 : 1;
}

/** `members` without `left` and with `joined`; sorted like `members`, which is not changed. */
export function mergeMembers(members: readonly Key[], news: GroupNews): readonly Key[] {
  const left = news.left.length === 0 ? undefined : new Map<Key, number>();
  for (const key of news.left) left!.set(key, (left!.get(key) ?? 0) + 1);
  const joined = news.joined.length > 1 ? news.joined.slice().sort(compareKeys) : news.joined;
  const merged: Key[] = [];
  let next = 0;
  const keep = (key: Key): void => {
    const gone = left?.get(key);
    if (gone) left!.set(key, gone - 1);
    else merged.push(key);
  };
  for (const member of members) {
    while (next < joined.length && compareKeys(joined[next]!, member) < 0) keep(joined[next++]!);
    keep(member);
  }
  while (next < joined.length) keep(joined[next++]!);
  return merged;
}

export function sameKeys(a: readonly Key[], b: readonly Key[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
