/** `monitor`, `monitor-cond` and `monitor-cond-since` of ovsdb-client(1). */
import { type ColumnModel, decode, isArray, isObject, type Json, type JsonObject } from "@weft/ovsdb";
import { type Cell, printTable } from "../table.ts";
import { ask, type ClientContext, ClientError, columnsOf, parseArgument, schemaOf } from "./request.ts";

interface Watched {
  readonly table: string;
  readonly columns: readonly ColumnModel[];
  readonly request: JsonObject;
}

const KINDS = ["initial", "insert", "delete", "modify"] as const;

/** What `TABLE [COLUMN,...]...` asks for. */
async function watch(context: ClientContext, table: string, lists: readonly string[], where?: Json): Promise<Watched> {
  const schema = await schemaOf(context);
  const known = columnsOf(schema, table);
  if (known === undefined) throw new ClientError(`${context.remote}: ${context.database} does not have a table named "${table}"`);
  const select: { [kind: string]: boolean } = {};
  const names: string[] = [];
  for (const word of lists.flatMap((list) => list.split(",")).filter((word) => word !== "")) {
    const kind = KINDS.find((kind) => word === `!${kind}`);
    if (kind !== undefined) select[kind] = false;
    else if (known.has(word)) names.push(word);
    else
      throw new ClientError(`${context.remote}: table "${table}" in ${context.database} does not have a column named "${word}"`);
  }
  const chosen = names.length > 0 ? names : [...known.keys()].filter((name) => name !== "_uuid").sort();
  const request = {
    columns: chosen,
    ...(Object.keys(select).length === 0 ? {} : { select }),
    ...(where === undefined ? {} : { where }),
  };
  return { table, columns: chosen.map((name) => known.get(name)!), request };
}

class Printer {
  readonly #context: ClientContext;
  readonly #watched: readonly Watched[];
  readonly #captions: boolean;
  #first = true;
  #last: Promise<void> = Promise.resolve();

  constructor(context: ClientContext, watched: readonly Watched[]) {
    this.#context = context;
    this.#watched = watched;
    this.#captions = watched.length > 1;
  }

  /** Text between tables, after everything before it. */
  text(text: string): Promise<void> {
    this.#last = this.#last.then(() => this.#context.print(text));
    return this.#last;
  }

  /** Prints a table for each table that `updates` changes. */
  updates(updates: Json, rowsOf: (columns: readonly ColumnModel[], uuid: string, update: JsonObject) => Cell[][]): void {
    if (!isObject(updates)) return;
    const { style, host } = this.#context;
    const timestamp = this.#context.has("timestamp") ? formatTime(host.runtime.clock.wall()) : undefined;
    for (const { table, columns } of this.#watched) {
      const changed = updates[table];
      if (!isObject(changed)) continue;
      const rows = Object.entries(changed).flatMap(([uuid, update]) => (isObject(update) ? rowsOf(columns, uuid, update) : []));
      if (rows.length === 0) continue;
      const headings = ["row", "action", ...columns.map(({ name }) => name)];
      const body = printTable(
        { headings, rows, ...(this.#captions ? { caption: table } : {}), ...(timestamp === undefined ? {} : { timestamp }) },
        style,
      );
      const gap = this.#first || style.format === "json" || style.format === "html" ? "" : "\n";
      this.#first = false;
      void this.text(gap + body);
    }
  }
}

/** Local time without a zone would say nothing: UTC. */
function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", "");
}

function cells(columns: readonly ColumnModel[], row: Json | undefined): Cell[] {
  if (!isObject(row)) return columns.map(() => undefined);
  return columns.map((column) => {
    const json = row[column.name];
    return json === undefined ? undefined : { column, value: decode(column, json) };
  });
}

/** RFC 7047 section 4.1.6 <row-update>. */
const rows1 =
  (initial: boolean) =>
  (columns: readonly ColumnModel[], uuid: string, { old, new: fresh }: JsonObject): Cell[][] => {
    if (isObject(old) && isObject(fresh)) {
      return [
        [uuid, "old", ...cells(columns, old)],
        ["", "new", ...cells(columns, fresh)],
      ];
    }
    if (isObject(fresh)) return [[uuid, initial ? "initial" : "insert", ...cells(columns, fresh)]];
    return [[uuid, "delete", ...cells(columns, old)]];
  };

/** ovsdb-server(7) 4.1.14 <row-update2>. */
function rows2(columns: readonly ColumnModel[], uuid: string, update: JsonObject): Cell[][] {
  const kind = KINDS.find((kind) => kind in update);
  return kind === undefined ? [] : [[uuid, kind, ...cells(columns, update[kind])]];
}

export async function monitor(context: ClientContext): Promise<number> {
  const [table = "", ...lists] = context.args;
  let watched: readonly Watched[];
  if (table === "ALL") {
    if (lists.length > 0) throw new ClientError('"ALL" cannot be used with columns');
    const names = [...(await schemaOf(context)).tables.keys()].sort();
    watched = await Promise.all(names.map((name) => watch(context, name, [])));
  } else watched = [await watch(context, table, lists)];
  const printer = new Printer(context, watched);
  const requests = Object.fromEntries(watched.map(({ table, request }) => [table, request]));
  context.onNotification((method, [, updates]) => {
    if (method === "update") printer.updates(updates ?? null, rows1(false));
  });
  printer.updates(await ask(context, "monitor", [context.database, null, requests]), rows1(true));
  return follow(context);
}

export async function monitorCond(context: ClientContext): Promise<number> {
  const [condition = "", table = "", ...lists] = context.args;
  const watched = [await watch(context, table, lists, parseArgument(condition))];
  const printer = new Printer(context, watched);
  context.onNotification((method, [, updates]) => {
    if (method === "update2") printer.updates(updates ?? null, rows2);
  });
  const requests = Object.fromEntries(watched.map(({ table, request }) => [table, [request]]));
  printer.updates(await ask(context, "monitor_cond", [context.database, null, requests]), rows2);
  return follow(context);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export async function monitorCondSince(context: ClientContext): Promise<number> {
  const [first = ""] = context.args;
  const since = UUID.test(first) ? first : undefined;
  const [condition = "", table = "", ...lists] = since === undefined ? context.args : context.args.slice(1);
  const watched = [await watch(context, table, lists, parseArgument(condition))];
  const printer = new Printer(context, watched);
  context.onNotification((method, [, last, updates]) => {
    if (method !== "update3") return;
    void printer.text(`\nlast_id: ${String(last)}`);
    printer.updates(updates ?? null, rows2);
  });
  const requests = Object.fromEntries(watched.map(({ table, request }) => [table, [request]]));
  const params = [context.database, null, requests, since ?? "00000000-0000-0000-0000-000000000000"];
  const reply = await ask(context, "monitor_cond_since", params);
  const [found, last, updates] = isArray(reply) ? reply : [];
  await printer.text(`found: ${found === true}, last_id: ${String(last)}\n`);
  printer.updates(updates ?? null, rows2);
  return follow(context);
}

async function follow(context: ClientContext): Promise<number> {
  context.host.ready?.();
  await context.ended;
  throw new ClientError(`${context.remote}: connection closed by peer`);
}
