/** LACPDUs (IEEE 802.1AX-2020 section 6.4.2.3): the payload of frames of {@link SLOW_PROTOCOLS} to {@link SLOW_MULTICAST}. */
import { type Mac, macOf } from "../address.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { layout, mac, u8, u16 } from "../layout.ts";

/** The EtherType of the slow protocols, and where their frames go (IEEE 802.3 annex 57A). */
export const SLOW_PROTOCOLS = 0x8809;
export const SLOW_MULTICAST: Mac = macOf(0x0180c2000002);
export const SLOW_SUBTYPE = { lacp: 1, marker: 2 } as const;

/** Bits of a port's state, the lowest first. */
export const LACP_STATE = {
  activity: 1,
  timeout: 2,
  aggregation: 4,
  synchronized: 8,
  collecting: 0x10,
  distributing: 0x20,
  defaulted: 0x40,
  expired: 0x80,
} as const;

/** What one end of a link says of itself. */
export interface LacpInfo {
  readonly systemPriority: number;
  readonly system: Mac;
  readonly key: number;
  readonly portPriority: number;
  readonly port: number;
  /** Bits of {@link LACP_STATE}. */
  readonly state: number;
}

export interface LacpPdu {
  readonly actor: LacpInfo;
  readonly partner: LacpInfo;
}

const HEADER = layout("LACPDU", 110, { subtype: u8(0), version: u8(1) });
const INFO = layout("LACP information", 20, {
  type: u8(0),
  length: u8(1),
  systemPriority: u16(2),
  system: mac(4),
  key: u16(10),
  portPriority: u16(12),
  port: u16(14),
  state: u8(16),
});
const ACTOR = { type: 1, at: 2 } as const;
const PARTNER = { type: 2, at: 22 } as const;
const COLLECTOR = { type: 3, at: 42, length: 16 } as const;

function readInfo(bytes: Uint8Array, start: number, { type, at }: typeof ACTOR | typeof PARTNER): LacpInfo {
  const v = INFO.view(bytes, start + at, start + at + INFO.length);
  if (v.type !== type || v.length !== INFO.length)
    throw new MalformedError("LACPDU", `TLV of type ${v.type} and length ${v.length} where type ${type} is due`, start + at);
  const { systemPriority, system, key, portPriority, port, state } = v;
  return { systemPriority, system, key, portPriority, port, state };
}

/**
 * Reads the LACPDU at `start`, behind the EtherType. Of a later version what version 1 has is read.
 * Throws TruncatedError, or MalformedError with the offset.
 */
export function parseLacp(bytes: Uint8Array, start: number): LacpPdu {
  if (bytes.length - start < HEADER.length) throw new TruncatedError("LACPDU", start, HEADER.length, bytes.length - start);
  const { subtype } = HEADER.view(bytes, start, bytes.length);
  if (subtype !== SLOW_SUBTYPE.lacp) throw new MalformedError("LACPDU", `subtype ${subtype}`, start);
  return { actor: readInfo(bytes, start, ACTOR), partner: readInfo(bytes, start, PARTNER) };
}

/** The 110 bytes of a LACPDU. The collector's greatest delay is told as 0. */
export function emitLacp({ actor, partner }: LacpPdu): Uint8Array {
  const bytes = new Uint8Array(HEADER.length);
  Object.assign(HEADER.view(bytes, 0, bytes.length), { subtype: SLOW_SUBTYPE.lacp, version: 1 });
  for (const [{ type, at }, info] of [
    [ACTOR, actor],
    [PARTNER, partner],
  ] as const)
    Object.assign(INFO.view(bytes, at, at + INFO.length), { type, length: INFO.length, ...info });
  bytes[COLLECTOR.at] = COLLECTOR.type;
  bytes[COLLECTOR.at + 1] = COLLECTOR.length;
  return bytes;
}
