/** Gateway ports whose switch has no way out of the cloud but the router: routing and switching meet on the gateway chassis. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { balancesEverywhere } from "./balancers.ts";
import { nb } from "./nb.ts";
import { attachedSwitchPort, gatewayPorts, type RouterPort, residence, routerPort } from "./routerPort.ts";
import { switchPort, switchPorts } from "./switchPort.ts";

/** The types of the ports of the switch that a router port is on. */
const neighbourTypes = derive(
  "neighbourTypes",
  (uuid: Uuid, read): ReadonlySet<string> => {
    const port = read(routerPort, uuid);
    const attached = port === undefined ? undefined : attachedSwitchPort(port, read);
    const own = attached === undefined ? undefined : read(switchPort, attached);
    if (own === undefined || own.peer !== uuid) return new Set();
    return new Set(read(switchPorts, own.datapath).map(({ type }) => type));
  },
  { equals: sameContent },
);

/** Whether frames of a router port get a VLAN tag where they leave its switch. */
export const tagged = derive("taggedOutside", (uuid: Uuid, read): boolean => {
  const port = read(routerPort, uuid);
  const attached = port === undefined ? undefined : attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined || own.peer !== uuid) return false;
  return read(switchPorts, own.datapath).some(
    ({ type, uuid: id }) => type === "localnet" && (read(nb.Logical_Switch_Port, id)?.tag_request ?? 0) > 0,
  );
});

/** Whether a router port's switch has a localnet port. */
export const reachesOutside = derive("reachesOutside", (uuid: Uuid, read): boolean => read(neighbourTypes, uuid).has("localnet"));

/** Whether a hardware switch may send to a router port through any chassis. */
export const behindVtep = derive("behindVtep", (uuid: Uuid, read): boolean => read(neighbourTypes, uuid).has("vtep"));

/** On which chassis a router port is that others outside may hear of: "is_chassis_resident(...)" led by " && ", or nothing. */
export const heardOf = derive("heardOf", (uuid: Uuid, read): string => {
  const port = read(routerPort, uuid);
  if (port === undefined || !read(reachesOutside, uuid) || read(balancesEverywhere, port.datapath)) return "";
  const via = port.isGateway ? port : port.options.get("reside-on-redirect-chassis") === "true" && onlyGateway(port, read);
  return via ? residence(via) : "";
});

/** The gateway port of a router with only one. */
export function onlyGateway(port: RouterPort, read: Read): RouterPort | undefined {
  const ports = read(gatewayPorts, port.datapath);
  return ports.length === 1 ? ports[0] : undefined;
}

/** Of a distributed gateway port, by its uuid: the switch port that has an instance on the gateway chassis too, if one has. */
export const centralised = derive("centralised", (uuid: Uuid, read): Uuid | undefined => {
  const port = read(routerPort, uuid);
  if (port?.isGateway !== true || read(gatewayPorts, port.datapath).length > 1) return undefined;
  const attached = attachedSwitchPort(port, read);
  const own = attached === undefined ? undefined : read(switchPort, attached);
  if (own === undefined || own.peer !== uuid) return undefined;
  return read(reachesOutside, uuid) ? undefined : attached;
});
