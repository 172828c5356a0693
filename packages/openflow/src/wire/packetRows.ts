/** Codec rows of packets to and from controllers. */
import { WORD } from "../field/layout.ts";
import { MatchBuilder } from "../match/builder.ts";
import { Match } from "../match/match.ts";
import type { PacketIn, PacketOut, Resume } from "../message/packet.ts";
import { KEEP_COOKIE, NO_BUFFER, OFPP, toOfp11Port } from "../ports.ts";
import { REASONS } from "./actionCodes.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type DecodeState, type EncodeState, nicira, type Row, row, standard, type Where } from "./codecRow.ts";
import { decodeActions } from "./decodeActions.ts";
import { readOutPort, writeOutPort } from "./flowRows.ts";
import { encodeActionList } from "./instructions.ts";
import { readMatch, readNxm, writeMatch, writeNxm } from "./match.ts";
import { readOxms, writeOxms } from "./oxm.ts";

const NO_BYTES = new Uint8Array(0);

function inPortOf(metadata: Match): number {
  return metadata.wordMask(WORD.in_port) === 0 ? OFPP.NONE : metadata.wordValue(WORD.in_port);
}

function fromPort(port: number): Match {
  return new MatchBuilder().setWord(WORD.in_port, port, -1).build();
}

/** Reasons that a version cannot say become ones that it can. */
function reasonNumber(message: PacketIn, version: number): number {
  const { reason } = message;
  if (version >= 5 || message.format !== "standard")
    return REASONS.indexOf(reason === "implicit_miss" || reason === "explicit_miss" ? "no_match" : reason);
  if (reason === "action_set" || reason === "group" || reason === "packet_out") return REASONS.indexOf("action");
  if (reason === "implicit_miss" || reason === "explicit_miss") return REASONS.indexOf("no_match");
  if (reason === "invalid_ttl" && version < 3 && message.format === "standard") return REASONS.indexOf("no_match");
  return REASONS.indexOf(reason);
}

const PROPERTY = {
  packet: 0,
  fullLength: 1,
  buffer: 2,
  table: 3,
  cookie: 4,
  reason: 5,
  metadata: 6,
  userdata: 7,
  continuation: 8,
} as const;

function property(out: ByteWriter, type: number, write: () => void): void {
  const start = out.at;
  out.u16(type).u16(0);
  write();
  out.patch16(start + 2, out.at - start);
  out.pad(8, start);
}

function metadataProperty(out: ByteWriter, metadata: Match, version: number): void {
  property(out, PROPERTY.metadata, () => writeOxms(out, metadata, version < 3 ? 4 : version));
}

function encodePacketIn(m: PacketIn, { out, version }: EncodeState): void {
  if (m.format === "nxt_packet_in2") {
    property(out, PROPERTY.packet, () => out.raw(m.packet));
    if (m.packet.length < m.totalLength) property(out, PROPERTY.fullLength, () => out.u32(m.totalLength));
    if (m.buffer !== NO_BUFFER) property(out, PROPERTY.buffer, () => out.u32(m.buffer));
    if (m.table !== 0) property(out, PROPERTY.table, () => out.u8(m.table));
    if (m.cookie !== KEEP_COOKIE) property(out, PROPERTY.cookie, () => out.zeros(4).u64(m.cookie));
    property(out, PROPERTY.reason, () => out.u8(reasonNumber(m, version)));
    metadataProperty(out, m.metadata, version);
    if (m.userdata.length > 0) property(out, PROPERTY.userdata, () => out.raw(m.userdata));
    if (m.continuation !== undefined) {
      const bytes = m.continuation;
      property(out, PROPERTY.continuation, () => out.zeros(4).raw(bytes));
    }
    return;
  }
  if (m.format === "nxt_packet_in") {
    out.u32(m.buffer).u16(m.totalLength).u8(reasonNumber(m, version)).u8(m.table).u64(m.cookie);
    const at = out.at;
    out.u16(0).zeros(6);
    out.patch16(at, writeNxm(out, m.metadata));
    out.zeros(2).raw(m.packet);
    return;
  }
  const reason = reasonNumber(m, version);
  if (version === 1) {
    out.u32(m.buffer).u16(m.totalLength).u16(inPortOf(m.metadata)).u8(reason).zeros(1).raw(m.packet);
    return;
  }
  out.u32(m.buffer);
  if (version === 2) {
    const port = toOfp11Port(inPortOf(m.metadata));
    out.u32(port).u32(port).u16(m.totalLength).u8(reason).u8(m.table).raw(m.packet);
    return;
  }
  out.u16(m.totalLength).u8(reason).u8(m.table);
  if (version >= 4) out.u64(m.cookie);
  writeMatch(out, m.metadata, version);
  out.zeros(2).raw(m.packet);
}

function reasonOf(input: ByteReader, number: number): PacketIn["reason"] {
  const reason = REASONS[number];
  if (reason === undefined) throw input.fail("OFPBRC_BAD_TYPE", `packet-in reason ${number}`);
  return reason;
}

function decodePacketIn({ input, version, where }: DecodeState): PacketIn {
  const base = { type: "packet_in" as const, userdata: NO_BYTES, continuation: undefined };
  if (where.place === "nx") {
    if (where.number === 30) return decodePacketIn2(input);
    const buffer = input.u32();
    const totalLength = input.u16();
    const reason = reasonOf(input, input.u8());
    const table = input.u8();
    const cookie = input.u64();
    const length = input.u16();
    input.skip(6);
    const metadata = readNxm(input, length, { lenient: true });
    input.skip(2);
    return {
      ...base,
      format: "nxt_packet_in",
      packet: input.take(input.left),
      totalLength,
      reason,
      buffer,
      table,
      cookie,
      metadata,
    };
  }
  const buffer = input.u32();
  if (version === 1) {
    const totalLength = input.u16();
    const metadata = fromPort(input.u16());
    const reason = reasonOf(input, input.u8());
    input.skip(1);
    return {
      ...base,
      format: "standard",
      packet: input.take(input.left),
      totalLength,
      reason,
      buffer,
      table: 0,
      cookie: KEEP_COOKIE,
      metadata,
    };
  }
  let metadata: Match = Match.ANY;
  if (version === 2) {
    metadata = fromPort(readOutPort(input, version));
    input.skip(4);
  }
  const totalLength = input.u16();
  const reason = reasonOf(input, input.u8());
  const table = input.u8();
  const cookie = version >= 4 ? input.u64() : KEEP_COOKIE;
  if (version > 2) {
    metadata = readMatch(input, { lenient: true });
    input.skip(2);
  }
  return { ...base, format: "standard", packet: input.take(input.left), totalLength, reason, buffer, table, cookie, metadata };
}

interface Properties {
  packet: Uint8Array;
  totalLength: number | undefined;
  reason: PacketIn["reason"];
  buffer: number;
  table: number;
  cookie: bigint;
  metadata: Match;
  userdata: Uint8Array;
  continuation: Uint8Array | undefined;
}

function readProperties(input: ByteReader): Properties {
  const found: Properties = {
    packet: NO_BYTES,
    totalLength: undefined,
    reason: "no_match",
    buffer: NO_BUFFER,
    table: 0,
    cookie: KEEP_COOKIE,
    metadata: Match.ANY,
    userdata: NO_BYTES,
    continuation: undefined,
  };
  while (input.left > 0) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) throw input.fail("OFPBPC_BAD_LEN", `property ${type}`);
    const part = input.part(length - 4, "OFPBPC_BAD_LEN");
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
    switch (type) {
      case PROPERTY.packet:
        found.packet = part.take(part.left);
        break;
      case PROPERTY.fullLength:
        found.totalLength = part.u32();
        break;
      case PROPERTY.buffer:
        found.buffer = part.u32();
        break;
      case PROPERTY.table:
        found.table = part.u8();
        break;
      case PROPERTY.cookie:
        part.skip(4);
        found.cookie = part.u64();
        break;
      case PROPERTY.reason:
        found.reason = reasonOf(part, part.u8());
        break;
      case PROPERTY.metadata:
        found.metadata = readOxms(part, { lenient: true });
        break;
      case PROPERTY.userdata:
        found.userdata = part.take(part.left);
        break;
      case PROPERTY.continuation:
        part.skip(4);
        found.continuation = part.take(part.left);
        break;
      default:
        throw input.fail("OFPBPC_BAD_TYPE", `packet-in property ${type}`);
    }
  }
  return found;
}

function decodePacketIn2(input: ByteReader): PacketIn {
  const p = readProperties(input);
  return { type: "packet_in", format: "nxt_packet_in2", ...p, totalLength: p.totalLength ?? p.packet.length };
}

function encodeResume(m: Resume, { out, version }: EncodeState): void {
  property(out, PROPERTY.packet, () => out.raw(m.packet));
  metadataProperty(out, m.metadata, version);
  if (m.userdata.length > 0) property(out, PROPERTY.userdata, () => out.raw(m.userdata));
  property(out, PROPERTY.continuation, () => out.zeros(4).raw(m.continuation));
}

function decodeResume({ input }: DecodeState): Resume {
  const { packet, metadata, userdata, continuation } = readProperties(input);
  if (continuation === undefined) throw input.fail("OFPBPC_BAD_VALUE", "no continuation");
  return { type: "resume", packet, metadata, userdata, continuation };
}

function encodePacketOut(m: PacketOut, { out, version }: EncodeState): void {
  out.u32(m.buffer);
  if (version >= 6) {
    const at = out.at;
    out.u16(0).zeros(2);
    writeMatch(out, m.metadata, version);
    const start = out.at;
    encodeActionList(m.actions, out, version);
    out.patch16(at, out.at - start);
  } else {
    writeOutPort(out, inPortOf(m.metadata), version);
    const at = out.at;
    out.u16(0);
    if (version > 1) out.zeros(6);
    const start = out.at;
    encodeActionList(m.actions, out, version);
    out.patch16(at, out.at - start);
  }
  if (m.buffer === NO_BUFFER) out.raw(m.packet);
}

function decodePacketOut({ input, version }: DecodeState): PacketOut {
  const buffer = input.u32();
  let metadata: Match;
  let length: number;
  if (version >= 6) {
    length = input.u16();
    input.skip(2);
    metadata = readMatch(input, { lenient: true });
  } else {
    metadata = fromPort(readOutPort(input, version));
    length = input.u16();
    if (version > 1) input.skip(6);
  }
  const actions = decodeActions(input.part(length, "OFPBAC_BAD_LEN"), version);
  return { type: "packet_out", buffer, packet: input.take(input.left), metadata, actions };
}

const PACKET_IN_WHERE: readonly Where[] = [standard(10), nicira(17), nicira(30)];

export const PACKET_ROWS: readonly Row[] = [
  row("packet_in", PACKET_IN_WHERE, encodePacketIn, decodePacketIn, (m) =>
    m.format === "standard" ? PACKET_IN_WHERE[0] : m.format === "nxt_packet_in" ? PACKET_IN_WHERE[1] : PACKET_IN_WHERE[2],
  ),
  row("resume", [nicira(28)], encodeResume, decodeResume),
  row("packet_out", [standard(13)], encodePacketOut, decodePacketOut),
];
