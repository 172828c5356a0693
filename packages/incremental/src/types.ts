/**
 * Derivations that remember what they read. Definitions are values made once, at module level, and know no state; an
 * {@link Engine} holds the state, so that two clouds in one process share the code and nothing else.
 *
 *     const ports = input<Uuid, PortRow>("nb.Logical_Switch_Port");
 *     const portsByName = index("portsByName", ports, (row) => [row.name]);
 *     const addressesOf = derive("addressesOf", (port: Uuid, read) => parse(read(ports, port)!.addresses), { equals });
 *     const arpResponder = each("arpResponder", ports, function* (uuid, row, read) { yield ... });
 *     const engine = createEngine();
 *     const flows = engine.collect([arpResponder, ...], sink);
 *     engine.set(ports, uuid, row); engine.delete(ports, uuid);
 *     engine.commit();   // runs again exactly what read something that changed; the sink hears of additions and removals
 *
 * The promise: after any sequence of changes and commits, what the sinks hold equals what a fresh engine with the same
 * inputs produces. It holds as long as definitions are pure: they read through `read` only.
 */
export type Key = string | number;

/** A keyed source, written from outside. */
export interface Input<K extends Key, V> {
  readonly kind: "input";
  readonly name: string;
  readonly equals: (a: V, b: V) => boolean;
  /** Phantom: the key type. */
  readonly _key?: K;
}

/** A memoised pure function of a key. Recomputed only when something it read changed; an equal result stops the change there. */
export interface Derivation<K extends Key, V> {
  readonly kind: "derivation";
  readonly name: string;
  readonly compute: (key: K, read: Read) => V;
  readonly equals: (a: V, b: V) => boolean;
}

/** Groups the keys of an input (or of another {@link Relation}) by values of its rows. Reading one group depends on that group only. */
export interface Index<G extends Key, K extends Key> {
  readonly kind: "index";
  readonly name: string;
  readonly _group?: G;
  readonly _key?: K;
}

/** One evaluation per key of a source; its outputs are collected by a sink. */
export interface Each<O> {
  readonly kind: "each";
  readonly name: string;
  readonly _out?: O;
}

export interface Read {
  /** The value of an input at a key, tracked; undefined where there is none. */
  <K extends Key, V>(source: Input<K, V>, key: K): V | undefined;
  <K extends Key, V>(source: Derivation<K, V>, key: K): V;
  /** The keys of a group in a stable order (sorted), tracked as that group. */
  <G extends Key, K extends Key>(source: Index<G, K>, group: G): readonly K[];
  /** All keys of an input, sorted; depends on insertions and deletions, not on values. */
  keys<K extends Key, V>(source: Input<K, V>): readonly K[];
}

/** Told, within a commit, of every output that appeared or went, once per evaluation that yields it; the sink counts. */
export interface Sink<O> {
  add(output: O, from: { readonly each: Each<O>; readonly key: Key }): void;
  remove(output: O, from: { readonly each: Each<O>; readonly key: Key }): void;
}

export interface EngineStatistics {
  /** Evaluations run, per definition name, since the engine began. */
  readonly evaluations: ReadonlyMap<string, number>;
  readonly commits: number;
}
