/** Rates of ports: the queues that our controller and the reference's make in the switch's database (ovn-nb(5), qos_max_rate). */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  hv_do w1 ovs-vsctl add-br br-x -- add-port br-x eth5 -- set open . external_ids:ovn-bridge-mappings=physnet1:br-phys,physnet2:br-x
  for s in 1 2; do
    ovn-nbctl ls-add s$s -- lsp-add s$s p1$s -- lsp-add s$s p2$s -- lsp-add s$s far$s -- lsp-set-options far$s qos_max_rate=3000 \\
      -- lsp-add s$s ln$s -- lsp-set-type ln$s localnet -- lsp-set-addresses ln$s unknown -- lsp-set-options ln$s network_name=physnet$s
  done`,
  ["p11", "p21", "p12", "p22", "w2/far1"],
);

/** Devices with a QoS, and their queues: DEVICE, whose QoS, type, rates, and for each queue its number, port and rates. */
const STATE = `
  vs() { hv_do w1 ovs-vsctl "$@"; }
  vs --bare --columns=name find Port qos!='[]' | sort | while read -r device; do
    [[ -n $device ]] || continue
    qos=$(vs get port $device qos)
    echo $device $(vs --bare --columns=external_ids,type,other_config list QoS $qos)
    vs get QoS $qos queues | grep -o '[0-9]*=[0-9a-f-]*' | sort | while IFS== read -r number queue; do
      echo "  $number" $(vs --bare --columns=external_ids,other_config list Queue $queue)
    done
  done
  echo $(vs --bare --columns=_uuid list QoS | grep -c .) and $(vs --bare --columns=_uuid list Queue | grep -c .)`;

const ALL = "max-rate=34359738360";
const RECOMPUTE = `hv_do w1 ovn-appctl -t $DIR/w1/controller.ctl inc-engine/recompute`;

test.each([
  ["nobody asks", "", "0 and 0"],
  ["a rate", "ovn-nbctl lsp-set-options p11 qos_max_rate=800000", `ovn_port=p11 burst=0 max-rate=800000 min-rate=0\n1 and 1`],
  [
    "three rates",
    "ovn-nbctl lsp-set-options p11 qos_max_rate=800 qos_min_rate=400 qos_burst=90",
    "burst=90 max-rate=800 min-rate=400",
  ],
  ["one more", "ovn-nbctl lsp-set-options p21 qos_burst=7", "ovn_port=p21 burst=7 max-rate=0 min-rate=0\n1 and 2"],
  ["a child", "ovn-nbctl lsp-add s1 child p11 7 -- lsp-set-options child qos_max_rate=70", "ovn_port=child burst=0 max-rate=70"],
  ["another network", "ovn-nbctl lsp-set-options p12 qos_max_rate=600", `eth5 ovn_qos=true linux-htb ${ALL}\n`],
  ["no number", "ovn-nbctl lsp-set-options p12 qos_max_rate=12x", "1 and 3"],
  ["too large a number", "ovn-nbctl lsp-set-options p12 qos_max_rate=99999999999999999999999999", "1 and 3"],
  ["a number again", "ovn-nbctl lsp-set-options p12 qos_max_rate=050", "ovn_port=p12 burst=0 max-rate=50 min-rate=0\n"],
  [
    "a device that is marked",
    `hv_do w1 ovs-vsctl add-port br-x aside -- set interface aside type=dummy external_ids:ovn-egress-iface=true -- del-port eth5\n${RECOMPUTE}`,
    "aside ovn_qos=true",
  ],
  ["a port that leaves", "hv_do w1 ovs-vsctl clear interface p21 external_ids", "2 and 3"],
  ["a network without a bridge", "hv_do w1 ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet2:br-x", "1 and 1"],
  ["with one", "hv_do w1 ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-phys,physnet2:br-x", "2 and 3"],
  [
    "a queue that somebody changed",
    `hv_do w1 ovs-vsctl set Queue $(hv_do w1 ovs-vsctl --bare --columns=_uuid find Queue external_ids:ovn_port=p12) other_config:max-rate=3\n${RECOMPUTE}`,
    "ovn_port=p12 burst=0 max-rate=50 min-rate=0",
  ],
  [
    "a QoS of somebody else",
    `hv_do w1 ovs-vsctl --id=@q create QoS type=linux-htb other_config:max-rate=5 -- set port aside qos=@q >/dev/null\n${RECOMPUTE}`,
    "aside linux-htb max-rate=5\n",
  ],
  [
    "nobody asks any more",
    "for p in p11 p21 p12 child; do ovn-nbctl lsp-set-options $p; done",
    "aside linux-htb max-rate=5\n1 and 0",
  ],
])(
  "%s",
  async (_what, script, expected) => {
    pair.run(script);
    expect(await pair.sameRows(STATE, expected)).not.toBe("");
  },
  60_000,
);
