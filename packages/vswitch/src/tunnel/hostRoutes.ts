/** The host's routing table as the switch's native tunnels use it. */
import type { HostNetwork, HostRoute } from "@weft/runtime";
import type { HostRoutes } from "../netdev.ts";
import { type IpAddress, parseAddress } from "./address.ts";
import { covers, type Route } from "./routes.ts";

/** The address that packets by this route are sent from: the preferred one, or one of the device's, beside the gateway if there is one. */
function sourceOf(network: HostNetwork, route: HostRoute, gateway: IpAddress | undefined): IpAddress | undefined {
  if (route.source !== undefined) return parseAddress(route.source);
  let first: IpAddress | undefined;
  for (const { link, address, prefixLength } of network.addresses) {
    if (link !== route.link) continue;
    const own = parseAddress(address);
    if (own?.family !== route.family) continue;
    if (gateway !== undefined && covers({ prefix: own, length: prefixLength }, gateway)) return own;
    first ??= own;
  }
  return first;
}

export function hostRoutes(network: HostNetwork): HostRoutes {
  return {
    all() {
      const routes: Route[] = [];
      // Of routes to the same prefix the first is taken.
      for (const route of [...network.routes].sort((a, b) => a.metric - b.metric)) {
        const prefix = parseAddress(route.destination);
        const device = network.links.get(route.link)?.name;
        if (prefix === undefined || device === undefined) continue;
        const gateway = route.gateway === undefined ? undefined : parseAddress(route.gateway);
        const source = sourceOf(network, route, gateway);
        const { prefixLength: length, local } = route;
        routes.push({ prefix, length, device, gateway, mark: 0, source, user: false, local, host: true });
      }
      return routes;
    },
  };
}
