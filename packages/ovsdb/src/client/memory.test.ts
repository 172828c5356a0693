import { describe, expect, test } from "vitest";
import type { SchemaJson } from "../schema.ts";
import type { Uuid } from "../value.ts";
import { memoryReplica } from "./memory.ts";

const schema = {
  name: "Test",
  version: "1.0.0",
  tables: {
    Switch: {
      columns: {
        name: { type: "string" },
        ports: { type: { key: { type: "uuid", refTable: "Port", refType: "strong" }, min: 0, max: "unlimited" } },
        friend: { type: { key: { type: "uuid", refTable: "Switch", refType: "weak" }, min: 0, max: 1 } },
        options: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        generation: { type: "integer" },
      },
      isRoot: true,
    },
    Port: { columns: { name: { type: "string" }, tag: { type: { key: "integer", min: 0, max: 1 } } } },
  },
} as const satisfies SchemaJson;

describe("a replica in memory", () => {
  test("rows have defaults for what was not said", () => {
    const db = memoryReplica(schema);
    const uuid = db.insert("Switch", { name: "a" });
    expect(db.table("Switch").get(uuid)).toEqual({
      _uuid: uuid,
      name: "a",
      ports: [],
      friend: undefined,
      options: new Map(),
      generation: 0,
    });
  });

  test("one change set for a transaction, told after the rows have changed", async () => {
    const db = memoryReplica(schema);
    const told: string[] = [];
    db.onChange(({ changes }) =>
      told.push(...changes.map(({ table, after }) => `${table} ${after === undefined ? "gone" : "here"}`)),
    );
    const transaction = db.transaction();
    const port = transaction.insert("Port", { name: "p" });
    transaction.insert("Switch", { name: "a", ports: [port] });
    expect(await transaction.commit()).toMatchObject({ status: "success" });
    expect(told).toEqual(["Port here", "Switch here"]);
  });

  test("a transaction reads its own writes", () => {
    const db = memoryReplica(schema);
    const uuid = db.insert("Switch", { name: "a", options: [["x", "1"]] });
    const transaction = db.transaction();
    transaction.mutate("Switch", uuid, "options", { insert: [["y", "2"]], delete: ["x"] });
    expect(transaction.row("Switch", uuid)?.options).toEqual(new Map([["y", "2"]]));
    expect(db.table("Switch").get(uuid)?.options).toEqual(new Map([["x", "1"]]));
  });

  test("writing what is there already is nothing to commit", async () => {
    const db = memoryReplica(schema);
    const uuid = db.insert("Switch", { name: "a" });
    const transaction = db.transaction();
    transaction.update("Switch", uuid, { name: "a", options: [] });
    expect(transaction.empty).toBe(true);
    expect(await transaction.commit()).toMatchObject({ status: "unchanged" });
  });

  test("unreferenced rows go, weak references to deleted rows vanish", () => {
    const db = memoryReplica(schema);
    const [a, b] = db.edit((t) => {
      const a = t.insert("Switch", { name: "a", ports: [t.insert("Port", { name: "p" })] });
      return [a.rowHandle as Uuid, t.insert("Switch", { name: "b", friend: a }).rowHandle as Uuid];
    });
    db.delete("Switch", a);
    expect(db.table("Port").size).toBe(0);
    expect(db.table("Switch").get(b)?.friend).toBeUndefined();
  });

  test("an index follows the rows", () => {
    const db = memoryReplica(schema);
    const byName = db.table("Switch").index("name", (row) => [row.name]);
    const uuid = db.insert("Switch", { name: "a" });
    db.update("Switch", uuid, { name: "b" });
    expect(byName.get("a")).toEqual([]);
    expect(byName.get("b").map((row) => row._uuid)).toEqual([uuid]);
  });

  test("an increment is told with the result", async () => {
    const db = memoryReplica(schema);
    const uuid = db.insert("Switch", { generation: 4 });
    const transaction = db.transaction();
    transaction.increment("Switch", uuid, "generation", 1);
    expect(await transaction.commit()).toMatchObject({ status: "success", increment: 5 });
    expect(db.table("Switch").get(uuid)?.generation).toBe(5);
  });

  test("rows in wire form", () => {
    const db = memoryReplica(schema);
    const uuid = "00000000-0000-4000-8000-000000000001" as Uuid;
    db.apply({ Port: { [uuid]: { name: "p", tag: ["set", [7]] } } });
    expect(db.table("Port").get(uuid)?.tag).toBe(7);
    db.apply({ Port: { [uuid]: null } });
    expect(db.table("Port").size).toBe(0);
  });
});
