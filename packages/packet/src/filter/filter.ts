/** Capture filters: pcap-filter(7), and beyond it `inner` for what a tunnel carries. */
import { LINK_TYPE } from "../pcap/packet.ts";
import type { Packet, Test } from "./machine.ts";
import { FilterParser } from "./parser.ts";

/** True of packets that the filter lets through. `length` is the length on the wire, `linkType` one of LINK_TYPE. */
export type Filter = (bytes: Uint8Array, length?: number, linkType?: number) => boolean;

/**
 * Compiles a filter such as "icmp and host 10.0.0.5", "vlan 100 and arp", "udp[10:2] = 0x6558" or "inner icmp". Throws
 * {@link FilterError} with the offset in the text. The filter itself never throws for Ethernet, whatever the bytes.
 */
export function compileFilter(text: string): Filter {
  const tests = new Map<number, Test>([[LINK_TYPE.ethernet, new FilterParser(text, LINK_TYPE.ethernet).parse()]]);
  return (bytes, length = bytes.length, linkType = LINK_TYPE.ethernet) => {
    let test = tests.get(linkType);
    if (test === undefined) {
      test = new FilterParser(text, linkType).parse();
      tests.set(linkType, test);
    }
    const packet: Packet = { bytes, length, failed: false, registers: [] };
    return test(packet) && !packet.failed;
  };
}
