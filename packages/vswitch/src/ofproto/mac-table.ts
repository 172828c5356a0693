/**
 * The MAC learning table of a bridge: which port bundle a source address was last seen on, per VLAN. Entries age out after
 * `idleMs` (other-config:mac-aging-time) and the table holds at most `maxEntries` (other-config:mac-table-size); a full
 * table gives up the least recently seen entry of the port that holds the most.
 */
export interface MacEntry<P> {
  readonly vlan: number;
  /** 48-bit address. */
  readonly mac: number;
  port: P;
  /** Monotonic ms of the last packet. */
  seen: number;
  /** True for entries of fdb/add: never aged, never moved. */
  readonly static: boolean;
}

export interface MacStatistics {
  total: number;
  learned: number;
  expired: number;
  evicted: number;
  moved: number;
}

export class MacTable<P> {
  /** VLAN, then address. Inner maps iterate from the least to the most recently seen. */
  readonly #entries = new Map<number, Map<number, MacEntry<P>>>();
  readonly #lru = new Set<MacEntry<P>>();
  readonly #perPort = new Map<P, number>();
  readonly statistics: MacStatistics = { total: 0, learned: 0, expired: 0, evicted: 0, moved: 0 };
  idleMs = 300_000;
  maxEntries = 8192;
  /** VLANs in which nothing is learned (Bridge flood_vlans). */
  floodVlans: ReadonlySet<number> = new Set();

  get size(): number {
    return this.#lru.size;
  }

  /** From the least to the most recently seen. */
  entries(): IterableIterator<MacEntry<P>> {
    return this.#lru.values();
  }

  lookup(vlan: number, mac: number): MacEntry<P> | undefined {
    return this.floodVlans.has(vlan) ? undefined : this.#entries.get(vlan)?.get(mac);
  }

  /** Would {@link learn} change where packets go? Multicast sources are never learned. */
  wouldChange(vlan: number, mac: number, port: P): boolean {
    if (mac % 2 ** 41 >= 2 ** 40 || this.floodVlans.has(vlan)) return false;
    const entry = this.#entries.get(vlan)?.get(mac);
    return entry === undefined || (!entry.static && entry.port !== port);
  }

  /** Learns or refreshes; returns true when forwarding may change (a new entry or a moved one). */
  learn(vlan: number, mac: number, port: P, now: number): boolean {
    if (mac % 2 ** 41 >= 2 ** 40 || this.floodVlans.has(vlan)) return false;
    const entry = this.#entries.get(vlan)?.get(mac);
    if (entry === undefined) {
      this.#insert({ vlan, mac, port, seen: now, static: false });
      return true;
    }
    if (entry.static) return false;
    entry.seen = now;
    this.#lru.delete(entry);
    this.#lru.add(entry);
    if (entry.port === port) return false;
    this.#count(entry.port, -1);
    this.#count(port, 1);
    entry.port = port;
    this.statistics.moved++;
    return true;
  }

  /** fdb/add: an entry that stays until removed. Returns true when the table changed. */
  addStatic(vlan: number, mac: number, port: P, now: number): boolean {
    const old = this.#entries.get(vlan)?.get(mac);
    if (old?.static && old.port === port) return false;
    if (old !== undefined) this.remove(old);
    this.#insert({ vlan, mac, port, seen: now, static: true });
    return true;
  }

  remove(entry: MacEntry<P>): void {
    if (!this.#lru.delete(entry)) return;
    const inner = this.#entries.get(entry.vlan);
    inner?.delete(entry.mac);
    if (inner?.size === 0) this.#entries.delete(entry.vlan);
    this.#count(entry.port, -1);
  }

  /** Forgets everything but static entries; returns whether anything was there. */
  flush(): boolean {
    let changed = false;
    for (const entry of [...this.#lru]) {
      if (entry.static) continue;
      this.remove(entry);
      changed = true;
    }
    return changed;
  }

  /** Forgets, static or not, what was learned on a port (a removed port's entries must not outlive it). */
  forgetPort(port: P): boolean {
    let changed = false;
    for (const entry of [...this.#lru]) {
      if (entry.port !== port) continue;
      this.remove(entry);
      changed = true;
    }
    return changed;
  }

  /** Removes entries not seen for the aging time; returns whether any went. */
  expire(now: number): boolean {
    let changed = false;
    for (const entry of this.#lru) {
      if (entry.static) continue;
      if (now - entry.seen < this.idleMs && this.#lru.size <= this.maxEntries) break;
      this.remove(entry);
      this.statistics.expired++;
      changed = true;
    }
    return changed;
  }

  #insert(entry: MacEntry<P>): void {
    if (this.#lru.size >= this.maxEntries) this.#evict();
    let inner = this.#entries.get(entry.vlan);
    if (inner === undefined) {
      inner = new Map();
      this.#entries.set(entry.vlan, inner);
    }
    inner.set(entry.mac, entry);
    this.#lru.add(entry);
    this.#count(entry.port, 1);
    this.statistics.learned++;
    this.statistics.total++;
  }

  #evict(): void {
    let most: P | undefined;
    let count = 0;
    for (const [port, n] of this.#perPort) {
      if (n > count) {
        most = port;
        count = n;
      }
    }
    for (const entry of this.#lru) {
      if (entry.port !== most || entry.static) continue;
      this.remove(entry);
      this.statistics.evicted++;
      return;
    }
  }

  #count(port: P, by: number): void {
    const n = (this.#perPort.get(port) ?? 0) + by;
    if (n === 0) this.#perPort.delete(port);
    else this.#perPort.set(port, n);
  }
}
