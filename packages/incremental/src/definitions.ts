/**
 * Makers of definitions. A definition is an immutable value with a number of its own, by which engines find their
 * state of it.
 */
import type { Derivation, Each, Index, Input, Key, Read, Source, Table } from "./types.ts";

/** What the engine knows of a definition beyond the public type; keys and values are erased to Key and unknown. */
export interface DefinitionBody {
  readonly id: number;
  readonly name: string;
  readonly kind: "input" | "derivation" | "index" | "relation" | "table" | "each";
  readonly source: DefinitionBody | undefined;
  readonly equals: (a: unknown, b: unknown) => boolean;
  readonly compute: (key: Key, read: Read) => unknown;
  readonly groups: (row: unknown, key: Key) => Iterable<Key>;
  readonly run: (key: Key, row: unknown, read: Read) => Iterable<unknown>;
  readonly identity: (output: unknown) => unknown;
}

let definitions = 0;
const unused = (): never => {
  throw new TypeError("not a part of this kind of definition");
};

function define(kind: DefinitionBody["kind"], name: string, parts: Partial<DefinitionBody>): DefinitionBody {
  return {
    kind,
    id: definitions++,
    name,
    source: parts.source,
    equals: parts.equals ?? Object.is,
    compute: parts.compute ?? unused,
    groups: parts.groups ?? unused,
    run: parts.run ?? unused,
    identity: parts.identity ?? ((output) => output),
  };
}

/** The public types hide the body and add key and value types that do not exist at run time; hence the casts of this file. */
export function bodyOf(definition: { readonly id: number }): DefinitionBody {
  return definition as unknown as DefinitionBody;
}

type Equals<V> = (a: V, b: V) => boolean;
type ErasedEquals = (a: unknown, b: unknown) => boolean;

export function input<K extends Key, V>(name: string, options: { readonly equals?: Equals<V> } = {}): Input<K, V> {
  return define("input", name, options.equals ? { equals: options.equals as ErasedEquals } : {}) as unknown as Input<K, V>;
}

export function derive<K extends Key, V>(
  name: string,
  compute: (key: K, read: Read) => V,
  options: { readonly equals?: Equals<V> } = {},
): Derivation<K, V> {
  return define("derivation", name, {
    compute: compute as DefinitionBody["compute"],
    ...(options.equals ? { equals: options.equals as ErasedEquals } : {}),
  }) as unknown as Derivation<K, V>;
}

/** Groups that are a function of the row alone. */
export function index<G extends Key, K extends Key, V>(
  name: string,
  source: Source<K, V>,
  groups: (row: V, key: K) => Iterable<G>,
): Index<G, K> {
  return define("index", name, {
    source: bodyOf(source),
    groups: groups as DefinitionBody["groups"],
  }) as unknown as Index<G, K>;
}

/** Groups that are found with tracked reads. */
export function relation<G extends Key, K extends Key, V>(
  name: string,
  source: Source<K, V>,
  groups: (key: K, row: V, read: Read) => Iterable<G>,
): Index<G, K>;
export function relation<G extends Key, K extends Key, M extends Key>(
  name: string,
  source: Index<K, M>,
  groups: (key: K, members: readonly M[], read: Read) => Iterable<G>,
): Index<G, K>;
export function relation(name: string, source: { readonly id: number }, groups: unknown): Index<Key, Key> {
  return define("relation", name, {
    source: bodyOf(source),
    run: groups as DefinitionBody["run"],
  }) as unknown as Index<Key, Key>;
}

/** A derived source: evaluations yield `[key, value]`. */
export function table<K2 extends Key, V2, K extends Key, V>(
  name: string,
  source: Source<K, V>,
  entries: (key: K, row: V, read: Read) => Iterable<readonly [K2, V2]>,
  options?: { readonly equals?: Equals<V2> },
): Table<K2, V2>;
export function table<K2 extends Key, V2, K extends Key, M extends Key>(
  name: string,
  source: Index<K, M>,
  entries: (key: K, members: readonly M[], read: Read) => Iterable<readonly [K2, V2]>,
  options?: { readonly equals?: Equals<V2> },
): Table<K2, V2>;
export function table(
  name: string,
  source: { readonly id: number },
  entries: unknown,
  options: { readonly equals?: unknown } = {},
): Table<Key, unknown> {
  return define("table", name, {
    source: bodyOf(source),
    run: entries as DefinitionBody["run"],
    ...(options.equals ? { equals: options.equals as ErasedEquals } : {}),
  }) as unknown as Table<Key, unknown>;
}

/** One evaluation per key of a source, with the row there (for an index: the group's members). */
export function each<O, K extends Key, V>(
  name: string,
  source: Source<K, V>,
  run: (key: K, row: V, read: Read) => Iterable<O>,
  options?: { readonly identity?: (output: O) => unknown },
): Each<O>;
export function each<O, K extends Key, M extends Key>(
  name: string,
  source: Index<K, M>,
  run: (key: K, members: readonly M[], read: Read) => Iterable<O>,
  options?: { readonly identity?: (output: O) => unknown },
): Each<O>;
export function each(
  name: string,
  source: { readonly id: number },
  run: unknown,
  options: { readonly identity?: unknown } = {},
): Each<unknown> {
  return define("each", name, {
    source: bodyOf(source),
    run: run as DefinitionBody["run"],
    ...(options.identity ? { identity: options.identity as DefinitionBody["identity"] } : {}),
  }) as unknown as Each<unknown>;
}
