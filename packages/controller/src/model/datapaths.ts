/**
 * Local datapaths: those with a port on this chassis, and those that a packet can get to from there over patch ports
 * without leaving the chassis (ovn-architecture(7)).
 */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { attachmentOf, claimOf, rootsOfDatapath } from "./binding.ts";
import { inHaGroup } from "./ha.ts";
import { portsByName, portsOfDatapath, sb } from "./inputs.ts";

/** The patch port at the other end. */
export const peerOf = derive<Uuid, Uuid | undefined>("peerOf", (uuid, read) => {
  const peer = read(sb.Port_Binding, uuid)?.options.get("peer");
  return peer === undefined ? undefined : read(portsByName, peer)[0];
});

/**
 * Whether packets cross a patch port on this chassis. The end of a gateway router is crossed where the router is, and a
 * distributed gateway port that always redirects on the chassis of its HA group only.
 */
function crossable(read: Read, ...ends: SbRow<"Port_Binding">[]): boolean {
  for (const end of ends) {
    if (!connects(read, end)) return false;
    const gateway = gatewayOf(read, end);
    if (gateway === undefined || gateway.options.get("always-redirect") !== "true") continue;
    if (!redirectsHere(read, gateway)) return false;
  }
  return true;
}

/** The chassisredirect port of a distributed gateway port. */
function gatewayOf(read: Read, end: SbRow<"Port_Binding">): SbRow<"Port_Binding"> | undefined {
  const name = end.options.get("chassis-redirect-port");
  const port = name === undefined ? undefined : read(portsByName, name)[0];
  return port === undefined ? undefined : read(sb.Port_Binding, port);
}

function redirectsHere(read: Read, { _uuid }: SbRow<"Port_Binding">): boolean {
  return read(inHaGroup, _uuid) || read(claimOf, _uuid) !== undefined;
}

/** Whether a datapath makes the one behind a patch port local: not through a gateway port from outside, unless it redirects to here. */
function leads(read: Read, here: SbRow<"Port_Binding">, there: SbRow<"Port_Binding">): boolean {
  const gateway = gatewayOf(read, there);
  return crossable(read, here, there) && (gateway === undefined || redirectsHere(read, gateway));
}

/** Whether an end of a patch port is on this chassis: that of a gateway router may be on another. */
export function connects(read: Read, { _uuid, type }: SbRow<"Port_Binding">): boolean {
  return type === "patch" || (type === "l3gateway" && read(claimOf, _uuid) !== undefined);
}

/** The router's end of a patch port that packets cross here, if the router is a local datapath. */
export function crossedPeer(read: Read, patch: Uuid): SbRow<"Port_Binding"> | undefined {
  const peer = read(peerOf, patch);
  const here = read(sb.Port_Binding, patch);
  const there = peer === undefined ? undefined : read(sb.Port_Binding, peer);
  if (here === undefined || there === undefined || !read(isLocalDatapath, there.datapath)) return undefined;
  return crossable(read, here, there) ? there : undefined;
}

/** The ends of the routers at a switch that packets get to here, gateway routers of this chassis among them. */
export function* routersAt(read: Read, datapath: Uuid): Iterable<SbRow<"Port_Binding">> {
  for (const type of ["patch", "l3gateway"]) {
    for (const port of read(portsOfDatapath, `${datapath} ${type}`)) {
      const router = crossedPeer(read, port);
      if (router !== undefined) yield router;
    }
  }
}

/** Datapaths that patch ports of a datapath lead to from here. */
export const neighboursOf = derive<Uuid, readonly Uuid[]>(
  "neighboursOf",
  (datapath, read) => {
    const found = new Set<Uuid>();
    for (const type of ["patch", "l3gateway"]) {
      for (const uuid of read(portsOfDatapath, `${datapath} ${type}`)) {
        const peer = read(peerOf, uuid);
        const here = read(sb.Port_Binding, uuid);
        const there = peer === undefined ? undefined : read(sb.Port_Binding, peer);
        if (here !== undefined && there !== undefined && leads(read, here, there)) found.add(there.datapath);
      }
    }
    return [...found].sort();
  },
  { equals: sameContent },
);

/** All local datapaths, sorted. */
export const localDatapaths = derive<0, readonly Uuid[]>(
  "localDatapaths",
  (_key, read) => {
    const found = new Set<Uuid>(read.keys(rootsOfDatapath));
    for (const datapath of found) for (const next of read(neighboursOf, datapath)) found.add(next);
    return [...found].filter((datapath) => read(sb.Datapath_Binding, datapath) !== undefined).sort();
  },
  { equals: sameContent },
);

const localSet = derive<0, ReadonlySet<Uuid>>("localDatapathSet", (_key, read) => new Set(read(localDatapaths, 0)));

export const isLocalDatapath = derive<Uuid, boolean>("isLocalDatapath", (datapath, read) => read(localSet, 0).has(datapath));

export function isSwitch(row: SbRow<"Datapath_Binding">): boolean {
  return row.type === undefined ? row.external_ids.has("logical-switch") : row.type === "logical-switch";
}

/** The tunnel key of a local datapath, else undefined. */
export const localKeyOf = derive<Uuid, number | undefined>("localKeyOf", (datapath, read) =>
  read(isLocalDatapath, datapath) ? read(sb.Datapath_Binding, datapath)?.tunnel_key : undefined,
);

/** The localnet port of a datapath that is connected to its physical network here. */
export const localnetOf = derive<Uuid, Uuid | undefined>("localnetOf", (datapath, read) =>
  read(portsOfDatapath, `${datapath} localnet`).find((port) => read(attachmentOf, port) !== undefined),
);

/**
 * Ports that logical flows of this chassis can be about: those on it, and those that every chassis of a local datapath
 * has (patch and localnet ports, localports with an interface). Flows about others are not installed.
 */
export const isRelated = derive<Uuid, boolean>("isRelatedPort", (uuid, read) => {
  const row = read(sb.Port_Binding, uuid);
  if (row === undefined) return false;
  switch (row.type) {
    case "patch":
    case "localnet":
      return read(isLocalDatapath, row.datapath);
    case "localport":
      return read(attachmentOf, uuid) !== undefined;
    case "chassisredirect":
    case "external":
      return read(inHaGroup, uuid) || read(claimOf, uuid) !== undefined;
    default:
      return read(claimOf, uuid) !== undefined;
  }
});
