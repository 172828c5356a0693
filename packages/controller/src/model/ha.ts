/**
 * High availability: which chassis of an HA group carries a port now. The one with the highest priority that is alive;
 * another chassis is alive if BFD on a tunnel to it says so.
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

/** The chassis of an HA group that are there. */
export const membersOf = derive<Uuid, readonly Uuid[]>(
  "membersOf",
  (group, read) => {
    const members = (read(sb.HA_Chassis_Group, group)?.ha_chassis ?? []).map((member) => read(sb.HA_Chassis, member)?.chassis);
    return members.filter((chassis) => chassis !== undefined);
  },
  { equals: sameContent },
);

/** Whether this chassis and others form an HA group. */
export const isOneOfSeveral = derive<0, boolean>("isOneOfSeveral", (_key, read) => {
  const own = read(ownChassis, 0);
  if (own === undefined) return false;
  return read.keys(sb.HA_Chassis_Group).some((group) => {
    const members = read(membersOf, group);
    return members.length > 1 && members.includes(own);
  });
});

/** The chassis that BFD on some tunnel says are alive. */
const aliveChassis = derive<0, readonly Uuid[]>(
  "aliveChassis",
  (_key, read) => read.keys(sb.Chassis).filter((chassis) => read(tunnelsTo, chassis).some(({ iface }) => isUp(read, iface))),
  { equals: sameContent },
);

function isUp(read: Read, iface: Uuid): boolean {
  const row = read(vs.Interface, iface);
  return row?.bfd.get("enable") === "true" && row.bfd_status.get("state") === "up";
}

/** Who could tell whether the members of a port's group live: they themselves, and the chassis that are to reach them. */
function witnesses(read: Read, port: Uuid): readonly Uuid[] {
  const group = read(sb.Port_Binding, port)?.ha_chassis_group;
  const watching = group === undefined ? undefined : read(sb.HA_Chassis_Group, group)?.ref_chassis;
  return [...read(haChassisOf, port), ...(watching ?? [])];
}

/**
 * The chassis that carries an HA port as this chassis sees it. None, if there are several to choose from and this chassis
 * hears of none that has to do with the group: then it is cut off itself, and others carry the port.
 */
export const activeChassis = derive<Uuid, Uuid | undefined>("activeChassis", (port, read) => {
  const own = read(ownChassis, 0);
  const candidates = read(haChassisOf, port);
  if (candidates.length <= 1) return candidates[0];
  const alive = read(aliveChassis, 0);
  if (!witnesses(read, port).some((chassis) => alive.includes(chassis))) return undefined;
  return candidates.find((chassis) => chassis === own || alive.includes(chassis));
});
