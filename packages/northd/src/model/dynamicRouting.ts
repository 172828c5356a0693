/** Routers that speak with routing daemons of their chassis (ovn-nb(5), Logical_Router:options:dynamic-routing). */
import { derive, index, input, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { routerOptions } from "./config.ts";
import type { RouterPort } from "./routerPort.ts";

export const speaksDynamically = derive("dynamicRouting", (router: Uuid, read): boolean => {
  return read(routerOptions, router).get("dynamic-routing") === "true";
});

/** What a port tells of its router's routes: what the port asks for, or else the router. */
export function redistributed({ options, routerOptions: own }: RouterPort): ReadonlySet<string> {
  const name = "dynamic-routing-redistribute";
  return new Set((options.get(name) ?? own.get(name) ?? "").split(",").filter((what) => what !== ""));
}

/** What the chassis of a router port needs to know. `bound`: the port, or its instance, is on one chassis. */
export function dynamicOptions(port: RouterPort, bound: boolean, read: Read): ReadonlyMap<string, string> {
  const told = new Map<string, string>();
  if (!read(speaksDynamically, port.datapath)) return told;
  const { options, routerOptions: own } = port;
  for (const name of ["dynamic-routing-redistribute-local-only", "dynamic-routing-no-learning"]) {
    if ((options.get(name) ?? own.get(name)) === "true") told.set(name, "true");
  }
  if (!bound) return told;
  told.set("dynamic-routing", "true");
  if (options.get("dynamic-routing-maintain-vrf") === "true") told.set("dynamic-routing-maintain-vrf", "true");
  const vrf = own.get("dynamic-routing-vrf-name");
  if (vrf !== undefined) told.set("dynamic-routing-vrf-name", vrf);
  const daemon = options.get("dynamic-routing-port-name");
  if (daemon !== undefined) told.set("dynamic-routing-port-name", daemon);
  return told;
}

/** A row of Learned_Route: what a chassis heard of through a port. */
export interface LearnedRoute {
  readonly router: Uuid;
  /** The name of the router port. */
  readonly port: string;
  readonly prefix: string;
  readonly nexthop: string;
}

export const learnedRoutes = input<Uuid, LearnedRoute>("sb.Learned_Route", { equals: sameContent });
export const learnedByRouter = index("learnedByRouter", learnedRoutes, ({ router }) => [router]);
