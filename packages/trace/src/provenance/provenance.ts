/**
 * Where flows come from: the cookie of an OpenFlow flow is the beginning of the uuid of a southbound row; a logical flow tells
 * by external_ids:stage-hint the northbound row that it was made from (ovn-sb(5), Logical_Flow).
 */
import type { Replica, Uuid } from "@weft/ovsdb";
import type { NbSchema, SbRow, SbSchema } from "@weft/schemas";
import { NorthboundNames, type NorthboundRow } from "./northbound.ts";

type Southbound = Pick<Replica<SbSchema>, "table">;

/** Tables whose rows flows carry in their cookies. */
const COOKIE_TABLES = [
  "Logical_Flow",
  "Port_Binding",
  "Multicast_Group",
  "MAC_Binding",
  "Static_MAC_Binding",
  "FDB",
  "Load_Balancer",
  "Chassis",
] as const satisfies readonly (keyof SbSchema["tables"])[];

export interface Origin {
  /** Everything known, in a sentence without its full stop. */
  readonly text: string;
  /** "TABLE UUID", the southbound row first. */
  readonly rows: readonly string[];
  readonly logicalFlow?: SbRow<"Logical_Flow">;
  readonly northbound?: NorthboundRow;
}

export class Provenance {
  readonly #sb: Southbound;
  readonly #names: NorthboundNames | undefined;
  #ports: Map<string, SbRow<"Port_Binding">> | undefined;
  #byKey: Map<number, Uuid> | undefined;
  #byCookie: Map<number, { readonly table: (typeof COOKIE_TABLES)[number]; readonly uuid: Uuid }[]> | undefined;

  constructor(sb: Southbound, nb: Pick<Replica<NbSchema>, "table"> | undefined) {
    this.#sb = sb;
    this.#names = nb === undefined ? undefined : new NorthboundNames(nb);
  }

  /**
   * Where a flow with a cookie comes from; undefined: no row has it. `datapath`: the tunnel key of the network that a packet is in,
   * of all that a logical flow may be for.
   */
  ofCookie(cookie: number, datapath?: number): Origin | undefined {
    if (cookie === 0) return undefined;
    this.#byCookie ??= this.#readCookies();
    const [first] = this.#byCookie.get(cookie) ?? [];
    if (first === undefined) return undefined;
    if (first.table === "Logical_Flow") {
      const row = this.#sb.table("Logical_Flow").get(first.uuid);
      return row === undefined ? undefined : this.ofLogicalFlow(row, datapath);
    }
    return { text: this.#describe(first.table, first.uuid), rows: [`${first.table} ${first.uuid}`] };
  }

  ofLogicalFlow(row: SbRow<"Logical_Flow">, datapath?: number): Origin {
    const ids = row.external_ids;
    const hint = ids.get("stage-hint");
    const northbound = hint === undefined ? undefined : this.#names?.startingWith(hint)[0];
    const stage = ids.get("stage-name") ?? `${row.pipeline} table ${row.table_id}`;
    const text = `logical flow ${row._uuid.slice(0, 8)} (${stage}, priority ${row.priority}: ${row.match}) of ${this.datapathOfKey(datapath) ?? this.#datapaths(row)}`;
    return {
      text: northbound === undefined ? text : `${text}, made from ${northbound.text}`,
      rows: [`Logical_Flow ${row._uuid}`, ...(northbound === undefined ? [] : [`${northbound.table} ${northbound.uuid}`])],
      logicalFlow: row,
      ...(northbound === undefined ? {} : { northbound }),
    };
  }

  /** The port with a tunnel key within the datapath with a tunnel key. */
  portOf(datapath: number, port: number): SbRow<"Port_Binding"> | undefined {
    this.#ports ??= new Map(
      [...this.#sb.table("Port_Binding").rows()].flatMap((row) => {
        const key = this.#sb.table("Datapath_Binding").get(row.datapath)?.tunnel_key;
        return key === undefined ? [] : [[`${key} ${row.tunnel_key}`, row] as const];
      }),
    );
    return this.#ports.get(`${datapath} ${port}`);
  }

  /** The localnet port of the datapath with a tunnel key. */
  localnetOf(datapath: number): SbRow<"Port_Binding"> | undefined {
    return [...this.#sb.table("Port_Binding").rows()].find(
      (row) => row.type === "localnet" && Number(this.#sb.table("Datapath_Binding").get(row.datapath)?.tunnel_key) === datapath,
    );
  }

  /** The name of a datapath: "switch sw0", "router lr0". */
  datapath(uuid: Uuid): string {
    const row = this.#sb.table("Datapath_Binding").get(uuid);
    if (row === undefined) return `datapath ${uuid}`;
    const ids = row.external_ids;
    const kind = row.type === "logical-router" || ids.has("logical-router") ? "router" : "switch";
    return `${kind} ${ids.get("name2") ?? ids.get("name") ?? uuid}`;
  }

  /** The name of the datapath with a tunnel key. */
  datapathOfKey(key: number | undefined): string | undefined {
    if (key === undefined || key === 0) return undefined;
    this.#byKey ??= new Map([...this.#sb.table("Datapath_Binding").rows()].map((row) => [Number(row.tunnel_key), row._uuid]));
    const uuid = this.#byKey.get(key);
    return uuid === undefined ? undefined : this.datapath(uuid);
  }

  #datapaths({ logical_datapath: one, logical_dp_group: group }: SbRow<"Logical_Flow">): string {
    if (one !== undefined) return this.datapath(one);
    const members = group === undefined ? [] : (this.#sb.table("Logical_DP_Group").get(group)?.datapaths ?? []);
    const names = members.slice(0, 3).map((uuid) => this.datapath(uuid));
    return `${names.join(", ")}${members.length > 3 ? ` and ${members.length - 3} more` : ""}`;
  }

  #describe(table: Exclude<(typeof COOKIE_TABLES)[number], "Logical_Flow">, uuid: Uuid): string {
    const sb = this.#sb;
    switch (table) {
      case "Port_Binding": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `port ${row.logical_port} of ${this.datapath(row.datapath)}`;
      }
      case "Multicast_Group": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `multicast group ${row.name} of ${this.datapath(row.datapath)}`;
      }
      case "MAC_Binding": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `neighbour ${row.ip} at ${row.mac}, learned on ${row.logical_port}`;
      }
      case "Static_MAC_Binding": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `neighbour ${row.ip} at ${row.mac}, set for ${row.logical_port}`;
      }
      case "FDB": {
        const row = sb.table(table).get(uuid);
        return row === undefined
          ? `${table} ${uuid}`
          : `learned address ${row.mac} (datapath ${row.dp_key}, port ${row.port_key})`;
      }
      case "Load_Balancer": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `load balancer ${row.name}`;
      }
      case "Chassis": {
        const row = sb.table(table).get(uuid);
        return row === undefined ? `${table} ${uuid}` : `chassis ${row.name}`;
      }
    }
  }

  #readCookies(): Map<number, { readonly table: (typeof COOKIE_TABLES)[number]; readonly uuid: Uuid }[]> {
    const cookies = new Map<number, { readonly table: (typeof COOKIE_TABLES)[number]; readonly uuid: Uuid }[]>();
    for (const table of COOKIE_TABLES) {
      for (const { _uuid: uuid } of this.#sb.table(table).rows()) {
        const cookie = Number.parseInt(uuid.slice(0, 8), 16);
        const list = cookies.get(cookie);
        if (list === undefined) cookies.set(cookie, [{ table, uuid }]);
        else list.push({ table, uuid });
      }
    }
    return cookies;
  }
}
