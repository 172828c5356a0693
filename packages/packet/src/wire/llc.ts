/** IEEE 802.2 LLC with SNAP. */
import { get16, get24, put16, put24 } from "../bytes.ts";
import { TruncatedError } from "../errors.ts";
import { layout, u8 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { etherTypeOf, kindOfEtherType } from "./numbers.ts";

export const LLC = layout("LLC header", 3, { dsap: u8(0), ssap: u8(1), control: u8(2) });

const SNAP_SAP = 0xaa;
const STP_SAP = 0x42;

export interface Llc extends HeaderBase {
  readonly kind: "llc";
  readonly dsap: number;
  readonly ssap: number;
  /** One byte for unnumbered frames; only its first byte is read of others. */
  readonly control: number;
  /** Present for dsap and ssap 0xaa. */
  readonly snap?: { readonly oui: number; readonly protocol?: number | undefined } | undefined;
}

export const llcCodec: Codec<Llc> = {
  length: (header) => LLC.length + (header.snap ? 5 : 0),
  parse(bytes, start, end) {
    const { dsap, ssap, control } = LLC.view(bytes, start, end);
    const payload = start + LLC.length;
    if (dsap === SNAP_SAP && ssap === SNAP_SAP && control === 3) {
      if (end - payload < 5) throw new TruncatedError("SNAP header", payload, 5, end - payload);
      const snap = { oui: get24(bytes, payload), protocol: get16(bytes, payload + 3) };
      const next = snap.oui === 0 ? kindOfEtherType(snap.protocol) : undefined;
      return { header: { kind: "llc", dsap, ssap, control, snap }, payload: payload + 5, end, next };
    }
    const next = dsap === STP_SAP && ssap === STP_SAP && control === 3 ? "stp" : undefined;
    return { header: { kind: "llc", dsap, ssap, control }, payload, end, next };
  },
  emit(header, bytes, start, _end, _under, next) {
    bytes[start] = header.dsap;
    bytes[start + 1] = header.ssap;
    bytes[start + 2] = header.control;
    if (header.snap) {
      put24(bytes, start + 3, header.snap.oui);
      put16(bytes, start + 6, header.snap.protocol ?? etherTypeOf(next) ?? 0);
    }
  },
};
