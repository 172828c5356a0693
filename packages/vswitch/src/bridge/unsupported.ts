/** What an Open_vSwitch database may ask for and this switch does not do: told once for each row, never ignored in silence. */
import type { Replica, TableName, Uuid } from "@weft/ovsdb";
import type { Logger } from "@weft/runtime";
import type { VsRow, VsSchema } from "@weft/schemas";
import { QOS_TYPES } from "../qos/config.ts";

type Checks = { readonly [T in TableName<VsSchema>]?: (row: VsRow<T>) => readonly (string | false)[] };

const set = (value: unknown, what: string) => value !== undefined && what;

/** Conditions as ovs-vswitchd.conf.db(5) describes the columns; the manual's name of the column is what is told. */
const checks: Checks = {
  Bridge: (row) => [
    set(row.netflow, "netflow"),
    set(row.sflow, "sflow"),
    set(row.ipfix, "ipfix"),
    row.stp_enable && "stp_enable",
    row.rstp_enable && "rstp_enable",
    row.mcast_snooping_enable && "mcast_snooping_enable",
    set(row.auto_attach, "auto_attach"),
  ],
  Port: (row) => [
    row.bond_fake_iface && row.interfaces.length > 1 && "bond_fake_iface",
    row.interfaces.length > 1 && row.other_config.get("lb-output-action") === "true" && "other_config:lb-output-action",
    row.interfaces.length > 1 && row.other_config.get("bond-detect-mode") === "miimon" && "other_config:bond-detect-mode=miimon",
  ],
  Interface: (row) => [
    set(row.cfm_mpid, "cfm_mpid"),
    row.bfd.get("enable") === "true" && row.bfd.get("forwarding_if_rx") === "true" && "bfd:forwarding_if_rx",
    row.lldp.get("enable") === "true" && "lldp",
    (row.options.get("packet_type") ?? "legacy_l2") !== "legacy_l2" && "options:packet_type",
    row.type === "gre" && row.options.get("seq") === "true" && "options:seq",
    row.type === "vxlan" && row.options.has("exts") && "options:exts",
  ],
  QoS: (row) => [row.type !== "" && !QOS_TYPES.some((type) => type === row.type) && `type ${row.type}`],
  Flow_Table: (row) => [
    set(row.flow_limit, "flow_limit"),
    row.groups.length > 0 && "groups",
    row.prefixes.length > 0 && row.prefixes.join() !== "none" && "prefixes",
  ],
};

/** Remembers what has been told. */
export class Unsupported {
  readonly #db: Replica<VsSchema>;
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(db: Replica<VsSchema>, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Looks at every row; a row that stops asking and asks again is told again. */
  check(): void {
    const asked = new Set<string>();
    for (const table of Object.keys(checks) as (keyof Checks)[]) this.#checkTable(table, asked);
    for (const key of this.#told) if (!asked.has(key)) this.#told.delete(key);
  }

  #checkTable<T extends TableName<VsSchema>>(table: T, asked: Set<string>): void {
    const check: ((row: VsRow<T>) => readonly (string | false)[]) | undefined = checks[table];
    if (!check) return;
    for (const row of this.#db.table(table).rows()) {
      for (const what of check(row)) if (what !== false) this.#tell(table, row, what, asked);
    }
  }

  #tell(table: string, row: { readonly _uuid: Uuid }, what: string, asked: Set<string>): void {
    const key = `${row._uuid} ${what}`;
    asked.add(key);
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const name = "name" in row && typeof row.name === "string" ? row.name : row._uuid;
    this.#log.warn(`${table} ${name}: ${what} is not supported`);
  }
}
