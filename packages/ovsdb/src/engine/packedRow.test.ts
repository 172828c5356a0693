import { seededRandom } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isDefault, parseDatum } from "../datum.ts";
import type { Json } from "../jsonrpc/json.ts";
import { parseSchema } from "../model.ts";
import type { Datum, Uuid } from "../value.ts";
import { cellEquals, cellOf, cellsOf, hasUuid, packCell, packRow, uuidOf, versionOf } from "./packedRow.ts";

const any = { min: 0, max: "unlimited" };
const { columns } = parseSchema({
  name: "D",
  tables: {
    T: {
      columns: {
        integer: { type: "integer" },
        real: { type: "real" },
        boolean: { type: "boolean" },
        string: { type: "string" },
        uuid: { type: "uuid" },
        integers: { type: { key: "integer", ...any } },
        strings: { type: { key: "string", ...any } },
        map: { type: { key: "string", value: "uuid", ...any } },
        options: { type: { key: "integer", value: "real", ...any } },
        last: { type: { key: "boolean", min: 0, max: 1 } },
      },
    },
  },
}).tables.get("T")!;

const uuid = fc.uuid().map((text) => text as Uuid); // fc.uuid gives the form of one
const integer = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const real = fc.double({ noNaN: true, noDefaultInfinity: true });
const string = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ maxLength: 300 }),
  fc.constantFrom("", "é", "ÿ", "Ā", "€".repeat(99)),
);
const jsonUuid = uuid.map((text): Json => ["uuid", text]);
const set = (atom: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.uniqueArray(atom, { maxLength: 60, selector: String }).map((atoms) => ["set", atoms]);
const map = (key: fc.Arbitrary<Json>, value: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.uniqueArray(fc.tuple(key, value), { maxLength: 20, selector: ([first]) => String(first) }).map((pairs) => ["map", pairs]);
const rowCells = fc
  .tuple(
    integer,
    real,
    fc.boolean(),
    string,
    jsonUuid,
    set(integer),
    set(string),
    map(string, jsonUuid),
    map(integer, real),
    set(fc.boolean()).map((json): Json => ((json as [string, Json[]])[1].length > 1 ? ["set", []] : json)), // made above
  )
  .map((json): Datum[] => json.map((cell, i) => parseDatum(cell, columns[i]!.type)));

describe("a packed row", () => {
  it("has what was packed: all of it, each cell, and the uuid", () => {
    fc.assert(
      fc.property(uuid, uuid, fc.nat(), rowCells, (own, other, version, cells) => {
        const packed = packRow(own, version, cells, columns);
        expect(cellsOf(packed, columns)).toEqual(cells);
        expect(columns.map((column) => cellOf(packed, column))).toEqual(cells);
        expect(uuidOf(packed)).toBe(own);
        for (const [i, column] of columns.entries()) {
          expect(cellEquals(packed, column, packCell(cells[i]!, column.type))).toBe(true);
          expect(cellEquals(packed, column, packCell(column.default, column.type))).toBe(isDefault(cells[i]!, column.type));
        }
        expect([hasUuid(packed, own), hasUuid(packed, other)]).toEqual([true, own === other]);
        for (const unit of packed) expect(unit.charCodeAt(0)).toBeLessThan(256);
      }),
      { numRuns: 200 },
    );
  });

  it("may have long cells, and a short row may follow a very long one", () => {
    const own = seededRandom(1).uuid() as Uuid; // gives the form of one
    const cells = columns.map((column) => column.default);
    for (const length of [126, 127, 128, 16383, 16384, 3_000_000]) {
      const long = [...cells.slice(0, 3), ["x".repeat(length)], ...cells.slice(4)];
      const wide = [...cells.slice(0, 3), ["€".repeat(length)], ...cells.slice(4)];
      for (const row of [long, wide, cells]) expect(cellsOf(packRow(own, 0, row, columns), columns)).toEqual(row);
    }
  });

  it("has another _version than those of the row before and after it, and of other rows", () => {
    const random = seededRandom(2);
    const uuids = Array.from({ length: 3 }, () => random.uuid() as Uuid); // as above
    const seed = random.uuid() as Uuid; // as above
    const cells = columns.map((column) => column.default);
    const numbers = [0, 1, 2, 127, 128, 2 ** 31, 2 ** 32 - 1];
    const versions = uuids.flatMap((own) => numbers.map((number) => versionOf(packRow(own, number, cells, columns), seed)));
    expect(new Set(versions).size).toBe(versions.length);
    for (const version of versions)
      expect(version).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
