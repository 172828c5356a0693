/** The DHCPv4 server of put_dhcp_opts: the logical flow brings the address and the options. */
import {
  DHCP_MESSAGE,
  DHCP_OPTION,
  formatIpv4,
  formatMac,
  get16,
  type Ipv4,
  ipv4Of,
  put32,
  readIpv4,
  readMac,
} from "@weft/packet";
import type { IpPacket } from "./answers.ts";
import {
  DHCP_BROADCAST,
  DHCP_COOKIE,
  DHCP_FIELD,
  DHCP_HEADER,
  DHCP_REPLY_OP,
  DHCP_REQUEST_OP,
  type DhcpMessage,
  readDhcp,
} from "./dhcpMessage.ts";
import { withPayload } from "./udp.ts";

const BOOT_FILE = 67;
const ETHERBOOT = 175;
/** Codes of the userdata only: the header's server address, and the boot file of clients other than iPXE. */
const NEXT_SERVER = 253;
const BOOT_FILE_ALT = 254;

/** Without a lease, an answer says nothing about it. */
const OF_LEASE: ReadonlySet<number> = new Set([
  DHCP_OPTION.subnetMask,
  DHCP_OPTION.leaseTime,
  DHCP_OPTION.renewalTime,
  DHCP_OPTION.rebindingTime,
]);
const BROADCAST = 0xffffffff;
/** What the reference puts behind the options: padding, the end, padding. */
const END = [0, 0, 0, 0, DHCP_OPTION.end, 0, 0, 0, 0];

export interface DhcpAnswer {
  /** Undefined: the message asks for nothing. */
  readonly packet: Uint8Array | undefined;
  /** For the log. */
  readonly notes: readonly string[];
  readonly warning?: string;
}

interface Offer {
  readonly address: Ipv4;
  readonly options: readonly { readonly code: number; readonly bytes: Uint8Array }[];
}

/** The operands of put_dhcp_opts: the address, then options as on the wire. */
function readOffer(operands: Uint8Array): Offer | undefined {
  if (operands.length < 4) return undefined;
  const options = [];
  for (let at = 4; at + 2 <= operands.length; ) {
    const end = at + 2 + operands[at + 1]!;
    if (end > operands.length) return undefined;
    options.push({ code: operands[at]!, bytes: operands.subarray(at, end) });
    at = end;
  }
  return { address: readIpv4(operands, 0), options };
}

/** The options for this client: one boot file of two. */
function optionsFor(offer: Offer, request: DhcpMessage): number[] {
  const unwanted = new Set<number>();
  const has = (code: number) => offer.options.some((option) => option.code === code);
  if (has(BOOT_FILE) && has(BOOT_FILE_ALT)) unwanted.add(request.options.has(ETHERBOOT) ? BOOT_FILE_ALT : BOOT_FILE);
  const bytes: number[] = [];
  for (const { code, bytes: option } of offer.options) {
    if (unwanted.has(code) || (request.type === DHCP_MESSAGE.inform && OF_LEASE.has(code))) continue;
    bytes.push(code === BOOT_FILE_ALT ? BOOT_FILE : code, ...option.subarray(1));
  }
  return bytes;
}

function answered(request: DhcpMessage, offer: Offer): { readonly type: number; readonly name: string } | undefined {
  switch (request.type) {
    case DHCP_MESSAGE.discover:
      return { type: DHCP_MESSAGE.offer, name: "OFFER" };
    case DHCP_MESSAGE.request:
      return request.address === offer.address
        ? { type: DHCP_MESSAGE.ack, name: "ACK" }
        : { type: DHCP_MESSAGE.nak, name: "NAK" };
    case DHCP_MESSAGE.inform:
      return { type: DHCP_MESSAGE.ack, name: "ACK" };
    default:
      return undefined;
  }
}

/** What the server answers; undefined: the packet is none that a client sends. */
export function dhcpAnswer(packet: IpPacket, operands: Uint8Array): DhcpAnswer | undefined {
  const offer = readOffer(operands);
  const request = readDhcp(packet);
  if (offer === undefined || request?.type === undefined || request.op !== DHCP_REQUEST_OP) return undefined;
  const { bytes: message, type } = request;
  const client = formatMac(readMac(message, DHCP_FIELD.clientMac));
  const offered = formatIpv4(offer.address);
  if (type === DHCP_MESSAGE.decline) return { packet: undefined, notes: [`DHCPDECLINE from ${client}, ${offered} duplicated`] };
  if (type === DHCP_MESSAGE.release) return { packet: undefined, notes: [`DHCPRELEASE ${client} ${offered}`] };
  const answer = answered(request, offer);
  if (answer === undefined) return { packet: undefined, notes: [], warning: `Invalid DHCP message type: ${type}` };

  const header = message.slice(0, DHCP_HEADER);
  header[DHCP_FIELD.op] = DHCP_REPLY_OP;
  const refused = answer.type === DHCP_MESSAGE.nak;
  put32(header, DHCP_FIELD.yourAddress, refused || type === DHCP_MESSAGE.inform ? 0 : offer.address);
  const server = offer.options.find(({ code }) => code === NEXT_SERVER)?.bytes;
  if (server?.length === 6 && !refused) put32(header, DHCP_FIELD.serverAddress, readIpv4(server, 2));
  const options = refused ? [] : optionsFor(offer, request);
  const bytes = Uint8Array.from([...header, ...DHCP_COOKIE, DHCP_OPTION.messageType, 1, answer.type, ...options, ...END]);
  const dst = (get16(message, DHCP_FIELD.flags) & DHCP_BROADCAST) !== 0 ? ipv4Of(BROADCAST) : offer.address;
  return {
    packet: withPayload(packet, bytes, dst),
    notes: [
      ...(type === DHCP_MESSAGE.inform ? [`DHCPINFORM from ${client} ${formatIpv4(ipv4Of(0))}`] : []),
      `DHCP${answer.name} ${client} ${offered}`,
    ],
    ...(refused ? { warning: `DHCPREQUEST requested IP ${formatIpv4(request.address)} does not match offer ${offered}` } : {}),
  };
}
