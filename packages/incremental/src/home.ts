/** What an engine keeps of a definition: groups, entries, statistics. */
import type { GroupNews, Home } from "./cell.ts";
import type { EngineOptions, EngineStatistics, Key } from "./types.ts";

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

/** The groups of a row in an index; none where the definition throws. */
export function groupsOf(options: EngineOptions, home: Home, row: unknown, key: Key): readonly Key[] {
  try {
    const groups = home.body.groups(row, key);
    const list = Array.isArray(groups) ? (groups as Key[]) : [...groups];
    return list.length > 1 ? [...new Set(list)] : list;
  } catch (error) {
    options.onError?.({ definition: home.body.name, key, error });
    return [];
  }
}

/** Long lists that differ little are common: a switch's ports. */
export function membership(list: readonly Key[]): (key: Key) => boolean {
  if (list.length < 8) return (key) => list.includes(key);
  const set = new Set(list);
  return (key) => set.has(key);
}

/** Notes what an evaluation yields for a key of a table, or that it no longer does. */
export function noteProducer(home: Home, key: Key, producer: Key, value: unknown, present: boolean): void {
  const producers = home.producers.get(key) ?? [];
  let at = 0;
  while (at < producers.length && producers[at] !== producer) at += 2;
  if (present) {
    producers[at] = producer;
    producers[at + 1] = value;
  } else producers.splice(at, 2);
  if (producers.length === 0) home.producers.delete(key);
  else home.producers.set(key, producers);
}

/** The value of the smallest source key. */
export function leadingValue(producers: readonly unknown[]): unknown {
  let first = 0;
  for (let i = 2; i < producers.length; i += 2) {
    if (compareKeys(producers[i] as Key, producers[first] as Key) < 0) first = i;
  }
  return producers[first + 1];
}

export function statisticsOf(homes: readonly (Home | undefined)[], commits: number): EngineStatistics {
  const evaluations = new Map<string, number>();
  let cells = 0;
  for (const home of homes) {
    if (home === undefined) continue;
    cells += home.cells.size + home.evaluations.size;
    if (home.runs > 0) evaluations.set(home.body.name, (evaluations.get(home.body.name) ?? 0) + home.runs);
  }
  return { evaluations, commits, cells };
}
