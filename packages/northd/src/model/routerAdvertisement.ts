/** What a router port advertises to IPv6 hosts (ovn-nb(5), Logical_Router_Port:ipv6_ra_configs). */
import { derive, input, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { nb } from "./nb.ts";
import { attachedSwitchPort, routerPort } from "./routerPort.ts";

export interface RouterAdvertisement {
  readonly addressMode: string;
  /** The networks of the port, without the link-local one. */
  readonly prefixes: readonly string[];
  readonly linkLocal: string;
  readonly mtu: number | undefined;
  readonly preference: string | undefined;
  readonly rdnss: string | undefined;
  readonly dnssl: string | undefined;
  readonly routeInfo: string | undefined;
  /** Seconds between advertisements that nobody asked for, at least and at most. */
  readonly periodic: { readonly min: number; readonly max: number } | undefined;
}

const MODES = ["slaac", "dhcpv6_stateful", "dhcpv6_stateless"];
/** RFC 4861 section 6.2.1. */
const MAX_INTERVAL = { least: 4, most: 1800, otherwise: 600 };
const MIN_INTERVAL = 3;
const LEAST_MTU = 1280;

function whole(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

function intervals(max: number | undefined, min: number | undefined): { readonly min: number; readonly max: number } {
  const most = Math.min(Math.max(max ?? MAX_INTERVAL.otherwise, MAX_INTERVAL.least), MAX_INTERVAL.most);
  const threeQuarters = Math.floor((most * 3) / 4);
  const otherwise = most >= 9 ? Math.floor(most / 3) : threeQuarters;
  return { min: Math.min(Math.max(min ?? otherwise, MIN_INTERVAL), threeQuarters), max: most };
}

/** Undefined for a port that is on no switch, or was not told how to advertise. */
export const routerAdvertisement = derive(
  "routerAdvertisement",
  (uuid: Uuid, read): RouterAdvertisement | undefined => {
    const port = read(routerPort, uuid);
    const configs = read(nb.Logical_Router_Port, uuid)?.ipv6_ra_configs ?? new Map<string, string>();
    const addressMode = configs.get("address_mode");
    const linkLocal = port?.address.ip6.find(({ implicit }) => implicit)?.text;
    if (port === undefined || linkLocal === undefined || addressMode === undefined || !MODES.includes(addressMode))
      return undefined;
    const prefixes = port.address.ip6.filter(({ network }) => !network.startsWith("fe80:")).map(({ network }) => network);
    if (attachedSwitchPort(port, read) === undefined) return undefined;
    const mtu = whole(configs.get("mtu"));
    return {
      addressMode,
      prefixes,
      linkLocal,
      mtu: mtu !== undefined && mtu >= LEAST_MTU ? mtu : undefined,
      preference: configs.get("router_preference"),
      rdnss: configs.get("rdnss"),
      dnssl: configs.get("dnssl"),
      routeInfo: configs.get("route_info"),
      periodic:
        configs.get("send_periodic") === "true"
          ? intervals(whole(configs.get("max_interval")), whole(configs.get("min_interval")))
          : undefined,
    };
  },
  { equals: sameContent },
);

/** The option of a port binding in which a chassis tells what its port was delegated: "IAID:PREFIX". */
export const DELEGATED = "ipv6_ra_pd_list";

/** The value of {@link DELEGATED}, by the name of the port. */
export const delegated = input<string, string>("sb.Port_Binding.delegated", { equals: (a, b) => a === b });

export function delegatedPrefix(told: string | undefined): string | undefined {
  return /^[^:]*:(.+)$/.exec(told ?? "")?.[1];
}
