/** Rows by the beginning of their uuid, which is all that a cookie or a hint holds of it. */
import type { Condition, Replica, RowOf, SchemaJson, TableName, Uuid } from "@weft/ovsdb";

export class Records<S extends SchemaJson> {
  readonly #replica: Replica<S>;
  readonly #tables: readonly TableName<S>[];
  /** The first eight digits of a uuid to the rows that begin with them. */
  #index: ReadonlyMap<string, readonly (readonly [TableName<S>, Uuid])[]> | undefined;

  /** `tables`: where to look, in the order in which rows are told. The replica need not follow them. */
  constructor(replica: Replica<S>, tables: readonly TableName<S>[]) {
    this.#replica = replica;
    this.#tables = tables;
  }

  /** Reads the rows whose uuids begin with one of `prefixes`. Throws what the database answers. */
  async read(prefixes: Iterable<string>): Promise<void> {
    await this.#replica.fetch?.(this.#tables.map((table) => ({ table, where: [], columns: [] })));
    const index = new Map<string, (readonly [TableName<S>, Uuid])[]>();
    for (const table of this.#tables) {
      for (const { _uuid } of this.#replica.table(table).rows()) {
        const key = _uuid.slice(0, PREFIX);
        const list = index.get(key);
        if (list === undefined) index.set(key, [[table, _uuid]]);
        else list.push([table, _uuid]);
      }
    }
    this.#index = index;
    await this.fetch([...new Set(prefixes)].flatMap((prefix) => index.get(prefix) ?? []));
  }

  /** Reads rows by their uuids. */
  async fetch(rows: readonly (readonly [TableName<S>, Uuid])[]): Promise<void> {
    const where = (uuid: Uuid): Condition => ["_uuid", "==", ["uuid", uuid]];
    if (rows.length > 0) await this.#replica.fetch?.(rows.map(([table, uuid]) => ({ table, where: [where(uuid)] })));
  }

  get<T extends TableName<S>>(table: T, uuid: Uuid): RowOf<S, T> | undefined {
    return this.#replica.table(table).get(uuid);
  }

  /** The rows whose uuids begin with a prefix of eight digits. */
  find(prefix: string): readonly (readonly [TableName<S>, Uuid])[] {
    return this.#index?.get(prefix) ?? [];
  }
}

/** Digits of a uuid that a cookie holds. */
export const PREFIX = 8;
