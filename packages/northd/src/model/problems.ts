/** What is wrong with the configuration, to be logged with the row that it is about. */
import { type Each, each, index, type Read } from "@weft/incremental";
import { LogicalError, parseMatch } from "@weft/logical";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { policyHops } from "../router/policy.ts";
import { staticRoutes } from "../router/routing.ts";
import { badSource, checkOf } from "./backends.ts";
import { loadBalancer } from "./loadBalancer.ts";
import { nats } from "./nat.ts";
import { nb, routers } from "./nb.ts";

export interface Problem {
  /** The log module that it is told under. */
  readonly module: "northd" | "northd_lb";
  readonly text: string;
}

function problemsOf(module: Problem["module"], texts: readonly string[]): readonly Problem[] {
  return texts.map((text) => ({ module, text }));
}

/** The same words about the same row are the same problem, which is told once. */
const told = { identity: ({ module, text }: Problem) => `${module} ${text}` };

const routerProblems = each(
  "northd/routerProblems",
  routers,
  (uuid, _row, read): readonly Problem[] => {
    const hops = [...read(policyHops, uuid).values()].flatMap(({ problems }) => problems);
    return problemsOf("northd", [...read(staticRoutes, uuid).problems, ...read(nats, uuid).problems, ...hops]);
  },
  told,
);

const addressSetsByName = index("addressSetsByName", nb.Address_Set, (set) => [set.name]);
const portGroupsByName = index("portGroupsByName", nb.Port_Group, (group) => [group.name]);

const aclProblems = each(
  "northd/aclProblems",
  nb.ACL,
  (uuid, { match, name }, read) => problemsOf("northd", matchProblems("ACL", uuid, name, match, read)),
  told,
);

const policyProblems = each(
  "northd/policyProblems",
  nb.Logical_Router_Policy,
  (uuid, { match }, read) => problemsOf("northd", matchProblems("Logical_Router_Policy", uuid, undefined, match, read)),
  told,
);

/** A match that no chassis will understand. Its flows are made all the same, as others may be waiting for a set to come. */
function matchProblems(table: string, uuid: Uuid, name: string | undefined, match: string, read: Read): readonly string[] {
  try {
    parseMatch(match, {
      addressSet: (set) => addressesOf(set, read),
      portGroup: (group) => (read(portGroupsByName, group).length > 0 ? [] : undefined),
    });
    return [];
  } catch (error) {
    if (!(error instanceof LogicalError)) throw error;
    return [`${table} ${name ?? uuid}: error parsing match "${match}": ${error.message}`];
  }
}

function addressesOf(set: string, read: Read): readonly string[] | undefined {
  if (set === "svc_monitor_mac") return [];
  const row = read(addressSetsByName, set)[0];
  if (row !== undefined) return read(nb.Address_Set, row)?.addresses;
  // Every port group has the sets of its members' addresses.
  const group = /^(.*)_ip[46]$/.exec(set)?.[1];
  return group !== undefined && read(portGroupsByName, group).length > 0 ? [] : undefined;
}

/** VIPs and options of load balancers, and mappings of backends that no probe can follow: these take no connections. */
const balancerProblems = each(
  "northd/balancerProblems",
  nb.Load_Balancer,
  (uuid, row, read) => problemsOf("northd_lb", [...balancerTexts(uuid, row, read)]),
  told,
);

function* balancerTexts(uuid: Uuid, row: NbRow<"Load_Balancer">, read: Read): Iterable<string> {
  const balancer = read(loadBalancer, uuid);
  yield* balancer?.problems ?? [];
  for (const vip of balancer?.vips ?? []) {
    if (balancer?.distributed !== true && checkOf(row, vip, read) === undefined) continue;
    for (const backend of vip.backends) {
      const source = badSource(backend, row.ip_port_mappings);
      if (source !== undefined) yield `Invalid svc mon src IP ${source}`;
    }
  }
}

export const problems: readonly Each<Problem>[] = [routerProblems, aclProblems, policyProblems, balancerProblems];
