import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Channel, streamChannel } from "../jsonrpc/channel.ts";
import type { SchemaJson } from "../schema.ts";
import { createReplica } from "./index.ts";

const bin = join(process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid", "bin");
const schema = {
  name: "Test",
  version: "1.0.0",
  tables: { Node: { columns: { name: { type: "string" } }, isRoot: true } },
} as const satisfies SchemaJson;

const dir = mkdtempSync(join(tmpdir(), "weft-cluster-"));
const runtime = nodeRuntime();
const pids: number[] = [];
const remotes = ["a", "b", "c"].map((name) => `unix:${join(dir, `${name}.sock`)}`);

/** A cluster of three, whose servers talk to each other over sockets of their own. */
beforeAll(async () => {
  writeFileSync(join(dir, "schema"), JSON.stringify(schema));
  const raft = (name: string) => `unix:${join(dir, `${name}.raft`)}`;
  for (const name of ["a", "b", "c"]) {
    const db = join(dir, name);
    const args =
      name === "a"
        ? ["create-cluster", db, join(dir, "schema"), raft(name)]
        : ["join-cluster", db, "Test", raft(name), raft("a")];
    execFileSync(join(bin, "ovsdb-tool"), args);
    const server = [`--remote=punix:${join(dir, `${name}.sock`)}`, `--unixctl=${join(dir, `${name}.ctl`)}`, "-vconsole:off", db];
    pids.push(spawn(join(bin, "ovsdb-server"), server, { stdio: "ignore" }).pid!);
    while (!existsSync(join(dir, `${name}.sock`))) await runtime.clock.sleep(20);
    execFileSync(join(bin, "ovsdb-client"), ["wait", `unix:${join(dir, `${name}.sock`)}`, "Test", "connected"], {
      stdio: "ignore",
    });
  }
});

afterAll(() => {
  for (const pid of pids) process.kill(pid);
  rmSync(dir, { recursive: true, force: true });
});

test("only the leader is good enough, and after a lost connection only what is new comes", async () => {
  let remote = "";
  const channels: Channel[] = [];
  const connect = async (to: string) => {
    remote = to;
    const channel = streamChannel(await runtime.net.connect(to));
    channels.push(channel);
    return channel;
  };
  // "a" made the cluster and leads it; it is tried last.
  const order = [remotes[1]!, remotes[2]!, remotes[0]!];
  const db = createReplica({ runtime, schema, remotes: order, connect, backoff: { min: 20, max: 100 } });
  const resets: boolean[] = [];
  db.onChange(({ reset }) => resets.push(reset));
  await db.ready();
  expect(remote).toBe(remotes[0]);

  const any = createReplica({ runtime, schema, remotes: [remotes[1]!], leaderOnly: false });
  await any.ready();
  const transaction = any.transaction();
  transaction.insert("Node", { name: "x" });
  expect(await transaction.commit()).toMatchObject({ status: "success" });
  await expect.poll(() => db.table("Node").size, { timeout: 5000 }).toBe(1);

  channels.at(-1)?.destroy();
  const second = any.transaction();
  second.insert("Node", { name: "y" });
  await second.commit();
  await expect.poll(() => [...db.table("Node").rows()].map(({ name }) => name).sort(), { timeout: 10_000 }).toEqual(["x", "y"]);
  expect(resets.filter((reset) => reset)).toHaveLength(1);
  await Promise.all([db.close(), any.close()]);
});
