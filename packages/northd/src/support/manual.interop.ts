/** The keys of maps that ovn-nb(5) documents are those that have an entry. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { type Column, isKeys } from "./entry.ts";
import { support } from "./table.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";

/** "TABLE COLUMN:KEY" for every key that the manual page has a heading for. */
function documented(): Set<string> {
  const page = gunzipSync(readFileSync(join(reference, "share/man/man5/ovn-nb.5.gz"))).toString();
  const found = new Set<string>();
  let table = "";
  for (const line of page.split("\n")) {
    table = /^\.SH "(\w+) TABLE"/.exec(line)?.[1] ?? table;
    const key = /^\.IP "\\fB(\w+) : ([^\\]+(?:\\-[^\\]+)*)\\fR/.exec(line);
    if (key !== null) found.add(`${table} ${key[1]}:${key[2]!.replaceAll("\\-", "-")}`);
  }
  return found;
}

it("has an entry for every documented key", () => {
  const entries = Object.entries(support).flatMap(([table, columns]) =>
    Object.entries(columns as Record<string, Column<never>>).flatMap(([name, column]) =>
      isKeys(column) ? Object.keys(column.keys).map((key) => `${table} ${name}:${key}`) : [],
    ),
  );
  expect(entries.sort()).toEqual([...documented()].sort());
});
