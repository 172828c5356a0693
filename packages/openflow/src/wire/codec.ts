/** Messages to bytes and back: one row of the table for every type of message. */
import type { Envelope, Message, MessageType, OfVersion } from "../message/types.ts";
import { NICIRA, ONF } from "./actionCodes.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { DecodeOptions, EncodeOptions, Row, Where } from "./codecRow.ts";
import { CORE_ROWS } from "./coreRows.ts";
import { DecodeError, EncodeError } from "./error.ts";
import { FLOW_ROWS } from "./flowRows.ts";
import { GROUP_ROWS } from "./groupRows.ts";
import { MONITOR_ROWS } from "./monitorRows.ts";
import { PACKET_ROWS } from "./packetRows.ts";
import { PORT_ROWS } from "./portRows.ts";
import { TLV_ROWS } from "./tlvRows.ts";

export const ROWS: readonly Row[] = [
  ...CORE_ROWS,
  ...FLOW_ROWS,
  ...PACKET_ROWS,
  ...PORT_ROWS,
  ...GROUP_ROWS,
  ...TLV_ROWS,
  ...MONITOR_ROWS,
];

const byType = new Map<MessageType, Row>(ROWS.map((row) => [row.type, row]));
const byPlace = new Map<string, { readonly row: Row; readonly where: Where }>();
for (const row of ROWS)
  for (const where of row.where)
    for (let version = where.first; version <= where.last; version++)
      byPlace.set(`${version}/${where.place}/${where.number}`, { row, where });

/** Bytes of the OpenFlow header. */
export const HEADER_LENGTH = 8;

const EXPERIMENTER = 4;
const EXPERIMENTER_MULTIPART = 0xffff;

function multipartTypes(version: number): { readonly request: number; readonly reply: number } {
  return version === 1 ? { request: 16, reply: 17 } : { request: 18, reply: 19 };
}

function writeHeader(out: ByteWriter, version: number, type: number, xid: number): void {
  out.u8(version).u8(type).u16(0).u32(xid);
}

function writePlace(out: ByteWriter, version: number, xid: number, where: Where, more: boolean): void {
  switch (where.place) {
    case "standard":
      writeHeader(out, version, where.number, xid);
      return;
    case "nx":
    case "onf":
      writeHeader(out, version, EXPERIMENTER, xid);
      out.u32(where.place === "nx" ? NICIRA : ONF).u32(where.number);
      return;
  }
  const types = multipartTypes(version);
  const isRequest = where.place === "request" || where.place === "nx-request";
  writeHeader(out, version, isRequest ? types.request : types.reply, xid);
  const isNx = where.place === "nx-request" || where.place === "nx-reply";
  out.u16(isNx ? EXPERIMENTER_MULTIPART : where.number).u16(more ? 1 : 0);
  if (version > 1) out.zeros(4);
  if (isNx) {
    out.u32(NICIRA).u32(where.number);
    if (version === 1) out.zeros(4);
  }
}

/**
 * Encodes a message. Throws an EncodeError ("openflow.encode") when the version has no such message or field, or when the
 * message is longer than 65535 bytes.
 */
export function encode(message: Message, version: OfVersion, xid: number, options: EncodeOptions = {}): Uint8Array {
  const out = new ByteWriter(message.type === "flow_stats_reply" ? 65536 : 256);
  encodeInto(out, message, version, xid, options);
  return out.slice();
}

/** Encodes at the end of `out`. */
export function encodeInto(
  out: ByteWriter,
  message: Message,
  version: OfVersion,
  xid: number,
  options: EncodeOptions = {},
): void {
  const row = byType.get(message.type);
  if (row === undefined) throw new EncodeError(`messages of type ${message.type} cannot be encoded`);
  const where =
    row.choose === undefined
      ? row.where.find((w) => w.first <= version && version <= w.last)
      : row.choose(message, version, options);
  if (where === undefined) throw new EncodeError(`OpenFlow version ${version} has no message ${message.type}`);
  const start = out.at;
  writePlace(out, version, xid, where, "more" in message && message.more);
  row.encode(message, { out, version, options });
  const length = out.at - start;
  if (length > 0xffff) {
    out.cut(start);
    throw new EncodeError(`message ${message.type} of ${length} bytes is longer than 65535`);
  }
  out.patch16(start + 2, length);
}

function isVersion(version: number): version is OfVersion {
  return version >= 1 && version <= 6;
}

/** The header's fields, without looking at the rest. */
export function peekHeader(bytes: Uint8Array): {
  readonly version: number;
  readonly type: number;
  readonly length: number;
  readonly xid: number;
} {
  const input = new ByteReader(bytes);
  return { version: input.u8(), type: input.u8(), length: input.u16(), xid: input.u32() };
}

/**
 * Decodes one whole message. Throws a DecodeError whose `error` names the OpenFlow error to answer with and whose place
 * has the byte offset.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Envelope {
  const input = new ByteReader(bytes);
  const version = input.u8();
  const type = input.u8();
  const length = input.u16();
  const xid = input.u32();
  if (length !== bytes.length) throw new DecodeError("OFPBRC_BAD_LEN", 2, `length ${length} of ${bytes.length} bytes`);
  if (!isVersion(version)) {
    // A hello of a version to come is still a hello.
    if (type !== 0) throw new DecodeError("OFPBRC_BAD_VERSION", 0, `version ${version}`);
    return { version: 6, xid, message: decodePlace("standard", 0, input, 6, false, options) };
  }
  return { version, xid, message: decodeBody(type, input, version, options) };
}

function decodeBody(type: number, input: ByteReader, version: OfVersion, options: DecodeOptions): Message {
  const types = multipartTypes(version);
  if (type === EXPERIMENTER) {
    const vendor = input.u32();
    const subtype = input.u32();
    if (vendor === NICIRA) return decodePlace("nx", subtype, input, version, false, options);
    if (vendor === ONF) return decodePlace("onf", subtype, input, version, false, options);
    throw new DecodeError("OFPBRC_BAD_VENDOR", 8, `experimenter 0x${vendor.toString(16)}`);
  }
  if (type === types.request || type === types.reply) {
    const number = input.u16();
    const more = (input.u16() & 1) !== 0;
    if (version > 1) input.skip(4);
    const isRequest = type === types.request;
    if (number !== EXPERIMENTER_MULTIPART)
      return decodePlace(isRequest ? "request" : "reply", number, input, version, more, options);
    const vendor = input.u32();
    const subtype = input.u32();
    if (vendor !== NICIRA) throw input.fail("OFPBRC_BAD_VENDOR", `experimenter 0x${vendor.toString(16)}`);
    if (version === 1) input.skip(4);
    return decodePlace(isRequest ? "nx-request" : "nx-reply", subtype, input, version, more, options);
  }
  return decodePlace("standard", type, input, version, false, options);
}

function decodePlace(
  place: Where["place"],
  number: number,
  input: ByteReader,
  version: OfVersion,
  more: boolean,
  options: DecodeOptions,
): Message {
  const found = byPlace.get(`${version}/${place}/${number}`);
  if (found === undefined) {
    const error =
      place === "standard" ? "OFPBRC_BAD_TYPE" : place === "nx" || place === "onf" ? "OFPBRC_BAD_SUBTYPE" : "OFPBRC_BAD_STAT";
    throw new DecodeError(error, place === "standard" ? 1 : 8, `${place} message ${number}`);
  }
  const message = found.row.decode({ input, version, where: found.where, more, options });
  if (input.left > 0) throw input.fail("OFPBRC_BAD_LEN", `${input.left} bytes left over`);
  return message;
}
