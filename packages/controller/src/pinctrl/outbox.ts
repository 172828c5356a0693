/** What packets have told and the Southbound has yet to hear; kept until the transaction that says it has gone through. */
export class Outbox<T> {
  #waiting = new Map<string, T>();
  #offered = new Map<string, T>();

  /** Later news of the same key replace the earlier. */
  add(key: string, news: T): void {
    this.#waiting.set(key, news);
  }

  get(key: string): T | undefined {
    return this.#waiting.get(key);
  }

  values(): Iterable<T> {
    return this.#waiting.values();
  }

  /** Gives out what is ready, for a transaction that follows those of earlier calls: these have gone through by now. */
  take(isReady: (news: T) => boolean = () => true): Iterable<T> {
    this.#offered = new Map();
    for (const [key, news] of this.#waiting) {
      if (!isReady(news)) continue;
      this.#waiting.delete(key);
      this.#offered.set(key, news);
    }
    return this.#offered.values();
  }

  /** The last transaction has failed: what it was to say is still to be said, unless there are later news. */
  retry(): void {
    for (const [key, news] of this.#offered) if (!this.#waiting.has(key)) this.#waiting.set(key, news);
    this.#offered = new Map();
  }
}
