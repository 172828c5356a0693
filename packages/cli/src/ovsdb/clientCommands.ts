/** The commands of ovsdb-client(1). */
import {
  type ColumnModel,
  canonicalJson,
  compareAtoms,
  type DatabaseSchema,
  decode,
  isArray,
  isObject,
  type Json,
  OvsdbError,
  parseJson,
  parseSchema,
} from "@weft/ovsdb";
import { messageOf, WeftError } from "@weft/runtime";
import { inFolder } from "../directories.ts";
import { prettyJson, printTable, sortedJson, type Table } from "../table.ts";
import { backup, restore } from "./backup.ts";
import { monitor, monitorCond, monitorCondSince } from "./monitor.ts";
import { ask, type ClientCommand, type ClientContext, ClientError, columnsOf, parseArgument, schemaOf } from "./request.ts";
import { waitForDatabase } from "./waitForDatabase.ts";

const many = Number.POSITIVE_INFINITY;

async function printJson(context: ClientContext, json: Json): Promise<void> {
  await context.print(`${context.style.pretty ? prettyJson(json) : sortedJson(json)}\n`);
}

async function printLines(context: ClientContext, table: Table): Promise<void> {
  await context.print(printTable(table, context.style));
}

async function transact(context: ClientContext, readOnly: boolean): Promise<number> {
  const request = parseArgument(context.args[0] ?? "");
  if (!isArray(request) || typeof request[0] !== "string") throw new ClientError(`not a valid OVSDB query`);
  const operations = readOnly ? [...request, { op: "abort" }] : request;
  const reply = await ask(context, "transact", operations, "transaction");
  // What "abort" itself answers is not the caller's.
  await printJson(context, readOnly && isArray(reply) ? reply.slice(0, request.length - 1) : reply);
  return 0;
}

async function dump(context: ClientContext): Promise<number> {
  const schema = await schemaOf(context);
  const [only, ...wanted] = context.args;
  if (only !== undefined && !schema.tables.has(only)) throw new ClientError(`No table "${only}" found.`);
  const names = only === undefined ? [...schema.tables.keys()].sort() : [only];
  const operations: Json[] = [];
  const shown = new Map<string, readonly ColumnModel[]>();
  for (const name of names) {
    const columns = columnsOf(schema, name) ?? new Map<string, ColumnModel>();
    for (const column of wanted) if (!columns.has(column)) throw new ClientError(`Table "${name}" has no column ${column}.`);
    const chosen = (
      wanted.length > 0 ? [...new Set(wanted)] : [...columns.keys()].filter((column) => column !== "_version")
    ).sort();
    shown.set(
      name,
      chosen.map((column) => columns.get(column)!),
    );
    operations.push({ op: "select", table: name, where: [], columns: chosen });
  }
  const replies = await ask(context, "transact", [context.database, ...operations], "transaction");
  const printed = names.map((name, i) => {
    const reply = isArray(replies) ? replies[i] : undefined;
    const rows = isObject(reply) && isArray(reply.rows) ? reply.rows.filter(isObject) : [];
    const columns = shown.get(name) ?? [];
    const cells = rows.map((row) => columns.map((column) => ({ column, value: decode(column, row[column.name] ?? null) })));
    cells.sort((a, b) => compareCells(a, b));
    return printTable({ caption: `${name} table`, headings: columns.map(({ name }) => name), rows: cells }, context.style);
  });
  await context.print(printed.join(context.style.format === "json" || context.style.format === "html" ? "" : "\n"));
  return 0;
}

type Cells = readonly { readonly value: ReturnType<typeof decode> }[];

function compareCells(a: Cells, b: Cells): number {
  for (const [i, { value }] of a.entries()) {
    const [x, y] = [atomsOf(value), atomsOf(b[i]?.value)];
    if (x.length !== y.length) return x.length - y.length;
    for (const [j, atom] of x.entries()) {
      const order = compareAtoms(atom, y[j]!);
      if (order !== 0) return order;
    }
  }
  return 0;
}

function atomsOf(value: ReturnType<typeof decode>) {
  if (value === undefined) return [];
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  return Array.isArray(value) ? value : [value];
}

async function readSchema(context: ClientContext): Promise<{ readonly json: Json; readonly schema: DatabaseSchema }> {
  const name = context.args[0] ?? "";
  let text: string;
  try {
    text = new TextDecoder().decode(await context.host.runtime.files.read(inFolder(context.host.cwd, name)));
  } catch (error) {
    const reason = messageOf(error).replace(/^.*: /, "");
    throw new ClientError(`failed to read schema: "${name}" could not be read as JSON (error opening "${name}": ${reason})`);
  }
  try {
    const json = parseJson(text);
    return { json, schema: parseSchema(json) };
  } catch (error) {
    if (error instanceof OvsdbError) throw new ClientError(`failed to read schema: ${error.line}`);
    throw new ClientError(`failed to read schema: "${name}" could not be read as JSON (${messageOf(error)})`);
  }
}

/** Takes, steals or gives back a lock, and tells what becomes of it until the end. */
const locking = (method: "lock" | "steal" | "unlock"): ClientCommand => ({
  name: method,
  usage: "LOCK",
  help: { lock: "take a lock, or wait for it", steal: "take a lock from whoever has it", unlock: "give back a lock" }[method],
  database: false,
  min: 1,
  max: 1,
  async run(context) {
    context.onNotification((method, params) => {
      if (method === "locked" || method === "stolen") void context.print(`${method} ${sortedJson(params)}\n`);
    });
    await printJson(context, await ask(context, method, [context.args[0] ?? ""]));
    await context.ended;
    throw new WeftError("ovsdb.closed", `${context.remote}: connection closed by peer`);
  },
});

export const commands: readonly ClientCommand[] = [
  {
    name: "list-dbs",
    usage: "",
    help: "print the databases",
    database: false,
    min: 0,
    max: 0,
    async run(context) {
      const reply = await ask(context, "list_dbs", []);
      const names = isArray(reply) ? reply.map(String).sort() : [];
      await context.print(names.map((name) => `${name}\n`).join(""));
      return 0;
    },
  },
  {
    name: "get-schema",
    usage: "",
    help: "print the schema of a database",
    database: true,
    min: 0,
    max: 0,
    async run(context) {
      await printJson(context, (await schemaOf(context)).toJson());
      return 0;
    },
  },
  {
    name: "get-schema-version",
    usage: "",
    help: "print the version of a database's schema",
    database: true,
    min: 0,
    max: 0,
    async run(context) {
      await context.print(`${(await schemaOf(context)).version}\n`);
      return 0;
    },
  },
  {
    name: "get-schema-cksum",
    usage: "",
    help: "print the checksum of a database's schema",
    database: true,
    min: 0,
    max: 0,
    async run(context) {
      await context.print(`${(await schemaOf(context)).cksum}\n`);
      return 0;
    },
  },
  {
    name: "list-tables",
    usage: "",
    help: "print the tables of a database",
    database: true,
    min: 0,
    max: 0,
    async run(context) {
      const names = [...(await schemaOf(context)).tables.keys()].sort();
      await printLines(context, { headings: ["Table"], rows: names.map((name) => [name]) });
      return 0;
    },
  },
  {
    name: "list-columns",
    usage: "[TABLE]",
    help: "print the columns of one table or all",
    database: true,
    min: 0,
    max: 1,
    async run(context) {
      const schema = await schemaOf(context);
      const json = schema.toJson();
      const tables = isObject(json) && isObject(json.tables) ? json.tables : {};
      const [only] = context.args;
      const rows = Object.entries(tables)
        .filter(([name]) => only === undefined || name === only)
        .flatMap(([name, table]) => {
          const own = isObject(table) && isObject(table.columns) ? table.columns : {};
          const types: [string, Json][] = [
            ...Object.entries(own).map(([column, value]): [string, Json] => [
              column,
              isObject(value) ? (value.type ?? null) : null,
            ]),
            ["_uuid", "uuid"],
            ["_version", "uuid"],
          ];
          return types
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([column, type]) => [...(only === undefined ? [name] : []), column, canonicalJson(type)]);
        });
      await printLines(context, { headings: [...(only === undefined ? ["Table"] : []), "Column", "Type"], rows });
      return 0;
    },
  },
  {
    name: "transact",
    usage: "TRANSACTION",
    help: "run a transaction: the params of a transact request, as JSON",
    database: false,
    min: 1,
    max: 1,
    run: (context) => transact(context, false),
  },
  {
    name: "query",
    usage: "TRANSACTION",
    help: "as transact, but changing nothing",
    database: false,
    min: 1,
    max: 1,
    run: (context) => transact(context, true),
  },
  {
    name: "dump",
    usage: "[TABLE [COLUMN]...]",
    help: "print what is in a database or table",
    database: true,
    min: 0,
    max: many,
    run: dump,
  },
  {
    name: "backup",
    usage: "> SNAPSHOT",
    help: "print a database in the format of its file",
    database: true,
    min: 0,
    max: 0,
    run: backup,
  },
  {
    name: "restore",
    usage: "< SNAPSHOT",
    help: "replace what is in a database by a snapshot",
    database: true,
    min: 0,
    max: 0,
    run: restore,
  },
  {
    name: "monitor",
    usage: "TABLE [COLUMN,...]... | ALL",
    help: "print changes as they happen",
    database: true,
    min: 1,
    max: many,
    run: monitor,
  },
  {
    name: "monitor-cond",
    usage: "CONDITION TABLE [COLUMN,...]...",
    help: "print changes of rows that satisfy a condition",
    database: true,
    min: 2,
    max: 3,
    run: monitorCond,
  },
  {
    name: "monitor-cond-since",
    usage: "[LASTID] CONDITION TABLE [COLUMN,...]...",
    help: "print changes since a transaction",
    database: true,
    min: 2,
    max: 4,
    run: monitorCondSince,
  },
  {
    name: "convert",
    usage: "SCHEMA",
    help: "convert the database named in a schema file to that schema",
    database: false,
    min: 1,
    max: 1,
    async run(context) {
      const { json, schema } = await readSchema(context);
      await ask(context, "convert", [schema.name, json]);
      return 0;
    },
  },
  {
    name: "needs-conversion",
    usage: "SCHEMA",
    help: "print whether a database's schema differs from a schema file",
    database: false,
    min: 1,
    max: 1,
    async run(context) {
      const { schema } = await readSchema(context);
      const there = await schemaOf(context, schema.name);
      await context.print(canonicalJson(there.toJson()) === canonicalJson(schema.toJson()) ? "no\n" : "yes\n");
      return 0;
    },
  },
  {
    name: "wait",
    usage: "DATABASE STATE",
    help: "wait until a database is added, connected or removed",
    database: false,
    min: 2,
    max: 2,
    run: waitForDatabase,
  },
  locking("lock"),
  locking("steal"),
  locking("unlock"),
];
