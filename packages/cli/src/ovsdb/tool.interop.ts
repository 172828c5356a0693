import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Host, nodeHost } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ovsdbTool } from "./tool.ts";

const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const program = join(reference, "bin", "ovsdb-tool");
const folder = mkdtempSync(join(tmpdir(), "weft-tool-"));
const schema = join(folder, "test.ovsschema");
const newer = join(folder, "newer.ovsschema");

const columns = {
  name: { type: "string" },
  n: { type: "integer" },
  set: { type: { key: "string", min: 0, max: "unlimited" } },
  map: { type: { key: "integer", value: "string", min: 0, max: "unlimited" } },
};

beforeAll(() => {
  const tables = { D: { isRoot: true, columns, indexes: [["name"]] } };
  writeFileSync(schema, JSON.stringify({ name: "test", version: "1.2.3", cksum: "1 2", tables }));
  writeFileSync(
    newer,
    JSON.stringify({
      name: "test",
      version: "1.3.0",
      tables: { D: { columns: { name: { type: "string" }, more: { type: "integer" } } } },
    }),
  );
  const file = join(folder, "made.db");
  execFileSync(program, ["create", file, schema]);
  const transactions = [
    [
      { op: "insert", table: "D", row: { name: "a b", n: 1, set: ["set", ["x", "y"]] } },
      { op: "comment", comment: "first" },
    ],
    [{ op: "insert", table: "D", row: { n: 5, map: ["map", [[1, "one"]]] } }],
    [{ op: "update", table: "D", where: [["n", "==", 1]], row: { name: "b", set: ["set", ["y", "z"]] } }],
    [{ op: "update", table: "D", where: [["n", "==", 5]], row: { map: ["map", [[2, "two"]]] } }],
    [{ op: "delete", table: "D", where: [["n", "==", 5]] }],
  ];
  for (const transaction of transactions) execFileSync(program, ["transact", file, JSON.stringify(["test", ...transaction])]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ours(args: readonly string[]): Promise<{ readonly out: string; readonly code: number }> {
  let out = "";
  const take = {
    isTerminal: false,
    write: (text: string | Uint8Array) => {
      out += typeof text === "string" ? text : new TextDecoder().decode(text);
    },
  };
  const host: Host = { ...nodeHost("ovsdb-tool"), cwd: folder, stdout: take, stderr: take };
  return { code: await ovsdbTool(args, host), out };
}

function theirs(args: readonly string[]): { readonly out: string; readonly code: number } {
  const { stdout, stderr, status } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  return { code: status ?? -1, out: stdout + stderr };
}

const commands: readonly (readonly string[])[] = [
  ["show-log", "made.db"],
  ["-m", "show-log", "made.db"],
  ["-mm", "show-log", "made.db"],
  ["db-name", "made.db"],
  ["db-version", "made.db"],
  ["db-cksum", "made.db"],
  ["db-is-standalone", "made.db"],
  ["db-is-clustered", "made.db"],
  ["db-cid", "made.db"],
  ["schema-name", "test.ovsschema"],
  ["schema-version", "test.ovsschema"],
  ["schema-cksum", "newer.ovsschema"],
  ["needs-conversion", "made.db", "test.ovsschema"],
  ["needs-conversion", "made.db", "newer.ovsschema"],
  ["create", "made.db", "test.ovsschema"],
  ["create", "x.db", "missing"],
  ["compare-versions", "1.2.3", "<", "1.2.4"],
  ["compare-versions", "1.2.3", ">", "1.2.4"],
  ["compare-versions", "1.2", "<", "1.2.4"],
  ["compare-versions", "1.2.3", "=", "1.2.4"],
  ["query", "made.db", '["test",{"op":"select","table":"D","where":[],"columns":["name","n","set"]}]'],
  ["query", "made.db", '["other"]'],
  ["query", "made.db", "{}"],
  ["query", "made.db", "{"],
  ["query", "missing", "[]"],
  ["transact", "made.db", '["test",{"op":"insert","table":"E"}]'],
  ["transact", "made.db", '["test",{"op":"wait","table":"D","where":[],"columns":["n"],"until":"==","rows":[]}]'],
  ["nonsense"],
  [],
  ["query"],
  ["create", "a", "b", "c"],
];

test.each(commands.map((args) => [args.join(" "), args] as const))("ovsdb-tool %s", async (_name, args) => {
  // The columns of a row come in the order of a hash table.
  const sorted = ({ out, code }: { readonly out: string; readonly code: number }): unknown => ({
    code,
    out: args[0] === "-mm" ? out.split("\n").sort() : out,
  });
  expect(sorted(await ours(args))).toEqual(sorted(theirs(args)));
});

test("compact and convert leave what the reference leaves", async () => {
  const select = ["query", "one.db", '["test",{"op":"select","table":"D","where":[]}]'];
  for (const args of [["compact"], ["convert", newer]]) {
    const [command = "", ...rest] = args;
    const results: unknown[] = [];
    for (const tool of [ours, theirs]) {
      copyFileSync(join(folder, "made.db"), join(folder, "one.db"));
      expect(await tool([command, "one.db", ...rest])).toEqual({ out: "", code: 0 });
      const text = readFileSync(join(folder, "one.db"), "utf8");
      const rows = theirs(select).out.replace(/"_version":\["uuid","[^"]*"\]/g, "");
      results.push([
        rows,
        text.split("\n").filter((line) => line.startsWith("OVSDB")).length,
        /"_comment":"[^"]*"/.exec(text)?.[0],
      ]);
    }
    expect(results[0]).toEqual(results[1]);
  }
});
