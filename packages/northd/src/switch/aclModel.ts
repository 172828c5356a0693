/** Which ACLs apply to a switch, and what they need of it. */
import { derive, index, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { switchHasVips } from "../model/balancers.ts";
import { listOfSwitch, nb } from "../model/nb.ts";
import { portGroupsOfSwitch, switchesOfPortGroup } from "../model/portGroup.ts";
import { DatapathSet } from "../output/datapathSet.ts";

type Acl = NbRow<"ACL">;

/** The three places where ACLs are evaluated. */
export type AclPlace = "ingress" | "afterLb" | "egress";

export function placeOf(acl: Acl): AclPlace {
  if (acl.direction === "to-lport") return "egress";
  return acl.options.get("apply-after-lb") === "true" ? "afterLb" : "ingress";
}

/** The ACLs of a switch and of the port groups that have ports of it. */
export function aclsOf(datapath: Uuid, read: Read): readonly Uuid[] {
  const acls = new Set(read(listOfSwitch.acls, datapath));
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

/** What ACLs need, whichever these are. */
interface Needs {
  readonly any: boolean;
  readonly stateful: boolean;
  readonly tiers: Readonly<Record<AclPlace, number>>;
}

const NOTHING: Needs = { any: false, stateful: false, tiers: { ingress: 0, afterLb: 0, egress: 0 } };

function together(a: Needs, b: Needs): Needs {
  const max = (place: AclPlace) => Math.max(a.tiers[place], b.tiers[place]);
  return {
    any: a.any || b.any,
    stateful: a.stateful || b.stateful,
    tiers: { ingress: max("ingress"), afterLb: max("afterLb"), egress: max("egress") },
  };
}

const needsOf = derive(
  "aclNeeds",
  (uuid: Uuid, read): Needs => {
    const acl = read(nb.ACL, uuid);
    if (acl === undefined) return NOTHING;
    return { any: true, stateful: acl.action === "allow-related", tiers: { ...NOTHING.tiers, [placeOf(acl)]: acl.tier } };
  },
  { equals: sameContent },
);

function needsOfAll(acls: readonly Uuid[] | undefined, read: Read): Needs {
  return (acls ?? []).map((uuid) => read(needsOf, uuid)).reduce(together, NOTHING);
}

const needsOfPortGroup = derive(
  "aclNeedsOfPortGroup",
  (uuid: Uuid, read): Needs => needsOfAll(read(nb.Port_Group, uuid)?.acls, read),
  { equals: sameContent },
);

/** What the ACLs of a switch need, its own and those of the port groups that have ports of it. */
export const aclTraits = derive(
  "aclTraits",
  (datapath: Uuid, read): AclTraits => {
    let needs = needsOfAll(read(listOfSwitch.acls, datapath), read);
    for (const group of read(portGroupsOfSwitch, datapath)) needs = together(needs, read(needsOfPortGroup, group));
    const balanced = read(switchHasVips, datapath);
    return { ...needs, balanced, tracked: needs.stateful || balanced };
  },
  { equals: sameContent },
);

/** Switches where an ACL is evaluated alike. */
export interface AclSwitches {
  readonly switches: DatapathSet;
  readonly traits: AclTraits;
}

function alike(switches: Iterable<Uuid>, read: Read): readonly AclSwitches[] {
  const found = new Map<string, { readonly traits: AclTraits; readonly members: Uuid[] }>();
  for (const uuid of switches) {
    const traits = read(aclTraits, uuid);
    const { tiers, tracked, stateful } = traits;
    const key = [tracked, stateful, ...Object.values(tiers)].join();
    const known = found.get(key);
    if (known === undefined) found.set(key, { traits, members: [uuid] });
    else known.members.push(uuid);
  }
  return [...found.values()].map(({ traits, members }) => ({ traits, switches: new DatapathSet(members) }));
}

const switchesAlikeOfPortGroup = derive(
  "aclSwitchesOfPortGroup",
  (uuid: Uuid, read): readonly AclSwitches[] => alike(read(switchesOfPortGroup, uuid), read),
  { equals: sameContent },
);

const switchesOfAcl = index("switchesOfAcl", nb.Logical_Switch, ({ acls }) => acls);
const portGroupsOfAcl = index("portGroupsOfAcl", nb.Port_Group, ({ acls }) => acls);

/** The switches that an ACL applies to: those that have it, and those with ports of the port groups that have it. */
export function aclSwitches(acl: Uuid, read: Read): readonly AclSwitches[] {
  const own = read(switchesOfAcl, acl);
  const groups = read(portGroupsOfAcl, acl);
  if (own.length === 0 && groups.length === 1) return read(switchesAlikeOfPortGroup, groups[0]!);
  return alike(new Set([...own, ...groups.flatMap((group) => read(switchesOfPortGroup, group))]), read);
}
