/** Load_Balancer: what controllers need to hairpin and to flush connections. */
import { each, type Read, relation } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { routersOf, switchesOf } from "../model/balancers.ts";
import { chassisFeature } from "../model/chassis.ts";
import { endpointText } from "../model/endpoint.ts";
import { loadBalancer } from "../model/loadBalancer.ts";
import { nb } from "../model/nb.ts";
import { isVariable, type Vip } from "../model/vip.ts";
import type { DatapathSet } from "../output/datapathSet.ts";
import { Ref, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

/** The datapaths of a load balancer: switches and routers have columns of their own. */
function setsOf(lb: Uuid, read: Read): readonly DatapathSet[] {
  return [read(switchesOf, lb), read(routersOf, lb)].filter(({ size }) => size > 0);
}

const loadBalancersOfSet = relation("loadBalancersOfDatapathSet", nb.Load_Balancer, (uuid, _row, read) =>
  setsOf(uuid, read).map(({ key }) => key),
);

function groupName(key: string): string {
  return `load balancers ${key}`;
}

export const loadBalancerGroups = each("northd/lbDatapathGroups", loadBalancersOfSet, function* (key, lbs, read): Iterable<Row> {
  const set = setsOf(lbs[0] as Uuid, read).find((other) => other.key === key);
  if (set === undefined) return;
  yield row("Logical_DP_Group", groupName(set.key), { datapaths: [...set.members].sort().map((uuid) => datapathRef(uuid)) });
});

/** Variables for IPv6 addresses have brackets. */
function printedVips(lb: NbRow<"Load_Balancer">, read: Read): ReadonlyMap<string, string> {
  const parsed = read(loadBalancer, lb._uuid);
  if (parsed?.template !== true) return lb.vips;
  const sixes = parsed.vips.filter(({ family }) => family === 6);
  return sixes.length === 0 ? lb.vips : new Map(sixes.map((vip) => [printedVip(vip), vip.text]));
}

function printedVip(vip: Vip): string {
  if (!isVariable(vip)) return vip.key;
  return vip.port === undefined ? `[${vip.address}]` : endpointText(vip);
}

export const loadBalancers = each("northd/loadBalancers", nb.Load_Balancer, function* (uuid, lb, read): Iterable<Row> {
  const [ls, lr] = [read(switchesOf, uuid), read(routersOf, uuid)];
  if (ls.size + lr.size === 0) return;
  const ownColumn = read(chassisFeature, "ls_dpg_column");
  const ref = ({ key, size }: DatapathSet) => (size === 0 ? undefined : new Ref("Logical_DP_Group", groupName(key)));
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
