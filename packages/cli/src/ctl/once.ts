/** A ctl program as it is mostly used: connects, runs its commands, ends. */
import { createReplica, type Replica, type SchemaJson } from "@weft/ovsdb";
import { ConfigurableLogBook, type Host, logModulesOf } from "@weft/runtime";
import { type GivenOption, UsageError } from "../options.ts";
import { tableStyle } from "../table.ts";
import type { Prepared } from "./command.ts";
import { CtlError } from "./error.ts";
import { execute } from "./execution.ts";
import type { Line } from "./line.ts";
import type { CtlProgram } from "./program.ts";
import { connectReason, remotesOf, replicaOptionsOf, withoutReconnects } from "./remote.ts";

/** The names of commands that only read. */
const READS = /^(comment|find|sync|wait-until)$|(^|-)(list|get|show|exists|to|dump|count)(-|$)/;

export function readsOnly<S extends SchemaJson>(calls: readonly Prepared<S>[]): boolean {
  return calls.every(({ command }) => READS.test(command.name));
}

/** Of a process that SIGALRM ended. */
const EXIT_TIMEOUT = 142;

export async function runOnce<S extends SchemaJson>(
  program: CtlProgram<S>,
  args: readonly string[],
  line: Line<S>,
  host: Host,
): Promise<number> {
  const { options } = line;
  const log = openLog(program.name, options, host);
  const runtime = { ...host.runtime, log: withoutReconnects(log) };
  const alarm = alarmOf(options, host, log);
  // Everything that is wrong with the line itself is told before there is a connection.
  tableStyle(options, "list");
  program.check?.({ options });
  const calls = line.calls();
  const named = calls.flatMap((call) => [...(call.command.tables ?? []), ...(call.command.prepare?.(call) ?? [])]);
  const text = [program.name, ...args].join(" ");
  const called = log.logger(program.module);
  if (readsOnly(calls)) called.dbg(`Called as ${text}`);
  else called.info(`Called as ${text}`);
  const replica = createReplica({
    ...replicaOptionsOf(program, options, host, runtime, new Set([...program.tables, program.root, ...named])),
    once: options.every(({ name }) => name !== "retry"),
  });
  const aborted = new Promise<number>((resolve) => {
    host.signal.addEventListener("abort", () => resolve(143), { once: true });
  });
  const work = async () => {
    await connected(replica, remotesOf(program, options, host.env));
    return execute({ program, options, calls, line: text, replica, host, runtime, log });
  };
  try {
    return await Promise.race([work(), alarm, aborted]);
  } finally {
    await replica.close();
  }
}

async function connected<S extends SchemaJson>(replica: Replica<S>, remotes: string): Promise<void> {
  try {
    await replica.ready();
  } catch (error) {
    throw new CtlError(`${remotes}: database connection failed (${connectReason(error, remotes)})`);
  }
}

export function openLog(name: string, options: readonly GivenOption[], host: Host): ConfigurableLogBook {
  const log = new ConfigurableLogBook(host.runtime.clock, name, logModulesOf(name));
  log.setOutput("console", (line) => void host.stderr.write(`${line}\n`));
  log.setThreshold(undefined, "console", "warn");
  for (const { name, value } of options) {
    if (name === "verbose") log.applyOption(value);
  }
  return log;
}

/** Seconds. */
export function timeoutOf(options: readonly GivenOption[]): number | undefined {
  const given = options.findLast(({ name }) => name === "timeout")?.value;
  if (given === undefined) return undefined;
  if (!/^[0-9]+$/.test(given) || Number(given) === 0) throw new UsageError(`value ${given} on -t or --timeout is invalid`);
  return Number(given);
}

/** Resolves to the exit code when the time is over that the options or the environment give; never where they give none. */
export function alarmOf(options: readonly GivenOption[], host: Host, log: ConfigurableLogBook): Promise<number> {
  const inherited = host.env.OVS_CTL_TIMEOUT;
  const timeout = timeoutOf(options) ?? (/^[1-9][0-9]*$/.test(inherited ?? "") ? Number(inherited) : undefined);
  return new Promise<number>((resolve) => {
    if (timeout === undefined) return;
    const expire = () => {
      log.logger("fatal_signal").warn("terminating with signal 14 (Alarm clock)");
      resolve(EXIT_TIMEOUT);
    };
    host.runtime.clock.after(timeout * 1000, expire, true);
  });
}
