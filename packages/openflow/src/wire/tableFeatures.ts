/** Table features of OpenFlow 1.3 and later on the wire. */
import { fieldOfCode } from "../field/lookup.ts";
import { FIELDS } from "../field/table.ts";
import type { TableAbilities, TableFeatures } from "../message/config.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { multipart, type Row, row } from "./codecRow.ts";
import { codeOf, writeHeader } from "./oxm.ts";

const PROPERTY = {
  instructions: 0,
  nextTables: 2,
  writeActions: 4,
  applyActions: 6,
  match: 8,
  wildcards: 10,
  writeSetField: 12,
  applySetField: 14,
} as const;

/** OFPIT_ numbers by name, in the order in which they are listed. */
export const INSTRUCTION_NUMBERS: ReadonlyMap<string, number> = new Map([
  ["meter", 6],
  ["apply_actions", 4],
  ["clear_actions", 5],
  ["write_actions", 3],
  ["write_metadata", 2],
  ["goto_table", 1],
]);

/** OFPAT_ numbers of OpenFlow 1.3 and later by name, in the order in which they are listed. */
export const ACTION_NUMBERS: ReadonlyMap<string, number> = new Map([
  ["output", 0],
  ["group", 22],
  ["set_field", 25],
  ["strip_vlan", 18],
  ["push_vlan", 17],
  ["mod_nw_ttl", 23],
  ["dec_ttl", 24],
  ["set_mpls_ttl", 15],
  ["dec_mpls_ttl", 16],
  ["push_mpls", 19],
  ["pop_mpls", 20],
  ["set_queue", 21],
]);

function namesOf(numbers: ReadonlySet<number>, table: ReadonlyMap<string, number>): string[] {
  return [...table].filter(([, number]) => numbers.has(number)).map(([name]) => name);
}

interface MutableAbilities {
  next: number[];
  instructions: string[];
  write: { actions: string[]; setFields: number[] };
  apply: { actions: string[]; setFields: number[] };
}

function empty(): MutableAbilities {
  return { next: [], instructions: [], write: { actions: [], setFields: [] }, apply: { actions: [], setFields: [] } };
}

/** Numbers of a list of (type, length) entries. */
function readIds(part: ByteReader): Set<number> {
  const ids = new Set<number>();
  while (part.left >= 4) {
    const start = part.at;
    ids.add(part.u16());
    const length = part.u16();
    if (length < 4) throw part.fail("OFPTFFC_BAD_LEN", "feature id");
    part.at = Math.min(part.end, start + length);
  }
  return ids;
}

/** Fields of a list of OXM headers, which stand without their values; `masked` gets those with the mask bit. Unknown ones are passed over. */
function readFields(part: ByteReader, masked?: number[]): number[] {
  const fields: number[] = [];
  while (part.left >= 4) {
    const end = part.at + (part.peek16(0) === 0xffff ? 8 : 4);
    if (end > part.end) throw part.fail("OFPTFFC_BAD_LEN", "OXM header");
    const cls = part.u16();
    const byte = part.u8();
    part.skip(1);
    const found = fieldOfCode(cls, cls === 0xffff ? part.u32() : 0, byte >> 1);
    if (found === undefined) continue;
    fields.push(found.field.id);
    if ((byte & 1) !== 0) masked?.push(found.field.id);
  }
  return [...new Set(fields)].sort((a, b) => a - b);
}

function decodeFeatures(input: ByteReader, version: number): TableFeatures {
  const start = input.at;
  const length = input.u16();
  if (length < 64 || start + length > input.end) throw input.fail("OFPTFFC_BAD_LEN", `table features of ${length} bytes`);
  const part = input.part(length - 2, "OFPTFFC_BAD_LEN");
  const table = part.u8();
  let command: TableFeatures["command"] = "replace";
  let features = 0;
  if (version >= 6) {
    command = (["replace", "modify", "enable", "disable"] as const)[part.u8()] ?? "replace";
    features = part.u32();
  } else part.skip(5);
  const name = part.text(32);
  const metadataMatch = part.u64();
  const metadataWrite = part.u64();
  const capabilities = part.u32();
  const maxEntries = part.u32();
  const nonmiss = empty();
  const miss = empty();
  const hasMiss = new Set<number>();
  let match: number[] = [];
  const mask: number[] = [];
  let wildcard: number[] = [];
  while (part.left >= 4) {
    const at = part.at;
    const type = part.u16();
    const size = part.u16();
    if (size < 4 || at + size > part.end) throw part.fail("OFPTFFC_BAD_LEN", "table feature property");
    const body = part.part(size - 4, "OFPTFFC_BAD_LEN");
    part.at = Math.min(part.end, at + Math.ceil(size / 8) * 8);
    if (type >= 16) continue;
    const isMiss = (type & 1) === 1 && type !== 9 && type !== 11;
    if (isMiss) hasMiss.add(type & ~1);
    readProperty(body, type & ~1, isMiss ? miss : nonmiss);
    if (type === PROPERTY.match) match = readFields(body, mask);
    else if (type === PROPERTY.wildcards) wildcard = readFields(body);
  }
  // What is not said of misses is as for other packets.
  if (!hasMiss.has(PROPERTY.instructions)) miss.instructions = nonmiss.instructions;
  if (!hasMiss.has(PROPERTY.nextTables)) miss.next = nonmiss.next;
  if (!hasMiss.has(PROPERTY.writeActions)) miss.write.actions = nonmiss.write.actions;
  if (!hasMiss.has(PROPERTY.applyActions)) miss.apply.actions = nonmiss.apply.actions;
  if (!hasMiss.has(PROPERTY.writeSetField)) miss.write.setFields = nonmiss.write.setFields;
  if (!hasMiss.has(PROPERTY.applySetField)) miss.apply.setFields = nonmiss.apply.setFields;
  return {
    table,
    name,
    command,
    features,
    metadataMatch,
    metadataWrite,
    capabilities,
    maxEntries,
    nonmiss,
    miss,
    match,
    mask,
    wildcard,
  };
}

function readProperty(body: ByteReader, type: number, into: MutableAbilities): void {
  switch (type) {
    case PROPERTY.instructions:
      into.instructions = namesOf(readIds(body), INSTRUCTION_NUMBERS);
      break;
    case PROPERTY.nextTables:
      while (body.left > 0) into.next.push(body.u8());
      break;
    case PROPERTY.writeActions:
      into.write.actions = namesOf(readIds(body), ACTION_NUMBERS);
      break;
    case PROPERTY.applyActions:
      into.apply.actions = namesOf(readIds(body), ACTION_NUMBERS);
      break;
    case PROPERTY.writeSetField:
      into.write.setFields = readFields(body);
      break;
    case PROPERTY.applySetField:
      into.apply.setFields = readFields(body);
      break;
  }
}

function writeProperty(out: ByteWriter, type: number, write: () => void): void {
  const start = out.at;
  out.u16(type).u16(0);
  write();
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

function writeIds(out: ByteWriter, names: readonly string[], table: ReadonlyMap<string, number>): void {
  for (const name of names) out.u16(table.get(name)!).u16(4);
}

function writeFields(out: ByteWriter, fields: readonly number[], version: number, masked?: ReadonlySet<number>): void {
  for (const id of fields) {
    const field = FIELDS[id]!;
    const hasMask = masked?.has(id) ?? false;
    writeHeader(out, codeOf(field, version), hasMask, hasMask && !field.variable ? 2 * field.bytes : field.bytes);
  }
}

function writeAbilities(out: ByteWriter, a: TableAbilities, miss: 0 | 1, version: number): void {
  writeProperty(out, PROPERTY.instructions | miss, () => writeIds(out, a.instructions, INSTRUCTION_NUMBERS));
  writeProperty(out, PROPERTY.nextTables | miss, () => out.raw(Uint8Array.from(a.next)));
  writeProperty(out, PROPERTY.writeActions | miss, () => writeIds(out, a.write.actions, ACTION_NUMBERS));
  writeProperty(out, PROPERTY.writeSetField | miss, () => writeFields(out, a.write.setFields, version));
  writeProperty(out, PROPERTY.applyActions | miss, () => writeIds(out, a.apply.actions, ACTION_NUMBERS));
  writeProperty(out, PROPERTY.applySetField | miss, () => writeFields(out, a.apply.setFields, version));
}

/** A change of nothing but the table's own numbers has no properties. */
function saysNothing({ nonmiss, miss, match, wildcard }: TableFeatures): boolean {
  return [nonmiss, miss].every((a) => a.instructions.length + a.next.length === 0) && match.length + wildcard.length === 0;
}

function encodeFeatures(t: TableFeatures, out: ByteWriter, version: number): void {
  const start = out.at;
  out.u16(0).u8(t.table);
  if (version >= 6) out.u8(["replace", "modify", "enable", "disable"].indexOf(t.command)).u32(t.features);
  else out.zeros(5);
  out.text(t.name, 32).u64(t.metadataMatch).u64(t.metadataWrite).u32(t.capabilities).u32(t.maxEntries);
  if (version >= 6 && t.command === "modify" && saysNothing(t)) {
    out.patch16(start, out.at - start);
    return;
  }
  writeAbilities(out, t.nonmiss, 0, version);
  writeAbilities(out, t.miss, 1, version);
  const masked = new Set(t.mask);
  writeProperty(out, PROPERTY.match, () => writeFields(out, t.match, version, masked));
  writeProperty(out, PROPERTY.wildcards, () => writeFields(out, t.wildcard, version));
  out.patch16(start, out.at - start);
}

function many<T>(input: ByteReader, read: () => T): T[] {
  const found: T[] = [];
  while (input.left > 0) found.push(read());
  return found;
}

export const TABLE_FEATURES_ROWS: readonly Row[] = [
  row(
    "table_features_request",
    [multipart("request", 12, 4)],
    (m, { out, version }) => {
      for (const table of m.tables) encodeFeatures(table, out, version);
    },
    ({ input, version, more }) => ({
      type: "table_features_request",
      tables: many(input, () => decodeFeatures(input, version)),
      more,
    }),
  ),
  row(
    "table_features_reply",
    [multipart("reply", 12, 4)],
    (m, { out, version }) => {
      for (const table of m.tables) encodeFeatures(table, out, version);
    },
    ({ input, version, more }) => ({
      type: "table_features_reply",
      tables: many(input, () => decodeFeatures(input, version)),
      more,
    }),
  ),
];
