import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeRuntime } from "@weft/runtime";
import { afterEach, describe, expect, it } from "vitest";
import { isArray, isObject, type Json } from "../jsonrpc/json.ts";
import { createServer } from "../server/server.ts";
import { Peer, REFERENCE, reference, referenceServer, scratch } from "./reference.ts";

const ref = (table: string, weak = false): Json => ({ type: "uuid", refTable: table, ...(weak ? { refType: "weak" } : {}) });
const SCHEMA: Json = {
  name: "diff",
  version: "1.0.0",
  tables: {
    A: {
      isRoot: true,
      maxRows: 6,
      columns: {
        name: { type: "string" },
        i: { type: { key: { type: "integer", minInteger: -5, maxInteger: 100 } } },
        big: { type: "integer" },
        r: { type: "real" },
        b: { type: "boolean" },
        s: { type: { key: { type: "string", minLength: 2, maxLength: 4 }, min: 0, max: 1 } },
        e: { type: { key: { type: "string", enum: ["set", ["x", "y", "z"]] }, min: 0, max: 3 } },
        ints: { type: { key: "integer", min: 0, max: "unlimited" } },
        m: { type: { key: "string", value: "integer", min: 0, max: "unlimited" } },
        m2: { type: { key: "string", value: "string", min: 1, max: 2 } },
        im: { type: "integer", mutable: false },
        ep: { type: "string", ephemeral: true },
        sb: { type: { key: ref("B"), min: 0, max: "unlimited" } },
        sb1: { type: { key: ref("B"), min: 0, max: 1 } },
        wb: { type: { key: ref("B", true), min: 0, max: "unlimited" } },
        mb: { type: { key: "string", value: ref("B"), min: 0, max: "unlimited" } },
      },
      indexes: [["name"], ["i", "b"]],
    },
    B: {
      columns: {
        name: { type: "string" },
        next: { type: { key: ref("B"), min: 0, max: "unlimited" } },
        back: { type: { key: ref("A", true), min: 0, max: "unlimited" } },
      },
      indexes: [["name"]],
    },
  },
};

/** Deterministic chance: the same seed gives the same transactions. */
function chance(seed: number): { below(n: number): number; of<T>(items: readonly T[]): T; names: string[] } {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number): number => Math.floor(next() * n);
  // A name is used after its insert only: the reference does not find a uuid that is given later.
  return { below, of: (items) => items[below(items.length)]!, names: [] };
}

type Chance = ReturnType<typeof chance>;

/** Rows of different tables never share a uuid: the reference takes a reference to a namesake for one to the row itself. */
const uuid = (table: string, n: number): string => `00000000-0000-4000-8000-${table.toLowerCase()}${String(n).padStart(11, "0")}`;

/** A value for a column that is wrong in some way. */
function wrongValue(c: Chance, column: string): Json {
  if (column === "i" && c.below(2) === 0) return c.of([-6, 101]);
  if (column === "s" && c.below(2) === 0) return c.of(["x", "toolong"]);
  if (column === "e" && c.below(2) === 0) return ["set", ["w", "x"]];
  return c.of<Json>([null, 5, "zz", ["set", [1, 1]], ["set", 5], ["map", [["a"]]], ["uuid", "no"], [], {}, ["set", ["x", true]]]);
}

/** A value for a column that is right, or right but for rows that are not there. */
function value(c: Chance, column: string): Json {
  const target = column === "back" ? "A" : "B";
  const names = c.names.filter((name) => name.endsWith(target));
  const reference = (): Json =>
    c.below(3) === 0 && names.length > 0 ? ["named-uuid", c.of(names)] : ["uuid", uuid(target, c.below(8))];
  const set = (make: () => Json, most: number): Json => {
    const found = new Map<string, Json>();
    for (let i = c.below(most + 1); i > 0; i--) {
      const item = make();
      found.set(JSON.stringify(item), item);
    }
    return ["set", [...found.values()]];
  };
  switch (column) {
    case "name":
      return c.of(["a", "b", "c", "d e", "true", "1", ""]);
    case "i":
      return c.below(10) - 5;
    case "big":
      return c.of<Json>([0, 9223372036854775807n, -9223372036854775808n, 9007199254740993n, 7]);
    case "r":
      return c.of([0, 1.5, -2.25, 1e20, 1e-7]);
    case "b":
      return c.below(2) === 0;
    case "s":
      return c.of<Json>(["ab", "abcd", "äöü", ["set", []]]);
    case "e":
      return set(() => c.of(["x", "y", "z"]), 3);
    case "ints":
      return set(() => c.below(10) - 5, 4);
    case "m":
    case "m2": {
      const keys = new Set([c.of(["k", "l"]), c.of(["k", "l", "m"])]);
      return ["map", [...keys].map((key) => [key, column === "m" ? c.below(3) : c.of(["u", "v"])])];
    }
    case "mb":
      return ["map", c.below(2) === 0 ? [] : [[c.of(["k", "l"]), reference()]]];
    case "im":
      return c.below(2);
    case "ep":
      return c.of(["e", "f"]);
    case "sb1":
      return c.below(2) === 0 ? ["set", []] : reference();
    default:
      return set(reference, 2);
  }
}

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  A: ["name", "i", "big", "r", "b", "s", "e", "ints", "m", "m2", "im", "ep", "sb", "sb1", "wb", "mb"],
  B: ["name", "next", "back"],
};

const MUTATORS = ["+=", "-=", "*=", "/=", "%=", "insert", "delete", "insert", "delete"];
/** The reference crashes where an arithmetic makes duplicates in a set. */
const SAFE_MUTATORS = ["+=", "-=", "insert", "delete"];

function where(c: Chance, table: string): Json {
  const clauses: Json[] = [];
  for (let i = c.below(3); i > 0; i--) {
    if (c.below(3) === 0) clauses.push(["_uuid", c.of(["==", "!=", "includes"]), ["uuid", uuid(table, c.below(8))]]);
    else {
      const column = c.of(COLUMNS[table]!);
      const arg = c.below(20) === 0 ? wrongValue(c, column) : value(c, column);
      clauses.push([column, c.of(["==", "==", "!=", "includes", "excludes", "<", ">="]), arg]);
    }
  }
  if (c.below(30) === 0) clauses.push(c.of<Json>([true, false, 5, ["nope", "==", 1], ["name", "foo", 1]]));
  return clauses;
}

function operation(c: Chance, number: number): Json {
  const table = c.of(["A", "A", "B"]);
  const row = (most: number): Json => {
    const out: { [column: string]: Json } = {};
    for (let i = c.below(most); i > 0; i--) {
      const column = c.of(COLUMNS[table]!);
      out[column] = value(c, column);
    }
    // Never two faults in one row: the reference finds them in the order of a hash table.
    const column = c.of(COLUMNS[table]!);
    if (c.below(12) === 0) out[column] = wrongValue(c, column);
    return out;
  };
  switch (c.below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      const symbol = c.of(["p", "q"]) + table;
      const named = c.below(2) === 0;
      const content = { name: value(c, "name"), ...(table === "A" ? { i: c.below(8) } : {}), ...(row(5) as object) };
      if (named) c.names.push(symbol);
      return {
        op: "insert",
        table,
        row: content,
        uuid: uuid(table, c.below(4) === 0 ? c.below(8) : number % 8),
        ...(named ? { "uuid-name": symbol } : {}),
      };
    }
    case 5:
    case 6:
      return { op: "update", table, where: where(c, table), row: row(4) };
    case 7:
    case 8: {
      const column = c.of(COLUMNS[table]!);
      return {
        op: "mutate",
        table,
        where: where(c, table),
        mutations: [
          [
            column,
            c.of(column === "ints" ? SAFE_MUTATORS : MUTATORS),
            c.below(12) === 0 ? wrongValue(c, column) : value(c, column),
          ],
        ],
      };
    }
    case 9:
      return { op: "delete", table, where: where(c, table) };
    case 10:
    case 11:
      return {
        op: "select",
        table,
        where: where(c, table),
        columns: [...new Set([c.of(COLUMNS[table]!), c.of(COLUMNS[table]!)])],
      };
    case 12:
      return {
        op: "wait",
        timeout: 0,
        table,
        where: where(c, table),
        columns: ["name"],
        until: c.of(["==", "!="]),
        rows: [{ name: value(c, "name") }],
      };
    case 13:
      return { op: "comment", comment: c.of(["x", "y"]) };
    case 14:
      return c.of<Json>([
        { op: "abort" },
        { op: "assert", lock: "nobody" },
        { op: "nope" },
        { op: "insert" },
        5,
        { op: "comment", comment: 5 },
        { op: "commit", durable: false },
      ]);
    default:
      return { op: "delete", table, where: [["_uuid", "==", ["uuid", uuid(table, c.below(8))]]] };
  }
}

/**
 * What may differ: the order of select's rows, uuids that were made up, and, where the end of a transaction finds several
 * faults of one kind, which of them is told: that is a matter of the order of a hash table.
 */
function normal(json: Json): Json {
  if (typeof json === "string") {
    return json
      .replace(/^(Transaction causes multiple rows) in .*$/s, "$1")
      .replace(/^Table .* (references nonexistent row) .*$/s, "$1")
      .replace(/^-?[0-9.e+]+ (is not in the valid range)/, "$1")
      .replace(/^(cannot delete) .* (row) .*$/s, "$1 $2")
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (found) =>
        found.startsWith("00000000-0000-") ? found : "made up",
      );
  }
  if (isArray(json)) return json.map(normal);
  if (isObject(json)) {
    const out: { [key: string]: Json } = {};
    for (const [key, member] of Object.entries(json)) {
      const same = normal(member ?? null);
      out[key] = key === "rows" && isArray(same) ? [...same].sort((a, b) => (text(a) < text(b) ? -1 : 1)) : same;
    }
    return out;
  }
  return json;
}

function text(json: Json): string {
  return JSON.stringify(json, (_key, member: Json) =>
    typeof member === "bigint"
      ? `${member}`
      : isObject(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
  );
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The reference's server and ours, each with an empty database of the schema, in one folder. */
async function both(schema: string): Promise<{ readonly folder: string; readonly theirs: string; readonly ours: string }> {
  const { path, remove } = scratch();
  cleanups.push(remove);
  for (const name of ["theirs.db", "ours.db"]) {
    expect((await reference("ovsdb-tool", ["create", join(path, name), schema])).code).toBe(0);
  }
  const theirs = await referenceServer(path, [join(path, "theirs.db")]);
  cleanups.push(() => theirs.stop());
  const socket = join(path, "ours.sock");
  const server = await createServer({ runtime: nodeRuntime(), databases: [join(path, "ours.db")], remotes: [`punix:${socket}`] });
  cleanups.push(() => server.close());
  return { folder: path, theirs: theirs.socket, ours: socket };
}

function schemaFile(folder: string): string {
  const path = join(folder, "diff.ovsschema");
  writeFileSync(path, JSON.stringify(SCHEMA));
  return path;
}

describe("beside the reference's ovsdb-server", () => {
  it("gives the same replies and the same updates for random transactions", async () => {
    const made = scratch();
    cleanups.push(made.remove);
    const { folder, theirs, ours } = await both(schemaFile(made.path));
    const peers = [await Peer.connect(theirs), await Peer.connect(ours)] as const;
    cleanups.push(() => {
      for (const peer of peers) peer.close();
    });
    for (const peer of peers) {
      await peer.ask("monitor", [
        "diff",
        "m1",
        { A: [{ columns: ["name", "ints", "m", "wb"] }, { columns: ["i"], select: { modify: false } }], B: {} },
      ]);
      await peer.ask("monitor_cond", [
        "diff",
        "m2",
        {
          A: [
            {
              columns: ["name", "ints", "m", "s", "sb"],
              where: [
                ["b", "==", true],
                ["i", ">", 3],
              ],
            },
          ],
        },
      ]);
    }
    const seen = new Map<string, number>();
    for (let round = 0; round < 6; round++) {
      const c = chance(1000 + round);
      for (let i = 0; i < 500; i++) {
        c.names.length = 0;
        const operations = Array.from({ length: 1 + c.below(4) }, (_, at) => operation(c, i * 4 + at));
        const [their, our] = await Promise.all(peers.map((peer) => peer.ask("transact", ["diff", ...operations])));
        const context = `${text(operations)}\ntheirs ${text(their!.result)}\nours   ${text(our!.result)}`;
        expect(text(normal(our!.result)), context).toBe(text(normal(their!.result)));
        const [theirHeard, ourHeard] = peers.map((peer) =>
          peer
            .heard()
            .map((heard) => withoutVersion(normal(heard)))
            .map(text)
            .sort(),
        );
        expect(ourHeard, context).toEqual(theirHeard);
        for (const result of isArray(our!.result) ? our!.result : []) {
          const kind = isObject(result) ? String(result.error ?? "success") : "not run";
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }
    }
    // The chance was worth something: both sides were seen to do and to refuse.
    for (const kind of [
      "success",
      "syntax error",
      "constraint violation",
      "referential integrity violation",
      "timed out",
      "duplicate uuid",
    ]) {
      expect(seen.get(kind) ?? 0, `${kind} of ${text(Object.fromEntries(seen))}`).toBeGreaterThan(10);
    }
    // And the reference reads our file as we left it.
    const everything = JSON.stringify(["diff", { op: "select", table: "A", where: [] }, { op: "select", table: "B", where: [] }]);
    const [one, two] = await Promise.all(
      ["theirs.db", "ours.db"].map((name) => reference("ovsdb-tool", ["query", join(folder, name), everything])),
    );
    expect(two!.code).toBe(0);
    expect(text(normal(JSON.parse(two!.out) as Json))).toBe(text(normal(JSON.parse(one!.out) as Json)));
  });

  it("serves the reference's clients", async () => {
    const { ours } = await both(join(REFERENCE, "share/ovn/ovn-nb.ovsschema"));
    const nbctl = (...args: string[]): ReturnType<typeof reference> => reference("ovn-nbctl", [`--db=unix:${ours}`, ...args]);
    expect(
      await nbctl("ls-add", "sw0", "--", "lsp-add", "sw0", "p1", "--", "lsp-set-addresses", "p1", "00:00:00:00:00:01 10.0.0.1"),
    ).toMatchObject({ code: 0, err: "" });
    expect(await nbctl("lr-add", "r", "--", "lrp-add", "r", "r-sw0", "00:00:00:00:00:ff", "10.0.0.254/24")).toMatchObject({
      code: 0,
    });
    const shown = await nbctl("show");
    expect(shown.out).toContain('addresses: ["00:00:00:00:00:01 10.0.0.1"]');
    expect(shown.out).toContain('networks: ["10.0.0.254/24"]');
    expect((await nbctl("lsp-add", "sw0", "p1")).err).toContain("a port with this name already exists");
    const client = (...args: string[]): ReturnType<typeof reference> => reference("ovsdb-client", args);
    expect((await client("list-dbs", `unix:${ours}`)).out).toBe("OVN_Northbound\n_Server\n");
    expect(
      (await client("--no-headings", "dump", `unix:${ours}`, "OVN_Northbound", "Logical_Switch_Port", "name")).out,
    ).toContain("p1");
    expect((await client("needs-conversion", `unix:${ours}`, join(REFERENCE, "share/ovn/ovn-nb.ovsschema"))).out).toBe("no\n");
    expect(await client("backup", `unix:${ours}`, "OVN_Northbound")).toMatchObject({ code: 0 });
    const locked = await client("--timeout=1", "lock", `unix:${ours}`, "L");
    expect(locked.out).toContain('"locked":true');
    expect((await nbctl("ls-del", "sw0")).code).toBe(0);
    expect((await nbctl("--bare", "--columns=name", "list", "Logical_Switch_Port")).out).toBe("");
  });

  it("reads what the reference wrote, and compacts it so that the reference reads it", async () => {
    const { path, remove } = scratch();
    cleanups.push(remove);
    const file = join(path, "x.db");
    await reference("ovsdb-tool", ["create", file, schemaFile(path)]);
    const c = chance(77);
    for (let i = 0; i < 40; i++) {
      c.names.length = 0;
      const operations = Array.from({ length: 2 }, (_, at) => operation(c, i * 2 + at));
      await reference("ovsdb-tool", ["transact", file, text(["diff", ...operations])]);
    }
    const everything: Json[] = ["A", "B"].map((table) => ({ op: "select", table, where: [] }));
    const query = async (): Promise<Json> =>
      normal(JSON.parse((await reference("ovsdb-tool", ["query", file, JSON.stringify(["diff", ...everything])])).out) as Json);
    const before = await query();
    const socket = join(path, "ours.sock");
    const server = await createServer({ runtime: nodeRuntime(), databases: [file], remotes: [`punix:${socket}`] });
    const peer = await Peer.connect(socket);
    expect(text(normal((await peer.ask("transact", ["diff", ...everything])).result))).toBe(text(before));
    await server.compact();
    peer.close();
    await server.close();
    expect(text(await query())).toBe(text(before));
    expect((await reference("ovsdb-tool", ["show-log", file])).out).toContain('"compacted by ovsdb-server"');
  });
});

/** `_version` is made up by each server. */
function withoutVersion(json: Json): Json {
  if (isArray(json)) return json.map(withoutVersion);
  if (!isObject(json)) return json;
  return Object.fromEntries(
    Object.entries(json)
      .filter(([key]) => key !== "_version")
      .map(([key, member]) => [key, withoutVersion(member ?? null)]),
  );
}
