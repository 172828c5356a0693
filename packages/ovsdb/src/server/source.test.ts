import { seededRandom, type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { expect, it } from "vitest";
import { datumText } from "../datum.ts";
import type { Database } from "../engine/database.ts";
import { TRUSTED } from "../engine/operations.ts";
import type { Json } from "../jsonrpc/json.ts";
import { createDatabaseFile } from "../log/file.ts";
import { parseSchema } from "../model.ts";
import { createServer, memoryDatabase, type OvsdbServer } from "./server.ts";

const refs = (table: string, refType: "strong" | "weak") => ({
  key: { type: "uuid", refTable: table, refType },
  min: 0,
  max: "unlimited",
});
const SCHEMA = {
  name: "db",
  version: "1.0.0",
  tables: {
    R: {
      isRoot: true,
      columns: {
        name: { type: "string" },
        kids: { type: refs("N", "strong") },
        seen: { type: refs("N", "weak") },
        map: { type: { key: "string", value: "integer", min: 0, max: "unlimited" } },
        one: { type: { key: "integer", min: 0, max: 1 } },
      },
      indexes: [["name"]],
    },
    N: { columns: { name: { type: "string" } } },
  },
} as const;

/** The contents as text: the same for databases that hold the same. */
function contents(database: Database): string[] {
  return [...database.tables.values()]
    .flatMap((table) =>
      [...table.rows()].map((row) => {
        const cells = table.schema.columns.map((column) => `${column.name}=${datumText(row.cells[column.index]!, column.type)}`);
        return `${table.name} ${row.uuid} ${cells.sort().join(" ")}`;
      }),
    )
    .sort();
}

/** Operations of a transaction; many fail, some change nothing. */
function transaction(below: (bound: number) => number): Json[] {
  const where: Json = below(3) === 0 ? [] : [["name", "==", `r${below(6)}`]];
  const map: Json = ["map", [[`k${below(3)}`, below(4)]]];
  const of: readonly (() => Json[])[] = [
    () => [
      { op: "insert", table: "N", row: { name: `n${below(9)}` }, "uuid-name": "n" },
      { op: "insert", table: "R", row: { name: `r${below(6)}`, kids: ["named-uuid", "n"], seen: ["named-uuid", "n"], map } },
    ],
    () => [
      { op: "insert", table: "N", row: { name: "more" }, "uuid-name": "n" },
      {
        op: "mutate",
        table: "R",
        where,
        mutations: [
          ["kids", "insert", ["named-uuid", "n"]],
          ["seen", "insert", ["named-uuid", "n"]],
        ],
      },
    ],
    () => [{ op: "mutate", table: "R", where, mutations: [["map", below(2) === 0 ? "insert" : "delete", map]] }],
    () => [{ op: "update", table: "R", where, row: { one: below(2) === 0 ? below(5) : ["set", []] } }],
    () => [{ op: "update", table: "R", where, row: { kids: ["set", []] } }],
    () => [{ op: "update", table: "N", where: [], row: { name: `n${below(9)}` } }],
    () => [{ op: "delete", table: "R", where }],
  ];
  return of[below(of.length)]!();
}

/** Random transactions on `write`, with the connection cut now and then; after each pause the copy is as the source. */
async function follow(runtime: VirtualRuntime, source: OvsdbServer, copy: OvsdbServer, write: OvsdbServer): Promise<void> {
  const random = seededRandom(11);
  const database = (server: OvsdbServer): Database => server.databases.get("db")!.database;
  await runtime.clock.advance(100);
  let most = 0;
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 5; i++)
      write.databases.get("db")!.transact(
        transaction((bound) => random.below(bound)),
        TRUSTED,
        () => {},
      );
    if (random.below(8) === 0) source.disconnectAll("for the test");
    await runtime.clock.advance(20_000);
    expect(contents(database(copy))).toEqual(contents(database(source)));
    most = Math.max(most, database(source).size);
  }
  expect(most).toBeGreaterThan(5);
}

async function serveSource(runtime: VirtualRuntime): Promise<OvsdbServer> {
  return createServer({ runtime, databases: [memoryDatabase(runtime, SCHEMA)], remotes: ["pmemory:source"] });
}

it("a relay is its source after any transactions on either and any loss of the connection", async () => {
  const runtime = virtualRuntime({ seed: 3 });
  const source = await serveSource(runtime);
  const relay = await createServer({ runtime, databases: ["relay:db:memory:source"] });
  await follow(runtime, source, relay, source);
  await follow(runtime, source, relay, relay);
  await relay.close();
  await source.close();
});

it("a relay of a relay is the first source", async () => {
  const runtime = virtualRuntime({ seed: 4 });
  const source = await serveSource(runtime);
  const middle = await createServer({ runtime, databases: ["relay:db:memory:source"], remotes: ["pmemory:middle"] });
  const relay = await createServer({ runtime, databases: ["relay:db:memory:middle"] });
  await follow(runtime, source, relay, relay);
  for (const server of [relay, middle, source]) await server.close();
});

it("a backup is its active server, in its file too", async () => {
  const runtime = virtualRuntime({ seed: 5 });
  const source = await serveSource(runtime);
  await createDatabaseFile(runtime.files, "/db", parseSchema(SCHEMA));
  const backup = await createServer({ runtime, databases: ["/db"] });
  backup.startBackup("db", { remote: "memory:source" }, new Set());
  await follow(runtime, source, backup, source);
  await backup.close();
  const again = await createServer({ runtime, databases: ["/db"] });
  expect(contents(again.databases.get("db")!.database)).toEqual(contents(source.databases.get("db")!.database));
  await again.close();
  await source.close();
});
