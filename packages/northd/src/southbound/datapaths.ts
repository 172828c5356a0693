/** Datapath_Binding: one row for every switch and router. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { lowestThreshold, parseThresholds } from "../model/ageing.ts";
import { datapathKey, routers, switches } from "../model/nb.ts";
import { Ref, type Row, row } from "../output/row.ts";

export function datapathRef(uuid: Uuid): Ref {
  return new Ref("Datapath_Binding", uuid);
}

/** What chassis need to know of a switch that is stretched by EVPN. */
const EVPN = ["vni", "bridge-ifname", "vxlan-ifname", "advertise-ifname", "redistribute", "arp-prefer-local"].map(
  (name) => `dynamic-routing-${name}`,
);

/** The same of a router with dynamic routes. */
const ROUTING = ["vrf-id", "v4-prefix-nexthop", "v6-prefix-nexthop"].map((name) => `dynamic-routing-${name}`);

export const switchDatapaths = each("northd/switchDatapaths", switches, function* (uuid, ls, read): Iterable<Row> {
  const key = read(datapathKey, uuid);
  if (key === undefined) return;
  const ids = new Map([
    ["logical-switch", uuid as string],
    ["name", ls.name],
  ]);
  const second = ls.external_ids.get("neutron:network_name");
  if (second !== undefined && second !== "") ids.set("name2", second);
  const transit = ls.other_config.get("interconn-ts");
  if (transit !== undefined) ids.set("interconn-ts", transit);
  const stretched = ls.other_config.has("dynamic-routing-vni") ? EVPN : [];
  for (const name of ["fdb_age_threshold", "ct-zone-limit", ...stretched]) {
    const value = ls.other_config.get(name);
    if (value !== undefined) ids.set(name, value);
  }
  yield row("Datapath_Binding", uuid, { tunnel_key: key, external_ids: ids, nb_uuid: uuid, type: "logical-switch" });
});

export const routerDatapaths = each("northd/routerDatapaths", routers, function* (uuid, lr, read): Iterable<Row> {
  const key = read(datapathKey, uuid);
  if (key === undefined) return;
  const ids = new Map([
    ["disable_garp_rarp", String(lr.options.get("disable_garp_rarp") === "true")],
    ["logical-router", uuid as string],
    ["name", lr.name],
  ]);
  const second = lr.external_ids.get("neutron:router_name");
  if (second !== undefined && second !== "") ids.set("name2", second);
  if (lr.options.get("always_learn_from_arp_request") === "false") ids.set("always_learn_from_arp_request", "false");
  const thresholds = parseThresholds(lr.options.get("mac_binding_age_threshold"));
  const age = thresholds === undefined ? undefined : lowestThreshold(thresholds);
  if (age !== undefined) ids.set("mac_binding_age_threshold", String(age));
  const dynamic = lr.options.get("dynamic-routing") === "true" ? ROUTING : [];
  for (const name of ["ct-zone-limit", "snat-ct-zone", ...dynamic]) {
    const value = lr.options.get(name);
    if (value !== undefined) ids.set(name, value);
  }
  yield row("Datapath_Binding", uuid, { tunnel_key: key, external_ids: ids, nb_uuid: uuid, type: "logical-router" });
});
