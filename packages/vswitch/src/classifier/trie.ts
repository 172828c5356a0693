/**
 * A binary trie of the prefixes that some rules of a classifier match on. It answers, for one value, which prefix lengths
 * have a rule that covers it and how many leading bits had to be read to know. The classifier skips a subtable whose prefix
 * length is not among them, and the flow cache needs to keep only the bits read.
 */
interface Node {
  /** Rules whose prefix ends here. */
  rules: number;
  zero: Node | undefined;
  one: Node | undefined;
}

const newNode = (): Node => ({ rules: 0, zero: undefined, one: undefined });

/** Bit `index` (0 is the most significant of the first word) of a value of 32-bit words starting at `words[at]`. */
const bitOf = (words: ArrayLike<number>, at: number, index: number): number =>
  ((words[at + (index >>> 5)] as number) >>> (31 - (index & 31))) & 1;

export class PrefixTrie {
  readonly #root = newNode();
  /** The prefix lengths found by the last {@link lookup}, as a bitmap of 129 bits in five words. */
  readonly lengths = new Int32Array(5);
  size = 0;

  insert(words: ArrayLike<number>, at: number, length: number): void {
    let node = this.#root;
    for (let i = 0; i < length; i++) {
      const one = bitOf(words, at, i) === 1;
      let next = one ? node.one : node.zero;
      if (next === undefined) {
        next = newNode();
        if (one) node.one = next;
        else node.zero = next;
      }
      node = next;
    }
    node.rules++;
    this.size++;
  }

  remove(words: ArrayLike<number>, at: number, length: number): void {
    const path: Node[] = [this.#root];
    let node: Node | undefined = this.#root;
    for (let i = 0; i < length && node !== undefined; i++) {
      node = bitOf(words, at, i) === 1 ? node.one : node.zero;
      if (node !== undefined) path.push(node);
    }
    if (node === undefined || path.length !== length + 1 || node.rules === 0) return;
    node.rules--;
    this.size--;
    for (let i = length; i > 0; i--) {
      const leaf = path[i] as Node;
      if (leaf.rules > 0 || leaf.zero !== undefined || leaf.one !== undefined) break;
      const parent = path[i - 1] as Node;
      if (parent.one === leaf) parent.one = undefined;
      else parent.zero = undefined;
    }
  }

  /** Fills {@link lengths} and returns the number of leading bits that decided, at most `width`. */
  lookup(words: ArrayLike<number>, at: number, width: number): number {
    this.lengths.fill(0);
    let node = this.#root;
    for (let i = 0; ; i++) {
      if (node.rules > 0) this.lengths[i >>> 5] = (this.lengths[i >>> 5] as number) | (1 << (i & 31));
      if (node.zero === undefined && node.one === undefined) return i;
      if (i === width) return width;
      const next = bitOf(words, at, i) === 1 ? node.one : node.zero;
      if (next === undefined) return i + 1;
      node = next;
    }
  }

  /** Did the last lookup find rules of this prefix length? */
  found(length: number): boolean {
    return (((this.lengths[length >>> 5] as number) >>> (length & 31)) & 1) === 1;
  }
}

/** The length of the prefix that a mask of 32-bit words stands for; -1 when the mask is not a prefix. */
export function prefixLength(masks: readonly number[]): number {
  let length = 0;
  let ended = false;
  for (const mask of masks) {
    const ones = Math.clz32(~mask);
    if (ended ? mask !== 0 : ones < 32 && mask << ones !== 0) return -1;
    if (ones < 32) ended = true;
    length += ones;
  }
  return length;
}

/** ORs the first `length` bits of a field at `wc[at]` into a mask. */
export function unmaskPrefix(wc: Int32Array, at: number, length: number): void {
  let left = length;
  for (let word = at; left > 0; word++, left -= 32) {
    wc[word] = (wc[word] as number) | (left >= 32 ? -1 : ~(-1 >>> left));
  }
}

/** Are the first `length` bits of a field at `wc[at]` in a mask already? */
export function prefixMasked(wc: Int32Array, at: number, length: number): boolean {
  let left = length;
  for (let word = at; left > 0; word++, left -= 32) {
    const bits = left >= 32 ? -1 : ~(-1 >>> left);
    if (((wc[word] as number) & bits) !== bits) return false;
  }
  return true;
}
