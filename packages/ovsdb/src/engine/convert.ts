/** A database's contents under another schema (ovsdb-server(7) section 4.1.19). */
import { datumJson, parseDatum } from "../datum.ts";
import type { DatabaseSchema } from "../model.ts";
import { Database } from "./database.ts";
import { Row } from "./row.ts";

/**
 * A new database with the rows of `old`: tables and columns that `schema` does not have are left out, those that only it
 * has are filled with defaults. Throws OvsdbError where the rows break the new schema.
 */
export function convertDatabase(old: Database, schema: DatabaseSchema): Database {
  const database = new Database(schema, old.random);
  for (const table of database.tables.values()) {
    const source = old.table(table.name);
    if (source === undefined) continue;
    for (const row of source.rows()) {
      const cells = table.schema.columns.map((column) => {
        const from = source.schema.column(column.name);
        if (from === undefined) return column.default;
        return parseDatum(datumJson(row.cells[from.index]!, from.type), column.type);
      });
      database.place(table, Row.of(table, row.uuid, cells), row.uuid);
    }
  }
  database.settle();
  return database;
}
