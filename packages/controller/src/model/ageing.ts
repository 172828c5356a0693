/** Local datapaths whose neighbours or FDB entries age (ovn-nb(5), mac_binding_age_threshold and fdb_age_threshold). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { isLocalDatapath } from "./datapaths.ts";
import { sb } from "./inputs.ts";

export interface AgeingDatapath {
  readonly datapath: Uuid;
  /** What ages there, and after how many milliseconds at the soonest. */
  readonly what: "MAC_Binding" | "FDB";
  readonly threshold: number;
}

const THRESHOLDS = [
  ["MAC_Binding", "mac_binding_age_threshold"],
  ["FDB", "fdb_age_threshold"],
] as const;

export const ageingDatapaths = each<AgeingDatapath, Uuid, SbRow<"Datapath_Binding">>(
  "ageingDatapaths",
  sb.Datapath_Binding,
  function* (datapath, row, read) {
    if (!read(isLocalDatapath, datapath)) return;
    for (const [what, name] of THRESHOLDS) {
      const seconds = Number(row.external_ids.get(name) ?? 0);
      if (seconds > 0) yield { datapath, what, threshold: seconds * 1000 };
    }
  },
);
