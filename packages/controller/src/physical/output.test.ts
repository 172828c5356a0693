import { expect, test } from "vitest";
import { tables as t } from "../tables.ts";
import { addDatapath, addPort, addVif, flowsOf, newCloud } from "../testing/cloud.ts";

function chassis(cloud: ReturnType<typeof newCloud>, name: string) {
  return [...cloud.sb.table("Chassis").rows()].find((row) => row.name === name)!._uuid;
}

test("a VIF on this chassis: in, out, and back out of the port that it came in by", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 5 });
  addVif(cloud.ovs, "p1", 7);
  expect(flowsOf(cloud, t.physToLog).filter((flow) => flow.includes("in_port=7"))).toEqual([
    "table=0, priority=100,in_port=7 actions=set_field:0x1/0xffff->reg13,set_field:0x2->reg11,set_field:0x3->reg12," +
      "set_field:0x1->metadata,set_field:0x5->reg14,set_field:0/0xffff0000->reg13,resubmit(,8)",
  ]);
  const about = flowsOf(cloud).filter((flow) => flow.includes("reg15=0x5"));
  expect(about).toEqual([
    "table=46, priority=100,reg15=0x5,metadata=0x1 actions=set_field:0x1/0xffff->reg13,set_field:0x2->reg11,set_field:0x3->reg12,resubmit(,47)",
    "table=47, priority=100,reg10=0/0x1,reg14=0x5,reg15=0x5,metadata=0x1 actions=drop",
    "table=64, priority=100,reg10=0x1/0x1,reg15=0x5,metadata=0x1 actions=push:NXM_OF_IN_PORT[],set_field:ANY->in_port,resubmit(,65),pop:NXM_OF_IN_PORT[]",
    "table=65, priority=100,reg15=0x5,metadata=0x1 actions=output:7",
  ]);
});

test("a VIF on another chassis is reached through the tunnel", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 5 });
  cloud.sb.insert("Port_Binding", { logical_port: "p2", datapath: a, tunnel_key: 6, chassis: chassis(cloud, "hv2") });
  addVif(cloud.ovs, "p1", 7);
  expect(flowsOf(cloud, t.remoteOutput)).toContain(
    "table=44, priority=100,reg13=0/0xffff0000,reg15=0x6,metadata=0x1 actions=set_field:0x1/0xffffff->tun_id," +
      "set_field:0x6->tun_metadata0,move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30],output:1,resubmit(,45)",
  );
});

test("a container is its parent's OpenFlow port with a VLAN tag", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  cloud.sb.insert("Port_Binding", { logical_port: "c1", datapath: a, tunnel_key: 2, parent_port: "p1", tag: 10 });
  addVif(cloud.ovs, "p1", 7);
  const flows = flowsOf(cloud, t.physToLog, t.saveInport, t.logToPhys);
  expect(flows.find((flow) => flow.includes("dl_vlan=10"))).toMatch(
    /^table=0, priority=150,in_port=7,dl_vlan=10 actions=set_field:0x20\/0x20->reg10,pop_vlan,.*set_field:0x2->reg14/,
  );
  expect(flows).toContain(
    "table=65, priority=100,reg15=0x2,metadata=0x1 actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:7,pop_vlan",
  );
  const loop = "push:NXM_OF_IN_PORT[],set_field:ANY->in_port,resubmit(,65),pop:NXM_OF_IN_PORT[]";
  expect(flows).toContain(`table=64, priority=100,reg15=0x2,metadata=0x1 actions=${loop}`);
  expect(flows).toContain(`table=64, priority=100,reg10=0x20/0x20,reg15=0x1,metadata=0x1 actions=${loop}`);
});

test("back out of a parent from containers on another switch: the parent's key in the containers' datapath", () => {
  const cloud = newCloud();
  const [a, b] = [addDatapath(cloud.sb, "a", 1), addDatapath(cloud.sb, "b", 3)];
  cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  cloud.sb.insert("Port_Binding", { logical_port: "c1", datapath: b, tunnel_key: 2, parent_port: "p1", tag: 10 });
  cloud.sb.insert("Port_Binding", { logical_port: "c2", datapath: b, tunnel_key: 3, parent_port: "p1", tag: 11 });
  addVif(cloud.ovs, "p1", 7);
  const nested = flowsOf(cloud, t.saveInport).filter((flow) => flow.includes("reg10=0x20/0x20"));
  expect(nested).toEqual([
    "table=64, priority=100,reg10=0x20/0x20,reg15=0x1,metadata=0x3 actions=push:NXM_OF_IN_PORT[],set_field:ANY->in_port,resubmit(,65),pop:NXM_OF_IN_PORT[]",
  ]);
});

test("with a localnet port, ports of other chassis, or nowhere, are reached through the physical network", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  cloud.sb.insert("Port_Binding", { logical_port: "p2", datapath: a, tunnel_key: 2, chassis: chassis(cloud, "hv2") });
  cloud.sb.insert("Port_Binding", { logical_port: "ln", datapath: a, tunnel_key: 3, type: "localnet", tag: 100 });
  cloud.sb.insert("Port_Binding", { logical_port: "unbound", datapath: a, tunnel_key: 4 });
  cloud.sb.insert("Port_Binding", { logical_port: "elsewhere", datapath: a, tunnel_key: 5, type: "localport" });
  addVif(cloud.ovs, "p1", 7);
  addPort(cloud.ovs, "patch-br-int-to-ln", 8, { port: { "ovn-localnet-port": "ln" } });
  const flows = flowsOf(cloud);
  for (const key of [2, 4, 5])
    expect(flows).toContain(`table=46, priority=100,reg15=0x${key},metadata=0x1 actions=set_field:0x3->reg15,resubmit(,46)`);
  expect(flows.filter((flow) => flow.startsWith("table=44") && flow.includes("reg15=0x2,"))).toEqual([]);
  expect(flows).toContain(
    "table=65, priority=100,reg15=0x3,metadata=0x1 actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:8,pop_vlan",
  );
});

test("a multicast group: one copy to each member here, one to each other chassis", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  const ports = [
    cloud.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 }),
    cloud.sb.insert("Port_Binding", { logical_port: "p2", datapath: a, tunnel_key: 2, chassis: chassis(cloud, "hv2") }),
    cloud.sb.insert("Port_Binding", { logical_port: "p3", datapath: a, tunnel_key: 3, chassis: chassis(cloud, "hv2") }),
  ];
  cloud.sb.insert("Multicast_Group", { name: "_MC_flood", datapath: a, tunnel_key: 32768, ports });
  addVif(cloud.ovs, "p1", 7);
  const flows = flowsOf(cloud, t.remoteOutput, t.localOutput).filter((flow) => flow.includes("reg15=0x8000"));
  expect(flows).toEqual([
    "table=44, priority=100,reg10=0/0x2,reg15=0x8000,metadata=0x1 actions=set_field:0x1/0xffffff->tun_id," +
      "set_field:0x8000->tun_metadata0,move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30],output:1,resubmit(,45)",
    "table=46, priority=100,reg15=0x8000,metadata=0x1 actions=set_field:0x1/0xffff->reg13,set_field:0x1->reg15,resubmit(,47),set_field:0x8000->reg15",
  ]);
});

test("nothing is installed for datapaths without a port here", () => {
  const cloud = newCloud();
  const a = addDatapath(cloud.sb, "a", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "p2", datapath: a, tunnel_key: 6, chassis: chassis(cloud, "hv2") });
  cloud.sb.insert("Logical_Flow", {
    logical_datapath: a,
    pipeline: "ingress",
    table_id: 0,
    priority: 1,
    match: "1",
    actions: "next;",
  });
  expect(flowsOf(cloud).filter((flow) => flow.includes("metadata=0x1"))).toEqual([]);
});
