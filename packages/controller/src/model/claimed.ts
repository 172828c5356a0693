/** Ports of this chassis whose claim is in the Southbound: they become "up" when their flows are in the switch. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { claimOf } from "./binding.ts";
import { ownChassis } from "./config.ts";
import { sb } from "./inputs.ts";

export const claimedPorts = each<Uuid, Uuid, SbRow<"Port_Binding">>("claimedPorts", sb.Port_Binding, function* (uuid, row, read) {
  const own = read(ownChassis, 0);
  const claim = read(claimOf, uuid);
  if (own === undefined || claim === undefined) return;
  if (claim === "main" ? row.chassis === own : row.additional_chassis.includes(own)) yield uuid;
});
