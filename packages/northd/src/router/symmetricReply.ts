/** Gateway routers send replies by the hop that a connection came in by (ovn-nb(5), ecmp_symmetric_reply). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { portKey, routers } from "../model/nb.ts";
import { LR_IN_ARP_RESOLVE, LR_IN_DEFRAG, LR_IN_ECMP_STATEFUL, LR_IN_IP_ROUTING, LR_IN_POLICY } from "../stages.ts";
import { routeTables, staticRoutes } from "./routing.ts";

export const symmetricReply = each("router/symmetricReply", routers, function* (router, row, read): Iterable<Flow> {
  if (!row.options.has("chassis")) return;
  const tables = read(routeTables, router);
  // Of several hops by one port the first stands for all: they differ in the address that nobody is asked from.
  const replies = new Set<string>();
  for (const { hop, symmetric, family, bySource, prefix, table, uuid: hint } of read(staticRoutes, router).routes) {
    const key = hop === undefined ? undefined : read(portKey, hop.port.uuid);
    if (!symmetric || hop === undefined || key === undefined) continue;
    const own = { hint };
    const { port, source } = hop;
    const known = `ct_mark.ecmp_reply_port == ${key}`;
    const [there, back] = bySource ? ["src", "dst"] : ["dst", "src"];
    const coming = `inport == ${port.json} && ip${family}.${back} == ${prefix}`;
    const leaving = `reg7 == ${table === "" ? 0 : tables.get(table)!} && ip${family}.${there} == ${prefix}`;
    yield flow(router, LR_IN_DEFRAG, 100, coming, "ct_next;", own);
    yield flow(router, LR_IN_DEFRAG, 100, leaving, "ct_next;", own);
    const commit = `ct_commit { ct_label.ecmp_reply_eth = eth.src; ct_mark.ecmp_reply_port = ${key};}; next;`;
    yield flow(router, LR_IN_ECMP_STATEFUL, 100, `${coming} && (ct.new || ct.est)`, commit, own);
    const register = family === 4 ? "reg5" : "xxreg1";
    const out = `eth.src = ${port.address.macText}; ${register} = ${source}; outport = ${port.json};`;
    const reply = `${known} && ${leaving}`;
    if (!replies.has(reply))
      yield flow(router, LR_IN_IP_ROUTING, 10300, reply, `ip.ttl--; flags.loopback = 1; ${out} next;`, own);
    replies.add(reply);
    yield flow(router, LR_IN_POLICY, 65535, known, "next;", own);
    const resolve = "push(xxreg1); xxreg1 = ct_label; eth.dst = xxreg1[32..79]; pop(xxreg1); next;";
    yield flow(router, LR_IN_ARP_RESOLVE, 200, known, resolve, own);
  }
});
