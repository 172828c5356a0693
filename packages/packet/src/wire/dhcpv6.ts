/** DHCP for IPv6 (RFC 8415): messages, relay messages, and options as code and data. */
import { type Ipv6, readIpv6, writeIpv6 } from "../address.ts";
import { get16, get24, put16, put24 } from "../bytes.ts";
import { badValue, TruncatedError } from "../errors.ts";
import { ipv6, layout, u8, u16, u24 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const DHCPV6 = layout("DHCPv6 message", 4, { type: u8(0), transaction: u24(1) });
export const DHCPV6_RELAY = layout("DHCPv6 relay message", 34, {
  type: u8(0),
  hopCount: u8(1),
  linkAddress: ipv6(2),
  peerAddress: ipv6(18),
});
export const DHCPV6_OPTION_HEADER = layout("DHCPv6 option", 4, { code: u16(0), length: u16(2) });

export const DHCPV6_MESSAGE = {
  solicit: 1,
  advertise: 2,
  request: 3,
  confirm: 4,
  renew: 5,
  rebind: 6,
  reply: 7,
  release: 8,
  decline: 9,
  reconfigure: 10,
  informationRequest: 11,
  relayForward: 12,
  relayReply: 13,
} as const;
export const DHCPV6_OPTION = {
  clientId: 1,
  serverId: 2,
  iaNa: 3,
  iaTa: 4,
  iaAddress: 5,
  optionRequest: 6,
  preference: 7,
  elapsedTime: 8,
  relayMessage: 9,
  status: 13,
  rapidCommit: 14,
  dnsServers: 23,
  domainList: 24,
  iaPd: 25,
  iaPrefix: 26,
  fqdn: 39,
} as const;

export interface Dhcpv6Option {
  readonly code: number;
  readonly data: Uint8Array;
}

interface Dhcpv6Base extends HeaderBase {
  readonly kind: "dhcpv6";
  readonly type: number;
  readonly options: readonly Dhcpv6Option[];
}

export interface Dhcpv6Message extends Dhcpv6Base {
  /** 24 bits. */
  readonly transaction: number;
  readonly relay?: undefined;
}

export interface Dhcpv6Relay extends Dhcpv6Base {
  readonly relay: { readonly hopCount: number; readonly linkAddress: Ipv6; readonly peerAddress: Ipv6 };
}

export type Dhcpv6 = Dhcpv6Message | Dhcpv6Relay;

const isRelay = (type: number): boolean => type === DHCPV6_MESSAGE.relayForward || type === DHCPV6_MESSAGE.relayReply;

export function dhcpv6Option(options: readonly Dhcpv6Option[], code: number): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.data;
}

/** Splits an option area, also one nested in an IA. Throws TruncatedError with the offset. */
export function parseDhcpv6Options(bytes: Uint8Array, start = 0, end = bytes.length): Dhcpv6Option[] {
  const options: Dhcpv6Option[] = [];
  for (let at = start; at < end; ) {
    if (end - at < 4) throw new TruncatedError("DHCPv6 option", at, 4, end - at);
    const length = get16(bytes, at + 2);
    if (end - at - 4 < length) throw new TruncatedError("DHCPv6 option", at + 4, length, end - at - 4);
    options.push({ code: get16(bytes, at), data: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return options;
}

function optionsLength(options: readonly Dhcpv6Option[]): number {
  return options.reduce((sum, option) => sum + 4 + option.data.length, 0);
}

function writeOptions(options: readonly Dhcpv6Option[], bytes: Uint8Array, start: number): void {
  let at = start;
  for (const { code, data } of options) {
    if (data.length > 0xffff) throw badValue("DHCPv6 option", `${data.length} bytes do not fit into 65535`);
    put16(bytes, at, code);
    put16(bytes, at + 2, data.length);
    bytes.set(data, at + 4);
    at += 4 + data.length;
  }
}

/** The bytes of an option area. */
export function emitDhcpv6Options(options: readonly Dhcpv6Option[]): Uint8Array {
  const area = new Uint8Array(optionsLength(options));
  writeOptions(options, area, 0);
  return area;
}

export const dhcpv6Codec: Codec<Dhcpv6> = {
  length: (header) => (header.relay ? DHCPV6_RELAY.length : DHCPV6.length) + optionsLength(header.options),
  parse(bytes, start, end) {
    const { type } = DHCPV6.view(bytes, start, end);
    if (!isRelay(type)) {
      const options = parseDhcpv6Options(bytes, start + DHCPV6.length, end);
      return { header: { kind: "dhcpv6", type, transaction: get24(bytes, start + 1), options }, payload: end, end };
    }
    const { hopCount } = DHCPV6_RELAY.view(bytes, start, end);
    const relay = { hopCount, linkAddress: readIpv6(bytes, start + 2), peerAddress: readIpv6(bytes, start + 18) };
    const options = parseDhcpv6Options(bytes, start + DHCPV6_RELAY.length, end);
    return { header: { kind: "dhcpv6", type, relay, options }, payload: end, end };
  },
  emit(header, bytes, start) {
    bytes[start] = header.type;
    if (header.relay) {
      bytes[start + 1] = header.relay.hopCount;
      writeIpv6(bytes, start + 2, header.relay.linkAddress);
      writeIpv6(bytes, start + 18, header.relay.peerAddress);
      writeOptions(header.options, bytes, start + DHCPV6_RELAY.length);
    } else {
      put24(bytes, start + 1, header.transaction);
      writeOptions(header.options, bytes, start + DHCPV6.length);
    }
  },
};
