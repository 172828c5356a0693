/** Values of columns as ovn-detrace prints them: as Python writes its literals. */

type Atom = string | number | bigint | boolean;
export type Value = Atom | undefined | readonly Atom[] | ReadonlyMap<Atom, Atom>;

/** A set is a list, an optional value a list of one or none, a map a dictionary by its keys. */
export function literal(value: Value, optional = false): string {
  if (value === undefined) return "[]";
  if (value instanceof Map) {
    const pairs = [...value].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => `${atom(key)}: ${atom(item)}`);
    return `{${pairs.join(", ")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(atom).join(", ")}]`;
  const text = atom(value as Atom); // the other kinds are above
  return optional ? `[${text}]` : text;
}

function atom(value: Atom): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? quoted(value) : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** In single quotes, unless only those occur in the text. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  const escaped = text.replace(/[\\\n\r\t]|[\x00-\x1f\x7f]/g, (one) => {
    return ESCAPES[one] ?? `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}
