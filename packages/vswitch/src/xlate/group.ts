/** Groups: which buckets get the packet (OpenFlow 1.5 section 5.10, ovs-ofctl(8) "Group Syntax"). */
import { type Action, FIELDS, OFPG, OFPP } from "@weft/openflow";
import { WORD } from "../flow/key.ts";
import type { Group, GroupBucket } from "../ofproto/group.ts";
import { portAlive } from "./choose.ts";
import type { Context } from "./context.ts";
import { applicable } from "./fields.ts";
import { finishHash, hashFields, mixHash } from "./hash.ts";

/** Returns true when the rest of the caller's list is frozen with the group. */
export function xlateGroup(ctx: Context, id: number, last: boolean, remaining: () => readonly Action[]): boolean {
  const group = ctx.bridge.groups.get(id);
  if (group === undefined) {
    ctx.report("warning", `output to nonexistent group ${id}`);
    return false;
  }
  const wasInGroup = ctx.inGroup;
  ctx.inGroup = true;
  let frozen = false;
  switch (group.type) {
    case "all":
    case "indirect":
      group.buckets.forEach((bucket, i) => {
        runBucket(ctx, group, bucket, last && i === group.buckets.length - 1, false);
      });
      ctx.effects.push({ kind: "bucket", group, bucket: undefined });
      break;
    case "ff": {
      const bucket = group.buckets.find((candidate) => alive(ctx, candidate, 0, true));
      use(ctx, group, bucket, last);
      break;
    }
    case "select":
      frozen = select(ctx, group, last, remaining);
      break;
  }
  ctx.inGroup = wasInGroup;
  return frozen;
}

function use(ctx: Context, group: Group, bucket: GroupBucket | undefined, last: boolean): void {
  if (bucket === undefined) {
    ctx.report("detail", "no live bucket");
    return;
  }
  ctx.report("detail", `using bucket ${bucket.id}`);
  runBucket(ctx, group, bucket, last, true);
}

function runBucket(ctx: Context, group: Group, bucket: GroupBucket, last: boolean, counts: boolean): void {
  const node = ctx.report("bucket", `bucket ${bucket.id}`);
  const savedStack = ctx.stack.slice();
  const { conntracked, exit } = ctx;
  // A bucket's actions are an action set of their own.
  ctx.within(node, () => {
    ctx.depth++;
    ctx.engine.clone(ctx, bucket.actions, last, true);
    ctx.depth--;
  });
  ctx.stack = savedStack;
  ctx.conntracked = conntracked;
  ctx.exit = exit;
  ctx.effects.push({ kind: "bucket", group: counts ? group : silent(group), bucket });
}

/** Bucket counters of "all" groups are their own; the group counts the packet once. */
const silents = new WeakMap<Group, Group>();
function silent(group: Group): Group {
  let other = silents.get(group);
  if (other === undefined) {
    other = Object.create(group) as Group;
    Object.defineProperty(other, "packets", { value: 0, writable: true });
    Object.defineProperty(other, "bytes", { value: 0, writable: true });
    silents.set(group, other);
  }
  return other;
}

/** A bucket without anything to watch is alive in select groups only, and there if it has a weight. */
function alive(ctx: Context, bucket: GroupBucket, depth: number, mustWatch: boolean): boolean {
  if (depth > 32) return false;
  const hasPort = bucket.watchPort !== OFPP.NONE;
  const hasGroup = bucket.watchGroup !== OFPG.ANY;
  if (!hasPort && !hasGroup) {
    if (!mustWatch && bucket.weight > 0) return true;
    if (depth === 0) ctx.report("detail", `bucket ${bucket.id}: not live due to `);
    return false;
  }
  if (hasPort && portAlive(ctx, bucket.watchPort)) return true;
  if (hasGroup) {
    const group = ctx.bridge.groups.get(bucket.watchGroup);
    if (group?.buckets.some((inner) => alive(ctx, inner, depth + 1, true)) === true) return true;
  }
  if (depth === 0) {
    if (hasPort) ctx.report("detail", `bucket ${bucket.id}: not live due to port ${bucket.watchPort}`);
    else ctx.report("detail", `bucket ${bucket.id}: not live due to group ${bucket.watchGroup}`);
  }
  return false;
}

function select(ctx: Context, group: Group, last: boolean, remaining: () => readonly Action[]): boolean {
  const { method, param } = group.description.selection;
  const table = method === "hash" ? undefined : hashTable(group);
  if (table === undefined) {
    // Fields are those of the method that was asked for, not of the one that takes its place.
    const selected = method === "hash" && group.description.selection.fields.length > 0;
    const hash = selected ? hashSelected(ctx, group) : hashFields(ctx, "symmetric_l4", 0);
    use(ctx, group, bestBucket(ctx, group, hash), last);
    return false;
  }
  // The datapath hashes the packet and gives it back with the hash.
  const hash = ctx.flow[WORD.dp_hash] as number;
  if (hash === 0) {
    // The upper half of the parameter is the algorithm: 0 or 1, others count as 0. Without a method it is 1.
    ctx.hashAlgorithm = method === "" || param >> 32n === 1n ? "sym_l4" : "l4";
    ctx.hashBasis = method === "" ? 0 : Number(BigInt.asUintN(32, param));
    ctx.report("detail", "selection method in use: dp_hash, recirculating");
    ctx.freeze("hash");
    ctx.unroll(remaining());
    return true;
  }
  const mask = table.length - 1;
  ctx.look(WORD.dp_hash, mask);
  const bucket = table[hash & mask];
  if (bucket !== undefined && alive(ctx, bucket, 0, false)) {
    use(ctx, group, bucket, last);
    return false;
  }
  ctx.look(WORD.dp_hash);
  use(ctx, group, bestBucket(ctx, group, hash), last);
  return false;
}

/** Weighted by score: the live bucket whose hash with the packet's, times its weight, is the greatest. */
function bestBucket(ctx: Context, group: Group, hash: number): GroupBucket | undefined {
  let best: GroupBucket | undefined;
  let bestScore = -1;
  for (const bucket of group.buckets) {
    if (!alive(ctx, bucket, 0, false)) continue;
    const score = (hashWords([0, hash], 8, bucket.id) & 0xffff) * bucket.weight;
    ctx.report("detail", `bucket ${bucket.id}: score ${score}`);
    if (score > bestScore) {
      bestScore = score;
      best = bucket;
    }
  }
  return best;
}

/** The hash over the fields that the group names; each of them that the packet has counts as looked at. */
function hashSelected(ctx: Context, group: Group): number {
  const { fields, param } = group.description.selection;
  let hash = hashWords([Number(BigInt.asIntN(32, param)), Number(BigInt.asIntN(32, param >> 32n))], 8, 0);
  for (const { field: id, mask } of fields) {
    const f = FIELDS[id];
    if (f === undefined || !applicable(ctx, f.prerequisite)) continue;
    const all = (1n << BigInt(f.bits)) - 1n;
    ctx.lookField(f, mask & all);
    const bytes = Math.ceil(f.bits / 8);
    hash = hashWords(littleEndianWords(ctx.readField(f) & mask, bytes), bytes, hash);
  }
  return hash;
}

/** The hash of words of 32 bits that `bytes` bytes make; `basis` is what was hashed before. */
function hashWords(words: readonly number[], bytes: number, basis: number): number {
  return finishHash(words.reduce(mixHash, basis) ^ bytes);
}

/** The words, first byte lowest, of a value of `bytes` bytes in network order. The last word may lack bytes, which count as zero. */
function littleEndianWords(value: bigint, bytes: number): number[] {
  const words: number[] = new Array(Math.ceil(bytes / 4)).fill(0);
  for (let i = 0; i < bytes; i++) {
    const byte = Number((value >> BigInt(8 * (bytes - 1 - i))) & 0xffn);
    words[i >> 2] = (words[i >> 2] as number) | (byte << (8 * (i & 3)));
  }
  return words;
}

const tables = new WeakMap<readonly GroupBucket[], readonly GroupBucket[]>();
const MIN_SLOTS = 16;
const MAX_SLOTS = 256;

/**
 * Slots by weight (Webster's method, so that each bucket's share differs least from its weight's). Undefined where no number of
 * slots stands for the weights.
 */
function hashTable(group: Group): readonly GroupBucket[] | undefined {
  const known = tables.get(group.buckets);
  if (known !== undefined) return known;
  const weighted = group.buckets.filter((bucket) => bucket.weight > 0);
  if (weighted.length === 0) return undefined;
  const total = weighted.reduce((sum, bucket) => sum + bucket.weight, 0);
  const least = Math.min(...weighted.map((bucket) => bucket.weight));
  if (Math.ceil(total / least) > MAX_SLOTS) return undefined;
  const slots = Math.max(MIN_SLOTS, 2 ** Math.ceil(Math.log2(total / least)));
  const shares = weighted.map((bucket) => ({ bucket, value: bucket.weight, divisor: 1 }));
  const out: GroupBucket[] = [];
  for (let slot = 0; slot < slots; slot++) {
    let winner = shares[0] as (typeof shares)[number];
    for (const share of shares) if (share.value > winner.value) winner = share;
    winner.divisor += 2;
    winner.value = winner.bucket.weight / winner.divisor;
    out.push(winner.bucket);
  }
  tables.set(group.buckets, out);
  return out;
}
