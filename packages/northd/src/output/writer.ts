/** Brings the southbound database to what it should be, with one transaction for whatever changed. */
import { sameContent } from "@weft/incremental";
import type { ChangeSet, Columns, Replica, RowChange, Transaction, TransactionResult, Uuid } from "@weft/ovsdb";
import type { Random } from "@weft/runtime";
import type { SbRow, SbSchema } from "@weft/schemas";
import { stagesByPlace } from "../stages.ts";
import { sampled, unsampled } from "./dropSample.ts";
import { DatapathGroup, type FlowEntry, type FlowStore } from "./flows.ts";
import { datapathOwner, keyOf, type Names, ownedTables } from "./keys.ts";
import { Owned, Ref, type SbTable } from "./row.ts";
import type { RowEntry, RowStore } from "./rows.ts";

type Tx = Transaction<SbSchema>;

/** Rows that chassis wrote and that keep a datapath from being deleted. */
const attachedTables = ["MAC_Binding", "IGMP_Group", "Learned_Route", "IP_Multicast"] as const;

/** Tables that nobody but the writer looks at: what the database says of them is news only where it is not as was written. */
const writtenOnly: ReadonlySet<SbTable> = new Set([
  "SB_Global",
  "Logical_Flow",
  "Logical_DP_Group",
  "Multicast_Group",
  "Address_Set",
  "Port_Group",
  "Load_Balancer",
  "DHCP_Options",
  "DNS",
]);

/** The values that a row has in the columns of another, as a text. */
function contentOf(columns: object, row: Readonly<Record<string, unknown>>): string {
  const values = Object.keys(columns).map((column) => row[column]);
  return JSON.stringify(values, (_, value) => (value instanceof Map ? [...value].sort() : value));
}

const TRANSLATED = "acl_ct_translation";

const NO_TAGS: ReadonlyMap<string, string> = new Map();

function tagsOf({ port, translated }: FlowEntry): ReadonlyMap<string, string> {
  if (port === undefined && !translated) return NO_TAGS;
  const tags = new Map<string, string>();
  if (translated) tags.set(TRANSLATED, "true");
  if (port !== undefined) tags.set("in_out_port", port);
  return tags;
}

/** Whether a row has these values in these columns. */
function agrees(columns: object, row: object): boolean {
  const has = row as Readonly<Record<string, unknown>>;
  return Object.entries(columns).every(([column, value]) => sameContent(value, has[column]));
}

/** Whether a row is still as it was written, as far as it is northd's. */
function asWritten({ written }: RowEntry, row: object): boolean {
  if (written === undefined) return false;
  if (written.row === row) return true;
  const was = written.row as Readonly<Record<string, unknown>>;
  const has = row as Readonly<Record<string, unknown>>;
  for (const column in written.desired.columns) if (!sameContent(was[column], has[column])) return false;
  for (const column in written.desired.initial) if (has[column] === undefined) return false;
  // The same content once in memory.
  written.row = row;
  return true;
}

/** Whether a column shows all that was wanted of it: rows that it refers to may not have been there. */
function complete(wanted: unknown, shown: unknown): boolean {
  if (wanted instanceof Ref) return shown !== undefined;
  if (wanted instanceof Map) return shown instanceof Map && shown.size === wanted.size;
  return !Array.isArray(wanted) || (Array.isArray(shown) && shown.length === wanted.length);
}

/** Items of a list by which two lists of them are compared. */
function identityOf(item: unknown): unknown {
  return item instanceof Ref ? item.key : item;
}

/** What one list has that the other has not, and the other way round. Most differ in one place only. */
function differences(list: readonly unknown[], other: readonly unknown[]): readonly [readonly unknown[], readonly unknown[]] {
  const shorter = Math.min(list.length, other.length);
  let start = 0;
  while (start < shorter && identityOf(list[start]) === identityOf(other[start])) start++;
  let tail = 0;
  while (tail < shorter - start && identityOf(list.at(-1 - tail)) === identityOf(other.at(-1 - tail))) tail++;
  const [left, right] = [list.slice(start, list.length - tail), other.slice(start, other.length - tail)];
  const without = (items: readonly unknown[], others: readonly unknown[]) => {
    const known = new Set(others.map(identityOf));
    return items.filter((item) => !known.has(identityOf(item)));
  };
  return [without(left, right), without(right, left)];
}

export class SouthboundWriter {
  readonly #sb: Replica<SbSchema>;
  readonly #rows: RowStore;
  readonly #flows: FlowStore;
  readonly #entryOf = new Map<Uuid, RowEntry>();
  readonly #flowOf = new Map<Uuid, FlowEntry>();
  readonly #groups = new Map<string, DatapathGroup>();
  /** Rows that are nobody's: to be deleted. */
  readonly #strangers = new Map<Uuid, SbTable>();
  readonly #datapaths = new Map<Uuid, Uuid>();
  readonly #sharedIds = new Map<string, Map<string, string>>();
  readonly #random: Random;
  readonly #names: Names = {
    datapath: (uuid) => this.#datapaths.get(uuid),
    port: (uuid) => this.#sb.table("Port_Binding").get(uuid)?.logical_port,
  };

  /** `random` gives the uuids of rows that are made here. */
  constructor(sb: Replica<SbSchema>, random: Random, rows: RowStore, flows: FlowStore) {
    this.#sb = sb;
    this.#random = random;
    this.#rows = rows;
    this.#flows = flows;
  }

  get pending(): boolean {
    return this.#rows.dirty.size > 0 || this.#flows.dirty.size > 0 || this.#strangers.size > 0;
  }

  /** Takes stock of what the database has: every row is recognised, or will be deleted. */
  adopt(): void {
    this.#entryOf.clear();
    this.#flowOf.clear();
    this.#strangers.clear();
    this.#datapaths.clear();
    this.#groups.clear();
    for (const entry of [...this.#rows.entries()]) {
      entry.uuid = undefined;
      entry.written = undefined;
      if (entry.desired === undefined) this.#rows.forget(entry);
      else this.#rows.dirty.add(entry);
    }
    for (const entry of this.#flows.entries()) {
      entry.uuid = undefined;
      entry.group = undefined;
      this.#flows.mark(entry);
    }
    for (const row of this.#sb.table("Datapath_Binding").rows()) this.#datapaths.set(row._uuid, datapathOwner(row) as Uuid);
    for (const table of ownedTables) for (const row of this.#sb.table(table).rows()) this.#recognise(table, row);
    const groups = new Map<Uuid, DatapathGroup>();
    for (const row of this.#sb.table("Logical_Flow").rows()) this.#recogniseFlow(row, groups);
    this.#sweep();
  }

  /** Marks what chassis learned behind ports that are no longer there. */
  #sweep(): void {
    const keys = new Set<string>();
    for (const { desired } of this.#rows.table("Port_Binding").values()) {
      const datapath = desired?.columns["datapath"];
      const owner = datapath instanceof Ref ? this.#rows.find("Datapath_Binding", datapath.key)?.desired : undefined;
      if (owner !== undefined) keys.add(`${owner.columns["tunnel_key"]} ${desired!.columns["tunnel_key"]}`);
    }
    for (const row of this.#sb.table("FDB").rows()) {
      if (!keys.has(`${row.dp_key} ${row.port_key}`)) this.#strangers.set(row._uuid, "FDB");
    }
    for (const row of this.#sb.table("MAC_Binding").rows()) {
      if (this.#rows.find("Port_Binding", row.logical_port)?.desired === undefined) this.#strangers.set(row._uuid, "MAC_Binding");
    }
  }

  #recognise(table: SbTable, row: { readonly _uuid: Uuid }): void {
    const key = keyOf(table, row, this.#names);
    if (key === undefined) return;
    const entry = this.#rows.find(table, key);
    if (entry === undefined || (entry.uuid !== undefined && entry.uuid !== row._uuid)) {
      this.#strangers.set(row._uuid, table);
      return;
    }
    entry.uuid = row._uuid;
    this.#entryOf.set(row._uuid, entry);
    this.#rows.dirty.add(entry);
  }

  #recogniseFlow(row: SbRow<"Logical_Flow">, groups: Map<Uuid, DatapathGroup>): void {
    const kind = row.external_ids.get("stage-name")?.startsWith("lr_") ? "router" : "switch";
    const stage = stagesByPlace(kind, row.pipeline, row.table_id);
    const entry =
      stage &&
      this.#flows.find(stage, row.priority, row.match, {
        actions: unsampled(row.actions, this.#flows.dropSample),
        port: row.tags.get("in_out_port"),
        translated: row.tags.get(TRANSLATED) === "true",
        meter: row.controller_meter,
        description: row.flow_desc,
      });
    if (entry === undefined || entry.uuid !== undefined) {
      this.#strangers.set(row._uuid, "Logical_Flow");
      return;
    }
    entry.uuid = row._uuid;
    this.#flowOf.set(row._uuid, entry);
    this.#flows.mark(entry);
    if (row.logical_dp_group !== undefined) {
      let group = groups.get(row.logical_dp_group);
      if (group === undefined) {
        // Its members are compared when a flow asks for a group of the same datapaths.
        group = new DatapathGroup(`adopted ${row.logical_dp_group}`, []);
        group.uuid = row.logical_dp_group;
        groups.set(row.logical_dp_group, group);
      }
      group.uses++;
      entry.group = group;
    }
  }

  /**
   * Hears of every change of the database. What others did to our rows is undone by the next transaction. Returns whether
   * there is more in it than the database's word of what was written.
   */
  onChange(set: ChangeSet): boolean {
    let news = false;
    for (const change of set.changes) news = this.#take(change) || news;
    return news || this.pending;
  }

  #take({ table: name, uuid, before, after }: RowChange): boolean {
    const table = name as SbTable;
    const news = !writtenOnly.has(table);
    if (table === "Datapath_Binding" && after !== undefined) {
      this.#datapaths.set(uuid, datapathOwner(after as SbRow<"Datapath_Binding">) as Uuid);
    }
    if (after === undefined) {
      this.#vanished(uuid);
      return news;
    }
    const entry = this.#entryOf.get(uuid);
    if (before === undefined) {
      if (table === "Logical_Flow" || (ownedTables as readonly string[]).includes(table)) this.#stranger(table, uuid);
      // Whether its being there is news to others, only these know.
      return news && !(table === "Port_Binding" && entry?.written?.row === after);
    }
    if (entry !== undefined && !asWritten(entry, after as object)) this.#rows.dirty.add(entry);
    const flow = this.#flowOf.get(uuid);
    if (flow !== undefined && !agrees(this.#flowColumns(flow) ?? {}, after as object)) this.#flows.mark(flow);
    return news;
  }

  #vanished(uuid: Uuid): void {
    this.#strangers.delete(uuid);
    const entry = this.#entryOf.get(uuid);
    if (entry !== undefined) {
      this.#entryOf.delete(uuid);
      entry.uuid = undefined;
      if (entry.desired !== undefined) this.#rows.dirty.add(entry);
    }
    const flow = this.#flowOf.get(uuid);
    if (flow !== undefined) {
      this.#flowOf.delete(uuid);
      flow.uuid = undefined;
      if (!flow.empty) this.#flows.mark(flow);
    }
  }

  #stranger(table: SbTable, uuid: Uuid): void {
    if (this.#entryOf.has(uuid) || this.#flowOf.has(uuid)) return;
    const row = this.#sb.table(table).get(uuid);
    if (row === undefined) return;
    if (table === "Logical_Flow") this.#strangers.set(uuid, table);
    else this.#recognise(table, row);
  }

  /**
   * Writes what changed. Returns the result, or undefined if there was nothing to write. New rows get their uuids here, so
   * that they are known when the database tells of them; after a failure stock must be taken anew.
   */
  async write(): Promise<TransactionResult | undefined> {
    if (!this.pending) return undefined;
    const tx = this.#sb.transaction();
    tx.comment("ovn-northd");
    for (const [uuid, table] of this.#strangers) this.#delete(tx, table, uuid);
    for (const entry of this.#rows.dirty) this.#writeRow(tx, entry);
    this.#writeFlows(tx, [...this.#flows.dirty]);
    // Before the answer: what the database tells meanwhile may have to be undone by the next transaction.
    this.#settle();
    return tx.empty ? { status: "unchanged", inserted: new Map() } : tx.commit();
  }

  /** The uuid of a row that is to be there, a new one where it is not there yet. */
  #resolve(ref: Ref): Uuid | undefined {
    const entry = this.#rows.find(ref.table, ref.key);
    return entry?.desired === undefined ? undefined : this.#identify(entry);
  }

  #identify(entry: RowEntry): Uuid {
    if (entry.uuid === undefined) {
      entry.uuid = entry.desired?.uuid ?? this.#newUuid();
      this.#entryOf.set(entry.uuid, entry);
      if (entry.table === "Datapath_Binding") this.#datapaths.set(entry.uuid, entry.key as Uuid);
    }
    return entry.uuid;
  }

  #newUuid(): Uuid {
    return this.#random.uuid() as Uuid; // random.uuid gives the form of one
  }

  #settle(): void {
    for (const entry of this.#rows.dirty) if (entry.desired === undefined) this.#rows.forget(entry);
    for (const flow of this.#flows.dirty) {
      flow.dirty = false;
      if (flow.empty) this.#flows.forget(flow);
    }
    this.#rows.dirty.clear();
    this.#flows.dirty.clear();
    this.#strangers.clear();
  }

  #delete(tx: Tx, table: SbTable, uuid: Uuid): void {
    if (tx.row(table, uuid) === undefined) return;
    if (table === "Datapath_Binding") this.#detach(tx, uuid);
    tx.delete(table, uuid);
  }

  /** Deletes what refers to a datapath that goes, and what chassis learned on it. */
  #detach(tx: Tx, datapath: Uuid): void {
    for (const table of attachedTables) {
      const attached = this.#sb
        .table(table)
        .index("datapath", (row) => (row.datapath === undefined ? [] : [row.datapath as Uuid]));
      for (const row of attached.get(datapath)) if (!this.#entryOf.has(row._uuid)) this.#delete(tx, table, row._uuid);
    }
    const key = this.#sb.table("Datapath_Binding").get(datapath)?.tunnel_key;
    const learned = this.#sb.table("FDB").index("dp_key", (row) => [row.dp_key]);
    if (key !== undefined) for (const row of learned.get(key)) this.#delete(tx, "FDB", row._uuid);
  }

  /** Deletes what chassis learned behind a port that goes. */
  #forgetLearned(tx: Tx, port: SbRow<"Port_Binding">): void {
    const neighbours = this.#sb.table("MAC_Binding").index("logical_port", (row) => [row.logical_port]);
    for (const row of neighbours.get(port.logical_port)) this.#delete(tx, "MAC_Binding", row._uuid);
    const key = this.#sb.table("Datapath_Binding").get(port.datapath)?.tunnel_key;
    const learned = this.#sb.table("FDB").index("dp_key port_key", (row) => [`${row.dp_key} ${row.port_key}`]);
    if (key !== undefined) for (const row of learned.get(`${key} ${port.tunnel_key}`)) this.#delete(tx, "FDB", row._uuid);
  }

  #writeRow(tx: Tx, entry: RowEntry): void {
    const { table, desired } = entry;
    const current = entry.uuid === undefined ? undefined : this.#sb.table(table).get(entry.uuid);
    if (desired === undefined) {
      if (entry.uuid === undefined || current === undefined) return;
      if (table === "Port_Binding") this.#forgetLearned(tx, current as SbRow<"Port_Binding">);
      this.#delete(tx, table, entry.uuid);
      return;
    }
    const has = current as Readonly<Record<string, unknown>> | undefined;
    const known = has !== undefined && asWritten(entry, has) ? entry.written!.desired.columns : undefined;
    const columns: Record<string, unknown> = {};
    for (const [column, value] of Object.entries(desired.columns)) {
      if (known !== undefined && this.#difference(tx, entry, column, known[column], value, has![column])) continue;
      columns[column] = this.#resolved(tx, value, has, column);
    }
    for (const [column, value] of Object.entries(desired.initial ?? {})) {
      if (has?.[column] === undefined) columns[column] = value;
    }
    const uuid = this.#identify(entry);
    // Columns were made for this table; their names and types are those of its schema.
    if (current !== undefined) tx.update(table, uuid, columns as never);
    else tx.insert(table, columns as never, uuid);
    entry.written = { desired, row: tx.row(table, uuid)! };
  }

  /**
   * Of a column that shows what was wanted of it before, writes no more than what is wanted otherwise now: nothing where that
   * is the same, of a long list what has come and gone. Returns false where the column is to be written as a whole.
   */
  #difference(tx: Tx, { table, uuid }: RowEntry, column: string, before: unknown, after: unknown, shown: unknown): boolean {
    if (!complete(before, shown)) return false;
    if (!Array.isArray(before) || !Array.isArray(after)) return sameContent(before, after);
    const [insert, gone] = differences(after, before);
    if (insert.length + gone.length > after.length / 4) return false;
    const inserted = this.#plain(insert) as readonly unknown[];
    const deleted = gone.map((item) => (item instanceof Ref ? this.#rows.find(item.table, item.key)?.uuid : item));
    if (inserted.length < insert.length || deleted.includes(undefined)) return false;
    if (inserted.length + deleted.length > 0) {
      // The column is one of the table, by what was made for it.
      tx.mutate(table, uuid!, column as never, { insert: inserted, delete: deleted });
    }
    return true;
  }

  #resolved(tx: Tx, value: unknown, current: Record<string, unknown> | undefined, column: string): unknown {
    return value instanceof Owned ? this.#owned(tx, value, current?.[column]) : this.#plain(value);
  }

  /** A column's value with uuids in place of references. */
  #plain(value: unknown): unknown {
    if (value instanceof Ref) return this.#resolve(value);
    if (Array.isArray(value) && value.some((item) => item instanceof Ref)) {
      return value.flatMap((item) => (item instanceof Ref ? (this.#resolve(item) ?? []) : item));
    }
    if (value instanceof Map) {
      const pairs: [unknown, unknown][] = [];
      for (const [key, item] of value) {
        const resolved = item instanceof Ref ? this.#resolve(item) : item;
        if (resolved !== undefined) pairs.push([key, resolved]);
      }
      return new Map(pairs);
    }
    return value;
  }

  #owned(tx: Tx, { table, rows }: Owned, current: unknown): unknown {
    const uuids = (Array.isArray(current) ? current : current === undefined ? [] : [current]) as Uuid[];
    const texts = uuids.map((uuid) => {
      const row = this.#sb.table(table).get(uuid) as Record<string, unknown> | undefined;
      return row === undefined || rows[0] === undefined ? "" : contentOf(rows[0]!, row);
    });
    const wanted = rows.map((row) => contentOf(row, row));
    if (texts.length === wanted.length && texts.sort().join() === wanted.sort().join()) return uuids;
    return rows.map((row) => tx.insert(table, row as never, this.#newUuid()));
  }

  // --- flows ---------------------------------------------------------------------------------------------------------

  #writeFlows(tx: Tx, flows: readonly FlowEntry[]): void {
    for (const group of this.#regroup(flows)) this.#writeGroup(tx, group);
    for (const entry of flows) {
      const exists = entry.uuid !== undefined && this.#sb.table("Logical_Flow").get(entry.uuid) !== undefined;
      const columns = this.#flowColumns(entry);
      if (columns === undefined) {
        if (exists) tx.delete("Logical_Flow", entry.uuid!);
      } else if (exists) tx.update("Logical_Flow", entry.uuid!, columns);
      else {
        entry.uuid = this.#newUuid();
        this.#flowOf.set(entry.uuid, entry);
        tx.insert("Logical_Flow", columns, entry.uuid);
      }
    }
  }

  /** What a flow's row should have; undefined when it is to go. */
  #flowColumns(entry: FlowEntry): Columns<SbSchema, "Logical_Flow"> | undefined {
    const place = this.#placeOf(entry);
    if (place === undefined) return undefined;
    return {
      logical_datapath: place.logical_datapath,
      logical_dp_group: place.logical_dp_group,
      pipeline: entry.stage.pipeline,
      table_id: entry.stage.table,
      priority: entry.priority,
      match: entry.match,
      actions: sampled(entry, this.#flows.dropSample),
      tags: tagsOf(entry),
      controller_meter: entry.meter,
      external_ids: this.#idsOf(entry),
      flow_desc: entry.description,
    };
  }

  /** Flows that are nobody's in particular share theirs. */
  #idsOf({ origin: { source, hint }, stage }: FlowEntry): ReadonlyMap<string, string> {
    const key = `${source} ${stage.id}`;
    let ids = hint === undefined ? this.#sharedIds.get(key) : undefined;
    if (ids === undefined) {
      ids = new Map();
      ids.set("source", source);
      if (hint !== undefined) ids.set("stage-hint", hint.slice(0, 8));
      ids.set("stage-name", stage.name);
      if (hint === undefined) this.#sharedIds.set(key, ids);
    }
    return ids;
  }

  #writeGroup(tx: Tx, group: DatapathGroup): void {
    const datapaths = group.members.flatMap((uuid) => this.#resolve(new Ref("Datapath_Binding", uuid)) ?? []);
    if (group.uuid !== undefined && this.#sb.table("Logical_DP_Group").get(group.uuid) !== undefined) {
      tx.update("Logical_DP_Group", group.uuid, { datapaths });
    } else {
      group.uuid = this.#newUuid();
      tx.insert("Logical_DP_Group", { datapaths }, group.uuid);
    }
  }

  /** Where a flow's row says that it applies; undefined when it is to go. */
  #placeOf(
    entry: FlowEntry,
  ): { readonly logical_datapath: Uuid | undefined; readonly logical_dp_group: Uuid | undefined } | undefined {
    if (entry.empty) return undefined;
    const { group } = entry;
    if (group !== undefined) return { logical_datapath: undefined, logical_dp_group: group.uuid };
    const datapath = this.#resolve(new Ref("Datapath_Binding", entry.members()[0]!));
    return datapath === undefined ? undefined : { logical_datapath: datapath, logical_dp_group: undefined };
  }

  /** Finds the group of every flow. Returns groups whose rows are to be written: new ones, in rows of old ones where these are free. */
  #regroup(flows: readonly FlowEntry[]): readonly DatapathGroup[] {
    const came = new Map<DatapathGroup, Map<DatapathGroup, number>>();
    for (const entry of flows) {
      const old = entry.group;
      const group = this.#groupOf(entry);
      if (group !== undefined) group.uses++;
      if (old !== undefined) old.uses--;
      entry.group = group;
      if (group === undefined || group.uuid !== undefined) continue;
      let from = came.get(group);
      if (from === undefined) {
        from = new Map();
        came.set(group, from);
      }
      if (old !== undefined && old !== group) from.set(old, (from.get(old) ?? 0) + 1);
    }
    for (const [group, from] of came) {
      for (const [old] of [...from].sort((a, b) => b[1] - a[1])) {
        if (old.uses > 0 || old.uuid === undefined) continue;
        group.uuid = old.uuid;
        old.uuid = undefined;
        break;
      }
    }
    for (const [key, group] of this.#groups) if (group.uses === 0) this.#groups.delete(key);
    return [...came.keys()];
  }

  /** The group of a flow that is on more than one datapath. */
  #groupOf(entry: FlowEntry): DatapathGroup | undefined {
    const { key, size } = entry.place();
    if (size < 2) return undefined;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new DatapathGroup(key, entry.members());
      this.#groups.set(key, group);
    }
    return group;
  }
}
