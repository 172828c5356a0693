/** Who takes multicast besides those who asked for it. */
import { derive, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { nb } from "./nb.ts";
import { routerPort } from "./routerPort.ts";
import { switchPorts } from "./switchPort.ts";

/** Whether a router passes multicast on (ovn-nb(5), Logical_Router:options:mcast_relay). */
export const relays = derive(
  "relaysMulticast",
  (router: Uuid, read): boolean => read(nb.Logical_Router, router)?.options.get("mcast_relay") === "true",
);

/** Whether a router port's router passes on what reaches it. */
export function relayedTo(port: Uuid, read: Read): boolean {
  const router = read(routerPort, port);
  return router !== undefined && read(relays, router.datapath);
}

/** Whether a switch has a router that passes multicast on. */
export const hasRelay = derive("hasMulticastRelay", (datapath: Uuid, read): boolean =>
  read(switchPorts, datapath).some(({ peer, enabled }) => enabled && peer !== undefined && relayedTo(peer, read)),
);
