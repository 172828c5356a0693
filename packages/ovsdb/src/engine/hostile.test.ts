import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { expect, it } from "vitest";
import { OvsdbError } from "../error.ts";
import type { Json } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import { parseMonitorRequests } from "../monitor/specification.ts";
import { Database } from "./database.ts";
import { execute, TRUSTED } from "./operations.ts";

const SCHEMA: Json = {
  name: "h",
  version: "1.0.0",
  tables: {
    T: {
      isRoot: true,
      columns: {
        s: { type: "string" },
        i: { type: { key: { type: "integer", maxInteger: 9 }, min: 0, max: 3 } },
        m: { type: { key: "string", value: { type: "uuid", refTable: "T" }, min: 0, max: "unlimited" } },
        w: { type: { key: { type: "uuid", refTable: "T", refType: "weak" }, min: 0, max: 1 } },
      },
      indexes: [["s"]],
    },
  },
};

const word = fc.constantFrom(
  "T",
  "s",
  "i",
  "m",
  "w",
  "_uuid",
  "_version",
  "op",
  "insert",
  "select",
  "update",
  "mutate",
  "delete",
  "wait",
  "==",
  "until",
  "includes",
  "+=",
  "set",
  "map",
  "uuid",
  "named-uuid",
  "x",
  "00000000-0000-4000-8000-000000000001",
  "__proto__",
  "constructor",
);
/** JSON built from the words of the protocol, so that it often gets far before it is wrong. */
const { json: hostile } = fc.letrec<{ json: Json; object: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5 },
    word,
    fc.integer({ min: -3, max: 12 }),
    fc.constantFrom<Json>(null, true, false, 1.5, 9223372036854775807n, -0),
    fc.array(tie("json"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(word, tie("json"), { maxKeys: 4 }),
}));
const operation = fc.oneof(
  hostile,
  fc.record(
    {
      op: fc.constantFrom("insert", "update", "mutate", "select", "delete", "wait"),
      table: fc.constant("T"),
      where: hostile,
      row: hostile,
      mutations: hostile,
      columns: hostile,
      rows: hostile,
      until: word,
    },
    { requiredKeys: ["op", "table"] },
  ),
  fc.record({
    op: fc.constant("insert"),
    table: fc.constant("T"),
    row: fc.dictionary(fc.constantFrom("s", "i", "m", "w"), hostile, { maxKeys: 2 }),
  }),
  fc.record({
    op: fc.constantFrom("update", "delete"),
    table: fc.constant("T"),
    where: fc.array(fc.tuple(word, word, hostile), { maxLength: 2 }),
    row: fc.constant({}),
  }),
) as fc.Arbitrary<Json>; // records of Json

it("answers whatever operations with results, and stays usable", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4 }), (operations) => {
      const database = new Database(parseSchema(SCHEMA), virtualRuntime().random);
      execute(
        database,
        [{ op: "insert", table: "T", row: { s: "x", i: 1 }, uuid: "00000000-0000-4000-8000-000000000001" }],
        TRUSTED,
        0,
      );
      const outcome = execute(database, operations, TRUSTED, 0);
      if (outcome.done) expect(outcome.results.length).toBeGreaterThanOrEqual(operations.length);
      const after = execute(database, [{ op: "insert", table: "T", row: { s: "fine" } }], TRUSTED, 0);
      expect(after.done && after.results[0]).toEqual({ uuid: ["uuid", expect.any(String)] });
    }),
    { numRuns: 2000 },
  );
});

it("refuses whatever schemas and monitor requests with an OvsdbError", () => {
  const database = new Database(parseSchema(SCHEMA), virtualRuntime().random);
  const onlyOvsdbErrors = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(OvsdbError);
    }
  };
  fc.assert(
    fc.property(hostile, fc.dictionary(word, hostile), (any, columns) => {
      onlyOvsdbErrors(() => parseSchema(any));
      onlyOvsdbErrors(() => parseSchema({ name: "x", tables: { T: { columns: { c: { type: any } } } } }));
      onlyOvsdbErrors(() => parseSchema({ name: "x", tables: { T: { columns, indexes: any } } }));
      onlyOvsdbErrors(() => parseMonitorRequests(database, 2, any).initial());
      onlyOvsdbErrors(() => parseMonitorRequests(database, 2, { T: [{ where: [any] }] }).initial());
      onlyOvsdbErrors(() => parseMonitorRequests(database, 3, { T: any }).withConditions({ T: [{ where: [any] }] }));
    }),
    { numRuns: 2000 },
  );
});
