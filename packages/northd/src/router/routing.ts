/** Connected and static routes (ovn-northd(8), "IP Routing" and "IP_ROUTING_ECMP"). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv4Prefix,
  type Ipv6Prefix,
  ipv4Contains,
  ipv4Network,
  ipv6Contains,
  ipv6Network,
  multicastMacOfIpv6,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseIpv6Prefix,
  solicitedNodeOf,
} from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { type Flow, type FlowOptions, flow } from "../flow.ts";
import { type IpAddress, type Networks, parseIp } from "../model/addresses.ts";
import { deadPeer, speaksBfd } from "../model/bfd.ts";
import { metered } from "../model/copp.ts";
import { learnedByRouter, learnedRoutes } from "../model/dynamicRouting.ts";
import { listOfRouter, nb, routerPortsByName, routers } from "../model/nb.ts";
import { type RouterPort, routerNetworks, routerPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_ARP_REQUEST, LR_IN_IP_ROUTING, LR_IN_IP_ROUTING_ECMP, LR_IN_IP_ROUTING_PRE } from "../stages.ts";

/** A longer prefix comes first; at the same length, connected before static before learned before static by source. */
const RANK = { connected: 6, static: 4, learned: 2, source: 0 } as const;
const RANKS = 8;

/** BFD of a single hop, RFC 5881. */
export const BFD = "udp.dst == 3784";

/** How a packet leaves: through which port, from which of its addresses. */
export interface NextHop {
  readonly port: RouterPort;
  readonly family: 4 | 6;
  /** The address of the port to use as source of requests for the next hop. */
  readonly source: string;
  /** undefined: the destination is on the link. */
  readonly address: string | undefined;
}

/** Sets the next hop, the source of requests for it, Ethernet source, output port. */
export function nextHopActions({ port, family, source, address }: NextHop, loopback: boolean): string {
  const [hop, from, destination] = family === 4 ? ["reg0", "reg5", "ip4.dst"] : ["xxreg0", "xxreg1", "ip6.dst"];
  return (
    `${hop} = ${address ?? destination}; ${from} = ${source}; eth.src = ${port.address.macText}; outport = ${port.json}; ` +
    `${loopback ? "flags.loopback = 1; " : ""}`
  );
}

/** reg9[9]: the next hop is an IPv4 address. */
export function familyAction(family: 4 | 6): string {
  return `reg9[9] = ${family === 4 ? 1 : 0}; next;`;
}

export interface Connected {
  readonly family: 4 | 6;
  /** The port's own address there. */
  readonly source: string;
  readonly network: string;
  readonly length: number;
}

/**
 * A route to hosts that a port reaches directly. Link-local networks are those of the port that a packet came from. BFD
 * messages to neighbours keep the TTL of 255 that proves them to be on the link (RFC 5881 section 5).
 */
export function* connectedRoute(port: RouterPort, connected: Connected, hint: Uuid, read: Read): Iterable<Flow> {
  const { family, network, length } = connected;
  const match = `${network === "fe80::/64" ? `inport == ${port.json} && ` : ""}ip${family}.dst == ${network}`;
  const priority = length * RANKS + RANK.connected;
  const actions = hopActions(port, connected);
  yield flow(port.datapath, LR_IN_IP_ROUTING, priority, match, `ip.ttl--; ${actions}`, { hint });
  if (read(speaksBfd, port.name))
    yield flow(port.datapath, LR_IN_IP_ROUTING, priority + 1, `${match} && ${BFD}`, actions, { hint });
}

function hopActions(port: RouterPort, { family, source }: Connected): string {
  return `reg8[0..15] = 0; ${nextHopActions({ port, family, source, address: undefined }, true)}${familyAction(family)}`;
}

function connections({ address }: RouterPort): readonly Connected[] {
  return [
    ...address.ip4.map(({ text, network, length }): Connected => ({ family: 4, source: text, network, length })),
    ...address.ip6.map(({ text, network, length }): Connected => ({ family: 6, source: text, network, length })),
  ];
}

export const connectedRoutes = each(
  "router/connectedRoutes",
  nb.Logical_Router_Port,
  function* (uuid, _row, read): Iterable<Flow> {
    const port = read(routerPort, uuid);
    if (port === undefined) return;
    for (const connected of connections(port)) yield* connectedRoute(port, connected, uuid, read);
  },
);

/** The hop through the port of a router by which an address can be reached: the first that has a network with it. */
export function hopTowards(networks: Networks<RouterPort>, nexthop: string): NextHop | undefined {
  const hop = parseIp(nexthop);
  const port = hop && networks.portOf(hop);
  return hop && port && hopOn(port, hop);
}

/** The hop through a port that has a network with the address. */
export function sourceOn(port: RouterPort, nexthop: string): NextHop | undefined {
  const hop = parseIp(nexthop);
  return hop && hopOn(port, hop);
}

function hopOn(port: RouterPort, hop: IpAddress): NextHop | undefined {
  if (hop.family === 4) {
    const own = port.address.ip4.find(({ ip, length }) => ipv4Contains({ address: ip, length }, hop.ip));
    return own && { port, family: 4, source: own.text, address: formatIpv4(hop.ip) };
  }
  const own = port.address.ip6.find(({ ip, length }) => ipv6Contains({ address: ip, length }, hop.ip));
  return own && { port, family: 6, source: own.text, address: formatIpv6(hop.ip) };
}

/** The hop through a named port, also where none of its networks has the address. */
export function hopThrough(port: RouterPort, nexthop: string): NextHop | undefined {
  const found = sourceOn(port, nexthop);
  if (found !== undefined) return found;
  const ip4 = parseIpv4(nexthop);
  const ip6 = ip4 === undefined ? parseIpv6(nexthop) : undefined;
  const first4 = port.address.ip4[0];
  const first6 = port.address.ip6[0];
  if (ip4 !== undefined && first4 !== undefined) return { port, family: 4, source: first4.text, address: formatIpv4(ip4) };
  if (ip6 !== undefined && first6 !== undefined) return { port, family: 6, source: first6.text, address: formatIpv6(ip6) };
  return undefined;
}

export interface StaticRoute {
  readonly uuid: Uuid;
  readonly family: 4 | 6;
  readonly prefix: string;
  readonly length: number;
  readonly bySource: boolean;
  readonly table: string;
  readonly discard: boolean;
  readonly hop: NextHop | undefined;
  /** Learned from another zone, where it is a network of a router's. */
  readonly connected: boolean;
  /** Heard of by a chassis. */
  readonly learned: boolean;
  /** Replies leave by the hop that a connection came in by. */
  readonly symmetric: boolean;
  /** Fields that a group's member is chosen by; none: all that there are. */
  readonly selection: readonly string[];
}

function prefixOf(text: string): { readonly family: 4 | 6; readonly prefix: string; readonly length: number } | undefined {
  const four: Ipv4Prefix | undefined = parseIpv4Prefix(text);
  if (four !== undefined) return { family: 4, prefix: `${formatIpv4(ipv4Network(four))}/${four.length}`, length: four.length };
  const six: Ipv6Prefix | undefined = parseIpv6Prefix(text);
  if (six === undefined) return undefined;
  return { family: 6, prefix: `${formatIpv6(ipv6Network(six))}/${six.length}`, length: six.length };
}

/** The routes of a router that lead somewhere, and what is wrong with the others. */
export const staticRoutes = derive(
  "staticRoutes",
  (router: Uuid, read): { readonly routes: readonly StaticRoute[]; readonly problems: readonly string[] } => {
    const name = read(routers, router)?.name ?? "";
    const routes: StaticRoute[] = [];
    const problems: string[] = [];
    for (const uuid of read(listOfRouter.static_routes, router)) {
      const route = read(nb.Logical_Router_Static_Route, uuid);
      if (route === undefined || (route.bfd !== undefined && read(deadPeer, route.bfd) !== undefined)) continue;
      const made = staticRoute(route, name, router, read);
      if (typeof made === "string") problems.push(made);
      else routes.push(made);
    }
    return { routes, problems };
  },
  { equals: sameContent },
);

function staticRoute(
  route: NbRow<"Logical_Router_Static_Route">,
  routerName: string,
  router: Uuid,
  read: Read,
): StaticRoute | string {
  const prefix = prefixOf(route.ip_prefix);
  if (prefix === undefined) return `bad 'ip_prefix' in static routes ${route.ip_prefix}`;
  const common = {
    uuid: route._uuid,
    ...prefix,
    bySource: route.policy === "src-ip",
    table: route.route_table,
    connected: route.options.get("origin") === "connected",
    learned: false,
    symmetric: route.options.get("ecmp_symmetric_reply") === "true",
    selection: [...route.selection_fields].sort(),
  };
  if (route.nexthop === "discard") return { ...common, discard: true, hop: undefined };
  const nexthop = route.nexthop;
  const family = parseIpv4(nexthop) !== undefined ? 4 : parseIpv6(nexthop) !== undefined ? 6 : undefined;
  if (family === undefined) return `bad 'nexthop' ${nexthop} in static route ${route.ip_prefix}`;
  if (family !== prefix.family) {
    return `Address family doesn't match between 'ip_prefix' ${route.ip_prefix} and 'nexthop' ${nexthop} in static route`;
  }
  let hop: NextHop | undefined;
  if (route.output_port !== undefined) {
    const uuid = read(routerPortsByName, route.output_port)[0];
    const port = uuid === undefined ? undefined : read(routerPort, uuid);
    if (port === undefined || port.datapath !== router) {
      return `Bad out port ${route.output_port} for static route ${route.ip_prefix}`;
    }
    hop = hopThrough(port, nexthop);
  } else hop = hopTowards(read(routerNetworks, router), nexthop);
  if (hop === undefined) {
    return `No path for static route ${route.ip_prefix} on router ${routerName}; next hop ${nexthop}`;
  }
  return { ...common, discard: false, hop };
}

/** What chassis heard of: its next hop may be of the other family. */
const learned = derive(
  "learnedRoutes",
  (router: Uuid, read): readonly StaticRoute[] =>
    read(learnedByRouter, router).flatMap((uuid): StaticRoute[] => {
      const told = read(learnedRoutes, uuid)!;
      const prefix = prefixOf(told.prefix);
      const id = read(routerPortsByName, told.port)[0];
      const port = id === undefined ? undefined : read(routerPort, id);
      const hop = port?.datapath === router ? hopThrough(port, told.nexthop) : undefined;
      if (prefix === undefined || hop === undefined) return [];
      const plain = { bySource: false, table: "", connected: false, symmetric: false, selection: [], discard: false };
      return [{ uuid, ...prefix, ...plain, learned: true, hop }];
    }),
  { equals: sameContent },
);

/** Route tables other than the main one get numbers from 1, in the order of their names. */
export const routeTables = derive(
  "routeTables",
  (router: Uuid, read): ReadonlyMap<string, number> => {
    const names = new Set<string>();
    for (const { table } of read(staticRoutes, router).routes) if (table !== "") names.add(table);
    for (const port of read(routerPorts, router)) {
      const table = port.options.get("route_table");
      if (table !== undefined && table !== "") names.add(table);
    }
    return new Map([...names].sort().map((name, index) => [name, index + 1]));
  },
  { equals: sameContent },
);

interface Group {
  readonly match: string;
  readonly priority: number;
  readonly routes: readonly StaticRoute[];
}

/** Routes to one prefix, of one table and one policy, share its traffic. */
function groupsOf(routes: readonly StaticRoute[], tables: ReadonlyMap<string, number>): Iterable<Group> {
  const groups = new Map<string, { match: string; priority: number; routes: StaticRoute[] }>();
  for (const route of routes) {
    const table = route.connected ? "" : `reg7 == ${route.table === "" ? 0 : tables.get(route.table)!} && `;
    const match = `${table}ip${route.family}.${route.bySource ? "src" : "dst"} == ${route.prefix}`;
    const rank = rankOf(route);
    const key = `${rank} ${match}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { match, priority: route.length * RANKS + rank, routes: [route] });
    else group.routes.push(route);
  }
  return groups.values();
}

function rankOf({ connected, learned: heard, bySource }: StaticRoute): number {
  if (connected) return RANK.connected;
  if (heard) return RANK.learned;
  return bySource ? RANK.source : RANK.static;
}

export const routing = each("router/routing", routers, function* (uuid, _row, read): Iterable<Flow> {
  const tables = read(routeTables, uuid);
  for (const port of read(routerPorts, uuid)) {
    const table = tables.get(port.options.get("route_table") ?? "");
    if (table !== undefined) {
      yield flow(uuid, LR_IN_IP_ROUTING_PRE, 100, `inport == ${port.json}`, `reg7 = ${table}; next;`);
    }
  }
  let group = 0;
  for (const { match, priority, routes } of groupsOf([...read(staticRoutes, uuid).routes, ...read(learned, uuid)], tables)) {
    const first = routes[0]!;
    if (routes.length > 1 || (first.symmetric && first.hop !== undefined)) {
      yield* ecmp(uuid, ++group, priority, match, routes);
      continue;
    }
    const own = { hint: first.uuid };
    if (first.hop === undefined) {
      yield flow(uuid, LR_IN_IP_ROUTING, priority, match, "drop;", own);
      continue;
    }
    const actions = `reg8[0..15] = 0; ${nextHopActions(first.hop, true)}${familyAction(first.hop.family)}`;
    yield flow(uuid, LR_IN_IP_ROUTING, priority, match, `ip.ttl--; ${actions}`, own);
    if (read(speaksBfd, first.hop.port.name)) {
      yield flow(uuid, LR_IN_IP_ROUTING, priority + 1, `${match} && ${BFD}`, actions, own);
    }
  }
  // Also for routes that lead nowhere now: the flow names the next hop only.
  const requested = new Set<string>();
  for (const hint of read(listOfRouter.static_routes, uuid)) {
    const nexthop = read(nb.Logical_Router_Static_Route, hint)?.nexthop ?? "";
    const ip6 = parseIpv6(nexthop);
    if (ip6 === undefined || requested.has(formatIpv6(ip6))) continue;
    requested.add(formatIpv6(ip6));
    yield neighbourRequest(uuid, formatIpv6(ip6), hint, metered(uuid, "nd-ns-resolve", read));
  }
});

/** Asks for an IPv6 next hop with the multicast address that belongs to it. */
export function neighbourRequest(datapath: Uuid, nexthop: string, hint: Uuid, meter: FlowOptions = {}): Flow {
  const node = solicitedNodeOf(parseIpv6(nexthop)!);
  return flow(
    datapath,
    LR_IN_ARP_REQUEST,
    200,
    `eth.dst == 00:00:00:00:00:00 && reg9[9] == 0 && xxreg0 == ${nexthop}`,
    `nd_ns { eth.dst = ${formatMac(multicastMacOfIpv6(node))}; ip6.dst = ${formatIpv6(node)}; nd.target = ${nexthop}; output; }; next;`,
    { hint, ...meter },
  );
}

function* ecmp(uuid: Uuid, group: number, priority: number, match: string, routes: readonly StaticRoute[]): Iterable<Flow> {
  const member = routes.length === 1 ? "1; next;" : `${selection(routes)};`;
  const actions = `ip.ttl--; flags.loopback = 1; reg8[0..15] = ${group}; reg8[16..31] = ${member}`;
  yield flow(uuid, LR_IN_IP_ROUTING, priority, match, actions);
  for (const [index, { hop, symmetric, uuid: hint }] of routes.entries()) {
    if (hop === undefined) continue;
    yield flow(
      uuid,
      LR_IN_IP_ROUTING_ECMP,
      100,
      `reg8[0..15] == ${group} && reg8[16..31] == ${index + 1}`,
      `${nextHopActions(hop, false)}reg9[9] = ${hop.family === 4 ? 1 : 0}; ${symmetric ? "reg9[10] = 1; " : ""}next;`,
      { hint },
    );
  }
}

/** One of a group's members by a hash: of the fields that all of them ask for, or of all fields. */
function selection(routes: readonly StaticRoute[]): string {
  const members = routes.map((_, index) => index + 1).join(", ");
  const fields = routes[0]!.selection.filter((field) => routes.every((route) => route.selection.includes(field)));
  return fields.length === 0 ? `select(${members})` : `select(values=(${members}); hash_fields="${fields.join(",")}")`;
}
