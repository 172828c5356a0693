/**
 * The daemon's work: follows both databases, keeps the core up to date with the northbound one, brings the southbound one
 * to what the core says, and writes back what people wait for (ovn-northd(8)).
 */
import type { EngineStatistics } from "@weft/incremental";
import type { ChangeSet, Replica, ReplicaState, RowChange, TableName, Transaction, TransactionResult, Uuid } from "@weft/ovsdb";
import { type ControlCommand, Coverage, type Logger, messageOf, type Runtime, Stopwatch, type Timer } from "@weft/runtime";
import type { NbRow, NbSchema, SbRow, SbSchema } from "@weft/schemas";
import { ovnInternalVersion, ovnNorthbound } from "@weft/schemas";
import { Ageing } from "./ageing.ts";
import { type DatapathKeys, datapathKeys } from "./allocate/datapathKeys.ts";
import { northdCommands } from "./commands.ts";
import { Core } from "./core.ts";
import { type GlobalOptions, KeptOptions } from "./globalOptions.ts";
import { type ChassisFeature, chassisFacts } from "./model/chassis.ts";
import type { Settings } from "./model/globals.ts";
import { redirectName } from "./model/routerPort.ts";
import { dropSample } from "./output/dropSample.ts";
import { datapathOwner } from "./output/keys.ts";
import { writeBfd, writeChecks, writeHosts, writePrefixes } from "./output/statusBack.ts";
import { SouthboundWriter } from "./output/writer.ts";
import { Unsupported } from "./support/unsupported.ts";
import { learnedRouteOf, membershipOf, serviceOf } from "./told.ts";
import type { Northd, NorthdOptions, NorthdStatus } from "./types.ts";

const LOCK = "ovn_northd";
const IC_VXLAN = "ic-vxlan_mode";
/** Wait before a transaction that the server refused is tried again, in ms. */
const RETRY_AFTER = 1000;
/** Domains of samples of drops are smaller: the reference, too, takes no 255. */
const DOMAIN_LIMIT = 255;
/** Computations that take at least as long (ms) are told in the log, unless inc-engine/compute-log-timeout says otherwise. */
const COMPUTE_LOG_TIMEOUT = 500;
const watches = ["ovn-northd-loop", "northd", "lflows_to_sb"] as const;
type Watch = (typeof watches)[number];
const outcomes = ["success", "unchanged", "try_again", "not_locked", "error"] as const;
const nbTables = Object.keys(ovnNorthbound.tables) as TableName<NbSchema>[];

export function createNorthd(options: NorthdOptions): Northd {
  return new Daemon(options);
}

class Daemon implements Northd {
  readonly #runtime: Runtime;
  readonly #nb: Replica<NbSchema>;
  readonly #sb: Replica<SbSchema>;
  readonly #log: Logger;
  readonly #main: Logger;
  readonly #engineLog: Logger;
  readonly #unsupported: Unsupported;
  readonly #stops: (() => void)[] = [];
  readonly controlCommands: readonly ControlCommand[];
  readonly coverage: Coverage;
  readonly stopwatches: ReadonlyMap<Watch, Stopwatch> = new Map(watches.map((name) => [name, new Stopwatch()]));
  computeLogTimeout = COMPUTE_LOG_TIMEOUT;
  #core: Core | undefined;
  #writer: SouthboundWriter | undefined;
  #paused: boolean;
  #stopped = false;
  #running = false;
  #wanted = false;
  /** The writer's idea of the database may be wrong: take stock again. */
  #stale = true;
  #idlers: (() => void)[] = [];
  #retry: Timer | undefined;
  #statusChanged = true;
  /** Names of port bindings of which the northbound database may have to be told: `up`, and who hosts gateway ports. */
  readonly #upNames = new Set<string>();
  /** Switch ports whose dynamic addresses or tag are still to be written. */
  readonly #owed = new Set<Uuid>();
  /** What the log has said last of transactions that fail. */
  readonly #failures = new Map<"northbound" | "southbound", string>();
  /** Chassis that lack features, which the log has named. */
  readonly #olderChassis = new Map<Uuid, string>();
  readonly #ageing: Ageing;
  readonly #options: KeptOptions;
  #ageTimer: Timer | undefined;
  /** The domain of samples that the log has told to be none. */
  #refusedDomain: number | undefined;
  /** When the next round may begin (monotonic ms): NB_Global:options:northd-backoff-interval-ms. */
  #earliest = 0;
  #backoff: Timer | undefined;
  /** Columns of NB_Global as they were written last. */
  #reported: Readonly<Record<string, unknown>> = {};
  #nbCfgSeen: number | undefined;
  #nbCfgTime = 0;

  constructor({ runtime, nb, sb, paused }: NorthdOptions) {
    this.#runtime = runtime;
    this.#nb = nb;
    this.#sb = sb;
    this.#paused = paused === true;
    this.#log = runtime.log.logger("northd");
    this.#main = runtime.log.logger("ovn_northd");
    this.#engineLog = runtime.log.logger("inc_proc_eng");
    this.#ageing = new Ageing({ nb, sb, clock: runtime.clock, log: runtime.log.logger("mac_binding_aging") });
    this.#options = new KeptOptions(runtime.random);
    this.#unsupported = new Unsupported((text) => this.#log.warn(text));
    this.coverage = new Coverage(runtime.clock, ["northd_run", ...outcomes.map((status) => `txn_${status}`)]);
    this.controlCommands = northdCommands(this);
  }

  async start(): Promise<void> {
    this.#main.info(`OVN internal version is : [${ovnInternalVersion}]`);
    this.#stops.push(
      this.#nb.onChange((set) => this.#northboundChanged(set)),
      this.#sb.onChange((set) => this.#southboundChanged(set)),
      this.#sb.onLock((held) => {
        if (held) this.#main.info("ovn-northd lock acquired. This ovn-northd instance is now active.");
        else if (!this.#paused) this.#main.info("ovn-northd lock lost. This ovn-northd instance is now on standby.");
        this.#stale = true;
        this.#kick();
      }),
      this.#nb.onState((state) => this.#stateChanged("NB", state)),
      this.#sb.onState((state) => this.#stateChanged("SB", state)),
    );
    if (!this.#paused) this.#sb.setLock(LOCK);
    await Promise.all([this.#nb.ready(), this.#sb.ready()]);
    this.#kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#backoff?.cancel();
    this.#ageTimer?.cancel();
    for (const stop of this.#stops.splice(0)) stop();
    while (this.#running) await this.#runtime.clock.sleep(1);
    for (const idle of this.#idlers.splice(0)) idle();
  }

  pause(): void {
    this.#paused = true;
    this.#sb.setLock(undefined);
    this.#main.info("This ovn-northd instance is now paused.");
  }

  resume(): void {
    this.#paused = false;
    this.#sb.setLock(LOCK);
    this.#stale = true;
    this.#kick();
  }

  status(): NorthdStatus {
    if (this.#paused) return "paused";
    return this.#sb.hasLock ? "active" : "standby";
  }

  idle(): Promise<void> {
    if (!this.#running && !this.#wanted) return Promise.resolve();
    return new Promise((resolve) => this.#idlers.push(resolve));
  }

  recompute(): void {
    this.#core?.engine.recompute();
    this.#kick();
  }

  memory(): ReadonlyMap<string, number> {
    return new Map([
      ["idl-cells-OVN_Northbound", this.#nb.cells?.() ?? 0],
      ["idl-cells-OVN_Southbound", this.#sb.cells?.() ?? 0],
      ["engine-cells", this.#core?.engine.statistics().cells ?? 0],
    ]);
  }

  /** Stops a watch that was started at `start` (monotonic ms); returns how long it ran. */
  #took(watch: Watch, start: number): number {
    const ms = this.#runtime.clock.now() - start;
    this.stopwatches.get(watch)?.add(ms);
    return ms;
  }

  #counted(result: TransactionResult): TransactionResult {
    this.coverage.count(`txn_${result.status.replaceAll("-", "_")}`);
    return result;
  }

  statistics(): EngineStatistics {
    return this.#core?.engine.statistics() ?? { evaluations: new Map(), commits: 0, cells: 0 };
  }

  connected(database: "nb" | "sb"): boolean {
    return (database === "nb" ? this.#nb : this.#sb).state === "synced";
  }

  resetClusterState(database: "nb" | "sb"): void {
    this.#main.info(`Resetting ${database === "nb" ? "northbound" : "southbound"} database cluster state`);
    (database === "nb" ? this.#nb : this.#sb).resetClusterState?.();
  }

  #stateChanged(database: string, state: ReplicaState): void {
    if (state === "filling") this.#main.info(`OVN ${database} IDL reconnected, force recompute.`);
    this.#ageing.restart();
    this.#kick();
  }

  #northboundChanged(set: ChangeSet): void {
    this.#ageing.northboundChanged(set);
    for (const { table, uuid, after } of set.changes) {
      this.#core?.set(table as TableName<NbSchema>, uuid, after as object | undefined);
      if (after === undefined) continue;
      this.#unsupported.check(table, uuid, after as object);
      if (table === "Logical_Switch_Port") this.#upNames.add((after as NbRow<"Logical_Switch_Port">).name);
      else if (table === "Logical_Router_Port") {
        const { name } = after as NbRow<"Logical_Router_Port">;
        this.#upNames.add(name).add(redirectName(name));
      } else if (table === "BFD") this.#statusChanged = true;
    }
    if (!set.changes.every((change) => this.#isReport(change) || this.#isUp(change))) this.#kick();
  }

  #southboundChanged(set: ChangeSet): void {
    let news = this.#writer === undefined || this.#writer.onChange(set);
    this.#ageing.southboundChanged(set);
    for (const { table, uuid, before, after } of set.changes) {
      if (table === "Port_Binding") {
        const { logical_port } = (after ?? before) as SbRow<"Port_Binding">;
        this.#upNames.add(logical_port);
        if (before === undefined) news ||= [...this.#ups([logical_port])].some(([, up]) => up);
        this.#core?.setTold(logical_port, (after as SbRow<"Port_Binding"> | undefined)?.options);
      } else if (table === "IGMP_Group")
        this.#core?.setMembership(uuid, membershipOf(this.#sb, after as SbRow<"IGMP_Group"> | undefined));
      else if (table === "Learned_Route")
        this.#core?.setLearnedRoute(uuid, learnedRouteOf(this.#sb, after as SbRow<"Learned_Route"> | undefined));
      else if (table === "Service_Monitor") {
        this.#core?.setServiceStatus(...serviceOf(before, after));
        this.#statusChanged = true;
      } else if (table === "BFD") {
        this.#core?.setBfd(uuid, after as SbRow<"BFD"> | undefined);
        this.#statusChanged = true;
      } else if (table === "Chassis") this.#chassisChanged(this.#core, uuid, after as SbRow<"Chassis"> | undefined);
    }
    if (news) this.#kick();
  }

  /** Of a chassis whose controller is older than these flows, the log says so: flows of this version may be beyond it. */
  #chassisChanged(core: Core | undefined, uuid: Uuid, row: SbRow<"Chassis"> | undefined): void {
    const facts = row && chassisFacts(row);
    core?.setChassis(uuid, facts);
    const lacking = facts?.lacking.join(", ") ?? "";
    if (lacking !== "" && lacking !== this.#olderChassis.get(uuid)) {
      this.#log.warn(
        `chassis ${facts?.name}: its ovn-controller does not have the features ${lacking}: they are not used; an ovn-controller older than ovn-northd may fail on other flows too`,
      );
    }
    if (lacking === "") this.#olderChassis.delete(uuid);
    else this.#olderChassis.set(uuid, lacking);
  }

  chassisFeatures(): ReadonlyMap<ChassisFeature, boolean> {
    return this.#core?.chassisFeatures() ?? new Map();
  }

  get #able(): boolean {
    return !this.#stopped && !this.#paused && this.#sb.hasLock && this.#nb.state === "synced" && this.#sb.state === "synced";
  }

  #kick(): void {
    this.#wanted = true;
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#runtime.clock.soon(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#wanted && this.#able && this.#retry === undefined && !this.#held()) {
      this.#wanted = false;
      try {
        const start = this.#runtime.clock.now();
        this.coverage.count("northd_run");
        await this.#round();
        this.#earliest =
          this.#runtime.clock.now() + Math.min(this.#took("ovn-northd-loop", start), this.#settings.longestBackoff);
      } catch (error) {
        this.#log.err(`${messageOf(error)}; all is computed anew`);
        this.#core = undefined;
        this.#later();
      }
    }
    this.#running = false;
    if (!this.#able) this.#wanted = false;
    else if (this.#backoff !== undefined) return;
    for (const idle of this.#idlers.splice(0)) idle();
  }

  get #nbGlobal(): NbRow<"NB_Global"> | undefined {
    return first(this.#nb.table("NB_Global").rows());
  }

  get #settings(): Settings {
    return this.#options.settings(this.#nbGlobal?.options);
  }

  /** Whether it is too early for a round, which then comes by itself. */
  #held(): boolean {
    const left = this.#earliest - this.#runtime.clock.now();
    if (left <= 0) return false;
    this.#backoff ??= this.#runtime.clock.after(left, () => {
      this.#backoff = undefined;
      this.#kick();
    });
    return true;
  }

  #later(): void {
    this.#stale = true;
    this.#retry ??= this.#runtime.clock.after(RETRY_AFTER, () => {
      this.#retry = undefined;
      this.#kick();
    });
  }

  async #round(): Promise<void> {
    const keys = datapathKeys(this.#vxlan(), this.#interconnectVxlan());
    if (this.#core?.keys.vxlan !== keys.vxlan || this.#core.keys.max !== keys.max) this.#core = this.#load(keys);
    const core = this.#core;
    const nbGlobal = this.#nbGlobal;
    const options = this.#options.all(nbGlobal?.options, keys);
    core.macPrefix = options.northbound.get("mac_prefix")!;
    core.flows.dropSample = this.#dropSample(options.settings);
    for (const database of [this.#nb, this.#sb]) database.setProbe?.(options.settings.probe);
    const nbCfg = nbGlobal?.nb_cfg ?? 0;
    if (nbCfg !== this.#nbCfgSeen) {
      this.#nbCfgSeen = nbCfg;
      this.#nbCfgTime = Math.floor(this.#runtime.clock.wall());
    }
    this.#updateUp(core);
    const start = this.#runtime.clock.now();
    core.compute();
    const computed = this.#took("northd", start);
    if (computed >= this.computeLogTimeout) this.#engineLog.info(`computation took ${Math.round(computed)}ms`);
    core.setGlobal({ nb_cfg: nbCfg, options: options.southbound, ipsec: nbGlobal?.ipsec ?? false });
    if (this.#stale) {
      this.#writer = new SouthboundWriter(this.#sb, this.#runtime.random, core.rows, core.flows);
      this.#writer.adopt();
      this.#stale = false;
    }
    // The two do not depend on each other; what is told when all is written does. The longer one leaves before the other is made.
    const southbound = this.#writeSouthbound();
    await Promise.resolve();
    const [result] = await Promise.all([southbound, this.#writeNorthbound(core, options)]);
    if (result !== undefined && result.status !== "success" && result.status !== "unchanged") {
      this.#stale = true;
      if (result.status === "error") {
        this.#failed("southbound", result);
        this.#later();
      } else this.#wanted = true;
      await this.#writeStatus(core);
      return;
    }
    this.#failures.delete("southbound");
    await this.#reportConfiguration(nbCfg);
    await this.#writeStatus(core);
    await this.#age();
  }

  /** Forgets what has aged, and comes again for what will have. */
  async #age(): Promise<void> {
    this.#ageTimer?.cancel();
    const tx = this.#sb.transaction();
    const next = this.#ageing.write(tx);
    if (next !== undefined) this.#ageTimer = this.#runtime.clock.after(next, () => this.#kick());
    if (!tx.empty) this.#counted(await tx.commit());
  }

  #dropSample({ dropDomain, dropCollectorSet }: Settings): string | undefined {
    const apps = this.#nb.table("Sampling_App").index("type", ({ type }) => [type]);
    const [app] = apps.get("drop");
    const domain = app?.id ?? dropDomain;
    if (domain >= DOMAIN_LIMIT && domain !== this.#refusedDomain) {
      this.#runtime.log.logger("debug").err("Observation domain id must be an 8-bit number");
    }
    this.#refusedDomain = domain >= DOMAIN_LIMIT ? domain : undefined;
    return domain >= DOMAIN_LIMIT ? undefined : dropSample(domain, dropCollectorSet);
  }

  /** A core with all that both databases have now. */
  #load(keys: DatapathKeys): Core {
    const datapathRows = this.#sb.table("Datapath_Binding").index("nb", (datapath) => [datapathOwner(datapath)]);
    const portRows = this.#sb.table("Port_Binding").index("logical_port", (port) => [port.logical_port]);
    const groupRows = this.#sb.table("Multicast_Group").index("name", (group) => {
      const owner = this.#sb.table("Datapath_Binding").get(group.datapath);
      return owner === undefined ? [] : [`${datapathOwner(owner)} ${group.name}`];
    });
    const core = new Core(
      {
        existingDatapathKey: (uuid) => datapathRows.get(uuid)[0]?.tunnel_key,
        existingPortKey: (name, datapath) => {
          const port = portRows.get(name)[0];
          const owner = port && this.#sb.table("Datapath_Binding").get(port.datapath);
          return owner !== undefined && datapathOwner(owner) === datapath ? port?.tunnel_key : undefined;
        },
        existingGroupKey: (address, datapath) => groupRows.get(`${datapath} ${address}`)[0]?.tunnel_key,
        existingQueue: (port) => {
          const queue = portRows.get(port)[0]?.options.get("qdisc_queue_id");
          return queue === undefined ? undefined : Number(queue);
        },
        existingAclId: (uuid) => this.#sb.table("ACL_ID").get(uuid as Uuid)?.id,
        warn: (module, text) => this.#runtime.log.logger(module).warn(text),
      },
      keys,
    );
    for (const table of nbTables) {
      for (const item of this.#nb.table(table).rows()) {
        core.set(table, item._uuid, item);
        this.#unsupported.check(table, item._uuid, item);
      }
    }
    for (const port of this.#nb.table("Logical_Switch_Port").rows()) this.#upNames.add(port.name);
    for (const { name } of this.#nb.table("Logical_Router_Port").rows()) this.#upNames.add(name).add(redirectName(name));
    for (const { logical_port, options } of this.#sb.table("Port_Binding").rows()) {
      core.setTold(logical_port, options);
    }
    for (const item of this.#sb.table("BFD").rows()) core.setBfd(item._uuid, item);
    for (const item of this.#sb.table("Chassis").rows()) this.#chassisChanged(core, item._uuid, item);
    for (const item of this.#sb.table("IGMP_Group").rows()) core.setMembership(item._uuid, membershipOf(this.#sb, item));
    for (const item of this.#sb.table("Learned_Route").rows()) core.setLearnedRoute(item._uuid, learnedRouteOf(this.#sb, item));
    for (const item of this.#sb.table("Service_Monitor").rows()) core.setServiceStatus(...serviceOf(undefined, item));
    this.#stale = true;
    return core;
  }

  /** Where some chassis speaks only VXLAN, keys are as short as its header. */
  #vxlan(): boolean {
    const encaps = this.#sb.table("Encap").index("type", ({ type }) => [type]);
    return this.#settings.vxlanKeys && encaps.get("vxlan").length > 0;
  }

  /** ovn-ic sets the option on transit switches; any value counts. */
  #interconnectVxlan(): boolean {
    const switches = this.#nb.table("Logical_Switch");
    const marked = switches.index(IC_VXLAN, ({ other_config }) => (other_config.has(IC_VXLAN) ? [IC_VXLAN] : []));
    return marked.get(IC_VXLAN).length > 0;
  }

  /** What `up` of switch ports should be, to write it and to compute with. */
  #updateUp(core: Core): void {
    for (const [uuid, up, chassis] of this.#ups(this.#upNames)) core.setPortUp(uuid, up, chassis);
  }

  *#ups(names: Iterable<string>): Iterable<readonly [port: Uuid, up: boolean, chassis: string | undefined]> {
    const ports = this.#nb.table("Logical_Switch_Port").index("name", (port) => [port.name]);
    const bindings = this.#sb.table("Port_Binding").index("logical_port", (port) => [port.logical_port]);
    for (const name of names) {
      const binding = bindings.get(name)[0];
      const chassis = binding?.chassis === undefined ? undefined : this.#sb.table("Chassis").get(binding.chassis)?.name;
      for (const port of ports.get(name)) {
        const up = port.type === "router" ? binding !== undefined : binding?.up === true && binding.chassis !== undefined;
        yield [port._uuid, up, chassis];
      }
    }
  }

  async #writeSouthbound(): Promise<TransactionResult | undefined> {
    const start = this.#runtime.clock.now();
    const result = await this.#writer!.write();
    this.#took("lflows_to_sb", start);
    return result && this.#counted(result);
  }

  async #writeNorthbound(core: Core, { northbound: options }: GlobalOptions): Promise<void> {
    const tx = this.#nb.transaction();
    tx.comment("ovn-northd");
    const nbGlobal = this.#nbGlobal;
    if (nbGlobal === undefined) tx.insert("NB_Global", { options });
    else if (nbGlobal.options !== options) tx.update("NB_Global", nbGlobal._uuid, { options });
    const ports = this.#nb.table("Logical_Switch_Port");
    for (const { _uuid, network_function_active } of this.#nb.table("Network_Function_Group").rows()) {
      const active = core.activeNetworkFunction(_uuid);
      if (network_function_active !== active) {
        tx.update("Network_Function_Group", _uuid, { network_function_active: active });
      }
    }
    for (const uuid of core.takeWriteBacks()) this.#owed.add(uuid);
    const owed = [...this.#owed];
    this.#owed.clear();
    for (const uuid of owed) {
      const port = ports.get(uuid);
      if (port === undefined) continue;
      const addresses = core.addressesOf(uuid);
      const tag = core.tagOf(uuid);
      if (port.dynamic_addresses !== addresses) tx.update("Logical_Switch_Port", uuid, { dynamic_addresses: addresses });
      if (tag !== undefined && port.tag !== tag) tx.update("Logical_Switch_Port", uuid, { tag });
    }
    // Of ports that are not bound yet, the binding's being there may say more.
    const bindings = this.#sb.table("Port_Binding").index("logical_port", (port) => [port.logical_port]);
    const names = [...this.#upNames].filter((name) => bindings.get(name).length > 0);
    this.#putStatus(tx, names);
    if (await this.#commitNorthbound(tx)) return;
    // All of it is still to be written.
    for (const uuid of owed) this.#owed.add(uuid);
    for (const name of names) this.#upNames.add(name);
    this.#statusChanged = true;
  }

  /** Writes what the southbound database says since the round's transaction, to compute with as well. */
  async #writeStatus(core: Core): Promise<void> {
    this.#updateUp(core);
    const names = [...this.#upNames];
    const tx = this.#nb.transaction();
    tx.comment("ovn-northd");
    this.#putStatus(tx, names);
    if (await this.#commitNorthbound(tx)) return;
    for (const name of names) this.#upNames.add(name);
    this.#statusChanged = true;
  }

  /** What is said of ports with these names, and of BFD sessions and checks if that has changed. */
  #putStatus(tx: Transaction<NbSchema>, names: readonly string[]): void {
    for (const name of names) this.#upNames.delete(name);
    const ports = this.#nb.table("Logical_Switch_Port");
    for (const [uuid, up] of this.#ups(names)) {
      if (ports.get(uuid)?.up !== up) tx.update("Logical_Switch_Port", uuid, { up });
    }
    writeHosts(tx, this.#nb, this.#sb, names);
    writePrefixes(tx, this.#nb, this.#sb, names);
    if (this.#statusChanged) {
      writeBfd(tx, this.#nb, this.#sb);
      writeChecks(tx, this.#nb, this.#sb);
    }
    this.#statusChanged = false;
  }

  /** Whether it has gone through, or there was nothing to write; comes again otherwise. */
  async #commitNorthbound(tx: Transaction<NbSchema>): Promise<boolean> {
    if (tx.empty) return true;
    const result = this.#counted(await tx.commit());
    if (result.status === "success" || result.status === "unchanged") {
      this.#failures.delete("northbound");
      return true;
    }
    if (result.status === "error") {
      this.#failed("northbound", result);
      this.#later();
    } else this.#wanted = true;
    return false;
  }

  /** Says why a transaction failed, once as long as it is the same. */
  #failed(database: "northbound" | "southbound", { error, details }: { error: string; details?: string }): void {
    const text = `${error}${details ? ` (${details})` : ""}`;
    if (this.#failures.get(database) === text) return;
    this.#failures.set(database, text);
    this.#log.err(`${database} transaction failed: ${text}; trying again`);
  }

  /** Tells how far the configuration has come: sb_cfg when the southbound database has it, hv_cfg when all chassis have. */
  async #reportConfiguration(nbCfg: number): Promise<void> {
    const nbGlobal = this.#nbGlobal;
    if (nbGlobal === undefined) return;
    const now = Math.floor(this.#runtime.clock.wall());
    const report = {
      ...(nbGlobal.sb_cfg === nbCfg ? {} : { nb_cfg_timestamp: this.#nbCfgTime, sb_cfg: nbCfg, sb_cfg_timestamp: now }),
      ...this.#chassisReport(nbCfg),
    };
    const tx = this.#nb.transaction();
    tx.update("NB_Global", nbGlobal._uuid, report);
    if (tx.empty) return;
    this.#reported = report;
    await this.#commitNorthbound(tx);
  }

  /** How far the last of the chassis has come, and when. */
  #chassisReport(nbCfg: number): { readonly hv_cfg: number; readonly hv_cfg_timestamp: number } {
    let hvCfg = nbCfg;
    let hvTime = 0;
    for (const chassis of this.#sb.table("Chassis_Private").rows()) {
      const other = chassis.chassis === undefined ? undefined : this.#sb.table("Chassis").get(chassis.chassis);
      if (other?.other_config.get("is-remote") === "true") continue;
      if (chassis.nb_cfg < hvCfg) {
        hvCfg = chassis.nb_cfg;
        hvTime = chassis.nb_cfg_timestamp;
      } else if (chassis.nb_cfg === hvCfg) hvTime = Math.max(hvTime, chassis.nb_cfg_timestamp);
    }
    return { hv_cfg: hvCfg, hv_cfg_timestamp: hvTime };
  }

  /** Whether a change says of a port no more than whether it is up, and that as it is. */
  #isUp({ table, before, after }: RowChange): boolean {
    if (table !== "Logical_Switch_Port" || before === undefined || after === undefined) return false;
    const was = before as Readonly<Record<string, unknown>>;
    if (!Object.entries(after as object).every(([column, value]) => column === "up" || value === was[column])) return false;
    const { name } = after as NbRow<"Logical_Switch_Port">;
    const ports = this.#nb.table("Logical_Switch_Port");
    return [...this.#ups([name])].every(([uuid, up]) => ports.get(uuid)?.up === up);
  }

  /** Whether a change is the database's word of what was reported to it. */
  #isReport({ table, before, after }: RowChange): boolean {
    if (table !== "NB_Global" || before === undefined || after === undefined) return false;
    const was = before as Readonly<Record<string, unknown>>;
    return Object.entries(after as object).every(([column, value]) => value === was[column] || value === this.#reported[column]);
  }
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
