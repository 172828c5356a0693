/** Control plane protection: the meters of what a datapath sends to its controllers (ovn-nb(5), Copp). */
import { derive, index, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { nb } from "./nb.ts";

export type Protocol =
  | "arp"
  | "arp-resolve"
  | "bfd"
  | "dhcpv4-relay"
  | "dhcpv4-opts"
  | "dhcpv6-opts"
  | "dns"
  | "event-elb"
  | "icmp4-error"
  | "icmp6-error"
  | "igmp"
  | "nd-na"
  | "nd-ns"
  | "nd-ns-resolve"
  | "nd-ra-opts"
  | "reject"
  | "svc-monitor"
  | "tcp-reset";

export const metersByName = index("metersByName", nb.Meter, (row) => [row.name]);

/** The meters of a switch or router, by protocol, those that are there. */
const metersOf = derive(
  "coppMeters",
  (datapath: Uuid, read): ReadonlyMap<string, string> => {
    const uuid = read(nb.Logical_Switch, datapath)?.copp ?? read(nb.Logical_Router, datapath)?.copp;
    const meters = uuid === undefined ? undefined : read(nb.Copp, uuid)?.meters;
    return new Map([...(meters ?? [])].filter(([, meter]) => read(metersByName, meter).length > 0));
  },
  { equals: sameContent },
);

/** As the option of a flow whose action asks a controller for something of the protocol. */
export function metered(datapath: Uuid, protocol: Protocol, read: Read): { readonly meter: string | undefined } {
  return { meter: read(metersOf, datapath).get(protocol) };
}
