/** What a gateway router tracks as soon as it translates anything (ovn-northd(8), "UNDNAT", "Post UNDNAT"). */
import { derive, each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { routerHasVips } from "../model/balancers.ts";
import { chassisFeature } from "../model/chassis.ts";
import { routerOptions } from "../model/config.ts";
import { forcedSnat } from "../model/forcedSnat.ts";
import { nats } from "../model/nat.ts";
import { listOfRouter, routers } from "../model/nb.ts";
import { gatewayPorts, residence } from "../model/routerPort.ts";
import {
  LR_IN_DEFRAG,
  LR_IN_DNAT,
  LR_IN_POST_UNSNAT,
  LR_IN_UNSNAT,
  LR_OUT_POST_UNDNAT,
  LR_OUT_SNAT,
  LR_OUT_UNDNAT,
} from "../stages.ts";

/** Whether a router has rules or VIPs, be they right or not. */
export const translates = derive("translates", (router: Uuid, read): boolean => {
  return read(listOfRouter.nat, router).length > 0 || read(routerHasVips, router);
});

/** Whether everything is to be committed: where at least one rule or load balancer tracks connections. */
const commitsAll = derive("commitsAll", (router: Uuid, read): boolean => {
  if (!read(chassisFeature, "ct_commit_to_zone") || !read(chassisFeature, "ct_next_zone")) return false;
  if (read(routerOptions, router).get("ct-commit-all") !== "true") return false;
  return read(routerHasVips, router) || read(nats, router).rules.some(({ stateless }) => !stateless);
});

export const gatewayRouter = each("router/gatewayRouter", routers, function* (uuid, row, read): Iterable<Flow> {
  if (!row.options.has("chassis")) return;
  const { ip4, ip6 } = read(forcedSnat, uuid);
  for (const [family, address] of [
    ["ip4", ip4],
    ["ip6", ip6],
  ] as const) {
    if (address === undefined) continue;
    yield flow(uuid, LR_IN_UNSNAT, 110, `${family} && ${family}.dst == ${address}`, "ct_snat;");
    yield flow(uuid, LR_OUT_SNAT, 100, `flags.force_snat_for_dnat == 1 && ${family}`, `ct_snat(${address});`);
  }
  if (!read(translates, uuid)) return;
  yield flow(uuid, LR_OUT_UNDNAT, 100, "nd || nd_rs || nd_ra", "next;");
  yield flow(uuid, LR_OUT_UNDNAT, 50, "ip", "flags.loopback = 1; ct_dnat;");
  if (!read(commitsAll, uuid)) {
    yield flow(uuid, LR_OUT_POST_UNDNAT, 50, "ip && ct.new", "ct_commit { } ; next; ");
  }
});

/** Whatever passes is committed to the zones of both translations (ovn-nb(5), ct-commit-all). */
export const commitAll = each("router/commitAll", routers, function* (uuid, row, read): Iterable<Flow> {
  if (!read(commitsAll, uuid)) return;
  if (row.options.has("chassis")) yield* commits(uuid, "", "");
  for (const port of read(gatewayPorts, uuid)) {
    const resident = residence(port);
    yield* commits(uuid, ` && inport == ${port.json}${resident}`, ` && outport == ${port.json}${resident}`);
  }
});

function* commits(router: Uuid, coming: string, leaving: string): Iterable<Flow> {
  const unreplied = "ip && (!ct.trk || !ct.rpl)";
  yield flow(router, LR_IN_POST_UNSNAT, 10, `ip && ct.new${coming}`, "flags.unsnat_new = 1; next;");
  yield flow(router, LR_IN_POST_UNSNAT, 10, `ip && !ct.trk${coming}`, "flags.unsnat_not_tracked = 1; next;");
  yield flow(router, LR_IN_DEFRAG, 10, `${unreplied}${coming}`, "ct_next(dnat);");
  yield flow(router, LR_IN_DNAT, 10, `ip && ct.new${coming}`, "ct_commit_to_zone(dnat);");
  yield flow(router, LR_OUT_POST_UNDNAT, 10, `${unreplied} && flags.unsnat_not_tracked == 1${leaving}`, "ct_next(snat);");
  yield flow(router, LR_OUT_POST_UNDNAT, 10, `ip && flags.unsnat_new == 1${leaving}`, "next;");
  yield flow(router, LR_OUT_SNAT, 10, `${unreplied} && flags.unsnat_new == 1${leaving}`, "ct_commit_to_zone(snat);");
  yield flow(router, LR_OUT_SNAT, 10, `ip && ct.new${leaving}`, "ct_commit_to_zone(snat);");
}
