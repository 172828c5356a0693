import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeRuntime, seededRandom } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Channel, streamChannel } from "../jsonrpc/channel.ts";
import type { Replica } from "../replica.ts";
import type { SchemaJson } from "../schema.ts";
import type { Uuid } from "../value.ts";
import { createReplica, type ReplicaOptions } from "./index.ts";

const bin = join(process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid", "bin");

const schema = {
  name: "Test",
  version: "1.0.0",
  tables: {
    Switch: {
      columns: {
        name: { type: "string" },
        ports: { type: { key: { type: "uuid", refTable: "Port", refType: "strong" }, min: 0, max: "unlimited" } },
        friends: { type: { key: { type: "uuid", refTable: "Switch", refType: "weak" }, min: 0, max: "unlimited" } },
        options: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        numbers: { type: { key: "integer", min: 0, max: "unlimited" } },
        ratio: { type: { key: "real", min: 0, max: 1 } },
        generation: { type: "integer" },
      },
      isRoot: true,
    },
    Port: { columns: { name: { type: "string" }, tag: { type: { key: "integer", min: 0, max: 1 } } } },
  },
} as const satisfies SchemaJson;
type S = typeof schema;

const dir = mkdtempSync(join(tmpdir(), "weft-replica-"));
const socket = join(dir, "db.sock");
const runtime = nodeRuntime();
let pid = 0;
const open: Replica<S>[] = [];

beforeAll(async () => {
  writeFileSync(join(dir, "schema"), JSON.stringify(schema));
  execFileSync(join(bin, "ovsdb-tool"), ["create", join(dir, "db"), join(dir, "schema")]);
  await startServer();
});

async function startServer(): Promise<void> {
  rmSync(socket, { force: true });
  const server = spawn(
    join(bin, "ovsdb-server"),
    [`--remote=punix:${socket}`, `--unixctl=${join(dir, "ctl")}`, "-vconsole:off", join(dir, "db")],
    { stdio: "ignore" },
  );
  pid = server.pid!;
  while (!existsSync(socket)) await runtime.clock.sleep(20);
}

afterAll(async () => {
  for (const replica of open) await replica.close();
  process.kill(pid);
  rmSync(dir, { recursive: true, force: true });
});

function replica(more: Partial<ReplicaOptions<S>> = {}): Replica<S> {
  const made = createReplica({ runtime, schema, remotes: [`unix:${socket}`], backoff: { min: 20, max: 50 }, ...more });
  open.push(made);
  return made;
}

function contents(db: Replica<S>) {
  return Object.fromEntries(
    (["Switch", "Port"] as const).map((table) => [
      table,
      Object.fromEntries([...db.table(table).rows()].map((row) => [row._uuid, row])),
    ]),
  );
}

test("a transaction comes back to the one who made it before its result", async () => {
  const db = replica();
  await db.ready();
  const transaction = db.transaction();
  const port = transaction.insert("Port", { name: "p1", tag: 3 });
  const handle = transaction.insert("Switch", { name: "a", ports: [port], options: [["x", "1"]], ratio: 0.5 });
  const result = await transaction.commit();
  expect(result.status).toBe("success");
  const uuid = result.status === "success" ? result.inserted.get(handle.rowHandle)! : ("" as Uuid);
  const row = db.table("Switch").get(uuid)!;
  expect(row).toMatchObject({ name: "a", ratio: 0.5, generation: 0, numbers: [] });
  expect(db.table("Port").get(row.ports[0]!)).toMatchObject({ name: "p1", tag: 3 });

  const increment = db.transaction();
  increment.increment("Switch", uuid, "generation", 2);
  expect(await increment.commit()).toMatchObject({ status: "success", increment: 2 });
});

test("a prerequisite that no longer holds", async () => {
  const [one, two] = [replica(), replica()];
  await Promise.all([one.ready(), two.ready()]);
  const insert = one.transaction();
  const handle = insert.insert("Switch", { name: "contested" });
  const inserted = await insert.commit();
  const uuid = inserted.status === "success" ? inserted.inserted.get(handle.rowHandle)! : ("" as Uuid);
  const [first, second] = [one.transaction(), one.transaction()];
  for (const transaction of [first, second]) {
    transaction.verify("Switch", uuid, ["name"]);
    transaction.update("Switch", uuid, { name: transaction === first ? "first" : "second" });
  }
  expect(await Promise.all([first.commit(), second.commit()])).toMatchObject([{ status: "success" }, { status: "try-again" }]);
});

test("an error of the server comes through", async () => {
  const db = replica();
  await db.ready();
  const transaction = db.transaction();
  transaction.insert("Switch", { name: "bad", ports: ["00000000-0000-4000-8000-000000000009" as Uuid] });
  expect(await transaction.commit()).toMatchObject({ status: "error", error: "referential integrity violation" });
});

test("a lock is held by one", async () => {
  const [one, two] = [replica(), replica()];
  await Promise.all([one.ready(), two.ready()]);
  one.setLock("l");
  await new Promise<void>((resolve) => one.onLock(() => resolve()));
  two.setLock("l");
  const transaction = two.transaction();
  transaction.insert("Switch", { name: "x" });
  expect(await transaction.commit()).toEqual({ status: "not-locked" });
  const got = new Promise<void>((resolve) => two.onLock(() => resolve()));
  one.setLock(undefined);
  await got;
  expect(two.hasLock).toBe(true);
});

test("conditions: rows come and go", async () => {
  const [writer, reader] = [replica(), replica({ conditions: { Switch: false, Port: false } })];
  await Promise.all([writer.ready(), reader.ready()]);
  expect(reader.table("Switch").size).toBe(0);
  const transaction = writer.transaction();
  for (const name of ["red", "green"]) transaction.insert("Switch", { name });
  await transaction.commit();
  reader.setCondition("Switch", [["name", "==", "red"]]);
  await reader.conditionsApplied();
  expect([...reader.table("Switch").rows()].map((row) => row.name)).toEqual(["red"]);
  reader.setCondition("Switch", [["name", "==", "green"]]);
  await reader.conditionsApplied();
  expect([...reader.table("Switch").rows()].map((row) => row.name)).toEqual(["green"]);
});

test("a schema that the server does not have in full: defaults, and writes left out", async () => {
  const newer = {
    ...schema,
    tables: {
      ...schema.tables,
      Switch: { ...schema.tables.Switch, columns: { ...schema.tables.Switch.columns, colour: { type: "string" } } },
      Router: { columns: { name: { type: "string" } }, isRoot: true },
    },
  } as const satisfies SchemaJson;
  const db = createReplica({ runtime, schema: newer, remotes: [`unix:${socket}`] });
  await db.ready();
  const transaction = db.transaction();
  const handle = transaction.insert("Switch", { name: "coloured", colour: "red" });
  const result = await transaction.commit();
  expect(result.status).toBe("success");
  const uuid = result.status === "success" ? result.inserted.get(handle.rowHandle)! : ("" as Uuid);
  expect(db.table("Switch").get(uuid)).toMatchObject({ name: "coloured", colour: "" });
  expect(db.table("Router").size).toBe(0);
  await db.close();
});

test("once: nobody there is an error", async () => {
  const db = createReplica({
    runtime,
    schema,
    remotes: [`unix:${join(dir, "nobody")}`, `unix:${join(dir, "there")}`],
    once: true,
  });
  await expect(db.ready()).rejects.toThrow("No such file or directory");
});

test("after random transactions and lost connections the replica is the database", async () => {
  const random = seededRandom(7);
  const channels: Channel[] = [];
  const connect = async (remote: string) => {
    const channel = streamChannel(await runtime.net.connect(remote));
    channels.push(channel);
    return channel;
  };
  const [writer, reader] = [replica(), replica({ connect })];
  await Promise.all([writer.ready(), reader.ready()]);
  // What the changes say must add up to what the tables hold.
  const mirror = new Map<string, unknown>();
  for (const table of ["Switch", "Port"] as const) for (const row of reader.table(table).rows()) mirror.set(row._uuid, row);
  reader.onChange(({ changes }) => {
    for (const { uuid, before, after } of changes) {
      expect(mirror.get(uuid)).toEqual(before);
      if (after === undefined) mirror.delete(uuid);
      else mirror.set(uuid, after);
    }
  });
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!;
  let committed = 0;
  for (let round = 0; round < 150; round++) {
    const transaction = writer.transaction();
    for (let edit = random.below(6); edit >= 0; edit--) {
      const switches = [...transaction.rows("Switch")];
      const uuid = switches.length === 0 ? undefined : pick(switches)._uuid;
      const kind = uuid === undefined ? 0 : random.below(7);
      if (kind === 0 || uuid === undefined) {
        const ports = Array.from({ length: random.below(4) }, (_, i) => transaction.insert("Port", { name: `p${i}`, tag: i }));
        transaction.insert("Switch", { name: `s${round}`, ports, friends: uuid === undefined ? [] : [uuid] });
      } else if (kind === 1 && switches.length > 4) transaction.delete("Switch", uuid);
      else if (kind === 2)
        transaction.mutate("Switch", uuid, "numbers", { insert: [random.below(9)], delete: [random.below(9)] });
      else if (kind === 3) {
        const insert = [[`k${random.below(4)}`, `v${random.below(3)}`]] as const;
        transaction.mutate("Switch", uuid, "options", { insert, delete: [`k${random.below(4)}`] });
      } else if (kind === 4)
        transaction.update("Switch", uuid, { ratio: random.below(2) === 0 ? undefined : random.below(100) / 8 });
      else if (kind === 5)
        transaction.update("Switch", uuid, { numbers: Array.from({ length: random.below(5) }, () => random.below(9)) });
      else
        transaction.update("Switch", uuid, {
          friends: switches.slice(0, 3).map((row) => row._uuid),
          name: `s${random.below(50)}`,
        });
    }
    const expected = Object.fromEntries([...transaction.rows("Switch")].map((row) => [row.name, row.numbers]));
    const result = await transaction.commit();
    expect(result.status === "error" ? result : undefined).toBeUndefined();
    if (result.status === "success") {
      committed++;
      for (const [name, numbers] of Object.entries(expected)) {
        expect(
          [...writer.table("Switch").rows()].filter((row) => row.name === name).some((row) => `${row.numbers}` === `${numbers}`),
        ).toBe(true);
      }
    }
    if (random.below(5) === 0) channels.at(-1)?.destroy();
    if (round === 75) {
      process.kill(pid);
      await runtime.clock.sleep(100);
      await startServer();
      while (writer.state !== "synced") await runtime.clock.sleep(20);
    }
  }
  expect(committed).toBeGreaterThan(100);
  const settle = replica();
  await settle.ready();
  const truth = contents(settle);
  await expect.poll(() => contents(reader), { timeout: 10_000 }).toEqual(truth);
  expect(contents(writer)).toEqual(truth);
  expect(mirror.size).toBe(settle.table("Switch").size + settle.table("Port").size);
});
