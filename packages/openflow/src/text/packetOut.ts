/** Packet-outs, TLV mappings and connection tracking tuples as text. */

import { WORD } from "../field/layout.ts";
import { fieldByOvsName } from "../field/lookup.ts";
import type { TlvMapping } from "../field/tlvMap.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { CtFlush, CtTuple } from "../message/config.ts";
import type { PacketOut } from "../message/packet.ts";
import { NO_BUFFER } from "../ports.ts";
import { parseActions } from "./actions.ts";
import { TextError } from "./error.ts";
import { setFieldText } from "./match.ts";
import { type Names, NO_NAMES, parsePort } from "./names.ts";
import { integerOf, u8, u16, u32 } from "./number.ts";
import { items } from "./scan.ts";
import { hexBytes } from "./syntax.ts";

/** Parses "in_port=..., packet=..., actions=..." (ovs-ofctl(8), "Packet-Out Syntax"). Throws a TextError. */
export function parsePacketOut(text: string, names: Names = NO_NAMES): PacketOut {
  const at = text.indexOf("action");
  const head = at < 0 ? text : text.slice(0, at);
  const actions = at < 0 ? "" : text.slice(at).replace(/^actions?[ \t]*=?/, "");
  const builder = new MatchBuilder();
  let packet: Uint8Array | undefined;
  for (const { key, value, delimiter } of items(head)) {
    if (delimiter === "") throw new TextError(`field ${key} missing value`, text);
    if (key === "in_port") {
      const port = parsePort(value, names);
      if (port === undefined) throw new TextError(`${value} is not a valid OpenFlow port`, text);
      builder.setWord(WORD.in_port, port, -1);
    } else if (key === "packet_type") setFieldText(builder, fieldByOvsName(key)!, value, names);
    else if (key === "packet") packet = hexBytes(value, "packet");
    else {
      const field = fieldByOvsName(key);
      if (field === undefined) throw new TextError(`unknown keyword ${key}`, text);
      setFieldText(builder, field, value, names);
    }
  }
  if (packet === undefined || packet.length === 0) throw new TextError("must specify packet", text);
  return {
    type: "packet_out",
    buffer: NO_BUFFER,
    packet,
    metadata: builder.build(),
    actions: parseActions(actions, names, "list"),
  };
}

/** Parses "{class=0xffff,type=0,len=4}->tun_metadata0", one or several. Throws a TextError. */
export function parseTlvMappings(text: string): TlvMapping[] {
  const found: TlvMapping[] = [];
  const pattern = /\s*,?\s*\{([^}]*)\}\s*->\s*(\S+?)(?=\s*(?:,\s*\{|\{|$))/y;
  while (pattern.lastIndex < text.length && text.slice(pattern.lastIndex).trim() !== "") {
    const match = pattern.exec(text);
    if (match === null) throw new TextError("invalid tlv mapping", text);
    let optionClass: number | undefined;
    let optionType: number | undefined;
    let length: number | undefined;
    for (const { key, value } of items(match[1]!)) {
      if (key === "class") optionClass = u16(value, key);
      else if (key === "type") optionType = u8(value, key);
      else if (key === "len") length = u8(value, key);
      else throw new TextError("invalid tlv mapping", text);
    }
    const index = /^tun_metadata(\d+)$/.exec(match[2]!);
    if (optionClass === undefined || optionType === undefined || length === undefined)
      throw new TextError("invalid tlv mapping", text);
    if (index === null) throw new TextError("not a tunnel metadata field", text);
    found.push({ optionClass, optionType, length, index: Number(index[1]) });
  }
  return found;
}

/** Parses a tuple of ct-flush, e.g. "ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80". Throws a TextError. */
export function parseCtTuple(text: string): { readonly tuple: CtTuple; readonly protocol: number } {
  const tuple: { -readonly [K in keyof CtTuple]: CtTuple[K] } = {
    src: undefined,
    dst: undefined,
    srcPort: undefined,
    dstPort: undefined,
    icmpType: undefined,
    icmpCode: undefined,
    icmpId: undefined,
  };
  let protocol = 0;
  for (const { key, value, delimiter } of items(text)) {
    if (delimiter === "") throw new TextError(`field ${key} missing value`, text);
    if (key === "ct_nw_src" || key === "ct_ipv6_src") tuple.src = value;
    else if (key === "ct_nw_dst" || key === "ct_ipv6_dst") tuple.dst = value;
    else if (key === "ct_nw_proto") protocol = u8(value, key);
    else if (key === "ct_tp_src") tuple.srcPort = u16(value, key);
    else if (key === "ct_tp_dst") tuple.dstPort = u16(value, key);
    else if (key === "icmp_type") tuple.icmpType = u8(value, key);
    else if (key === "icmp_code") tuple.icmpCode = u8(value, key);
    else if (key === "icmp_id") tuple.icmpId = u16(value, key);
    else throw new TextError(`invalid conntrack tuple field: ${key}`, text);
  }
  return { tuple, protocol };
}

/** Parses the arguments of ct-flush: zone=, mark=, labels=, original tuple, reply tuple. Throws a TextError. */
export function parseCtFlush(args: readonly string[]): CtFlush {
  let zone: number | undefined;
  let mark: CtFlush["mark"];
  let labels: CtFlush["labels"];
  const tuples: string[] = [];
  for (const arg of args) {
    const [, key, value] = /^(zone|mark|labels)=(.*)$/.exec(arg) ?? [];
    if (key === "zone") zone = u16(value!, "zone");
    else if (key === "mark") {
      const [v, m] = value!.split("/") as [string, string | undefined];
      mark = { value: u32(v), mask: m === undefined ? 0xffffffff : u32(m) };
    } else if (key === "labels") {
      const [v, m] = value!.split("/") as [string, string | undefined];
      labels = { value: u128(v), mask: m === undefined ? (1n << 128n) - 1n : u128(m) };
    } else tuples.push(arg);
  }
  if (tuples.length > 2) throw new TextError("invalid arguments", args.join(" "));
  const original = tuples[0] === undefined || tuples[0] === "" ? undefined : parseCtTuple(tuples[0]);
  const reply = tuples[1] === undefined || tuples[1] === "" ? undefined : parseCtTuple(tuples[1]);
  return {
    type: "ct_flush",
    protocol: original?.protocol || reply?.protocol || 0,
    zone: zone ?? (original === undefined && reply === undefined ? undefined : 0),
    original: original?.tuple,
    reply: reply?.tuple,
    mark,
    labels,
  };
}

function u128(text: string): bigint {
  const value = integerOf(text);
  if (value === undefined || value < 0n || value >= 1n << 128n) throw new TextError(`invalid numeric format ${text}`, text);
  return value;
}
