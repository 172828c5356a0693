/** Comparing flow tables: replace-flows and diff-flows. */
import {
  type Flow,
  type FlowMod,
  flowMod,
  formatActions,
  formatPriorityMatch,
  formatTable,
  KEEP_COOKIE,
  type Names,
  NO_NAMES,
  type OpenFlowConnection,
  parseFlowMod,
} from "@weft/openflow";
import { sendBundle, withPlace } from "./flows.ts";
import { ANY_PROTOCOL, usableForFlowMod } from "./protocols.ts";
import type { Session } from "./session.ts";

interface Versions {
  /** The same flow, by table, priority and match, in either source. */
  a?: Flow;
  b?: Flow;
}

type FlowTable = Map<string, Versions>;

function keyOf(flow: Flow): string {
  return `${flow.table}/${flow.priority}/${flow.match.key}`;
}

function put(table: FlowTable, flow: Flow, side: "a" | "b"): void {
  const key = keyOf(flow);
  let versions = table.get(key);
  if (versions === undefined) {
    versions = {};
    table.set(key, versions);
  }
  versions[side] = flow;
}

function flowOf(mod: FlowMod): Flow {
  return {
    table: mod.table === 0xff ? 0 : mod.table,
    priority: mod.priority,
    cookie: mod.newCookie === KEEP_COOKIE ? 0n : mod.newCookie,
    match: mod.match,
    actions: mod.actions,
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    flags: mod.flags,
    importance: mod.importance,
  };
}

/** Flows of a file into one side; returns the formats that can say them all. */
async function readFile(session: Session, table: FlowTable, path: string, side: "a" | "b", names: Names): Promise<number> {
  let usable = ANY_PROTOCOL;
  for (const { text, where } of await session.readLines(path, "open")) {
    const mod = withPlace(where, () => parseFlowMod(text, "add", { names }));
    usable &= usableForFlowMod(mod);
    put(table, flowOf(mod), side);
  }
  return usable;
}

async function readSwitch(session: Session, table: FlowTable, connection: OpenFlowConnection, side: "a" | "b"): Promise<void> {
  const filter = parseFlowMod("", "delete");
  const replies = await session.askAll(connection, {
    type: "flow_stats_request",
    match: filter.match,
    cookie: 0n,
    cookieMask: 0n,
    outPort: filter.outPort,
    outGroup: filter.outGroup,
    table: 0xff,
  });
  for (const reply of replies) if (reply.type === "flow_stats_reply") for (const flow of reply.flows) put(table, flow, side);
}

function sameFlow(a: Flow, b: Flow): boolean {
  return (
    a.cookie === b.cookie &&
    a.idleTimeout === b.idleTimeout &&
    a.hardTimeout === b.hardTimeout &&
    a.importance === b.importance &&
    formatActions(a.actions) === formatActions(b.actions)
  );
}

/** A flow as a difference shows it. */
export function formatDifference(sign: "-" | "+", flow: Flow, names: Names): string {
  let text = sign as string;
  if (flow.table !== 0) text += `table=${formatTable(flow.table, names)} `;
  text += formatPriorityMatch(flow.match, flow.priority, names);
  if (flow.cookie !== 0n) text += ` cookie=0x${flow.cookie.toString(16)}`;
  if (flow.idleTimeout !== 0) text += ` idle_timeout=${flow.idleTimeout}`;
  if (flow.hardTimeout !== 0) text += ` hard_timeout=${flow.hardTimeout}`;
  if (flow.importance !== 0) text += ` importance=${flow.importance}`;
  return `${text} actions=${formatActions(flow.actions, names)}`;
}

/** Whether a source is a file: by its beginning, or because there is one. */
async function isFile(session: Session, source: string): Promise<boolean> {
  if (source.startsWith("/") || source.startsWith(".") || source === "-") return true;
  if (source.includes(":")) return false;
  return await session.host.runtime.files.exists(source.startsWith("/") ? source : `${session.host.cwd}/${source}`);
}

export async function diffFlows(session: Session, args: readonly string[]): Promise<number> {
  const [first, second] = args as [string, string];
  const table: FlowTable = new Map();
  const files = [await isFile(session, first), await isFile(session, second)] as const;
  const switchName = !files[0] ? first : !files[1] ? second : undefined;
  const names = switchName === undefined ? NO_NAMES : await session.namesToAccept(switchName);
  if (files[0]) await readFile(session, table, first, "a", names);
  if (files[1]) await readFile(session, table, second, "b", names);
  for (const [i, side] of (["a", "b"] as const).entries()) {
    if (files[i]!) continue;
    const { connection } = await session.openForDump([first, second][i]!, ANY_PROTOCOL);
    await readSwitch(session, table, connection, side);
  }
  const shown = switchName === undefined ? NO_NAMES : await session.namesToShow(switchName);
  const lines: { readonly flow: Flow; readonly sign: "-" | "+" }[] = [];
  const entries = [...table.values()].sort((x, y) => order((x.a ?? x.b)!, (y.a ?? y.b)!));
  for (const { a, b } of entries) {
    if (a !== undefined && b !== undefined && sameFlow(a, b)) continue;
    if (a !== undefined) lines.push({ flow: a, sign: "-" });
    if (b !== undefined) lines.push({ flow: b, sign: "+" });
  }
  for (const { flow, sign } of lines) await session.print(`${formatDifference(sign, flow, shown)}\n`);
  return lines.length > 0 ? 2 : 0;
}

/** By table, then the higher priority first, then as they came. */
function order(a: Flow, b: Flow): number {
  return a.table - b.table || b.priority - a.priority;
}

export async function replaceFlows(session: Session, args: readonly string[]): Promise<void> {
  const [name, path] = args as [string, string];
  const table: FlowTable = new Map();
  const names = await session.namesToAccept(name);
  const usable = await readFile(session, table, path, "a", names);
  const { connection } = await session.openForDump(name, usable);
  await readSwitch(session, table, connection, "b");
  const changes: FlowMod[] = [];
  for (const { a, b } of table.values()) if (a === undefined && b !== undefined) changes.push(deletion(b));
  for (const { a, b } of table.values()) {
    if (a === undefined) continue;
    if (b === undefined || session.settings.readd || !sameFlow(a, b)) changes.push(addition(a));
  }
  if (changes.length === 0) return;
  if (connection.version === 1) await session.mustSucceed(connection, { type: "flow_mod_table_id", on: true });
  if (session.settings.bundle) await sendBundle(session, name, connection, changes);
  else await session.mustSucceedAll(connection, changes);
}

function deletion(flow: Flow): FlowMod {
  return flowMod({ command: "delete_strict", table: flow.table, match: flow.match, priority: flow.priority });
}

function addition(flow: Flow): FlowMod {
  const { cookie, ...rest } = flow;
  return flowMod({ command: "add", ...rest, newCookie: cookie });
}
