/** ARP and RARP (RFC 826, RFC 903) for Ethernet and IPv4. */
import { type Ipv4, type Mac, writeIpv4, writeMac } from "../address.ts";
import { put16 } from "../bytes.ts";
import { MalformedError } from "../errors.ts";
import { ipv4, layout, mac, u8, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const ARP = layout("ARP packet", 28, {
  hardware: u16(0),
  protocol: u16(2),
  hardwareLength: u8(4),
  protocolLength: u8(5),
  operation: u16(6),
  senderMac: mac(8),
  senderIp: ipv4(14),
  targetMac: mac(18),
  targetIp: ipv4(24),
});

export const ARP_OPERATION = { request: 1, reply: 2, reverseRequest: 3, reverseReply: 4 } as const;

export interface Arp extends HeaderBase {
  readonly kind: "arp";
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

export const arpCodec: Codec<Arp> = {
  length: () => ARP.length,
  parse(bytes, start, end) {
    const v = ARP.view(bytes, start, end);
    if (v.hardware !== 1 || v.protocol !== 0x0800 || v.hardwareLength !== 6 || v.protocolLength !== 4)
      throw new MalformedError("ARP packet", "not for Ethernet and IPv4", start);
    const { operation, senderMac, senderIp, targetMac, targetIp } = v;
    const behind = start + ARP.length;
    return { header: { kind: "arp", operation, senderMac, senderIp, targetMac, targetIp }, payload: behind, end: behind };
  },
  emit(header, bytes, start) {
    put16(bytes, start, 1);
    put16(bytes, start + 2, 0x0800);
    bytes[start + 4] = 6;
    bytes[start + 5] = 4;
    put16(bytes, start + 6, header.operation);
    writeMac(bytes, start + 8, header.senderMac);
    writeIpv4(bytes, start + 14, header.senderIp);
    writeMac(bytes, start + 18, header.targetMac);
    writeIpv4(bytes, start + 24, header.targetIp);
  },
};
