/**
 * Actions and instructions (ovs-actions(7)) as a discriminated union. `type` is the name that ovs-ofctl writes, but for a
 * few that it writes in several ways. Ports are OpenFlow 1.0 numbers (see ports.ts) in every version of the protocol.
 */
import type { Field } from "../field/types.ts";

/** A part of a field: `bits` bits from bit `offset` (0 is the least significant) on. */
export interface Subfield {
  readonly field: Field;
  readonly offset: number;
  readonly bits: number;
}

/** The whole of a field. */
export function whole(field: Field): Subfield {
  return { field, offset: 0, bits: field.bits };
}

export type HashFields =
  | "eth_src"
  | "symmetric_l4"
  | "symmetric_l3l4"
  | "symmetric_l3l4+udp"
  | "nw_src"
  | "nw_dst"
  | "symmetric_l3";
export type MultipathAlgorithm = "modulo_n" | "hash_threshold" | "hrw" | "iter_hash";
export type BundleAlgorithm = "active_backup" | "hrw";

/** Why a packet goes to a controller; the names of OFPR_. */
export type PacketInReason =
  | "no_match"
  | "action"
  | "invalid_ttl"
  | "action_set"
  | "group"
  | "packet_out"
  | "explicit_miss"
  | "implicit_miss";

/** What a learn action puts into the flow that it adds. */
export type LearnSpec =
  | { readonly kind: "match"; readonly bits: number; readonly dst: Subfield; readonly src: LearnSource }
  | { readonly kind: "load"; readonly bits: number; readonly dst: Subfield; readonly src: LearnSource }
  | { readonly kind: "output"; readonly bits: number; readonly src: Subfield };

/** A field of the packet, or an immediate value. */
export type LearnSource = Subfield | { readonly value: bigint };

export interface NatRange<Address> {
  readonly min: Address;
  readonly max: Address;
}

/** Properties of encap: class, type and data, uninterpreted but for NSH's md_type and tlv. */
export type EncapProperty =
  | { readonly kind: "md_type"; readonly mdType: number }
  | { readonly kind: "tlv"; readonly tlvClass: number; readonly tlvType: number; readonly data: Uint8Array };

export type Action =
  | { readonly type: "output"; readonly port: number /** With port CONTROLLER: bytes to send. */; readonly maxLen?: number }
  | { readonly type: "output_reg"; readonly src: Subfield; readonly maxLen: number }
  | { readonly type: "output_trunc"; readonly port: number; readonly maxLen: number }
  | {
      readonly type: "controller";
      readonly maxLen: number;
      readonly reason: PacketInReason;
      readonly controllerId: number;
      readonly userdata: Uint8Array;
      readonly pause: boolean;
      /** Meter id, or none. */
      readonly meter: number | undefined;
    }
  | { readonly type: "enqueue"; readonly port: number; readonly queue: number }
  | {
      readonly type: "bundle";
      readonly fields: HashFields;
      readonly basis: number;
      readonly algorithm: BundleAlgorithm;
      readonly ports: readonly number[];
      /** bundle_load: where the chosen port goes; undefined: the packet is output to it. */
      readonly dst: Subfield | undefined;
    }
  | { readonly type: "group"; readonly group: number }
  /** `pop`: said as pop_vlan, its name since OpenFlow 1.1. */
  | { readonly type: "strip_vlan"; readonly pop?: boolean }
  /** `pushIfNeeded`: OpenFlow 1.0's semantics, which adds a VLAN header where there is none. */
  | { readonly type: "mod_vlan_vid"; readonly vid: number; readonly pushIfNeeded: boolean }
  | { readonly type: "mod_vlan_pcp"; readonly pcp: number; readonly pushIfNeeded: boolean }
  | { readonly type: "push_vlan"; readonly ethertype: number }
  | { readonly type: "push_mpls"; readonly ethertype: number }
  | { readonly type: "pop_mpls"; readonly ethertype: number }
  | { readonly type: "set_mpls_label"; readonly label: number }
  | { readonly type: "set_mpls_tc"; readonly tc: number }
  | { readonly type: "set_mpls_ttl"; readonly ttl: number }
  | { readonly type: "dec_mpls_ttl" }
  /** MAC addresses are numbers below 2^48. */
  | { readonly type: "mod_dl_src"; readonly mac: number }
  | { readonly type: "mod_dl_dst"; readonly mac: number }
  /** IPv4 addresses are unsigned numbers. */
  | { readonly type: "mod_nw_src"; readonly address: number }
  | { readonly type: "mod_nw_dst"; readonly address: number }
  /** The whole TOS byte; its two low bits are 0. */
  | { readonly type: "mod_nw_tos"; readonly tos: number }
  | { readonly type: "mod_nw_ecn"; readonly ecn: number }
  | { readonly type: "mod_nw_ttl"; readonly ttl: number }
  | { readonly type: "mod_tp_src"; readonly port: number }
  | { readonly type: "mod_tp_dst"; readonly port: number }
  /** `controllers`: whom to tell of expired packets; [0] for plain dec_ttl. */
  | { readonly type: "dec_ttl"; readonly controllers: readonly number[] }
  | { readonly type: "dec_nsh_ttl" }
  /** Bits of `mask` (undefined: all) of the field get those of `value`. */
  | { readonly type: "set_field"; readonly field: Field; readonly value: bigint; readonly mask: bigint | undefined }
  | { readonly type: "load"; readonly value: bigint; readonly dst: Subfield }
  | { readonly type: "move"; readonly src: Subfield; readonly dst: Subfield }
  | { readonly type: "push"; readonly src: Subfield }
  | { readonly type: "pop"; readonly dst: Subfield }
  | {
      readonly type: "set_tunnel";
      readonly id: bigint /** set_tunnel64: 64 bits on the wire even for small ids. */;
      readonly wide: boolean;
    }
  | { readonly type: "set_queue"; readonly queue: number }
  | { readonly type: "pop_queue" }
  | { readonly type: "fin_timeout"; readonly idleTimeout: number; readonly hardTimeout: number }
  /** Absent port: the current in_port; absent table: the current table. */
  | { readonly type: "resubmit"; readonly port: number | undefined; readonly table: number | undefined; readonly ct: boolean }
  | {
      readonly type: "learn";
      readonly idleTimeout: number;
      readonly hardTimeout: number;
      readonly priority: number;
      readonly cookie: bigint;
      readonly table: number;
      readonly finIdleTimeout: number;
      readonly finHardTimeout: number;
      readonly sendFlowRemoved: boolean;
      readonly deleteLearned: boolean;
      /** At most so many learned flows; 0: no limit. */
      readonly limit: number;
      /** With `limit`: 1 into it when a flow was learned (or was there), 0 when the limit forbade it. */
      readonly resultDst: Subfield | undefined;
      readonly specs: readonly LearnSpec[];
    }
  | {
      readonly type: "conjunction";
      readonly id: number /** Counted from 1. */;
      readonly clause: number;
      readonly clauses: number;
    }
  | {
      readonly type: "multipath";
      readonly fields: HashFields;
      readonly basis: number;
      readonly algorithm: MultipathAlgorithm;
      /** Number of links. */
      readonly links: number;
      readonly arg: number;
      readonly dst: Subfield;
    }
  | { readonly type: "note"; readonly data: Uint8Array }
  | {
      readonly type: "sample";
      /** Of 65535. */
      readonly probability: number;
      readonly collectorSet: number;
      readonly obsDomain: number | Subfield;
      readonly obsPoint: number | Subfield;
      /** OFPP_NONE: none. */
      readonly samplingPort: number;
      readonly direction: "default" | "ingress" | "egress";
    }
  | { readonly type: "clone"; readonly actions: readonly Action[] }
  | {
      readonly type: "ct";
      readonly commit: boolean;
      readonly force: boolean;
      readonly zone: number | Subfield;
      /** Recirculate into this table; undefined: no recirculation. */
      readonly table: number | undefined;
      readonly alg: "ftp" | "tftp" | undefined;
      /** nat, and set_field, load and move of ct_mark and ct_label (`exec`). */
      readonly actions: readonly Action[];
    }
  | {
      readonly type: "nat";
      /** undefined: apply the connection's existing translation. */
      readonly direction: "src" | "dst" | undefined;
      readonly persistent: boolean;
      readonly hash: boolean;
      readonly random: boolean;
      readonly ipv4: NatRange<number> | undefined;
      readonly ipv6: NatRange<bigint> | undefined;
      readonly ports: NatRange<number> | undefined;
    }
  | { readonly type: "ct_clear" }
  | { readonly type: "exit" }
  /** dst gets 1 when the packet is longer than `length` bytes. */
  | { readonly type: "check_pkt_larger"; readonly length: number; readonly dst: Subfield }
  | { readonly type: "delete_field"; readonly field: Field }
  /** Packet types: (namespace << 16) | type; Ethernet 0, NSH 0x1894f, MPLS 0x18847. */
  | { readonly type: "encap"; readonly packetType: number; readonly properties: readonly EncapProperty[] }
  /** undefined: the inner packet says what it is. */
  | { readonly type: "decap"; readonly packetType: number | undefined }
  // Instructions.
  | { readonly type: "meter"; readonly meter: number }
  | { readonly type: "clear_actions" }
  | { readonly type: "write_actions"; readonly actions: readonly Action[] }
  | { readonly type: "write_metadata"; readonly value: bigint; readonly mask: bigint }
  | { readonly type: "goto_table"; readonly table: number };

export type ActionType = Action["type"];
export type ActionOf<T extends ActionType> = Extract<Action, { type: T }>;
