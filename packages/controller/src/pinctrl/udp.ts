/** Answers to UDP requests that take the request's place in the pipeline, which then turns the addresses round. */
import { concat, emit, findLayer, type Header, type Ipv4, type Ipv4Header, type Ipv6Header } from "@weft/packet";
import type { IpPacket } from "./answers.ts";

/** What the UDP datagram carries. */
export function udpPayload({ frame, layers }: IpPacket): Uint8Array | undefined {
  const udp = findLayer(layers, "udp");
  return udp === undefined ? undefined : frame.subarray(udp.start + 8, udp.end);
}

/** The headers in front of the IP header, and then these. */
export function under({ frame, start }: IpPacket, ...headers: readonly Header[]): Uint8Array {
  return concat(frame.subarray(0, start), emit(headers));
}

/** The IP header again, for another length. */
export function resized<H extends Ipv4Header | Ipv6Header>(ip: H, changes: Partial<H> = {}): H {
  const { trailer: _trailer, checksum: _checksum, ...rest } = ip as H & { readonly checksum?: number };
  return { ...(rest as H), totalLength: undefined, payloadLength: undefined, ...changes };
}

/**
 * The request with another payload, and sent to `dst` if given. The ports stay: the pipeline still has to know the packet.
 * Over IPv4 the datagram has no checksum, as the reference sends it.
 */
export function withPayload(packet: IpPacket, bytes: Uint8Array, dst?: Ipv4): Uint8Array | undefined {
  const { ip, layers } = packet;
  const asked = findLayer(layers, "udp")?.header;
  if (asked === undefined) return undefined;
  const { srcPort, dstPort } = asked;
  const udp: Header = { kind: "udp", srcPort, dstPort, ...(ip.kind === "ipv4" ? { checksum: 0 } : {}) };
  const head = ip.kind === "ipv4" ? resized(ip, dst === undefined ? {} : { dst }) : resized(ip);
  return under(packet, head, udp, { kind: "payload", bytes });
}
