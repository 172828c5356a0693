/** What captures consist of. */
import { WeftError } from "@weft/runtime";

/** Wall time since 1970-01-01 UTC. */
export interface Timestamp {
  readonly seconds: number;
  /** 0..999999999 */
  readonly nanoseconds: number;
}

/** A timestamp from milliseconds with fractions, as a clock gives them; exact to the microsecond. */
export function timestampOf(milliseconds: number): Timestamp {
  const micros = Math.round(milliseconds * 1000);
  const seconds = Math.floor(micros / 1e6);
  return { seconds, nanoseconds: (micros - seconds * 1e6) * 1000 };
}

/** Link types of pcap-linktype(7) that this package reads frames of. */
export const LINK_TYPE = { null: 0, ethernet: 1, raw: 101, linuxSll: 113, linuxSll2: 276 } as const;

export interface CapturedPacket {
  readonly time: Timestamp;
  /** The bytes that were captured: at most the snapshot length. */
  readonly bytes: Uint8Array;
  /** Length on the wire. */
  readonly length: number;
  readonly linkType: number;
  /** pcapng: which interface of the section, counted from 0. */
  readonly interface: number;
}

/** A capture file that contradicts its format. Code "pcap.malformed"; the offset counts from the start of the file. */
export function malformedCapture(problem: string, offset: number): WeftError {
  return new WeftError("pcap.malformed", `capture file: ${problem} at offset ${offset}`, { place: { offset } });
}

/** Records longer than this are taken for garbage rather than waited for. */
export const MAX_RECORD = 0x40_0000;
