/**
 * Connections in memory. A connection is a record of 32-bit words in a slab (21 words for IPv4, 33 for IPv6) with its time of
 * expiry beside it; records are reused through a free list and no object is made per connection. Both directions of a
 * connection are entries of one hash table, chained through the records. The table grows by linear hashing, one bucket for
 * each insertion, so that no insertion pays for all others.
 */

/** Words of a record before the addresses. Ports are source << 16 | destination; of ICMP id << 16 | type << 8 | code. */
export const REC = {
  /** Next entry in the chain of the original direction, and of the reply direction (see {@link ConnectionTable}). */
  next: 0,
  nextReply: 1,
  /** zone << 16 | protocol. */
  head: 2,
  mark: 3,
  /** Four words, most significant first. */
  label: 4,
  originalPorts: 8,
  replyPorts: 9,
  /** Of TCP and two words further for the peer that replies: sequence numbers; of others the state in `state`. */
  sequenceLow: 10,
  sequenceHigh: 11,
  /** window | scale << 16 | state << 24. */
  peer: 12,
  replySequenceLow: 13,
  replySequenceHigh: 14,
  replyPeer: 15,
  /** {@link FLAG}s, with the record's serial number above them. */
  flags: 16,
} as const;

const FIRST_ADDRESS = 17;

export const FLAG = {
  used: 1,
  natSource: 2,
  natDestination: 4,
  /** The connection counts for its zone's limit. */
  counted: 8,
  /** Has a parent, in {@link ConnectionTable.parents}. */
  related: 16,
  ftp: 32,
  tftp: 64,
} as const;
const FLAG_BITS = 8;
const FLAGS = (1 << FLAG_BITS) - 1;

/** A tuple to look up or to store. */
export interface Tuple {
  /** zone << 16 | protocol. */
  head: number;
  ports: number;
  /** Source at 0, destination at 4; IPv4 in the first word of each. */
  readonly addresses: Int32Array;
}

export const newTuple = (): Tuple => ({ head: 0, ports: 0, addresses: new Int32Array(8) });

export function copyTuple(from: Tuple, to: Tuple): void {
  to.head = from.head;
  to.ports = from.ports;
  to.addresses.set(from.addresses);
}

const SLAB_BITS = 12;
const SLAB = 1 << SLAB_BITS;
const SLAB_MASK = SLAB - 1;
const BUCKET_BITS = 14;
const BUCKET_MASK = (1 << BUCKET_BITS) - 1;

/**
 * A connection is named by its index. An entry is index << 1 | direction, 0 the original one; chains hold entries plus one, with
 * zero at the end.
 */
export class ConnectionTable {
  /** 1 or 4. */
  readonly addressWords: number;
  readonly stride: number;
  readonly #slabs: Int32Array[] = [];
  readonly #expiry: Float64Array[] = [];
  readonly #buckets: Int32Array[] = [new Int32Array(1 << BUCKET_BITS)];
  readonly #seed: number;
  /** Buckets in use: 2^level + split. */
  #level = 4;
  #split = 0;
  #free = -1;
  /** Records ever used: those at or above have never been. */
  #high = 0;
  #size = 0;
  #serial = 0;
  /** The original tuples of the parents of related connections. */
  readonly parents = new Map<number, Tuple>();

  constructor(family: 4 | 6, seed: number) {
    this.addressWords = family === 4 ? 1 : 4;
    this.stride = FIRST_ADDRESS + 4 * this.addressWords;
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Indexes are below this. */
  get high(): number {
    return this.#high;
  }

  get bucketCount(): number {
    return (1 << this.#level) + this.#split;
  }

  /** Bytes that connections and their index occupy. */
  get bytes(): number {
    return this.#slabs.length * SLAB * (this.stride * 4 + 8) + this.#buckets.length * (4 << BUCKET_BITS);
  }

  slab(index: number): Int32Array {
    return this.#slabs[index >>> SLAB_BITS] as Int32Array;
  }

  base(index: number): number {
    return (index & SLAB_MASK) * this.stride;
  }

  get(index: number, word: number): number {
    return this.slab(index)[this.base(index) + word] as number;
  }

  set(index: number, word: number, value: number): void {
    this.slab(index)[this.base(index) + word] = value;
  }

  used(index: number): boolean {
    return (this.get(index, REC.flags) & FLAG.used) !== 0;
  }

  /** Tells a connection from others that have had its record, for as long as a packet lives. */
  serial(index: number): number {
    return this.get(index, REC.flags) >>> FLAG_BITS;
  }

  addFlags(index: number, flags: number): void {
    this.set(index, REC.flags, this.get(index, REC.flags) | (flags & FLAGS));
  }

  /** Monotonic ms. */
  expires(index: number): number {
    return (this.#expiry[index >>> SLAB_BITS] as Float64Array)[index & SLAB_MASK] as number;
  }

  setExpires(index: number, at: number): void {
    (this.#expiry[index >>> SLAB_BITS] as Float64Array)[index & SLAB_MASK] = at;
  }

  /** Copies the tuple of a direction. */
  tuple(index: number, reply: boolean, into: Tuple): void {
    const slab = this.slab(index);
    const at = this.base(index);
    const a = this.addressWords;
    into.head = slab[at + REC.head] as number;
    into.ports = slab[at + (reply ? REC.replyPorts : REC.originalPorts)] as number;
    const from = at + FIRST_ADDRESS + (reply ? 2 * a : 0);
    into.addresses.fill(0);
    for (let i = 0; i < a; i++) {
      into.addresses[i] = slab[from + i] as number;
      into.addresses[4 + i] = slab[from + a + i] as number;
    }
  }

  /** Offset within the record of an address: of the original or reply tuple, source or destination. */
  addressAt(reply: boolean, destination: boolean): number {
    return FIRST_ADDRESS + ((reply ? 2 : 0) + (destination ? 1 : 0)) * this.addressWords;
  }

  #hashTuple(tuple: Tuple): number {
    let h = Math.imul(this.#seed ^ tuple.head, 0x9e3779b1);
    h = Math.imul((h ^ (h >>> 15)) + tuple.ports, 0x85ebca6b);
    const { addresses } = tuple;
    for (let i = 0; i < this.addressWords; i++) {
      h = Math.imul((h ^ (h >>> 13)) + (addresses[i] as number), 0xc2b2ae35);
      h = Math.imul((h ^ (h >>> 16)) + (addresses[4 + i] as number), 0x27d4eb2f);
    }
    return (h ^ (h >>> 15)) >>> 0;
  }

  #hashEntry(entry: number): number {
    this.tuple(entry >>> 1, (entry & 1) === 1, SCRATCH);
    return this.#hashTuple(SCRATCH);
  }

  #bucketOf(hash: number): number {
    const bucket = hash & ((1 << (this.#level + 1)) - 1);
    return bucket < this.bucketCount ? bucket : hash & ((1 << this.#level) - 1);
  }

  #head(bucket: number): number {
    return (this.#buckets[bucket >>> BUCKET_BITS] as Int32Array)[bucket & BUCKET_MASK] as number;
  }

  #setHead(bucket: number, link: number): void {
    (this.#buckets[bucket >>> BUCKET_BITS] as Int32Array)[bucket & BUCKET_MASK] = link;
  }

  /** The entry with this tuple, or -1. Expired connections are found too. */
  lookup(tuple: Tuple): number {
    let link = this.#head(this.#bucketOf(this.#hashTuple(tuple)));
    const a = this.addressWords;
    while (link !== 0) {
      const entry = link - 1;
      const slab = this.#slabs[entry >>> (SLAB_BITS + 1)] as Int32Array;
      const at = ((entry >>> 1) & SLAB_MASK) * this.stride;
      const reply = entry & 1;
      if (slab[at + REC.originalPorts + reply] === tuple.ports && slab[at + REC.head] === tuple.head) {
        const from = at + FIRST_ADDRESS + 2 * a * reply;
        let same = true;
        for (let i = 0; same && i < a; i++)
          same = slab[from + i] === tuple.addresses[i] && slab[from + a + i] === tuple.addresses[4 + i];
        if (same) return entry;
      }
      link = slab[at + reply] as number;
    }
    return -1;
  }

  /** Stores a connection; its other words are zero. Neither tuple may be in the table. Returns the index. */
  insert(original: Tuple, reply: Tuple): number {
    let index = this.#free;
    if (index >= 0) this.#free = this.get(index, REC.next) - 1;
    else {
      index = this.#high++;
      if (index >>> SLAB_BITS >= this.#slabs.length) {
        this.#slabs.push(new Int32Array(SLAB * this.stride));
        this.#expiry.push(new Float64Array(SLAB));
      }
    }
    const slab = this.slab(index);
    const at = this.base(index);
    slab.fill(0, at, at + this.stride);
    slab[at + REC.head] = original.head;
    this.#serial = (this.#serial + 1) & 0xffffff;
    slab[at + REC.flags] = FLAG.used | (this.#serial << FLAG_BITS);
    slab[at + REC.originalPorts] = original.ports;
    slab[at + REC.replyPorts] = reply.ports;
    const a = this.addressWords;
    for (let i = 0; i < a; i++) {
      slab[at + FIRST_ADDRESS + i] = original.addresses[i] as number;
      slab[at + FIRST_ADDRESS + a + i] = original.addresses[4 + i] as number;
      slab[at + FIRST_ADDRESS + 2 * a + i] = reply.addresses[i] as number;
      slab[at + FIRST_ADDRESS + 3 * a + i] = reply.addresses[4 + i] as number;
    }
    this.#link(index << 1, this.#hashTuple(original));
    this.#link((index << 1) | 1, this.#hashTuple(reply));
    this.#size++;
    if (this.#size > this.bucketCount) this.#grow();
    return index;
  }

  #link(entry: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    this.set(entry >>> 1, entry & 1, this.#head(bucket));
    this.#setHead(bucket, entry + 1);
  }

  #unlink(entry: number): void {
    const bucket = this.#bucketOf(this.#hashEntry(entry));
    let link = this.#head(bucket);
    if (link === entry + 1) {
      this.#setHead(bucket, this.get(entry >>> 1, entry & 1));
      return;
    }
    while (link !== 0) {
      const before = link - 1;
      link = this.get(before >>> 1, before & 1);
      if (link === entry + 1) {
        this.set(before >>> 1, before & 1, this.get(entry >>> 1, entry & 1));
        return;
      }
    }
  }

  remove(index: number): void {
    this.#unlink(index << 1);
    this.#unlink((index << 1) | 1);
    this.set(index, REC.flags, 0);
    this.set(index, REC.next, this.#free + 1);
    this.#free = index;
    this.#size--;
    this.parents.delete(index);
  }

  /** Splits the next bucket into two. */
  #grow(): void {
    const from = this.#split;
    const to = from + (1 << this.#level);
    if (to >>> BUCKET_BITS >= this.#buckets.length) this.#buckets.push(new Int32Array(1 << BUCKET_BITS));
    this.#split++;
    if (this.#split === 1 << this.#level) {
      this.#level++;
      this.#split = 0;
    }
    let link = this.#head(from);
    this.#setHead(from, 0);
    this.#setHead(to, 0);
    while (link !== 0) {
      const entry = link - 1;
      link = this.get(entry >>> 1, entry & 1);
      this.#link(entry, this.#hashEntry(entry));
    }
  }

  /** Entries in each bucket. */
  bucketSizes(): number[] {
    return Array.from({ length: this.bucketCount }, (_, bucket) => {
      let n = 0;
      for (let link = this.#head(bucket); link !== 0; n++) {
        const entry = link - 1;
        link = this.get(entry >>> 1, entry & 1);
      }
      return n;
    });
  }
}

const SCRATCH = newTuple();
