/** The DHCPv6 server of put_dhcpv6_opts (RFC 8415): the logical flow brings the address and the options. */
import { concat, DHCPV6_MESSAGE, DHCPV6_OPTION, type Dhcpv6Option, emitDhcpv6Options, get16, put32 } from "@weft/packet";
import type { IpPacket } from "./answers.ts";
import type { DhcpAnswer } from "./dhcp.ts";
import { udpPayload, withPayload } from "./udp.ts";

/** Bytes of message type and transaction. */
const HEADER = 4;
const USER_CLASS = 15;
const BOOT_FILE = 59;
/** Of the userdata only: the boot file of clients other than iPXE. */
const BOOT_FILE_ALT = 254;

/** Bytes of an IA_NA's identity, and with T1 and T2. */
const IAID = 4;
const IA_HEADER = 12;
const FOREVER = 0xffffffff;
/** In front of a link-layer address in a DUID: DUID-LL, Ethernet. */
export const DUID_LL = Uint8Array.of(0, 3, 0, 1);
const SUCCESS = Uint8Array.of(0, 0);

/** Flags of the FQDN option (RFC 4704 section 4.1): the server is to update AAAA; it does otherwise; it updates nothing. */
const FQDN_S = 1;
const FQDN_O = 2;
const FQDN_N = 4;

const REPLIES: ReadonlyMap<number, number> = new Map([
  [DHCPV6_MESSAGE.solicit, DHCPV6_MESSAGE.advertise],
  [DHCPV6_MESSAGE.request, DHCPV6_MESSAGE.reply],
  [DHCPV6_MESSAGE.confirm, DHCPV6_MESSAGE.reply],
  [DHCPV6_MESSAGE.decline, DHCPV6_MESSAGE.reply],
  [DHCPV6_MESSAGE.informationRequest, DHCPV6_MESSAGE.reply],
  [DHCPV6_MESSAGE.release, DHCPV6_MESSAGE.reply],
]);

/** What of a client's message counts. Of options that come several times it is the last. */
interface Request {
  readonly type: number;
  readonly options: readonly Dhcpv6Option[];
  readonly clientId: Uint8Array | undefined;
  readonly iaid: Uint8Array | undefined;
}

/** The options of an area up to the first that is cut off, as the reference reads them. */
export function wholeOptions(area: Uint8Array): Dhcpv6Option[] {
  const options: Dhcpv6Option[] = [];
  for (let at = 0; at + 4 <= area.length; ) {
    const end = at + 4 + get16(area, at + 2);
    if (end > area.length) break;
    options.push({ code: get16(area, at), data: area.subarray(at + 4, end) });
    at = end;
  }
  return options;
}

function readRequest(message: Uint8Array): Request {
  const options = wholeOptions(message.subarray(HEADER));
  const last = (wanted: number, length: number) =>
    options.findLast(({ code, data }) => code === wanted && data.length >= length)?.data;
  const iaid = last(DHCPV6_OPTION.iaNa, IA_HEADER)?.subarray(0, IAID);
  return { type: message[0]!, options, clientId: last(DHCPV6_OPTION.clientId, 0), iaid };
}

/** Whether a user class (RFC 8415 section 21.15) says iPXE. */
function isIpxe({ options }: Request): boolean {
  return options.some(({ code, data }) => code === USER_CLASS && new TextDecoder().decode(data.subarray(2, 6)) === "iPXE");
}

/** The server's name for the client; only for clients that have told theirs. */
function fqdnFor({ options }: Request, name: Uint8Array): Dhcpv6Option[] {
  const asked = options.findLast(({ code, data }) => code === DHCPV6_OPTION.fqdn && data.length > 0)?.data;
  if (asked === undefined) return [];
  const flags = FQDN_N | ((asked[0]! & FQDN_S) !== 0 ? FQDN_O : 0);
  return [{ code: DHCPV6_OPTION.fqdn, data: concat(Uint8Array.of(flags), name) }];
}

/** An IA_NA with the address, for ever. */
function identityAssociation(iaid: Uint8Array, address: Uint8Array): Dhcpv6Option {
  const times = new Uint8Array(8);
  put32(times, 0, FOREVER);
  put32(times, 4, FOREVER);
  const inner = emitDhcpv6Options([{ code: DHCPV6_OPTION.iaAddress, data: concat(address, times) }]);
  return { code: DHCPV6_OPTION.iaNa, data: concat(iaid, times, inner) };
}

function serverId(mac: Uint8Array): Dhcpv6Option {
  return { code: DHCPV6_OPTION.serverId, data: concat(DUID_LL, mac) };
}

/** What the flow offers, as this client is to get it. */
function offered(request: Request, offer: readonly Dhcpv6Option[]): Dhcpv6Option[] {
  const unwanted = isIpxe(request) ? BOOT_FILE_ALT : BOOT_FILE;
  return offer.flatMap(({ code, data }) => {
    switch (code) {
      case unwanted:
        return [];
      case DHCPV6_OPTION.iaAddress:
        return request.iaid === undefined ? [] : [identityAssociation(request.iaid, data)];
      case DHCPV6_OPTION.serverId:
        return [serverId(data)];
      case DHCPV6_OPTION.fqdn:
        return fqdnFor(request, data);
      case BOOT_FILE_ALT:
        return [{ code: BOOT_FILE, data }];
      case DHCPV6_OPTION.domainList:
        // like the reference: the whole text as one label
        return [{ code, data: Uint8Array.of(data.length, ...data, 0) }];
      default:
        return [{ code, data }];
    }
  });
}

/** A release is confirmed by the server that gave the address. */
function released(offer: readonly Dhcpv6Option[]): Dhcpv6Option[] {
  const id = offer.find(({ code }) => code === DHCPV6_OPTION.serverId);
  return [...(id === undefined ? [] : [serverId(id.data)]), { code: DHCPV6_OPTION.status, data: SUCCESS }];
}

/**
 * What the server answers to a client's message, in its place; `operands` are options as on the wire, but for those that
 * are made here. Undefined: no message that this server knows.
 */
export function dhcpv6Answer(packet: IpPacket, operands: Uint8Array): DhcpAnswer | undefined {
  const message = udpPayload(packet);
  if (message === undefined || message.length < HEADER) return undefined;
  const request = readRequest(message);
  const reply = REPLIES.get(request.type);
  if (reply === undefined) return undefined;
  const { clientId, iaid } = request;
  const missing = (what: string): DhcpAnswer => ({
    packet: undefined,
    notes: [],
    warning: `DHCPv6 option - ${what} not present in the DHCPv6 packet`,
  });
  if (clientId === undefined) return missing("Client id");
  if (iaid === undefined && request.type !== DHCPV6_MESSAGE.informationRequest) return missing("IA NA");

  const offer = wholeOptions(operands);
  const options = request.type === DHCPV6_MESSAGE.release ? released(offer) : offered(request, offer);
  const head = Uint8Array.of(reply, ...message.subarray(1, HEADER));
  const area = emitDhcpv6Options([{ code: DHCPV6_OPTION.clientId, data: clientId }, ...options]);
  return { packet: withPayload(packet, concat(head, area)), notes: [] };
}
