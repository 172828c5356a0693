/** Flows and the messages about them. */
import type { Action } from "../action/types.ts";
import { Match } from "../match/match.ts";
import { ALL_TABLES, NO_BUFFER, OFPG, OFPP } from "../ports.ts";

/** Bits of flow flags, as in OpenFlow 1.3 and later. */
export const FLOW_FLAG = {
  SEND_FLOW_REM: 1,
  CHECK_OVERLAP: 2,
  RESET_COUNTS: 4,
  NO_PKT_COUNTS: 8,
  NO_BYT_COUNTS: 16,
} as const;

export type FlowModCommand = "add" | "modify" | "modify_strict" | "delete" | "delete_strict";

/** A flow table change (OFPT_FLOW_MOD, NXT_FLOW_MOD). Use {@link flowMod} to fill in what is rarely said. */
export interface FlowMod {
  readonly type: "flow_mod";
  readonly command: FlowModCommand;
  /** 255: any table for deletions, table 0 or the switch's choice otherwise. */
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  /** Only flows whose cookie equals `cookie` in the bits of `cookieMask` are modified or deleted. */
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  /** The cookie that added flows get, and modified ones with `modifyCookie`. KEEP_COOKIE: none. */
  readonly newCookie: bigint;
  readonly modifyCookie: boolean;
  /** Seconds, 0: never. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  /** FLOW_FLAG bits. */
  readonly flags: number;
  readonly buffer: number;
  /** Deletions: only flows that output to this port (OFPP.NONE: any) and this group (OFPG.ANY: any). */
  readonly outPort: number;
  readonly outGroup: number;
  readonly actions: readonly Action[];
}

/** A flow as the tables have it and ovs-ofctl writes it. */
export interface Flow {
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  readonly match: Match;
  readonly actions: readonly Action[];
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly flags: number;
  readonly importance: number;
}

/** One flow of a flow statistics reply. */
export interface FlowStats extends Flow {
  /** Nanoseconds since the flow was added, as seconds and the rest. */
  readonly durationSec: number;
  readonly durationNsec: number;
  /** Seconds since last used and last changed; -1 where the peer does not say. */
  readonly idleAge: number;
  readonly hardAge: number;
  /** 2^64-1: not counted. */
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A flow mod with the defaults of ovs-ofctl's add-flow. */
export function flowMod(given: Partial<Omit<FlowMod, "type">> & Pick<FlowMod, "command">): FlowMod {
  const { command } = given;
  // Field by field: spreading is several times slower, and there are many.
  return {
    type: "flow_mod",
    command,
    table: given.table ?? (command === "delete" || command === "delete_strict" ? ALL_TABLES : 0),
    priority: given.priority ?? 32768,
    match: given.match ?? Match.ANY,
    cookie: given.cookie ?? 0n,
    cookieMask: given.cookieMask ?? 0n,
    newCookie: given.newCookie ?? 0n,
    modifyCookie: given.modifyCookie ?? false,
    idleTimeout: given.idleTimeout ?? 0,
    hardTimeout: given.hardTimeout ?? 0,
    importance: given.importance ?? 0,
    flags: given.flags ?? 0,
    buffer: given.buffer ?? NO_BUFFER,
    outPort: given.outPort ?? OFPP.NONE,
    outGroup: given.outGroup ?? OFPG.ANY,
    actions: given.actions ?? [],
  };
}

export type FlowRemovedReason = "idle_timeout" | "hard_timeout" | "delete" | "group_delete" | "meter_delete" | "eviction";

export interface FlowRemoved {
  readonly type: "flow_removed";
  readonly match: Match;
  readonly cookie: bigint;
  readonly priority: number;
  readonly reason: FlowRemovedReason;
  /** 255 where OpenFlow 1.0 does not say. */
  readonly table: number;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface FlowStatsRequest {
  readonly type: "flow_stats_request" | "aggregate_stats_request";
  readonly match: Match;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  readonly outPort: number;
  readonly outGroup: number;
  readonly table: number;
}

export interface FlowStatsReply {
  readonly type: "flow_stats_reply";
  readonly flows: readonly FlowStats[];
  readonly more: boolean;
}

export interface AggregateStatsReply {
  readonly type: "aggregate_stats_reply";
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly flows: number;
}

/** Bits of a flow monitor request. */
export const MONITOR_FLAG = { INITIAL: 1, ADD: 2, DELETE: 4, MODIFY: 8, ACTIONS: 16, OWN: 32 } as const;

export interface FlowMonitorRequest {
  readonly type: "flow_monitor_request";
  readonly id: number;
  readonly command: "add" | "modify" | "delete";
  /** MONITOR_FLAG bits. */
  readonly flags: number;
  readonly outPort: number;
  readonly outGroup: number;
  readonly table: number;
  readonly match: Match;
}

export type FlowUpdate =
  | {
      readonly event: "initial" | "added" | "removed" | "modified";
      readonly reason: FlowRemovedReason | undefined;
      readonly idleTimeout: number;
      readonly hardTimeout: number;
      readonly table: number;
      readonly priority: number;
      readonly cookie: bigint;
      readonly match: Match;
      readonly actions: readonly Action[];
    }
  | { readonly event: "abbrev"; readonly xid: number };

export interface FlowMonitorReply {
  readonly type: "flow_monitor_reply";
  readonly updates: readonly FlowUpdate[];
  readonly more: boolean;
}
