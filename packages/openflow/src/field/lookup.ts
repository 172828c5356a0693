/** Finding fields by name and by code point. */
import { WeftError } from "@weft/runtime";
import { FIELDS } from "./table.ts";
import type { Field, OxmCode } from "./types.ts";

const byName = new Map<string, Field>();
const byOxmName = new Map<string, { readonly field: Field; readonly code: OxmCode }>();
const byCode = new Map<number, { readonly field: Field; readonly code: OxmCode }>();
const byVendorCode = new Map<string, { readonly field: Field; readonly code: OxmCode }>();

for (const field of FIELDS) {
  for (const name of [field.name, ...field.aliases]) byName.set(name, field);
  for (const code of field.codes) {
    const entry = { field, code };
    byOxmName.set(code.name, entry);
    if (code.class === 0xffff) byVendorCode.set(`${code.vendor}.${code.field}`, entry);
    else byCode.set((code.class << 7) | code.field, entry);
  }
}

/** The field of an ovs name ("dl_src", "reg0") or of an NXM or OXM name ("NXM_NX_REG0"). */
export function fieldNamed(name: string): Field | undefined {
  return byName.get(name) ?? byOxmName.get(name)?.field;
}

/** The field of an ovs name or alias only. */
export function fieldByOvsName(name: string): Field | undefined {
  return byName.get(name);
}

/** Like {@link fieldNamed}, for names that a program writes itself; throws a WeftError "openflow.unknown-field". */
export function field(name: string): Field {
  const found = fieldNamed(name);
  if (found === undefined)
    throw new WeftError("openflow.unknown-field", `unknown field ${name}`, { blame: "caller", place: { text: name } });
  return found;
}

/** The field and code of an NXM or OXM name. */
export function oxmNamed(name: string): { readonly field: Field; readonly code: OxmCode } | undefined {
  return byOxmName.get(name);
}

/** The field of a code point: class, experimenter id (0 unless class is 0xffff), number. */
export function fieldOfCode(
  cls: number,
  vendor: number,
  number: number,
): { readonly field: Field; readonly code: OxmCode } | undefined {
  return cls === 0xffff ? byVendorCode.get(`${vendor}.${number}`) : byCode.get((cls << 7) | number);
}

/**
 * The code point to send in OpenFlow wire version `version` (1 to 6): OpenFlow 1.0 and 1.1 prefer NXM names, later
 * versions the OXM name if the field has one that the version knows. Undefined: the field cannot be sent.
 */
export function codeFor(field: Field, version: number): OxmCode | undefined {
  const known = chosen[version]!;
  if (field.id in known) return known[field.id];
  const code = chooseCode(field, version);
  known[field.id] = code;
  return code;
}

/** What {@link codeFor} has found, by version and field id. */
const chosen: (OxmCode | undefined)[][] = Array.from({ length: 7 }, () => []);

function chooseCode(field: Field, version: number): OxmCode | undefined {
  let best: OxmCode | undefined;
  for (const code of field.codes) {
    if (best === undefined) best = code;
    else if (code.since <= version && version >= 3 && code.since >= best.since) best = code;
  }
  return best;
}
