/**
 * OpenFlow's side of a bridge: the sockets BRIDGE.mgmt and BRIDGE.snoop, the controllers of the database, fail modes, and events
 * told to all who listen.
 */
import { type Action, type Envelope, type FlowRemovedReason, flowMod, OFPP, OpenFlowConnection } from "@weft/openflow";
import type { Replica, Uuid } from "@weft/ovsdb";
import { type Listener, type Logger, messageOf, parseRemote, type Runtime, type Stream } from "@weft/runtime";
import type { VsRow, VsSchema } from "@weft/schemas";
import type { BridgeRow } from "../bridge/desired.ts";
import type { Bridge, BridgeEvents, PacketInEvent } from "../ofproto/bridge.ts";
import type { FlowMods } from "../ofproto/flow-mods.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Rule } from "../ofproto/rule.ts";
import { ConnectionChannel } from "./connection-channel.ts";
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
const DEFAULT_PORT = 6653;
const PROBE_MS = 5000;
const MAX_BACKOFF_MS = 8000;
export interface ServerContext {
  readonly runtime: Runtime;
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly runDir: string | undefined;
}

interface ControllerState {
  readonly uuid: Uuid;
  readonly target: string;
  session: Session | undefined;
  listener: Listener | undefined;
  cancelled: boolean;
  connected: boolean;
  /** Wall time in ms of the last connection, and of its end. */
  connectedAt: number | undefined;
  disconnectedAt: number | undefined;
  /** Monotonic ms of the last message, or of when it was configured. */
  heard: number;
  lastError: string | undefined;
  backoff: number;
  maxBackoff: number;
  probe: number;
}

export interface ControllerStatus {
  readonly uuid: Uuid;
  readonly connected: boolean;
  readonly role: "master" | "slave" | "other" | undefined;
  readonly status: ReadonlyMap<string, string>;
}

export class OpenFlowServer implements BridgeEvents, SessionOwner {
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly log: Logger;
  readonly #rconn: Logger;
  readonly continuations = new Continuations();
  generation: bigint | undefined;
  readonly #runtime: Runtime;
  readonly #runDir: string | undefined;
  readonly #sessions = new Set<Session>();
  readonly #snoopers = new Set<OpenFlowConnection>();
  readonly #controllers = new Map<Uuid, ControllerState>();
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
    this.log = context.runtime.log.logger("connmgr");
    this.#rconn = context.runtime.log.logger("rconn");
    this.#failOpen = new FailOpen(context.bridge, context.mods, context.runtime);
    this.bridge.events = this;
  }

  /** Opens sockets and follows the controllers of the database. */
  async configure(db: Replica<VsSchema>, row: BridgeRow): Promise<void> {
    const versions = row.protocols.reduce((bits, name) => bits | (VERSION_BITS[name] ?? 0), 0);
    this.#versions = versions === 0 ? ALL_VERSIONS : versions;
    await this.#openSockets();
    const wanted = new Map<Uuid, VsRow<"Controller">>();
    for (const uuid of row.controller) {
      const controller = db.table("Controller").get(uuid);
      if (controller !== undefined && controller.target !== "none") wanted.set(uuid, controller);
    }
    for (const [uuid, state] of [...this.#controllers]) {
      if (wanted.get(uuid)?.target === state.target) continue;
      this.#controllers.delete(uuid);
      await this.#closeController(state);
    }
    this.#followFailMode(wanted.size > 0);
    for (const [uuid, controller] of wanted) {
      const known = this.#controllers.get(uuid);
      if (known !== undefined) {
        this.#setTimes(known, controller);
        continue;
      }
      if (!this.#permitted(controller.target)) continue;
      const state: ControllerState = {
        uuid,
        target: controller.target,
        session: undefined,
        listener: undefined,
        cancelled: false,
        connected: false,
        connectedAt: undefined,
        disconnectedAt: undefined,
        heard: this.#runtime.clock.now(),
        lastError: undefined,
        backoff: 1000,
        maxBackoff: MAX_BACKOFF_MS,
        probe: PROBE_MS,
      };
      this.#setTimes(state, controller);
      this.#controllers.set(uuid, state);
      await this.#startController(state);
    }
  }

  #setTimes(state: ControllerState, row: VsRow<"Controller">): void {
    state.maxBackoff = row.max_backoff === undefined ? MAX_BACKOFF_MS : Math.max(1000, Number(row.max_backoff));
    state.probe = row.inactivity_probe === undefined ? PROBE_MS : Number(row.inactivity_probe);
  }

  /** Local sockets outside of the run directory could belong to anybody. */
  #permitted(target: string): boolean {
    if (this.#runDir === undefined || !/^p?unix:/.test(target)) return true;
    const path = target.replace(/^p?unix:/, "");
    if (!path.startsWith("/") || path.startsWith(`${this.#runDir}/`)) return true;
    this.log.err(
      `bridge ${this.bridge.name}: Not connecting to socket controller "${target}" due to possibility for remote exploit.  ` +
        `Instead, specify socket in permitted directory "unix:${this.#runDir}/" or connect to ` +
        `"unix:${this.#runDir}/${this.bridge.name}.mgmt" (which is always available without special configuration).`,
    );
    return false;
  }

  async #openSockets(): Promise<void> {
    if (this.#opened || this.#runDir === undefined) return;
    this.#opened = true;
    const { net } = this.#runtime;
    const base = `punix:${this.#runDir}/${this.bridge.name}`;
    const open = async (remote: string, accept: (stream: Stream) => void): Promise<void> => {
      try {
        this.#listeners.push(await net.listen(remote, accept));
      } catch (error) {
        this.log.err(`failed to listen on ${remote}: ${messageOf(error)}`);
      }
    };
    await open(`${base}.mgmt`, (stream) => this.#accept(stream, true));
    await open(`${base}.snoop`, (stream) => this.#acceptSnooper(stream));
  }

  /** Told of what all controllers and the switch say to each other; where there are none, it is not let in. */
  #acceptSnooper(stream: Stream): void {
    if (this.#controllers.size === 0) return stream.destroy();
    const connection = new OpenFlowConnection(stream, {
      versions: this.#versions,
      onReady: () => this.#snoopers.add(connection),
      onClose: () => this.#snoopers.delete(connection),
    });
  }

  /** A connection of BRIDGE.mgmt or of a controller. */
  #accept(stream: Stream, service: boolean, state?: ControllerState): void {
    let session: Session | undefined;
    let received = new Uint8Array(0);
    const connection = new OpenFlowConnection(stream, {
      versions: this.#versions,
      clock: this.#runtime.clock,
      probeInterval: service ? 0 : (state?.probe ?? PROBE_MS),
      onReady: (version) => {
        session = new Session(new ConnectionChannel(connection, version), this, service);
        this.#sessions.add(session);
        if (state !== undefined) this.#controllerUp(state, session);
        this.wantsChanged();
      },
      onTraffic: (direction, bytes) => {
        if (direction === "received") {
          received = bytes as Uint8Array<ArrayBuffer>;
          if (state !== undefined) state.heard = this.#runtime.clock.now();
        }
        // From when the version is agreed on.
        if (!service && session !== undefined) for (const snooper of this.#snoopers) snooper.sendBytes(bytes.slice());
      },
      onMessage: (envelope: Envelope) => session?.handle(envelope, received),
      onBadMessage: (error) => this.log.warn(`${this.bridge.name}<->${connection.name}: ${error.message}`),
      onClose: (error) => {
        if (session !== undefined) this.#sessions.delete(session);
        if (state !== undefined) this.#controllerDown(state, session, error);
        this.wantsChanged();
      },
    });
  }

  // Controllers.

  async #startController(state: ControllerState): Promise<void> {
    const { net, clock } = this.#runtime;
    const remote = parseRemote(state.target);
    if (remote === undefined) {
      this.log.warn(`bridge ${this.bridge.name}: ${state.target}: unknown kind of controller`);
      return;
    }
    if (/^p(tcp|ssl|unix|memory):/.test(state.target)) {
      try {
        state.listener = await net.listen(state.target, (stream) => this.#accept(stream, false), { defaultPort: DEFAULT_PORT });
      } catch (error) {
        state.lastError = messageOf(error);
        this.log.err(`bridge ${this.bridge.name}: failed to listen on ${state.target}: ${state.lastError}`);
      }
      return;
    }
    const target =
      this.#runDir !== undefined && /^unix:[^/]/.test(state.target)
        ? `unix:${this.#runDir}/${state.target.slice(5)}`
        : state.target;
    const again = (): void => {
      if (state.cancelled) return;
      clock.after(state.backoff, dial, true);
      state.backoff = Math.min(state.maxBackoff, state.backoff * 2);
    };
    const dial = (): void => {
      if (state.cancelled) return;
      net.connect(target, { defaultPort: DEFAULT_PORT }).then(
        (stream) => {
          if (state.cancelled) stream.destroy();
          else this.#accept(stream, false, state);
        },
        (error: unknown) => {
          // The target is said before it.
          state.lastError = messageOf(error).split(": ").at(-1);
          this.#rconn.warn(`${this.bridge.name}<->${state.target}: connection failed (${state.lastError})`);
          this.onStatus?.();
          again();
        },
      );
    };
    this.#redial.set(state, again);
    dial();
  }

  readonly #redial = new WeakMap<ControllerState, () => void>();

  #controllerUp(state: ControllerState, session: Session): void {
    state.session = session;
    state.connected = true;
    state.connectedAt = this.#runtime.clock.wall();
    state.backoff = 1000;
    this.#rconn.info(`${this.bridge.name}<->${state.target}: connected`);
    this.#updateFailOpen();
    this.onStatus?.();
  }

  #controllerDown(state: ControllerState, session: Session | undefined, error: Error | undefined): void {
    if (session !== undefined && state.session !== session) return;
    state.session = undefined;
    if (state.connected && !state.cancelled)
      this.#rconn.info(
        `${this.bridge.name}<->${state.target}: connection ${error === undefined ? "closed by peer" : `dropped (${error.message})`}`,
      );
    if (state.connected) state.disconnectedAt = this.#runtime.clock.wall();
    state.connected = false;
    if (error !== undefined) state.lastError = error.message;
    this.#updateFailOpen();
    this.onStatus?.();
    if (!state.cancelled) this.#redial.get(state)?.();
  }

  async #closeController(state: ControllerState): Promise<void> {
    state.cancelled = true;
    state.session?.channel.close();
    await state.listener?.close();
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
    const states = [...this.#controllers.values()];
    const alone = this.bridge.failMode === "standalone" && states.length > 0 && states.every((state) => !state.connected);
    const heard = Math.max(...states.map((state) => state.heard));
    const probe = Math.max(...states.map((state) => state.probe));
    this.#failOpen.follow(alone ? heard + 3 * probe : undefined, heard);
  }

  /** What the Controller rows show. */
  statuses(): ControllerStatus[] {
    const now = this.#runtime.clock.wall();
    return [...this.#controllers.values()].map((state) => {
      const status = new Map<string, string>();
      const seconds = (since: number) => String(Math.floor((now - since) / 1000));
      if (state.lastError !== undefined) status.set("last_error", state.lastError);
      if (state.connectedAt !== undefined) status.set("sec_since_connect", seconds(state.connectedAt));
      if (state.disconnectedAt !== undefined) status.set("sec_since_disconnect", seconds(state.disconnectedAt));
      status.set("state", state.connected ? "ACTIVE" : "BACKOFF");
      const role = state.session?.role;
      return {
        uuid: state.uuid,
        connected: state.connected,
        role: role === undefined ? undefined : role === "master" || role === "slave" ? role : "other",
        status,
      };
    });
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
    if (this.#later.length === 1) this.#runtime.clock.soon(() => this.settle());
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
    const { mac, config, up, carrier } = port;
    this.#told.set(port, { mac, config, up, carrier });
  }

  async close(): Promise<void> {
    this.#failOpen.close();
    for (const state of this.#controllers.values()) await this.#closeController(state);
    this.#controllers.clear();
    for (const session of [...this.#sessions]) session.channel.close();
    for (const snooper of [...this.#snoopers]) snooper.close();
    for (const listener of this.#listeners) await listener.close();
    this.#listeners = [];
    this.bridge.events = undefined;
  }
}
