/** Groups (OpenFlow 1.5 section 6.7) and the selection methods of select groups. */
import { BUCKET_ID, type Bucket, type GroupDescription, type GroupMod, OFPG } from "@weft/openflow";
import type { Bridge } from "./bridge.ts";
import { OpenFlowRefusal } from "./errors.ts";
import type { Rule } from "./rule.ts";

export interface GroupBucket extends Bucket {
  packets: number;
  bytes: number;
}

export class Group {
  readonly id: number;
  description: GroupDescription;
  buckets: GroupBucket[];
  packets = 0;
  bytes = 0;
  /** Monotonic ms. */
  readonly created: number;

  constructor(description: GroupDescription, now: number) {
    this.id = description.group;
    this.description = description;
    this.buckets = description.buckets.map(newBucket);
    this.created = now;
  }

  get type(): GroupDescription["groupType"] {
    return this.description.groupType;
  }

  /** "dp_hash", "hash" or "" for the default, which is dp_hash. */
  get method(): string {
    return this.description.selection.method;
  }
}

const newBucket = (bucket: Bucket): GroupBucket => ({ ...bucket, packets: 0, bytes: 0 });

function check(mod: GroupMod): void {
  if (mod.group > OFPG.MAX) throw new OpenFlowRefusal("OFPGMFC_INVALID_GROUP");
  if (
    mod.groupType === "indirect" &&
    mod.buckets.length !== 1 &&
    (mod.command === "add" || mod.command === "modify" || mod.command === "add_or_mod")
  )
    throw new OpenFlowRefusal("OFPGMFC_INVALID_GROUP");
  const ids = new Set<number>();
  for (const bucket of mod.buckets) {
    if (ids.has(bucket.id)) throw new OpenFlowRefusal("OFPGMFC_BUCKET_EXISTS");
    ids.add(bucket.id);
  }
}

/** References from buckets to groups must exist and not lead back. */
function checkReferences(bridge: Bridge, id: number, buckets: readonly Bucket[]): void {
  const visit = (actions: Bucket["actions"], depth: number): void => {
    for (const action of actions) {
      if (action.type !== "group") continue;
      if (action.group === id || depth > 32) throw new OpenFlowRefusal("OFPGMFC_LOOP");
      const next = bridge.groups.get(action.group);
      if (next === undefined) throw new OpenFlowRefusal("OFPBAC_BAD_OUT_GROUP");
      for (const bucket of next.buckets) visit(bucket.actions, depth + 1);
    }
  };
  for (const bucket of buckets) visit(bucket.actions, 0);
}

/** Carries out a group mod. Throws an OpenFlowRefusal. Returns the flows that went with deleted groups. */
export function groupMod(
  bridge: Bridge,
  mod: GroupMod,
  now: number,
  removeFlows: (using: (rule: Rule) => boolean) => void,
): void {
  if (mod.command === "delete") {
    if (mod.group !== OFPG.ALL && mod.group > OFPG.MAX) throw new OpenFlowRefusal("OFPGMFC_INVALID_GROUP");
    const ids = mod.group === OFPG.ALL ? [...bridge.groups.keys()] : bridge.groups.has(mod.group) ? [mod.group] : [];
    for (const id of ids) {
      bridge.groups.delete(id);
      removeFlows((rule) => usesGroup(rule.actions, id));
    }
    if (ids.length > 0) bridge.changed();
    return;
  }
  check(mod);
  const old = bridge.groups.get(mod.group);
  switch (mod.command) {
    case "add":
    case "modify":
    case "add_or_mod": {
      if (mod.command === "add" && old !== undefined) throw new OpenFlowRefusal("OFPGMFC_GROUP_EXISTS");
      if (mod.command === "modify" && old === undefined) throw new OpenFlowRefusal("OFPGMFC_UNKNOWN_GROUP");
      checkReferences(bridge, mod.group, mod.buckets);
      const description = {
        group: mod.group,
        groupType: mod.groupType,
        buckets: mod.buckets,
        selection: mod.selection,
      };
      if (old === undefined) bridge.groups.set(mod.group, new Group(description, now));
      else {
        const kept = new Map(old.buckets.map((bucket) => [bucket.id, bucket]));
        old.description = description;
        old.buckets = mod.buckets.map((bucket) => {
          const before = kept.get(bucket.id);
          return { ...bucket, packets: before?.packets ?? 0, bytes: before?.bytes ?? 0 };
        });
      }
      break;
    }
    case "insert_bucket": {
      if (old === undefined) throw new OpenFlowRefusal("OFPGMFC_UNKNOWN_GROUP");
      if (mod.buckets.some((bucket) => old.buckets.some((other) => other.id === bucket.id)))
        throw new OpenFlowRefusal("OFPGMFC_BUCKET_EXISTS");
      checkReferences(bridge, mod.group, mod.buckets);
      const at =
        mod.commandBucket === BUCKET_ID.FIRST
          ? 0
          : mod.commandBucket === BUCKET_ID.LAST
            ? old.buckets.length
            : old.buckets.findIndex((bucket) => bucket.id === mod.commandBucket) + 1;
      if (at === 0 && mod.commandBucket !== BUCKET_ID.FIRST) throw new OpenFlowRefusal("OFPGMFC_UNKNOWN_BUCKET");
      if (old.type === "indirect" && old.buckets.length + mod.buckets.length !== 1)
        throw new OpenFlowRefusal("OFPGMFC_INVALID_GROUP");
      setBuckets(old, [...old.buckets.slice(0, at), ...mod.buckets.map(newBucket), ...old.buckets.slice(at)]);
      break;
    }
    case "remove_bucket": {
      if (old === undefined) throw new OpenFlowRefusal("OFPGMFC_UNKNOWN_GROUP");
      const id = mod.commandBucket;
      if (id === BUCKET_ID.ALL) setBuckets(old, []);
      else if (id === BUCKET_ID.FIRST) setBuckets(old, old.buckets.slice(1));
      else if (id === BUCKET_ID.LAST) setBuckets(old, old.buckets.slice(0, -1));
      else {
        if (!old.buckets.some((bucket) => bucket.id === id)) throw new OpenFlowRefusal("OFPGMFC_UNKNOWN_BUCKET");
        setBuckets(
          old,
          old.buckets.filter((bucket) => bucket.id !== id),
        );
      }
      break;
    }
  }
  bridge.changed();
}

function setBuckets(group: Group, buckets: GroupBucket[]): void {
  group.buckets = buckets;
  group.description = { ...group.description, buckets };
}

/** Does an action list, nested ones included, send packets to this group? */
export function usesGroup(actions: readonly import("@weft/openflow").Action[], group: number): boolean {
  return actions.some((action) =>
    action.type === "group"
      ? action.group === group
      : action.type === "clone" || action.type === "write_actions" || action.type === "ct"
        ? usesGroup(action.actions, group)
        : false,
  );
}

/** Does an action list send packets to this port? */
export function usesPort(actions: readonly import("@weft/openflow").Action[], port: number): boolean {
  return actions.some((action) => {
    switch (action.type) {
      case "output":
      case "output_trunc":
      case "enqueue":
        return action.port === port;
      case "controller":
        return port === 0xfffd;
      case "clone":
      case "write_actions":
      case "ct":
        return usesPort(action.actions, port);
      default:
        return false;
    }
  });
}
