/** IPv6 neighbour discovery (RFC 4861): solicitations, advertisements and redirects with their options. */
import { type Ipv6, type Mac, readIpv6, readMac, writeIpv6, writeMac } from "../address.ts";
import { bytesEqual, get32, put16, put32 } from "../bytes.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { flag, ipv6, layout, u8, u16, u32 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { emitIcmpv6Start, foundIcmpv6Checksum, ICMPV6_TYPE } from "./icmpv6.ts";

export const ND_ROUTER_SOLICITATION = layout("router solicitation", 8, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  reserved: u32(4),
});
export const ND_ROUTER_ADVERTISEMENT = layout("router advertisement", 16, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  hopLimit: u8(4),
  flags: u8(5),
  managed: flag(5, 7),
  other: flag(5, 6),
  lifetime: u16(6),
  reachableTime: u32(8),
  retransTimer: u32(12),
});
/** Solicitations and advertisements of neighbours alike; the flags are the advertisement's. */
export const ND_NEIGHBOR = layout("neighbor message", 24, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  router: flag(4, 7),
  solicited: flag(4, 6),
  override: flag(4, 5),
  reserved: u32(4),
  target: ipv6(8),
});
export const ND_REDIRECT = layout("redirect", 40, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  reserved: u32(4),
  target: ipv6(8),
  destination: ipv6(24),
});

export const ND_OPTION = {
  sourceMac: 1,
  targetMac: 2,
  prefix: 3,
  redirected: 4,
  mtu: 5,
  route: 24,
  rdnss: 25,
  dnssl: 31,
} as const;

/** Lifetimes in seconds, 0xffffffff for ever. */
export type NdOption =
  | { readonly option: "source-mac" | "target-mac"; readonly mac: Mac }
  | {
      readonly option: "prefix";
      readonly prefix: Ipv6;
      readonly length: number;
      readonly onLink: boolean;
      readonly autonomous: boolean;
      readonly valid: number;
      readonly preferred: number;
    }
  | { readonly option: "mtu"; readonly mtu: number }
  | { readonly option: "rdnss"; readonly lifetime: number; readonly servers: readonly Ipv6[] }
  /** Any other, and those whose reserved bits are set: `data` is what follows type and length, 6 bytes and a multiple of 8. */
  | { readonly option: "other"; readonly type: number; readonly data: Uint8Array };

interface NdBase extends HeaderBase {
  readonly kind: "nd";
  readonly code?: number | undefined;
  readonly checksum?: number | undefined;
  readonly options?: readonly NdOption[] | undefined;
}

export interface NdRouterSolicitation extends NdBase {
  readonly type: 133;
}

export interface NdRouterAdvertisement extends NdBase {
  readonly type: 134;
  readonly hopLimit: number;
  /** The whole byte: 0x80 managed, 0x40 other configuration, 0x18 preference (8 high, 0x18 low). */
  readonly flags: number;
  /** Seconds. */
  readonly lifetime: number;
  /** Milliseconds. */
  readonly reachableTime?: number | undefined;
  readonly retransTimer?: number | undefined;
}

export interface NdNeighborSolicitation extends NdBase {
  readonly type: 135;
  readonly target: Ipv6;
}

export interface NdNeighborAdvertisement extends NdBase {
  readonly type: 136;
  readonly target: Ipv6;
  readonly router?: boolean | undefined;
  readonly solicited?: boolean | undefined;
  readonly override?: boolean | undefined;
}

export interface NdRedirect extends NdBase {
  readonly type: 137;
  readonly target: Ipv6;
  readonly destination: Ipv6;
}

export type Nd = NdRouterSolicitation | NdRouterAdvertisement | NdNeighborSolicitation | NdNeighborAdvertisement | NdRedirect;

/** The MAC of a source or target link-layer option, if the message has one. */
export function ndLinkLayer(message: Nd, which: "source-mac" | "target-mac"): Mac | undefined {
  for (const option of message.options ?? []) if (option.option === which) return option.mac;
  return undefined;
}

function ndOptionLength(option: NdOption): number {
  switch (option.option) {
    case "source-mac":
    case "target-mac":
    case "mtu":
      return 8;
    case "prefix":
      return 32;
    case "rdnss":
      return 8 + 16 * option.servers.length;
    case "other": {
      const length = option.data.length + 2;
      if (length % 8 !== 0 || length > 2040) throw badValue("ND option", `${option.data.length} bytes of data`);
      return length;
    }
  }
}

function emitNdOption(option: NdOption, bytes: Uint8Array, at: number): void {
  const length = ndOptionLength(option);
  bytes[at + 1] = length / 8;
  switch (option.option) {
    case "source-mac":
    case "target-mac":
      bytes[at] = option.option === "source-mac" ? ND_OPTION.sourceMac : ND_OPTION.targetMac;
      writeMac(bytes, at + 2, option.mac);
      break;
    case "mtu":
      bytes[at] = ND_OPTION.mtu;
      put16(bytes, at + 2, 0);
      put32(bytes, at + 4, option.mtu);
      break;
    case "prefix":
      bytes[at] = ND_OPTION.prefix;
      bytes[at + 2] = option.length;
      bytes[at + 3] = (option.onLink ? 0x80 : 0) | (option.autonomous ? 0x40 : 0);
      put32(bytes, at + 4, option.valid);
      put32(bytes, at + 8, option.preferred);
      put32(bytes, at + 12, 0);
      writeIpv6(bytes, at + 16, option.prefix);
      break;
    case "rdnss":
      bytes[at] = ND_OPTION.rdnss;
      put16(bytes, at + 2, 0);
      put32(bytes, at + 4, option.lifetime);
      option.servers.forEach((server, i) => {
        writeIpv6(bytes, at + 8 + 16 * i, server);
      });
      break;
    case "other":
      bytes[at] = option.type;
      bytes.set(option.data, at + 2);
      break;
  }
}

function typedNdOption(type: number, length: number, bytes: Uint8Array, at: number): NdOption | undefined {
  if ((type === ND_OPTION.sourceMac || type === ND_OPTION.targetMac) && length === 8)
    return { option: type === ND_OPTION.sourceMac ? "source-mac" : "target-mac", mac: readMac(bytes, at + 2) };
  if (type === ND_OPTION.mtu && length === 8) return { option: "mtu", mtu: get32(bytes, at + 4) };
  if (type === ND_OPTION.prefix && length === 32)
    return {
      option: "prefix",
      prefix: readIpv6(bytes, at + 16),
      length: bytes[at + 2]!,
      onLink: (bytes[at + 3]! & 0x80) !== 0,
      autonomous: (bytes[at + 3]! & 0x40) !== 0,
      valid: get32(bytes, at + 4),
      preferred: get32(bytes, at + 8),
    };
  if (type === ND_OPTION.rdnss && length >= 24 && length % 16 === 8) {
    const servers: Ipv6[] = [];
    for (let server = at + 8; server < at + length; server += 16) servers.push(readIpv6(bytes, server));
    return { option: "rdnss", lifetime: get32(bytes, at + 4), servers };
  }
  return undefined;
}

/** Parses the options in bytes[start, end). Throws with the offset. */
export function parseNdOptions(bytes: Uint8Array, start: number, end: number): NdOption[] {
  const options: NdOption[] = [];
  for (let at = start; at < end; ) {
    if (end - at < 2) throw new TruncatedError("ND option", at, 8, end - at);
    const type = bytes[at]!;
    const length = bytes[at + 1]! * 8;
    if (length === 0) throw new MalformedError("ND option", "length 0", at + 1);
    if (end - at < length) throw new TruncatedError("ND option", at, length, end - at);
    const typed = typedNdOption(type, length, bytes, at);
    const other: NdOption = { option: "other", type, data: bytes.subarray(at + 2, at + length) };
    if (typed) {
      // reserved bits that the typed value cannot hold must not get lost
      const again = new Uint8Array(length);
      emitNdOption(typed, again, 0);
      options.push(bytesEqual(again, bytes.subarray(at, at + length)) ? typed : other);
    } else options.push(other);
    at += length;
  }
  return options;
}

const FIXED = { 133: 8, 134: 16, 135: 24, 136: 24, 137: 40 } as const;

export const ndCodec: Codec<Nd> = {
  length: (header) => (header.options ?? []).reduce<number>((sum, option) => sum + ndOptionLength(option), FIXED[header.type]),
  parse(bytes, start, end, under) {
    const code = ND_ROUTER_SOLICITATION.view(bytes, start, end).code;
    const type = bytes[start];
    const base = { kind: "nd", code, checksum: foundIcmpv6Checksum(bytes, start, end, under) } as const;
    const options = (length: number): { readonly options: readonly NdOption[] } => ({
      options: parseNdOptions(bytes, start + length, end),
    });
    let header: Nd;
    switch (type) {
      case ICMPV6_TYPE.routerSolicitation:
        header = { ...base, type, ...options(8) };
        break;
      case ICMPV6_TYPE.routerAdvertisement: {
        const { hopLimit, flags, lifetime, reachableTime, retransTimer } = ND_ROUTER_ADVERTISEMENT.view(bytes, start, end);
        header = { ...base, type, hopLimit, flags, lifetime, reachableTime, retransTimer, ...options(16) };
        break;
      }
      case ICMPV6_TYPE.neighborSolicitation:
        header = { ...base, type, target: ND_NEIGHBOR.view(bytes, start, end).target, ...options(24) };
        break;
      case ICMPV6_TYPE.neighborAdvertisement: {
        const { target, router, solicited, override } = ND_NEIGHBOR.view(bytes, start, end);
        header = { ...base, type, target, router, solicited, override, ...options(24) };
        break;
      }
      case ICMPV6_TYPE.redirect: {
        const { target, destination } = ND_REDIRECT.view(bytes, start, end);
        header = { ...base, type, target, destination, ...options(40) };
        break;
      }
      default:
        throw new MalformedError("ND message", `type ${type}`, start);
    }
    return { header, payload: end, end };
  },
  emit(header, bytes, start, end, under) {
    switch (header.type) {
      case 133:
        put32(bytes, start + 4, 0);
        break;
      case 134:
        bytes[start + 4] = header.hopLimit;
        bytes[start + 5] = header.flags;
        put16(bytes, start + 6, header.lifetime);
        put32(bytes, start + 8, header.reachableTime ?? 0);
        put32(bytes, start + 12, header.retransTimer ?? 0);
        break;
      case 135:
        put32(bytes, start + 4, 0);
        writeIpv6(bytes, start + 8, header.target);
        break;
      case 136:
        put32(bytes, start + 4, 0);
        bytes[start + 4] = (header.router ? 0x80 : 0) | (header.solicited ? 0x40 : 0) | (header.override ? 0x20 : 0);
        writeIpv6(bytes, start + 8, header.target);
        break;
      case 137:
        put32(bytes, start + 4, 0);
        writeIpv6(bytes, start + 8, header.target);
        writeIpv6(bytes, start + 24, header.destination);
        break;
    }
    let at = start + FIXED[header.type];
    for (const option of header.options ?? []) {
      emitNdOption(option, bytes, at);
      at += ndOptionLength(option);
    }
    emitIcmpv6Start(header, bytes, start, end, under);
  },
};

/** The redirected-header option's quoted packet, if the message has one. */
export function ndRedirectedPacket(message: Nd): Uint8Array | undefined {
  for (const option of message.options ?? [])
    if (option.option === "other" && option.type === ND_OPTION.redirected) return option.data.subarray(6);
  return undefined;
}
