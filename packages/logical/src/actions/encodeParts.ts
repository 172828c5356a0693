/** What the encoders of actions share. */
import type { Action, Subfield } from "@weft/openflow";
import { openflowField } from "../match/compile.ts";
import type { FieldRef } from "../match/expression.ts";
import type { GroupRequest, MeterRequest } from "./groups.ts";
import type { Pipeline } from "./types.ts";

/** What encoding depends on beside the actions. */
export interface EncodeOptions {
  /** Where the flow is. */
  readonly pipeline: Pipeline;
  /** Connection tracking zones of a logical switch are those of the port, of a router those of the datapath. */
  readonly isSwitch: boolean;
  /** Tunnel key of the datapath. */
  readonly datapath: number;
  /** The first 32 bits of the logical flow's uuid. */
  readonly cookie: number;
  /** Tunnel key of a logical port or multicast group of the datapath. */
  lookupPort(name: string): number | undefined;
  /** Whether a logical port is on this chassis (ct_lb_mark_local). Default: it is not. */
  isLocal?(port: string): boolean;
  /** The OpenFlow port of the tunnel towards the chassis of a logical port (fwd_group with liveness). */
  tunnelPort?(port: string): number | undefined;
  /** The number of the OpenFlow group with these buckets. Needed for ct_lb, select, fwd_group. */
  group?(request: GroupRequest): number;
  /** The number of an OpenFlow meter. Needed for set_meter and for meters of log and of the flow. */
  meter?(request: MeterRequest): number | undefined;
  /** The meter of everything that the flow sends to the controller (Logical_Flow, controller_meter). */
  readonly controllerMeter?: string;
  /** Encodes actions for userdata. Default: to OpenFlow 1.5, as ovn-controller does. */
  wire?(actions: readonly Action[]): Uint8Array;
  /** Whether the switch has a Flow_Sample_Collector_Set of this id. Default: every. */
  collectorSet?(id: number): boolean;
  /**
   * Whether flows say themselves where a packet goes whose neighbour is being asked for (SB_Global,
   * options:arp_ns_explicit_output). Otherwise `output` follows arp and nd_ns. Default: false.
   */
  readonly explicitOutput?: boolean;
}

/** The OpenFlow field and bits of a field reference. */
export function subfieldOf({ symbol: of, low, width }: FieldRef): Subfield {
  const to = openflowField(of);
  return { field: to, offset: of.offset + low, bits: of.width === 0 ? to.bits : width };
}

export function resubmit(table: number): Action {
  return { type: "resubmit", port: undefined, table, ct: false };
}

/** Sets bits of a field: without mask where the field's bytes are all set. */
export function setBits({ field: to, offset, bits }: Subfield, value: bigint, mask?: bigint): Action {
  const up = BigInt(offset);
  const ones = (1n << BigInt(bits)) - 1n;
  const effective = (mask ?? ones) & ones;
  const full = effective << up === (1n << BigInt(8 * to.bytes)) - 1n;
  return { type: "set_field", field: to, value: (value & effective) << up, mask: full ? undefined : effective << up };
}
