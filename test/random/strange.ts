/** Values that a column may hold and that nobody means to be there. */
import type { SchemaJson } from "@weft/ovsdb";

const STRINGS = [
  ...' |foo|0|-1|1.5|99999999999999999999|true|FALSE|a:b|:|,|/|drop|next;;|router|dynamic|unknown|0x|1-0|{}|"|$nosuch'.split("|"),
  "",
  "10.0.0.1",
  "10.0.0.1/33",
  "10.0.0.256",
  "10.0.0.0/24",
  "10.0.0.1:0",
  "10.0.0.1:99999",
  "fe80::1",
  "fe80::1/200",
  "[::1",
  "[fe80::1]:99999",
  "50:54:00:00:00:01",
  "50:54:00:00:00:0g",
  "50:54:00:00:00:01 10.0.0.1/99",
  "tcp:127.0.0.1:x",
  "tcp:127.0.0.1:99999",
  "punix:",
  "ssl:::1",
  "ip4 && (",
  "ip4.src == 1",
  "\u0000",
  "€\ud83d\ude00",
  "x".repeat(300),
];
const INTEGERS = [Number.MIN_SAFE_INTEGER, -1, 0, 1, 2, 63, 65, 255, 4095, 4096, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];

/** Draws whole numbers below its argument. */
type Below = (limit: number) => number;

interface Base {
  readonly type: string;
  readonly enum?: unknown;
  readonly minInteger?: number;
  readonly maxInteger?: number;
}
interface Column {
  readonly key: unknown;
  readonly value?: unknown;
  readonly min?: number;
  readonly max?: number | "unlimited";
}

const baseOf = (json: unknown): Base => (typeof json === "string" ? { type: json } : (json as Base));

function atom(base: Base, below: Below): unknown {
  const choose = <T>(items: readonly T[]): T => items[below(items.length)]!;
  if (Array.isArray(base.enum)) return choose(base.enum[1] as unknown[]);
  if (base.enum !== undefined) return base.enum;
  switch (base.type) {
    case "string":
      return choose(STRINGS);
    case "integer": {
      const { minInteger = Number.MIN_SAFE_INTEGER, maxInteger = Number.MAX_SAFE_INTEGER } = base;
      return choose([...INTEGERS, minInteger, maxInteger].filter((value) => value >= minInteger && value <= maxInteger));
    }
    case "real":
      return choose([-1.5, 0, 0.1, 1e300]);
    default:
      return choose([true, false]);
  }
}

/** Columns of a table that hold no references. */
export function plainColumns(schema: SchemaJson, table: string): string[] {
  const columns = Object.entries(schema.tables[table]!.columns);
  return columns.filter(([, { type }]) => !JSON.stringify(type).includes('"uuid"')).map(([name]) => name);
}

/**
 * A value of a column's type, as replicas take it; `keys`: those that the readers of its maps look for.
 */
export function strangeValue(schema: SchemaJson, table: string, column: string, keys: readonly string[], below: Below): unknown {
  const { type } = schema.tables[table]!.columns[column]!;
  const { key, value, min = 1, max = 1 }: Column = typeof type === "object" && "key" in type ? type : { key: type };
  const most = max === "unlimited" ? 4 : max;
  const size = min + below(most - min + 1);
  const base = baseOf(key);
  if (value !== undefined) {
    const name = () =>
      base.type === "string" && base.enum === undefined && below(8) > 0 ? keys[below(keys.length)] : atom(base, below);
    return new Map(Array.from({ length: size }, () => [name(), atom(baseOf(value), below)]));
  }
  if (most === 1) return size === 0 ? undefined : atom(base, below);
  return [...new Set(Array.from({ length: size }, () => atom(base, below)))];
}
