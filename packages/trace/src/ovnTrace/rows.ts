/**
 * Which rows of the Southbound a trace needs. It is followed over those that are here; where one is not known yet, it stops with
 * {@link RowsNeeded} and is followed anew when they are: the flows of a large cloud need not be read for one packet.
 */
import type { Condition, Json, Replica, Selection } from "@weft/ovsdb";
import { WeftError } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";

export type Southbound = Pick<Replica<SbSchema>, "table" | "fetch">;
type Select = Selection<SbSchema>;

/** Thrown out of a trace: it can be followed again after these rows were fetched. */
export class RowsNeeded extends WeftError {
  /** What the rows are known by once they are here. */
  readonly keys: readonly string[];
  readonly selections: readonly Select[];

  constructor(keys: readonly string[], selections: readonly Select[]) {
    super("trace.rows-needed", `the trace needs ${keys.join()}`);
    this.keys = keys;
    this.selections = selections;
  }
}

/** The columns that a trace reads, of tables with many or large rows. */
const COLUMNS: { readonly [T in Select["table"]]?: readonly (keyof SbSchema["tables"][T]["columns"])[] } = {
  Datapath_Binding: ["external_ids", "nb_uuid", "tunnel_key"],
  Logical_Flow: ["actions", "external_ids", "logical_datapath", "logical_dp_group", "match", "pipeline", "priority", "table_id"],
  Port_Binding: ["datapath", "external_ids", "logical_port", "options", "port_security", "tunnel_key", "type"],
};

export function select(table: Select["table"], ...where: readonly Condition[]): Select {
  const columns = COLUMNS[table];
  return columns === undefined ? { table, where } : { table, where, columns };
}

/** A uuid as the value of a condition. */
export function uuidJson(uuid: string): readonly ["uuid", string] {
  return ["uuid", uuid];
}

export class Rows {
  readonly southbound: Southbound;
  readonly #here: Set<string> | undefined;

  /** `partial`: the replica has only what was fetched into it; else it has everything. */
  constructor(southbound: Southbound, partial: boolean) {
    this.southbound = southbound;
    this.#here = partial ? new Set() : undefined;
  }

  get table(): Southbound["table"] {
    return this.southbound.table;
  }

  get complete(): boolean {
    return this.#here === undefined;
  }

  /** Throws {@link RowsNeeded} unless the rows that `key` stands for have been fetched. */
  need(key: string, selections: () => readonly Select[]): void {
    if (this.#here === undefined || this.#here.has(key)) return;
    throw new RowsNeeded([key], selections());
  }

  /** Reads what was needed. Throws what the database answers. */
  async fetch({ keys, selections }: RowsNeeded): Promise<void> {
    await this.southbound.fetch?.(selections);
    for (const key of keys) this.#here?.add(key);
  }

  /** As {@link need}, for rows of a table by the values of a column. */
  needNamed(table: Select["table"], column: string, values: Iterable<string>, json: (value: string) => Json = String): void {
    const here = this.#here;
    if (here === undefined) return;
    const missing = [...new Set(values)].filter((value) => !here.has(`${table} ${column} ${value}`));
    if (missing.length === 0) return;
    const keys = missing.map((value) => `${table} ${column} ${value}`);
    throw new RowsNeeded(
      keys,
      missing.map((value) => select(table, [column, "==", json(value)])),
    );
  }
}
