/**
 * The controller without its connections: rows in; flows, groups, meters, zones and outstanding writes out. Everything
 * that has to be right whatever the order of events is here.
 */
import { createEngine, type Each, type Engine, type EvaluationFailure, type Read, type Sink } from "@weft/incremental";
import type { GroupRequest, MeterRequest } from "@weft/logical";
import type { RowChange, Transaction } from "@weft/ovsdb";
import type { SbSchema, VsSchema } from "@weft/schemas";
import { logicalFlows } from "./lflow/flows.ts";
import { config, integrationBridge } from "./model/config.ts";
import { feed, groupNumbers, meterNumbers, type Settings, settings, vs } from "./model/inputs.ts";
import { nexthopMacs } from "./model/nexthops.ts";
import { DesiredFlows, type Place } from "./ofctrl/desired.ts";
import { NumberBook } from "./ofctrl/numbers.ts";
import { activation } from "./physical/activation.ts";
import { fixedFlows } from "./physical/fixed.ts";
import { floodRemote } from "./physical/floodRemote.ts";
import type { DesiredFlow } from "./physical/flow.ts";
import { hairpins } from "./physical/hairpin.ts";
import { chassisMacs, portIngress } from "./physical/ingress.ts";
import { multicastGroups } from "./physical/multicast.ts";
import { forwardingDatabase, macBindings, staticMacBindings } from "./physical/neighbours.ts";
import { portOutput } from "./physical/output.ts";
import { portSecurity } from "./physical/portSecurity.ts";
import { sharedTunnelIngress, tunnelIngress } from "./physical/tunnelIngress.ts";
import { claims, ups } from "./write/claims.ts";
import { installedMarks } from "./write/local.ts";
import { bridgeNbCfg, sbNbCfg, startupTime } from "./write/nbCfg.ts";
import { PlanBook, plans } from "./write/plan.ts";
import { Outstanding } from "./write/writes.ts";
import { datapathLimits, LimitBook, portLimits } from "./write/zoneLimits.ts";
import { datapathZoneNames, portZones, requestedZones, ZoneBook } from "./write/zones.ts";

/** Every source of flows. */
export const flowFeatures: readonly Each<DesiredFlow>[] = [
  fixedFlows,
  tunnelIngress,
  sharedTunnelIngress,
  portIngress,
  chassisMacs,
  activation,
  portOutput,
  multicastGroups,
  floodRemote,
  portSecurity,
  macBindings,
  staticMacBindings,
  forwardingDatabase,
  hairpins,
  logicalFlows,
];

/** Evaluations between two looks at how many flows they have made: one makes none, another some for each datapath. */
const STEP = 100;

export interface CoreOptions {
  readonly settings: Settings;
  readonly onError?: (failure: EvaluationFailure) => void;
}

export class Core {
  readonly engine: Engine;
  readonly flows = new DesiredFlows();
  readonly zones = new ZoneBook();
  readonly limits = new LimitBook();
  readonly plans = new PlanBook();
  readonly groups = new NumberBook<GroupRequest>(groupNumbers, (flow) => flow.groups);
  readonly meters = new NumberBook<MeterRequest>(meterNumbers, (flow) => flow.meters);
  readonly sbWrites = new Outstanding<Transaction<SbSchema>>();
  readonly vsWrites = new Outstanding<Transaction<VsSchema>>();
  #restored = false;
  #begun = false;

  constructor(options: CoreOptions) {
    this.engine = createEngine(options.onError === undefined ? {} : { onError: options.onError });
    this.engine.collect([portZones, datapathZoneNames], this.zones.sink);
    this.engine.collect([requestedZones], this.zones.requests);
    this.engine.collect([datapathLimits, portLimits], this.limits.sink);
    this.engine.collect([plans], this.plans.sink);
    this.engine.collect([claims, ups, sbNbCfg, nexthopMacs], this.sbWrites.sink);
    this.engine.collect([installedMarks, bridgeNbCfg, startupTime], this.vsWrites.sink);
    this.engine.set(settings, 0, options.settings);
  }

  /**
   * Makes flows from the next commit on. Not before everything that they depend on is here: until then the Southbound tells
   * piece by piece what is local, and most flows would be made several times. Returns whether they are begun only now.
   */
  begin(): boolean {
    if (this.#begun) return false;
    this.#begun = true;
    const { sink } = this.flows;
    const flows: Sink<DesiredFlow> = {
      add: (flow, from) => {
        sink.add(flow, from);
        this.groups.add(flow);
        this.meters.add(flow);
      },
      remove: (flow, from) => {
        sink.remove(flow, from);
        this.groups.remove(flow);
        this.meters.remove(flow);
      },
    };
    this.engine.collect(flowFeatures, flows, true);
    return true;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Whether all flows are made. */
  get complete(): boolean {
    return this.#begun && !this.engine.unfinished;
  }

  get read(): Read {
    return this.engine.read;
  }

  feed(database: "sb" | "ovs", changes: readonly RowChange[]): void {
    feed(this.engine, database, changes);
  }

  /**
   * Brings everything up to date but the flows. `settled` says that both databases are here as a whole, so that zones which
   * nobody wants may be given to others. Returns the zones that are new in use.
   */
  prepare(settled: boolean): number[] {
    this.engine.commit(0);
    if (!this.#restored) {
      const bridge = this.read(integrationBridge, 0);
      const row = bridge === undefined ? undefined : this.read(vs.Bridge, bridge);
      if (row !== undefined) {
        this.zones.restore(row.external_ids);
        this.#restored = true;
      }
    }
    const range = this.read(config, 0)?.zoneRange ?? [1, 65535];
    return this.zones.allot(this.engine, range, settled);
  }

  /** Makes the flows; only about `piece` of them, where that is given and there are more. */
  makeFlows(piece?: number): void {
    const most = piece === undefined ? undefined : STEP;
    const enough = this.flows.changing + (piece ?? 0);
    do this.engine.commit(most);
    while (this.engine.unfinished && this.flows.changing < enough);
    const groups = this.groups.allot(this.engine);
    const meters = this.meters.allot(this.engine);
    if (groups || meters) this.engine.commit(most);
  }

  /** Brings everything up to date; see {@link prepare}. */
  commit(settled: boolean): number[] {
    const fresh = this.prepare(settled);
    this.makeFlows();
    return fresh;
  }

  takeFlows(): Place[] {
    return this.flows.take();
  }
}
