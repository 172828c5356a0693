/** The southbound database as a trace reads it: datapaths, ports, groups, neighbours, and logical flows, parsed when needed. */
import {
  conditionOf,
  type Expression,
  type LogicalAction,
  LogicalError,
  type Names,
  type Pipeline,
  type PreparedMatch,
  parseActions,
  parseMatch,
  prepareMatch,
} from "@weft/logical";
import type { Replica, Uuid } from "@weft/ovsdb";
import type { SbRow, SbSchema } from "@weft/schemas";

export type Southbound = Pick<Replica<SbSchema>, "table">;

export interface TraceDatapath {
  readonly uuid: Uuid;
  /** The uuid of the northbound switch or router; that of the datapath where it is not known. */
  readonly name: string;
  readonly friendly: string;
  readonly names: readonly string[];
  readonly tunnelKey: number;
  readonly isRouter: boolean;
  readonly ports: ReadonlyMap<string, TracePort>;
  readonly portsByKey: ReadonlyMap<number, TracePort>;
  readonly groups: ReadonlyMap<string, TraceGroup>;
  readonly groupsByKey: ReadonlyMap<number, TraceGroup>;
  /** Centralised on one chassis: has a port of type l3gateway. */
  readonly isGateway: boolean;
}

export interface TracePort {
  readonly row: SbRow<"Port_Binding">;
  readonly name: string;
  readonly friendly: string;
  readonly type: string;
  readonly tunnelKey: number;
  readonly datapath: TraceDatapath;
  /** The other end of a patch. */
  peer?: TracePort;
  /** For type chassisredirect: the distributed port that it stands for. */
  distributed?: TracePort;
}

export interface TraceGroup {
  readonly name: string;
  readonly tunnelKey: number;
  readonly ports: readonly TracePort[];
}

/** A logical flow, parsed. */
export interface TraceFlow {
  readonly row: SbRow<"Logical_Flow">;
  readonly match: PreparedMatch;
  readonly actions: readonly LogicalAction[];
  readonly always: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Digits of a uuid that stand for a port without a friendlier name. */
const SHORT = 6;

export class TraceModel {
  readonly #sb: Southbound;
  readonly datapaths = new Map<Uuid, TraceDatapath>();
  readonly ports = new Map<string, TracePort>();
  readonly #portsByUuid = new Map<Uuid, TracePort>();
  readonly #addressSets = new Map<string, readonly string[]>();
  readonly #portGroups = new Map<string, readonly string[]>();
  readonly #rowsOf = new Map<string, SbRow<"Logical_Flow">[]>();
  readonly #flows = new Map<string, readonly TraceFlow[]>();
  readonly #warn: (text: string) => void;
  #macs: ReadonlyMap<string, string> | undefined;
  #fdb: ReadonlyMap<string, number> | undefined;
  #dhcp: { readonly v4: ReadonlyMap<string, DhcpRow>; readonly v6: ReadonlyMap<string, DhcpRow> } | undefined;

  constructor(sb: Southbound, warn: (text: string) => void) {
    this.#sb = sb;
    this.#warn = warn;
    this.#readDatapaths();
    this.#readPorts();
    this.#readGroups();
    for (const row of sb.table("Address_Set").rows()) this.#addressSets.set(row.name, row.addresses);
    for (const row of sb.table("Port_Group").rows()) this.#portGroups.set(row.name, row.ports);
    for (const row of sb.table("Logical_Flow").rows()) {
      const key = tableKey(row.pipeline === "egress" ? "egress" : "ingress", Number(row.table_id));
      const list = this.#rowsOf.get(key);
      if (list === undefined) this.#rowsOf.set(key, [row]);
      else list.push(row);
    }
  }

  // ---- names

  /** Names in a match of a flow of `datapath` (port groups are per datapath), or in a microflow. */
  names(datapath: TraceDatapath | undefined): Names {
    return {
      addressSet: (name) => this.#addressSets.get(name),
      portGroup: (name) =>
        (datapath === undefined ? undefined : this.#portGroups.get(`${datapath.tunnelKey}_${name}`)) ??
        this.#portGroups.get(name),
    };
  }

  /** A datapath by name, friendly name, or (the start of) the uuid of the datapath or its northbound row. */
  findDatapath(text: string): TraceDatapath | undefined {
    let partial: TraceDatapath | undefined;
    let several = false;
    for (const datapath of this.datapaths.values()) {
      if (datapath.names.includes(text) || datapath.uuid === text || datapath.name === text) return datapath;
      if (text.length < SHORT || !isUuidStart(text)) continue;
      if (datapath.uuid.startsWith(text) || datapath.name.startsWith(text)) {
        several = partial !== undefined;
        partial = datapath;
      }
    }
    if (several) {
      this.#warn(`name "${text}" matches multiple datapaths`);
      return undefined;
    }
    return partial;
  }

  /** A port of a datapath by name, friendly name, or the start of a uuid that is its name. */
  findPort(datapath: TraceDatapath, text: string): TracePort | undefined {
    const port = datapath.ports.get(text);
    if (port !== undefined) return port;
    let found: TracePort | undefined;
    for (const one of datapath.ports.values()) {
      const friendly = one.row.external_ids.get("name");
      if (friendly === text || (isUuidStart(text) && text.length >= 4 && UUID.test(one.name) && one.name.startsWith(text))) {
        if (found !== undefined) {
          this.#warn(`${text}: name matches multiple ports`);
          return undefined;
        }
        found = one;
      }
    }
    return found;
  }

  /** The tunnel key of a port or multicast group of a datapath. */
  keyOf(datapath: TraceDatapath, name: string): number | undefined {
    return datapath.ports.get(name)?.tunnelKey ?? datapath.groups.get(name)?.tunnelKey;
  }

  /** A trace does not stand on one chassis: every port that there is is resident. */
  resident(name: string): boolean {
    return this.ports.has(name);
  }

  // ---- neighbours

  /** Mac_Binding: the Ethernet address of an IP address as known on a port. */
  macBinding(port: TracePort, ip: string): string | undefined {
    this.#macs ??= new Map([...this.#sb.table("MAC_Binding").rows()].map((row) => [`${row.logical_port} ${row.ip}`, row.mac]));
    return this.#macs.get(`${port.name} ${ip}`);
  }

  /** FDB: the port behind which an Ethernet address was seen. */
  fdb(datapath: TraceDatapath, mac: string): number | undefined {
    this.#fdb ??= new Map([...this.#sb.table("FDB").rows()].map((row) => [`${row.dp_key} ${row.mac}`, Number(row.port_key)]));
    return this.#fdb.get(`${datapath.tunnelKey} ${mac}`);
  }

  // ---- flows

  /** The flows of a table, the highest priority first. */
  flows(datapath: TraceDatapath, pipeline: Pipeline, table: number): readonly TraceFlow[] {
    const key = `${datapath.uuid} ${tableKey(pipeline, table)}`;
    let flows = this.#flows.get(key);
    if (flows === undefined) {
      const rows = (this.#rowsOf.get(tableKey(pipeline, table)) ?? []).filter((row) => this.#applies(row, datapath));
      flows = rows
        .flatMap((row) => this.#parse(row, datapath, pipeline, table) ?? [])
        .sort((a, b) => Number(b.row.priority) - Number(a.row.priority) || this.#place(a) - this.#place(b));
      this.#flows.set(key, flows);
    }
    return flows;
  }

  /**
   * Which of two flows of one priority wins is undefined (ovn-sb(5)). In the reference it is the one that comes first in a
   * hash table of all flows, in which the place is made of the uuid's first bits and the number of flows.
   */
  #place({ row }: TraceFlow): number {
    const places = 2 ** Math.floor(Math.log2(this.#sb.table("Logical_Flow").size));
    return Number.parseInt(row._uuid.slice(0, 8), 16) % places;
  }

  #applies(row: SbRow<"Logical_Flow">, datapath: TraceDatapath): boolean {
    if (row.logical_datapath === datapath.uuid) return true;
    if (row.logical_dp_group === undefined) return false;
    return this.#groupMembers(row.logical_dp_group).has(datapath.uuid);
  }

  readonly #members = new Map<Uuid, ReadonlySet<Uuid>>();

  #groupMembers(group: Uuid): ReadonlySet<Uuid> {
    let members = this.#members.get(group);
    if (members === undefined) {
      members = new Set(this.#sb.table("Logical_DP_Group").get(group)?.datapaths ?? []);
      this.#members.set(group, members);
    }
    return members;
  }

  #parse(row: SbRow<"Logical_Flow">, datapath: TraceDatapath, pipeline: Pipeline, table: number): TraceFlow | undefined {
    let expression: Expression;
    try {
      expression = parseMatch(row.match, this.names(datapath)).expression;
    } catch (error) {
      if (!(error instanceof LogicalError)) throw error;
      this.#warn(`${row.match}: parsing expression failed (${error.message})`);
      return undefined;
    }
    try {
      const dhcp = this.#dhcpOptions();
      const { actions, prerequisites } = parseActions(row.actions, {
        pipeline,
        table,
        dhcpOption: (name) => dhcp.v4.get(name),
        dhcpv6Option: (name) => dhcp.v6.get(name),
      });
      const conditions = [prepareMatch(expression), ...prerequisites.map(conditionOf)];
      const match: PreparedMatch = conditions.length === 1 ? conditions[0]! : { kind: "and", args: conditions };
      return { row, match, actions, always: match.kind === "literal" && match.value };
    } catch (error) {
      if (!(error instanceof LogicalError)) throw error;
      this.#warn(`${row.actions}: parsing actions failed (${error.message})`);
      return undefined;
    }
  }

  #dhcpOptions() {
    this.#dhcp ??= {
      v4: new Map(
        [...this.#sb.table("DHCP_Options").rows()].map((row) => [row.name, { code: Number(row.code), type: row.type }]),
      ),
      v6: new Map(
        [...this.#sb.table("DHCPv6_Options").rows()].map((row) => [row.name, { code: Number(row.code), type: row.type }]),
      ),
    };
    return this.#dhcp;
  }

  // ---- reading

  #readDatapaths(): void {
    for (const row of this.#sb.table("Datapath_Binding").rows()) {
      const ids = row.external_ids;
      const north = row.nb_uuid ?? ids.get("logical-switch") ?? ids.get("logical-router");
      const friendly = ids.get("name2") ?? ids.get("name") ?? north ?? row._uuid;
      const names = [ids.get("name2"), ids.get("name")].filter((name) => name !== undefined);
      this.datapaths.set(row._uuid, {
        uuid: row._uuid,
        name: north ?? row._uuid,
        friendly,
        names,
        tunnelKey: Number(row.tunnel_key),
        isRouter: row.type === "logical-router" || ids.has("logical-router"),
        ports: new Map(),
        portsByKey: new Map(),
        groups: new Map(),
        groupsByKey: new Map(),
        isGateway: false,
      });
    }
  }

  #readPorts(): void {
    for (const row of this.#sb.table("Port_Binding").rows()) {
      const datapath = this.datapaths.get(row.datapath);
      if (datapath === undefined) continue;
      const name = row.logical_port;
      const friendly = row.external_ids.get("name") ?? (UUID.test(name) ? name.slice(0, SHORT) : name);
      const port: TracePort = { row, name, friendly, type: row.type, tunnelKey: Number(row.tunnel_key), datapath };
      this.ports.set(name, port);
      this.#portsByUuid.set(row._uuid, port);
      // the maps are this model's own; readers see them read-only
      (datapath.ports as Map<string, TracePort>).set(name, port);
      (datapath.portsByKey as Map<number, TracePort>).set(port.tunnelKey, port);
      if (row.type === "l3gateway") (datapath as Mutable<TraceDatapath>).isGateway = true;
    }
    for (const port of this.ports.values()) {
      const { options } = port.row;
      const peer = options.get("peer");
      const other = peer === undefined ? undefined : this.ports.get(peer);
      if (other !== undefined && (port.type === "patch" || port.type === "l3gateway")) port.peer = other;
      const distributed = options.get("distributed-port");
      const real = distributed === undefined ? undefined : this.ports.get(distributed);
      if (real !== undefined && port.type === "chassisredirect") port.distributed = real;
    }
  }

  #readGroups(): void {
    for (const row of this.#sb.table("Multicast_Group").rows()) {
      const datapath = this.datapaths.get(row.datapath);
      if (datapath === undefined) continue;
      const ports = row.ports.map((uuid) => this.#portsByUuid.get(uuid)).filter((port) => port !== undefined);
      ports.sort((a, b) => (a.name < b.name ? -1 : 1));
      const group: TraceGroup = { name: row.name, tunnelKey: Number(row.tunnel_key), ports };
      // as above
      (datapath.groups as Map<string, TraceGroup>).set(row.name, group);
      (datapath.groupsByKey as Map<number, TraceGroup>).set(group.tunnelKey, group);
    }
  }
}

type DhcpRow = { readonly code: number; readonly type: string };

function tableKey(pipeline: Pipeline, table: number): string {
  return `${pipeline} ${table}`;
}

function isUuidStart(text: string): boolean {
  return /^[0-9a-fA-F][0-9a-fA-F-]*$/.test(text);
}
