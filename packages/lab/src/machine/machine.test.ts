import { decode, find, parseMac } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { ip } from "../commands/ip/index.ts";
import { pingCommand } from "../commands/ping.ts";
import { Device } from "./device.ts";
import { type Command, Machine } from "./machine.ts";

const commands = new Map<string, Command>([
  ["ip", ip],
  ["ping", pingCommand()],
  ["ping6", pingCommand(6)],
]);

/** Two machines on one wire, with a shell that returns what a command printed. */
function twoMachines() {
  const runtime = virtualRuntime({ seed: 1 });
  const machines = ["a", "b"].map((name, i) => {
    const machine = new Machine(name, runtime, commands);
    machine.root.addDevice(new Device("ether", "eth1", parseMac(`52:54:00:00:00:0${i + 1}`)!));
    return machine;
  }) as [Machine, Machine];
  const [left, right] = machines.map((machine) => machine.root.device("eth1")!) as [Device, Device];
  left.wire = (frame) => void runtime.clock.after(0.1, () => right.receive(frame));
  right.wire = (frame) => void runtime.clock.after(0.1, () => left.receive(frame));
  const sh = async (machine: Machine, line: string) => {
    let text = "";
    const out = { write: (more: string | Uint8Array) => void (text += more), isTerminal: false };
    const code = await runtime.clock.run(
      machine.exec(line.split(" "), {
        stdin: (async function* () {})(),
        stdout: out,
        stderr: out,
        signal: new AbortController().signal,
      }),
      120_000,
    );
    return `${text}${code === 0 ? "" : `[${code}]\n`}`;
  };
  return { runtime, a: machines[0], b: machines[1], left, right, sh };
}

describe("guests", () => {
  it("ping each other, and show what they learned", async () => {
    const { a, b, sh } = twoMachines();
    for (const [machine, address] of [
      [a, "10.0.0.1/24"],
      [b, "10.0.0.2/24"],
    ] as const) {
      await sh(machine, `ip addr add ${address} dev eth1`);
      await sh(machine, "ip link set eth1 up");
    }
    expect(await sh(a, "ping -c2 10.0.0.2")).toBe(`PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.400 ms
64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.200 ms

--- 10.0.0.2 ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 1000ms
rtt min/avg/max/mdev = 0.200/0.300/0.400/0.100 ms
`);
    expect(await sh(a, "ip neigh")).toBe("10.0.0.2 dev eth1 lladdr 52:54:00:00:00:02 REACHABLE \n");
    expect(await sh(a, "ping -c1 10.0.0.3")).toContain("From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n");
    expect(await sh(a, "ping -c1 8.8.8.8")).toBe("ping: connect: Network is unreachable\n[2]\n");
  });

  it("ping each other over IPv6, by link-local addresses too", async () => {
    const { a, b, sh } = twoMachines();
    await sh(a, "ip link set eth1 up");
    await sh(b, "ip link set eth1 up");
    await sh(b, "ip addr add 2001:db8::2/64 dev eth1");
    await sh(a, "ip addr add 2001:db8::1/64 dev eth1");
    expect(await sh(a, "ping6 -c1 2001:db8::2")).toContain("64 bytes from 2001:db8::2: icmp_seq=1 ttl=64 time=0.400 ms");
    expect(await sh(a, "ping -c1 fe80::5054:ff:fe00:2%eth1")).toContain("1 packets transmitted, 1 received");
  });

  it("tag what a VLAN device sends, and take it off on the other side", async () => {
    const { a, b, left, sh } = twoMachines();
    const seen: (number | undefined)[] = [];
    left.taps.add((frame) => void seen.push(find(decode(frame), "vlan")?.id));
    for (const [machine, address] of [
      [a, "10.0.0.1/24"],
      [b, "10.0.0.2/24"],
    ] as const) {
      await sh(machine, "ip link set eth1 up");
      await sh(machine, "ip link add link eth1 name child1 type vlan id 30");
      await sh(machine, "ip link set child1 up");
      await sh(machine, `ip addr add ${address} dev child1`);
    }
    expect(await sh(a, "ping -c1 10.0.0.2")).toContain("1 received");
    expect(new Set(seen)).toEqual(new Set([30]));
    expect(await sh(a, "ip -d link show child1")).toContain("vlan protocol 802.1Q id 30 <REORDER_HDR> ");
    expect(await sh(a, "ip -br link")).toContain(
      "child1@eth1      UP             52:54:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP> \n",
    );
  });

  it("live in network namespaces, behind bridges, and are routed to", async () => {
    const { a, b, sh } = twoMachines();
    for (const line of [
      "ip netns add vm1",
      "ip link add v0 type veth peer name v1",
      "ip link set v1 netns vm1",
      "ip link set v0 up",
      "ip link set eth1 up",
      "ip addr add 10.0.0.1/24 dev eth1",
      "ip addr add 10.1.0.1/24 dev v0",
      "ip netns exec vm1 ip addr add 10.1.0.11/24 dev v1",
      "ip netns exec vm1 ip link set v1 up",
      "ip netns exec vm1 ip route add default via 10.1.0.1",
    ]) {
      expect(await sh(a, line), line).toBe("");
    }
    a.root.forwarding = true;
    await sh(b, "ip link set eth1 up");
    await sh(b, "ip addr add 10.0.0.2/24 dev eth1");
    await sh(b, "ip route add 10.1.0.0/24 via 10.0.0.1");
    expect(await sh(a, "ip netns exec vm1 ping -c1 10.0.0.2")).toContain("ttl=63");
    expect(await sh(a, "ip netns exec vm1 ping -c1 -t 1 10.0.0.2")).toContain("From 10.1.0.1 icmp_seq=1 Time to live exceeded");
    expect(await sh(b, "ip route")).toBe(
      "10.0.0.0/24 dev eth1 proto kernel scope link src 10.0.0.2 \n10.1.0.0/24 via 10.0.0.1 dev eth1 \n",
    );
    expect(await sh(a, "ip netns")).toBe("vm1\n");
    expect(await sh(a, "ip route get 10.1.0.11")).toBe("10.1.0.11 dev v0 src 10.1.0.1 uid 0 \n    cache \n");
  });

  it("answer mistakes in the words of the originals", async () => {
    const { a, sh } = twoMachines();
    expect(await sh(a, "ip link show nosuch")).toBe('Device "nosuch" does not exist.\n[1]\n');
    expect(await sh(a, "ip addr add 1.1.1.1/24 dev nosuch")).toBe('Cannot find device "nosuch"\n[1]\n');
    expect(await sh(a, "ip netns exec nosuch ls")).toBe(
      'Cannot open network namespace "nosuch": No such file or directory\n[1]\n',
    );
    expect(await sh(a, "ip route add default via 7.7.7.7")).toBe("Error: Nexthop has invalid gateway.\n[2]\n");
    expect(await sh(a, "ip bogus")).toBe('Object "bogus" is unknown, try "ip help".\n[1]\n');
    expect(await sh(a, "frobnicate")).toBe("frobnicate: command not found\n[127]\n");
    expect(await sh(a, "ping -c x ::1")).toBe("ping: invalid argument: 'x'\n[1]\n");
  });
});
