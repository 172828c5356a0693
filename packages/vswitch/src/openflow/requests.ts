/** Multipart requests: descriptions and counters. */
import { ALL_QUEUES, type FlowStats, type Message, OFPG, OFPM, type QueueConfig, type QueueStats } from "@weft/openflow";
import { type Bridge, HIDDEN_TABLE } from "../ofproto/bridge.ts";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Session } from "./session.ts";
import {
  allPorts,
  descReply,
  featuresReply,
  flowStats,
  groupFeatures,
  groupStats,
  MAX_ENTRIES,
  meterStats,
  portDescription,
  portStats,
  queueIds,
  queueStats,
  tableDescription,
  tableFeatures,
} from "./stats.ts";

/** Things of one reply message; a reply must stay below 64 KiB on the wire. */
const CHUNK = 32;

/** Sends a list in replies of bounded size; the last one says that it is the last. */
function chunks<T>(items: readonly T[], size: number, send: (part: readonly T[], more: boolean) => void): void {
  if (items.length === 0) send([], false);
  for (let at = 0; at < items.length; at += size) send(items.slice(at, at + size), at + size < items.length);
}

/** An upper estimate of a flow's bytes in a reply. */
function flowSize(flow: FlowStats): number {
  let size = 96 + flow.match.size * 24;
  for (const action of flow.actions)
    size += 64 + JSON.stringify(action, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)).length;
  return size;
}

function sendFlows(session: Session, flows: readonly FlowStats[], xid: number): void {
  let part: FlowStats[] = [];
  let size = 0;
  for (const flow of flows) {
    const more = flowSize(flow);
    if (part.length > 0 && size + more > 60_000) {
      session.send({ type: "flow_stats_reply", flows: part, more: true }, xid);
      part = [];
      size = 0;
    }
    part.push(flow);
    size += more;
  }
  session.send({ type: "flow_stats_reply", flows: part, more: false }, xid);
}

/** Answers a statistics or description request; false when the message is none. Throws an OpenFlowRefusal. */
export function answerStats(session: Session, message: Message, xid: number): boolean {
  const { bridge } = session.owner;
  const now = bridge.datapath.now();
  switch (message.type) {
    case "features_request":
      session.send(featuresReply(bridge, session.version), xid);
      return true;
    case "desc_request":
      session.send(descReply(), xid);
      return true;
    case "flow_stats_request":
      sendFlows(
        session,
        session.select(message).map((rule) => flowStats(rule, now)),
        xid,
      );
      return true;
    case "aggregate_stats_request": {
      const rules = session.select(message);
      session.send(
        {
          type: "aggregate_stats_reply",
          packets: BigInt(rules.reduce((sum, rule) => sum + rule.packets, 0)),
          bytes: BigInt(rules.reduce((sum, rule) => sum + rule.bytes, 0)),
          flows: rules.length,
        },
        xid,
      );
      return true;
    }
    case "table_stats_request": {
      bridge.datapath.pushStatistics();
      const tables = bridge.tables
        .filter((table) => table.id < HIDDEN_TABLE)
        .map((table) => ({
          table: table.id,
          name: table.name,
          maxEntries: table.limit ?? MAX_ENTRIES,
          active: table.size,
          lookups: BigInt(table.lookups),
          matched: BigInt(table.matched),
        }));
      session.send({ type: "table_stats_reply", tables, more: false }, xid);
      return true;
    }
    case "table_features_request": {
      // Of what may be asked for, a table's name is what can be had.
      for (const { table, name } of message.tables) {
        const named = table < HIDDEN_TABLE ? bridge.tables[table] : undefined;
        if (named === undefined) throw new OpenFlowRefusal("OFPTFFC_BAD_TABLE");
        named.name = name;
      }
      const all = bridge.tables
        .filter((table) => table.id < HIDDEN_TABLE)
        .map((table) => tableFeatures(bridge, table.id, session.version));
      chunks(all, 8, (tables, more) => session.send({ type: "table_features_reply", tables, more }, xid));
      return true;
    }
    case "table_desc_request": {
      const all = bridge.tables.filter((table) => table.id < HIDDEN_TABLE).map((table) => tableDescription(bridge, table.id));
      chunks(all, HIDDEN_TABLE, (tables, more) => session.send({ type: "table_desc_reply", tables, more }, xid));
      return true;
    }
    case "port_desc_request":
      chunks(
        allPorts(bridge, message.port).map((port) => portDescription(port, session.version)),
        256,
        (ports, more) => session.send({ type: "port_desc_reply", ports, more }, xid),
      );
      return true;
    case "port_stats_request":
      bridge.datapath.pushStatistics();
      chunks(
        allPorts(bridge, message.port).map((port) => portStats(port, now)),
        CHUNK,
        (ports, more) => session.send({ type: "port_stats_reply", ports, more }, xid),
      );
      return true;
    case "queue_stats_request":
      chunks(queueStatsOf(bridge, message.port, message.queue, now), CHUNK, (queues, more) =>
        session.send({ type: "queue_stats_reply", queues, more }, xid),
      );
      return true;
    case "queue_config_request": {
      const ports = allPorts(bridge, message.port);
      if (ports.length === 0) throw new OpenFlowRefusal("OFPQOFC_BAD_PORT");
      session.send(
        {
          type: "queue_config_reply",
          port: message.port,
          queues: queueConfigOf(ports, message.queue),
          more: false,
        },
        xid,
      );
      return true;
    }
    case "group_stats_request": {
      bridge.datapath.pushStatistics();
      const ids = message.group === OFPG.ALL ? [...bridge.groups.keys()] : [message.group];
      const groups = ids.map((id) => groupStats(bridge, id, now)).filter((group) => group !== undefined);
      chunks(groups, CHUNK, (part, more) => session.send({ type: "group_stats_reply", groups: part, more }, xid));
      return true;
    }
    case "group_desc_request": {
      const ids = message.group === OFPG.ALL ? [...bridge.groups.keys()] : [message.group];
      const groups = ids.map((id) => bridge.groups.get(id)?.description).filter((group) => group !== undefined);
      chunks(groups, CHUNK, (part, more) => session.send({ type: "group_desc_reply", groups: part, more }, xid));
      return true;
    }
    case "group_features_request":
      session.send(groupFeatures(session.version), xid);
      return true;
    case "meter_stats_request": {
      const ids = meterIds(session, message.meter);
      const meters = ids.map((id) => meterStats(bridge, id, now)).filter((meter) => meter !== undefined);
      chunks(meters, CHUNK, (part, more) => session.send({ type: "meter_stats_reply", meters: part, more }, xid));
      return true;
    }
    case "meter_config_request": {
      const ids = meterIds(session, message.meter);
      const meters = ids.map((id) => bridge.meters.get(id)?.config).filter((meter) => meter !== undefined);
      chunks(meters, CHUNK, (part, more) => session.send({ type: "meter_config_reply", meters: part, more }, xid));
      return true;
    }
    case "meter_features_request":
      session.send(
        { type: "meter_features_reply", maxMeters: 262144, bandTypes: 2, capabilities: 0xf, maxBands: 8, maxColor: 0 },
        xid,
      );
      return true;
    case "tlv_table_request":
      session.send({ type: "tlv_table_reply", space: 256, fields: 64, mappings: bridge.tlv.mappings }, xid);
      return true;
    case "ipfix_bridge_stats_request":
    case "ipfix_flow_stats_request":
      throw new OpenFlowRefusal("NXST_NOT_CONFIGURED");
    default:
      return false;
  }
}

/** Asked for one queue that no port asked for has, it is an error. */
function queueStatsOf(bridge: Bridge, port: number, queue: number, now: number): QueueStats[] {
  const found = allPorts(bridge, port).flatMap((each) => queueStats(each, queue, now));
  if (found.length === 0 && queue !== ALL_QUEUES) throw new OpenFlowRefusal("OFPQOFC_BAD_QUEUE");
  return found;
}

function queueConfigOf(ports: readonly OfPort[], queue: number): QueueConfig[] {
  const found = ports.flatMap((port) =>
    queueIds(port)
      .filter((id) => queue === ALL_QUEUES || id === queue)
      .map((id) => ({ port: port.ofport, queue: id, minRate: undefined, maxRate: undefined })),
  );
  if (found.length === 0 && queue !== ALL_QUEUES) throw new OpenFlowRefusal("NXQOFC_QUEUE_ERROR");
  return found;
}

function meterIds(session: Session, meter: number): number[] {
  const { meters } = session.owner.bridge;
  if (meter === OFPM.ALL) return [...meters.keys()];
  if (!meters.has(meter)) throw new OpenFlowRefusal("OFPMMFC_UNKNOWN_METER");
  return [meter];
}
