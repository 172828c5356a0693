import type { Columns, RowHandle, Transaction, TransactionResult } from "../replica.ts";
import type { RowOf, SchemaJson, TableName } from "../schema.ts";
import type { Uuid } from "../value.ts";
import type { Draft } from "./draft.ts";

/** The typed face of a draft. */
export function transactionOver<S extends SchemaJson>(draft: Draft, finish: () => Promise<TransactionResult>): Transaction<S> {
  let finished: Promise<TransactionResult> | undefined;
  const uuidOf = (row: Uuid | RowHandle): Uuid => (typeof row === "string" ? row : (row.rowHandle as Uuid));
  return {
    insert: <T extends TableName<S>>(table: T, columns: Columns<S, T>, as?: Uuid | RowHandle) => draft.insert(table, columns, as),
    reserve: () => draft.reserve(),
    update: (table, uuid, columns) => draft.update(table, uuidOf(uuid), columns),
    delete: (table, uuid) => draft.delete(table, uuidOf(uuid)),
    mutate: (table, uuid, column, change) => draft.mutate(table, uuidOf(uuid), column, change),
    increment: (table, uuid, column, by) => draft.increment(table, uuidOf(uuid), column, by),
    verify: (table, uuid, columns) => draft.verify(table, uuidOf(uuid), columns),
    comment: (text) => draft.comment(text),
    // Rows are made from the schema that RowOf reads.
    row: <T extends TableName<S>>(table: T, uuid: Uuid | RowHandle) => draft.row(table, uuidOf(uuid)) as RowOf<S, T> | undefined,
    rows: <T extends TableName<S>>(table: T) => draft.rows(table) as Iterable<RowOf<S, T>>,
    get empty() {
      return draft.empty;
    },
    commit() {
      finished ??= finish();
      return finished;
    },
  };
}
