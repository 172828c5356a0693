/** A DHCPv4 message in a packet (RFC 2131), as the server and the relay of the controller read it. */
import { DHCP_OPTION, type Ipv4, readIpv4 } from "@weft/packet";
import type { IpPacket } from "./answers.ts";
import { udpPayload } from "./udp.ts";

/** Length of the message without options and cookie, and where its fields are. */
export const DHCP_HEADER = 236;
export const DHCP_FIELD = {
  op: 0,
  hardwareType: 1,
  hardwareLength: 2,
  hops: 3,
  xid: 4,
  flags: 10,
  clientAddress: 12,
  yourAddress: 16,
  serverAddress: 20,
  relayAddress: 24,
  clientMac: 28,
} as const;
export const DHCP_COOKIE = [0x63, 0x82, 0x53, 0x63];
export const DHCP_REQUEST_OP = 1;
export const DHCP_REPLY_OP = 2;
export const DHCP_BROADCAST = 0x8000;

const ETHERNET = 1;
const MAC_LENGTH = 6;

export interface DhcpMessage {
  /** From the operation on. */
  readonly bytes: Uint8Array;
  readonly op: number;
  readonly options: ReadonlyMap<number, Uint8Array>;
  /** Never 0. */
  readonly type: number | undefined;
  /** The address that a client asks for, or has; 0: neither. */
  readonly address: Ipv4;
}

/**
 * The message of a client or server with Ethernet addresses. Options from the first malformed one on are ignored, as the
 * reference ignores them.
 */
export function readDhcp(packet: IpPacket): DhcpMessage | undefined {
  const bytes = udpPayload(packet);
  const start = DHCP_HEADER + DHCP_COOKIE.length;
  if (bytes === undefined || bytes.length < start) return undefined;
  if (bytes[DHCP_FIELD.hardwareType] !== ETHERNET || bytes[DHCP_FIELD.hardwareLength] !== MAC_LENGTH) return undefined;
  if (DHCP_COOKIE.some((byte, i) => bytes[DHCP_HEADER + i] !== byte)) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = start; at + 2 <= bytes.length && bytes[at] !== DHCP_OPTION.end; ) {
    const end = bytes[at] === DHCP_OPTION.pad ? at + 1 : at + 2 + bytes[at + 1]!;
    if (end > bytes.length) break;
    if (bytes[at] !== DHCP_OPTION.pad) options.set(bytes[at]!, bytes.subarray(at + 2, end));
    at = end;
  }
  const asked = options.get(DHCP_OPTION.requestedIp);
  const address = asked?.length === 4 ? readIpv4(asked, 0) : readIpv4(bytes, DHCP_FIELD.clientAddress);
  return { bytes, op: bytes[DHCP_FIELD.op]!, options, type: options.get(DHCP_OPTION.messageType)?.[0] || undefined, address };
}
