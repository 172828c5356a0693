/**
 * A database that is served: transactions in the order of their arrival, those that wait, the log, and who is told what
 * when. Whatever leaves here about a commit (the reply and the updates of monitors) leaves after the commit is in the
 * log, and in the order of the commits.
 */
import type { Clock, Logger, Random, Timer } from "@weft/runtime";
import { ZERO_UUID } from "../datum.ts";
import { absorb, type Extent } from "../engine/absorb.ts";
import type { Database } from "../engine/database.ts";
import { type Commit, errorIn, execute, mayWrite, type Requester } from "../engine/operations.ts";
import { PackedCommit } from "../engine/packedCommit.ts";
import type { RowDelta, Table } from "../engine/table.ts";
import type { OvsdbError } from "../error.ts";
import { type Json, stringifyJson } from "../jsonrpc/json.ts";
import type { SharedMessage } from "../jsonrpc/message.ts";
import type { LogFile } from "../log/file.ts";
import type { Specification } from "../monitor/specification.ts";
import { type MonitorClient, Monitors, type Subscription } from "../monitor/subscription.ts";

const encoder = new TextEncoder();

/** A transact request on its way. */
export interface PendingTransaction {
  /** Takes the request back if it has not been executed; false if it is too late. */
  cancel(): boolean;
}

/** Gets the results, or what the request as a whole failed with. */
export type TransactionDone = (results: readonly Json[], failure?: Json) => void;

/** The server that has the say in a relayed database. */
export interface RelaySource {
  transact(operations: readonly Json[], done: TransactionDone): PendingTransaction;
  /** Converts the schema there; resolves to the <error> or undefined. */
  convert(schema: Json): Promise<Json | undefined>;
  close(): void;
}

interface Waiter {
  readonly operations: readonly Json[];
  readonly requester: Requester;
  readonly since: number;
  readonly done: TransactionDone;
  table: Table;
  timer: Timer | undefined;
}

class HistoryEntry {
  readonly commit: PackedCommit;
  #id: string | undefined;
  readonly #random: Random;

  constructor(deltas: readonly RowDelta[], id: string | undefined, random: Random) {
    this.commit = new PackedCommit(deltas);
    this.#id = id;
    this.#random = random;
  }

  /** The transaction's id, made when somebody first asks. */
  get id(): string {
    this.#id ??= this.#random.uuid();
    return this.#id;
  }
}

/** Transactions that a reconnecting client can be told the changes since (ovsdb-server(7) section 4.1.15). */
const HISTORY = 100;

export interface ServedOptions {
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  /** Absent for a database in memory only. */
  readonly log?: LogFile | undefined;
  /** Clients may not write: the _Server database. */
  readonly readOnly?: boolean;
  /** For a relay: until its source has told the schema, `database` stands for it. */
  readonly source?: RelaySource;
}

export class ServedDatabase {
  #database: Database;
  readonly log: LogFile | undefined;
  /** Clients may not write: the _Server database, and a backup's. */
  readOnly: boolean;
  /** Where transactions that write go, for a relay. */
  readonly source: RelaySource | undefined;
  /** False for a relay that does not know its schema yet. */
  available: boolean;
  readonly monitors = new Monitors();
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  #waiters: Waiter[] = [];
  /** Commits that are not in the log yet, with what leaves after them. */
  readonly #unwritten: { readonly commit: Commit; readonly after: ((fault: OvsdbError | undefined) => void)[] }[] = [];
  #history: HistoryEntry[] = [];
  readonly #listeners = new Set<(deltas: readonly RowDelta[]) => void>();
  #compacting = false;
  /** Clients that were told contents of which some may not be in the log yet. */
  readonly #ahead = new Set<MonitorClient>();

  constructor(database: Database, options: ServedOptions) {
    this.#database = database;
    this.log = options.log;
    this.readOnly = options.readOnly ?? false;
    this.source = options.source;
    this.available = options.source === undefined;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  get database(): Database {
    return this.#database;
  }

  get name(): string {
    return this.#database.name;
  }

  /** Transactions that wait for something. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Called after every commit, written or not. */
  onCommit(listener: (deltas: readonly RowDelta[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Executes a transaction; `done` gets the results when they may be told. */
  transact(operations: readonly Json[], requester: Requester, done: TransactionDone): PendingTransaction | undefined {
    if (this.source !== undefined && !requester.readOnly && mayWrite(operations)) {
      return this.#forward(this.source, operations, requester, done);
    }
    const since = this.#clock.now();
    const outcome = execute(this.#database, operations, requester, 0);
    if (outcome.done) {
      this.#finish(outcome.results, outcome.commit, done);
      return undefined;
    }
    const waiter: Waiter = { operations, requester, since, done, table: outcome.table, timer: undefined };
    this.#waiters.push(waiter);
    this.#arm(waiter, outcome.timeout);
    return {
      cancel: () => {
        const at = this.#waiters.indexOf(waiter);
        if (at < 0) return false;
        this.#waiters.splice(at, 1);
        waiter.timer?.cancel();
        return true;
      },
    };
  }

  /** A role's rights are looked up here: the source sees the relay, not its clients. */
  #forward(
    source: RelaySource,
    operations: readonly Json[],
    requester: Requester,
    done: TransactionDone,
  ): PendingTransaction | undefined {
    if (requester.authorize !== undefined) {
      const trial = execute(this.#database, operations, requester, 0, true);
      const fault = trial.done ? errorIn(trial.results) : undefined;
      if (trial.done && fault?.error === "permission error") {
        done(trial.results);
        return undefined;
      }
    }
    return source.transact(operations, done);
  }

  /**
   * Takes over what another server says about the tables `watched`: see {@link absorb}. `id` is that server's name for
   * the last transaction in it, where it has one. `refused` is called when the log cannot take it: the database is then as
   * before. Throws OvsdbError.
   */
  absorb(
    updates: Json,
    extent: Extent,
    watched: ReadonlySet<string>,
    { id, refused }: { readonly id?: string; refused?(why: string): void } = {},
  ): void {
    const deltas = absorb(this.#database, updates, extent, watched);
    const done: TransactionDone = (results) => {
      const fault = errorIn(results);
      if (fault !== undefined) refused?.(`${fault.error}: ${fault.details}`);
    };
    this.#finish([], { deltas, comments: [], durable: false }, done, id);
  }

  #arm(waiter: Waiter, timeout: number | undefined): void {
    waiter.timer?.cancel();
    waiter.timer = undefined;
    if (timeout === undefined) return;
    const left = Math.max(0, waiter.since + timeout - this.#clock.now());
    waiter.timer = this.#clock.after(left, () => this.#retry(waiter), true);
  }

  #retry(waiter: Waiter): void {
    const elapsed = this.#clock.now() - waiter.since;
    const outcome = execute(this.#database, waiter.operations, waiter.requester, elapsed);
    if (!outcome.done) {
      waiter.table = outcome.table;
      this.#arm(waiter, outcome.timeout);
      return;
    }
    waiter.timer?.cancel();
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    this.#finish(outcome.results, outcome.commit, waiter.done);
  }

  #finish(results: readonly Json[], commit: Commit | undefined, done: TransactionDone, id?: string): void {
    if (commit === undefined || (commit.deltas.length === 0 && !(commit.durable && this.log?.busy === true))) {
      this.after((fault) => done(fault === undefined ? results : [...results, fault.toJson()]));
      return;
    }
    const { deltas } = commit;
    const entry = this.#remember(deltas, id);
    if (this.log === undefined) {
      this.monitors.publish(
        deltas,
        () => entry.id,
        (client, message) => client.send(message),
      );
      done(results);
    } else {
      // Two lists, for a closure of each client's own would be what most of the garbage is.
      const clients: MonitorClient[] = [];
      const messages: SharedMessage[] = [];
      this.monitors.publish(
        deltas,
        () => entry.id,
        (client, message) => {
          clients.push(client);
          messages.push(message);
        },
      );
      const told = (fault: OvsdbError | undefined): void => {
        if (fault === undefined) for (const [i, client] of clients.entries()) client.send(messages[i]!);
        done(fault === undefined ? results : [...results, fault.toJson()]);
      };
      this.#unwritten.push({ commit, after: [told] });
      this.log.append(deltas, commit.comments.join("\n"), commit.durable, (fault) => this.#written(fault));
    }
    if (deltas.length === 0) return;
    for (const listener of this.#listeners) listener(deltas);
    this.#wake(deltas);
  }

  #remember(deltas: readonly RowDelta[], id: string | undefined): HistoryEntry {
    const entry = new HistoryEntry(deltas, id, this.#database.random);
    this.#history.push(entry);
    if (this.#history.length > HISTORY) this.#history.shift();
    return entry;
  }

  /** The log has taken, or refused, the oldest unwritten commit. */
  #written(fault: OvsdbError | undefined): void {
    if (fault !== undefined) {
      this.#refuse(fault);
      return;
    }
    const first = this.#unwritten.shift();
    if (first === undefined) return;
    for (const then of first.after) then(undefined);
    if (this.#unwritten.length === 0) this.#ahead.clear();
    if (this.log?.wantsCompaction === true && !this.#compacting) {
      void this.compact("compacted by ovsdb-server").catch((error: unknown) => {
        this.#logger?.err(`${this.name}: ${String(error)}`);
      });
    }
  }

  /** Nothing unwritten can become durable: all of it is taken back, newest first, and everybody told. */
  #refuse(fault: OvsdbError): void {
    const all = this.#unwritten.splice(0);
    for (const { commit } of [...all].reverse()) this.#database.revert(commit.deltas);
    this.#history = [];
    for (const { after } of all) for (const then of after) then(fault);
    // What was told since the first of them may have shown what is no more.
    for (const { client, backlog } of this.monitors.all()) if (backlog !== undefined) this.#ahead.add(client);
    for (const client of this.#ahead) client.lost();
    this.#ahead.clear();
  }

  /** Runs when everything committed so far is in the log: at once if it is. */
  after(run: (fault?: OvsdbError) => void): void {
    const last = this.#unwritten.at(-1);
    if (last === undefined) run();
    else last.after.push(run);
  }

  #wake(deltas: readonly RowDelta[]): void {
    if (this.#waiters.length === 0) return;
    const tables = new Set(deltas.map(({ table }) => table));
    for (const waiter of [...this.#waiters]) {
      if (tables.has(waiter.table) && this.#waiters.includes(waiter)) this.#retry(waiter);
    }
  }

  /** Notes that a client is told contents of now. */
  #showed({ client }: Subscription): void {
    if (this.#unwritten.length > 0) this.#ahead.add(client);
  }

  /** Starts a monitor; `done` gets the first contents in the order of commits, as JSON text. */
  subscribe(subscription: Subscription, done: (updates: Uint8Array) => void): void {
    const updates = subscription.specification.initial();
    this.monitors.add(subscription);
    this.#showed(subscription);
    this.after(() => done(updates));
  }

  /**
   * Starts a monitor of a client that has everything up to `lastId`: `done` gets whether that is known, the id of the last
   * transaction, and either the changes since or all rows, as JSON text.
   */
  resume(subscription: Subscription, lastId: string, done: (found: boolean, id: string, updates: Uint8Array) => void): void {
    const at = lastId === ZERO_UUID ? -1 : this.#history.findIndex(({ id }) => id === lastId);
    const id = this.#history.at(-1)?.id ?? ZERO_UUID;
    const updates =
      at >= 0
        ? encoder.encode(stringifyJson(subscription.specification.updates(this.#since(at)) ?? {}))
        : subscription.specification.initial();
    this.monitors.add(subscription);
    this.#showed(subscription);
    this.after(() => done(at >= 0, id, updates));
  }

  /** What happened after an entry of the history. */
  #since(at: number): RowDelta[] {
    return merge(this.#history.slice(at + 1).map(({ commit }) => commit.deltas()));
  }

  /** A client takes messages again: tells it what it missed. */
  flush(subscription: Subscription): void {
    this.#showed(subscription);
    this.monitors.flush(subscription, this.lastId(), (run) => this.after(run));
  }

  /** Other conditions for a monitor; `done` comes behind the update that follows from them. */
  changeConditions(subscription: Subscription, specification: Specification, id: Json, done: () => void): void {
    this.#showed(subscription);
    this.monitors.change(subscription, specification, id, this.lastId(), (run) => this.after(run));
    this.after(done);
  }

  /** The id of the last transaction. */
  lastId(): string {
    return this.#history.at(-1)?.id ?? ZERO_UUID;
  }

  /** Rewrites the log with what is there now. Throws OvsdbError. */
  async compact(comment: string): Promise<void> {
    if (this.log === undefined || this.#compacting) return;
    this.#compacting = true;
    try {
      await this.log.compact(() => this.#database, comment);
    } finally {
      this.#compacting = false;
    }
  }

  /** Puts a database with the source's schema in place of this one. Waiting transactions and monitors must have been ended. */
  replaceRelayed(database: Database): void {
    this.#database = database;
    this.#history = [];
    this.available = true;
  }

  /**
   * Puts a converted database in place of this one, and in the log. Waiting transactions and monitors must have been
   * ended. Throws OvsdbError, with everything as before.
   */
  async replace(database: Database, comment: string): Promise<void> {
    const old = this.#database;
    this.#database = database;
    this.#history = [];
    try {
      await this.log?.compact(() => database, comment);
    } catch (error) {
      this.#database = old;
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { timer } of this.#waiters) timer?.cancel();
    this.#waiters = [];
    this.source?.close();
    await this.log?.close();
  }
}

/** One delta per row, from the first state to the last. */
function merge(commits: readonly Iterable<RowDelta>[]): RowDelta[] {
  const merged = new Map<Table, Map<string, RowDelta>>();
  for (const deltas of commits) {
    for (const delta of deltas) {
      let rows = merged.get(delta.table);
      if (rows === undefined) {
        rows = new Map();
        merged.set(delta.table, rows);
      }
      const known = rows.get(delta.uuid);
      rows.set(delta.uuid, known === undefined ? delta : { ...known, after: delta.after });
    }
  }
  return [...merged.values()].flatMap((rows) => [...rows.values()]).filter(({ before, after }) => before !== after);
}
