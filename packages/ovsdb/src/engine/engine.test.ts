import { virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { isObject, type Json } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import { Database } from "./database.ts";
import { execute, TRUSTED } from "./operations.ts";

const SCHEMA = parseSchema({
  name: "test",
  version: "1.0.0",
  tables: {
    Root: {
      isRoot: true,
      maxRows: 4,
      columns: {
        name: { type: "string" },
        strong: { type: { key: { type: "uuid", refTable: "Leaf" }, min: 0, max: "unlimited" } },
        weak: { type: { key: { type: "uuid", refTable: "Leaf", refType: "weak" }, min: 0, max: "unlimited" } },
        small: { type: { key: { type: "integer", minInteger: 0, maxInteger: 9 }, min: 0, max: 2 } },
        map: { type: { key: "string", value: "integer", min: 0, max: "unlimited" } },
      },
      indexes: [["name"]],
    },
    Leaf: { columns: { name: { type: "string" }, next: { type: { key: { type: "uuid", refTable: "Leaf" }, min: 0 } } } },
  },
});

function newDatabase(): { run: (...operations: Json[]) => readonly Json[]; database: Database } {
  const database = new Database(SCHEMA, virtualRuntime({ seed: 1 }).random);
  return {
    database,
    run: (...operations) => {
      const outcome = execute(database, operations, TRUSTED, 0);
      if (!outcome.done) return ["blocked"];
      return outcome.results;
    },
  };
}

function errorOf(results: readonly Json[]): Json | undefined {
  const last = results.at(-1);
  return isObject(last) ? last.error : undefined;
}

describe("execute", () => {
  it("collects rows that nothing refers to, through chains of references", () => {
    const { run, database } = newDatabase();
    run(
      { op: "insert", table: "Leaf", row: { name: "a", next: ["named-uuid", "b"] }, "uuid-name": "a" },
      { op: "insert", table: "Leaf", row: { name: "b" }, "uuid-name": "b" },
      { op: "insert", table: "Leaf", row: { name: "garbage" } },
      { op: "insert", table: "Root", row: { name: "r", strong: ["named-uuid", "a"], weak: ["named-uuid", "b"] } },
    );
    expect(run({ op: "select", table: "Leaf", where: [], columns: ["name"] })).toEqual([
      { rows: [{ name: "a" }, { name: "b" }] },
    ]);
    run({ op: "update", table: "Root", where: [], row: { strong: ["set", []] } });
    expect(database.table("Leaf")!.size).toBe(0);
    expect(run({ op: "select", table: "Root", where: [], columns: ["weak"] })).toEqual([{ rows: [{ weak: ["set", []] }] }]);
  });

  it("takes everything back when a later operation fails", () => {
    const { run, database } = newDatabase();
    const results = run(
      { op: "insert", table: "Root", row: { name: "x" } },
      { op: "abort" },
      { op: "comment", comment: "never" },
    );
    expect(results[1]).toEqual({ error: "aborted", details: "aborted by request" });
    expect(results[2]).toBeNull();
    expect(database.size).toBe(0);
  });

  it("lets rows swap unique values within a transaction and refuses duplicates at its end", () => {
    const { run } = newDatabase();
    run({ op: "insert", table: "Root", row: { name: "a" } }, { op: "insert", table: "Root", row: { name: "b" } });
    const rename = (from: string, to: string): Json => ({
      op: "update",
      table: "Root",
      where: [["name", "==", from]],
      row: { name: to },
    });
    expect(run(rename("a", "x"), rename("b", "a"), rename("x", "b"))).toEqual([{ count: 1 }, { count: 1 }, { count: 1 }]);
    expect(errorOf(run(rename("a", "b")))).toBe("constraint violation");
    expect(run({ op: "select", table: "Root", where: [["name", "==", "a"]], columns: ["name"] })).toEqual([
      { rows: [{ name: "a" }] },
    ]);
  });

  it("refuses to delete what is referred to and to refer to what is not there", () => {
    const { run } = newDatabase();
    run(
      { op: "insert", table: "Leaf", row: {}, "uuid-name": "l" },
      { op: "insert", table: "Root", row: { strong: ["named-uuid", "l"] } },
    );
    expect(errorOf(run({ op: "delete", table: "Leaf", where: [] }))).toBe("referential integrity violation");
    expect(errorOf(run({ op: "update", table: "Root", where: [], row: { strong: ["named-uuid", "nobody"] } }))).toBe(
      "referential integrity violation",
    );
  });

  it("keeps the old value where an insert mutation names a key that is there", () => {
    const { run } = newDatabase();
    run({ op: "insert", table: "Root", row: { map: ["map", [["k", 1]]] } });
    run({
      op: "mutate",
      table: "Root",
      where: [],
      mutations: [
        [
          "map",
          "insert",
          [
            "map",
            [
              ["k", 2],
              ["l", 3],
            ],
          ],
        ],
      ],
    });
    expect(run({ op: "select", table: "Root", where: [], columns: ["map"] })).toEqual([
      {
        rows: [
          {
            map: [
              "map",
              [
                ["k", 1],
                ["l", 3],
              ],
            ],
          },
        ],
      },
    ]);
  });

  it("blocks on a wait that does not hold and changes nothing", () => {
    const { run, database } = newDatabase();
    const wait: Json = { op: "wait", table: "Root", where: [], columns: ["name"], until: "==", rows: [{ name: "nobody" }] };
    expect(run({ op: "insert", table: "Root", row: {} }, wait)).toEqual(["blocked"]);
    expect(database.size).toBe(0);
  });
});
