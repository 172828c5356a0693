/** A logical router port, read and parsed. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { quoted } from "../flow.ts";
import { Networks, type PortAddress, parseRouterPortAddress } from "./addresses.ts";
import { remoteChassis } from "./chassis.ts";
import { routerOptions } from "./config.ts";
import { listOfRouter, nb, routerOfPort, routerPortsByName, switchPortsByPeer } from "./nb.ts";

export interface RouterPort {
  readonly uuid: Uuid;
  readonly name: string;
  readonly json: string;
  readonly datapath: Uuid;
  readonly address: PortAddress;
  readonly options: ReadonlyMap<string, string>;
  readonly enabled: boolean;
  /** Name of the peer router's port, as configured. */
  readonly peerName: string | undefined;
  /** The router's options. */
  readonly routerOptions: ReadonlyMap<string, string>;
  /** Distributed gateway port: has gateway chassis or an HA chassis group. */
  readonly isGateway: boolean;
  /** Of a distributed gateway port: the name of its instance on the gateway chassis, in quotes. */
  readonly redirectJson: string | undefined;
  /** The chassis that the whole router is on, if it is a gateway router. */
  readonly gatewayChassis: string | undefined;
}

/** The name of the port binding that stands for a port's instance on its gateway chassis. */
export function redirectName(port: string): string {
  return `cr-${port}`;
}

export const routerPort = derive(
  "routerPort",
  (uuid: Uuid, read): RouterPort | undefined => {
    const row = read(nb.Logical_Router_Port, uuid);
    const routers = read(routerOfPort, uuid);
    if (row === undefined || routers.length !== 1 || read(routerPortsByName, row.name)[0] !== uuid) return undefined;
    const address = parseRouterPortAddress(row.mac, row.networks);
    if (address === undefined) return undefined;
    const optionsOfRouter = read(routerOptions, routers[0]!);
    const gatewayChassis = optionsOfRouter.get("chassis");
    const isGateway = gatewayChassis === undefined && (row.gateway_chassis.length > 0 || row.ha_chassis_group !== undefined);
    return {
      uuid,
      name: row.name,
      json: quoted(row.name),
      datapath: routers[0]!,
      address,
      options: row.options,
      enabled: row.enabled !== false,
      peerName: row.peer,
      routerOptions: optionsOfRouter,
      isGateway,
      redirectJson: isGateway ? quoted(redirectName(row.name)) : undefined,
      gatewayChassis,
    };
  },
  { equals: sameContent },
);

export const routerPorts = derive(
  "routerPorts",
  (uuid: Uuid, read): readonly RouterPort[] => {
    const ports: RouterPort[] = [];
    for (const port of read(listOfRouter.ports, uuid)) {
      const parsed = read(routerPort, port);
      if (parsed !== undefined && parsed.datapath === uuid) ports.push(parsed);
    }
    return ports;
  },
  { equals: (a, b) => a.length === b.length && a.every((port, i) => port === b[i]) },
);

/** The networks of a router's ports. */
export const routerNetworks = derive("routerNetworks", (uuid: Uuid, read) => new Networks(read(routerPorts, uuid)));

/** The distributed gateway ports of a router. */
export const gatewayPorts = derive(
  "gatewayPorts",
  (uuid: Uuid, read): readonly RouterPort[] => read(routerPorts, uuid).filter((port) => port.isGateway),
  { equals: (a, b) => a.length === b.length && a.every((port, i) => port === b[i]) },
);

/** "is_chassis_resident(...)" of a distributed gateway port, led by " && "; nothing for other ports. */
export function residence({ redirectJson }: RouterPort): string {
  return redirectJson === undefined ? "" : ` && is_chassis_resident(${redirectJson})`;
}

/** The switch port that is this router port's peer, if one is. */
export function attachedSwitchPort(port: RouterPort, read: Read): Uuid | undefined {
  return read(switchPortsByPeer, port.name)[0];
}

/** The router port at the other end of a link between routers: both name each other. */
export function peerRouterPort(port: RouterPort, read: Read): RouterPort | undefined {
  if (port.peerName === undefined) return undefined;
  const uuid = read(routerPortsByName, port.peerName)[0];
  const peer = uuid === undefined ? undefined : read(routerPort, uuid);
  return peer?.peerName === port.name ? peer : undefined;
}

/** The chassis of another zone that a port of a transit router is on. */
export function remoteChassisOf(port: RouterPort, read: Read): Uuid | undefined {
  return port.gatewayChassis === undefined ? remoteChassis(port.options.get("requested-chassis"), read) : undefined;
}

/** The addresses of all ports of a router. */
export const ownAddresses = derive(
  "ownAddresses",
  (uuid: Uuid, read): ReadonlySet<string> =>
    new Set(read(routerPorts, uuid).flatMap(({ address: { ip4, ip6 } }) => [...ip4, ...ip6].map(({ text }) => text))),
  { equals: sameContent },
);
