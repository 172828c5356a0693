/** weft trace of what ovn-controller answers in a lab: the answer is made and followed as the running controller does it. */
import { parseLab } from "@weft/lab";
import type { TraceReport } from "@weft/trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLab } from "../lab/testing.ts";
import { smallCloud } from "./testing.ts";

const services = `
ovn-nbctl --id=@d create DHCP_Options cidr=10.0.1.0/24 options:server_id=10.0.1.254 'options:server_mac="00:00:00:00:ff:02"' options:lease_time=3600 options:router=10.0.1.254 -- set Logical_Switch_Port in1 dhcpv4_options=@d
ovn-nbctl --id=@d create DHCP_Options 'cidr="fd00::/64"' 'options:server_id="00:00:00:00:ff:01"' -- set Logical_Switch_Port vm1 dhcpv6_options=@d
ovn-nbctl --id=@d create DNS records:host.example=10.0.1.77 -- set Logical_Switch sw1 dns_records=@d
ovn-nbctl acl-add sw1 to-lport 1001 'outport == "in2" && tcp.dst == 81' reject -- acl-add sw1 to-lport 1001 'outport == "in2" && udp.dst == 81' reject
ovn-nbctl set Logical_Router_Port lr0-sw0 'networks="10.0.0.254/24","fd00::fe/64"' ipv6_ra_configs:address_mode=slaac
ovn-nbctl --wait=hv sync
`;

let lab: VirtualLab;
beforeAll(async () => {
  lab = await VirtualLab.up(parseLab(smallCloud, "answers"));
  for (const line of services.trim().split("\n")) expect(await lab.sh("central", line)).toMatch(/^([0-9a-f-]{36}\n)?$/);
});
afterAll(() => lab.down());

async function trace(line: string): Promise<TraceReport> {
  return JSON.parse(await lab.sh("central", `weft trace --json ${line}`)) as TraceReport;
}

describe("what the cloud answers", () => {
  it.each([
    ["DHCP", "in1 255.255.255.255 'udp.dst == 67'", /IP 10\.0\.1\.254\.67 > 10\.0\.1\.11\.68: BOOTP\/DHCP, Reply/],
    ["DHCPv6", "vm1 ff02::1:2 'udp.dst == 547'", /IP6 \S+\.547 > \S+\.546: dhcp6 (reply|advertise)/],
    ["DNS", "in1 8.8.8.8 'udp.dst == 53'", /IP 8\.8\.8\.8\.53 > 10\.0\.1\.11\.49152: \d+\*?-? 1\/0\/0 A 10\.0\.1\.77/],
    ["router solicitations", "vm1 ff02::2 'icmp6.type == 133'", /ICMP6, router advertisement/],
    ["pings of a router", "vm1 10.0.0.254", /IP 10\.0\.0\.254 > 10\.0\.0\.1: ICMP echo reply/],
  ])("%s", async (_name, question, answer) => {
    const { outcome, verdict } = await trace(question);
    expect(verdict).toMatch(/^the cloud itself answers /);
    expect(verdict).toMatch(answer);
    expect(outcome).toBe("delivered");
  });

  it.each([
    [
      "an ACL's reset",
      "in1 in2 'tcp.dst == 81'",
      "acl",
      /; ovn-controller on hv2 answers, .* in1: IP 10\.0\.1\.12\.81 > 10\.0\.1\.11\.49152: Flags \[R\.\]/,
    ],
    [
      "an ACL's port unreachable",
      "in1 in2 'udp.dst == 81'",
      "acl",
      /IP 10\.0\.1\.12 > 10\.0\.1\.11: ICMP 10\.0\.1\.12 udp port 81 unreachable/,
    ],
    [
      "a router's time exceeded",
      "vm1 in1 'ip.ttl == 1'",
      "refused",
      /IP 10\.0\.0\.254 > 10\.0\.0\.1: ICMP time exceeded in-transit/,
    ],
  ])("%s", async (_name, question, code, answer) => {
    const { outcome, cause, verdict } = await trace(question);
    expect(outcome).toBe("not-delivered");
    expect(cause?.code).toBe(code);
    expect(verdict).toMatch(answer);
  });
});

it("a neighbour that is not known yet is asked for, and the packet goes on", async () => {
  await lab.sh("central", "ovn-sbctl --all destroy MAC_Binding");
  const report = await trace("in1 10.0.0.77");
  expect(report.there.stations.filter(({ kind }) => kind === "learned" || kind === "controller-sends")).toEqual([
    expect.objectContaining({ kind: "controller-sends", of: "neighbour" }),
    expect.objectContaining({ kind: "learned", of: "neighbour", ip: "10.0.0.77" }),
    expect.objectContaining({ kind: "controller-sends", resumed: true }),
  ]);
  expect(report.verdict).toBe("in1 reaches 10.0.0.77, and the answer comes back");
  // And so it is.
  expect(await lab.sh("hv1", "ip netns exec in1 ping -c1 -W2 10.0.0.77")).toContain("1 received");
  expect((await trace("in1 10.0.0.78")).cause?.code).toBe("neighbour-unknown");
});
