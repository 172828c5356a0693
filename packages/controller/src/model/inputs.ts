/**
 * The rows of the two databases as inputs of the engine. Columns that only report (statistics and the like) are left
 * out, so that their changes reach nothing.
 */

import type { Engine } from "@weft/incremental";
import { type Input, index, input, sameContent } from "@weft/incremental";
import type { RowChange, Uuid } from "@weft/ovsdb";
import { ovnSouthbound, type SbRow, type SbSchema, type VsRow, type VsSchema } from "@weft/schemas";

type SbTable = keyof SbSchema["tables"] & string;
type VsTable = keyof VsSchema["tables"] & string;

/** The tables of the Southbound database that the controller reads. */
export const sbTables = [
  "SB_Global",
  "Chassis",
  "Chassis_Private",
  "Encap",
  "Datapath_Binding",
  "Port_Binding",
  "Logical_Flow",
  "Logical_DP_Group",
  "Multicast_Group",
  "Address_Set",
  "Port_Group",
  "MAC_Binding",
  "Static_MAC_Binding",
  "FDB",
  "ECMP_Nexthop",
  "HA_Chassis_Group",
  "HA_Chassis",
  "Gateway_Chassis",
  "Load_Balancer",
  "DHCP_Options",
  "DHCPv6_Options",
  "DNS",
  "Meter",
  "Meter_Band",
  "Chassis_Template_Var",
  "Service_Monitor",
  "BFD",
  "Controller_Event",
  "IP_Multicast",
  "IGMP_Group",
  "Mirror",
] as const satisfies readonly SbTable[];

/** The tables of the local Open_vSwitch database that the controller reads, and the columns. */
export const vsColumns = {
  Open_vSwitch: [
    "bridges",
    "external_ids",
    "other_config",
    "iface_types",
    "datapaths",
    "system_version",
    "ssl",
    "next_cfg",
    "cur_cfg",
  ],
  Bridge: ["name", "ports", "external_ids", "other_config", "fail_mode", "datapath_type", "flow_tables", "mirrors"],
  Port: ["name", "interfaces", "external_ids", "tag", "qos"],
  Interface: ["name", "type", "options", "external_ids", "ofport", "bfd", "bfd_status", "mac_in_use", "link_state", "mtu"],
  Mirror: ["name", "external_ids", "select_src_port", "select_dst_port", "output_port"],
  QoS: ["type", "external_ids", "other_config", "queues"],
  Queue: ["external_ids", "other_config"],
  Flow_Table: ["prefixes", "external_ids"],
  Datapath: ["capabilities", "ct_zones"],
  CT_Zone: ["limit", "timeout_policy"],
  SSL: ["private_key", "certificate", "ca_cert", "bootstrap_ca_cert"],
} as const satisfies { readonly [T in VsTable]?: readonly (keyof VsSchema["tables"][T]["columns"] & string)[] };

/** Columns of the Southbound that change without meaning anything for flows and claims. */
const sbIgnored: { readonly [T in SbTable]?: readonly string[] } = {
  Chassis: ["nb_cfg", "external_ids"],
  // See portUp.
  Port_Binding: ["up"],
};

type Rows<Names extends string, Row extends { readonly [T in Names]: unknown }> = { readonly [T in Names]: Input<Uuid, Row[T]> };
type SbRows = { readonly [T in (typeof sbTables)[number]]: SbRow<T> };
type VsRows = { readonly [T in keyof typeof vsColumns]: LocalRow<T> };

/** A row of the local database, with the columns that are monitored: of others the replica has no value. */
export type LocalRow<T extends keyof typeof vsColumns> = Pick<
  VsRow<T>,
  "_uuid" | Extract<(typeof vsColumns)[T][number], keyof VsRow<T>>
>;

function inputs<Names extends string, Row extends { readonly [T in Names]: unknown }>(
  database: string,
  names: readonly Names[],
  columns: (table: Names) => readonly string[],
): Rows<Names, Row> {
  const made: { [table: string]: Input<Uuid, unknown> } = {};
  for (const name of names) {
    const compared = columns(name);
    made[name] = input<Uuid, unknown>(`${database}.${name}`, {
      equals: (a, b) => compared.every((column) => sameContent(cell(a, column), cell(b, column))),
    });
  }
  // The mapped type says of every name what the loop has just made for it.
  return made as unknown as Rows<Names, Row>;
}

function cell(row: unknown, column: string): unknown {
  return typeof row === "object" && row !== null ? Reflect.get(row, column) : undefined;
}

export const sb = inputs<(typeof sbTables)[number], SbRows>("sb", sbTables, (name) => {
  const ignored = sbIgnored[name] ?? [];
  return Object.keys(ovnSouthbound.tables[name].columns).filter((column) => !ignored.includes(column));
});

export const vs = inputs<keyof typeof vsColumns, VsRows>(
  "ovs",
  Object.keys(vsColumns) as (keyof typeof vsColumns)[],
  (name) => vsColumns[name],
);

/** Port_Binding.up; not to be read from the row, where its changes would concern all that the row does. */
export const portUp = input<Uuid, boolean>("portUp");

/** Facts that are neither in the Southbound nor in the local database. */
export interface Settings {
  /** -n or the file system-id-override. */
  readonly systemId: string | undefined;
  /** The host's own name, for Chassis.hostname where external_ids:hostname is not set. */
  readonly hostname: string;
  readonly rundir: string;
  /** Wall time in ms when the controller was started. */
  readonly startTime: number;
}
export const settings = input<0, Settings>("settings", { equals: sameContent });

/** Conntrack zones by the name that is in the bridge's external_ids behind "ct-zone-". */
export const zones = input<string, number>("ctZones");

/** The number of the tun_metadata field that the switch has for OVN's Geneve option; 0 until it has said. */
export const geneveIndex = input<0, number>("geneveIndex");

/** OpenFlow group numbers by groupKey, and meter numbers by meterKey; given out by ofctrl/numbers.ts. */
export const groupNumbers = input<string, number>("groupNumbers");
export const meterNumbers = input<string, number>("meterNumbers");

/** Ports whose flows are in the switch, by Port_Binding; written when a barrier was answered. */
export const installed = input<Uuid, true>("installedPorts");

/** The SB_Global.nb_cfg up to which everything is in the switch, and the wall time (ms) when that was known. */
export interface Reported {
  readonly nbCfg: number;
  readonly time: number;
}
export const reported = input<0, Reported>("reportedNbCfg", { equals: sameContent });

/** Brings one database's changes into the engine. Tables that are no inputs are left out. */
export function feed(engine: Engine, database: "sb" | "ovs", changes: readonly RowChange[]): void {
  const sources: Readonly<Record<string, Input<Uuid, unknown>>> = database === "sb" ? erased(sb) : erased(vs);
  for (const { table, uuid, after } of changes) {
    const source = sources[table];
    if (source === undefined) continue;
    if (after === undefined) engine.delete(source, uuid);
    else engine.set(source, uuid, after);
    if (database !== "sb" || table !== "Port_Binding") continue;
    if (after === undefined) engine.delete(portUp, uuid);
    else engine.set(portUp, uuid, (after as SbRow<"Port_Binding">).up === true); // the table's name says so
  }
}

/** Rows come from the replica of the same schema, so a table's name says the row's type. */
function erased(rows: object): Readonly<Record<string, Input<Uuid, unknown>>> {
  return rows as Readonly<Record<string, Input<Uuid, unknown>>>;
}

export const chassisByName = index<string, Uuid, SbRow<"Chassis">>("chassisByName", sb.Chassis, (row) => [row.name]);
export const portsByName = index<string, Uuid, SbRow<"Port_Binding">>("portsByName", sb.Port_Binding, (row) => [
  row.logical_port,
]);
export const portsByType = index<string, Uuid, SbRow<"Port_Binding">>("portsByType", sb.Port_Binding, (row) => [row.type]);
/** Groups are `datapath type`. */
export const portsOfDatapath = index<string, Uuid, SbRow<"Port_Binding">>("portsOfDatapath", sb.Port_Binding, (row) => [
  `${row.datapath} ${row.type}`,
]);
/** Ports within another one, by its name: containers, and mirrors' ports into it. */
export const childrenOf = index<string, Uuid, SbRow<"Port_Binding">>("childrenOf", sb.Port_Binding, (row) =>
  [row.parent_port, row.mirror_port].filter((name): name is string => name !== undefined && name !== ""),
);
export const bridgesByName = index<string, Uuid, LocalRow<"Bridge">>("bridgesByName", vs.Bridge, (row) => [row.name]);
export const bridgesOfPort = index<Uuid, Uuid, LocalRow<"Bridge">>("bridgesOfPort", vs.Bridge, (row) => row.ports);
export const portsOfInterface = index<Uuid, Uuid, LocalRow<"Port">>("portsOfInterface", vs.Port, (row) => row.interfaces);
