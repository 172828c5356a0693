/**
 * What every daemon does around its work (daemon options of ovs-vswitchd(8) and ovn-northd(8)): log file, pid file,
 * control socket, readiness, a clean end on SIGTERM and on `exit`.
 */
import {
  ConfigurableLogBook,
  type ControlCommand,
  type Coverage,
  type Host,
  type LogDestination,
  logModulesOf,
  messageOf,
  type Runtime,
  WeftError,
} from "@weft/runtime";
import { type Directories, directoriesOf, inFolder } from "../directories.ts";
import { type Family, versionReply } from "../version.ts";
import { listCommand, listenForControl, setOptions } from "./control.ts";
import { coverageCommands, type Measured, measuredCommands } from "./measured.ts";
import { reportMemory } from "./memory.ts";
import { takePidfile } from "./pidfile.ts";
import { type LogFile, vlogCommands } from "./vlog.ts";

/** The values of the daemon and logging options. `true` is an option without its argument: the default file. */
export interface DaemonOptions {
  readonly pidfile?: string | true;
  readonly overwritePidfile?: boolean;
  readonly logFile?: string | true;
  /** The arguments of -v/--verbose in their order; "" for a bare -v. */
  readonly verbose?: readonly string[];
  /** Path of the control socket; "none" for none. */
  readonly unixctl?: string;
}

export interface DaemonContext {
  readonly host: Host;
  /** The host's runtime with the daemon's own log book. */
  readonly runtime: Runtime;
  readonly directories: Directories;
}

export interface RunningDaemon {
  /** Besides those of every daemon. One named "exit" is shown by its usage; its arguments come to `stop`. */
  readonly commands: readonly ControlCommand[];
  /** Ends the work. `args` are those of the `exit` command, [] for a signal. */
  stop(args: readonly string[]): Promise<void>;
  /** Settles when the daemon ended by itself, with its exit code. */
  readonly finished?: Promise<number>;
  /** For --detach: what the starting process prints. */
  readonly readyOutput?: string;
  readonly exitUsage?: string;
  /** What it counts, where nothing else is measured. */
  readonly coverage?: Coverage;
  /** What it counts and measures, where `commands` do not tell of it themselves. */
  readonly measured?: Measured;
}

/**
 * Runs a daemon until it is told to end; resolves to the exit code. `start` must resolve only when the daemon serves;
 * what it throws is printed as `PROGRAM: message` and the code is 1.
 */
export async function runDaemon(
  host: Host,
  program: string,
  family: Family,
  options: DaemonOptions,
  start: (context: DaemonContext) => Promise<RunningDaemon>,
): Promise<number> {
  const { clock, files } = host.runtime;
  const log = new ConfigurableLogBook(clock, program, logModulesOf(program));
  const runtime: Runtime = { ...host.runtime, log };
  const directories = directoriesOf(host.env, family);
  const pidfile = fileOption(options.pidfile, directories.run, `${program}.pid`);
  const logFile = new AppendedLog(log, host, fileOption(options.logFile, directories.log, `${program}.log`));
  log.setOutput("console", (line) => void host.stderr.write(`${line}\n`));
  log.setThreshold(undefined, undefined, "info");
  try {
    for (const spec of options.verbose ?? []) log.applyOption(spec);
  } catch (error) {
    // What is wrong with the command line is not logged.
    await host.stderr.write(`${program}: ${messageOf(error)}\n`);
    return 1;
  }
  let holdsPidfile = false;
  let endReports = (): void => {};
  try {
    await logFile.open();
    if (pidfile !== undefined) {
      await takePidfile(host, log, pidfile, options.overwritePidfile === true);
      holdsPidfile = true;
    }
    const daemon = await start({ host, runtime, directories });
    const ending = new Ending(host, daemon);
    const commands: ControlCommand[] = [
      ...daemon.commands.filter(({ name }) => name !== "exit"),
      ...(daemon.measured === undefined ? [] : measuredCommands(daemon.measured)),
      ...(daemon.coverage === undefined ? [] : coverageCommands(daemon.coverage)),
      ...vlogCommands(log, logFile),
      { name: "version", usage: "", minArgs: 0, maxArgs: 0, run: () => versionReply(program, family) },
      setOptions,
      { name: "exit", usage: daemon.exitUsage ?? "", minArgs: 0, maxArgs: 1, run: (args) => ending.exit(args) },
    ];
    commands.push(listCommand(commands));
    const show = commands.find(({ name }) => name === "memory/show");
    if (host.peakMemory !== undefined && show !== undefined)
      endReports = reportMemory({ clock, log: log.logger("memory"), peakMemory: host.peakMemory, show });
    const path = options.unixctl === undefined ? `${program}.${host.pid}.ctl` : options.unixctl;
    const control =
      path === "none"
        ? undefined
        : await listenForControl(
            runtime,
            inFolder(directories.run, path),
            commands,
            daemon.coverage ?? daemon.measured?.coverage,
          );
    host.ready?.(daemon.readyOutput);
    const code = await ending.done;
    await control?.close();
    return code;
  } catch (error) {
    log.logger("daemon").emer(messageOf(error));
    if (!(error instanceof WeftError)) throw error;
    await host.stderr.write(`${program}: ${error.message}\n`);
    return 1;
  } finally {
    endReports();
    if (holdsPidfile && pidfile !== undefined && (await files.exists(pidfile))) await files.remove(pidfile);
    await logFile.close();
  }
}

/** Waits for the first of: the host's signal, the `exit` command, the daemon's own end. */
class Ending {
  readonly done: Promise<number>;
  readonly #host: Host;
  readonly #daemon: RunningDaemon;
  #resolve: (code: number) => void = () => undefined;
  #stopping: Promise<void> | undefined;

  constructor(host: Host, daemon: RunningDaemon) {
    const { signal } = host;
    this.#host = host;
    this.#daemon = daemon;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      const stop = () => this.#stop([]).then(() => resolve(0), reject);
      if (signal.aborted) void stop();
      else signal.addEventListener("abort", () => void stop(), { once: true });
      daemon.finished?.then(resolve, reject);
    });
  }

  #stop(args: readonly string[]): Promise<void> {
    this.#stopping ??= this.#daemon.stop(args);
    return this.#stopping;
  }

  async exit(args: readonly string[]): Promise<string> {
    await this.#stop(args);
    // After the reply has been queued, which takes a few promises.
    this.#host.runtime.clock.soon(() => this.#resolve(0));
    return "";
  }
}

function fileOption(value: string | true | undefined, folder: string, name: string): string | undefined {
  if (value === undefined) return undefined;
  return inFolder(folder, value === true ? name : value);
}

/** Lines appended to a file, in order, without holding up whoever logs. */
class AppendedLog implements LogFile {
  readonly #log: ConfigurableLogBook;
  readonly #host: Host;
  readonly #path: string | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(log: ConfigurableLogBook, host: Host, path: string | undefined) {
    this.#log = log;
    this.#host = host;
    this.#path = path;
  }

  async open(): Promise<void> {
    if (this.#path === undefined) return;
    const file = await this.#host.runtime.files.open(this.#path, "append");
    let lines: string[] = [];
    const flush = async () => {
      const text = lines.join("");
      lines = [];
      if (text !== "") await file.append(new TextEncoder().encode(text));
    };
    const destination: LogDestination = "file";
    this.#log.setOutput(destination, (line) => {
      lines.push(`${line}\n`);
      if (lines.length > 1) return;
      this.#tail = this.#tail.then(flush).catch((error: unknown) => {
        this.#log.setOutput(destination, undefined);
        this.#log.logger("vlog").err(`failed to write to log file: ${messageOf(error)}`);
      });
    });
    this.#log.logger("vlog").info(`opened log file ${this.#path}`);
  }

  async close(): Promise<void> {
    this.#log.setOutput("file", undefined);
    await this.#tail;
  }

  async reopen(): Promise<void> {
    if (this.#path === undefined) throw new Error("Logging to file not configured");
    await this.close();
    await this.open();
  }
}
