/** What a ctl program is made of: a table of commands, and what a command is given when it runs. */
import type { DatabaseModel, RowHandle, SchemaJson, TableName, Transaction, TransactionResult } from "@weft/ovsdb";
import type { Host, LogBook, Runtime } from "@weft/runtime";
import type { GivenOption } from "../options.ts";
import type { Table } from "../table.ts";
import type { RowRules } from "./lookup.ts";

export interface Command<S extends SchemaJson> {
  readonly name: string;
  /** The arguments as the usage shows them: "SWITCH PORT [PARENT] [TAG]". */
  readonly usage: string;
  readonly min: number;
  readonly max: number;
  /** "--may-exist --type= --bfd?": without a value, with one, with or without. */
  readonly options?: string;
  /** What it reads. */
  readonly tables?: readonly TableName<S>[];
  /** Looks at the arguments before there is a connection, and says which tables they name. */
  readonly prepare?: (call: Prepared<S>) => readonly string[];
  /** Asks elsewhere than in the database, once, before it runs: `gathered` of its call. */
  readonly gather?: (call: Prepared<S>, surroundings: Surroundings<S>) => Promise<unknown>;
  run(call: Call<S>): void;
  /** After the commit, what the command could not say before. */
  readonly after?: (call: Call<S>, result: TransactionResult) => void;
  readonly help: string;
  /** The heading that the help lists it under. */
  readonly group: string;
}

/** A command as it was typed. */
export interface Prepared<S extends SchemaJson> {
  readonly command: Command<S>;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, string | undefined>;
  readonly database: DatabaseModel;
  readonly rules: RowRules;
}

/** What a program runs in. */
export interface Surroundings<S extends SchemaJson> {
  /** The rows as they are. */
  readonly db: Transaction<S>;
  readonly options: readonly GivenOption[];
  readonly host: Host;
  readonly runtime: Runtime;
  readonly log: LogBook;
}

/** A command as it runs; made anew each time that the transaction is tried. */
export interface Call<S extends SchemaJson> extends Prepared<S> {
  /** Rows as they will be, and writes. */
  readonly db: Transaction<S>;
  readonly session: CallSession;
  print(text: string): void;
  /** Replaces what was printed, once the commit has told more. */
  reprint(text: string): void;
  show(table: Table): void;
  warn(module: string, text: string): void;
  error(module: string, text: string): void;
  /** What its `gather` resolved to. */
  readonly gathered: unknown;
  /** What the command keeps for `after`. */
  kept?: unknown;
  has(option: string): boolean;
  option(name: string): string | undefined;
  /** An argument that is there by `min`. */
  arg(index: number): string;
}

/** What the commands of one transaction share. */
export interface CallSession {
  /** Rows with --id names: name, and what became of it. */
  readonly symbols: Map<string, { handle: RowHandle; created: boolean; strong: boolean; weak: boolean }>;
  /** Set by a command whose condition does not hold yet. */
  tryAgain: boolean;
  /** The exit code, where it is not to be 0. */
  exitCode: number;
}
