/**
 * Gateways that fail: chassis that watch one another by BFD, and the port of a router that goes to the next gateway when the first
 * one dies. All the reference's, all ours, and mixtures.
 */
import { nodeRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import { linkPrograms, type Side } from "./reference/cloud.ts";
import { FailoverCloud, type Node, STREAM_MS } from "./reference/failover.ts";

linkPrograms();

const { clock } = nodeRuntime();
const mixes: Readonly<Record<string, { sides: Readonly<Record<Node, Side>>; northd: Side }>> = {
  "all the reference's": { sides: { g1: "reference", g2: "reference", w1: "reference" }, northd: "reference" },
  "all ours": { sides: { g1: "weft", g2: "weft", w1: "weft" }, northd: "weft" },
  "our first gateway": { sides: { g1: "weft", g2: "reference", w1: "reference" }, northd: "reference" },
  "our second gateway": { sides: { g1: "reference", g2: "weft", w1: "reference" }, northd: "reference" },
  "our hypervisor": { sides: { g1: "reference", g2: "reference", w1: "weft" }, northd: "reference" },
};

/** Waits until something is as it should be. */
async function until<T>(what: () => T, wanted: T, ms = 30_000): Promise<void> {
  const text = JSON.stringify(wanted);
  for (const end = clock.now() + ms; clock.now() < end && JSON.stringify(what()) !== text; ) await clock.sleep(100);
  expect(what()).toEqual(wanted);
}

const nodes = ["g1", "g2", "w1"] as const;
const story: string[][] = [];

for (const [name, { sides, northd }] of Object.entries(mixes)) {
  test(name, async () => {
    const cloud = new FailoverCloud(sides, northd);
    try {
      const told: string[] = [];
      const tell = (what: string, values: readonly string[]) => told.push(`${what}: ${values.join(", ")}`);
      const ports = ["cr-rext", "x1"] as const;
      const at = (node: Node) =>
        until(
          () => cloud.chassis(...ports),
          ports.map(() => `${node} true`),
        );
      await at("g1");
      await until(() => nodes.map((node) => cloud.watched(node)), [2, 2, 2]);
      await cloud.stream(2000);
      await until(() => cloud.arrived(), cloud.sent);
      tell("announced by g1", cloud.announced());
      const [before, frames] = [cloud.sent, cloud.received().length];
      cloud.kill("g1");
      await cloud.stream(8000);
      await at("g2");
      tell("chassis without g1", cloud.chassis(...ports, "x2"));
      await clock.sleep(1000);
      tell("announced by g2", cloud.announced(frames));
      const lost = cloud.sent - cloud.arrived();
      // Three times the second between control packets, and what a busy machine adds.
      expect(lost).toBeLessThan(5000 / STREAM_MS);
      expect(cloud.sent - before).toBeGreaterThan(600);
      cloud.restart("g1", sides.g1);
      await at("g1");
      // A gateway that hears nobody yet gives up what it has.
      await until(() => cloud.chassis("x2"), ["g1 true"]);
      tell("chassis again", cloud.chassis(...ports, "x2"));
      await until(() => nodes.map((node) => cloud.watched(node)), [2, 2, 2]);
      await clock.sleep(1000);
      const again = { sent: cloud.sent, arrived: cloud.arrived() };
      await cloud.stream(1000);
      await until(() => cloud.arrived() - again.arrived, cloud.sent - again.sent);
      story.push(told);
      expect(told).toEqual(story[0]);
      expect(told).toHaveLength(4);
    } finally {
      if (process.env.KEEP === undefined) cloud.stop();
    }
  });
}
