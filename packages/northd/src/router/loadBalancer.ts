/** Load balancing on routers (ovn-northd(8), router ingress tables 7 to 11, egress tables 1 and 3). */
import { derive, each, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow, quoted } from "../flow.ts";
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
import { routerHasVips, routersOf, skipsSnat } from "../model/balancers.ts";
import { meteredTogether, type Protocol } from "../model/copp.ts";
import { type Endpoint, endpointText } from "../model/endpoint.ts";
import { globals } from "../model/globals.ts";
import { type LoadBalancer, loadBalancer } from "../model/loadBalancer.ts";
import { nats } from "../model/nat.ts";
import { nb, routers } from "../model/nb.ts";
import { gatewayPorts, type RouterPort } from "../model/routerPort.ts";
import type { Vip } from "../model/vip.ts";
import { DatapathSet } from "../output/datapathSet.ts";
import * as s from "../stages.ts";
import { forceSnat } from "./loadBalancerSnat.ts";

/** The flows of a router that has VIPs, whichever these are. */
export const routerLbFrame = each("router/lbFrame", routers, function* (uuid, _row, read): Iterable<Flow> {
  if (!read(routerHasVips, uuid)) return;
  yield flow(uuid, s.LR_IN_CT_EXTRACT, 100, "ct.new && ip", EXTRACT);
  const established = "ct.est && !ct.rel && !ct.new && !ct.rpl && ct_mark.natted";
  const related = "ct.rel && !ct.est && !ct.new && !ct.rpl";
  yield flow(uuid, s.LR_IN_DNAT, 50, established, "next;");
  yield flow(uuid, s.LR_IN_DNAT, 50, related, "ct_commit_nat;");
  for (const what of ["skip_snat", "force_snat"]) {
    const mark = `flags.${what}_for_lb = 1;`;
    yield flow(uuid, s.LR_IN_DNAT, 70, `${established} && ct_mark.${what} == 1`, `${mark} next;`);
    yield flow(uuid, s.LR_IN_DNAT, 70, `${related} && ct_mark.${what} == 1`, `${mark} ct_commit_nat;`);
  }
  if (read(skipsSnat, uuid)) {
    yield flow(uuid, s.LR_OUT_SNAT, 120, "flags.skip_snat_for_lb == 1 && ip", "next;");
  }
});

/** Where routers balance, and what they do to the source of what they balanced. */
interface Place {
  /** Routers with gateway ports have flows of their own, the others all the same. */
  readonly routers: DatapathSet;
  readonly gateways: readonly RouterPort[];
  readonly forceSnat: boolean;
}

const placesOf = derive(
  "lbPlaces",
  (uuid: Uuid, read): readonly Place[] => {
    const places: Place[] = [];
    const others = { true: [] as Uuid[], false: [] as Uuid[] };
    for (const router of read(routersOf, uuid).members) {
      const gateways = read(gatewayPorts, router);
      const forced = read(forceSnat, router) !== undefined;
      if (gateways.length > 0) places.push({ routers: new DatapathSet([router]), gateways, forceSnat: forced });
      else others[`${forced}`].push(router);
    }
    for (const forced of [true, false]) {
      const routers = others[`${forced}`];
      if (routers.length > 0) places.push({ routers: new DatapathSet(routers), gateways: [], forceSnat: forced });
    }
    return places;
  },
  { equals: sameContent },
);

/** Routers by the external addresses of their NAT rules. */
const routersOfNatAddress = relation("routersOfNatAddress", routers, (uuid, _row, read) =>
  read(nats, uuid).rules.map(({ externalIp }) => externalIp),
);

export const routerLoadBalancers = each("router/loadBalancers", nb.Load_Balancer, function* (uuid, _row, read): Iterable<Flow> {
  const places = read(placesOf, uuid);
  const lb = places.length === 0 ? undefined : read(loadBalancer, uuid);
  if (lb === undefined) return;
  for (const vip of lb.vips) for (const place of places) yield* vipFlows(lb, vip, place, read);
});

const REJECT = `reg0 = 0; reject { outport <-> inport; next(pipeline=egress,table=${s.LR_OUT_SNAT.table});};`;

export function resident(port: RouterPort): string {
  return `is_chassis_resident(${quoted(`cr-${port.name}`)})`;
}

/** Chooses a backend by its index. */
function choice({ hashFields }: LoadBalancer, { backends }: Vip): string {
  if (backends.length <= 1) return "next;";
  const values = backends.map((_, index) => index).join();
  return `reg1[0..15] = select(${hashFields === undefined ? values : `values=(${values}); hash_fields="${hashFields}"`});`;
}

function* vipFlows(lb: LoadBalancer, vip: Vip, place: Place, read: Read): Iterable<Flow> {
  const own = { hint: lb.uuid };
  const make = (stage: s.Stage, priority: number, match: string, actions: string): Flow =>
    flow(place.routers, stage, priority, match, actions, own);
  const ask = (stage: s.Stage, priority: number, match: string, actions: string, asks: Protocol): Flow[] =>
    meteredTogether(place.routers, asks, read).map(({ datapath, meter }) =>
      flow(datapath, stage, priority, match, actions, { ...own, meter }),
    );
  const { gateways } = place;
  const snat = lb.skipSnat ? "skip_snat" : place.forceSnat ? "force_snat" : undefined;
  const mark = snat === undefined ? "" : `flags.${snat}_for_lb = 1; `;
  const stateless = lb.options.get("use_stateless_nat") === "true";
  const to = destination(vip);

  if (stateless) {
    yield make(s.LR_IN_CT_EXTRACT, 120, `ip && ${to}`, choice(lb, vip));
  } else yield make(s.LR_IN_DEFRAG, 100, `ip && ${to}`, "ct_dnat;");
  // What comes to a VIP that is also an address of NAT is new, and not a reply to what was translated.
  for (const router of read(routersOfNatAddress, vip.address) as readonly Uuid[]) {
    if (!place.routers.members.includes(router)) continue;
    const port = vip.port === undefined ? "" : ` && ${lb.protocol} && ${lb.protocol}.dst == ${vip.port}`;
    yield flow(router, s.LR_IN_UNSNAT, 120, `ip${vip.family} && ${to}${port}`, "next;", own);
  }
  const event = emptyEvent(lb, vip, read);
  if (event !== undefined) yield* ask(s.LR_IN_DNAT, 130, event.match, event.actions, "event-elb");

  const backends = activeBackends(lb, vip, read);
  const match = `ct.new && !ct.rel && ip${vip.family} && ${to}${extracted(lb, vip)}`;
  if (backends === undefined && lb.reject) yield* ask(s.LR_IN_DNAT, vipPriority(vip), match, `${mark}${REJECT}`, "reject");
  else if (backends !== undefined && stateless && gateways.length > 1) yield* statelessNat(lb, vip, gateways, make);
  else {
    const kept = lb.affinityTimeout === undefined ? "" : keep(vip);
    const actions = backends === undefined ? "drop;" : `${mark}${kept}${balance(lb, backends, snat)}`;
    const everywhere = gateways.length === 0 || lb.distributed;
    for (const where of everywhere ? [""] : gateways.map((port) => ` && ${resident(port)}`)) {
      yield make(s.LR_IN_DNAT, vipPriority(vip), `${match}${where}`, actions);
    }
  }
  // The router's own address may be what a variable stands for, also one that is put in brackets in vain.
  if (vip.address.includes("^")) yield make(s.LR_IN_IP_INPUT, 100, to, "next;");
  const back = mark !== "" ? `${mark}next;` : read(globals, "").useCommonZone ? "ct_dnat_in_czone;" : "ct_dnat;";
  yield* replies(lb, vip, gateways, back, stateless, make);
  if (lb.affinityTimeout === undefined) return;
  yield make(s.LR_IN_LB_AFF_CHECK, 100, match, CHECK_AFFINITY);
  for (const given of vip.backends) {
    // Of variables the reference's routers do not see the family.
    const [held, backend] = lb.template ? [{ ...vip, family: 6 as const }, affine({ ...given, family: 6 })] : [vip, given];
    const only = `${mark}ct_lb_mark(backends=${endpointText(backend)}${snat === undefined ? "" : `; ${snat}`});`;
    yield make(s.LR_IN_DNAT, 150, remembered(held, backend), only);
    yield make(s.LR_IN_LB_AFF_LEARN, 100, chosen(lb, held, backend), remember(lb, held, backend));
  }
}

type Make = (stage: s.Stage, priority: number, match: string, actions: string) => Flow;

/** With several gateways a connection may come back through another one, where nothing knows of it. */
function* statelessNat(lb: LoadBalancer, vip: Vip, gateways: readonly RouterPort[], make: Make): Iterable<Flow> {
  const { protocol } = lb;
  const port = vip.port === undefined ? "" : ` && ${protocol} && ${protocol}.dst == ${vip.port}`;
  for (const gateway of gateways) {
    for (const [index, backend] of vip.backends.entries()) {
      const choice = vip.backends.length > 1 ? ` && reg1[0..15] == ${index}` : "";
      yield make(
        s.LR_IN_DNAT,
        vipPriority(vip),
        `${resident(gateway)} && ip${vip.family} && ${destination(vip)}${port}${choice}`,
        `${rewrite(lb, backend, "dst")}next;`,
      );
    }
  }
}

function rewrite({ protocol }: LoadBalancer, { family, address, port }: Endpoint, what: "src" | "dst"): string {
  return `ip${family}.${what} = ${address}; ${port === undefined ? "" : `${protocol}.${what} = ${port}; `}`;
}

/** What backends send through a gateway goes through the one that balanced, where its source becomes the VIP again. */
function* replies(
  lb: LoadBalancer,
  vip: Vip,
  gateways: readonly RouterPort[],
  back: string,
  stateless: boolean,
  make: Make,
): Iterable<Flow> {
  if (vip.backends.length === 0) return;
  const { protocol } = lb;
  const sources = vip.backends.map(({ family, address, port }) => {
    const source = `ip${family}.src == ${address}`;
    return port === undefined ? `(${source})` : `(${source} && ${protocol}.src == ${port})`;
  });
  const from = `ip${vip.family} && (${sources.join(" || ")})`;
  for (const gateway of gateways) {
    const { json } = gateway;
    const redirect = lb.distributed ? json : quoted(`cr-${gateway.name}`);
    yield make(s.LR_IN_GW_REDIRECT, 200, `${from} && outport == ${json}`, `outport = ${redirect}; next;`);
    const where = lb.distributed ? "" : ` && ${resident(gateway)}`;
    const through = `${from} && (inport == ${json} || outport == ${json})${where}`;
    if (stateless && gateways.length > 1) {
      yield make(s.LR_OUT_UNDNAT, 120, `${through} && ${protocol}`, "next;");
      yield make(s.LR_OUT_SNAT, 160, `${through} && ${protocol}`, `${rewrite(lb, vip, "src")}next;`);
    } else yield make(s.LR_OUT_UNDNAT, 120, through, back);
  }
}
