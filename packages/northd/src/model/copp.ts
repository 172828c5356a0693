/** Control plane protection: the meters of what a datapath sends to its controllers (ovn-nb(5), Copp). */
import { derive, index, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { DatapathSet } from "../output/datapathSet.ts";
import { nb, routers, switches } from "./nb.ts";

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
    const uuid = read(switches, datapath)?.copp ?? read(routers, datapath)?.copp;
    const meters = uuid === undefined ? undefined : read(nb.Copp, uuid)?.meters;
    return new Map([...(meters ?? [])].filter(([, meter]) => read(metersByName, meter).length > 0));
  },
  { equals: sameContent },
);

/** As the option of a flow whose action asks a controller for something of the protocol. */
export function metered(datapath: Uuid, protocol: Protocol, read: Read): { readonly meter: string | undefined } {
  return { meter: read(metersOf, datapath).get(protocol) };
}

/** The same for several datapaths: those that have the same meter for the protocol stay together. */
export function meteredTogether(
  { members }: DatapathSet,
  protocol: Protocol,
  read: Read,
): readonly { readonly datapath: DatapathSet; readonly meter: string | undefined }[] {
  const sets = new Map<string | undefined, Uuid[]>();
  for (const datapath of members) {
    const { meter } = metered(datapath, protocol, read);
    const set = sets.get(meter);
    if (set === undefined) sets.set(meter, [datapath]);
    else set.push(datapath);
  }
  return [...sets].map(([meter, datapaths]) => ({ datapath: new DatapathSet(datapaths), meter }));
}
