/** The IPv6 header (RFC 8200). Extension headers are layers of their own. */
import { type Ipv6, writeIpv6 } from "../address.ts";
import { put16, put32 } from "../bytes.ts";
import { MalformedError } from "../errors.ts";
import { bits, ipv6, layout, u8, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { ipProtocolOf, kindOfIpProtocol } from "./numbers.ts";

export const IPV6 = layout("IPv6 header", 40, {
  version: bits(0, 1, 4, 4),
  trafficClass: bits(0, 2, 4, 8),
  flowLabel: bits(0, 4, 0, 20),
  payloadLength: u16(4),
  nextHeader: u8(6),
  hopLimit: u8(7),
  src: ipv6(8),
  dst: ipv6(24),
});

export interface Ipv6Header extends HeaderBase {
  readonly kind: "ipv6";
  readonly src: Ipv6;
  readonly dst: Ipv6;
  /** 64 unless given. */
  readonly hopLimit?: number | undefined;
  readonly trafficClass?: number | undefined;
  readonly flowLabel?: number | undefined;
  /** Absent: derived from what follows. */
  readonly nextHeader?: number | undefined;
  readonly payloadLength?: number | undefined;
}

/** "No next header": nothing follows. */
export const NO_NEXT_HEADER = 59;

export const ipv6Codec: Codec<Ipv6Header> = {
  length: () => IPV6.length,
  parse(bytes, start, end) {
    const v = IPV6.view(bytes, start, end);
    if (v.version !== 6) throw new MalformedError("IPv6 header", `version ${v.version}`, start);
    const { src, dst, hopLimit, trafficClass, flowLabel, nextHeader, payloadLength } = v;
    const payload = start + IPV6.length;
    const declaredEnd = payload + payloadLength;
    const header: Ipv6Header = {
      kind: "ipv6",
      src,
      dst,
      hopLimit,
      trafficClass,
      flowLabel,
      nextHeader,
      ...(declaredEnd > end ? { payloadLength } : {}),
    };
    return {
      header,
      payload,
      end: declaredEnd,
      next: kindOfIpProtocol(6, nextHeader),
      under: { version: 6, src, dst, fragment: false },
    };
  },
  emit(header, bytes, start, end, _under, next) {
    put32(bytes, start, ((6 << 28) | ((header.trafficClass ?? 0) << 20) | (header.flowLabel ?? 0)) >>> 0);
    put16(bytes, start + 4, header.payloadLength ?? end - start - IPV6.length);
    bytes[start + 6] = header.nextHeader ?? ipProtocolOf(next) ?? NO_NEXT_HEADER;
    bytes[start + 7] = header.hopLimit ?? 64;
    writeIpv6(bytes, start + 8, header.src);
    writeIpv6(bytes, start + 24, header.dst);
  },
};
