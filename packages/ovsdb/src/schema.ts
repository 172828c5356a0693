/**
 * Database schemas as typed values (RFC 7047 section 3.2). A schema written `as const satisfies SchemaJson` gives, by
 * the types below, the TypeScript type of every row.
 */
import type { AtomicType, Uuid } from "./value.ts";

/** A base type in JSON, as in a schema file. */
export type BaseTypeJson =
  | AtomicType
  | {
      readonly type: AtomicType;
      readonly enum?: readonly ["set", readonly (string | number)[]] | string | number;
      readonly minInteger?: number;
      readonly maxInteger?: number;
      readonly minReal?: number;
      readonly maxReal?: number;
      readonly minLength?: number;
      readonly maxLength?: number;
      readonly refTable?: string;
      readonly refType?: "strong" | "weak";
    };

export type ColumnTypeJson =
  | AtomicType
  | {
      readonly key: BaseTypeJson;
      readonly value?: BaseTypeJson;
      readonly min?: 0 | 1;
      readonly max?: number | "unlimited";
    };

export interface ColumnJson {
  readonly type: ColumnTypeJson;
  readonly ephemeral?: boolean;
  readonly mutable?: boolean;
}

export interface TableJson {
  readonly columns: { readonly [column: string]: ColumnJson };
  readonly maxRows?: number;
  readonly isRoot?: boolean;
  readonly indexes?: readonly (readonly string[])[];
}

export interface SchemaJson {
  readonly name: string;
  readonly version: string;
  readonly cksum?: string;
  readonly tables: { readonly [table: string]: TableJson };
}

type AtomOf<B> = B extends { readonly type: infer T; readonly enum: readonly ["set", readonly (infer E)[]] }
  ? T extends "string"
    ? E
    : number
  : B extends { readonly type: infer T }
    ? AtomOf<T>
    : B extends "integer" | "real"
      ? number
      : B extends "boolean"
        ? boolean
        : B extends "uuid"
          ? Uuid
          : string;

/**
 * The TypeScript type of a column: a map column is a ReadonlyMap; min 0 max 1 is the atom or undefined; max above 1 or
 * "unlimited" is a sorted readonly array; everything else the bare atom.
 */
export type ValueOf<T> = T extends { readonly key: infer K; readonly value: infer V }
  ? ReadonlyMap<AtomOf<K>, AtomOf<V>>
  : T extends { readonly key: infer K; readonly max: infer M }
    ? M extends 1
      ? T extends { readonly min: 0 }
        ? AtomOf<K> | undefined
        : AtomOf<K>
      : readonly AtomOf<K>[]
    : T extends { readonly key: infer K; readonly min: 0 }
      ? AtomOf<K> | undefined
      : T extends { readonly key: infer K }
        ? AtomOf<K>
        : AtomOf<T>;

export type TableName<S extends SchemaJson> = keyof S["tables"] & string;

/** A row as programs read it: immutable; an update makes a new object. */
export type RowOf<S extends SchemaJson, T extends TableName<S>> = {
  readonly [C in keyof S["tables"][T]["columns"]]: ValueOf<S["tables"][T]["columns"][C]["type"]>;
} & { readonly _uuid: Uuid };
