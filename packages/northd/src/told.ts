/** What chassis tell in the southbound database, as the core takes it. */
import type { Replica, Uuid } from "@weft/ovsdb";
import type { SbRow, SbSchema } from "@weft/schemas";
import { serviceKey } from "./model/backends.ts";
import type { LearnedRoute } from "./model/dynamicRouting.ts";
import type { Membership } from "./model/multicast.ts";
import { datapathOwner } from "./output/keys.ts";

/** northd's datapaths belong to rows of the northbound database. */
function ownerOf(sb: Replica<SbSchema>, datapath: Uuid | undefined): Uuid | undefined {
  const row = datapath === undefined ? undefined : sb.table("Datapath_Binding").get(datapath);
  return row === undefined ? undefined : (datapathOwner(row) as Uuid);
}

export function membershipOf(sb: Replica<SbSchema>, row: SbRow<"IGMP_Group"> | undefined): Membership | undefined {
  const datapath = ownerOf(sb, row?.datapath);
  if (row === undefined || datapath === undefined) return undefined;
  const ports = row.ports.flatMap((port) => sb.table("Port_Binding").get(port)?.logical_port ?? []);
  return { datapath, address: row.address, ports };
}

export function learnedRouteOf(sb: Replica<SbSchema>, row: SbRow<"Learned_Route"> | undefined): LearnedRoute | undefined {
  const router = ownerOf(sb, row?.datapath);
  const port = row === undefined ? undefined : sb.table("Port_Binding").get(row.logical_port)?.logical_port;
  if (row === undefined || router === undefined || port === undefined) return undefined;
  return { router, port, prefix: row.ip_prefix, nexthop: row.nexthop };
}

/** Key and status of a row of Service_Monitor that changed. */
export function serviceOf(before: unknown, after: unknown): readonly [string, string | undefined] {
  // One of the two is there by the change set's word.
  const { logical_port, ip, port, protocol } = (after ?? before) as SbRow<"Service_Monitor">;
  const status = (after as SbRow<"Service_Monitor"> | undefined)?.status;
  return [serviceKey(logical_port, ip, port, protocol ?? "tcp"), status];
}
