/**
 * OpenFlow's side of a bridge: the sockets BRIDGE.mgmt and BRIDGE.snoop, the controllers of the database, fail modes, and events
 * told to all who listen.
 */
import { type Action, type Envelope, type FlowRemovedReason, flowMod, OFPP, OpenFlowConnection } from "@weft/openflow";
import type { Replica, Uuid } from "@weft/ovsdb";
import { type Clock, type Listener, type Logger, messageOf, type Runtime, type Stream } from "@weft/runtime";
import type { VsRow, VsSchema } from "@weft/schemas";
import type { BridgeRow } from "../bridge/desired.ts";
import type { Bridge, BridgeEvents, PacketInEvent } from "../ofproto/bridge.ts";
import type { FlowMods } from "../ofproto/flow-mods.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Rule } from "../ofproto/rule.ts";
import { ConnectionChannel } from "./connection-channel.ts";
import { type ControllerStatus, DEFAULT_PORT, kindOf, PROBE_MS, PrimaryController, refusedSocket } from "./controllers.ts";
import { FailOpen } from "./fail-open.ts";
import type { SessionOwner } from "./owner.ts";
import { Continuations } from "./packet-in.ts";
import { Session } from "./session.ts";
import type { PortState } from "./stats.ts";

/** OpenFlow 1.0 to 1.5. */
const ALL_VERSIONS = 0b111_1110;
const VERSION_BITS: Readonly<Record<string, number>> = {
  OpenFlow10: 1 << 1,
  OpenFlow11: 1 << 2,
  OpenFlow12: 1 << 3,
  OpenFlow13: 1 << 4,
  OpenFlow14: 1 << 5,
  OpenFlow15: 1 << 6,
};
export interface ServerContext {
  readonly runtime: Runtime;
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly runDir: string | undefined;
}

export class OpenFlowServer implements BridgeEvents, SessionOwner {
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly log: Logger;
  readonly clock: Clock;
  readonly continuations = new Continuations();
  generation: bigint | undefined;
  readonly #runtime: Runtime;
  readonly #runDir: string | undefined;
  readonly #sessions = new Set<Session>();
  /** By target: a row that is made anew changes nothing. */
  readonly #primaries = new Map<string, PrimaryController>();
  readonly #services = new Map<string, Listener>();
  /** Targets that nothing can be made of; told of once. */
  readonly #refused = new Set<string>();
  /** Rows that show nothing: those of services, and of refused targets. */
  #silent: readonly Uuid[] = [];
  #later: (() => void)[] = [];
  /** What was told of ports last. */
  readonly #told = new WeakMap<OfPort, PortState>();
  #listeners: Listener[] = [];
  #versions = ALL_VERSIONS;
  #opened = false;
  #hadControllers: boolean | undefined;
  readonly #failOpen: FailOpen;
  /** Called when a controller's status changed. */
  onStatus: (() => void) | undefined;

  constructor(context: ServerContext) {
    this.bridge = context.bridge;
    this.mods = context.mods;
    this.#runtime = context.runtime;
    this.#runDir = context.runDir;
    this.clock = context.runtime.clock;
    this.log = context.runtime.log.logger("connmgr");
    this.#failOpen = new FailOpen(context.bridge, context.mods, context.runtime);
    this.bridge.events = this;
  }

  /** Controllers, connected or not, and clients of the bridge's sockets. */
  get connections(): number {
    const others = [...this.#sessions].filter(
      (session) => ![...this.#primaries.values()].some((primary) => primary.session === session),
    );
    return this.#primaries.size + others.length;
  }

  /** Opens sockets and follows the controllers of the database; `alone`: not yet. */
  async configure(db: Replica<VsSchema>, row: BridgeRow, alone: boolean): Promise<void> {
    const versions = row.protocols.reduce((bits, name) => bits | (VERSION_BITS[name] ?? 0), 0);
    this.#versions = versions === 0 ? ALL_VERSIONS : versions;
    await this.#openSockets();
    const wanted = new Map<string, VsRow<"Controller">>();
    for (const uuid of alone ? [] : row.controller) {
      const controller = db.table("Controller").get(uuid);
      if (controller !== undefined && controller.target !== "none") wanted.set(controller.target, controller);
    }
    for (const [target, controller] of wanted) {
      if (!this.#primaries.has(target) && !this.#services.has(target) && !this.#refused.has(target)) await this.#add(target);
      this.#primaries.get(target)?.follow(controller);
    }
    await this.#removeAllBut(wanted);
    this.#silent = row.controller.filter((uuid) => !this.#primaries.has(db.table("Controller").get(uuid)?.target ?? ""));
    this.#followFailMode(this.#primaries.size > 0);
  }

  async #add(target: string): Promise<void> {
    const { name } = this.bridge;
    const kind = kindOf(target);
    const refusal = refusedSocket(name, target, this.#runDir);
    if (kind === undefined) this.log.warn(`${name}: unsupported controller "${target}"`);
    else if (refusal !== undefined) this.#runtime.log.logger("bridge").err(refusal);
    else if (kind === "primary") return this.#addPrimary(target);
    else {
      const listener = await this.#listen(target, (stream) => this.#accept(stream, false));
      if (listener !== undefined) return void this.#services.set(target, listener);
    }
    this.#refused.add(target);
  }

  #addPrimary(target: string): void {
    const controller = new PrimaryController({
      bridge: this.bridge.name,
      target,
      runtime: this.#runtime,
      runDir: this.#runDir,
      accept: (stream, own) => this.#accept(stream, false, own),
      changed: () => {
        this.#updateFailOpen();
        this.onStatus?.();
      },
    });
    this.#primaries.set(target, controller);
    controller.dial();
    this.log.info(`${this.bridge.name}: added primary controller "${target}"`);
  }

  async #removeAllBut(wanted: ReadonlyMap<string, unknown>): Promise<void> {
    for (const target of this.#refused) if (!wanted.has(target)) this.#refused.delete(target);
    for (const [target, controller] of this.#primaries) {
      if (wanted.has(target)) continue;
      this.#primaries.delete(target);
      controller.close();
      this.log.info(`${this.bridge.name}: removed primary controller "${target}"`);
    }
    for (const [target, listener] of this.#services) {
      if (wanted.has(target)) continue;
      this.#services.delete(target);
      await listener.close();
      this.log.info(`${this.bridge.name}: removed service controller "${target}"`);
    }
  }

  async #listen(target: string, accept: (stream: Stream) => void): Promise<Listener | undefined> {
    try {
      const listener = await this.#runtime.net.listen(target, accept, { defaultPort: DEFAULT_PORT });
      this.log.info(`${this.bridge.name}: added service controller "${target}"`);
      return listener;
    } catch (error) {
      this.log.err(`${this.bridge.name}: failed to listen on ${target}: ${messageOf(error)}`);
      return undefined;
    }
  }

  async #openSockets(): Promise<void> {
    if (this.#opened || this.#runDir === undefined) return;
    this.#opened = true;
    const base = `punix:${this.#runDir}/${this.bridge.name}`;
    const management = await this.#listen(`${base}.mgmt`, (stream) => this.#accept(stream, true));
    if (management !== undefined) this.#listeners.push(management);
    try {
      this.#listeners.push(await this.#runtime.net.listen(`${base}.snoop`, (stream) => this.#acceptSnooper(stream)));
    } catch (error) {
      this.log.err(`${this.bridge.name}: failed to listen on ${base}.snoop: ${messageOf(error)}`);
    }
  }

  /**
   * Told of what one primary controller and the switch say to each other, a master if there is one, and a slave only if there
   * is no other; where there is none at all, it is not let in.
   */
  #acceptSnooper(stream: Stream): void {
    const rank = ({ session }: PrimaryController) => (session?.role === "master" ? 0 : session?.role === "slave" ? 2 : 1);
    const [controller] = [...this.#primaries.values()].sort((a, b) => rank(a) - rank(b) || (a.target < b.target ? -1 : 1));
    if (controller === undefined) return stream.destroy();
    const connection = new OpenFlowConnection(stream, {
      versions: this.#versions,
      onReady: () => controller.snoopers.add(connection),
      onClose: () => controller.snoopers.delete(connection),
    });
  }

  /** A connection of BRIDGE.mgmt or of a controller. */
  #accept(stream: Stream, service: boolean, controller?: PrimaryController): void {
    let session: Session | undefined;
    let received = new Uint8Array(0);
    const connection = new OpenFlowConnection(stream, {
      versions: this.#versions,
      clock: this.clock,
      probeInterval: service ? 0 : (controller?.probe ?? PROBE_MS),
      onReady: (version) => {
        session = new Session(new ConnectionChannel(connection, version), this, service);
        this.#sessions.add(session);
        controller?.up(session);
        this.wantsChanged();
      },
      onTraffic: (direction, bytes) => {
        if (direction === "received") {
          received = bytes as Uint8Array<ArrayBuffer>;
          if (controller !== undefined) controller.heard = this.clock.now();
        }
        // From when the version is agreed on.
        if (session !== undefined) for (const snooper of controller?.snoopers ?? []) snooper.sendBytes(bytes.slice());
      },
      onMessage: (envelope: Envelope) => session?.handle(envelope, received),
      onBadMessage: (error) => this.log.warn(`${this.bridge.name}<->${connection.name}: ${error.message}`),
      onClose: (error) => {
        if (session !== undefined) this.#sessions.delete(session);
        session?.flowMods.close();
        controller?.down(session, error);
        this.wantsChanged();
      },
    });
  }

  // Fail modes (ovs-vswitchd.conf.db(5), Bridge fail_mode).

  #followFailMode(hasControllers: boolean): void {
    if (this.#hadControllers !== hasControllers) {
      const first = this.#hadControllers === undefined;
      this.#hadControllers = hasControllers;
      if (!first) this.mods.removeWhere((rule) => rule.priority <= 0xffff, "delete");
    }
    if (!hasControllers && this.bridge.failMode === "standalone" && (this.bridge.tables[0]?.size ?? 0) === 0) {
      this.mods.apply(flowMod({ command: "add", priority: 0, actions: [{ type: "output", port: OFPP.NORMAL }] }));
    }
    this.#updateFailOpen();
  }

  #updateFailOpen(): void {
    const controllers = [...this.#primaries.values()];
    const alone = this.bridge.failMode === "standalone" && controllers.length > 0 && controllers.every((one) => !one.connected);
    const heard = Math.max(...controllers.map((one) => one.heard));
    const probe = Math.max(...controllers.map((one) => one.probe));
    this.#failOpen.follow(alone ? heard + 3 * probe : undefined, heard);
  }

  /** What the Controller rows show. */
  statuses(): ControllerStatus[] {
    const nothing = { connected: false, role: undefined, status: new Map() };
    return [
      ...[...this.#primaries.values()].flatMap(({ status }) => status ?? []),
      ...this.#silent.map((uuid) => ({ uuid, ...nothing })),
    ];
  }

  // SessionOwner.

  newMaster(master: object): void {
    for (const session of this.#sessions) {
      if (session === master || session.role !== "master") continue;
      session.role = "slave";
      if (session.version >= 5) {
        session.send({ type: "role_status", role: "slave", reason: "master_request", generation: this.generation ?? 0n });
      }
    }
  }

  wantsChanged(): void {
    const wants = [...this.#sessions].some((session) => session.wantsMisses);
    if (wants === this.bridge.wantsMisses) return;
    this.bridge.wantsMisses = wants;
    this.bridge.changed();
  }

  soon(run: () => void): void {
    this.#later.push(run);
    if (this.#later.length === 1) this.clock.soon(() => this.settle());
  }

  settle(): void {
    const runs = this.#later;
    this.#later = [];
    for (const run of runs) run();
  }

  // BridgeEvents.

  flowAdded(rule: Rule, before: readonly Action[] | undefined): void {
    for (const session of this.#sessions) session.monitors.tell(rule, "added", undefined, before);
  }

  flowModified(rule: Rule, before: readonly Action[]): void {
    for (const session of this.#sessions) session.monitors.tell(rule, "modified", undefined, before);
  }

  flowRemoved(rule: Rule, reason: FlowRemovedReason): void {
    for (const session of this.#sessions) {
      session.monitors.tell(rule, "removed", reason, undefined);
      this.soon(() => session.flowRemoved(rule, reason));
    }
  }

  packetIn(event: PacketInEvent): void {
    for (const session of this.#sessions) session.packetIn(event);
  }

  portChanged(port: OfPort, reason: "add" | "delete" | "modify"): void {
    const before = this.#told.get(port);
    for (const session of this.#sessions) session.portChanged(port, reason, before);
    const { mac, config, up, carrier, bfd } = port;
    this.#told.set(port, { mac, config, up, carrier, bfd: bfd && { forwarding: bfd.forwarding } });
  }

  async close(): Promise<void> {
    this.#failOpen.close();
    for (const controller of this.#primaries.values()) controller.close();
    this.#primaries.clear();
    for (const listener of this.#services.values()) await listener.close();
    this.#services.clear();
    for (const session of [...this.#sessions]) session.channel.close();
    for (const listener of this.#listeners) await listener.close();
    this.#listeners = [];
    this.bridge.events = undefined;
  }
}
