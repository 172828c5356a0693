import { createReplica, createServer, memoryDatabase } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { expect, test } from "vitest";
import { FlowRestore } from "./flowRestore.ts";

test("a number of the configuration that another has just used is not used again: the switch may have it before it sees the wait's end", async () => {
  const runtime = virtualRuntime({ seed: 1 });
  const server = await createServer({ runtime, databases: [memoryDatabase(runtime, openVSwitch)] });
  const replica = () =>
    createReplica({ runtime, schema: openVSwitch, remotes: ["memory:"], connect: async () => server.connect() });
  const [ours, others] = [replica(), replica()];
  await runtime.clock.advance(1);
  const root = () => [...ours.table("Open_vSwitch").rows()][0]!;
  const first = others.transaction();
  first.insert("Open_vSwitch", {
    next_cfg: 4,
    other_config: [["flow-restore-wait", "true"]],
    external_ids: [["ovn-managed-flow-restore-wait", "true"]],
  });
  void first.commit();
  await runtime.clock.advance(1);
  const restore = new FlowRestore();
  const step = () => {
    const transaction = ours.transaction();
    expect(restore.step(root(), transaction, true, ours)).toContain("Setting flow-restore-wait=false");
    return transaction.commit();
  };
  const theirs = others.transaction();
  theirs.increment("Open_vSwitch", root()._uuid, "next_cfg", 1);
  void theirs.commit();
  const refused = step();
  await runtime.clock.advance(1);
  expect(await refused).toEqual({ status: "try-again" });
  restore.failed();
  const done = step();
  await runtime.clock.advance(1);
  expect(await done).toMatchObject({ status: "success" });
  expect([root().next_cfg, root().other_config.get("flow-restore-wait")]).toEqual([6, "false"]);
});
