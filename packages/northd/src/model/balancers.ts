/**
 * Which switches and routers have a load balancer, and what they have of all theirs together. Large clouds give the same
 * load balancers to many, by groups: what is found out of a group is found out once.
 */
import { derive, type Index, index, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { DatapathSet, sameSet } from "../output/datapathSet.ts";
import { switchConfig } from "./config.ts";
import { globals } from "./globals.ts";
import { loadBalancer } from "./loadBalancer.ts";
import { listOfRouter, listOfSwitch, nb, switchPortsByPeer } from "./nb.ts";
import { switchOf } from "./switchPort.ts";

type Lists = Pick<typeof listOfRouter, "load_balancer" | "load_balancer_group">;

const groupsOfBalancer = index("groupsOfLoadBalancer", nb.Load_Balancer_Group, (row) => row.load_balancer);
/** The switches that have a load balancer by themselves. */
export const switchesOfBalancer = index("switchesOfOwnLoadBalancer", nb.Logical_Switch, (row) => row.load_balancer);
const switchesOfGroup = index("switchesOfLoadBalancerGroup", nb.Logical_Switch, (row) => row.load_balancer_group);
const routersOfBalancer = index("routersOfOwnLoadBalancer", nb.Logical_Router, (row) => row.load_balancer);
const routersOfGroup = index("routersOfLoadBalancerGroup", nb.Logical_Router, (row) => row.load_balancer_group);

function setOf(name: string, source: Index<Uuid, Uuid>) {
  return derive(name, (key: Uuid, read): DatapathSet => new DatapathSet(read(source, key)), { equals: sameSet });
}

const switchSetOfGroup = setOf("switchSetOfLoadBalancerGroup", switchesOfGroup);
const routerSetOfGroup = setOf("routerSetOfLoadBalancerGroup", routersOfGroup);

/** Those that have a load balancer, by themselves or by a group; of a single group the same set for all its load balancers. */
function holders(lb: Uuid, own: Index<Uuid, Uuid>, ofGroup: typeof switchSetOfGroup, read: Read): DatapathSet {
  const alone = read(own, lb);
  const sets = read(groupsOfBalancer, lb).map((group) => read(ofGroup, group));
  if (alone.length === 0 && sets.length === 1) return sets[0]!;
  return new DatapathSet([...new Set([...alone, ...sets.flatMap(({ members }) => members)])]);
}

/** The routers that have a load balancer. */
export const routersOf = derive(
  "routersOfLoadBalancer",
  (uuid: Uuid, read): DatapathSet => holders(uuid, routersOfBalancer, routerSetOfGroup, read),
  { equals: sameSet },
);

/** The switches where a load balancer works: those that have it, and where that is asked for, those of routers that have it. */
export const switchesOf = derive(
  "switchesOfLoadBalancer",
  (uuid: Uuid, read): DatapathSet => {
    const own = holders(uuid, switchesOfBalancer, switchSetOfGroup, read);
    if (!read(globals, "").switchLbFromRouter) return own;
    const attached = read(routersOf, uuid).members.flatMap((router) => read(switchesOfRouter, router));
    return new DatapathSet([...new Set([...own.members, ...attached])]);
  },
  { equals: sameSet },
);

const switchesOfRouter = derive(
  "switchesOfRouter",
  (uuid: Uuid, read): readonly Uuid[] => {
    const switches: Uuid[] = [];
    for (const port of read(listOfRouter.ports, uuid)) {
      const name = read(nb.Logical_Router_Port, port)?.name;
      const attached = name === undefined ? undefined : read(switchPortsByPeer, name)[0];
      const datapath = attached === undefined ? undefined : switchOf(attached, read);
      if (datapath !== undefined) switches.push(datapath);
    }
    return switches;
  },
  { equals: sameContent },
);

/** Whether a switch also balances what stateless ACLs let pass. */
export const balancesStateless = derive(
  "balancesStateless",
  (uuid: Uuid, read): boolean => read(switchConfig, uuid).get("enable-stateless-acl-with-lb") === "true",
);

/** What one or more load balancers have. */
interface Traits {
  readonly vips: boolean;
  readonly distributed: boolean;
  readonly skipSnat: boolean;
}

const traitsOf = derive(
  "loadBalancerTraits",
  (uuid: Uuid, read): Traits => {
    const lb = read(loadBalancer, uuid);
    const vips = (read(nb.Load_Balancer, uuid)?.vips.size ?? 0) > 0;
    return { vips, distributed: lb?.distributed === true, skipSnat: lb?.skipSnat === true };
  },
  { equals: sameContent },
);

function joined(all: readonly Traits[]): Traits {
  return {
    vips: all.some(({ vips }) => vips),
    distributed: all.some(({ distributed }) => distributed),
    skipSnat: all.some(({ skipSnat }) => skipSnat),
  };
}

const traitsOfGroup = derive(
  "loadBalancerGroupTraits",
  (group: Uuid, read): Traits =>
    joined((read(nb.Load_Balancer_Group, group)?.load_balancer ?? []).map((lb) => read(traitsOf, lb))),
  { equals: sameContent },
);

/** Of the load balancers of a switch or router, its own and those of its groups. */
function traitsOfHolder({ load_balancer, load_balancer_group }: Lists, holder: Uuid, read: Read): Traits {
  const own = read(load_balancer, holder).map((lb) => read(traitsOf, lb));
  return joined([...own, ...read(load_balancer_group, holder).map((group) => read(traitsOfGroup, group))]);
}

const traitsOfRouter = derive(
  "routerLoadBalancerTraits",
  (uuid: Uuid, read): Traits => traitsOfHolder(listOfRouter, uuid, read),
  { equals: sameContent },
);

/** Whether a switch or router has to track connections for the VIPs of load balancers. */
export const switchHasVips = derive("switchHasVips", (uuid: Uuid, read) => traitsOfHolder(listOfSwitch, uuid, read).vips);
export const routerHasVips = derive("routerHasVips", (uuid: Uuid, read) => read(traitsOfRouter, uuid).vips);

/** Whether a router balances on every chassis: then its gateway ports are on every chassis too. */
export const balancesEverywhere = derive("balancesEverywhere", (uuid: Uuid, read) => read(traitsOfRouter, uuid).distributed);

/** Whether a router leaves the source of some balanced connections as it is. */
export const skipsSnat = derive("skipsSnat", (uuid: Uuid, read) => read(traitsOfRouter, uuid).skipSnat);

/** What is found out of each of a router's load balancers: one list for its own and one for each of its groups. */
export function ofEach<T>(name: string, find: (lb: Uuid, read: Read) => readonly T[]) {
  const ofOne = derive(`${name}OfOne`, find, { equals: sameContent });
  const ofAll = (lbs: readonly Uuid[] | undefined, read: Read) => (lbs ?? []).flatMap((lb) => read(ofOne, lb));
  const ofGroup = derive(
    `${name}OfGroup`,
    (group: Uuid, read): readonly T[] => ofAll(read(nb.Load_Balancer_Group, group)?.load_balancer, read),
    { equals: sameContent },
  );
  return derive(
    name,
    (router: Uuid, read): readonly (readonly T[])[] => {
      const { load_balancer, load_balancer_group } = listOfRouter;
      const ofGroups = read(load_balancer_group, router).map((group) => read(ofGroup, group));
      return [ofAll(read(load_balancer, router), read), ...ofGroups];
    },
    { equals: sameContent },
  );
}

/** Load balancers by the addresses of their VIPs. */
const balancersOfVip = relation(
  "loadBalancersOfVip",
  nb.Load_Balancer,
  (uuid, _row, read) => read(loadBalancer, uuid)?.vips.map(({ address }) => address) ?? [],
);

/** Whether an address is that of a VIP of a router, by {@link addressKey}. */
export const isVip = derive("isVip", (key: string, read): boolean => {
  const [router, address] = key.split(" ") as [Uuid, string];
  return read(balancersOfVip, address).some((lb) => read(routersOf, lb).members.includes(router));
});

export function addressKey(router: Uuid, address: string): string {
  return `${router} ${address}`;
}
