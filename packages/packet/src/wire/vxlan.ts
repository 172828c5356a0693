/** VXLAN (RFC 7348). */
import { put24 } from "../bytes.ts";
import { layout, u8, u24 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const VXLAN_PORT = 4789;

export const VXLAN = layout("VXLAN header", 8, { flags: u8(0), reserved: u24(1), vni: u24(4), reserved2: u8(7) });

/** The flag of a valid VNI, bit I. */
export const VXLAN_VNI_VALID = 0x08;

export interface Vxlan extends HeaderBase {
  readonly kind: "vxlan";
  /** 24 bits. */
  readonly vni: number;
  /** VXLAN_VNI_VALID unless given. */
  readonly flags?: number | undefined;
}

export const vxlanCodec: Codec<Vxlan> = {
  length: () => VXLAN.length,
  parse(bytes, start, end) {
    const { vni, flags } = VXLAN.view(bytes, start, end);
    return { header: { kind: "vxlan", vni, flags }, payload: start + VXLAN.length, end, next: "ethernet" };
  },
  emit(header, bytes, start) {
    bytes[start] = header.flags ?? VXLAN_VNI_VALID;
    put24(bytes, start + 1, 0);
    put24(bytes, start + 4, header.vni);
    bytes[start + 7] = 0;
  },
};
