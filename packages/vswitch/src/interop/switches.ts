/** For interop tests: the reference's switch, and ours on the reference's database server, each in a scratch folder. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createReplica } from "@weft/ovsdb";
import { type Clock, nodeRuntime, type Runtime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { createSwitch, type Switch } from "../switch.ts";

const REFERENCE = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const exec = promisify(execFile);

export interface TestSwitch {
  readonly dir: string;
  vsctl(...args: string[]): Promise<string>;
  ofctl(...args: string[]): Promise<string>;
  appctl(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

const bin = (name: string): string => join(REFERENCE, "bin", name);

async function run(dir: string, name: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec(bin(name), args, { env: { ...process.env, OVS_RUNDIR: dir, OVS_DBDIR: dir, OVS_LOGDIR: dir } });
  return stdout.trimEnd();
}

async function waitFor(path: string): Promise<void> {
  for (let tries = 0; tries < 200 && !existsSync(path); tries++) await new Promise((resolve) => setTimeout(resolve, 25));
  if (!existsSync(path)) throw new Error(`${path} did not appear`);
}

async function database(dir: string): Promise<ChildProcess> {
  await run(dir, "ovsdb-tool", "create", join(dir, "conf.db"), join(REFERENCE, "share/openvswitch/vswitch.ovsschema"));
  const server = spawn(bin("ovsdb-server"), [`--remote=punix:${dir}/db.sock`, `--unixctl=${dir}/db.ctl`, join(dir, "conf.db")], {
    stdio: "ignore",
    env: { ...process.env, OVS_RUNDIR: dir },
  });
  await waitFor(join(dir, "db.sock"));
  await run(dir, "ovs-vsctl", `--db=unix:${dir}/db.sock`, "--no-wait", "init");
  return server;
}

const tools = (dir: string): Pick<TestSwitch, "vsctl" | "ofctl"> => ({
  vsctl: (...args) => run(dir, "ovs-vsctl", `--db=unix:${dir}/db.sock`, "--timeout=5", ...args),
  ofctl: (...args) => run(dir, "ovs-ofctl", "--timeout=5", ...args),
});

function end(...processes: ChildProcess[]): Promise<void> {
  return Promise.all(
    processes.map(
      (one) =>
        new Promise<void>((resolve) => {
          if (one.exitCode !== null) resolve();
          one.once("exit", () => resolve());
          one.kill("SIGTERM");
        }),
    ),
  ).then(() => undefined);
}

export async function startReference(): Promise<TestSwitch> {
  const dir = mkdtempSync(join(tmpdir(), "weft-ref-"));
  const server = await database(dir);
  const vswitchd = spawn(
    bin("ovs-vswitchd"),
    ["--enable-dummy=system", "--disable-system-route", "-vconsole:off", `--unixctl=${dir}/v.ctl`, `unix:${dir}/db.sock`],
    { stdio: "ignore", env: { ...process.env, OVS_RUNDIR: dir, OVS_LOGDIR: dir } },
  );
  await waitFor(join(dir, "v.ctl"));
  return {
    dir,
    ...tools(dir),
    appctl: (...args) => run(dir, "ovs-appctl", "-t", join(dir, "v.ctl"), ...args),
    async stop() {
      await end(vswitchd, server);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** `frozen`: the switch's time stands still but for `warp`. */
export async function startOurs({
  frozen = false,
} = {}): Promise<TestSwitch & { readonly made: Switch; warp(ms: number): void }> {
  const dir = mkdtempSync(join(tmpdir(), "weft-our-"));
  const server = await database(dir);
  const real = nodeRuntime("ovs-vswitchd");
  let moved = 1000;
  const clock: Clock = {
    now: () => (frozen ? moved : real.clock.now()),
    wall: () => real.clock.wall(),
    after: (ms, run, background) => real.clock.after(ms, run, background),
    every: (ms, run, background) => real.clock.every(ms, run, background),
    soon: (run) => real.clock.soon(run),
    sleep: (ms) => real.clock.sleep(ms),
  };
  const runtime: Runtime = { ...real, clock };
  const db = createReplica({ runtime, schema: openVSwitch, remotes: [`unix:${dir}/db.sock`], leaderOnly: false });
  const made = createSwitch({ world: { runtime, providers: [] }, db, options: { enableDummy: "system", runDir: dir } });
  await made.start();
  return {
    dir,
    made,
    warp(ms) {
      moved += ms;
      made.datapath.maintain();
    },
    ...tools(dir),
    async appctl(name, ...args) {
      const command = made.controlCommands.find((one) => one.name === name);
      if (command === undefined) throw new Error(`no command ${name}`);
      return (await command.run(args)).trimEnd();
    },
    async stop() {
      await made.stop();
      await db.close();
      await end(server);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A bridge br0 of ports p1 to p4 with captures; p3 in VLAN 10. */
export async function addBridge(on: TestSwitch): Promise<void> {
  const args = ["add-br", "br0", "--", "set", "bridge", "br0", "fail-mode=secure", "other-config:hwaddr=02:00:00:00:00:b0"];
  for (const n of [1, 2, 3, 4]) {
    args.push("--", "add-port", "br0", `p${n}`, "--", "set", "interface", `p${n}`, "type=dummy", `ofport_request=${n}`);
    args.push(`options:tx_pcap=${on.dir}/p${n}.pcap`);
  }
  args.push("--", "set", "port", "p3", "tag=10");
  await on.vsctl(...args);
}
