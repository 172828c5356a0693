/**
 * The reference's switch and ours under openvswitch-testcontroller in all its modes: the same packets pass, and the same flows are
 * there; and what becomes of packets when the controller goes and comes back (ovs-vswitchd.conf.db(5), Bridge fail_mode).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readCapture } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reference } from "../ctl/differential.ts";
import { TestBridge } from "./switches.ts";

const { clock } = nodeRuntime();
const PORTS = ["x1", "x2", "x3"] as const;
type PortName = (typeof PORTS)[number];

/** A bridge whose controller is a program that listens on a socket. */
class ControlledBridge {
  readonly bridge = new TestBridge();
  #controller: ChildProcess | undefined;
  /** Frames that were looked at before. */
  readonly #seen = new Map<string, number>();

  async start(whose: "reference" | "weft"): Promise<void> {
    await this.bridge.start(whose);
    const { dir } = this.bridge;
    await this.bridge.vsctl(
      ..."add-port brx x3 -- set interface x3 type=dummy ofport_request=3".split(" "),
      `options:tx_pcap=${dir}/x3.pcap`,
    );
  }

  async stop(): Promise<void> {
    await this.endController();
    await this.bridge.stop();
  }

  /** With no flows and a new controller of these options. */
  async begin(failMode: "secure" | "standalone", options: string): Promise<void> {
    await this.bridge.vsctl("del-controller", "brx");
    await this.endController();
    await this.bridge.run("ovs-ofctl", "del-flows", this.bridge.socket);
    await this.bridge.control("fdb/flush");
    this.received();
    await this.startController(options);
    await this.bridge.vsctl(
      ...`set bridge brx fail-mode=${failMode} -- --id=@c create controller inactivity_probe=1000 max_backoff=1000`.split(" "),
      `target="unix:${this.bridge.dir}/c.sock"`,
      ..."-- set bridge brx controller=@c".split(" "),
    );
    await this.connected();
    // The reference's datapath does not notice that there is somebody now who is told of misses.
    await this.bridge.control("revalidator/purge");
  }

  async startController(options: string): Promise<void> {
    const { dir, env } = this.bridge;
    const words = [
      "-vconsole:off",
      `--unixctl=${dir}/c.ctl`,
      ...options.split(" ").filter((word) => word !== ""),
      `punix:${dir}/c.sock`,
    ];
    this.#controller = spawn(join(reference, "bin/ovs-testcontroller"), words, { env, stdio: "ignore" });
  }

  async endController(): Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) return;
    this.#controller = undefined;
    await new Promise<void>((resolve) => {
      controller.once("exit", () => resolve());
      controller.kill();
    });
  }

  /** Runs with `ovs-ofctl snoop`; resolves to what that prints of messages, without what differs from run to run. */
  async snoop(run: () => Promise<unknown>): Promise<string[]> {
    const snooper = spawn(join(reference, "bin/ovs-ofctl"), ["-m", "snoop", "brx"], { env: this.bridge.env });
    let text = "";
    snooper.stdout.on("data", (data) => (text += String(data)));
    snooper.stderr.on("data", (data) => (text += String(data)));
    // The controller is asked whether it is there.
    for (let tries = 0; !/ECHO_REPLY/.test(text); tries++) {
      if (tries > 200) throw new Error(`snoop prints no echo: ${text}`);
      await clock.sleep(50);
    }
    await run();
    snooper.kill();
    await new Promise((resolve) => snooper.once("close", resolve));
    return text
      .replace(/^\d{4}-\d\d-\d\dT.*\n/gm, "")
      .replace(/xid=0x[0-9a-f]+/g, "xid")
      .split(/^(?=OFPT_)/m)
      .filter((message) => !/^OFPT_ECHO/.test(message));
  }

  /** From OpenFlow 1.3 on the controller has a flow of its own for packets that match no other. */
  async connected(): Promise<void> {
    const told = async () => /true/.test((await this.bridge.vsctl("--columns=is_connected", "list", "controller")).stdout);
    for (let tries = 0; (await this.flows()).length === 0 && !(await told()); tries++) {
      if (tries > 200) throw new Error("the controller sets up no flow");
      await clock.sleep(50);
    }
  }

  /** In the words of ovs-ofctl, without counters. */
  async flows(): Promise<string[]> {
    const { stdout } = await this.bridge.run("ovs-ofctl", "--no-stats", "-OOpenFlow15", "dump-flows", this.bridge.socket);
    return stdout
      .split("\n")
      .filter((line) => /actions=/.test(line))
      .map((line) => line.replace(/cookie=\S+ /, "").trim())
      .sort();
  }

  /** Sends a frame into a port, and waits until nothing more comes of it. */
  async send(port: PortName, frame: string): Promise<void> {
    await this.bridge.control("netdev-dummy/receive", port, frame);
    for (let [last, same] = [-1, 0]; same < 3; ) {
      await clock.sleep(50);
      const now = PORTS.reduce((sum, name) => sum + this.#frames(name).length, 0);
      same = now === last ? same + 1 : 0;
      last = now;
    }
  }

  #frames(port: PortName): string[] {
    return readCapture(readFileSync(join(this.bridge.dir, `${port}.pcap`))).map(({ bytes }) =>
      Buffer.from(bytes).toString("hex"),
    );
  }

  /** What came out of each port since it was asked the last time. */
  received(): Record<string, string[]> {
    return Object.fromEntries(
      PORTS.map((port) => {
        const frames = this.#frames(port);
        const seen = this.#seen.get(port) ?? 0;
        this.#seen.set(port, frames.length);
        return [port, frames.slice(seen)];
      }),
    );
  }
}

const theirs = new ControlledBridge();
const ours = new ControlledBridge();
const both = [theirs, ours] as const;

beforeAll(async () => {
  await Promise.all([theirs.start("reference"), ours.start("weft")]);
});
afterAll(async () => {
  await Promise.all([theirs.stop(), ours.stop()]);
});

const MACS = { a: "02000000000a", b: "02000000000b", c: "02000000000c", all: "ffffffffffff" } as const;
type Station = keyof typeof MACS;

/** UDP in IPv4 with so many bytes of payload: more than the controller asks for. */
function udp(to: Station, from: Station, payload = 300): string {
  const length = (bytes: number) => bytes.toString(16).padStart(4, "0");
  const ip = `4500${length(28 + payload)}00004000401100000a0000010a000002`;
  return `${MACS[to]}${MACS[from]}0800${ip}00350035${length(8 + payload)}0000${"5a".repeat(payload)}`;
}

/** a is behind x1, b behind x2, c behind x3. */
const CONVERSATION: readonly (readonly [PortName, string])[] = [
  ["x1", udp("b", "a")],
  ["x2", udp("a", "b")],
  ["x1", udp("b", "a")],
  ["x1", udp("b", "a", 20)],
  ["x3", udp("all", "c")],
  ["x1", udp("c", "a")],
  ["x3", udp("b", "c")],
  ["x3", `${MACS.a}${MACS.c}8100600508060001080006040001${MACS.c}0a000003${"00".repeat(6)}0a000001${"00".repeat(14)}`],
  ["x2", `${MACS.a}${MACS.b}88b5${"00".repeat(46)}`],
];

async function converse(side: ControlledBridge): Promise<Record<string, string[]>> {
  for (const [port, frame] of CONVERSATION) await side.send(port, frame);
  return side.received();
}

/** On both sides at once. */
async function alike<T>(what: string, run: (side: ControlledBridge) => Promise<T>): Promise<T> {
  const [wanted, got] = await Promise.all(both.map(run));
  expect(got, what).toEqual(wanted);
  return wanted!;
}

test.each(["", "-OOpenFlow10", "-n", "-H", "-H -n", "-w", "-w0x2000EC", "-N", "-OOpenFlow13", "-OOpenFlow14 -w", "-OOpenFlow15"])(
  "a learning switch: %s",
  async (options) => {
    for (const side of both) await side.begin("secure", options);
    const frames = await alike("packets", converse);
    expect(Object.values(frames).flat().length).toBeGreaterThan(CONVERSATION.length);
    await alike("flows", (side) => side.flows());
  },
);

test.each(["-OOpenFlow10", "-OOpenFlow13 -n", "-OOpenFlow15 -w"])("snoop shows the same conversation: %s", async (options) => {
  for (const side of both) await side.begin("secure", options);
  const told = await alike("messages", (side) => side.snoop(() => converse(side)));
  expect(told.filter((message) => /PACKET_IN/.test(message)).length).toBeGreaterThan(5);
  expect(told.filter((message) => /PACKET_OUT/.test(message)).length).toBeGreaterThan(5);
});

test("snoop is not let in where there is no controller", async () => {
  const answer = await alike("snoop", async (side) => {
    await side.bridge.vsctl("del-controller", "brx");
    const { stdout, stderr, code } = await side.bridge.run("ovs-ofctl", "snoop", "brx");
    return { stdout, code, refused: /failed to (open|connect to) socket/.test(stderr) };
  });
  expect(answer).toMatchObject({ code: 1, refused: true });
});

test.each(["secure", "standalone"] as const)("%s, when the controller goes and comes back", async (failMode) => {
  for (const side of both) await side.begin(failMode, "-w");
  await alike("with the controller", converse);
  for (const side of both) await side.endController();
  await clock.sleep(6000);
  // The reference's datapath learns of addresses a little later than the first packets are answered.
  for (const side of both) await converse(side);
  await clock.sleep(1000);
  const alone = await alike("without it", converse);
  // Flows that were there go on where the switch does not take over; the others' packets are lost.
  const count = Object.values(alone).flat().length;
  if (failMode === "standalone") expect(count).toBeGreaterThan(CONVERSATION.length);
  else expect(count).toBeLessThan(CONVERSATION.length);
  await alike("flows without it", (side) => side.flows());
  for (const side of both) await side.startController("-w");
  await clock.sleep(3000);
  for (const side of both) await side.connected();
  await alike("with a new one", converse);
  await alike("flows with a new one", (side) => side.flows());
});
