/** weft trace in a lab: packets arrive as they really do, and where they do not, the reason is the right one. */
import { EchoRecorder, parseLab } from "@weft/lab";
import type { TraceReport } from "@weft/trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLab } from "../lab/testing.ts";
import { smallCloud } from "./testing.ts";

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(smallCloud, "small"));
});
afterAll(() => lab.down());

const central = (line: string): Promise<string> => lab.sh("central", line);
async function trace(line: string): Promise<TraceReport> {
  return JSON.parse(await central(`weft trace --json ${line}`)) as TraceReport;
}

/** "vm1 hv1 > tunnel > hv2 vm2": the stations of a leg. */
function way({ there }: TraceReport): string {
  return there.stations
    .flatMap((station) => {
      switch (station.kind) {
        case "enters":
        case "delivered":
          return [`${station.node}:${station.device}`];
        case "tunnel":
          return ["tunnel"];
        case "physical":
          return [`wire ${station.network}`];
        default:
          return [];
      }
    })
    .join(" > ");
}

describe("a packet that arrives", () => {
  it.each([
    ["in1", "in2", "10.0.1.12", "hv1:in1 > tunnel > hv2:in2", ["hv1 in1", "hv1 eth1", "hv2 eth1", "hv2 in2"]],
    ["vm1", "vm2", "10.0.0.2", "hv1:vm1 > wire physnet1 > hv2:eth2 > hv2:vm2", ["hv1 vm1", "hv1 eth2", "hv2 eth2", "hv2 vm2"]],
    ["vm1", "in2", "10.0.1.12", "hv1:vm1 > tunnel > hv2:in2", ["hv1 vm1", "hv1 eth1", "hv2 eth1", "hv2 in2"]],
    ["in1", "vm1", "10.0.0.1", "hv1:in1 > hv1:vm1", ["hv1 in1", "hv1 vm1"]],
  ] as const)("%s to %s is where the real one is", async (from, to, address, path, devices) => {
    // The bridges of the physical network know the guests by then.
    expect(await lab.sh("hv1", `ip netns exec ${from} ping -c1 ${address}`)).toContain("1 received");
    const report = await trace(`${from} ${to}`);
    expect(report.verdict).toBe(`${from} reaches ${to}, and the answer comes back`);
    expect(report.outcome).toBe("delivered");
    expect(report.logical?.delivers).toBe(true);
    expect(way(report)).toBe(path);
    const recorder = new EchoRecorder(lab.lab);
    expect(await lab.sh("hv1", `ip netns exec ${from} ping -c1 ${address}`)).toContain("1 received");
    recorder.stop();
    const seen = recorder.first().request.map(({ node, device }) => `${node} ${device}`);
    expect(seen.filter((place) => !/br-|genev/.test(place))).toEqual(devices);
  });

  it("is told with rows and flows", async () => {
    const text = await central("weft trace in1 in2");
    expect(text).toContain("enters by in1 (in1)");
    expect(text).toContain("ls_in_l2_lkup  port in2 of switch sw1");
    expect(text).toMatch(/leaves by geneve 192\.0\.2\.11 > 192\.0\.2\.12 \(hv2\): datapath \d+, ports \d+ to \d+, 142 bytes/);
    expect(text).toContain("delivered to in2 (in2)");
    expect(await central("weft trace --detailed in1 in2")).toMatch(/cookie=0x[0-9a-f]+, table=8, /);
  });

  it("is a frame given as it is", async () => {
    const frame = "0000000002120000000002110800" + "450000140000000040016" + "4d10a00010b0a00010c";
    const report = await trace(`--at hv1:in1 ${frame}`);
    expect(report.verdict).toBe("it leaves by in2 on hv2");
    expect(report.there.packet).toContain("10.0.1.11 > 10.0.1.12");
  });
});

interface Drop {
  readonly name: string;
  readonly make?: readonly (readonly [string, string])[];
  readonly mend?: readonly (readonly [string, string])[];
  readonly question: string;
  readonly code: string;
  readonly text: RegExp;
  readonly tried?: boolean;
}

const drops: readonly Drop[] = [
  {
    name: "an ACL",
    question: "vm1 vm2 'tcp.dst == 22'",
    code: "acl",
    text: /ACL \(to-lport, tier 0, priority 1001, drop: .*\) of switch sw0 drops it$/,
    tried: true,
  },
  {
    name: "the sender's port security",
    question: "vm1 vm2 'eth.src == 00:00:00:00:00:66'",
    code: "port-security",
    text: /the sender's port security .* does not allow these addresses$/,
    tried: true,
  },
  {
    name: "a next hop that is not known",
    question: "vm1 10.0.1.55",
    code: "neighbour-unknown",
    text: /the router does not know the Ethernet address of the next hop: ovn-controller on hv1 asks for it, and the packet waits for the answer$/,
  },
  { name: "no route", question: "vm1 198.51.100.1", code: "no-route", text: /the router has no route to the destination$/ },
  {
    name: "a port that is nowhere",
    question: "db1 vm1",
    code: "port-unbound",
    text: /^db1 is on no hypervisor: .*external_ids:iface-id=db1$/,
  },
  {
    name: "a flow that is missing",
    make: [["hv2", "ovs-ofctl del-flows br-int table=65"]],
    mend: [
      ["hv2", "ovn-appctl -t ovn-controller exit --restart"],
      ["hv2", "ovn-controller --detach --no-chdir --pidfile --log-file -vconsole:off unix:/var/run/openvswitch/db.sock"],
      ["central", "ovn-nbctl --wait=hv sync"],
    ],
    question: "in1 in2",
    code: "flows-differ",
    text: /the databases ask for flows that deliver it; those that are installed on hv2 do not \(they part in table 65 of br-int\)$/,
    tried: true,
  },
  {
    name: "a poisoned neighbour",
    make: [
      [
        "central",
        "ovn-sbctl --id=@d get Datapath_Binding lr0 -- create MAC_Binding logical_port=lr0-sw1 ip=10.0.1.77 'mac=\"00:00:00:00:66:66\"' datapath=@d",
      ],
      ["central", "ovn-nbctl --wait=hv sync"],
    ],
    mend: [["central", "ovn-sbctl --all destroy MAC_Binding"]],
    question: "vm1 10.0.1.77",
    code: "neighbour-wrong",
    text: /the router sends it to an Ethernet address that no port of the switch has: neighbour 10\.0\.1\.77 at 00:00:00:00:66:66, learned on lr0-sw1$/,
  },
  {
    name: "wrong bridge mappings",
    make: [
      ["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet2:br-ex"],
      ["central", "ovn-nbctl --wait=hv sync"],
    ],
    mend: [
      ["hv1", "ovs-vsctl set open . external_ids:ovn-bridge-mappings=physnet1:br-ex"],
      ["central", "ovn-nbctl --wait=hv sync"],
    ],
    question: "vm1 10.0.0.99 'eth.dst == 00:00:00:00:00:99'",
    code: "network-unmapped",
    text: /localnet port ln0 has no physical network on hv1: external_ids:ovn-bridge-mappings names no bridge for it$/,
  },
  {
    name: "a packet that is too large for the underlay",
    make: [["hv1", "ip link set eth1 mtu 1500"]],
    mend: [["hv1", "ip link set eth1 mtu 1600"]],
    question: "--size 1450 in1 in2",
    code: "mtu",
    text: /the tunnel packet has 1536 bytes and the MTU of eth1 is 1500$/,
  },
];

describe("a packet that does not", () => {
  for (const { name, make = [], mend = [], question, code, text, tried } of drops) {
    it(name, { timeout: 60_000 }, async () => {
      try {
        for (const [node, command] of make) expect(await lab.sh(node, command)).toMatch(/^([0-9a-f-]{36}\n)?$/);
        await lab.runtime.clock.run(lab.runtime.clock.sleep(500));
        const report = await trace(question);
        expect(report.outcome).toBe("not-delivered");
        expect(report.cause?.code).toBe(code);
        expect(report.cause?.text).toMatch(text);
        expect(report.cause?.remedy?.tried).toBe(tried);
      } finally {
        for (const [node, command] of mend) await lab.sh(node, command);
      }
      await lab.runtime.clock.run(lab.runtime.clock.sleep(2000));
      expect((await trace("vm1 vm2")).outcome).toBe("delivered");
    });
  }

  it("comes back not: the answer is dropped", async () => {
    await central("ovn-nbctl --wait=hv acl-add sw0 from-lport 1000 'inport == \"vm2\" && icmp4' drop");
    const report = await trace("vm1 vm2");
    expect(report.outcome).toBe("one-way");
    expect(report.cause?.code).toBe("acl");
    await central("ovn-nbctl --wait=hv acl-del sw0 from-lport");
  });
});

describe("questions that cannot be answered", () => {
  it.each([
    ["nobody vm2", "weft trace: there is no port nobody\n"],
    ["vm1", "weft trace: say FROM and TO, and what the packet is in one argument\n"],
    ["--at hv9:vm1 00", "weft trace: --at HYPERVISOR:INTERFACE takes a frame of at least 14 bytes in hex digits\n"],
    ["vm1 vm2 tcp.port==1", /^weft trace: .*: /],
  ])("%s", async (line, said) => {
    const text = await central(`weft trace ${line}`);
    if (typeof said === "string") expect(text).toBe(said);
    else expect(text).toMatch(said);
  });
});

describe("weft explain", () => {
  it("a cookie: what the flow is for, who asked for it, where it is", async () => {
    const [, cookie = ""] =
      /cookie=(0x[1-9a-f][0-9a-f]*),.*priority=2001,/.exec(await lab.sh("hv1", "ovs-ofctl dump-flows br-int table=54")) ?? [];
    const text = await central(`weft explain ${cookie}`);
    expect(text).toMatch(/^It evaluates an ACL on packets to ports: logical flow [0-9a-f]{8} \(ls_out_acl_eval, priority 2001: /);
    expect(text).toContain("made from ACL (to-lport, tier 0, priority 1001, drop: ");
    expect(text).toContain(`  hv1: cookie=${cookie}, table=54, `);
    const [, uuid = ""] = /logical flow ([0-9a-f]{8})/.exec(text) ?? [];
    expect(await central(`weft explain ${uuid}`)).toBe(text);
  });

  it("lines of dump-flows", async () => {
    expect(
      await central(
        "weft explain 'cookie=0x0, duration=3.2s, table=47, n_packets=0, n_bytes=0, priority=0 actions=resubmit(,48)'",
      ),
    ).toBe(
      "It belongs to table 47, which keeps packets from going back to the port that they came from; ovn-controller makes it for all networks alike.\n",
    );
    expect(await central("weft explain 'cookie=0xdeadbeef, table=9, priority=7,ip actions=drop'")).toBe(
      "Nobody of the southbound database has made it: no row has the cookie 0xdeadbeef.\n",
    );
  });

  it.each([
    ["0xdeadbeef", "weft explain: no row of the southbound database has the cookie 0xdeadbeef\n"],
    ["00000000", "weft explain: no logical flow's uuid begins with 00000000\n"],
    ["what", /^weft explain: "what" is no cookie \(0x1a2b3c4d\), no logical flow's uuid and no flow: /],
  ])("%s", async (line, said) => {
    const text = await central(`weft explain ${line}`);
    if (typeof said === "string") expect(text).toBe(said);
    else expect(text).toMatch(said);
  });
});

describe("weft watch", () => {
  it("tells packets at every device, and why those that come no further do not", async () => {
    const watching = lab.start("central", "weft watch --duration 8 in1");
    await lab.runtime.clock.run(lab.runtime.clock.sleep(500));
    expect(await lab.sh("hv1", "ip netns exec in1 ping -c1 10.0.1.12")).toContain("1 received");
    await lab.sh("hv1", "ip netns exec in1 ping -c1 -W1 198.51.100.1");
    const lines = (await lab.runtime.clock.run(watching.output, 30_000)).split("\n");
    const passed = lines.filter((line) => line.includes("ICMP echo request") && line.includes("> 10.0.1.12")).map(placeOf);
    expect(passed).toEqual([
      "hv1 in1 in1 >",
      "hv1 genev_sys_6081 >",
      "hv1 eth1 >",
      "hv2 eth1 <",
      "hv2 genev_sys_6081 <",
      "hv2 in2 in2 <",
    ]);
    const dropped = lines.filter((line) => line.includes(" DROPPED "));
    expect(dropped).toEqual([
      expect.stringMatching(
        /^\S+ hv1 DROPPED .* > 198\.51\.100\.1: ICMP echo request.*: the router has no route to the destination$/,
      ),
    ]);
  });

  it("takes one port that there is", async () => {
    expect(await central("weft watch")).toBe("weft watch: watch takes one port\n");
    expect(await central("weft watch nobody")).toBe("weft watch: there is no port nobody\n");
  });
});

/** Where a line of weft watch was seen: what stands between its time and its packet. */
function placeOf(line: string): string {
  return /^\S+ (.*? [<>]) /.exec(line)?.[1] ?? line;
}
