/** Data as JSON bytes. */
import type { BaseType, ColumnType } from "./columnType.ts";
import type { JsonBytes } from "./jsonrpc/jsonBytes.ts";
import type { Atom, Datum } from "./value.ts";

/** Writes the <value>, as `datumJson` makes it. */
export function writeDatum(out: JsonBytes, datum: Datum, { key, value }: ColumnType): void {
  if (value === undefined && datum.length === 1) {
    writeAtom(out, datum[0]!, key);
    return;
  }
  out.ascii(value === undefined ? '["set",[' : '["map",[');
  for (let i = 0; i < datum.length; i++) {
    if (i > 0) out.ascii(",");
    if (value !== undefined) out.ascii("[");
    writeAtom(out, datum[i]!, key);
    if (value === undefined) continue;
    out.ascii(",");
    writeAtom(out, datum[++i]!, value);
    out.ascii("]");
  }
  out.ascii("]]");
}

function writeAtom(out: JsonBytes, atom: Atom, base: BaseType): void {
  if (base.type === "string")
    out.string(atom as string); // strings are strings
  else if (base.type === "uuid") out.ascii(`["uuid","${atom}"]`);
  else out.ascii(String(atom));
}
