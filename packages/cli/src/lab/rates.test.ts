/** Rates of ports (ovn-nb(5), qos_max_rate) on a physical network, from the northbound row to the packet. */
import { parseLab } from "@weft/lab";
import { afterAll, beforeAll, expect, it } from "vitest";
import { smallCloud } from "../cloud/testing.ts";
import { VirtualLab } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(smallCloud, "small"));
});
afterAll(() => lab.down());

/** Ten pings of 1042 bytes at once, to a guest on the other hypervisor: what came back, and how long the last one took, ms. */
async function pings(): Promise<{ received: number; longest: number }> {
  const text = await lab.sh("hv1", "ip netns exec vm1 ping -c 10 -i 0.002 -s 1000 10.0.0.2");
  return {
    received: Number(/(\d+) received/.exec(text)?.[1]),
    longest: Number(/= [\d.]+\/[\d.]+\/([\d.]+)/.exec(text)?.[1]),
  };
}

it("a guest sends no faster than its qos_max_rate", async () => {
  expect(await lab.sh("hv1", "ip netns exec vm1 ping -c 1 10.0.0.2")).toContain("1 received");
  const free = await pings();
  expect(free.received).toBe(10);
  expect(free.longest).toBeLessThan(100);
  await lab.sh("central", "ovn-nbctl --wait=hv lsp-set-options vm1 qos_max_rate=160000");
  const held = await pings();
  expect(held.received).toBe(10);
  // 20 bytes a ms, of which the first 1564 and a frame are the queue's burst.
  expect(held.longest).toBeGreaterThan((10 * 1042 - 1564 - 1042) / 20 - 20);
  expect(held.longest).toBeLessThan((10 * 1042) / 20);
  expect(await lab.sh("hv1", "ovs-appctl qos/show eth2")).toMatch(
    /Queue \d+:\n {2}burst: 12512\n {2}min-rate: 12000\n {2}max-rate: 160000\n/,
  );
  await lab.sh("central", "ovn-nbctl --wait=hv clear logical_switch_port vm1 options");
  expect((await pings()).longest).toBeLessThan(100);
});
