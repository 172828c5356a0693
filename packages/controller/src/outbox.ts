/** News that the other side has yet to take: kept until what tells them, a transaction say, has gone through. */
export class Outbox<T> {
  #waiting = new Map<string, T>();
  #offered = new Map<string, T>();

  /** Later news of the same key replace the earlier. */
  add(key: string, news: T): void {
    this.#waiting.set(key, news);
  }

  /** News that are none any more. */
  delete(key: string): void {
    this.#waiting.delete(key);
    this.#offered.delete(key);
  }

  get(key: string): T | undefined {
    return this.#waiting.get(key);
  }

  /** What was not given out yet. */
  values(): Iterable<T> {
    return this.#waiting.values();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Gives out what is ready. What earlier calls gave out has gone through by now, or `retry` was called. */
  take(isReady: (news: T) => boolean = () => true): Iterable<T> {
    this.#offered = new Map();
    for (const [key, news] of this.#waiting) {
      if (!isReady(news)) continue;
      this.#waiting.delete(key);
      this.#offered.set(key, news);
    }
    return this.#offered.values();
  }

  /** What was given out last has gone through. Only needed where another call to `take` may be long in coming. */
  done(): void {
    this.#offered = new Map();
  }

  /** What was given out last has not gone through: it is still to be told, unless there are later news. */
  retry(): void {
    for (const [key, news] of this.#offered) if (!this.#waiting.has(key)) this.#waiting.set(key, news);
    this.done();
  }
}
