/** Prepared commands as one transaction on a replica: run, committed, tried again when the database moved, waited for, printed. */
import type { Json, Replica, SchemaJson, Transaction, TransactionResult } from "@weft/ovsdb";
import type { Host, LogBook, Runtime } from "@weft/runtime";
import type { GivenOption } from "../options.ts";
import { printTable, sortedJson, type Table, type TableStyle, tableStyle } from "../table.ts";
import type { Call, CallSession, Command, Prepared } from "./command.ts";
import { CtlError } from "./error.ts";
import type { RowRules } from "./lookup.ts";
import type { CtlProgram, WaitContext } from "./program.ts";

export interface Execution<S extends SchemaJson> {
  readonly program: CtlProgram<S>;
  readonly options: readonly GivenOption[];
  readonly calls: readonly Prepared<S>[];
  /** The line as it was typed, for the transaction's comment. */
  readonly line: string;
  readonly replica: Replica<S>;
  /** Its standard output takes what the commands print. */
  readonly host: Host;
  readonly runtime: Runtime;
  readonly log: LogBook;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** Resolves to the exit code. Throws {@link CtlError} for what the commands or the database refuse. */
export async function execute<S extends SchemaJson>(execution: Execution<S>): Promise<number> {
  const { program, options, calls, replica, host, runtime, log, signal } = execution;
  const chosen = (name: string) => options.some((option) => option.name === name);
  const style: TableStyle = tableStyle(options, "list");
  const context: WaitContext<S> = {
    replica,
    options,
    calls,
    kept: [],
    host,
    runtime,
    started: 0,
    until: (holds) => until(replica, holds),
  };
  if (program.probeInterval !== undefined) replica.setProbe?.(program.probeInterval(replica));
  const surroundings = { db: replica.transaction(), options, host, runtime, log };
  const gathered = await Promise.all(calls.map((call) => call.command.gather?.(call, surroundings)));
  while (signal?.aborted !== true) {
    let changed = false;
    const unsubscribe = replica.onChange(() => {
      changed = true;
    });
    const db = replica.transaction();
    if ([...db.rows(program.root)].length === 0) db.insert(program.root, {});
    const session: CallSession = { symbols: new Map(), tryAgain: false, exitCode: 0 };
    const outputs = calls.map((call, i) => new RunningCall(call, db, session, log, gathered[i]));
    for (const call of outputs) {
      call.command.run(call);
      if (session.tryAgain) break;
    }
    if (!session.tryAgain) {
      checkSymbols(session, log, program.module);
      const waiting = program.beforeCommit?.(context, db) ?? false;
      db.comment(`${program.name}: ${execution.line}`);
      const started = runtime.clock.wall();
      const result: TransactionResult = chosen("dry-run") ? { status: "unchanged", inserted: new Map() } : await db.commit();
      if (result.status === "error") {
        const text = `transaction error: ${sortedJson((result.json ?? result.error) as Json)}`;
        log.logger("ovsdb_idl").warn(text);
        throw new CtlError(text);
      }
      if (result.status === "not-locked") throw new CtlError("database not locked");
      if (result.status !== "try-again") {
        unsubscribe();
        for (const call of outputs) call.command.after?.(call, result);
        for (const call of outputs) await host.stdout.write(call.output(chosen("oneline"), style));
        if (!waiting || result.status !== "success" || program.wait === undefined) return session.exitCode;
        const after = { ...context, started, kept: outputs.map(({ kept }) => kept) };
        return (await program.wait(after, result.increment ?? 0)) || session.exitCode;
      }
    }
    if (!changed) await nextChange(replica);
    unsubscribe();
  }
  return 1;
}

function checkSymbols({ symbols }: CallSession, log: LogBook, module: string): void {
  for (const [id, { created, strong, weak }] of symbols) {
    if (!created) throw new CtlError(`row id "${id}" is referenced but never created (e.g. with "-- --id=${id} create ...")`);
    if (strong) continue;
    const what = weak ? "only a weak reference to it" : "no reference to it";
    log
      .logger(module)
      .warn(`row id "${id}" was created but ${what} was inserted, so it will not actually appear in the database`);
  }
}

class RunningCall<S extends SchemaJson> implements Call<S> {
  readonly command: Command<S>;
  readonly args: readonly string[];
  readonly options: Prepared<S>["options"];
  readonly database: Prepared<S>["database"];
  readonly rules: RowRules;
  readonly db: Transaction<S>;
  readonly session: CallSession;
  readonly gathered: unknown;
  readonly #log: LogBook;
  kept?: unknown;
  #text = "";
  #table: Table | undefined;

  constructor(call: Prepared<S>, db: Transaction<S>, session: CallSession, log: LogBook, gathered: unknown) {
    this.gathered = gathered;
    this.command = call.command;
    this.args = call.args;
    this.options = call.options;
    this.database = call.database;
    this.rules = call.rules;
    this.db = db;
    this.session = session;
    this.#log = log;
  }

  print(text: string): void {
    this.#text += text;
  }

  reprint(text: string): void {
    this.#text = text;
  }

  show(table: Table): void {
    this.#table = table;
  }

  warn(module: string, text: string): void {
    this.#log.logger(module).warn(text);
  }

  error(module: string, text: string): void {
    this.#log.logger(module).err(text);
  }

  has(option: string): boolean {
    return this.options.has(option);
  }

  option(name: string): string | undefined {
    return this.options.get(name);
  }

  arg(index: number): string {
    return this.args[index] ?? "";
  }

  output(oneline: boolean, style: TableStyle): string {
    if (this.#table !== undefined) return printTable(this.#table, style);
    if (!oneline) return this.#text;
    const line = this.#text.endsWith("\n") ? this.#text.slice(0, -1) : this.#text;
    return `${line.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;
  }
}

function until<S extends SchemaJson>(replica: Replica<S>, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds()) {
      resolve();
      return;
    }
    const unsubscribe = replica.onChange(() => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    });
  });
}

function nextChange<S extends SchemaJson>(replica: Replica<S>): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = replica.onChange(() => {
      unsubscribe();
      resolve();
    });
  });
}
