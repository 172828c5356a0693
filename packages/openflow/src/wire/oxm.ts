/**
 * Matches and fields in NXM and OXM, OpenFlow's tag-length-value forms (ovs-fields(7), "Evolution of OpenFlow Fields").
 */
import { FLOW_WORDS, TUN_METADATA_FIELDS, WORD } from "../field/layout.ts";
import { codeFor, fieldNamed, fieldOfCode } from "../field/lookup.ts";
import { FIELDS } from "../field/table.ts";
import type { Field, OxmCode } from "../field/types.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { Match } from "../match/match.ts";
import { ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf, meets } from "../match/prerequisites.ts";
import { fromOfp11Port, toOfp11Port } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { EncodeError } from "./error.ts";

function f(name: string): Field {
  return fieldNamed(name)!;
}

/** Writes an NXM/OXM header. `length` is that of value and mask together. */
export function writeHeader(out: ByteWriter, code: OxmCode, hasMask: boolean, length: number): void {
  const vendor = code.class === 0xffff ? 4 : 0;
  out.u32((code.class << 16) | (code.field << 9) | (hasMask ? 0x100 : 0) | (length + vendor));
  if (vendor !== 0) out.u32(code.vendor);
}

/** A code point of `field` for a wire version (0: as NXM). Throws an EncodeError for fields without one. */
export function codeOf(field: Field, version: number): OxmCode {
  const code = codeFor(field, version);
  if (code === undefined) throw new EncodeError(`field ${field.name} cannot be sent in OpenFlow messages`);
  return code;
}

/** Header of the whole field, as actions refer to it. */
export function writeFieldHeader(out: ByteWriter, field: Field, version: number): void {
  writeHeader(out, codeOf(field, version), false, field.bytes);
}

/** Bytes of {@link writeFieldHeader}. */
export function fieldHeaderLength(field: Field, version: number): number {
  return codeOf(field, version).class === 0xffff ? 8 : 4;
}

export interface OxmHeader {
  readonly field: Field;
  readonly code: OxmCode;
  readonly hasMask: boolean;
  /** Bytes of value and mask. */
  readonly length: number;
}

/** Reads a header. Throws OFPBMC_BAD_FIELD for unknown fields, unless `lenient`: then skips it and returns undefined. */
export function readHeader(input: ByteReader, lenient = false): OxmHeader | undefined {
  const start = input.at;
  input.need(4);
  const cls = input.u16();
  const byte = input.u8();
  let length = input.u8();
  let vendor = 0;
  if (cls === 0xffff) {
    if (length < 4) throw input.fail("OFPBMC_BAD_LEN", "experimenter OXM shorter than its id");
    vendor = input.u32();
    length -= 4;
  }
  const found = fieldOfCode(cls, vendor, byte >> 1);
  if (found === undefined) {
    if (lenient) {
      input.skip(length);
      return undefined;
    }
    input.at = start;
    throw input.fail("OFPBMC_BAD_FIELD", `unknown field: class 0x${cls.toString(16)}, number ${byte >> 1}`);
  }
  return { field: found.field, code: found.code, hasMask: (byte & 1) !== 0, length };
}

/** Reads a header that names a whole field, as actions have it. */
export function readFieldHeader(input: ByteReader): Field {
  const header = readHeader(input)!;
  if (header.hasMask || (header.length !== header.field.bytes && !header.field.variable))
    throw input.fail("OFPBAC_BAD_SET_TYPE", `bad length ${header.length} for ${header.field.name}`);
  return header.field;
}

/** Fewest bytes for a value, at least 1. */
export function byteLength(value: bigint): number {
  return value === 0n ? 1 : Math.ceil(value.toString(16).length / 2);
}

/** Value as it stands on the wire: OpenFlow 1.1 ports are 32 bits wide. */
export function toWire(field: Field, value: bigint): bigint {
  return field.format === "ofp11-port" ? BigInt(toOfp11Port(Number(value))) : value;
}

/** Reads the value after a header, with its mask. */
export function readValue(input: ByteReader, header: OxmHeader): { value: bigint; mask: bigint | undefined } {
  const { field, hasMask, length } = header;
  const bytes = hasMask ? length / 2 : length;
  if (field.variable ? !Number.isInteger(bytes) || bytes > field.bytes : bytes !== field.bytes)
    throw input.fail("OFPBMC_BAD_LEN", `length ${length} is wrong for ${field.name}`);
  let value = input.big(bytes);
  const mask = hasMask ? input.big(bytes) : undefined;
  if (field.format === "ofp11-port") {
    const port = fromOfp11Port(Number(value));
    if (port === undefined) throw input.fail("OFPBMC_BAD_VALUE", `${value} is no port`);
    value = BigInt(port);
  }
  return { value, mask };
}

/** Fields narrower than their bytes that Open vSwitch always sends with a mask. */
const NEVER_EXACT: ReadonlySet<Field> = new Set(["tun_flags", "tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid"].map(f));

/** Fields that few matches have, so that the others need not ask for each of them. */
const PART = { first: 1, tunnel: 2, ct: 4 } as const;

const PART_OF_WORD = (() => {
  const parts = new Uint8Array(FLOW_WORDS);
  parts.fill(PART.tunnel, WORD.tun_id, WORD.metadata);
  parts.fill(PART.first, WORD.dp_hash, WORD.ct_state);
  parts.fill(PART.ct, WORD.ct_state, WORD.reg);
  return parts;
})();

/**
 * Writes matches of one version. The words of the match stand in dense arrays meanwhile, for every field asks for its own;
 * one pair of arrays serves all, for a match is written in one go.
 */
class OxmWriter {
  static readonly #values = new Int32Array(FLOW_WORDS);
  static readonly #masks = new Int32Array(FLOW_WORDS);
  /** Which of {@link PART}'s bits some word belongs to. */
  parts = 0;
  readonly out: ByteWriter;
  readonly match: Match;
  readonly version: number;

  constructor(out: ByteWriter, match: Match, version: number) {
    this.out = out;
    this.match = match;
    this.version = version;
    const { data } = match;
    for (let i = 0; i < data.length && data[i]! < FLOW_WORDS; i += 3) {
      OxmWriter.#values[data[i]!] = data[i + 1]!;
      OxmWriter.#masks[data[i]!] = data[i + 2]!;
      this.parts |= PART_OF_WORD[data[i]!]!;
    }
  }

  /** To be called when all is written. */
  done(): void {
    const { data } = this.match;
    for (let i = 0; i < data.length && data[i]! < FLOW_WORDS; i += 3) {
      OxmWriter.#values[data[i]!] = 0;
      OxmWriter.#masks[data[i]!] = 0;
    }
  }

  wordValue(offset: number): number {
    return OxmWriter.#values[offset]!;
  }

  wordMask(offset: number): number {
    return OxmWriter.#masks[offset]!;
  }

  /** The field, if it is matched. */
  put(field: Field): void {
    if (field.words === 1) {
      const mask = OxmWriter.#masks[field.word]! & field.wordMask;
      if (mask === 0) return;
      const value = (OxmWriter.#values[field.word]! & field.wordMask) >>> field.shift;
      this.putNumber(field, value, mask >>> field.shift, mask === field.wordMask && !NEVER_EXACT.has(field));
      return;
    }
    const masks = OxmWriter.#masks;
    const top = field.bits - 32 * (field.words - 1);
    let looked = masks[field.word]!;
    let exact = looked === (top === 32 ? -1 : ~(-1 << top));
    for (let i = 1; i < field.words; i++) {
      const mask = masks[field.word + i]!;
      looked |= mask;
      exact &&= mask === -1;
    }
    if (looked === 0) return;
    writeHeader(this.out, codeOf(field, this.version), !exact, exact ? field.bytes : 2 * field.bytes);
    this.#putWords(field, OxmWriter.#values);
    if (!exact) this.#putWords(field, masks);
  }

  /** The words of a field that has several; of the first one only the bytes that there are. */
  #putWords({ word, words, bytes }: Field, from: Int32Array): void {
    const { out } = this;
    if (bytes % 4 === 2) out.u16(from[word]!);
    else out.u32(from[word]!);
    for (let i = 1; i < words; i++) out.u32(from[word + i]!);
  }

  putNumber(field: Field, value: number, mask: number, exact: boolean): void {
    const { out } = this;
    writeHeader(out, codeOf(field, this.version), !exact, exact ? field.bytes : 2 * field.bytes);
    writeNumber(out, field.format === "ofp11-port" ? toOfp11Port(value) : value, field.bytes);
    if (!exact) writeNumber(out, mask, field.bytes);
  }
}

function writeNumber(out: ByteWriter, value: number, bytes: number): void {
  if (bytes === 1) out.u8(value);
  else if (bytes === 2) out.u16(value);
  else out.u32(value);
}

const ARP = ["arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"].map(f);
const MPLS = ["mpls_tc", "mpls_bos", "mpls_ttl", "mpls_label"].map(f);
const NSH = ["nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si", "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4"].map(f);
const TUNNEL = ["tun_id", "tun_flags", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst", "tun_gbp_id", "tun_gbp_flags"].map(
  f,
);
const ERSPAN = [
  "tun_erspan_idx",
  "tun_erspan_ver",
  "tun_erspan_dir",
  "tun_erspan_hwid",
  "tun_gtpu_flags",
  "tun_gtpu_msgtype",
].map(f);
const CT = ["ct_state", "ct_zone", "ct_mark", "ct_label"].map(f);
const CT_TUPLE = ["ct_nw_src", "ct_ipv6_src", "ct_nw_dst", "ct_ipv6_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst"].map(f);
const PORTS: Readonly<Record<number, readonly [Field, Field]>> = {
  [IP_PROTO.tcp]: [f("tcp_src"), f("tcp_dst")],
  [IP_PROTO.udp]: [f("udp_src"), f("udp_dst")],
  [IP_PROTO.sctp]: [f("sctp_src"), f("sctp_dst")],
};
const REGS = Array.from({ length: 32 }, (_, i) => f(`reg${i}`));
const XREGS = Array.from({ length: 16 }, (_, i) => f(`xreg${i}`));
const IN_PORT = f("in_port");
const IN_PORT_OXM = f("in_port_oxm");
const FIRST = ["dp_hash", "recirc_id", "conj_id"].map(f);
const PACKET_TYPE = f("packet_type");
const ACTSET = f("actset_output");
const ETH = [f("eth_src"), f("eth_dst")];
const ETH_TYPE_FIELD = f("eth_type");
const VLAN_TCI = f("vlan_tci");
const VLAN_VID = f("vlan_vid");
const VLAN_PCP = f("vlan_pcp");
const IPV4 = [f("ip_src"), f("ip_dst")];
const IPV6 = [f("ipv6_src"), f("ipv6_dst")];
const FRAG = f("ip_frag");
const TOS = f("nw_tos");
const DSCP = f("ip_dscp");
const ECN = f("nw_ecn");
const TTL = f("nw_ttl");
const LABEL = f("ipv6_label");
const PROTO = f("nw_proto");
const TCP_FLAGS = f("tcp_flags");
const ICMP4 = [f("icmp_type"), f("icmp_code")];
const ICMP6 = [f("icmpv6_type"), f("icmpv6_code")];
const ND = ["nd_reserved", "nd_target", "nd_options_type", "nd_sll", "nd_tll"].map(f);
const PKT_MARK = f("pkt_mark");
const METADATA = f("metadata");
const TUN_METADATA = Array.from({ length: TUN_METADATA_FIELDS }, (_, i) => f(`tun_metadata${i}`));

/**
 * Writes the match as a sequence of NXM (version 1 or 2) or OXM (3 to 6) entries, without header and padding. Fields
 * follow in an order that satisfies prerequisites, which is that of Open vSwitch.
 */
export function writeOxms(out: ByteWriter, match: Match, version: number): void {
  if (match.size === 0) return;
  const w = new OxmWriter(out, match, version);
  try {
    putAll(w, version >= 3);
  } finally {
    w.done();
  }
}

function putAll(w: OxmWriter, oxm: boolean): void {
  if (w.wordMask(WORD.packet_type) !== 0 && (w.wordValue(WORD.packet_type) !== 0 || w.wordMask(WORD.eth_type) === 0))
    w.put(PACKET_TYPE);
  if ((w.parts & PART.first) !== 0) for (const field of FIRST) w.put(field);
  w.put(oxm ? IN_PORT_OXM : IN_PORT);
  w.put(ACTSET);
  for (const field of ETH) w.put(field);
  w.put(ETH_TYPE_FIELD);
  putVlan(w, oxm);
  const type = etherTypeOf(w);
  if (type === ETH_TYPE.mpls || type === ETH_TYPE.mplsm) for (const field of MPLS) w.put(field);
  putNetwork(w, type, oxm);
  if ((w.parts & PART.tunnel) !== 0) {
    for (const field of TUNNEL) w.put(field);
    putTunMetadata(w);
    for (const field of ERSPAN) w.put(field);
  }
  if (type === ETH_TYPE.nsh) for (const field of NSH) w.put(field);
  putRegisters(w);
  w.put(PKT_MARK);
  if ((w.parts & PART.ct) !== 0) {
    for (const field of CT) w.put(field);
    for (const field of CT_TUPLE) w.put(field);
  }
  w.put(METADATA);
}

function putVlan(w: OxmWriter, oxm: boolean): void {
  const mask = w.wordMask(WORD.vlan_tci) & 0xffff;
  if (mask === 0) return;
  const tci = w.wordValue(WORD.vlan_tci) & 0xffff;
  if (!oxm) {
    w.putNumber(VLAN_TCI, tci, mask, mask === 0xffff);
    return;
  }
  const vidMask = mask & 0x1fff;
  if (vidMask !== 0) w.putNumber(VLAN_VID, tci & 0x1fff, vidMask, vidMask === 0x1fff);
  if ((mask & 0xe000) !== 0 && !(mask === 0xffff && tci === 0)) w.putNumber(VLAN_PCP, tci >>> 13, 7, true);
}

function putNetwork(w: OxmWriter, type: number | undefined, oxm: boolean): void {
  if (type === ETH_TYPE.arp || type === ETH_TYPE.rarp) {
    for (const field of ARP) {
      if (field.name === "arp_op") {
        // The key has 8 bits of the opcode; the wire has 16.
        const mask = w.wordMask(WORD.nw_proto);
        if (mask !== 0) w.putNumber(field, w.wordValue(WORD.nw_proto), 0xffff, true);
      } else w.put(field);
    }
    return;
  }
  if (type !== ETH_TYPE.ip && type !== ETH_TYPE.ipv6) return;
  for (const field of type === ETH_TYPE.ip ? IPV4 : IPV6) w.put(field);
  w.put(FRAG);
  const tosMask = w.wordMask(WORD.nw_tos);
  if ((tosMask & 0xfc) !== 0) {
    const tos = w.wordValue(WORD.nw_tos) & 0xfc;
    if (oxm) w.putNumber(DSCP, tos >>> 2, 0x3f, true);
    else w.putNumber(TOS, tos, 0xff, true);
  }
  w.put(ECN);
  w.put(TTL);
  if (type === ETH_TYPE.ipv6) w.put(LABEL);
  const proto = ipProtoOf(w);
  if (proto === undefined) return;
  w.put(PROTO);
  const ports = PORTS[proto];
  if (ports !== undefined) {
    w.put(ports[0]);
    w.put(ports[1]);
    if (proto === IP_PROTO.tcp) w.put(TCP_FLAGS);
  } else if (type === ETH_TYPE.ip && proto === IP_PROTO.icmp) for (const field of ICMP4) w.put(field);
  else if (type === ETH_TYPE.ipv6 && proto === IP_PROTO.icmpv6) {
    for (const field of ICMP6) w.put(field);
    const kind = (w.wordMask(WORD.tp_src) & 0xff) === 0xff ? w.wordValue(WORD.tp_src) & 0xff : 0;
    const code = w.wordValue(WORD.tp_dst) & 0xff;
    if ((kind === 135 || kind === 136) && code === 0)
      for (const field of ND)
        if (field.prerequisite === "nd" || field.name === (kind === 135 ? "nd_sll" : "nd_tll")) w.put(field);
  }
}

function putTunMetadata(w: OxmWriter): void {
  const { match, out } = w;
  if (w.wordMask(WORD.tun_metadata_present) === 0 && w.wordMask(WORD.tun_metadata_present + 1) === 0) return;
  for (let i = 0; i < TUN_METADATA_FIELDS; i++) {
    if ((w.wordMask(WORD.tun_metadata_present + (i >> 5)) & (1 << (i & 31))) === 0) continue;
    const field = TUN_METADATA[i]!;
    const found = match.get(field);
    const code = codeOf(field, w.version);
    if (found === undefined) {
      writeHeader(out, code, true, 0);
      continue;
    }
    const { value, mask } = found;
    if (mask === (1n << BigInt(field.bits)) - 1n) {
      const bytes = byteLength(value);
      writeHeader(out, code, false, bytes);
      out.big(value, bytes);
    } else {
      const bytes = byteLength(mask);
      writeHeader(out, code, true, 2 * bytes);
      out.big(value, bytes).big(mask, bytes);
    }
  }
}

function putRegisters(w: OxmWriter): void {
  if (w.version >= 6) {
    for (let i = 0; i < 16; i++)
      if (w.wordMask(WORD.reg + 2 * i) !== 0 || w.wordMask(WORD.reg + 2 * i + 1) !== 0) w.put(XREGS[i]!);
    return;
  }
  for (let i = 0; i < 32; i++) w.put(REGS[i]!);
}

export interface ReadOptions {
  /** Unknown fields are skipped, prerequisites not asked for: packet-ins, replies for display. */
  readonly lenient?: boolean;
  /** Takes NXM's cookie (vendor-specific pseudo fields of flow statistics requests). */
  readonly onCookie?: (value: bigint, mask: bigint) => void;
}

/** Which reading of a match has met each field last, by the field's id: cheaper than a set for each match. */
const seen: number[] = FIELDS.map(() => 0);
let readings = 0;

/** Reads entries up to the reader's end into a match. */
export function readOxms(input: ByteReader, options: ReadOptions = {}): Match {
  if (input.left === 0) return new MatchBuilder().build();
  const builder = new MatchBuilder();
  const reading = ++readings;
  while (input.left > 0) {
    if (options.onCookie !== undefined && takeCookie(input, options.onCookie)) continue;
    const start = input.at;
    const header = readHeader(input, options.lenient ?? false);
    if (header === undefined) continue;
    const { field } = header;
    if (seen[field.id] === reading) {
      input.at = start;
      throw input.fail("OFPBMC_DUP_FIELD", field.name);
    }
    seen[field.id] = reading;
    if (options.lenient !== true && !meets(builder, field.prerequisite)) {
      input.at = start;
      throw input.fail("OFPBMC_BAD_PREREQ", field.name);
    }
    setRead(input, builder, header);
  }
  return builder.build();
}

/**
 * NXM_NX_COOKIE shares its number with NXM_NX_MPLS_TTL and is told apart by its length. Flow modifications and flow
 * statistics requests in NXM end with it.
 */
const COOKIE_HEADER = { class: 1, exact: 0x3c08, masked: 0x3d10 } as const;

function takeCookie(input: ByteReader, onCookie: (value: bigint, mask: bigint) => void): boolean {
  if (input.left < 12 || input.peek16(0) !== COOKIE_HEADER.class) return false;
  const rest = input.peek16(2);
  if (rest !== COOKIE_HEADER.exact && rest !== COOKIE_HEADER.masked) return false;
  input.skip(4);
  const value = input.u64();
  onCookie(value, rest === COOKIE_HEADER.masked ? input.u64() : 0xffffffffffffffffn);
  return true;
}

/** Writes the cookie that a flow must have, where any bit of it is asked for. */
export function writeCookie(out: ByteWriter, cookie: bigint, mask: bigint): void {
  if (mask === 0n) return;
  const exact = mask === 0xffffffffffffffffn;
  out.u16(COOKIE_HEADER.class).u16(exact ? COOKIE_HEADER.exact : COOKIE_HEADER.masked);
  out.u64(cookie & mask);
  if (!exact) out.u64(mask);
}

function setRead(input: ByteReader, builder: MatchBuilder, header: OxmHeader): void {
  const { field, hasMask, length } = header;
  if (field.words === 1 && !field.variable) {
    setSmall(input, builder, header);
    return;
  }
  if (field.variable && hasMask && length === 0) {
    const bit = 1 << (field.metadataIndex! & 31);
    builder.setWord(WORD.tun_metadata_present + (field.metadataIndex! >> 5), bit, bit);
    return;
  }
  if (!field.variable) {
    setWords(input, builder, header);
    return;
  }
  const bytes = hasMask ? length / 2 : length;
  const { value, mask } = readValue(input, header);
  if (mask !== undefined && (value & ~mask) !== 0n) throw input.fail("OFPBMC_BAD_WILDCARDS", field.name);
  // A tun_metadata value without a mask is exact in the bytes that are there.
  builder.set(field, value, mask ?? (1n << BigInt(8 * bytes)) - 1n);
}

/** What {@link setWords} has read; IPv6 addresses have the most words. */
const readValues = new Int32Array(4);
const readMasks = new Int32Array(4);

/** A field of several words, word by word: by way of a bigint it takes several times as long. */
function setWords(input: ByteReader, builder: MatchBuilder, { field, hasMask, length }: OxmHeader): void {
  const { bytes, bits, word, words } = field;
  if (length !== (hasMask ? 2 * bytes : bytes)) throw input.fail("OFPBMC_BAD_LEN", `length ${length} is wrong for ${field.name}`);
  readWords(input, field, readValues);
  if (hasMask) readWords(input, field, readMasks);
  else {
    readMasks.fill(-1);
    if (bits % 32 !== 0) readMasks[0] = 0xffffffff >>> (32 - (bits % 32));
  }
  for (let i = 0; i < words; i++)
    if ((readValues[i]! & ~readMasks[i]!) !== 0) throw input.fail("OFPBMC_BAD_WILDCARDS", field.name);
  for (let i = 0; i < words; i++) builder.setWord(word + i, readValues[i]!, readMasks[i]!);
}

/** The words of a field that has several; of the first one only the bytes that there are. */
function readWords(input: ByteReader, { bytes, words }: Field, into: Int32Array): void {
  into[0] = bytes % 4 === 2 ? input.u16() : input.u32();
  for (let i = 1; i < words; i++) into[i] = input.u32();
}

function setSmall(input: ByteReader, builder: MatchBuilder, header: OxmHeader): void {
  const { field, hasMask, length } = header;
  const bytes = field.bytes;
  if (length !== (hasMask ? 2 * bytes : bytes)) throw input.fail("OFPBMC_BAD_LEN", `length ${length} is wrong for ${field.name}`);
  if (hasMask && !field.maskable) throw input.fail("OFPBMC_BAD_MASK", `${field.name} takes no mask`);
  const read = () => (bytes === 1 ? input.u8() : bytes === 2 ? input.u16() : input.u32());
  let value = read();
  if (field.format === "ofp11-port") {
    const port = fromOfp11Port(value);
    if (port === undefined) throw input.fail("OFPBMC_BAD_VALUE", `${value} is no port`);
    value = port;
  }
  const max = 0xffffffff >>> (32 - field.bits);
  if (!hasMask) {
    switch (field.name) {
      case "vlan_tci":
        builder.setWord(WORD.vlan_tci, (value & 0x1000) === 0 ? 0 : value, 0xffff);
        return;
      case "vlan_vid":
        if (value > 0x1fff) throw input.fail("OFPBMC_BAD_VALUE", field.name);
        builder.setWord(WORD.vlan_tci, value, 0x1fff);
        return;
      case "vlan_pcp":
        if (value > 7) throw input.fail("OFPBMC_BAD_VALUE", field.name);
        builder.setWord(WORD.vlan_tci, value << 13, 0xe000);
        return;
      case "arp_op":
        builder.setWord(WORD.nw_proto, value & 0xff, 0xff);
        return;
      case "nw_tos":
        if ((value & 3) !== 0) throw input.fail("OFPBMC_BAD_VALUE", field.name);
        break;
    }
    if (value > max) throw input.fail("OFPBMC_BAD_VALUE", field.name);
    if (field.name === "nw_tos") builder.setWord(WORD.nw_tos, value, 0xfc);
    else builder.setWord(field.word, value << field.shift, field.wordMask);
    return;
  }
  const mask = read();
  if ((value & ~mask) !== 0) throw input.fail("OFPBMC_BAD_WILDCARDS", field.name);
  if (field.name === "vlan_tci" || field.name === "vlan_vid") {
    const none = field.name === "vlan_tci" && (mask & 0x1fff) === 0x1fff && (value & 0x1000) === 0;
    builder.setWord(WORD.vlan_tci, none ? 0 : value, none ? 0xffff : mask & (field.name === "vlan_vid" ? 0x1fff : 0xffff));
    return;
  }
  if (mask !== 0) builder.setWord(field.word, (value & max) << field.shift, ((mask & max) << field.shift) & field.wordMask);
}
