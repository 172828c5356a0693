import type { Columns, RowHandle, Transaction, TransactionResult } from "../replica.ts";
import type { RowOf, SchemaJson, TableName } from "../schema.ts";
import type { Uuid } from "../value.ts";
import type { Draft } from "./draft.ts";

type ColumnName<S extends SchemaJson, T extends TableName<S>> = keyof S["tables"][T]["columns"] & string;

/** The typed face of a draft. */
export function transactionOver<S extends SchemaJson>(draft: Draft, finish: () => Promise<TransactionResult>): Transaction<S> {
  return new DraftTransaction(draft, finish);
}

class DraftTransaction<S extends SchemaJson> implements Transaction<S> {
  readonly #draft: Draft;
  readonly #finish: () => Promise<TransactionResult>;
  #finished: Promise<TransactionResult> | undefined;

  constructor(draft: Draft, finish: () => Promise<TransactionResult>) {
    this.#draft = draft;
    this.#finish = finish;
  }

  insert<T extends TableName<S>>(table: T, columns: Columns<S, T>, as?: Uuid | RowHandle): RowHandle {
    return this.#draft.insert(table, columns, as);
  }

  reserve(): RowHandle {
    return this.#draft.reserve();
  }

  update<T extends TableName<S>>(table: T, row: Uuid | RowHandle, columns: Columns<S, T>): void {
    this.#draft.update(table, uuidOf(row), columns);
  }

  delete<T extends TableName<S>>(table: T, row: Uuid | RowHandle): void {
    this.#draft.delete(table, uuidOf(row));
  }

  mutate<T extends TableName<S>>(
    table: T,
    row: Uuid | RowHandle,
    column: ColumnName<S, T>,
    change: { readonly insert?: Iterable<unknown>; readonly delete?: Iterable<unknown> },
  ): void {
    this.#draft.mutate(table, uuidOf(row), column, change);
  }

  increment<T extends TableName<S>>(table: T, row: Uuid | RowHandle, column: ColumnName<S, T>, by: number): void {
    this.#draft.increment(table, uuidOf(row), column, by);
  }

  verify<T extends TableName<S>>(table: T, row: Uuid | RowHandle, columns: readonly ColumnName<S, T>[]): void {
    this.#draft.verify(table, uuidOf(row), columns);
  }

  comment(text: string): void {
    this.#draft.comment(text);
  }

  // Rows are made from the schema that RowOf reads.
  row<T extends TableName<S>>(table: T, row: Uuid | RowHandle): RowOf<S, T> | undefined {
    return this.#draft.row(table, uuidOf(row)) as RowOf<S, T> | undefined;
  }

  rows<T extends TableName<S>>(table: T): Iterable<RowOf<S, T>> {
    return this.#draft.rows(table) as Iterable<RowOf<S, T>>;
  }

  get empty(): boolean {
    return this.#draft.empty;
  }

  commit(): Promise<TransactionResult> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }
}

function uuidOf(row: Uuid | RowHandle): Uuid {
  return typeof row === "string" ? row : (row.rowHandle as Uuid);
}
