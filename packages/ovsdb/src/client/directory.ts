/** What a server says of its databases: the `Database` table of the `_Server` database (ovsdb-server(5)). */
import { isObject, type Json, type JsonObject } from "../jsonrpc/json.ts";

export const DIRECTORY_COLUMNS = ["cid", "connected", "index", "leader", "model", "name", "schema"] as const;

export interface DatabaseEntry {
  readonly name: string;
  readonly model: string;
  readonly connected: boolean;
  readonly leader: boolean;
  /** The schema's JSON text; absent while a clustered server has not got it yet. */
  readonly schema: string | undefined;
  /** Of a clustered database: how much of the log this server has. */
  readonly index: number | undefined;
}

/** Follows the update2 messages of a monitor of `Database`. Every column there holds at most one atom: an update replaces it. */
export class Directory {
  readonly #rows = new Map<string, JsonObject>();

  apply(updates: Json): void {
    const rows = isObject(updates) ? updates["Database"] : undefined;
    if (!isObject(rows)) return;
    for (const [uuid, update] of Object.entries(rows)) {
      if (!isObject(update)) continue;
      if ("delete" in update) this.#rows.delete(uuid);
      else {
        const columns = update["initial"] ?? update["insert"] ?? update["modify"];
        if (isObject(columns)) this.#rows.set(uuid, { ...this.#rows.get(uuid), ...columns });
      }
    }
  }

  find(name: string): DatabaseEntry | undefined {
    for (const row of this.#rows.values()) {
      if (row["name"] !== name) continue;
      const { model, connected, leader, schema, index } = row;
      return {
        name,
        model: typeof model === "string" ? model : "standalone",
        connected: connected === true,
        leader: leader === true,
        schema: typeof schema === "string" ? schema : undefined,
        index: typeof index === "number" ? index : undefined,
      };
    }
    return undefined;
  }
}
