/**
 * A switch: bridges with OpenFlow and a datapath, configured by an Open_vSwitch database; what ovs-vswitchd with its userspace
 * datapath is. Made from a world (devices, runtime) and a replica of its database.
 */
import type { ChangeSet, Replica } from "@weft/ovsdb";
import type { ControlCommand, Timer } from "@weft/runtime";
import { messageOf } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import { BfdSessions } from "./bfd/sessions.ts";
import { Bonds } from "./bond/bonds.ts";
import { Configuration } from "./bridge/configure.ts";
import { CtZones } from "./bridge/ct-zones.ts";
import { Devices, type EnableDummy } from "./bridge/devices.ts";
import { writeStatus } from "./bridge/status.ts";
import { Unsupported } from "./bridge/unsupported.ts";
import { controlCommands } from "./control/commands.ts";
import { traceCommand } from "./control/trace-command.ts";
import { Datapath } from "./datapath/datapath.ts";
import { DummyProvider } from "./netdev/dummy.ts";
import type { SwitchWorld } from "./netdev.ts";
import type { Bridge } from "./ofproto/bridge.ts";
import { HostTunnels } from "./tunnel/host.ts";

export interface SwitchOptions {
  /** ovs-vswitchd --enable-dummy; default "none". */
  readonly enableDummy?: EnableDummy;
  /** ovs-vswitchd --disable-system: no bridges of datapath type "system". */
  readonly disableSystem?: boolean;
  /** Where BRIDGE.mgmt and BRIDGE.snoop are made; absent: no sockets. */
  readonly runDir?: string;
}

export interface Switch {
  /** Resolves when the database's first contents are in effect. */
  start(): Promise<void>;
  /** Ends everything: connections, sockets, devices; those that the switch made stay unless `cleanup` is asked for. */
  stop(cleanup?: boolean): Promise<void>;
  readonly bridges: ReadonlyMap<string, Bridge>;
  readonly datapath: Datapath;
  /** Commands of the control socket: ofproto/trace, fdb/show, dpctl/dump-flows, netdev-dummy/receive, ... */
  readonly controlCommands: readonly ControlCommand[];
  /** ofproto/trace with its arguments: bridge, flow, options. Throws a WeftError with the caller's mistake. */
  trace(...args: string[]): string;
  /** Resolves when all changes seen by now are in effect. */
  settled(): Promise<void>;
}

/** Counters are written this often (Open_vSwitch other_config:stats-update-interval, in ms). */
const STATISTICS_MS = 5000;
const LOCK_MS = 1000;
const MAINTAIN_MS = 500;
const EXPIRE_MS = 1000;

export function createSwitch(given: {
  readonly world: SwitchWorld;
  readonly db: Replica<VsSchema>;
  readonly options?: SwitchOptions;
}): Switch {
  return new SwitchImplementation(given.world, given.db, given.options ?? {});
}

class SwitchImplementation implements Switch {
  readonly #world: SwitchWorld;
  readonly #db: Replica<VsSchema>;
  readonly datapath: Datapath;
  readonly #configuration: Configuration;
  readonly #unsupported: Unsupported;
  readonly #ctZones: CtZones;
  readonly #bfd: BfdSessions;
  readonly #bonds: Bonds;
  readonly #devices: Devices;
  readonly #dummies: DummyProvider;
  readonly controlCommands: readonly ControlCommand[];
  readonly #timers: Timer[] = [];
  readonly #unsubscribe: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #statusDue = false;
  readonly #log;

  constructor(world: SwitchWorld, db: Replica<VsSchema>, options: SwitchOptions) {
    const { runtime } = world;
    this.#world = world;
    this.#db = db;
    this.#log = runtime.log.logger("bridge");
    this.#unsupported = new Unsupported(db, this.#log);
    this.#dummies = new DummyProvider(runtime);
    const enable = options.enableDummy ?? "none";
    this.#devices = new Devices(world.providers, this.#dummies, enable);
    this.datapath = new Datapath({
      clock: runtime.clock,
      log: runtime.log.logger("ofproto_dpif"),
      dummy: enable !== "none",
      nativeTunnels: world.tunnelHost === undefined || world.hostTunnels === "off-bridge",
      uuid: () => runtime.random.uuid(),
      uint32: () => runtime.random.uint32(),
    });
    this.#ctZones = new CtZones(db, this.datapath);
    this.#bonds = new Bonds(runtime, this.datapath, () => this.#writeSoon());
    this.datapath.receiveLacp = (port, frame) => this.#bonds.receive(port, frame);
    this.#bfd = new BfdSessions(runtime, this.datapath, () => {
      this.#bonds.refresh();
      this.#writeSoon();
    });
    const hostTunnels = world.tunnelHost === undefined ? undefined : new HostTunnels(world.tunnelHost, this.datapath, runtime);
    this.#configuration = new Configuration({
      runtime,
      db,
      datapath: this.datapath,
      devices: this.#devices,
      log: this.#log,
      runDir: options.runDir,
      disableSystem: options.disableSystem ?? false,
      hostRoutes: world.hostRoutes,
      bindTunnel: hostTunnels === undefined ? undefined : (port, config) => hostTunnels.bind(port, config),
      unbindTunnel: hostTunnels === undefined ? undefined : (port) => hostTunnels.unbind(port),
      onDeviceChange: () => {
        this.#bonds.refresh();
        this.#writeSoon();
      },
    });
    this.controlCommands = controlCommands({
      datapath: this.datapath,
      configuration: this.#configuration,
      dummies: this.#dummies,
      bfd: this.#bfd,
      bonds: this.#bonds,
      runtime,
      databaseCells: () => db.cells?.() ?? 0,
    });
  }

  get bridges(): ReadonlyMap<string, Bridge> {
    return this.datapath.bridges;
  }

  async start(): Promise<void> {
    const { clock } = this.#world.runtime;
    this.#db.setLock("ovs_vswitchd");
    await this.#db.ready();
    if (!this.#db.hasLock) await this.#lockOrNot();
    this.#unsubscribe.push(
      this.#db.onChange((set) => {
        if (set.reset || !onlyStatistics(set)) void this.#reconfigureSoon();
      }),
      this.#db.onLock(() => this.#reconfigureSoon()),
    );
    await this.#reconfigureSoon();
    for (const provider of this.#world.providers) provider.onChange = () => this.#devicesChanged();
    this.#timers.push(
      clock.every(MAINTAIN_MS, () => this.datapath.maintain(), true),
      clock.every(EXPIRE_MS, () => this.#expireFlows(), true),
      clock.every(STATISTICS_MS, () => this.#writeStatus(true), true),
    );
  }

  /** Waits until the database has said whether the lock is ours. Where somebody else has it nothing is said, then or ever. */
  #lockOrNot(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        off();
        timer.cancel();
        resolve();
      };
      const off = this.#db.onLock(done);
      const timer = this.#world.runtime.clock.after(LOCK_MS, done);
    });
  }

  /** Devices that were missing have come, or some are gone: the bridges are made anew where that matters. */
  #devicesChanged(): void {
    if (this.#stopped || this.#running !== undefined) this.#again = true;
    else if (this.#configuration.outdated) void this.#reconfigureSoon();
    else this.#configuration.hostChanged();
  }

  #expireFlows(): void {
    this.datapath.pushStatistics();
    for (const held of this.#configuration.bridges.values()) held.mods.expire();
  }

  /** Runs, or lets the run that is going on be followed by another. */
  #reconfigureSoon(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#reconfigure().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reconfigure(): Promise<void> {
    do {
      this.#again = false;
      if (!this.#db.hasLock) {
        // Somebody else runs this database's switch; ours begins when the lock comes.
        this.#log.warn("another ovs-vswitchd process is running or the lock is not ours yet; not configuring");
        return;
      }
      const [root] = this.#db.table("Open_vSwitch").rows();
      const wanted = root?.next_cfg;
      this.#unsupported.check();
      this.#ctZones.apply();
      await this.#configuration.apply();
      this.#bfd.apply(this.#configuration, this.#db);
      this.#bonds.apply(this.#configuration, this.#db);
      for (const held of this.#configuration.bridges.values()) held.server.onStatus = () => this.#writeSoon();
      if (this.#stopped) return;
      await this.#writeNow(true, wanted === undefined ? undefined : Number(wanted));
    } while (this.#again && !this.#stopped);
  }

  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #writeSoon(): void {
    if (this.#statusDue || this.#stopped) return;
    this.#statusDue = true;
    this.#world.runtime.clock.soon(() => {
      this.#statusDue = false;
      this.#writeStatus(false);
    });
  }

  #writeStatus(statistics: boolean): void {
    if (this.#stopped || this.#running !== undefined || !this.#db.hasLock) return;
    if (statistics) {
      this.datapath.pushStatistics();
      for (const provider of this.#world.providers) provider.refresh?.();
    }
    this.#writeNow(statistics, undefined).catch((error: unknown) => this.#log.warn(`cannot write status: ${messageOf(error)}`));
  }

  async #writeNow(statistics: boolean, curCfg: number | undefined): Promise<void> {
    const tx = this.#db.transaction();
    writeStatus(
      { db: this.#db, datapath: this.datapath, devices: this.#devices, configuration: this.#configuration },
      tx,
      statistics,
    );
    const [root] = this.#db.table("Open_vSwitch").rows();
    if (curCfg !== undefined && root !== undefined) tx.update("Open_vSwitch", root._uuid, { cur_cfg: curCfg });
    if (tx.empty) return;
    const result = await tx.commit();
    if (result.status === "error")
      this.#log.warn(`cannot write status: ${result.error}${result.details === undefined ? "" : `: ${result.details}`}`);
    else if (result.status === "try-again") this.#again = true;
  }

  trace(...args: string[]): string {
    return traceCommand(this.datapath, args);
  }

  async stop(cleanup = false): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    for (const off of this.#unsubscribe) off();
    for (const provider of this.#world.providers) provider.onChange = undefined;
    await this.#running?.catch(() => undefined);
    this.#bfd.close();
    this.#bonds.close();
    await this.#configuration.close(!cleanup);
  }
}

/** Columns that the switch itself writes at regular times; they ask nothing of it, and cached flows must not suffer from them. */
const STATISTICS: ReadonlySet<string> = new Set(["statistics", "_version"]);

function onlyStatistics({ changes }: ChangeSet): boolean {
  return changes.every(({ before, after }) => {
    if (before === undefined || after === undefined) return false;
    // Rows as columns by name.
    const old = before as Record<string, unknown>;
    return Object.entries(after as Record<string, unknown>).every(
      ([column, value]) => value === old[column] || STATISTICS.has(column),
    );
  });
}
