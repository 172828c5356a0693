/** What the databases ask of a chassis' integration bridge: our controller's computation, without its connections. */
import { Core, type DesiredFlow } from "@weft/controller";
import type { GroupDescription, MeterConfig } from "@weft/openflow";
import type { Replica, RowChange } from "@weft/ovsdb";
import { messageOf } from "@weft/runtime";
import { openVSwitch, ovnSouthbound, type SbSchema, type VsSchema } from "@weft/schemas";

export interface DesiredState {
  readonly flows: readonly DesiredFlow[];
  readonly groups: readonly GroupDescription[];
  /** Their numbers; what they limit is left out. */
  readonly meters: readonly MeterConfig[];
  /** What could not be computed, one line each: logical flows that do not parse, mostly. */
  readonly errors: readonly string[];
}

/** Conntrack zones and OpenFlow ports are those of the local database, so that they are the running controller's. */
export function desiredState(
  sb: Pick<Replica<SbSchema>, "table">,
  ovs: Pick<Replica<VsSchema>, "table">,
  systemId: string,
): DesiredState {
  const errors: string[] = [];
  const core = new Core({
    settings: { systemId: systemId === "" ? undefined : systemId, hostname: "", rundir: "", startTime: 0 },
    onError: ({ key, error }) => errors.push(`${key}: ${messageOf(error)}`),
  });
  core.begin();
  core.feed("sb", rowsOf(ovnSouthbound.tables, sb));
  core.feed("ovs", rowsOf(openVSwitch.tables, ovs));
  core.commit(true);
  core.takeFlows();
  const groups = [...core.groups.entries()].map(([, { request, number }]) => ({
    group: number,
    groupType: "select" as const,
    ...request,
  }));
  const meters = [...core.meters.entries()].map(([, { number }]) => ({ meter: number, flags: 0, bands: [] }));
  return { flows: [...core.flows.flows()], groups, meters, errors };
}

export function rowsOf<S extends SbSchema | VsSchema>(tables: S["tables"], db: Pick<Replica<S>, "table">): RowChange[] {
  const names = Object.keys(tables) as (keyof S["tables"] & string)[];
  return names.flatMap((table) => [...db.table(table).rows()].map((after) => ({ table, uuid: after._uuid, after })));
}
