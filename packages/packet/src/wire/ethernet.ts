/** Ethernet II and 802.3 headers, without FCS. */
import { type Mac, writeMac } from "../address.ts";
import { put16 } from "../bytes.ts";
import { layout, mac, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { etherTypeOf, kindOfEtherType } from "./numbers.ts";

export const ETHERNET = layout("Ethernet header", 14, { dst: mac(0), src: mac(6), etherType: u16(12) });

/** Below this the field is the length of an 802.3 frame. */
export const ETHER_TYPE_MIN = 0x600;

export interface Ethernet extends HeaderBase {
  readonly kind: "ethernet";
  readonly dst: Mac;
  readonly src: Mac;
  /** EtherType, or 802.3 length below 0x600. Absent: what follows decides, 0xffff for plain bytes. */
  readonly etherType?: number | undefined;
}

export const ethernetCodec: Codec<Ethernet> = {
  length: () => ETHERNET.length,
  parse(bytes, start, end) {
    const v = ETHERNET.view(bytes, start, end);
    const { dst, src, etherType } = v;
    const payload = start + ETHERNET.length;
    const header: Ethernet = { kind: "ethernet", dst, src, etherType };
    if (etherType >= ETHER_TYPE_MIN) return { header, payload, end, next: kindOfEtherType(etherType) };
    return { header, payload, end, next: "llc" };
  },
  emit(header, bytes, start, end, _under, next) {
    writeMac(bytes, start, header.dst);
    writeMac(bytes, start + 6, header.src);
    const implied = next?.kind === "llc" ? end - start - ETHERNET.length : etherTypeOf(next);
    put16(bytes, start + 12, header.etherType ?? implied ?? 0xffff);
  },
};
