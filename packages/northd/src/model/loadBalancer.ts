/** Load balancers, read and parsed, and which switches and routers have them (ovn-nb(5), Load_Balancer). */
import { derive, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { DatapathSet, sameSet } from "../output/datapathSet.ts";
import { type Endpoint, parseEndpoint, parseTemplate } from "./endpoint.ts";
import { globals } from "./globals.ts";
import { nb, switchPortsByPeer } from "./nb.ts";
import { switchOf } from "./switchPort.ts";

export type Protocol = "tcp" | "udp" | "sctp";

export const protocolNumber: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export interface Vip extends Endpoint {
  /** As it is configured. */
  readonly key: string;
  readonly backends: readonly Endpoint[];
  /** The backends as they are configured. */
  readonly text: string;
}

export interface LoadBalancer {
  readonly uuid: Uuid;
  readonly protocol: Protocol;
  /** VIPs that are well-formed, with all their backends. */
  readonly vips: readonly Vip[];
  readonly options: ReadonlyMap<string, string>;
  readonly reject: boolean;
  readonly event: boolean;
  readonly skipSnat: boolean;
  readonly distributed: boolean;
  /** VIPs and backends are variables. */
  readonly template: boolean;
  /** In seconds. */
  readonly affinityTimeout: number | undefined;
  /** Fields that select the backend, as the arguments of ct_lb_mark have them. */
  readonly hashFields: string | undefined;
}

export const loadBalancer = derive(
  "loadBalancer",
  (uuid: Uuid, read): LoadBalancer | undefined => {
    const row = read(nb.Load_Balancer, uuid);
    if (row === undefined) return undefined;
    const { options } = row;
    const protocol = row.protocol ?? "tcp";
    const template = options.get("template") === "true";
    const family = options.get("address-family") === "ipv6" ? 6 : 4;
    const vips: Vip[] = [];
    for (const [key, text] of row.vips) {
      const vip = template ? parseTemplateVip(key, text, family) : parseVip(key, text);
      if (vip !== undefined) vips.push(vip);
    }
    const timeout = Number(options.get("affinity_timeout"));
    return {
      uuid,
      protocol,
      vips,
      options,
      reject: options.get("reject") === "true",
      event: options.get("event") === "true",
      skipSnat: options.get("skip_snat") === "true",
      distributed: options.get("distributed") === "true",
      template,
      affinityTimeout: Number.isInteger(timeout) && timeout > 0 && !template ? Math.min(timeout, 65_535) : undefined,
      hashFields: hashFieldsOf(row),
    };
  },
  { equals: sameContent },
);

/** A VIP with a backend that is malformed, of the other family, or with a port where the VIP has none, is none. */
function parseVip(key: string, text: string): Vip | undefined {
  const vip = parseEndpoint(key);
  if (vip === undefined) return undefined;
  const backends: Endpoint[] = [];
  for (const token of text.split(",").filter((each) => each !== "")) {
    const backend = parseEndpoint(token);
    if (backend?.family !== vip.family || (backend.port === undefined) !== (vip.port === undefined)) return undefined;
    backends.push(backend);
  }
  return { ...vip, key, backends, text };
}

/** What variables stand for is only known on the chassis: a backend variable may hold several, with ports. */
function parseTemplateVip(key: string, text: string, family: 4 | 6): Vip | undefined {
  const vip = key.startsWith("^") ? parseTemplate(key, family) : undefined;
  const backends = text.split(",").flatMap((token) => parseTemplate(token, family) ?? []);
  return vip === undefined ? undefined : { ...vip, key, backends, text };
}

function hashFieldsOf({ selection_fields, protocol }: NbRow<"Load_Balancer">): string | undefined {
  if (selection_fields.length === 0) return undefined;
  return selection_fields.map((field) => field.replace(/^tp_/, `${protocol ?? "tp"}_`)).join();
}

type Holder = { readonly load_balancer: readonly Uuid[]; readonly load_balancer_group: readonly Uuid[] };

/** The load balancers of a switch or router, its own and those of its groups. */
export function loadBalancersOf(holder: Holder | undefined, read: Read): ReadonlySet<Uuid> {
  const all = new Set<Uuid>(holder?.load_balancer);
  for (const group of holder?.load_balancer_group ?? []) {
    for (const uuid of read(nb.Load_Balancer_Group, group)?.load_balancer ?? []) all.add(uuid);
  }
  return all;
}

export const switchesWithLoadBalancer = relation("switchesWithLoadBalancer", nb.Logical_Switch, (_uuid, row, read) =>
  loadBalancersOf(row, read),
);

export const routersWithLoadBalancer = relation("routersWithLoadBalancer", nb.Logical_Router, (_uuid, row, read) =>
  row.enabled === false ? [] : loadBalancersOf(row, read),
);

/** Whether a switch or router has to track connections for the VIPs of load balancers. */
function anyVip(holder: Holder | undefined, read: Read): boolean {
  for (const uuid of loadBalancersOf(holder, read)) if ((read(nb.Load_Balancer, uuid)?.vips.size ?? 0) > 0) return true;
  return false;
}

export const switchHasVips = derive("switchHasVips", (uuid: Uuid, read) => anyVip(read(nb.Logical_Switch, uuid), read));
export const routerHasVips = derive("routerHasVips", (uuid: Uuid, read) => anyVip(read(nb.Logical_Router, uuid), read));

/** The switches where a load balancer works: those that have it, and where that is asked for, those of routers that have it. */
export const switchesOf = derive(
  "switchesOfLoadBalancer",
  (uuid: Uuid, read): DatapathSet => {
    const switches = new Set(read(switchesWithLoadBalancer, uuid) as readonly Uuid[]);
    if (read(globals, "").switchLbFromRouter) {
      for (const router of read(routersWithLoadBalancer, uuid)) {
        for (const attached of read(switchesOfRouter, router as Uuid)) switches.add(attached);
      }
    }
    return new DatapathSet([...switches]);
  },
  { equals: sameSet },
);

/** The routers that have a load balancer. */
export const routersOf = derive(
  "routersOfLoadBalancer",
  (uuid: Uuid, read): DatapathSet => new DatapathSet(read(routersWithLoadBalancer, uuid) as readonly Uuid[]),
  { equals: sameSet },
);

const switchesOfRouter = derive(
  "switchesOfRouter",
  (uuid: Uuid, read): readonly Uuid[] => {
    const switches: Uuid[] = [];
    for (const port of read(nb.Logical_Router, uuid)?.ports ?? []) {
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
  (uuid: Uuid, read): boolean => read(nb.Logical_Switch, uuid)?.other_config.get("enable-stateless-acl-with-lb") === "true",
);

/** The addresses of a router's VIPs. */
export const vipAddresses = derive(
  "vipAddresses",
  (uuid: Uuid, read): ReadonlySet<string> => {
    const vips = new Set<string>();
    for (const lb of loadBalancersOf(read(nb.Logical_Router, uuid), read)) {
      for (const { address } of read(loadBalancer, lb)?.vips ?? []) vips.add(address);
    }
    return vips;
  },
  { equals: sameContent },
);

/** Whether a router balances on every chassis: then its gateway ports are on every chassis too. */
export const balancesEverywhere = derive("balancesEverywhere", (uuid: Uuid, read): boolean => {
  for (const lb of loadBalancersOf(read(nb.Logical_Router, uuid), read)) if (read(loadBalancer, lb)?.distributed) return true;
  return false;
});
