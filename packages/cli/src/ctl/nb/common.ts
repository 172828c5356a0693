/** What the commands of ovn-nbctl(8) share: rows by name or uuid, booleans in words, options. */
import { isUuid, type Uuid } from "@weft/ovsdb";
import type { NbRow, NbSchema } from "@weft/schemas";
import type { Call, Command } from "../command.ts";
import { fail } from "../error.ts";

export type NbCall = Call<NbSchema>;
export type NbCommand = Command<NbSchema>;
export type Switch = NbRow<"Logical_Switch">;
export type SwitchPort = NbRow<"Logical_Switch_Port">;
export type Router = NbRow<"Logical_Router">;
export type RouterPort = NbRow<"Logical_Router_Port">;

interface Named {
  readonly _uuid: Uuid;
  readonly name: string;
}

/** By uuid, or by a name that only one row has. `several` is the complaint about more. */
export function named<R extends Named>(rows: Iterable<R>, text: string, several?: string): R | undefined {
  const all = [...rows];
  const uuid = isUuid(text) ? text.toLowerCase() : undefined;
  const exact = uuid === undefined ? undefined : all.find((row) => row._uuid === uuid);
  if (exact !== undefined) return exact;
  const found = all.filter((row) => row.name === text);
  if (found.length > 1 && several !== undefined) fail(several);
  return found[0];
}

export function findSwitch(call: NbCall, text: string): Switch | undefined {
  return named(call.db.rows("Logical_Switch"), text, `Multiple logical switches named '${text}'.  Use a UUID.`);
}

export function needSwitch(call: NbCall, text: string): Switch {
  return findSwitch(call, text) ?? fail(`${text}: switch name not found`);
}

export function findSwitchPort(call: NbCall, text: string): SwitchPort | undefined {
  return named(call.db.rows("Logical_Switch_Port"), text);
}

export function needSwitchPort(call: NbCall, text: string): SwitchPort {
  return findSwitchPort(call, text) ?? fail(`${text}: port name not found`);
}

export function findRouter(call: NbCall, text: string): Router | undefined {
  return named(call.db.rows("Logical_Router"), text, `Multiple logical routers named '${text}'.  Use a UUID.`);
}

export function needRouter(call: NbCall, text: string): Router {
  return findRouter(call, text) ?? fail(`${text}: router name not found`);
}

export function findRouterPort(call: NbCall, text: string): RouterPort | undefined {
  return named(call.db.rows("Logical_Router_Port"), text);
}

export function needRouterPort(call: NbCall, text: string): RouterPort {
  return findRouterPort(call, text) ?? fail(`${text}: port name not found`);
}

/** The switch that a port belongs to. */
export function switchOf(call: NbCall, port: SwitchPort): Switch | undefined {
  for (const row of call.db.rows("Logical_Switch")) if (row.ports.includes(port._uuid)) return row;
  return undefined;
}

export function routerOf(call: NbCall, port: RouterPort): Router | undefined {
  for (const row of call.db.rows("Logical_Router")) if (row.ports.includes(port._uuid)) return row;
  return undefined;
}

/** `enabled` is true where nothing is said. */
export function printEnabled(call: NbCall, enabled: boolean | undefined): void {
  call.print(enabled === false ? "disabled\n" : "enabled\n");
}

export function parseEnabled(text: string): boolean {
  if (text.toLowerCase() === "enabled") return true;
  if (text.toLowerCase() === "disabled") return false;
  return fail(`${text}: state must be "enabled" or "disabled"`);
}

/** Rows as `uuid (name)`, in order of their names. */
export function printNamed(call: NbCall, rows: Iterable<Named>): void {
  for (const { _uuid, name } of [...rows].sort((a, b) => compareNames(a.name, b.name))) call.print(`${_uuid} (${name})\n`);
}

export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** KEY=VALUE arguments; those without "=" say nothing. */
export function parsePairs(args: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const arg of args) {
    const equals = arg.indexOf("=");
    if (equals >= 0) pairs.set(arg.slice(0, equals), arg.slice(equals + 1));
  }
  return pairs;
}

export function printPairs(call: NbCall, pairs: ReadonlyMap<string, string>): void {
  for (const [key, value] of pairs) call.print(`${key}=${value}\n`);
}

export function parsePriority(text: string): number {
  if (!/^[0-9]+$/.test(text) || Number(text) > 32767) fail(`${text}: priority must in range 0...32767`);
  return Number(text);
}

/** A decimal number of 0 to `max`, or undefined. */
export function parseUnsigned(text: string, max: number): number | undefined {
  return /^[0-9]+$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

export function parseDirection(text: string): "from-lport" | "to-lport" {
  // Its first letter says it.
  if (text.startsWith("t")) return "to-lport";
  if (text.startsWith("f")) return "from-lport";
  return fail(`${text}: direction must be "to-lport" or "from-lport"`);
}

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
