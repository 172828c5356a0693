/** Gateway routers that put an address of their own in front of what they balanced (ovn-nb(5), lb_force_snat_ip). */
import { derive, each, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { routerOptions } from "../model/config.ts";
import { type Endpoint, parseEndpoint } from "../model/endpoint.ts";
import { routers } from "../model/nb.ts";
import { type RouterPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_UNSNAT, LR_OUT_SNAT } from "../stages.ts";

/** The addresses; "router_ip" for those of the port that a packet leaves by; undefined for none. */
export const forceSnat = derive(
  "lbForceSnat",
  (uuid: Uuid, read): "router_ip" | readonly Endpoint[] | undefined => {
    const options = read(routerOptions, uuid);
    const text = options.get("lb_force_snat_ip");
    // Which port's address it would be is only known where the router is on one chassis.
    if (text === "router_ip") return options.has("chassis") ? text : undefined;
    const addresses = (text ?? "").split(/\s+/).flatMap((word) => parseEndpoint(word) ?? []);
    return addresses.length === 0 ? undefined : addresses;
  },
  { equals: sameContent },
);

export const lbForceSnat = each("router/lbForceSnat", routers, function* (uuid, row, read): Iterable<Flow> {
  const force = row.options.has("chassis") ? read(forceSnat, uuid) : undefined;
  if (force === undefined) return;
  if (force === "router_ip") {
    for (const port of read(routerPorts, uuid)) yield* ownAddresses(port);
    return;
  }
  for (const { family, address } of force) {
    yield flow(uuid, LR_IN_UNSNAT, 110, `ip${family} && ip${family}.dst == ${address}`, "ct_snat;");
    yield flow(uuid, LR_OUT_SNAT, 100, `flags.force_snat_for_lb == 1 && ip${family}`, `ct_snat(${address});`);
  }
});

/** Of a port's networks that of the next hop gives the address: flags.network_id says which it is. */
function* ownAddresses({ datapath, json, address }: RouterPort): Iterable<Flow> {
  const families = { 4: address.ip4, 6: address.ip6.filter(({ implicit }) => !implicit) } as const;
  for (const family of [4, 6] as const) {
    for (const [index, { text }] of families[family].entries()) {
      yield flow(datapath, LR_IN_UNSNAT, 110, `inport == ${json} && ip${family}.dst == ${text}`, "ct_snat;");
      const forced = "flags.force_snat_for_lb == 1 &&";
      const leaving = `ip${family} && outport == ${json}`;
      if (index === 0) yield flow(datapath, LR_OUT_SNAT, 105, `${forced} ${leaving}`, `ct_snat(${text});`);
      if (index > 15) continue;
      yield flow(datapath, LR_OUT_SNAT, 110, `${forced} flags.network_id == ${index} && ${leaving}`, `ct_snat(${text});`);
    }
  }
}
