/** For tests: ovsdb-servers as processes, the reference's and ours, with the same options; and the reference's clients. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
export const weft = join(import.meta.dirname, "../../bin/weft.js");

export type Kind = "reference" | "weft";

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** Servers in a folder of their own, under names that also name their files: NAME.sock, NAME.ctl, NAME.log. */
export class Servers {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-servers-"));
  readonly #running = new Map<string, number>();
  readonly #weft: string;
  #stopped = false;

  /** `program`: our programs, where they are not those of the working tree. */
  constructor(program = weft) {
    this.#weft = program;
  }

  run(command: string, args: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      const env = { ...process.env, OVS_RUNDIR: this.dir, OVN_RUNDIR: this.dir, PATH: `${reference}/bin:${process.env.PATH}` };
      execFile(command, args, { timeout: 20_000, cwd: this.dir, env, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ out, err, code: error === null ? 0 : typeof error.code === "number" ? error.code : -1 });
      });
    });
  }

  /** Creates the file NAME.db of an empty database. */
  async create(name: string, schema: string): Promise<void> {
    await this.run("ovsdb-tool", ["create", `${name}.db`, schema]);
  }

  /** Starts a server with a unix socket and these arguments besides. Rejects with what it said when it does not start. */
  start(
    kind: Kind,
    name: string,
    args: readonly string[],
    remotes: readonly string[] = [`--remote=punix:${this.dir}/${name}.sock`],
  ): Promise<void> {
    return this.daemon(kind, "ovsdb-server", name, [...remotes, ...args]);
  }

  /** Starts any daemon; `name` names its files. */
  async daemon(kind: Kind, program: string, name: string, args: readonly string[]): Promise<void> {
    const file = (extension: string) => join(this.dir, `${name}.${extension}`);
    const common = [
      "--detach",
      "--no-chdir",
      `--pidfile=${file("pid")}`,
      `--unixctl=${file("ctl")}`,
      `--log-file=${file("log")}`,
    ];
    const all = [...common, "-vconsole:off", ...args];
    const { err, code } = await (kind === "weft" ? this.run("node", [this.#weft, program, ...all]) : this.run(program, all));
    if (code !== 0) throw new Error(`${kind} ${program} ${name}: ${err}`);
    this.#running.set(name, Number(readFileSync(file("pid"), "utf8")));
    // A test that failed does not wait for what it had begun.
    if (this.#stopped) await this.stop();
  }

  pid(name: string): number {
    return this.#running.get(name) ?? 0;
  }

  /** Ends a server; resolves when the process is gone. */
  async kill(name: string, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const pid = this.#running.get(name);
    if (pid === undefined) return;
    this.#running.delete(name);
    try {
      process.kill(pid, signal);
    } catch {
      // It has died by itself; the test has noticed, or does not mind.
    }
    await until(() => !alive(pid));
  }

  /** What `ovs-appctl ovsdb-server/COMMAND` says; an error as it is told. The folder's name is left out. */
  async control(name: string, command: string, ...args: readonly string[]): Promise<string> {
    const full = /^(list-commands|version|memory\/.*|coverage\/.*)$/.test(command) ? command : `ovsdb-server/${command}`;
    const { out, err } = await this.run("ovs-appctl", ["-t", join(this.dir, `${name}.ctl`), full, ...args]);
    return (err === "" ? out : err.split("\n")[0]!).replaceAll(this.dir, "DIR");
  }

  socket(name: string): string {
    return `unix:${this.dir}/${name}.sock`;
  }

  /** A transaction through ovsdb-client: its reply, or what ovsdb-client says instead. */
  async transact(name: string, database: string, ...operations: readonly object[]): Promise<unknown> {
    const { out, err, code } = await this.run("ovsdb-client", [
      "transact",
      this.socket(name),
      JSON.stringify([database, ...operations]),
    ]);
    return code === 0 ? JSON.parse(out) : err.trim();
  }

  log(name: string): string {
    return readFileSync(join(this.dir, `${name}.log`), "utf8");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const name of [...this.#running.keys()]) await this.kill(name);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A process that has ended may still be listed, where nobody asks for its exit code. */
function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits until something holds, for at most ten seconds; then the caller's assertion tells what is wrong. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 600) throw new Error(`does not come to hold: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
