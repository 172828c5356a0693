import { parseMac } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Device } from "../machine/device.ts";
import { Machine } from "../machine/machine.ts";
import { machineCommands } from "./index.ts";

const words = fc.oneof(
  fc.constantFrom(
    ..."link addr route neigh netns add del show set get flush replace exec list dev up down via default type vlan veth bridge dummy id 30 peer name netns v0 v1 lo eth1 vm1 address master".split(
      " ",
    ),
    ..."-d -br -j -p -4 -6 -n -c -c1 -w 1 -W -i -I -s -t -M do -q -l -u -z -v -e -XX -r 10.0.0.1 10.0.0.1/24 fe80::1 fe80::1/64 ::1 52:54:00:00:00:09 icmp and host ( ) help".split(
      " ",
    ),
  ),
  fc.string({ maxLength: 8 }),
);

/** Their exit code alone says it, as with the originals. */
const SILENT = new Set(["arping", "curl", "dhclient", "getent", "nc", "ping", "ping6"]);

it("any command line is carried out or answered with a message, and the machine lives on", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...machineCommands.keys()), fc.array(words, { maxLength: 8 }), async (name, args) => {
      const runtime = virtualRuntime();
      const machine = new Machine("m", runtime, machineCommands);
      machine.root.addDevice(new Device("ether", "eth1", parseMac("52:54:00:00:00:01")!));
      machine.addNamespace("vm1");
      let said = "";
      const abort = new AbortController();
      const done = machine.exec([name, ...args], {
        stdin: (async function* () {})(),
        stdout: { write: (text) => void (said += text), isTerminal: false },
        stderr: { write: (text) => void (said += text), isTerminal: false },
        signal: abort.signal,
      });
      runtime.clock.after(5000, () => abort.abort());
      const code = await runtime.clock.run(done, 60_000);
      expect(code).toBeTypeOf("number");
      if (code !== 0 && !SILENT.has(name)) expect(said).not.toBe("");
      expect(
        await machine.exec(["hostname"], {
          stdin: (async function* () {})(),
          stdout: { write() {}, isTerminal: false },
          stderr: { write() {}, isTerminal: false },
          signal: new AbortController().signal,
        }),
      ).toBe(0);
    }),
    { numRuns: 400 },
  );
});
