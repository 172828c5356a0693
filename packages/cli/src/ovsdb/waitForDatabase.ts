import { isObject, type Json, type JsonObject } from "@weft/ovsdb";
import { ask, type ClientContext, ClientError } from "./request.ts";

/** Follows the `_Server` database until a database has come, is connected to its cluster, or is gone. */
export async function waitForDatabase(context: ClientContext): Promise<number> {
  const [name = "", state = ""] = context.args;
  if (!["added", "connected", "removed"].includes(state)) throw new ClientError(`${state}: unknown state`);
  const log = context.log.logger("reconnect");
  log.info(`${context.remote}: connecting...`);
  log.info(`${context.remote}: connected`);
  const rows = new Map<string, JsonObject>();
  const apply = (updates: Json | undefined) => {
    const table = isObject(updates) && isObject(updates.Database) ? updates.Database : {};
    for (const [uuid, update] of Object.entries(table)) {
      const row = isObject(update) ? update.new : undefined;
      if (isObject(row)) rows.set(uuid, row);
      else rows.delete(uuid);
    }
  };
  const holds = () => {
    const row = [...rows.values()].find((found) => found.name === name);
    if (state === "removed") return row === undefined;
    return row !== undefined && (state === "added" || row.connected === true);
  };
  return new Promise((resolve, reject) => {
    context.onNotification((method, [, updates]) => {
      if (method !== "update") return;
      apply(updates);
      if (holds()) resolve(0);
    });
    ask(context, "monitor", ["_Server", null, { Database: { columns: ["name", "connected"] } }]).then((reply) => {
      apply(reply);
      if (holds()) resolve(0);
    }, reject);
    context.ended.then(() => reject(new ClientError(`${context.remote}: connection closed by peer`)));
  });
}
