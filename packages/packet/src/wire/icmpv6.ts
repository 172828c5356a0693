/** ICMPv6 (RFC 4443): echo and errors. Neighbour discovery and MLD have kinds of their own (nd.ts, mld.ts), by the type byte. */
import { put16, put32 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { layout, u8, u16, u32 } from "../layout.ts";
import { type Codec, foundChecksum, type HeaderBase, pseudoSum, type Under } from "./codec.ts";

export const ICMPV6_PROTOCOL = 58;

export const ICMPV6 = layout("ICMPv6 header", 8, {
  type: u8(0),
  code: u8(1),
  checksum: u16(2),
  /** By type: identifier and sequence, MTU, pointer. */
  rest: u32(4),
  identifier: u16(4),
  sequence: u16(6),
});

export const ICMPV6_TYPE = {
  unreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  mldQuery: 130,
  mldReport: 131,
  mldDone: 132,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
  redirect: 137,
  mldv2Report: 143,
} as const;

export interface Icmpv6 extends HeaderBase {
  readonly kind: "icmpv6";
  readonly type: number;
  readonly code: number;
  /** The second 32-bit word. 0 unless given. */
  readonly rest?: number | undefined;
  readonly checksum?: number | undefined;
}

export function icmpv6Echo(type: "request" | "reply", identifier: number, sequence: number): Icmpv6 {
  const rest = (((identifier & 0xffff) << 16) | (sequence & 0xffff)) >>> 0;
  return { kind: "icmpv6", type: type === "request" ? ICMPV6_TYPE.echoRequest : ICMPV6_TYPE.echoReply, code: 0, rest };
}

/** Which codec reads an ICMPv6 message of this type. */
export function kindOfIcmpv6Type(type: number): "icmpv6" | "nd" | "mld" {
  if (type >= ICMPV6_TYPE.routerSolicitation && type <= ICMPV6_TYPE.redirect) return "nd";
  if ((type >= ICMPV6_TYPE.mldQuery && type <= ICMPV6_TYPE.mldDone) || type === ICMPV6_TYPE.mldv2Report) return "mld";
  return "icmpv6";
}

/** The checksum of a parsed ICMPv6 message (absent when right). */
export function foundIcmpv6Checksum(bytes: Uint8Array, start: number, end: number, under: Under | undefined): number | undefined {
  const field = (bytes[start + 2]! << 8) | bytes[start + 3]!;
  if (under?.fragment) return field;
  return foundChecksum(bytes, start, end, end, pseudoSum(under, ICMPV6_PROTOCOL, end - start), field);
}

/** Fills type, code and checksum of an ICMPv6 message whose other bytes are written. */
export function emitIcmpv6Start(
  header: { readonly type: number; readonly code?: number | undefined; readonly checksum?: number | undefined },
  bytes: Uint8Array,
  start: number,
  end: number,
  under: Under | undefined,
): void {
  bytes[start] = header.type;
  bytes[start + 1] = header.code ?? 0;
  put16(bytes, start + 2, 0);
  const sum = pseudoSum(under, ICMPV6_PROTOCOL, end - start);
  put16(bytes, start + 2, header.checksum ?? internetChecksum(bytes, start, end, sum));
}

export const icmpv6Codec: Codec<Icmpv6> = {
  length: () => ICMPV6.length,
  parse(bytes, start, end, under) {
    const { type, code, rest } = ICMPV6.view(bytes, start, end);
    const header: Icmpv6 = { kind: "icmpv6", type, code, rest, checksum: foundIcmpv6Checksum(bytes, start, end, under) };
    return { header, payload: start + ICMPV6.length, end, next: type < 128 && type > 0 && type < 5 ? "ipv6" : undefined };
  },
  emit(header, bytes, start, end, under) {
    put32(bytes, start + 4, header.rest ?? 0);
    emitIcmpv6Start(header, bytes, start, end, under);
  },
};
