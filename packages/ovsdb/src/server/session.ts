/** One client: its requests answered as RFC 7047 section 4.1 and ovsdb-server(7) say. */
import type { Logger, Timer } from "@weft/runtime";
import { parseUuid, ZERO_UUID } from "../datum.ts";
import type { Requester } from "../engine/operations.ts";
import { OvsdbError, syntaxError } from "../error.ts";
import type { Channel } from "../jsonrpc/channel.ts";
import { Connection } from "../jsonrpc/connection.ts";
import { type Json, parseJson, stringifyJson } from "../jsonrpc/json.ts";
import { type Message, type Notification, type Request, SharedMessage } from "../jsonrpc/message.ts";
import { isId } from "../members.ts";
import { parseSchema } from "../model.ts";
import { type MonitorVersion, parseMonitorRequests } from "../monitor/specification.ts";
import type { MonitorClient, Subscription } from "../monitor/subscription.ts";
import { authorizer } from "./access.ts";
import type { LockClient, Locks } from "./locks.ts";
import type { PendingTransaction, ServedDatabase } from "./served.ts";

/** What a session needs of the server. */
export interface SessionServer {
  readonly clock: ConstructorParameters<typeof Connection>[1];
  readonly logger: Logger;
  readonly locks: Locks;
  readonly serverId: string;
  /** Served databases by name, _Server included. */
  readonly databases: ReadonlyMap<string, ServedDatabase>;
  /** Converts a database's schema. Rejects with OvsdbError for what is wrong with it; `reply` tells how it went. */
  convert(database: ServedDatabase, schema: Json, reply: (fault: OvsdbError | undefined) => void): Promise<void>;
  closed(session: Session, error: Error | undefined): void;
}

export interface SessionOptions {
  readonly readOnly: boolean;
  /** Role for access control, "" for none. */
  readonly role: string;
  /** Ms of silence before an inactivity probe; 0 for never. */
  readonly probe: number;
  /** The name of the remote through which the client came. */
  readonly remote: string;
}

/**
 * Bytes that a client may leave untaken before it is held back: its requests are not read and updates are merged until
 * it has taken everything.
 */
export const HIGH_WATER = 1024 * 1024;

const encoder = new TextEncoder();
const encode = (text: string): Uint8Array => encoder.encode(text);

interface Monitor {
  readonly served: ServedDatabase;
  readonly subscription: Subscription;
}

export class Session implements MonitorClient, LockClient {
  readonly #server: SessionServer;
  readonly #connection: Connection;
  readonly options: SessionOptions;
  readonly #monitors = new Map<string, Monitor>();
  readonly #pending = new Map<
    string,
    { readonly request: Request; readonly served: ServedDatabase; readonly pending: PendingTransaction }
  >();
  /** Locks and places in their queues. */
  readonly #locks = new Set<string>();
  readonly #stolen = new Set<string>();
  readonly #requester: Requester;
  readonly #readOnlyRequester: Requester;
  /** Whether the client keeps track of databases itself: ovsdb-server(7) section 4.1.18. */
  changeAware = false;
  congested = false;
  #poll: Timer | undefined;
  /** Requests that arrived while a conversion was under way, in order. */
  #deferred: Request[] | undefined;

  constructor(server: SessionServer, channel: Channel, options: SessionOptions) {
    this.#server = server;
    this.options = options;
    const holdsLock = (name: string): boolean => server.locks.holds(this, name);
    const authorize = authorizer(options.role, channel.peerCommonName ?? "");
    this.#requester = { holdsLock, readOnly: options.readOnly, ...(authorize === undefined ? {} : { authorize }) };
    this.#readOnlyRequester = { holdsLock, readOnly: true };
    this.#connection = new Connection(
      channel,
      server.clock,
      {
        onRequest: (request) => this.#receive(request),
        onNotification: (notification) => this.#notified(notification),
        onDrain: () => this.#drained(),
        onClose: (error) => this.#onClose(error),
      },
      options.probe,
    );
  }

  get name(): string {
    return this.#connection.name;
  }

  get closed(): boolean {
    return this.#connection.closed;
  }

  get channel(): Channel {
    return this.#connection.channel;
  }

  get monitorCount(): number {
    return this.#monitors.size;
  }

  get transactionCount(): number {
    return this.#pending.size;
  }

  /** Names of the locks held, waited for, and lost to somebody who stole them: ovs-vswitchd.conf.db(5), Manager status. */
  locks(): { readonly held: string[]; readonly waiting: string[]; readonly lost: string[] } {
    const all = [...this.#locks].sort();
    const holds = (name: string): boolean => this.#server.locks.holds(this, name);
    return {
      held: all.filter(holds),
      waiting: all.filter((name) => !holds(name) && !this.#stolen.has(name)),
      lost: all.filter((name) => !holds(name) && this.#stolen.has(name)),
    };
  }

  setProbe(ms: number): void {
    this.#connection.probeInterval = ms;
  }

  send(message: Message | SharedMessage): void {
    this.#connection.send(message);
    this.#watch();
  }

  locked(name: string): void {
    this.#stolen.delete(name);
    this.send({ method: "locked", params: [name], id: null });
  }

  stolen(name: string): void {
    this.#stolen.add(name);
    this.send({ method: "stolen", params: [name], id: null });
  }

  lost(): void {
    this.disconnect("database was taken back after a failed write");
  }

  /** Ends the session after what is queued has been sent. */
  disconnect(reason: string): void {
    this.#server.logger.info(`${this.name}: disconnecting (${reason})`);
    this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  /** Ends everything that this session has with a database. Clients that do not keep track themselves are sent away. */
  forget(served: ServedDatabase, reason: string): void {
    for (const [idText, { request, served: at, pending }] of this.#pending) {
      if (at !== served || !pending.cancel()) continue;
      this.#pending.delete(idText);
      this.#connection.fail(request, "canceled");
    }
    for (const [idText, monitor] of this.#monitors) {
      if (monitor.served !== served) continue;
      this.#monitors.delete(idText);
      served.monitors.remove(monitor.subscription);
      if (this.changeAware) this.send({ method: "monitor_canceled", params: [monitor.subscription.id], id: null });
    }
    if (!this.changeAware) this.disconnect(reason);
  }

  /** Holds requests back, for as long as `work` takes. */
  async suspend(work: Promise<unknown>): Promise<void> {
    this.#deferred ??= [];
    await work.catch(() => undefined);
    const deferred = this.#deferred;
    this.#deferred = undefined;
    for (const request of deferred ?? []) this.#receive(request);
  }

  #watch(): void {
    if (this.congested || this.#connection.channel.pending < HIGH_WATER) return;
    this.congested = true;
    this.#connection.channel.pause();
    // A transport may have taken everything before it saw its own high-water mark, and then says nothing.
    this.#poll = this.#server.clock.every(100, () => this.#drained(), true);
  }

  #drained(): void {
    if (!this.congested || this.#connection.channel.pending > HIGH_WATER / 2) return;
    this.congested = false;
    this.#poll?.cancel();
    this.#poll = undefined;
    for (const { served, subscription } of this.#monitors.values()) served.flush(subscription);
    this.#connection.channel.resume();
    this.#watch();
  }

  #onClose(error: Error | undefined): void {
    this.#poll?.cancel();
    for (const { pending } of this.#pending.values()) pending.cancel();
    this.#pending.clear();
    for (const { served, subscription } of this.#monitors.values()) served.monitors.remove(subscription);
    this.#monitors.clear();
    for (const name of this.#locks) this.#server.locks.unlock(this, name);
    this.#locks.clear();
    this.#server.closed(this, error);
  }

  #reply(request: Request, result: Json): void {
    this.#connection.reply(request, result);
    this.#watch();
  }

  /** Replies with a result of which there is the JSON text. */
  #replyText({ id }: Request, result: readonly Uint8Array[]): void {
    const bytes = () => [encode(`{"error":null,"id":${stringifyJson(id)},"result":`), ...result, encode("}")];
    const message = () => ({ result: parseJson(Buffer.concat(result).toString()), error: null, id });
    this.send(new SharedMessage(message, bytes));
  }

  #notified({ method, params }: Notification): void {
    if (method !== "cancel" || params[0] === undefined) return;
    const idText = stringifyJson(params[0]);
    const found = this.#pending.get(idText);
    if (found === undefined || !found.pending.cancel()) return;
    this.#pending.delete(idText);
    this.#connection.fail(found.request, "canceled");
  }

  #receive(request: Request): void {
    if (this.#deferred !== undefined) {
      this.#deferred.push(request);
      return;
    }
    try {
      this.#dispatch(request);
    } catch (fault) {
      if (!(fault instanceof OvsdbError)) throw fault;
      this.#connection.fail(request, fault.toJson());
      this.#watch();
    }
  }

  #dispatch(request: Request): void {
    const { method, params } = request;
    switch (method) {
      case "transact":
        return this.#transact(request);
      case "monitor":
        return this.#monitor(request, 1);
      case "monitor_cond":
        return this.#monitor(request, 2);
      case "monitor_cond_since":
        return this.#monitor(request, 3);
      case "monitor_cond_change":
        return this.#changeConditions(request);
      case "monitor_cancel":
        return this.#cancelMonitor(request);
      case "get_schema":
        return this.#reply(request, this.#database(request).database.schema.toJson());
      case "list_dbs":
        return this.#reply(request, [...this.#server.databases.keys()].sort());
      case "lock":
      case "steal":
        return this.#lock(request, method);
      case "unlock":
        return this.#unlock(request);
      case "get_server_id":
        return this.#reply(request, this.#server.serverId);
      case "set_db_change_aware":
        if (params.length !== 1 || typeof params[0] !== "boolean") {
          throw syntaxError("set_db_change_aware: true or false parameter expected", params);
        }
        this.changeAware = params[0];
        return this.#reply(request, {});
      case "convert":
        return this.#convert(request);
      default:
        this.#connection.fail(request, "unknown method");
        this.#watch();
    }
  }

  /** The database that the first parameter names. Throws OvsdbError. */
  #database({ method, params }: Request): ServedDatabase {
    const [name] = params;
    if (typeof name !== "string") throw syntaxError(`${method} request params must begin with <db-name>`, params);
    const served = this.#server.databases.get(name);
    if (served === undefined) {
      throw new OvsdbError("unknown database", `${method} request specifies unknown database ${name}`, params);
    }
    if (!served.available) {
      const why = "is not yet available because it has not completed joining its cluster";
      throw new OvsdbError("database not available", `${method} request specifies database ${name} which ${why}`);
    }
    return served;
  }

  #transact(request: Request): void {
    const served = this.#database(request);
    const idText = stringifyJson(request.id);
    if (this.#pending.has(idText)) throw syntaxError("transact: duplicate request ID", request.params);
    const requester = served.readOnly ? this.#readOnlyRequester : this.#requester;
    const pending = served.transact(request.params.slice(1), requester, (results, failure) => {
      this.#pending.delete(idText);
      if (this.closed) return;
      if (failure !== undefined) {
        this.#connection.fail(request, failure);
        this.#watch();
        return;
      }
      // A client learns of its own transaction's effects before its reply, also where others must wait.
      if (this.congested) for (const { subscription, served: at } of this.#monitors.values()) at.flush(subscription);
      this.#reply(request, results);
    });
    if (pending !== undefined) this.#pending.set(idText, { request, served, pending });
  }

  #monitor(request: Request, version: MonitorVersion): void {
    const served = this.#database(request);
    const { params } = request;
    const [, id, requests, lastId] = params;
    if (id === undefined || requests === undefined || (version === 3 && params.length !== 4)) {
      throw syntaxError("invalid parameters", params);
    }
    const idText = stringifyJson(id);
    if (this.#monitors.has(idText)) throw syntaxError("duplicate monitor ID", id);
    if (version === 3 && typeof lastId !== "string") throw syntaxError("last-txn-id must be string", lastId ?? null);
    const specification = parseMonitorRequests(served.database, version, requests);
    const subscription: Subscription = { client: this, version, id, idText, specification, backlog: undefined };
    this.#monitors.set(idText, { served, subscription });
    if (version === 3) {
      const since = parseUuid(typeof lastId === "string" ? lastId : "") ?? ZERO_UUID;
      served.resume(subscription, since, (found, last, updates) =>
        this.#replyText(request, [encode(`[${found},"${last}",`), updates, encode("]")]),
      );
    } else served.subscribe(subscription, (updates) => this.#replyText(request, [updates]));
  }

  #changeConditions(request: Request): void {
    const { params } = request;
    const [id, newId, requests] = params;
    if (params.length !== 3 || id === undefined || newId === undefined || requests === undefined) {
      throw syntaxError("invalid parameters", params);
    }
    const idText = stringifyJson(id);
    const monitor = this.#monitors.get(idText);
    if (monitor === undefined) throw syntaxError("unknown monitor session", id);
    const newIdText = stringifyJson(newId);
    if (newIdText !== idText && this.#monitors.has(newIdText)) throw syntaxError("duplicate monitor ID", newId);
    const { served, subscription } = monitor;
    const specification = subscription.specification.withConditions(requests);
    this.#monitors.delete(idText);
    this.#monitors.set(newIdText, monitor);
    served.changeConditions(subscription, specification, newId, () => this.#reply(request, {}));
  }

  #cancelMonitor(request: Request): void {
    const [id] = request.params;
    if (request.params.length !== 1 || id === undefined) {
      this.#connection.fail(request, "invalid parameters");
      return;
    }
    const idText = stringifyJson(id);
    const monitor = this.#monitors.get(idText);
    if (monitor === undefined) {
      this.#connection.fail(request, "unknown monitor");
      return;
    }
    this.#monitors.delete(idText);
    monitor.served.monitors.remove(monitor.subscription);
    monitor.served.after(() => this.#reply(request, {}));
  }

  #lockName({ method, params }: Request): string {
    const [name] = params;
    if (params.length !== 1 || typeof name !== "string" || !isId(name)) {
      throw syntaxError(`${method} request params must be <id>`, params);
    }
    return name;
  }

  #lock(request: Request, method: "lock" | "steal"): void {
    const name = this.#lockName(request);
    if (this.#locks.has(name)) throw syntaxError(`must issue "unlock" before new "${method}"`, request.params);
    this.#locks.add(name);
    this.#stolen.delete(name);
    let locked = true;
    if (method === "lock") locked = this.#server.locks.lock(this, name);
    else this.#server.locks.steal(this, name);
    this.#reply(request, { locked });
  }

  #unlock(request: Request): void {
    const name = this.#lockName(request);
    if (!this.#locks.delete(name)) throw syntaxError('unlock: "unlock" without "lock" or "steal"', request.params);
    this.#server.locks.unlock(this, name);
    this.#reply(request, {});
  }

  #convert(request: Request): void {
    const served = this.#database(request);
    const { params } = request;
    if (params.length !== 2) throw syntaxError("array expected", params);
    if (served.readOnly) {
      throw new OvsdbError("not allowed", `conversion is not allowed for read-only database ${served.name}`);
    }
    if (this.options.readOnly) {
      throw new OvsdbError("not allowed", "convert operation not allowed when database server is in read only mode");
    }
    const schema = parseSchema(params[1] ?? null);
    if (schema.name !== served.name) {
      const details = `new schema name (${schema.name}) does not match database name (${served.name})`;
      throw new OvsdbError("invalid parameters", details);
    }
    if (served.source !== undefined) {
      void served.source.convert(params[1] ?? null).then((fault) => {
        if (fault === undefined) this.#reply(request, {});
        else this.#connection.fail(request, fault);
      });
      return;
    }
    const answer = (fault: OvsdbError | undefined): void => {
      if (fault === undefined) this.#reply(request, {});
      else this.#connection.fail(request, fault.toJson());
    };
    this.#server.convert(served, params[1] ?? null, answer).catch((fault: unknown) => {
      if (!(fault instanceof OvsdbError)) throw fault;
      answer(fault);
    });
  }
}
