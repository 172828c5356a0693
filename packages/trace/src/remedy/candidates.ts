/**
 * Changes that may let a packet pass, by its cause: what an operator would try. Each is tried on a copy of the databases before it
 * is said (trace.ts); the first that helps is told.
 */

import type { Uuid } from "@weft/ovsdb";
import { ipv4Contains, ipv6Contains, parseIpv4, parseIpv4Prefix, parseIpv6, parseIpv6Prefix } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import type { Cloud } from "../cloud/cloud.ts";
import type { CopiedDatabases } from "../copy/whatIf.ts";
import { bridgeMappings } from "../verify/physical.ts";
import type { Question } from "../walk/question.ts";
import type { Cause } from "../walk/steps.ts";

export interface Candidate {
  /** What to do, with the command where one does it. */
  readonly text: string;
  change(databases: CopiedDatabases): void;
}

export interface Situation {
  readonly cloud: Cloud;
  readonly cause: Cause;
  readonly asked: Question;
  /** The packet's destination when it was lost. */
  readonly destination: string | undefined;
  /** The logical port that it was on its way to. */
  readonly towards: string | undefined;
}

type Northbound = NonNullable<Cloud["nb"]>;
type Proposer = (situation: Situation, nb: Northbound) => Iterable<Candidate>;

/** More than these are not tried: each costs a computation of the whole network. */
const MOST = 6;

export function candidatesFor(situation: Situation): readonly Candidate[] {
  const { nb } = situation.cloud;
  if (nb === undefined) return [];
  return PROPOSERS.flatMap((propose) => [...propose(situation, nb)]).slice(0, MOST);
}

const PROPOSERS: readonly Proposer[] = [
  disabledPorts,
  dhcpOptions,
  requestedChassis,
  gatewayChassis,
  wrongNeighbour,
  healthChecks,
  routerNetwork,
  routes,
  strayRoute,
];

/** Ports at both ends that somebody has switched off. */
function* disabledPorts({ asked, towards }: Situation, nb: Northbound): Generator<Candidate> {
  const names = new Set([asked.from.name, asked.to?.name, towards]);
  for (const { name, enabled, _uuid } of nb.table("Logical_Switch_Port").rows()) {
    if (enabled !== false || !names.has(name)) continue;
    yield {
      text: `port ${name} is disabled: ovn-nbctl lsp-set-enabled ${name} enabled`,
      change: (databases) => databases.nb.update("Logical_Switch_Port", _uuid, { enabled: true }),
    };
  }
  for (const { name, enabled, _uuid } of nb.table("Logical_Router_Port").rows()) {
    if (enabled !== false) continue;
    yield {
      text: `router port ${name} is disabled: ovn-nbctl lrp-set-enabled ${name} enabled`,
      change: (databases) => databases.nb.update("Logical_Router_Port", _uuid, { enabled: true }),
    };
  }
}

/** A guest that asks for a lease where its port has no DHCP options, but its network has. */
function* dhcpOptions({ asked: { from, expression } }: Situation, nb: Northbound): Generator<Candidate> {
  const family = /udp\.dst *== *67\b/.test(expression) ? 4 : /udp\.dst *== *547\b/.test(expression) ? 6 : undefined;
  const port = [...nb.table("Logical_Switch_Port").rows()].find(({ name }) => name === from.name);
  const ip = family === 4 ? from.ipv4 : from.ipv6;
  if (family === undefined || port === undefined || ip === undefined) return;
  const column = family === 4 ? "dhcpv4_options" : "dhcpv6_options";
  if (port[column] !== undefined) return;
  for (const { _uuid, cidr } of nb.table("DHCP_Options").rows()) {
    if (!contains(cidr, ip)) continue;
    yield {
      text: `port ${port.name} has no ${column}: ovn-nbctl lsp-set-dhcpv${family}-options ${port.name} ${_uuid} (those of ${cidr})`,
      change: (databases) => databases.nb.update("Logical_Switch_Port", port._uuid, { [column]: _uuid }),
    };
  }
}

/** A port that asks for another chassis than the one that has its interface. */
function* requestedChassis({ cause, asked }: Situation, nb: Northbound): Generator<Candidate> {
  if (cause.code !== "port-unbound") return;
  for (const { name, options, _uuid } of nb.table("Logical_Switch_Port").rows()) {
    const requested = options.get("requested-chassis");
    if (requested === undefined || (name !== asked.to?.name && name !== asked.from.name)) continue;
    const without = new Map([...options].filter(([key]) => key !== "requested-chassis"));
    yield {
      text: `port ${name} asks for chassis ${requested}: ovn-nbctl remove Logical_Switch_Port ${name} options requested-chassis`,
      change: (databases) => databases.nb.update("Logical_Switch_Port", _uuid, { options: without }),
    };
  }
}

/** A gateway port that no chassis has: one that is on the physical network may take it. */
function* gatewayChassis({ cloud, cause, towards }: Situation, nb: Northbound): Generator<Candidate> {
  const { sb, hypervisors } = cloud;
  if (cause.code !== "port-unbound" || towards === undefined || sb === undefined) return;
  const name = towards.replace(/^cr-/, "");
  const port = [...nb.table("Logical_Router_Port").rows()].find((row) => row.name === name);
  if (port === undefined) return;
  const live = new Set([...sb.table("Chassis").rows()].map((row) => row.name));
  const mapped = hypervisors.filter((one) => live.has(one.systemId) && bridgeMappings(one).size > 0);
  const known = new Set(port.gateway_chassis.flatMap((uuid) => nb.table("Gateway_Chassis").get(uuid)?.chassis_name ?? []));
  for (const { systemId: chassis } of mapped) {
    if (known.has(chassis)) continue;
    yield {
      text: `no chassis has gateway port ${name}: ovn-nbctl lrp-set-gateway-chassis ${name} ${chassis}`,
      change({ nb: copy }) {
        copy.edit((tx) => {
          const row = tx.insert("Gateway_Chassis", { name: `${name}-${chassis}`, chassis_name: chassis, priority: 100 });
          tx.mutate("Logical_Router_Port", port._uuid, "gateway_chassis", { insert: [row] });
        });
      },
    };
  }
}

/** A learned neighbour that is not who it says: forgotten, it is asked for anew. */
function* wrongNeighbour({ cloud: { sb }, cause: { code, flow } }: Situation, _nb: Northbound): Generator<Candidate> {
  if (code !== "neighbour-wrong" && code !== "delivered-elsewhere" && code !== "destination-unknown") return;
  const cookie = flow?.cookie;
  for (const row of sb?.table("MAC_Binding").rows() ?? []) {
    if (cookie !== `0x${Number.parseInt(row._uuid.slice(0, 8), 16).toString(16)}`) continue;
    yield {
      text: `${row.ip} is not at ${row.mac}: ovn-sbctl destroy MAC_Binding ${row._uuid}`,
      change: (databases) => databases.sb.delete("MAC_Binding", row._uuid),
    };
  }
}

/** Backends that are there, but that a health check takes for down. */
function* healthChecks({ cause: { code, northbound } }: Situation, nb: Northbound): Generator<Candidate> {
  if (code !== "no-backend" || northbound?.table !== "Load_Balancer") return;
  const row = nb.table("Load_Balancer").get(northbound.uuid as Uuid);
  if (row === undefined || row.health_check.length === 0) return;
  yield {
    text: `its health check takes all backends for down (ovn-sbctl list Service_Monitor): start them, or ovn-nbctl clear Load_Balancer ${row._uuid} health_check`,
    change: (databases) => databases.nb.update("Load_Balancer", row._uuid, { health_check: [] }),
  };
}

const NO_WAY: ReadonlySet<Cause["code"]> = new Set<Cause["code"]>(["no-route", "neighbour-unknown", "dropped", "refused"]);

/** A router port without an address in the network of its guests: the address that their DHCP options name as the router. */
function* routerNetwork({ cause: { code }, destination }: Situation, nb: Northbound): Generator<Candidate> {
  if (!NO_WAY.has(code) || destination === undefined) return;
  const ports = new Map([...nb.table("Logical_Switch_Port").rows()].map((row) => [row._uuid, row]));
  const lrps = new Map([...nb.table("Logical_Router_Port").rows()].map((row) => [row.name, row]));
  for (const { ports: uuids } of nb.table("Logical_Switch").rows()) {
    const rows = uuids.flatMap((uuid) => ports.get(uuid) ?? []);
    const guest = rows.find(({ type, addresses }) => type === "" && addresses.join(" ").split(/\s+/).includes(destination));
    const options = guest?.dhcpv4_options === undefined ? undefined : nb.table("DHCP_Options").get(guest.dhcpv4_options);
    const router = options?.options.get("router");
    const length = options?.cidr.split("/")[1];
    if (router === undefined || length === undefined || !contains(options?.cidr ?? "", destination)) continue;
    for (const { type, options: own } of rows) {
      const lrp = type === "router" ? lrps.get(own.get("router-port") ?? "") : undefined;
      if (lrp === undefined || lrp.networks.some((network) => contains(network, destination))) continue;
      const networks = [...lrp.networks, `${router}/${length}`];
      yield {
        text: `router port ${lrp.name} has no address in ${options?.cidr}: ovn-nbctl add Logical_Router_Port ${lrp.name} networks ${router}/${length}`,
        change: (databases) => databases.nb.update("Logical_Router_Port", lrp._uuid, { networks }),
      };
    }
  }
}

/** A route by what is known to forward packets: other routes' next hops, and routers beside it. */
function* routes({ cause: { code, flow }, destination }: Situation, nb: Northbound): Generator<Candidate> {
  if (code !== "no-route" || destination === undefined) return;
  const router = routerOf(nb, flow?.network);
  if (router === undefined) return;
  const lrps = router.ports.flatMap((uuid) => nb.table("Logical_Router_Port").get(uuid) ?? []);
  const own = new Set(lrps.flatMap(({ networks }) => networks.map((network) => network.split("/")[0])));
  const near = new Set<string>();
  for (const uuid of router.static_routes) near.add(nb.table("Logical_Router_Static_Route").get(uuid)?.nexthop ?? "");
  const others = [...nb.table("Logical_Router_Port").rows()].filter((row) => !router.ports.includes(row._uuid));
  for (const { networks } of others) for (const network of networks) near.add(network.split("/")[0] ?? "");
  const whole = `${destination}/${destination.includes(":") ? 128 : 32}`;
  for (const nexthop of near) {
    if (nexthop === "" || own.has(nexthop) || nexthop.includes(":") !== destination.includes(":")) continue;
    if (!lrps.some(({ networks }) => networks.some((network) => contains(network, nexthop)))) continue;
    yield {
      text: `a route: ovn-nbctl lr-route-add ${router.name} ${whole} ${nexthop}`,
      change({ nb: copy }) {
        copy.edit((tx) => {
          const row = tx.insert("Logical_Router_Static_Route", { ip_prefix: whole, nexthop });
          tx.mutate("Logical_Router", router._uuid, "static_routes", { insert: [row] });
        });
      },
    };
  }
}

/** A route that throws away or leads astray: without it the packet may go its way. */
function* strayRoute({ cause: { northbound } }: Situation, nb: Northbound): Generator<Candidate> {
  if (northbound?.table !== "Logical_Router_Static_Route") return;
  const uuid = northbound.uuid as Uuid;
  const router = [...nb.table("Logical_Router").rows()].find(({ static_routes }) => static_routes.includes(uuid));
  const route = nb.table("Logical_Router_Static_Route").get(uuid);
  if (router === undefined || route === undefined) return;
  yield {
    text: `without the route: ovn-nbctl lr-route-del ${router.name} ${route.ip_prefix} ${route.nexthop}`,
    change: (databases) =>
      databases.nb.update("Logical_Router", router._uuid, { static_routes: router.static_routes.filter((one) => one !== uuid) }),
  };
}

/** By what a flow's network is called: "router lr0". */
function routerOf(nb: Northbound, text: string | undefined): NbRow<"Logical_Router"> | undefined {
  const name = /^router (.*)$/.exec(text ?? "")?.[1];
  return [...nb.table("Logical_Router").rows()].find(
    (row) => row.name === name || row.external_ids.get("neutron:router_name") === name,
  );
}

/** Whether an address is in a network ("10.0.0.0/24"). */
function contains(network: string, ip: string): boolean {
  const [v4, v6] = [parseIpv4(ip), parseIpv6(ip)];
  const [net4, net6] = [parseIpv4Prefix(network), parseIpv6Prefix(network)];
  if (v4 !== undefined) return net4 !== undefined && ipv4Contains(net4, v4);
  return v6 !== undefined && net6 !== undefined && ipv6Contains(net6, v6);
}
