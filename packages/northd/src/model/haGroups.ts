/** Groups of chassis that something is on. */
import { derive, index, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { nb } from "./nb.ts";
import { routerPort } from "./routerPort.ts";
import { switchPort } from "./switchPort.ts";

const gatewayPortsOfGroup = index("gatewayPortsOfGroup", nb.Logical_Router_Port, ({ ha_chassis_group }) =>
  ha_chassis_group === undefined ? [] : [ha_chassis_group],
);
const switchPortsOfGroup = index("switchPortsOfGroup", nb.Logical_Switch_Port, ({ ha_chassis_group, type }) =>
  ha_chassis_group === undefined || type !== "external" ? [] : [ha_chassis_group],
);

/** The routers that have a gateway port on a group. */
export function gatewayRoutersOf(group: Uuid, read: Read): readonly Uuid[] {
  const ports = read(gatewayPortsOfGroup, group).map((port) => read(routerPort, port));
  return ports.flatMap((port) => (port?.isGateway === true ? [port.datapath] : []));
}

/** Whether a group, by its uuid, has a gateway port or an external port. */
export const haGroupUsed = derive("haGroupUsed", (group: Uuid, read): boolean => {
  if (gatewayRoutersOf(group, read).length > 0) return true;
  for (const port of read(switchPortsOfGroup, group)) if (read(switchPort, port) !== undefined) return true;
  return false;
});
