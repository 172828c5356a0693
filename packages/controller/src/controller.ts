/**
 * ovn-controller(8): brings the integration bridge, the local database and this chassis' rows of the Southbound in line
 * with the Southbound and the local database.
 */
import { counted, type EngineStatistics } from "@weft/incremental";
import type { ChangeSet, Replica, RowChange } from "@weft/ovsdb";
import { type ControlCommand, Coverage, type Logger, messageOf, type Runtime, Stopwatch, type Timer } from "@weft/runtime";
import { ovnInternalVersion, type SbSchema, type VsSchema } from "@weft/schemas";
import { controlCommands } from "./commands.ts";
import { Core } from "./core.ts";
import { BadLogicalFlow } from "./lflow/flows.ts";
import { ageingDatapaths } from "./model/ageing.ts";
import { bfdSessions } from "./model/bfd.ts";
import { claimedPorts } from "./model/claimed.ts";
import { config, integrationBridge, ownChassis } from "./model/config.ts";
import { installed, reported, sb, vsColumns } from "./model/inputs.ts";
import { askedNexthops, nexthopConnections } from "./model/nexthops.ts";
import { delegations } from "./model/prefixDelegation.ts";
import { advertisers } from "./model/routerAdvertisements.ts";
import { services } from "./model/services.ts";
import { snoopingSwitches } from "./model/snooping.ts";
import { dialSwitch } from "./ofctrl/dial.ts";
import { SwitchSide } from "./ofctrl/switchSide.ts";
import { balancedBackends } from "./physical/ctFlush.ts";
import { announcements } from "./pinctrl/announce.ts";
import { injection } from "./pinctrl/inject.ts";
import type { OwnChassis } from "./pinctrl/ownChassis.ts";
import { PacketSide } from "./pinctrl/packetSide.ts";
import { Southbound } from "./southbound.ts";
import type { Controller, ControllerOptions } from "./types.ts";
import { VersionMatch } from "./versionMatch.ts";
import { deleteChassis, writeChassis } from "./write/chassis.ts";
import { Committer } from "./write/committer.ts";
import { complaints } from "./write/complaints.ts";
import { LocalSide } from "./write/localSide.ts";
import { refusals } from "./write/refusals.ts";

/** What to monitor of the local database. */
export const localMonitor = vsColumns;

export function createController(options: ControllerOptions): Controller {
  return new RunningController(options);
}

/** Flows that are made at a time until all have been made once, so that the switch takes some meanwhile. */
const PIECE = 2000;
/** Computations that take at least as long (ms) are told in the log, unless inc-engine/compute-log-timeout says otherwise. */
const COMPUTE_LOG_TIMEOUT = 500;
const watches = ["flow-generation", "flow-installation"] as const;
type Watch = (typeof watches)[number];

export class RunningController implements Controller {
  readonly core: Core;
  readonly ended: Promise<void>;
  readonly controlCommands: readonly ControlCommand[];
  readonly coverage: Coverage;
  readonly stopwatches: ReadonlyMap<Watch, Stopwatch> = new Map(watches.map((name) => [name, new Stopwatch()]));
  computeLogTimeout = COMPUTE_LOG_TIMEOUT;
  readonly #options: ControllerOptions;
  readonly #runtime: Runtime;
  readonly #ovs: Replica<VsSchema>;
  readonly #log: Logger;
  readonly #engineLog: Logger;
  readonly #bindingLog: Logger;
  readonly #versionMatch: VersionMatch;
  readonly #switchSide: SwitchSide;
  readonly #packetSide: PacketSide;
  readonly #localSide: LocalSide;
  readonly #southbound: Southbound;
  readonly #sbCommitter: Committer;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #idlers: (() => void)[] = [];
  #end: () => void = () => {};
  /** All flows have been made once. */
  #filled = false;
  #scheduled = false;
  /** The second half of a round is still to come. */
  #halfway = false;
  /** The second half of the last round gave way to another round: that one has it at once. */
  #owing = false;
  #stopped = false;
  #paused = false;
  #wake: Timer | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  /** Pause before nb_cfg is reported (s). */
  reportDelay = 0;

  constructor(options: ControllerOptions) {
    const { runtime } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#ovs = options.ovs;
    this.#log = runtime.log.logger("main");
    this.#versionMatch = new VersionMatch(this.#log, options);
    this.#engineLog = runtime.log.logger("inc_proc_eng");
    this.coverage = new Coverage(runtime.clock, ["lflow_run", "txn_success", "txn_unchanged", "txn_try_again", "txn_error"]);
    this.#bindingLog = runtime.log.logger("binding");
    const common = { runtime, log: this.#log, coverage: this.coverage, wake: () => this.#schedule() };
    this.#sbCommitter = new Committer({ ...common, database: "Southbound" });
    const lflowLog = runtime.log.logger("lflow");
    this.core = new Core({
      settings: {
        systemId: options.systemId,
        hostname: options.hostname,
        rundir: options.rundir,
        startTime: Math.floor(runtime.clock.wall()),
      },
      onError: ({ definition, key, error }) => {
        if (error instanceof BadLogicalFlow) lflowLog.warn(`Logical_Flow ${error.uuid}: ${error.message}`);
        else this.#log.err(`${definition} ${key}: ${messageOf(error)}`);
      },
    });
    this.#southbound = new Southbound({
      core: this.core,
      options,
      log: this.#log,
      opened: (replica) => this.#packetSide.follow(replica),
      filled: () => {
        this.coverage.count("lflow_run");
        this.#schedule();
      },
      changed: (change) => this.#changed("sb", change),
      wake: () => this.#schedule(),
    });
    this.#localSide = new LocalSide({
      core: this.core,
      ovs: options.ovs,
      runtime,
      committer: () => new Committer({ ...common, database: "local database" }),
      log: this.#log,
      bindingLog: this.#bindingLog,
    });
    this.core.engine.collect(
      [refusals],
      counted((line) => line, { appear: (line) => this.#bindingLog.info(line), vanish: () => {} }),
    );
    this.core.engine.collect(
      [complaints],
      counted((line) => line, { appear: (line) => this.#log.warn(line), vanish: () => {} }),
    );
    this.core.engine.collect([claimedPorts], {
      add: (port) => this.#switchSide.awaiting.add(port),
      remove: (port) => {
        this.#switchSide.awaiting.delete(port);
        this.core.engine.delete(installed, port);
        this.#schedule();
      },
    });
    const dial = options.connectBridge ?? dialSwitch(runtime);
    const wake = (): void => this.#schedule();
    this.#packetSide = new PacketSide({ runtime, dial, wake });
    this.#switchSide = new SwitchSide({
      runtime,
      core: this.core,
      dial,
      wake,
      arrived: (nbCfg) => this.#reportNbCfg(nbCfg),
    });
    this.core.engine.collect([balancedBackends, nexthopConnections], this.#switchSide.connections.sink);
    this.core.engine.collect([ageingDatapaths], this.#packetSide.ageing.sink);
    this.core.engine.collect([askedNexthops], this.#packetSide.nexthops.sink);
    this.core.engine.collect([announcements], this.#packetSide.announcer.sink);
    this.core.engine.collect([bfdSessions], this.#packetSide.bfd.sink);
    this.core.engine.collect([services], this.#packetSide.serviceMonitors.sink);
    this.core.engine.collect([advertisers], this.#packetSide.routerAdvertisements.sink);
    this.core.engine.collect([delegations], this.#packetSide.prefixDelegation.sink);
    this.core.engine.collect([snoopingSwitches], this.#packetSide.snooping.sink);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.controlCommands = controlCommands(this);
  }

  async start(): Promise<void> {
    this.#log.info(`OVN internal version is : [${ovnInternalVersion}]`);
    this.#unsubscribe.push(
      this.#ovs.onState((state) => {
        if (state === "filling") this.#log.info("OVS IDL reconnected, force recompute.");
        // What could not be written meanwhile can be now.
        this.#schedule();
      }),
    );
    await this.#ovs.ready();
    const rows: RowChange[] = [];
    for (const table of Object.keys(vsColumns) as (keyof typeof vsColumns)[]) {
      for (const after of this.#ovs.table(table).rows()) rows.push({ table, uuid: after._uuid, after });
    }
    this.core.feed("ovs", rows);
    this.#unsubscribe.push(this.#ovs.onChange((change) => this.#changed("ovs", change)));
    this.#schedule();
  }

  #changed(database: "sb" | "ovs", change: ChangeSet): void {
    this.core.feed(database, change.changes);
    if (database === "ovs") this.#localSide.changed(change.changes);
    else this.#packetSide.changed(change.changes);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#runtime.clock.soon(() => {
      this.#scheduled = false;
      if (!this.#stopped && !this.#paused) this.#run();
    });
  }

  /** Runs again `ms` from now, at the latest. */
  #wakeIn(ms: number): void {
    const at = this.#runtime.clock.now() + ms;
    if (at >= this.#wakeAt) return;
    this.#wake?.cancel();
    this.#wakeAt = at;
    this.#wake = this.#runtime.clock.after(ms, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#schedule();
    });
  }

  /** A round. What the databases are to know goes out first: it is answered while flows are made. */
  #run(): void {
    const [local] = this.#ovs.table("Open_vSwitch").rows();
    const [global] = this.#southbound.replica?.table("SB_Global").rows() ?? [];
    if (this.#versionMatch.foreign(local, global)) return;
    const { clock } = this.#runtime;
    const start = clock.now();
    this.#switchSide.flushZones(this.core.prepare(this.#southbound.settled));
    const prepared = clock.now() - start;
    this.#aim();
    this.#southbound.applyConditions();
    const marks = this.#southbound.whole && this.#localSide.writeMarks();
    const rows = this.#writeSouthbound();
    if (this.#owing || (!marks && !rows)) {
      this.#makeFlows(prepared);
      return;
    }
    this.#halfway = true;
    clock.soon(() => {
      this.#halfway = false;
      if (this.#stopped || this.#paused) return;
      // Where something has changed meanwhile, another round is about to do all of it.
      if (this.#scheduled) this.#owing = true;
      else this.#makeFlows(prepared);
    });
  }

  /** The second half of a round. `prepared`: what the first has taken (ms). */
  #makeFlows(prepared: number): void {
    const { clock } = this.#runtime;
    const start = clock.now();
    this.#owing = false;
    this.core.makeFlows(this.core.begun && !this.#filled ? PIECE : undefined);
    const computed = prepared + clock.now() - start;
    this.stopwatches.get("flow-generation")?.add(computed);
    if (computed >= this.computeLogTimeout) this.#engineLog.info(`computation took ${Math.round(computed)}ms`);
    this.#localSide.committed();
    if (this.#southbound.whole && this.core.read(ownChassis, 0) !== undefined && this.core.begin()) this.#schedule();
    else if (this.core.begun && !this.core.complete) {
      this.#switchSide.fill();
      this.#schedule();
    } else if (this.#southbound.whole && this.core.complete) {
      this.#filled = true;
      const begun = clock.now();
      this.#switchSide.program(this.#nbCfg);
      this.stopwatches.get("flow-installation")?.add(clock.now() - begun);
      const { installed } = this.#switchSide;
      if (installed !== undefined) this.#localSide.restoreFlows(installed);
    }
    this.#localSide.writePlan({ chassis: this.#southbound.settledChassis, all: this.#southbound.settled });
    this.#sendPackets();
    if (this.isIdle) for (const wake of this.#idlers.splice(0)) wake();
  }

  /** Points the connections at what the configuration names. */
  #aim(): void {
    const { read } = this.core;
    const own = read(config, 0);
    this.#southbound.aim(own?.remote);
    this.#southbound.replica?.setProbe?.(own?.probeInterval);
    const bridge = read(integrationBridge, 0);
    const target =
      own === undefined || bridge === undefined
        ? undefined
        : (own.bridgeRemote ?? `unix:${this.#options.rundir}/${own.bridge}.mgmt`);
    const probe = own?.bridgeProbeInterval ?? 0;
    this.#switchSide.aim(target, probe);
    this.#packetSide.aim(target, probe);
  }

  // ---- databases

  /** Returns whether anything was. */
  #writeSouthbound(): boolean {
    const { replica } = this.#southbound;
    if (replica === undefined || this.#sbCommitter.busy || !this.#southbound.settledChassis) return false;
    const transaction = replica.transaction();
    const plan = this.core.plans.plan;
    if (plan?.chassis !== undefined) writeChassis(this.core.read, transaction, plan.chassis);
    const now = this.#runtime.clock.now();
    if (this.#southbound.settled) {
      const { writes, next } = this.core.sbWrites.due(now);
      const wall = this.#runtime.clock.wall();
      for (const write of writes) {
        write.apply(transaction, wall);
        for (const line of write.log ?? []) this.#bindingLog.info(line);
      }
      this.core.sbWrites.tried(writes, now);
      if (next !== undefined) this.#wakeIn(next - now);
      const learned = this.#packetSide.write(transaction, this.#ownChassis);
      if (learned !== undefined) this.#wakeIn(Math.max(0, learned - now));
    }
    this.#sbCommitter.commit(transaction, (failed) => {
      if (failed) this.#packetSide.rewrite();
    });
    return this.#sbCommitter.busy;
  }

  /** Keeps BFD sessions going, and sends announcements and probes once the flows that carry them are in the switch. */
  #sendPackets(): void {
    const bfd = this.#packetSide.sendBfd();
    if (bfd !== undefined) this.#wakeIn(bfd - this.#runtime.clock.now());
    // While some rows are not here yet, flows are not made, and those that are installed are of an earlier state.
    if (!this.#southbound.whole || !this.#switchSide.quiet) return;
    const next = this.#packetSide.send(this.core.read(config, 0));
    if (next !== undefined) this.#wakeIn(next - this.#runtime.clock.now());
  }

  #reportNbCfg(nbCfg: number): void {
    const report = (): void => {
      this.core.engine.set(reported, 0, { nbCfg, time: Math.floor(this.#runtime.clock.wall()) });
      this.#schedule();
    };
    if (this.reportDelay > 0) this.#runtime.clock.after(this.reportDelay * 1000, report);
    else report();
  }

  get #nbCfg(): number | undefined {
    const { read } = this.core;
    const uuid = read.keys(sb.SB_Global)[0];
    return uuid === undefined ? undefined : read(sb.SB_Global, uuid)?.nb_cfg;
  }

  get #ownChassis(): OwnChassis | undefined {
    const { read } = this.core;
    const uuid = read(ownChassis, 0);
    const name = read(config, 0)?.chassis;
    return uuid === undefined || name === undefined ? undefined : { uuid, name };
  }

  // ---- control

  get southbound(): Replica<SbSchema> | undefined {
    return this.#southbound.replica;
  }

  get paused(): boolean {
    return this.#paused;
  }

  setPaused(paused: boolean): void {
    this.#log.info(`User triggered execution ${paused ? "pause" : "resume"}.`);
    this.#paused = paused;
    if (!paused) this.#schedule();
  }

  flushFlowCache(): void {
    this.#log.info("User triggered lflow cache flush.");
    this.recompute();
  }

  resetClusterState(): void {
    this.#log.info("Resetting southbound database cluster state");
    this.#southbound.replica?.resetClusterState?.();
  }

  /** See inject-pkt. Throws a WeftError where the text is no packet of a port that is here. */
  inject(microflow: string): void {
    this.#packetSide.inject(injection(this.core.read, microflow));
  }

  statistics(): EngineStatistics {
    return this.core.engine.statistics();
  }

  memory(): ReadonlyMap<string, number> {
    const cells = new Map([["idl-cells-Open_vSwitch", this.#ovs.cells?.() ?? 0]]);
    const { replica } = this.#southbound;
    if (replica !== undefined) cells.set("idl-cells-OVN_Southbound", replica.cells?.() ?? 0);
    return cells.set("engine-cells", this.statistics().cells);
  }

  recompute(): void {
    this.coverage.count("lflow_run");
    this.core.engine.recompute();
    this.#schedule();
  }

  get isIdle(): boolean {
    const now = this.#runtime.clock.now();
    return (
      this.#southbound.settled &&
      !this.#scheduled &&
      !this.#halfway &&
      !this.#sbCommitter.busy &&
      this.#localSide.quiet &&
      this.#switchSide.quiet &&
      this.#switchSide.awaiting.size === 0 &&
      this.core.sbWrites.due(now).writes.length === 0 &&
      this.core.vsWrites.due(now).writes.length === 0
    );
  }

  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idlers.push(resolve));
  }

  async stop(options: { readonly restart?: boolean } = {}): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wake?.cancel();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#southbound.unsubscribe();
    const restart = options.restart ?? this.core.read(config, 0)?.cleanupOnExit === false;
    this.#log.info(`Exiting ovn-controller, resource cleanup: ${restart ? "False" : "True"}`);
    if (!restart) await this.#cleanUp();
    this.#switchSide.aim(undefined, 0);
    this.#packetSide.aim(undefined, 0);
    await this.#southbound.replica?.close();
    this.#end();
  }

  async #cleanUp(): Promise<void> {
    const { read } = this.core;
    const { replica } = this.#southbound;
    if (replica !== undefined && this.#southbound.settledChassis) {
      const transaction = replica.transaction();
      deleteChassis(read, transaction);
      const result = await transaction.commit();
      if (result.status === "error") this.#log.warn(`Southbound: clean-up failed: ${result.error}`);
    }
    await this.#localSide.cleanUp();
  }
}
