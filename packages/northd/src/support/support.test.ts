import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Uuid } from "@weft/ovsdb";
import { ovnNorthbound } from "@weft/schemas";
import { expect, it } from "vitest";
import { featuresPage } from "./page.ts";
import { support } from "./table.ts";
import { Unsupported, unsupported } from "./unsupported.ts";

it("has an entry for every column of the schema, and for no other", () => {
  const columnsOf = (tables: object) =>
    Object.entries(tables).flatMap(([table, columns]) => Object.keys(columns).map((column) => `${table} ${column}`));
  const schema = Object.fromEntries(Object.entries(ovnNorthbound.tables).map(([name, { columns }]) => [name, columns]));
  expect(columnsOf(support).sort()).toEqual(columnsOf(schema).sort());
});

it("is what docs/features.md says (npm run features)", () => {
  const page = fileURLToPath(new URL("../../../../docs/features.md", import.meta.url));
  expect(readFileSync(page, "utf8")).toBe(featuresPage());
});

it("reports what a row asks for and does not get, once", () => {
  const row = { name: "r0", options: new Map([["ic-route-filter-adv", "10.0.0.0/8"]]) };
  const said: string[] = [];
  const reports = new Unsupported((text) => said.push(text));
  reports.check("Logical_Router", "11111111-1111-1111-1111-111111111111" as Uuid, row);
  reports.check("Logical_Router", "11111111-1111-1111-1111-111111111111" as Uuid, row);
  expect(said).toEqual([
    "Logical_Router r0: options:ic-route-filter-adv is only partly supported: for ovn-ic: the original's works, there is none of ours",
  ]);
});

it("is silent about what works", () => {
  expect(unsupported("Logical_Switch", { name: "sw0", other_config: new Map([["subnet", "10.0.0.0/24"]]) })).toEqual([]);
});
