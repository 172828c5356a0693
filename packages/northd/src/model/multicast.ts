/** Where multicast goes: to ports that are configured, and to those that chassis heard of (ovn-nb(5), "IP Multicast Snooping Options"). */
import { derive, index, input, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { routerOptions } from "./config.ts";
import { attachedSwitchPort, type RouterPort, redirectName, routerPort, routerPorts } from "./routerPort.ts";
import { type SwitchPort, switchPort, switchPorts } from "./switchPort.ts";

/** A row of IGMP_Group: ports on one chassis that want a group, or, under the address "mrouters", that lead to multicast routers. */
export interface Membership {
  readonly datapath: Uuid;
  readonly address: string;
  readonly ports: readonly string[];
}

export const memberships = input<Uuid, Membership>("sb.IGMP_Group", { equals: sameContent });
const membershipsOfSwitch = index("membershipsOfSwitch", memberships, ({ datapath }) => [datapath]);

const ROUTERS = "mrouters";

function isSet(port: { readonly options: ReadonlyMap<string, string> }, name: string): boolean {
  return port.options.get(name) === "true";
}

export function relays(router: Uuid, read: Read): boolean {
  return read(routerOptions, router).get("mcast_relay") === "true";
}

function leadsToRelay(port: SwitchPort, read: Read): boolean {
  const peer = port.peer === undefined ? undefined : read(routerPort, port.peer);
  return peer !== undefined && relays(peer.datapath, read);
}

export interface SwitchMulticast {
  /** Gets everything. */
  readonly flooded: readonly string[];
  /** Gets everything that routers or queriers have to hear. */
  readonly towardsRouters: readonly string[];
  /** A router relays what it hears. */
  readonly relayed: boolean;
  /** By address, who asked for it. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

export const switchMulticast = derive(
  "switchMulticast",
  (datapath: Uuid, read): SwitchMulticast => {
    const ports = read(switchPorts, datapath).filter(({ enabled }) => enabled);
    const flooded = ports.filter((port) => isSet(port, "mcast_flood")).map(({ name }) => name);
    const routers = ports.filter((port) => leadsToRelay(port, read)).map(({ name }) => name);
    const towardsRouters = new Set([
      ...ports.filter((port) => isSet(port, "mcast_flood_reports")).map(({ name }) => name),
      ...routers,
    ]);
    const groups = new Map<string, Set<string>>();
    for (const uuid of read(membershipsOfSwitch, datapath)) {
      const { address, ports: members } = read(memberships, uuid)!;
      for (const name of members) {
        const port = ports.find((other) => other.name === name);
        if (port === undefined || isSet(port, "mcast_flood") || isSet(port, "mcast_flood_reports")) continue;
        if (address === ROUTERS) towardsRouters.add(name);
        else groups.set(address, (groups.get(address) ?? new Set()).add(name));
      }
    }
    const sorted = [...groups].map(([address, members]) => [address, [...members].sort()] as const);
    return { flooded, towardsRouters: [...towardsRouters].sort(), relayed: routers.length > 0, groups: new Map(sorted) };
  },
  { equals: sameContent },
);

/** The name of the port binding by which a router port is reached. */
function reachedBy({ name, isGateway }: RouterPort): string {
  return isGateway ? redirectName(name) : name;
}

/** Ports of a router which get everything that it relays. */
export const floodedRouterPorts = derive(
  "floodedRouterPorts",
  (router: Uuid, read): readonly string[] =>
    read(routerPorts, router)
      .filter((port) => port.enabled && isSet(port, "mcast_flood"))
      .map(reachedBy),
  { equals: sameContent },
);

/** By address, the ports of a router that relays behind which somebody asked for it. */
export const routerGroups = derive(
  "routerGroups",
  (router: Uuid, read): ReadonlyMap<string, readonly string[]> => {
    const groups = new Map<string, string[]>();
    if (!relays(router, read)) return groups;
    for (const port of read(routerPorts, router)) {
      if (isSet(port, "mcast_flood")) continue;
      const datapath = switchBehind(port, read);
      const learned = datapath === undefined ? [] : read(switchMulticast, datapath).groups.keys();
      for (const address of learned) groups.set(address, [...(groups.get(address) ?? []), reachedBy(port)]);
    }
    return groups;
  },
  { equals: sameContent },
);

function switchBehind(port: RouterPort, read: Read): Uuid | undefined {
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  return own?.peer === port.uuid ? own.datapath : undefined;
}

/** The tunnel key of a learned group, by "DATAPATH ADDRESS". */
export const groupKey = input<string, number>("groupKey");

/** "ip4 && ip4.dst == 239.1.1.1 ", with the space that the reference has. */
export function groupMatch(address: string): string {
  const ip = address.includes(":") ? "ip6" : "ip4";
  return `${ip} && ${ip}.dst == ${address} `;
}
