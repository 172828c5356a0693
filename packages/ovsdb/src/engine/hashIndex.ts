/** Finds the places of things by hash: open addressing in packed integers, 8 bytes for each and as much room again at most. */

const NEVER = 0;
const GONE = -1;

/** A 32-bit hash of a text. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

export class HashIndex {
  /** Entries of two: a hash, and a place plus 1, {@link NEVER} or {@link GONE}. */
  #entries = new Int32Array(2 * 8);
  #size = 0;
  /** Entries of which something is gone. */
  #gone = 0;

  get size(): number {
    return this.#size;
  }

  /** The place under this hash for which `is` holds; -1 if there is none. */
  find(hash: number, is: (place: number) => boolean): number {
    const entries = this.#entries;
    const mask = entries.length - 1;
    for (let at = (hash << 1) & mask; entries[at + 1] !== NEVER; at = (at + 2) & mask) {
      if (entries[at] === hash && entries[at + 1] !== GONE && is(entries[at + 1]! - 1)) return entries[at + 1]! - 1;
    }
    return -1;
  }

  add(hash: number, place: number): void {
    // A fifth is free at least, so that what is not there is found out soon.
    if (5 * (this.#size + this.#gone + 1) > 2 * this.#entries.length) this.#rebuild();
    this.#size++;
    put(this.#entries, hash, place + 1);
  }

  /** Takes an entry out; false where there is none. */
  delete(hash: number, place: number): boolean {
    const entries = this.#entries;
    const mask = entries.length - 1;
    for (let at = (hash << 1) & mask; entries[at + 1] !== NEVER; at = (at + 2) & mask) {
      if (entries[at] !== hash || entries[at + 1] !== place + 1) continue;
      entries[at + 1] = GONE;
      this.#gone++;
      this.#size--;
      return true;
    }
    return false;
  }

  /** The things have moved: `moved` gives the new place of each old one. */
  renumber(moved: Int32Array): void {
    const entries = this.#entries;
    for (let at = 1; at < entries.length; at += 2) if (entries[at]! > 0) entries[at] = moved[entries[at]! - 1]! + 1;
  }

  /** Without what is gone, and with room for an eighth more at least. */
  #rebuild(): void {
    const old = this.#entries;
    let length = 2 * 8;
    while (2 * length < 5 * (this.#size + (this.#size >> 3) + 1)) length *= 2;
    this.#entries = new Int32Array(length);
    this.#gone = 0;
    for (let at = 0; at < old.length; at += 2) if (old[at + 1]! > 0) put(this.#entries, old[at]!, old[at + 1]!);
  }
}

function put(entries: Int32Array, hash: number, value: number): void {
  const mask = entries.length - 1;
  let at = (hash << 1) & mask;
  while (entries[at + 1] !== NEVER) at = (at + 2) & mask;
  entries[at] = hash;
  entries[at + 1] = value;
}
