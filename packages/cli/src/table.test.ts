import { columnModel } from "@weft/ovsdb";
import { describe, expect, test } from "vitest";
import { formatReal, formatValue } from "./datum.ts";
import { printTable, type Table, tableStyle } from "./table.ts";

const name = columnModel("name", { type: "string" });
const ports = columnModel("ports", { type: { key: "integer", min: 0, max: "unlimited" } });
const ids = columnModel("ids", { type: { key: "string", value: "string", min: 0, max: "unlimited" } });
const table: Table = {
  headings: ["name", "ports", "ids"],
  rows: [
    [
      { column: name, value: "br-int" },
      { column: ports, value: [1, 2] },
      { column: ids, value: new Map([["a", "x y"]]) },
    ],
    [
      { column: name, value: "" },
      { column: ports, value: [] },
      { column: ids, value: new Map() },
    ],
  ],
};
const print = (...options: [string, string?][]) =>
  printTable(table, tableStyle(options.map(([name, value]) => (value === undefined ? { name } : { name, value }))));

describe("tables", () => {
  test("table", () => {
    expect(print()).toBe(
      ["name   ports  ids", "------ ------ ---------", 'br-int [1, 2] {a="x y"}', '""     []     {}', ""].join("\n"),
    );
  });
  test("bare", () => expect(print(["bare"])).toBe("br-int\n1 2\na=x y\n\n\n\n\n"));
  test("csv", () => expect(print(["format", "csv"])).toBe('name,ports,ids\nbr-int,"[1, 2]","{a=""x y""}"\n"""""",[],{}\n'));
  test("json", () =>
    expect(print(["format", "json"])).toBe(
      '{"data":[["br-int",["set",[1,2]],["map",[["a","x y"]]]],["",["set",[]],["map",[]]]],"headings":["name","ports","ids"]}\n',
    ));
});

test("strings are quoted when they would not read back", () => {
  const quoted = ["a", "a-b.c", "1a", "a b", "true", "", 'a"b'].map((text) => formatValue(name, text));
  expect(quoted).toEqual(["a", "a-b.c", '"1a"', '"a b"', '"true"', '""', '"a\\"b"']);
});

test("reals have fifteen digits", () => {
  expect([0, 1, 0.1, 1e15, 1.5e-7, 1 / 3, 123456.75].map(formatReal)).toEqual([
    "0",
    "1",
    "0.1",
    "1e+15",
    "1.5e-07",
    "0.333333333333333",
    "123456.75",
  ]);
});
