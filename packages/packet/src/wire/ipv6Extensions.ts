/** IPv6 extension headers (RFC 8200 section 4): hop-by-hop and destination options, routing, fragment. */

import { put16, put32 } from "../bytes.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, layout, u8, u16, u32 } from "../layout.ts";
import type { Codec, HeaderBase, Under } from "./codec.ts";
import { NO_NEXT_HEADER } from "./ipv6.ts";
import type { Following } from "./kind.ts";
import { ipProtocolOf, kindOfIpProtocol } from "./numbers.ts";

/** What options and routing headers begin with; the length counts units of 8 bytes behind the first. */
export const IPV6_EXTENSION = layout("IPv6 extension header", 8, {
  nextHeader: u8(0),
  units: u8(1),
  routingType: u8(2),
  segmentsLeft: u8(3),
});
export const IPV6_FRAGMENT = layout("IPv6 fragment header", 8, {
  nextHeader: u8(0),
  reserved: u8(1),
  /** In units of 8 bytes. */
  fragmentOffset: bits(2, 2, 3, 13),
  reserved2: bits(3, 1, 1, 2),
  moreFragments: flag(3, 0),
  id: u32(4),
  offsetAndFlags: u16(2),
});

export interface Ipv6Options extends HeaderBase {
  readonly kind: "ipv6-options";
  readonly where: "hop-by-hop" | "destination";
  readonly nextHeader?: number | undefined;
  /** The options as on the wire; emitted with PadN up to the next multiple of 8. See {@link parseIpv6Options}. */
  readonly options: Uint8Array;
}

export interface Ipv6Routing extends HeaderBase {
  readonly kind: "ipv6-routing";
  readonly nextHeader?: number | undefined;
  readonly routingType: number;
  readonly segmentsLeft: number;
  /** What follows segmentsLeft; 4 bytes and a multiple of 8. */
  readonly data: Uint8Array;
}

export interface Ipv6Fragment extends HeaderBase {
  readonly kind: "ipv6-fragment";
  readonly nextHeader?: number | undefined;
  /** In bytes, a multiple of 8. */
  readonly offset: number;
  readonly moreFragments: boolean;
  readonly id: number;
}

/** One option of a hop-by-hop or destination header; type 0 is Pad1, without data. */
export interface Ipv6Option {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Splits an option area; throws MalformedError with the offset within it. */
export function parseIpv6Options(area: Uint8Array): Ipv6Option[] {
  const options: Ipv6Option[] = [];
  for (let at = 0; at < area.length; ) {
    const type = area[at]!;
    if (type === 0) {
      options.push({ type, data: area.subarray(at, at) });
      at++;
      continue;
    }
    const length = area[at + 1];
    if (length === undefined || at + 2 + length > area.length)
      throw new MalformedError("IPv6 option", `bad length ${length ?? "(none)"}`, at);
    options.push({ type, data: area.subarray(at + 2, at + 2 + length) });
    at += 2 + length;
  }
  return options;
}

/** Router alert with value 0 (RFC 2711), padded: what MLD messages carry in a hop-by-hop header. */
export const ROUTER_ALERT = Uint8Array.of(5, 2, 0, 0, 1, 0);

/** Writes PadN (or Pad1) over [at, end). */
function pad(bytes: Uint8Array, at: number, end: number): void {
  bytes.fill(0, at, end);
  if (end - at < 2) return;
  bytes[at] = 1;
  bytes[at + 1] = end - at - 2;
}

function extensionLength(bytes: Uint8Array, start: number, end: number): number {
  const length = (IPV6_EXTENSION.view(bytes, start, end).units + 1) * 8;
  if (end - start < length) throw new TruncatedError(IPV6_EXTENSION.name, start, length, end - start);
  return length;
}

function nextNumber(given: number | undefined, next: Following | undefined): number {
  return given ?? ipProtocolOf(next) ?? NO_NEXT_HEADER;
}

const optionsLength = (header: Ipv6Options): number => (2 + header.options.length + 7) & ~7;

/** One codec for both places: the announcing number is not in the header, so decode passes it as `where`. */
export function ipv6OptionsCodec(where: Ipv6Options["where"]): Codec<Ipv6Options> {
  return {
    length(header) {
      const length = optionsLength(header);
      if (length > 2048) throw badValue("IPv6 options", `${header.options.length} bytes do not fit into 2046`);
      return length;
    },
    parse(bytes, start, end, under) {
      const length = extensionLength(bytes, start, end);
      const nextHeader = bytes[start]!;
      const header: Ipv6Options = { kind: "ipv6-options", where, nextHeader, options: bytes.subarray(start + 2, start + length) };
      return { header, payload: start + length, end, next: kindOfIpProtocol(6, nextHeader), under };
    },
    emit(header, bytes, start, _end, _under, next) {
      const length = optionsLength(header);
      bytes[start] = nextNumber(header.nextHeader, next);
      bytes[start + 1] = length / 8 - 1;
      bytes.set(header.options, start + 2);
      pad(bytes, start + 2 + header.options.length, start + length);
    },
  };
}

export const ipv6RoutingCodec: Codec<Ipv6Routing> = {
  length(header) {
    const length = 4 + header.data.length;
    if (length % 8 !== 0 || length > 2048) throw badValue("IPv6 routing header", `${header.data.length} bytes of data`);
    return length;
  },
  parse(bytes, start, end, under) {
    const length = extensionLength(bytes, start, end);
    const { nextHeader, routingType, segmentsLeft } = IPV6_EXTENSION.view(bytes, start, end);
    const data = bytes.subarray(start + 4, start + length);
    const header: Ipv6Routing = { kind: "ipv6-routing", nextHeader, routingType, segmentsLeft, data };
    return { header, payload: start + length, end, next: kindOfIpProtocol(6, nextHeader), under: onTheWay(header, under) };
  },
  emit(header, bytes, start, _end, _under, next) {
    bytes[start] = nextNumber(header.nextHeader, next);
    bytes[start + 1] = (4 + header.data.length) / 8 - 1;
    bytes[start + 2] = header.routingType;
    bytes[start + 3] = header.segmentsLeft;
    bytes.set(header.data, start + 4);
  },
};

/** On the way through a routing header checksums cannot be verified against the address in the IPv6 header: treated as a fragment is. */
function onTheWay(header: Ipv6Routing, under: Under | undefined): Under | undefined {
  return under && header.segmentsLeft > 0 ? { ...under, fragment: true } : under;
}

export const ipv6FragmentCodec: Codec<Ipv6Fragment> = {
  length: () => IPV6_FRAGMENT.length,
  parse(bytes, start, end, under) {
    const v = IPV6_FRAGMENT.view(bytes, start, end);
    const { nextHeader, moreFragments, id } = v;
    const offset = v.fragmentOffset * 8;
    const header: Ipv6Fragment = { kind: "ipv6-fragment", nextHeader, offset, moreFragments, id };
    const next = offset > 0 ? undefined : kindOfIpProtocol(6, nextHeader);
    return {
      header,
      payload: start + IPV6_FRAGMENT.length,
      end,
      next,
      under: under && (offset > 0 || moreFragments) ? { ...under, fragment: true } : under,
    };
  },
  emit(header, bytes, start, _end, _under, next) {
    bytes[start] = nextNumber(header.nextHeader, next);
    bytes[start + 1] = 0;
    put16(bytes, start + 2, (header.offset & 0xfff8) | (header.moreFragments ? 1 : 0));
    put32(bytes, start + 4, header.id);
  },
};
