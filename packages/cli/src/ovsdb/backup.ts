/** A database to its file format and back (ovsdb-client(1) "backup", "restore"). */
import {
  canonicalJson,
  type DatabaseSchema,
  encodeRecord,
  isArray,
  isObject,
  type Json,
  OvsdbError,
  parseSchema,
  readLog,
  stringifyJson,
} from "@weft/ovsdb";
import { ask, type ClientContext, ClientError, schemaOf } from "./request.ts";

function persistentColumns(schema: DatabaseSchema, table: string): string[] {
  return [...(schema.tables.get(table)?.columns ?? [])].filter((column) => !column.ephemeral).map(({ name }) => name);
}

export async function backup(context: ClientContext): Promise<number> {
  const schema = await schemaOf(context);
  const names = [...schema.tables.keys()].sort();
  const operations = names.map((table) => ({
    op: "select",
    table,
    where: [],
    columns: ["_uuid", ...persistentColumns(schema, table)],
  }));
  const replies = await ask(context, "transact", [context.database, ...operations], "transaction");
  const record: { [table: string]: Json } = { _date: Math.floor(context.host.runtime.clock.wall()) };
  for (const [i, table] of names.entries()) {
    const reply = isArray(replies) ? replies[i] : undefined;
    const rows: { [uuid: string]: Json } = {};
    for (const row of isObject(reply) && isArray(reply.rows) ? reply.rows : []) {
      if (!isObject(row) || !isArray(row._uuid)) continue;
      const { _uuid, ...columns } = row;
      rows[String(_uuid[1])] = columns;
    }
    if (Object.keys(rows).length > 0) record[table] = rows;
  }
  await context.host.stdout.write(encodeRecord(stringifyJson(schema.toJson())));
  await context.host.stdout.write(encodeRecord(stringifyJson(record)));
  return 0;
}

async function readAll(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  const bytes = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

type Rows = Map<string, Map<string, { [column: string]: Json }>>;

/** The rows after all records of a log: a record may say a whole row, what differs (`_is_diff`), or null. */
function replay(records: readonly Json[]): Rows {
  const tables: Rows = new Map();
  for (const record of records) {
    if (!isObject(record)) continue;
    if (record._is_diff === true && tables.size > 0) {
      throw new ClientError("snapshot is a log with differences; compact it with ovsdb-tool first");
    }
    for (const [table, changes] of Object.entries(record)) {
      if (table.startsWith("_") || !isObject(changes)) continue;
      const rows = tables.get(table) ?? new Map<string, { [column: string]: Json }>();
      tables.set(table, rows);
      for (const [uuid, row] of Object.entries(changes)) {
        if (isObject(row)) rows.set(uuid, { ...rows.get(uuid), ...(row as { [column: string]: Json }) });
        else rows.delete(uuid);
      }
    }
  }
  return tables;
}

const nameOf = (uuid: string) => `row${uuid.replaceAll("-", "_")}`;

/** References to rows of the snapshot become references to the rows that the transaction inserts. */
function renameReferences(json: Json, known: ReadonlySet<string>): Json {
  if (!isArray(json)) return json;
  if (json.length === 2 && json[0] === "uuid" && typeof json[1] === "string" && known.has(json[1]))
    return ["named-uuid", nameOf(json[1])];
  return json.map((item) => renameReferences(item, known));
}

export async function restore(context: ClientContext): Promise<number> {
  const there = await schemaOf(context);
  let schema: DatabaseSchema;
  let tables: Rows;
  try {
    const { records, fault } = readLog(await readAll(context.host.stdin), "/dev/stdin");
    if (fault !== undefined) throw fault;
    schema = parseSchema(records[0] ?? null);
    tables = replay(records.slice(1));
  } catch (error) {
    if (error instanceof OvsdbError) throw new ClientError(error.line);
    throw error;
  }
  if (!context.has("force")) {
    const override = '(use --force to override differences, or "ovsdb-client convert" to change the schema)';
    if (schema.version !== there.version) {
      throw new ClientError(
        `backup schema has version "${schema.version}" but database schema has version "${there.version}" ${override}`,
      );
    }
    if (canonicalJson(schema.toJson()) !== canonicalJson(there.toJson())) {
      throw new ClientError(`backup schema and database schema differ ${override}`);
    }
  }
  const known = new Set([...tables.values()].flatMap((rows) => [...rows.keys()]));
  const operations: Json[] = [...there.tables.keys()].map((table) => ({ op: "delete", table, where: [] }));
  for (const [table, rows] of tables) {
    for (const [uuid, columns] of rows) {
      const row = Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, renameReferences(value, known)]));
      operations.push({ op: "insert", table, "uuid-name": nameOf(uuid), row });
    }
  }
  const comment = `ovsdb-client: restore ${context.remote} ${context.database}`;
  const replies = await ask(context, "transact", [context.database, ...operations, { op: "comment", comment }], "transaction");
  for (const reply of isArray(replies) ? replies : []) {
    if (isObject(reply) && reply.error !== undefined && reply.error !== null) {
      throw new ClientError(`failed to restore database: ${stringifyJson(reply)}`);
    }
  }
  return 0;
}
