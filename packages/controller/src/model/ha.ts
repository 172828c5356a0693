/**
 * High availability: which chassis of an HA group carries a port now. The one with the highest priority that is alive;
 * another chassis is alive as long as BFD on a tunnel to it has not said otherwise.
 */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { ownChassis } from "./config.ts";
import { sb, vs } from "./inputs.ts";
import { tunnelsTo } from "./tunnels.ts";

/** The chassis that may carry a chassisredirect or external port, best first. */
export const haChassisOf = derive<Uuid, readonly Uuid[]>(
  "haChassisOf",
  (port, read) => {
    const row = read(sb.Port_Binding, port);
    if (row === undefined) return [];
    const found: { chassis: Uuid; priority: number; uuid: Uuid }[] = [];
    if (row.ha_chassis_group !== undefined) {
      for (const uuid of read(sb.HA_Chassis_Group, row.ha_chassis_group)?.ha_chassis ?? []) {
        const member = read(sb.HA_Chassis, uuid);
        if (member?.chassis !== undefined) found.push({ chassis: member.chassis, priority: member.priority, uuid });
      }
    } else {
      for (const uuid of row.gateway_chassis) {
        const member = read(sb.Gateway_Chassis, uuid);
        if (member?.chassis !== undefined) found.push({ chassis: member.chassis, priority: member.priority, uuid });
      }
    }
    found.sort((a, b) => b.priority - a.priority || (a.uuid < b.uuid ? -1 : 1));
    return found.map((member) => member.chassis);
  },
  { equals: sameContent },
);

export const inHaGroup = derive<Uuid, boolean>("inHaGroup", (port, read) => {
  const own = read(ownChassis, 0);
  return own !== undefined && read(haChassisOf, port).includes(own);
});

/** BFD knows nothing against it: a tunnel to the chassis is there, and if it is watched, it is up. */
function alive(read: Read, chassis: Uuid): boolean {
  const tunnels = read(tunnelsTo, chassis);
  return tunnels.some(({ iface }) => {
    const row = read(vs.Interface, iface);
    if (row === undefined) return false;
    if (row.bfd.get("enable") !== "true") return true;
    const state = row.bfd_status.get("state");
    return state === undefined || state === "up";
  });
}

/** The chassis that carries an HA port as this chassis sees it. */
export const activeChassis = derive<Uuid, Uuid | undefined>("activeChassis", (port, read) => {
  const own = read(ownChassis, 0);
  for (const chassis of read(haChassisOf, port)) if (chassis === own || alive(read, chassis)) return chassis;
  return undefined;
});
