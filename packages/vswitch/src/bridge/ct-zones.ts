/** Connection tracking zones as the Datapath, CT_Zone and CT_Timeout_Policy tables ask for them (ovs-vswitchd.conf.db(5)). */
import type { Replica } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";
import { timeoutPolicy } from "../conntrack/timeouts.ts";
import type { Datapath } from "../datapath/datapath.ts";

export class CtZones {
  readonly #db: Replica<VsSchema>;
  readonly #datapath: Datapath;
  /** What the database asked for last: what it has not set, it does not take back either. */
  #limits = new Map<number, number>();
  #policies = new Set<number>();
  #defaultLimit: number | undefined;

  constructor(db: Replica<VsSchema>, datapath: Datapath) {
    this.#db = db;
    this.#datapath = datapath;
  }

  apply(): void {
    const [root] = this.#db.table("Open_vSwitch").rows();
    const uuid = root?.datapaths.get(this.#datapath.type);
    const row = uuid === undefined ? undefined : this.#db.table("Datapath").get(uuid);
    const { conntracker } = this.#datapath;
    const limits = new Map<number, number>();
    const policies = new Set<number>();
    for (const [number, id] of row?.ct_zones ?? []) {
      const zone = Number(number);
      const config = this.#db.table("CT_Zone").get(id);
      if (config?.limit !== undefined) limits.set(zone, Number(config.limit));
      const policy =
        config?.timeout_policy === undefined ? undefined : this.#db.table("CT_Timeout_Policy").get(config.timeout_policy);
      if (policy === undefined) continue;
      policies.add(zone);
      conntracker.setPolicy(zone, timeoutPolicy(policy.timeouts));
    }
    for (const zone of this.#policies) if (!policies.has(zone)) conntracker.setPolicy(zone, undefined);
    for (const [zone, limit] of limits) if (this.#limits.get(zone) !== limit) conntracker.limits.set(zone, limit);
    for (const zone of this.#limits.keys()) if (!limits.has(zone)) conntracker.limits.delete(zone);
    const defaultLimit = row?.ct_zone_default_limit === undefined ? undefined : Number(row.ct_zone_default_limit);
    if (defaultLimit !== this.#defaultLimit) conntracker.limits.defaultLimit = defaultLimit ?? 0;
    this.#limits = limits;
    this.#policies = policies;
    this.#defaultLimit = defaultLimit;
  }
}
