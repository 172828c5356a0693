import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isObject, type Json } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import { Database, references } from "./database.ts";
import { execute, TRUSTED } from "./operations.ts";

const strongs = (table: string, max: number | "unlimited"): Json => ({ key: { type: "uuid", refTable: table }, min: 0, max });
const weaks = (table: string): Json => ({ key: { type: "uuid", refTable: table, refType: "weak" }, min: 0, max: "unlimited" });
const SCHEMA = parseSchema({
  name: "random",
  version: "1.0.0",
  tables: {
    R: {
      isRoot: true,
      columns: {
        name: { type: "string" },
        n: { type: { key: { type: "integer", minInteger: -2, maxInteger: 4 } } },
        kids: { type: strongs("N", "unlimited") },
        one: { type: strongs("N", 1) },
        named: { type: { key: "string", value: { type: "uuid", refTable: "N" }, min: 0, max: "unlimited" } },
        weak: { type: weaks("N") },
        peers: { type: weaks("R") },
      },
      indexes: [["name", "n"]],
    },
    N: {
      columns: { name: { type: "string" }, next: { type: strongs("N", "unlimited") }, seen: { type: weaks("R") } },
      indexes: [["name"]],
    },
  },
});

/** Recounts everything from the rows alone. */
function checkInvariants(database: Database): void {
  const strong = new Map<string, number>();
  const weak = new Map<string, number>();
  for (const table of database.tables.values()) {
    expect(table.touched).toEqual([]);
    for (const slot of table.slots) {
      const { uuid } = slot;
      expect(table.slots.get(uuid)).toBe(slot);
      expect(slot.change).toBe(undefined);
      for (const column of table.schema.columns) {
        const cell = slot.row!.cells[column.index]!;
        for (const [target, ref] of references(column.type, cell, "strong")) {
          expect(database.table(target)!.slots.has(ref)).toBe(true);
          if (ref !== uuid || target !== table.name) strong.set(`${target} ${ref}`, (strong.get(`${target} ${ref}`) ?? 0) + 1);
        }
        for (const [target, ref] of references(column.type, cell, "weak")) {
          expect(database.table(target)!.slots.has(ref)).toBe(true);
          const key = `${table.name} ${uuid} ${target} ${ref}`;
          weak.set(key, (weak.get(key) ?? 0) + 1);
        }
      }
    }
    for (const index of table.indexes) {
      expect(index.size).toBe(table.slots.size);
      for (const slot of table.slots) expect(index.get(index.keyOf(slot.row!))).toBe(slot);
    }
  }
  const weakKept = new Map<string, number>();
  for (const table of database.tables.values()) {
    for (const slot of table.slots) {
      const { uuid } = slot;
      expect(slot.refs).toBe(strong.get(`${table.name} ${uuid}`) ?? 0);
      if (!table.schema.isRoot) expect(slot.refs).toBeGreaterThan(0);
      for (const [source, count] of table.weakIn.get(slot) ?? [])
        weakKept.set(`${source.table.name} ${source.uuid} ${table.name} ${uuid}`, count);
    }
  }
  expect(weakKept).toEqual(weak);
}

function dump(database: Database): unknown {
  return [...database.tables.values()].map((table) => [...table.rows()].map((row) => [row.uuid, row.cells]).sort());
}

const name = fc.constantFrom("a", "b", "c", "d");
const small = fc.integer({ min: -2, max: 4 });
const symbol = fc.constantFrom("x", "y");
const uuidOf = fc.nat(2).map((i) => ["uuid", `00000000-0000-4000-8000-00000000000${i}`] as Json);
const reference = fc.oneof(
  uuidOf,
  symbol.map((s) => ["named-uuid", s] as Json),
);
const set = fc
  .uniqueArray(reference, { maxLength: 2, selector: (value) => JSON.stringify(value) })
  .map((refs) => ["set", refs] as Json);
const rootRow = fc.record(
  {
    name,
    n: small,
    kids: set,
    one: fc.oneof(reference, fc.constant<Json>(["set", []])),
    named: fc.tuple(name, reference).map((pair) => ["map", [pair]] as Json),
    weak: set,
    peers: set,
  },
  { requiredKeys: [] },
);
const nodeRow = fc.record({ name, next: set, seen: set }, { requiredKeys: [] });
const where = fc.oneof(
  fc.constant<Json>([]),
  name.map((value) => [["name", "==", value]] as Json),
  uuidOf.map((value) => [["_uuid", "==", value]] as Json),
);
const insert = (table: string, row: fc.Arbitrary<Record<string, Json>>): fc.Arbitrary<Json> =>
  fc.record({ row, symbol: fc.option(symbol, { nil: undefined }), uuid: fc.nat(2) }).map(({ row, symbol, uuid }) => ({
    op: "insert",
    table,
    row,
    uuid: `00000000-0000-4000-8000-00000000000${uuid}`,
    ...(symbol === undefined ? {} : { "uuid-name": symbol }),
  }));
const family: fc.Arbitrary<Json[]> = fc.tuple(fc.nat(2), fc.nat(2), name, name).map(([root, node, a, b]) => [
  { op: "insert", table: "N", row: { name: a }, uuid: `00000000-0000-4000-8000-00000000000${node}`, "uuid-name": "x" },
  {
    op: "insert",
    table: "R",
    row: { name: b, kids: ["named-uuid", "x"], weak: ["named-uuid", "x"] },
    uuid: `00000000-0000-4000-8000-00000000000${root}`,
  },
]);
const operation: fc.Arbitrary<Json> = fc.oneof(
  insert("R", rootRow as fc.Arbitrary<Record<string, Json>>), // records of Json
  insert("N", nodeRow as fc.Arbitrary<Record<string, Json>>), // as above
  fc.record({ where, row: rootRow }).map(({ where, row }) => ({ op: "update", table: "R", where, row }) as Json),
  fc.record({ where, row: nodeRow }).map(({ where, row }) => ({ op: "update", table: "N", where, row }) as Json),
  fc
    .record({ where, refs: set, mutator: fc.constantFrom("insert", "delete") })
    .map(({ where, refs, mutator }) => ({ op: "mutate", table: "R", where, mutations: [["kids", mutator, refs]] }) as Json),
  fc
    .record({ where, by: small })
    .map(({ where, by }) => ({ op: "mutate", table: "R", where, mutations: [["n", "+=", by]] }) as Json),
  fc.record({ table: fc.constantFrom("R", "N"), where }).map(({ table, where }) => ({ op: "delete", table, where }) as Json),
  fc.constantFrom<Json>({ op: "comment", comment: "c" }, { op: "comment", comment: "d" }, { op: "abort" }),
);

it("keeps references, garbage and indexes right, and takes failed transactions back, whatever the transactions", () => {
  let commits = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(family, fc.array(operation, { minLength: 1, maxLength: 3 })), { minLength: 5, maxLength: 40 }),
      (transactions) => {
        const database = new Database(SCHEMA, virtualRuntime({ seed: 7 }).random);
        for (const operations of transactions) {
          const before = dump(database);
          const outcome = execute(database, operations, TRUSTED, 0);
          expect(outcome.done).toBe(true);
          if (!outcome.done) return;
          const failed = outcome.results.some((result) => isObject(result) && result.error !== undefined);
          expect(failed).toBe(outcome.commit === undefined);
          if (outcome.commit === undefined) expect(dump(database)).toEqual(before);
          else if (outcome.commit.deltas.length > 0) {
            commits++;
            const after = dump(database);
            database.revert(outcome.commit.deltas);
            expect(dump(database)).toEqual(before);
            checkInvariants(database);
            // And forth again: a delta is its own inverse the other way round.
            database.revert(outcome.commit.deltas.map((delta) => ({ ...delta, before: delta.after, after: delta.before })));
            expect(dump(database)).toEqual(after);
          }
          checkInvariants(database);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(commits).toBeGreaterThan(200);
}, 120_000);
