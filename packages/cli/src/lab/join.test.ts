/** Two labs that are one cloud: the second's hypervisor joins the first's databases by TCP and its underlay by UDP. */
import { parseLab } from "@weft/lab";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VirtualLab } from "./testing.ts";

const guest = (name: string, mac: string, address: string, encap: string) => `
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=${name} external-ids:ovn-remote=tcp:127.0.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=${encap}
      ovs-vsctl add-port br-int vm -- set Interface vm type=internal external_ids:iface-id=${name}
      ip netns add vm
      ip link set vm netns vm
      ip netns exec vm ip link set vm address ${mac}
      ip netns exec vm ip addr add ${address}/24 dev vm
      ip netns exec vm ip link set vm up
`;
const first = `
name: first
networks: { underlay: { real: true } }
nodes:
  central:
    nics: { eth1: { network: underlay, address: 127.0.50.10/24 } }
    services: [ovn-central]
    listen: 127.0.50.10
    provision: |
      ovn-nbctl ls-add net0
      ovn-nbctl lsp-add net0 here -- lsp-set-addresses here "40:44:00:00:00:01 10.0.0.1"
      ovn-nbctl lsp-add net0 there -- lsp-set-addresses there "40:44:00:00:00:02 10.0.0.2"
  here:
    nics: { eth1: { network: underlay, address: 127.0.50.100/24 } }
${guest("here", "40:44:00:00:00:01", "10.0.0.1", "127.0.50.100")}`;
const second = `
name: second
networks: { underlay: { real: true } }
nodes:
  there:
    nics: { eth1: { network: underlay, address: 127.0.50.200/24 } }
${guest("there", "40:44:00:00:00:02", "10.0.0.2", "127.0.50.200")}`;

let a: VirtualLab;
let b: VirtualLab;
beforeAll(async () => {
  a = await VirtualLab.up(parseLab(first, "first"));
  b = await VirtualLab.up(parseLab(second, "second"), a.runtime);
  await a.sh("central", "ovn-nbctl --wait=hv sync");
});
afterAll(async () => {
  await b.down();
  await a.down();
});

it("the open ports", () => {
  expect(a.lab.published).toEqual([
    { node: "central", port: 6641, endpoint: "tcp:127.0.50.10:6641" },
    { node: "central", port: 6642, endpoint: "tcp:127.0.50.10:6642" },
  ]);
});

it("both hypervisors are chassis of the one southbound database", async () => {
  expect(await a.sh("central", "ovn-sbctl --bare --columns=name list Chassis")).toMatch(/here/);
  expect(await a.sh("central", "ovn-sbctl --bare --columns=name list Chassis")).toMatch(/there/);
});

it("guests of either lab ping each other", async () => {
  expect(await a.sh("here", "ip netns exec vm ping -c2 10.0.0.2")).toContain(" 0% packet loss");
  expect(await b.sh("there", "ip netns exec vm ping -c2 10.0.0.1")).toContain(" 0% packet loss");
});

it("the underlay's captures show the other lab's address behind the uplink", async () => {
  const capture = a.start("here", "tcpdump -nne -i eth1 -c2 inner icmp");
  await a.sh("here", "ip netns exec vm ping -c1 10.0.0.2");
  const text = await a.runtime.clock.run(capture.output);
  expect(text).toMatch(/127\.0\.50\.100\.\d+ > 127\.0\.50\.200\.6081: Geneve/);
  expect(text).toMatch(/127\.0\.50\.200\.6081 > 127\.0\.50\.100\.6081: Geneve/);
});

it("only tunnels cross", async () => {
  expect(await a.sh("here", "ping -c1 127.0.50.200")).toContain("From 127.0.50.200 icmp_seq=1 Packet filtered");
});
