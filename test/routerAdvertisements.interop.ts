/** Router advertisements that nobody asked for, by our controller and by the reference's: the same packets at the same pace. */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const PORTS = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "w2/p8", "w2/p9"] as const;
const pair = controllerPair(
  `
  vif() { ovn-nbctl lsp-add s$1 p$2 -- lsp-set-addresses p$2 "50:54:00:00:00:0$2"; }
  ra() { # ra ROUTER NUMBER COLUMN...
    ovn-nbctl --may-exist lr-add $1 -- ls-add s$2 -- lrp-add $1 r$2 50:54:00:00:0$2:fe fd0$2::fe/64 -- lsp-add-router-port s$2 s$2-r r$2 \\
      -- set logical_router_port r$2 ipv6_ra_configs:send_periodic=true ipv6_ra_configs:max_interval=4 ipv6_ra_configs:min_interval=3 "\${@:3}"
    vif $2 $2
  }
  mode=ipv6_ra_configs:address_mode
  ra r 1 $mode=slaac ipv6_ra_configs:mtu=1400 ipv6_ra_configs:rdnss='"fd00::53"' ipv6_ra_configs:dnssl='"a.example"' \\
    ipv6_ra_configs:route_info='"HIGH-fd77::/64"' ipv6_ra_configs:router_preference=HIGH
  ra r 2 $mode=dhcpv6_stateful ipv6_ra_configs:dnssl='"a.example,b.example"'
  ra r 3 $mode=dhcpv6_stateless ipv6_ra_configs:router_preference=LOW networks='"fd03::fe/64","fd33::fe/48"' \\
    ipv6_ra_configs:route_info='"HIGH-fd77::/64,LOW-fd78::/48,MEDIUM-fd79::/96"'
  ra r 4 $mode=slaac ipv6_ra_configs:rdnss='"fd00::53,fd00::54"'
  ra r 5 $mode=slaac networks='"10.0.5.254/24"'
  ra r 6 $mode=slaac
  ovn-nbctl lr-add g -- set logical_router g options:chassis=w2
  ra g 7 $mode=slaac
  vif 1 9; vif 7 8
  ovn-nbctl lrp-set-gateway-chassis r2 w1 20 \\
    -- acl-add s1 to-lport 100 'outport == "p9"' drop -- acl-add s6 from-lport 100 'inport == "s6-r"' drop`,
  PORTS,
);

test("advertisements", async () => {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  for (const side of pair.sides) pair.taken(side);
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  const [expected, found] = pair.sides.map((side) => {
    const counts = new Map<string, number>();
    for (const text of pair.taken(side)) counts.set(text, (counts.get(text) ?? 0) + 1);
    return counts;
  });
  expect([...found!.keys()]).toEqual([...expected!.keys()]);
  expect([...expected!.keys()].map((text) => text.split(" ")[0])).toEqual(["p1", "p2", "p3", "p5", "p6", "w2/p8", "w2/p9"]);
  // between 3 and 4 s apart
  for (const counts of [expected!, found!]) for (const count of counts.values()) expect([3, 4]).toContain(count);
});
