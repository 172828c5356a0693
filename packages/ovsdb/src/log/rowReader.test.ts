import { seededRandom } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Database } from "../engine/database.ts";
import { parseJson } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import type { Uuid } from "../value.ts";
import { PiecesError, recordPieces } from "./pieces.ts";
import { RowReader } from "./rowReader.ts";
import { applyPiece, applyRecord } from "./transactions.ts";

const some = { min: 0, max: 3 };
const schema = parseSchema({
  name: "D",
  tables: {
    T: {
      columns: {
        string: { type: "string" },
        short: { type: { key: { type: "string", minLength: 1, maxLength: 3 } } },
        choice: { type: { key: { type: "string", enum: ["set", ["a", "b", "to-lport"]] } } },
        integer: { type: "integer" },
        small: { type: { key: { type: "integer", minInteger: -5, maxInteger: 10 } } },
        number: { type: { key: { type: "integer", enum: ["set", [1, 2]] } } },
        real: { type: "real" },
        boolean: { type: "boolean" },
        uuid: { type: "uuid" },
        strings: { type: { key: "string", ...some } },
        integers: { type: { key: "integer", ...some } },
        uuids: { type: { key: { type: "uuid", refTable: "T", refType: "weak" }, ...some } },
        booleans: { type: { key: "boolean", ...some } },
        names: { type: { key: "string", value: "string", ...some } },
        ports: { type: { key: "integer", value: { type: "uuid", refTable: "T" }, ...some } },
      },
    },
  },
});

const UUID = "11111111-2222-4333-8444-555555555555" as Uuid; // has the form of one

const empty = () => new Database(schema, seededRandom(1));
const contents = (database: Database) => [...database.table("T")!.rows()].map(({ uuid, cells }) => ({ uuid, cells }));

/** What becomes of a record: the rows, or that it is refused, or that it is to be read as a whole. */
function outcome(apply: (database: Database) => void): unknown {
  const database = empty();
  try {
    apply(database);
    return contents(database);
  } catch (error) {
    return error instanceof PiecesError ? "not in pieces" : "refused";
  }
}

const asWhole = (text: string) => outcome((database) => applyRecord(database, parseJson(text)));
const asBytes = (text: string) =>
  outcome((database) => {
    for (const piece of recordPieces(new TextEncoder().encode(text), 100)) applyPiece(database, piece);
  });

const record = (row: string) => `{"T":{"${UUID}":${row}}}\n`;
const quickly = (row: string) => {
  const bytes = new TextEncoder().encode(row);
  return new RowReader(empty().table("T")!).read(UUID, bytes, 0, bytes.length) !== undefined;
};

const uuid = fc.oneof(fc.uuid(), fc.constantFrom(UUID, UUID.replaceAll("1", "A"), "x")).map((text) => `["uuid","${text}"]`);
const atom = fc.oneof(
  fc.integer({ min: -7, max: 12 }).map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom(
    "-0",
    "00",
    "01",
    "-",
    "1.0",
    "1.5",
    "2e3",
    "1e400",
    "999999999999999",
    "9007199254740993",
    "true",
    "false",
    "null",
  ),
  fc.string({ maxLength: 4 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"a"', '"b"', '"to-lport"', '"é"', '"\\u0041"', '"\\n"', '"\t"', '"\x7f"', '"', '"\\"'),
  uuid,
);
const pair = fc.tuple(atom, atom).map(([key, value]) => `[${key},${value}]`);
const several = (tag: string, element: fc.Arbitrary<string>) =>
  fc.array(element, { maxLength: 4 }).map((elements) => `["${tag}",[${elements.join(",")}]]`);
const value = fc.oneof(
  atom,
  several("set", atom),
  several("map", pair),
  fc.constantFrom("", "[]", '["set"]', '["set",[1,]]', " 1"),
);
const name = fc.constantFrom(...[...schema.tables.get("T")!.columns].map((column) => column.name), "_uuid", "nothing", "é");
const row = fc
  .uniqueArray(fc.tuple(name, value), { maxLength: 3, selector: ([key]) => key })
  .map((members) => `{${members.map(([key, json]) => `"${key}":${json}`).join(",")}}`);

describe("rows from the bytes of a record", () => {
  it("are what they are as JSON, or refused as they are", () => {
    fc.assert(
      fc.property(row, (text) => {
        const bytes = asBytes(record(text));
        if (bytes !== "not in pieces") expect(bytes).toEqual(asWhole(record(text)));
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    "{}",
    '{"string":"it","short":"abc","choice":"to-lport","integer":-999999999999999,"small":-5,"boolean":true}',
    `{"uuid":["uuid","${UUID}"],"uuids":["set",[["uuid","${UUID}"],["uuid","${UUID.replaceAll("5", "6")}"]]]}`,
    '{"strings":["set",["","a","aa"]],"integers":["set",[-1,0,10]],"booleans":["set",[false,true]],"names":["map",[]]}',
    `{"names":["map",[["a","b"],["b",""]]],"ports":["map",[[-1,["uuid","${UUID}"]],[7,["uuid","${UUID}"]]]]}`,
    '{"integers":5,"strings":"one","string":"the first","string":"the last"}',
    `{"string":"${"long".repeat(1000)}","names":["map",[["k","${"v".repeat(300)}"]]]}`,
    // Their values are read as JSON, and the rows around them are not.
    '{"real":1.5,"string":"caf\u00e9","integer":9223372036854775807,"strings":["set",["b","a"]],"short":"\\n"}',
  ])("are read without a tree of JSON: %s", (text) => {
    expect(quickly(text)).toBe(true);
    expect(asBytes(record(text))).toEqual(asWhole(record(text)));
    expect(asBytes(record(text))).toHaveLength(1);
  });

  it("that are there already are changed", () => {
    const change = '{"_is_diff":true,"T":{"U":{"strings":["set",["a","c"]],"integer":4}}}'.replace("U", UUID);
    const database = empty();
    for (const text of [record('{"strings":["set",["a","b"]],"string":"kept"}'), change, change.replace("4}", "5}")]) {
      for (const piece of recordPieces(new TextEncoder().encode(text), 1)) applyPiece(database, piece);
    }
    const columns = schema.tables.get("T")!;
    const cells = contents(database)[0]!.cells;
    expect(["strings", "integer", "string"].map((key) => cells[columns.column(key)!.index])).toEqual([["a", "b"], [5], ["kept"]]);
  });
});
