/** Which chassis have ports on the networks that a router connects, directly or through others. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { listOfSwitch, portChassis } from "./nb.ts";
import { attachedSwitchPort, peerRouterPort, routerPort, routerPorts } from "./routerPort.ts";
import { switchPort, switchPorts } from "./switchPort.ts";

/** The switches and routers that share a port with a switch or router. */
const beside = derive(
  "datapathsBeside",
  (datapath: Uuid, read): ReadonlySet<Uuid> => {
    const found = new Set<Uuid>();
    const add = (other: { readonly datapath: Uuid } | undefined) => other && found.add(other.datapath);
    for (const { peer } of read(switchPorts, datapath)) if (peer !== undefined) add(read(routerPort, peer));
    for (const port of read(routerPorts, datapath)) {
      add(peerRouterPort(port, read));
      const attached = attachedSwitchPort(port, read);
      if (attached !== undefined) add(read(switchPort, attached));
    }
    return found;
  },
  { equals: sameContent },
);

/** The names of the chassis that a switch's ports are on. */
const chassisOfSwitch = derive(
  "chassisOfSwitch",
  (datapath: Uuid, read): ReadonlySet<string> => {
    const ports = read(listOfSwitch.ports, datapath);
    return new Set(ports.flatMap((port) => read(portChassis, port) ?? []));
  },
  { equals: sameContent },
);

/** The names of the chassis with ports on any network that a router reaches. */
export function chassisAround(router: Uuid, read: Read): ReadonlySet<string> {
  const seen = new Set([router]);
  const names = new Set<string>();
  for (const datapath of seen) {
    for (const name of read(chassisOfSwitch, datapath)) names.add(name);
    for (const other of read(beside, datapath)) seen.add(other);
  }
  return names;
}
