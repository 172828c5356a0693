/** Advertised_Route: what chassis tell routing daemons of a router's networks and hosts (ovn-nb(5), dynamic-routing-redistribute). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { ofEach } from "../model/balancers.ts";
import { redistributed, speaksDynamically } from "../model/dynamicRouting.ts";
import { loadBalancer } from "../model/loadBalancer.ts";
import { nats } from "../model/nat.ts";
import { nb, routers } from "../model/nb.ts";
import { attachedSwitchPort, gatewayPorts, peerRouterPort, type RouterPort, routerPort } from "../model/routerPort.ts";
import { switchPort, switchPorts } from "../model/switchPort.ts";
import { routeKey } from "../output/keys.ts";
import { type Row, row } from "../output/row.ts";
import { staticRoutes } from "../router/routing.ts";
import { datapathRef } from "./datapaths.ts";
import { portRef } from "./ports.ts";

interface Route {
  readonly prefix: string;
  /** The port whose chassis alone is to tell of the route, or to prefer it. */
  readonly tracked: string | undefined;
}

export const advertisedRoutes = each(
  "northd/advertisedRoutes",
  nb.Logical_Router_Port,
  function* (uuid, _row, read): Iterable<Row> {
    const port = read(routerPort, uuid);
    if (port === undefined || !read(speaksDynamically, port.datapath)) return;
    const routes = new Map<string, Row>();
    for (const { prefix, tracked } of routesOf(port, redistributed(port), read)) {
      const key = routeKey(port.datapath, port.name, prefix, tracked);
      routes.set(
        key,
        row("Advertised_Route", key, {
          datapath: datapathRef(port.datapath),
          logical_port: portRef(port.name),
          ip_prefix: prefix,
          tracked_port: tracked === undefined ? undefined : portRef(tracked),
        }),
      );
    }
    yield* routes.values();
  },
);

function* routesOf(port: RouterPort, told: ReadonlySet<string>, read: Read): Iterable<Route> {
  const beside = neighbours(port, read);
  if (told.has("connected-as-host")) yield* hosts(port, beside, read);
  else if (told.has("connected")) {
    for (const network of networks(port)) yield { prefix: network, tracked: undefined };
  }
  if (told.has("static")) {
    for (const { prefix, hop } of read(staticRoutes, port.datapath).routes) {
      if (hop?.port.uuid === port.uuid) yield { prefix, tracked: undefined };
    }
  }
  if (told.has("nat")) {
    for (const router of new Set([port.datapath, ...beside.map(({ datapath }) => datapath)])) yield* read(translated, router);
  }
  if (!told.has("lb")) return;
  yield* read(balanced, port.datapath);
  for (const other of beside) for (const vip of read(vips, other.datapath).flat()) yield { prefix: vip, tracked: other.name };
}

function networks({ address: { ip4, ip6 } }: RouterPort): string[] {
  return [...ip4, ...ip6.filter(({ implicit }) => !implicit)].map(({ network }) => network);
}

function addresses({ address: { ip4, ip6 } }: Pick<RouterPort, "address">): string[] {
  return [...ip4, ...ip6.filter(({ implicit }) => !implicit)].map(({ text }) => text);
}

/** The ports of other routers on a port's switch, or at the other end of its link. */
function neighbours(port: RouterPort, read: Read): readonly RouterPort[] {
  const linked = peerRouterPort(port, read);
  if (linked !== undefined) return [linked];
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined) return [];
  return read(switchPorts, own.datapath)
    .flatMap(({ peer }) => (peer === undefined ? [] : (read(routerPort, peer) ?? [])))
    .filter(({ datapath }) => datapath !== port.datapath);
}

/** All who have addresses on a port's switch, the port itself among them. */
function* hosts(port: RouterPort, beside: readonly RouterPort[], read: Read): Iterable<Route> {
  for (const other of beside) for (const prefix of addresses(other)) yield { prefix, tracked: other.name };
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined) return;
  for (const prefix of addresses(port)) yield { prefix, tracked: port.name };
  for (const { name, type, addresses: list } of read(switchPorts, own.datapath)) {
    if (type === "router" || type === "virtual") continue;
    for (const address of list) for (const prefix of addresses({ address })) yield { prefix, tracked: name };
  }
}

/** The addresses that a router translates to. */
const translated = derive(
  "advertisedNat",
  (router: Uuid, read): readonly Route[] =>
    read(nats, router).rules.map(({ externalIp: prefix, gateway, local }) => ({
      prefix,
      tracked: local?.portName ?? gateway?.name,
    })),
  { equals: sameContent },
);

const vips = ofEach("advertisedVips", (lb, read) => {
  const parsed = read(loadBalancer, lb);
  return parsed === undefined || parsed.template ? [] : parsed.vips.map(({ address }) => address);
});

/** The VIPs of a router: where the router balances on certain chassis only. */
const balanced = derive(
  "advertisedOwnVips",
  (router: Uuid, read): readonly Route[] => {
    const gateways = read(gatewayPorts, router).map(({ name }) => name);
    const pinned = read(routers, router)?.options.has("chassis") === true;
    const places = gateways.length > 0 ? gateways : pinned ? [undefined] : [];
    return places.flatMap((tracked) => [...new Set(read(vips, router).flat())].map((prefix) => ({ prefix, tracked })));
  },
  { equals: sameContent },
);
