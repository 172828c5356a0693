/** LLDP (IEEE 802.1AB): a list of type-length-value elements, the last of type 0. */
import { get16, put16 } from "../bytes.ts";
import { badValue, TruncatedError } from "../errors.ts";
import { bits, layout } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const LLDP_TLV = layout("LLDP TLV", 2, { type: bits(0, 2, 9, 7), length: bits(0, 2, 0, 9) });

export const LLDP_TYPE = {
  end: 0,
  chassisId: 1,
  portId: 2,
  ttl: 3,
  portDescription: 4,
  systemName: 5,
  systemDescription: 6,
} as const;

export interface LldpTlv {
  /** 0..127 */
  readonly type: number;
  /** At most 511 bytes. */
  readonly data: Uint8Array;
}

export interface Lldp extends HeaderBase {
  readonly kind: "lldp";
  /** With the closing element of type 0, if the frame has it. */
  readonly tlvs: readonly LldpTlv[];
}

export const lldpCodec: Codec<Lldp> = {
  length: (header) => header.tlvs.reduce((sum, tlv) => sum + LLDP_TLV.length + tlv.data.length, 0),
  parse(bytes, start, end) {
    const tlvs: LldpTlv[] = [];
    let at = start;
    while (at < end) {
      if (end - at < LLDP_TLV.length) throw new TruncatedError("LLDP TLV", at, LLDP_TLV.length, end - at);
      const word = get16(bytes, at);
      const length = word & 0x1ff;
      at += LLDP_TLV.length;
      if (end - at < length) throw new TruncatedError("LLDP TLV", at, length, end - at);
      tlvs.push({ type: word >>> 9, data: bytes.subarray(at, at + length) });
      at += length;
      if (word >>> 9 === LLDP_TYPE.end) break;
    }
    return { header: { kind: "lldp", tlvs }, payload: at, end: at };
  },
  emit(header, bytes, start) {
    let at = start;
    for (const { type, data } of header.tlvs) {
      if (data.length > 0x1ff) throw badValue("LLDP TLV", `${data.length} bytes do not fit into 511`);
      put16(bytes, at, (type << 9) | data.length);
      bytes.set(data, at + 2);
      at += 2 + data.length;
    }
  },
};
