/** What encoders of actions share. */
import type { Action, Subfield } from "../action/types.ts";
import { NICIRA, OFPAT_EXPERIMENTER } from "./actionCodes.ts";
import type { ByteWriter } from "./bytes.ts";

/** One list of actions being written. */
export interface EncodeContext {
  readonly out: ByteWriter;
  readonly version: number;
  /** Whether the packet certainly has a VLAN header at this point. */
  hasVlan: boolean;
  /** Whose ports mod_tp_src and mod_tp_dst set: what the flow matches, TCP if that is not known. */
  readonly transport: "tcp" | "udp" | "sctp";
  /** Writes actions within an action. */
  nested(actions: readonly Action[], context: EncodeContext): void;
}

/** Begins a Nicira action; returns its offset for {@link endAction}. */
export function nx(out: ByteWriter, subtype: number): number {
  const start = out.at;
  out.u16(OFPAT_EXPERIMENTER).u16(0).u32(NICIRA).u16(subtype);
  return start;
}

/** Pads to a multiple of 8 and fills in the length. */
export function endAction(out: ByteWriter, start: number): void {
  out.pad(8, start);
  out.patch16(start + 2, out.at - start);
}

/** ofs_nbits: offset in 10 bits, width less one in 6. */
export function offsetAndBits(subfield: Subfield): number {
  return (subfield.offset << 6) | (subfield.bits - 1);
}
