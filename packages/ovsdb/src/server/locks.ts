/** Locks of RFC 7047 section 4.1.8: a queue for every name; its head holds the lock. They belong to the whole server. */

export interface LockClient {
  locked(name: string): void;
  stolen(name: string): void;
}

export class Locks {
  readonly #queues = new Map<string, LockClient[]>();

  holds(client: LockClient, name: string): boolean {
    return this.#queues.get(name)?.[0] === client;
  }

  /** Queues up; true if the lock is held at once. */
  lock(client: LockClient, name: string): boolean {
    const queue = this.#queue(name);
    queue.push(client);
    return queue[0] === client;
  }

  /** Takes the lock from whoever has it; that one stays first in the queue behind. */
  steal(client: LockClient, name: string): void {
    const queue = this.#queue(name);
    const victim = queue[0];
    queue.unshift(client);
    victim?.stolen(name);
  }

  /** Gives a lock up, or a place in its queue. */
  unlock(client: LockClient, name: string): void {
    const queue = this.#queues.get(name);
    const at = queue?.indexOf(client) ?? -1;
    if (queue === undefined || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(name);
    else if (at === 0) queue[0]!.locked(name);
  }

  #queue(name: string): LockClient[] {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = [];
      this.#queues.set(name, queue);
    }
    return queue;
  }
}
