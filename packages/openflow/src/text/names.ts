/** Port and table names: what `--names` accepts and displays. */
import { OFPP, PORT_NAMES } from "../ports.ts";
import { TextError } from "./error.ts";
import { integerOf } from "./number.ts";

/** Two-way maps of one switch. A name that several ports have is ambiguous and maps to no number, nor back. */
export interface Names {
  portName(port: number): string | undefined;
  portNumber(name: string): number | undefined;
  tableName(table: number): string | undefined;
  tableNumber(name: string): number | undefined;
}

/** Numbers only (`--no-names`). */
export const NO_NAMES: Names = {
  portName: () => undefined,
  portNumber: () => undefined,
  tableName: () => undefined,
  tableNumber: () => undefined,
};

/** Names from lists; duplicates are dropped on both sides, empty names ignored. */
export function namesOf(ports: Iterable<readonly [number, string]>, tables: Iterable<readonly [number, string]> = []): Names {
  const [portNames, portNumbers] = twoWay(ports);
  const [tableNames, tableNumbers] = twoWay(tables);
  return {
    portName: (port) => portNames.get(port),
    portNumber: (name) => portNumbers.get(name),
    tableName: (table) => tableNames.get(table),
    tableNumber: (name) => tableNumbers.get(name),
  };
}

function twoWay(pairs: Iterable<readonly [number, string]>): [Map<number, string>, Map<string, number>] {
  const names = new Map<number, string>();
  const numbers = new Map<string, number>();
  const twice = new Set<string>();
  for (const [number, name] of pairs) {
    if (name === "") continue;
    if (numbers.has(name) && numbers.get(name) !== number) twice.add(name);
    names.set(number, name);
    numbers.set(name, number);
  }
  for (const name of twice) {
    numbers.delete(name);
    for (const [number, other] of names) if (other === name) names.delete(number);
  }
  return [names, numbers];
}

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A name as it is displayed: quoted unless it is plain. */
export function quoteName(name: string): string {
  return PLAIN_NAME.test(name) && !/^(in_port|table|normal|flood|all|controller|local|any|none|unset)$/i.test(name)
    ? name
    : JSON.stringify(name);
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "string") return value;
  } catch {
    // Falls through to the error, which says more than JSON's would.
  }
  throw new TextError(`${text}: bad syntax in quoted name`, text);
}

export function formatPort(port: number, names: Names = NO_NAMES): string {
  const reserved = PORT_NAMES.get(port);
  if (reserved !== undefined) return reserved;
  const name = names.portName(port);
  return name === undefined ? String(port) : quoteName(name);
}

const RESERVED = new Map([...PORT_NAMES].map(([port, name]) => [name, port]));
RESERVED.set("NONE", OFPP.NONE);

/** A port number or name; undefined when it is neither. 32-bit numbers of reserved ports are taken too. */
export function parsePort(text: string, names: Names = NO_NAMES): number | undefined {
  const number = integerOf(text);
  if (number !== undefined) {
    if (number < 0n) return undefined;
    if (number < BigInt(OFPP.MAX)) return Number(number);
    if (number >= 0xfff7n && number <= 0xffffn) return Number(number);
    if (number >= 0xffffff00n && number <= 0xffffffffn) return Number(number & 0xffffn);
    return undefined;
  }
  return RESERVED.get(text.toUpperCase()) ?? names.portNumber(unquote(text));
}

export function formatTable(table: number, names: Names = NO_NAMES): string {
  const name = names.tableName(table);
  return name === undefined ? String(table) : quoteName(name);
}

/** A table number (0 to 254, 255 for all) or name; undefined when it is neither. */
export function parseTable(text: string, names: Names = NO_NAMES): number | undefined {
  const number = integerOf(text);
  if (number !== undefined) return number >= 0n && number <= 255n ? Number(number) : undefined;
  return names.tableNumber(unquote(text));
}
