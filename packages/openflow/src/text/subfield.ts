/** Parts of fields: "reg0", "reg0[]", "reg0[3]", "NXM_NX_REG0[0..15]". */
import type { Subfield } from "../action/types.ts";
import { fieldNamed } from "../field/lookup.ts";
import type { Field } from "../field/types.ts";
import { TextError } from "./error.ts";

const SUBFIELD = /^([A-Za-z0-9_]+)(?:\[([^\]]*)\])?/;

/** Parses a subfield at the start of `text`; `rest` is what follows. Undefined: no field of that name. */
export function takeSubfield(text: string): { readonly subfield: Subfield; readonly rest: string } | undefined {
  const found = SUBFIELD.exec(text);
  if (found === null) return undefined;
  const field = fieldNamed(found[1]!);
  if (field === undefined) return undefined;
  const range = found[2];
  let first = 0;
  let last = field.bits - 1;
  if (range !== undefined && range !== "") {
    const bits = /^([0-9]+)(?:\.\.([0-9]+))?$/.exec(range);
    if (bits === null) throw new TextError(`${text}: syntax error expecting [] or [<bit>] or [<start>..<end>]`, text);
    first = Number(bits[1]);
    last = bits[2] === undefined ? first : Number(bits[2]);
  }
  if (first > last) throw new TextError(`${text}: starting bit ${first} is after ending bit ${last}`, text);
  if (first >= field.bits)
    throw new TextError(`${text}: starting bit ${first} is not valid because field is only ${field.bits} bits wide`, text);
  if (last >= field.bits)
    throw new TextError(`${text}: ending bit ${last} is not valid because field is only ${field.bits} bits wide`, text);
  return { subfield: { field, offset: first, bits: last - first + 1 }, rest: text.slice(found[0].length) };
}

/** Parses the whole of `text` as a subfield. Throws a TextError. */
export function parseSubfield(text: string): Subfield {
  const taken = takeSubfield(text);
  if (taken === undefined) throw new TextError(`${text}: unknown field \`${/^[^[]*/.exec(text)![0]}'`, text);
  if (taken.rest !== "") throw new TextError(`${text}: trailing garbage in subfield`, text);
  return taken.subfield;
}

/** The name by which actions print a field: its first code point's, or its own where it has none. */
export function oxmName(field: Field): string {
  return field.codes[0]?.name ?? field.name;
}

export function formatSubfield(subfield: Subfield): string {
  const { field, offset, bits } = subfield;
  const name = oxmName(field);
  if (offset === 0 && bits === field.bits) return `${name}[]`;
  return bits === 1 ? `${name}[${offset}]` : `${name}[${offset}..${offset + bits - 1}]`;
}
