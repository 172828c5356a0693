import { expect, test } from "vitest";
import { compareLines } from "./differential.ts";
import { ovnSbctl } from "./sbctl.ts";

const flow = (datapath: string, pipeline: string, table: number, priority: number, match: string, stage = `stage${table}`) =>
  `create logical_flow ${datapath} pipeline=${pipeline} table_id=${table} priority=${priority} 'match="${match}"' 'actions="next;"' external_ids:stage-name=${stage}`;

const scripts: Record<string, string[]> = {
  chassis: `
foo
show
init
chassis-add hv1 geneve 1.2.3.4
chassis-add hv1 geneve 1.2.3.4
--may-exist chassis-add hv1 geneve 1.2.3.5
chassis-add hv2 foo 1.2.3.4
chassis-add hv2 geneve,vxlan 1.2.3.6
chassis-add hv3 geneve zz
chassis-add hv4
~show
chassis-del nope
--if-exists chassis-del nope
create chassis_private name=hv3
chassis-del hv3
-- --id=@d create datapath_binding tunnel_key=1 external_ids:name=ls1 -- create port_binding datapath=@d logical_port=p1 tunnel_key=1
lsp-bind p1 hv1
lsp-bind p1 hv1
--may-exist lsp-bind p1 hv2
--may-exist lsp-bind p1 hv1
lsp-bind zz hv1
get port_binding p1 up
lsp-bind p1 zz
set chassis hv1 hostname=foo.bar
~show
--filter=Chassis(hv1) show
--filter=hv1 show
~--filter='Chassis(hv1|hv2),Encap(vxlan)' show
lsp-unbind p1
lsp-unbind p1
lsp-unbind zz
--if-exists lsp-unbind zz
get port_binding p1 chassis up
get-connection
set-connection ptcp:1 read-only ptcp:2 role=foo ptcp:3
get-connection
set-connection read-only ptcp:2 role=foo read-write ptcp:3
get-connection
set-connection role=a
get-connection
--inactivity-probe=4 set-connection role=foo ptcp:1 zz
get-connection
del-connection
set-ssl a b c
get-ssl
del-ssl
create ip_multicast datapath=%Datapath_Binding:external_ids:name=ls1%
ip-multicast-flush ls1
ip-multicast-flush
ip-multicast-flush zz
get datapath_binding ls1 tunnel_key
list datapath_binding zz
set chassis hv1 name=x
set port_binding p1 datapath=%Datapath_Binding:external_ids:name=ls1%
~--bare --columns=name find chassis hostname!=foo
`.split("\n"),
  flows: [
    "lflow-list",
    "count-flows",
    "create datapath_binding tunnel_key=1 external_ids:name=ls1",
    "create datapath_binding tunnel_key=2 external_ids:name=lr1 external_ids:name2=other",
    "create datapath_binding tunnel_key=3",
    "-- --id=@g create logical_dp_group datapaths=%Datapath_Binding:external_ids:name=ls1%,%Datapath_Binding:external_ids:name=lr1% -- " +
      flow("logical_dp_group=@g", "ingress", 3, 50, "ip4 && tcp"),
    flow("logical_datapath=%Datapath_Binding:external_ids:name=ls1%", "ingress", 10, 65535, "1"),
    flow("logical_datapath=%Datapath_Binding:external_ids:name=ls1%", "ingress", 10, 5, "b"),
    flow("logical_datapath=%Datapath_Binding:external_ids:name=ls1%", "ingress", 10, 5, "a", "a_stage_with_a_long_name"),
    flow("logical_datapath=%Datapath_Binding:external_ids:name=ls1%", "egress", 0, 5, "a"),
    flow("logical_datapath=%Datapath_Binding:tunnel_key=3%", "egress", 0, 5, "a"),
    "lflow-list",
    "dump-flows",
    "lflow-list ls1",
    "lflow-list lr1",
    "lflow-list %Datapath_Binding:tunnel_key=3%",
    "lflow-list zz",
    "lflow-list ls1 zz",
    "lflow-list %Logical_Flow:match=b%",
    "lflow-list ls1 %Logical_Flow:match=b%",
    "lflow-list lr1 %Logical_Flow:match=b%",
    "count-flows",
    "count-flows ls1",
    "count-flows zz",
    "create mac_binding datapath=%Datapath_Binding:external_ids:name=ls1% logical_port=lrp1 ip=10.0.0.5 'mac=\"00:00:00:00:00:05\"'",
    "create port_binding logical_port=q datapath=%Datapath_Binding:external_ids:name=ls1% tunnel_key=9 type=localnet tag=7 parent_port=x",
    "create multicast_group name=_MC_flood datapath=%Datapath_Binding:external_ids:name=ls1% tunnel_key=32768 ports=%Port_Binding:logical_port=q%",
    "chassis-add hv1 geneve 1.2.3.4",
    "--vflows lflow-list",
    "--vflows lflow-list ls1",
    "--vflows lflow-list lr1",
  ],
};

const cases = Object.entries(scripts).flatMap(([name, script]) =>
  (["reference", "weft"] as const).map((which) => ({ title: `${name}, over the ovsdb-server of ${which}`, script, which })),
);

test.concurrent.for(cases)("$title", async ({ script, which }) => {
  const lines = script.filter((line) => line !== "");
  const { differences, theirs, ours } = await compareLines(
    "ovn-sbctl",
    ovnSbctl,
    lines,
    "ovn/ovn-sb.ovsschema",
    "OVN_Southbound",
    [],
    which,
  );
  expect(differences.map(({ line, ours }) => [line, ours])).toEqual(differences.map(({ line, theirs }) => [line, theirs]));
  expect(ours).toEqual(theirs);
});
