/** Codec rows of the TLV table map and of connection tracking flushes. */
import { formatIpv4, formatIpv6, ipv4Of, ipv6Of, mappedOfIpv4, parseIpv4, parseIpv6 } from "@weft/packet";
import { TUN_METADATA_FIELDS } from "../field/layout.ts";
import type { TlvMapping } from "../field/tlvMap.ts";
import type { CtFlush, CtTuple } from "../message/config.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type DecodeState, type EncodeState, nicira, type Row, row } from "./codecRow.ts";
import { EncodeError } from "./error.ts";

const COMMANDS = ["add", "delete", "clear"] as const;

function writeMappings(out: ByteWriter, mappings: readonly TlvMapping[]): void {
  for (const m of mappings) out.u16(m.optionClass).u8(m.optionType).u8(m.length).u16(m.index).zeros(2);
}

function readMappings(input: ByteReader): TlvMapping[] {
  const mappings: TlvMapping[] = [];
  while (input.left > 0) {
    const optionClass = input.u16();
    const optionType = input.u8();
    const length = input.u8();
    const index = input.u16();
    input.skip(2);
    if (index >= TUN_METADATA_FIELDS) throw input.fail("NXTTMFC_BAD_FIELD_IDX", `tun_metadata${index}`);
    if (length === 0 || length % 4 !== 0 || length > 124) throw input.fail("NXTTMFC_BAD_OPT_LEN", `${length} bytes`);
    mappings.push({ optionClass, optionType, length, index });
  }
  return mappings;
}

/** Properties of a tuple, by number. */
const TUPLE = { src: 0, dst: 1, srcPort: 2, dstPort: 3, icmpId: 4, icmpType: 5, icmpCode: 6 } as const;
const FLUSH = { original: 0, reply: 1, zone: 2, mark: 3, markMask: 4, labels: 5, labelsMask: 6 } as const;

const ICMP = 1;
const ICMPV6 = 58;

function addressBytes(text: string): bigint {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return mappedOfIpv4(v4);
  const v6 = parseIpv6(text);
  if (v6 === undefined) throw new EncodeError(`${text} is no IP address`);
  return v6;
}

function addressText(value: bigint): string {
  return value >> 32n === 0xffffn ? formatIpv4(ipv4Of(Number(value & 0xffffffffn))) : formatIpv6(ipv6Of(value));
}

function writeTuple(out: ByteWriter, type: number, tuple: CtTuple, protocol: number): void {
  const start = out.at;
  out.u16(type).u16(0).zeros(4);
  const address = (number: number, text: string | undefined) => {
    if (text !== undefined) out.u16(number).u16(20).big(addressBytes(text), 16).zeros(4);
  };
  address(TUPLE.src, tuple.src);
  address(TUPLE.dst, tuple.dst);
  const byte = (number: number, value: number) => out.u16(number).u16(5).u8(value).zeros(3);
  if (protocol === ICMP || protocol === ICMPV6) {
    out
      .u16(TUPLE.icmpId)
      .u16(8)
      .u16(tuple.icmpId ?? 0)
      .zeros(2);
    byte(TUPLE.icmpType, tuple.icmpType ?? 0);
    byte(TUPLE.icmpCode, tuple.icmpCode ?? 0);
  } else {
    if (tuple.srcPort !== undefined) out.u16(TUPLE.srcPort).u16(8).u16(tuple.srcPort).zeros(2);
    if (tuple.dstPort !== undefined) out.u16(TUPLE.dstPort).u16(8).u16(tuple.dstPort).zeros(2);
  }
  out.patch16(start + 2, out.at - start);
}

function encodeFlush(m: CtFlush, { out }: EncodeState): void {
  out.u8(m.protocol).zeros(7);
  if (m.original !== undefined) writeTuple(out, FLUSH.original, m.original, m.protocol);
  if (m.reply !== undefined) writeTuple(out, FLUSH.reply, m.reply, m.protocol);
  if (m.zone !== undefined) out.u16(FLUSH.zone).u16(8).u16(m.zone).zeros(2);
  if (m.mark !== undefined) {
    out.u16(FLUSH.mark).u16(8).u32(m.mark.value);
    if (m.mark.mask !== 0xffffffff) out.u16(FLUSH.markMask).u16(8).u32(m.mark.mask);
  }
  if (m.labels !== undefined) {
    out.u16(FLUSH.labels).u16(20).big(m.labels.value, 16).zeros(4);
    if (m.labels.mask !== (1n << 128n) - 1n) out.u16(FLUSH.labelsMask).u16(20).big(m.labels.mask, 16).zeros(4);
  }
}

function* properties(input: ByteReader): Generator<readonly [number, ByteReader]> {
  while (input.left > 0) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) throw input.fail("OFPBPC_BAD_LEN", `property ${type}`);
    const part = input.part(length - 4, "OFPBPC_BAD_LEN");
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
    yield [type, part];
  }
}

function readTuple(input: ByteReader): CtTuple {
  input.skip(4);
  const tuple: { -readonly [K in keyof CtTuple]: CtTuple[K] } = {
    src: undefined,
    dst: undefined,
    srcPort: undefined,
    dstPort: undefined,
    icmpType: undefined,
    icmpCode: undefined,
    icmpId: undefined,
  };
  for (const [type, part] of properties(input)) {
    if (type === TUPLE.src) tuple.src = addressText(part.big(16));
    else if (type === TUPLE.dst) tuple.dst = addressText(part.big(16));
    else if (type === TUPLE.srcPort) tuple.srcPort = part.u16();
    else if (type === TUPLE.dstPort) tuple.dstPort = part.u16();
    else if (type === TUPLE.icmpId) tuple.icmpId = part.u16();
    else if (type === TUPLE.icmpType) tuple.icmpType = part.u8();
    else if (type === TUPLE.icmpCode) tuple.icmpCode = part.u8();
    else throw input.fail("OFPBPC_BAD_TYPE", `tuple property ${type}`);
  }
  return tuple;
}

function decodeFlush({ input }: DecodeState): CtFlush {
  const protocol = input.u8();
  input.zeros(7, "NXBRC_MUST_BE_ZERO");
  let zone: number | undefined;
  let original: CtTuple | undefined;
  let reply: CtTuple | undefined;
  let mark: CtFlush["mark"];
  let labels: CtFlush["labels"];
  for (const [type, part] of properties(input)) {
    switch (type) {
      case FLUSH.original:
        original = readTuple(part);
        break;
      case FLUSH.reply:
        reply = readTuple(part);
        break;
      case FLUSH.zone:
        zone = part.u16();
        break;
      case FLUSH.mark:
        mark = { value: part.u32(), mask: mark?.mask ?? 0xffffffff };
        break;
      case FLUSH.markMask:
        mark = { value: mark?.value ?? 0, mask: part.u32() };
        break;
      case FLUSH.labels:
        labels = { value: part.big(16), mask: labels?.mask ?? (1n << 128n) - 1n };
        break;
      case FLUSH.labelsMask:
        labels = { value: labels?.value ?? 0n, mask: part.big(16) };
        break;
      default:
        throw input.fail("OFPBPC_BAD_TYPE", `ct_flush property ${type}`);
    }
  }
  return { type: "ct_flush", protocol, zone, original, reply, mark, labels };
}

export const TLV_ROWS: readonly Row[] = [
  row(
    "tlv_table_mod",
    [nicira(24)],
    (m, { out }) => {
      out.u16(COMMANDS.indexOf(m.command)).zeros(6);
      writeMappings(out, m.mappings);
    },
    ({ input }) => {
      const number = input.u16();
      const command = COMMANDS[number];
      if (command === undefined) throw input.fail("NXTTMFC_BAD_COMMAND", `command ${number}`);
      input.skip(6);
      return { type: "tlv_table_mod", command, mappings: readMappings(input) };
    },
  ),
  row(
    "tlv_table_reply",
    [nicira(26)],
    (m, { out }) => {
      out.u32(m.space).u16(m.fields).zeros(10);
      writeMappings(out, m.mappings);
    },
    ({ input }) => {
      const space = input.u32();
      const fields = input.u16();
      input.skip(10);
      return { type: "tlv_table_reply", space, fields, mappings: readMappings(input) };
    },
  ),
  row("ct_flush", [nicira(32)], encodeFlush, decodeFlush),
];
