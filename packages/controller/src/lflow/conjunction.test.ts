import { expect, test } from "vitest";
import { addDatapath, addVif, flowsOf, newCloud } from "../testing/cloud.ts";

test("an ACL over addresses, ports and a port group becomes as many flows as these have members, not combinations", () => {
  const cloud = newCloud();
  const { sb, ovs } = cloud;
  const a = addDatapath(sb, "a", 1);
  const names = ["p1", "p2", "p3", "p4"];
  for (const [i, name] of names.entries()) {
    sb.insert("Port_Binding", { logical_port: name, datapath: a, tunnel_key: i + 1 });
    addVif(ovs, name, i + 10);
  }
  const addresses = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const ports = Array.from({ length: 100 }, (_, i) => 1000 + i);
  sb.insert("Address_Set", { name: "many", addresses });
  sb.insert("Port_Group", { name: "1_group", ports: names });
  sb.insert("Logical_Flow", {
    logical_datapath: a,
    pipeline: "egress",
    table_id: 6,
    priority: 2000,
    match: `outport == @group && ip4.src == $many && tcp.dst == {${ports.join(", ")}}`,
    actions: "next;",
  });
  const flows = flowsOf(cloud, 54);
  expect(flows).toHaveLength(names.length + addresses.length + ports.length + 1);
  expect(flows.filter((flow) => flow.includes("conj_id="))).toHaveLength(1);
});
