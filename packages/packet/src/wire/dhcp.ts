/** DHCP for IPv4 (RFC 2131, options RFC 2132). */
import { type Ipv4, type Mac, readIpv4, readMac, writeIpv4, writeMac } from "../address.ts";
import { concat, put16, put32 } from "../bytes.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { ipv4, layout, mac, u8, u16, u32 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const DHCP = layout("DHCP message", 240, {
  op: u8(0),
  hardwareType: u8(1),
  hardwareLength: u8(2),
  hops: u8(3),
  xid: u32(4),
  seconds: u16(8),
  flags: u16(10),
  clientIp: ipv4(12),
  yourIp: ipv4(16),
  serverIp: ipv4(20),
  gatewayIp: ipv4(24),
  clientMac: mac(28),
  cookie: u32(236),
});

export const DHCP_COOKIE = 0x63825363;
export const DHCP_BROADCAST_FLAG = 0x8000;
export const DHCP_MESSAGE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;
/** Option codes of RFC 2132 that this package's users need by name. */
export const DHCP_OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  dnsServer: 6,
  hostName: 12,
  domainName: 15,
  mtu: 26,
  requestedIp: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
  classlessRoutes: 121,
  end: 255,
} as const;

export interface DhcpOption {
  /** 1..254, or 0 for a byte of padding, without data. */
  readonly code: number;
  /** At most 255 bytes. */
  readonly data: Uint8Array;
}

export interface Dhcp extends HeaderBase {
  readonly kind: "dhcp";
  /** 1 is a request, 2 a reply. */
  readonly op: number;
  readonly xid: number;
  readonly clientMac: Mac;
  readonly hops?: number | undefined;
  readonly seconds?: number | undefined;
  readonly flags?: number | undefined;
  readonly clientIp?: Ipv4 | undefined;
  readonly yourIp?: Ipv4 | undefined;
  readonly serverIp?: Ipv4 | undefined;
  readonly gatewayIp?: Ipv4 | undefined;
  /** 64 and 128 bytes of zero-terminated text. */
  readonly serverName?: string | undefined;
  readonly bootFile?: string | undefined;
  readonly options: readonly DhcpOption[];
  /** False: the closing end option is missing. */
  readonly end?: boolean | undefined;
}

const optionLength = (option: DhcpOption): number => (option.code === DHCP_OPTION.pad ? 1 : 2 + option.data.length);

export function dhcpOption(message: Dhcp, code: number): Uint8Array | undefined {
  return message.options.find((option) => option.code === code)?.data;
}

/** The message type (DHCP_MESSAGE), undefined for plain BOOTP. */
export function dhcpMessageType(message: Dhcp): number | undefined {
  return dhcpOption(message, DHCP_OPTION.messageType)?.[0];
}

/** An address option's data, e.g. of requestedIp or serverId. */
export function dhcpAddress(message: Dhcp, code: number): Ipv4 | undefined {
  const data = dhcpOption(message, code);
  return data && data.length >= 4 ? readIpv4(data, 0) : undefined;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Text up to the first zero. */
function readText(bytes: Uint8Array, start: number, length: number): string | undefined {
  const area = bytes.subarray(start, start + length);
  const zero = area.indexOf(0);
  return zero === 0 ? undefined : latin1(zero < 0 ? area : area.subarray(0, zero));
}

function writeText(bytes: Uint8Array, start: number, length: number, text: string | undefined): void {
  bytes.fill(0, start, start + length);
  if (text === undefined) return;
  if (text.length > length) throw badValue("DHCP text", `"${text}" does not fit into ${length} bytes`);
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
}

const ZERO = 0 as Ipv4; // the unspecified address

export const dhcpCodec: Codec<Dhcp> = {
  length: (header) =>
    header.options.reduce((sum, option) => sum + optionLength(option), DHCP.length + (header.end === false ? 0 : 1)),
  parse(bytes, start, end) {
    const v = DHCP.view(bytes, start, end);
    if (v.cookie !== DHCP_COOKIE) throw new MalformedError("DHCP message", "no magic cookie", start + 236);
    if (v.hardwareType !== 1 || v.hardwareLength !== 6) throw new MalformedError("DHCP message", "not for Ethernet", start + 1);
    const options: DhcpOption[] = [];
    let at = start + DHCP.length;
    let ended = false;
    while (at < end) {
      const code = bytes[at]!;
      if (code === DHCP_OPTION.end) {
        at++;
        ended = true;
        break;
      }
      if (code === DHCP_OPTION.pad) {
        options.push({ code, data: bytes.subarray(at, at) });
        at++;
        continue;
      }
      const length = bytes[at + 1];
      if (at + 1 >= end || length === undefined) throw new TruncatedError("DHCP option", at, 2, end - at);
      if (end - at - 2 < length) throw new TruncatedError("DHCP option", at + 2, length, end - at - 2);
      options.push({ code, data: bytes.subarray(at + 2, at + 2 + length) });
      at += 2 + length;
    }
    const { op, xid, hops, seconds, flags, clientIp, yourIp, serverIp, gatewayIp } = v;
    const clientMac = readMac(bytes, start + 28);
    const serverName = readText(bytes, start + 44, 64);
    const bootFile = readText(bytes, start + 108, 128);
    const header: Dhcp = {
      kind: "dhcp",
      op,
      xid,
      clientMac,
      hops,
      seconds,
      flags,
      clientIp,
      yourIp,
      serverIp,
      gatewayIp,
      serverName,
      bootFile,
      options,
      ...(ended ? {} : { end: false }),
    };
    return { header, payload: at, end };
  },
  emit(header, bytes, start) {
    bytes[start] = header.op;
    bytes[start + 1] = 1;
    bytes[start + 2] = 6;
    bytes[start + 3] = header.hops ?? 0;
    put32(bytes, start + 4, header.xid);
    put16(bytes, start + 8, header.seconds ?? 0);
    put16(bytes, start + 10, header.flags ?? 0);
    writeIpv4(bytes, start + 12, header.clientIp ?? ZERO);
    writeIpv4(bytes, start + 16, header.yourIp ?? ZERO);
    writeIpv4(bytes, start + 20, header.serverIp ?? ZERO);
    writeIpv4(bytes, start + 24, header.gatewayIp ?? ZERO);
    writeMac(bytes, start + 28, header.clientMac);
    bytes.fill(0, start + 34, start + 44);
    writeText(bytes, start + 44, 64, header.serverName);
    writeText(bytes, start + 108, 128, header.bootFile);
    put32(bytes, start + 236, DHCP_COOKIE);
    let at = start + DHCP.length;
    for (const { code, data } of header.options) {
      if (data.length > 255) throw badValue("DHCP option", `${data.length} bytes do not fit into 255`);
      bytes[at] = code;
      if (code === DHCP_OPTION.pad) {
        at++;
        continue;
      }
      bytes[at + 1] = data.length;
      bytes.set(data, at + 2);
      at += 2 + data.length;
    }
    if (header.end !== false) bytes[at] = DHCP_OPTION.end;
  },
};

/** Data of option 121 (RFC 3442): destination prefixes with their routers. */
export function emitClasslessRoutes(
  routes: readonly { readonly destination: Ipv4; readonly length: number; readonly router: Ipv4 }[],
): Uint8Array {
  const parts = routes.map(({ destination, length, router }) => {
    const significant = Math.ceil(length / 8);
    const part = new Uint8Array(1 + significant + 4);
    const full = new Uint8Array(4);
    writeIpv4(full, 0, destination);
    part[0] = length;
    part.set(full.subarray(0, significant), 1);
    writeIpv4(part, 1 + significant, router);
    return part;
  });
  return concat(...parts);
}
