/** What a bridge answers to requests for its description and counters. */
import {
  ALL_QUEUES,
  FIELDS,
  type FlowStats,
  formatActions,
  type GroupFeatures,
  type GroupStats,
  type MessageOf,
  type MeterStats,
  OFPG,
  OFPP,
  PORT_CONFIG,
  PORT_STATE,
  type PortDescription,
  type PortStats,
  type QueueStats,
  type TableAbilities,
  type TableDescription,
  type TableFeatures,
} from "@weft/openflow";
import type { DpPort } from "../datapath/dp-port.ts";
import { type Bridge, HIDDEN_TABLE } from "../ofproto/bridge.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Rule } from "../ofproto/rule.ts";

const NOT_COUNTED = 0xffff_ffff_ffff_ffffn;

/** Whole seconds and the remaining nanoseconds of a span in milliseconds: whole milliseconds, as the reference counts them. */
export function secondsOf(ms: number): { sec: number; nsec: number } {
  const whole = Math.floor(ms);
  const sec = Math.floor(whole / 1000);
  return { sec, nsec: (whole - sec * 1000) * 1_000_000 };
}

export function flowStats(rule: Rule, now: number): FlowStats {
  const duration = secondsOf(now - rule.created);
  return {
    table: rule.table,
    priority: rule.priority,
    cookie: rule.cookie,
    match: rule.wire,
    actions: rule.actions,
    idleTimeout: rule.idleTimeout,
    hardTimeout: rule.hardTimeout,
    flags: rule.flags,
    importance: rule.importance,
    durationSec: duration.sec,
    durationNsec: duration.nsec,
    idleAge: Math.floor((now - rule.used) / 1000),
    hardAge: Math.floor((now - rule.modified) / 1000),
    packets: BigInt(rule.packets),
    bytes: BigInt(rule.bytes),
  };
}

/** What of a port can change. */
export interface PortState extends Pick<OfPort, "mac" | "config" | "up" | "carrier"> {
  /** Absent: nothing watches the port. */
  readonly bfd: { readonly forwarding: boolean } | undefined;
}

/** Those of later versions than 1.0. */
const CONFIG_11 = PORT_CONFIG.PORT_DOWN | PORT_CONFIG.NO_RECV | PORT_CONFIG.NO_FWD | PORT_CONFIG.NO_PACKET_IN;

/** LIVE, of which OpenFlow 1.0 knows nothing, is a port that packets can leave by, also by what BFD says. */
export function portDescription(port: PortState & Pick<OfPort, "ofport" | "name">, version: number): PortDescription {
  const down = !port.up || !port.carrier;
  const live = !down && (port.config & PORT_CONFIG.PORT_DOWN) === 0 && (port.bfd?.forwarding ?? true);
  return {
    port: port.ofport,
    mac: port.mac,
    name: port.name,
    config: version > 1 ? port.config & CONFIG_11 : port.config,
    state: (down ? PORT_STATE.LINK_DOWN : 0) | (version > 1 && live ? PORT_STATE.LIVE : 0),
    current: 0,
    advertised: 0,
    supported: 0,
    peer: 0,
    currentSpeed: 0,
    maxSpeed: 0,
  };
}

/** The 21 counters of sizes, broadcasts and errors, none of which devices count here. */
const NO_EXTENDED: readonly bigint[] = new Array(21).fill(NOT_COUNTED);

export function portStats(port: OfPort, now: number): PortStats {
  const s = port.netdev?.statistics;
  const c = port.counters;
  const isCounted = s !== undefined && port.netdev?.type.startsWith("dummy") === false;
  const drops = dpPortOf(port)?.drops;
  const dropped = (device: number | undefined, ours: number | undefined): bigint =>
    isCounted || ours !== undefined ? BigInt((device ?? 0) + (ours ?? 0)) : NOT_COUNTED;
  const duration = secondsOf(now - port.created);
  const custom = Object.entries(port.netdev?.moreStatistics ?? {}).map(([name, value]) => ({ name, value: BigInt(value) }));
  return {
    port: port.ofport,
    durationSec: duration.sec,
    durationNsec: duration.nsec,
    counters: {
      rxPackets: BigInt(s?.rx_packets ?? c.rxPackets),
      txPackets: BigInt(s?.tx_packets ?? c.txPackets),
      rxBytes: BigInt(s?.rx_bytes ?? c.rxBytes),
      txBytes: BigInt(s?.tx_bytes ?? c.txBytes),
      rxDropped: dropped(s?.rx_dropped, drops?.rx),
      txDropped: dropped(s?.tx_dropped, drops?.tx),
      rxErrors: isCounted ? BigInt(s?.rx_errors ?? 0) : NOT_COUNTED,
      txErrors: isCounted ? BigInt(s?.tx_errors ?? 0) : NOT_COUNTED,
      rxFrameErrors: NOT_COUNTED,
      rxOverErrors: NOT_COUNTED,
      rxCrcErrors: NOT_COUNTED,
      collisions: NOT_COUNTED,
    },
    custom: custom.sort((a, b) => (a.name < b.name ? -1 : 1)),
    extended: NO_EXTENDED,
  };
}

const dpPortOf = ({ bridge, dpPort }: OfPort): DpPort | undefined =>
  dpPort === undefined ? undefined : bridge.datapath.ports.get(dpPort);

/** Numbers of a port's queues. A device of the system has those of its QoS; others have one that counts nothing. */
export function queueIds(port: OfPort): number[] {
  const egress = dpPortOf(port)?.egress;
  if (egress !== undefined) return egress.queues().map(([id]) => id);
  return port.netdev === undefined || port.netdev.type.startsWith("dummy") ? [0] : [];
}

/** Of the queues of a port, or of one of them. */
export function queueStats(port: OfPort, queue: number, now: number): QueueStats[] {
  const counted = new Map(dpPortOf(port)?.egress?.queues());
  const ids = queueIds(port).filter((id) => queue === ALL_QUEUES || id === queue);
  return ids.map((id) => {
    const counters = counted.get(id);
    const duration = counters === undefined ? undefined : secondsOf(now - counters.created);
    return {
      port: port.ofport,
      queue: id,
      txBytes: counters === undefined ? NOT_COUNTED : BigInt(counters.txBytes),
      txPackets: counters === undefined ? NOT_COUNTED : BigInt(counters.txPackets),
      txErrors: counters === undefined ? NOT_COUNTED : BigInt(counters.txErrors),
      durationSec: duration?.sec,
      durationNsec: duration?.nsec ?? 0,
    };
  });
}

export function groupStats(bridge: Bridge, id: number, now: number): GroupStats | undefined {
  const group = bridge.groups.get(id);
  if (group === undefined) return undefined;
  const duration = secondsOf(now - group.created);
  let references = 0;
  const text = `group:${id}`;
  for (const table of bridge.tables) {
    for (const rule of table.rules()) if (`,${formatActions(rule.actions)},`.includes(`${text},`)) references++;
  }
  return {
    group: id,
    refCount: references,
    packets: BigInt(group.packets),
    bytes: BigInt(group.bytes),
    durationSec: duration.sec,
    durationNsec: duration.nsec,
    buckets: group.buckets.map((bucket) => ({ packets: BigInt(bucket.packets), bytes: BigInt(bucket.bytes) })),
  };
}

export function meterStats(bridge: Bridge, id: number, now: number): MeterStats | undefined {
  const meter = bridge.meters.get(id);
  if (meter === undefined) return undefined;
  const duration = secondsOf(now - meter.created);
  let flows = 0;
  for (const table of bridge.tables) {
    for (const rule of table.rules()) if (rule.actions.some((a) => a.type === "meter" && a.meter === id)) flows++;
  }
  return {
    meter: id,
    flowCount: flows,
    packets: BigInt(meter.packets),
    bytes: BigInt(meter.bytes),
    durationSec: duration.sec,
    durationNsec: duration.nsec,
    bands: meter.bands.map((band) => ({ packets: BigInt(band.packets), bytes: BigInt(band.bytes) })),
  };
}

/** Bits of OpenFlow 1.0's actions. */
const ACTIONS_10 = 0xfff;
/** Bits of actions that group buckets may have, in the numbers of OpenFlow 1.1 and later. */
const GROUP_ACTIONS = [0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25].reduce((bits, n) => bits | (1 << n), 0) >>> 0;

export function groupFeatures(version: number): GroupFeatures {
  const actions = version === 1 ? ACTIONS_10 : GROUP_ACTIONS;
  return {
    type: "group_features_reply",
    types: 0xf,
    capabilities: 7,
    maxGroups: [OFPG.MAX, OFPG.MAX, OFPG.MAX, OFPG.MAX],
    actions: [actions, actions, actions, actions],
  };
}

export function featuresReply(bridge: Bridge, version: number): MessageOf<"features_reply"> {
  let capabilities = 1 | 2 | 4 | 0x40;
  if (version === 1) capabilities |= 0x80;
  else capabilities |= 8;
  if (version >= 5) capabilities |= 0x200;
  if (version === 2) capabilities &= ~8;
  return {
    type: "features_reply",
    datapathId: bridge.datapathId,
    buffers: 0,
    tables: HIDDEN_TABLE,
    auxiliaryId: 0,
    capabilities,
    actions: version === 1 ? ACTIONS_10 : 0,
    ports: version < 4 ? [...bridge.ports.values()].map((port) => portDescription(port, version)) : [],
  };
}

export function descReply(): MessageOf<"desc_reply"> {
  return {
    type: "desc_reply",
    manufacturer: "Nicira, Inc.",
    hardware: "Open vSwitch",
    software: "4.0.0",
    serial: "None",
    datapath: "None",
  };
}

export function tableDescription(bridge: Bridge, id: number): TableDescription {
  const table = bridge.tables[id];
  return {
    table: id,
    eviction: table?.evict ?? false,
    evictionFlags: 7,
    vacancy: { on: table?.vacancy !== undefined, down: table?.vacancy?.down ?? 0, up: table?.vacancy?.up ?? 0, now: 0 },
  };
}

const MAX_ENTRIES = 1_000_000;

export { MAX_ENTRIES };

const INSTRUCTIONS = ["apply_actions", "clear_actions", "write_actions", "write_metadata"];
const ACTIONS = [
  "output",
  "group",
  "set_field",
  "strip_vlan",
  "push_vlan",
  "mod_nw_ttl",
  "dec_ttl",
  "set_mpls_ttl",
  "dec_mpls_ttl",
  "push_mpls",
  "pop_mpls",
  "set_queue",
];

/** Fields that can be said on the wire. */
const WIRE_FIELDS = FIELDS.filter((f) => f.codes.length > 0);

export function tableFeatures(bridge: Bridge, id: number, version: number): TableFeatures {
  const table = bridge.tables[id];
  const last = id === HIDDEN_TABLE - 1;
  const writable = WIRE_FIELDS.filter((f) => f.writable).map((f) => f.id);
  const sets = { actions: ACTIONS, setFields: writable };
  const instructions = [...(version < 6 ? ["meter"] : []), ...INSTRUCTIONS, ...(last ? [] : ["goto_table"])];
  const next = last ? [] : Array.from({ length: HIDDEN_TABLE - 1 - id }, (_, i) => id + 1 + i);
  const abilities: TableAbilities = { next, instructions, write: sets, apply: sets };
  return {
    table: id,
    name: table?.name ?? "",
    command: "replace",
    features: 0,
    metadataMatch: NOT_COUNTED,
    metadataWrite: NOT_COUNTED,
    capabilities: 0,
    maxEntries: table?.limit ?? MAX_ENTRIES,
    nonmiss: abilities,
    miss: abilities,
    match: WIRE_FIELDS.map((f) => f.id),
    mask: WIRE_FIELDS.filter((f) => f.maskable).map((f) => f.id),
    wildcard: WIRE_FIELDS.map((f) => f.id),
  };
}

export const allPorts = (bridge: Bridge, port: number): OfPort[] =>
  port === OFPP.NONE || port === OFPP.ALL
    ? [...bridge.ports.values()]
    : [...bridge.ports.values()].filter((p) => p.ofport === port);
