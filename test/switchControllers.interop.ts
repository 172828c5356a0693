/**
 * The controllers of a bridge, by our switch and by the reference's: right and wrong targets, what the log says of them, and
 * whose conversation `ovs-ofctl snoop` gets to hear.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { OpenFlowConnection, type Role } from "@weft/openflow";
import { type Listener, nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms } from "./reference/cloud.ts";

linkPrograms();

const { net, clock } = nodeRuntime();
const ALL_VERSIONS = 0b111_1110;

/** A controller that asks for a role, and then for a barrier with its own number again and again. */
class Numbered {
  readonly #connections = new Set<OpenFlowConnection>();
  #listener: Listener | undefined;
  #timer: { cancel(): void } | undefined;

  async start(path: string, number: number, role: Role | undefined): Promise<this> {
    this.#listener = await net.listen(`punix:${path}`, (stream) => {
      const connection = new OpenFlowConnection(stream, {
        versions: ALL_VERSIONS,
        onReady: () => {
          this.#connections.add(connection);
          if (role !== undefined) connection.send({ type: "role_request", role, generation: 1n });
        },
        onClose: () => this.#connections.delete(connection),
      });
    });
    this.#timer = clock.every(100, () => {
      for (const connection of this.#connections) connection.send({ type: "barrier_request" }, 0x1000 + number);
    });
    return this;
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    for (const connection of this.#connections) connection.close();
    await this.#listener?.close();
  }
}

class Side {
  readonly cloud: Cloud;
  readonly #controllers = new Map<number, Numbered>();
  #told = 0;

  constructor(VSWITCHD: "reference" | "weft") {
    this.cloud = new Cloud({ ...allReference, VSWITCHD });
    this.cloud.run(`
      cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
      hv_do w1 ovs-vsctl add-br brx -- set bridge brx fail-mode=secure other-config:datapath-id=00000000000000aa other-config:disable-in-band=true`);
  }

  get rundir(): string {
    return join(this.cloud.dir, "w1");
  }

  /** Commands on the machine; RUN stands for the folder of its sockets. */
  async run(script: string): Promise<string> {
    return await this.cloud.background(script.replaceAll("RUN", this.rundir));
  }

  async controllers(roles: readonly (Role | undefined)[]): Promise<void> {
    for (const [i, role] of roles.entries())
      this.#controllers.set(i + 1, await new Numbered().start(join(this.rundir, `c${i + 1}`), i + 1, role));
    const targets = roles.map((_, i) => `unix:RUN/c${i + 1}`).join(" ");
    await this.run(`hv_do w1 ovs-vsctl set-controller brx ${targets} -- \\
      set bridge brx other_config:disable-in-band=true
      for row in $(hv_do w1 ovs-vsctl --bare --columns=_uuid list controller); do hv_do w1 ovs-vsctl set controller $row max_backoff=1000; done`);
    const roleNow = async () =>
      (await this.run("hv_do w1 ovs-vsctl --bare --columns=role list controller")).split(/\s+/).filter(Boolean);
    const wanted = roles.map((role) => role ?? "other").sort();
    await expect.poll(async () => (await roleNow()).sort(), { timeout: 20_000 }).toEqual(wanted);
  }

  async end(number?: number): Promise<void> {
    for (const [one, controller] of this.#controllers) {
      if (number !== undefined && one !== number) continue;
      this.#controllers.delete(one);
      await controller.stop();
    }
  }

  async restart(number: number): Promise<void> {
    this.#controllers.set(number, await new Numbered().start(join(this.rundir, `c${number}`), number, undefined));
  }

  /** The lines that the log has about bridge brx since the last call, without times, in their own order. */
  news(keep = false): string[] {
    const lines = readFileSync(join(this.rundir, "vswitchd.log"), "utf8").split("\n");
    const found = lines
      .map((line) => line.split("|").slice(2).join("|").replaceAll(this.rundir, "RUN"))
      .filter((line) => /\bbrx\b/.test(line) && !/waiting \d+ seconds|^in_band|failed to listen on/.test(line));
    const news = found.slice(this.#told);
    if (!keep) this.#told = found.length;
    return news;
  }

  async stop(): Promise<void> {
    await this.end();
    this.cloud.stop(true);
  }
}

let sides: readonly [reference: Side, weft: Side];

beforeAll(() => {
  sides = [new Side("reference"), new Side("weft")];
});
afterAll(async () => {
  for (const side of sides) await side.stop();
});

const SCRIPTS: readonly string[] = [
  "set-controller brx punix:RUN/brx.foo",
  "set-controller brx punix:brx.foo",
  "set-controller brx punix:RUN/other",
  "set-controller brx punix:",
  "set-controller brx unix:/tmp/elsewhere",
  "set-controller brx unix:brx.mgmt",
  "set-controller brx foo:bar",
  "set-controller brx TCP:127.0.0.1:6653",
  "set-controller brx none",
  "set-controller brx ptcp:abc",
  "set-controller brx ptcp:99999",
  "set-controller brx ptcp:6633:1.2.3.4",
  "set-controller brx unix:RUN/c1",
  "set-controller brx unix:RUN/c1 ptcp:0:127.0.0.1",
  "del-controller brx",
];

test("targets, and what the log says of them", async () => {
  for (const side of sides) side.news();
  const controller = await Promise.all(sides.map((side) => new Numbered().start(join(side.rundir, "c1"), 1, "master")));
  for (const script of SCRIPTS) {
    await Promise.all(sides.map((side) => side.run(`hv_do w1 ovs-vsctl --timeout=20 ${script} 2> /dev/null`)));
    const both = () => sides.map((side) => side.news(true).sort());
    for (let tries = 0; tries < 100 && !isDeepStrictEqual(both()[1], both()[0]); tries++) await clock.sleep(100);
    const [told, ours] = both();
    expect(ours, script).toEqual(told);
    for (const side of sides) side.news();
  }
  for (const one of controller) await one.stop();
});

test("waits longer and longer between tries, and tells of the first ones", async () => {
  await Promise.all(sides.map((side) => side.run("hv_do w1 ovs-vsctl set-controller brx tcp:127.0.0.1:1")));
  const story = (side: Side) =>
    readFileSync(join(side.rundir, "vswitchd.log"), "utf8")
      .split("\n")
      .filter((line) => line.includes("brx<->tcp:127.0.0.1:1:"))
      .map((line) => line.split("|").slice(2).join("|"));
  const lines = 12;
  for (const side of sides) await expect.poll(() => story(side).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(lines);
  expect(story(sides[1]).slice(0, lines)).toEqual(story(sides[0]).slice(0, lines));
  expect(story(sides[0])[lines - 1]).toContain("suppressing further logging");
}, 60_000);

test("counts flow mods", async () => {
  const counted = (side: Side) =>
    readFileSync(join(side.rundir, "vswitchd.log"), "utf8")
      .split("\n")
      .filter((line) => /brx<->.*flow_mods/.test(line))
      .map((line) =>
        line
          .replace(/.*flow_mods/, "flow_mods")
          .replace(/.*unix#\d+/, "")
          .replace(/\b\d+ s\b/g, "N s"),
      );
  await Promise.all(
    sides.map((side) =>
      side.run(`
        printf 'add tcp,actions=drop\\nadd udp,actions=drop\\nmodify udp,actions=1\\ndelete tcp\\ndelete_strict ip\\n' > $DIR/flows
        hv_do w1 ovs-ofctl add-flow brx actions=drop
        hv_do w1 ovs-ofctl add-flows brx $DIR/flows
        hv_do w1 ovs-ofctl -OOpenFlow14 --bundle add-flows brx $DIR/flows
        ! hv_do w1 ovs-ofctl add-flow brx actions=resubmit:99999 2> /dev/null
        hv_do w1 ovs-ofctl del-flows brx`),
    ),
  );
  await expect.poll(() => counted(sides[1]), { timeout: 15_000 }).toEqual(counted(sides[0]));
  expect(counted(sides[0])).toHaveLength(4);
});

/** Starts `ovs-ofctl snoop`; resolves when it has heard something. `heard` gives the numbers of the controllers since it was asked. */
class Snooper {
  #text = "";
  ended = false;
  readonly #process: ChildProcess;

  constructor(side: Side) {
    this.#process = spawn("ovs-ofctl", ["-OOpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15", "snoop", "brx"], {
      env: { ...side.cloud.env, OVS_RUNDIR: side.rundir },
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!])
      stream.on("data", (data) => (this.#text += String(data)));
    this.#process.once("exit", () => (this.ended = true));
  }

  heard(): string[] {
    const found = this.#text.matchAll(/BARRIER_REQUEST.*xid=0x100(\d)/g);
    return [...new Set(Array.from(found, ([, number]) => number!))].sort();
  }

  forget(): void {
    this.#text = "";
  }

  kill(): void {
    this.#process.kill();
  }
}

test.each([
  [[undefined, "master", undefined], "2"],
  [["slave", undefined, "slave"], "2"],
  [["slave", "slave", "master"], "3"],
] as const)(
  "snoop hears one controller: %j",
  async (roles, expected) => {
    for (const side of sides) {
      await side.controllers(roles);
      const snooper = new Snooper(side);
      await expect.poll(() => snooper.heard(), { timeout: 10_000 }).toEqual([expected]);
      await clock.sleep(500);
      expect(snooper.heard()).toEqual([expected]);
      snooper.kill();
      await side.end();
    }
  },
  60_000,
);

test("snoop waits for its controller, and ends when that is no longer asked for", async () => {
  for (const side of sides) {
    await side.controllers(["master", undefined]);
    const snooper = new Snooper(side);
    await expect.poll(() => snooper.heard(), { timeout: 10_000 }).toEqual(["1"]);
    await side.end(1);
    await clock.sleep(300);
    snooper.forget();
    await side.restart(1);
    await expect.poll(() => snooper.heard(), { timeout: 20_000 }).toEqual(["1"]);
    await side.run("hv_do w1 ovs-vsctl set-controller brx unix:RUN/c2");
    await expect.poll(() => snooper.ended, { timeout: 10_000 }).toBe(true);
    await side.end();
  }
}, 90_000);

test("snoop is not let in where there are services only", async () => {
  for (const side of sides) {
    await side.run("hv_do w1 ovs-vsctl set-controller brx punix:RUN/brx.service");
    const snooper = new Snooper(side);
    await expect.poll(() => snooper.ended, { timeout: 10_000 }).toBe(true);
  }
}, 30_000);
