/** Groups and buckets on the wire. */
import { FIELDS } from "../field/table.ts";
import {
  BUCKET_ID,
  type Bucket,
  type GroupDescription,
  type GroupMod,
  type GroupModCommand,
  type GroupType,
  type SelectionMethod,
} from "../message/config.ts";
import { OFPG, OFPP, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { decodeActions } from "./decodeActions.ts";
import { readOutPort } from "./flowRows.ts";
import { encodeActionList } from "./instructions.ts";
import { codeOf, readHeader, readValue, writeHeader } from "./oxm.ts";

export const GROUP_TYPES: readonly GroupType[] = ["all", "select", "indirect", "ff"];

const COMMANDS: ReadonlyMap<GroupModCommand, number> = new Map([
  ["add", 0],
  ["modify", 1],
  ["delete", 2],
  ["insert_bucket", 3],
  ["remove_bucket", 5],
  ["add_or_mod", 0x8000],
]);

const NETRONOME = 0x0000154d;
export const NO_SELECTION: SelectionMethod = { method: "", param: 0n, fields: [] };

/** OpenFlow 1.0 (by extension) and 1.5 have one form of groups, 1.1 to 1.4 another. */
function newForm(version: number): boolean {
  return version === 1 || version >= 6;
}

function writeBucket(out: ByteWriter, bucket: Bucket, groupType: GroupType, version: number): void {
  const start = out.at;
  if (!newForm(version)) {
    out.u16(0).u16(bucket.weight).u32(toOfp11Port(bucket.watchPort)).u32(bucket.watchGroup).zeros(4);
    encodeActionList(bucket.actions, out, version);
    out.patch16(start, out.at - start);
    return;
  }
  out.u16(0).u16(0).u32(bucket.id);
  const actions = out.at;
  encodeActionList(bucket.actions, out, version);
  out.patch16(start + 2, out.at - actions);
  if (groupType === "select" || bucket.weight > 1) out.u16(0).u16(8).u16(bucket.weight).zeros(2);
  if (bucket.watchPort !== OFPP.NONE) out.u16(1).u16(8).u32(toOfp11Port(bucket.watchPort));
  if (bucket.watchGroup !== OFPG.ANY) out.u16(2).u16(8).u32(bucket.watchGroup);
  out.patch16(start, out.at - start);
}

function readBucket(input: ByteReader, groupType: GroupType | undefined, version: number): Bucket {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || length % 8 !== 0 || start + length > input.end) {
    input.at = start;
    throw input.fail("OFPGMFC_BAD_BUCKET", `bucket of ${length} bytes`);
  }
  const part = input.part(length - 2);
  if (!newForm(version)) {
    const weight = part.u16();
    const watchPort = readOutPort(part, version);
    const watchGroup = part.u32();
    part.skip(4);
    return { id: BUCKET_ID.ALL, weight, watchPort, watchGroup, actions: decodeActions(part, version) };
  }
  const actionsLength = part.u16();
  const id = part.u32();
  const actions = decodeActions(part.part(actionsLength, "OFPBAC_BAD_LEN"), version);
  let weight = groupType === "select" ? 1 : 0;
  let watchPort: number = OFPP.NONE;
  let watchGroup: number = OFPG.ANY;
  while (part.left > 0) {
    const type = part.u16();
    const size = part.u16();
    if (size !== 8) throw part.fail("OFPBPC_BAD_LEN", "bucket property");
    if (type === 0) {
      weight = part.u16();
      part.skip(2);
    } else if (type === 1) watchPort = readOutPort(part, 6);
    else if (type === 2) watchGroup = part.u32();
    else throw part.fail("OFPBPC_BAD_TYPE", `bucket property ${type}`);
  }
  return { id, weight, watchPort, watchGroup, actions };
}

function readBuckets(input: ByteReader, groupType: GroupType | undefined, version: number): Bucket[] {
  const buckets: Bucket[] = [];
  while (input.left > 0) buckets.push(readBucket(input, groupType, version));
  // Forms without ids number their buckets in order.
  return newForm(version) ? buckets : buckets.map((bucket, id) => ({ ...bucket, id }));
}

function writeSelection(out: ByteWriter, selection: SelectionMethod, version: number): void {
  if (selection.method === "") return;
  const start = out.at;
  out.u16(0xffff).u16(0).u32(NETRONOME).u32(1).zeros(4).text(selection.method, 16).u64(selection.param);
  for (const { field, mask } of selection.fields) {
    const f = FIELDS[field]!;
    const exact = mask === (1n << BigInt(f.bits)) - 1n;
    // Each entry is the mask itself as the value of an entry without one.
    writeHeader(out, codeOf(f, version), false, f.bytes);
    out.big(exact ? (1n << BigInt(8 * f.bytes)) - 1n : mask, f.bytes);
  }
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

function readSelection(input: ByteReader): SelectionMethod {
  let selection = NO_SELECTION;
  while (input.left > 0) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) throw input.fail("OFPBPC_BAD_LEN", "group property");
    const part = input.part(length - 4, "OFPBPC_BAD_LEN");
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
    if (type !== 0xffff || part.u32() !== NETRONOME || part.u32() !== 1)
      throw input.fail("OFPBPC_BAD_TYPE", `group property ${type}`);
    part.skip(4);
    const method = part.text(16);
    const param = part.u64();
    const fields: { field: number; mask: bigint }[] = [];
    while (part.left > 0) {
      const header = readHeader(part)!;
      const { value } = readValue(part, header);
      fields.push({ field: header.field.id, mask: value & ((1n << BigInt(header.field.bits)) - 1n) });
    }
    selection = { method, param, fields: fields.sort((a, b) => a.field - b.field) };
  }
  return selection;
}

function typeOf(input: ByteReader, number: number, error: string): GroupType {
  const type = GROUP_TYPES[number];
  if (type === undefined) throw input.fail(error, `group type ${number}`);
  return type;
}

/** Only fast failover and select groups watch ports and groups. */
function checkWatches(input: ByteReader, groupType: GroupType, buckets: readonly Bucket[]): void {
  if (groupType === "ff" || groupType === "select") return;
  if (buckets.some((bucket) => bucket.watchPort !== OFPP.NONE || bucket.watchGroup !== OFPG.ANY))
    throw input.fail("OFPGMFC_WATCH_UNSUPPORTED", `watch in a group of type ${groupType}`);
}

export function encodeGroupMod(m: GroupMod, out: ByteWriter, version: number): void {
  out.u16(COMMANDS.get(m.command)!).u8(GROUP_TYPES.indexOf(m.groupType)).zeros(1).u32(m.group);
  const at = out.at;
  if (newForm(version)) out.u16(0).zeros(2).u32(m.commandBucket);
  const start = out.at;
  for (const bucket of m.buckets) writeBucket(out, bucket, m.groupType, version);
  if (newForm(version)) {
    out.patch16(at, out.at - start);
    writeSelection(out, m.selection, version);
  }
}

export function decodeGroupMod(input: ByteReader, version: number): GroupMod {
  const number = input.u16();
  const command = [...COMMANDS].find(([, n]) => n === number)?.[0];
  if (command === undefined || ((number === 3 || number === 5) && !newForm(version)))
    throw input.fail("OFPGMFC_BAD_COMMAND", `command ${number}`);
  const groupType = typeOf(input, input.u8(), "OFPGMFC_BAD_TYPE");
  input.skip(1);
  const group = input.u32();
  if (!newForm(version))
    return {
      type: "group_mod",
      command,
      groupType,
      group,
      commandBucket: BUCKET_ID.ALL,
      buckets: readBuckets(input, groupType, version),
      selection: NO_SELECTION,
    };
  const length = input.u16();
  input.skip(2);
  const commandBucket = input.u32();
  const buckets = readBuckets(input.part(length), groupType, version);
  checkWatches(input, groupType, buckets);
  return { type: "group_mod", command, groupType, group, commandBucket, buckets, selection: readSelection(input) };
}

export function encodeGroupDescription(g: GroupDescription, out: ByteWriter, version: number): void {
  const start = out.at;
  out.u16(0).u8(GROUP_TYPES.indexOf(g.groupType)).zeros(1).u32(g.group);
  const at = out.at;
  if (newForm(version)) out.u16(0).zeros(6);
  const buckets = out.at;
  for (const bucket of g.buckets) writeBucket(out, bucket, g.groupType, version);
  if (newForm(version)) {
    out.patch16(at, out.at - buckets);
    writeSelection(out, g.selection, version);
  }
  out.patch16(start, out.at - start);
}

export function decodeGroupDescription(input: ByteReader, version: number): GroupDescription {
  const start = input.at;
  const length = input.u16();
  if (length < 8 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `group of ${length} bytes`);
  const part = input.part(length - 2);
  const groupType = typeOf(part, part.u8(), "OFPBRC_BAD_LEN");
  part.skip(1);
  const group = part.u32();
  if (!newForm(version)) return { group, groupType, buckets: readBuckets(part, groupType, version), selection: NO_SELECTION };
  const bucketsLength = part.u16();
  part.skip(6);
  const buckets = readBuckets(part.part(bucketsLength), groupType, version);
  return { group, groupType, buckets, selection: readSelection(part) };
}
