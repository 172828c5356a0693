/**
 * Two availability zones that the reference's ovn-ic interconnects: a packet crosses the transit switch between them, whoever's
 * northd, controllers and switches there are, and each learns the other's routes.
 */
import { readFileSync } from "node:fs";
import { emit, parseIpv4, parseMac, readCapture, toHex } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";

linkPrograms();

const { clock } = nodeRuntime();

const NETWORK = `
  ic_start; net_add n1
  for i in 1 2; do
    [[ -z \${BESIDE-} || $i == 1 ]] || unset NORTHD CONTROLLER VSWITCHD # the original's from here on
    cloud_start az$i
    hv_add w$i n1 10.9.0.$i/24 az$i
    hv_do w$i ovs-vsctl set open . external_ids:ovn-is-interconn=true
    in_az az$i ovn-nbctl set nb_global . options:ic-route-adv=true options:ic-route-learn=true \\
      -- ls-add s$i -- lr-add r$i -- lrp-add r$i r$i-s$i 0a:00:00:00:0$i:fe 10.$i.0.254/24 -- lsp-add-router-port s$i s$i-r$i r$i-s$i \\
      -- lsp-add s$i p$i -- lsp-set-addresses p$i "0a:00:00:00:0$i:01 10.$i.0.1"
    vif_add w$i p$i
    ic_attach az$i
  done
  underlay_warm
  ovn-ic-nbctl --timeout=30 ts-add ts
  for i in 1 2; do
    in_az az$i ovn-nbctl --timeout=60 wait-until logical_switch ts name=ts
    in_az az$i ovn-nbctl lrp-add r$i r$i-ts 0a:00:00:00:0a:0$i 169.254.100.$i/24 -- lsp-add-router-port ts ts-r$i r$i-ts \\
      -- lrp-set-gateway-chassis r$i-ts w$i
  done
  for i in 1 2; do
    in_az az$i ovn-nbctl --timeout=60 wait-until logical_switch_port ts-r$((3 - i)) type=remote
    # until the other zone's route is learned
    for looks in {1..300}; do
      [[ -z $(in_az az$i ovn-nbctl --bare --columns=nexthop find logical_router_static_route nexthop=169.254.100.$((3 - i))) ]] || break
      sleep 0.1
    done
    [[ $looks != 300 ]] || { echo "zone $i learns no route" >&2; exit 1; }
    in_az az$i ovn-nbctl --timeout=60 --wait=hv sync
  done`;

const PING = toHex(
  emit([
    { kind: "ethernet", dst: parseMac("0a:00:00:00:01:fe")!, src: parseMac("0a:00:00:00:01:01")! },
    { kind: "ipv4", src: parseIpv4("10.1.0.1")!, dst: parseIpv4("10.2.0.1")!, ttl: 64 },
    { kind: "udp", srcPort: 1000, dstPort: 7 },
  ]),
);

/** The UDP packets that have come out at the guest of the second zone: to whom, and with which TTL. */
function arrived(cloud: Cloud): (readonly [dst: string, ttl: number | undefined])[] {
  const frames = readCapture(readFileSync(`${cloud.dir}/w2/p2-tx.pcap`)).map(({ bytes }) => bytes);
  return frames
    .filter((frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 17)
    .map((frame) => [toHex(frame.subarray(0, 6)), frame[22]]);
}

test.each<readonly [string, Mix, string]>([
  ["the reference", allReference, ""],
  ["ours", allWeft, ""],
  ["ours in one zone, the reference's in the other", allWeft, "BESIDE=yes\n"],
])("%s", { timeout: 240_000 }, async (_whose, mix, beside) => {
  const cloud = new Cloud({ ...mix, tools: "reference", OVSDB_SERVER: "reference" });
  try {
    cloud.run(beside + NETWORK);
    // The first ones wait for tunnels, and for neighbours to be found.
    const deadline = clock.now() + 60_000;
    while (arrived(cloud).length === 0 && clock.now() < deadline) {
      cloud.run(`vif_send w1 p1 ${PING}`);
      await clock.sleep(500);
    }
    expect(arrived(cloud)[0]).toEqual(["0a0000000201", 62]);
  } finally {
    if (process.env["KEEP"] === undefined) cloud.stop(true);
  }
});
