/**
 * Column values as text, as the OVS tools print and read them (ovs-vsctl(8) "Database Values"): `[a, b]`, `{k=v}`,
 * strings quoted where they would not read back as themselves.
 */
import { type Atom, type AtomicType, type ColumnModel, type ColumnValue, isUuid } from "@weft/ovsdb";

/** Whether a string must stand in quotes. */
export function needsQuotes(text: string): boolean {
  return !/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text) || text === "true" || text === "false" || isUuid(text);
}

export function formatString(text: string): string {
  return needsQuotes(text) ? JSON.stringify(text) : text;
}

/** A real with 15 significant digits, as printf's %.15g. */
export function formatReal(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const exponent = Number(value.toExponential(14).split("e")[1]);
  if (exponent < -5 || exponent >= 15) {
    const [digits, power = "+0"] = value.toExponential(14).split("e");
    const size = power.slice(1).padStart(2, "0");
    return `${trimZeros(digits!)}e${power[0]}${size}`;
  }
  return trimZeros(value.toFixed(Math.max(0, 14 - exponent)));
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

export function formatAtom(type: AtomicType, atom: Atom): string {
  if (type === "string") return formatString(atom as string);
  return type === "real" ? formatReal(atom as number) : String(atom);
}

function bareAtom(type: AtomicType, atom: Atom): string {
  return type === "real" ? formatReal(atom as number) : String(atom);
}

/** `--data=string`, also what `get` prints. */
export function formatValue(column: ColumnModel, value: ColumnValue): string {
  const { type } = column.key;
  if (column.kind === "map" && column.value !== undefined) {
    const inner = column.value.type;
    const pairs = [...(value as ReadonlyMap<Atom, Atom>)].map(([k, v]) => `${formatAtom(type, k)}=${formatAtom(inner, v)}`);
    return `{${pairs.join(", ")}}`;
  }
  if (column.kind === "set") return `[${(value as readonly Atom[]).map((atom) => formatAtom(type, atom)).join(", ")}]`;
  return value === undefined ? "[]" : formatAtom(type, value as Atom);
}

/** `--data=bare`: no quotes, no brackets, values with spaces between. */
export function formatBare(column: ColumnModel, value: ColumnValue): string {
  const { type } = column.key;
  if (column.kind === "map" && column.value !== undefined) {
    const inner = column.value.type;
    return [...(value as ReadonlyMap<Atom, Atom>)].map(([k, v]) => `${bareAtom(type, k)}=${bareAtom(inner, v)}`).join(" ");
  }
  if (column.kind === "set") return (value as readonly Atom[]).map((atom) => bareAtom(type, atom)).join(" ");
  return value === undefined ? "" : bareAtom(type, value as Atom);
}
