/** Routing policies (ovn-northd(8), "Policy" and "ECMP handling for policies"). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { routerPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_POLICY, LR_IN_POLICY_ECMP } from "../stages.ts";
import { familyAction, hopThrough, hopTowards, type NextHop, nextHopActions } from "./routing.ts";

type Policy = NbRow<"Logical_Router_Policy">;

interface Hops {
  readonly hops: readonly NextHop[];
  readonly problems: readonly string[];
}

/** Where the reroute policies of a router lead. */
export const policyHops = derive(
  "policyHops",
  (router: Uuid, read): ReadonlyMap<Uuid, Hops> => {
    const found = new Map<Uuid, Hops>();
    const row = read(nb.Logical_Router, router);
    for (const uuid of row?.policies ?? []) {
      const policy = read(nb.Logical_Router_Policy, uuid);
      if (policy?.action === "reroute") found.set(uuid, hopsOf(policy, row!.name, router, read));
    }
    return found;
  },
  { equals: sameContent },
);

function hopsOf(policy: Policy, routerName: string, router: Uuid, read: Read): Hops {
  const hops: NextHop[] = [];
  const problems: string[] = [];
  const nexthops = policy.nexthops.length > 0 ? policy.nexthops : policy.nexthop === undefined ? [] : [policy.nexthop];
  const out = policy.output_port === undefined ? undefined : read(routerPort, policy.output_port);
  for (const nexthop of nexthops) {
    const hop = out === undefined ? hopTowards(read(routerPorts, router), nexthop) : hopThrough(out, nexthop);
    if (hop !== undefined) hops.push(hop);
    else {
      problems.push(
        `Logical Router: ${routerName}, policy (chain: '<Default>', match: '${policy.match}', priority ${policy.priority}): ` +
          `no path for next hop ${nexthop}`,
      );
    }
  }
  return { hops, problems };
}

export const policies = each("router/policies", nb.Logical_Router, function* (router, row, read): Iterable<Flow> {
  const reroutes = read(policyHops, router);
  let group = 0;
  for (const uuid of row.policies) {
    const policy = read(nb.Logical_Router_Policy, uuid);
    if (policy === undefined || policy.chain !== undefined) continue;
    const { match, priority, action } = policy;
    const own = { hint: uuid };
    const mark = policy.options.get("pkt_mark");
    const marking = mark === undefined || Number(mark) === 0 ? "" : `pkt.mark = ${Number(mark)}; `;
    if (action === "drop") yield flow(router, LR_IN_POLICY, priority, match, "drop;", own);
    else if (action === "allow") {
      yield flow(router, LR_IN_POLICY, priority, match, `${marking}reg8[0..15] = 0; next;`, own);
    } else if (action === "reroute") {
      const { hops } = reroutes.get(uuid) ?? { hops: [] };
      const many = (policy.nexthops.length || 1) > 1;
      if (!many && hops.length === 1) {
        const hop = hops[0]!;
        const actions = `${marking}${nextHopActions(hop, true)}reg8[0..15] = 0; ${familyAction(hop.family)}`;
        yield flow(router, LR_IN_POLICY, priority, match, actions, own);
      } else if (hops.length > 0) yield* ecmp(router, ++group, policy, hops, marking);
    }
  }
});

function* ecmp(router: Uuid, group: number, policy: Policy, hops: readonly NextHop[], marking: string): Iterable<Flow> {
  const own = { hint: policy._uuid };
  const members = hops.map((_, index) => index + 1).join(", ");
  yield flow(
    router,
    LR_IN_POLICY,
    policy.priority,
    policy.match,
    `reg8[0..15] = ${group}; reg8[16..31] = select(${members});`,
    own,
  );
  for (const [index, hop] of hops.entries()) {
    yield flow(
      router,
      LR_IN_POLICY_ECMP,
      100,
      `reg8[0..15] == ${group} && reg8[16..31] == ${index + 1}`,
      `${marking}${nextHopActions(hop, true)}${familyAction(hop.family)}`,
      own,
    );
  }
}
