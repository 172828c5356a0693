/** Outer headers of tunnels: made for tnl_push, filled in for each packet, and taken off again. */
import { finishSum, internetChecksum, pseudoSum4, pseudoSum6, sumBytes } from "@weft/packet";
import type { GeneveOption, TunnelHeader } from "../datapath/actions.ts";
import { IP_GRE, IP_UDP } from "../flow/key.ts";
import type { IpAddress } from "./address.ts";
import { type Erspan, erspanHeader, readErspan } from "./erspan.ts";

/** What frames are sent within. */
export type TunnelProtocol = "geneve" | "vxlan" | "gre" | "erspan";

export const GENEVE_PORT = 6081;
export const VXLAN_PORT = 4789;

/** The IP protocol below a tunnel protocol. */
export const ipProtocolOf = (protocol: TunnelProtocol): number => (protocol === "gre" || protocol === "erspan" ? IP_GRE : IP_UDP);

/** Transparent Ethernet bridging. */
const ETHERTYPE_TEB = 0x6558;

function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}
function put32(b: Uint8Array, at: number, value: number): void {
  put16(b, at, value >>> 16);
  put16(b, at + 2, value & 0xffff);
}
const be16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
const be32 = (b: Uint8Array, at: number): number => (be16(b, at) << 16) | be16(b, at + 2);
function putMac(b: Uint8Array, at: number, mac: number): void {
  put16(b, at, Math.floor(mac / 2 ** 32));
  put32(b, at + 2, mac | 0);
}
function putIp(b: Uint8Array, at: number, address: IpAddress): void {
  if (address.family === 4) put32(b, at, address.ip);
  else for (let i = 15, rest: bigint = address.ip; i >= 0; i--, rest >>= 8n) b[at + i] = Number(rest & 0xffn);
}

/** The options part of a Geneve header (RFC 8926 section 3.5). */
export function encodeOptions(options: readonly GeneveOption[]): Uint8Array {
  const bytes = new Uint8Array(options.reduce((sum, option) => sum + 4 + option.data.length, 0));
  let at = 0;
  for (const option of options) {
    put16(bytes, at, option.optionClass);
    bytes[at + 2] = option.type;
    bytes[at + 3] = option.data.length / 4;
    bytes.set(option.data, at + 4);
    at += 4 + option.data.length;
  }
  return bytes;
}

/** A Geneve header without UDP (RFC 8926 section 3.4): 8 bytes and options. `oam`: it is for the tunnel's other end itself. */
export function geneveHeader(vni: number, options: readonly GeneveOption[], oam: boolean): Uint8Array {
  const encoded = encodeOptions(options);
  const bytes = new Uint8Array(8 + encoded.length);
  bytes[0] = encoded.length / 4;
  bytes[1] = (oam ? 0x80 : 0) | (options.some((option) => (option.type & 0x80) !== 0) ? 0x40 : 0);
  put16(bytes, 2, ETHERTYPE_TEB);
  put32(bytes, 4, vni << 8);
  bytes.set(encoded, 8);
  return bytes;
}

/** A VXLAN header without UDP (RFC 7348 section 5). */
export function vxlanHeader(vni: number): Uint8Array {
  const bytes = new Uint8Array(8);
  bytes[0] = 0x08;
  put32(bytes, 4, vni << 8);
  return bytes;
}

function greHeader(header: Omit<TunnelHeader, "bytes">): Uint8Array {
  const bytes = new Uint8Array(4 + (header.csum ? 4 : 0) + (header.hasKey ? 4 : 0));
  put16(bytes, 0, (header.csum ? 0x8000 : 0) | (header.hasKey ? 0x2000 : 0));
  put16(bytes, 2, ETHERTYPE_TEB);
  if (header.hasKey) put32(bytes, bytes.length - 4, header.vni);
  return bytes;
}

function tunnelPart(header: Omit<TunnelHeader, "bytes">): Uint8Array {
  if (header.erspan !== undefined) return erspanHeader(header.erspan, header.vni);
  if (header.protocol === "geneve") return geneveHeader(header.vni, header.options, header.oam);
  return header.protocol === "vxlan" ? vxlanHeader(header.vni) : greHeader(header);
}

/** The whole outer header, with lengths, checksums and the UDP source port still zero. */
export function buildHeader(header: Omit<TunnelHeader, "bytes">): TunnelHeader {
  const v4 = header.src.family === 4;
  const tunnel = tunnelPart(header);
  const protocol = ipProtocolOf(header.protocol);
  const udp = protocol === IP_UDP ? 8 : 0;
  const ip = v4 ? 20 : 40;
  const bytes = new Uint8Array(14 + ip + udp + tunnel.length);
  putMac(bytes, 0, header.ethDst);
  putMac(bytes, 6, header.ethSrc);
  put16(bytes, 12, v4 ? 0x0800 : 0x86dd);
  if (v4) {
    bytes[14] = 0x45;
    bytes[15] = header.tos;
    put16(bytes, 20, header.df ? 0x4000 : 0);
    bytes[22] = header.ttl;
    bytes[23] = protocol;
    putIp(bytes, 26, header.src);
    putIp(bytes, 30, header.dst);
  } else {
    put32(bytes, 14, 0x60000000 | (header.tos << 20));
    bytes[20] = protocol;
    bytes[21] = header.ttl;
    putIp(bytes, 22, header.src);
    putIp(bytes, 38, header.dst);
  }
  if (udp > 0) put16(bytes, 14 + ip + 2, header.udpDst);
  bytes.set(tunnel, 14 + ip + udp);
  return { ...header, bytes };
}

/** The tunnelled frame: outer header, then `frame`. `sourcePort` is the outer UDP source port. */
export function encapsulate(header: TunnelHeader, frame: Uint8Array, sourcePort: number): Uint8Array {
  const out = new Uint8Array(header.bytes.length + frame.length);
  out.set(header.bytes);
  out.set(frame, header.bytes.length);
  const v4 = header.src.family === 4;
  const l4 = v4 ? 34 : 54;
  if (v4) {
    put16(out, 16, out.length - 14);
    put16(out, 24, internetChecksum(out, 14, 34));
  } else put16(out, 18, out.length - 54);
  if (header.protocol === "gre") {
    if (header.csum) put16(out, l4 + 4, internetChecksum(out, l4));
    return out;
  }
  if (header.erspan !== undefined) return out;
  put16(out, l4, sourcePort);
  put16(out, l4 + 4, out.length - l4);
  if (header.csum || !v4) {
    const length = out.length - l4;
    const pseudo =
      header.src.family === 4 && header.dst.family === 4
        ? pseudoSum4(header.src.ip, header.dst.ip, IP_UDP, length)
        : header.src.family === 6 && header.dst.family === 6
          ? pseudoSum6(header.src.ip, header.dst.ip, IP_UDP, length)
          : 0;
    const sum = finishSum(sumBytes(out, l4, out.length, pseudo));
    put16(out, l4 + 6, sum === 0 ? 0xffff : sum);
  }
  return out;
}

/** What a tunnel header says. */
export interface Decapsulated {
  readonly vni: bigint;
  readonly hasKey: boolean;
  readonly oam: boolean;
  /** Bytes before the inner frame. */
  readonly length: number;
  readonly options: Uint8Array | undefined;
  readonly erspan?: Erspan;
}

/** Reads a Geneve header at `at`; undefined when it is malformed or not Ethernet inside. */
export function readGeneve(b: Uint8Array, at: number): Decapsulated | undefined {
  if (b.length < at + 8) return undefined;
  const optionBytes = ((b[at] as number) & 0x3f) * 4;
  if ((b[at] as number) >>> 6 !== 0 || be16(b, at + 2) !== ETHERTYPE_TEB || b.length < at + 8 + optionBytes) return undefined;
  return {
    vni: BigInt(be32(b, at + 4) >>> 8),
    hasKey: true,
    oam: ((b[at + 1] as number) & 0x80) !== 0,
    length: 8 + optionBytes,
    options: optionBytes === 0 ? undefined : b.slice(at + 8, at + 8 + optionBytes),
  };
}

export function readVxlan(b: Uint8Array, at: number): Decapsulated | undefined {
  if (b.length < at + 8 || b[at] !== 0x08) return undefined;
  return { vni: BigInt(be32(b, at + 4) >>> 8), hasKey: true, oam: false, length: 8, options: undefined };
}

export function readGre(b: Uint8Array, at: number): Decapsulated | undefined {
  if (b.length < at + 4 || be16(b, at + 2) !== ETHERTYPE_TEB) return undefined;
  const flags = be16(b, at);
  if ((flags & 0x4fff) !== 0) return undefined;
  const hasKey = (flags & 0x2000) !== 0;
  const keyAt = at + 4 + ((flags & 0x8000) !== 0 ? 4 : 0);
  const length = keyAt - at + (hasKey ? 4 : 0) + ((flags & 0x1000) !== 0 ? 4 : 0);
  if (b.length < at + length) return undefined;
  return { vni: hasKey ? BigInt(be32(b, keyAt) >>> 0) : 0n, hasKey, oam: false, length, options: undefined };
}

export function readErspanTunnel(b: Uint8Array, at: number): Decapsulated | undefined {
  const read = readErspan(b, at);
  if (read === undefined) return undefined;
  const { session, length, erspan } = read;
  return { vni: BigInt(session), hasKey: true, oam: false, length, options: undefined, erspan };
}

/** Calls `each` for every option; stops at the first malformed one and returns false. */
export function eachOption(options: Uint8Array, each: (optionClass: number, type: number, data: Uint8Array) => void): boolean {
  for (let at = 0; at < options.length; ) {
    if (options.length < at + 4) return false;
    const length = ((options[at + 3] as number) & 0x1f) * 4;
    if (options.length < at + 4 + length) return false;
    each(be16(options, at), options[at + 2] as number, options.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return true;
}
