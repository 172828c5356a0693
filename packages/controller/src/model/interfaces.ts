/** Interfaces of the integration bridge, found by what they stand for. */
import { derive, index, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { config, integrationBridge } from "./config.ts";
import { bridgesOfPort, type LocalRow, portsOfInterface, vs } from "./inputs.ts";

/** The port of the integration bridge that an interface belongs to. */
export const integrationPortOf = derive<Uuid, Uuid | undefined>("integrationPortOf", (iface, read) => {
  const bridge = read(integrationBridge, 0);
  if (bridge === undefined) return undefined;
  return read(portsOfInterface, iface).find((port) => read(bridgesOfPort, port).includes(bridge));
});

/** Interfaces of the integration bridge by external_ids:iface-id. */
export const interfacesByIfaceId = relation<string, Uuid, LocalRow<"Interface">>(
  "interfacesByIfaceId",
  vs.Interface,
  function* (uuid, row, read) {
    const id = row.external_ids.get("iface-id");
    if (id !== undefined && id !== "" && read(integrationPortOf, uuid) !== undefined) yield id;
  },
);

/** Ports of all bridges by what external_ids say that OVN made them for. */
export const portsMadeFor = index<"tunnels" | "patches", Uuid, LocalRow<"Port">>(
  "portsMadeFor",
  vs.Port,
  ({ external_ids: ids }) => [
    ...(ids.has("ovn-chassis-id") || ids.has("ovn-evpn-tunnel") ? (["tunnels"] as const) : []),
    ...(ids.has("ovn-localnet-port") || ids.has("ovn-l2gateway-port") ? (["patches"] as const) : []),
  ],
);

/** Ports that OVN made, with their bridges: found by their marks, for a bridge may have very many others. */
export function* portsWithBridge(
  read: Read,
  made: "tunnels" | "patches",
): Iterable<readonly [port: LocalRow<"Port">, bridge: Uuid]> {
  for (const uuid of read(portsMadeFor, made)) {
    const row = read(vs.Port, uuid);
    const [bridge] = read(bridgesOfPort, uuid);
    if (row !== undefined && bridge !== undefined) yield [row, bridge];
  }
}

/**
 * What a tunnel port of ours is for: external_ids:ovn-chassis-id, "CHASSIS@REMOTE-IP%LOCAL-IP"; "flow TYPE" for the port of
 * all flow-based tunnels of a type; "evpn PORT". Undefined for other ports.
 */
export function tunnelIdOf({ name, external_ids }: LocalRow<"Port">): string | undefined {
  const id = external_ids.get("ovn-chassis-id");
  if (id === "flow") return `flow ${external_ids.get("ovn-tunnel-type")}`;
  return external_ids.get("ovn-evpn-tunnel") === "true" ? `evpn ${name.slice(name.lastIndexOf("-") + 1)}` : id;
}

/** Tunnels of the integration bridge by tunnelIdOf. */
export const tunnelsById = relation<string, Uuid, LocalRow<"Port">>("tunnelsById", vs.Port, function* (uuid, row, read) {
  const id = tunnelIdOf(row);
  if (id === undefined) return;
  const bridge = read(integrationBridge, 0);
  if (bridge !== undefined && read(bridgesOfPort, uuid).includes(bridge)) yield id;
});

/** Patch ports of the integration bridge by the localnet or l2gateway port that they implement. */
export const patchesByPort = relation<string, Uuid, LocalRow<"Port">>("patchesByPort", vs.Port, function* (uuid, row, read) {
  const port = row.external_ids.get("ovn-localnet-port") ?? row.external_ids.get("ovn-l2gateway-port");
  if (port === undefined) return;
  const bridge = read(integrationBridge, 0);
  if (bridge !== undefined && read(bridgesOfPort, uuid).includes(bridge)) yield port;
});

/** The OpenFlow port of an interface once the switch has given one (positive), else undefined. */
export function ofportOf(read: Read, iface: Uuid): number | undefined {
  const ofport = read(vs.Interface, iface)?.ofport;
  return ofport !== undefined && ofport > 0 ? ofport : undefined;
}

export interface LocalInterface {
  readonly uuid: Uuid;
  readonly ofport: number;
  readonly encapIp: string | undefined;
  /** external_ids:iface-id-ver. */
  readonly version: string | undefined;
}

/** The interface that a logical port of this name is attached to, once it has an OpenFlow port. */
export const interfaceOf = derive<string, LocalInterface | undefined>(
  "interfaceOf",
  (name, read) => {
    for (const uuid of read(interfacesByIfaceId, name)) {
      const ofport = ofportOf(read, uuid);
      if (ofport === undefined) continue;
      const ids = read(vs.Interface, uuid)?.external_ids;
      return { uuid, ofport, encapIp: ids?.get("encap-ip"), version: ids?.get("iface-id-ver") };
    }
    return undefined;
  },
  { equals: sameContent },
);

/** The OpenFlow port of the patch port that implements a localnet or l2gateway port. */
export const patchOfport = derive<string, number | undefined>("patchOfport", (name, read) => {
  for (const port of read(patchesByPort, name)) {
    for (const iface of read(vs.Port, port)?.interfaces ?? []) {
      const ofport = ofportOf(read, iface);
      if (ofport !== undefined) return ofport;
    }
  }
  return undefined;
});

/** The index of an encap IP in our list, which the upper half of reg13 carries; 0 for unknown and for the default. */
export function encapIndex(read: Read, ip: string | undefined): number {
  if (ip === undefined) return 0;
  const position = read(config, 0)?.encap.ips.indexOf(ip) ?? -1;
  return Math.max(position, 0);
}
