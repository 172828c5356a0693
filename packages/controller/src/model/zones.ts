/** Conntrack zones: which names need one, and reading the ones of a port. The numbers are given out by write/zones.ts. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { isLocalDatapath, isRelated } from "./datapaths.ts";
import { sb, zones } from "./inputs.ts";

/** The name that the zones of a datapath are kept under: its own, or its NB uuid where it has none. */
export const datapathName = derive<Uuid, string | undefined>("datapathName", (datapath, read) => {
  const row = read(sb.Datapath_Binding, datapath);
  if (row === undefined) return undefined;
  return (
    row.external_ids.get("name") ?? row.external_ids.get("logical-switch") ?? row.external_ids.get("logical-router") ?? row._uuid
  );
});

const zoned = new Set(["", "localport", "localnet", "l2gateway", "l3gateway", "chassisredirect", "virtual", "external"]);

/** The name of a port's own zone, if it has one here. */
export const zoneNameOf = derive<Uuid, string | undefined>("zoneNameOf", (port, read) => {
  const row = read(sb.Port_Binding, port);
  return row !== undefined && zoned.has(row.type) && read(isRelated, port) ? row.logical_port : undefined;
});

export interface ZoneIds {
  readonly port: number | undefined;
  readonly dnat: number | undefined;
  readonly snat: number | undefined;
}

/** The zones that packets of a port use. */
export const zonesOf = derive<Uuid, ZoneIds>(
  "zonesOf",
  (port, read) => {
    const row = read(sb.Port_Binding, port);
    if (row === undefined) return { port: undefined, dnat: undefined, snat: undefined };
    const own = read(zoneNameOf, port);
    return { port: own === undefined ? undefined : read(zones, own), ...datapathZones(read, row.datapath) };
  },
  { equals: sameContent },
);

export function datapathZones(read: Read, datapath: Uuid): { dnat: number | undefined; snat: number | undefined } {
  const name = read(isLocalDatapath, datapath) ? read(datapathName, datapath) : undefined;
  if (name === undefined) return { dnat: undefined, snat: undefined };
  return { dnat: read(zones, `${name}_dnat`), snat: read(zones, `${name}_snat`) };
}
