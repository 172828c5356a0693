/** For tests: a bridge brx with ports x1 and x2 on a switch of the reference's, or on ours, below the reference's database server. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReplica } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { createSwitch } from "@weft/vswitch";
import { type Answer, reference } from "../ctl/differential.ts";
import { files } from "./corpus.ts";

const bin = (name: string) => join(reference, "bin", name);
const runtime = nodeRuntime("ovs-vswitchd");
const VERSIONS = "[OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15]";

export class TestBridge {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-ofctl-"));
  /** Also holds the files of the corpus. */
  readonly env = { ...process.env, OVS_RUNDIR: this.dir, OVS_LOGDIR: this.dir };
  readonly socket = join(this.dir, "brx.mgmt");
  readonly #ends: (() => unknown)[] = [];
  /** Runs a command of the switch's control socket. */
  control: (name: string, ...args: readonly string[]) => Promise<string> = async () => "";

  async start(whose: "reference" | "weft"): Promise<this> {
    const { dir, env } = this;
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text.trimStart());
    execFileSync(bin("ovsdb-tool"), ["create", `${dir}/conf.db`, `${reference}/share/openvswitch/vswitch.ovsschema`], { env });
    this.#daemon("ovsdb-server", `--remote=punix:${dir}/db.sock`, `--unixctl=${dir}/db.ctl`, `${dir}/conf.db`);
    await appears(`${dir}/db.sock`);
    if (whose === "reference") {
      this.#daemon(
        "ovs-vswitchd",
        "--enable-dummy=system",
        "--disable-system-route",
        `--unixctl=${dir}/v.ctl`,
        `unix:${dir}/db.sock`,
      );
      await appears(`${dir}/v.ctl`);
      this.control = async (name, ...args) => (await this.run("ovs-appctl", "-t", `${dir}/v.ctl`, name, ...args)).stdout;
    } else {
      const db = createReplica({ runtime, schema: openVSwitch, remotes: [`unix:${dir}/db.sock`], leaderOnly: false });
      const made = createSwitch({ world: { runtime, providers: [] }, db, options: { enableDummy: "system", runDir: dir } });
      await made.start();
      this.#ends.push(
        () => made.stop(),
        () => db.close(),
      );
      this.control = async (name, ...args) => made.controlCommands.find((one) => one.name === name)!.run(args);
    }
    await this.vsctl("--no-wait", "init");
    await this.vsctl(
      ..."add-br brx -- set bridge brx fail-mode=secure other-config:datapath-id=00000000000000aa".split(" "),
      "other-config:hwaddr=02:00:00:00:00:aa",
      `protocols=${VERSIONS}`,
      ...[1, 2].flatMap((n) =>
        `-- add-port brx x${n} -- set interface x${n} type=dummy ofport_request=${n} mac="02:00:00:00:00:0${n}" options:tx_pcap=${dir}/x${n}.pcap`.split(
          " ",
        ),
      ),
    );
    await appears(this.socket);
    return this;
  }

  vsctl(...args: readonly string[]): Promise<Answer> {
    return this.run("ovs-vsctl", `--db=unix:${this.dir}/db.sock`, "--timeout=30", ...args);
  }

  /** Runs a program of the reference. */
  run(program: string, ...args: readonly string[]): Promise<Answer> {
    return new Promise((resolve) => {
      execFile(bin(program), args, { env: this.env, timeout: 60_000 }, (error, stdout, stderr) => {
        // A shell tells of a signal as 128 and its number.
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : error.signal === "SIGALRM" ? 142 : 255;
        resolve({ stdout, stderr, code });
      });
    });
  }

  /** Words as a shell makes them of double quotes. "@" is the bridge's socket, a file's name its path. */
  words(line: string): string[] {
    return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => {
      const word = quoted ?? plain!;
      return word === "@" ? this.socket : word in files ? join(this.dir, word) : word;
    });
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #daemon(name: string, ...args: readonly string[]): void {
    const process = spawn(bin(name), ["-vconsole:off", ...args], { stdio: "ignore", env: this.env });
    this.#ends.push(
      () =>
        new Promise<void>((resolve) => {
          process.once("exit", () => resolve());
          if (process.exitCode !== null || !process.kill()) resolve();
        }),
    );
  }
}

export async function appears(path: string): Promise<void> {
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries > 800) throw new Error(`${path} does not appear`);
    await runtime.clock.sleep(25);
  }
}
