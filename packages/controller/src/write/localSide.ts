/** Brings the local database in line: marks on interfaces at once, everything else by comparing it with the plan. */

import { sameContent } from "@weft/incremental";
import type { Replica, RowChange } from "@weft/ovsdb";
import type { Logger, Runtime } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import type { Core } from "../core.ts";
import { config } from "../model/config.ts";
import { isOneOfSeveral } from "../model/ha.ts";
import type { LocalRow } from "../model/inputs.ts";
import type { Committer } from "./committer.ts";
import { FlowRestore } from "./flowRestore.ts";
import { cleanLocal, writeBridge, writePatches, writePrefixes } from "./local.ts";
import { writeMirrors } from "./mirrors.ts";
import { writeQueues } from "./queues.ts";
import { writeTunnels } from "./tunnels.ts";

export interface LocalSideOptions {
  readonly core: Core;
  readonly ovs: Replica<VsSchema>;
  readonly runtime: Runtime;
  readonly committer: () => Committer;
  readonly log: Logger;
  readonly bindingLog: Logger;
}

/** Whether what the plan is compared with may have changed: of interfaces it is what tunnels are made of. */
function concernsPlan({ table, before, after }: RowChange): boolean {
  if (table !== "Interface" || before === undefined || after === undefined) return true;
  const [old, now] = [before, after] as LocalRow<"Interface">[]; // the table's name says so
  return !sameContent([old?.type, old?.options, old?.bfd], [now?.type, now?.options, now?.bfd]);
}

export class LocalSide {
  readonly #options: LocalSideOptions;
  /** Marks do not wait for what else is written: others wait for them. */
  readonly #marks: Committer;
  readonly #plan: Committer;
  /** The database may differ from the plan. */
  #dirty = true;
  #zonesWritten = -1;
  readonly #flowRestore = new FlowRestore();

  constructor(options: LocalSideOptions) {
    this.#options = options;
    this.#marks = options.committer();
    this.#plan = options.committer();
  }

  /** Everything is written, as far as is known. */
  get quiet(): boolean {
    return !this.#dirty && !this.#plan.busy && !this.#marks.busy;
  }

  #mayWrite(committer: Committer): boolean {
    return !committer.busy && this.#options.ovs.state === "synced";
  }

  /** Rows of the database have changed. */
  changed(changes: readonly RowChange[]): void {
    this.#dirty ||= changes.some(concernsPlan);
  }

  /** To be called after every commit of the core. */
  committed(): void {
    const { plans, limits, zones } = this.#options.core;
    const changes = [plans.takeChanged(), limits.takeChanged(), zones.version !== this.#zonesWritten];
    if (changes.includes(true)) this.#dirty = true;
  }

  /** Writes what others wait for: that ports are installed, up to which configuration. Returns whether any of it is on its way. */
  writeMarks(): boolean {
    const { core, ovs, runtime, bindingLog } = this.#options;
    const { writes } = core.vsWrites.due(runtime.clock.now());
    if (writes.length === 0 || !this.#mayWrite(this.#marks)) return false;
    const transaction = ovs.transaction();
    const wall = runtime.clock.wall();
    for (const write of writes) {
      write.apply(transaction, wall);
      for (const line of write.log ?? []) bindingLog.info(line);
    }
    this.#marks.commit(transaction);
    return this.#marks.busy;
  }

  /**
   * Lets the switch take packets again, where it waits for us; to be called when all flows are there.
   *
   * @param connection To the switch.
   */
  restoreFlows(connection: object): void {
    const { core, ovs, log } = this.#options;
    const [root] = ovs.table("Open_vSwitch").rows();
    if (!this.#mayWrite(this.#plan) || root === undefined) return;
    const transaction = ovs.transaction();
    const line = this.#flowRestore.step(root, transaction, core.read(isOneOfSeveral, 0), connection);
    if (line === undefined) return;
    log.info(line);
    this.#plan.commit(transaction, (failed) => failed && this.#flowRestore.failed());
  }

  /**
   * Compares bridges, tunnels, patch ports, queues, mirrors and zones as they are with the plan as a whole.
   *
   * @param known Whether the chassis, and whether everything of the Southbound, is here and up to date.
   */
  writePlan(known: { readonly chassis: boolean; readonly all: boolean }): void {
    if (!this.#dirty || !this.#mayWrite(this.#plan)) return;
    const { core, ovs, log } = this.#options;
    const { read, plans, zones, limits } = core;
    const transaction = ovs.transaction();
    writeBridge(read, transaction);
    if (read(config, 0) !== undefined) {
      const prefixes = writePrefixes(read, transaction, ovs.capacity("Flow_Table", "prefixes"));
      if (prefixes.length > 0) log.info(`Setting flow table prefixes: ${prefixes.join(", ")}.`);
    }
    if (plans.plan !== undefined && known.chassis) {
      writeTunnels(read, transaction, plans.plan.tunnels);
      writePatches(read, transaction, plans.plan.patches);
      writeQueues(read, transaction, plans.plan.queues);
      writeMirrors(read, transaction, plans.plan.mirrors);
    }
    if (known.all) {
      zones.write(read, transaction);
      limits.write(read, transaction, (zone) => zones.isOurs(zone));
      this.#zonesWritten = zones.version;
      this.#dirty = false;
    }
    this.#plan.commit(transaction, () => {
      this.#dirty = true;
    });
  }

  /** Removes what the controller has made; see cleanLocal. */
  async cleanUp(): Promise<void> {
    const transaction = this.#options.ovs.transaction();
    cleanLocal(this.#options.core.read, transaction);
    const result = await transaction.commit();
    if (result.status === "error") this.#options.log.warn(`local database: clean-up failed: ${result.error}`);
  }
}
