/** A ctl program as a daemon, which keeps its copy of the database between commands (ovn-nbctl(8), "DAEMON MODE"). */
import { createReplica, type Replica, type SchemaJson } from "@weft/ovsdb";
import type { Host } from "@weft/runtime";
import { runDaemon } from "../daemon/daemon.ts";
import { daemonOptionsOf } from "../daemon/options.ts";
import { directoriesOf, inFolder } from "../directories.ts";
import { UsageError } from "../options.ts";
import { tableStyle } from "../table.ts";
import { runOptions } from "./ask.ts";
import { CtlError } from "./error.ts";
import { execute } from "./execution.ts";
import { type Grammar, type Line, parseLine } from "./line.ts";
import { readsOnly, timeoutOf } from "./once.ts";
import type { CtlProgram } from "./program.ts";
import { replicaOptionsOf } from "./remote.ts";

/** What `run` takes besides what every client sends. */
const ownOptions = [
  ...runOptions,
  { name: "timeout", short: "t", argument: "required" },
  { name: "verbose", short: "v", argument: "optional" },
] as const;

/** Runs until it is told to end. Prints the control socket's path when it is ready. */
export async function serve<S extends SchemaJson>(
  program: CtlProgram<S>,
  grammar: Grammar<S>,
  { options, first, rest }: Line<S>,
  host: Host,
): Promise<number> {
  if (rest.length > 0 || first.length > 0) {
    throw new UsageError("non-option arguments not supported with --detach (use --help for help)");
  }
  const daemon = daemonOptionsOf(options);
  return runDaemon(host, program.name, program.family, daemon, async ({ runtime }) => {
    const replica = createReplica(replicaOptionsOf(program, options, host, runtime));
    const run = new Runner(program, { ...grammar, options: ownOptions }, replica, { ...host, runtime });
    const file = daemon.unixctl ?? `${program.name}.${host.pid}.ctl`;
    return {
      commands: [
        { name: "run", usage: "", minArgs: 0, maxArgs: Number.POSITIVE_INFINITY, run: (words) => run.run(words) },
        { name: "exit", usage: "", minArgs: 0, maxArgs: 0, run: () => "" },
      ],
      readyOutput: `${inFolder(directoriesOf(host.env, program.family).run, file)}\n`,
      stop: () => replica.close(),
    };
  });
}

class Runner<S extends SchemaJson> {
  readonly #program: CtlProgram<S>;
  readonly #grammar: Grammar<S>;
  readonly #replica: Replica<S>;
  readonly #host: Host;

  constructor(program: CtlProgram<S>, grammar: Grammar<S>, replica: Replica<S>, host: Host) {
    this.#program = program;
    this.#grammar = grammar;
    this.#replica = replica;
    this.#host = host;
  }

  /** Runs the words of one request; resolves to what they print. Throws CtlError or UsageError. */
  async run(words: readonly string[]): Promise<string> {
    const program = this.#program;
    const { clock, log } = this.#host.runtime;
    const line = parseLine(words, this.#grammar);
    tableStyle(line.options, "list");
    program.check?.(line);
    const timeout = timeoutOf(line.options);
    const calls = line.calls();
    for (const call of calls) call.command.prepare?.(call);
    const text = ["run", ...words].join(" ");
    const logger = log.logger("ovn_dbctl");
    if (readsOnly(calls)) logger.dbg(`Running command ${text}`);
    else logger.info(`Running command ${text}`);
    let output = "";
    const host: Host = { ...this.#host, stdout: { write: (more) => void (output += more), isTerminal: false } };
    const abandoned = new AbortController();
    const work = async () => {
      await this.#synced();
      const runtime = host.runtime;
      await execute({
        program,
        options: line.options,
        calls,
        line: text,
        replica: this.#replica,
        host,
        runtime,
        log,
        signal: abandoned.signal,
      });
      return output;
    };
    const late = new Promise<never>((_, reject) => {
      if (timeout === undefined) return;
      const expire = () => {
        abandoned.abort();
        reject(new CtlError(`timeout of ${timeout} seconds expired`));
      };
      clock.after(timeout * 1000, expire, true);
    });
    return Promise.race([work(), late]);
  }

  /** The copy is as good as the connection: commands wait for one. */
  #synced(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#replica.state === "synced") {
        resolve();
        return;
      }
      const unsubscribe = this.#replica.onState((state) => {
        if (state !== "synced") return;
        unsubscribe();
        resolve();
      });
    });
  }
}
