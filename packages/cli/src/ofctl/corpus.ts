/** Command lines of ovs-ofctl for tests: "@" is the bridge's socket; a line that begins with "SETUP ;; " has a state before it. */

/** Files that command lines name. */
export const files: Record<string, string> = {
  f1: `
# comment
priority=5,tcp,tp_dst=80 actions=output:1
table=3,cookie=0x7,ip,nw_src=10.0.0.0/24 actions=ct(commit,zone=3),x2
delete tcp
in_port=x1 idle_timeout=30 actions=normal
`,
  f2: `
priority=5,tcp,tp_dst=80 actions=output:2
in_port=1 actions=set_field:5->reg1,normal
table=9,udp actions=drop
`,
  f3: `
tcp actions=output:1
tcp,foo=1 actions=output:1
`,
  f5: `
table=2,priority=7,ip,actions=drop
priority=7,arp,actions=drop
priority=7,in_port=2,actions=drop
priority=9,udp,actions=drop
table=2,priority=8,icmp,actions=drop
priority=7,tcp,actions=drop
priority=7,tcp,tp_dst=80,actions=drop
priority=7,ip,nw_src=1.2.3.4,actions=drop
importance=3,hard_timeout=3,idle_timeout=2,cookie=3,send_flow_rem,actions=drop
priority=7,tcp,tp_dst=81,actions=drop
`,
  f6: `
table=2,priority=7,ip,actions=drop
priority=9,udp,actions=drop
table=2,priority=8,icmp,actions=drop
priority=7,tcp,tp_dst=80,actions=drop
importance=3,hard_timeout=3000,idle_timeout=2000,cookie=3,send_flow_rem,actions=drop
`,
  masks: `
ip,nw_src=10.0.0.0/255.0.255.0,actions=1
arp,nw_src=10.0.0.0/8,arp_tpa=1.2.3.4,actions=1
dl_src=50:54:00:00:00:00/ff:ff:00:00:00:00,actions=2
dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=2
ip,nw_dst=1.2.3.0/24,actions=drop
tcp,tp_dst=0x50/0xfff0,actions=1
dl_vlan=5,dl_vlan_pcp=3,actions=1
vlan_tci=0x1000/0x1000,actions=1
ip,nw_tos=32,actions=1
ip,nw_ecn=1,actions=2
icmp6,icmp_type=128,icmp_code=0,actions=1
icmp6,icmp_type=135,actions=1
`,
  nd: `
icmp6,icmp_type=136,nd_target=fe80::1,actions=1
icmp6,icmp_type=136,icmp_code=0,nd_tll=50:54:00:00:00:01,actions=1
icmp6,icmp_type=135,nd_sll=50:54:00:00:00:01,nd_target=fe80::/10,actions=1
icmp6,icmp_type=135,icmp_code=1,nd_target=fe80::2,actions=1
icmp6,icmp_type=135/0xfe,nd_sll=50:54:00:00:00:01,actions=1
icmp6,icmp_type=136,nd_reserved=1,actions=set_field:50:54:00:00:00:01->nd_tll
`,
  g1: `
group_id=1,type=all,bucket=output:1,bucket=output:2
group_id=2,type=select,bucket=weight:5,output:1
`,
  b1: `
flow add priority=4,tcp,actions=group:3
group add group_id=3,type=all,bucket=output:1
packet-out in_port=1,packet=00112233445500112233445508004500001400000000400000000a0000010a000002 actions=output:2
flow delete udp
`,
  b2: `
group add group_id=3,type=all,bucket=output:1
flow add priority=4,tcp,actions=group:3
flow mod udp
`,
  b3: `
group add group_id=3,type=all,bucket=output:1
flow add priority=4,tcp,actions=group:3
flow delete udp
`,
};

/** They change nothing. */
export const questions = `
add-flows @ nosuch
diff-flows f1 f2
diff-flows f2 f1
diff-flows f2 f2
diff-flows f2 /nosuch
-O OpenFlow15 dump-group-features @
-OOpenFlow15 meter-features @
dump-meters @
get-frags @
probe @
queue-get-config @
queue-get-config @ x1
queue-stats @
queue-stats @ x1
dump-ports @ x1
dump-ports @
dump-ports-desc @ x1
-OOpenFlow15 dump-ports-desc @ x1
dump-aggregate @
dump-desc @
-F OpenFlow10 dump-flows @
-F OpenFlow10 dump-aggregate @ ip
-F NXM dump-flows @
-F NXM+table_id dump-aggregate @
-F OXM dump-flows @
-O OpenFlow13 -F OpenFlow10 dump-flows @
show @
-OOpenFlow15 show @
nosuchcommand @
dump-flows
dump-flows nosuch
dump-flows /etc/passwd
-O OpenFlow99 dump-flows @
-F foo dump-flows @
--nope dump-flows @
dump-flows @ actions=drop
dump-flows @ priority=5
dump-flows @ foo=3
--sort=foo dump-flows @
diff-flows brx brx
parse-flow "table=4,ip,actions=write_actions(goto_table:5)"
parse-flow "table=4,ip,actions=clone(meter:1)"
parse-flow "table=4,ip,actions=ct(exec(output:1))"
parse-flows f1
-m parse-flows f5
-O OpenFlow13 parse-flows f1
-F NXM parse-flows f1
-F OXM parse-flows f1
parse-flows f3
parse-group "group_id=1,type=all,bucket=output:1"
-O OpenFlow15 parse-group "group_id=1,type=all,bucket=output:1"
-O OpenFlow15 parse-group "group_id=1,type=select,selection_method=dp_hash,bucket=bucket_id:3,weight:4,output:1"
parse-group "mod group_id=1,type=all,bucket=output:1"
print-error OFPBAC_BAD_OUT_GROUP
print-error NXBRC_NXM_BAD_TYPE
print-error FOO
encode-error-reply OFPBIC_UNSUP_EXP_INST 0100000812345678
encode-error-reply OFPBIC_UNSUP_EXP_INST 0300000812345678
encode-error-reply OFPBIC_FOO 0300000812345678
encode-hello 0x2
encode-hello 0x12
encode-hello 0x3e
ofp-print 0100000812345678
ofp-print 010000081234567
ofp-print 010000081234567812
ofp-print 01000008123456 3
ofp-print 0100000812345678 3
ofp-print 01
ofp-print zz
print-error
-O OpenFlow10,OpenFlow11 parse-flow "push_vlan:0x8100 actions=drop"
-t 5 probe @
-t x probe @
-T 5 probe @
meter-stats @
queue-get-config @ x1 7
dump-group-stats @
dump-groups @
dump-group-features @
-O OpenFlow13 dump-groups @ foo
ofctl foo
show
--strict
--packet-in-format=foo dump-flows @
--sort=in_port,priority dump-flows @
--no-stats dump-flows @
--no-names --stats dump-flows @ table=3
--read-only dump-flows @
`;

/** What they leave is looked at too. */
export const changes = `
add-flows @ masks ;; -F OpenFlow10 --no-stats dump-flows @
add-flows @ masks ;; -F NXM --no-stats dump-flows @
add-flows @ masks ;; -O OpenFlow13 --no-stats dump-flows @
add-flows @ nd ;; --no-stats dump-flows @
add-flows @ nd ;; -O OpenFlow15 --no-stats dump-flows @
add-flow @ "icmp6,icmp_type=136,icmp_code=1,actions=set_field:50:54:00:00:00:01->nd_tll"
add-flow @ "tcp,tp_dst=80 actions=output:1"
add-flow @ "tcp,tp_dst=80 actions=x1,x2"
add-flow @ "tcp,tp_dst=80 actions=xyz"
add-flow @ "tcp,tp_dst=80 actions=output:77777"
add-flow @ "actions=group:9"
-O OpenFlow13 add-flow @ "actions=group:9"
-O OpenFlow13 add-flow @ "actions=set_field:1.2.3.4->ip_src"
-O OpenFlow13 add-flow @ "nw_src=1.2.3.4 actions=normal"
add-flow @ "table=254,actions=goto_table:3"
--bundle add-flow @ "actions=group:9"
--bundle add-flows @ f1
add-flows @ f1
add-flows @ f3
add-flow @ "priority=3"
-O OpenFlow13 add-flow @ "actions=write_actions(output:1),goto_table:1,meter:5"
-O OpenFlow14 --bundle add-flow @ "importance=5,check_overlap,actions=output:1"
add-flow @ "priority=5,ip,actions=output:1" ;; add-flow @ "check_overlap,priority=5,tcp,actions=output:1"
add-flow @ "priority=5,ip,actions=output:1" ;; -O OpenFlow13 add-flow @ "check_overlap,priority=5,tcp,actions=output:1"
add-flow @ "priority=5,ip,actions=output:1" ;; mod-flows @ "ip,actions=output:2"
add-flow @ "priority=5,ip,actions=output:1" ;; --strict mod-flows @ "ip,actions=output:2"
add-flow @ "priority=5,ip,actions=output:1" ;; --strict mod-flows @ "priority=5,ip,actions=output:2"
add-flow @ "priority=5,ip,actions=output:1" ;; del-flows @ "ip,out_port=2"
add-flow @ "priority=5,ip,actions=output:1" ;; del-flows @ "out_port=1"
add-flow @ "priority=5,ip,actions=output:1" ;; del-flows @
add-flow @ "cookie=5,priority=5,ip,actions=output:1" ;; del-flows @ cookie=5/-1
add-flow @ "cookie=5,priority=5,ip,actions=output:1" ;; del-flows @ cookie=6/-1
add-flow @ "cookie=5,priority=5,ip,actions=output:1" ;; --strict del-flows @ ip
add-flow @ "cookie=5,priority=5,ip,actions=output:1" ;; --strict del-flows @ priority=5,ip
add-flow @ "cookie=5,priority=5,ip,actions=output:1" ;; --strict -OOpenFlow14 del-flows @ priority=5,ip
add-flows @ f1 ;; replace-flows @ f2
add-flows @ f1 ;; --bundle replace-flows @ f2
add-flows @ f1 ;; -O OpenFlow13 replace-flows @ f2
add-flows @ f2 ;; -O OpenFlow13 --readd replace-flows @ f2
add-flows @ f1 ;; diff-flows brx f2
add-flows @ f1 ;; diff-flows f2 brx
add-flows @ f1 ;; --names diff-flows f2 brx
add-flows @ f2 ;; diff-flows f2 brx
add-flows @ f2 ;; -O OpenFlow14 diff-flows f2 brx
add-group @ group_id=1,type=all,bucket=output:1
-OOpenFlow13 add-group @ group_id=1,type=all,bucket=output:1
-OOpenFlow13 add-group @ group_id=1,type=foo,bucket=output:1
-OOpenFlow13 add-group @ group_id=1,type=select,bucket=output:1,bucket=weight:5,output:2
-OOpenFlow15 add-group @ "group_id=1,type=select,selection_method=hash,fields(ip_src),bucket=bucket_id:1,output:1"
-OOpenFlow13 add-groups @ g1
add-groups @ g1
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 mod-group @ group_id=1,type=indirect,bucket=output:2
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 mod-group @ group_id=9,type=indirect,bucket=output:2
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 --may-create mod-group @ group_id=9,type=indirect,bucket=output:2
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 del-groups @ group_id=1
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 del-groups @
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow15 insert-buckets @ group_id=1,command_bucket_id=last,bucket=output:2
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow15 remove-buckets @ group_id=1,command_bucket_id=first
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 add-group @ group_id=1,type=all,bucket=output:1
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow13 dump-groups @ 1
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow15 dump-groups @ 1
-OOpenFlow13 add-groups @ g1 ;; -O OpenFlow15 dump-group-stats @ 1
add-meter @ meter=1,pktps,burst,bands=type=drop,rate=5,burst_size=6
-OOpenFlow13 add-meter @ meter=1,pktps,burst,bands=type=drop,rate=5,burst_size=6
-OOpenFlow15 add-meter @ meter=1,kbps,stats,bands=type=drop,rate=5
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=5
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 mod-meter @ meter=1,pktps,bands=type=drop,rate=5
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 mod-meter @ meter=2,pktps,bands=type=drop,rate=5
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 del-meter @ meter=1
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 del-meters @
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 del-meters @ meter=2
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 dump-meter @ meter=1
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow13 dump-meters @
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow15 meter-stats @
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow15 meter-stats @ meter=1
-OOpenFlow13 add-meter @ meter=1,kbps,bands=type=drop,rate=1 ;; -OOpenFlow15 dump-meters @ meter=7
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0"
add-tlv-map @ "{class=0x102,type=0x42,len=5}->tun_metadata0"
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata100"
add-tlv-map @ "foo"
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0" ;; add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata1"
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0" ;; del-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0"
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0" ;; del-tlv-map @
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0" ;; dump-tlv-map @
add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0" ;; add-flow @ "tun_metadata0=0x1234 actions=set_field:7->tun_metadata0,output:1"
mod-port @ x1 down
mod-port @ x1 no-flood
mod-port @ 1 no-forward
mod-port @ zz up
mod-port @ x1 blah
-OOpenFlow13 mod-port @ x1 down
-OOpenFlow14 mod-port @ x1 no-packet-in
-OOpenFlow14 mod-table @ 0 evict
-OOpenFlow14 mod-table @ 0 noevict
-OOpenFlow14 mod-table @ 0 vacancy:20,80
-OOpenFlow14 mod-table @ 0 vacancy:80,20
-OOpenFlow14 mod-table @ 0 novacancy
mod-table @ 0 evict
mod-table @ 0 controller
-OOpenFlow11 mod-table @ 0 controller
-OOpenFlow13 mod-table @ 0 drop
-OOpenFlow13 mod-table @ 300 drop
-OOpenFlow13 mod-table @ 0 foo
-OOpenFlow15 mod-table @ 1 name:foo
-OOpenFlow13 mod-table @ 1 name:foo
packet-out @ in_port=1,packet=00112233445500112233445508004500001400000000400000000a0000010a000002,actions=output:2
packet-out @ 1 output:2 001122334455001122334455080045000014
packet-out @ zz output:2 001122334455001122334455080045000014
packet-out @ 1 output:2 0011223344550011223344550800450000g
packet-out @ "in_port=1 actions=output:2"
set-frags @ drop
set-frags @ reassemble
set-frags @ nx-match
set-frags @ bla
bundle @ b1
bundle @ b2
bundle @ b3
-OOpenFlow14 bundle @ b1
-OOpenFlow14 bundle @ b2
-OOpenFlow14 bundle @ b3
ct-flush-zone @ 5
ct-flush-zone @ 70000
ct-flush @ zone=5
ct-flush @ zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=6
ct-flush @ foo=1
add-flow @
add-flows @ f1 ;; -O OpenFlow14 replace-flows brx f5
add-flows @ f1 ;; -O OpenFlow14 --bundle replace-flows brx f5
monitor @ foo
monitor @ invalid_ttl -O OpenFlow13
ping @ 100000
del-groups @
-O OpenFlow11 del-groups @ group_id=foo

mod-port @ x1
--read-only add-flow @ actions=drop
`;

/** One after another, in each version of OpenFlow, which stands for "%". */
export const versioned = `
% add-flow @ "cookie=0x11,table=1,priority=5,tcp,tp_dst=80,actions=output:1"
% add-flow @ "in_port=1,dl_vlan=5,actions=strip_vlan,output:2"
% add-flow @ "ip6,ipv6_dst=fd00::/16,actions=set_field:7->reg3,normal"
% add-flow @ "arp,arp_tpa=10.0.0.1,idle_timeout=700,actions=controller:128"
% add-flows @ f6
% mod-flows @ "udp,actions=output:2"
% dump-flows @
% dump-flows @ ip
% --sort dump-flows @
% --rsort=priority dump-flows @
% --names dump-flows @
% --no-stats dump-flows @
% dump-aggregate @
% dump-aggregate @ table=2
% dump-tables @
% dump-table-features @
% dump-table-desc @
% dump-desc @
% dump-ports @
% dump-ports @ 1
% dump-ports-desc @
% dump-ports-desc @ 2
% show @
% get-frags @
% add-group @ group_id=4,type=select,bucket=weight:3,output:1,bucket=output:2
% add-group @ group_id=5,type=ff,bucket=watch_port:1,output:1,bucket=watch_port:2,output:2
% mod-group @ group_id=4,type=all,bucket=output:2
% insert-buckets @ group_id=4,command_bucket_id=last,bucket=bucket_id:9,output:1
% remove-buckets @ group_id=4,command_bucket_id=9
% dump-groups @
% dump-groups @ 5
% dump-group-stats @ 4
% dump-group-features @
% add-meter @ meter=3,kbps,burst,stats,bands=type=drop,rate=100,burst_size=10
% mod-meter @ meter=3,pktps,bands=type=drop,rate=9
% dump-meters @
% meter-stats @
% meter-features @
% queue-stats @
% queue-get-config @
% queue-get-config @ 1
% replace-flows @ f2
% diff-flows brx f2
% --bundle add-flows @ f2
% bundle @ b1
% del-groups @ group_id=4
% del-meters @ meter=3
% del-flows @ "table=1"
% --strict del-flows @ "table=9,priority=32768,udp"
% dump-flows @
% del-flows @
% dump-flows @
% dump-ipfix-bridge @
% dump-ipfix-flow @
% probe @
% mod-port @ 1 down
% dump-ports-desc @ 1
% mod-port @ 1 up
% set-frags @ drop
% get-frags @
% ct-flush @ zone=3
% ct-flush-zone @ 3
% packet-out @ "in_port=controller,packet=00112233445500112233445508004500001400000000400000000a0000010a000002,actions=output:1"
% add-tlv-map @ "{class=0x102,type=0x42,len=4}->tun_metadata0"
% dump-tlv-map @
% add-flow @ "tun_metadata0=0x1234,actions=set_field:7->tun_metadata0,output:1"
% dump-flows @
% add-flow @ "actions=delete_field:tun_metadata3,output:1"
% add-flow @ "tun_metadata3=5,actions=output:1"
% mod-table @ 2 controller
% mod-table @ 2 continue
% mod-table @ 2 drop
% mod-table @ 2 evict
% mod-table @ 2 noevict
% mod-table @ 2 vacancy:20,80
% mod-table @ 2 novacancy
% dump-table-desc @
% add-groups @ g1
% --may-create mod-group @ group_id=8,type=all,bucket=output:2
% add-flow @ "actions=group:1"
% dump-flows @ out_group=1
% dump-flows @ out_port=2
% dump-aggregate @ out_group=1
% --strict mod-flows @ "actions=output:2"
% mod-flows @ "cookie=0/-1,actions=output:1"
% add-flow @ "table=1,cookie=7,actions=dec_ttl,output:1"
% dump-flows @ "cookie=7/-1"
% del-groups @
% dump-flows @
% --read-only dump-flows @
% mod-port @ x2 no-receive
% mod-port @ x2 receive
% mod-port @ x2 no-forward
% mod-port @ x2 forward
% mod-port @ x2 no-flood
% mod-port @ x2 flood
% mod-port @ x2 no-packet-in
% mod-port @ x2 packet-in
% mod-port @ x2 stp
`;
