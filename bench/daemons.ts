/** Daemons as processes, the reference's and ours, for benchmarks. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Side = "weft" | "reference";

export const root = join(import.meta.dirname, "..", "..");
const referenceFolder = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
export const schemas = join(referenceFolder, "share");

/** A folder with one side's programs, and the files of what runs in it. */
export class Site {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-bench-"));
  readonly #pids: number[] = [];

  /** The command line's beginning for a program of a side. */
  static command(side: Side, program: string): readonly [string, ...string[]] {
    return side === "reference"
      ? [join(referenceFolder, "bin", program)]
      : [process.execPath, join(root, "packages/cli/bin/weft.js"), program];
  }

  get #env() {
    const variables = ["OVS_RUNDIR", "OVN_RUNDIR", "OVS_DBDIR", "OVN_DBDIR", "OVS_LOGDIR", "OVN_LOGDIR"];
    return { ...process.env, ...Object.fromEntries(variables.map((name) => [name, this.dir])) };
  }

  /** Runs a command to its end and returns its standard output. */
  run(side: Side, program: string, ...args: readonly string[]): string {
    const [file, ...first] = Site.command(side, program);
    return execFileSync(file, [...first, ...args], {
      env: this.#env,
      encoding: "utf8",
      maxBuffer: 2 ** 30,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Starts a daemon and returns its pid when it is ready. `name` tells several of a kind apart. */
  daemon(side: Side, program: string, name: string, ...args: readonly string[]): number {
    const pidfile = join(this.dir, `${name}.pid`);
    this.run(
      side,
      program,
      "--detach",
      "--no-chdir",
      `--pidfile=${pidfile}`,
      `--unixctl=${join(this.dir, `${name}.ctl`)}`,
      `--log-file=${join(this.dir, `${name}.log`)}`,
      "-vconsole:off",
      ...args,
    );
    const pid = Number(readFileSync(pidfile, "utf8"));
    this.#pids.push(pid);
    return pid;
  }

  /** An ovsdb-server on a fresh database; its remote. */
  database(side: Side, name: string, schema: string): string {
    const file = join(this.dir, `${name}.db`);
    this.run("reference", "ovsdb-tool", "create", file, schema);
    this.daemon(side, "ovsdb-server", name, `--remote=punix:${join(this.dir, `${name}.sock`)}`, file);
    return `unix:${join(this.dir, `${name}.sock`)}`;
  }

  /** Ends a daemon by `exit` with these arguments; resolves when it has gone. */
  async end(name: string, ...args: readonly string[]): Promise<void> {
    const pid = readFileSync(join(this.dir, `${name}.pid`), "utf8").trim();
    this.run("reference", "ovs-appctl", "-t", join(this.dir, `${name}.ctl`), "exit", ...args);
    while (isRunning(Number(pid))) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Peak resident memory of a process, MB. */
  static peakMemory(pid: number): number {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  }

  /** Processor time of a process so far, s. */
  static processorTime(pid: number): number {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends the daemons, waits until they have gone (killing those that stay), and takes the folder away. */
  async close(): Promise<void> {
    for (const pid of this.#pids.reverse()) {
      signal(pid, "SIGTERM");
      const patience = performance.now() + 10_000;
      while (isRunning(pid)) {
        if (performance.now() > patience) signal(pid, "SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended already.
  }
}

/** False also for one that has ended and only its parent has not asked yet. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** Wall time of a command line as a whole process, ms: the median of `times` runs. */
export async function processTime(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  times = 11,
): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command[0]!, command.slice(1), {
        env: { ...process.env, ...env },
        stdio: ["ignore", "ignore", "inherit"],
      });
      child.on("error", reject);
      child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${command.join(" ")}: exit code ${code}`))));
    });
    samples.push(performance.now() - start);
  }
  return median(samples);
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
