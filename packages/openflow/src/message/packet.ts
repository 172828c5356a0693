/** Packets to and from controllers. */
import type { Action, PacketInReason } from "../action/types.ts";
import type { Match } from "../match/match.ts";

/** How a switch sends packet-ins: the version's own, or a Nicira format. */
export type PacketInFormat = "standard" | "nxt_packet_in" | "nxt_packet_in2";

export interface PacketIn {
  readonly type: "packet_in";
  readonly format: PacketInFormat;
  /** Ethernet frame, or as much as was sent of it. */
  readonly packet: Uint8Array;
  /** Bytes of the whole packet. */
  readonly totalLength: number;
  readonly reason: PacketInReason;
  readonly buffer: number;
  readonly table: number;
  readonly cookie: bigint;
  /** in_port, tunnel, registers, metadata: what is not zero. */
  readonly metadata: Match;
  readonly userdata: Uint8Array;
  /** The properties of a paused pipeline, to be sent back unread with NXT_RESUME; undefined: not paused. */
  readonly continuation: Uint8Array | undefined;
}

/** NXT_RESUME: what a packet-in with a continuation is answered with. */
export interface Resume {
  readonly type: "resume";
  readonly packet: Uint8Array;
  readonly metadata: Match;
  readonly userdata: Uint8Array;
  readonly continuation: Uint8Array;
}

export interface PacketOut {
  readonly type: "packet_out";
  readonly buffer: number;
  readonly packet: Uint8Array;
  /** in_port, and with OpenFlow 1.5 any metadata. */
  readonly metadata: Match;
  readonly actions: readonly Action[];
}

/** What a continuation holds. Only the switch that made it looks inside. */
export interface Continuation {
  /** The bridge's uuid, 16 bytes. */
  readonly bridge: Uint8Array;
  readonly stack: readonly Uint8Array[];
  readonly mirrors: number;
  readonly conntracked: boolean;
  readonly tableId: number;
  readonly cookie: bigint;
  readonly actions: readonly Action[];
  readonly actionSet: readonly Action[];
  readonly odpPort: number | undefined;
}
