/** Packets that are longer than a wire takes: fragments, and what ICMP says of it. */
import { macOf } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { machineCommands } from "../commands/index.ts";
import { Segment } from "../underlay.ts";
import { Device } from "./device.ts";
import { Machine } from "./machine.ts";

/** a and b, and a router between them whose link to b has an MTU of 1300. */
async function line() {
  const runtime = virtualRuntime({ seed: 1 });
  const wires = ["left", "right"].map((name) => new Segment(name, runtime.clock, 0.05)) as [Segment, Segment];
  const machine = (name: string, ...ends: readonly (readonly [string, Segment])[]) => {
    const made = new Machine(name, runtime, machineCommands);
    for (const [nic, wire] of ends) {
      const device = new Device("ether", nic, macOf(0x525400000000 + runtime.random.below(0x1000000)));
      made.root.addDevice(device);
      wire.attach(device);
    }
    return made;
  };
  const a = machine("a", ["eth0", wires[0]]);
  const b = machine("b", ["eth0", wires[1]]);
  const router = machine("router", ["left", wires[0]], ["right", wires[1]]);
  router.root.forwarding = true;
  const start = (on: Machine, command: string) => {
    let text = "";
    const out = {
      write: (more: string | Uint8Array) => void (text += typeof more === "string" ? more : new TextDecoder().decode(more)),
      isTerminal: false,
    };
    const [words = "", input] = command.split(" < ");
    const done = on.exec(words.split(" "), {
      stdin: (async function* () {
        if (input !== undefined) yield new TextEncoder().encode("x".repeat(Number(input)));
      })(),
      stdout: out,
      stderr: out,
      signal: new AbortController().signal,
    });
    return done.then((code) => `${text}${code === 0 ? "" : `[${code}]\n`}`);
  };
  const sh = (on: Machine, command: string) => runtime.clock.run(start(on, command), 120_000);
  for (const [on, commands] of [
    [
      a,
      "addr add 10.0.1.1/24 dev eth0;addr add fd01::1/64 dev eth0;link set eth0 up;route add default via 10.0.1.254;-6 route add default via fd01::254",
    ],
    [
      b,
      "addr add 10.0.2.1/24 dev eth0;addr add fd02::1/64 dev eth0;link set eth0 up;route add default via 10.0.2.254;-6 route add default via fd02::254",
    ],
    [
      router,
      "addr add 10.0.1.254/24 dev left;addr add fd01::254/64 dev left;link set left up;addr add 10.0.2.254/24 dev right;addr add fd02::254/64 dev right;link set right up;link set right mtu 1300",
    ],
  ] as const) {
    for (const command of commands.split(";")) expect(await sh(on, `ip ${command}`)).toBe("");
  }
  return { a, b, router, sh, start };
}

describe.each([
  ["IPv4", "10.0.1.254", "10.0.2.1", "From 10.0.1.254 icmp_seq=1 Frag needed and DF set (mtu = 1300)", "mtu=1500", "mtu=1300"],
  ["IPv6", "fd01::254", "fd02::1", "From fd01::254: icmp_seq=1 Packet too big: mtu=1300", "mtu: 1500", "mtu: 1300"],
])("%s", (_, near, far, error, own, learned) => {
  it("a long ping goes and comes back in fragments", async () => {
    const { a, sh } = await line();
    expect(await sh(a, `ping -c2 -s 3000 ${near}`)).toContain("2 packets transmitted, 2 received, 0% packet loss");
    expect(await sh(a, `ping -c1 -s 20000 ${near}`)).toContain(`20008 bytes from ${near}`);
  });

  it("-M do says that the own link is too narrow", async () => {
    const { a, sh } = await line();
    expect(await sh(a, `ping -c1 -W1 -M do -s 3000 ${near}`)).toContain(`ping: local error: message too long, ${own}\n`);
  });

  it("a router says how much its next link takes; from then on it is known", async () => {
    const { a, sh } = await line();
    expect(await sh(a, `ping -c1 -W1 -M do -s 1400 ${far}`)).toContain(error);
    expect(await sh(a, `ping -c1 -W1 -M do -s 1400 ${far}`)).toContain(`ping: local error: message too long, ${learned}\n`);
    expect(await sh(a, `ping -c1 -s 1400 ${far}`)).toContain(" 0% packet loss");
  });

  it("TCP sends shorter segments when it is told", async () => {
    const { a, b, sh, start } = await line();
    const listening = start(b, "nc -l -p 5000");
    await sh(a, `nc -N ${far} 5000 < 50000`);
    expect((await sh(b, "hostname").then(() => listening)).length).toBe(50_000);
  });
});

it("without DF a router cuts IPv4 packets itself", async () => {
  const { a, sh } = await line();
  expect(await sh(a, "ping -c1 -M dont -s 1400 10.0.2.1")).toContain(" 0% packet loss");
});
