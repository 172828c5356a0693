/** Load balancing on switches (ovn-northd(8), Pre-LB to Hairpin). */
import { each, type Read } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { activeBackends } from "../model/backends.ts";
import {
  affine,
  balance,
  CHECK_AFFINITY,
  chosen,
  destination,
  EXTRACT,
  emptyEvent,
  extracted,
  keep,
  remember,
  remembered,
  vipPriority,
} from "../model/balance.ts";
import { balancesStateless, switchesOf, switchesOfBalancer, switchHasVips } from "../model/balancers.ts";
import { meteredTogether, type Protocol } from "../model/copp.ts";
import { endpointText } from "../model/endpoint.ts";
import { type LoadBalancer, loadBalancer } from "../model/loadBalancer.ts";
import { listOfSwitch, nb, switches } from "../model/nb.ts";
import type { Vip } from "../model/vip.ts";
import { DatapathSet } from "../output/datapathSet.ts";
import * as s from "../stages.ts";

/** The flows of a switch that has VIPs, whichever these are. */
export const switchLbFrame = each("switch/lbFrame", switches, function* (uuid, _row, read): Iterable<Flow> {
  if (read(balancesStateless, uuid) && read(listOfSwitch.load_balancer, uuid).length > 0) {
    yield flow(uuid, s.LS_OUT_PRE_LB, 115, "reg0[16] == 1", "reg0[2] = 1; next;");
    yield flow(uuid, s.LS_OUT_STATEFUL, 110, "reg0[16] == 1 && ct.new", "next;");
  }
  if (!read(switchHasVips, uuid)) return;
  for (const stage of [s.LS_IN_PRE_LB, s.LS_OUT_PRE_LB]) yield flow(uuid, stage, 100, "ip", "reg0[2] = 1; next;");
  yield flow(uuid, s.LS_IN_CT_EXTRACT, 100, "ct.new && ip", EXTRACT);
  // Fragments of what was balanced before: the VIP is what the connection says.
  const fragment = "ct.trk && ct.est && !ct.rpl && reg0[19] == 1";
  yield flow(uuid, s.LS_IN_LB, 110, `${fragment} && ip4`, "reg4 = ct_nw_dst(); reg2[0..15] = ct_tp_dst(); next;");
  yield flow(uuid, s.LS_IN_LB, 110, `${fragment} && ip6`, "xxreg1 = ct_ip6_dst(); reg2[0..15] = ct_tp_dst(); next;");
  // A backend that reached itself through the VIP gets the packet back where it came from.
  const check = "reg0[6] = chk_lb_hairpin(); reg0[12] = chk_lb_hairpin_reply(); next;";
  yield flow(uuid, s.LS_IN_PRE_HAIRPIN, 100, "ip && ct.trk", check);
  yield flow(uuid, s.LS_IN_NAT_HAIRPIN, 100, "ip && ct.new && ct.trk && reg0[6] == 1", "ct_snat_to_vip; next;");
  yield flow(uuid, s.LS_IN_NAT_HAIRPIN, 100, "ip && ct.est && ct.trk && reg0[6] == 1", "ct_snat;");
  yield flow(uuid, s.LS_IN_NAT_HAIRPIN, 90, "ip && reg0[12] == 1", "ct_snat;");
  const back = "eth.dst <-> eth.src; outport = inport; flags.loopback = 1; output;";
  yield flow(uuid, s.LS_IN_HAIRPIN, 1, "(reg0[6] == 1 || reg0[12] == 1)", back);
});

const REJECT = `reg0 = 0; reject { outport <-> inport; next(pipeline=egress,table=${s.LS_OUT_QOS.table});};`;

export const switchLoadBalancers = each("switch/loadBalancers", nb.Load_Balancer, function* (uuid, _row, read): Iterable<Flow> {
  const switches = read(switchesOf, uuid);
  const lb = switches.size === 0 ? undefined : read(loadBalancer, uuid);
  if (lb === undefined) return;
  // By groups, load balancers do not get there.
  const tracking = new DatapathSet(read(switchesOfBalancer, uuid).filter((datapath) => read(balancesStateless, datapath)));
  for (const vip of lb.vips) {
    yield* vipFlows(lb, vip, switches, read);
    if (tracking.size > 0) yield* statelessVip(tracking, lb, vip);
  }
});

/** What ACLs let pass without tracking goes to the connection tracker all the same, if it is for a VIP. */
function* statelessVip(switches: DatapathSet, lb: LoadBalancer, vip: Vip): Iterable<Flow> {
  const own = { hint: lb.uuid };
  const to = destination(vip);
  const port = vip.port === undefined ? "" : ` && ${lb.protocol}.dst == ${vip.port}`;
  yield flow(switches, s.LS_IN_PRE_STATEFUL, 150, `${to}${port}`, `${keep(vip)}ct_lb_mark;`, own);
  if (vip.port !== undefined) yield flow(switches, s.LS_IN_PRE_STATEFUL, 105, `${lb.protocol} && ${to}`, "ct_lb_mark;", own);
}

function* vipFlows(lb: LoadBalancer, vip: Vip, switches: DatapathSet, read: Read): Iterable<Flow> {
  const own = { hint: lb.uuid };
  const make = (stage: s.Stage, priority: number, match: string, actions: string): Flow =>
    flow(switches, stage, priority, match, actions, own);
  const ask = (stage: s.Stage, priority: number, match: string, actions: string, asks: Protocol): Flow[] =>
    meteredTogether(switches, asks, read).map(({ datapath, meter }) =>
      flow(datapath, stage, priority, match, actions, { ...own, meter }),
    );
  const to = destination(vip);
  const port = vip.port === undefined ? "" : ` && ${lb.protocol}.dst == ${vip.port}`;
  yield make(s.LS_IN_PRE_STATEFUL, 120, `reg0[2] == 1 && ${to}${port}`, `${keep(vip)}ct_lb_mark;`);
  const event = emptyEvent(lb, vip, read);
  if (event !== undefined) yield* ask(s.LS_IN_PRE_LB, 130, event.match, event.actions, "event-elb");
  const backends = activeBackends(lb, vip, read);
  const match = `ct.new && ${to}${extracted(lb, vip)}`;
  if (backends === undefined && lb.reject) yield* ask(s.LS_IN_LB, vipPriority(vip), match, REJECT, "reject");
  else {
    const actions = backends === undefined ? "drop;" : `${keep(vip)}${balance(lb, backends)}`;
    yield make(s.LS_IN_LB, vipPriority(vip), match, actions);
  }
  if (lb.affinityTimeout === undefined) return;
  yield make(s.LS_IN_LB_AFF_CHECK, 100, `ct.new && ip${vip.family} && ${to}${extracted(lb, vip)}`, CHECK_AFFINITY);
  for (const given of vip.backends) {
    const backend = affine(given);
    const only = `${keep(vip)}ct_lb_mark(backends=${endpointText(backend)});`;
    yield make(s.LS_IN_LB, 150, remembered(vip, backend), only);
    yield make(s.LS_IN_LB_AFF_LEARN, 100, chosen(lb, vip, backend), remember(lb, vip, backend));
  }
}
