/** What ovn-detrace says of a southbound row whose uuid a cookie begins. */
import type { Replica, Uuid } from "@weft/ovsdb";
import type { SbRow, SbSchema } from "@weft/schemas";
import { literal } from "./python.ts";
import { Records } from "./records.ts";

const TABLES = ["Logical_Flow", "Port_Binding", "Multicast_Group", "MAC_Binding", "Chassis", "Load_Balancer"] as const;
type Told = (typeof TABLES)[number];

/** What is known of a cookie. */
export interface Provenance {
  readonly lines: readonly string[];
  /** The beginnings of northbound uuids that the row came of. */
  readonly hints: readonly string[];
}

export class SouthboundRecords {
  readonly #records: Records<SbSchema>;
  readonly #replica: Replica<SbSchema>;

  constructor(replica: Replica<SbSchema>) {
    this.#replica = replica;
    this.#records = new Records(replica, TABLES);
  }

  async read(cookies: ReadonlySet<string>): Promise<void> {
    await this.#records.read(cookies);
    const found = [...cookies].flatMap((cookie) => this.#records.find(cookie));
    if (found.length === 0) return;
    const rows = <T extends Told>(wanted: T): SbRow<T>[] =>
      found.flatMap(([table, uuid]) => (table === wanted ? (this.#records.get(wanted, uuid) ?? []) : []));
    const groups = rows("Logical_Flow").map(({ logical_dp_group: group }) => group);
    const members = rows("Multicast_Group").flatMap(({ ports }) => ports);
    await this.#replica.fetch?.([
      { table: "Datapath_Binding", where: [], columns: ["external_ids"] },
      { table: "Chassis", where: [], columns: ["name", "hostname"] },
    ]);
    await this.#records.fetch([
      ...groups.filter((group) => group !== undefined).map((group) => ["Logical_DP_Group", group] as const),
      ...members.map((port) => ["Port_Binding", port] as const),
    ]);
  }

  of(cookie: string): Provenance[] {
    return this.#records.find(cookie).map(([table, uuid]) => this.#describe(table as Told, uuid));
  }

  #describe(table: Told, uuid: Uuid): Provenance {
    if (table === "Logical_Flow") return this.#flow(this.#records.get(table, uuid)!);
    return { lines: this.#other(table, uuid), hints: [] };
  }

  #flow(row: SbRow<"Logical_Flow">): Provenance {
    const group = row.logical_dp_group;
    const members = group === undefined ? [] : (this.#replica.table("Logical_DP_Group").get(group)?.datapaths ?? []);
    const datapaths = row.logical_datapath === undefined ? members : [row.logical_datapath, ...members];
    const stage = row.external_ids.get("stage-name") ?? "None";
    const hint = row.external_ids.get("stage-hint");
    return {
      lines: [
        "Logical datapaths:",
        ...datapaths.map((datapath) => `    ${this.#datapath(datapath)} [${row.pipeline}]`),
        `Logical flow: table=${row.table_id} (${stage}), priority=${row.priority}, match=(${unquoted(row.match)}), actions=(${unquoted(row.actions)})`,
      ],
      hints: hint === undefined ? [] : [hint],
    };
  }

  #other(table: Exclude<Told, "Logical_Flow">, uuid: Uuid): string[] {
    switch (table) {
      case "Port_Binding": {
        const row = this.#records.get(table, uuid)!;
        const chassis = row.chassis === undefined ? "" : this.#chassis(row.chassis);
        return [
          `Logical datapath: ${this.#datapath(row.datapath)}`,
          `Port Binding: logical_port "${row.logical_port}", tunnel_key ${row.tunnel_key}, ${chassis}`,
        ];
      }
      case "Multicast_Group": {
        const row = this.#records.get(table, uuid)!;
        const ports = row.ports.map((port) => this.#records.get("Port_Binding", port)?.logical_port);
        return [
          `Logical datapath: ${this.#datapath(row.datapath)}`,
          `Multicast Group: name "${row.name}", tunnel_key ${row.tunnel_key} ports: (${ports.join(", ")})`,
        ];
      }
      case "MAC_Binding": {
        const row = this.#records.get(table, uuid)!;
        return [
          `Logical datapath: ${this.#datapath(row.datapath)}`,
          `MAC Binding: ip "${row.ip}", logical_port "${row.logical_port}", mac "${row.mac}"`,
        ];
      }
      case "Chassis":
        return [`Chassis: ${this.#chassis(uuid)}`];
      case "Load_Balancer": {
        const { name, protocol, vips } = this.#records.get(table, uuid)!;
        return [`Load Balancer: ${name} protocol ${literal(protocol, true)} vips ${literal(vips)}`];
      }
    }
  }

  #datapath(uuid: Uuid): string {
    return `"${this.#records.get("Datapath_Binding", uuid)?.external_ids.get("name")}" (${uuid})`;
  }

  #chassis(uuid: Uuid): string {
    const row = this.#records.get("Chassis", uuid);
    return `chassis-name "${row?.name}", chassis-str "${row?.hostname}"`;
  }
}

/** The reference takes quotes at either end of a text away, also where they belong to it. */
function unquoted(text: string): string {
  return text.replace(/^"+|"+$/g, "");
}
