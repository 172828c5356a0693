/** The conditions of a conditional monitor: what is wanted, what the server was asked for, what it has confirmed. */
import type { Json } from "../jsonrpc/json.ts";
import type { Condition } from "../replica.ts";

type Clauses = readonly Condition[] | boolean;

interface TableCondition {
  wanted: Clauses;
  sent: Clauses | undefined;
  confirmed: Clauses;
}

/** No clause is no row for us; on the wire an empty list would mean all. */
function where(clauses: Clauses): Json[] {
  if (clauses === true) return [true];
  return clauses === false || clauses.length === 0 ? [false] : (clauses as unknown as Json[]); // values of conditions are JSON
}

function same(a: Clauses, b: Clauses): boolean {
  return a === b || JSON.stringify(where(a)) === JSON.stringify(where(b));
}

export class Conditions {
  readonly #tables = new Map<string, TableCondition>();
  #waiting: (() => void)[] = [];
  #running = false;

  constructor(initial: { readonly [table: string]: Clauses | undefined }) {
    for (const [table, clauses] of Object.entries(initial)) if (clauses !== undefined) this.set(table, clauses);
  }

  set(table: string, wanted: Clauses): void {
    const found = this.#tables.get(table);
    if (found !== undefined) found.wanted = wanted;
    else this.#tables.set(table, { wanted, sent: undefined, confirmed: true });
  }

  /** Resolves when the server's answers are all there for what is wanted now. */
  applied(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#settle();
    });
  }

  /**
   * The "where" of each table for a new monitor. To resume after a transaction id it has to be what the rows here were
   * selected by.
   */
  begin(resume: boolean): ReadonlyMap<string, Json> {
    const start = new Map<string, Json>();
    for (const [table, condition] of this.#tables) {
      condition.sent = resume ? condition.confirmed : condition.wanted;
      if (condition.sent !== true) start.set(table, where(condition.sent));
    }
    return start;
  }

  /** The monitor is there. Without `conditional` the server sends every row, and always will. */
  begun(conditional: boolean): void {
    this.#running = true;
    for (const condition of this.#tables.values()) {
      condition.confirmed = conditional ? (condition.sent ?? true) : condition.wanted;
      condition.sent = undefined;
    }
    this.#settle();
  }

  interrupted(): void {
    this.#running = false;
    for (const condition of this.#tables.values()) condition.sent = undefined;
  }

  /** The request for monitor_cond_change, unless one is on its way or there is nothing to change. */
  change(monitored: (table: string) => boolean): Json | undefined {
    const request: { [table: string]: Json } = {};
    for (const condition of this.#tables.values()) if (condition.sent !== undefined) return undefined;
    for (const [table, condition] of this.#tables) {
      if (same(condition.wanted, condition.confirmed)) continue;
      if (!monitored(table)) condition.confirmed = condition.wanted;
      else {
        condition.sent = condition.wanted;
        request[table] = [{ where: where(condition.wanted) }];
      }
    }
    if (Object.keys(request).length > 0) return request;
    this.#settle();
    return undefined;
  }

  acknowledged(): void {
    for (const condition of this.#tables.values()) {
      if (condition.sent === undefined) continue;
      condition.confirmed = condition.sent;
      condition.sent = undefined;
    }
    this.#settle();
  }

  #settle(): void {
    if (!this.#running) return;
    for (const { wanted, sent, confirmed } of this.#tables.values()) {
      if (sent !== undefined || !same(wanted, confirmed)) return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
