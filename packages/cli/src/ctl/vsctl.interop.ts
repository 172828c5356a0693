import { expect, test } from "vitest";
import { compareLines } from "./differential.ts";
import { ovsVsctl } from "./vsctl.ts";

const scripts: Record<string, string> = {
  "command line": `
foo
--foo list-br
--s list-br
-Q
-t
--ti
--oneline list-br
`,
  bridges: `
show
init
add-br br0
add-br br0
--may-exist add-br br0
add-br fk br0 10
add-br fk br0 10
--may-exist add-br fk br0 10
--may-exist add-br fk br0 11
--may-exist add-br fk
--may-exist add-br br0 fk 3
--may-exist add-br fk br1 10
add-br fk2 br0 x
add-br fk2 br0 5000
add-br fk2 nope 5
add-br fk9 nope 5
add-br fk9 fk 5
add-br fk9 br0 10
add-br fk3 br0
list-br
--real list-br
--fake list-br
br-exists br0
br-exists nope
br-to-vlan br0
br-to-vlan fk
br-to-vlan nope
br-to-parent br0
br-to-parent fk
br-set-external-id br0 a b
br-set-external-id fk c d
br-get-external-id br0
br-get-external-id br0 a
br-get-external-id br0 zz
br-get-external-id fk
br-get-external-id fk c
br-set-external-id br0 a
br-get-external-id br0
add-port br0 p1
add-port br0 p1
--may-exist add-port br0 p1
--may-exist add-port fk p1
--may-exist add-port nope p1
add-port nope p1
add-port nope p9
add-port fk p2
add-port br0 p3 tag=5 trunks=1,2 'external_ids:a=b'
add-port br0 p4 foo=1
add-port br0 p5 tag=9999
add-port br0 p6 tag
add-port br0 br0
add-port br0 fk
list-ports br0
list-ports fk
list-ports nope
list-ifaces br0
port-to-br p1
port-to-br p2
port-to-br nope
port-to-br br0
iface-to-br p1
iface-to-br br0
add-bond br0 b0 e1 e2
add-bond br0 b0 e1 e2
--may-exist add-bond br0 b0 e2 e1
--may-exist add-bond br0 b0 e1 e3
add-bond br0 b1 e3
--fake-iface add-bond br0 b1 e3 e4 lacp=active
add-bond br0 b2 e1 e5
--may-exist add-port br0 b0
add-bond-iface b0 e7
add-bond-iface b0 e7
--may-exist add-bond-iface b0 e7
--may-exist add-bond-iface b1 e7
add-bond-iface nope e8
del-bond-iface e7
del-bond-iface b0 e1
del-bond-iface b0 e2
del-bond-iface zz
--if-exists del-bond-iface zz
del-bond-iface b1 e2
list-ifaces br0
iface-to-br e3
~show
del-port nope
--if-exists del-port nope
del-port br0 p2
del-port fk p1
del-port br0 p3
del-port p2
del-port br0
del-port fk
--if-exists del-port fk
del-port br0 fk
--with-iface del-port e3
--with-iface del-port br0 e2
--with-iface del-port zz
--if-exists --with-iface del-port zz
--if-exists del-port br0 zz
--if-exists del-port zz p1
del-port zz p1
list-ports br0
del-br br0 -- add-br br0 -- add-port br0 p1 -- list-ports br0
add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure -- set-controller br1 tcp:127.0.0.1:1 -- set-manager ptcp:6640:127.0.0.1
add-port br1 'a b' -- set interface 'a b' type=geneve options:remote_ip=1.2.3.4 options:key=flow
~show
add-br fk br1 5 -- add-port fk fp
del-br fk
del-br nope
--if-exists del-br nope
emer-reset
~show
~list bridge
del-br br1
`,
  "controllers, managers, TLS": `
add-br br0 -- add-br fk br0 5
get-controller br0
set-controller br0 tcp:1.2.3.4:6653 foo:bar
get-controller br0
get-controller fk
set-controller fk tcp:1.2.3.4:6653
set-controller nope tcp:1.2.3.4:6653
del-controller fk
set-fail-mode fk secure
del-fail-mode fk
get-fail-mode fk
del-controller br0
--inactivity-probe=5 set-controller br0 ptcp:
list controller br0
get-fail-mode br0
set-fail-mode br0 foo
set-fail-mode br0 secure
get-fail-mode br0
del-fail-mode br0
get-manager
set-manager ptcp:6640 zz
get-manager
--inactivity-probe=7 set-manager ptcp:6640
list manager ptcp:6640
del-manager
get-ssl
set-ssl a b c
get-ssl
set-ssl a b c d
--bootstrap set-ssl a b c
del-ssl
add-aa-mapping br0 5 6
add-aa-mapping br0 7 8
get-aa-mapping br0
del-aa-mapping br0 5 6
get-aa-mapping br0
list-dp-cap system
list-zone-tp system
set-zone-limit system 1 5
add-zone-tp system zone=1 icmp_first=1
-- set port br0 qos=@newqos -- --id=@newqos create qos type=linux-htb other-config:max-rate=1000000 queues:0=@newqueue -- --id=@newqueue create queue other-config:min-rate=1000000
list qos br0
destroy qos br0
-- --id=@p get port br0 -- --id=@m create mirror name=mymirror select-dst-port=@p select-src-port=@p output-port=@p -- set bridge br0 mirrors=@m
list mirror mymirror
-- --id=@rec get mirror mymirror -- remove bridge br0 mirrors @rec
set bridge br0 flow_tables:0=@t -- --id=@t create flow_table name=x
--id=@t create flow_table name=x -- set bridge br0 flow_tables:0=@t
get bridge br0 flow_tables:0
get bridge br0 flow_tables:1
set port br0 trunks=1-5,9
get port br0 trunks
set interface br0 type=internal name=foo
clear bridge br0 datapath_id
set open_vswitch . external_ids:system-id=a external_ids:ovn-remote=tcp:1.2.3.4:6642 external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=1.2.3.4
get open_vswitch . external_ids
get open_vswitch . external_ids:ovn-remote
remove open_vswitch . external_ids ovn-remote
-f csv --no-headings --columns=name,type list interface br0
--bare --columns=name find interface type=internal name=br0
`,
};

const cases = Object.entries(scripts).flatMap(([name, script]) =>
  (["reference", "weft"] as const).map((which) => ({ title: `${name}, over the ovsdb-server of ${which}`, script, which })),
);

test.concurrent.for(cases)("$title", async ({ script, which }) => {
  const lines = script.split("\n").filter((line) => line !== "");
  const schema = ["openvswitch/vswitch.ovsschema", "Open_vSwitch"] as const;
  const { differences, theirs, ours } = await compareLines("ovs-vsctl", ovsVsctl, lines, ...schema, ["--no-wait"], which);
  expect(differences.map(({ line, ours }) => [line, ours])).toEqual(differences.map(({ line, theirs }) => [line, theirs]));
  expect(ours).toEqual(theirs);
});
