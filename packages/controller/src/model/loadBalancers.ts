/** Which datapaths a load balancer of the Southbound is on. */
import type { Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { isLocalDatapath } from "./datapaths.ts";
import { sb } from "./inputs.ts";

export function datapathsOfBalancer(read: Read, row: SbRow<"Load_Balancer">): readonly Uuid[] {
  const datapaths = [...row.datapaths];
  for (const group of [row.datapath_group, row.ls_datapath_group, row.lr_datapath_group])
    if (group !== undefined) datapaths.push(...(read(sb.Logical_DP_Group, group)?.datapaths ?? []));
  return datapaths;
}

export function localDatapathsOf(read: Read, row: SbRow<"Load_Balancer">): SbRow<"Datapath_Binding">[] {
  return [...new Set(datapathsOfBalancer(read, row))]
    .filter((datapath) => read(isLocalDatapath, datapath))
    .map((datapath) => read(sb.Datapath_Binding, datapath))
    .filter((datapath) => datapath !== undefined);
}
