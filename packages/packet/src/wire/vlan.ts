/** 802.1Q and 802.1ad tags: the tag control information and the EtherType behind it. */
import { put16 } from "../bytes.ts";
import { bits, flag, layout, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { ETHER_TYPE_MIN } from "./ethernet.ts";
import { etherTypeOf, kindOfEtherType } from "./numbers.ts";

export const VLAN = layout("VLAN tag", 4, {
  tci: u16(0),
  priority: bits(0, 1, 5, 3),
  dropEligible: flag(0, 4),
  id: bits(0, 2, 0, 12),
  etherType: u16(2),
});

export interface Vlan extends HeaderBase {
  readonly kind: "vlan";
  /** 0..4095 */
  readonly id: number;
  /** 0..7, PCP */
  readonly priority?: number | undefined;
  readonly dropEligible?: boolean | undefined;
  /** The EtherType that announces the tag when this value is emitted: 0x8100 unless given; 0x88a8 for 802.1ad. */
  readonly tpid?: number | undefined;
  /** What follows. Absent: derived. */
  readonly etherType?: number | undefined;
}

export const vlanCodec: Codec<Vlan> = {
  length: () => VLAN.length,
  parse(bytes, start, end) {
    const v = VLAN.view(bytes, start, end);
    const { id, priority, dropEligible, etherType } = v;
    const header: Vlan = { kind: "vlan", id, priority, dropEligible, etherType };
    const next = etherType >= ETHER_TYPE_MIN ? kindOfEtherType(etherType) : "llc";
    return { header, payload: start + VLAN.length, end, next };
  },
  emit(header, bytes, start, end, _under, next) {
    put16(bytes, start, ((header.priority ?? 0) << 13) | (header.dropEligible ? 0x1000 : 0) | (header.id & 0xfff));
    const implied = next?.kind === "llc" ? end - start - VLAN.length : etherTypeOf(next);
    put16(bytes, start + 2, header.etherType ?? implied ?? 0xffff);
  },
};
