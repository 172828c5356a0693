/** weft trace: what would let a packet pass is said only when it has passed on a copy; and done for real, it passes. */
import { parseLab } from "@weft/lab";
import type { TraceReport } from "@weft/trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLab } from "../lab/testing.ts";
import { smallCloud } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(smallCloud, "remedies"));
  for (const line of network.trim().split("\n")) await central(line);
});
afterAll(() => lab.down());

/** A second router beside the first, with a network behind it where vm1 and vm2 have no way to yet. */
const network = `
ovn-nbctl lr-add lr1 -- lrp-add lr1 lr1-sw1 00:00:00:00:ff:11 10.0.1.253/24 -- lsp-add-router-port sw1 sw1-lr1 lr1-sw1
ovn-nbctl ls-add sw2 -- lrp-add lr1 lr1-sw2 00:00:00:00:ff:12 10.0.2.254/24 -- lsp-add-router-port sw2 sw2-lr1 lr1-sw2
ovn-nbctl lr-route-add lr1 0.0.0.0/0 10.0.1.254
ovn-nbctl lb-add lb0 10.0.1.99:80 10.0.1.12:8080 tcp -- ls-lb-add sw1 lb0
ovn-nbctl --id=@d create DHCP_Options cidr=10.0.1.0/24 options:server_id=10.0.1.254 'options:server_mac="00:00:00:00:ff:02"' options:lease_time=3600
ovn-nbctl --wait=hv sync
`;

async function central(line: string): Promise<void> {
  expect(await lab.sh("central", line)).toMatch(/^([0-9a-f-]{36}\n)?$/);
}
const pause = () => lab.runtime.clock.run(lab.runtime.clock.sleep(1000));
async function trace(line: string): Promise<TraceReport> {
  return JSON.parse(await lab.sh("central", `weft trace --json ${line}`)) as TraceReport;
}

interface Fault {
  readonly name: string;
  readonly make: readonly string[];
  readonly mend: readonly string[];
  readonly question: string;
  readonly code: string;
  readonly remedy: RegExp;
}

const faults: readonly Fault[] = [
  {
    name: "a disabled port",
    make: ["ovn-nbctl lsp-set-enabled in2 disabled"],
    mend: ["ovn-nbctl lsp-set-enabled in2 enabled"],
    question: "in1 in2",
    code: "port-disabled",
    remedy: /^port in2 is disabled: (ovn-nbctl lsp-set-enabled in2 enabled)$/,
  },
  {
    name: "a port that asks for another chassis",
    make: ["ovn-nbctl set Logical_Switch_Port in2 options:requested-chassis=elsewhere"],
    mend: ["ovn-nbctl clear Logical_Switch_Port in2 options"],
    question: "in1 in2",
    code: "port-unbound",
    remedy: /^port in2 asks for chassis elsewhere: (ovn-nbctl remove Logical_Switch_Port in2 options requested-chassis)$/,
  },
  {
    name: "a missing route",
    make: ["ovn-nbctl lr-route-add lr0 10.0.3.0/24 10.0.1.253", "ovn-nbctl lr-route-del lr0 10.0.3.0/24"],
    mend: ["ovn-nbctl lr-route-del lr0 10.0.2.254/32"],
    question: "vm1 10.0.2.254",
    code: "no-route",
    remedy: /^a route: (ovn-nbctl lr-route-add lr0 10\.0\.2\.254\/32 10\.0\.1\.253)$/,
  },
  {
    name: "a route that throws away",
    make: ["ovn-nbctl lr-route-add lr0 10.0.1.12/32 discard"],
    mend: ["ovn-nbctl --if-exists lr-route-del lr0 10.0.1.12/32"],
    question: "vm1 in2",
    code: "discard-route",
    remedy: /^without the route: (ovn-nbctl lr-route-del lr0 10\.0\.1\.12 discard)$/,
  },
  {
    name: "a poisoned neighbour",
    make: [
      "ovn-sbctl --all destroy MAC_Binding",
      "ovn-sbctl --id=@d get Datapath_Binding lr0 -- create MAC_Binding logical_port=lr0-sw0 ip=10.0.0.77 'mac=\"00:00:00:00:66:66\"' datapath=@d",
    ],
    mend: ["ovn-sbctl --all destroy MAC_Binding"],
    question: "in1 10.0.0.77",
    code: "neighbour-wrong",
    remedy: /^10\.0\.0\.77 is not at 00:00:00:00:66:66: (ovn-sbctl destroy MAC_Binding \S+)$/,
  },
  {
    name: "a port without DHCP options",
    make: [],
    mend: ["ovn-nbctl lsp-set-dhcpv4-options in1"],
    question: "in1 255.255.255.255 'udp.dst == 67'",
    code: "unanswered",
    remedy: /^port in1 has no dhcpv4_options: (ovn-nbctl lsp-set-dhcpv4-options in1 \S+) \(those of 10\.0\.1\.0\/24\)$/,
  },
];

describe("a remedy is tried, told, and works:", () => {
  it.each(faults)("$name", { timeout: 60_000 }, async ({ make, mend, question, code, remedy }) => {
    try {
      for (const line of make) await central(line);
      await central("ovn-nbctl --wait=sb sync");
      await pause();
      const { outcome, cause } = await trace(question);
      expect(outcome).toBe("not-delivered");
      expect(cause?.code, cause?.text).toBe(code);
      expect(cause?.remedy?.text).toMatch(remedy);
      expect(cause?.remedy?.tried).toBe(true);
      await central(remedy.exec(cause?.remedy?.text ?? "")?.[1] ?? "");
      await central("ovn-nbctl --wait=sb sync");
      await pause();
      expect((await trace(question)).outcome).toBe("delivered");
    } finally {
      for (const line of mend) await lab.sh("central", line);
      await pause();
    }
  });
});

it("no remedy is told where none helps", async () => {
  await central("ovn-nbctl lb-add lb1 10.0.1.98:80 '' tcp -- ls-lb-add sw1 lb1");
  await pause();
  const { cause } = await trace("in1 10.0.1.98 'tcp.dst == 80'");
  expect(cause?.remedy).toBeUndefined();
});
