/** What NB_Global:options ask of controllers (ovn-nb(5)): our controller and the reference's do the same. */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  hv_do w1 ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-phys
  hv_do w2 ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-phys
  # Of ports that come in one transaction the keys would be in any order.
  key=0
  port() { ovn-nbctl --wait=sb lsp-add "$@" -- set logical_switch_port $2 options:requested-tnl-key=$((++key)); }
  ovn-nbctl --wait=sb ls-add s1 -- set logical_switch s1 other_config:requested-tnl-key=11
  ovn-nbctl --wait=sb ls-add s2 -- set logical_switch s2 other_config:requested-tnl-key=12
  ovn-nbctl --wait=sb lr-add r1 -- set logical_router r1 options:requested-tnl-key=13
  port s1 ln -- lsp-set-type ln localnet -- lsp-set-addresses ln unknown -- set logical_switch_port ln options:network_name=physnet1
  for n in 1 2 3; do port s1 p$n -- lsp-set-addresses p$n "0a:00:00:00:00:0$n 10.1.0.$n"; done
  port s1 v -- lsp-set-type v virtual -- set logical_switch_port v options:virtual-ip=10.1.0.50 options:virtual-parents=p2
  port s1 lp -- lsp-set-type lp localport -- lsp-set-addresses lp unknown
  port s1 child p2 7
  ovn-nbctl ha-chassis-group-add g -- ha-chassis-group-add-chassis g w2 10
  port s1 x -- lsp-set-type x external -- lsp-set-addresses x "0a:00:00:00:00:09 10.1.0.9" \\
    -- set logical_switch_port x ha_chassis_group=$(ovn-nbctl --bare --columns=_uuid find ha_chassis_group name=g)
  port s2 q1
  port s2 q2
  port s2 q3
  for s in 1 2; do
    ovn-nbctl --wait=sb lrp-add r1 r1-s$s 0a:00:00:00:01:0$s 10.$s.0.254/24 -- set logical_router_port r1-s$s options:requested-tnl-key=$s
    port s$s s$s-r1 -- lsp-set-type s$s-r1 router -- lsp-set-addresses s$s-r1 router -- set logical_switch_port s$s-r1 options:router-port=r1-s$s
  done`,
  ["p1", "q1", "w2/p2", "w2/q2"],
);

/** Where packets to the ports of the bridged network leave, without what differs from run to run: cookies and zones. */
const FLOWS = `
  for table in 43 44 46; do
    hv_do w1 ovs-ofctl dump-flows --no-stats br-int table=$table | grep 'reg15=0x.,metadata=0xb' | sed 's/load:[^,]*->NXM_NX_REG1[123][^,]*,//g; s/ *cookie=[^,]*, *//' | sort
  done`;

/** Ports that come after their parents, or with a group of chassis, are claimed late; others are when they are made. */
const CLAIMED = `for port in p1 p2 q1 q2 child x; do ovn-sbctl --timeout=60 wait-until port_binding $port 'chassis!=[]'; done`;
/** What the reference makes of a change may depend on what came before. */
const RECOMPUTE = "hv_do w1 ovn-appctl -t $DIR/w1/controller.ctl inc-engine/recompute";

test.each([
  [
    "by the physical network",
    "ovn-nbctl --wait=hv remove nb_global . options always_tunnel",
    "table=46, priority=100,reg15=0x3,metadata=0xb actions=load:0x1->NXM_NX_REG15[],resubmit(,46)",
  ],
  [
    "always by tunnels",
    "ovn-nbctl --wait=hv set nb_global . options:always_tunnel=true",
    "table=44, priority=100,reg13=0/0xffff0000,reg15=0x3,metadata=0xb",
  ],
])("%s", { timeout: 60_000 }, async (_what, script, expected) => {
  pair.run(`${CLAIMED}\n${script}\n${RECOMPUTE}`);
  expect(await pair.sameRows(FLOWS, expected)).not.toBe("");
});

/** Whether the chassis has told, in the southbound database and on its bridge, of the configuration that is asked for now. */
const TOLD = `
  wanted=$(ovn-nbctl get nb_global . nb_cfg)
  [[ $(ovn-sbctl --bare --columns=nb_cfg find chassis_private name=w1) == $wanted ]] && echo southbound
  [[ $(hv_do w1 ovs-vsctl get bridge br-int external_ids:ovn-nb-cfg) == "\\"$wanted\\"" ]] && echo bridge`;

test.each([
  ["told in the Southbound, too", "ovn-nbctl remove nb_global . options enable_chassis_nb_cfg_update", "southbound\nbridge"],
  ["told on the bridge alone", "ovn-nbctl --wait=sb set nb_global . options:enable_chassis_nb_cfg_update=false", "bridge"],
  ["told again", "ovn-nbctl --wait=sb remove nb_global . options enable_chassis_nb_cfg_update", "southbound\nbridge"],
])("%s", { timeout: 60_000 }, async (_what, script, expected) => {
  for (const { cloud } of pair.sides) cloud.run(`${script}\novn-nbctl --wait=sb sync`);
  expect(await pair.sameRows(TOLD, expected)).toBe(expected);
});
