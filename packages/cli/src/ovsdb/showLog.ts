/** ovsdb-tool show-log: the records of a standalone database's log in words. */
import { datumText, isObject, type Json, type OvsdbError, parseDatum, parseSchema, readLog, type TableSchema } from "@weft/ovsdb";
import { type Files, messageOf, WeftError } from "@weft/runtime";

/**
 * Prints the log; `more` is how often -m was given. Resolves to the fault at which reading stopped, after everything
 * before it has been printed.
 */
export async function showLog(
  files: Files,
  path: string,
  more: number,
  print: (text: string) => Promise<void>,
): Promise<OvsdbError | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await files.read(path);
  } catch (error) {
    const why = messageOf(error).replace(`${path}: `, "");
    throw new WeftError("ovsdb.tool", `I/O error: ${path}: open failed (${why})`, { blame: "caller" });
  }
  const { records, fault } = readLog(bytes, path);
  const [schemaJson, ...transactions] = records;
  if (schemaJson === undefined) return fault;
  const schema = parseSchema(schemaJson);
  await print(`record 0: "${schema.name}" schema, version="${schema.version}", cksum="${schema.cksum}"\n\n`);
  const names = new Map<string, string>();
  for (const [i, record] of transactions.entries()) {
    if (!isObject(record)) continue;
    await print(`record ${i + 1}:${dateText(record._date)}${commentText(record._comment)}\n`);
    if (more === 0) continue;
    for (const [tableName, rows] of Object.entries(record)) {
      const table = schema.tables.get(tableName);
      if (table === undefined || !isObject(rows)) continue;
      for (const [uuid, columns] of Object.entries(rows)) {
        await print(rowText(table, uuid, columns ?? null, names, { more, isDifference: record._is_diff === true }));
      }
    }
    await print("\n");
  }
  return fault;
}

/** Early logs counted seconds instead of milliseconds (ovsdb(5)). */
function dateText(date: Json | undefined): string {
  if (typeof date !== "number") return "";
  const ms = date < 2 ** 32 ? date * 1000 : date;
  return ` ${new Date(ms).toISOString().replace("T", " ").replace("Z", "")}`;
}

function commentText(comment: Json | undefined): string {
  return typeof comment === "string" ? ` "${comment}"` : "";
}

function rowText(
  table: TableSchema,
  uuid: string,
  columns: Json,
  names: Map<string, string>,
  { more, isDifference }: { readonly more: number; readonly isDifference: boolean },
): string {
  const key = `${table.name} ${uuid}`;
  const known = names.get(key);
  const head = (name: string | undefined): string =>
    `  table ${table.name}${known === undefined ? " insert" : ""} row ${title(name, uuid)}${known !== undefined && isDifference ? " diff" : ""}:\n`;
  if (!isObject(columns)) {
    names.delete(key);
    return `${head(known)}    delete row\n`;
  }
  const name = typeof columns.name === "string" && columns.name !== "" ? columns.name : undefined;
  let text = head(known ?? name);
  // Later records call a row without a name by its uuid.
  names.set(key, name ?? known ?? uuid.slice(0, 8));
  if (more < 2) return text;
  for (const [column, json] of Object.entries(columns)) {
    const type = table.column(column)?.type;
    if (type === undefined) continue;
    // A difference may have fewer elements, or more, than the column.
    const datum = parseDatum(json ?? null, { ...type, min: 0, max: type.max === 1 ? 1 : 4294967295 });
    text += `    ${column}=${datumText(datum, type)}\n`;
  }
  return text;
}

function title(name: string | undefined, uuid: string): string {
  const short = uuid.slice(0, 8);
  if (name === undefined) return short;
  return name === short ? `${short} (${short})` : `"${name}" (${short})`;
}
