/**
 * The userspace datapath and what its bridges share: ports, the flow cache, recirculation, tunnels. A received frame becomes a
 * key; a cached flow says what to do with it, or a translation does and is cached. A change of tables, ports or MACs makes a new
 * generation: a cached flow of an older one is translated again before it is used.
 */
import { type Action, Match, OFPP } from "@weft/openflow";
import type { Mac } from "@weft/packet";
import type { Clock, FrameOffload, Logger } from "@weft/runtime";
import { receiveBfd } from "../bfd/frames.ts";
import { ConnectionTracker } from "../conntrack/conntrack.ts";
import { extract } from "../flow/extract.ts";
import { FIRST_PACKET_WORD, FLOW_WORDS, keyMatch, VLAN_CFI, WORD } from "../flow/key.ts";
import { Packet } from "../flow/packet.ts";
import { finishFrame, onlyForwards, segmentCount } from "../netdev/offload.ts";
import { type Bridge, HIDDEN_TABLE } from "../ofproto/bridge.ts";
import type { Meter } from "../ofproto/meter.ts";
import type { OfPort } from "../ofproto/port.ts";
import { Rule } from "../ofproto/rule.ts";
import type { IngressPolicer } from "../qos/policer.ts";
import { type IpAddress, parseAddress } from "../tunnel/address.ts";
import { NeighbourTable } from "../tunnel/neighbours.ts";
import { neighbourRequest } from "../tunnel/request.ts";
import { RouteTable } from "../tunnel/routes.ts";
import { applyEffects } from "../xlate/effects.ts";
import { clearTracking, type FrozenState, freezeMetadata, RecircTable, thawMetadata } from "../xlate/freeze.ts";
import { packetFields } from "../xlate/text.ts";
import { type Translation, xlate } from "../xlate/xlate.ts";
import { type CtAction, type DpAction, formatDpActions, type SlowReason, type TunnelKey } from "./actions.ts";
import { FlowCache, Megaflow } from "./cache.ts";
import { tunnelKeyInto } from "./decapsulate.ts";
import type { DpPort } from "./dp-port.ts";
import { compile, type Executor } from "./execute.ts";
import { Tunnels } from "./tunnels.ts";

export interface DatapathOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** "system", "netdev", "dummy". */
  readonly type?: string;
  /** Tunnels go through the switch's own bridges. */
  readonly nativeTunnels?: boolean;
  /** Port numbers follow names, as in OVS's dummy datapath ("p3" is 3, "br1" 101). */
  readonly dummy?: boolean;
  readonly uuid?: () => string;
  /** Random numbers of 32 bits, for connection tracking; a fixed sequence by default. */
  readonly uint32?: () => number;
}

/** Packets within one another (recirculation, tunnels) before one is dropped. */
const MAX_NESTING = 16;
/** Cached flows not used for so long go. */
const MAX_IDLE_MS = 10_000;

export class Datapath implements Executor {
  readonly type: string;
  readonly log: Logger;
  readonly nativeTunnels: boolean;
  readonly bridges = new Map<string, Bridge>();
  readonly ports = new Map<number, DpPort>();
  readonly #ofports = new Map<number, OfPort>();
  readonly tunnels = new Tunnels(this.ports);
  readonly recirc = new RecircTable();
  readonly routes = new RouteTable();
  readonly neighbours = new NeighbourTable();
  readonly cache = new FlowCache();
  readonly #clock: Clock;
  readonly #dummy: boolean;
  readonly #uuid: () => string;
  readonly #meters = new Map<number, Meter>();
  #generation = 1;
  #nesting = 0;
  /** What is left to be done with the packet in hand. */
  #offload: FrameOffload | undefined;
  readonly #pool: Packet[] = [];
  readonly #said = new Set<string>();
  readonly conntracker: ConnectionTracker;
  /** VLAN headers that are fields (other-config:vlan-limit). */
  vlanHeaders = 1;
  flowLimit = 200_000;
  /** Of the cache: the most flows that it had, the mean as of the last sweeps, and how long the last one took, ms. */
  mostFlows = 0;
  averageFlows = 0;
  sweepMs = 1;
  /** False: a cached flow is for packets of one key only (upcall/disable-megaflows). */
  megaflows = true;
  /** UDP source ports of tunnel packets (tnl/egress_port_range). */
  portRange = { min: 32768, max: 61000 };
  hits = 0;
  misses = 0;
  lost = 0;
  /** No packet comes in, for the flows are not yet what they were (ovs-vswitchd.conf.db(5), flow-restore-wait). */
  restoring = false;
  #sequence = 0;
  /**
   * Hears of every translation of a packet, with its record, before its actions are carried out: the whole way of a packet where
   * nothing is cached. `key` is the packet's, in_port as datapath port.
   */
  recorder: ((where: Bridge | undefined, made: Translation | undefined, key: Int32Array) => void) | undefined;
  /** Takes in a frame of the slow protocols. */
  receiveLacp: ((port: OfPort, frame: Uint8Array) => void) | undefined;
  /** Sends through the host's stack, for tunnels that are not native. */
  sendTunnel: ((port: DpPort, frame: Uint8Array, tunnel: TunnelKey) => void) | undefined;
  /** The rules of the hidden table that stand for a miss: to the controller, and dropped. */
  readonly missRule: Rule;
  readonly dropRule: Rule;

  constructor(options: DatapathOptions) {
    this.type = options.type ?? "system";
    this.log = options.log;
    this.#clock = options.clock;
    this.nativeTunnels = options.nativeTunnels ?? true;
    this.#dummy = options.dummy ?? true;
    let counter = 0;
    let number = 1;
    this.conntracker = new ConnectionTracker({
      uint32: options.uint32 ?? (() => (number = Math.imul(number, 0x9e3779b1) >>> 0)),
    });
    this.#uuid = options.uuid ?? (() => `00000000-0000-0000-0000-${String(++counter).padStart(12, "0")}`);
    const hidden = (actions: readonly Action[]): Rule =>
      new Rule({
        table: HIDDEN_TABLE,
        priority: 0,
        match: Match.ANY,
        key: keyMatch(Match.ANY),
        cookie: 0n,
        actions,
        idleTimeout: 0,
        hardTimeout: 0,
        flags: 0,
        importance: 0,
        now: 0,
      });
    this.missRule = hidden([
      {
        type: "controller",
        maxLen: 0xffff,
        reason: "no_match",
        controllerId: 0,
        userdata: new Uint8Array(0),
        pause: false,
        meter: undefined,
      },
    ]);
    this.dropRule = hidden([]);
  }

  now(): number {
    return this.#clock.now();
  }

  /** Says once that something was asked for that is not there. */
  unsupported(what: string): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.log.err(`${what} is not supported; packets that need it are dropped`);
  }

  invalidate(): void {
    this.#generation++;
  }

  // Ports.

  /** The number for a new port. OVS's dummy datapath takes it from the name where it can. */
  allocatePort(name: string, wanted?: number): number {
    if (wanted !== undefined && !this.ports.has(wanted)) return wanted;
    if (this.#dummy) {
      const digits = /(\d+)/.exec(name);
      if (digits !== null) {
        const number = Number(digits[1]) + (name.startsWith("br") ? 100 : 0);
        if (number > 0 && number < 0xffff && !this.ports.has(number)) return number;
      }
    }
    let number = 1;
    while (this.ports.has(number)) number++;
    return number;
  }

  addPort(port: DpPort): void {
    this.ports.set(port.number, port);
    this.police(port, port.policer);
    this.invalidate();
  }

  /** What a port's device receives passes this from now on; undefined: everything passes. */
  police(port: DpPort, policer: IngressPolicer | undefined): void {
    port.policer = policer;
    const { number, netdev } = port;
    if (netdev === undefined) return;
    netdev.onReceive =
      policer === undefined
        ? (frame, offload) => this.receive(number, frame, offload)
        : (frame, offload) => {
            const packets = offload === undefined ? 1 : segmentCount(frame, offload);
            if (policer.admit(frame.length, packets, this.now())) this.receive(number, frame, offload);
          };
  }

  removePort(number: number): void {
    const port = this.ports.get(number);
    if (port?.netdev !== undefined) port.netdev.onReceive = undefined;
    port?.egress?.close();
    this.ports.delete(number);
    this.invalidate();
  }

  portName = (number: number): string => this.ports.get(number)?.name ?? String(number);

  /** Makes packets of a datapath port arrive at an OpenFlow port. Tunnel ports share theirs. */
  bind(port: OfPort): void {
    if (port.kind === "tunnel") this.tunnels.add(port);
    else if (port.dpPort !== undefined) this.#ofports.set(port.dpPort, port);
    this.invalidate();
  }

  unbind(port: OfPort): void {
    if (port.kind === "tunnel") this.tunnels.delete(port);
    else if (port.dpPort !== undefined) this.#ofports.delete(port.dpPort);
    this.invalidate();
  }

  ofportOf(dpPort: number): OfPort | undefined {
    return this.#ofports.get(dpPort);
  }

  /** The other end of a patch port, if both name each other. */
  peerOf(port: OfPort): OfPort | undefined {
    if (port.peerName === undefined) return undefined;
    for (const bridge of this.bridges.values()) {
      const peer = bridge.portsByName.get(port.peerName);
      if (peer !== undefined) return peer.kind === "patch" && peer.peerName === port.name ? peer : undefined;
    }
    return undefined;
  }

  /** Whether an address is one of the bridges', whose tunnel packets the switch itself receives. */
  ownsAddress(text: string): boolean {
    const address = parseAddress(text);
    if (address === undefined) return false;
    for (const own of this.addresses.values())
      if (own.some((other) => other.family === address.family && other.ip === address.ip)) return true;
    return false;
  }

  /** Whether tunnel packets to an address go through the host's stack: no route, or one by a device that is no bridge of ours. */
  throughHost(address: IpAddress, mark: number): boolean {
    if (!this.nativeTunnels) return true;
    if (this.sendTunnel === undefined) return false;
    const device = this.routes.lookup(address, mark)?.device;
    return device === undefined || this.bridgeOfDevice(device) === undefined;
  }

  /** The device that packets to an address leave by. */
  egressDevice(address: string): string | undefined {
    const parsed = parseAddress(address);
    return parsed === undefined ? undefined : this.routes.lookup(parsed)?.device;
  }

  bridgeOfDevice(name: string): Bridge | undefined {
    const bridge = this.bridges.get(name);
    if (bridge !== undefined) return bridge;
    for (const other of this.bridges.values()) if (other.local?.name === name) return other;
    return undefined;
  }

  // Meters.

  allocateMeter(): number {
    let id = 0;
    while (this.#meters.has(id)) id++;
    return id;
  }

  setMeter(meter: Meter): void {
    this.#meters.set(meter.dpId, meter);
  }

  releaseMeter(id: number): void {
    this.#meters.delete(id);
    this.invalidate();
  }

  // Packets in.

  /** A frame from a device, with what its sender left to be done. The array is the switch's from now on. */
  receive(dpPort: number, frame: Uint8Array, offload?: FrameOffload): void {
    if (this.restoring) {
      this.lost++;
      return;
    }
    const packet = this.#pool.pop() ?? new Packet(frame);
    packet.bytes = frame;
    packet.shared = false;
    packet.tunnelOptions = undefined;
    packet.connection = -1;
    packet.key.fill(0);
    packet.key[WORD.in_port] = dpPort;
    extract(packet, this.vlanHeaders);
    if (offload === undefined) this.process(packet);
    else if (!this.#forwardUnfinished(packet, offload)) {
      if (!finishFrame(frame, offload, (finished) => this.receive(dpPort, finished))) this.lost++;
    }
    if (this.#pool.length < MAX_NESTING) this.#pool.push(packet);
  }

  /**
   * A frame with work left to be done goes on as it is where its flow does no more than forward it, to devices that take it so. False:
   * it is to be finished first.
   */
  #forwardUnfinished(packet: Packet, offload: FrameOffload): boolean {
    const flow = this.cache.lookup(packet.key);
    if (flow === undefined || (flow.generation !== this.#generation && !this.#revalidate(flow))) return false;
    const { bytes } = packet;
    if (!onlyForwards(flow.actions, (number) => this.ports.get(number)?.netdev?.takes?.(offload, bytes) === true)) return false;
    const segments = segmentCount(bytes, offload);
    this.hits += segments;
    flow.packets += segments;
    flow.bytes += bytes.length;
    flow.tcpFlags |= packet.key[WORD.tcp_flags] as number;
    flow.used = this.#clock.now();
    this.#offload = offload;
    try {
      flow.run(packet);
    } finally {
      this.#offload = undefined;
    }
    return true;
  }

  /** A packet whose key is complete. */
  process(packet: Packet): void {
    if (this.#nesting >= MAX_NESTING) {
      this.lost++;
      return;
    }
    this.#nesting++;
    try {
      const flow = this.cache.lookup(packet.key);
      if (flow !== undefined && (flow.generation === this.#generation || this.#revalidate(flow))) {
        this.hits++;
        flow.packets++;
        flow.bytes += packet.bytes.length;
        flow.tcpFlags |= packet.key[WORD.tcp_flags] as number;
        flow.used = this.#clock.now();
        flow.run(packet);
      } else this.#upcall(packet);
    } finally {
      this.#nesting--;
    }
  }

  /** Where a packet is: its OpenFlow port and bridge, and what it is resumed with. */
  locate(key: Int32Array): { port: OfPort | undefined; bridge: Bridge | undefined; frozen: FrozenState | undefined } | undefined {
    const recircId = key[WORD.recirc_id] as number;
    const dpPort = key[WORD.in_port] as number;
    if (recircId !== 0) {
      const frozen = this.recirc.get(recircId);
      if (frozen === undefined) return undefined;
      if (frozen.bond !== undefined) return { port: this.#ofports.get(dpPort), bridge: frozen.bridge, frozen };
      return { port: frozen.bridge.ports.get(frozen.metadata[WORD.in_port] as number), bridge: frozen.bridge, frozen };
    }
    const port = this.ports.get(dpPort)?.tunnel !== undefined ? this.tunnels.portFor(key, dpPort) : this.#ofports.get(dpPort);
    return { port, bridge: port?.bridge, frozen: undefined };
  }

  /** The key as the tables see it: in_port is the OpenFlow port. */
  openflowKey(key: Int32Array, port: OfPort | undefined, packet: Packet | undefined): Int32Array {
    const flow = key.slice();
    flow[WORD.in_port] = port?.ofport ?? OFPP.NONE;
    if (port?.kind === "tunnel" && packet?.tunnelOptions !== undefined)
      tunnelKeyInto(flow, packet.tunnelOptions, port.bridge.tlv);
    return flow;
  }

  #translate(
    packet: Packet,
    key: Int32Array,
    sideEffects: boolean,
  ): { made: Translation | undefined; bridge: Bridge | undefined } {
    const where = this.locate(key);
    if (where?.bridge === undefined) return { made: undefined, bridge: undefined };
    const flow = this.openflowKey(key, where.port, packet);
    const made = xlate({
      datapath: this,
      bridge: where.bridge,
      key: flow,
      port: where.port,
      packet,
      frozen: where.frozen,
      sideEffects,
      tracing: this.recorder !== undefined,
      names: this.recorder !== undefined,
    });
    return { made, bridge: where.bridge };
  }

  #cacheMask(mask: Int32Array, key: Int32Array): Int32Array {
    const wide = cacheMask(mask, key);
    return this.megaflows ? wide : exactMask(wide, key);
  }

  #upcall(packet: Packet): void {
    this.misses++;
    const key = packet.key.slice();
    const generation = this.#generation;
    const { made, bridge } = this.#translate(packet, key, true);
    this.recorder?.(bridge, made, key);
    const mask = made === undefined ? noPortMask() : this.#cacheMask(made.mask, key);
    const flow = new Megaflow({
      key,
      mask,
      ufid: this.#uuid(),
      actions: made?.actions ?? [],
      run: compile(this, made?.actions ?? []),
      effects: made?.effects ?? [],
      recircIds: made?.recircIds ?? [],
      slow: made?.slow,
      bridge,
      // Learning may have changed the tables under the translation itself; what it did then is still right for this packet.
      generation,
      now: this.now(),
    });
    applyEffects(flow.effects, 1, packet.bytes.length, this.now(), key[WORD.tcp_flags] as number, true);
    // A packet given in by hand, with words that no received packet has, is not cached.
    if (this.cache.size < this.flowLimit) this.cache.insert(flow);
    flow.run(packet);
  }

  /** Translates a cached flow of an older generation again; false when it is not what it was, and gone. */
  #revalidate(flow: Megaflow): boolean {
    this.pushFlow(flow);
    const packet = new Packet(new Uint8Array(0), flow.key.slice());
    const { made } = this.#translate(packet, flow.key, false);
    const same =
      made !== undefined &&
      sameMask(this.#cacheMask(made.mask, flow.key), flow.mask) &&
      made.actions.length === flow.actions.length &&
      sameActions(made.actions, flow.actions);
    if (!same) {
      if (made !== undefined) for (const id of made.recircIds) this.recirc.release(id);
      this.#drop(flow);
      return false;
    }
    for (const id of flow.recircIds) this.recirc.release(id);
    flow.recircIds = made.recircIds;
    flow.effects = made.effects;
    flow.generation = this.#generation;
    return true;
  }

  #drop(flow: Megaflow): void {
    this.pushFlow(flow);
    this.cache.remove(flow);
    for (const id of flow.recircIds) this.recirc.release(id);
  }

  pushFlow(flow: Megaflow): void {
    const packets = flow.packets - flow.pushedPackets;
    if (packets === 0) return;
    const bytes = flow.bytes - flow.pushedBytes;
    flow.pushedPackets = flow.packets;
    flow.pushedBytes = flow.bytes;
    applyEffects(flow.effects, packets, bytes, flow.used, flow.tcpFlags);
  }

  /** Brings the OpenFlow counters up to date. */
  pushStatistics(): void {
    for (const flow of this.cache) this.pushFlow(flow);
  }

  /** Regular work: counters, idle flows, aged MACs and neighbours. */
  maintain(): void {
    const now = this.now();
    for (const flow of [...this.cache]) {
      this.pushFlow(flow);
      if (now - Math.max(flow.used, flow.created) > MAX_IDLE_MS) this.#drop(flow);
      else if (flow.generation !== this.#generation) this.#revalidate(flow);
    }
    for (const bridge of this.bridges.values()) if (bridge.macs.expire(now)) this.invalidate();
    if (this.neighbours.expire(now)) this.invalidate();
    this.conntracker.maintain(now);
    this.mostFlows = Math.max(this.mostFlows, this.cache.size);
    this.averageFlows = (this.averageFlows + this.cache.size) / 2;
    this.sweepMs = Math.max(1, Math.round(this.now() - now));
  }

  flushFlows(): void {
    for (const flow of [...this.cache]) this.#drop(flow);
  }

  // What executed actions need.

  send(number: number, frame: Uint8Array, tunnel: TunnelKey | undefined, queue: number): void {
    const port = this.ports.get(number);
    if (port === undefined) return;
    if (port.tunnel !== undefined) {
      if (tunnel !== undefined) this.sendTunnel?.(port, frame, tunnel);
      return;
    }
    const { netdev, egress } = port;
    if (egress !== undefined) egress.send(frame, queue, this.#offload);
    else if (netdev !== undefined && (netdev.up || netdev.elsewhere === true)) netdev.transmit(frame, this.#offload);
  }

  recirculate(packet: Packet): void {
    this.process(packet);
  }

  nextSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    return sequence;
  }

  conntrack(packet: Packet, action: CtAction): readonly Packet[] | undefined {
    return this.conntracker.track(packet, action, this.now());
  }

  clearConntrack(packet: Packet): void {
    packet.connection = -1;
    packet.key.fill(0, WORD.ct_state, WORD.ct_tp_dst + 1);
  }

  meter(id: number, bytes: number): boolean {
    return this.#meters.get(id)?.admit(bytes, this.now()) ?? true;
  }

  popTunnel(packet: Packet, number: number): void {
    const end = this.tunnels.pop(packet, number);
    if (end === undefined) {
      this.lost++;
      return;
    }
    packet.connection = -1;
    extract(packet, this.vlanHeaders);
    this.#withTunnelOptions(packet, end);
    this.process(packet);
  }

  /** Geneve options become words of the key by the map of the bridge that the tunnel port is on. */
  #withTunnelOptions(packet: Packet, dpPort: number): void {
    if (packet.tunnelOptions === undefined) return;
    const port = this.tunnels.portFor(packet.key, dpPort);
    if (port !== undefined) tunnelKeyInto(packet.key, packet.tunnelOptions, port.bridge.tlv);
  }

  /** A tunnelled frame from the host's stack: `packet.key` has the tunnel's words already. */
  receiveTunnelled(packet: Packet, dpPort: number): void {
    if (this.restoring) {
      this.lost++;
      return;
    }
    packet.key[WORD.in_port] = dpPort;
    extract(packet, this.vlanHeaders);
    this.#withTunnelOptions(packet, dpPort);
    this.process(packet);
  }

  slowPath(packet: Packet, reason: SlowReason): void {
    const port = this.locate(packet.key)?.port;
    if (port === undefined) return;
    if (reason === "bfd") receiveBfd(port, packet.bytes);
    else if (reason === "lacp") this.receiveLacp?.(port, packet.bytes);
  }

  toController(packet: Packet, action: Extract<DpAction, { type: "controller" }>): void {
    if (action.dontSend) return;
    const frozen = this.recirc.get(action.recircId);
    if (frozen === undefined) return;
    const key = packet.key.slice();
    const port = key[WORD.recirc_id] === 0 ? this.locate(key)?.port : undefined;
    thawMetadata(frozen.metadata, key);
    if (port !== undefined && key[WORD.in_port] === 0) key[WORD.in_port] = port.ofport;
    if (!frozen.conntracked) clearTracking(key);
    frozen.bridge.events?.packetIn({
      packet: packet.bytes.slice(),
      maxLen: action.maxLen,
      reason: action.reason,
      table: frozen.table ?? 0,
      cookie: action.cookie,
      key,
      userdata: frozen.userdata ?? new Uint8Array(0),
      controllerId: action.controllerId,
      frozen: action.continuation ? frozen : undefined,
      datapathPort: packet.key[WORD.in_port] as number,
    });
  }

  // Packets that the switch itself sends.

  /** Runs OpenFlow actions on a packet (packet-out, resume, the switch's own frames); `key` has in_port as OpenFlow port. */
  runActions(
    bridge: Bridge,
    frame: Uint8Array,
    actions: readonly Action[],
    metadata: (key: Int32Array) => void,
    frozen?: FrozenState,
  ): Translation {
    const packet = new Packet(frame);
    extract(packet, this.vlanHeaders);
    const key = packet.key;
    metadata(key);
    const flow = key.slice();
    const port = bridge.ports.get(flow[WORD.in_port] as number);
    const made = xlate({
      datapath: this,
      bridge,
      key: flow,
      port,
      packet,
      frozen,
      sideEffects: true,
      tracing: this.recorder !== undefined,
      names: this.recorder !== undefined,
      actions: frozen === undefined ? actions : undefined,
    });
    this.recorder?.(bridge, made, key);
    key[WORD.in_port] = port?.dpPort ?? 0;
    applyEffects(made.effects, 1, frame.length, this.now(), key[WORD.tcp_flags] as number, true);
    this.#nesting++;
    compile(this, made.actions)(packet);
    this.#nesting--;
    for (const id of made.recircIds) this.recirc.release(id);
    return made;
  }

  /** A controller gives a paused packet back: it goes on where it was, as the controller changed it. */
  resume(frozen: FrozenState, frame: Uint8Array, metadata: (key: Int32Array) => void): void {
    const scratch = new Int32Array(FLOW_WORDS);
    metadata(scratch);
    this.runActions(frozen.bridge, frame, [], (key) => key.set(scratch.subarray(0, FIRST_PACKET_WORD)), {
      ...frozen,
      metadata: freezeMetadata(scratch),
    });
  }

  /** Asks for a tunnel neighbour, out of the bridge as from its LOCAL port. False: it was asked for within the last second. */
  askNeighbour(bridge: Bridge, smac: Mac, source: IpAddress, target: IpAddress): boolean {
    if (!this.neighbours.ask(bridge.name, target, this.now())) return false;
    const frame = neighbourRequest(smac, source, target);
    // After the packet in hand is done: the request is a packet of its own.
    this.#clock.soon(() => {
      this.runActions(bridge, frame, [{ type: "output", port: OFPP.TABLE }], (key) => {
        key[WORD.in_port] = OFPP.LOCAL;
      });
    });
    return true;
  }

  /** Tunnels end at the addresses of the bridges' LOCAL devices. */
  updateTunnelEnds(): void {
    this.tunnels.updateEnds(this.bridges.values(), this.addresses);
    this.invalidate();
  }

  /** IP addresses of the bridges' LOCAL devices, by name. */
  readonly addresses = new Map<string, readonly IpAddress[]>();
}

function noPortMask(): Int32Array {
  const mask = new Int32Array(FLOW_WORDS);
  mask[WORD.in_port] = -1;
  mask[WORD.recirc_id] = -1;
  mask[WORD.eth_type] = 0xffff;
  mask.fill(-1, WORD.tun_id, WORD.tun_ipv6_dst + 4);
  return mask;
}

/** Whether there are VLAN headers goes with the Ethernet type, which is always looked at. */
function cacheMask(mask: Int32Array, key: Int32Array): Int32Array {
  mask[WORD.vlan_tci] = (mask[WORD.vlan_tci] as number) | VLAN_CFI;
  if (((key[WORD.vlan_tci] as number) & VLAN_CFI) !== 0) mask[WORD.vlan_tci1] = (mask[WORD.vlan_tci1] as number) | VLAN_CFI;
  return mask;
}

/** Every field that the packet has: what the cache keeps while megaflows are disabled. */
function exactMask(mask: Int32Array, key: Int32Array): Int32Array {
  const exact = mask.slice();
  packetFields(key, (word, words = 1, bits = -1) => exact.fill(bits, word, word + words));
  return exact;
}

function sameMask(a: Int32Array, b: Int32Array): boolean {
  for (let w = 0; w < FLOW_WORDS; w++) if (a[w] !== b[w]) return false;
  return true;
}

/** Equal actions have equal text but for bytes of tunnel headers, which the text shows too. */
function sameActions(a: readonly DpAction[], b: readonly DpAction[]): boolean {
  return formatDpActions(a) === formatDpActions(b);
}
