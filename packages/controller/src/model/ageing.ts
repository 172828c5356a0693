/** Local datapaths whose neighbours or FDB entries age (ovn-nb(5), mac_binding_age_threshold and fdb_age_threshold). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { localKeyOf } from "./datapaths.ts";
import { sb } from "./inputs.ts";

export interface AgeingDatapath {
  readonly datapath: Uuid;
  readonly key: number;
  /** What ages there, and after how many milliseconds at the soonest. */
  readonly what: "neighbours" | "fdb";
  readonly threshold: number;
}

const THRESHOLDS = [
  ["neighbours", "mac_binding_age_threshold"],
  ["fdb", "fdb_age_threshold"],
] as const;

export const ageingDatapaths = each<AgeingDatapath, Uuid, SbRow<"Datapath_Binding">>(
  "ageingDatapaths",
  sb.Datapath_Binding,
  function* (datapath, row, read) {
    const key = read(localKeyOf, datapath);
    if (key === undefined) return;
    for (const [what, name] of THRESHOLDS) {
      const seconds = Number(row.external_ids.get(name) ?? 0);
      if (seconds > 0) yield { datapath, key, what, threshold: seconds * 1000 };
    }
  },
);
