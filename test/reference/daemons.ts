/** The reference's programs for tests: commands, daemons in a scratch folder, and their control sockets (unixctl(8)). */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";

export const schemaFiles = {
  nb: `${reference}/share/ovn/ovn-nb.ovsschema`,
  sb: `${reference}/share/ovn/ovn-sb.ovsschema`,
  vs: `${reference}/share/openvswitch/vswitch.ovsschema`,
};

/** A daemon's control socket, kept open: JSON-RPC requests, one after another. */
export class Control {
  readonly #socket: Socket;
  #received = "";
  #over: Error | undefined;
  #waiting: { readonly resolve: (text: string) => void; readonly reject: (error: Error) => void } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.setEncoding("utf8");
    this.#socket.on("data", (text: string) => this.#receive(text));
    const ended = (error: Error) => {
      this.#over ??= error;
      this.#waiting?.reject(error);
    };
    this.#socket.on("error", ended);
    this.#socket.on("close", () => ended(new Error(`${path}: the daemon has closed its control socket`)));
  }

  /** The daemon's answer. Rejects with what it says when it refuses. */
  call(method: string, ...params: readonly string[]): Promise<string> {
    const answer = this.#last.then(
      () =>
        new Promise<string>((resolve, reject) => {
          if (this.#over !== undefined) return reject(this.#over);
          this.#waiting = { resolve, reject };
          this.#socket.write(JSON.stringify({ id: 1, method, params }));
        }),
    );
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  #receive(text: string): void {
    this.#received += text;
    if (!text.trimEnd().endsWith("}")) return;
    let message: { readonly result: string | null; readonly error: string | null };
    try {
      message = JSON.parse(this.#received);
    } catch {
      return; // the rest of it is on its way
    }
    this.#received = "";
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (message.error === null) waiting?.resolve(message.result ?? "");
    else waiting?.reject(new Error(message.error));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Whether there was such a process. */
function kill(pid: number, signal: NodeJS.Signals = "SIGTERM"): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Daemons of the reference in a folder of their own. */
export class Daemons {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-reference-"));
  readonly #started: string[] = [];
  readonly #controls = new Map<string, Control>();

  /** `folder`: a subfolder of {@link dir} where the program looks for others and makes its sockets. */
  run(program: string, args: readonly string[], folder = "."): string {
    const at = join(this.dir, folder);
    return execFileSync(join(reference, "bin", program), args, {
      encoding: "utf8",
      timeout: 60_000,
      maxBuffer: 1 << 28,
      env: { ...process.env, OVS_RUNDIR: at, OVN_RUNDIR: at },
      stdio: ["ignore", "pipe", program === "ovs-ofctl" ? "pipe" : "ignore"],
    });
  }

  /** Starts a daemon; `name` names its files. Returns when it is ready. */
  start(program: string, name: string, args: readonly string[], folder = "."): void {
    mkdirSync(join(this.dir, folder), { recursive: true });
    const common = ["--detach", "--no-chdir", `--pidfile=${this.dir}/${name}.pid`, `--unixctl=${this.dir}/${name}.ctl`];
    this.run(program, [...common, `--log-file=${this.dir}/${name}.log`, "-vconsole:off", ...args], folder);
    this.#started.push(name);
  }

  /** Creates and serves a database at {@link socket}. */
  database(name: string, schema: string): void {
    this.run("ovsdb-tool", ["create", `${this.dir}/${name}.db`, schema]);
    this.start("ovsdb-server", name, [`--remote=punix:${this.dir}/${name}.sock`, `${this.dir}/${name}.db`]);
  }

  /** The remote of a database. */
  socket(name: string): string {
    return `unix:${this.dir}/${name}.sock`;
  }

  control(name: string): Control {
    let control = this.#controls.get(name);
    if (control === undefined) {
      control = new Control(`${this.dir}/${name}.ctl`);
      this.#controls.set(name, control);
    }
    return control;
  }

  /** The answer of a daemon under --monitor: when it has died, that of the next. */
  async insist(name: string, method: string, ...params: readonly string[]): Promise<string> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.control(name).call(method, ...params);
      } catch (error) {
        if (tries === 20) throw error;
        this.#controls.get(name)?.close();
        this.#controls.delete(name);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  /** Ends a daemon under --monitor as a crash would: another is started. */
  fell(name: string): void {
    this.#controls.get(name)?.close();
    this.#controls.delete(name);
    const pidFile = join(this.dir, `${name}.pid`);
    if (existsSync(pidFile)) kill(Number(readFileSync(pidFile, "utf8")), "SIGSEGV");
  }

  /** Ends one daemon, if it was started. */
  async end(name: string): Promise<void> {
    const at = this.#started.indexOf(name);
    if (at < 0) return;
    this.#started.splice(at, 1);
    this.#controls.get(name)?.close();
    this.#controls.delete(name);
    const pidFile = join(this.dir, `${name}.pid`);
    if (!existsSync(pidFile) || !kill(Number(readFileSync(pidFile, "utf8")))) return rmSync(pidFile, { force: true });
    // one that has crashed leaves its file
    for (let waited = 0; existsSync(pidFile) && waited < 1000; waited += 5)
      await new Promise((resolve) => setTimeout(resolve, 5));
    rmSync(pidFile, { force: true });
  }

  /** Ends every daemon, the last first, and removes the folder. */
  async stop(): Promise<void> {
    for (const control of this.#controls.values()) control.close();
    for (const name of this.#started.reverse()) {
      const pidFile = join(this.dir, `${name}.pid`);
      if (existsSync(pidFile)) kill(Number(readFileSync(pidFile, "utf8")));
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    rmSync(this.dir, { recursive: true });
  }
}
