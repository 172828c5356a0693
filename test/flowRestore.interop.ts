/**
 * A switch that starts with other_config:flow-restore-wait (ovs-vswitchd.conf.db(5)), ours and the reference's, and what
 * ovn-controller does about it (ovn-controller(8), ovn-managed-flow-restore-wait), ours and the reference's.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";

linkPrograms();

const mixes: readonly Mix[] = [
  allReference,
  { ...allReference, VSWITCHD: "weft" },
  { ...allReference, CONTROLLER: "weft" },
  { ...allReference, VSWITCHD: "weft", CONTROLLER: "weft" },
];
const clouds: Cloud[] = [];

/** Functions of every script below. */
const FUNCTIONS = `
  V="ovs-vsctl --db=unix:$DIR/w1/db.sock"
  ends() { kill $(cat $DIR/w1/$1.pid); while [ -e $DIR/w1/$1.pid ]; do sleep 0.1; done; }
  controller_begins() { daemon $DIR/w1 controller "$(prog CONTROLLER ovn-controller)" unix:$DIR/w1/db.sock; }
  comes() { for i in $(seq 200); do eval "$1" > /dev/null && return; sleep 0.1; done; echo "never: $1"; exit 1; }
  key() { $V --no-wait --if-exists get Open_vSwitch . $1 | tr -d '"'; }
  open() { hv_do w1 ovs-ofctl add-flow brx in_port=x1,actions=output:x2; }
  waits() { echo "$(key other_config:flow-restore-wait) $(key external_ids:ovn-managed-flow-restore-wait)"; }
  asked() { grep -c Setting.flow-restore-wait=true $DIR/w1/controller.log || true; }
  becomes() { comes "[ \\"\\$(waits)\\" = '$1' ]"; sleep 0.5; echo "$2: $(waits)"; }
  sent() { hv_do w1 ovs-appctl netdev-dummy/receive x1 "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:0$1),eth_type(0x1234)"; }
  arrived() { tcpdump -enr $DIR/w1/x2.pcap 2> /dev/null | grep -c "50:54:00:00:00:0$1,"; }
`;

beforeAll(() => {
  for (const mix of mixes) {
    const cloud = new Cloud(mix);
    clouds.push(cloud);
    cloud.run(`${FUNCTIONS}
      cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
      ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1"; vif_add w1 p1; ovn-nbctl --wait=hv sync
      hv_do w1 ovs-vsctl add-br brx -- set bridge brx fail-mode=secure other-config:disable-in-band=true \\
        -- add-port brx x1 -- set Interface x1 options:pcap=$DIR/w1/x1.pcap -- add-port brx x2 -- set Interface x2 options:tx_pcap=$DIR/w1/x2.pcap \\
        -- set-controller brx unix:nobody.sock`);
  }
});
afterAll(() => {
  for (const cloud of clouds) cloud.stop(true);
});

/** Runs a script in every cloud; all must print what the reference's does. */
function alike(script: string): string {
  const [expected, ...others] = clouds.map((cloud) => cloud.run(FUNCTIONS + script));
  for (const [i, told] of others.entries()) expect(told, JSON.stringify(mixes[i + 1])).toBe(expected);
  return expected!;
}

test("no packet comes in and no controller is asked until the flows are there", () => {
  const told = alike(`
    open
    sent 2; comes '[ $(arrived 2) = 1 ]'
    hv_do w1 ovs-vsctl set Open_vSwitch . other_config:flow-restore-wait=true; sent 3; comes '[ $(arrived 3) = 1 ]'; echo "nothing for one that runs"
    ends vswitchd; switch_daemon $DIR/w1
    comes '! hv_do w1 ovs-vsctl --bare --columns=status list controller | grep BACKOFF'
    hv_do w1 ovs-vsctl del-controller brx
    open
    sent 4; sleep 1; echo "restoring: $(arrived 4) $(key cur_cfg | grep -c .)"
    hv_do w1 ovs-ofctl packet-out brx "in_port=controller packet=505400000005505400000001123400000000 actions=output:x2"
    comes '[ $(arrived 5) = 1 ]'; echo "sent on order"
    hv_do w1 ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait
    sent 7; comes '[ $(arrived 7) = 1 ]'; echo "not kept: $(arrived 4)"
    hv_do w1 ovs-vsctl set-controller brx unix:nobody.sock
    comes 'hv_do w1 ovs-vsctl --bare --columns=status list controller | grep BACKOFF'
    open
    hv_do w1 ovs-vsctl set Open_vSwitch . other_config:flow-restore-wait=true
    sent 6; comes '[ $(arrived 6) = 1 ]'; echo "nothing for one that runs"
    hv_do w1 ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait`);
  expect(told).not.toContain("never");
});

test("ovn-controller ends the wait that it has begun, when its flows are there", () => {
  const told = alike(`
    ends controller; ends vswitchd
    $V --no-wait set Open_vSwitch . other_config:flow-restore-wait=true external_ids:ovn-managed-flow-restore-wait=true
    switch_daemon $DIR/w1; sleep 1; echo "$(key other_config:flow-restore-wait) $(key external_ids:ovn-managed-flow-restore-wait)"
    controller_begins
    comes '[ -z "$(key external_ids:ovn-managed-flow-restore-wait)" ]'
    echo "$(key other_config:flow-restore-wait) $(key external_ids:ovn-managed-flow-restore-wait)"
    hv_do w1 ovs-ofctl dump-flows br-int | grep -c "table=65.*actions=output"
    $V --timeout=20 set Open_vSwitch . external_ids:x=y; echo "configured: $?"
    $V --no-wait set Open_vSwitch . other_config:flow-restore-wait=true external_ids:ovn-managed-flow-restore-wait=true
    comes '[ -z "$(key external_ids:ovn-managed-flow-restore-wait)" ]'
    echo "while it runs: $(key other_config:flow-restore-wait) $(key external_ids:ovn-managed-flow-restore-wait)"`);
  expect(told).not.toContain("never");
});

test("ovn-controller of one of several gateways asks for the wait of the next start", () => {
  const told = alike(`
    ovn-sbctl chassis-add w2 geneve 10.9.0.2
    ovn-nbctl ls-add pub -- lr-add r -- lrp-add r r-pub 02:00:00:00:00:01 172.16.0.1/24 \\
      -- lsp-add pub pub-r -- lsp-set-type pub-r router -- lsp-set-addresses pub-r router -- lsp-set-options pub-r router-port=r-pub
    ovn-nbctl lrp-set-gateway-chassis r-pub w1 20; ovn-nbctl --wait=sb sync; sleep 1; echo "alone: $(waits)"
    ovn-nbctl --wait=sb lrp-set-gateway-chassis r-pub w2 10
    becomes "true true" "one of two"
    ends controller; ends vswitchd; switch_daemon $DIR/w1; open; sent 9; sleep 1; echo "without controller: $(waits) $(arrived 9)"
    before=$(asked); controller_begins; comes '[ $(asked) -gt $before ]'; becomes "true true" "it begins"`);
  expect(told).not.toContain("never");
  // The reference's controller sometimes asks for the next start's wait before a slow switch has seen that this one has ended.
  for (const cloud of clouds.slice(2)) cloud.run(`${FUNCTIONS} comes 'open; sent a; [ $(arrived a) -gt 0 ]'`);
  alike(`$V --timeout=20 remove Open_vSwitch . other_config flow-restore-wait; becomes "true true" "taken away"`);
  for (const cloud of clouds.slice(2))
    cloud.run(`${FUNCTIONS}
      before=$(asked); ends vswitchd; switch_daemon $DIR/w1; open; comes '[ $(asked) -gt $before ]'; becomes "true true" "the switch begins"
      comes 'open; sent b; [ $(arrived b) -gt 0 ]'; $V --timeout=20 set Open_vSwitch . external_ids:x=y`);
});

test("ovn-controller leaves the next start's wait to others, and takes it away when it is a gateway among others no more", () => {
  const told = alike(`
    ends controller; $V remove Open_vSwitch . external_ids ovn-managed-flow-restore-wait; controller_begins
    comes 'hv_do w1 ovs-ofctl dump-flows br-int | grep "table=65.*actions=output"'; sleep 1; becomes "true " "another's"
    $V --timeout=20 remove Open_vSwitch . other_config flow-restore-wait; becomes "true true" "not the other's any more"
    ovn-nbctl --wait=sb lrp-del-gateway-chassis r-pub w1`);
  expect(told).not.toContain("never");
  // The reference's controller sometimes forgets.
  for (const cloud of clouds.slice(2))
    cloud.run(`${FUNCTIONS} becomes "false " "no gateway any more"; $V --timeout=20 set Open_vSwitch . external_ids:x=z`);
});

test("ovn-controller leaves alone what others have begun", () => {
  const told = alike(`
    ends controller; ends vswitchd
    $V --no-wait set Open_vSwitch . other_config:flow-restore-wait=true -- remove Open_vSwitch . external_ids ovn-managed-flow-restore-wait
    switch_daemon $DIR/w1; controller_begins
    comes 'hv_do w1 ovs-ofctl dump-flows br-int | grep "table=65.*actions=output"'
    sleep 2; echo "$(key other_config:flow-restore-wait) $(key external_ids:ovn-managed-flow-restore-wait)"
    $V --no-wait remove Open_vSwitch . other_config flow-restore-wait; $V --timeout=20 set Open_vSwitch . external_ids:x=y; echo "configured: $?"`);
  expect(told).not.toContain("never");
});
