import type { SbRow, SbSchema } from "@weft/schemas";
import type { Call, Command } from "../command.ts";
import { fail } from "../error.ts";

export type SbCall = Call<SbSchema>;
export type SbCommand = Command<SbSchema>;

export function findChassis(call: SbCall, name: string): SbRow<"Chassis"> | undefined {
  return [...call.db.rows("Chassis")].find((row) => row.name === name);
}

export function needChassis(call: SbCall, name: string): SbRow<"Chassis"> {
  return findChassis(call, name) ?? fail(`no chassis named ${name}`);
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `"name" (uuid)`, the name as far as the datapath has one. */
export function datapathLabel({ _uuid, external_ids }: SbRow<"Datapath_Binding">): string {
  const [name, name2] = [external_ids.get("name"), external_ids.get("name2")];
  return `${name === undefined ? "" : `"${name}"`}${name2 === undefined ? "" : ` aka "${name2}"`} (${_uuid})`;
}
