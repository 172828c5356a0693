/** IP multicast on a switch: flooded, snooped, sent to who asked for it (ovn-northd(8), "Destination Lookup"). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow, quoted } from "../flow.ts";
import { metered } from "../model/copp.ts";
import { groupMatch, switchMulticast } from "../model/multicast.ts";
import { switches } from "../model/nb.ts";
import { switchPorts } from "../model/switchPort.ts";
import { LS_IN_L2_LKUP, LS_OUT_PRE_LB } from "../stages.ts";

const TO_ROUTERS = 'clone { outport = "_MC_mrouter_flood"; output; };';

export const multicast = each("switch/multicast", switches, function* (uuid, row, read): Iterable<Flow> {
  const { flooded, relayed, groups } = read(switchMulticast, uuid);
  const heard = relayed ? TO_ROUTERS : "";
  const copied = flooded.length > 0;
  const all = `${relayed ? `${TO_ROUTERS} ` : ""}${copied ? 'clone { outport = "_MC_static"; output; }; ' : ""}`;
  yield flow(uuid, LS_IN_L2_LKUP, 71, "eth.mcast && ip", `${all}outport = "_MC_flood_l2"; output;`);
  for (const address of groups.keys()) {
    const copy = copied ? 'clone { outport ="_MC_static"; output; };' : "";
    const actions = `${heard}${copy}outport = ${quoted(address)}; output; `;
    yield flow(uuid, LS_IN_L2_LKUP, 90, `eth.mcast && ${groupMatch(address)}`, actions);
  }
  if (row.other_config.get("mcast_snoop") !== "true") return;
  yield* snooping(uuid, read);
  if (row.other_config.has("interconn-ts")) yield* fromOtherZones(uuid, read);
  if (row.other_config.get("mcast_flood_unregistered") === "true") return;
  const rest = copied ? 'outport ="_MC_static"; output;' : relayed ? "" : "drop;";
  yield flow(uuid, LS_IN_L2_LKUP, 80, "ip4.mcast || ip6.mcast", `${relayed ? `${TO_ROUTERS} ` : ""}${rest}`);
});

/** What comes in by a transit switch's remote ports is in the egress pipeline already. */
function* fromOtherZones(uuid: Uuid, read: Read): Iterable<Flow> {
  const igmp = metered(uuid, "igmp", read);
  for (const { type, json } of read(switchPorts, uuid)) {
    if (type !== "remote") continue;
    for (const report of ["igmp", "(mldv1 || mldv2)"]) {
      const match = `inport == ${json} && ${report} && flags.igmp_loopback == 0`;
      yield flow(uuid, LS_OUT_PRE_LB, 120, match, "clone { igmp; }; next;", igmp);
    }
  }
}

function* snooping(uuid: Uuid, read: Read): Iterable<Flow> {
  const igmp = metered(uuid, "igmp", read);
  yield flow(uuid, LS_IN_L2_LKUP, 100, "flags.igmp_loopback == 0 && igmp", "igmp;", igmp);
  yield flow(uuid, LS_IN_L2_LKUP, 100, "flags.igmp_loopback == 0 && (mldv1 || mldv2)", "igmp;", igmp);
  yield flow(uuid, LS_IN_L2_LKUP, 85, "ip4.mcast && ip4.dst == 224.0.0.0/24", 'outport = "_MC_flood_l2"; output;');
  yield flow(uuid, LS_IN_L2_LKUP, 85, "ip6.mcast_flood", 'outport = "_MC_flood"; output;');
}
