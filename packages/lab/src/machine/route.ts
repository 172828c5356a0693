/** A route of a namespace, as ip-route(8) has them. */
import type { Device } from "./device.ts";
import { equalIp, type Ip, type Network } from "./ip.ts";

export interface Route {
  readonly destination: Network;
  readonly via: Ip | undefined;
  readonly device: Device;
  /** Who made it: "kernel", "boot", "static" or "ra" (a router's advertisement). */
  readonly protocol: string;
  readonly scope: "global" | "link" | "host";
  readonly source: Ip | undefined;
  readonly metric: number;
  /** Until when, in milliseconds of the clock; absent for ever. */
  readonly expires?: number | undefined;
  /** The hop limit that packets by this route start with. */
  readonly hopLimit?: number | undefined;
}

export interface RouteLookup {
  readonly route: Route;
  readonly nextHop: Ip;
  readonly source: Ip | undefined;
}

/** Whether one takes the place of the other. */
export function sameRoute(a: Route, b: Route): boolean {
  return (
    equalIp(a.destination.address, b.destination.address) &&
    a.destination.length === b.destination.length &&
    a.metric === b.metric &&
    (a.destination.address.family === 4 || (a.device === b.device && a.via?.value === b.via?.value))
  );
}
