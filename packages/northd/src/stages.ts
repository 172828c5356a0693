/**
 * The stages of the pipelines: one row each. Flows go to stages by these values only; the stage's name goes to
 * external_ids:stage-name, its number is the table_id of the pipeline (ovn-northd(8), "Logical Flow Table Structure").
 */
export interface Stage {
  readonly kind: "switch" | "router";
  readonly pipeline: "ingress" | "egress";
  readonly table: number;
  readonly name: string;
  /** Counts from 0 over all stages. */
  readonly id: number;
}

let count = 0;
const places = new Map<string, Stage>();
const stage =
  (kind: Stage["kind"], pipeline: Stage["pipeline"]) =>
  (table: number, name: string): Stage => {
    const made: Stage = { kind, pipeline, table, name, id: count++ };
    places.set(`${kind} ${pipeline} ${table}`, made);
    return made;
  };

const switchIngress = stage("switch", "ingress");
const switchEgress = stage("switch", "egress");
const routerIngress = stage("router", "ingress");
const routerEgress = stage("router", "egress");

export const LS_IN_CHECK_PORT_SEC = switchIngress(0, "ls_in_check_port_sec");
export const LS_IN_APPLY_PORT_SEC = switchIngress(1, "ls_in_apply_port_sec");
export const LS_IN_MIRROR = switchIngress(2, "ls_in_mirror");
export const LS_IN_LOOKUP_FDB = switchIngress(3, "ls_in_lookup_fdb");
export const LS_IN_PUT_FDB = switchIngress(4, "ls_in_put_fdb");
export const LS_IN_PRE_ACL = switchIngress(5, "ls_in_pre_acl");
export const LS_IN_PRE_LB = switchIngress(6, "ls_in_pre_lb");
export const LS_IN_PRE_STATEFUL = switchIngress(7, "ls_in_pre_stateful");
export const LS_IN_ACL_HINT = switchIngress(8, "ls_in_acl_hint");
export const LS_IN_ACL_EVAL = switchIngress(9, "ls_in_acl_eval");
export const LS_IN_ACL_SAMPLE = switchIngress(10, "ls_in_acl_sample");
export const LS_IN_ACL_ACTION = switchIngress(11, "ls_in_acl_action");
export const LS_IN_QOS = switchIngress(12, "ls_in_qos");
export const LS_IN_CT_EXTRACT = switchIngress(13, "ls_in_ct_extract");
export const LS_IN_LB_AFF_CHECK = switchIngress(14, "ls_in_lb_aff_check");
export const LS_IN_LB = switchIngress(15, "ls_in_lb");
export const LS_IN_LB_AFF_LEARN = switchIngress(16, "ls_in_lb_aff_learn");
export const LS_IN_PRE_HAIRPIN = switchIngress(17, "ls_in_pre_hairpin");
export const LS_IN_NAT_HAIRPIN = switchIngress(18, "ls_in_nat_hairpin");
export const LS_IN_HAIRPIN = switchIngress(19, "ls_in_hairpin");
export const LS_IN_ACL_AFTER_LB_EVAL = switchIngress(20, "ls_in_acl_after_lb_eval");
export const LS_IN_ACL_AFTER_LB_SAMPLE = switchIngress(21, "ls_in_acl_after_lb_sample");
export const LS_IN_ACL_AFTER_LB_ACTION = switchIngress(22, "ls_in_acl_after_lb_action");
export const LS_IN_PRE_NETWORK_FUNCTION = switchIngress(23, "ls_in_pre_network_function");
export const LS_IN_STATEFUL = switchIngress(24, "ls_in_stateful");
export const LS_IN_NETWORK_FUNCTION = switchIngress(25, "ls_in_network_function");
export const LS_IN_ARP_RSP = switchIngress(26, "ls_in_arp_rsp");
export const LS_IN_DHCP_OPTIONS = switchIngress(27, "ls_in_dhcp_options");
export const LS_IN_DHCP_RESPONSE = switchIngress(28, "ls_in_dhcp_response");
export const LS_IN_DNS_LOOKUP = switchIngress(29, "ls_in_dns_lookup");
export const LS_IN_DNS_RESPONSE = switchIngress(30, "ls_in_dns_response");
export const LS_IN_EXTERNAL_PORT = switchIngress(31, "ls_in_external_port");
export const LS_IN_L2_LKUP = switchIngress(32, "ls_in_l2_lkup");
export const LS_IN_L2_UNKNOWN = switchIngress(33, "ls_in_l2_unknown");

export const LS_OUT_LOOKUP_FDB = switchEgress(0, "ls_out_lookup_fdb");
export const LS_OUT_PUT_FDB = switchEgress(1, "ls_out_put_fdb");
export const LS_OUT_PRE_ACL = switchEgress(2, "ls_out_pre_acl");
export const LS_OUT_PRE_LB = switchEgress(3, "ls_out_pre_lb");
export const LS_OUT_PRE_STATEFUL = switchEgress(4, "ls_out_pre_stateful");
export const LS_OUT_ACL_HINT = switchEgress(5, "ls_out_acl_hint");
export const LS_OUT_ACL_EVAL = switchEgress(6, "ls_out_acl_eval");
export const LS_OUT_ACL_SAMPLE = switchEgress(7, "ls_out_acl_sample");
export const LS_OUT_ACL_ACTION = switchEgress(8, "ls_out_acl_action");
export const LS_OUT_MIRROR = switchEgress(9, "ls_out_mirror");
export const LS_OUT_QOS = switchEgress(10, "ls_out_qos");
export const LS_OUT_PRE_NETWORK_FUNCTION = switchEgress(11, "ls_out_pre_network_function");
export const LS_OUT_STATEFUL = switchEgress(12, "ls_out_stateful");
export const LS_OUT_NETWORK_FUNCTION = switchEgress(13, "ls_out_network_function");
export const LS_OUT_CHECK_PORT_SEC = switchEgress(14, "ls_out_check_port_sec");
export const LS_OUT_APPLY_PORT_SEC = switchEgress(15, "ls_out_apply_port_sec");

export const LR_IN_ADMISSION = routerIngress(0, "lr_in_admission");
export const LR_IN_LOOKUP_NEIGHBOR = routerIngress(1, "lr_in_lookup_neighbor");
export const LR_IN_LEARN_NEIGHBOR = routerIngress(2, "lr_in_learn_neighbor");
export const LR_IN_IP_INPUT = routerIngress(3, "lr_in_ip_input");
export const LR_IN_DHCP_RELAY_REQ = routerIngress(4, "lr_in_dhcp_relay_req");
export const LR_IN_UNSNAT = routerIngress(5, "lr_in_unsnat");
export const LR_IN_POST_UNSNAT = routerIngress(6, "lr_in_post_unsnat");
export const LR_IN_DEFRAG = routerIngress(7, "lr_in_defrag");
export const LR_IN_CT_EXTRACT = routerIngress(8, "lr_in_ct_extract");
export const LR_IN_LB_AFF_CHECK = routerIngress(9, "lr_in_lb_aff_check");
export const LR_IN_DNAT = routerIngress(10, "lr_in_dnat");
export const LR_IN_LB_AFF_LEARN = routerIngress(11, "lr_in_lb_aff_learn");
export const LR_IN_ECMP_STATEFUL = routerIngress(12, "lr_in_ecmp_stateful");
export const LR_IN_ND_RA_OPTIONS = routerIngress(13, "lr_in_nd_ra_options");
export const LR_IN_ND_RA_RESPONSE = routerIngress(14, "lr_in_nd_ra_response");
export const LR_IN_IP_ROUTING_PRE = routerIngress(15, "lr_in_ip_routing_pre");
export const LR_IN_IP_ROUTING = routerIngress(16, "lr_in_ip_routing");
export const LR_IN_IP_ROUTING_ECMP = routerIngress(17, "lr_in_ip_routing_ecmp");
export const LR_IN_POLICY = routerIngress(18, "lr_in_policy");
export const LR_IN_POLICY_ECMP = routerIngress(19, "lr_in_policy_ecmp");
export const LR_IN_DHCP_RELAY_RESP_CHK = routerIngress(20, "lr_in_dhcp_relay_resp_chk");
export const LR_IN_DHCP_RELAY_RESP = routerIngress(21, "lr_in_dhcp_relay_resp");
export const LR_IN_ARP_RESOLVE = routerIngress(22, "lr_in_arp_resolve");
export const LR_IN_CHK_PKT_LEN = routerIngress(23, "lr_in_chk_pkt_len");
export const LR_IN_LARGER_PKTS = routerIngress(24, "lr_in_larger_pkts");
export const LR_IN_GW_REDIRECT = routerIngress(25, "lr_in_gw_redirect");
export const LR_IN_NETWORK_ID = routerIngress(26, "lr_in_network_id");
export const LR_IN_ARP_REQUEST = routerIngress(27, "lr_in_arp_request");
export const LR_IN_ECMP_STATEFUL_EGR = routerIngress(28, "lr_in_ecmp_stateful_egr");

export const LR_OUT_CHK_DNAT_LOCAL = routerEgress(0, "lr_out_chk_dnat_local");
export const LR_OUT_UNDNAT = routerEgress(1, "lr_out_undnat");
export const LR_OUT_POST_UNDNAT = routerEgress(2, "lr_out_post_undnat");
export const LR_OUT_SNAT = routerEgress(3, "lr_out_snat");
export const LR_OUT_POST_SNAT = routerEgress(4, "lr_out_post_snat");
export const LR_OUT_EGR_LOOP = routerEgress(5, "lr_out_egr_loop");
export const LR_OUT_DELIVERY = routerEgress(6, "lr_out_delivery");

/** The stage at a place of a pipeline, if there is one. */
export function stagesByPlace(kind: Stage["kind"], pipeline: Stage["pipeline"], table: number): Stage | undefined {
  return places.get(`${kind} ${pipeline} ${table}`);
}

/** The names of all stages, in the order of the pipelines. */
export function stageNames(): readonly string[] {
  return [...places.values()].map(({ name }) => name);
}
