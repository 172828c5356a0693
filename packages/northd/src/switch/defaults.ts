/** The flows that every switch has, whatever is configured. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { metered } from "../model/copp.ts";
import { switches } from "../model/nb.ts";
import * as s from "../stages.ts";
import { evpn } from "./evpn.ts";

/** An ICMP error "packet too big" or "fragmentation needed" that came back through a tunnel. */
export const TOO_BIG = "((ip4 && icmp4.type == 3 && icmp4.code == 4) || (ip6 && icmp6.type == 2 && icmp6.code == 0))";

/** The number of a group of network functions, then that of a function. */
export const NETWORK_FUNCTION_ID = "reg0[22..29]";
export const COMMIT = "ct_mark.blocked = 0; ct_mark.allow_established = reg0[20];";
export const OBSERVED = "ct_mark.obs_stage = reg8[19..20]; ct_mark.obs_collector_id = reg8[8..15]; ct_label.obs_point_id = reg9;";

/** Stages whose only certain flow passes everything on. */
const passing = [
  s.LS_IN_APPLY_PORT_SEC,
  s.LS_IN_MIRROR,
  s.LS_IN_LOOKUP_FDB,
  s.LS_IN_PUT_FDB,
  s.LS_IN_PRE_ACL,
  s.LS_IN_PRE_LB,
  s.LS_IN_PRE_STATEFUL,
  s.LS_IN_ACL_SAMPLE,
  s.LS_IN_QOS,
  s.LS_IN_CT_EXTRACT,
  s.LS_IN_LB_AFF_CHECK,
  s.LS_IN_LB,
  s.LS_IN_LB_AFF_LEARN,
  s.LS_IN_PRE_HAIRPIN,
  s.LS_IN_NAT_HAIRPIN,
  s.LS_IN_HAIRPIN,
  s.LS_IN_ACL_AFTER_LB_EVAL,
  s.LS_IN_ACL_AFTER_LB_SAMPLE,
  s.LS_IN_PRE_NETWORK_FUNCTION,
  s.LS_IN_STATEFUL,
  s.LS_IN_NETWORK_FUNCTION,
  s.LS_IN_ARP_RSP,
  s.LS_IN_DHCP_OPTIONS,
  s.LS_IN_DHCP_RESPONSE,
  s.LS_IN_DNS_LOOKUP,
  s.LS_IN_DNS_RESPONSE,
  s.LS_IN_EXTERNAL_PORT,
  s.LS_OUT_LOOKUP_FDB,
  s.LS_OUT_PUT_FDB,
  s.LS_OUT_PRE_ACL,
  s.LS_OUT_PRE_LB,
  s.LS_OUT_PRE_STATEFUL,
  s.LS_OUT_ACL_SAMPLE,
  s.LS_OUT_MIRROR,
  s.LS_OUT_QOS,
  s.LS_OUT_PRE_NETWORK_FUNCTION,
  s.LS_OUT_STATEFUL,
  s.LS_OUT_NETWORK_FUNCTION,
];

export const switchDefaults = each("switch/defaults", switches, function* (uuid, row, read): Iterable<Flow> {
  const make = (stage: s.Stage, priority: number, match: string, actions: string, description?: string): Flow =>
    flow(uuid as Uuid, stage, priority, match, actions, description === undefined ? {} : { description });
  for (const stage of passing) yield make(stage, 0, "1", "next;");

  yield make(s.LS_IN_CHECK_PORT_SEC, 105, `${TOO_BIG} && flags.tunnel_rx == 1`, "drop;", "ICMP: packet too big");
  if (row.other_config.get("vlan-passthru") !== "true") {
    yield make(s.LS_IN_CHECK_PORT_SEC, 100, "vlan.present", "drop;", "VLANs blocked due to vlan-passthru option");
  }
  yield make(s.LS_IN_CHECK_PORT_SEC, 100, "eth.src[40]", "drop;", "Incoming Broadcast/multicast sourceaddress is invalid");
  yield make(s.LS_IN_CHECK_PORT_SEC, 50, "1", "reg0[15] = check_in_port_sec(); next;");
  yield make(s.LS_IN_APPLY_PORT_SEC, 50, "reg0[15] == 1", "drop;", "Broadcast/multicast port security invalid");

  yield make(s.LS_IN_PRE_ACL, 110, "eth.dst == $svc_monitor_mac", "next;");
  yield make(s.LS_OUT_PRE_ACL, 110, "eth.src == $svc_monitor_mac", "next;");
  for (const stage of [s.LS_IN_PRE_LB, s.LS_OUT_PRE_LB]) {
    yield make(stage, 110, "nd || nd_rs || nd_ra || mldv1 || mldv2", "next;");
    yield make(stage, 110, "eth.mcast", "next;");
    yield make(stage, 110, "reg0[16] == 1", "next;");
  }
  yield make(s.LS_IN_PRE_LB, 110, "eth.dst == $svc_monitor_mac", "next;");
  yield make(s.LS_OUT_PRE_LB, 110, "eth.src == $svc_monitor_mac", "next;");
  yield make(
    s.LS_IN_PRE_LB,
    110,
    "((ip4 && icmp4.type == 3 && icmp4.code == 4) ||(ip6 && icmp6.type == 2 && icmp6.code == 0)) && flags.tunnel_rx == 1",
    "next;",
  );
  yield make(s.LS_IN_PRE_STATEFUL, 115, "reg0[2] == 1 && ip.is_frag", "reg0[19] = 1; ct_lb_mark;");
  for (const stage of [s.LS_IN_PRE_STATEFUL, s.LS_OUT_PRE_STATEFUL]) {
    yield make(stage, 110, "reg0[2] == 1", "ct_lb_mark;");
    yield make(stage, 100, "reg0[0] == 1", "ct_next;");
  }

  for (const stage of [s.LS_IN_PRE_NETWORK_FUNCTION, s.LS_OUT_PRE_NETWORK_FUNCTION]) {
    yield make(stage, 1, "reg8[21] == 1 && reg8[22] == 1", `${NETWORK_FUNCTION_ID} = 0; next;`);
  }
  for (const stage of [s.LS_IN_STATEFUL, s.LS_OUT_STATEFUL]) {
    const plain = "ct_label.nf = 0; ct_label.nf_id = 0;";
    const redirected = `ct_label.nf = 1; ct_label.nf_id = ${NETWORK_FUNCTION_ID};`;
    const id = "ct_label.acl_id = reg2[16..31];";
    yield make(stage, 100, "reg0[1] == 1 && reg0[13] == 1", `ct_commit { ${COMMIT} ${OBSERVED} ${id} ${plain} }; next;`);
    yield make(stage, 100, "reg0[1] == 1 && reg0[13] == 0", `ct_commit { ${COMMIT} ${id} ${plain} }; next;`);
    yield make(
      stage,
      110,
      "reg0[1] == 1 && reg0[13] == 1 && reg8[21] == 1",
      `ct_commit { ${COMMIT} ${OBSERVED} ${id} ${redirected} }; next;`,
    );
    yield make(
      stage,
      110,
      "reg0[1] == 1 && reg0[13] == 0 && reg8[21] == 1",
      `ct_commit { ${COMMIT} ${id} ${redirected} }; next;`,
    );
  }
  for (const stage of [s.LS_IN_NETWORK_FUNCTION, s.LS_OUT_NETWORK_FUNCTION]) {
    yield make(stage, 100, "reg8[21] == 1 && eth.mcast", "next;");
    yield make(stage, 1, "reg8[21] == 1", "drop;");
  }

  const probe = "eth.dst == $svc_monitor_mac && (tcp || icmp || icmp6)";
  yield flow(uuid, s.LS_IN_L2_LKUP, 110, probe, "handle_svc_check(inport);", metered(uuid, "svc-monitor", read));
  yield make(s.LS_IN_L2_LKUP, 100, "reg8[23] == 1", "output;");
  const stretched = read(evpn, uuid);
  const remote = stretched === undefined ? "" : "remote_outport = get_remote_fdb(eth.dst); ";
  yield make(s.LS_IN_L2_LKUP, 0, "1", `outport = get_fdb(eth.dst); ${remote}next;`);
  if (stretched?.preferLocal === false) {
    yield make(s.LS_IN_L2_UNKNOWN, 25, 'remote_outport == "none"', "output;");
    yield make(s.LS_IN_L2_UNKNOWN, 0, "1", "outport = remote_outport; output;");
  } else {
    if (stretched !== undefined) yield make(s.LS_IN_L2_UNKNOWN, 25, 'outport == "none"', "outport = remote_outport; output;");
    yield make(s.LS_IN_L2_UNKNOWN, 0, "1", "output;");
  }
  yield make(s.LS_OUT_CHECK_PORT_SEC, 100, "eth.mcast", "reg0[15] = 0; next;");
  yield make(s.LS_OUT_CHECK_PORT_SEC, 0, "1", "reg0[15] = check_out_port_sec(); next;");
  yield make(s.LS_OUT_APPLY_PORT_SEC, 50, "reg0[15] == 1", "drop;", "Packet does not follow port security rules");
  yield make(s.LS_OUT_APPLY_PORT_SEC, 0, "1", "output;");
});
