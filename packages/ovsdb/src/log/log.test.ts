import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Database } from "../engine/database.ts";
import { execute, TRUSTED } from "../engine/operations.ts";
import type { RowDelta } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import type { Json } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import { createDatabaseFile, openDatabase } from "./file.ts";
import { encodeRecord, readLog } from "./format.ts";
import { transactionRecord } from "./transactions.ts";

const SCHEMA = parseSchema({
  name: "logged",
  version: "1.2.3",
  tables: {
    T: {
      columns: {
        name: { type: "string" },
        set: { type: { key: "integer", min: 0, max: "unlimited" } },
        map: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        opt: { type: { key: "integer", min: 0 } },
        secret: { type: "string", ephemeral: true },
      },
    },
  },
});

const OPERATIONS: readonly Json[] = [
  { op: "insert", table: "T", row: { name: "ä\n", set: ["set", [1, 2, 3]], map: ["map", [["a", "b"]]], opt: 1, secret: "hush" } },
  { op: "insert", table: "T", row: { name: "big", set: ["set", [9223372036854775807n]] } },
  {
    op: "mutate",
    table: "T",
    where: [["name", "==", "ä\n"]],
    mutations: [
      ["set", "delete", 2],
      ["map", "insert", ["map", [["c", "d"]]]],
    ],
  },
  { op: "update", table: "T", where: [], row: { opt: ["set", []], map: ["map", [["c", "e"]]] } },
  { op: "delete", table: "T", where: [["name", "==", "big"]] },
];

function dump(database: Database): unknown {
  const { schema } = database.table("T")!;
  const kept = ["name", "set", "map", "opt"].map((name) => schema.column(name)!.index);
  return [...database.table("T")!.rows()].map((row) => [row.uuid, kept.map((index) => row.cells[index])]);
}

/** A database file after all operations, and what it held after each of them. */
async function build(): Promise<{
  readonly bytes: Uint8Array;
  readonly states: readonly unknown[];
  readonly ends: readonly number[];
}> {
  const runtime = virtualRuntime({ seed: 3 });
  await createDatabaseFile(runtime.files, "/db", SCHEMA);
  const { database, log } = await openDatabase(runtime, "/db");
  const states: unknown[] = [dump(database)];
  const ends = [(await runtime.files.read("/db")).length];
  for (const operation of OPERATIONS) {
    const outcome = execute(database, [operation], TRUSTED, 0);
    if (!outcome.done || outcome.commit === undefined) throw new Error(JSON.stringify(outcome));
    const { deltas } = outcome.commit;
    const written = new Promise<void>((resolve) => log.append(deltas, "", true, () => resolve()));
    await runtime.clock.advance(1);
    await written;
    states.push(dump(database));
    ends.push((await runtime.files.read("/db")).length);
  }
  const bytes = await runtime.files.read("/db");
  return { bytes, states, ends };
}

async function reopen(bytes: Uint8Array): Promise<{ readonly state: unknown; readonly size: number; readonly errors: string[] }> {
  const runtime = virtualRuntime({ seed: 4 });
  const errors: string[] = [];
  const log = runtime.log.logger("test");
  await runtime.files.write("/db", bytes);
  const opened = await openDatabase({ ...runtime, logger: { ...log, err: (text) => errors.push(text), warn: () => {} } }, "/db");
  return { state: dump(opened.database), size: (await runtime.files.read("/db")).length, errors };
}

describe("the on-disk log", () => {
  it("gives back what was committed, but not ephemeral columns", async () => {
    const { bytes, states } = await build();
    const { state } = await reopen(bytes);
    expect(state).toEqual(states.at(-1));
    expect(new TextDecoder().decode(bytes)).not.toContain("hush");
    expect(new TextDecoder().decode(bytes)).toContain('"_is_diff":true');
  });

  it("has every whole record when the file is cut at any byte, and cuts off the rest", async () => {
    const { bytes, states, ends } = await build();
    for (let cut = ends[0]!; cut <= bytes.length; cut++) {
      const whole = ends.findLastIndex((end) => end <= cut);
      const { state, size, errors } = await reopen(bytes.slice(0, cut));
      expect(state).toEqual(states[whole]);
      expect(size).toBe(ends[whole]);
      expect(errors.length).toBe(cut === ends[whole] ? 0 : 1);
    }
  });

  it("says what is wrong when the schema is cut", async () => {
    const { bytes, ends } = await build();
    for (let cut = 0; cut < ends[0]!; cut += 7) await expect(reopen(bytes.slice(0, cut))).rejects.toBeInstanceOf(OvsdbError);
  });

  it("finds any flipped bit and keeps what was before it", async () => {
    const { bytes, ends } = await build();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const damaged = bytes.slice();
        damaged[at] = damaged[at]! ^ (1 << bit);
        if (at < 6) {
          expect(() => readLog(damaged, "/db")).toThrow(OvsdbError);
          return;
        }
        let contents: ReturnType<typeof readLog>;
        try {
          contents = readLog(damaged, "/db");
        } catch (error) {
          expect(error).toBeInstanceOf(OvsdbError);
          return;
        }
        expect(contents.fault).toBeInstanceOf(OvsdbError);
        expect(contents.goodSize).toBe(at < ends[0]! ? 0 : ends.findLast((end) => end <= at));
      }),
      { numRuns: 500 },
    );
  });

  it("keeps records behind a damaged one in a file of their own", async () => {
    const { bytes, ends } = await build();
    const runtime = virtualRuntime();
    const damaged = bytes.slice();
    damaged[ends[1]! - 5]! ^= 1;
    await runtime.files.write("/db", damaged);
    await openDatabase(runtime, "/db");
    expect(await runtime.files.read("/db.damaged")).toEqual(damaged.slice(ends[0]));
  });

  describe("with records that are read in pieces", () => {
    /** A database of one row, then a record of many more, its text put through `change`. */
    async function large(change: (text: string) => string): Promise<{
      readonly before: unknown;
      readonly after: unknown;
      readonly bytes: Uint8Array;
      readonly size: number;
    }> {
      const runtime = virtualRuntime({ seed: 6 });
      await createDatabaseFile(runtime.files, "/db", SCHEMA);
      const { database, log } = await openDatabase(runtime, "/db");
      const insert = (name: string): Json => ({ op: "insert", table: "T", row: { name, set: ["set", [1, 2]] } });
      const commit = (operations: readonly Json[]): readonly RowDelta[] => {
        const outcome = execute(database, operations, TRUSTED, 0);
        if (!outcome.done || outcome.commit === undefined) throw new Error(JSON.stringify(outcome));
        return outcome.commit.deltas;
      };
      log.append(commit([insert("first")]), "", true, () => undefined);
      await runtime.clock.advance(1);
      const start = await runtime.files.read("/db");
      const before = dump(database);
      const rows = Array.from({ length: 3000 }, (_, i) => insert(`ä{"[,${i}`));
      const deltas = commit([...rows, { op: "update", table: "T", where: [], row: { opt: 7 } }]);
      const [, text = ""] = new TextDecoder().decode(transactionRecord(deltas, 0, "")).split("\n");
      const record = encodeRecord(change(text));
      const bytes = new Uint8Array(start.length + record.length);
      bytes.set(start);
      bytes.set(record, start.length);
      return { before, after: dump(database), bytes, size: start.length };
    }

    it("has all rows", async () => {
      const { after, bytes } = await large((text) => text);
      expect(await reopen(bytes)).toEqual({ state: after, size: bytes.length, errors: [] });
    });

    it("has all rows of a record that is not in compact form", async () => {
      const { after, bytes } = await large((text) => text.replace('"T":', '"T": '));
      expect(await reopen(bytes)).toEqual({ state: after, size: bytes.length, errors: [] });
    });

    it("has no row of a record whose last piece is not JSON", async () => {
      const { before, bytes, size } = await large((text) => text.replace(/.{5}$/, ""));
      const opened = await reopen(bytes);
      expect(opened).toEqual({ state: before, size, errors: [expect.stringContaining("are not valid JSON")] });
    });
  });

  it("compacts while commits keep coming, and loses none", async () => {
    const runtime = virtualRuntime({ seed: 5 });
    await createDatabaseFile(runtime.files, "/db", SCHEMA);
    const { database, log } = await openDatabase(runtime, "/db");
    let done = 0;
    const commit = (name: string): void => {
      const outcome = execute(database, [{ op: "insert", table: "T", row: { name } }], TRUSTED, 0);
      if (outcome.done && outcome.commit !== undefined) log.append(outcome.commit.deltas, "", false, (fault) => fault ?? done++);
    };
    commit("before");
    const compacted = log.compact(() => database, "compacted");
    commit("meanwhile");
    await runtime.clock.advance(1);
    commit("after");
    await runtime.clock.advance(1);
    await compacted;
    await runtime.clock.advance(1);
    expect(done).toBe(3);
    const { state } = await reopen(await runtime.files.read("/db"));
    expect(state).toEqual(dump(database));
  });
});
