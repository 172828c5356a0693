import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JsonObject, parseJson, stringifyJson } from "../jsonrpc/json.ts";
import { type Piece, PiecesError, pieceRow, recordPieces } from "./pieces.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** In these tests r, r1, r2 and so on stand for uuids. */
const uuidOf = (digit: string): string => `${digit.padEnd(8, "0")}-0000-4000-8000-00000000000f`;
const named = (text: string): string => text.replace(/"r(\d?)(?=[": ])/g, (_name, digit: string) => `"${uuidOf(digit)}`);
const nameOf = (uuid: string): string => uuid.replace(/^([1-9]?)0+-0000-4000-8000-00000000000f$/, "r$1");

function piecesOf(text: string, size: number): JsonObject[] {
  return [...recordPieces(encode(text), size)].map(recordOf);
}

/** The record of which a piece is all. */
function recordOf(piece: Piece): JsonObject {
  const { plain, table, uuids } = piece;
  if (uuids.length === 0) return plain;
  return { ...plain, [table]: Object.fromEntries(uuids.map((uuid, i) => [nameOf(uuid), pieceRow(piece, i)])) };
}

const ROWS = '"T":{"r1":{"a":1},"r2":null,"r3":{"a":"},{\\"ä\\\\"}},"U":{"r4":{"b":["set",[1,2]]}}';

describe("pieces of a record", () => {
  it("have whole rows of one table each, and all that is no table", () => {
    expect(piecesOf(named(`{"_date":7,${ROWS},"_is_diff":true}\n`), 50)).toEqual([
      { _date: 7, _is_diff: true, T: { r1: { a: 1 }, r2: null } },
      { _date: 7, _is_diff: true, T: { r3: { a: '},{"ä\\' } } },
      { _date: 7, _is_diff: true, U: { r4: { b: ["set", [1, 2]] } } },
    ]);
  });

  it("keep integers of 64 bits", () => {
    expect(piecesOf(named('{"T":{"r":{"a":9223372036854775807}}}'), 1)).toEqual([{ T: { r: { a: 9223372036854775807n } } }]);
  });

  it("are one for a record without rows", () => {
    expect(piecesOf('{"_comment":"long","T":null}', 1)).toEqual([{ _comment: "long", T: null }]);
  });

  it("are together the record, whatever their size", () => {
    const row = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));
    const table = fc.dictionary(fc.uuid(), fc.option(row), { minKeys: 1 });
    const record = fc.dictionary(fc.stringMatching(/^[A-Z"\\ä{},]{1,5}$/), table, { minKeys: 1 });
    fc.assert(
      fc.property(record, fc.integer({ min: 1, max: 200 }), (tables, size) => {
        const text = stringifyJson(tables as JsonObject); // what fast-check makes of such arbitraries is JSON
        const merged: { [table: string]: JsonObject } = {};
        for (const piece of piecesOf(text, size)) {
          for (const [name, rows] of Object.entries(piece)) merged[name] = { ...merged[name], ...(rows as JsonObject) }; // tables
        }
        expect(merged).toEqual(parseJson(text));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    "",
    "[]",
    "{}",
    `{ ${ROWS}}`,
    `{${ROWS}`,
    `{${ROWS}]`,
    `{${ROWS},}`,
    `{${ROWS}}}`,
    `{${ROWS}}\n\n`,
    '{"T":{}}',
    '{"T":{"r":{},}}',
    '{"T":{"r":{}]}',
    '{"T":{"r":{"a":[}]}}',
    '{"T":{"r":nothing}}',
    '{"T":{"r":"',
    '{"_date":,"T":{"r":{}}}',
    '{"T":{\ufeff"r":{}}}',
    '{"T" :{"r":{}}}',
    '{"T":{"r" :{}}}',
    '{"T":{"row":{}}}',
    `{"T":{"${uuidOf("")}x:{}":{}}}`,
  ])("are refused for %j", (text) => {
    expect(() => piecesOf(named(text), 10)).toThrow(PiecesError);
  });

  it("are refused for a text that is not UTF-8", () => {
    const bytes = encode(named('{"T":{"r":{"a":"xx"}}}'));
    bytes[bytes.indexOf(0x78)] = 0xff;
    expect(() => [...recordPieces(bytes, 10)].map(recordOf)).toThrow(PiecesError);
  });
});
