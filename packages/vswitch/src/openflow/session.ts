/** One controller's (or ovs-ofctl's) conversation with a bridge: requests answered, events told as they were asked for. */
import {
  type AsyncConfig,
  type AsyncMasks,
  type Envelope,
  FLOW_FLAG,
  type FlowRemovedReason,
  type Message,
  type PacketInFormat,
  PORT_CONFIG,
  type Role,
} from "@weft/openflow";
import { messageOf, WeftError } from "@weft/runtime";
import { FLUSH_ALL, flushConnections } from "../conntrack/flush.ts";
import type { PacketInEvent } from "../ofproto/bridge.ts";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import { checkActions, selectFlows } from "../ofproto/flow-mods.ts";
import { groupMod } from "../ofproto/group.ts";
import { meterMod } from "../ofproto/meter.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Rule } from "../ofproto/rule.ts";
import { reasonName } from "../xlate/controller.ts";
import { Bundles } from "./bundles.ts";
import type { Channel } from "./channel.ts";
import { FlowModLog } from "./flow-mod-log.ts";
import { FlowMonitors } from "./monitors.ts";
import type { SessionOwner } from "./owner.ts";
import { metadataInto, packetInBit, packetInMessage } from "./packet-in.ts";
import { answerStats } from "./requests.ts";
import { type PortState, portDescription, secondsOf } from "./stats.ts";

/** Numbers of OFPR_, OFPPR_ and OFPRR_ in AsyncConfig's masks. */
const FLOW_REMOVED_BIT: Readonly<Record<FlowRemovedReason, number>> = {
  idle_timeout: 0,
  hard_timeout: 1,
  delete: 2,
  group_delete: 3,
  meter_delete: 4,
  eviction: 5,
};
const PORT_BIT = { add: 0, delete: 1, modify: 2 } as const;

/** What a connection hears that has not said what it wants to: slaves hear of ports only. */
const asyncDefault = (version: number): AsyncConfig => ({
  // No match and action; with later versions also action set, group and packet out.
  packetIn: [version < 5 ? 0b11 : 0b0011_1011, 0],
  portStatus: [0b111, 0b111],
  flowRemoved: [version < 5 ? 0b1111 : 0b11_1111, 0],
  roleStatus: [0, 0],
  tableStatus: [0, 0],
  requestForward: [0, 0],
});

/** What is said replaces what was, role by role. */
function changed(before: AsyncConfig, change: AsyncConfig): AsyncConfig {
  const merged = (kind: keyof AsyncConfig): AsyncMasks => [
    change[kind][0] ?? before[kind][0],
    change[kind][1] ?? before[kind][1],
  ];
  return {
    packetIn: merged("packetIn"),
    portStatus: merged("portStatus"),
    flowRemoved: merged("flowRemoved"),
    roleStatus: merged("roleStatus"),
    tableStatus: merged("tableStatus"),
    requestForward: merged("requestForward"),
  };
}

/** OFPT_STATS_REQUEST of OpenFlow 1.0; its first two bytes are 0xffff for a vendor's. */
const STATS_REQUEST_10 = 16;

export class Session {
  readonly channel: Channel;
  readonly owner: SessionOwner;
  /** A connection of BRIDGE.mgmt, which hears of nothing unless it asks. */
  readonly service: boolean;
  role: Role = "equal";
  generation: bigint | undefined;
  async: AsyncConfig;
  controllerId = 0;
  packetInFormat: PacketInFormat = "standard";
  missSendLength: number;
  invalidTtlToController = false;
  readonly bundles: Bundles;
  readonly monitors: FlowMonitors;
  readonly flowMods: FlowModLog;

  constructor(channel: Channel, owner: SessionOwner, service: boolean) {
    this.channel = channel;
    this.owner = owner;
    this.service = service;
    this.missSendLength = service ? 0 : 128;
    this.async = asyncDefault(channel.version);
    this.bundles = new Bundles(this);
    this.monitors = new FlowMonitors(this);
    const { bridge, clock, log } = owner;
    this.flowMods = new FlowModLog(clock, (text) => log.info(`${bridge.name}<->${channel.name}: ${text}`));
  }

  get version(): number {
    return this.channel.version;
  }

  send(message: Message, xid?: number): void {
    try {
      this.channel.send(message, xid);
    } catch (error) {
      // What cannot be said in this version of the protocol is left unsaid; the owner's log tells.
      if (!(error instanceof WeftError)) throw error;
      this.owner.log.warn(`${this.channel.name}: cannot send ${message.type}: ${error.message}`);
      // Whoever asked does not wait for nothing.
      if (xid !== undefined) this.channel.refuse(new Uint8Array(0), "OFPBRC_BAD_TYPE", xid);
    }
  }

  /** Takes a request; errors are answered. */
  handle(envelope: Envelope, bytes: Uint8Array): void {
    try {
      this.#inFormOf(bytes, () => this.execute(envelope, bytes));
      this.owner.settle();
    } catch (error) {
      if (error instanceof OpenFlowRefusal) {
        this.channel.refuse(bytes, error.error, envelope.xid);
        return;
      }
      if (!(error instanceof WeftError)) throw error;
      this.owner.log.warn(`${this.channel.name}: ${envelope.message.type}: ${messageOf(error)}`);
      const name = /^openflow\.((?:of|nx)[a-z0-9_]+)$/.exec(error.code)?.[1]?.toUpperCase();
      this.channel.refuse(bytes, name ?? "OFPBRC_BAD_TYPE", envelope.xid);
    }
  }

  /** Statistics that OpenFlow 1.0 asks for in its own form, or in NXM, are answered in the same. */
  #inFormOf(request: Uint8Array, run: () => void): void {
    if (this.version !== 1 || request[1] !== STATS_REQUEST_10) return run();
    const { flowFormat } = this.channel;
    this.channel.flowFormat = request[8] === 0xff ? "nxm" : "openflow10";
    try {
      run();
    } finally {
      this.channel.flowFormat = flowFormat;
    }
  }

  get slave(): boolean {
    return this.role === "slave";
  }

  /** Carries a message out. Throws an OpenFlowRefusal. */
  execute(envelope: Envelope, bytes: Uint8Array): void {
    const { message, xid } = envelope;
    const { bridge, mods } = this.owner;
    switch (message.type) {
      case "echo_request":
        this.send({ type: "echo_reply", data: message.data }, xid);
        return;
      case "hello":
      case "echo_reply":
      case "error":
      case "barrier_reply":
        return;
      case "barrier_request":
        this.send({ type: "barrier_reply" }, xid);
        return;
      case "get_config_request":
        this.send(
          {
            type: "get_config_reply",
            fragments: bridge.fragments,
            invalidTtlToController: this.invalidTtlToController,
            missSendLength: this.missSendLength,
          },
          xid,
        );
        return;
      case "set_config":
        if (!this.slave || this.service) {
          // Fragments are never put together: a controller learns that by asking what is set.
          if (message.fragments !== "reassemble" && bridge.fragments !== message.fragments) {
            bridge.fragments = message.fragments;
            bridge.changed();
          }
        }
        this.invalidTtlToController = message.invalidTtlToController;
        this.missSendLength = message.missSendLength;
        this.owner.wantsChanged();
        return;
      case "flow_mod":
        this.#rejectSlave();
        this.monitors.during(xid, () => mods.apply(message));
        this.flowMods.count(message);
        return;
      case "group_mod":
        this.#rejectSlave();
        for (const bucket of message.buckets)
          checkActions(
            bridge,
            bucket.actions.filter((a) => a.type !== "group"),
            0xff,
          );
        groupMod(bridge, message, bridge.datapath.now(), (using) => mods.removeWhere(using, "group_delete"));
        return;
      case "meter_mod":
        this.#rejectSlave();
        meterMod(bridge, message, bridge.datapath.now(), (using) => mods.removeWhere(using, "meter_delete"));
        return;
      case "port_mod":
        this.#rejectSlave();
        this.#portMod(message);
        return;
      case "table_mod":
        this.#rejectSlave();
        this.#tableMod(message);
        return;
      case "packet_out":
        this.#rejectSlave();
        this.#packetOut(message);
        return;
      case "resume":
        this.#resume(message);
        return;
      case "role_request":
        this.#role(message.role, message.generation, xid);
        return;
      case "get_async_request":
        this.send({ type: "get_async_reply", config: this.async }, xid);
        return;
      case "set_async":
        this.async = changed(this.async, message.config);
        // A service that says what it wants to hear, wants to hear.
        if (this.service && this.missSendLength === 0) this.missSendLength = 0xffff;
        return;
      case "set_packet_in_format":
        this.packetInFormat = message.format;
        return;
      case "set_controller_id":
        this.controllerId = message.id;
        this.owner.wantsChanged();
        return;
      case "set_flow_format":
        this.channel.flowFormat = message.format;
        return;
      case "flow_mod_table_id":
        this.channel.flowModTableId = message.on;
        return;
      case "flow_age":
        return;
      case "tlv_table_mod":
        this.#rejectSlave();
        this.#tlvTableMod(message);
        return;
      case "bundle_control":
        this.#rejectSlave();
        this.bundles.control(message, xid);
        return;
      case "bundle_add":
        this.#rejectSlave();
        // After the header and, before 1.4, the experimenter's: id, padding, flags; then the message.
        this.bundles.add(message, bytes.subarray(this.version < 5 ? 24 : 16));
        return;
      case "flow_monitor_request":
        this.monitors.request(message, xid);
        return;
      case "flow_monitor_cancel":
        this.monitors.cancel(message.id);
        return;
      case "ct_flush_zone":
        flushConnections(bridge.datapath.conntracker, { ...FLUSH_ALL, zone: message.zone });
        return;
      case "ct_flush":
        flushConnections(bridge.datapath.conntracker, message);
        return;
      case "experimenter":
        throw new OpenFlowRefusal(
          message.vendor === 0x2320 || message.vendor === 0x4f4e4600 ? "OFPBRC_BAD_SUBTYPE" : "OFPBRC_BAD_VENDOR",
        );
      default:
        if (answerStats(this, message, xid)) return;
        throw new OpenFlowRefusal("OFPBRC_BAD_TYPE");
    }
  }

  #rejectSlave(): void {
    if (this.slave) throw new OpenFlowRefusal("OFPBRC_IS_SLAVE");
  }

  #portMod(mod: Extract<Message, { type: "port_mod" }>): void {
    const { bridge } = this.owner;
    const port = bridge.ports.get(mod.port);
    if (port === undefined) throw new OpenFlowRefusal("OFPPMFC_BAD_PORT");
    if (port.mac !== mod.mac) throw new OpenFlowRefusal("OFPPMFC_BAD_HW_ADDR");
    const changeable = 1 | 4 | 16 | 32 | 64;
    const mask = mod.mask & changeable;
    const before = port.config;
    port.config = (port.config & ~mask) | (mod.config & mask);
    if (before === port.config) return;
    bridge.changed();
    bridge.events?.portChanged(port, "modify");
    // The device follows, and tells of itself.
    if (((before ^ port.config) & PORT_CONFIG.PORT_DOWN) !== 0) port.netdev?.setUp((port.config & PORT_CONFIG.PORT_DOWN) === 0);
  }

  #tableMod(mod: Extract<Message, { type: "table_mod" }>): void {
    const { bridge } = this.owner;
    const tables = mod.table === 0xff ? bridge.tables : bridge.tables.filter((t) => t.id === mod.table);
    if (tables.length === 0 || (mod.table !== 0xff && mod.table >= 254)) throw new OpenFlowRefusal("OFPTMFC_BAD_TABLE");
    for (const table of tables) {
      if (mod.miss !== "default" || mod.eviction === undefined) table.miss = mod.miss;
      if (mod.eviction !== undefined) table.evict = mod.eviction;
      if (mod.vacancy !== undefined) table.vacancy = mod.vacancy.on ? mod.vacancy : undefined;
    }
    bridge.changed();
  }

  #packetOut(out: Extract<Message, { type: "packet_out" }>): void {
    const { bridge } = this.owner;
    if (out.buffer !== 0xffffffff) throw new OpenFlowRefusal("OFPBRC_BUFFER_UNKNOWN");
    checkActions(bridge, out.actions, 0xff);
    bridge.datapath.runActions(bridge, out.packet.slice(), out.actions, (key) => metadataInto(out.metadata, key, bridge));
  }

  #resume(message: Extract<Message, { type: "resume" }>): void {
    const { bridge, continuations } = this.owner;
    const frozen = continuations.get(message.continuation);
    if (frozen === undefined) throw new OpenFlowRefusal("NXR_STALE");
    bridge.datapath.resume(frozen, message.packet.slice(), (key) => metadataInto(message.metadata, key, bridge));
  }

  #role(role: Role, generation: bigint | undefined, xid: number): void {
    if (role !== "nochange") {
      if (role !== "equal" && generation !== undefined) {
        const known = this.owner.generation;
        if (known !== undefined && BigInt.asIntN(64, generation - known) < 0n) throw new OpenFlowRefusal("OFPRRFC_STALE");
        this.owner.generation = generation;
      }
      if (role === "master") this.owner.newMaster(this);
      this.role = role;
    }
    this.send({ type: "role_reply", role: this.role, generation: this.owner.generation }, xid);
  }

  #tlvTableMod(mod: Extract<Message, { type: "tlv_table_mod" }>): void {
    const { bridge } = this.owner;
    switch (mod.command) {
      case "add":
        bridge.tlv = bridge.tlv.with(mod.mappings);
        break;
      case "delete":
        bridge.tlv = bridge.tlv.without(mod.mappings);
        break;
      case "clear":
        bridge.tlv = bridge.tlv.without(bridge.tlv.mappings);
        break;
    }
    bridge.changed();
  }

  // Events.

  /** Versions before 1.3 are told of packets that miss a table. */
  get wantsMisses(): boolean {
    return this.version < 4 && this.controllerId === 0 && !this.#deaf();
  }

  /** Does this connection want to hear of such an event at all? */
  #listens(masks: AsyncMasks, bit: number): boolean {
    return !this.#deaf() && (((masks[this.slave ? 1 : 0] ?? 0) >>> bit) & 1) === 1;
  }

  /** Services (ovs-ofctl(8) "monitor") are told of nothing until they name a length of packets. */
  #deaf(): boolean {
    return this.service && this.missSendLength === 0;
  }

  packetIn(event: PacketInEvent): void {
    if (event.controllerId !== this.controllerId) return;
    const reason = reasonName(event.reason);
    const bit = packetInBit(reason, this.version);
    const asked = reason === "invalid_ttl" && this.invalidTtlToController;
    if (asked ? this.#deaf() : bit === undefined || !this.#listens(this.async.packetIn, bit)) return;
    const { bridge, continuations } = this.owner;
    const { frozen } = event;
    // Other formats tell of the packet only.
    const resumable = frozen !== undefined && this.packetInFormat === "nxt_packet_in2";
    const bytes = resumable ? continuations.put(frozen, this.version, event.datapathPort) : undefined;
    this.send(packetInMessage(event, bridge, this.packetInFormat, this.version, bytes));
  }

  /** `before`: what was told of the port last. A change that this version does not know is none. */
  portChanged(port: OfPort, reason: "add" | "delete" | "modify", before: PortState | undefined): void {
    if (!this.#listens(this.async.portStatus, PORT_BIT[reason])) return;
    const now = portDescription(port, this.version);
    if (reason === "modify" && before !== undefined) {
      const then = portDescription({ ...before, ofport: port.ofport, name: port.name }, this.version);
      if (then.config === now.config && then.state === now.state && then.mac === now.mac) return;
    }
    this.send({ type: "port_status", reason, port: now });
  }

  flowRemoved(rule: Rule, reason: FlowRemovedReason): void {
    if ((rule.flags & FLOW_FLAG.SEND_FLOW_REM) === 0 || !this.#listens(this.async.flowRemoved, FLOW_REMOVED_BIT[reason])) return;
    const duration = secondsOf(this.owner.bridge.datapath.now() - rule.created);
    this.send({
      type: "flow_removed",
      match: rule.wire,
      cookie: rule.cookie,
      priority: rule.priority,
      reason,
      table: rule.table,
      durationSec: duration.sec,
      durationNsec: duration.nsec,
      idleTimeout: rule.idleTimeout,
      hardTimeout: rule.hardTimeout,
      packets: BigInt(rule.packets),
      bytes: BigInt(rule.bytes),
    });
  }

  /** Matching flows for a statistics request. */
  select(request: {
    table: number;
    match: import("@weft/openflow").Match;
    cookie: bigint;
    cookieMask: bigint;
    outPort: number;
    outGroup: number;
  }): Rule[] {
    this.owner.bridge.datapath.pushStatistics();
    return selectFlows(this.owner.bridge, request);
  }
}
