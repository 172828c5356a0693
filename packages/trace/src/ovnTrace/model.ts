/** The southbound database as a trace reads it: datapaths, ports, neighbours, names, and logical flows. */
import type { Names, Pipeline } from "@weft/logical";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { type Contents, TraceDatapath, type TraceGroup, type TracePort } from "./datapath.ts";
import { Flows, type TraceFlow } from "./flows.ts";
import { Rows, type RowsNeeded, type Southbound, select, uuidJson } from "./rows.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Digits of a uuid that stand for a port without a friendlier name. */
const SHORT = 6;
/** Digits of a uuid that are enough to name a row. */
const ENOUGH = 4;

export class TraceModel {
  readonly #rows: Rows;
  readonly #flows: Flows;
  readonly #datapaths = new Map<Uuid, TraceDatapath>();
  readonly #ports = new Map<Uuid, TracePort>();
  readonly #warn: (text: string) => void;
  #macs: ReadonlyMap<string, string> | undefined;
  #fdb: ReadonlyMap<string, number> | undefined;

  /** `partial`: the southbound replica monitors nothing; traces then throw {@link RowsNeeded}. */
  constructor(sb: Southbound, warn: (text: string) => void, { partial = false } = {}) {
    this.#rows = new Rows(sb, partial);
    const told = new Set<string>();
    this.#warn = (text) => {
      if (!told.has(text)) warn(text);
      told.add(text);
    };
    this.#flows = new Flows(this.#rows, { names: (datapath) => this.names(datapath), warn: this.#warn });
  }

  /** Reads what a trace was found to need. */
  async fetch(needed: RowsNeeded): Promise<void> {
    await this.#rows.fetch(needed);
    this.#macs = undefined;
    this.#fdb = undefined;
  }

  // ---- names

  /** Names in a match of a flow of `datapath` (port groups are per datapath), or in a microflow. */
  names(datapath: TraceDatapath | undefined): Names {
    const own = (name: string): string[] => (datapath === undefined ? [] : [`${datapath.tunnelKey}_${name}`]);
    return {
      addressSet: (name) => {
        this.#rows.needNamed("Address_Set", "name", [name]);
        const [row] = this.#rows
          .table("Address_Set")
          .index("name", (row) => [row.name])
          .get(name);
        return row?.addresses;
      },
      portGroup: (name) => {
        this.#rows.needNamed("Port_Group", "name", [...own(name), name]);
        const index = this.#rows.table("Port_Group").index("name", (row) => [row.name]);
        return [...own(name), name].flatMap((one) => index.get(one)).at(0)?.ports;
      },
    };
  }

  /** A datapath by name, friendly name, or (the start of) the uuid of the datapath or its northbound row. */
  findDatapath(text: string): TraceDatapath | undefined {
    const partial: TraceDatapath[] = [];
    for (const datapath of this.#allDatapaths()) {
      if (datapath.names.includes(text) || datapath.uuid === text || datapath.name === text) return datapath;
      if (text.length < ENOUGH || !isUuidStart(text)) continue;
      if (datapath.uuid.startsWith(text) || datapath.name.startsWith(text)) partial.push(datapath);
    }
    if (partial.length > 1) {
      this.#warn(`name "${text}" matches multiple datapaths`);
      return undefined;
    }
    return partial[0];
  }

  #allDatapaths(): Iterable<TraceDatapath> {
    this.#rows.need("datapaths", () => [select("Datapath_Binding"), select("DHCP_Options"), select("DHCPv6_Options")]);
    if (this.#datapaths.size === 0) {
      for (const row of this.#rows.table("Datapath_Binding").rows())
        this.#datapaths.set(row._uuid, new TraceDatapath(row, (datapath) => this.#contents(datapath)));
    }
    return this.#datapaths.values();
  }

  /** A port by its whole name. */
  port(name: string): TracePort | undefined {
    this.#rows.needNamed("Port_Binding", "logical_port", [name]);
    return this.#portNamed(name);
  }

  /** As {@link port}, for a name in a flow: those have been fetched with it. */
  #portNamed(name: string): TracePort | undefined {
    const [row] = this.#rows
      .table("Port_Binding")
      .index("logical_port", ({ logical_port }) => [logical_port])
      .get(name);
    return row === undefined ? undefined : this.#portOf(row);
  }

  #portOf(row: SbRow<"Port_Binding">): TracePort | undefined {
    let port = this.#ports.get(row._uuid);
    if (port !== undefined) return port;
    this.#allDatapaths();
    const datapath = this.#datapaths.get(row.datapath);
    if (datapath === undefined) return undefined;
    const name = row.logical_port;
    const friendly = row.external_ids.get("name") ?? (UUID.test(name) ? name.slice(0, SHORT) : name);
    port = { row, name, friendly, type: row.type, tunnelKey: Number(row.tunnel_key), datapath };
    this.#ports.set(row._uuid, port);
    return port;
  }

  /** A port of a datapath by name, friendly name, or the start of a uuid that is its name. Warns of several. */
  findPort(datapath: TraceDatapath, text: string): TracePort | "several" | undefined {
    const port = datapath.ports.get(text);
    if (port !== undefined) return port;
    let found: TracePort | undefined;
    for (const one of datapath.ports.values()) {
      const friendly = one.row.external_ids.get("name");
      if (friendly === text || (isUuidStart(text) && text.length >= ENOUGH && UUID.test(one.name) && one.name.startsWith(text))) {
        if (found !== undefined) {
          this.#warn(`name "${text}" matches multiple ports`);
          return "several";
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

  /** The friendlier name of a port that a flow names; undefined where there is no such port. */
  friendlyName(port: string): string | undefined {
    return this.#portNamed(port)?.friendly;
  }

  /** A trace does not stand on one chassis: every port that there is is resident. */
  resident(name: string): boolean {
    return this.#portNamed(name) !== undefined;
  }

  /** The other end of a patch. */
  peerOf({ type, row }: TracePort): TracePort | undefined {
    const peer = type === "patch" || type === "l3gateway" ? row.options.get("peer") : undefined;
    return peer === undefined ? undefined : this.port(peer);
  }

  /** The distributed port that a port of type chassisredirect stands for. */
  distributedOf({ type, row }: TracePort): TracePort | undefined {
    const name = type === "chassisredirect" ? row.options.get("distributed-port") : undefined;
    return name === undefined ? undefined : this.port(name);
  }

  // ---- neighbours

  /** Mac_Binding: the Ethernet address of an IP address as known on a port. */
  macBinding({ name }: TracePort, ip: string): string | undefined {
    this.#rows.need(`neighbour ${name} ${ip}`, () => [select("MAC_Binding", ["logical_port", "==", name], ["ip", "==", ip])]);
    this.#macs ??= new Map([...this.#rows.table("MAC_Binding").rows()].map((row) => [`${row.logical_port} ${row.ip}`, row.mac]));
    return this.#macs.get(`${name} ${ip}`);
  }

  /** FDB: the port behind which an Ethernet address was seen. */
  fdb({ tunnelKey }: TraceDatapath, mac: string): number | undefined {
    this.#rows.need(`FDB ${tunnelKey} ${mac}`, () => [select("FDB", ["dp_key", "==", tunnelKey], ["mac", "==", mac])]);
    this.#fdb ??= new Map([...this.#rows.table("FDB").rows()].map((row) => [`${row.dp_key} ${row.mac}`, Number(row.port_key)]));
    return this.#fdb.get(`${tunnelKey} ${mac}`);
  }

  // ---- contents

  /** The flows of a table, the highest priority first. */
  flows(datapath: TraceDatapath, pipeline: Pipeline, table: number): readonly TraceFlow[] {
    return this.#flows.of(datapath, pipeline, table);
  }

  #contents(datapath: TraceDatapath): Contents {
    const uuid = uuidJson(datapath.uuid);
    this.#rows.need(`datapath ${datapath.uuid}`, () => [
      select("Port_Binding", ["datapath", "==", uuid]),
      select("Multicast_Group", ["datapath", "==", uuid]),
      select("Logical_DP_Group", ["datapaths", "includes", uuid]),
      select("Logical_Flow", ["logical_datapath", "==", uuid]),
    ]);
    const rows = this.#rows
      .table("Port_Binding")
      .index("datapath", (row) => [row.datapath])
      .get(datapath.uuid);
    const ports = rows.map((row) => this.#portOf(row)).filter((port) => port !== undefined);
    const groups = this.#rows
      .table("Multicast_Group")
      .index("datapath", (row) => [row.datapath])
      .get(datapath.uuid)
      .map((row) => this.#groupOf(row));
    return {
      ports: new Map(ports.map((port) => [port.name, port])),
      portsByKey: new Map(ports.map((port) => [port.tunnelKey, port])),
      groups: new Map(groups.map((group) => [group.name, group])),
      groupsByKey: new Map(groups.map((group) => [group.tunnelKey, group])),
    };
  }

  #groupOf({ name, tunnel_key, ports: members }: SbRow<"Multicast_Group">): TraceGroup {
    const rows = members.map((uuid) => this.#rows.table("Port_Binding").get(uuid)).filter((row) => row !== undefined);
    const ports = rows.map((row) => this.#portOf(row)).filter((port) => port !== undefined);
    ports.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { name, tunnelKey: Number(tunnel_key), ports };
  }
}

function isUuidStart(text: string): boolean {
  return /^[0-9a-fA-F][0-9a-fA-F-]*$/.test(text);
}
