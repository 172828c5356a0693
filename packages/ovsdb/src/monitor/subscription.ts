/** Who watches what: the clients of specifications, and what each of them still has to be told. */
import type { RowDelta, Table } from "../engine/table.ts";
import type { Json } from "../jsonrpc/json.ts";
import { stringifyJson } from "../jsonrpc/json.ts";
import { type Message, SharedMessage } from "../jsonrpc/message.ts";
import type { Uuid } from "../value.ts";
import type { MonitorVersion, Specification, TableUpdates } from "./specification.ts";

/** Where notifications go. */
export interface MonitorClient {
  /** The client does not take what it is sent: hold back. */
  readonly congested: boolean;
  send(message: Message | SharedMessage): void;
  /** What the client was shown is not so: it must begin anew. */
  lost(): void;
}

export interface Subscription {
  readonly client: MonitorClient;
  readonly version: MonitorVersion;
  /** The <json-value> that names the monitor, and its text. */
  id: Json;
  idText: string;
  specification: Specification;
  /**
   * Set while the client is congested: the rows that changed since it was last told, as it knows them and as they are.
   * However long it takes no more is kept, and one update tells it of all.
   */
  backlog: Map<Table, Map<Uuid, RowDelta>> | undefined;
}

function notification(version: MonitorVersion, id: Json, transactionId: string, updates: TableUpdates): Message {
  if (version === 1) return { method: "update", params: [id, updates], id: null };
  if (version === 2) return { method: "update2", params: [id, updates], id: null };
  return { method: "update3", params: [id, transactionId, updates], id: null };
}

/**
 * Runs something after all commits so far are in the log. What a client is told is made at the time of the commit, and
 * sent through this.
 */
export type Deliver = (run: () => void) => void;

export class Monitors {
  /** By the specification's key: those who ask for the same share it. */
  readonly #groups = new Map<string, { readonly specification: Specification; readonly members: Set<Subscription> }>();

  get count(): number {
    return this.#groups.size;
  }

  add(subscription: Subscription): void {
    const { key } = subscription.specification;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { specification: subscription.specification, members: new Set() };
      this.#groups.set(key, group);
    }
    subscription.specification = group.specification;
    group.members.add(subscription);
  }

  remove(subscription: Subscription): void {
    const { key } = subscription.specification;
    const group = this.#groups.get(key);
    if (group === undefined) return;
    group.members.delete(subscription);
    if (group.members.size === 0) this.#groups.delete(key);
  }

  *all(): Iterable<Subscription> {
    for (const { members } of this.#groups.values()) yield* members;
  }

  /** Tells everybody what a commit did. */
  publish(
    deltas: readonly RowDelta[],
    transactionId: () => string,
    send: (client: MonitorClient, message: SharedMessage) => void,
  ): void {
    for (const { specification, members } of this.#groups.values()) {
      let updates: TableUpdates | undefined;
      let evaluated = false;
      let text: string | undefined;
      const shared = new Map<string, SharedMessage>();
      for (const member of members) {
        if (member.backlog !== undefined || member.client.congested) {
          remember(member, deltas);
          continue;
        }
        if (!evaluated) {
          updates = specification.updates(deltas);
          evaluated = true;
        }
        if (updates === undefined) continue;
        const { version, id, idText } = member;
        const sharedKey = `${version}${idText}`;
        let message = shared.get(sharedKey);
        if (message === undefined) {
          const content = updates;
          message = new SharedMessage(
            () => notification(version, id, transactionId(), content),
            () => {
              text ??= stringifyJson(content);
              const name = version === 1 ? "update" : version === 2 ? "update2" : "update3";
              const transaction = version === 3 ? `"${transactionId()}",` : "";
              return [Buffer.from(`{"id":null,"method":"${name}","params":[${idText},${transaction}${text}]}`)];
            },
          );
          shared.set(sharedKey, message);
        }
        send(member.client, message);
      }
    }
  }

  /** Tells a client what it was not told while it was congested. */
  flush(subscription: Subscription, transactionId: string, deliver: Deliver): void {
    const { backlog, specification, version, id, client } = subscription;
    if (backlog === undefined) return;
    subscription.backlog = undefined;
    const deltas: RowDelta[] = [];
    for (const rows of backlog.values()) for (const delta of rows.values()) if (delta.before !== delta.after) deltas.push(delta);
    const updates = specification.updates(deltas);
    if (updates === undefined) return;
    deliver(() => client.send(notification(version, id, transactionId, updates)));
  }

  /** Changes the conditions of a subscription and tells the client what that means. */
  change(subscription: Subscription, specification: Specification, id: Json, transactionId: string, deliver: Deliver): void {
    this.flush(subscription, transactionId, deliver);
    const old = subscription.specification;
    this.remove(subscription);
    subscription.specification = specification;
    subscription.id = id;
    subscription.idText = stringifyJson(id);
    this.add(subscription);
    const updates = subscription.specification.updatesFrom(old);
    if (updates === undefined) return;
    const { version, client } = subscription;
    deliver(() => client.send(notification(version, id, transactionId, updates)));
  }
}

function remember(subscription: Subscription, deltas: readonly RowDelta[]): void {
  const { tables } = subscription.specification;
  for (const delta of deltas) {
    if (!tables.has(delta.table)) continue;
    subscription.backlog ??= new Map();
    let rows = subscription.backlog.get(delta.table);
    if (rows === undefined) {
      rows = new Map();
      subscription.backlog.set(delta.table, rows);
    }
    const known = rows.get(delta.uuid);
    rows.set(delta.uuid, known === undefined ? delta : { ...known, after: delta.after });
  }
}
