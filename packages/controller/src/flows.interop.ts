/**
 * The flows that the reference's ovn-controller installs and those of ours, for the same Southbound and local database.
 * Conntrack zones and OpenFlow ports are the same, for they are in the local database; ids of conjunctions and groups are
 * each one's own and left out.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Flow, formatActions, formatMatch, parseFlow } from "@weft/openflow";
import { createReplica, type Replica } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { openVSwitch, ovnSouthbound, type SbSchema, type VsSchema } from "@weft/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { follow, newCore } from "./testing/cloud.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const script = join(import.meta.dirname, "../../../test/reference/cloud.sh");
const dir = mkdtempSync(join(tmpdir(), "weft-flows-"));
const env = { ...process.env, DIR: dir, SCHEMAS: join(reference, "share"), PATH: `${reference}/bin:${process.env["PATH"]}` };

function bash(text: string): string {
  const result = spawnSync(
    "bash",
    ["-ec", `. ${script}; export OVN_NB_DB=unix:$DIR/central/nb.sock OVN_SB_DB=unix:$DIR/central/sb.sock; ${text}`],
    {
      env,
      encoding: "utf8",
    },
  );
  if (result.status !== 0) throw new Error(`${text}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** Networks that between them use what the controller has flows for. */
const networks: Readonly<Record<string, string>> = {
  "two switches and a router": `
    ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" -- lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1" \
      -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2"
    ovn-nbctl ls-add b -- lsp-add b q1 -- lsp-set-addresses q1 "50:54:00:00:01:01 10.0.1.1 fd01::1" -- lsp-set-port-security q1 "50:54:00:00:01:01 10.0.1.1 fd01::1" \
      -- lsp-add b q2 -- lsp-set-addresses q2 "50:54:00:00:01:02 10.0.1.2" unknown
    ovn-nbctl lr-add r -- lrp-add r ra 50:54:00:00:00:fe 10.0.0.254/24 -- lrp-add r rb 50:54:00:00:01:fe 10.0.1.254/24 fd01::fe/64
    ovn-nbctl lsp-add-router-port a a-r ra -- lsp-add-router-port b b-r rb
    vif_add w1 p1; vif_add w2 p2; vif_add w1 q1; vif_add w2 q2`,
  "containers and localports": `
    ovn-nbctl lsp-add a c1 p1 10 -- lsp-set-addresses c1 "50:54:00:00:00:03 10.0.0.3"
    ovn-nbctl lsp-add a lp1 -- lsp-set-type lp1 localport -- lsp-set-addresses lp1 "50:54:00:00:00:04 10.0.0.4"
    vif_add w1 lp1; vif_add w2 lp1`,
  "stateless ACLs with address sets and port groups": `
    ovn-nbctl create address_set name=as1 addresses=10.0.0.1,10.0.0.2,10.0.1.0/24 >/dev/null
    ovn-nbctl pg-add pg1 p1 p2 q1
    ovn-nbctl acl-add pg1 to-lport 1000 'outport == @pg1 && ip4.src == $as1 && tcp.dst == {80,443}' allow-stateless
    ovn-nbctl acl-add a from-lport 900 'inport == {"p1","p2"} && ip4.dst == {10.0.0.1,10.0.0.7}' drop
    ovn-nbctl acl-add b to-lport 800 'outport == "q1" && udp.dst == 99' reject`,
  "a switch on a physical network, with a VLAN": `
    ovn-nbctl ls-add vl -- lsp-add-localnet-port vl lnv physnet1 -- set logical_switch_port lnv tag_request=100 \
      -- lsp-add vl v1 -- lsp-set-addresses v1 "50:54:00:00:03:01 10.0.3.1" -- lsp-add vl v2 -- lsp-set-addresses v2 "50:54:00:00:03:02 10.0.3.2"
    vif_add w1 v1; vif_add w2 v2`,
  "a router port on one chassis": `
    ovn-nbctl ls-add ext -- lsp-add-localnet-port ext ln physnet1 -- lrp-add r rext 50:54:00:00:02:fe 172.16.0.1/24 -- lsp-add-router-port ext ext-r rext -- lrp-set-gateway-chassis rext w1 20`,
  "a gateway router and an l2gateway port": `
    ovn-nbctl create logical_router name=gr options:chassis=w2 >/dev/null
    ovn-nbctl ls-add join -- lrp-add r rj 50:54:00:00:04:01 10.0.4.1/24 -- lsp-add-router-port join j-r rj \
      -- lrp-add gr grj 50:54:00:00:04:02 10.0.4.2/24 -- lsp-add-router-port join j-gr grj
    ovn-nbctl ls-add l2g -- lsp-add l2g l2gp -- lsp-set-type l2gp l2gateway -- lsp-set-addresses l2gp unknown \
      -- lsp-set-options l2gp l2gateway-chassis=w2 network_name=physnet1 -- lsp-add l2g g1 -- lsp-set-addresses g1 "50:54:00:00:05:01 10.0.5.1"
    vif_add w1 g1`,
  "routes, several next hops, policies": `
    ovn-nbctl lr-route-add r 20.0.0.0/8 10.0.0.7 -- --ecmp lr-route-add r 30.0.0.0/8 10.0.0.8 -- --ecmp lr-route-add r 30.0.0.0/8 10.0.1.8
    ovn-nbctl lr-policy-add r 100 'ip4.src == 10.0.0.0/24 && ip4.dst == 99.0.0.0/8' drop`,
  "neighbours that were learned": `
    dpr=$(ovn-sbctl --bare --columns=_uuid find datapath_binding external_ids:name=r)
    ovn-sbctl create mac_binding logical_port=ra ip=10.0.0.77 mac='"50:54:00:00:00:77"' datapath=$dpr timestamp=1 >/dev/null
    ovn-sbctl create mac_binding logical_port=rb ip='"fd01::77"' mac='"50:54:00:00:00:78"' datapath=$dpr >/dev/null
    ovn-sbctl create fdb mac='"50:54:00:00:00:99"' dp_key=2 port_key=2 >/dev/null
    ovn-nbctl static-mac-binding-add ra 10.0.0.88 50:54:00:00:00:88`,
  "load balancers": `
    ovn-nbctl lb-add lb1 10.0.0.100:80 10.0.0.1:8080,10.0.0.2:8080 tcp -- ls-lb-add a lb1 \
      -- lb-add lb6 '[fd01::100]:53' '[fd01::1]:53' udp -- ls-lb-add b lb6 -- lb-add lb3 10.0.0.101 10.0.0.1 -- lr-lb-add r lb3`,
  "a router port on the better of two chassis": `
    ovn-nbctl lrp-set-gateway-chassis rext w2 10; sleep 4`,
  "a port on two chassis at once": `
    ovn-nbctl ls-add x -- lsp-add x x1 -- lsp-set-addresses x1 "50:54:00:00:06:02 10.0.6.2" -- lsp-add x x2 -- lsp-set-addresses x2 "50:54:00:00:06:03 10.0.6.3" \
      -- lsp-set-options x1 requested-chassis=w1,w2
    vif_add w1 x1; vif_add w2 x1; vif_add w2 x2`,
  "port security of all kinds": `
    ovn-nbctl ls-add ps
    for i in 1 2 3 4 5 6 7; do ovn-nbctl lsp-add ps s$i -- lsp-set-addresses s$i unknown; vif_add w1 s$i; done
    ovn-nbctl lsp-set-port-security s1 "50:54:00:00:0a:01" -- lsp-set-port-security s2 "50:54:00:00:0a:02 fd02::2" \
      -- lsp-set-port-security s3 "50:54:00:00:0a:03 10.3.0.4/24 10.3.1.0/24" -- lsp-set-port-security s4 "50:54:00:00:0a:04 fd02::4/64 fd03::/64" \
      -- lsp-set-port-security s5 "50:54:00:00:0a:05 10.5.0.1" "50:54:00:00:0a:15 10.5.0.2 fd05::2" "50:54:00:00:0a:25" \
      -- lsp-set-port-security s6 "50:54:00:00:0a:06 10.6.0.1 fd06::1 fe80::6 ff02::1" -- lsp-set-port-security s7 "VRRPv3 50:54:00:00:0a:07 10.7.0.1 fd07::1"`,
  "DHCP, DNS, NAT, stateful ACLs, QoS": `
    opts=$(ovn-nbctl create dhcp_options cidr=10.0.0.0/24 options='"lease_time"="3600" "router"="10.0.0.254" "server_id"="10.0.0.254" "server_mac"="50:54:00:00:00:fe"')
    ovn-nbctl lsp-set-dhcpv4-options p1 $opts
    dns=$(ovn-nbctl create dns records='{"vm1"="10.0.0.1"}'); ovn-nbctl set logical_switch a dns_records=$dns
    ovn-nbctl lr-nat-add r snat 172.16.0.1 10.0.0.0/24 -- lr-nat-add r dnat_and_snat 172.16.0.5 10.0.0.1
    ovn-nbctl acl-add a to-lport 700 'ip4 && tcp' allow-related -- qos-add a from-lport 50 'ip4' rate=1000 burst=100 -- acl-add a to-lport 701 'udp.dst == 5' drop
    ovn-nbctl --log --name=logged acl-add a to-lport 702 'udp.dst == 6' drop`,
  "MACs of other chassis on the physical network": `
    hv_do w1 ovs-vsctl set open . external_ids:ovn-chassis-mac-mappings=physnet1:aa:bb:cc:11:11:11
    hv_do w2 ovs-vsctl set open . external_ids:ovn-chassis-mac-mappings=physnet1:aa:bb:cc:22:22:22
    ovn-nbctl lrp-add r rvl 50:54:00:00:03:fe 10.0.3.254/24 -- lsp-add-router-port vl vl-r rvl`,
  "distributed NAT, at the guest and at the gateway": `
    ovn-nbctl lr-nat-add r dnat_and_snat 172.16.0.6 10.0.0.2 p2 0e:00:00:00:00:06 -- lr-nat-add r dnat_and_snat 172.16.0.7 10.0.1.1 q1 0e:00:00:00:00:07 \
      -- lrp-add r rext6 50:54:00:00:02:fd fd16::1/64 -- ls-add ext6 -- lsp-add-router-port ext6 ext6-r rext6`,
  "an HA chassis group for a router port and an external port": `
    ovn-nbctl ha-chassis-group-add hg -- ha-chassis-group-add-chassis hg w1 10 -- ha-chassis-group-add-chassis hg w2 20
    hg=$(ovn-nbctl --bare --columns=_uuid find ha_chassis_group name=hg)
    ovn-nbctl ls-add ext2 -- lsp-add-localnet-port ext2 ln2 physnet1 -- set logical_switch_port ln2 tag_request=22 \
      -- lr-add r2 -- lrp-add r2 r2ext 50:54:00:00:07:fe 172.17.0.1/24 -- lsp-add-router-port ext2 ext2-r r2ext -- set logical_router_port r2ext ha_chassis_group=$hg \
      -- ls-add in2 -- lrp-add r2 r2in 50:54:00:00:08:fe 10.0.8.254/24 -- lsp-add-router-port in2 in2-r r2in \
      -- lsp-add in2 i1 -- lsp-set-addresses i1 "50:54:00:00:08:01 10.0.8.1" -- lsp-add ext2 e1 -- lsp-set-type e1 external -- lsp-set-addresses e1 "50:54:00:00:07:01 172.17.0.9" \
      -- set logical_switch_port e1 ha_chassis_group=$hg
    vif_add w1 i1; sleep 4`,
  "routers on a chassis with NAT and load balancers": `
    ovn-nbctl lr-nat-add gr snat 10.0.4.2 10.0.0.0/16 -- set logical_router gr options:lb_force_snat_ip=router_ip options:dnat_force_snat_ip=10.0.4.2 \
      -- lb-add lbg 10.0.4.100:80 10.0.0.1:80,10.0.1.1:80 tcp -- lr-lb-add gr lbg -- lr-route-add gr 0.0.0.0/0 10.0.4.1 \
      -- ls-add gext -- lsp-add-localnet-port gext gln physnet1 -- set logical_switch_port gln tag_request=44 -- lrp-add gr grext 50:54:00:00:0b:01 172.18.0.1/24 \
      -- lsp-add-router-port gext gext-gr grext -- lsp-set-options gext-gr router-port=grext nat-addresses=router \
      -- lsp-add gext g2 -- lsp-set-addresses g2 "50:54:00:00:0b:02 172.18.0.2"
    vif_add w1 g2`,
  "redirection over the physical network": `
    ovn-nbctl lrp-set-options rext redirect-type=bridged -- lrp-set-options rvl reside-on-redirect-chassis=true -- lrp-set-options r2ext redirect-type=bridged`,
  "ways round the chassis of a gateway": `
    ovn-nbctl lrp-add r rdir 50:54:00:00:0c:fe 10.0.12.1/30 peer=dirr -- lr-add dir -- lrp-add dir dirr 50:54:00:00:0c:fd 10.0.12.2/30 peer=rdir \
      -- ls-add only -- lrp-add dir dirs 50:54:00:00:0d:fe 10.0.13.254/24 -- lsp-add-router-port only only-dir dirs -- lrp-set-gateway-chassis dirs w2 5 \
      -- lsp-add only o1 -- lsp-set-addresses o1 "50:54:00:00:0d:01 10.0.13.1"
    vif_add w1 o1`,
  "load balancers that hairpin": `
    ovn-nbctl set load_balancer lb1 options:hairpin_snat_ip='"169.254.0.5 fd01::5"' -- set load_balancer lb3 options:hairpin_snat_ip=169.254.0.6 -- ls-lb-add a lb3 -- ls-lb-add b lb1 -- --id=@s create load_balancer name=lbs protocol=sctp vips='"10.0.0.102:5000"="10.0.0.1:5000,10.0.0.2:5001"' -- ls-lb-add a lbs`,
  "virtual addresses": `
    ovn-nbctl lsp-add a vp -- lsp-set-type vp virtual -- lsp-set-options vp virtual-ip=10.0.0.99 virtual-parents=p1,p2 -- lsp-set-addresses vp "50:54:00:00:00:63 10.0.0.99"
    ovn-nbctl --wait=hv sync; ovn-sbctl set port_binding vp virtual_parent=p1 chassis=$(ovn-sbctl --bare --columns=_uuid find chassis name=w1); sleep 1`,
  "tunnels between several addresses": `
    hv_do w2 ovs-vsctl set open . external_ids:ovn-encap-ip=10.9.0.2,10.9.0.22 external_ids:ovn-encap-ip-default=10.9.0.22
    hv_do w2 ovs-vsctl set interface p2 external_ids:encap-ip=10.9.0.2; sleep 1`,
};

const nodes = ["w1", "w2"];
const replicas = new Map<string, Replica<VsSchema>>();
let southbound: Replica<SbSchema>;

beforeAll(async () => {
  bash("cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm");
  const runtime = nodeRuntime();
  southbound = createReplica({ runtime, schema: ovnSouthbound, remotes: [`unix:${dir}/central/sb.sock`] });
  await southbound.ready();
  for (const node of nodes) {
    const replica = createReplica({ runtime, schema: openVSwitch, remotes: [`unix:${dir}/${node}/db.sock`] });
    await replica.ready();
    replicas.set(node, replica);
  }
});

afterAll(async () => {
  await southbound?.close();
  for (const replica of replicas.values()) await replica.close();
  // a daemon may end by itself between the look at its pid file and the kill
  bash("cloud_stop || true");
});

/** A flow as text, without the numbers that each controller chooses for itself. */
function textOf(flow: Pick<Flow, "table" | "priority" | "match" | "actions">, cookie: number): string {
  const match = formatMatch(flow.match).replace(/conj_id=\d+/, "conj_id=N");
  const actions = formatActions(flow.actions)
    .replace(/conjunction\(\d+/g, "conjunction(N")
    .replace(/group:\d+/g, "group:N")
    // the order in which copies leave by several tunnels
    .replace(/output:\d+(?:,output:\d+)+/g, (outputs) => outputs.split(",").sort().join(","));
  return `cookie=${cookie.toString(16)} table=${flow.table},priority=${flow.priority},${match} actions=${actions}`;
}

function theirs(node: string): string[] {
  const dump = execFileSync(
    `${reference}/bin/ovs-ofctl`,
    ["-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", "br-int"],
    {
      env: { ...env, OVS_RUNDIR: join(dir, node) },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    },
  );
  return dump
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => parseFlow(line.trim()))
    .map((flow) => textOf(flow, Number(flow.cookie)))
    .sort();
}

/**
 * Of several tunnels to a chassis the reference takes one by chance, where no encapsulation is asked for: for groups, and
 * for ports that are on several chassis.
 */
function byChance(flow: string): boolean {
  return /table=44,.*(?:output:|bundle)/.test(flow) && (!flow.includes("reg13=") || /metadata=0x9 /.test(flow));
}

function ours(node: string): string[] {
  const errors: unknown[] = [];
  const core = newCore(errors);
  follow(core, southbound, replicas.get(node)!);
  core.commit(true);
  core.takeFlows();
  expect(errors).toEqual([]);
  return [...core.flows.flows()].map((flow) => textOf(flow, flow.cookie)).sort();
}

/** Until the databases have settled and nobody changes them any more. */
async function settled(): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    let changed = false;
    const forget = [southbound, ...replicas.values()].map((replica) => replica.onChange(() => (changed = true)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const one of forget) one();
    if (changed) quiet = 0;
  }
}

interface Difference {
  readonly node: string;
  /** Flows of the reference that ours lacks, and the other way round. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

function compare(node: string, network: string): Difference {
  let [expected, got] = [theirs(node), ours(node)];
  if (network.startsWith("tunnels"))
    [expected, got] = [expected.filter((flow) => !byChance(flow)), got.filter((flow) => !byChance(flow))];
  return {
    node,
    missing: expected.filter((flow) => !got.includes(flow)),
    extra: got.filter((flow) => !expected.includes(flow)),
  };
}

describe("the same flows as the reference", () => {
  for (const [name, commands] of Object.entries(networks)) {
    test(name, async () => {
      bash(commands);
      bash("ovn-nbctl --wait=hv sync");
      await settled();
      // Announcements teach the routers addresses at any time, between our look at the database and that at the switch too.
      for (let tries = 1; ; tries++) {
        const differences = nodes.map((node) => compare(node, name));
        const none = nodes.map((node) => ({ node, missing: [], extra: [] }));
        if (tries < 4 && !isDeepStrictEqual(differences, none)) {
          await settled();
          continue;
        }
        expect(differences).toEqual(none);
        return;
      }
    });
  }
});
