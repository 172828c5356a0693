/** The packet that a trace carries along: a flow key, and its fields by the names of logical symbols. */

import { type FieldRef, formatInteger, subfieldOf } from "@weft/logical";
import {
  ETH_TYPE,
  type Field,
  field,
  fieldMask,
  formatMatch,
  IP_PROTO,
  MatchBuilder,
  newFlowKey,
  readField,
  type Subfield,
  WORD,
  writeField,
} from "@weft/openflow";

export interface Packet {
  readonly key: Int32Array;
  readonly stack: { readonly value: bigint }[];
}

export function newPacket(): Packet {
  return { key: newFlowKey(), stack: [] };
}

export function copyPacket(packet: Packet): Packet {
  return { key: Int32Array.from(packet.key), stack: [...packet.stack] };
}

const fields = new Map<string, Field>();

function named(name: string): Field {
  let found = fields.get(name);
  if (found === undefined) fields.set(name, (found = field(name)));
  return found;
}

/** A field by its OpenFlow name. */
export function get(packet: Packet, name: string): bigint {
  return readField(packet.key, named(name));
}

export function set(packet: Packet, name: string, value: bigint | number): void {
  writeField(packet.key, named(name), BigInt(value));
}

export function getBits(packet: Packet, { field: of, offset, bits }: Subfield): bigint {
  return (readField(packet.key, of) >> BigInt(offset)) & ((1n << BigInt(bits)) - 1n);
}

export function setBits(packet: Packet, { field: of, offset, bits }: Subfield, value: bigint, mask?: bigint): void {
  const ones = (1n << BigInt(bits)) - 1n;
  const affected = ((mask ?? ones) & ones) << BigInt(offset);
  const old = readField(packet.key, of) & fieldMask(of);
  writeField(packet.key, of, (old & ~affected) | ((value << BigInt(offset)) & affected));
}

export function read(packet: Packet, ref: FieldRef): bigint {
  return getBits(packet, subfieldOf(ref));
}

export function write(packet: Packet, ref: FieldRef, value: bigint): void {
  setBits(packet, subfieldOf(ref), value);
}

/** Registers are no part of the packet, and minimal output leaves them out. */
export function isRegister(ref: FieldRef): boolean {
  return /^x*reg\d/.test(subfieldOf(ref).field.name);
}

const FORMATS: Readonly<Record<string, (value: bigint) => string>> = {
  ethernet: (value) => formatInteger(value, "ethernet"),
  ipv4: (value) => formatInteger(value, "ipv4"),
  ipv6: (value) => formatInteger(value, "ipv6"),
  decimal: (value) => value.toString(),
};

/** A value as a constant, in the form of the field that it was taken from. */
export function formatValue(value: bigint, from: FieldRef): string {
  const whole = from.symbol.kind === "field" && from.low === 0 && from.width === from.symbol.width;
  const format = whole ? FORMATS[subfieldOf(from).field.format] : undefined;
  if (format !== undefined) return format(value);
  return value === 0n ? "0" : `0x${value.toString(16)}`;
}

const REGISTERS = Array.from({ length: 16 }, (_, i) => `reg${i}`);

/** The packet as the text of an OpenFlow match, with every field that such a packet has. */
export function formatPacket(packet: Packet): string {
  const builder = new MatchBuilder();
  const show = (name: string): void => {
    builder.set(named(name), get(packet, name));
  };
  for (const name of ["pkt_mark", "ct_state", "ct_zone", "ct_mark", "ct_label", "metadata", ...REGISTERS]) {
    if (get(packet, name) !== 0n) show(name);
  }
  const tci = packet.key[WORD.vlan_tci]! & 0xffff;
  builder.setWord(WORD.vlan_tci, tci, 0xffff);
  for (const name of ["eth_src", "eth_dst", "eth_type"]) show(name);
  const type = Number(get(packet, "eth_type"));
  if (get(packet, "ct_nw_proto") !== 0n) for (const name of tupleOf(type)) show(name);
  if (type === ETH_TYPE.ip) for (const name of ["ip_src", "ip_dst"]) show(name);
  else if (type === ETH_TYPE.ipv6) for (const name of ["ipv6_src", "ipv6_dst", "ipv6_label"]) show(name);
  else if (type === ETH_TYPE.arp || type === ETH_TYPE.rarp) {
    for (const name of ["arp_spa", "arp_tpa", "arp_op", "arp_sha", "arp_tha"]) show(name);
  }
  if (isIp(type)) showTransport(packet, type, show);
  let text = formatMatch(builder.build());
  // what the reference shows of a protocol whose header it does not know
  if (isIp(type) && get(packet, "nw_proto") === BigInt(IP_PROTO.igmp)) text += ",tp_src=0,tp_dst=0";
  // the reference shows the whole place of a code, which may be that of a port
  if (/,icmp_code=/.test(text)) text = text.replace(/(?<=,icmp_code=)\d+/, String(get(packet, "tcp_dst")));
  // a VLAN header may hold a second one, which no OpenFlow field is for
  return (tci & 0x1000) === 0 ? text : text.replace(/(dl_vlan_pcp=\d)/, "$1,vlan_tci1=0x0000");
}

function isIp(type: number): boolean {
  return type === ETH_TYPE.ip || type === ETH_TYPE.ipv6;
}

/** The original direction of the packet's connection. */
function tupleOf(type: number): string[] {
  const family = type === ETH_TYPE.ipv6 ? "ipv6" : "nw";
  return [`ct_${family}_src`, `ct_${family}_dst`, "ct_nw_proto", "ct_tp_src", "ct_tp_dst"];
}

const PORTS: ReadonlyMap<number, string> = new Map([
  [IP_PROTO.tcp, "tcp"],
  [IP_PROTO.udp, "udp"],
  [IP_PROTO.sctp, "sctp"],
]);

function showTransport(packet: Packet, type: number, show: (name: string) => void): void {
  for (const name of ["nw_proto", "ip_dscp", "nw_ecn", "nw_ttl", "nw_frag"]) show(name);
  const proto = Number(get(packet, "nw_proto"));
  const ports = PORTS.get(proto);
  if (ports !== undefined) for (const side of ["src", "dst"]) show(`${ports}_${side}`);
  if (proto === IP_PROTO.tcp) show("tcp_flags");
  if (type === ETH_TYPE.ip && proto === IP_PROTO.icmp) for (const name of ["icmp_type", "icmp_code"]) show(name);
  if (type !== ETH_TYPE.ipv6 || proto !== IP_PROTO.icmpv6) return;
  for (const name of ["icmpv6_type", "icmpv6_code"]) show(name);
  const icmp = Number(get(packet, "icmpv6_type"));
  if (icmp !== 135 && icmp !== 136) return;
  show("nd_target");
  show("nd_sll");
  show("nd_tll");
}
