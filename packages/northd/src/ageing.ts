/**
 * Forgets what was learned and was not used for long: rows of MAC_Binding and FDB (ovn-nb(5), mac_binding_age_threshold,
 * fdb_age_threshold and their removal limits). Time alone makes these changes, so they are no part of what is computed
 * from the databases: each row waits in a heap for the moment at which it would be too old; chassis that see it used
 * write its timestamp anew, and then it waits again.
 */
import type { ChangeSet, Replica, Transaction, Uuid } from "@weft/ovsdb";
import { type Clock, Heap, type Logger } from "@weft/runtime";
import type { NbRow, NbSchema, SbRow, SbSchema } from "@weft/schemas";
import { parseSeconds, parseThresholds, type Thresholds, thresholdOf } from "./model/ageing.ts";
import { datapathOwner } from "./output/keys.ts";

const tables = ["MAC_Binding", "FDB"] as const;
type Learned = (typeof tables)[number];

const LIMITS = { MAC_Binding: "mac_binding_removal_limit", FDB: "fdb_removal_limit" } as const;
/** Pause between the batches of a removal limit (ms). */
const BATCH_PAUSE = 5000;
/** The longest time between two looks (ms): timers know no more than 31 bits. */
const LONGEST = 3_600_000;

/** A row, and when it is to be looked at: a wall time in ms. */
interface Waiting {
  readonly uuid: Uuid;
  readonly at: number;
}

function sooner(a: Waiting, b: Waiting): boolean {
  return a.at < b.at;
}

interface Queue {
  /** By time. A row may be in it more than once. */
  readonly heap: Heap<Waiting>;
  /** No more rows are removed before this wall time. */
  pause: number;
}

export class Ageing {
  readonly #nb: Replica<NbSchema>;
  readonly #sb: Replica<SbSchema>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #queues: { readonly [T in Learned]: Queue } = {
    MAC_Binding: { heap: new Heap(sooner), pause: 0 },
    FDB: { heap: new Heap(sooner), pause: 0 },
  };
  readonly #parsed = new Map<string, Thresholds | undefined>();
  /** Thresholds may be others: every row is to be looked at. */
  #stale = true;

  constructor(options: {
    readonly nb: Replica<NbSchema>;
    readonly sb: Replica<SbSchema>;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#nb = options.nb;
    this.#sb = options.sb;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  northboundChanged({ changes }: ChangeSet): void {
    this.#stale ||= changes.some(({ table, before, after }) => thresholdIn(table, before) !== thresholdIn(table, after));
  }

  southboundChanged({ changes }: ChangeSet): void {
    if (this.#stale) return;
    for (const { table, uuid, before, after } of changes) {
      // Of a row that is there a later time is found when its time comes.
      if ((table === "MAC_Binding" || table === "FDB") && before === undefined && after !== undefined) this.#look(table, uuid);
    }
  }

  /** Another database, or one that was not followed for a while. */
  restart(): void {
    this.#stale = true;
  }

  /** Puts the removal of what is too old into a transaction; returns when to come again (ms from now). */
  write(transaction: Transaction<SbSchema>): number | undefined {
    if (this.#stale) this.#lookAtAll();
    const now = this.#clock.wall();
    const next = tables.map((table) => this.#remove(table, transaction, now)).filter((time) => time !== undefined);
    return next.length === 0 ? undefined : Math.min(LONGEST, Math.max(0, Math.min(...next) - now));
  }

  #lookAtAll(): void {
    this.#stale = false;
    for (const table of tables) {
      this.#queues[table].heap.clear();
      for (const { _uuid } of this.#sb.table(table).rows()) this.#look(table, _uuid);
    }
  }

  #look(table: Learned, uuid: Uuid): void {
    const at = this.#end(table, uuid);
    if (at !== undefined) this.#queues[table].heap.push({ uuid, at });
  }

  /** Returns when the next row is to be removed, a wall time. */
  #remove(table: Learned, transaction: Transaction<SbSchema>, now: number): number | undefined {
    const queue = this.#queues[table];
    const { heap } = queue;
    const limit = this.#limit(table);
    const removed = new Set<Uuid>();
    for (let next = heap.peek(); next !== undefined && next.at <= now && queue.pause <= now; next = heap.peek()) {
      heap.pop();
      const { uuid } = next;
      const at = this.#end(table, uuid);
      if (at === undefined || removed.has(uuid)) continue;
      if (at > now) {
        heap.push({ uuid, at });
        continue;
      }
      transaction.delete(table, uuid);
      removed.add(uuid);
      // Until the database says that it is gone.
      heap.push({ uuid, at: now + BATCH_PAUSE });
      if (removed.size === limit) queue.pause = now + BATCH_PAUSE;
    }
    const next = heap.peek();
    return next && Math.max(next.at, queue.pause);
  }

  #limit(table: Learned): number | undefined {
    for (const { options } of this.#nb.table("NB_Global").rows())
      return parseSeconds(options.get(LIMITS[table]) ?? "") || undefined;
    return undefined;
  }

  /** When a row is too old, a wall time; undefined: never, or it is not there. */
  #end(table: Learned, uuid: Uuid): number | undefined {
    const row = this.#sb.table(table).get(uuid);
    if (row === undefined) return undefined;
    const seconds = table === "FDB" ? this.#ofSwitch(row as SbRow<"FDB">) : this.#ofRouter(row as SbRow<"MAC_Binding">);
    return seconds === 0 ? undefined : row.timestamp + seconds * 1000;
  }

  #ofSwitch({ dp_key: key }: SbRow<"FDB">): number {
    const [datapath] = this.#sb
      .table("Datapath_Binding")
      .index("key", (row) => [row.tunnel_key])
      .get(key);
    const ls = datapath === undefined ? undefined : this.#nb.table("Logical_Switch").get(datapathOwner(datapath) as Uuid);
    return parseSeconds(ls?.other_config.get("fdb_age_threshold") ?? "") ?? 0;
  }

  #ofRouter({ datapath, ip }: SbRow<"MAC_Binding">): number {
    const row = this.#sb.table("Datapath_Binding").get(datapath);
    const lr = row === undefined ? undefined : this.#nb.table("Logical_Router").get(datapathOwner(row) as Uuid);
    const text = lr?.options.get("mac_binding_age_threshold");
    const thresholds = text === undefined ? undefined : this.#parse(text);
    return thresholds === undefined ? 0 : thresholdOf(thresholds, ip);
  }

  #parse(text: string): Thresholds | undefined {
    if (!this.#parsed.has(text)) {
      const thresholds = parseThresholds(text);
      if (thresholds === undefined) this.#log.warn(`Parsing aging threshold '${text}' failed.`);
      this.#parsed.set(text, thresholds);
    }
    return this.#parsed.get(text);
  }
}

/** The text of the threshold of a router or switch. */
function thresholdIn(table: string, row: unknown): string | undefined {
  // The table's name says what row it is.
  if (table === "Logical_Router") return (row as NbRow<"Logical_Router"> | undefined)?.options.get("mac_binding_age_threshold");
  if (table === "Logical_Switch") return (row as NbRow<"Logical_Switch"> | undefined)?.other_config.get("fdb_age_threshold");
  return undefined;
}
