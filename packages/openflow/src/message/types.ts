/** Every message that this package reads and writes, of all versions and both vendors of extensions. */
import type { TlvMapping } from "../field/tlvMap.ts";
import type {
  CtFlush,
  GroupDescription,
  GroupFeatures,
  GroupMod,
  GroupStats,
  MeterConfig,
  MeterFeatures,
  MeterMod,
  MeterStats,
  PortDescription,
  PortMod,
  PortStats,
  PortStatus,
  QueueConfig,
  QueueStats,
  TableDescription,
  TableFeatures,
  TableMod,
  TableStats,
} from "./config.ts";
import type {
  AggregateStatsReply,
  FlowMod,
  FlowMonitorReply,
  FlowMonitorRequest,
  FlowRemoved,
  FlowStatsReply,
  FlowStatsRequest,
} from "./flow.ts";
import type { PacketIn, PacketInFormat, PacketOut, Resume } from "./packet.ts";

/** Wire versions: OpenFlow 1.0 is 1, 1.5 is 6. */
export type OfVersion = 1 | 2 | 3 | 4 | 5 | 6;

export const OF10 = 1;
export const OF11 = 2;
export const OF12 = 3;
export const OF13 = 4;
export const OF14 = 5;
export const OF15 = 6;

export type Role = "nochange" | "equal" | "master" | "slave";

export interface Hello {
  readonly type: "hello";
  /** Bit v is set when wire version v is spoken. */
  readonly versions: number;
}

export interface ErrorMessage {
  readonly type: "error";
  /** E.g. "OFPBRC_BAD_TYPE"; undefined when nobody knows the numbers. */
  readonly error: string | undefined;
  /** The numbers on the wire; encoding looks only at `error` where it is known. */
  readonly errorType: number;
  readonly code: number;
  /** Experimenter of the error, or 0. */
  readonly vendor: number;
  /** The beginning of the request at fault, or OFPHFC_ text. */
  readonly data: Uint8Array;
}

export interface FeaturesReply {
  readonly type: "features_reply";
  readonly datapathId: bigint;
  readonly buffers: number;
  readonly tables: number;
  readonly auxiliaryId: number;
  /** OFPC_ bits as on the wire. */
  readonly capabilities: number;
  /** OpenFlow 1.0: supported OFPAT_ bits. */
  readonly actions: number;
  /** Up to OpenFlow 1.2. */
  readonly ports: readonly PortDescription[];
}

export type FragmentHandling = "normal" | "drop" | "reassemble" | "nx-match";

export interface SwitchConfig {
  readonly type: "get_config_reply" | "set_config";
  readonly fragments: FragmentHandling;
  readonly invalidTtlToController: boolean;
  readonly missSendLength: number;
}

/** For roles master (and equal) and slave: bits by OFPR_, OFPPR_, OFPRR_ and other numbers; undefined: not said. */
export type AsyncMasks = readonly [master: number | undefined, slave: number | undefined];

/** What a controller wants to hear. */
export interface AsyncConfig {
  readonly packetIn: AsyncMasks;
  readonly portStatus: AsyncMasks;
  readonly flowRemoved: AsyncMasks;
  readonly roleStatus: AsyncMasks;
  readonly tableStatus: AsyncMasks;
  readonly requestForward: AsyncMasks;
}

export type BundleControlType =
  | "open_request"
  | "open_reply"
  | "close_request"
  | "close_reply"
  | "commit_request"
  | "commit_reply"
  | "discard_request"
  | "discard_reply";

export const BUNDLE_FLAG = { ATOMIC: 1, ORDERED: 2 } as const;

/** Requests that carry nothing. */
export type BareRequest =
  | "features_request"
  | "get_config_request"
  | "barrier_request"
  | "barrier_reply"
  | "get_async_request"
  | "desc_request"
  | "table_stats_request"
  | "group_features_request"
  | "meter_features_request"
  | "table_desc_request"
  | "tlv_table_request"
  | "flow_monitor_paused"
  | "flow_monitor_resumed"
  | "ipfix_bridge_stats_request"
  | "ipfix_flow_stats_request";

export type Message =
  | Hello
  | ErrorMessage
  | { readonly type: "echo_request" | "echo_reply"; readonly data: Uint8Array }
  | { readonly type: BareRequest }
  /** A message of an unknown experimenter or an unknown message of a known one. */
  | { readonly type: "experimenter"; readonly vendor: number; readonly subtype: number; readonly data: Uint8Array }
  | FeaturesReply
  | SwitchConfig
  | PacketIn
  | PacketOut
  | Resume
  | FlowMod
  | FlowRemoved
  | PortStatus
  | PortMod
  | TableMod
  | GroupMod
  | MeterMod
  | { readonly type: "role_request" | "role_reply"; readonly role: Role; readonly generation: bigint | undefined }
  | {
      readonly type: "role_status";
      readonly role: Role;
      readonly reason: "master_request" | "config" | "experimenter";
      readonly generation: bigint;
    }
  | { readonly type: "get_async_reply" | "set_async"; readonly config: AsyncConfig }
  | { readonly type: "table_status"; readonly reason: "vacancy_down" | "vacancy_up"; readonly table: TableDescription }
  | { readonly type: "requestforward"; readonly reason: "group_mod" | "meter_mod"; readonly request: Envelope }
  | { readonly type: "bundle_control"; readonly bundle: number; readonly control: BundleControlType; readonly flags: number }
  | { readonly type: "bundle_add"; readonly bundle: number; readonly flags: number; readonly message: Envelope }
  // Nicira's own.
  | { readonly type: "set_flow_format"; readonly format: "openflow10" | "nxm" }
  | { readonly type: "flow_mod_table_id"; readonly on: boolean }
  | { readonly type: "set_packet_in_format"; readonly format: PacketInFormat }
  | { readonly type: "set_controller_id"; readonly id: number }
  | { readonly type: "flow_age" }
  | { readonly type: "flow_monitor_cancel"; readonly id: number }
  | { readonly type: "ct_flush_zone"; readonly zone: number }
  | CtFlush
  | { readonly type: "tlv_table_mod"; readonly command: "add" | "delete" | "clear"; readonly mappings: readonly TlvMapping[] }
  | {
      readonly type: "tlv_table_reply";
      readonly space: number;
      readonly fields: number;
      readonly mappings: readonly TlvMapping[];
    }
  // Multipart ("statistics") messages.
  | {
      readonly type: "desc_reply";
      readonly manufacturer: string;
      readonly hardware: string;
      readonly software: string;
      readonly serial: string;
      readonly datapath: string;
    }
  | FlowStatsRequest
  | FlowStatsReply
  | AggregateStatsReply
  | { readonly type: "table_stats_reply"; readonly tables: readonly TableStats[]; readonly more: boolean }
  | { readonly type: "port_stats_request" /** OFPP.NONE: all. */; readonly port: number }
  | { readonly type: "port_stats_reply"; readonly ports: readonly PortStats[]; readonly more: boolean }
  | { readonly type: "port_desc_request"; readonly port: number }
  | { readonly type: "port_desc_reply"; readonly ports: readonly PortDescription[]; readonly more: boolean }
  | { readonly type: "queue_stats_request"; readonly port: number; readonly queue: number }
  | { readonly type: "queue_stats_reply"; readonly queues: readonly QueueStats[]; readonly more: boolean }
  | { readonly type: "queue_config_request"; readonly port: number; readonly queue: number }
  | {
      readonly type: "queue_config_reply";
      readonly port: number;
      readonly queues: readonly QueueConfig[];
      readonly more: boolean;
    }
  | { readonly type: "group_stats_request" | "group_desc_request"; readonly group: number }
  | { readonly type: "group_stats_reply"; readonly groups: readonly GroupStats[]; readonly more: boolean }
  | { readonly type: "group_desc_reply"; readonly groups: readonly GroupDescription[]; readonly more: boolean }
  | GroupFeatures
  | { readonly type: "meter_stats_request" | "meter_config_request"; readonly meter: number }
  | { readonly type: "meter_stats_reply"; readonly meters: readonly MeterStats[]; readonly more: boolean }
  | { readonly type: "meter_config_reply"; readonly meters: readonly MeterConfig[]; readonly more: boolean }
  | MeterFeatures
  /** No tables: asks for the features; otherwise asks to set them. */
  | { readonly type: "table_features_request"; readonly tables: readonly TableFeatures[]; readonly more: boolean }
  | { readonly type: "table_features_reply"; readonly tables: readonly TableFeatures[]; readonly more: boolean }
  | { readonly type: "table_desc_reply"; readonly tables: readonly TableDescription[]; readonly more: boolean }
  | FlowMonitorRequest
  | FlowMonitorReply;

export type MessageType = Message["type"];
type OfType<M, T> = M extends { readonly type: infer U } ? ([T] extends [U] ? M : never) : never;
/** The message, or messages, of a type. */
export type MessageOf<T extends MessageType> = OfType<Message, T>;

/** A message with what its header says. */
export interface Envelope {
  readonly version: OfVersion;
  readonly xid: number;
  readonly message: Message;
}
