import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Kind, Servers, weft } from "./servers.ts";

const SCHEMA = { name: "X", version: "1.0.0", tables: { A: { isRoot: true, columns: { n: { type: "string" } } } } };
const INSERT = JSON.stringify(["X", { op: "insert", table: "A", row: { n: "a" } }]);

let servers: Servers;
afterEach(() => servers.stop());

async function prepare(program?: string): Promise<void> {
  servers = new Servers(program);
  writeFileSync(join(servers.dir, "x.ovsschema"), JSON.stringify(SCHEMA));
  await servers.create("x", "x.ovsschema");
}

/** Our programs in a folder from which koffi cannot be found. */
async function prepareWithoutKoffi(): Promise<string> {
  const copy = new Servers();
  await prepare(join(copy.dir, "main.mjs"));
  cpSync(join(weft, "../../dist/bundle"), copy.dir, { recursive: true });
  const stop = servers.stop.bind(servers);
  servers.stop = async () => {
    await stop();
    await copy.stop();
  };
  return join(copy.dir, "main.mjs");
}

/** What starting a server on x.db says: "" where it starts. */
function outcome(kind: Kind, name: string): Promise<string> {
  return servers.start(kind, name, ["x.db"]).then(
    () => "",
    (error: Error) => error.message,
  );
}

/** A server's log; the folder's name is left out, which ours puts before the file's. */
const logOf = (name: string): string => servers.log(name).replaceAll(`${servers.dir}/`, "");

const TAKEN = "x.db: failed to lock lockfile (Resource temporarily unavailable)";

function tool(kind: Kind, program = weft): Promise<{ readonly err: string; readonly code: number }> {
  return kind === "weft"
    ? servers.run("node", [program, "ovsdb-tool", "transact", "x.db", INSERT])
    : servers.run("ovsdb-tool", ["transact", "x.db", INSERT]);
}

for (const [holder, other] of [
  ["reference", "weft"],
  ["weft", "reference"],
  ["weft", "weft"],
] as const) {
  test(`what ${holder}'s server has open, ${other}'s server and tool refuse, until it ends`, async () => {
    await prepare();
    expect(await outcome(holder, "first")).toBe("");
    for (let round = 0; round < 2; round++) {
      expect(await outcome(other, "second")).toContain("server configuration failed");
      expect(logOf("second")).toContain(`I/O error: ${TAKEN}`);
      expect(logOf("second")).toContain(`cannot lock file because it is already locked by pid ${servers.pid("first")}`);
      const { err, code } = await tool(other);
      expect(err).toContain(`ovsdb-tool: I/O error: ${TAKEN}\n`);
      expect(code).toBe(1);
      // Neither the attempt nor a new file in the place of the old one gives the lock up.
      expect(await servers.control("first", "compact")).toBe("");
    }
    await servers.kill("first");
    expect(await outcome(other, "third")).toBe("");
  });
}

/** Starts servers together; the one that has the file. */
async function race(count: number): Promise<string> {
  const names = Array.from({ length: count }, (_, i) => `s${i}`);
  const outcomes = await Promise.all(names.map((name) => outcome("weft", name)));
  const winners = names.filter((_, i) => outcomes[i] === "");
  expect(winners).toHaveLength(1);
  for (const name of names) if (name !== winners[0]) expect(logOf(name)).toContain(TAKEN);
  return winners[0]!;
}

test("of ten servers started together one has the file, and killed it leaves it to another", async () => {
  await prepare();
  await servers.kill(await race(10), "SIGKILL");
  expect(await outcome("weft", "next")).toBe("");
});

test("of servers that cannot take locks of fcntl one has the file, also that of one that was killed", async () => {
  await prepareWithoutKoffi();
  await servers.kill(await race(6), "SIGKILL");
  expect(existsSync(join(servers.dir, ".x.db.~holder~"))).toBe(true);
  const next = await race(3);
  expect(logOf(next)).toContain("Open vSwitch's programs do not see that it is in use");
  // One that can take them sees it all the same.
  expect((await tool("weft")).err).toContain(TAKEN);
  await servers.kill(next);
  expect(existsSync(join(servers.dir, ".x.db.~holder~"))).toBe(false);
});

test("a server that cannot take locks of fcntl sees those of others", async () => {
  const program = await prepareWithoutKoffi();
  expect(await outcome("reference", "first")).toBe("");
  expect(await outcome("weft", "second")).toContain("server configuration failed");
  expect(logOf("second")).toContain(TAKEN);
  expect((await tool("weft", program)).err).toContain(TAKEN);
});
