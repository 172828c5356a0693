import type { Uuid } from "@weft/ovsdb";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  type NbRow,
  openVSwitch,
  ovnIcNorthbound,
  ovnIcSouthbound,
  ovnNorthbound,
  ovnSouthbound,
  type SbRow,
  type VsRow,
} from "./index.ts";

describe("row types follow from the schema", () => {
  test("scalars, options, sets, maps and references", () => {
    expectTypeOf<NbRow<"Logical_Switch_Port">["name"]>().toEqualTypeOf<string>();
    expectTypeOf<NbRow<"Logical_Switch_Port">["addresses"]>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<NbRow<"Logical_Switch_Port">["tag"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<NbRow<"Logical_Switch_Port">["dhcpv4_options"]>().toEqualTypeOf<Uuid | undefined>();
    expectTypeOf<NbRow<"Logical_Switch">["ports"]>().toEqualTypeOf<readonly Uuid[]>();
    expectTypeOf<NbRow<"ACL">["direction"]>().toEqualTypeOf<"from-lport" | "to-lport">();
    expectTypeOf<NbRow<"QoS">["bandwidth"]>().toEqualTypeOf<ReadonlyMap<"rate" | "burst", number>>();
    expectTypeOf<SbRow<"Port_Binding">["tunnel_key"]>().toEqualTypeOf<number>();
    expectTypeOf<SbRow<"Port_Binding">["datapath"]>().toEqualTypeOf<Uuid>();
    expectTypeOf<VsRow<"Interface">["statistics"]>().toEqualTypeOf<ReadonlyMap<string, number>>();
    expectTypeOf<VsRow<"Bridge">["flow_tables"]>().toEqualTypeOf<ReadonlyMap<number, Uuid>>();
  });
});

test("every reference names a table of its own schema", () => {
  for (const schema of [ovnNorthbound, ovnSouthbound, ovnIcNorthbound, ovnIcSouthbound, openVSwitch]) {
    const referred = [...JSON.stringify(schema).matchAll(/"refTable":"(\w+)"/g)].map((found) => found[1]);
    for (const table of referred) expect(Object.keys(schema.tables)).toContain(table);
  }
});
