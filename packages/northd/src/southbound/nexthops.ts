/** ECMP_Nexthop: next hops of symmetric replies, whose MAC addresses chassis watch (ovn-nb(5), ecmp_nexthop_monitor_enable). */
import { each } from "@weft/incremental";
import { globals } from "../model/globals.ts";
import { routers } from "../model/nb.ts";
import { type Row, row } from "../output/row.ts";
import { staticRoutes } from "../router/routing.ts";
import { datapathRef } from "./datapaths.ts";
import { portRef } from "./ports.ts";

export const nexthops = each("northd/nexthops", routers, function* (uuid, _row, read): Iterable<Row> {
  if (!read(globals, "").ecmpNexthopMonitor) return;
  for (const { symmetric, hop } of read(staticRoutes, uuid).routes) {
    if (!symmetric || hop?.address === undefined) continue;
    const { address: nexthop, port } = hop;
    const columns = { nexthop, port: portRef(port.name), datapath: datapathRef(uuid) };
    yield row("ECMP_Nexthop", `${nexthop} ${port.name}`, columns);
  }
});
