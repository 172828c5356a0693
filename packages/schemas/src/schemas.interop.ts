import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SchemaJson } from "@weft/ovsdb";
import { describe, expect, test } from "vitest";
import { openVSwitch, ovnIcNorthbound, ovnIcSouthbound, ovnNorthbound, ovnSouthbound } from "./index.ts";

const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const files: [string, SchemaJson][] = [
  ["ovn/ovn-nb.ovsschema", ovnNorthbound],
  ["ovn/ovn-sb.ovsschema", ovnSouthbound],
  ["ovn/ovn-ic-nb.ovsschema", ovnIcNorthbound],
  ["ovn/ovn-ic-sb.ovsschema", ovnIcSouthbound],
  ["openvswitch/vswitch.ovsschema", openVSwitch],
];

type Json = Record<string, unknown>;

/** One spelling for what RFC 7047 allows to be spelt in several ways: defaults written out. */
function column(json: unknown): Json {
  const { type, ephemeral = false, mutable = true } = json as Json;
  const full = typeof type === "string" ? { key: type } : (type as Json);
  const base = (b: unknown) => {
    if (b === undefined) return undefined;
    const object: Json = typeof b === "string" ? { type: b } : (b as Json);
    return object.refTable === undefined ? object : { refType: "strong", ...object };
  };
  const { key, value, min = 1, max = 1 } = full as Json;
  return { key: base(key), value: base(value), min, max, ephemeral, mutable };
}

describe.each(files)("%s", (file, ours) => {
  const theirs = JSON.parse(readFileSync(join(reference, "share", file), "utf8")) as SchemaJson;

  test("name, version and checksum", () => {
    expect([ours.name, ours.version, ours.cksum]).toEqual([theirs.name, theirs.version, theirs.cksum]);
    expect(Object.keys(ours.tables)).toEqual(Object.keys(theirs.tables));
  });

  test.each(Object.keys(theirs.tables))("table %s", (name) => {
    const [our, their] = [ours.tables[name]!, theirs.tables[name]!];
    const attributes = ({ indexes = [], maxRows, isRoot = false }: typeof our) => ({ indexes, maxRows, isRoot });
    expect(attributes(our)).toEqual(attributes(their));
    expect(Object.keys(our.columns)).toEqual(Object.keys(their.columns));
    for (const name of Object.keys(their.columns)) expect(column(our.columns[name]), name).toEqual(column(their.columns[name]));
  });
});
