/** The DHCPv4 server of put_dhcp_opts: the logical flow brings the address and the options. */
import { formatIpv4, formatMac, get16, type Ipv4, ipv4Of, put32, readIpv4, readMac } from "@weft/packet";
import type { IpPacket } from "./answers.ts";
import { udpPayload, withPayload } from "./udp.ts";

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const DECLINE = 4;
const ACK = 5;
const NAK = 6;
const RELEASE = 7;
const INFORM = 8;

const NETMASK = 1;
const REQUESTED_ADDRESS = 50;
const LEASE_TIME = 51;
const MESSAGE_TYPE = 53;
const RENEWAL_TIME = 58;
const REBINDING_TIME = 59;
const BOOT_FILE = 67;
const ETHERBOOT = 175;
/** Codes of the userdata only: the header's server address, and the boot file of clients other than iPXE. */
const NEXT_SERVER = 253;
const BOOT_FILE_ALT = 254;

/** Without a lease, an answer says nothing about it. */
const OF_LEASE: ReadonlySet<number> = new Set([NETMASK, LEASE_TIME, RENEWAL_TIME, REBINDING_TIME]);
const BROADCAST_FLAG = 0x8000;
const BROADCAST = 0xffffffff;
/** Length of the message without options and cookie, and where its fields are. */
const HEADER = 236;
const FLAGS = 10;
const CLIENT_ADDRESS = 12;
const YOUR_ADDRESS = 16;
const SERVER_ADDRESS = 20;
const CLIENT_MAC = 28;
const COOKIE = [0x63, 0x82, 0x53, 0x63];
const END_OPTION = 0xff;
/** What the reference puts behind the options: padding, the end, padding. */
const END = [0, 0, 0, 0, END_OPTION, 0, 0, 0, 0];

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

interface Request {
  readonly message: Uint8Array;
  readonly type: number;
  readonly options: ReadonlyMap<number, Uint8Array>;
  /** The address that it asks for, or has; 0: neither. */
  readonly address: Ipv4;
}

/** A client's message. Options from the first malformed one on are ignored, as the reference ignores them. */
function readRequest(packet: IpPacket): Request | undefined {
  const message = udpPayload(packet);
  const start = HEADER + COOKIE.length;
  if (message === undefined || message.length < start || message[0] !== 1) return undefined;
  // Ethernet addresses
  if (message[1] !== 1 || message[2] !== 6 || COOKIE.some((byte, i) => message[HEADER + i] !== byte)) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = start; at + 2 <= message.length && message[at] !== END_OPTION; ) {
    const end = message[at] === 0 ? at + 1 : at + 2 + message[at + 1]!;
    if (end > message.length) break;
    if (message[at] !== 0) options.set(message[at]!, message.subarray(at + 2, end));
    at = end;
  }
  const type = options.get(MESSAGE_TYPE)?.[0];
  if (type === undefined) return undefined;
  const asked = options.get(REQUESTED_ADDRESS);
  return { message, type, options, address: asked?.length === 4 ? readIpv4(asked, 0) : readIpv4(message, CLIENT_ADDRESS) };
}

/** The options for this client: one boot file of two. */
function optionsFor(offer: Offer, request: Request): number[] {
  const unwanted = new Set<number>();
  const has = (code: number) => offer.options.some((option) => option.code === code);
  if (has(BOOT_FILE) && has(BOOT_FILE_ALT)) unwanted.add(request.options.has(ETHERBOOT) ? BOOT_FILE_ALT : BOOT_FILE);
  const bytes: number[] = [];
  for (const { code, bytes: option } of offer.options) {
    if (unwanted.has(code) || (request.type === INFORM && OF_LEASE.has(code))) continue;
    bytes.push(code === BOOT_FILE_ALT ? BOOT_FILE : code, ...option.subarray(1));
  }
  return bytes;
}

function answered(request: Request, offer: Offer): { readonly type: number; readonly name: string } | undefined {
  switch (request.type) {
    case DISCOVER:
      return { type: OFFER, name: "OFFER" };
    case REQUEST:
      return request.address === offer.address ? { type: ACK, name: "ACK" } : { type: NAK, name: "NAK" };
    case INFORM:
      return { type: ACK, name: "ACK" };
    default:
      return undefined;
  }
}

/** What the server answers; undefined: the packet is none that a client sends. */
export function dhcpAnswer(packet: IpPacket, operands: Uint8Array): DhcpAnswer | undefined {
  const offer = readOffer(operands);
  const request = readRequest(packet);
  if (offer === undefined || request === undefined) return undefined;
  const { message, type } = request;
  const client = formatMac(readMac(message, CLIENT_MAC));
  const offered = formatIpv4(offer.address);
  if (type === DECLINE) return { packet: undefined, notes: [`DHCPDECLINE from ${client}, ${offered} duplicated`] };
  if (type === RELEASE) return { packet: undefined, notes: [`DHCPRELEASE ${client} ${offered}`] };
  const answer = answered(request, offer);
  if (answer === undefined) return { packet: undefined, notes: [], warning: `Invalid DHCP message type: ${type}` };

  const header = message.slice(0, HEADER);
  header[0] = 2;
  const refused = answer.type === NAK;
  put32(header, YOUR_ADDRESS, refused || type === INFORM ? 0 : offer.address);
  const server = offer.options.find(({ code }) => code === NEXT_SERVER)?.bytes;
  if (server?.length === 6 && !refused) put32(header, SERVER_ADDRESS, readIpv4(server, 2));
  const options = refused ? [] : optionsFor(offer, request);
  const bytes = Uint8Array.from([...header, ...COOKIE, MESSAGE_TYPE, 1, answer.type, ...options, ...END]);
  const dst = (get16(message, FLAGS) & BROADCAST_FLAG) !== 0 ? ipv4Of(BROADCAST) : offer.address;
  return {
    packet: withPayload(packet, bytes, dst),
    notes: [
      ...(type === INFORM ? [`DHCPINFORM from ${client} ${formatIpv4(ipv4Of(0))}`] : []),
      `DHCP${answer.name} ${client} ${offered}`,
    ],
    ...(refused ? { warning: `DHCPREQUEST requested IP ${formatIpv4(request.address)} does not match offer ${offered}` } : {}),
  };
}
