/** Writing a translation into a packet: its own addresses and ports, or those of the packet inside an ICMP error. */
import { finishSum, pseudoSum6At, sumBytes, updateChecksum16, updateChecksum32 } from "@weft/packet";
import { IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import { writeIpv4, writeIpv6, writePorts } from "../flow/write.ts";
import { be16, be32, type NetworkHeader, put16, put32 } from "./headers.ts";
import type { Tuple } from "./table.ts";
import { INNER, OUTER } from "./tuple.ts";

/** Makes the packet one of this tuple: bytes, checksums and flow key. */
export function rewrite(packet: Packet, tuple: Tuple): void {
  const { key } = packet;
  const protocol = tuple.head & 0xff;
  writeAddresses(packet, tuple);
  if (protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP) {
    key[WORD.tp_src] = tuple.ports >>> 16;
    key[WORD.tp_dst] = tuple.ports & 0xffff;
    writePorts(packet);
  } else if (protocol === IP_ICMP || protocol === IP_ICMPV6) writeIdentifier(packet, packet.l4, tuple.ports >>> 16);
}

function writeAddresses(packet: Packet, { addresses }: Tuple, source = true, destination = true): void {
  const { key } = packet;
  const words = OUTER.family === 4 ? 1 : 4;
  const src = words === 1 ? WORD.nw_src : WORD.ipv6_src;
  const dst = words === 1 ? WORD.nw_dst : WORD.ipv6_dst;
  for (let i = 0; i < words; i++) {
    if (source) key[src + i] = addresses[i] as number;
    if (destination) key[dst + i] = addresses[4 + i] as number;
  }
  if (words === 1) writeIpv4(packet);
  else writeIpv6(packet);
}

function writeIdentifier(packet: Packet, l4: number, id: number): void {
  const before = be16(packet.bytes, l4 + 4);
  if (before === id) return;
  packet.own();
  const { bytes: b } = packet;
  put16(b, l4 + 2, updateChecksum16(be16(b, l4 + 2), before, id));
  put16(b, l4 + 4, id);
}

/** Offset of the checksum that covers the pseudo-header in the inner packet, or -1 if it is not there or not in use. */
function innerChecksum(b: Uint8Array, inner: NetworkHeader): number {
  const { l4, end, protocol } = inner;
  if (protocol === IP_TCP) return end >= l4 + 18 ? l4 + 16 : -1;
  if (protocol === IP_UDP) return end >= l4 + 8 && be16(b, l4 + 6) !== 0 ? l4 + 6 : -1;
  if (protocol === IP_ICMPV6) return end >= l4 + 4 ? l4 + 2 : -1;
  return -1;
}

/**
 * Makes the packet inside an ICMP error (see {@link INNER}) one of `inner`, and the error itself one from the source (if it is
 * translated) and to the destination (likewise) of `outer`.
 */
export function rewriteError(packet: Packet, inner: Tuple, outer: Tuple, source: boolean, destination: boolean): void {
  packet.own();
  const { bytes: b } = packet;
  const { l3, l4, family, protocol } = INNER;
  const sumAt = innerChecksum(b, INNER);
  const put = (at: number, value: number, pseudo: boolean): void => {
    const before = be32(b, at);
    if (before === value) return;
    if (sumAt >= 0 && (pseudo || protocol !== IP_ICMPV6)) {
      const sum = updateChecksum32(be16(b, sumAt), before, value);
      put16(b, sumAt, sum === 0 && protocol === IP_UDP ? 0xffff : sum);
    }
    put32(b, at, value);
  };
  if (family === 4) {
    let header = be16(b, l3 + 10);
    for (const [at, word] of [
      [l3 + 12, 0],
      [l3 + 16, 4],
    ] as const) {
      const value = inner.addresses[word] as number;
      header = updateChecksum32(header, be32(b, at), value);
      put(at, value, true);
    }
    put16(b, l3 + 10, header);
  } else for (let i = 0; i < 8; i++) put(l3 + 8 + 4 * i, inner.addresses[i] as number, true);
  if (protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP) put(l4, inner.ports, false);
  else if (protocol === IP_ICMP || protocol === IP_ICMPV6) {
    const id = inner.ports >>> 16;
    put16(b, l4 + 2, updateChecksum16(be16(b, l4 + 2), be16(b, l4 + 4), id));
    put16(b, l4 + 4, id);
  }
  writeAddresses(packet, outer, source, destination);
  // What the error carries has changed: its checksum is made anew.
  const { bytes } = packet;
  put16(bytes, OUTER.l4 + 2, 0);
  const size = OUTER.end - OUTER.l4;
  const pseudo = OUTER.family === 6 ? pseudoSum6At(bytes, OUTER.l3, IP_ICMPV6, size) : 0;
  put16(bytes, OUTER.l4 + 2, finishSum(sumBytes(bytes, OUTER.l4, OUTER.end, pseudo)));
}
