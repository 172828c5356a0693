/** Tables as ovs-ofctl prints them. */
import type { TableDescription, TableStats } from "../message/config.ts";
import type { MessageOf } from "../message/types.ts";
import { ALL_TABLES } from "../ports.ts";
import { quoteName } from "../text/names.ts";
import { bitNames } from "./ports.ts";

/**
 * Joins names that share what stands before an underscore: "ip_src ip_dst" is "ip_{src,dst}"; three or more numbered
 * names in sequence are a range, "reg0...reg31".
 */
export function braceNames(names: readonly string[], separator = " "): string {
  const parts: string[] = [];
  for (let i = 0; i < names.length; ) {
    const range = rangeLength(names, i);
    if (range >= 3) {
      parts.push(`${names[i]}...${names[i + range - 1]}`);
      i += range;
      continue;
    }
    const name = names[i]!;
    const underscore = name.indexOf("_");
    let end = i + 1;
    if (underscore > 0) {
      const prefix = name.slice(0, underscore + 1);
      while (end < names.length && names[end]!.startsWith(prefix)) end++;
      if (end > i + 1) {
        const inner = names.slice(i, end).map((n) => n.slice(prefix.length));
        parts.push(`${prefix}{${braceNames(inner, ",")}}`);
        i = end;
        continue;
      }
    }
    parts.push(name);
    i++;
  }
  return parts.join(separator);
}

function rangeLength(names: readonly string[], from: number): number {
  const first = /^(.*?)(\d+)$/.exec(names[from]!);
  if (first === null) return 1;
  let n = 1;
  while (names[from + n] === `${first[1]}${Number(first[2]) + n}`) n++;
  return n;
}

function quoteNameAlways(name: string): string {
  const quoted = quoteName(name);
  return quoted.startsWith('"') ? quoted : `"${name}"`;
}

/** Fields that OpenFlow 1.0's wildcard bits stand for, in the order of the field table. */
const WILDCARDS: readonly (readonly [number, string])[] = [
  [1, "in_port"],
  [1 << 2, "eth_src"],
  [1 << 3, "eth_dst"],
  [1 << 4, "eth_type"],
  [1 << 1, "vlan_vid"],
  [1 << 20, "vlan_pcp"],
  [0x3f << 8, "ip_src"],
  [0x3f << 14, "ip_dst"],
  [1 << 5, "nw_proto"],
  [1 << 21, "nw_tos"],
  [1 << 6, "tcp_src"],
  [1 << 7, "tcp_dst"],
];

export function formatTableStats(tables: readonly TableStats[], version: number): string {
  let previous = "";
  const blocks = tables.map((t) => {
    let features = "";
    if (version < 4) features += `    max_entries=${t.maxEntries}\n`;
    if (t.wildcards !== undefined) {
      const names = WILDCARDS.filter(([bits]) => (t.wildcards! & bits) !== 0).map(([, name]) => name);
      features += `    matching:\n      exact match or wildcard: ${braceNames(names)}\n`;
    }
    const shown = features !== "" && features === previous ? "    (same features)\n" : features;
    previous = features;
    return {
      table: t.table,
      name: t.name,
      stats: `    active=${t.active}, lookup=${t.lookups}, matched=${t.matched}\n`,
      features,
      shown,
    };
  });
  let text = "\n";
  for (let i = 0; i < blocks.length; ) {
    const b = blocks[i]!;
    let same = 0;
    const before = blocks[i - 1];
    const title = b.name === "" ? "" : ` (${quoteNameAlways(b.name)})`;
    const alike = (one = blocks[i + same]) => one?.stats === before?.stats && one?.features === before?.features;
    while (before !== undefined && blocks[i + same]?.name === b.name && alike()) same++;
    if (same > 0) {
      const last = blocks[i + same - 1]!.table;
      text += same === 1 ? `  table ${b.table}${title}: ditto\n` : `  tables ${b.table}...${last}: ditto\n`;
      i += same;
    } else {
      text += `  table ${b.table}${title}:\n${b.stats}${b.shown}`;
      i++;
    }
    // One that is as others, but for its name, stands with them.
    if (i < blocks.length && !(same > 0 && alike(blocks[i]))) text += "\n";
  }
  return text;
}

const EVICTION_FLAGS = ["OTHER", "IMPORTANCE", "LIFETIME"];

export function formatTableDescription(t: TableDescription): string {
  let text = `  table ${t.table}:\n   eviction=${t.eviction ? "on" : "off"} eviction_flags=${bitNames(t.evictionFlags, EVICTION_FLAGS, "|")}\n`;
  text += `   vacancy=${t.vacancy.on ? "on" : "off"}`;
  if (t.vacancy.on) text += ` vacancy_down=${t.vacancy.down}% vacancy_up=${t.vacancy.up}% vacancy=${t.vacancy.now}%`;
  return `${text}\n`;
}

export function formatTableMod(m: MessageOf<"table_mod">, version: number): string {
  let text = m.table === ALL_TABLES ? " table_id: ALL_TABLES" : ` table_id=${m.table}`;
  if (version < 5) {
    if (version < 4 && m.miss !== "default") text += `, flow_miss_config=${m.miss}`;
    return text;
  }
  text += `, eviction=${m.eviction === true ? "on" : "off"}`;
  text += m.vacancy?.on === true ? `, vacancy=on vacancy:${m.vacancy.down},${m.vacancy.up}` : ", vacancy=off";
  return text;
}
