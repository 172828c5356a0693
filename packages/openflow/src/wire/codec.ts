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
import { TABLE_FEATURES_ROWS } from "./tableFeatures.ts";
import { TLV_ROWS } from "./tlvRows.ts";

export const ROWS: readonly Row[] = [
  ...CORE_ROWS,
  ...FLOW_ROWS,
  ...PACKET_ROWS,
  ...PORT_ROWS,
  ...GROUP_ROWS,
  ...TLV_ROWS,
  ...MONITOR_ROWS,
  ...TABLE_FEATURES_ROWS,
];

const byType = new Map<MessageType, Row>(ROWS.map((row) => [row.type, row]));
const byPlace = new Map<string, { readonly row: Row; readonly where: Where }>();
for (const row of ROWS)
  for (const where of row.where)
    for (let version = where.first; version <= where.last; version++)
      byPlace.set(`${version}/${where.place}/${where.number}`, { row, where });

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
  const isRequest = where.place.endsWith("request");
  writeHeader(out, version, isRequest ? types.request : types.reply, xid);
  const vendor = where.place.startsWith("nx-") ? NICIRA : where.place.startsWith("onf-") ? ONF : undefined;
  out.u16(vendor === undefined ? where.number : EXPERIMENTER_MULTIPART).u16(more ? 1 : 0);
  if (version > 1) out.zeros(4);
  if (vendor !== undefined) {
    out.u32(vendor).u32(where.number);
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

/** Where a message stands in a version; undefined when the version has none such. */
export function whereOf(message: Message, version: OfVersion, options: EncodeOptions = {}): Where | undefined {
  const row = byType.get(message.type);
  if (row === undefined) return undefined;
  return row.choose === undefined
    ? row.where.find((w) => w.first <= version && version <= w.last)
    : row.choose(message, version, options);
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
  const where = whereOf(message, version, options);
  if (where === undefined) throw new EncodeError(`OpenFlow version ${version} has no message ${message.type}`);
  const start = out.at;
  writePlace(out, version, xid, where, "more" in message && message.more);
  row.encode(message, {
    out,
    version,
    xid,
    options,
    inner: (envelope) => encodeInto(out, envelope.message, envelope.version, envelope.xid),
  });
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

/** What a message is, and what it says: the type and place are known even where the body does not decode. */
export interface Decoded {
  readonly version: OfVersion;
  readonly xid: number;
  readonly type: MessageType;
  readonly where: Where;
  readonly result: Message | DecodeError;
}

/**
 * Decodes one whole message. Throws a DecodeError whose `error` names the OpenFlow error to answer with and whose place
 * has the byte offset.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Envelope {
  return envelopeOf(decodeAt(bytes, options));
}

function envelopeOf(decoded: Decoded | DecodeError): Envelope {
  if (decoded instanceof DecodeError) throw decoded;
  if (decoded.result instanceof DecodeError) throw decoded.result;
  return { version: decoded.version, xid: decoded.xid, message: decoded.result };
}

/** Like {@link decode}, but returns errors; for printers. A DecodeError in place of all: nobody knows such a message. */
export function decodeAt(
  bytes: Uint8Array,
  options: DecodeOptions = {},
  inner: (bytes: Uint8Array) => Envelope = decodeInner,
): Decoded | DecodeError {
  const input = new ByteReader(bytes);
  try {
    const version = input.u8();
    const type = input.u8();
    const length = input.u16();
    const xid = input.u32();
    if (length !== bytes.length) return new DecodeError("OFPBRC_BAD_LEN", 2, `length ${length} of ${bytes.length} bytes`);
    // A hello of a version to come is still a hello.
    if (!isVersion(version) && type !== 0) return new DecodeError("OFPBRC_BAD_VERSION", 0, `version ${version}`);
    const known = isVersion(version) ? version : 6;
    const { place, number, more } = readPlace(type, input, known);
    const found = byPlace.get(`${known}/${place}/${number}`);
    if (found === undefined) {
      const error =
        place === "standard"
          ? "OFPBRC_BAD_TYPE"
          : place === "request" || place === "reply"
            ? "OFPBRC_BAD_STAT"
            : "OFPBRC_BAD_SUBTYPE";
      return new DecodeError(error, place === "standard" ? 1 : 8, `${place} message ${number}`);
    }
    const base = { version: known, xid, type: found.row.type, where: found.where };
    return { ...base, result: decodeRow(found.row, { input, version: known, xid, where: found.where, more, options, inner }) };
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

/** Reads a message within another. There is no third level. */
function decodeInner(bytes: Uint8Array): Envelope {
  return envelopeOf(
    decodeAt(bytes, {}, () => {
      throw new DecodeError("OFPBFC_MSG_UNSUP", 0, "a message within a message within a message");
    }),
  );
}

function decodeRow(row: Row, state: Parameters<Row["decode"]>[0]): Message | DecodeError {
  try {
    const message = row.decode(state);
    if (state.input.left > 0) return state.input.fail("OFPBRC_BAD_LEN", `${state.input.left} bytes left over`);
    return message;
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

function readPlace(
  type: number,
  input: ByteReader,
  version: OfVersion,
): { place: Where["place"]; number: number; more: boolean } {
  const types = multipartTypes(version);
  if (type === EXPERIMENTER) {
    const vendor = input.u32();
    const number = input.u32();
    if (vendor !== NICIRA && vendor !== ONF)
      throw new DecodeError("OFPBRC_BAD_VENDOR", 8, `experimenter 0x${vendor.toString(16)}`);
    return { place: vendor === NICIRA ? "nx" : "onf", number, more: false };
  }
  if (type !== types.request && type !== types.reply) return { place: "standard", number: type, more: false };
  const number = input.u16();
  const more = (input.u16() & 1) !== 0;
  if (version > 1) input.skip(4);
  const isRequest = type === types.request;
  if (number !== EXPERIMENTER_MULTIPART) return { place: isRequest ? "request" : "reply", number, more };
  const vendor = input.u32();
  const subtype = input.u32();
  if (vendor === ONF) return { place: isRequest ? "onf-request" : "onf-reply", number: subtype, more };
  if (vendor !== NICIRA) throw input.fail("OFPBRC_BAD_VENDOR", `experimenter 0x${vendor.toString(16)}`);
  if (version === 1) input.skip(4);
  return { place: isRequest ? "nx-request" : "nx-reply", number: subtype, more };
}
