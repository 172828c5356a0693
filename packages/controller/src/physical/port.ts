/** What the flows of a port need to know, read once. */
import type { Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { localKeyOf } from "../model/datapaths.ts";
import { type ZoneIds, zonesOf } from "../model/zones.ts";
import { reg } from "../tables.ts";
import { set } from "./flow.ts";

export type Port = SbRow<"Port_Binding">;

export function isContainer(row: Port): boolean {
  return row.parent_port !== undefined && row.parent_port !== "";
}

/** Loads the conntrack zones of a port and its datapath, where they have any. Zone 0 is what packets are in by themselves. */
export function loadZones(zones: ZoneIds): Action[] {
  const actions: Action[] = [];
  if (zones.port !== undefined) actions.push(set(reg.zoneAndEncap, zones.port, 0xffff));
  if (zones.dnat !== undefined) actions.push(set(reg.dnatZone, zones.dnat));
  if (zones.snat !== undefined && zones.snat !== 0) actions.push(set(reg.snatZone, zones.snat));
  return actions;
}

export function zonesFor(read: Read, port: Uuid): Action[] {
  return loadZones(read(zonesOf, port));
}

/** The tunnel key of the port's datapath, if that is local. */
export function datapathKey(read: Read, row: Pick<Port, "datapath">): number | undefined {
  return read(localKeyOf, row.datapath);
}
