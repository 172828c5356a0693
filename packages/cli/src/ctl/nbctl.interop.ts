import { expect, test } from "vitest";
import { compareLines } from "./differential.ts";
import { ovnNbctl } from "./nbctl.ts";

const scripts: Record<string, string> = {
  "command line": `
foo
--foo ls-list
--t ls-list
-x
--timeout ls-list
--timeout=0 ls-list
-t 1.5 ls-list
--wait=foo show
--wait
-d
-d foo ls-list
--format=xx list nb_global
-ft list nb_global
-- ls-list --
-- -- ls-list
ls-list -- --may-exist
ls-list -- --db=x ls-list
-- --may ls-add a
-- --may-exist=3 ls-add a
--may-exist=3 ls-add a
-- --id create copp name=a
-- --may-exist --may-exist ls-add a
--if-exists ls-add q
--columns=x ls-add q
ls-add a b
ls-del
--may ls-add a
ls-add -x
ls-list
--oneline ls-list -- show a
--oneline comment
--oneline list copp
--no-h --columns=name,nb_cfg list nb_global
--dry-run ls-add dry
--no-leader-only --no-shuffle-remotes --leader-only ls-list
`,
  "database commands": `
ls-add a -- lsp-add a p
list foo
list
list logical_switch zz
--if-exists list logical_switch zz
--columns=name,nope list logical_switch
--columns= list nb_global
--columns=name,name list logical_switch
~list logical_switch_port
get logical_switch_port p name type tag addresses options
get logical_switch_port p nam
get logical_switch_port p t
get logical p name
get logical_switch_port pp name
--if-exists get logical_switch_port pp name
get logical_switch_port p name:x
set logical_switch_port p 'external_ids:x y=1'
set logical_switch_port p 'external_ids:"x y"="a\\"b"' external_ids:z='"a,b"' 'external_ids:q=v w'
get logical_switch_port p external_ids
get logical_switch_port p external_ids:z external_ids:nope
--if-exists get logical_switch_port p external_ids:z external_ids:nope
-f table list logical_switch_port
-f json --pretty --columns=name,external_ids list logical_switch_port
-f csv list logical_switch_port
-f html list logical_switch_port
-f html -d json --columns=_uuid,name list logical_switch_port
-d bare -f table list logical_switch_port
-d json -f list list logical_switch_port
-f csv -d json list logical_switch_port
--bare --columns=name,external_ids list logical_switch_port
-f table --columns=name list copp
-f json list copp
set logical_switch_port p tag=5000
set logical_switch_port p tag=a
set logical_switch_port p tag=1,2
set logical_switch_port p tag=
set logical_switch_port p tag=[]
set logical_switch_port p tag=[1
set logical_switch_port p tag=1]
set logical_switch_port p tag=[1]
set logical_switch_port p tag={1}
set logical_switch_port p tag=1-3
set logical_switch_port p tag=3-1
set logical_switch_port p tag=1.5
set logical_switch_port p tag=99999999999999999999
set logical_switch_port p tag=010
set logical_switch_port p tag=0x10
set logical_switch_port p tag=5,
set logical_switch_port p Tag=5 tag-request=6
set logical_switch_port p enabled=True
set logical_switch_port p enabled=maybe
set logical_switch_port p enabled=true
set logical_switch_port p external_ids=a
set logical_switch_port p external_ids=a:b
set logical_switch_port p external_ids=a=
set logical_switch_port p external_ids==a
set logical_switch_port p external_ids:a
set logical_switch_port p external_ids:=c
set logical_switch_port p name:a=c
set logical_switch_port p name=,
set logical_switch_port p 'name=a b'
set logical_switch_port p 'external_ids={a=b'
set logical_switch_port p 'external_ids=a=b,c=d e=f'
get logical_switch_port p external_ids
set logical_switch_port p 'external_ids={a=b}x'
set logical_switch_port p 'external_ids=[]'
set logical_switch_port p 'addresses={}'
set logical_switch_port p 'addresses=[a,b'
set logical_switch_port p 'addresses=[a b]'
set logical_switch_port p 'addresses=a,,b'
set logical_switch_port p 'addresses=,a'
set logical_switch_port p 'addresses=a=b'
set logical_switch_port p 'addresses=a:b'
set logical_switch_port p 'addresses="a'
set logical_switch_port p 'addresses="a"b'
set logical_switch_port p 'addresses=a"b"'
set logical_switch_port p 'addresses=a,a'
set logical_switch_port p external_ids=a=1,a=2
set logical_switch_port p dhcpv4_options=x
set logical_switch_port p dhcpv4_options=@x
set logical_switch_port p 'external_ids:a=b,c'
set logical_switch_port p 'external_ids:a:b=c'
set logical_switch_port p 'external_ids:a="b c'
set logical_switch_port p 'external_ids:"a'
set logical_switch_port p 'external_ids:a="b" c'
set logical_switch_port p :a=c
set logical_switch_port p =c
set logical_switch_port p ta=5
set logical_switch_port p _uuid=x
set logical_switch_port p addresses=a,b 'addresses=c d'
add logical_switch_port p addresses a c
get logical_switch_port p addresses
add logical_switch_port p addresses [c,d] e,f
remove logical_switch_port p addresses a zz
remove logical_switch_port p external_ids z
remove logical_switch_port p external_ids a=nope
remove logical_switch_port p external_ids a=b c x=
add logical_switch_port p external_ids z=1 z=2
add logical_switch_port p external_ids a
add logical_switch_port p name x
add logical_switch_port p tag 6
add logical_switch_port p tag 7
remove logical_switch_port p name p
get logical_switch_port p external_ids addresses tag
clear logical_switch_port p name
clear logical_switch_port p foo
clear logical_switch_port p tag external_ids
set nb_global . ipsec=[]
set nb_global . name=[a]
set nb_global foo x=1
list nb_global foo
set acl x
--id=@a create copp name=c
--id=@a create copp name=c
--id=a create copp name=d
--id=@a create copp name=d -- --id=@a create copp name=e
--id=7295e1c9-3f96-4e8d-a215-f6838f527449 create copp name=ee
create acl direction=foo
create acl direction=to-lport priority=1 match=a action=drop
create bfd logical_port=a dst_ip=b min_tx=0
create bfd logical_port=a dst_ip=b status=foo
create qos bandwidth=rat=3
create qos bandwidth=,
create meter bands=,
create logical_router ports=,
create acl log=,
create logical_switch name=zz foo=1
create logical_switch
-- --id=@z create acl direction=to-lport priority=1 match=a action=drop
--id=@z create acl direction=to-lport priority=1 match=a action=drop -- add logical_switch a acls @z
-- set logical_switch_port p dhcpv4_options=@d -- --id=@d create dhcp_options cidr=1.1.1.0/24
list dhcp_options p
list dhcp_options q
--id=@p get logical_switch_port p -- --id=@p get logical_switch_port p
--id=p get logical_switch_port p
--if-exists --id=@p get logical_switch_port p
--id=@x get logical_switch_port p -- create port_group name=pg1 ports=@x
list port_group pg1 pg1
destroy logical_switch
destroy logical_switch zz
--if-exists destroy logical_switch zz
--all destroy logical_switch q
destroy port_group pg1
--all destroy copp
wait-until logical_switch_port p tag=[]
--timeout=1 wait-until logical_switch_port nope
comment a b
init
sync
set logical_switch_port p external_ids=k=x,j=7 tag=5 addresses=a,b,c,d
--columns=name find logical_switch_port tag=5
--columns=name find logical_switch_port 'tag!=5'
--columns=name find logical_switch_port 'tag>4' 'tag<=5'
--columns=name find logical_switch_port 'tag{in}[]'
--columns=name find logical_switch_port 'tag{>=}[]'
--columns=name find logical_switch_port 'addresses{>=}a'
--columns=name find logical_switch_port 'addresses{>}a,b,c,d'
--columns=name find logical_switch_port 'addresses{<=}a,b,c,d,e'
--columns=name find logical_switch_port 'addresses{not-in}a'
--columns=name find logical_switch_port 'addresses{not-in}z'
--columns=name find logical_switch_port 'addresses:a=a'
--columns=name find logical_switch_port 'external_ids:k{in}x,y'
--columns=name find logical_switch_port 'external_ids:k=x,y'
--columns=name find logical_switch_port 'external_ids:k<y'
--columns=name find logical_switch_port 'external_ids:z{!=}x'
--columns=name find logical_switch_port 'external_ids:z!=x'
--columns=name find logical_switch_port 'external_ids{<=}k=x,j=7,l=8'
--columns=name find logical_switch_port 'name{in}p,q'
--columns=name find logical_switch_port tag
--columns=name find logical_switch_port tag~5
--columns=name find logical_switch_port foo=5
--columns=name find logical_switch_port up=true
`,
  switches: `
ls-add
--may-exist ls-add
--add-duplicate ls-add
--may-exist --add-duplicate ls-add a
ls-add a
ls-add a
--may-exist ls-add a
--add-duplicate ls-add a
~ls-list
ls-del a
ls-del %Logical_Switch:name=""%
ls-del zz
--if-exists ls-del zz
~ls-list
~show
`,
  "switch ports": `
ls-add a -- ls-add b
lsp-add a p1
lsp-add a p1
--may-exist lsp-add a p1
--may-exist lsp-add b p1
lsp-add b p1
lsp-add zz p1
lsp-add a c1 p1
lsp-add a c1 p1 4096
lsp-add a c1 p1 x
lsp-add a c1 p1 7
lsp-add a c2 nope 8
--may-exist lsp-add a c1 p1 8
--may-exist lsp-add a c1 p2 7
--may-exist lsp-add a c1
--may-exist lsp-add a p1 p2 3
lsp-add a c0 p1 0
lsp-list a
lsp-list zz
lsp-get-parent c1
lsp-get-parent p1
lsp-get-tag c1
lsp-get-tag zz
lsp-del zz
--if-exists lsp-del zz
lsp-del c0
lsp-set-addresses p1 a
lsp-set-addresses p1 unknown
lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" "50:54:00:00:00:02 fd00::1 10.0.0.0/24" dynamic router
lsp-get-addresses p1
lsp-set-addresses p1 "50:54:00:00:00:01 x"
lsp-set-addresses p1 "50:54:00:00:00:01 dynamic"
lsp-set-addresses p1 "dynamic 10.0.0.4"
lsp-set-addresses p1 "dynamic fd00::4"
lsp-set-addresses p1 "dynamic x"
lsp-set-addresses p1 ""
lsp-set-addresses p1 10.0.0.1
lsp-set-addresses p1 "unknown x"
lsp-set-addresses p1 50:54:00:00:00
lsp-set-addresses p1 50:54:00:00:00:01:02
lsp-set-addresses p1 " unknown"
lsp-set-addresses p1
lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1" bb
lsp-get-port-security p1
lsp-get-up p1
set logical_switch_port p1 up=true
lsp-get-up p1
lsp-get-enabled p1
lsp-set-enabled p1 disabled
lsp-get-enabled p1
lsp-set-enabled p1 ENABLED
lsp-set-enabled p1 foo
lsp-set-type p1 foo
lsp-set-type p1 localnet
lsp-get-type p1
lsp-set-type p1 ""
lsp-get-type c1
lsp-set-options p1 a=b c=d
lsp-get-options p1
lsp-set-options p1 a
lsp-set-options p1
lsp-get-ls p1
lsp-get-ls zz
lsp-set-dhcpv4-options p1 zz
dhcp-options-create 10.0.0.0/24 a=b
dhcp-options-create zz
dhcp-options-create 10.0.0.0/33
dhcp-options-create fd00::/64
dhcp-options-create fd00::/129
dhcp-options-create 10.0.0.0/255.255.0.0
dhcp-options-list
dhcp-options-set-options %DHCP_Options:cidr="10.0.0.0/24"% router=1.2.3.4 lease_time=10
~dhcp-options-get-options %DHCP_Options:cidr="10.0.0.0/24"%
lsp-set-dhcpv4-options p1 %DHCP_Options:cidr="10.0.0.0/24"%
lsp-get-dhcpv4-options p1
lsp-set-dhcpv6-options p1 %DHCP_Options:cidr="10.0.0.0/24"%
lsp-set-dhcpv6-options p1 %DHCP_Options:cidr="fd00::/64"%
lsp-get-dhcpv6-options p1
lsp-set-dhcpv4-options p1
dhcp-options-del zz
dhcp-options-del %DHCP_Options:cidr="10.0.0.0/24"%
lsp-add-router-port a rp lrp0
lsp-add-router-port a rp lrp0
--may-exist lsp-add-router-port a rp lrp0
--may-exist lsp-add-router-port b rp lrp0
--may-exist lsp-add-router-port a p1 lrp0
--may-exist lsp-add-router-port a rp lrp1
lsp-add-localnet-port a ln phys
--may-exist lsp-add-localnet-port a ln other
lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" unknown
set logical_switch_port p1 tag=5
~show
~show a
show zz
`,
  acls: `
ls-add a -- ls-add b -- pg-add pg1 -- lsp-add a p1 -- lsp-add a p2 -- pg-add a
acl-add a from-lport 100 ip4 drop
acl-add zz from-lport 100 ip4 drop
acl-add b foo 100 ip4 drop
acl-add b xx 100 ip4 drop
acl-add b f 100 ip4 drop
acl-add b to-lport -1 ip4 drop
acl-add b to-lport 32768 ip4 drop
acl-add b to-lport 1 ip4 foo
acl-add b to-lport 1 ip4 allow-related
acl-add b to-lport 1 ip4 drop
--tier=1 acl-add b to-lport 1 ip4 drop
--may-exist acl-add b to-lport 1 ip4 drop
--log acl-add b to-lport 2 'tcp && ip4.src == 10.0.0.1' reject
--severity=info --name=foo --meter=m acl-add b to-lport 3 tcp drop
--severity=foo acl-add b to-lport 4 tcp drop
--log --severity=alert --name=n2 acl-add b from-lport 3 tcp drop
--name=n3 acl-add b from-lport 4 tcp drop
--meter=n3 acl-add b from-lport 5 tcp drop
--label=5 acl-add b to-lport 5 tcp allow-related
--log --label=5 acl-add b to-lport 55 tcp allow-related
--label=5 acl-add b to-lport 6 tcp drop
--label=x acl-add b to-lport 6 tcp allow
--label=-1 acl-add b to-lport 6 tcp allow
--label=4294967296 acl-add b to-lport 6 tcp allow
--tier=2 --apply-after-lb acl-add b from-lport 7 tcp allow
--apply-after-lb acl-add b to-lport 7 tcp allow
--tier=5 acl-add b to-lport 8 udp pass
--tier=x acl-add b to-lport 8 udp pass
--sample-new=x acl-add b to-lport 8 udp pass
acl-add b to-lport 9 'a "b" c' allow-stateless
acl-add b to-lport 9 'a "a" c' allow-stateless
acl-add b to-lport 9 ip drop nfg
acl-list b
--all acl-list b
acl-list a
--type=switch acl-add a to-lport 1 ip drop
--type=port-group acl-add a to-lport 1 udp drop
--type=port-group acl-add a to-lport 1 udp drop
--type=foo acl-add a to-lport 1 udp drop
--type=switch acl-list a
--type=port-group acl-list a
--type=switch acl-list pg1
--type=port-group acl-list b
acl-add pg1 to-lport 1001 'outport == @pg1 && ip4' allow-related
acl-list pg1
acl-del b from-lport
acl-del b to-lport 3
acl-del b to-lport 3 tcp
acl-del b to-lport 3 tcp
acl-del b xx
acl-del zz
--tier=2 acl-del b
--tier=1 acl-del b to-lport 1 ip4
--tier=x acl-del b
acl-list b
acl-del b
acl-list b
pg-add pg1
pg-add pg2 p2 p1
pg-add pg3 zz
~pg-get-ports pg2
pg-get-ports pg1
pg-get-ports zz
pg-set-ports pg2 p2
pg-get-ports pg2
pg-set-ports pg2
pg-set-ports pg2 zz
pg-del zz
pg-del pg2
`,
  routers: `
lr-add
lr-add r
lr-add r
--may-exist lr-add r
--add-duplicate lr-add r
~lr-list
lr-del r
lr-del zz
--if-exists lr-del zz
--all destroy logical_router
lr-add r -- lr-add r2
lr-add r2
lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24
lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24
--may-exist lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24
--may-exist lrp-add r lp 00:00:00:00:00:02 10.0.0.1/24
--may-exist lrp-add r2 lp 00:00:00:00:00:01 10.0.0.1/24
--may-exist lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24 peer=x
lrp-add r lp2 00:00:00:00:00:02
lrp-add r lp9 zz 10.0.0.1/24
lrp-add r lp9 00:00:00:00:00:02 foo
lrp-add r lp9 00:00:00:00:00:02 10.0.0.1/33
lrp-add r lp3 00:00:00:00:00:03 10.0.2.1/24 foo=bar
lrp-add r lp3 00:00:00:00:00:03 10.0.2.1/24 peer=qq ha_chassis_group=x
lrp-add r lp3 00:00:00:00:00:03 10.0.2.1/24 external_ids:a=b 'enabled=false'
lrp-add r lp4 0:0:0:0:0:4 10.0.3.1
lrp-add r lp5 00:00:00:00:00:05 10.0.2.1/24 10.0.2.1/24 fd00::1/64
--may-exist lrp-add r lp5 00:00:00:00:00:05 10.0.2.1/24 fd00::1/64
--may-exist lrp-add r lp5 00:00:00:00:00:05 10.0.2.1/24
--may-exist lrp-add r lp5 00:00:00:00:00:05 10.0.2.1/24 fd00::2/64
lrp-add zz lp9 00:00:00:00:00:05 10.0.2.1/24
lrp-list r
lrp-list zz
lrp-get-enabled lp
lrp-get-enabled lp3
lrp-set-enabled lp disabled
lrp-set-enabled lp x
lrp-set-enabled zz enabled
lrp-set-gateway-chassis lp hv1
lrp-set-gateway-chassis lp hv2 10
lrp-set-gateway-chassis lp hv1 5
lrp-set-gateway-chassis lp hv3 x
lrp-get-gateway-chassis lp
lrp-get-gateway-chassis lp2
lrp-del-gateway-chassis lp hv1
lrp-del-gateway-chassis lp hv1
lrp-set-options lp a=b c=d
get logical_router_port lp options
lrp-set-redirect-type lp foo
lrp-set-redirect-type lp bridged
lrp-get-redirect-type lp
lrp-get-redirect-type lp2
lrp-set-options lp a
lrp-del lp2
lrp-del lp2
--if-exists lrp-del lp2
~show
`,
  routes: `
lr-add r -- lr-add r2 -- lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24
lr-route-add r 10.1.0.0/16 10.0.0.2
lr-route-add r 10.1.0.0/16 10.0.0.3
--may-exist lr-route-add r 10.1.0.0/16 10.0.0.3
lr-route-add r 10.1.2.3/16 10.0.0.3
--ecmp lr-route-add r 10.1.0.0/16 10.0.0.4
--ecmp lr-route-add r 10.1.0.0/16 10.0.0.4
--ecmp --may-exist lr-route-add r 10.1.0.0/16 10.0.0.4
--ecmp-symmetric-reply lr-route-add r 10.1.0.0/16 10.0.0.5
lr-route-add r 10.2.0.0/16 zz
lr-route-add r zz 10.0.0.1
lr-route-add r 10.2.0.0/16 fd00::1
lr-route-add r fd01::/64 fd00::2
lr-route-add r FD02::1/128 FD00:0::1
lr-route-add r 0.0.0.0/0 10.0.0.254
lr-route-add r ::/0 fd00::fe lp
lr-route-add r 10.3.0.0/16 10.0.0.9 zz
lr-route-add r 10.3.0.0/16 10.0.0.9 lp
--policy=src-ip lr-route-add r 10.4.0.0/16 10.0.0.9
--policy=foo lr-route-add r 10.4.0.0/16 10.0.0.9
--policy=src-ip lr-route-add r 10.1.0.0/16 10.0.0.9
lr-route-add r 10.5.0.0/16 discard
lr-route-add r 10.55.0.0/16 discard lp
--ecmp lr-route-add r 10.55.0.0/16 discard
--bfd lr-route-add r 10.6.0.0/16 10.0.0.7
--bfd lr-route-add r 10.6.0.0/16 10.0.0.7 lp
--bfd=x lr-route-add r 10.66.0.0/16 10.0.0.7 lp
--route-table=t1 lr-route-add r 10.7.0.0/16 10.0.0.7
--route-table=t1 lr-route-add r 10.1.0.0/16 10.0.0.7
lr-route-add r 10.8.0.1 10.0.0.7
lr-route-add r 10.9.0.0/16 "" lp
lr-route-add r 10.9.0.0/16 10.0.0.7/24
lr-route-add zz 10.9.0.0/16 10.0.0.7
lr-route-list r
--route-table=t1 lr-route-list r
lr-route-list r2
lr-route-list zz
lr-route-del r 10.99.0.0/16
--if-exists lr-route-del r 10.99.0.0/16
lr-route-del r zz
lr-route-del r 10.1.0.0/16 zz
lr-route-del r 10.1.0.0/16 10.0.0.4
lr-route-del r 10.1.0.0/16 10.0.0.44
lr-route-del r 10.3.0.0/16 10.0.0.9 zz
lr-route-del r 10.3.0.0/16 10.0.0.9 lp
--policy=src-ip lr-route-del r 10.1.0.0/16
lr-route-del r 10.1.0.0/16
--route-table=zz lr-route-del r 10.5.0.0/16
lr-route-del r 10.5.0.0/16 discard
lr-route-list r
--policy=dst-ip lr-route-del r
lr-route-list r
--route-table=t1 lr-route-del r
lr-route-list r
lr-policy-add r 100 ip4 allow
lr-policy-add r 100 ip4 allow
--may-exist lr-policy-add r 100 ip4 allow
lr-policy-add r 100 ip4 drop
lr-policy-add r 101 ip4 foo
lr-policy-add r x ip4 drop
lr-policy-add r 99999 ip4 drop
lr-policy-add r 102 ip4 reroute
lr-policy-add r 102 ip4 reroute 10.0.0.1
lr-policy-add r 103 ip4 reroute 10.0.0.1,10.0.0.2
lr-policy-add r 104 ip4 reroute fd00::1
lr-policy-add r 105 ip4 reroute 10.0.0.1,fd00::1
lr-policy-add r 106 ip4 reroute zz
lr-policy-add r 107 ip4 drop pkt_mark=7
lr-policy-add r 108 ip4 reroute 10.0.0.1 pkt_mark=8
lr-policy-add r 108 'ip4 && ip4.src == 10.0.0.0/24 && ip4.dst == 192.168.100.0/24' allow
lr-policy-add r 109 ip4 jump
--chain=c1 lr-policy-add r 109 ip4 allow
lr-policy-add r 110 ip4 jump c1
lr-policy-add r 111 ip4 allow 10.0.0.1
--bfd lr-policy-add r 112 ip4 reroute 10.0.0.7
--output-port=lp lr-policy-add r 113 ip4 reroute 10.0.0.7
--output-port=zz lr-policy-add r 114 ip4 reroute 10.0.0.7
lr-policy-list r
lr-policy-list zz
lr-policy-del r 999
--if-exists lr-policy-del r 999
lr-policy-del r 100 foo
lr-policy-del r 100 ip4
lr-policy-del r 102
lr-policy-del r zz
lr-policy-del r %Logical_Router_Policy:priority=103%
lr-policy-del r 7295e1c9-3f96-4e8d-a215-f6838f527449
lr-policy-list r
--chain=c1 lr-policy-del r 109
lr-policy-del r
lr-policy-list r
`,
  "qos and meters": `
ls-add a
qos-add a from-lport 100 ip4 rate=100
qos-add a from-lport 100 ip4 rate=100
--may-exist qos-add a from-lport 100 ip4 rate=100
qos-add a to-lport 5 ip4 dscp=64
qos-add a to-lport 5 ip4 dscp=x
qos-add a to-lport 5 ip4 dscp=9 rate=10 burst=20
qos-add a to-lport 6 ip4
qos-add a to-lport 6 ip4 foo=1
qos-add a to-lport 6 ip4 burst=3
qos-add a to-lport 6 ip4 mark=5
qos-add a to-lport 7 ip4 rate=0
qos-add a to-lport 7 ip4 rate=x
qos-add a to-lport 7 ip4 mark=x
qos-add a to-lport 7 ip4 mark=1 dscp=2
qos-list a
qos-list zz
qos-del a to-lport 99 ip4
qos-del a to-lport 5
qos-del a to-lport 5 ip4
qos-del a zz
qos-del a %QoS:direction=from-lport%
qos-del a 7295e1c9-3f96-4e8d-a215-f6838f527449
qos-list a
qos-del a
qos-list a
meter-add m1 drop 10 kbps
meter-add m1 drop 10 kbps
meter-add m2 foo 10 kbps
meter-add m2 drop x kbps
meter-add m2 drop 0 kbps
meter-add m2 drop 10 foo
meter-add m2 drop 10 pktps 5
meter-add m4 drop 10 kbps 5
--fair meter-add m3 drop 10 pktps x
--fair meter-add m3 drop 10 pktps
meter-add __m drop 1 kbps
meter-list
meter-del zz
meter-del m1
meter-list
`,
  nats: `
lr-add r -- lrp-add r lp 00:00:00:00:00:01 10.0.0.1/24 -- lrp-add r lp2 00:00:00:00:00:02 10.0.1.1/24 -- ls-add s -- lsp-add s p1
lr-nat-add r snat 1.1.1.1 10.0.0.0/24
lr-nat-add r snat 1.1.1.2 10.0.0.0/24
--may-exist lr-nat-add r snat 1.1.1.1 10.0.0.0/24
--may-exist lr-nat-add r snat 1.1.1.3 10.0.0.0/24
lr-nat-add r dnat 1.1.1.4 10.0.0.5
lr-nat-add r dnat 1.1.1.4 10.0.0.6
lr-nat-add r dnat_and_snat 1.1.1.5 10.0.0.7
lr-nat-add r dnat_and_snat 1.1.1.6 10.0.0.8 p1 00:00:00:00:00:09
lr-nat-add r dnat_and_snat 1.1.1.7 10.0.0.9 p1
lr-nat-add r dnat_and_snat 1.1.1.7 10.0.0.9 zz 00:00:00:00:00:09
lr-nat-add r dnat_and_snat 1.1.1.7 10.0.0.9 p1 zz
lr-nat-add r snat 1.1.1.8 10.0.5.0/24 p1 00:00:00:00:00:09
lr-nat-add r foo 1.1.1.8 10.0.5.0/24
lr-nat-add r snat zz 10.0.5.0/24
lr-nat-add r snat 1.1.1.8 zz
lr-nat-add r dnat 1.1.1.9 10.0.5.0/24
lr-nat-add r dnat_and_snat 1.1.1.9 10.0.5.0/24
lr-nat-add r snat fd00::1 10.0.6.0/24
lr-nat-add r snat fd00::1 fd01::/64
lr-nat-add r snat 1.1.1.30 10.0.99.5/24
--stateless lr-nat-add r dnat_and_snat 1.1.1.10 10.0.0.10
--stateless lr-nat-add r snat 1.1.1.10 10.0.0.11
--portrange lr-nat-add r dnat 1.1.1.11 10.0.0.12 1-3000
--portrange lr-nat-add r dnat 1.1.1.12 10.0.0.13 zz
--portrange lr-nat-add r dnat 1.1.1.12 10.0.0.13
lr-nat-add r dnat 1.1.1.12 10.0.0.13 1-3
--gateway-port=lp lr-nat-add r snat 1.1.1.13 10.0.7.0/24
--gateway-port=zz lr-nat-add r snat 1.1.1.13 10.0.8.0/24
--add-route lr-nat-add r dnat_and_snat 1.1.1.20 10.0.0.20
--match=ip4 lr-nat-add r snat 1.1.1.21 10.0.9.0/24
--priority=5 --match=ip4 lr-nat-add r snat 1.1.1.21 10.0.9.0/24
--priority=5 lr-nat-add r snat 1.1.1.21 10.0.9.1
--priority=x --match=ip6 lr-nat-add r snat 1.1.1.21 10.0.9.0/24
lrp-set-gateway-chassis lp hv1
--gateway-port=lp lr-nat-add r snat 1.1.1.13 10.0.7.0/24
lr-nat-list r
lr-nat-list zz
lr-nat-del r foo
lr-nat-del r snat zz
lr-nat-del r snat 9.9.9.9
lr-nat-del r snat 10.0.0.0/24
lr-nat-del r dnat 1.1.1.4
lr-nat-del r dnat_and_snat 1.1.1.5
lr-nat-del r snat 10.0.77.0/24 lp
lr-nat-del r snat 10.0.7.0/24
--match=ip4 lr-nat-del r snat 10.0.9.0/24
lr-nat-list r
lr-nat-del r snat
lr-nat-update-ext-ip r snat 1.1.1.1 as1
~show r
lr-nat-del r
lr-nat-list r
`,
  "load balancers": `
lr-add r -- ls-add s
lb-add lb0 30.0.0.1:80 10.0.0.1:8080,10.0.0.2:8080
lb-add lb0 30.0.0.1:80 10.0.0.1:8080
--may-exist lb-add lb0 30.0.0.1:80 10.0.0.3:8080
lb-add lb0 30.0.0.2:80 10.0.0.3:8080 udp
lb-add lb0 30.0.0.3:80 10.0.0.3:8080
lb-add lb1 30.0.0.1 10.0.0.1
lb-add lb1 30.0.0.1:80 10.0.0.1
lb-add lb2 30.0.0.1:80 10.0.0.1:8080 udp
lb-add lb3 zz 10.0.0.1
lb-add lb3 30.0.0.1:80 zz
lb-add lb3 30.0.0.1:80 10.0.0.1:80 foo
lb-add lb3 30.0.0.1 10.0.0.1:80
lb-add lb3 30.0.0.1 10.0.0.1 tcp
lb-add lb3 [fd00::1]:80 [fd01::1]:80
lb-add lb3 [fd00::2]:80 10.0.0.1:80
lb-add lb3 30.0.0.5:80 "10.0.0.1:8080, 10.0.0.2:80"
lb-add lb3 30.0.0.6:80 ""
lb-add lb4 30.0.0.1:99999 10.0.0.1:80
lb-add lb4 30.0.0.1:0 10.0.0.1:80
lb-add lb4 fd00::1 fd01::1
--reject lb-add lb5 1.1.1.1:1 2.2.2.2:2
--event lb-add lb6 1.1.1.1:1 ""
--reject --event lb-add lb7 1.1.1.1:1 ""
--add-duplicate lb-add lb5 3.3.3.3:3 4.4.4.4:4
--add-route lb-add lb8 1.1.1.1:1 2.2.2.2:2
--template lb-add lb9 ^vip:^port ^back tcp ipv4
~lb-list
lb-list lb0
lb-list zz
lb-del lb0 30.0.0.9:80
--if-exists lb-del lb0 30.0.0.9:80
lb-del lb0 30.0.0.3:80
lb-list lb0
lb-del lb5
lb-del zz
--if-exists lb-del zz
lr-lb-add r lb0
lr-lb-add r lb0
--may-exist lr-lb-add r lb0
lr-lb-add r zz
lr-lb-add zz lb0
lr-lb-list r
lr-lb-del r lb1
--if-exists lr-lb-del r lb1
lr-lb-del r lb0
lr-lb-add r lb1
lr-lb-add r lb2
lr-lb-list r
lr-lb-del r
lr-lb-list r
ls-lb-add s lb0
ls-lb-add s lb0
ls-lb-add s lb3
ls-lb-list s
ls-lb-del s lb0
ls-lb-del s lb0
ls-lb-del s zz
ls-lb-del s
lb-del lb4
lb-del lb2 30.0.0.1:80
~lb-list
`,
  "copp, chassis groups, mirrors, bindings, forwarding groups, network functions": `
ls-add s -- lsp-add s p1 -- lsp-add s p2 -- lr-add r
meter-add m1 drop 1 kbps
copp-add c1 arp m1
copp-add c1 foo m1
copp-add c1 arp zz
copp-add c1 arp-resolve m1
copp-list c1
copp-list zz
ls-copp-add c1 s
ls-copp-add zz s
ls-copp-add c1 zz
lr-copp-add c1 r
copp-del c1 arp
copp-del c1 foo
copp-del zz
copp-list c1
copp-del c1
copp-list c1
get logical_switch s copp
ha-chassis-group-add g1
ha-chassis-group-add g1
ha-chassis-group-add-chassis g1 c1 10
ha-chassis-group-add-chassis g1 c2 x
ha-chassis-group-add-chassis g1 c1 20
ha-chassis-group-add-chassis zz c1 20
ha-chassis-group-list
ha-chassis-group-list g1
ha-chassis-group-list zz
ha-chassis-group-set-chassis-prio g1 c1 5
ha-chassis-group-set-chassis-prio g1 zz 5
ha-chassis-group-remove-chassis g1 zz
ha-chassis-group-remove-chassis g1 c1
ha-chassis-group-del zz
ha-chassis-group-del g1
ha-chassis-group-list
mirror-add m1 gre 5 to-lport 1.2.3.4
mirror-add m1 gre 5 to-lport 1.2.3.4
--may-exist mirror-add m1 gre 5 to-lport 1.2.3.4
mirror-add m2 foo 5 to-lport 1.2.3.4
mirror-add m2 gre x to-lport 1.2.3.4
mirror-add m2 gre 5 foo 1.2.3.4
mirror-add m2 gre 5 both zz
mirror-add m3 local both id1
mirror-add m4 lport to-lport p2
mirror-add m5 erspan 7 from-lport 1.2.3.5
mirror-add m6 gre to-lport 1.2.3.4
mirror-list
lsp-attach-mirror p1 m1
lsp-attach-mirror p1 m1
--may-exist lsp-attach-mirror p1 m1
lsp-attach-mirror p1 zz
lsp-attach-mirror zz m1
lsp-detach-mirror p1 m1
lsp-detach-mirror p1 m1
lsp-detach-mirror p1 zz
mirror-rule-add m4 10 ip mirror
mirror-rule-add m4 10 ip mirror
mirror-rule-add m4 10 ip foo
mirror-rule-add m1 10 ip mirror
mirror-rule-add m4 x ip skip
mirror-rule-add zz 1 ip skip
mirror-list
mirror-rule-del m4 10 ip
mirror-rule-del m4
mirror-rule-del m4 10
mirror-del zz
mirror-del m1
mirror-del
mirror-list
static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:01
static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:01
--may-exist static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:02
static-mac-binding-add lp zz 00:00:00:00:00:01
static-mac-binding-add lp 1.1.1.2 zz
lrp-add r lp 00:00:00:00:00:01 1.1.1.3/24
static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:01
static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:01
--may-exist static-mac-binding-add lp 1.1.1.1 00:00:00:00:00:02
static-mac-binding-add lp fd00::1 00:00:00:00:00:02
static-mac-binding-list
static-mac-binding-del lp 1.1.1.9
--if-exists static-mac-binding-del lp 1.1.1.9
static-mac-binding-del lp 1.1.1.1
static-mac-binding-del zz 1.1.1.1
static-mac-binding-list
fwd-group-add g1 s 1.1.1.1 00:00:00:00:00:05 p1 p2
fwd-group-add g1 s 1.1.1.1 00:00:00:00:00:05 p1 p2
--liveness fwd-group-add g2 s 1.1.1.2 00:00:00:00:00:06 p1
fwd-group-add g3 zz 1.1.1.2 00:00:00:00:00:06 p1
fwd-group-add g3 s zz 00:00:00:00:00:06 p1
fwd-group-add g3 s 1.1.1.3 zz p1
fwd-group-add g3 s 1.1.1.3 00:00:00:00:00:06 zz
~fwd-group-list
~fwd-group-list s
~fwd-group-list zz
fwd-group-del zz
--if-exists fwd-group-del zz
fwd-group-del g1
~fwd-group-list
nf-add nf1 1 p1 p2
nf-add nf1 1 p1 p2
--may-exist nf-add nf1 1 p1 p2
nf-add nf2 x p1 p2
nf-add nf2 2 zz p2
nf-add nf2 256 p1 p2
nf-list
nfg-add g1 1 inline nf1
nfg-add g1 1 inline nf1
--may-exist nfg-add g1 1 inline nf1
nfg-add g2 2 foo
nfg-add g2 x inline
nfg-add g2 2 inline zz
nfg-add g2 2 inline
nfg-list
nfg-add-nf g2 nf1
nfg-add-nf g2 nf1
--may-exist nfg-add-nf g2 nf1
nfg-add-nf zz nf1
nfg-add-nf g2 zz
nfg-list
nfg-del-nf g2 nf1
nfg-del-nf g2 nf1
nfg-del g2
nfg-del zz
nf-del nf1
nf-del zz
nfg-del g1
nf-del nf1
nf-list
`,
  "health checks": `
ls-add s -- lsp-add s p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 2.2.2.2 2.2.2.3" "50:54:00:00:00:02 2.2.2.4"
lsp-hc-add p1 tcp 1.1.1.1 80 2.2.2.2
lsp-hc-add p1 tcp 1.1.1.1 80 2.2.2.2
lsp-hc-add p1 tcp 1.1.1.1 80 9.9.9.9
lsp-hc-add p1 foo 1.1.1.1 80 2.2.2.2
lsp-hc-add p1 tcp zz 80 2.2.2.2
lsp-hc-add p1 tcp 1.1.1.1 x 2.2.2.2
lsp-hc-add p1 tcp 1.1.1.1 80
lsp-hc-add zz tcp 1.1.1.1 80 2.2.2.2
lsp-hc-list p1
lsp-hc-add p1 icmp 1.1.1.1 2.2.2.3
lsp-hc-add p1 udp 1.1.1.1 81 2.2.2.4
~lsp-hc-list p1
lsp-hc-list zz
lsp-hc-del p1 zz
lsp-hc-del p1 7295e1c9-3f96-4e8d-a215-f6838f527449
lsp-hc-del p1 %Logical_Switch_Port_Health_Check:protocol=icmp%
~lsp-hc-list p1
lsp-hc-del p1
lsp-hc-list p1
`,
  connections: `
get-connection
set-connection ptcp:6641 foo:bar
get-connection
--inactivity-probe=3000 set-connection ptcp:6641:127.0.0.1 pssl:1
~--columns=target,inactivity_probe list connection
set-connection ptcp:6641:127.0.0.1 pssl:1
set-connection
get-connection
del-connection
get-connection
get-ssl
set-ssl a b c
get-ssl
--bootstrap set-ssl a b c d e f
get-ssl
list ssl
set-ssl a b
del-ssl
get-ssl
`,
};

const cases = Object.entries(scripts).flatMap(([name, script]) =>
  (["reference", "weft"] as const).map((which) => ({ title: `${name}, over the ovsdb-server of ${which}`, script, which })),
);

test.concurrent.for(cases)("$title", async ({ script, which }) => {
  const lines = script.split("\n").filter((line) => line !== "");
  const { differences, theirs, ours } = await compareLines(
    "ovn-nbctl",
    ovnNbctl,
    lines,
    "ovn/ovn-nb.ovsschema",
    "OVN_Northbound",
    [],
    which,
  );
  expect(differences.map(({ line, ours }) => [line, ours])).toEqual(differences.map(({ line, theirs }) => [line, theirs]));
  expect(ours).toEqual(theirs);
});
