/** Which ACLs apply to a switch, and what they need of it. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { switchHasVips } from "../model/loadBalancer.ts";
import { nb } from "../model/nb.ts";
import { portGroupsOfSwitch } from "../model/switchPort.ts";

type Acl = NbRow<"ACL">;

/** The three places where ACLs are evaluated. */
export type AclPlace = "ingress" | "afterLb" | "egress";

export function placeOf(acl: Acl): AclPlace {
  if (acl.direction === "to-lport") return "egress";
  return acl.options.get("apply-after-lb") === "true" ? "afterLb" : "ingress";
}

/** The ACLs of a switch and of the port groups that have ports of it. */
export function aclsOf(datapath: Uuid, read: Read): readonly Uuid[] {
  const acls = new Set<Uuid>(read(nb.Logical_Switch, datapath)?.acls ?? []);
  for (const group of read(portGroupsOfSwitch, datapath)) {
    for (const acl of read(nb.Port_Group, group)?.acls ?? []) acls.add(acl);
  }
  return [...acls].sort();
}

export interface AclTraits {
  readonly any: boolean;
  /** Some ACL needs connection tracking. */
  readonly stateful: boolean;
  /** Has VIPs of load balancers. */
  readonly balanced: boolean;
  /** Connections are tracked, for the one or the other reason. */
  readonly tracked: boolean;
  /** The highest tier in use, by place. */
  readonly tiers: Readonly<Record<AclPlace, number>>;
}

const traitsOf = derive(
  "aclTraitsOfOne",
  (uuid: Uuid, read) => {
    const acl = read(nb.ACL, uuid);
    return acl === undefined ? undefined : { stateful: acl.action === "allow-related", tier: acl.tier, place: placeOf(acl) };
  },
  { equals: sameContent },
);

export const aclTraits = derive(
  "aclTraits",
  (datapath: Uuid, read): AclTraits => {
    const tiers = { ingress: 0, afterLb: 0, egress: 0 };
    let stateful = false;
    const acls = aclsOf(datapath, read);
    for (const uuid of acls) {
      const traits = read(traitsOf, uuid);
      if (traits === undefined) continue;
      stateful ||= traits.stateful;
      tiers[traits.place] = Math.max(tiers[traits.place], traits.tier);
    }
    const balanced = read(switchHasVips, datapath);
    return { any: acls.length > 0, stateful, balanced, tracked: stateful || balanced, tiers };
  },
  { equals: sameContent },
);
