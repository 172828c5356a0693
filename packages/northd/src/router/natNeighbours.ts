/** A router answers for the addresses that it translates to, and knows where they are (ovn-northd(8), "IP Input", "ARP/ND Resolution"). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { centralised } from "../model/centralised.ts";
import { metered } from "../model/copp.ts";
import { globals } from "../model/globals.ts";
import { type Nat, nats } from "../model/nat.ts";
import { routers } from "../model/nb.ts";
import { peerRouterPort, type RouterPort } from "../model/routerPort.ts";
import { LR_IN_ARP_RESOLVE, LR_IN_GW_REDIRECT, LR_IN_IP_INPUT, LR_OUT_EGR_LOOP } from "../stages.ts";
import { admit } from "./mtu.ts";

const OWN_MAC = "xreg0[0..47]";

export const natNeighbours = each("router/natNeighbours", routers, function* (uuid, _row, read): Iterable<Flow> {
  const common = read(globals, "").useCommonZone;
  const known = new Set<string>();
  for (const rule of read(nats, uuid).rules) {
    yield answer(uuid, 90, "", rule, OWN_MAC, "", read);
    if (rule.gateway === undefined) continue;
    // Between two gateways there is nobody else to learn.
    const asked = read(centralised, rule.gateway.uuid) === undefined && peerRouterPort(rule.gateway, read)?.isGateway !== true;
    if (asked) yield* outside(uuid, rule, rule.gateway, read);
    yield* atGateway(uuid, rule, rule.gateway);
    // Of rules that translate to one address the first says whose it is.
    const place = `${rule.gateway.name} ${rule.external}`;
    if (!known.has(place)) yield whereabouts(uuid, rule, rule.gateway);
    known.add(place);
    yield* loop(uuid, rule, rule.gateway, common);
    if (rule.distributed !== undefined) yield* local(uuid, rule, rule.gateway, rule.distributed, read);
  }
});

function requestFor({ family, externalIp, solicitedNode }: Nat): string {
  return family === 4
    ? `arp.op == 1 && arp.tpa == ${externalIp}`
    : `ip6.dst == {${externalIp}, ${solicitedNode}} && nd_ns && nd.target == ${externalIp}`;
}

function answer(router: Uuid, priority: number, before: string, rule: Nat, mac: string, after: string, read: Read): Flow {
  const actions =
    rule.family === 4
      ? `eth.dst = eth.src; eth.src = ${mac}; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = ${mac}; ` +
        "arp.tpa <-> arp.spa; outport = inport; flags.loopback = 1; output;"
      : `nd_na { eth.src = ${mac}; ip6.src = nd.target; nd.tll = ${mac}; outport = inport; flags.loopback = 1; output; };`;
  return flow(router, LR_IN_IP_INPUT, priority, `${before}${requestFor(rule)}${after}`, actions, {
    hint: rule.uuid,
    ...(rule.family === 6 ? metered(router, "nd-na", read) : {}),
  });
}

/** "is_chassis_resident(...)" of the chassis that handles a rule. */
function handler(rule: Nat, gateway: RouterPort): string {
  return `is_chassis_resident(${rule.distributed?.portJson ?? gateway.redirectJson})`;
}

/** Where others than the router's own may ask: only one chassis answers, so that whoever is outside learns where to send. */
function* outside(router: Uuid, rule: Nat, gateway: RouterPort, read: Read): Iterable<Flow> {
  const on = `inport == ${gateway.json} && `;
  yield answer(router, 92, on, rule, rule.distributed?.mac ?? OWN_MAC, ` && ${handler(rule, gateway)}`, read);
  yield flow(router, LR_IN_IP_INPUT, 91, `${on}${requestFor(rule)}`, "drop;", { hint: rule.uuid });
}

function* atGateway(router: Uuid, rule: Nat, gateway: RouterPort): Iterable<Flow> {
  const { family, external } = rule;
  const own = { hint: rule.uuid };
  const on = `inport == ${gateway.json} && `;
  if (rule.type === "snat") yield flow(router, LR_IN_IP_INPUT, 120, `${on}ip${family}.src == ${external}`, "next;", own);
  yield flow(
    router,
    LR_IN_ARP_RESOLVE,
    150,
    `inport == ${gateway.json} && outport == ${gateway.json} && ip${family}.dst == ${external}`,
    "drop;",
    own,
  );
}

function whereabouts(router: Uuid, { uuid, family, external, distributed }: Nat, gateway: RouterPort): Flow {
  const match = `outport == ${gateway.json} && ${family === 4 ? "reg0" : "xxreg0"} == ${external}`;
  const mac = distributed?.mac ?? gateway.address.macText;
  return flow(router, LR_IN_ARP_RESOLVE, 100, match, `eth.dst = ${mac}; next;`, { hint: uuid });
}

/** The packet comes in again by the port that it was about to leave by. reg9[0] says that it did. `zone`: what else to remember. */
const again = (zone: string): string =>
  `clone { ct_clear; inport = outport; outport = ""; eth.dst <-> eth.src; flags = 0; flags.loopback = 1; ${zone}` +
  `${Array.from({ length: 10 }, (_, index) => `reg${index} = 0; `).join("")}reg9[0] = 1; next(pipeline=ingress, table=0); };`;

/** What is sent to a translated address of the router's own turns round. */
function* loop(router: Uuid, rule: Nat, gateway: RouterPort, common: boolean): Iterable<Flow> {
  const { family, external, allowed, exempted } = rule;
  const own = { hint: rule.uuid };
  const match = `ip${family}.dst == ${external} && outport == ${gateway.json} && ${handler(rule, gateway)}`;
  yield flow(router, LR_OUT_EGR_LOOP, 100, match, again(common ? "flags.use_snat_zone = reg9[4]; " : ""), own);
  if (!rule.stateless) return;
  // Without connection tracking the egress pipeline cannot tell those that the rule is not for.
  if (allowed !== undefined) {
    yield flow(router, LR_IN_GW_REDIRECT, 75, `${match} && ip${family}.src == $${allowed}`, again(""), own);
    yield flow(router, LR_IN_GW_REDIRECT, 70, `ip && ip${family}.dst == ${external}`, "drop;", own);
  } else if (exempted !== undefined) {
    yield flow(router, LR_IN_GW_REDIRECT, 75, `${match} && ip${family}.src == $${exempted}`, "drop;", own);
  }
}

/** A rule that is handled where its logical port is: not redirected, and with a MAC address of its own. */
function* local(
  router: Uuid,
  rule: Nat,
  gateway: RouterPort,
  { portJson, mac, virtual }: NonNullable<Nat["distributed"]>,
  read: Read,
): Iterable<Flow> {
  const { family, external, logical } = rule;
  const own = { hint: rule.uuid };
  const resident = `is_chassis_resident(${portJson})`;
  yield* admit(gateway, `eth.dst == ${mac} && inport == ${gateway.json} && ${resident}`, own, read);
  const leaving = `ip${family}.src == ${logical} && outport == ${gateway.json}`;
  yield flow(
    router,
    LR_IN_GW_REDIRECT,
    100,
    `${leaving} && ${resident}`,
    `eth.src = ${mac}; ${family === 4 ? "reg5" : "xxreg1"} = ${external}; next;`,
    own,
  );
  if (virtual) yield flow(router, LR_IN_GW_REDIRECT, 80, leaving, "drop;", own);
  if (gateway.options.get("redirect-type") === "bridged") {
    yield flow(
      router,
      LR_IN_ARP_RESOLVE,
      90,
      `outport == ${gateway.json} && ip${family}.src == ${logical} && ${resident}`,
      family === 4 ? "get_arp(outport, reg0); next;" : "get_nd(outport, xxreg0); next;",
      own,
    );
  }
}
