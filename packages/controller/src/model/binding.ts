/**
 * Which logical ports are on this chassis, and as what. A pure function of the two databases; the writer (write/claims.ts)
 * brings Port_Binding.chassis in line with it.
 */
import { type Derivation, derive, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { config, ownChassis } from "./config.ts";
import { activeChassis, inHaGroup } from "./ha.ts";
import { childrenOf, portsByName, sb } from "./inputs.ts";
import { interfaceOf, type LocalInterface, patchOfport } from "./interfaces.ts";

/** As which of its chassis a port is ours: the one, or one more (live migration, multi-chassis ports). */
export type Claim = "main" | "additional";

type Port = SbRow<"Port_Binding">;

/**
 * Whether CMS lets us have the port: options:requested-chassis names the chassis (by name or hostname), the first of
 * which is the main one; without it any chassis may.
 */
export function permission(read: Read, row: Port): Claim | undefined {
  const requested = row.options.get("requested-chassis");
  if (requested === undefined || requested === "") return "main";
  const own = read(config, 0);
  if (own === undefined) return undefined;
  const names = requested.split(",");
  const isUs = (name: string | undefined): boolean => name === own.chassis || (name !== undefined && name === own.hostname);
  if (isUs(names[0])) return "main";
  return names.slice(1).some(isUs) ? "additional" : undefined;
}

function byName(read: Read, name: string): Uuid | undefined {
  return read(portsByName, name)[0];
}

function isContainer(row: Port): boolean {
  return row.parent_port !== undefined && row.parent_port !== "";
}

/** What the log says of an interface that is not of the version that the port asks for (ovn-nb(5), iface-id-ver). */
export function mismatch({ logical_port, options }: Port, { version }: Pick<LocalInterface, "version">): string | undefined {
  const wanted = options.get("iface-id-ver");
  if (wanted === undefined || wanted === version) return undefined;
  return `Mismatch iface-id-ver for lport ${logical_port}, expected ${wanted}, found ${version ?? "<empty>"}`;
}

/** Whether, and as what, a port is to be ours. */
export const claimOf: Derivation<Uuid, Claim | undefined> = derive<Uuid, Claim | undefined>("claimOf", (uuid, read) => {
  const row = read(sb.Port_Binding, uuid);
  const own = read(config, 0);
  if (row === undefined || own === undefined) return undefined;
  switch (row.type) {
    case "": {
      if (!isContainer(row)) {
        const iface = read(interfaceOf, row.logical_port);
        return iface === undefined || mismatch(row, iface) !== undefined ? undefined : permission(read, row);
      }
      const parent = byName(read, row.parent_port!);
      const claim = parent === undefined ? undefined : read(claimOf, parent);
      return claim === undefined ? undefined : (permission(read, row) ?? undefined);
    }
    case "virtual": {
      const parent = row.virtual_parent === undefined ? undefined : byName(read, row.virtual_parent);
      return parent === undefined ? undefined : read(claimOf, parent);
    }
    case "mirror": {
      const sink = row.mirror_port === undefined ? undefined : byName(read, row.mirror_port);
      return sink === undefined || read(claimOf, sink) !== "main" ? undefined : "main";
    }
    case "l2gateway":
      return row.options.get("l2gateway-chassis") === own.chassis ? "main" : undefined;
    case "l3gateway":
      return row.options.get("l3gateway-chassis") === own.chassis ? "main" : undefined;
    case "chassisredirect":
    case "external": {
      const us = read(ownChassis, 0);
      return us !== undefined && read(activeChassis, uuid) === us ? "main" : undefined;
    }
    default:
      return undefined;
  }
});

/** Where a port is attached to the integration bridge here. */
export interface Attachment {
  readonly kind: "vif" | "container" | "localport" | "localnet" | "l2gateway" | "mirror";
  readonly ofport: number;
  /** The VLAN that separates the port from others at the same OpenFlow port; 0 for none. */
  readonly tag: number;
  readonly encapIp: string | undefined;
  /** The interface of a VIF or a container's parent. */
  readonly iface: Uuid | undefined;
}

/** How a port is delivered to from here, for ports that are an OpenFlow port of ours. */
export const attachmentOf: Derivation<Uuid, Attachment | undefined> = derive<Uuid, Attachment | undefined>(
  "attachmentOf",
  (uuid, read) => {
    const row = read(sb.Port_Binding, uuid);
    if (row === undefined) return undefined;
    switch (row.type) {
      case "":
      case "virtual":
      case "localport": {
        if (row.type !== "localport" && read(claimOf, uuid) === undefined) return undefined;
        if (row.type === "virtual") return undefined;
        const container = isContainer(row);
        const iface = read(interfaceOf, container ? row.parent_port! : row.logical_port);
        if (iface === undefined) return undefined;
        return {
          kind: container ? "container" : row.type === "localport" ? "localport" : "vif",
          ofport: iface.ofport,
          tag: container ? (row.tag ?? 0) : 0,
          encapIp: iface.encapIp,
          iface: iface.uuid,
        };
      }
      case "mirror": {
        const sink = row.mirror_port === undefined ? undefined : byName(read, row.mirror_port);
        const at = sink === undefined ? undefined : read(attachmentOf, sink);
        return at === undefined
          ? undefined
          : { kind: "mirror", ofport: at.ofport, tag: at.tag, encapIp: undefined, iface: undefined };
      }
      case "localnet":
      case "l2gateway": {
        if (row.type === "l2gateway" && read(claimOf, uuid) === undefined) return undefined;
        const ofport = read(patchOfport, row.logical_port);
        return ofport === undefined
          ? undefined
          : { kind: row.type, ofport, tag: row.tag ?? 0, encapIp: undefined, iface: undefined };
      }
      default:
        return undefined;
    }
  },
  { equals: sameContent },
);

/** Datapaths (groups) with the ports that make them local by themselves: those on this chassis, and HA ports it may take over. */
export const rootsOfDatapath = relation<Uuid, Uuid, Port>("rootsOfDatapath", sb.Port_Binding, function* (uuid, row, read) {
  const mayTakeOver = (row.type === "chassisredirect" || row.type === "external") && read(inHaGroup, uuid);
  if (mayTakeOver || read(claimOf, uuid) !== undefined) yield row.datapath;
});

/** The datapaths of a port's container ports that are ours, and of what mirrors into it. */
export const nestedDatapaths = derive<Uuid, ReadonlySet<Uuid>>("nestedDatapaths", (uuid, read) => {
  const row = read(sb.Port_Binding, uuid);
  const children = row === undefined ? [] : read(childrenOf, row.logical_port);
  const ours = children.filter((child) => read(attachmentOf, child) !== undefined);
  return new Set(ours.map((child) => read(sb.Port_Binding, child)?.datapath).filter((datapath) => datapath !== undefined));
});
