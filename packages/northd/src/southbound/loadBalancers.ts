/** Load_Balancer: what controllers need to hairpin and to flush connections. */
import { derive, each, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { chassisFeature } from "../model/chassis.ts";
import { endpointText } from "../model/endpoint.ts";
import { loadBalancer, routersWithLoadBalancer, switchesOf } from "../model/loadBalancer.ts";
import { nb } from "../model/nb.ts";
import { Ref, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

interface Group {
  /** The same for the same members. */
  readonly key: string;
  readonly members: readonly Uuid[];
}

/** The datapaths of a load balancer, by the column that they are in. */
const groupsOf = derive(
  "datapathGroupsOfLoadBalancer",
  (uuid: Uuid, read): { readonly ls: Group | undefined; readonly lr: Group | undefined } => ({
    ls: groupOf(read(switchesOf, uuid)),
    lr: groupOf(read(routersWithLoadBalancer, uuid) as readonly Uuid[]),
  }),
  { equals: sameContent },
);

/** Groups are told apart by sums over the members, as large ones have many load balancers. */
function groupOf(members: readonly Uuid[]): Group | undefined {
  if (members.length === 0) return undefined;
  const sum = (from: number) =>
    members.reduce((total, uuid) => (total + Number.parseInt(uuid.slice(from, from + 8), 16)) >>> 0, 0).toString(16);
  return { key: `load balancers ${sum(0)} ${sum(28)} ${members.length}`, members: [...members].sort() };
}

const loadBalancersOfGroup = relation("loadBalancersOfDatapathGroup", nb.Load_Balancer, (uuid, _row, read) => {
  const { ls, lr } = read(groupsOf, uuid);
  return [ls, lr].flatMap((group) => (group === undefined ? [] : [group.key]));
});

export const loadBalancerGroups = each(
  "northd/lbDatapathGroups",
  loadBalancersOfGroup,
  function* (key, lbs, read): Iterable<Row> {
    const { ls, lr } = read(groupsOf, lbs[0] as Uuid);
    const group = ls?.key === key ? ls : lr;
    if (group === undefined) return;
    yield row("Logical_DP_Group", group.key, { datapaths: group.members.map((uuid) => datapathRef(uuid)) });
  },
);

/** IPv6 addresses have brackets, also where they are variables. */
function printedVips(lb: NbRow<"Load_Balancer">, read: Read): ReadonlyMap<string, string> {
  const parsed = read(loadBalancer, lb._uuid);
  if (parsed?.template !== true || lb.options.get("address-family") !== "ipv6") return lb.vips;
  return new Map(parsed.vips.map((vip) => [endpointText(vip), vip.text]));
}

export const loadBalancers = each("northd/loadBalancers", nb.Load_Balancer, function* (uuid, lb, read): Iterable<Row> {
  const { ls, lr } = read(groupsOf, uuid);
  if (ls === undefined && lr === undefined) return;
  const ownColumn = read(chassisFeature, "ls_dpg_column");
  const ref = (group: Group | undefined) => (group === undefined ? undefined : new Ref("Logical_DP_Group", group.key));
  yield {
    ...row("Load_Balancer", uuid, {
      name: lb.name,
      vips: printedVips(lb, read),
      protocol: lb.protocol,
      options: lb.options,
      // Controllers that do not know switches' own column look at the older one.
      datapath_group: ownColumn ? undefined : ref(ls),
      ls_datapath_group: ownColumn ? ref(ls) : undefined,
      lr_datapath_group: ref(lr),
    }),
    uuid,
  };
});
