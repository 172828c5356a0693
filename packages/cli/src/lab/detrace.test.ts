/** A packet of a running lab, from the wire to the rows that its flows come of: tcpdump -XX, ovs-tcpundump, ofproto/trace, ovn-detrace. */
import { builtinLabs, parseLab } from "@weft/lab";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VirtualLab } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(builtinLabs.get("trunks")!, "trunks"));
});
afterAll(() => lab.down());

/** Runs a command with `input` as its standard input. */
async function piped(node: string, input: string, line: string): Promise<string> {
  let text = "";
  const out = { write: (more: string | Uint8Array) => void (text += String(more)), isTerminal: false };
  const done = lab.lab.exec(node, line.split(" "), {
    stdin: (async function* () {
      yield new TextEncoder().encode(input);
    })(),
    stdout: out,
    stderr: out,
    signal: new AbortController().signal,
  });
  expect(await lab.runtime.clock.run(done, 60_000)).toBe(0);
  return text;
}

it("a captured packet is traced and explained", async () => {
  const capture = lab.start("worker1", "ip netns exec vm1 tcpdump -nXXi vm1 icmp -c1");
  await lab.sh("worker1", "ip netns exec vm1 ping -c1 192.168.1.14");
  const hex = (await piped("worker1", await capture.output, "ovs-tcpundump")).trim();
  expect(hex).toMatch(/^4044000000044044000000038100001e08004500[0-9a-f]+$/);

  const trace = await lab.sh("worker1", `ovs-appctl ofproto/trace br-int in_port=vm1 ${hex}`);
  const explained = await piped("central", trace, "ovn-detrace");
  expect(explained).toContain(
    '  * Port Binding: logical_port "child1", tunnel_key 1, chassis-name "worker1", chassis-str "worker1"\n',
  );
  expect(explained).toMatch(
    /^ {2}\* Logical flow: table=\d+ \(ls_in_l2_lkup\), priority=50, match=\(eth\.dst == 40:44:00:00:00:04\)/m,
  );
  expect(explained).toContain(
    "   * Logical Switch Port: child2 type  (addresses ['40:44:00:00:00:04 192.168.1.14'], dynamic addresses []",
  );
  expect(
    explained
      .split("\n")
      .filter((line) => !/^ *\* /.test(line))
      .join("\n"),
  ).toBe(`${trace.replace(/ +$/gm, "").trimEnd()}\n\n`);
});
