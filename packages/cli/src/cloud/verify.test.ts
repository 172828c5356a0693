/** weft verify in a lab: nothing is found while all is well; each fault that is made is found, and by its own name only. */
import { parseLab } from "@weft/lab";
import type { Finding } from "@weft/trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLab } from "../lab/testing.ts";
import { smallCloud } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(smallCloud, "verified"));
});
afterAll(() => lab.down());

async function findings(...words: readonly string[]): Promise<Finding[]> {
  return JSON.parse(await lab.sh("central", ["weft verify --json", ...words].join(" "))) as Finding[];
}

/** "CODE NODE: SUBJECT", each once. */
async function found(): Promise<string[]> {
  const lines = (await findings()).map(({ code, node, subject }) => `${code}${node === undefined ? "" : ` ${node}`}: ${subject}`);
  return [...new Set(lines)].sort();
}

it("finds nothing while all is well", async () => {
  expect(await lab.sh("central", "weft verify")).toBe("Nothing found: what is installed is what the databases ask for.\n");
});

interface Fault {
  readonly name: string;
  readonly make: readonly (readonly [node: string, command: string])[];
  /** What goes on while the fault is looked for. */
  readonly meanwhile?: readonly [node: string, command: string];
  readonly mend: readonly (readonly [node: string, command: string])[];
  readonly expected: readonly string[];
}

/** Lets the cloud carry out what was changed. */
const pause = (): Promise<void> => lab.runtime.clock.run(lab.runtime.clock.sleep(2000));

const resume = [
  ["hv1", "ovn-appctl -t ovn-controller debug/resume"],
  ["hv1", "ovn-appctl -t ovn-controller exit --restart"],
  ["hv1", "ovn-controller --detach --no-chdir --pidfile --log-file -vconsole:off unix:/var/run/openvswitch/db.sock"],
  ["central", "ovn-nbctl --wait=hv sync"],
] as const;

/** Learns, on lr0-sw1, that an address is at an Ethernet address that nobody has. */
const neighbour = (ip: string): string =>
  `ovn-sbctl --id=@d get Datapath_Binding lr0 -- create MAC_Binding logical_port=lr0-sw1 ip=${ip} 'mac="00:00:00:00:66:66"' datapath=@d`;

const faults: readonly Fault[] = [
  {
    name: "a flow that was taken away",
    make: [["hv1", "ovs-ofctl del-flows br-int table=0,in_port=vm1"]],
    mend: resume.slice(1),
    expected: ["flow-missing hv1: table 0, priority 100"],
  },
  {
    name: "a flow that somebody added",
    make: [["hv1", "ovs-ofctl add-flow br-int table=0,priority=65000,ip,nw_dst=10.0.0.2,actions=drop"]],
    mend: [["hv1", "ovs-ofctl --strict del-flows br-int table=0,priority=65000,ip,nw_dst=10.0.0.2"]],
    expected: ["flow-extra hv1: table 0, priority 65000"],
  },
  {
    name: "a bridge mapping to nowhere",
    make: [["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-none"]],
    mend: [["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-ex"]],
    expected: ["mapping-without-bridge hv1: bridge mapping physnet1:br-none"],
  },
  {
    name: "a bridge mapping for another network",
    make: [["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet2:br-ex"]],
    mend: [["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-ex"]],
    expected: ["mapping-without-network hv1: bridge mapping physnet2:br-ex", "network-without-mapping hv1: localnet port ln0"],
  },
  {
    name: "a poisoned neighbour",
    make: [["central", neighbour("10.0.1.1")]],
    mend: [["central", "ovn-sbctl --all destroy MAC_Binding"]],
    expected: ["neighbour-contradicts-port: neighbour 10.0.1.1 of lr0-sw1"],
  },
  {
    name: "a neighbour that nobody is",
    make: [["central", neighbour("10.0.1.9")]],
    mend: [["central", "ovn-sbctl --all destroy MAC_Binding"]],
    expected: ["neighbour-unknown: neighbour 10.0.1.9 of lr0-sw1"],
  },
  {
    name: "an address twice",
    make: [["central", 'ovn-nbctl --wait=hv lsp-add sw0 vm3 -- lsp-set-addresses vm3 "00:00:00:00:01:03 10.0.0.2"']],
    mend: [["central", "ovn-nbctl --wait=hv lsp-del vm3"]],
    expected: ["duplicate-address: 10.0.0.2 in switch sw0"],
  },
  {
    name: "an ACL that does not parse",
    make: [["central", "ovn-nbctl --wait=hv acl-add sw0 to-lport 1002 ip4.source==10.0.0.1 drop"]],
    mend: [["central", "ovn-nbctl --wait=hv acl-del sw0 to-lport 1002 ip4.source==10.0.0.1"]],
    expected: [expect.stringMatching(/^flow-does-not-parse: logical flow/)],
  },
  {
    name: "the wrong protocol of the southbound",
    make: [["hv1", "ovs-vsctl set open . external_ids:ovn-remote=ssl:192.0.2.10:6642"]],
    mend: [
      ["hv1", "ovs-vsctl set open . external_ids:ovn-remote=tcp:192.0.2.10:6642"],
      ["central", "ovn-nbctl --wait=hv sync"],
    ],
    expected: ["chassis-unreachable hv1: ovn-controller"],
  },
  {
    name: "a controller that stands still",
    make: [
      ["hv1", "ovn-appctl -t ovn-controller debug/pause"],
      ["central", "ovn-nbctl --wait=sb lsp-set-port-security vm1"],
      ["central", "ovn-nbctl --wait=sb sync"],
    ],
    mend: [...resume, ["central", 'ovn-nbctl --wait=hv lsp-set-port-security vm1 "00:00:00:00:01:01 10.0.0.1 fd00::1"']],
    expected: [
      "chassis-lags hv1: chassis hv1",
      "flow-extra hv1: table 73, priority 80",
      "flow-extra hv1: table 73, priority 90",
      "flow-extra hv1: table 73, priority 95",
      "flow-extra hv1: table 74, priority 80",
      "flow-extra hv1: table 74, priority 90",
      "flow-extra hv1: table 75, priority 80",
      "flow-extra hv1: table 75, priority 85",
      "flow-extra hv1: table 75, priority 90",
      "flow-extra hv1: table 75, priority 95",
    ],
  },
  {
    name: "an underlay that is too small",
    make: [["hv2", "ip link set eth1 mtu 1500"]],
    mend: [["hv2", "ip link set eth1 mtu 1600"]],
    expected: ["mtu-too-small hv2: device eth1"],
  },
  {
    name: "half a distributed floating IP",
    make: [
      ["central", "ovn-nbctl --wait=hv lr-nat-add lr0 dnat_and_snat 172.16.0.5 10.0.0.1 -- set NAT 172.16.0.5 logical_port=vm1"],
    ],
    mend: [["central", "ovn-nbctl --wait=hv lr-nat-del lr0"]],
    expected: ["floating-ip-incomplete: floating IP 172.16.0.5 of 10.0.0.1"],
  },
  {
    name: "a distributed floating IP on another guest's port",
    make: [["central", "ovn-nbctl --wait=hv lr-nat-add lr0 dnat_and_snat 172.16.0.5 10.0.0.1 vm2 00:00:00:00:05:05"]],
    mend: [["central", "ovn-nbctl --wait=hv lr-nat-del lr0"]],
    expected: ["floating-ip-misplaced: floating IP 172.16.0.5 of 10.0.0.1"],
  },
  {
    name: "a tunnel that loses packets in one direction",
    make: [
      ["hv1", "ip route add 192.0.2.12/32 via 192.0.2.99"],
      ["hv1", "ip netns exec in1 ping -c40 -i0.2 -q 10.0.1.12"],
    ],
    meanwhile: ["hv1", "ip netns exec in1 ping -c60 -i0.2 -q 10.0.1.12"],
    mend: [
      ["hv1", "ip route del 192.0.2.12/32"],
      ["hv1", "ip netns exec in1 ping -c400 -i0.01 -q 10.0.1.12"],
    ],
    expected: ["tunnel-loses hv1: tunnel ovn-hv2-0 to hv2"],
  },
];

describe("faults", () => {
  for (const { name, make, meanwhile, mend, expected } of faults) {
    it(name, { timeout: 60_000 }, async () => {
      try {
        for (const [node, command] of make) expect(await lab.sh(node, command)).toMatch(/^([0-9a-f-]{36}\n|PING .*)?$/s);
        await pause();
        const running = meanwhile === undefined ? undefined : lab.start(...meanwhile);
        expect(await found()).toEqual(expected);
        running?.stop();
      } finally {
        for (const [node, command] of mend) await lab.sh(node, command);
        await pause();
      }
      expect(await found()).toEqual([]);
    });
  }
});

it("says what it does not know", async () => {
  expect(await lab.sh("central", "weft verify hv9")).toBe("weft verify: there is no hypervisor hv9 (hv1, hv2)\n");
});
