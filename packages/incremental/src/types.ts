/**
 * Derivations that remember what they read. Definitions are values made once, at module level, and know no state; an
 * {@link Engine} holds the state, so that two clouds in one process share the code and nothing else.
 *
 *     const ports = input<Uuid, PortRow>("nb.Logical_Switch_Port");
 *     const portsByName = index("portsByName", ports, (row) => [row.name]);
 *     const addressesOf = derive("addressesOf", (port: Uuid, read) => parse(read(ports, port)!.addresses), { equals });
 *     const arpResponder = each("arpResponder", ports, function* (uuid, row, read) { yield ... });
 *     const engine = createEngine({ onError });
 *     engine.collect([arpResponder, ...], sink);
 *     engine.set(ports, uuid, row); engine.delete(ports, uuid);
 *     engine.commit();   // runs again exactly what read something that changed; the sink hears of additions and removals
 *
 * The promise: after any sequence of changes and commits, what the sinks hold equals what a fresh engine with the same
 * inputs produces. It holds as long as definitions are pure: they read through `read` only, and catch nothing that
 * `read` throws.
 *
 * Sources of keys, over which index, relation, table and each range: an {@link Input} (its keys and rows), a
 * {@link Table} (its derived keys and values), an {@link Index} (its non-empty groups, and the members of each).
 */
export type Key = string | number;

/** A keyed source, written from outside. */
export interface Input<K extends Key, V> {
  readonly kind: "input";
  readonly id: number;
  readonly name: string;
  /** Decides whether a written value is news. */
  readonly equals: (a: V, b: V) => boolean;
  readonly _key?: K;
}

/** A memoised pure function of a key. Recomputed only when something it read changed; an equal result stops the change there. */
export interface Derivation<K extends Key, V> {
  readonly kind: "derivation";
  readonly id: number;
  readonly name: string;
  readonly compute: (key: K, read: Read) => V;
  readonly equals: (a: V, b: V) => boolean;
}

/**
 * Groups the keys of a source. Made by `index`, where the groups are a function of the row alone (no evaluation is
 * kept), or by `relation`, where they are found with tracked reads. Reading one group depends on that group only.
 */
export interface Index<G extends Key, K extends Key> {
  readonly kind: "index" | "relation";
  readonly id: number;
  readonly name: string;
  readonly _group?: G;
  readonly _key?: K;
}

/**
 * A source of its own, derived from another one: every key of that yields entries `[key, value]`. Two evaluations that
 * yield the same key: the entry of the smallest source key counts. Not collected as garbage.
 */
export interface Table<K extends Key, V> {
  readonly kind: "table";
  readonly id: number;
  readonly name: string;
  readonly equals: (a: V, b: V) => boolean;
  readonly _key?: K;
}

export type Source<K extends Key, V> = Input<K, V> | Table<K, V>;

/** One evaluation per key of a source; its outputs are collected by a sink. */
export interface Each<O> {
  readonly kind: "each";
  readonly id: number;
  readonly name: string;
  /** Outputs with the same identity are the same output; by default the output itself. */
  readonly identity: (output: O) => unknown;
}

export interface Read {
  /** The value at a key of an input or table, tracked; undefined where there is none. */
  <K extends Key, V>(source: Source<K, V>, key: K): V | undefined;
  /** The value of a derivation, computed now where it is not there yet. Throws what the derivation threw. */
  <K extends Key, V>(source: Derivation<K, V>, key: K): V;
  /** The keys of a group, sorted (numbers before strings), tracked as that group. */
  <G extends Key, K extends Key>(source: Index<G, K>, group: G): readonly K[];
  /** All keys of a source (the non-empty groups of an index), sorted; depends on insertions and deletions, not on values. */
  keys<K extends Key, V>(source: Source<K, V> | Index<K, Key>): readonly K[];
}

/** Told, within a commit, of every output that appeared or went, once per evaluation that yields it; see also {@link counted}. */
export interface Sink<O> {
  add(output: O, from: OutputFrom): void;
  remove(output: O, from: OutputFrom): void;
  /** Whether two outputs of one evaluation are alike: then the sink is not told that one stands for the other now. */
  same?(a: O, b: O): boolean;
}

/** The evaluation that yielded an output. */
export interface OutputFrom {
  readonly each: Each<unknown>;
  readonly key: Key;
}

export interface EngineStatistics {
  /** Evaluations run, per definition name, since the engine began. */
  readonly evaluations: ReadonlyMap<string, number>;
  readonly commits: number;
  /** Evaluations remembered now, of all kinds. */
  readonly cells: number;
}

/** An exception in an evaluation, which yields nothing until something that it read changes. */
export interface EvaluationFailure {
  readonly definition: string;
  readonly key: Key;
  readonly error: unknown;
}

export interface EngineOptions {
  /** Told of every exception once, at the evaluation that threw it (not again at the evaluations that read it). */
  readonly onError?: (failure: EvaluationFailure) => void;
}

export interface Engine {
  /** Writes a row; takes effect at the next commit. */
  set<K extends Key, V>(source: Input<K, V>, key: K, value: V): void;
  delete<K extends Key, V>(source: Input<K, V>, key: K): void;
  /**
   * Runs `eaches` from the next commit on, and tells `sink` of their outputs. Call it once for every sink. `patient`: they are run
   * after all others, and may be put off.
   */
  collect<O>(eaches: readonly Each<O>[], sink: Sink<O>, patient?: boolean): void;
  /**
   * Brings everything up to date. Returns whether anything had changed. Not to be called from within an evaluation or a sink.
   *
   * `most` bounds the evaluations of patient eaches that are run, so that something else can be done between. What is read from
   * outside is up to date all the same; their sinks are not, as long as {@link unfinished} says so.
   */
  commit(most?: number): boolean;
  /** Whether the last commit has left evaluations to later ones. */
  readonly unfinished: boolean;
  /** Reads from outside, as of the last commit. What nothing else reads is forgotten at the next commit. */
  readonly read: Read;
  /** Forgets all that is derived and computes it anew at the next commit; the sinks hear of what differs. */
  recompute(): void;
  statistics(): EngineStatistics;
}
