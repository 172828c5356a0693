/**
 * Transit switches and routers (ovn-architecture(7), "OVN Deployments Interconnection"): our controller and the reference's
 * reach the parts in other zones by the same flows.
 */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  hv_do w1 ovs-vsctl set open . external_ids:ovn-is-interconn=true
  ovn-sbctl chassis-add far geneve 10.9.0.77 -- set chassis far other_config:is-remote=true \\
    -- chassis-add other geneve 10.9.0.78 -- set chassis other other_config:is-remote=true
  key=0
  port() { ovn-nbctl --wait=sb lsp-add "$@" -- set logical_switch_port $2 options:requested-tnl-key=$((++key)); }
  ovn-nbctl --wait=sb ls-add ts -- set logical_switch ts other_config:interconn-ts=ts other_config:requested-tnl-key=16711690
  ovn-nbctl --wait=sb lr-add r -- set logical_router r options:requested-tnl-key=13
  port ts p1 -- lsp-set-addresses p1 "0a:00:00:00:00:01 10.1.0.1"
  for n in 2 3; do
    port ts p$n -- lsp-set-type p$n remote -- lsp-set-addresses p$n "0a:00:00:00:00:0$n 10.1.0.$n" unknown -- set logical_switch_port p$n options:requested-chassis=far
  done
  port ts p4 -- lsp-set-type p4 remote -- lsp-set-addresses p4 unknown -- set logical_switch_port p4 options:requested-chassis=other
  port ts p5 -- lsp-set-type p5 remote -- lsp-set-addresses p5 unknown
  ovn-nbctl --wait=sb lrp-add r r-ts 0a:00:00:00:01:01 10.1.0.254/24 -- set logical_router_port r-ts options:requested-tnl-key=1
  port ts ts-r -- lsp-set-type ts-r router -- lsp-set-addresses ts-r router -- set logical_switch_port ts-r options:router-port=r-ts
  ovn-nbctl --wait=sb lrp-add r r-far 0a:00:00:00:01:02 10.2.0.254/24 -- set logical_router_port r-far options:requested-tnl-key=2 options:requested-chassis=far
  ovn-nbctl --wait=sb lrp-add r r-other 0a:00:00:00:01:03 10.3.0.254/24 -- set logical_router_port r-other options:requested-tnl-key=3 options:requested-chassis=other`,
  ["p1"],
);

/** Flows of tables, without cookies and zones; what is sent to each port in a line of its own, as it comes in any order. */
const FLOWS = (tables: string) => `
  for table in ${tables}; do
    hv_do w1 ovs-ofctl dump-flows --no-stats br-int table=$table | sed 's/load:[^,]*->NXM_NX_REG1[123][^,]*,//g; s/ *cookie=[^,]*, *//; s/^ *//; s/actions=/&,/
      s/,load:0x[0-9a-f]*->NXM_NX_REG15\\[\\]/\\n&/g; s/,output:/\\n&/g'
  done | sort`;

test.each([
  [
    "tunnels",
    "hv_do w1 ovs-vsctl --no-headings --format=csv --columns=type,options find interface type=geneve | sed 's/.*remote_ip=//' | sort",
    "10.9.0.77",
  ],
  ["output", FLOWS("43 44 46"), "metadata=0xff000a"],
  ["what floods", FLOWS("84"), "output"],
  [
    "logical flows of ports there",
    FLOWS("{8..40} {48..63}") + "| grep 'reg14=0x[2345],metadata=0xff000a' | grep -v reg15",
    "reg14=0x4",
  ],
  ["what comes in", FLOWS("0"), "REG10[16]"],
])("%s", { timeout: 60_000 }, async (_what, script, expected) => {
  expect(await pair.sameRows(script, expected)).not.toBe("");
});
