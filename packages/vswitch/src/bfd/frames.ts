/** BFD control packets in frames of their own (RFC 5881): which are, and how they are made. */
import { type Bfd, decode, emit, findLayer, type Mac } from "@weft/packet";
import type { OfPort } from "../ofproto/port.ts";
import type { BfdConfig } from "./config.ts";

/** The UDP port of single-hop sessions (RFC 5881 section 4). */
export const BFD_PORT = 3784;
/** Internetwork control. */
const TOS = 0xc0;
/** RFC 5881 section 5. */
const TTL = 255;

export function bfdFrame({ srcMac, dstMac, src, dst }: BfdConfig, mac: Mac, srcPort: number, packet: Bfd): Uint8Array {
  return emit([
    { kind: "ethernet", dst: dstMac, src: srcMac ?? mac },
    { kind: "ipv4", src, dst, ttl: TTL, tos: TOS },
    { kind: "udp", srcPort, dstPort: BFD_PORT, checksum: 0 },
    packet,
  ]);
}

/** Gives a frame that came in by a port to the port's session. */
export function receiveBfd(port: OfPort, frame: Uint8Array): void {
  const layers = decode(frame);
  const ttl = findLayer(layers, "ipv4")?.header.ttl ?? findLayer(layers, "ipv6")?.header.hopLimit;
  const packet = findLayer(layers, "bfd")?.header;
  if (packet !== undefined && ttl === TTL) port.bfd?.receive(packet);
}
