/** `ip` of an emulated machine beside the real one: the same commands in a network namespace of the test's own. */
import { execFile } from "node:child_process";
import { virtualRuntime } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine } from "../../machine/machine.ts";
import { machineCommands } from "../index.ts";

const namespace = `weft-ip${process.pid}`;

interface Outcome {
  readonly code: number;
  readonly text: string;
}

function real(...argv: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile("ip", argv, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, text: stdout + stderr });
    });
  });
}

const runtime = virtualRuntime();
const machine = new Machine("emulated", runtime, machineCommands);

async function emulated(...argv: readonly string[]): Promise<Outcome> {
  let text = "";
  const output = { write: (more: string | Uint8Array) => void (text += String(more)), isTerminal: false };
  const code = await runtime.clock.run(
    machine.exec(["ip", ...argv], {
      stdin: (async function* () {})(),
      stdout: output,
      stderr: output,
      signal: new AbortController().signal,
    }),
  );
  return { code, text };
}

/** What the real namespace has by the machine's age and settings: no two alike, and nothing to do with the commands. */
function comparable({ code, text }: Outcome): Outcome {
  // The queues of a device are as many as the machine's processors.
  return {
    code,
    text: text
      .replace(/num([tr]x)queues \d+/g, "num$1queues N")
      .replaceAll(namespace, "NS")
      .replaceAll(" tentative", ""),
  };
}

const script = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => line.trim());

/** Changes, in order; then every question is asked. */
const changes = script(`
  link
  addr
  link set lo up
  link add eth0 type veth peer name wire0
  link set wire0 address 40:44:00:00:00:ee
  link set wire0 up
  link set eth0 address 40:44:00:00:00:01
  addr add 10.0.0.1/24 dev eth0
  link set eth0 up
  addr add 10.0.0.1/24 dev eth0
  addr add 10.0.0.2/24 dev eth0
  addr add 10.1.0.1/16 brd + dev eth0
  -6 addr add 2001:db8::1/64 dev eth0
  link add veth0 type veth peer name veth1
  link set veth0 address 40:44:00:00:00:05
  link set veth1 address 40:44:00:00:00:06
  link set veth0 up
  link add br0 type bridge
  link set br0 address 40:44:00:00:00:07
  link set veth1 master br0
  link set veth1 up
  link set br0 up mtu 1400
  route add default via 10.0.0.254
  route add default via 10.0.0.254
  route add 172.16.0.0/12 via 10.0.0.253 metric 50
  route add 172.16.5.0/24 dev eth0
  route add 203.0.113.7 via 10.0.0.9
  route add 172.16.0.1/12 via 10.0.0.253
  route add 198.51.100.0/24 via 1.2.3.4
  route replace 203.0.113.7 via 10.0.0.10
  route del 9.9.9.0/24
  -6 route add 2001:db8:1::/48 via 2001:db8::ff
  neigh add 10.0.0.77 lladdr 40:44:00:00:00:77 dev eth0
  neigh replace 10.0.0.78 lladdr 40:44:00:00:00:78 dev eth0 nud permanent
  -6 addr add 2001:db8::1/64 dev eth0
  neigh del 10.0.0.99 dev eth0
  link set nosuch up
  link add eth0 type bridge
  link add x type nosuchtype
  link set eth0 mtu 12
  link set eth0 address 01:00:00:00:00:01
  link set eth0 address zz
  addr add 10.0.0.300/24 dev eth0
  addr del 10.9.9.9/24 dev eth0
  addr add 10.0.0.5/24
  addr add 10.0.0.5/24 dev nosuch
  frob
  link frob
  -z link
  link delete nosuch
`);

const questions = script(`
  link
  link show eth0
  link show dev nosuch
  link show up
  link show master br0
  -br link
  -d link show lo
  -d link show eth0
  -o link show eth0
  addr
  addr show eth0
  -4 addr
  -6 addr show dev eth0
  -br addr
  -br -4 addr
  -o -4 addr show eth0
  -o addr
  route
  route show dev eth0
  route show default
  route show 172.16.0.0/12
  route get 10.0.0.9
  route get 8.8.8.8
  route get 127.0.0.1
  route get 10.0.0.1
  route get 172.16.5.9
  -6 route
  -6 route get 2001:db8:1::5
  neigh
  neigh show 10.0.0.77
  neigh show dev eth0
`);

/** Asked as JSON: what ours says, the real one says as well. */
const jsonQuestions = script(`
  -j link
  -j link show eth0
  -j addr show eth0
  -j -4 addr
  -j route
  -j neigh
  -j -p route show default
`);

describe.skipIf(process.getuid?.() !== 0)("ip", () => {
  beforeAll(async () => {
    for (const run of [real, emulated]) expect(await run("netns", "add", namespace)).toEqual({ code: 0, text: "" });
  });
  afterAll(() => real("netns", "del", namespace));

  const both = async (line: string) => {
    const words = line.split(" ");
    const expected = comparable(await real("-n", namespace, ...words));
    return { expected, ours: comparable(await emulated("-n", namespace, ...words)) };
  };

  it.each(changes)("ip %s", async (line) => {
    const { expected, ours } = await both(line);
    expect(ours).toEqual(expected);
  });

  it("settles", async () => {
    // Link states change some time after the commands that change them.
    await new Promise((resolve) => void setTimeout(resolve, 2500));
  });

  it.each(questions)("ip %s", async (line) => {
    const { expected, ours } = await both(line);
    // Neighbours come in the order of a hash table.
    const sorted = ({ code, text }: Outcome) => ({
      code,
      text: line.startsWith("neigh") ? text.split("\n").sort().join("\n") : text,
    });
    expect(sorted(ours)).toEqual(sorted(expected));
  });

  it.each(jsonQuestions)("ip %s", async (line) => {
    const { expected, ours } = await both(line);
    const sorted = ({ text }: Outcome): unknown[] =>
      (JSON.parse(text) as unknown[]).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    expect(sorted(ours)).toEqual(sorted(expected));
  });
});
