/** The northbound database as sources of the engine, and how its rows refer to each other. */
import { type Derivation, derive, type Input, index, input, sameContent, type Table, table } from "@weft/incremental";
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

type Row = Readonly<Record<string, unknown>>;

/** Compares rows of a table, all columns but some. */
function sameBut(
  ignored: readonly string[],
  name: TableName<NbSchema>,
  same: (a: unknown, b: unknown) => boolean,
): (a: unknown, b: unknown) => boolean {
  const columns = Object.keys(ovnNorthbound.tables[name].columns).filter((column) => !ignored.includes(column));
  return (a, b) => columns.every((column) => same((a as Row)[column], (b as Row)[column]));
}

function inputOf(table: TableName<NbSchema>): Input<Uuid, unknown> {
  const ignored = written[table];
  return input(`nb.${table}`, ignored === undefined ? {} : { equals: sameBut(ignored, table, sameContent) });
}

/** One source per table, keyed by uuid. The cast gives back the row types that Object.fromEntries cannot carry. */
export const nb = Object.fromEntries(
  (Object.keys(ovnNorthbound.tables) as TableName<NbSchema>[]).map((table) => [table, inputOf(table)]),
) as unknown as NbInputs;

/**
 * Columns that list what a switch or router has. They are long and change often, and most of what is made for a switch or
 * router depends on none or one of them: {@link switches} and {@link routers} are the rows without, {@link listOfSwitch}
 * and {@link listOfRouter} each list by itself.
 */
const switchLists = [
  "acls",
  "dns_records",
  "forwarding_groups",
  "load_balancer",
  "load_balancer_group",
  "ports",
  "qos_rules",
] as const;
const routerLists = ["load_balancer", "load_balancer_group", "nat", "policies", "ports", "static_routes"] as const;

type SwitchRow = Omit<NbRow<"Logical_Switch">, (typeof switchLists)[number]>;
type RouterRow = Omit<NbRow<"Logical_Router">, (typeof routerLists)[number]>;

// A change of a row keeps the values of the columns that it does not concern: these are the same objects.
export const switches: Table<Uuid, SwitchRow> = table(
  "switches",
  nb.Logical_Switch,
  (uuid, row): [Uuid, SwitchRow][] => [[uuid, row]],
  { equals: sameBut(switchLists, "Logical_Switch", Object.is) },
);
export const routers: Table<Uuid, RouterRow> = table(
  "routers",
  nb.Logical_Router,
  (uuid, row): [Uuid, RouterRow][] => [[uuid, row]],
  { equals: sameBut(routerLists, "Logical_Router", Object.is) },
);

type Lists<C extends string> = { readonly [column in C]: Derivation<Uuid, readonly Uuid[]> };
const NOTHING: readonly Uuid[] = [];

function listsOf<C extends string>(name: "Logical_Switch" | "Logical_Router", columns: readonly C[]): Lists<C> {
  const source = nb[name] as Input<Uuid, { readonly [column in C]: readonly Uuid[] }>;
  const lists = columns.map((column) => [
    column,
    derive(`${name}.${column}`, (uuid: Uuid, read) => read(source, uuid)?.[column] ?? NOTHING),
  ]);
  return Object.fromEntries(lists) as Lists<C>; // one for every column
}

export const listOfSwitch = listsOf("Logical_Switch", switchLists);
export const listOfRouter = listsOf("Logical_Router", routerLists);

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
