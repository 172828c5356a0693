import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Kind, Servers, until } from "./servers.ts";

const SCHEMA = {
  name: "X",
  version: "1.1.0",
  tables: {
    A: {
      isRoot: true,
      columns: { n: { type: "string" }, b: { type: { key: { type: "uuid", refTable: "B" }, min: 0, max: "unlimited" } } },
    },
    B: { columns: { n: { type: "string" }, m: { type: { key: "string", value: "string", min: 0, max: "unlimited" } } } },
    C: { isRoot: true, columns: { n: { type: "string" } } },
    D: { isRoot: true, columns: { n: { type: "string" } } },
  },
};

const started: Servers[] = [];
afterEach(async () => {
  for (const servers of started.splice(0)) await servers.stop();
});

async function prepare(...databases: readonly string[]): Promise<Servers> {
  const servers = new Servers();
  started.push(servers);
  writeFileSync(join(servers.dir, "x.ovsschema"), JSON.stringify(SCHEMA));
  writeFileSync(join(servers.dir, "old.ovsschema"), JSON.stringify({ ...SCHEMA, version: "1.0.0" }));
  const { C: _, ...fewer } = SCHEMA.tables;
  writeFileSync(join(servers.dir, "fewer.ovsschema"), JSON.stringify({ ...SCHEMA, version: "1.0.0", tables: fewer }));
  for (const database of databases) await servers.create(database, "x.ovsschema");
  return servers;
}

const PAIRS: readonly (readonly [Kind, Kind])[] = [
  ["reference", "reference"],
  ["reference", "weft"],
  ["weft", "reference"],
  ["weft", "weft"],
];

const insert = (table: string, n: string) => ({ op: "insert", table, row: { n } });
const select = (table: string) => ({ op: "select", table, where: [], columns: ["n"] });
const rows = (...names: readonly string[]) => [{ rows: names.map((n) => ({ n })) }];

/** The names in a table, once they are these. */
async function namesAt(servers: Servers, server: string, table: string, expected: readonly string[]): Promise<unknown> {
  let reply: unknown;
  await until(async () => {
    reply = sorted(await servers.transact(server, "X", select(table)));
    return JSON.stringify(reply) === JSON.stringify(rows(...expected));
  });
  return reply;
}

function sorted(reply: unknown): unknown {
  const [first] = reply as { rows?: { n: string }[] }[];
  first?.rows?.sort((a, b) => (a.n < b.n ? -1 : 1));
  return reply;
}

/** The life of a backup: everything that is answered on the way. */
async function backupStory(active: Kind, backup: Kind): Promise<unknown[]> {
  const servers = await prepare("a", "b");
  const names = (server: string, table: string, ...expected: readonly string[]) => namesAt(servers, server, table, expected);
  const told: unknown[] = [];
  await servers.start(active, "a", ["a.db"]);
  const first = { op: "insert", table: "B", row: { n: "b1", m: ["map", [["k", "v"]]] }, "uuid-name": "b" };
  await servers.transact("a", "X", first, { ...insert("A", "a1"), row: { n: "a1", b: ["named-uuid", "b"] } }, insert("D", "d1"));
  await servers.start(backup, "b", ["b.db", `--sync-from=${servers.socket("a")}`, "--sync-exclude-tables=X:D,X:C"]);
  told.push(await names("b", "A", "a1"), await names("b", "B", "b1"), await names("b", "D"));
  const status = (command = "sync-status") => servers.control("b", command);
  told.push(await status(), await status("get-active-ovsdb-server"), await status("get-sync-exclude-tables"));
  told.push(
    await servers.transact("b", "X", insert("A", "no")),
    await servers.transact("b", "X", { op: "comment", comment: "x" }),
  );
  // Changes of all kinds arrive, and what they leave unreferenced goes.
  const change = { op: "mutate", table: "B", where: [], mutations: [["m", "insert", ["map", [["l", "w"]]]]] };
  await servers.transact("a", "X", change, { op: "update", table: "A", where: [], row: { n: "a2" } }, insert("C", "c"));
  told.push(
    await names("b", "A", "a2"),
    await servers.transact("b", "X", { op: "select", table: "B", where: [], columns: ["m"] }),
  );
  await servers.transact("a", "X", { op: "update", table: "A", where: [], row: { b: ["set", []] } });
  told.push(await names("b", "B"), await names("b", "C"));
  // The roles change: what was written meanwhile on the backup is gone when it follows again.
  told.push(await status("disconnect-active-ovsdb-server"), await status());
  await servers.transact("b", "X", insert("A", "mine"));
  told.push(await names("b", "A", "a2", "mine"), await status("connect-active-ovsdb-server"), await names("b", "A", "a2"));
  told.push(await status("get-active-ovsdb-server"));
  // Other tables are left out from now on. (The reference's server dies of it here.)
  if (backup === "weft") {
    expect(await servers.control("b", "set-sync-exclude-tables", "X:C")).toBe("");
    expect(await names("b", "D", "d1")).toEqual(rows("d1"));
    expect(await status()).toBe("database: X\nstate: backup\nreplicating: unix:DIR/a.sock\nexclude: X:C\n");
    await servers.control("b", "set-sync-exclude-tables", "X:D,X:C");
  }
  // The active server dies and comes back.
  await servers.kill("a", "SIGKILL");
  await servers.start(active, "a", ["a.db"]);
  await servers.transact("a", "X", insert("A", "after"));
  told.push(await names("b", "A", "a2", "after"), await status());
  // And the backup's file has it all.
  await servers.kill("b");
  await servers.start(backup, "b", ["b.db"]);
  told.push(await names("b", "A", "a2", "after"), await status(), await status("connect-active-ovsdb-server"));
  return told;
}

test("a backup of ours, of the reference and of each other live the same life", async () => {
  const [theirs, ...others] = await Promise.all(PAIRS.map(([first, second]) => backupStory(first, second)));
  for (const other of others) expect(other).toEqual(theirs);
});

test("a backup of another schema version replicates what it can, and says why where it cannot", async () => {
  const servers = await prepare("a");
  await servers.create("old", "old.ovsschema");
  await servers.create("fewer", "fewer.ovsschema");
  await servers.start("reference", "a", ["a.db"]);
  await servers.transact("a", "X", insert("C", "c1"));
  const from = `--sync-from=${servers.socket("a")}`;
  for (const kind of ["reference", "weft"] as const) {
    await servers.start(kind, "old", ["old.db", from]);
    expect(await namesAt(servers, "old", "C", ["c1"])).toEqual(rows("c1"));
    expect(servers.log("old")).toContain("X: Schema version mismatch, checking if X can still be replicated or not.");
    await servers.start(kind, "fewer", ["fewer.db", from]);
    await until(() => servers.log("fewer").includes("cannot be replicated"));
    expect(servers.log("fewer")).toContain("Table C not present in the local db schema");
    await servers.kill("old");
    await servers.kill("fewer");
  }
  // Unlike the reference, which becomes active, ours stays a backup: it must not take what the active server does not know.
  await servers.start("weft", "fewer", ["fewer.db", from]);
  await until(async () => (await servers.control("fewer", "sync-status")).includes("error"));
  expect(await servers.control("fewer", "sync-status")).toMatch(/^database: X\nstate: backup\nerror: .*Table C not present/);
  expect(await servers.transact("fewer", "X", insert("A", "no"))).toMatchObject([{ error: "not allowed" }]);
});

/** The life of a relay. */
async function relayStory(source: Kind, relay: Kind): Promise<unknown[]> {
  const servers = await prepare("a");
  const names = (server: string, table: string, ...expected: readonly string[]) => namesAt(servers, server, table, expected);
  const told: unknown[] = [];
  await servers.start(relay, "r", [`relay:X:${servers.socket("a")}`]);
  const client = async (...args: readonly string[]) => {
    const { out, err, code } = await servers.run("ovsdb-client", args);
    return [out, err.replace(/^\d{4}-.*\n/gm, ""), code];
  };
  const describe = "Database name model connected leader schema".split(" ");
  const entry = () => client("dump", servers.socket("r"), "_Server", ...describe.slice(0, 5));
  told.push(await entry(), await client("get-schema", servers.socket("r"), "X"), await servers.control("r", "list-dbs"));
  told.push(await servers.transact("r", "X", select("A")), await client("convert", servers.socket("r"), "x.ovsschema"));
  await servers.start(source, "a", ["a.db"]);
  told.push(await client("wait", servers.socket("r"), "X", "connected"), await entry());
  told.push(await client("get-schema-version", servers.socket("r"), "X"));
  told.push(await servers.control("r", "sync-status"), await servers.control("r", "get-db-storage-status", "X"));
  await servers.transact("r", "X", insert("A", "a1"));
  await servers.transact("a", "X", insert("A", "a2"));
  told.push(await names("r", "A", "a1", "a2"), await names("a", "A", "a1", "a2"));
  told.push(await servers.transact("r", "X", insert("A", "x"), { op: "assert", lock: "l" }).then(withoutUuids));
  told.push(await servers.transact("r", "X", insert("Nope", "x")));
  const never = { op: "wait", table: "A", where: [], columns: ["n"], until: "==", rows: [{ n: "z" }], timeout: 0 };
  told.push(
    await servers.transact("r", "X", never, select("A")),
    await servers.transact("r", "X", insert("A", "y"), never).then(withoutUuids),
  );
  // A transaction without the source waits for it.
  await servers.kill("a", "SIGKILL");
  const waiting = servers.transact("r", "X", insert("A", "late"));
  told.push(await names("r", "A", "a1", "a2"));
  await servers.start(source, "a", ["a.db"]);
  told.push(withoutUuids(await waiting), await names("r", "A", "a1", "a2", "late"), await names("a", "A", "a1", "a2", "late"));
  // One that the source had when it died is nobody knows how.
  process.kill(servers.pid("a"), "SIGSTOP");
  const lost = servers.transact("r", "X", insert("A", "lost"));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await servers.kill("a", "SIGKILL");
  told.push(await lost);
  await servers.start(source, "a", ["a.db"]);
  told.push(await names("r", "A", "a1", "a2", "late"));
  // A conversion goes to the source, and its schema comes back. (The reference's relay says so, but its source has the old one.)
  if (relay === "weft") {
    expect(await client("convert", servers.socket("r"), "old.ovsschema")).toEqual(["", "", 0]);
    await until(async () => (await client("get-schema-version", servers.socket("r"), "X"))[0] === "1.0.0\n");
    expect(await client("get-schema-version", servers.socket("a"), "X")).toEqual(["1.0.0\n", "", 0]);
    expect(await names("r", "A", "a1", "a2", "late")).toEqual(rows("a1", "a2", "late"));
  }
  told.push(await servers.control("r", "remove-db", "X"), await servers.control("r", "list-dbs"));
  told.push(await servers.control("r", "add-db", `relay:X:${servers.socket("a")}`), await servers.control("r", "list-dbs"));
  told.push(await client("wait", servers.socket("r"), "X", "connected"), await names("r", "A", "a1", "a2", "late"));
  return told;
}

function withoutUuids(reply: unknown): unknown {
  return JSON.parse(JSON.stringify(reply).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID"));
}

test("a relay of ours, of the reference and of each other live the same life", async () => {
  const [theirs, ...others] = await Promise.all(PAIRS.map(([first, second]) => relayStory(first, second)));
  for (const other of others) expect(other).toEqual(theirs);
});
