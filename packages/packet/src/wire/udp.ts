/** UDP (RFC 768, RFC 8200 section 8.1). */
import { put16 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { MalformedError } from "../errors.ts";
import { layout, u16 } from "../layout.ts";
import { type Codec, foundChecksum, type HeaderBase, pseudoSum } from "./codec.ts";
import { kindOfUdpPorts } from "./numbers.ts";

export const UDP_PROTOCOL = 17;

export const UDP = layout("UDP header", 8, { srcPort: u16(0), dstPort: u16(2), length: u16(4), checksum: u16(6) });

export interface Udp extends HeaderBase {
  readonly kind: "udp";
  readonly srcPort: number;
  readonly dstPort: number;
  /** Of header and payload, in bytes. */
  readonly length?: number | undefined;
  /** 0: the sender computed none. */
  readonly checksum?: number | undefined;
}

export const udpCodec: Codec<Udp> = {
  length: () => UDP.length,
  parse(bytes, start, end, under) {
    const { srcPort, dstPort, length, checksum } = UDP.view(bytes, start, end);
    if (length < UDP.length) throw new MalformedError("UDP header", `length ${length}`, start + 4);
    const declaredEnd = start + length;
    const sum = pseudoSum(under, UDP_PROTOCOL, length);
    const found = under?.fragment || checksum === 0 ? checksum : foundChecksum(bytes, start, end, declaredEnd, sum, checksum);
    const header: Udp = { kind: "udp", srcPort, dstPort, checksum: found, ...(declaredEnd > end ? { length } : {}) };
    return { header, payload: start + UDP.length, end: declaredEnd, next: kindOfUdpPorts(srcPort, dstPort) };
  },
  emit(header, bytes, start, end, under) {
    const length = header.length ?? end - start;
    put16(bytes, start, header.srcPort);
    put16(bytes, start + 2, header.dstPort);
    put16(bytes, start + 4, length);
    put16(bytes, start + 6, 0);
    const computed = internetChecksum(bytes, start, end, pseudoSum(under, UDP_PROTOCOL, length));
    // a computed zero goes out as ones: zero says that there is none
    put16(bytes, start + 6, header.checksum ?? (computed || 0xffff));
  },
};
