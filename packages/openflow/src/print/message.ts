/** Messages as `ovs-ofctl monitor`, `snoop` and `ofp-print` print them: one printer for every type. */

import type { TlvMapping } from "../field/tlvMap.ts";
import type { CtFlush, CtTuple } from "../message/config.ts";
import type { FlowMod, FlowMonitorRequest, FlowRemoved, FlowStatsRequest, FlowUpdate } from "../message/flow.ts";
import type { PacketIn, PacketOut, Resume } from "../message/packet.ts";
import type {
  AsyncConfig,
  Envelope,
  ErrorMessage,
  FeaturesReply,
  Message,
  MessageOf,
  MessageType,
  Role,
} from "../message/types.ts";
import { ALL_QUEUES, ALL_TABLES, KEEP_COOKIE, NO_BUFFER, OFPG, OFPP } from "../ports.ts";
import { formatActions } from "../text/actions.ts";
import { formatDuration, formatFlowFlags, formatFlowStats, formatPriorityMatch } from "../text/flow.ts";
import { formatMatch } from "../text/match.ts";
import { formatPort, formatTable, type Names, NO_NAMES } from "../text/names.ts";
import { hex } from "../text/value.ts";
import { decodeAt, whereOf } from "../wire/codec.ts";
import { DecodeError } from "../wire/error.ts";
import { formatContinuation } from "./continuation.ts";
import {
  formatGroup,
  formatGroupFeatures,
  formatGroupMod,
  formatGroupStats,
  formatMeter,
  formatMeterFeatures,
  formatMeterId,
  formatMeterStats,
} from "./groups.ts";
import { hexDump } from "./hexdump.ts";
import { messageName, versionSuffix } from "./names.ts";
import { formatPacket } from "./packet.ts";
import {
  bitNames,
  formatPortDescription,
  formatPortMod,
  formatPortStats,
  formatPorts,
  formatQueueConfig,
  formatQueueStats,
} from "./ports.ts";
import { formatTableFeatures } from "./tableFeatures.ts";
import { formatTableDescription, formatTableMod, formatTableStats } from "./tables.ts";

export interface PrintOptions {
  readonly names?: Names;
  /** 0 as dumps print it; packets are shown in hexadecimal from 3 on. */
  readonly verbosity?: number;
  readonly flowModTableId?: boolean;
}

interface Context {
  readonly version: number;
  readonly names: Names;
  readonly verbosity: number;
}

type Printer<T extends MessageType> = (message: MessageOf<T>, context: Context) => string;

const bare = () => "";

function formatError(m: ErrorMessage, { names, verbosity }: Context): string {
  const text = ` ${m.error ?? `type ${m.errorType}, code ${m.code}`}\n`;
  if (m.error?.startsWith("OFPHFC_")) return `${text}${escapeText(m.data)}\n`;
  return text + formatMessage(m.data, { names, verbosity });
}

/** Printable text of an error, other bytes in octal. */
function escapeText(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  let text = "";
  for (const byte of bytes.subarray(0, end))
    text +=
      byte >= 32 && byte < 127 ? (byte === 92 ? "\\\\" : String.fromCharCode(byte)) : `\\${byte.toString(8).padStart(3, "0")}`;
  return text;
}

function echo(m: { readonly data: Uint8Array }, { verbosity }: Context): string {
  return ` ${m.data.length} bytes of payload\n${verbosity > 1 ? hexDump(m.data) : ""}`;
}

/** OFPC_ names by bit, with the versions that have them. */
const CAPABILITIES: readonly (readonly [number, string, number, number])[] = [
  [0, "FLOW_STATS", 1, 6],
  [1, "TABLE_STATS", 1, 6],
  [2, "PORT_STATS", 1, 6],
  [3, "STP", 1, 1],
  [3, "GROUP_STATS", 2, 6],
  [5, "IP_REASM", 1, 6],
  [6, "QUEUE_STATS", 1, 6],
  [7, "ARP_MATCH_IP", 1, 2],
  [8, "PORT_BLOCKED", 3, 6],
  [9, "BUNDLES", 5, 6],
  [10, "FLOW_MONITORING", 5, 6],
];

const ACTION_NAMES_10 = [
  "output",
  "set_vlan_vid",
  "set_vlan_pcp",
  "strip_vlan",
  "mod_dl_src",
  "mod_dl_dst",
  "mod_nw_src",
  "mod_nw_dst",
  "mod_nw_tos",
  "mod_tp_src",
  "mod_tp_dst",
  "enqueue",
];

function formatFeatures(m: FeaturesReply, { version, names }: Context): string {
  let text = ` dpid:${m.datapathId.toString(16).padStart(16, "0")}\nn_tables:${m.tables}, n_buffers:${m.buffers}`;
  if (m.auxiliaryId !== 0) text += `, auxiliary_id:${m.auxiliaryId}`;
  const capabilities = CAPABILITIES.filter(
    ([bit, , first, last]) => version >= first && version <= last && (m.capabilities & (1 << bit)) !== 0,
  ).map(([, name]) => name);
  text += `\ncapabilities: ${capabilities.join(" ") || "0"}\n`;
  if (version === 1) {
    const order = [0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const actions = order.filter((bit) => (m.actions & (1 << bit)) !== 0).map((bit) => ACTION_NAMES_10[bit]!);
    text += `actions: ${actions.join(" ")}\n`;
  }
  return text + formatPorts(m.ports, names);
}

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  nochange: "nochange",
  equal: "equal",
  master: "primary",
  slave: "secondary",
};

function formatRole(m: { readonly role: Role; readonly generation: bigint | undefined }): string {
  return ` role=${ROLE_NAMES[m.role]}${m.generation === undefined ? "" : ` generation_id=${m.generation}`}`;
}

const ASYNC_KINDS: readonly (readonly [keyof AsyncConfig, string, readonly (string | undefined)[]])[] = [
  [
    "packetIn",
    "PACKET_IN",
    ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out", "explicit_miss", "implicit_miss"],
  ],
  ["portStatus", "PORT_STATUS", ["add", "delete", "modify"]],
  ["flowRemoved", "FLOW_REMOVED", ["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"]],
  ["roleStatus", "ROLE_STATUS", ["primary_request", "configuration_changed", "experimenter_data_changed"]],
  ["tableStatus", "TABLE_STATUS", [undefined, undefined, undefined, "vacancy_down", "vacancy_up"]],
  ["requestForward", "REQUESTFORWARD", ["group_mod_request", "meter_mod_request"]],
];

function formatAsync({ config }: { readonly config: AsyncConfig }): string {
  const side = (index: 0 | 1, title: string) =>
    ` ${title}:\n` +
    ASYNC_KINDS.map(([kind, name, names]) => {
      const bits = config[kind][index] ?? 0;
      const words = names.filter((n, i): n is string => n !== undefined && (bits & (1 << i)) !== 0);
      return `${name.padStart(16)}: ${words.length === 0 ? "(off)" : words.join(" ")}\n`;
    }).join("");
  return `\n${side(0, "primary")}\n${side(1, "secondary")}`;
}

function formatPacketIn(m: PacketIn, context: Context): string {
  let text = "";
  if (m.table !== 0) text += ` table_id=${m.table}`;
  if (m.cookie !== KEEP_COOKIE) text += ` cookie=0x${m.cookie.toString(16)}`;
  return text + packetInTail(m, m.totalLength, m.reason, m.buffer, context);
}

function packetInTail(
  m: Pick<PacketIn, "metadata" | "packet" | "userdata" | "continuation">,
  total: number,
  reason: string,
  buffer: number,
  { version, names, verbosity }: Context,
): string {
  let text = ` total_len=${total} ${formatMatch(m.metadata, names)} (via ${reason}) data_len=${m.packet.length}`;
  text += buffer === NO_BUFFER ? " (unbuffered)\n" : ` buffer=0x${buffer.toString(16).padStart(8, "0")}\n`;
  if (m.userdata.length > 0) text += ` userdata=${dotted(m.userdata)}\n`;
  if (m.continuation !== undefined) text += formatContinuation(m.continuation, version, names);
  return text + formatContents(m.packet, verbosity);
}

/** A packet's headers, and all of its bytes, as verbosity asks for them. */
function formatContents(packet: Uint8Array, verbosity: number): string {
  return (verbosity > 0 ? `${formatPacket(packet)}\n` : "") + (verbosity > 3 ? hexDump(packet, false) : "");
}

function dotted(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(".");
}

function formatResume(m: Resume, context: Context): string {
  return packetInTail(m, m.packet.length, "no_match", NO_BUFFER, context);
}

function formatPacketOut(m: PacketOut, { names, verbosity }: Context): string {
  let text = ` ${formatMatch(m.metadata, names)} actions=${formatActions(m.actions, names)}`;
  if (m.buffer !== NO_BUFFER) return `${text} buffer=0x${m.buffer.toString(16).padStart(8, "0")}\n`;
  text += ` data_len=${m.packet.length}\n`;
  return m.packet.length > 0 ? text + formatContents(m.packet, verbosity) : text;
}

const COMMANDS: Readonly<Record<FlowMod["command"], string>> = {
  add: "ADD",
  modify: "MOD",
  modify_strict: "MOD_STRICT",
  delete: "DEL",
  delete_strict: "DEL_STRICT",
};

function formatFlowMod(m: FlowMod, { version, names }: Context): string {
  let text = ` ${COMMANDS[m.command]}`;
  if (m.table !== 0) text += ` table:${formatTable(m.table, names)}`;
  const match = formatPriorityMatch(m.match, m.priority, names);
  text += ` ${match}`;
  if (match !== "") text += " ";
  if (m.newCookie !== 0n && m.newCookie !== KEEP_COOKIE) text += `cookie:${hex(m.newCookie)} `;
  if (m.cookieMask !== 0n) text += `cookie:${hex(m.cookie)}/${hex(m.cookieMask)} `;
  if (m.idleTimeout !== 0) text += `idle:${m.idleTimeout} `;
  if (m.hardTimeout !== 0) text += `hard:${m.hardTimeout} `;
  if (m.importance !== 0) text += `importance:${m.importance} `;
  if (m.buffer !== NO_BUFFER) text += `buf:0x${m.buffer.toString(16)} `;
  if (m.outPort !== OFPP.NONE) text += `out_port:${formatPort(m.outPort, names)} `;
  const implied = version <= 2 && m.command === "add" ? 4 : 0;
  text += formatFlowFlags(m.flags & ~implied);
  return `${text}actions=${formatActions(m.actions, names)}`;
}

const REMOVED: Readonly<Record<FlowRemoved["reason"], string>> = {
  idle_timeout: "idle",
  hard_timeout: "hard",
  delete: "delete",
  group_delete: "group_delete",
  meter_delete: "meter_delete",
  eviction: "eviction",
};

function formatFlowRemoved(m: FlowRemoved, { names }: Context): string {
  let text = ` ${formatPriorityMatch(m.match, m.priority, names)} reason=${REMOVED[m.reason]}`;
  if (m.table !== ALL_TABLES) text += ` table_id=${formatTable(m.table, names)}`;
  if (m.cookie !== 0n) text += ` cookie:${hex(m.cookie)}`;
  text += ` duration${formatDuration(m.durationSec, m.durationNsec)} idle${m.idleTimeout}`;
  if (m.hardTimeout !== 0) text += ` hard${m.hardTimeout}`;
  return `${text} pkts${m.packets} bytes${m.bytes}\n`;
}

function formatStatsRequest(m: FlowStatsRequest, { names }: Context): string {
  let text = "";
  if (m.table !== ALL_TABLES) text += ` table=${formatTable(m.table, names)}`;
  if (m.outPort !== OFPP.NONE) text += ` out_port=${formatPort(m.outPort, names)}`;
  const match = formatMatch(m.match, names);
  return match === "" ? text : `${text} ${match}`;
}

function formatMappings(mappings: readonly TlvMapping[]): string {
  let text = " mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------";
  for (const m of mappings) {
    text += `\n ${`0x${m.optionClass.toString(16)}`.padStart(6)}  ${`0x${m.optionType.toString(16)}`.padStart(4)}  ${String(m.length).padStart(6)}  tun_metadata${m.index}`;
  }
  return `${text}\n`;
}

const MONITOR_FLAGS = ["initial", "add", "delete", "modify", "actions", "own"];

function formatMonitorRequest(m: FlowMonitorRequest, { names }: Context): string {
  let text = `\n id=${m.id} flags=${bitNames(m.flags, MONITOR_FLAGS, ",")}`;
  if (m.outPort !== OFPP.NONE) text += ` out_port=${formatPort(m.outPort, names)}`;
  if (m.outGroup !== OFPG.ANY) text += ` out_group=${m.outGroup}`;
  if (m.table !== ALL_TABLES) text += ` table=${formatTable(m.table, names)}`;
  const match = formatMatch(m.match, names);
  return match === "" ? text : `${text} ${match}`;
}

const EVENTS = { initial: "INITIAL", added: "ADDED", removed: "DELETED", modified: "MODIFIED" } as const;

function formatUpdate(update: FlowUpdate, names: Names): string {
  if (update.event === "abbrev") return `\n event=ABBREV xid=0x${update.xid.toString(16)}`;
  let text = `\n event=${EVENTS[update.event]}`;
  if (update.reason !== undefined) text += ` reason=${REMOVED[update.reason]}`;
  text += ` table=${formatTable(update.table, names)}`;
  if (update.idleTimeout !== 0) text += ` idle_timeout=${update.idleTimeout}`;
  if (update.hardTimeout !== 0) text += ` hard_timeout=${update.hardTimeout}`;
  // The blank stands also before no match.
  text += ` cookie=${hex(update.cookie)} ${formatMatch(update.match, names)}`;
  if (update.actions.length === 0) return text;
  return `${text.trimEnd()} actions=${formatActions(update.actions, names)}`;
}

function formatTuple(tuple: CtTuple | undefined, protocol: number, v6: boolean): string {
  const [src, dst] = v6 ? ["ct_ipv6_src", "ct_ipv6_dst"] : ["ct_nw_src", "ct_nw_dst"];
  const none = "::";
  let text = `${src}=${tuple?.src ?? none},${dst}=${tuple?.dst ?? none}`;
  if (protocol === 1 || protocol === 58)
    text += `,icmp_id=${tuple?.icmpId ?? 0},icmp_type=${tuple?.icmpType ?? 0},icmp_code=${tuple?.icmpCode ?? 0}`;
  else text += `,ct_tp_src=${tuple?.srcPort ?? 0},ct_tp_dst=${tuple?.dstPort ?? 0}`;
  return text;
}

function formatFlush(m: CtFlush): string {
  let text = ` zone=${m.zone ?? 0}`;
  if (m.mark !== undefined) text += ` mark=${hex(m.mark.value)}${m.mark.mask === 0xffffffff ? "" : `/${hex(m.mark.mask)}`}`;
  if (m.labels !== undefined)
    text += ` labels=${hex(m.labels.value)}${m.labels.mask === (1n << 128n) - 1n ? "" : `/${hex(m.labels.mask)}`}`;
  const v6 = ![m.original?.src, m.original?.dst, m.reply?.src, m.reply?.dst].some((address) => address?.includes("."));
  return `${text} '${formatTuple(m.original, m.protocol, v6)},ct_nw_proto=${m.protocol}' '${formatTuple(m.reply, m.protocol, v6)}'`;
}

function formatInner(envelope: Envelope, context: Context): string {
  return formatBody(envelope.message, { ...context, version: envelope.version });
}

function config(m: MessageOf<"set_config">): string {
  return ` frags=${m.fragments}${m.invalidTtlToController ? " invalid_ttl_to_controller" : ""} miss_send_len=${m.missSendLength}\n`;
}

type PrinterTable = { readonly [T in MessageType]: Printer<T> };

/** Hexadecimal, 0 without its prefix. */
function sharpHex(n: number): string {
  return n === 0 ? "0" : `0x${n.toString(16)}`;
}

const PRINTERS: PrinterTable = {
  hello: ({ versions }) => {
    const list = [1, 2, 3, 4, 5, 6, 7].filter((v) => (versions & (1 << v)) !== 0).map((v) => `0x0${v}`);
    return `\n version bitmap: ${list.join(", ")}\n`;
  },
  error: formatError,
  echo_request: echo,
  echo_reply: echo,
  features_request: bare,
  get_config_request: bare,
  barrier_request: bare,
  barrier_reply: bare,
  get_async_request: bare,
  desc_request: bare,
  table_stats_request: bare,
  group_features_request: bare,
  meter_features_request: bare,
  table_features_request: (m, { version }) => (m.tables.length === 0 ? "" : `\n${formatTableFeatures(m.tables, version)}`),
  table_desc_request: bare,
  tlv_table_request: bare,
  flow_monitor_paused: bare,
  flow_monitor_resumed: bare,
  ipfix_bridge_stats_request: bare,
  ipfix_flow_stats_request: bare,
  flow_age: bare,
  experimenter: ({ data }) => `\n${hexDump(data)}`,
  features_reply: formatFeatures,
  get_config_reply: config,
  set_config: config,
  role_request: formatRole,
  role_reply: formatRole,
  role_status: (m) =>
    `${formatRole(m)} reason=${m.reason === "config" ? "configuration_changed" : m.reason === "master_request" ? "primary_request" : "experimenter_data_changed"}`,
  set_async: formatAsync,
  get_async_reply: formatAsync,
  packet_in: formatPacketIn,
  resume: formatResume,
  packet_out: formatPacketOut,
  flow_mod: formatFlowMod,
  flow_removed: formatFlowRemoved,
  port_status: (m, { names }) =>
    ` ${{ add: "ADD", delete: "DEL", modify: "MOD" }[m.reason]}: ${formatPortDescription(m.port, names)}`,
  port_mod: (m, { names }) => formatPortMod(m, names),
  table_mod: (m, { version }) => formatTableMod(m, version),
  table_status: (m) => ` reason=${m.reason.toUpperCase()}\ntable_desc:-\n${formatTableDescription(m.table)}`,
  group_mod: (m, { version, names }) => formatGroupMod(m, version, names),
  meter_mod: (m) => ` ${{ add: "ADD", modify: "MOD", delete: "DEL" }[m.command]} ${formatMeter(m)}`,
  bundle_control: (m) =>
    `\n bundle_id=${sharpHex(m.bundle)} type=${m.control.toUpperCase()} flags=${bitNames(m.flags, ["atomic", "ordered"])}\n`,
  bundle_add: (m, context) =>
    `\n bundle_id=${sharpHex(m.bundle)} flags=${bitNames(m.flags, ["atomic", "ordered"])}\n${formatEnvelope(m.message, context)}`,
  requestforward: (m, context) => ` reason=${m.reason}${formatInner(m.request, context)}`,
  set_flow_format: (m) => ` format=${m.format}`,
  flow_mod_table_id: (m) => (m.on ? " enable" : " disable"),
  set_packet_in_format: (m) => ` format=${m.format}`,
  set_controller_id: (m) => ` id=${m.id}`,
  flow_monitor_cancel: (m) => ` id=${m.id}`,
  ct_flush_zone: (m) => ` zone_id=${m.zone}`,
  ct_flush: formatFlush,
  tlv_table_mod: (m) =>
    m.command === "clear" ? "\n CLEAR" : `\n ${m.command === "add" ? "ADD" : "DEL"}${formatMappings(m.mappings)}`,
  tlv_table_reply: (m) => {
    const used = m.mappings.reduce((sum, mapping) => sum + mapping.length, 0);
    return `\n max option space=${m.space} max fields=${m.fields}\n allocated option space=${used}\n\n${formatMappings(m.mappings)}`;
  },
  desc_reply: (m) =>
    `\nManufacturer: ${m.manufacturer}\nHardware: ${m.hardware}\nSoftware: ${m.software}\nSerial Num: ${m.serial}\nDP Description: ${m.datapath}\n`,
  flow_stats_request: formatStatsRequest,
  aggregate_stats_request: formatStatsRequest,
  flow_stats_reply: (m, { names }) => m.flows.map((flow) => `\n ${formatFlowStats(flow, { names })}`).join(""),
  aggregate_stats_reply: (m) => ` packet_count=${m.packets} byte_count=${m.bytes} flow_count=${m.flows}`,
  table_stats_reply: (m, { version }) => formatTableStats(m.tables, version),
  port_stats_request: (m, { names }) => ` port_no=${formatPort(m.port, names)}`,
  port_stats_reply: (m, { names, verbosity }) => formatPortStats(m.ports, names, verbosity),
  port_desc_request: (m, { names }) => ` port=${formatPort(m.port, names)}`,
  port_desc_reply: (m, { names }) => `\n${formatPorts(m.ports, names)}`,
  queue_stats_request: (m, { names }) => ` port=${formatPort(m.port, names)} queue=${m.queue === ALL_QUEUES ? "ALL" : m.queue}`,
  queue_stats_reply: (m, { names, verbosity }) => formatQueueStats(m.queues, names, verbosity),
  queue_config_request: (m, { names }) =>
    ` port=${formatPort(m.port, names)}${m.queue === ALL_QUEUES ? "" : ` queue=${m.queue}`}`,
  queue_config_reply: (m, { version, names }) => formatQueueConfig(m.queues, version < 5 ? m.port : undefined, names),
  group_stats_request: (m) => ` group_id=${groupId(m.group)}`,
  group_desc_request: (m) => ` group_id=${groupId(m.group)}`,
  group_stats_reply: (m) => formatGroupStats(m.groups),
  group_desc_reply: (m, { version, names }) =>
    `\n${m.groups.map((g) => ` ${formatGroup(g.group, g.groupType, g.buckets, g.selection, version, names)}\n`).join("")}`,
  group_features_reply: (m, { version }) => formatGroupFeatures(m, version),
  meter_stats_request: (m) => ` meter=${formatMeterId(m.meter)}`,
  meter_config_request: (m) => ` meter=${formatMeterId(m.meter)}`,
  meter_stats_reply: (m) => formatMeterStats(m.meters),
  meter_config_reply: (m) => `\n${m.meters.map(formatMeter).join("\n")}`,
  meter_features_reply: formatMeterFeatures,
  table_features_reply: (m, { version }) => `\n${formatTableFeatures(m.tables, version)}`,
  table_desc_reply: (m) => `\n${m.tables.map(formatTableDescription).join("\n")}`,
  flow_monitor_request: formatMonitorRequest,
  flow_monitor_reply: (m, { names }) =>
    m.updates
      .map((update) => formatUpdate(update, names))
      .join("")
      .trimEnd(),
};

function groupId(group: number): string {
  return group === OFPG.ALL ? "ALL" : group === OFPG.ANY ? "ANY" : String(group);
}

function formatBody(message: Message, context: Context): string {
  // The printer for a type takes that type's messages; TypeScript cannot follow this through the table.
  const print = PRINTERS[message.type] as unknown as (message: Message, context: Context) => string;
  return print(message, context);
}

function header(name: string, version: number, xid: number, more: boolean): string {
  return `${name}${versionSuffix(version)} (xid=0x${xid.toString(16)}):${more ? " flags=[more]" : ""}`;
}

function finish(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** A decoded message with the heading that its place gives it; ends with a newline. `name` is e.g. "OFPT_HELLO". */
export function formatNamed(name: string, envelope: Envelope, options: PrintOptions = {}): string {
  const { message, version, xid } = envelope;
  const more = "more" in message && message.more;
  const context = { version, names: options.names ?? NO_NAMES, verbosity: options.verbosity ?? 0 };
  return finish(header(name, version, xid, more) + formatBody(message, context));
}

/** Whole messages, e.g. within a bundle: the name follows from type and version. */
export function formatEnvelope(envelope: Envelope, options: PrintOptions = {}): string {
  const where = whereOf(envelope.message, envelope.version);
  const { type } = envelope.message;
  return formatNamed(where === undefined ? type : messageName(type, where), envelope, options);
}

/**
 * Prints bytes as a message: what does not decode is shown as the error and a dump. Ends with a newline. Never throws.
 */
export function formatMessage(bytes: Uint8Array, options: PrintOptions = {}): string {
  if (bytes.length < 8) return `OpenFlow packet too short (only ${bytes.length} bytes):\n${hexDump(bytes)}`;
  const decoded = decodeAt(bytes, {
    ...(options.flowModTableId === undefined ? {} : { flowModTableId: options.flowModTableId }),
  });
  if (decoded instanceof DecodeError) return `***decode error: ${decoded.error}***\n${hexDump(bytes)}`;
  const name = messageName(decoded.type, decoded.where);
  if (!(decoded.result instanceof DecodeError) && decoded.result.type === "error" && decoded.result.error === undefined)
    return `${header(name, decoded.version, decoded.xid, false)} ***decode error: OFPBRC_BAD_LEN***\n${hexDump(bytes)}`;
  if (decoded.result instanceof DecodeError)
    return `${header(name, decoded.version, decoded.xid, false)} ***decode error: ${decoded.result.error}***\n${hexDump(bytes)}`;
  return formatNamed(name, { version: decoded.version, xid: decoded.xid, message: decoded.result }, options);
}

/** Message types that have a printer, for the completeness test. */
export const PRINTED_MESSAGES: readonly string[] = Object.keys(PRINTERS);
