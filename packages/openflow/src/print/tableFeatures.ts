/** Table features as `ovs-ofctl dump-table-features` prints them: what is as in the table before is not said again. */
import { FIELDS } from "../field/table.ts";
import type { TableAbilities, TableFeatures } from "../message/config.ts";
import { quoteName } from "../text/names.ts";
import { braceNames } from "./tables.ts";

function fieldNames(ids: readonly number[]): string {
  return ids.length === 0 ? "none" : braceNames(ids.map((id) => FIELDS[id]!.name));
}

/** "1-253", "1,3-5". */
function tableRanges(tables: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < tables.length; ) {
    let end = i;
    while (tables[end + 1] === tables[end]! + 1) end++;
    parts.push(end === i ? `${tables[i]}` : `${tables[i]}-${tables[end]}`);
    i = end + 1;
  }
  return parts.join(",");
}

function formatActionFeatures(title: string, a: TableAbilities["write"]): string {
  return (
    `      ${title} features:\n        actions: ${a.actions.length === 0 ? "none" : a.actions.join(" ")}\n` +
    (a.setFields.length === 0 ? "" : `        supported on Set-Field: ${fieldNames(a.setFields)}\n`)
  );
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function formatActions(a: TableAbilities): string {
  return same(a.write, a.apply)
    ? formatActionFeatures("Write-Actions and Apply-Actions", a.write)
    : formatActionFeatures("Write-Actions", a.write) + formatActionFeatures("Apply-Actions", a.apply);
}

function formatAbilities(a: TableAbilities, previous: TableAbilities | undefined): string {
  let text = "";
  if (previous !== undefined && same(a, previous)) return "      (same instructions)\n";
  if (a.next.length > 0) text += `      next tables: ${tableRanges(a.next)}\n`;
  text += `      instructions: ${a.instructions.length === 0 ? "none" : a.instructions.join(" ")}\n`;
  const sameActions = previous !== undefined && same(a.write, previous.write) && same(a.apply, previous.apply);
  return text + (sameActions ? "      (same actions)\n" : formatActions(a));
}

function formatMatching(t: TableFeatures): string {
  const masked = new Set(t.mask);
  const wild = new Set(t.wildcard);
  const groups: readonly (readonly [string, readonly number[]])[] = [
    ["arbitrary mask", t.match.filter((id) => masked.has(id))],
    ["exact match or wildcard", t.match.filter((id) => !masked.has(id) && wild.has(id))],
    ["must exact match", t.match.filter((id) => !masked.has(id) && !wild.has(id))],
  ];
  return groups
    .filter(([, ids]) => ids.length > 0)
    .map(([title, ids]) => `      ${title}: ${fieldNames(ids)}\n`)
    .join("");
}

const CAPABILITY = { EVICTION: 4, VACANCY: 8 } as const;

function formatOne(t: TableFeatures, previous: TableFeatures | undefined, version: number): string {
  let text = "";
  if (t.metadataMatch !== 0n || t.metadataWrite !== 0n)
    text += `    metadata: match=0x${t.metadataMatch.toString(16)} write=0x${t.metadataWrite.toString(16)}\n`;
  if (version >= 5) {
    const supported = (bit: number) => ((t.capabilities & bit) !== 0 ? "supported" : "not supported");
    text += `    eviction: ${supported(CAPABILITY.EVICTION)}\n    vacancy events: ${supported(CAPABILITY.VACANCY)}\n`;
  }
  text += `    max_entries=${t.maxEntries}\n`;
  if (same(t.nonmiss, t.miss)) {
    const before = previous !== undefined && same(previous.nonmiss, previous.miss) ? previous.nonmiss : undefined;
    text += `    instructions (table miss and others):\n${formatAbilities(t.nonmiss, before)}`;
  } else {
    text += `    instructions (other than table miss):\n${formatAbilities(t.nonmiss, previous?.nonmiss)}`;
    text += `    instructions (table miss):\n${formatAbilities(t.miss, previous?.miss)}`;
  }
  const matching = formatMatching(t);
  return (
    text +
    (previous !== undefined && formatMatching(previous) === matching ? "    (same matching)\n" : `    matching:\n${matching}`)
  );
}

/** Whether two tables differ in number and name only; the last table cannot go on to itself, so next tables count. */
function alike(a: TableFeatures, b: TableFeatures): boolean {
  const plain = (t: TableFeatures) =>
    JSON.stringify({ ...t, table: 0, name: "" }, (_, v: unknown) => (typeof v === "bigint" ? `${v}` : v));
  return plain(a) === plain(b) || plain(withoutShift(a)) === plain(withoutShift(b));
}

/** Next tables relative to the table itself: "all that follow" is the same for every table. */
function withoutShift(t: TableFeatures): TableFeatures {
  const shift = (next: readonly number[]) => (next[0] === t.table + 1 ? [-1, next.at(-1)!] : next);
  return { ...t, nonmiss: { ...t.nonmiss, next: shift(t.nonmiss.next) }, miss: { ...t.miss, next: shift(t.miss.next) } };
}

/** All tables, as one text. */
export function formatTableFeatures(tables: readonly TableFeatures[], version: number): string {
  let text = "";
  let dittos = false;
  for (let i = 0; i < tables.length; ) {
    const t = tables[i]!;
    const previous = tables[i - 1];
    const name = t.name === "" ? "" : ` (${quoteName(t.name).startsWith('"') ? quoteName(t.name) : `"${t.name}"`})`;
    let end = i;
    // Tables with names are shown one by one.
    if (previous !== undefined)
      while (end < tables.length && (end === i || tables[end]!.name === t.name) && alike(tables[end]!, tables[end - 1]!)) end++;
    if (end > i) {
      const range = end - i === 1 ? `table ${t.table}${name}` : `tables ${t.table}...${tables[end - 1]!.table}${name}`;
      text += `  ${range}: ditto\n`;
      dittos = true;
      i = end;
      continue;
    }
    // What says "ditto" stands together.
    if (dittos) text += "\n";
    dittos = false;
    text += `  table ${t.table}${name}:\n${formatOne(t, previous, version)}\n`;
    i++;
  }
  return dittos ? `${text}\n` : text;
}
