/** Role-based access control: ovsdb-server(7) section 3.2 and 4.1.3, tables RBAC_Role and its permission table. */
import type { AccessChange, Requester } from "../engine/operations.ts";
import type { Row } from "../engine/row.ts";
import type { Table } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import type { ColumnSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";

/** The check for a client of a role; undefined where there is nothing to check. */
export function authorizer(role: string, clientId: string): Requester["authorize"] {
  if (role === "") return undefined;
  return (change) => {
    const roles = change.table.tables.get("RBAC_Role");
    if (roles === undefined) return;
    const permission = findPermission(roles, role, change.table.name);
    const denied = new OvsdbError(
      "permission error",
      `RBAC rules for client "${clientId}" role "${role}" prohibit ${WORDS[change.kind]} table "${change.table.name}".`,
    );
    if (permission === undefined || !allows(permission, change, clientId)) throw denied;
  };
}

const WORDS: { readonly [K in AccessChange["kind"]]: string } = {
  insert: "row insertion into",
  delete: "row deletion from",
  update: "modification of",
  mutate: "mutate operation on",
};

interface Permission {
  readonly row: Row;
  readonly table: Table;
}

function cellNamed(table: Table, row: Row, name: string): Datum | undefined {
  const column: ColumnSchema | undefined = table.schema.column(name);
  return column === undefined ? undefined : row.cells[column.index];
}

function findPermission(roles: Table, role: string, tableName: string): Permission | undefined {
  const permissions = roles.schema.column("permissions");
  const target = permissions?.type.value?.refTable;
  const table = target === undefined ? undefined : roles.tables.get(target);
  if (permissions === undefined || table === undefined) return undefined;
  for (const row of roles.rows()) {
    if (cellNamed(roles, row, "name")?.[0] !== role) continue;
    const map = row.cells[permissions.index]!;
    for (let i = 0; i < map.length; i += 2) {
      if (map[i] !== tableName) continue;
      const row = table.slots.get(map[i + 1] as Uuid)?.row; // a column with a refTable holds uuids
      if (row !== undefined) return { row, table };
    }
  }
  return undefined;
}

function allows({ row, table }: Permission, change: AccessChange, clientId: string): boolean {
  // A row that is inserted must be the client's own from the beginning.
  if (!owns(cellNamed(table, row, "authorization") ?? [], change, clientId)) return false;
  if (change.kind === "insert" || change.kind === "delete") return cellNamed(table, row, "insert_delete")?.[0] === true;
  const writable = cellNamed(table, row, "update") ?? [];
  return change.columns.every((column) =>
    writable.some((name) => name === column.name || (typeof name === "string" && name.startsWith(`${column.name}:`))),
  );
}

/** Whether one of the columns, or column:key pairs, holds the client's id; an empty name lets everybody in. */
function owns(authorization: Datum, change: AccessChange, clientId: string): boolean {
  for (const name of authorization) {
    if (typeof name !== "string") continue;
    if (name === "") return true;
    const [columnName, key] = name.split(":", 2) as [string, string | undefined]; // split gives at least one part
    const column = change.table.schema.column(columnName);
    if (column === undefined) continue;
    const cell = change.row.cells[column.index]!;
    if (key === undefined) {
      if (cell.includes(clientId)) return true;
    } else {
      for (let i = 0; i + 1 < cell.length; i += 2) if (cell[i] === key && cell[i + 1] === clientId) return true;
    }
  }
  return false;
}
