/** Faults of a lab: each is undone without a trace, and `weft verify` names those that are wrong in the cloud itself. */
import { builtinLabs, faultReply, parseLab } from "@weft/lab";
import type { TraceReport } from "@weft/trace";
import { afterAll, beforeAll, expect, it } from "vitest";
import { faultText } from "./faultText.ts";
import { VirtualLab } from "./testing.ts";

/** The finding that each fault gives; the others are no inconsistency, or outside of what can be seen. */
const found: Readonly<Record<string, string>> = {
  conjunction: "conjunction-without-flow",
  "bridge-mappings": "network-without-mapping",
  "southbound-remote": "chassis-unreachable",
  mtu: "mtu-too-small",
  "stale-controller": "chassis-lags",
  "duplicate-ip": "duplicate-address",
  "mac-binding": "neighbour-contradicts-port",
  "dhcp-options": "dhcp-incomplete",
  "floating-ip": "floating-ip-central",
};
const VM = "df8a80f8-0cbf-48af-8b32-78377f034797";

/** What `weft trace` says of a packet that each fault concerns: the cause, or "delivered" where the fault lies outside of the flows. */
const traced: Readonly<Record<string, readonly [question: string, answer: RegExp]>> = {
  // The advertisement by which a guest answers the question for its address.
  conjunction: [
    `${VM} 2001:db8::9 'nd_na && eth.dst == 33:33:00:00:00:01 && ip6.src == 2001:db8::f816:3eff:fe1e:5a0f && nd.target == 2001:db8::f816:3eff:fe1e:5a0f && nd.tll == fa:16:3e:1e:5a:0f'`,
    /^flows-differ: .* compute1 do not/,
  ],
  "spoofed-address": [`${VM} 203.0.113.9 'ip4.src == 172.24.100.164'`, /^port-security: the sender's port security /],
  "acl-tier": ["vm3 vm2", /^acl: ACL "sg-default" .* of port group sg drops it/],
  "mac-binding": ["vm3 203.0.113.9", /^neighbour-wrong: .*neighbour 172\.24\.100\.1 at de:ad:be:ef:00:01/],
  "bridge-mappings": [`${VM} 203.0.113.9`, /^network-unmapped: .* on compute1/],
  "dhcp-options": [`${VM} 255.255.255.255 'udp.dst == 67'`, /^unanswered: /],
  "floating-ip": ["vm2 203.0.113.9", /^delivered$/],
  "southbound-remote": ["vm3 vm2", /^delivered$/],
  mtu: ["vm3 vm2 --size 1500", /^mtu: the tunnel packet has 1586 bytes and the MTU of eth1 is 1500/],
  tunnel: ["vm3 vm2", /^delivered$/],
  "stale-controller": ["vm3 vm2", /^flows-differ: .* compute1 do not/],
  "duplicate-ip": ["vm3 vm2", /^delivered$/],
};
const HEALTHY = "Nothing found: what is installed is what the databases ask for.\n";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(builtinLabs.get("where-is-my-packet")!, "where-is-my-packet"));
  await pause(2000);
});
afterAll(() => lab.down());

const pause = (ms: number) => lab.runtime.clock.run(lab.runtime.clock.sleep(ms));
const ask = (what: "break" | "mend" | "reveal" | "list", name?: string) =>
  lab.runtime.clock.run(faultReply(lab.lab, { what, ...(name === undefined ? {} : { name }) }), 60_000);

/** "CODE: TEXT" of the cause, or the outcome. */
async function trace(question: string): Promise<string> {
  const { outcome, cause } = JSON.parse(await lab.sh("central", `weft trace ${question} --json`)) as TraceReport;
  return cause === undefined ? outcome : `${cause.code}: ${cause.text}`;
}

it("breaks with every fault, and mends it", { timeout: 300_000 }, async () => {
  expect(await lab.sh("central", "weft verify")).toBe(HEALTHY);
  for (const { name } of (await ask("list")).faults) {
    await ask("break", name);
    await pause(500);
    const findings = await lab.sh("central", "weft verify");
    if (found[name] === undefined) expect(findings, name).toBe(HEALTHY);
    else expect(findings, name).toContain(found[name]);
    expect(await trace(traced[name]![0]), name).toMatch(traced[name]![1]);
    await ask("mend");
    // A controller that lost its database tries again after at most eight seconds.
    await pause(10_000);
    expect(await lab.sh("central", "weft verify"), `${name}, mended`).toBe(HEALTHY);
  }
});

it("any fault is found out by reveal; there is one at a time", async () => {
  expect(faultText("reveal", (await ask("reveal")).faults)).toBe("the lab has no fault\n");
  await expect(ask("mend")).rejects.toThrow("the lab has no fault (weft lab break)");
  await expect(ask("break", "nosuch")).rejects.toThrow('lab where-is-my-packet has no fault "nosuch" (conjunction, ');
  await ask("break");
  await expect(ask("break")).rejects.toThrow("the lab has a fault already (weft lab mend)");
  const [fault] = (await ask("reveal")).faults;
  expect(fault?.cause).toMatch(/\w/);
  expect((await ask("mend")).faults.map(({ name }) => name)).toEqual([fault?.name]);
});
