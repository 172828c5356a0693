/** Routing policies (ovn-northd(8), "Policy" and "ECMP handling for policies"). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow } from "../flow.ts";
import { bfdKey, deadPeer } from "../model/bfd.ts";
import { listOfRouter, nb, routers } from "../model/nb.ts";
import { routerNetworks, routerPort } from "../model/routerPort.ts";
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
    const name = read(routers, router)?.name ?? "";
    for (const uuid of read(listOfRouter.policies, router)) {
      const policy = read(nb.Logical_Router_Policy, uuid);
      if (policy?.action === "reroute") found.set(uuid, hopsOf(policy, name, router, read));
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
  const dead = new Set(policy.bfd_sessions.map((session) => read(deadPeer, session)));
  for (const nexthop of nexthops) {
    const hop = out === undefined ? hopTowards(read(routerNetworks, router), nexthop) : hopThrough(out, nexthop);
    if (hop !== undefined) {
      if (!dead.has(bfdKey({ logical_port: hop.port.name, dst_ip: nexthop }))) hops.push(hop);
    } else {
      problems.push(
        `Logical Router: ${routerName}, policy (chain: '<Default>', match: '${policy.match}', priority ${policy.priority}): ` +
          `no path for next hop ${nexthop}`,
      );
    }
  }
  return { hops, problems };
}

/** Chains other than the one that every packet goes through have numbers from 1, in the order of their names. */
const policyChains = derive(
  "policyChains",
  (router: Uuid, read): ReadonlyMap<string, number> => {
    const policies = read(listOfRouter.policies, router);
    const names = new Set(policies.flatMap((uuid) => read(nb.Logical_Router_Policy, uuid)?.chain ?? []));
    return new Map([...names].sort().map((name, index) => [name, index + 1]));
  },
  { equals: sameContent },
);

export const policies = each("router/policies", routers, function* (router, _row, read): Iterable<Flow> {
  const reroutes = read(policyHops, router);
  const chains = read(policyChains, router);
  let group = 0;
  for (const uuid of read(listOfRouter.policies, router)) {
    const policy = read(nb.Logical_Router_Policy, uuid);
    if (policy === undefined) continue;
    const { priority, action } = policy;
    const match =
      chains.size === 0 ? policy.match : `reg9[16..31] == ${chains.get(policy.chain ?? "") ?? 0} && (${policy.match})`;
    const own = { hint: uuid };
    const mark = policy.options.get("pkt_mark");
    const marking = mark === undefined || Number(mark) === 0 ? "" : `pkt.mark = ${Number(mark)}; `;
    if (action === "drop") yield flow(router, LR_IN_POLICY, priority, match, "drop;", own);
    else if (action === "allow") {
      yield flow(router, LR_IN_POLICY, priority, match, `${marking}reg8[0..15] = 0; next;`, own);
    } else if (action === "jump") {
      const chain = chains.get(policy.jump_chain ?? "");
      const jump = `reg9[16..31]=${chain}; next(pipeline=ingress, table=${LR_IN_POLICY.table});`;
      if (chain !== undefined) yield flow(router, LR_IN_POLICY, priority, match, jump, own);
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
  const member = hops.length === 1 ? "1; next;" : `select(${members});`;
  yield flow(router, LR_IN_POLICY, policy.priority, policy.match, `reg8[0..15] = ${group}; reg8[16..31] = ${member}`, own);
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
