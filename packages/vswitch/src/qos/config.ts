/** What rows of the tables QoS and Queue ask for (ovs-vswitchd.conf.db(5)), with the values that the reference takes where they say nothing. */
import type { Replica } from "@weft/ovsdb";
import type { VsRow, VsSchema } from "@weft/schemas";
import { integerOf, type PortRow } from "../bridge/desired.ts";
import type { HtbConfig, HtbQueueConfig } from "./htb.ts";

/** Types of QoS that frames are held back or dropped by here. */
export const QOS_TYPES = ["egress-policer", "linux-hfsc", "linux-htb", "linux-noop"] as const;

export type QosConfig =
  | { readonly type: "linux-htb" | "linux-hfsc"; readonly htb: HtbConfig }
  /** Bytes of IP packets a second, and bytes. */
  | { readonly type: "egress-policer"; readonly cir: number; readonly cbs: number };

/** Bit/s where nothing is known of the device. */
const DEFAULT_RATE = 10e9;
/** A queue is guaranteed so much in any case, bit/s. */
const MIN_RATE = 12_000;
/** Bits. */
const MIN_BURST = 12_512;
/** Numbers of queues end below. */
const MAX_QUEUE = 61_440;

const QUEUE_ZERO: Pick<VsRow<"Queue">, "other_config"> = { other_config: new Map() };

/** A positive number of a map; undefined: absent, zero or none. */
const positive = (map: ReadonlyMap<string, string>, key: string): number | undefined => integerOf(map, key) || undefined;

/** Bits of a map, as whole bytes; undefined: none. */
function bitsOf(map: ReadonlyMap<string, string>, key: string): number | undefined {
  const bits = integerOf(map, key);
  return bits === undefined ? undefined : bits - (bits % 8) || undefined;
}

/** Undefined: the port's frames are not held back, or by nothing that is known here. `speed`: of the device, bit/s. */
export function qosConfigOf(db: Replica<VsSchema>, port: PortRow, speed: number | undefined): QosConfig | undefined {
  const row = port.qos === undefined ? undefined : db.table("QoS").get(port.qos);
  if (row?.type === "egress-policer") {
    const [cir, cbs] = [positive(row.other_config, "cir"), positive(row.other_config, "cbs")];
    return cir === undefined || cbs === undefined ? undefined : { type: row.type, cir, cbs };
  }
  if (row?.type !== "linux-htb" && row?.type !== "linux-hfsc") return undefined;
  const maxRate = bitsOf(row.other_config, "max-rate") ?? (speed || DEFAULT_RATE);
  const queues = new Map<number, HtbQueueConfig>([[0, queueConfig(row.type, QUEUE_ZERO, maxRate)]]);
  for (const [id, uuid] of [...row.queues].sort(([a], [b]) => Number(a) - Number(b))) {
    const queue = db.table("Queue").get(uuid);
    if (queue !== undefined && Number(id) < MAX_QUEUE) queues.set(Number(id), queueConfig(row.type, queue, maxRate));
  }
  return { type: row.type, htb: { maxRate, queues } };
}

function queueConfig(
  type: "linux-htb" | "linux-hfsc",
  { other_config: other }: Pick<VsRow<"Queue">, "other_config">,
  portRate: number,
): HtbQueueConfig {
  const minRate = Math.min(Math.max(bitsOf(other, "min-rate") ?? 0, MIN_RATE), portRate);
  const htb = type === "linux-htb";
  return {
    minRate,
    maxRate: Math.min(Math.max(bitsOf(other, "max-rate") ?? portRate, minRate), portRate),
    burst: Math.max((htb ? bitsOf(other, "burst") : undefined) ?? 0, MIN_BURST),
    priority: (htb ? integerOf(other, "priority") : undefined) ?? 0,
  };
}

/** DSCP values that packets of a port's queues are marked with, by the queues' numbers; undefined: none. */
export function queueDscpOf(db: Replica<VsSchema>, port: PortRow): ReadonlyMap<number, number> | undefined {
  const row = port.qos === undefined ? undefined : db.table("QoS").get(port.qos);
  const found = new Map<number, number>();
  for (const [id, uuid] of row?.queues ?? []) {
    const dscp = db.table("Queue").get(uuid)?.dscp;
    if (dscp !== undefined) found.set(Number(id), Number(dscp));
  }
  return found.size === 0 ? undefined : found;
}
