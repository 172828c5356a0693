/**
 * What of the Southbound the controller asks to see (ovsdb-server(7) monitor_cond_change): the rows of local datapaths,
 * and of ports that may become local. All of it with external_ids:ovn-monitor-all.
 */
import { type Read, relation } from "@weft/incremental";
import type { Condition, Replica, Uuid } from "@weft/ovsdb";
import type { SbSchema } from "@weft/schemas";
import { config, ownChassis } from "../model/config.ts";
import { isLocalDatapath, localDatapaths } from "../model/datapaths.ts";
import { portsByName, sb } from "../model/inputs.ts";
import { interfacesByIfaceId } from "../model/interfaces.ts";

type SbTable = keyof SbSchema["tables"] & string;
export type Conditions = { readonly [T in SbTable]?: readonly Condition[] | boolean };

/** Ports that are asked for before the chassis is known, beside those of interfaces. */
const atFirst: readonly Condition[] = ["external", "chassisredirect", "l3gateway", "l2gateway", "patch"].map(
  (type) => ["type", "==", type] as const,
);

function uuid(value: Uuid): readonly [string, string] {
  return ["uuid", value];
}

export function conditionsOf(read: Read): Conditions {
  const own = read(config, 0);
  if (own?.monitorAll === true) {
    const everything: { [table: string]: boolean } = {};
    for (const table of [
      "Port_Binding",
      "Logical_Flow",
      "Logical_DP_Group",
      "Multicast_Group",
      "MAC_Binding",
      "FDB",
      "DNS",
      "Chassis_Private",
      "Chassis_Template_Var",
      "Controller_Event",
      "IP_Multicast",
      "IGMP_Group",
    ])
      everything[table] = true;
    return everything;
  }
  const us = read(ownChassis, 0);
  const datapaths = read(localDatapaths, 0);
  const ofDatapaths = datapaths.map((datapath): Condition => ["datapath", "==", uuid(datapath)]);
  return {
    Port_Binding: [
      ...(us === undefined || own === undefined ? atFirst : portsOfChassis(us, own.chassis)),
      ...ofDatapaths,
      ...read(soughtNames, 0).map((id): Condition => ["logical_port", "==", id]),
    ],
    Logical_Flow:
      datapaths.length === 0
        ? [["logical_dp_group", "!=", ["set", []]]]
        : [
            ...datapaths.map((datapath): Condition => ["logical_datapath", "==", uuid(datapath)]),
            ["logical_dp_group", "!=", ["set", []]],
          ],
    Logical_DP_Group: true,
    Multicast_Group: ofDatapaths,
    MAC_Binding: ofDatapaths,
    FDB: datapaths.map((datapath): Condition => ["dp_key", "==", read(sb.Datapath_Binding, datapath)?.tunnel_key ?? 0]),
    DNS: datapaths.map((datapath): Condition => ["datapaths", "includes", uuid(datapath)]),
    Chassis_Private: own === undefined ? true : [["name", "==", own.chassis]],
    IP_Multicast: ofDatapaths,
    IGMP_Group: us === undefined ? false : [["chassis", "==", uuid(us)]],
    Controller_Event: us === undefined ? false : [["chassis", "==", uuid(us)]],
    Chassis_Template_Var: own === undefined ? false : [["chassis", "==", own.chassis]],
  };
}

function portsOfChassis(us: Uuid, name: string): Condition[] {
  return [
    ["type", "==", "patch"],
    ["type", "==", "chassisredirect"],
    ["type", "==", "external"],
    ["type", "==", "mirror"],
    ["parent_port", "!=", ["set", []]],
    ["chassis", "==", uuid(us)],
    ["additional_chassis", "includes", uuid(us)],
    ["requested_chassis", "==", uuid(us)],
    ["requested_additional_chassis", "includes", uuid(us)],
    ["options", "includes", ["map", [["l2gateway-chassis", name]]]],
    ["options", "includes", ["map", [["l3gateway-chassis", name]]]],
  ];
}

/** Interfaces' iface-ids of ports that are not on a local datapath, or not known: group 0. */
const soughtNames = relation<0, string, Uuid>("soughtNames", interfacesByIfaceId, function* (id, _interfaces, read) {
  const port = read(portsByName, id)[0];
  const datapath = port === undefined ? undefined : read(sb.Port_Binding, port)?.datapath;
  if (datapath === undefined || !read(isLocalDatapath, datapath)) yield 0;
});

/** Tells a replica of conditions that have changed. */
export class ConditionBook {
  readonly #last = new Map<string, string>();
  #applied: Conditions | undefined;
  #round = 0;

  /** Counts the changes. */
  get round(): number {
    return this.#round;
  }

  /** Returns whether anything was changed. */
  apply(replica: Replica<SbSchema>, conditions: Conditions): boolean {
    if (conditions === this.#applied) return false;
    this.#applied = conditions;
    let changed = false;
    for (const [table, clauses] of Object.entries(conditions)) {
      const text = textOf(clauses);
      if (this.#last.get(table) === text) continue;
      this.#last.set(table, text);
      changed = true;
      // Object.entries widens the names; they are those of Conditions.
      replica.setCondition(table as SbTable, clauses);
    }
    if (changed) this.#round++;
    return changed;
  }

  /** For a new replica, which was opened with these conditions. */
  restart(conditions: Conditions): void {
    this.#last.clear();
    this.#applied = conditions;
    this.#round++;
    for (const [table, clauses] of Object.entries(conditions)) this.#last.set(table, textOf(clauses));
  }
}

function textOf(clauses: readonly Condition[] | boolean): string {
  return JSON.stringify(typeof clauses === "boolean" ? clauses : clauses.map((clause) => JSON.stringify(clause)).sort());
}
