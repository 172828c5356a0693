/** By which key northd knows a row that it finds in the southbound database; undefined: the row is none of northd's. */
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { serviceKey } from "../model/backends.ts";
import { bfdKey } from "../model/bfd.ts";
import type { SbTable } from "./row.ts";

/** Finds the owner of a datapath and the name of a port by the uuids of their rows. */
export interface Names {
  datapath(uuid: Uuid): Uuid | undefined;
  port(uuid: Uuid): string | undefined;
}

type KeyOf<T extends SbTable> = (row: SbRow<T>, names: Names) => string | undefined;

function datapathOwner(row: SbRow<"Datapath_Binding">): string {
  return row.nb_uuid ?? row.external_ids.get("logical-switch") ?? row.external_ids.get("logical-router") ?? row._uuid;
}

/** Of a row of Advertised_Route: its router, port and prefix, and the port whose chassis advertises it. */
export function routeKey(datapath?: string, port?: string, prefix?: string, tracked?: string): string {
  return [datapath, port, prefix, tracked ?? ""].join(" ");
}

/** Tables whose rows are all northd's. Rows that nothing asks for are deleted. */
export const keys: { readonly [T in SbTable]?: KeyOf<T> } = {
  SB_Global: () => "",
  Datapath_Binding: (row) => datapathOwner(row),
  Port_Binding: (row) => row.logical_port,
  Multicast_Group: (row, { datapath }) =>
    // Groups that controllers learn from IGMP are made by northd from IGMP_Group, under other names.
    `${datapath(row.datapath)} ${row.name}`,
  HA_Chassis_Group: (row) => row.name,
  Static_MAC_Binding: (row) => `${row.logical_port} ${row.ip}`,
  BFD: (row) => bfdKey(row),
  ECMP_Nexthop: (row, { port }) => `${row.nexthop} ${port(row.port)}`,
  Port_Group: (row) => row.name,
  Address_Set: (row) => row.name,
  IP_Multicast: (row, { datapath }) => datapath(row.datapath) ?? row._uuid,
  Advertised_MAC_Binding: (row, { datapath, port }) => `${datapath(row.datapath)} ${port(row.logical_port)} ${row.ip} ${row.mac}`,
  Advertised_Route: (row, { datapath, port }) =>
    routeKey(datapath(row.datapath), port(row.logical_port), row.ip_prefix, row.tracked_port && port(row.tracked_port)),
  ACL_ID: (row) => row._uuid,
  Load_Balancer: (row) => row._uuid,
  // What interconnection learned is its own.
  Service_Monitor: (row) => (row.ic_learned ? undefined : serviceKey(row.logical_port, row.ip, row.port, row.protocol ?? "tcp")),
  Meter: (row) => row.name,
  Mirror: (row) => row.name,
  Chassis_Template_Var: (row) => row.chassis,
  DNS: (row) => row._uuid,
  DHCP_Options: (row) => `${row.code} ${row.name}`,
  DHCPv6_Options: (row) => `${row.code} ${row.name}`,
  RBAC_Permission: (row) => row.table,
  RBAC_Role: (row) => row.name,
};

export const ownedTables = Object.keys(keys) as readonly (keyof typeof keys)[];

export function keyOf(table: SbTable, row: object, names: Names): string | undefined {
  // The row is of the table by construction.
  return (keys[table] as ((row: object, names: Names) => string | undefined) | undefined)?.(row, names);
}

export { datapathOwner };
