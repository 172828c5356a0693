/** The checks of a DHCPv4 relay, dhcp_relay_req_chk and dhcp_relay_resp_chk (ovn-sb(5), Logical_Flow; RFC 1542). */
import {
  DHCP_MESSAGE,
  DHCP_OPTION,
  findLayer,
  formatIpv4,
  formatMac,
  get16,
  get32,
  type Ipv4,
  ipv4Of,
  readIpv4,
  readMac,
  updateChecksum32,
  updateChecksumBytes,
  writeIpv4,
} from "@weft/packet";
import type { IpPacket } from "./answers.ts";
import type { DhcpAnswer } from "./dhcp.ts";
import {
  DHCP_BROADCAST,
  DHCP_FIELD,
  DHCP_HEADER,
  DHCP_REPLY_OP,
  DHCP_REQUEST_OP,
  type DhcpMessage,
  readDhcp,
} from "./dhcpMessage.ts";
import { resized, under } from "./udp.ts";

interface Relay {
  /** The router's address on the client's side. */
  readonly relay: Ipv4;
  readonly server: Ipv4;
}

function readRelay(operands: Uint8Array): Relay | undefined {
  return operands.length < 8 ? undefined : { relay: readIpv4(operands, 0), server: readIpv4(operands, 4) };
}

const names = new Map(Object.entries(DHCP_MESSAGE).map(([name, type]) => [type as number, name.toUpperCase()]));

function typeName(type: number): string {
  return type === DHCP_MESSAGE.inform ? "UNKNOWN" : (names.get(type) ?? "UNKNOWN");
}

function refused(warning: string): DhcpAnswer {
  return { packet: undefined, notes: [], warning };
}

/** What the log says of a message that is relayed: `which` address, the client's, is as in the message. */
function note(check: string, message: DhcpMessage, which: string, address: Ipv4, { relay, server }: Relay): string {
  const { bytes } = message;
  const client = `MAC:${formatMac(readMac(bytes, DHCP_FIELD.clientMac))} XID:${get32(bytes, DHCP_FIELD.xid)}`;
  const ends = `GIADDR:${formatIpv4(relay)} SERVER_ADDR:${formatIpv4(server)}`;
  return `${check}:: MSG_TYPE:${typeName(message.type!)} ${client} ${which}:${formatIpv4(address)} ${ends}`;
}

/**
 * The packet with another message of the same length, and to another address. A checksum that is wrong stays wrong (RFC
 * 1624), and a datagram without one stays without.
 */
function changed(packet: IpPacket, before: Uint8Array, bytes: Uint8Array, dst?: Ipv4): Uint8Array | undefined {
  const { ip, layers } = packet;
  const udp = findLayer(layers, "udp")?.header;
  if (udp === undefined || ip.kind !== "ipv4") return undefined;
  let { checksum } = udp;
  if (checksum !== undefined && checksum !== 0) {
    checksum = updateChecksumBytes(checksum, before.subarray(0, DHCP_HEADER), bytes.subarray(0, DHCP_HEADER));
    checksum = updateChecksum32(checksum, ip.dst, dst ?? ip.dst);
  }
  const { srcPort, dstPort } = udp;
  const head = resized(ip, dst === undefined ? {} : { dst });
  return under(packet, head, { kind: "udp", srcPort, dstPort, checksum }, { kind: "payload", bytes });
}

/** A client's request on its way to the server: through us, and one hop further. */
export function relayedRequest(packet: IpPacket, operands: Uint8Array): DhcpAnswer | undefined {
  const check = "DHCP_RELAY_REQ_CHK";
  const relay = readRelay(operands);
  const message = readDhcp(packet);
  if (relay === undefined || message === undefined) return undefined;
  if (message.op !== DHCP_REQUEST_OP) return refused(`${check}: invalid opcode in the DHCP packet: ${message.op}`);
  if (message.type === undefined) return refused(`${check}: missing message type`);
  if (get32(message.bytes, DHCP_FIELD.relayAddress) !== 0) return refused(`${check}: giaddr is already set`);
  const bytes = message.bytes.slice();
  bytes[DHCP_FIELD.hops]!++;
  writeIpv4(bytes, DHCP_FIELD.relayAddress, relay.relay);
  return { packet: changed(packet, message.bytes, bytes), notes: [note(check, message, "REQ_IP", message.address, relay)] };
}

/** A server's reply on its way to the client. */
export function relayedResponse(packet: IpPacket, operands: Uint8Array): DhcpAnswer | undefined {
  const check = "DHCP_RELAY_RESP_CHK";
  const relay = readRelay(operands);
  const message = readDhcp(packet);
  if (relay === undefined || message === undefined) return undefined;
  const { bytes, options, op, type } = message;
  if (op !== DHCP_REPLY_OP) return refused(`${check}: invalid opcode in the DHCP packet: ${op}`);
  if (type === undefined) return refused(`${check}: missing message type`);
  const server = options.get(DHCP_OPTION.serverId);
  if (server?.length !== 4) return refused("DHCP_RELAY_RESP: missing server identifier");
  if (readIpv4(server, 0) !== relay.server) return refused("DHCP_RELAY_RESP: server identifier mismatch");
  const through = readIpv4(bytes, DHCP_FIELD.relayAddress);
  if (through === 0) return refused(`${check}: giaddr is not set in request`);
  if (through !== relay.relay) return refused("DHCP_RELAY_RESP: giaddr mismatch");
  const yours = readIpv4(bytes, DHCP_FIELD.yourAddress);
  const dst = (get16(bytes, DHCP_FIELD.flags) & DHCP_BROADCAST) !== 0 ? ipv4Of(0xffffffff) : yours;
  const frame = changed(packet, bytes, bytes, dst);
  frame?.set(bytes.subarray(DHCP_FIELD.clientMac, DHCP_FIELD.clientMac + 6));
  return { packet: frame, notes: [note(check, message, "YIADDR", yours, relay)] };
}
