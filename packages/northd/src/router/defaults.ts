/** The flows that every router has, whatever is configured. */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { metered, type Protocol } from "../model/copp.ts";
import { routers } from "../model/nb.ts";
import * as s from "../stages.ts";
import { TOO_BIG } from "../switch/defaults.ts";

const passing = [
  s.LR_IN_IP_INPUT,
  s.LR_IN_DHCP_RELAY_REQ,
  s.LR_IN_UNSNAT,
  s.LR_IN_POST_UNSNAT,
  s.LR_IN_DEFRAG,
  s.LR_IN_CT_EXTRACT,
  s.LR_IN_LB_AFF_CHECK,
  s.LR_IN_DNAT,
  s.LR_IN_LB_AFF_LEARN,
  s.LR_IN_ECMP_STATEFUL,
  s.LR_IN_ND_RA_OPTIONS,
  s.LR_IN_ND_RA_RESPONSE,
  s.LR_IN_DHCP_RELAY_RESP_CHK,
  s.LR_IN_DHCP_RELAY_RESP,
  s.LR_IN_CHK_PKT_LEN,
  s.LR_IN_LARGER_PKTS,
  s.LR_IN_GW_REDIRECT,
  s.LR_IN_NETWORK_ID,
  s.LR_IN_ARP_REQUEST,
  s.LR_OUT_UNDNAT,
  s.LR_OUT_POST_UNDNAT,
  s.LR_OUT_SNAT,
  s.LR_OUT_POST_SNAT,
  s.LR_OUT_EGR_LOOP,
];

const dropping = [
  s.LR_IN_ADMISSION,
  s.LR_IN_LEARN_NEIGHBOR,
  s.LR_IN_IP_ROUTING,
  s.LR_IN_IP_ROUTING_ECMP,
  s.LR_IN_POLICY_ECMP,
  s.LR_IN_ARP_RESOLVE,
  s.LR_OUT_DELIVERY,
];

export const routerDefaults = each("router/defaults", routers, function* (uuid, _row, read): Iterable<Flow> {
  const make = (stage: s.Stage, priority: number, match: string, actions: string, asks?: Protocol): Flow =>
    flow(uuid, stage, priority, match, actions, asks === undefined ? {} : metered(uuid, asks, read));
  for (const stage of passing) yield make(stage, 0, "1", "next;");
  for (const stage of dropping) yield make(stage, 0, "1", "drop;");

  yield make(s.LR_IN_ADMISSION, 110, `${TOO_BIG} && flags.tunnel_rx == 1`, "drop;");
  yield make(s.LR_IN_ADMISSION, 100, "vlan.present || eth.src[40]", "drop;");

  yield make(
    s.LR_IN_IP_INPUT,
    100,
    "ip4.src_mcast ||ip4.src == 255.255.255.255 || ip4.src == 127.0.0.0/8 || ip4.dst == 127.0.0.0/8 || " +
      "ip4.src == 0.0.0.0/8 || ip4.dst == 0.0.0.0/8",
    "drop;",
  );
  yield make(s.LR_IN_IP_INPUT, 85, "arp || nd", "drop;");
  yield make(s.LR_IN_IP_INPUT, 84, "nd_rs || nd_ra", "next;");
  yield make(s.LR_IN_IP_INPUT, 83, "ip6.mcast_rsvd", "drop;");
  yield make(s.LR_IN_IP_INPUT, 50, "eth.bcast", "drop;");
  yield make(s.LR_IN_IP_INPUT, 32, "ip.ttl == {0, 1} && !ip.later_frag && (ip4.mcast || ip6.mcast)", "drop;");
  yield make(s.LR_IN_IP_INPUT, 29, "ip.ttl == {0, 1}", "drop;");

  yield make(s.LR_IN_IP_ROUTING_PRE, 0, "1", "reg7 = 0; next;");
  yield make(s.LR_IN_IP_ROUTING, 10550, "nd_rs || nd_ra", "drop;");
  yield make(s.LR_IN_IP_ROUTING_ECMP, 150, "reg8[0..15] == 0", "next;");
  yield make(s.LR_IN_POLICY, 0, "1", "reg8[0..15] = 0; next;");
  yield make(s.LR_IN_POLICY_ECMP, 150, "reg8[0..15] == 0", "next;");

  yield make(s.LR_IN_ARP_RESOLVE, 500, "ip4.mcast || ip6.mcast", "next;");
  yield make(s.LR_IN_ARP_RESOLVE, 1, "reg9[9] == 1", "get_arp(outport, reg0); next;");
  yield make(s.LR_IN_ARP_RESOLVE, 1, "reg9[9] == 0", "get_nd(outport, xxreg0); next;");
  yield make(s.LR_IN_NETWORK_ID, 105, "1", "flags.network_id = 0; next;");
  yield make(
    s.LR_IN_ARP_REQUEST,
    100,
    "eth.dst == 00:00:00:00:00:00 && reg9[9] == 1",
    "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg5; arp.tpa = reg0; arp.op = 1; output; }; next;",
    "arp-resolve",
  );
  yield make(
    s.LR_IN_ARP_REQUEST,
    100,
    "eth.dst == 00:00:00:00:00:00 && reg9[9] == 0",
    "nd_ns { nd.target = xxreg0; output; }; next;",
    "nd-ns-resolve",
  );
  yield make(s.LR_IN_ECMP_STATEFUL_EGR, 0, "1", "output;");

  yield make(s.LR_OUT_CHK_DNAT_LOCAL, 0, "1", "reg9[4] = 0; next;");
  yield make(s.LR_OUT_SNAT, 120, "nd_ns", "next;");
});
