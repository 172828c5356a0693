/** Groups as text (ovs-ofctl(8), "Group Syntax"). */
import { fieldNamed } from "../field/lookup.ts";
import { BUCKET_ID, type Bucket, type GroupMod, type GroupModCommand, type GroupType } from "../message/config.ts";
import { OFPG, OFPP } from "../ports.ts";
import { parseActions } from "./actions.ts";
import { TextError } from "./error.ts";
import { type Names, NO_NAMES, parsePort } from "./names.ts";
import { u16, u32, u64 } from "./number.ts";
import { items, Scanner } from "./scan.ts";
import { parseFieldValue } from "./value.ts";

const TYPES: ReadonlyMap<string, GroupType> = new Map([
  ["all", "all"],
  ["select", "select"],
  ["indirect", "indirect"],
  ["ff", "ff"],
  ["fast_failover", "ff"],
]);

const COMMANDS: readonly GroupModCommand[] = ["add", "modify", "add_or_mod", "delete", "insert_bucket", "remove_bucket"];
const KEYWORDS: ReadonlyMap<string, GroupModCommand> = new Map([
  ...COMMANDS.map((command) => [command, command] as const),
  ["insert_buckets", "insert_bucket"],
  ["remove_buckets", "remove_bucket"],
]);

/** The command at the head of a line of a group file, and the rest. */
export function takeGroupCommand(text: string, fallback: GroupModCommand): readonly [GroupModCommand, string] {
  const found = /^\s*([a-z_]+)(?=[\s,]|$)/.exec(text);
  const command = found === null ? undefined : KEYWORDS.get(found[1]!);
  return command === undefined ? [fallback, text] : [command, text.slice(found![0].length)];
}

/** A bucket id or its word. */
export function parseBucketId(text: string): number {
  const lower = text.toLowerCase();
  if (lower === "all") return BUCKET_ID.ALL;
  if (lower === "first") return BUCKET_ID.FIRST;
  if (lower === "last") return BUCKET_ID.LAST;
  const id = u32(text);
  if (id > BUCKET_ID.MAX) throw new TextError(`invalid command bucket id ${id}`, text);
  return id;
}

export function parseGroupId(text: string): number {
  if (text.toLowerCase() === "all") return OFPG.ALL;
  if (text.toLowerCase() === "any") return OFPG.ANY;
  const id = u32(text);
  if (id > OFPG.MAX) throw new TextError(`invalid group id ${text}`, text);
  return id;
}

/**
 * Parses a group as add-group, mod-group, del-groups, insert-buckets and remove-buckets take it. Throws a TextError with
 * the message of ovs-ofctl.
 */
export function parseGroupMod(text: string, command: GroupModCommand, names: Names = NO_NAMES): GroupMod {
  const [head, ...bucketTexts] = splitBuckets(text);
  let group: number | undefined;
  let groupType: GroupType | undefined;
  let commandBucket: number | undefined;
  let method = "";
  let param = 0n;
  const fields: { field: number; mask: bigint }[] = [];
  const changesBuckets = command === "insert_bucket" || command === "remove_bucket";
  const hasType = command === "add" || command === "modify" || command === "add_or_mod";
  for (const { key, value } of items(head!)) {
    if (key === "group_id") group = parseGroupId(value);
    else if (key === "type") {
      if (!hasType) throw new TextError("type is not needed", text);
      groupType = TYPES.get(value);
      if (groupType === undefined) throw new TextError(`invalid group type ${value}`, text);
    } else if (key === "command_bucket_id") {
      if (!changesBuckets) throw new TextError("command bucket id is not needed", text);
      commandBucket = parseBucketId(value);
    } else if (key === "selection_method") {
      if (!hasType) throw new TextError("selection method is not needed", text);
      if (value.length >= 16) throw new TextError("selection method is longer than 15 bytes long", text);
      if (value === "") throw new TextError("selection method is zero length", text);
      method = value;
    } else if (key === "selection_method_param") {
      if (!hasType) throw new TextError("selection method param is not needed", text);
      param = u64(value);
    } else if (key === "fields") {
      if (!hasType) throw new TextError("fields are not needed", text);
      for (const item of items(value)) {
        const field = fieldNamed(item.key);
        if (field === undefined) throw new TextError(`unknown field ${item.key}`, text);
        const full = (1n << BigInt(field.bits)) - 1n;
        const mask = item.delimiter === "" ? full : parseFieldValue(field, item.value, names).value;
        fields.push({ field: field.id, mask });
      }
    } else throw new TextError(`unknown keyword ${key}`, text);
  }
  if (group === undefined) throw new TextError("must specify a group_id", text);
  if (hasType && groupType === undefined) throw new TextError("must specify a type", text);
  if (changesBuckets && commandBucket === undefined) throw new TextError("must specify a command bucket id", text);
  if (fields.length > 0 && method === "") throw new TextError("fields may only be specified with a selection_method", text);
  const buckets = numbered(bucketTexts.map((bucket) => parseBucket(bucket, groupType, names)));
  if (groupType === "indirect" && buckets.length > 1)
    throw new TextError("Too many buckets for indirect type group. Only one bucket allowed.", text);
  checkWatches(buckets, groupType, command, text);
  return {
    type: "group_mod",
    command,
    groupType: groupType ?? "all",
    group,
    commandBucket: commandBucket ?? BUCKET_ID.ALL,
    buckets,
    selection: { method, param, fields: fields.sort((a, b) => a.field - b.field) },
  };
}

/** The text before the first bucket, and each bucket's. */
function splitBuckets(text: string): string[] {
  return text.split(/(?:^|[,\s])\s*bucket[s]?=/);
}

function parseBucket(text: string, groupType: GroupType | undefined, names: Names): Bucket & { readonly given: boolean } {
  let weight = groupType === "select" ? 1 : 0;
  let watchPort: number = OFPP.NONE;
  let watchGroup: number = OFPG.ANY;
  let id: number | undefined;
  let actions = "";
  const add = (more: string) => {
    actions += actions === "" ? more : `,${more}`;
  };
  const scanner = new Scanner(text);
  for (let item = scanner.next(); item !== undefined; item = scanner.next()) {
    const { key, value } = item;
    const lower = key.toLowerCase();
    if (lower === "weight") weight = u16(value, "weight");
    else if (lower === "watch_port") {
      const port = parsePort(value, names);
      if (port === undefined || (port >= OFPP.MAX && port !== OFPP.NONE))
        throw new TextError(`${value}: invalid watch_port`, text);
      watchPort = port;
    } else if (lower === "watch_group") {
      watchGroup = u32(value);
      if (watchGroup > OFPG.MAX && watchGroup !== OFPG.ANY) throw new TextError(`invalid watch_group ${value}`, text);
    } else if (lower === "bucket_id") {
      id = u32(value);
      if (id > BUCKET_ID.MAX) throw new TextError(`invalid bucket_id id ${value}`, text);
    } else if (lower === "actions" || lower === "action") {
      // Everything behind belongs to the actions, but for keys of the bucket.
      if (item.delimiter === "=" || item.delimiter === ":") add(value);
    } else add(text.slice(item.start, scanner.at));
  }
  return { id: id ?? 0, given: id !== undefined, weight, watchPort, watchGroup, actions: parseActions(actions, names, "list") };
}

/** Buckets without an id get the smallest ones that are free; additions count from 0. */
function numbered(buckets: readonly (Bucket & { readonly given: boolean })[]): Bucket[] {
  const used = new Set(buckets.filter((bucket) => bucket.given).map((bucket) => bucket.id));
  let next = 0;
  return buckets.map(({ given, ...bucket }) => {
    if (given) return bucket;
    while (used.has(next)) next++;
    used.add(next);
    return { ...bucket, id: next };
  });
}

function checkWatches(
  buckets: readonly Bucket[],
  groupType: GroupType | undefined,
  command: GroupModCommand,
  text: string,
): void {
  if (command === "insert_bucket" || command === "remove_bucket" || command === "delete") return;
  for (const bucket of buckets) {
    if (bucket.weight !== 0 && groupType !== "select") throw new TextError("Only select groups can have bucket weights.", text);
    if (groupType === "ff" && bucket.watchPort === OFPP.NONE && bucket.watchGroup === OFPG.ANY)
      throw new TextError("must specify at least one watch", text);
  }
}
