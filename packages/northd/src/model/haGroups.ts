/** Groups of chassis that something is on. */
import { derive, index } from "@weft/incremental";
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

/** Whether a group, by its uuid, has a gateway port or an external port. */
export const haGroupUsed = derive("haGroupUsed", (group: Uuid, read): boolean => {
  for (const port of read(gatewayPortsOfGroup, group)) if (read(routerPort, port)?.isGateway === true) return true;
  for (const port of read(switchPortsOfGroup, group)) if (read(switchPort, port) !== undefined) return true;
  return false;
});
