import { memoryReplica } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { expect, it } from "vitest";
import { createNorthd } from "./index.ts";

/** A router and a switch whose rows age after a second, with rows of these ages (ms). */
async function place(limits: readonly [string, string][], ages: readonly number[]) {
  const runtime = virtualRuntime({ seed: 1 });
  const nb = memoryReplica(ovnNorthbound);
  const sb = memoryReplica(ovnSouthbound);
  const northd = createNorthd({ runtime, nb, sb });
  const started = northd.start();
  nb.edit((tx) => {
    for (const row of nb.table("NB_Global").rows()) tx.delete("NB_Global", row._uuid);
    tx.insert("NB_Global", { options: limits });
    const ports = [tx.insert("Logical_Router_Port", { name: "rp", mac: "50:54:00:00:00:fe", networks: ["10.0.0.254/24"] })];
    tx.insert("Logical_Router", { name: "r", ports, options: [["mac_binding_age_threshold", "1"]] });
  });
  for (let i = 0; i < 20; i++) await runtime.clock.advance(1);
  await started;
  const datapath = [...sb.table("Datapath_Binding").rows()][0]!._uuid;
  const wall = runtime.clock.wall();
  sb.edit((tx) => {
    for (const [i, age] of ages.entries())
      tx.insert("MAC_Binding", {
        logical_port: "rp",
        ip: `10.0.0.${i}`,
        mac: "50:54:00:00:00:01",
        datapath,
        timestamp: wall - age,
      });
  });
  const left = (): string[] => [...sb.table("MAC_Binding").rows()].map(({ ip }) => ip).sort();
  return { runtime, nb, sb, left };
}

it("forgets each when its time is over, and those that were refreshed later", async () => {
  const { runtime, sb, left } = await place([], [900, 500, 0]);
  await runtime.clock.advance(50);
  expect(left()).toEqual(["10.0.0.0", "10.0.0.1", "10.0.0.2"]);
  await runtime.clock.advance(100);
  expect(left()).toEqual(["10.0.0.1", "10.0.0.2"]);
  sb.edit((tx) => {
    for (const { _uuid, ip } of sb.table("MAC_Binding").rows())
      if (ip === "10.0.0.1") tx.update("MAC_Binding", _uuid, { timestamp: runtime.clock.wall() });
  });
  await runtime.clock.advance(900);
  expect(left()).toEqual(["10.0.0.1"]);
  await runtime.clock.advance(200);
  expect(left()).toEqual([]);
});

it("forgets so many at a time, and the next five seconds later", async () => {
  const { runtime, left } = await place([["mac_binding_removal_limit", "2"]], [0, 0, 0, 0, 0]);
  await runtime.clock.advance(1100);
  expect(left()).toHaveLength(3);
  await runtime.clock.advance(4500);
  expect(left()).toHaveLength(3);
  await runtime.clock.advance(600);
  expect(left()).toHaveLength(1);
});

it("follows thresholds that change", async () => {
  const { runtime, nb, left } = await place([], [0]);
  const router = [...nb.table("Logical_Router").rows()][0]!._uuid;
  const set = (value: string): void =>
    nb.edit((tx) => tx.update("Logical_Router", router, { options: [["mac_binding_age_threshold", value]] }));
  set("3");
  await runtime.clock.advance(2500);
  expect(left()).toHaveLength(1);
  set("0");
  await runtime.clock.advance(5000);
  expect(left()).toHaveLength(1);
  set("1");
  await runtime.clock.advance(10);
  expect(left()).toEqual([]);
});
