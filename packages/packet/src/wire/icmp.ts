/** ICMP for IPv4 (RFC 792). Error messages quote the packet that they are about, which decodes as the layers that follow. */
import type { Ipv4 } from "../address.ts";
import { put16, put32 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { layout, u8, u16, u32 } from "../layout.ts";
import { type Codec, foundChecksum, type HeaderBase } from "./codec.ts";

export const ICMP = layout("ICMP header", 8, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  /** By type: identifier and sequence, next-hop MTU, gateway, pointer. */
  rest: u32(4),
  identifier: u16(4),
  sequence: u16(6),
});

/** RFC 792 and later message types. */
export const ICMP_TYPE = {
  echoReply: 0,
  unreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  routerAdvertisement: 9,
  routerSolicitation: 10,
  timeExceeded: 11,
  parameterProblem: 12,
  timestampRequest: 13,
  timestampReply: 14,
  maskRequest: 17,
  maskReply: 18,
} as const;

/** Codes of ICMP_TYPE.unreachable. */
export const ICMP_UNREACHABLE = {
  net: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  sourceRouteFailed: 5,
  adminProhibited: 13,
} as const;

export interface Icmp extends HeaderBase {
  readonly kind: "icmp";
  readonly type: number;
  readonly code: number;
  /** The second 32-bit word: for an echo the identifier in the upper half and the sequence number in the lower. 0 unless given. */
  readonly rest?: number | undefined;
  readonly checksum?: number | undefined;
}

export function icmpEcho(type: "request" | "reply", identifier: number, sequence: number): Icmp {
  const rest = (((identifier & 0xffff) << 16) | (sequence & 0xffff)) >>> 0;
  return { kind: "icmp", type: type === "request" ? ICMP_TYPE.echoRequest : ICMP_TYPE.echoReply, code: 0, rest };
}

/** "Fragmentation needed" with the MTU of the next hop (RFC 1191). */
export function icmpFragmentationNeeded(mtu: number): Icmp {
  return { kind: "icmp", type: ICMP_TYPE.unreachable, code: ICMP_UNREACHABLE.fragmentationNeeded, rest: mtu & 0xffff };
}

export function icmpRedirect(code: number, gateway: Ipv4): Icmp {
  return { kind: "icmp", type: ICMP_TYPE.redirect, code, rest: gateway };
}

export function isIcmpError(type: number): boolean {
  return (
    type === ICMP_TYPE.unreachable ||
    type === ICMP_TYPE.sourceQuench ||
    type === ICMP_TYPE.redirect ||
    type === ICMP_TYPE.timeExceeded ||
    type === ICMP_TYPE.parameterProblem
  );
}

export const icmpCodec: Codec<Icmp> = {
  length: () => ICMP.length,
  parse(bytes, start, end, under) {
    const v = ICMP.view(bytes, start, end);
    const { type, code, rest } = v;
    const checksum = under?.fragment ? v.checksum : foundChecksum(bytes, start, end, end, 0, v.checksum);
    const header: Icmp = { kind: "icmp", type, code, rest, checksum };
    return { header, payload: start + ICMP.length, end, next: isIcmpError(type) ? "ipv4" : undefined };
  },
  emit(header, bytes, start, end) {
    bytes[start] = header.type;
    bytes[start + 1] = header.code;
    put16(bytes, start + 2, 0);
    put32(bytes, start + 4, header.rest ?? 0);
    put16(bytes, start + 2, header.checksum ?? internetChecksum(bytes, start, end));
  },
};
