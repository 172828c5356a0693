/** What may be configured but is not done: each is reported once for its row, never ignored in silence. */
import type { TableName, Uuid } from "@weft/ovsdb";
import type { NbRow, NbSchema } from "@weft/schemas";

type Checks = { readonly [T in TableName<NbSchema>]?: (row: NbRow<T>) => readonly (string | false)[] };

const set = (value: unknown, what: string) => value !== undefined && what;
const option = (options: ReadonlyMap<string, string>, ...names: readonly string[]) =>
  names.map((name) => options.has(name) && `option ${name}`);

const checks: Checks = {
  NB_Global: (row) => [...option(row.options, "debug_drop_domain_id", "debug_drop_collector_set")],
  Sampling_App: (row) => [row.type === "drop" && "samples of drops"],
  Logical_Switch: (row) => [...option(row.other_config, "interconn-ts", "fdb_age_threshold", "dynamic-routing-vni")],
  Logical_Switch_Port: (row) => [
    row.type === "switch" && "type switch",
    ...option(row.options, "arp_proxy", "activation-strategy"),
  ],
  Logical_Router: (row) => [...option(row.options, "dynamic-routing", "mac_binding_age_threshold")],
  Logical_Router_Port: (row) => [
    row.options.get("prefix") === "true" && "option prefix: delegated prefixes are not written back",
  ],
  ACL: (row) => [set(row.network_function_group, "network_function_group")],
  Load_Balancer: (row) => [
    row.options.get("template") === "true" && row.options.has("affinity_timeout") && "affinity_timeout of templates",
    row.options.get("template") === "true" && row.options.has("neighbor_responder") && "neighbor_responder of templates",
  ],
};

/** Remembers what was reported. */
export class Unsupported {
  readonly #reported = new Set<string>();
  readonly #warn: (text: string) => void;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  check(table: string, uuid: Uuid, row: object): void {
    // The row is of the table by the change set's word.
    const find = checks[table as keyof Checks] as ((row: object) => readonly (string | false)[]) | undefined;
    if (find === undefined) return;
    const { name } = row as { readonly name?: string };
    for (const what of find(row)) {
      if (what === false || this.#reported.has(`${uuid} ${what}`)) continue;
      this.#reported.add(`${uuid} ${what}`);
      this.#warn(`${table} ${name || uuid}: ${what} is not supported`);
    }
  }
}
