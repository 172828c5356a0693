import { parseMac } from "@weft/packet";
import { seededRandom, virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { machineCommands } from "../commands/index.ts";
import { Segment } from "../underlay.ts";
import { Device } from "./device.ts";
import { parseNetwork } from "./ip.ts";
import { Machine } from "./machine.ts";

function twoMachines() {
  const runtime = virtualRuntime({ seed: 3 });
  const segment = new Segment("wire", runtime.clock, 0.1);
  const machines = [1, 2].map((n) => {
    const machine = new Machine(`m${n}`, runtime, machineCommands);
    const device = new Device("ether", "eth1", parseMac(`52:54:00:00:00:0${n}`)!);
    machine.root.addDevice(device);
    segment.attach(device);
    device.setUp(true);
    machine.root.addAddress(device, parseNetwork(`10.0.0.${n}/24`)!);
    return machine;
  });
  return { runtime, segment, a: machines[0]!, b: machines[1]! };
}

/** Starts a command; `output` grows as it prints. */
function start(machine: Machine, line: string, input: readonly (string | Uint8Array)[] = []) {
  const chunks: Uint8Array[] = [];
  const take = (text: string | Uint8Array) =>
    void chunks.push(typeof text === "string" ? new TextEncoder().encode(text) : text.slice());
  const abort = new AbortController();
  const done = machine.exec(line.split(" "), {
    stdin: (async function* () {
      for (const text of input) yield typeof text === "string" ? new TextEncoder().encode(text) : text;
    })(),
    stdout: { write: take, isTerminal: false },
    stderr: { write: take, isTerminal: false },
    signal: abort.signal,
  });
  return { done, stop: () => abort.abort(), bytes: () => Buffer.concat(chunks), text: () => Buffer.concat(chunks).toString() };
}

describe("nc between guests", () => {
  it("carries both directions over TCP and ends with both", async () => {
    const { runtime, a, b } = twoMachines();
    const server = start(b, "nc -l -v 8080", ["welcome\n"]);
    const client = start(a, "nc -N -v 10.0.0.2 8080", ["hello\n"]);
    expect(await runtime.clock.run(client.done)).toBe(0);
    expect(await runtime.clock.run(server.done)).toBe(0);
    expect(client.text()).toBe("Connection to 10.0.0.2 8080 port [tcp/http-alt] succeeded!\nwelcome\n");
    expect(server.text()).toMatch(/^Listening on 0\.0\.0\.0 8080\nConnection received on 10\.0\.0\.1 \d+\nhello\n$/);
  });

  it("brings every byte over a wire that loses a tenth of the frames", async () => {
    const { runtime, segment, a, b } = twoMachines();
    const random = seededRandom(9);
    segment.filters.add(() => random.below(10) > 0);
    const sent = random.bytes(300_000);
    const server = start(b, "nc -l 8080");
    const client = start(a, "nc -N 10.0.0.2 8080", [sent.subarray(0, 100_000), sent.subarray(100_000)]);
    await runtime.clock.run(client.done, 3_600_000);
    await runtime.clock.run(server.done, 3_600_000);
    expect(Buffer.compare(server.bytes(), Buffer.from(sent))).toBe(0);
  });

  it("is refused by a port where nobody listens, over TCP and UDP", async () => {
    const { runtime, a } = twoMachines();
    const tcp = start(a, "nc -z -v 10.0.0.2 9");
    expect(await runtime.clock.run(tcp.done)).toBe(1);
    expect(tcp.text()).toBe("nc: connect to 10.0.0.2 port 9 (tcp) failed: Connection refused\n");
    expect(await runtime.clock.run(start(a, "nc -z -u 10.0.0.2 9").done)).toBe(1);
  });

  it("carries datagrams", async () => {
    const { runtime, a, b } = twoMachines();
    const server = start(b, "nc -u -l 5000");
    const client = start(a, "nc -u -q 1 10.0.0.2 5000", ["one", "two"]);
    await runtime.clock.run(client.done);
    expect(server.text()).toBe("onetwo");
    server.stop();
    await runtime.clock.run(server.done);
  });
});

it("arping names the machine that answers", async () => {
  const { runtime, a } = twoMachines();
  const arping = start(a, "arping -c 1 -I eth1 10.0.0.2");
  expect(await runtime.clock.run(arping.done)).toBe(0);
  expect(arping.text()).toBe(`ARPING 10.0.0.2 from 10.0.0.1 eth1
Unicast reply from 10.0.0.2 [52:54:00:00:00:02]  0.200ms
Sent 1 probes (1 broadcast(s))
Received 1 response(s)
`);
});
