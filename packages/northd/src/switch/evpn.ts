/** A switch that is stretched to other fabrics by EVPN (ovn-nb(5), Logical_Switch:other_config:dynamic-routing-vni). */
import { derive, each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { switchConfig } from "../model/config.ts";
import { switches } from "../model/nb.ts";
import { LS_IN_PRE_ACL, LS_IN_PRE_LB, LS_OUT_PRE_ACL, LS_OUT_PRE_LB } from "../stages.ts";
import { aclTraits } from "./aclModel.ts";

/** RFC 7348: 24 bits. */
const MAX_VNI = 16_777_215;

export interface Evpn {
  /** What is known of a MAC address here counts before what the fabric tells. */
  readonly preferLocal: boolean;
}

/** Undefined for a switch that is not stretched. */
export const evpn = derive(
  "evpn",
  (datapath: Uuid, read): Evpn | undefined => {
    const config = read(switchConfig, datapath);
    const vni = Number(config.get("dynamic-routing-vni") ?? "");
    if (!Number.isInteger(vni) || vni < 1 || vni > MAX_VNI) return undefined;
    return { preferLocal: config.get("dynamic-routing-fdb-prefer-local") === "true" };
  },
  { equals: (a, b) => a?.preferLocal === b?.preferLocal },
);

/** What goes to the fabric or comes from it is not tracked by connection. */
export const evpnFlows = each("switch/evpn", switches, function* (uuid, _row, read): Iterable<Flow> {
  if (read(evpn, uuid) === undefined) return;
  const { stateful } = read(aclTraits, uuid);
  const leave = stateful ? "next;" : "flags.pkt_sampled = 0; ct_clear; next;";
  yield flow(uuid, LS_IN_PRE_LB, 110, "from_evpn_vtep", "next;");
  yield flow(uuid, LS_OUT_PRE_LB, 110, "to_evpn_vtep", leave);
  if (!stateful) return;
  yield flow(uuid, LS_IN_PRE_ACL, 110, "from_evpn_vtep", "next;");
  yield flow(uuid, LS_OUT_PRE_ACL, 110, "to_evpn_vtep", leave);
});
