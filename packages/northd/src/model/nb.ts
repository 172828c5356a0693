/** The northbound database as sources of the engine, and how its rows refer to each other. */
import { type Input, index, input, sameContent } from "@weft/incremental";
import type { TableName, Uuid } from "@weft/ovsdb";
import { type NbRow, type NbSchema, ovnNorthbound } from "@weft/schemas";

export type NbInputs = { readonly [T in TableName<NbSchema>]: Input<Uuid, NbRow<T>> };

/** Columns that northd itself writes and no derivation reads: they are no news. */
const written: { readonly [table: string]: readonly string[] } = {
  Logical_Switch_Port: ["up", "dynamic_addresses", "tag"],
  Logical_Router_Port: ["status"],
  BFD: ["status"],
  NB_Global: ["nb_cfg", "nb_cfg_timestamp", "sb_cfg", "sb_cfg_timestamp", "hv_cfg", "hv_cfg_timestamp"],
};

function inputOf(table: string): Input<Uuid, unknown> {
  const ignored = written[table];
  if (ignored === undefined) return input(`nb.${table}`);
  const visible = (row: unknown) => Object.entries(row as object).filter(([column]) => !ignored.includes(column));
  return input(`nb.${table}`, { equals: (a, b) => sameContent(visible(a), visible(b)) });
}

/** One source per table, keyed by uuid. The cast gives back the row types that Object.fromEntries cannot carry. */
export const nb = Object.fromEntries(
  Object.keys(ovnNorthbound.tables).map((table) => [table, inputOf(table)]),
) as unknown as NbInputs;

export const switchOfPort = index("switchOfPort", nb.Logical_Switch, (row) => row.ports);
export const switchPortsByName = index("switchPortsByName", nb.Logical_Switch_Port, (row) => [row.name]);
/** Switch ports of type router, by the name of the router port that they name. */
export const switchPortsByPeer = index("switchPortsByPeer", nb.Logical_Switch_Port, (row) => {
  const peer = row.type === "router" ? row.options.get("router-port") : undefined;
  return peer === undefined ? [] : [peer];
});
export const routerOfPort = index("routerOfPort", nb.Logical_Router, (row) => row.ports);
export const routerPortsByName = index("routerPortsByName", nb.Logical_Router_Port, (row) => [row.name]);
/** The only row of NB_Global is under "". */
export const globalRow = index("globalRow", nb.NB_Global, () => [""]);

/** tunnel key, as the allocator decided: of datapaths by the uuid of switch or router, of ports by the uuid of the NB row or {@link redirectId}. */
export const datapathKey = input<Uuid, number>("datapathKey");
export const portKey = input<string, number>("portKey");
/** Of a port's instance on a gateway chassis: what its tunnel key is under. */
export function redirectId(port: Uuid): string {
  return `cr-${port}`;
}
/** VLAN tag of a child port, as the allocator decided. */
export const portTag = input<Uuid, number>("portTag");
/** What IPAM gave a port: "MAC IP...", by the uuid of the NB row. */
export const dynamicAddresses = input<Uuid, string>("dynamicAddresses", { equals: (a, b) => a === b });
/** Ports that are up, by the uuid of the NB row. */
export const portUp = input<Uuid, boolean>("portUp");
/** The number of an ACL whose connections outlive a change of its match, by the uuid of the NB row. */
export const aclId = input<Uuid, number>("aclId");
/** The name of the chassis that a port is bound to, by the uuid of the NB row. */
export const portChassis = input<Uuid, string>("portChassis", { equals: (a, b) => a === b });
/** The queue of a port with rates, as the allocator decided, by the uuid of the NB row. */
export const portQueue = input<Uuid, number>("portQueue");
