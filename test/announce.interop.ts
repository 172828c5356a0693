/** What our controller announces on a physical network beside the reference's: one chassis in a cloud of each. */
import { headers } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Side } from "./reference/cloud.ts";

linkPrograms();

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  hv_do w1 ovs-vsctl set Interface phys-n1 options:tx_pcap=$DIR/w1/phys-tx.pcap -- set open . external_ids:garp-max-timeout-sec=1
  lsp() { echo -- lsp-add $1 $2 -- lsp-set-addresses $2; }
  ovn-nbctl ls-add ext -- lsp-add-localnet-port ext ln physnet1 \\
    $(lsp ext v1) "50:54:00:00:00:11 172.16.0.11 172.16.0.12" "50:54:00:00:00:14 172.16.0.14" \\
    $(lsp ext v2) "50:54:00:00:00:21" "50:54:00:00:00:22 172.16.0.22" $(lsp ext v3) "50:54:00:00:00:32 fd16::1" \\
    $(lsp ext v4) unknown "50:54:00:00:00:42 172.16.0.42" $(lsp ext v5) unknown \\
    $(lsp ext v6) "50:54:00:00:00:66 172.16.0.66" -- lsp-set-options v6 disable_garp_rarp=true \\
    -- lsp-add ext c1 v1 33 -- lsp-set-addresses c1 "50:54:00:00:00:1c 172.16.0.28" \\
    -- ls-add in $(lsp in p1) "50:54:00:00:00:01 10.0.0.1" $(lsp in p2) "50:54:00:00:00:02 10.0.0.2" \\
    -- lr-add r -- lrp-add r rin 50:54:00:00:00:fe 10.0.0.254/24 -- lsp-add-router-port in in-r rin \\
    -- lrp-add r rext 50:54:00:00:02:fe 172.16.0.1/24 -- lsp-add-router-port ext ext-r rext -- lrp-set-gateway-chassis rext w1 20 \\
    -- lsp-set-options ext-r router-port=rext nat-addresses=router -- lr-nat-add r snat 172.16.0.3 10.0.0.0/24 \\
    -- lr-nat-add r dnat_and_snat 172.16.0.5 10.0.0.1 -- lr-nat-add r dnat_and_snat 172.16.0.6 10.0.0.2 p2 0e:00:00:00:00:06 \\
    -- lb-add lb 172.16.0.9:80 10.0.0.1:80 -- lr-lb-add r lb \\
    -- lr-add silent -- set logical_router silent options:disable_garp_rarp=true -- lrp-add silent sext 50:54:00:00:06:fe 172.16.0.7/24 \\
    -- lsp-add-router-port ext ext-s sext -- lrp-set-gateway-chassis sext w1 20 \\
    -- lr-add gr -- set logical_router gr options:chassis=w1 -- ls-add vl -- lsp-add-localnet-port vl lnv physnet1 \\
    -- set logical_switch_port lnv tag_request=7 -- lrp-add gr grv 50:54:00:00:03:fe 172.17.0.1/24 -- lsp-add-router-port vl vl-gr grv \\
    -- lsp-set-options vl-gr router-port=grv nat-addresses=router -- lr-nat-add gr snat 172.17.0.3 10.1.0.0/24
  for port in v1 v2 v3 v4 v5 v6 p1 p2; do vif_add w1 $port; done
  ovn-nbctl --wait=hv sync`;

const { clock } = nodeRuntime();
const clouds: Partial<Record<Side, Cloud>> = {};
const reference = () => clouds.reference!;
const ours = () => clouds.weft!;

beforeAll(() => {
  for (const side of ["reference", "weft"] as const) {
    clouds[side] = new Cloud({ ...allReference, CONTROLLER: side });
    clouds[side].run(NETWORK);
  }
});

afterAll(() => {
  for (const cloud of Object.values(clouds)) cloud.stop(true);
});

/** What was announced, each as JSON with how often. */
function announced(cloud: Cloud): Map<string, number> {
  const counts = new Map<string, number>();
  for (const layers of cloud.capture("w1", "phys")) {
    const packet = headers(layers);
    if (!packet.some(({ kind }) => kind === "arp")) continue;
    const text = JSON.stringify(packet);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

test("announcements on a physical network", async () => {
  const lists = () => [ours(), reference()].map((cloud) => [...announced(cloud)]);
  // All that there is to announce is announced with the same pauses: what has come four times has nothing before it.
  const complete = (list: readonly (readonly [string, number])[]) => list.length > 0 && list.every(([, count]) => count >= 4);
  for (let tries = 0; tries < 200 && !lists().every(complete); tries++) await clock.sleep(200);
  const [got, expected] = lists().map((list) => list.map(([packet]) => packet).sort());
  expect(got).toEqual(expected);
  expect(expected).toHaveLength(12);
});
