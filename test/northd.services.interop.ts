/** Services of switches: after every step the reference's northd and ours have the same southbound database. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";

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

it("answers DHCP", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      lsp-add s1 p2
      lsp-set-addresses p2 '00:00:00:00:00:02 10.0.0.2 10.0.0.3' '00:00:00:00:00:22 10.0.1.2'`,
    `
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_id"="10.0.0.254" "server_mac"="00:00:00:00:ff:01" "lease_time"="3600" "router"="10.0.0.254"' external_ids:n=d1 -- set Logical_Switch_Port p1 dhcpv4_options=@d -- set Logical_Switch_Port p2 dhcpv4_options=@d`,
    `
      --id=@d create DHCP_Options cidr='"fd00::/64"' options='"server_id"="00:00:00:00:ff:01" "dns_server"="fd00::53"' external_ids:n=d6 -- set Logical_Switch_Port p1 dhcpv6_options=@d -- set Logical_Switch_Port p2 dhcpv6_options=@d`,
    `
      set Logical_Switch_Port p1 enabled=false`,
    `
      set Logical_Switch_Port p1 enabled=true port_security='"00:00:00:00:00:01 10.0.0.1"'`,
    `
      set Logical_Switch_Port p1 options:hostname=host1`,
    `
      set Logical_Switch_Port p1 options:dhcpv4_disabled=true`,
    `
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.5.1'`,
    `
      acl-add s1 to-lport 100 ip4 allow-related`,
    `
      acl-add s1 from-lport 100 ip4 drop`,
    `
      set Logical_Switch_Port p1 type=external`,
    `
      lsp-add-localnet-port s1 ln physnet`,
    `
      set Logical_Switch_Port p1 type=localport`,
    `
      set Logical_Switch_Port p1 type=virtual`,
    `
      set Logical_Switch_Port p1 type='""'`,
    `
      --id=@d create DHCP_Options cidr='"fd00::/64"' options='"server_id"="00:00:00:00:ff:01" "dhcpv6_stateless"="true" "dns_server"="fd00::53" "domain_search"="ovn.org" "fqdn"="a.b"' -- set Logical_Switch_Port p1 dhcpv6_options=@d`,
    `
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'`,
    `
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_id"="10.0.0.254" "server_mac"="00:00:00:00:ff:01" "lease_time"="3600" "netmask"="255.255.0.0" "hostname"="\\"opt\\"" "dns_server"="{1.1.1.1, 2.2.2.2}" "next_server"="9.9.9.9" "offerip"="7.7.7.7" "bogus"="x" "tftp_server"="10.1.1.1" "domain_search_list"="\\"a.b,c.d\\"" "classless_static_route"="{30.0.0.0/24,10.0.0.4}" "mtu"="1400"' -- set Logical_Switch_Port p1 dhcpv4_options=@d`,
    `
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_mac"="00:00:00:00:ff:01" "lease_time"="3600"' -- set Logical_Switch_Port p1 dhcpv4_options=@d
      --id=@e create DHCP_Options cidr='"fd00::/64"' options='"dns_server"="fd00::53"' -- set Logical_Switch_Port p1 dhcpv6_options=@e`,
    `
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1' '00:00:00:00:00:11 10.0.0.11 fd00::11'`,
    `
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_id"="10.0.0.254" "server_mac"="00:00:00:00:FF:01" "lease_time"="3600"' -- set Logical_Switch_Port p1 dhcpv4_options=@d
      --id=@e create DHCP_Options cidr='"fd00::/64"' options='"dns_server"="fd00::53" "server_id"="00:00:00:00:FF:01"' -- set Logical_Switch_Port p1 dhcpv6_options=@e`,
    `
      set Logical_Switch_Port p1 type=external`,
    `
      set Logical_Switch_Port p1 type=localport`,
    `
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_id"="10.0.0.254" "server_mac"="bogus" "lease_time"="3600"' -- set Logical_Switch_Port p1 dhcpv4_options=@d
      --id=@e create DHCP_Options cidr='"fd00::/64"' options='"dns_server"="fd00::53" "server_id"="bogus"' -- set Logical_Switch_Port p1 dhcpv6_options=@e`,
  );
});

it("marks, limits, forwards to one of several, mirrors", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      lsp-add s1 p2
      lsp-set-addresses p2 '00:00:00:00:00:02 10.0.0.2'
      lsp-add s1 ex
      lsp-set-addresses ex '00:00:00:00:00:03 10.0.0.3 fd00::3'
      lsp-set-type ex external
      ls-add s2
      lr-add r1
      lrp-add r1 rp 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 rp
      lsp-add-localnet-port s1 ln physnet
      lsp-add s2 p4`,
    `
      qos-add s1 from-lport 100 'inport == "p1"' dscp=10
      qos-add s1 to-lport 101 'outport == "p1"' rate=1000 burst=200
      qos-add s1 to-lport 102 'outport == "p2"' rate=1000
      qos-add s2 from-lport 103 'ip4' mark=33 dscp=5
      qos-add s2 to-lport 104 'ip6' mark=34 dscp=6 rate=99`,
    `
      set Logical_Switch_Port p1 options:qos_max_rate=100000 options:qos_burst=2000 options:qos_min_rate=500`,
    `
      set Logical_Switch_Port ln options:qos_max_rate=100000`,
    `
      set Logical_Switch_Port p2 options:qos_max_rate=100000`,
    `
      --liveness fwd-group-add fg1 s1 10.0.0.50 00:00:00:00:00:50 p1 p2`,
    `
      fwd-group-add fg2 s2 10.0.0.51 00:00:00:00:00:51 p4`,
    `
      mirror-add m1 gre 1 from-lport 1.2.3.4
      lsp-attach-mirror p1 m1`,
    `
      mirror-add m2 erspan 2 both 1.2.3.5
      mirror-add m3 local to-lport 77
      lsp-attach-mirror p1 m2
      lsp-attach-mirror p2 m3`,
    `
      mirror-add m4 lport both p4
      lsp-attach-mirror p1 m4`,
    `
      mirror-rule-add m4 100 'ip4' mirror
      mirror-rule-add m4 200 'ip6' skip`,
    `
      lsp-attach-mirror p2 m4`,
  );
});

it("mirrors to ports, answers DNS", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      ls-add s2
      lsp-add s1 p1
      lsp-add s2 p2
      --id=@dns create DNS records:a=1.2.3.4 external_ids:x=y -- add Logical_Switch s1 dns_records @dns`,
    `
      mirror-add m4 lport both p4
      lsp-attach-mirror p1 m4
      lsp-attach-mirror p2 m4`,
    `
      mirror-add m5 lport from-lport p2
      lsp-attach-mirror p1 m5`,
    `
      lsp-add s1 p4`,
    `
      acl-add s1 from-lport 1 ip4 allow`,
    `
      acl-add s1 from-lport 2 ip4 allow-related`,
    `
      acl-del s1
      lb-add l 1.1.1.1:80 2.2.2.2:80
      ls-lb-add s1 l`,
  );
});

it("protects the control plane of switches and routers", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      lr-add r1
      lrp-add r1 rp 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 rp
      lsp-add s1 vp
      set Logical_Switch_Port vp type=virtual options:virtual-ip=10.0.0.9 options:virtual-parents=p1
      acl-add s1 from-lport 10 ip4 reject
      acl-add s1 to-lport 10 ip4 allow-related
      --apply-after-lb acl-add s1 from-lport 10 ip4 reject
      acl-add s1 to-lport 11 ip4 reject
      --log acl-add s1 to-lport 12 ip4 drop
      --id=@d create DHCP_Options cidr=10.0.0.0/24 options='"server_id"="10.0.0.254" "server_mac"="00:00:00:00:ff:01" "lease_time"="3600"' -- set Logical_Switch_Port p1 dhcpv4_options=@d
      --id=@e create DHCP_Options cidr='"fd00::/64"' options='"dns_server"="fd00::53" "server_id"="00:00:00:00:FF:01"' -- set Logical_Switch_Port p1 dhcpv6_options=@e
      --event lb-add lbe 10.0.0.100:80 ''
      --reject lb-add lbr 10.0.0.101:80 ''
      lb-add lba 10.0.0.102:80 10.0.0.1:80
      set Load_Balancer lba options:affinity_timeout=60
      ls-lb-add s1 lbe
      ls-lb-add s1 lbr
      ls-lb-add s1 lba
      lr-lb-add r1 lbe
      lr-lb-add r1 lbr
      lr-lb-add r1 lba
      set Logical_Switch s1 other_config:mcast_snoop=true
      --id=@dns create DNS records:a=1.2.3.4 -- add Logical_Switch s1 dns_records @dns
      meter-add arp drop 10 pktps
      meter-add arp-resolve drop 10 pktps
      meter-add dhcpv4-opts drop 10 pktps
      meter-add dhcpv6-opts drop 10 pktps
      meter-add dns drop 10 pktps
      meter-add event-elb drop 10 pktps
      meter-add icmp4-error drop 10 pktps
      meter-add icmp6-error drop 10 pktps
      meter-add igmp drop 10 pktps
      meter-add nd-na drop 10 pktps
      meter-add nd-ns drop 10 pktps
      meter-add nd-ns-resolve drop 10 pktps
      meter-add nd-ra-opts drop 10 pktps
      meter-add tcp-reset drop 10 pktps
      meter-add bfd drop 10 pktps
      meter-add reject drop 10 pktps
      meter-add svc-monitor drop 10 pktps`,
    `
      copp-add c1 arp arp
      copp-add c1 arp-resolve arp-resolve
      copp-add c1 dhcpv4-opts dhcpv4-opts
      copp-add c1 dhcpv6-opts dhcpv6-opts
      copp-add c1 dns dns
      copp-add c1 event-elb event-elb
      copp-add c1 icmp4-error icmp4-error
      copp-add c1 icmp6-error icmp6-error
      copp-add c1 igmp igmp
      copp-add c1 nd-na nd-na
      copp-add c1 nd-ns nd-ns
      copp-add c1 nd-ns-resolve nd-ns-resolve
      copp-add c1 nd-ra-opts nd-ra-opts
      copp-add c1 tcp-reset tcp-reset
      copp-add c1 bfd bfd
      copp-add c1 reject reject
      copp-add c1 svc-monitor svc-monitor
      ls-copp-add c1 s1
      lr-copp-add c1 r1`,
    `
      meter-del arp`,
    `
      copp-add c1 dns nometer`,
  );
});

it("protects it at gateways too", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      ls-add pub
      lsp-add-localnet-port pub ln physnet
      lr-add r1
      lrp-add r1 rp 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 rp
      lrp-add r1 r1-pub 00:00:00:00:ff:03 172.16.0.1/24 fd16::1/64
      lsp-add-router-port pub pub-r1 r1-pub
      lrp-set-gateway-chassis r1-pub ch1
      lr-nat-add r1 dnat_and_snat 172.16.0.7 10.0.0.7
      lr-nat-add r1 dnat_and_snat fd16::7 fd00::7
      lr-nat-add r1 snat 172.16.0.8 10.0.0.0/24
      lr-route-add r1 fd77::/64 fd16::9
      lr-policy-add r1 10 'ip6' reroute fd16::10
      set Logical_Router_Port r1-pub options:gateway_mtu=1400
      lb-add lb6 '[fd16::20]:80' '[fd00::1]:80'
      lr-lb-add r1 lb6
      --id=@hc create Load_Balancer_Health_Check vip='"[fd16::20]:80"' -- add Load_Balancer lb6 health_check @hc
      set Load_Balancer lb6 ip_port_mappings:'"[fd00::1]"'='"p1:[fd00::77]"'
      meter-add m drop 10 pktps
      copp-add c1 arp m
      copp-add c1 arp-resolve m
      copp-add c1 icmp4-error m
      copp-add c1 icmp6-error m
      copp-add c1 nd-na m
      copp-add c1 nd-ns m
      copp-add c1 nd-ns-resolve m
      copp-add c1 tcp-reset m
      copp-add c1 reject m
      copp-add c1 svc-monitor m
      copp-add c1 nd-ra-opts m
      copp-add c1 bfd m
      ls-copp-add c1 s1
      lr-copp-add c1 r1`,
    `
      set Load_Balancer lb6 ip_port_mappings:'"[fd00::1]"'='"p1:[fd00::fe]"'`,
  );
});

it("floods, snoops and relays multicast", { timeout: 120_000 }, async () => {
  await same(
    `
      ls-add s1
      lsp-add s1 p1
      lsp-set-addresses p1 '00:00:00:00:00:01 10.0.0.1 fd00::1'
      lsp-add s1 p2
      ls-add s2
      lsp-add s2 q1
      lr-add r1
      lrp-add r1 rp 00:00:00:00:ff:01 10.0.0.254/24 fd00::fe/64
      lsp-add-router-port s1 s1-r1 rp
      lrp-add r1 rq 00:00:00:00:ff:02 10.0.1.254/24
      lsp-add-router-port s2 s2-r1 rq`,
    `
      set Logical_Switch_Port p1 options:mcast_flood=true
      set Logical_Switch_Port p2 options:mcast_flood_reports=true`,
    `
      set Logical_Switch s1 other_config:mcast_snoop=true`,
    `
      set Logical_Switch s1 other_config:mcast_flood_unregistered=true`,
    () =>
      pair.sbctl(`
      chassis-add ch1 geneve 1.2.3.4
      lsp-bind p1 ch1
      lsp-bind p2 ch1
      lsp-bind q1 ch1`),
    () =>
      pair.sbctl(`
      --id=@c get Chassis ch1 -- create IGMP_Group address=239.1.1.1 datapath=<p2:datapath> chassis=@c ports=<p2> chassis_name=ch1 protocol=IGMPv2`),
    () =>
      pair.sbctl(`
      --id=@c get Chassis ch1 -- create IGMP_Group address='"ff0e::5"' datapath=<p2:datapath> chassis=@c ports=<p1> chassis_name=ch1 protocol=MLDv1`),
    () =>
      pair.sbctl(`
      chassis-add ch2 geneve 1.2.3.5
      --id=@c get Chassis ch2 -- create IGMP_Group address=239.1.1.1 datapath=<p2:datapath> chassis=@c ports=<p1> chassis_name=ch2 protocol=IGMPv2`),
    `
      set Logical_Router r1 options:mcast_relay=true`,
    `
      set Logical_Switch s2 other_config:mcast_snoop=true`,
    () =>
      pair.sbctl(`
      --id=@c get Chassis ch1 -- create IGMP_Group address=239.1.1.1 datapath=<q1:datapath> chassis=@c ports=<q1> chassis_name=ch1 protocol=IGMPv2`),
    `
      set Logical_Router_Port rq options:mcast_flood=true`,
    `
      set Logical_Router_Port rp options:mcast_flood=true`,
    `
      set Logical_Switch_Port s2-r1 options:mcast_flood=true`,
    () =>
      pair.sbctl(`
      --id=@c get Chassis ch1 -- create IGMP_Group address=mrouters datapath=<q1:datapath> chassis=@c ports=<q1> chassis_name=ch1 protocol=IGMPv2`),
    `
      set Logical_Switch s1 other_config:mcast_flood_unregistered=false
      set Logical_Switch s2 other_config:mcast_flood_unregistered=false`,
    `
      set Logical_Switch_Port p1 options:mcast_flood=false`,
    `
      set Logical_Router r1 options:mcast_relay=false`,
    `
      set Logical_Router r1 options:mcast_relay=true
      remove Logical_Router_Port rq options mcast_flood`,
    `
      set Logical_Router_Port rp options:mcast_flood=false`,
    `
      set Logical_Switch s1 other_config:mcast_snoop=false`,
    `
      set Logical_Router_Port rp options:mcast_flood=true`,
  );
});
