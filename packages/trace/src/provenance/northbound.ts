/** Rows of the northbound database as people speak of them: what it is, its name, and whose it is. */
import type { Replica, Uuid } from "@weft/ovsdb";
import { type NbRow, type NbSchema, ovnNorthbound } from "@weft/schemas";

type NbTable = keyof NbSchema["tables"] & string;
type Northbound = Pick<Replica<NbSchema>, "table">;

export interface NorthboundRow {
  readonly table: NbTable;
  readonly uuid: Uuid;
  /** `ACL "allow-ssh" (to-lport, tier 0, priority 1001, drop: tcp.dst == 22) of port group web`. */
  readonly text: string;
}

type Describe = { readonly [T in NbTable]?: (row: NbRow<T>) => string };

const quoted = (text: string): string => JSON.stringify(text);

/** What is said of a row besides its table's name. Tables that are not here are described by their name, or their uuid. */
const DESCRIPTIONS: Describe = {
  Logical_Switch: ({ name }) => `switch ${name}`,
  Logical_Router: ({ name }) => `router ${name}`,
  Logical_Switch_Port: ({ name, type }) => `${type === "" ? "port" : `${type} port`} ${name}`,
  Logical_Router_Port: ({ name, networks }) => `router port ${name} (${networks.join(", ")})`,
  Port_Group: ({ name }) => `port group ${name}`,
  ACL: ({ name, direction, tier, priority, action, match }) =>
    `ACL${name === undefined ? "" : ` ${quoted(name)}`} (${direction}, tier ${tier}, priority ${priority}, ${action}: ${match})`,
  NAT: ({ type, external_ip, logical_ip }) => `${type} of ${logical_ip} to ${external_ip}`,
  Load_Balancer: ({ name, vips }) => `load balancer ${name} (${[...vips.keys()].join(", ")})`,
  Logical_Router_Static_Route: ({ ip_prefix, nexthop, route_table }) =>
    `route ${ip_prefix} via ${nexthop}${route_table === "" ? "" : ` of table ${route_table}`}`,
  Logical_Router_Policy: ({ priority, action, match }) => `routing policy (priority ${priority}, ${action}: ${match})`,
  QoS: ({ direction, priority, match }) => `QoS rule (${direction}, priority ${priority}: ${match})`,
  DHCP_Options: ({ cidr }) => `DHCP options of ${cidr}`,
  DNS: ({ records }) => `DNS records (${[...records.keys()].slice(0, 3).join(", ")}${records.size > 3 ? ", ..." : ""})`,
  Static_MAC_Binding: ({ logical_port, ip, mac }) => `static MAC binding of ${ip} to ${mac} on ${logical_port}`,
};

/** Columns by which a row belongs to another, from the schema: strong references. */
const OWNING = owningColumns();

function owningColumns(): readonly { readonly table: NbTable; readonly column: string; readonly owned: string }[] {
  return (Object.entries(ovnNorthbound.tables) as [NbTable, { readonly columns: object }][]).flatMap(([table, { columns }]) =>
    Object.entries(columns).flatMap(([column, { type }]: [string, { readonly type: unknown }]) => {
      const owned = refTableOf(type);
      return owned === undefined ? [] : [{ table, column, owned }];
    }),
  );
}

function refTableOf(type: unknown): string | undefined {
  if (typeof type !== "object" || type === null) return undefined;
  const { key } = type as { readonly key?: unknown };
  if (typeof key !== "object" || key === null) return undefined;
  const { refTable, refType } = key as { readonly refTable?: string; readonly refType?: string };
  return refType === "weak" ? undefined : refTable;
}

export class NorthboundNames {
  readonly #nb: Northbound;
  #byStart: Map<string, { readonly table: NbTable; readonly uuid: Uuid }[]> | undefined;
  #owners: Map<Uuid, { readonly table: NbTable; readonly uuid: Uuid }> | undefined;

  constructor(nb: Northbound) {
    this.#nb = nb;
  }

  /** The rows whose uuid begins so: stage-hint has the first 8 digits. Mostly one. */
  startingWith(start: string): readonly NorthboundRow[] {
    this.#byStart ??= this.#readStarts();
    return (this.#byStart.get(start) ?? []).map(({ table, uuid }) => this.describe(table, uuid));
  }

  describe(table: NbTable, uuid: Uuid): NorthboundRow {
    const owner = this.#ownerOf(uuid);
    const own = this.#textOf(table, uuid);
    const text = owner === undefined ? own : `${own} of ${this.#textOf(owner.table, owner.uuid)}`;
    return { table, uuid, text };
  }

  #textOf(table: NbTable, uuid: Uuid): string {
    const row = this.#nb.table(table).get(uuid);
    if (row === undefined) return `${table} ${uuid}`;
    // The description of a table takes the rows of that table.
    const describe = DESCRIPTIONS[table] as ((row: unknown) => string) | undefined;
    if (describe !== undefined) return describe(row);
    const name: unknown = Reflect.get(row, "name");
    return `${table} ${typeof name === "string" && name !== "" ? name : uuid}`;
  }

  #ownerOf(uuid: Uuid): { readonly table: NbTable; readonly uuid: Uuid } | undefined {
    this.#owners ??= this.#readOwners();
    return this.#owners.get(uuid);
  }

  #readStarts(): Map<string, { readonly table: NbTable; readonly uuid: Uuid }[]> {
    const starts = new Map<string, { readonly table: NbTable; readonly uuid: Uuid }[]>();
    for (const table of Object.keys(ovnNorthbound.tables) as NbTable[]) {
      for (const { _uuid: uuid } of this.#nb.table(table).rows()) {
        const start = uuid.slice(0, 8);
        const list = starts.get(start);
        if (list === undefined) starts.set(start, [{ table, uuid }]);
        else list.push({ table, uuid });
      }
    }
    return starts;
  }

  #readOwners(): Map<Uuid, { readonly table: NbTable; readonly uuid: Uuid }> {
    const owners = new Map<Uuid, { readonly table: NbTable; readonly uuid: Uuid }>();
    for (const { table, column } of OWNING) {
      for (const row of this.#nb.table(table).rows()) {
        const value: unknown = Reflect.get(row, column);
        const uuids = Array.isArray(value) ? value : value === undefined ? [] : [value];
        for (const uuid of uuids as Uuid[]) if (!owners.has(uuid)) owners.set(uuid, { table, uuid: row._uuid });
      }
    }
    return owners;
  }
}
