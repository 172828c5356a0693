/** Says in the log which ports have an interface here and are not claimed, since another chassis or version was asked for. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { mismatch, permission } from "../model/binding.ts";
import { config } from "../model/config.ts";
import { sb } from "../model/inputs.ts";
import { interfaceOf } from "../model/interfaces.ts";

export const refusals = each<string, Uuid, SbRow<"Port_Binding">>("refusals", sb.Port_Binding, function* (_uuid, row, read) {
  const own = read(config, 0);
  if (own === undefined || row.type !== "" || (row.parent_port ?? "") !== "") return;
  const iface = read(interfaceOf, row.logical_port);
  if (iface === undefined) return;
  const other = mismatch(row, iface);
  if (other !== undefined) yield other;
  if (permission(read, row) !== undefined) return;
  const holder = row.chassis === undefined ? undefined : read(sb.Chassis, row.chassis)?.name;
  yield `Not claiming lport ${row.logical_port}, chassis ${own.chassis} requested-chassis ${row.options.get("requested-chassis")} pb->chassis ${holder ?? ""}`;
});
