/** The connection to the Southbound that the configuration names, and how much of what is asked for is here. */
import { type ChangeSet, createReplica, type Replica, type RowChange } from "@weft/ovsdb";
import { type Logger, messageOf } from "@weft/runtime";
import { ovnSouthbound, type SbSchema } from "@weft/schemas";
import type { Core } from "./core.ts";
import { feed, sbTables } from "./model/inputs.ts";
import type { ControllerOptions, SouthboundOptions } from "./types.ts";
import { ConditionBook } from "./write/conditions.ts";

export interface SouthboundUser {
  readonly core: Core;
  readonly options: ControllerOptions;
  readonly log: Logger;
  /** Another replica is followed from now on. */
  readonly opened: (replica: Replica<SbSchema>) => void;
  /** All rows that were asked for first are here. */
  readonly filled: () => void;
  readonly changed: (change: ChangeSet) => void;
  readonly wake: () => void;
}

export class Southbound {
  readonly #user: SouthboundUser;
  readonly #conditions = new ConditionBook();
  #replica: Replica<SbSchema> | undefined;
  #unsubscribe: (() => void)[] = [];
  #remote: string | undefined;
  #complete = false;
  #conditionsPending = false;

  constructor(user: SouthboundUser) {
    this.#user = user;
  }

  get replica(): Replica<SbSchema> | undefined {
    return this.#replica;
  }

  /** Everything that concerns us is here. It may be old, while the Southbound cannot be reached. */
  get whole(): boolean {
    return this.#complete && !this.#conditionsPending;
  }

  /** As {@link whole}, and up to date. */
  get settled(): boolean {
    return this.#replica?.state === "synced" && this.whole;
  }

  /** The chassis tables are here and up to date. They are never conditional, so they need not wait for conditions. */
  get settledChassis(): boolean {
    return this.#replica?.state === "synced" && this.#complete;
  }

  /** Connects to another remote, or (undefined) to none. */
  aim(remote: string | undefined): void {
    if (remote === this.#remote) return;
    this.#remote = remote;
    this.#forget();
    if (remote === undefined) return;
    const { core, options, log, opened, changed, wake } = this.#user;
    const conditions = core.plans.plan?.conditions ?? {};
    this.#conditions.restart(conditions);
    const connect = options.connectSouthbound ?? ((given) => this.#open(given));
    const replica = connect({ remotes: remote.split(","), conditions });
    this.#replica = replica;
    opened(replica);
    this.#unsubscribe = [
      replica.onChange(changed),
      replica.onState((state) => {
        if (state === "filling") log.info("OVNSB IDL reconnected, force recompute.");
        wake();
      }),
    ];
    replica.ready().then(
      () => this.#fill(replica),
      (error) => log.err(`${remote}: ${messageOf(error)}`),
    );
  }

  #forget(): void {
    const old = this.#replica;
    this.#replica = undefined;
    this.#complete = false;
    this.unsubscribe();
    if (old === undefined) return;
    void old.close();
    const gone: RowChange[] = [];
    for (const table of sbTables) {
      for (const row of old.table(table).rows()) gone.push({ table, uuid: row._uuid, before: row });
    }
    feed(this.#user.core.engine, "sb", gone);
  }

  #fill(replica: Replica<SbSchema>): void {
    if (this.#replica !== replica) return;
    const rows: RowChange[] = [];
    for (const table of sbTables) {
      for (const after of replica.table(table).rows()) rows.push({ table, uuid: after._uuid, after });
    }
    this.#user.core.feed("sb", rows);
    this.#complete = true;
    this.#user.filled();
  }

  #open({ remotes, conditions }: SouthboundOptions): Replica<SbSchema> {
    const { runtime, tls } = this.#user.options;
    return createReplica({
      runtime,
      schema: ovnSouthbound,
      remotes,
      shuffle: true,
      leaderOnly: false,
      defaultPort: 6642,
      monitor: Object.fromEntries(sbTables.map((table) => [table, true as const])),
      conditions,
      ...(tls === undefined ? {} : { tls }),
    });
  }

  /** Asks for what the plan wants to see. */
  applyConditions(): void {
    const { core, log, wake } = this.#user;
    const plan = core.plans.plan;
    const replica = this.#replica;
    if (plan === undefined || replica === undefined || replica.state !== "synced") return;
    if (!this.#conditions.apply(replica, plan.conditions)) return;
    this.#conditionsPending = true;
    const wait = this.#conditions.round;
    replica.conditionsApplied().then(
      () => {
        if (this.#replica !== replica || wait !== this.#conditions.round) return;
        this.#conditionsPending = false;
        wake();
      },
      (error) => log.warn(`conditions: ${messageOf(error)}`),
    );
  }

  /** Hears of nothing any more; the replica stays open for last writes. */
  unsubscribe(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }
}
