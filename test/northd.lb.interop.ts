/** Load balancers: after every step the reference's northd and ours have the same southbound database. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { Chance } from "./random/xorshift.ts";

const rounds = Number(process.env["ROUNDS"] ?? 5);

/** Two switches with guests and one with the world, on one router. */
const network = `
  ls-add s1
  lsp-add s1 p1
  lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
  lsp-add s1 p2
  lsp-set-addresses p2 '00:00:00:00:00:02 10.0.0.2 fd00::2'
  ls-add s2
  ls-add pub
  lsp-add-localnet-port pub ln physnet
  lr-add r1
  lrp-add r1 r1-s1 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
  lsp-add-router-port s1 s1-r1 r1-s1
  lrp-add r1 r1-s2 00:00:00:00:ff:02 10.0.2.254/24
  lsp-add-router-port s2 s2-r1 r1-s2
  lrp-add r1 r1-pub 00:00:00:00:ff:03 172.16.0.1/24 fd16::1/64
  lsp-add-router-port pub pub-r1 r1-pub`;

let pair: NorthdPair;

beforeAll(async () => {
  pair = await NorthdPair.start();
});
afterEach(() => pair.clear());
afterAll(() => pair.stop());

/** Edits, each one transaction; what differs after each of them is told. */
async function same(...edits: readonly (string | (() => void))[]): Promise<void> {
  for (const edit of edits) {
    if (typeof edit === "string") pair.nbctl(edit);
    else edit();
    await pair.settle();
    expect(pair.differences(), String(edit)).toEqual([]);
  }
}

it("balances on switches and routers, with ports and without, with nobody to balance to", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      lb-add lb1 10.0.0.100:80 10.0.0.1:8080,10.0.0.2:8080`,
    `
      ls-lb-add s1 lb1`,
    `
      ls-lb-add s2 lb1`,
    `
      lb-add lb1 10.0.0.101:81 10.0.0.1:8081 udp`,
    `
      lb-add lb2 '[fd00::100]:80' '[fd00::1]:8080'
      ls-lb-add s1 lb2`,
    `
      lb-add lb3 10.0.0.103 10.0.0.1,10.0.0.2
      ls-lb-add s1 lb3`,
    `
      lb-add lb4 10.0.0.104:80 ''
      ls-lb-add s1 lb4`,
    `
      --reject lb-add lb5 10.0.0.105:80 ''
      ls-lb-add s1 lb5`,
    `
      --event lb-add lb6 10.0.0.106:80 ''
      ls-lb-add s1 lb6`,
    `
      lr-lb-add r1 lb1`,
    `
      lr-lb-add r1 lb2
      lr-lb-add r1 lb3
      lr-lb-add r1 lb4
      lr-lb-add r1 lb5
      lr-lb-add r1 lb6`,
  );
});

it("skips and forces SNAT, remembers clients, answers for VIPs, hashes", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      lb-add lb1 172.16.0.100:80 10.0.0.1:8080,10.0.0.2:8080
      lb-add lb2 '[fd00:9::100]:80' '[fd00::1]:8080'
      lb-add lb3 10.0.0.103 10.0.0.1,10.0.0.2
      lr-lb-add r1 lb1
      lr-lb-add r1 lb2
      lr-lb-add r1 lb3`,
    `
      set Load_Balancer lb1 options:skip_snat=true`,
    `
      set Load_Balancer lb1 options:skip_snat=false
      set Load_Balancer lb3 options:neighbor_responder=none`,
    `
      set Load_Balancer lb3 options:neighbor_responder=reachable
      set Load_Balancer lb2 options:neighbor_responder=all`,
    `
      set Load_Balancer lb1 options:affinity_timeout=60`,
    `
      remove Load_Balancer lb1 options affinity_timeout
      set Load_Balancer lb1 selection_fields=ip_src,ip_dst,tp_src`,
    `
      set Load_Balancer lb1 options:hairpin_snat_ip='"1.1.1.1 fd11::1"'
      set Load_Balancer lb2 options:reject=true`,
    `
      set Load_Balancer lb1 options:ct_flush=true
      set Load_Balancer lb2 options:reject=false
      set Load_Balancer lb3 options:use_stateless_nat=true`,
    `
      set Load_Balancer lb3 options:use_stateless_nat=false
      set Load_Balancer lb1 options:add_route=true`,
  );
});

it("takes what is malformed as the reference does", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      create Load_Balancer name=a1 vips='{"10.9.0.1"="10.0.0.1:80"}'
      create Load_Balancer name=a2 vips='{"10.9.0.2:80"="10.0.0.1"}'
      create Load_Balancer name=a3 vips='{"10.9.0.3:80"="10.0.0.1:80,bogus,10.0.0.2:90"}'
      create Load_Balancer name=a4 vips='{"10.9.0.4:0"="10.0.0.1:80"}'
      create Load_Balancer name=a5 vips='{"bogus"="1.1.1.1"}'
      create Load_Balancer name=a6 vips='{"10.9.0.5:80"="[fd00::1]:80,10.0.0.9:80"}'
      create Load_Balancer name=a7 vips='{"10.9.0.7:80"="10.0.0.1:80, 10.0.0.9:80"}'
      create Load_Balancer name=a8 vips='{"10.9.0.8:80"="10.0.0.1:80,,10.0.0.9:80"}'
      create Load_Balancer name=a9 vips='{"10.9.0.9:80"="10.0.0.1:80,10.0.0.9:99999"}'
      create Load_Balancer name=b1 vips='{"10.9.1.1:80"="10.0.0.1:0"}' options:affinity_timeout=-1
      create Load_Balancer name=b2 vips='{"10.9.1.2:80x"="10.0.0.1:1"}' options:affinity_timeout=abc
      create Load_Balancer name=b3 vips='{"[FD00::ABC]:80"="[fd00:0:0::1]:1,[fd00::2]:2"}' options:affinity_timeout=5
      create Load_Balancer name=b4 protocol='[]' vips='{"10.9.1.4:80"="10.0.0.1:1"}'
      create Load_Balancer name=b5 protocol='[]' vips='{"10.9.1.5"="10.0.0.1"}'
      create Load_Balancer name=b6 vips='{"10.9.0.3:80"="10.0.0.1:80,bogus,10.0.0.2:90"}' options:affinity_timeout=5
      create Load_Balancer name=b7 vips='{"10.9.1.7:80"="bogus"}'
      create Load_Balancer name=b8 vips='{"10.9.1.8:80"="bogus"}' options:reject=true options:event=true`,
    `
      ls-lb-add s1 a1 -- ls-lb-add s1 a2 -- ls-lb-add s1 a3 -- ls-lb-add s1 a4 -- ls-lb-add s1 a5 -- ls-lb-add s1 a6 -- ls-lb-add s1 a7 -- ls-lb-add s1 a8 -- ls-lb-add s1 a9
      ls-lb-add s1 b1 -- ls-lb-add s1 b2 -- ls-lb-add s1 b3 -- ls-lb-add s1 b4 -- ls-lb-add s1 b5 -- ls-lb-add s1 b6 -- ls-lb-add s1 b7 -- ls-lb-add s1 b8`,
    `
      lb-add d1 10.9.2.1:80 10.0.0.1:1
      lb-add d2 10.9.2.1:80 10.0.0.1:2
      ls-lb-add s2 d1
      lr-lb-add r1 d1`,
    `
      ls-lb-add s2 d2
      lr-lb-add r1 d2`,
  );
});

it("tracks connections where there are ACLs, load balancers, or both", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      lb-add lb1 10.0.0.100:80 10.0.0.1:8080,10.0.0.2:8080
      lr-add r1
      lrp-add r1 r1-s1 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 r1-s1
      lsp-add-localnet-port s1 ln physnet`,
    `
      acl-add s1 from-lport 100 ip4 allow`,
    `
      ls-lb-add s1 lb1`,
    `
      acl-add s1 to-lport 100 ip4 drop
      acl-add s1 to-lport 101 ip4 reject
      acl-add s1 to-lport 102 ip4 pass
      acl-add s1 to-lport 103 ip4 allow-stateless
      acl-add s1 from-lport 103 ip4 allow-stateless
      --apply-after-lb acl-add s1 from-lport 104 ip4 allow
      --apply-after-lb acl-add s1 from-lport 105 ip4 drop
      --label=1234 acl-add s1 from-lport 106 ip4 allow`,
    `
      acl-add s1 to-lport 110 ip4 allow-related
      --label=12345 acl-add s1 to-lport 111 ip4 allow-related`,
    `
      ls-lb-del s1`,
    `
      set NB_Global . options:enable-stateless-acl-with-lb=true`,
    `
      ls-lb-add s1 lb1
      lb-add lb2 10.0.0.102 10.0.0.1,10.0.0.2
      lb-add lb3 '[fd00::102]:80' '[fd00::1]:80' sctp
      ls-lb-add s1 lb2
      ls-lb-add s1 lb3`,
    `
      acl-del s1 to-lport 110 ip4
      acl-del s1 to-lport 111 ip4`,
    `
      acl-del s1`,
    `
      set Logical_Switch s1 other_config:enable-stateless-acl-with-lb=true
      acl-add s1 from-lport 103 ip4 allow-stateless`,
    `
      --label=77 --apply-after-lb acl-add s1 from-lport 103 ip6 allow-related`,
  );
});

it("balances what stateless ACLs let pass, where asked to", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lb-add lb1 10.0.0.100:80 10.0.0.1:8080,10.0.0.2:8080
      lb-add lb2 '[fd00::102]:80' '[fd00::1]:80' sctp
      ls-lb-add s1 lb1`,
    `
      set Logical_Switch s1 other_config:enable-stateless-acl-with-lb=true`,
    `
      ls-lb-add s1 lb2`,
    `
      acl-add s1 from-lport 103 ip4 allow`,
    `
      acl-add s1 from-lport 104 ip4 allow-stateless`,
    `
      acl-add s1 to-lport 104 ip4 allow-stateless`,
    `
      acl-add s1 to-lport 105 ip4 allow-related`,
    `
      ls-lb-del s1`,
  );
});

it("balances for the groups of switches and routers, and on switches for their routers", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      create Load_Balancer name=none
      ls-lb-add s2 none
      lr-lb-add r1 none`,
    `
      --id=@lb create Load_Balancer name=lb vips='{"10.9.3.1:80"="10.0.0.1:80"}' options:skip_snat=true -- --id=@g create Load_Balancer_Group name=g load_balancer=@lb -- add Logical_Switch s2 load_balancer_group @g -- add Logical_Router r1 load_balancer_group @g`,
    `
      set NB_Global . options:install_ls_lb_from_router=true options:controller_event=true
      lb-add empty 10.9.3.2:80 ''
      lr-lb-add r1 empty`,
    `
      remove NB_Global . options install_ls_lb_from_router controller_event`,
    `
      lr-lb-del r1 none
      ls-del s2`,
  );
});

it("probes backends, and balances to those that answer", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      lb-add h1 10.9.5.1:80 10.0.0.1:80,10.0.0.2:90
      set Load_Balancer h1 ip_port_mappings:10.0.0.1=p1:10.0.0.77
      set Load_Balancer h1 ip_port_mappings:10.0.0.2=p2:10.0.0.254
      --id=@hc create Load_Balancer_Health_Check vip='"10.9.5.1:80"' options:interval=5 -- add Load_Balancer h1 health_check @hc`,
    `
      ls-lb-add s2 h1`,
    `
      ls-lb-del s2`,
    `
      lr-lb-add r1 h1`,
    `
      lb-add h2 '[fd09::1]:80' '[fd00::1]:80,[fd00::2]:81' udp
      set Load_Balancer h2 ip_port_mappings:'"[fd00::1]"'='"p1:[fd00::77]"'
      set Load_Balancer h2 ip_port_mappings:'"[fd00::2]"'='"p2:[fd00::fe]"'
      --id=@hc create Load_Balancer_Health_Check vip='"[fd09::1]:80"' options:interval=7 options:timeout=3 -- add Load_Balancer h2 health_check @hc
      ls-lb-add s1 h2`,
    `
      lb-add h3 10.9.5.3 10.0.0.1,10.0.0.2
      set Load_Balancer h3 ip_port_mappings:10.0.0.1=p1:10.0.0.77
      set Load_Balancer h3 ip_port_mappings:10.0.0.2=p2:10.0.0.254
      --id=@hc create Load_Balancer_Health_Check vip=10.9.5.3 options:interval=5 -- add Load_Balancer h3 health_check @hc
      ls-lb-add s1 h3`,
    () =>
      pair.sbctl(`
      chassis-add ch1 geneve 1.2.3.4
      lsp-bind p1 ch1`),
    () => pair.sbset("Service_Monitor", "p1", "status=online"),
    () =>
      pair.sbctl(`
      set Port_Binding p1 up=true`),
    () => pair.sbset("Service_Monitor", "p1", "status=online"),
    () => pair.sbset("Service_Monitor", "p1", "status=error"),
    () =>
      pair.sbctl(`
      lsp-unbind p1`),
    `
      clear Load_Balancer h1 protocol`,
    `
      lb-del h1`,
    `
      lb-add e5 10.9.5.1:80 10.0.0.1:80,10.0.0.2:90
      lb-add e5 10.9.5.2:80 10.0.0.5:80
      lb-add e5 '[FD09::1]:80' '[FD00:0::1]:80'
      set Load_Balancer e5 ip_port_mappings:10.0.0.1=p1:10.0.0.77
      set Load_Balancer e5 ip_port_mappings:'"[fd00::1]"'='"p1:[fd00::77]"'
      ls-lb-add s1 e5
      lr-lb-add r1 e5
      --id=@hc create Load_Balancer_Health_Check vip='"10.9.5.1:80"' options:interval=5 -- add Load_Balancer e5 health_check @hc
      --id=@hd create Load_Balancer_Health_Check vip='"[FD09::1]:80"' options:failure_count=5 -- add Load_Balancer e5 health_check @hd`,
    `
      set Load_Balancer e5 ip_port_mappings:10.0.0.2=nop:10.0.0.77`,
    `
      set Load_Balancer e5 ip_port_mappings:10.0.0.2=p2:10.0.0.254`,
    () => pair.sbset("Service_Monitor", "p1", "status=offline"),
    () => pair.sbset("Service_Monitor", "p2", "status=offline"),
    `
      set Load_Balancer e5 options:reject=true`,
    `
      set Load_Balancer e5 options:affinity_timeout=10`,
    () => pair.sbset("Service_Monitor", "p1", "status=online"),
    `
      set Load_Balancer e5 options:distributed=true`,
    `
      set Load_Balancer e5 ip_port_mappings:10.0.0.2='"p2:10.0.0.254:az1"'`,
    `
      lb-add e7 10.9.7.1:80 10.0.0.1:80,10.0.0.2:90
      set Load_Balancer e7 ip_port_mappings:10.0.0.1='"p1"' options:distributed=true
      set Load_Balancer e7 ip_port_mappings:10.0.0.2='"p2"'
      ls-lb-add s1 e7
      lr-lb-add r1 e7`,
    `
      lsp-set-enabled p1 disabled`,
    `
      set NB_Global . options:svc_monitor_mac=0a:00:77:00:00:99 options:lb_hairpin_use_ct_mark=false`,
    `
      lb-add h5 10.9.5.5 10.0.0.1,10.0.0.2
      set Load_Balancer h5 ip_port_mappings:10.0.0.1='"nowhere:10.0.0.9:az3"' options:distributed=true
      --id=@hc create Load_Balancer_Health_Check vip=10.9.5.5 -- add Load_Balancer h5 health_check @hc
      ls-lb-add s1 h5`,
    `
      lsp-set-enabled p1 enabled
      lsp-del p2`,
  );
});

it("balances on gateway routers, with sources forced", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      lb-add lb1 172.16.0.100:80 10.0.0.1:8080,10.0.0.2:8080
      lb-add lb2 '[fd00:9::100]:80' '[fd00::1]:8080'
      lb-add lb3 10.0.0.103 10.0.0.1,10.0.0.2
      lr-lb-add r1 lb1
      lr-lb-add r1 lb2
      lr-lb-add r1 lb3`,
    `
      set Logical_Router r1 options:chassis=ch1`,
    `
      set Logical_Router r1 options:lb_force_snat_ip='"172.16.0.9 fd16::9"'`,
    `
      set Logical_Router r1 options:lb_force_snat_ip=router_ip`,
    `
      set Load_Balancer lb1 options:skip_snat=true`,
    `
      remove Logical_Router r1 options lb_force_snat_ip`,
    `
      remove Logical_Router r1 options chassis
      lrp-set-gateway-chassis r1-pub ch1 10`,
  );
});

it("balances at distributed gateways, with state and without, on every chassis", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      lr-add r2
      lrp-add r2 r2-pub 00:00:00:00:ff:13 172.16.0.2/24 fd16::2/64
      lsp-add-router-port pub pub-r2 r2-pub
      lrp-add r1 r1-l 00:00:00:00:ee:01 172.31.0.1/30 peer=r2-l
      lrp-add r2 r2-l 00:00:00:00:ee:02 172.31.0.2/30 peer=r1-l
      lrp-set-gateway-chassis r1-pub ch1 10`,
    `
      lb-add lb1 172.16.0.100:80 10.0.0.1:8080,10.0.0.2:8080
      lb-add lb2 '[fd00:9::100]:80' '[fd00::1]:8080'
      lb-add lb3 10.0.0.103 10.0.0.1,10.0.0.2
      set Load_Balancer lb3 options:affinity_timeout=60
      lr-lb-add r1 lb1
      lr-lb-add r1 lb2
      lr-lb-add r1 lb3
      lb-add lb4 172.16.0.104:80 '' 
      set Load_Balancer lb4 options:event=true options:skip_snat=true
      lr-lb-add r1 lb4`,
    `
      set Load_Balancer lb1 options:add_route=true
      set Load_Balancer lb3 options:add_route=true`,
    `
      set Load_Balancer lb1 ip_port_mappings:10.0.0.1='"p1"' options:distributed=true`,
    `
      set Load_Balancer lb1 options:distributed=false
      set Load_Balancer lb1 options:use_stateless_nat=true`,
    `
      lrp-set-gateway-chassis r1-s2 ch2 10`,
    `
      set Load_Balancer lb3 options:use_stateless_nat=true
      set Load_Balancer lb2 options:use_stateless_nat=true`,
    `
      set Load_Balancer lb1 options:use_stateless_nat=false
      set Load_Balancer lb2 options:use_stateless_nat=false
      set Load_Balancer lb3 options:use_stateless_nat=false`,
    `
      set Logical_Router r1 options:lb_force_snat_ip=172.16.0.9`,
    `
      set Load_Balancer lb4 options:reject=true options:skip_snat=false`,
    `
      lrp-del-gateway-chassis r1-pub ch1 -- lrp-del-gateway-chassis r1-s2 ch2`,
    `
      set Logical_Router r1 options:chassis=ch1 options:lb_force_snat_ip=172.16.0.9 `,
  );
});

it("lets neighbours know of VIPs, and shares addresses with NAT and routers", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      ls-add pub
      lsp-add-localnet-port pub ln physnet
      lr-add r1
      lrp-add r1 r1-s1 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 r1-s1
      lrp-add r1 r1-pub 00:00:00:00:ff:03 172.16.0.1/24 fd16::1/64
      lsp-add-router-port pub pub-r1 r1-pub
      lr-add r2
      lrp-add r2 r2-pub 00:00:00:00:ff:13 172.16.0.2/24 fd16::2/64
      lsp-add-router-port pub pub-r2 r2-pub
      set Logical_Router r1 options:chassis=ch1
      lb-add lb1 172.16.0.1:80 10.0.0.1:8080,10.0.0.2:8080
      lr-lb-add r1 lb1`,
    `
      lb-add lb1 172.16.0.9:80 10.0.0.1:8080,10.0.0.2:8080
      set Load_Balancer lb1 options:add_route=true`,
    `
      set Logical_Router r2 options:chassis=ch2`,
    `
      set Logical_Router r2 options:dynamic_neigh_routers=true`,
    `
      lb-add lb2 172.16.0.10:80 10.0.0.1:8080,10.0.0.2:8080
      set Load_Balancer lb2 options:add_route=true
      lr-lb-add r1 lb2`,
    `
      set Logical_Router r1 options:lb_force_snat_ip=router_ip`,
    `
      remove Logical_Router r1 options chassis
      remove Logical_Router r2 options chassis
      lrp-set-gateway-chassis r1-pub ch1
      lrp-set-gateway-chassis r2-pub ch1`,
    `
      set Load_Balancer lb1 ip_port_mappings:10.0.0.1='"p1"' options:distributed=true`,
    `
      set Load_Balancer lb1 options:distributed=false`,
    `
      lb-add lb1 '[fd16::1]:80' '[fd00::1]:80'`,
    `
      set Load_Balancer lb1 options:skip_snat=true`,
    `
      lr-nat-add r1 snat 172.16.0.1 10.0.1.0/24`,
    `
      lrp-set-gateway-chassis r1-s1 ch1`,
  );
});

it("balances by templates", { timeout: 120_000 }, async () => {
  await same(
    network,
    `
      create Chassis_Template_Var chassis=ch1 variables='{a="1.2.3.4",b="80"}' external_ids:x=y`,
    `
      create Load_Balancer name=t1 options:template=true options:address-family=ipv4 vips='{"^a:^b"="^c:^d,^e:80","^a:90"="^x,^y","^z"="^q"}'
      create Load_Balancer name=t2 protocol=udp options:template=true options:address-family=ipv6 options:reject=true vips='{"^a6:^b6"="^c6:^d6","^m:1"="", "10.1.1.1:80"="10.0.0.1:90"}'
      create Load_Balancer name=t3 options:template=true options:event=true selection_fields=tp_src vips='{"^t3:1"="", "^t3:9"="1.1.1.1:80,^b"}'
      ls-lb-add s1 t1
      lr-lb-add r1 t1
      ls-lb-add s1 t2
      lr-lb-add r1 t2
      ls-lb-add s1 t3
      lr-lb-add r1 t3`,
    `
      set Logical_Router r1 options:chassis=ch1`,
    `
      set Load_Balancer t1 options:skip_snat=true`,
    `
      remove Logical_Router r1 options chassis
      lrp-set-gateway-chassis r1-pub ch1`,
    `
      set Logical_Switch s1 other_config:enable-stateless-acl-with-lb=true`,
  );
});

it(`balances as the reference in ${rounds} random sets of load balancers`, { timeout: 40_000 * rounds }, async () => {
  const holders = { switches: ["s1", "s2", "pub"], routers: ["r1"] };
  const places = [
    "set Logical_Router r1 options:chassis=ch1 options:lb_force_snat_ip=router_ip",
    "set Logical_Router r1 options:chassis=ch1 options:lb_force_snat_ip=172.16.0.77",
    "lrp-set-gateway-chassis r1-pub ch1",
    "lrp-set-gateway-chassis r1-pub ch1 -- lrp-set-gateway-chassis r1-s2 ch2",
    "set NB_Global . options:install_ls_lb_from_router=true",
    "acl-add s1 to-lport 5 ip4 allow-related -- acl-add s1 from-lport 6 ip4 allow-stateless",
  ];
  for (let seed = 1; seed <= rounds; seed++) {
    const chance = new Chance(seed);
    const edit = [network, chance.pick(places), ...randomLoadBalancers(chance, holders, 6)].join("\n");
    await pair.edit(edit);
    expect(pair.differences().slice(0, 20), `seed ${seed}:\n${edit}`).toEqual([]);
    await pair.clear();
  }
});
