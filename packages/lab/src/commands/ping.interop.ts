/** `ping` of an emulated machine beside iputils' one: the same network in namespaces of the test's own. */
import { execFile } from "node:child_process";
import { macOf } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Device } from "../machine/device.ts";
import { Machine } from "../machine/machine.ts";
import { Segment } from "../underlay.ts";
import { machineCommands } from "./index.ts";

interface Outcome {
  readonly code: number;
  readonly text: string;
}

function real(program: string, ...argv: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, argv, { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, text: stdout + stderr });
    });
  });
}

/** Two hosts on a wire of MTU 1500; beyond b is nothing, and b routes. */
const hosts = {
  a: [
    "addr add 10.0.0.1/24 dev eth0",
    "-6 addr add fd00::1/64 dev eth0",
    "link set eth0 up",
    "link set lo up",
    "route add default via 10.0.0.2",
  ],
  b: ["addr add 10.0.0.2/24 dev eth0", "-6 addr add fd00::2/64 dev eth0", "link set eth0 up", "link set lo up"],
} as const;
const names = { a: `weft-pa${process.pid}`, b: `weft-pb${process.pid}` };

const runtime = virtualRuntime();
const wire = new Segment("wire", runtime.clock, 0.05);
const machines = Object.fromEntries(
  Object.keys(hosts).map((name, i) => {
    const machine = new Machine(name, runtime, machineCommands);
    const device = new Device("ether", "eth0", macOf(0x525400000001 + i));
    machine.root.addDevice(device);
    wire.attach(device);
    return [name, machine];
  }),
);

async function emulated(host: string, ...argv: readonly string[]): Promise<Outcome> {
  let out = "";
  let err = "";
  const code = await runtime.clock.run(
    machines[host]!.exec(argv, {
      stdin: (async function* () {})(),
      stdout: { write: (more) => void (out += String(more)), isTerminal: false },
      stderr: { write: (more) => void (err += String(more)), isTerminal: false },
      signal: new AbortController().signal,
    }),
    60_000,
  );
  return { code, text: out + err };
}

/** Times differ from machine to machine. */
function comparable({ code, text }: Outcome): Outcome {
  return {
    code,
    text: text
      .replace(/time[=<][\d.]+ ms/g, "time=T ms")
      .replace(/time \d+ms/g, "time Tms")
      .replace(/^rtt min.*$/gm, (line) => line.replace(/[\d.]+/g, "T"))
      .replace(/, (pipe|ipg).*$/gm, "")
      .replace(/^\[[\d.]+\]/gm, "[T]"),
  };
}

describe.skipIf(process.getuid?.() !== 0)("ping", () => {
  beforeAll(async () => {
    for (const name of Object.values(names)) expect(await real("ip", "netns", "add", name)).toEqual({ code: 0, text: "" });
    await real("ip", "-n", names.a, ..."link add eth0 type veth peer name eth0 netns".split(" "), names.b);
    for (const [host, commands] of Object.entries(hosts) as [keyof typeof hosts, readonly string[]][]) {
      for (const command of commands) {
        expect(await real("ip", "-n", names[host], ...command.split(" "))).toEqual({ code: 0, text: "" });
        expect(await emulated(host, "ip", ...command.split(" "))).toEqual({ code: 0, text: "" });
      }
    }
    // Addresses of IPv6 are usable after duplicate address detection.
    await new Promise((resolve) => void setTimeout(resolve, 2500));
  });
  afterAll(async () => {
    for (const name of Object.values(names)) await real("ip", "netns", "del", name);
  });

  it.each([
    "-c1 10.0.0.2",
    "-c2 -i0.2 10.0.0.2",
    "-c1 -s 1 10.0.0.2",
    "-c1 -s 3000 10.0.0.2",
    "-c1 -q 10.0.0.2",
    "-c1 -D 10.0.0.2",
    "-c1 -n 10.0.0.2",
    "-c1 -I eth0 10.0.0.2",
    "-c1 -I 10.0.0.1 10.0.0.2",
    "-c1 127.0.0.1",
    "-c1 10.0.0.1",
    "-c1 -W1 10.0.0.9",
    "-c1 -W1 -M do -s 3000 10.0.0.2",
    "-c1 -M dont -s 3000 10.0.0.2",
    "-c1 -M do -s 1472 10.0.0.2",
    "-c1 fd00::2",
    "-6 -c1 -s 3000 fd00::2",
    "-c1 -W1 -M do -s 3000 fd00::2",
    "-c1 ::1",
    "-c1 -W1 fd01::1",
    "-c1 -p ff 10.0.0.2",
    "-c0 10.0.0.2",
    "-c x 10.0.0.2",
    "-M never 10.0.0.2",
    "-t 256 10.0.0.2",
    "-4 -c1 fd00::2",
    "-6 -c1 10.0.0.2",
    "-I nosuch 10.0.0.2",
  ])("ping %s", async (line) => {
    const [expected, ours] = [
      comparable(await real("ip", "netns", "exec", names.a, "ping", ...line.split(" "))),
      comparable(await emulated("a", "ping", ...line.split(" "))),
    ];
    expect(ours).toEqual(expected);
  });
});
