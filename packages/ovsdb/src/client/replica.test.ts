import { type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { describe, expect, test } from "vitest";
import type { Channel } from "../jsonrpc/channel.ts";
import type { Replica } from "../replica.ts";
import type { SchemaJson } from "../schema.ts";
import { createServer, memoryDatabase, type OvsdbServer } from "../server/server.ts";
import type { Uuid } from "../value.ts";
import { createReplica, type ReplicaOptions } from "./index.ts";

const schema = {
  name: "Test",
  version: "1.0.0",
  tables: {
    Node: {
      columns: {
        name: { type: "string" },
        next: { type: { key: { type: "uuid", refTable: "Node", refType: "weak" }, min: 0, max: "unlimited" } },
        labels: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        weight: { type: "integer" },
      },
      isRoot: true,
    },
  },
} as const satisfies SchemaJson;
type S = typeof schema;

async function start(seed = 1): Promise<{
  runtime: VirtualRuntime;
  server: OvsdbServer;
  open: Channel[];
  replica: (more?: Partial<ReplicaOptions<S>>) => Replica<S>;
}> {
  const runtime = virtualRuntime({ seed });
  const server = await createServer({ runtime, databases: [memoryDatabase(runtime, schema)] });
  const open: Channel[] = [];
  const connect = async () => {
    const channel = server.connect();
    open.push(channel);
    return channel;
  };
  return {
    runtime,
    server,
    open,
    replica: (more = {}) => createReplica({ runtime, schema, remotes: ["memory:db"], connect, ...more }),
  };
}

describe("a replica within the process", () => {
  test("rows written by one are read by another", async () => {
    const { runtime, replica } = await start();
    const [writer, reader] = [replica(), replica()];
    const names: string[][] = [];
    reader.onChange(({ changes, reset }) => names.push([reset ? "all" : "change", ...changes.map(({ table }) => table)]));
    await runtime.clock.advance(1);
    const transaction = writer.transaction();
    const a = transaction.insert("Node", { name: "a", labels: [["x", "1"]] });
    transaction.insert("Node", { name: "b", next: [a] });
    const result = transaction.commit();
    await runtime.clock.advance(1);
    expect(await result).toMatchObject({ status: "success" });
    expect(names).toEqual([["all"], ["change", "Node", "Node"]]);
    const byName = reader.table("Node").index("name", (row) => [row.name]);
    expect(byName.get("b")[0]?.next).toEqual(byName.get("a").map(({ _uuid }) => _uuid));
  });

  test("a large set follows single changes at its ends and within, in order", async () => {
    const { runtime, replica } = await start();
    const [writer, reader] = [replica(), replica()];
    await runtime.clock.advance(1);
    const transaction = writer.transaction();
    const nodes = Array.from({ length: 40 }, (_, i) => transaction.insert("Node", { name: `n${i}` }));
    const holder = transaction.insert("Node", { name: "holder", next: nodes.slice(5) });
    const committed = transaction.commit();
    await runtime.clock.advance(1);
    const result = await committed;
    if (result.status !== "success") throw new TypeError(result.status);
    const uuid = result.inserted.get(holder.rowHandle)!;
    const [first, last, ...rest] = nodes.map(({ rowHandle }) => result.inserted.get(rowHandle)!).sort();
    const shown = () => reader.table("Node").get(uuid)!.next;
    for (const next of [rest, [...rest, last!], [first!, ...rest], rest.filter((_, i) => i !== 7 && i !== 20)]) {
      const change = writer.transaction();
      change.update("Node", uuid, { next });
      void change.commit();
      await runtime.clock.advance(1);
      expect(shown()).toEqual([...next].sort());
    }
  });

  test("rows that nobody follows can be fetched by a condition", async () => {
    const { runtime, replica } = await start();
    const [writer, reader] = [replica(), replica({ monitor: {} })];
    await runtime.clock.advance(1);
    const transaction = writer.transaction();
    for (const name of ["a", "b", "c"]) transaction.insert("Node", { name, weight: 7 });
    void transaction.commit();
    await runtime.clock.advance(1);
    expect(reader.table("Node").size).toBe(0);
    const fetched = reader.fetch!([
      { table: "Node", where: [["name", "==", "a"]] },
      { table: "Node", where: [["name", "==", "b"]], columns: ["name"] },
    ]);
    await runtime.clock.advance(1);
    await fetched;
    expect([...reader.table("Node").rows()].map(({ name, weight }) => [name, weight])).toEqual([
      ["a", 7],
      ["b", 0],
    ]);
    const refused = reader.fetch!([{ table: "Node", where: [["name", "<", "a"]] }]);
    const outcome = expect(refused).rejects.toThrow("Node: bad reply to select");
    await runtime.clock.advance(1);
    await outcome;
  });

  test("a lost connection comes back after a pause", async () => {
    const { runtime, replica, open } = await start();
    const states: string[] = [];
    const db = replica();
    db.onState((state) => states.push(state));
    await runtime.clock.advance(1);
    open[0]?.destroy();
    await runtime.clock.advance(500);
    expect(db.state).toBe("connecting");
    await runtime.clock.advance(1000);
    expect(states).toEqual(["filling", "synced", "connecting", "filling", "synced"]);
  });

  test("a transaction without a connection is to be tried again", async () => {
    const { replica } = await start();
    const transaction = replica().transaction();
    transaction.insert("Node", { name: "a" });
    expect(await transaction.commit()).toEqual({ status: "try-again" });
  });

  test("columns that are not followed have their defaults, and can be written", async () => {
    const { runtime, replica } = await start();
    const [all, some] = [replica(), replica({ monitor: { Node: ["name"] } })];
    await runtime.clock.advance(1);
    const transaction = some.transaction();
    transaction.insert("Node", { name: "a", weight: 7 });
    void transaction.commit();
    await runtime.clock.advance(1);
    expect([...some.table("Node").rows()][0]).toMatchObject({ name: "a", weight: 0 });
    expect([...all.table("Node").rows()][0]).toMatchObject({ name: "a", weight: 7 });
  });

  test("a row inserted under a uuid of the program's is shown as it was written, where the server tells the same of it", async () => {
    const { runtime, replica } = await start();
    const db = replica();
    await runtime.clock.advance(1);
    const uuid = () => runtime.random.uuid() as Uuid;
    const [kept, altered, labels] = [uuid(), uuid(), new Map([["x", "1"]])];
    const transaction = db.transaction();
    transaction.insert("Node", { name: "kept", labels, next: [altered] }, kept);
    // The server takes a weak reference to a row that is not there out.
    transaction.insert("Node", { name: "altered", next: [uuid(), kept] }, altered);
    void transaction.commit();
    await runtime.clock.advance(1);
    expect(db.table("Node").get(kept)).toEqual({ _uuid: kept, name: "kept", labels, next: [altered], weight: 0 });
    expect(db.table("Node").get(kept)?.labels).toBe(labels);
    expect(db.table("Node").get(altered)?.next).toEqual([kept]);
  });
});

describe("after random transactions and lost connections the replica is the database", () => {
  test.each([1, 2, 3, 4, 5])("seed %i", async (seed) => {
    const { runtime, replica, open } = await start(seed);
    const { random, clock } = runtime;
    const [writer, reader] = [replica({ backoff: { min: 1, max: 4 } }), replica({ backoff: { min: 1, max: 4 } })];
    await clock.advance(1);
    for (let round = 0; round < 120; round++) {
      const transaction = writer.transaction();
      for (let edit = random.below(4); edit >= 0; edit--) {
        const rows = [...transaction.rows("Node")];
        const row = rows[random.below(Math.max(1, rows.length))];
        const kind = row === undefined ? 0 : random.below(5);
        if (row === undefined || kind === 0)
          transaction.insert(
            "Node",
            { name: `n${round}`, next: row === undefined ? [] : [row._uuid] },
            round % 2 === 0 ? transaction.reserve() : (random.uuid() as Uuid),
          );
        else if (kind === 1 && rows.length > 5) transaction.delete("Node", row._uuid);
        else if (kind === 2)
          transaction.mutate("Node", row._uuid, "next", {
            insert: rows.slice(0, 2).map(({ _uuid }) => _uuid),
            delete: row.next.slice(1),
          });
        else if (kind === 3)
          transaction.mutate("Node", row._uuid, "labels", {
            insert: [[`k${random.below(3)}`, `v${round}`]],
            delete: [`k${random.below(3)}`],
          });
        else transaction.update("Node", row._uuid, { weight: random.below(9), labels: [] });
      }
      void transaction.commit();
      if (random.below(4) === 0) open[random.below(open.length)]?.destroy();
      await clock.advance(random.below(6));
    }
    await clock.advance(100);
    const truth = replica();
    await clock.advance(1);
    const rows = (db: Replica<S>) => [...db.table("Node").rows()].sort((a, b) => (a._uuid < b._uuid ? -1 : 1));
    expect(rows(truth).length).toBeGreaterThan(0);
    expect(rows(reader)).toEqual(rows(truth));
    expect(rows(writer)).toEqual(rows(truth));
  });
});
