/** Logical flows of local datapaths as OpenFlow. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { sb } from "../model/inputs.ts";
import type { DesiredFlow } from "../physical/flow.ts";

export const logicalFlows = each<DesiredFlow, Uuid, SbRow<"Logical_Flow">>("logicalFlows", sb.Logical_Flow, function* () {});
