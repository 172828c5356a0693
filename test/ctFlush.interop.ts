/** Connections to backends that went: our controller and the reference's flush the same (ovn-nb(5), Load_Balancer options:ct_flush). */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add s -- lsp-add s p1
  ovn-nbctl lb-add lb 10.0.0.100:80 10.0.0.2:80,10.0.0.3:8080 tcp -- lb-add six "[fd00::100]:53" "[fd00::2]:53" udp \\
    -- lb-add bare 10.0.0.101 10.0.0.4 -- lb-add kept 10.0.0.102:80 10.0.0.5:80
  for lb in lb six bare kept; do ovn-nbctl ls-lb-add s $lb -- set Load_Balancer $lb options:ct_flush=true; done
  ovn-nbctl set Load_Balancer kept options:ct_flush=false
  hv_do w1 ovs-appctl vlog/set vconn:file:dbg`,
  ["p1"],
);

/** What the switch was told to flush so far. */
const FLUSHED = `sed -n 's/.*received: NXT_CT_FLUSH (OF1.5) (xid=0x[0-9a-f]*): *//p' $DIR/w1/vswitchd.log | sort`;

const change = (name: string, vip: string, backends: string, protocol = ""): string =>
  `ovn-nbctl --may-exist lb-add ${name} ${vip} ${backends} ${protocol}`;

test.each([
  ["a backend fewer", change("lb", "10.0.0.100:80", "10.0.0.2:80"), "ct_nw_src=10.0.0.3"],
  ["another port", change("lb", "10.0.0.100:80", "10.0.0.2:81"), "ct_nw_src=10.0.0.2,ct_nw_dst=::,ct_tp_src=80"],
  ["a backend more", change("lb", "10.0.0.100:80", "10.0.0.2:81,10.0.0.7:7"), ""],
  ["no ports", change("bare", "10.0.0.101", "10.0.0.6"), "ct_nw_src=10.0.0.4"],
  ["no address any more", `ovn-nbctl lb-del six "[fd00::100]:53"`, "ct_ipv6_src=fd00::2"],
  ["a balancer that does not ask for it", change("kept", "10.0.0.102:80", "10.0.0.6:80"), ""],
  ["one that does no longer", "ovn-nbctl remove Load_Balancer bare options ct_flush", "ct_nw_src=10.0.0.6"],
  ["one that leaves the switch", "ovn-nbctl ls-lb-del s lb", "ct_nw_src=10.0.0.7"],
])(
  "%s",
  async (_what, script, expected) => {
    pair.run(script);
    expect(await pair.sameRows(FLUSHED, expected)).not.toContain("10.0.0.5");
  },
  60_000,
);
