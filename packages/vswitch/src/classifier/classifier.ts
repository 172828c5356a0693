/**
 * A tuple-space search classifier with staged lookup.
 *
 * Rules are grouped by their mask: all rules of one mask form a subtable, a hash table keyed by the masked words. A lookup
 * asks the subtables one after another, in the order of their highest priority, and stops when no later one can beat what is
 * found. Every subtable's hash and compare is code generated for its mask, so that a lookup touches only the words that the
 * mask has.
 *
 * A lookup can also tell which bits of the key decided it: the bits go into `wc`, and every packet that agrees with this one
 * in those bits gets the same answer. Fewer bits mean a wider cached flow, hence three refinements. The words of a mask are
 * looked at in stages (metadata, then L2, L3, L4): when nothing of the subtable has this packet's values in the first stages, the
 * later words are never read. IP prefixes are kept in tries, which tell that no rule of a subtable's prefix length covers the
 * address from fewer bits than that. And when only the L4 ports differ, a trie over the ports says how many bits of them did.
 * (B. Pfaff et al., "The Design and Implementation of Open vSwitch", NSDI 2015, sections 4 and 5.)
 *
 * A rule with conjunctions (ovs-actions(7), "conjunction") is no answer in itself: when rules of one priority satisfy all clauses of some
 * id, the lookup is done again with the key's conj_id set to it.
 */
import { PrefixTrie, prefixLength, prefixMasked, unmaskPrefix } from "./trie.ts";

/** What a rule matches: word offsets ascending, each with value and mask (value is zero where mask is). */
export interface KeyMatch {
  readonly words: readonly number[];
  readonly values: readonly number[];
  readonly masks: readonly number[];
}

export interface Conjunction {
  readonly id: number;
  /** Counted from 0. */
  readonly clause: number;
  readonly clauses: number;
}

export interface ClassifierRule {
  readonly match: KeyMatch;
  readonly priority: number;
  /** Present and not empty: the rule stands for clauses of conjunctive matches. */
  readonly conjunctions?: readonly Conjunction[] | undefined;
}

/** How the words of a key are laid out; one constant for a program. */
export interface KeyLayout {
  readonly words: number;
  /** For every word: 0 metadata, 1 L2, 2 L3, 3 L4. */
  readonly stages: Uint8Array;
  /**
   * Fields with a prefix trie: first word and number of words. Their words mean something else in packets whose word `typeWord` is
   * not `type`; the trie is not asked for those.
   */
  readonly prefixes: readonly {
    readonly word: number;
    readonly words: number;
    readonly typeWord: number;
    readonly type: number;
  }[];
  readonly conjId: number;
  readonly tpSrc: number;
  readonly tpDst: number;
}

/** One entry of a hash table: all rules of one match, by falling priority. */
interface Entry<R> {
  readonly values: Int32Array;
  readonly hash: number;
  rules: R[];
  next: Entry<R> | undefined;
}

type Find<R> = (key: Int32Array, wc: Int32Array | undefined) => Entry<R> | undefined;

const STEP = (term: string): string => `h = Math.imul((h ^ (${term})), 0x9e3779b1); h ^= h >>> 15;`;

function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x9e3779b1);
  return h ^ (h >>> 15);
}

class Subtable<R extends ClassifierRule> {
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly key: string;
  readonly #buckets = new Map<number, Entry<R>>();
  /** For every stage but the last that has words: how many entries have each partial hash. */
  readonly #stages: Map<number, number>[] = [];
  /** Ends of the stages, as indexes into `words`; the last is words.length. */
  readonly #ends: number[] = [];
  readonly #priorities = new Map<number, number>();
  /** For every prefix field of the layout: this mask's prefix length, 0 for none. */
  readonly plens: number[];
  readonly #ports: PrefixTrie | undefined;
  readonly #portValue = new Int32Array(1);
  maxPriority = -1;
  rules = 0;
  readonly find: Find<R>;
  readonly classifier: Classifier<R>;

  constructor(classifier: Classifier<R>, key: string, words: readonly number[], masks: readonly number[]) {
    this.classifier = classifier;
    this.key = key;
    this.words = words;
    this.masks = masks;
    const { layout } = classifier;
    for (let i = 1; i <= words.length; i++) {
      const stage = layout.stages[words[i - 1] as number];
      if (i === words.length || layout.stages[words[i] as number] !== stage) this.#ends.push(i);
    }
    if (this.#ends.length === 0) this.#ends.push(0);
    for (let i = 1; i < this.#ends.length; i++) this.#stages.push(new Map());
    this.plens = layout.prefixes.map((field) => {
      const fieldMasks: number[] = [];
      for (let w = field.word; w < field.word + field.words; w++) fieldMasks.push(masks[words.indexOf(w)] ?? 0);
      return Math.max(0, prefixLength(fieldMasks));
    });
    this.#ports = words.includes(layout.tpSrc) || words.includes(layout.tpDst) ? new PrefixTrie() : undefined;
    this.find = this.#compile();
  }

  #portsOf(at: (word: number) => number): Int32Array {
    const { tpSrc, tpDst } = this.classifier.layout;
    this.#portValue[0] = (at(tpSrc) << 16) | (at(tpDst) & 0xffff);
    return this.#portValue;
  }

  #compile(): Find<R> {
    const { layout } = this.classifier;
    const lines: string[] = ["let h = 0;"];
    const read = (i: number): string =>
      this.masks[i] === -1 ? `key[${this.words[i]}]` : `key[${this.words[i]}] & ${this.masks[i]}`;
    const unmask = (from: number, to: number): string => {
      let text = "";
      for (let i = from; i < to; i++) text += `wc[${this.words[i]}] |= ${this.masks[i]};`;
      return text;
    };
    let start = 0;
    this.#ends.forEach((end, stage) => {
      layout.prefixes.forEach((field, p) => {
        const plen = this.plens[p] as number;
        const first = this.words.indexOf(field.word);
        if (plen === 0 || first < start || first >= end) return;
        lines.push(
          `if (!cls.prefixFound(${p}, ${plen}, key, wc)) { if (wc !== undefined) { ${unmask(0, start)} } return undefined; }`,
        );
      });
      for (let i = start; i < end; i++) lines.push(STEP(read(i)));
      if (stage < this.#ends.length - 1) {
        lines.push(`if (!stages[${stage}].has(h)) { if (wc !== undefined) { ${unmask(0, end)} } return undefined; }`);
      }
      start = end;
    });
    const compare = this.words.map((_, i) => `(${read(i)}) === v[${i}]`).join(" && ") || "true";
    const all = unmask(0, this.words.length);
    lines.push("let e = buckets.get(h);");
    lines.push(`for (; e !== undefined; e = e.next) { const v = e.values; if (${compare}) break; }`);
    if (this.#ports === undefined) {
      lines.push(`if (wc !== undefined) { ${all} }`);
    } else {
      const rest = this.words
        .map((w, i) => (w === layout.tpSrc || w === layout.tpDst ? "" : `wc[${w}] |= ${this.masks[i]};`))
        .join("");
      lines.push(`if (wc !== undefined) { if (e !== undefined) { ${all} } else { ${rest} missPorts(key, wc); } }`);
    }
    lines.push("return e;");
    const make = new Function("cls", "stages", "buckets", "missPorts", `return function find(key, wc) { ${lines.join("\n")} };`);
    // The generated function has exactly this signature; Function() cannot express it.
    return make(this.classifier, this.#stages, this.#buckets, this.#missPorts.bind(this)) as Find<R>;
  }

  #maskOf(word: number): number {
    const i = this.words.indexOf(word);
    return i < 0 ? 0 : (this.masks[i] as number) & 0xffff;
  }

  /** Nothing has these ports: only as many bits of them as tell so were looked at. */
  #missPorts(key: Int32Array, wc: Int32Array): void {
    const { tpSrc, tpDst } = this.classifier.layout;
    const src = this.#maskOf(tpSrc);
    const dst = this.#maskOf(tpDst);
    const trie = this.#ports as PrefixTrie;
    const bits = trie.lookup(
      this.#portsOf((w) => (key[w] as number) & (w === tpSrc ? src : dst)),
      0,
      32,
    );
    const mask = bits >= 32 ? -1 : ~(-1 >>> bits);
    wc[tpSrc] = (wc[tpSrc] as number) | ((mask >>> 16) & src);
    wc[tpDst] = (wc[tpDst] as number) | (mask & 0xffff & dst);
  }

  #hash(values: readonly number[], each?: (stage: number, hash: number) => void): number {
    let h = 0;
    let at = 0;
    this.#ends.forEach((end, stage) => {
      for (; at < end; at++) h = mix(h, values[at] as number);
      if (stage < this.#ends.length - 1) each?.(stage, h);
    });
    return h;
  }

  entry(match: KeyMatch): Entry<R> | undefined {
    const hash = this.#hash(match.values);
    for (let e = this.#buckets.get(hash); e !== undefined; e = e.next) {
      if (match.values.every((v, i) => v === (e as Entry<R>).values[i])) return e;
    }
    return undefined;
  }

  insert(rule: R): void {
    let entry = this.entry(rule.match);
    if (entry === undefined) {
      const { values } = rule.match;
      const hash = this.#hash(values, (stage, h) => {
        const map = this.#stages[stage] as Map<number, number>;
        map.set(h, (map.get(h) ?? 0) + 1);
      });
      entry = { values: new Int32Array(values), hash, rules: [], next: this.#buckets.get(hash) };
      this.#buckets.set(hash, entry);
      this.#ports?.insert(
        this.#portsOf((w) => values[this.words.indexOf(w)] ?? 0),
        0,
        this.#portsLength(),
      );
    }
    let at = 0;
    while (at < entry.rules.length && (entry.rules[at] as R).priority >= rule.priority) at++;
    entry.rules.splice(at, 0, rule);
    this.rules++;
    this.#priorities.set(rule.priority, (this.#priorities.get(rule.priority) ?? 0) + 1);
    if (rule.priority > this.maxPriority) this.maxPriority = rule.priority;
  }

  /** Bits of (tp_src, tp_dst) up to the last one masked. */
  #portsLength(): number {
    const { tpSrc, tpDst } = this.classifier.layout;
    const mask = (this.#maskOf(tpSrc) << 16) | this.#maskOf(tpDst);
    return mask === 0 ? 0 : Math.clz32(mask & -mask) + 1;
  }

  remove(rule: R): boolean {
    const entry = this.entry(rule.match);
    const at = entry?.rules.indexOf(rule) ?? -1;
    if (entry === undefined || at < 0) return false;
    entry.rules.splice(at, 1);
    this.rules--;
    const left = (this.#priorities.get(rule.priority) as number) - 1;
    if (left > 0) this.#priorities.set(rule.priority, left);
    else {
      this.#priorities.delete(rule.priority);
      if (rule.priority === this.maxPriority) this.maxPriority = Math.max(-1, ...this.#priorities.keys());
    }
    if (entry.rules.length > 0) return true;
    this.#hash(rule.match.values, (stage, h) => {
      const map = this.#stages[stage] as Map<number, number>;
      const n = (map.get(h) as number) - 1;
      if (n === 0) map.delete(h);
      else map.set(h, n);
    });
    const head = this.#buckets.get(entry.hash) as Entry<R>;
    if (head === entry) {
      if (entry.next === undefined) this.#buckets.delete(entry.hash);
      else this.#buckets.set(entry.hash, entry.next);
    } else {
      let before = head;
      while (before.next !== entry) before = before.next as Entry<R>;
      before.next = entry.next;
    }
    this.#ports?.remove(
      this.#portsOf((w) => rule.match.values[this.words.indexOf(w)] ?? 0),
      0,
      this.#portsLength(),
    );
    return true;
  }

  *[Symbol.iterator](): IterableIterator<R> {
    for (const head of this.#buckets.values()) {
      for (let e: Entry<R> | undefined = head; e !== undefined; e = e.next) yield* e.rules;
    }
  }
}

const maskKey = (match: KeyMatch): string => {
  let key = "";
  for (let i = 0; i < match.words.length; i++) key += `${match.words[i]}:${match.masks[i]},`;
  return key;
};

export class Classifier<R extends ClassifierRule> {
  readonly layout: KeyLayout;
  readonly #subtables = new Map<string, Subtable<R>>();
  /** Subtables by falling maxPriority. */
  #order: Subtable<R>[] = [];
  #sorted = true;
  #conjunctive = 0;
  readonly #tries: PrefixTrie[];
  /** Bits read by each trie in this lookup; -1 for a trie not asked yet. */
  readonly #trieBits: Int32Array;
  size = 0;

  constructor(layout: KeyLayout) {
    this.layout = layout;
    this.#tries = layout.prefixes.map(() => new PrefixTrie());
    this.#trieBits = new Int32Array(layout.prefixes.length);
  }

  *[Symbol.iterator](): IterableIterator<R> {
    for (const subtable of this.#subtables.values()) yield* subtable;
  }

  /** The rule of exactly this match and priority. */
  get(match: KeyMatch, priority: number): R | undefined {
    return this.#subtables
      .get(maskKey(match))
      ?.entry(match)
      ?.rules.find((rule) => rule.priority === priority);
  }

  /** Adds a rule; the caller has removed an equal one of the same priority. */
  insert(rule: R): void {
    const key = maskKey(rule.match);
    let subtable = this.#subtables.get(key);
    if (subtable === undefined) {
      subtable = new Subtable<R>(this, key, rule.match.words, rule.match.masks);
      this.#subtables.set(key, subtable);
      this.#order.push(subtable);
      this.#sorted = false;
    }
    const max = subtable.maxPriority;
    subtable.insert(rule);
    if (subtable.maxPriority !== max) this.#sorted = false;
    this.size++;
    if (rule.conjunctions !== undefined && rule.conjunctions.length > 0) this.#conjunctive++;
    this.#eachPrefix(subtable, rule, (trie, words, length) => trie.insert(words, 0, length));
  }

  remove(rule: R): boolean {
    const subtable = this.#subtables.get(maskKey(rule.match));
    if (subtable === undefined) return false;
    const max = subtable.maxPriority;
    if (!subtable.remove(rule)) return false;
    this.size--;
    if (rule.conjunctions !== undefined && rule.conjunctions.length > 0) this.#conjunctive--;
    this.#eachPrefix(subtable, rule, (trie, words, length) => trie.remove(words, 0, length));
    if (subtable.rules === 0) {
      this.#subtables.delete(subtable.key);
      this.#order.splice(this.#order.indexOf(subtable), 1);
    } else if (subtable.maxPriority !== max) this.#sorted = false;
    return true;
  }

  #eachPrefix(subtable: Subtable<R>, rule: R, run: (trie: PrefixTrie, words: number[], length: number) => void): void {
    this.layout.prefixes.forEach((field, p) => {
      const length = subtable.plens[p] as number;
      if (length === 0) return;
      const words: number[] = [];
      for (let w = field.word; w < field.word + field.words; w++) {
        words.push(rule.match.values[rule.match.words.indexOf(w)] ?? 0);
      }
      run(this.#tries[p] as PrefixTrie, words, length);
    });
  }

  /** For generated code: may a rule with a prefix of this length cover the key? If not, marks the bits that tell so. */
  prefixFound(p: number, length: number, key: Int32Array, wc: Int32Array | undefined): boolean {
    const field = this.layout.prefixes[p] as KeyLayout["prefixes"][number];
    if (key[field.typeWord] !== field.type) return true;
    const trie = this.#tries[p] as PrefixTrie;
    let bits = this.#trieBits[p] as number;
    if (bits < 0) {
      bits = trie.lookup(key, field.word, field.words * 32);
      this.#trieBits[p] = bits;
    }
    if (trie.found(length)) return true;
    if (wc === undefined) return false;
    // The trie may only spare bits: when it read more than the subtable itself would, the subtable is asked.
    if (bits <= length) {
      unmaskPrefix(wc, field.word, bits);
      return false;
    }
    return !prefixMasked(wc, field.word, bits);
  }

  #sort(): void {
    this.#order.sort((a, b) => b.maxPriority - a.maxPriority);
    this.#sorted = true;
  }

  /**
   * The rule of highest priority that matches. The bits that decided are ORed into `wc`. With conjunctions the key's conj_id
   * word is set on the way and put back; {@link conjId} tells which id led to the answer.
   */
  lookup(key: Int32Array, wc: Int32Array | undefined): R | undefined {
    if (!this.#sorted) this.#sort();
    this.conjId = 0;
    if (this.conjRules.length > 0) this.conjRules = [];
    const bits = this.#trieBits;
    for (let p = 0; p < bits.length; p++) bits[p] = -1;
    return this.#conjunctive > 0 ? this.#lookupConjunctive(key, wc) : this.#lookupPlain(key, wc);
  }

  /** The conj_id with which the last lookup's rule was found, or 0, and the rules whose clauses made it. */
  conjId = 0;
  conjRules: readonly R[] = [];

  #lookupPlain(key: Int32Array, wc: Int32Array | undefined): R | undefined {
    let best: R | undefined;
    let priority = -1;
    const order = this.#order;
    for (let i = 0; i < order.length; i++) {
      const subtable = order[i] as Subtable<R>;
      if (subtable.maxPriority <= priority) break;
      const entry = subtable.find(key, wc);
      if (entry === undefined) continue;
      const rule = entry.rules[0] as R;
      if (rule.priority > priority) {
        best = rule;
        priority = rule.priority;
      }
    }
    return best;
  }

  /**
   * Of rules of one match only the first counts until it turns out that its conjunctions are not satisfied; then the next one
   * does, if it beats what else was found.
   */
  #lookupConjunctive(key: Int32Array, wc: Int32Array | undefined): R | undefined {
    let hard: R | undefined;
    let priority = -1;
    let soft: { readonly rules: readonly R[]; at: number }[] = [];
    const head = (one: (typeof soft)[number]): R => one.rules[one.at] as R;
    for (const subtable of this.#order) {
      if (subtable.maxPriority <= priority) break;
      const entry = subtable.find(key, wc);
      const rule = entry?.rules[0];
      if (entry === undefined || rule === undefined || rule.priority <= priority) continue;
      if (isConjunctive(rule)) soft.push({ rules: entry.rules, at: 0 });
      else {
        hard = rule;
        priority = rule.priority;
      }
    }
    for (;;) {
      soft = soft.filter((one) => head(one).priority > priority);
      if (soft.length === 0) return hard;
      const level = Math.max(...soft.map((one) => head(one).priority));
      const clauses = soft.filter((one) => head(one).priority === level);
      const rules = clauses.map(head);
      const id = satisfied(rules);
      if (id !== undefined) {
        const found = this.#withConjId(key, wc, id);
        if (found !== undefined) {
          this.conjId = id;
          this.conjRules = rules.filter((rule) => rule.conjunctions?.some((one) => one.id === id));
          return found;
        }
      }
      for (const one of clauses) {
        const next = one.rules[++one.at];
        if (next === undefined) soft.splice(soft.indexOf(one), 1);
        else if (!isConjunctive(next)) {
          soft.splice(soft.indexOf(one), 1);
          if (next.priority <= priority) continue;
          hard = next;
          priority = next.priority;
        }
      }
    }
  }

  #withConjId(key: Int32Array, wc: Int32Array | undefined, id: number): R | undefined {
    const { conjId } = this.layout;
    const saved = key[conjId] as number;
    key[conjId] = id;
    let best: R | undefined;
    for (const subtable of this.#order) {
      if (best !== undefined && subtable.maxPriority <= best.priority) break;
      const rule = subtable.find(key, wc)?.rules[0];
      if (rule !== undefined && !isConjunctive(rule) && (best === undefined || rule.priority > best.priority)) best = rule;
    }
    key[conjId] = saved;
    return best;
  }
}

const isConjunctive = (rule: ClassifierRule): boolean => rule.conjunctions !== undefined && rule.conjunctions.length > 0;

/** The id of which every clause is there, of several the one that is complete first. */
function satisfied(rules: readonly ClassifierRule[]): number | undefined {
  const clauses = new Map<number, { readonly seen: Set<number>; readonly of: number }>();
  for (const rule of rules) {
    for (const { id, clause, clauses: of } of rule.conjunctions ?? []) {
      let state = clauses.get(id);
      if (state === undefined) clauses.set(id, (state = { seen: new Set(), of }));
      if (state.of !== of) continue;
      state.seen.add(clause);
      if (state.seen.size === of) return id;
    }
  }
  return undefined;
}
