/** What names in logical flows stand for: address sets, port groups, ports, multicast groups, resident ports. */
import { derive, index, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { claimOf } from "../model/binding.ts";
import { isRelated } from "../model/datapaths.ts";
import { portsByName, sb } from "../model/inputs.ts";

const addressSetsByName = index<string, Uuid, SbRow<"Address_Set">>("addressSetsByName", sb.Address_Set, (row) => [row.name]);
const portGroupsByName = index<string, Uuid, SbRow<"Port_Group">>("portGroupsByName", sb.Port_Group, (row) => [row.name]);
/** Groups are `datapath name`. */
const groupsByName = index<string, Uuid, SbRow<"Multicast_Group">>("groupsByName", sb.Multicast_Group, (row) => [
  `${row.datapath} ${row.name}`,
]);

export const addressSet = derive<string, readonly string[] | undefined>(
  "addressSet",
  (name, read) => {
    const uuid = read(addressSetsByName, name)[0];
    return uuid === undefined ? undefined : read(sb.Address_Set, uuid)?.addresses;
  },
  { equals: sameContent },
);

/** All ports of a port group as the flow says it (northd writes one row for each datapath: "KEY_NAME"). */
export const portGroup = derive<string, readonly string[] | undefined>(
  "portGroup",
  (name, read) => {
    const uuid = read(portGroupsByName, name)[0];
    return uuid === undefined ? undefined : read(sb.Port_Group, uuid)?.ports;
  },
  { equals: sameContent },
);

/** The ports of a group on one datapath (its tunnel key) that flows of this chassis can be about. */
export function portGroupOn(read: Read, key: number, name: string): readonly string[] | undefined {
  const ports = read(portGroup, `${key}_${name}`) ?? read(portGroup, name);
  return ports?.filter((port) => {
    const uuid = read(portsByName, port)[0];
    return uuid !== undefined && read(isRelated, uuid);
  });
}

/** The name of no port, with tunnel key 0. */
const NO_PORT = "none";

/** Where a port is; apart from its row, most changes of which concern nobody who only names the port. */
const portPlace = derive<Uuid, { readonly datapath: Uuid; readonly key: number } | undefined>(
  "portPlace",
  (uuid, read) => {
    const row = read(sb.Port_Binding, uuid);
    return row === undefined ? undefined : { datapath: row.datapath, key: row.tunnel_key };
  },
  { equals: (a, b) => a?.datapath === b?.datapath && a?.key === b?.key },
);

/**
 * The tunnel key of a port or multicast group of a datapath. `onPort` hears which port it is, if it is one.
 */
export function portKey(
  read: Read,
  datapath: Uuid,
  name: string,
  onPort?: (key: number, port: Uuid) => void,
): number | undefined {
  if (name === NO_PORT) return 0;
  for (const uuid of read(portsByName, name)) {
    const place = read(portPlace, uuid);
    if (place?.datapath !== datapath) continue;
    onPort?.(place.key, uuid);
    return place.key;
  }
  const group = read(groupsByName, `${datapath} ${name}`)[0];
  return group === undefined ? undefined : read(sb.Multicast_Group, group)?.tunnel_key;
}

/** is_chassis_resident(): not on a port's additional chassis. */
export const isResident = derive<string, boolean>("isResident", (name, read) =>
  read(portsByName, name).some((uuid) => read(claimOf, uuid) === "main"),
);
