/** Ports, tables, groups, meters, queues, TLV maps: the configuration and statistics messages. */
import type { Action } from "../action/types.ts";

/** A port's description. Speeds are in kbit/s; features are OFPPF_ bits as in OpenFlow 1.1 and later. */
export interface PortDescription {
  readonly port: number;
  /** 48-bit number. */
  readonly mac: number;
  readonly name: string;
  /** PORT_CONFIG bits. */
  readonly config: number;
  /** PORT_STATE bits. */
  readonly state: number;
  readonly current: number;
  readonly advertised: number;
  readonly supported: number;
  readonly peer: number;
  readonly currentSpeed: number;
  readonly maxSpeed: number;
}

/** OFPPC_, the OpenFlow 1.0 set. */
export const PORT_CONFIG = {
  PORT_DOWN: 1,
  NO_STP: 2,
  NO_RECV: 4,
  NO_RECV_STP: 8,
  NO_FLOOD: 16,
  NO_FWD: 32,
  NO_PACKET_IN: 64,
} as const;
/** OFPPS_: LINK_DOWN and the spanning tree states of OpenFlow 1.0; BLOCKED and LIVE of 1.1. */
export const PORT_STATE = {
  LINK_DOWN: 1,
  BLOCKED: 2,
  LIVE: 4,
  STP_LISTEN: 0,
  STP_LEARN: 0x100,
  STP_FORWARD: 0x200,
  STP_BLOCK: 0x300,
  STP_MASK: 0x300,
} as const;

export interface PortStatus {
  readonly type: "port_status";
  readonly reason: "add" | "delete" | "modify";
  readonly port: PortDescription;
}

export interface PortMod {
  readonly type: "port_mod";
  readonly port: number;
  readonly mac: number;
  readonly config: number;
  readonly mask: number;
  readonly advertise: number;
}

export interface PortStats {
  readonly port: number;
  /** undefined: the peer does not say. */
  readonly durationSec: number | undefined;
  readonly durationNsec: number;
  /** 2^64-1: not counted. */
  readonly counters: {
    readonly rxPackets: bigint;
    readonly txPackets: bigint;
    readonly rxBytes: bigint;
    readonly txBytes: bigint;
    readonly rxDropped: bigint;
    readonly txDropped: bigint;
    readonly rxErrors: bigint;
    readonly txErrors: bigint;
    readonly rxFrameErrors: bigint;
    readonly rxOverErrors: bigint;
    readonly rxCrcErrors: bigint;
    readonly collisions: bigint;
  };
  /** The extended counters of the Intel experimenter property, by their numbers. */
  readonly custom: readonly { readonly name: string; readonly value: bigint }[];
  readonly extended: readonly bigint[];
}

export interface QueueStats {
  readonly port: number;
  readonly queue: number;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  readonly durationSec: number | undefined;
  readonly durationNsec: number;
}

export interface QueueConfig {
  readonly port: number;
  readonly queue: number;
  /** Tenths of a percent; undefined: none. */
  readonly minRate: number | undefined;
  readonly maxRate: number | undefined;
}

export interface TableStats {
  /** OpenFlow 1.0: OFPFW_ bits that may be wildcarded. */
  readonly wildcards?: number;
  readonly table: number;
  readonly name: string;
  readonly maxEntries: number;
  readonly active: number;
  readonly lookups: bigint;
  readonly matched: bigint;
}

/** OpenFlow 1.1 and 1.2's behaviour on a table miss. */
export type TableMiss = "controller" | "continue" | "drop" | "default";

export interface TableMod {
  readonly type: "table_mod";
  readonly table: number;
  readonly miss: TableMiss;
  readonly eviction: boolean | undefined;
  /** What flows to evict first, if it is said. */
  readonly evictionFlags?: number;
  readonly vacancy: { readonly on: boolean; readonly down: number; readonly up: number } | undefined;
}

export interface TableDescription {
  readonly table: number;
  readonly eviction: boolean;
  readonly evictionFlags: number;
  readonly vacancy: { readonly on: boolean; readonly down: number; readonly up: number; readonly now: number };
}

/** Features of one table, with what its flows or its table-miss flow may use. Names are those of ovs-ofctl. */
export interface TableFeatures {
  readonly table: number;
  readonly name: string;
  readonly command: "replace" | "modify" | "enable" | "disable";
  readonly features: number;
  readonly metadataMatch: bigint;
  readonly metadataWrite: bigint;
  readonly capabilities: number;
  readonly maxEntries: number;
  readonly nonmiss: TableAbilities;
  readonly miss: TableAbilities;
  /** Fields that may be matched exactly, with a mask, and not at all, by field id. */
  readonly match: readonly number[];
  readonly mask: readonly number[];
  readonly wildcard: readonly number[];
}

export interface TableAbilities {
  /** Numbers of tables. */
  readonly next: readonly number[];
  readonly instructions: readonly string[];
  readonly write: { readonly actions: readonly string[]; readonly setFields: readonly number[] };
  readonly apply: { readonly actions: readonly string[]; readonly setFields: readonly number[] };
}

export type GroupType = "all" | "select" | "indirect" | "ff";

export interface Bucket {
  readonly id: number;
  /** For select groups. */
  readonly weight: number;
  /** For fast failover: OFPP.NONE and OFPG.ANY: none. */
  readonly watchPort: number;
  readonly watchGroup: number;
  readonly actions: readonly Action[];
}

/** How a select group selects (the Netronome extension). */
export interface SelectionMethod {
  /** "": the switch's default; "hash", "dp_hash". */
  readonly method: string;
  readonly param: bigint;
  /** Fields to hash, with the mask of each. */
  readonly fields: readonly { readonly field: number; readonly mask: bigint }[];
}

export type GroupModCommand = "add" | "modify" | "add_or_mod" | "delete" | "insert_bucket" | "remove_bucket";

export interface GroupMod {
  readonly type: "group_mod";
  readonly command: GroupModCommand;
  readonly groupType: GroupType;
  readonly group: number;
  /** Of insert_bucket and remove_bucket: a bucket's id or BUCKET_ID. */
  readonly commandBucket: number;
  readonly buckets: readonly Bucket[];
  readonly selection: SelectionMethod;
}

export const BUCKET_ID = { MAX: 0xffffff00, FIRST: 0xfffffffd, LAST: 0xfffffffe, ALL: 0xffffffff } as const;

export interface GroupDescription {
  readonly group: number;
  readonly groupType: GroupType;
  readonly buckets: readonly Bucket[];
  readonly selection: SelectionMethod;
}

export interface GroupStats {
  readonly group: number;
  readonly refCount: number;
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly durationSec: number | undefined;
  readonly durationNsec: number;
  readonly buckets: readonly { readonly packets: bigint; readonly bytes: bigint }[];
}

export interface GroupFeatures {
  readonly type: "group_features_reply";
  readonly types: number;
  readonly capabilities: number;
  readonly maxGroups: readonly [number, number, number, number];
  /** Bits are action type numbers of the OpenFlow version of the message. */
  readonly actions: readonly [number, number, number, number];
}

/** METER_FLAG bits. */
export const METER_FLAG = { KBPS: 1, PKTPS: 2, BURST: 4, STATS: 8 } as const;

export interface MeterBand {
  readonly band: "drop" | "dscp_remark";
  readonly rate: number;
  readonly burst: number;
  /** dscp_remark only. */
  readonly precedence: number;
}

export interface MeterConfig {
  readonly meter: number;
  readonly flags: number;
  readonly bands: readonly MeterBand[];
}

export interface MeterMod extends MeterConfig {
  readonly type: "meter_mod";
  readonly command: "add" | "modify" | "delete";
}

export interface MeterStats {
  readonly meter: number;
  readonly flowCount: number;
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly bands: readonly { readonly packets: bigint; readonly bytes: bigint }[];
}

export interface MeterFeatures {
  readonly type: "meter_features_reply";
  readonly maxMeters: number;
  readonly bandTypes: number;
  readonly capabilities: number;
  readonly maxBands: number;
  readonly maxColor: number;
}

/** A connection tracking tuple of ct-flush; addresses are IPv4 (as ::ffff:a.b.c.d in 128 bits on the wire) or IPv6. */
export interface CtTuple {
  readonly src: string | undefined;
  readonly dst: string | undefined;
  readonly srcPort: number | undefined;
  readonly dstPort: number | undefined;
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  readonly icmpId: number | undefined;
}

export interface CtFlush {
  readonly type: "ct_flush";
  /** IP protocol; 0: any. */
  readonly protocol: number;
  readonly zone: number | undefined;
  readonly original: CtTuple | undefined;
  readonly reply: CtTuple | undefined;
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  readonly labels: { readonly value: bigint; readonly mask: bigint } | undefined;
}
