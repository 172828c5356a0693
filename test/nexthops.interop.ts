/**
 * Next hops of ECMP routes with symmetric replies (ovn-nb(5), ecmp_nexthop_monitor_enable): what our controller and the reference's
 * write of their MACs, which connections they flush, and whom they ask, when (ovn-controller(8), arp-nd-max-timeout-sec).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, find, parseIpv4, readCapture, toHex } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import type { Cloud } from "./reference/cloud.ts";
import { controllerPair } from "./reference/controllerPair.ts";

const { clock } = nodeRuntime();

const pair = controllerPair(
  `
  hv_do w1 ovs-appctl vlog/set vconn:file:dbg >/dev/null
  hv_do w1 ovs-appctl vlog/disable-rate-limit vconn
  ovn-nbctl set nb_global . options:ecmp_nexthop_monitor_enable=true \\
    -- ls-add out -- lsp-add out v1 -- lsp-set-addresses v1 unknown -- lsp-add-localnet-port out ln physnet1 \\
    -- ls-add in -- lsp-add in v2 -- lsp-set-addresses v2 "0a:00:00:00:0a:02 10.9.1.2" \\
    -- lr-add g -- set logical_router g options:chassis=w1 options:requested-tnl-key=21 \\
    -- lrp-add g g-out 0a:00:00:00:09:01 172.16.0.1/24 -- lsp-add-router-port out out-g g-out \\
    -- lrp-add g g-in 0a:00:00:00:09:02 10.9.1.254/24 -- lsp-add-router-port in in-g g-in
  for hop in 10 11; do ovn-nbctl --ecmp-symmetric-reply lr-route-add g 1.0.0.0/24 172.16.0.$hop; done`,
  ["v1", "v2"],
);

const BINDINGS = `
  bind() { ovn-sbctl create mac_binding logical_port=g-out ip=$1 mac="\\"$2\\"" datapath=$(ovn-sbctl --bare --columns=_uuid find datapath_binding tunnel_key=21) >/dev/null; }
  bound() { ovn-sbctl --bare --columns=_uuid find mac_binding ip=$1; }`;

/** Rows, and the flushes of connections by their labels so far. Zones' numbers differ. */
const STATE = `
  ovn-sbctl --no-headings --format=csv --data=bare --columns=nexthop,mac list ecmp_nexthop | sort
  zone=$(hv_do w1 ovn-appctl -t $DIR/w1/controller.ctl ct-zone-list | sed -n 's/^g_dnat //p')
  sed -n "s/.*received: NXT_CT_FLUSH (OF1.5) (xid=0x[0-9a-f]*): *zone=$zone /dnat /p" $DIR/w1/vswitchd.log`;

test.each([
  ["no MAC is known", "", "172.16.0.10,\n172.16.0.11,"],
  ["one is learned", "bind 172.16.0.10 0a:00:00:00:99:10", "172.16.0.10,0a:00:00:00:99:10\n172.16.0.11,"],
  [
    "it changes",
    `ovn-sbctl set mac_binding $(bound 172.16.0.10) 'mac="0a:00:00:00:99:20"'`,
    "172.16.0.10,0a:00:00:00:99:20\n172.16.0.11,\ndnat labels=0xa000000991000000000/0xffffffffffff00000000",
  ],
  ["it is forgotten", "ovn-sbctl destroy mac_binding $(bound 172.16.0.10)", "172.16.0.10,0a:00:00:00:99:20"],
  ["the other is learned", "bind 172.16.0.11 0a:00:00:00:99:11", "172.16.0.11,0a:00:00:00:99:11"],
  [
    "the route goes",
    "ovn-nbctl lr-route-del g 1.0.0.0/24 172.16.0.10",
    "dnat labels=0xa000000992000000000/0xffffffffffff00000000",
  ],
])("%s", { timeout: 60_000 }, async (_what, script, expected) => {
  pair.run(`${BINDINGS}\n${script}`);
  expect(await pair.sameRows(STATE, expected)).not.toBe("");
});

/** When an address was asked for, in whole seconds since the first time, and how. */
function requests(cloud: Cloud, target: number): { readonly times: number[]; readonly frame: string } {
  const found = readCapture(readFileSync(join(cloud.dir, "w1/v1-tx.pcap"))).filter(({ bytes }) => {
    const arp = find(decode(bytes), "arp");
    return arp?.operation === 1 && arp.targetIp === target && arp.senderIp !== target;
  });
  const times = found.map(({ time }) => time.seconds + time.nanoseconds / 1e9);
  return { times: times.map((at) => Math.round(at - times[0]!)), frame: found[0] === undefined ? "" : toHex(found[0].bytes) };
}

test("requests, with pauses of one second, two, and no longer ones", { timeout: 60_000 }, async () => {
  const hop = parseIpv4("172.16.0.12")!;
  pair.run(`
    hv_do w1 ovs-vsctl set open . external_ids:arp-nd-max-timeout-sec=2
    ovn-nbctl --ecmp-symmetric-reply lr-route-add g 1.0.0.0/24 172.16.0.12`);
  const all = () => pair.sides.map(({ cloud }) => requests(cloud, hop));
  for (let looks = 0; looks < 100 && all().some(({ times }) => times.length < 5); looks++) await clock.sleep(200);
  const [reference, weft] = all().map(({ times, frame }) => ({ times: times.slice(0, 5), frame }));
  expect(reference?.times).toEqual([0, 1, 3, 5, 7]);
  expect(weft).toEqual(reference);
});
