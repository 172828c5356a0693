/** The post on trunk ports, command by command, in the built-in lab. Uuids, times and ids differ from run to run. */
import { builtinLabs, parseLab } from "@weft/lab";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLab, withoutUuids } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(builtinLabs.get("trunks")!, "trunks"));
});
afterAll(() => lab.down());

describe("databases", () => {
  it("ovn-nbctl show", async () => {
    const text = withoutUuids(await lab.sh("central", "ovn-nbctl show"));
    const [network1 = "", network2 = ""] = text.split(/^(?=switch )/m);
    // Ports come in the order of their uuids.
    const blocks = (block: string) => block.split(/^(?= {4}port)/m).sort();
    expect(blocks(network1)).toEqual([
      '    port vm1\n        addresses: ["40:44:00:00:00:01 192.168.0.11"]\n',
      '    port vm2\n        addresses: ["40:44:00:00:00:02 192.168.0.12"]\n',
      "switch UUID (network1)\n",
    ]);
    expect(blocks(network2)).toEqual([
      '    port child1\n        parent: vm1\n        tag: 30\n        addresses: ["40:44:00:00:00:03 192.168.1.13"]\n',
      '    port child2\n        parent: vm2\n        tag: 50\n        addresses: ["40:44:00:00:00:04 192.168.1.14"]\n',
      "switch UUID (network2)\n",
    ]);
  });

  it("ovn-sbctl show", async () => {
    const text = await lab.sh("central", "ovn-sbctl show");
    for (const [worker, address, ports] of [
      ["worker1", "192.168.50.100", ["child1", "vm1"]],
      ["worker2", "192.168.50.101", ["child2", "vm2"]],
    ] as const) {
      const block = text.split(/^(?=Chassis )/m).find((part) => part.startsWith(`Chassis ${worker}\n`));
      expect(block).toContain(
        `    hostname: ${worker}\n    Encap geneve\n        ip: "${address}"\n        options: {csum="true"}\n`,
      );
      for (const port of ports) expect(block).toContain(`    Port_Binding ${port}\n`);
    }
  });

  it("the logical network and port that the flows name", async () => {
    expect(withoutUuids(await lab.sh("central", "ovn-sbctl find datapath_binding tunnel_key=2"))).toMatch(
      /^_uuid +: UUID\nexternal_ids +: \{logical-switch="UUID", name=network2\}\n(.*\n)*tunnel_key +: 2\n/,
    );
    expect(await lab.sh("central", "ovn-sbctl get port_binding child1 tunnel_key")).toBe("1\n");
  });
});

describe("guests", () => {
  it("ip -d link show: child1 is a VLAN device on vm1", async () => {
    const text = await lab.sh("worker1", "ip netns exec vm1 ip -d link show");
    expect(text).toContain(
      "child1@vm1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\n    link/ether 40:44:00:00:00:03 brd ff:ff:ff:ff:ff:ff",
    );
    expect(text).toContain("    vlan protocol 802.1Q id 30 <REORDER_HDR> ");
    expect(text).toMatch(
      /\n\d+: vm1: <BROADCAST,MULTICAST,UP,LOWER_UP> .*\n {4}link\/ether 40:44:00:00:00:01 brd ff:ff:ff:ff:ff:ff .*\n {4}openvswitch /,
    );
  });

  it("child1 pings child2", async () => {
    expect(await lab.sh("worker1", "ip netns exec vm1 ping 192.168.1.14 -c2")).toMatch(
      /^PING 192\.168\.1\.14 \(192\.168\.1\.14\) 56\(84\) bytes of data\.\n64 bytes from 192\.168\.1\.14: icmp_seq=1 ttl=64 time=\S+ ms\n64 bytes from 192\.168\.1\.14: icmp_seq=2 ttl=64 time=\S+ ms\n\n--- 192\.168\.1\.14 ping statistics ---\n2 packets transmitted, 2 received, 0% packet loss, time 1000ms\n/,
    );
  });
});

describe("traffic", () => {
  const untagged = (n: number) =>
    new RegExp(
      String.raw`40:44:00:00:00:03 > 40:44:00:00:00:04, ethertype IPv4 \(0x0800\), length 98: \(tos 0x0, ttl 64, id \d+, offset 0, flags \[DF\], proto ICMP \(1\), length 84\)\n    192\.168\.1\.13 > 192\.168\.1\.14: ICMP echo request, id \d+, seq \d+, length 64\n${n} packet captured`,
    );
  const tagged = (vlan: number) =>
    new RegExp(
      String.raw`listening on vm\d, link-type EN10MB \(Ethernet\), snapshot length 262144 bytes\n\d\d:\d\d:\d\d\.\d{6} 40:44:00:00:00:03 > 40:44:00:00:00:04, ethertype 802\.1Q \(0x8100\), length 102: vlan ${vlan}, p 0, ethertype IPv4 \(0x0800\), \(tos 0x0, ttl 64, id \d+, offset 0, flags \[DF\], proto ICMP \(1\), length 84\)\n    192\.168\.1\.13 > 192\.168\.1\.14: ICMP echo request, id \d+, seq \d+, length 64\n`,
    );

  it.each([
    ["worker1", "ip netns exec vm1 tcpdump -vvnee -i vm1 icmp -c1", tagged(30)],
    ["worker1", "tcpdump -vvneei genev_sys_6081 icmp -c1", untagged(1)],
    ["worker2", "tcpdump -vvnee -i genev_sys_6081 icmp -c1", untagged(1)],
    ["worker2", "ip netns exec vm2 tcpdump -vvneei vm2 icmp -c1", tagged(50)],
  ])("%s: %s", async (node, line, expected) => {
    const capture = lab.start(node, line);
    await lab.sh("worker1", "ip netns exec vm1 ping -c1 192.168.1.14");
    expect(await lab.runtime.clock.run(capture.output)).toMatch(expected);
  });
});

describe("flows", () => {
  const flow = (text: string) => new RegExp(`^ cookie=0x[0-9a-f]{1,8}, duration=\\S+s, ${text}\n$`);
  const number = async (node: string, port: string) => {
    const [, found = ""] =
      new RegExp(`^ (\\d+)\\(${port}\\): addr:`, "m").exec(await lab.sh(node, "ovs-ofctl show br-int")) ?? [];
    return found;
  };

  it("worker1 takes VLAN 30 off frames of vm1, and child1's network and port for them; it knows nothing of VLAN 50", async () => {
    expect(await lab.sh("worker1", "ovs-ofctl dump-flows br-int table=0 | grep vlan")).toMatch(
      flow(
        String.raw`table=0, n_packets=\d+, n_bytes=\d+, idle_age=\d+, priority=150,in_port=${await number("worker1", "vm1")},dl_vlan=30 actions=load:0x1->NXM_NX_REG10\[5\],strip_vlan,load:0x\w+->NXM_NX_REG13\[0\.\.15\],load:0x\w+->NXM_NX_REG11\[\],load:0x\w+->NXM_NX_REG12\[\],load:0x2->OXM_OF_METADATA\[\],load:0x1->NXM_NX_REG14\[\],load:0->NXM_NX_REG13\[16\.\.31\],resubmit\(,8\)`,
      ),
    );
  });

  it("vm1 is a port of the bridge", async () => {
    expect(await lab.sh("worker1", "ovs-ofctl show br-int | grep vm1")).toMatch(/^ \d+\(vm1\): addr:40:44:00:00:00:01\n$/);
    expect(await lab.sh("worker2", "ovs-ofctl show br-int | grep vm2")).toMatch(/^ \d+\(vm2\): addr:40:44:00:00:00:02\n$/);
  });

  it("worker2 tags what goes to child2", async () => {
    expect(await lab.sh("worker2", "ovs-ofctl dump-flows br-int | grep mod_vlan_vid:50")).toMatch(
      flow(
        String.raw`table=65, n_packets=\d+, n_bytes=\d+, idle_age=\d+, priority=100,reg15=0x2,metadata=0x2 actions=mod_vlan_vid:50,output:${await number("worker2", "vm2")},strip_vlan`,
      ),
    );
    expect(await lab.sh("worker1", "ovs-ofctl dump-flows br-int | grep mod_vlan_vid:50")).toBe("");
  });
});

it("a lab comes up and goes down without waiting for any timer", async () => {
  const other = await VirtualLab.up(parseLab(builtinLabs.get("trunks")!, "trunks"));
  expect(other.runtime.clock.now()).toBeLessThan(100);
  const up = other.runtime.clock.now();
  await other.down();
  expect(other.runtime.clock.now() - up).toBeLessThan(100);
});
