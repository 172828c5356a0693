/**
 * Tunnels to other chassis: which there should be, and which of the integration bridge's ports they are. One for every
 * pair of a local and a remote encapsulation IP, geneve where both have it, else vxlan. Or, with flow-based tunnels
 * (ovn-controller(8) ovn-enable-flow-based-tunnels), one port of each type for all of them.
 */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { config, ownChassis } from "./config.ts";
import { sb, vs } from "./inputs.ts";
import { ofportOf, tunnelsById } from "./interfaces.ts";

/** The value of external_ids:ovn-chassis-id of a tunnel port. */
export function tunnelId(chassis: string, remoteIp: string, localIp: string): string {
  return `${chassis}@${remoteIp}%${localIp}`;
}

/** The id of the port that all flow-based tunnels of a type share. */
export function flowTunnelId(type: string): string {
  return `flow ${type}`;
}

/** Types of tunnels, the best first. */
export const tunnelTypes: readonly string[] = ["geneve", "vxlan"];

/** The encapsulations of another chassis that we can use, the default one first, all of the best common type. */
export const encapsOf = derive<Uuid, readonly SbRow<"Encap">[]>(
  "encapsOf",
  (chassis, read) => {
    const own = read(config, 0);
    const rows: SbRow<"Encap">[] = [];
    for (const uuid of read(sb.Chassis, chassis)?.encaps ?? []) {
      const row = read(sb.Encap, uuid);
      if (row !== undefined) rows.push(row);
    }
    const type = tunnelTypes.find((t) => own?.encap.types.includes(t) === true && rows.some((row) => row.type === t));
    const usable = rows.filter((row) => row.type === type);
    usable.sort((a, b) => rank(a) - rank(b) || (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0));
    return usable;
  },
  { equals: sameContent },
);

function rank(row: SbRow<"Encap">): number {
  return row.options.get("is_default") === "true" ? 0 : 1;
}

/** Whether a chassis is of another availability zone, as ovn-ic says. */
export function isRemote({ other_config }: SbRow<"Chassis">): boolean {
  return other_config.get("is-remote") === "true";
}

export interface Tunnel {
  readonly chassis: Uuid;
  readonly encap: Uuid;
  readonly type: string;
  readonly remoteIp: string;
  readonly localIp: string;
  /** The index of localIp in our list of encapsulation IPs. */
  readonly localIndex: number;
  readonly iface: Uuid;
  readonly ofport: number;
  /** Packets need the addresses set. */
  readonly flowBased: boolean;
}

/** The ports of flow-based tunnels, where tunnels are such. */
export const flowTunnels = derive<0, readonly Pick<Tunnel, "type" | "iface" | "ofport">[]>(
  "flowTunnels",
  (_key, read) => {
    if (read(config, 0)?.encap.flowBased !== true) return [];
    return tunnelTypes.flatMap((type) => {
      const at = portAt(read, flowTunnelId(type));
      return at === undefined ? [] : [{ type, ...at }];
    });
  },
  { equals: sameContent },
);

/** The tunnels to a chassis that have an OpenFlow port, the one between the default IPs first. */
export const tunnelsTo = derive<Uuid, readonly Tunnel[]>(
  "tunnelsTo",
  (chassis, read) => {
    const own = read(config, 0);
    const name = read(sb.Chassis, chassis)?.name;
    if (own === undefined || name === undefined || chassis === read(ownChassis, 0)) return [];
    const found: Tunnel[] = [];
    const { flowBased } = own.encap;
    for (const encap of read(encapsOf, chassis)) {
      for (const [localIndex, localIp] of own.encap.ips.entries()) {
        const { type, ip } = encap;
        const at = portAt(read, flowBased ? flowTunnelId(type) : tunnelId(name, ip, localIp));
        if (at === undefined) continue;
        found.push({ chassis, encap: encap._uuid, type, remoteIp: ip, localIp, localIndex, ...at, flowBased });
      }
    }
    return found;
  },
  { equals: sameContent },
);

function portAt(read: Read, id: string): { iface: Uuid; ofport: number } | undefined {
  for (const port of read(tunnelsById, id)) {
    for (const iface of read(vs.Port, port)?.interfaces ?? []) {
      const ofport = ofportOf(read, iface);
      if (ofport !== undefined) return { iface, ofport };
    }
  }
  return undefined;
}

/** The tunnel to a chassis from one of our IPs to one of its encapsulations (undefined: its default one). */
export function tunnelFor(read: Read, chassis: Uuid, encap: Uuid | undefined, localIndex: number): Tunnel | undefined {
  const tunnels = read(tunnelsTo, chassis);
  const from = tunnels.filter((tunnel) => tunnel.localIndex === localIndex);
  return from.find((tunnel) => tunnel.encap === encap) ?? from[0];
}
