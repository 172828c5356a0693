/** Faults of a lab: each is undone without a trace, and `weft verify` names those that are wrong in the cloud itself. */
import { builtinLabs, faultReply, parseLab } from "@weft/lab";
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

it("breaks with every fault, and mends it", { timeout: 300_000 }, async () => {
  expect(await lab.sh("central", "weft verify")).toBe(HEALTHY);
  for (const { name } of (await ask("list")).faults) {
    await ask("break", name);
    await pause(500);
    const findings = await lab.sh("central", "weft verify");
    if (found[name] === undefined) expect(findings, name).toBe(HEALTHY);
    else expect(findings, name).toContain(found[name]);
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
