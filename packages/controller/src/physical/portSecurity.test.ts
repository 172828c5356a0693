import fc from "fast-check";
import { expect, test } from "vitest";
import { tables as t } from "../tables.ts";
import { addDatapath, addVif, flowsOf, newCloud } from "../testing/cloud.ts";
import { parsePortSecurity } from "./portSecurity.ts";

function secured(...port_security: string[]): string[] {
  const cloud = newCloud();
  const ps = addDatapath(cloud.sb, "ps", 1);
  cloud.sb.insert("Port_Binding", { logical_port: "s1", datapath: ps, tunnel_key: 1, port_security });
  addVif(cloud.ovs, "s1", 7);
  return flowsOf(cloud, t.inPortSec, t.inPortSecNd, t.outPortSec).map((flow) =>
    flow
      .replace("set_field:0x1000/0x1000->reg10", "DROP")
      .replace("set_field:0/0x1000->reg10", "ALLOW")
      .replace(/reg1[45]=0x1,metadata=0x1,?/, "")
      .replace(", priority=", " "),
  );
}

test("a MAC alone restricts source and inner addresses", () => {
  expect(secured("50:54:00:00:00:01")).toEqual([
    "table=73 80, actions=DROP",
    "table=73 90,dl_src=50:54:00:00:00:01 actions=resubmit(,74)",
    "table=73 95,arp, actions=resubmit(,74)",
    "table=74 80,arp, actions=DROP",
    "table=74 80,icmp6,nw_ttl=255,icmp_type=135 actions=DROP",
    "table=74 80,icmp6,nw_ttl=255,icmp_type=136 actions=DROP",
    "table=74 90,arp,dl_src=50:54:00:00:00:01,arp_sha=50:54:00:00:00:01 actions=ALLOW",
    "table=74 90,icmp6,dl_src=50:54:00:00:00:01,nw_ttl=255,icmp_type=135,icmp_code=0,nd_sll=00:00:00:00:00:00 actions=ALLOW",
    "table=74 90,icmp6,dl_src=50:54:00:00:00:01,nw_ttl=255,icmp_type=135,icmp_code=0,nd_sll=50:54:00:00:00:01 actions=ALLOW",
    "table=74 90,icmp6,dl_src=50:54:00:00:00:01,nw_ttl=255,icmp_type=136,icmp_code=0,nd_tll=00:00:00:00:00:00 actions=ALLOW",
    "table=74 90,icmp6,dl_src=50:54:00:00:00:01,nw_ttl=255,icmp_type=136,icmp_code=0,nd_tll=50:54:00:00:00:01 actions=ALLOW",
    "table=75 80, actions=DROP",
    "table=75 85,dl_dst=50:54:00:00:00:01 actions=ALLOW",
  ]);
});

test("an address with host bits is one address and its subnet's broadcast; without, the whole subnet", () => {
  const flows = secured("50:54:00:00:00:01 10.3.0.4/24 10.3.1.0/24");
  expect(flows.filter((flow) => flow.startsWith("table=75 95"))).toEqual([
    "table=75 95,ip,dl_dst=50:54:00:00:00:01,nw_dst=10.3.0.255 actions=ALLOW",
    "table=75 95,ip,dl_dst=50:54:00:00:00:01,nw_dst=10.3.0.4 actions=ALLOW",
    "table=75 95,ip,dl_dst=50:54:00:00:00:01,nw_dst=10.3.1.0/24 actions=ALLOW",
    "table=75 95,ip,dl_dst=50:54:00:00:00:01,nw_dst=224.0.0.0/4 actions=ALLOW",
    "table=75 95,ip,dl_dst=50:54:00:00:00:01,nw_dst=255.255.255.255 actions=ALLOW",
  ]);
});

test("VRRPv3: the virtual router's MACs", () => {
  const flows = secured("VRRPv3 50:54:00:00:00:01 10.7.0.1");
  expect(flows).toContain("table=73 90,ip,dl_src=00:00:5e:00:01:00/ff:ff:ff:ff:ff:00,nw_src=10.7.0.1 actions=ALLOW");
  expect(flows).toContain(
    "table=74 90,arp,dl_src=50:54:00:00:00:01,arp_spa=10.7.0.1,arp_sha=00:00:5e:00:01:00/ff:ff:ff:ff:ff:00 actions=ALLOW",
  );
});

test("malformed elements are no elements", () => {
  expect(parsePortSecurity("not a mac")).toBeUndefined();
  expect(parsePortSecurity("50:54:00:00:00:01 10.0.0.1/33")).toBeUndefined();
  expect(secured("nonsense")).toEqual([]);
});

test("any text is an element or not, without an exception", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc
          .array(fc.constantFrom("VRRPv3", "50:54:00:00:00:01", "10.0.0.1/8", "fd00::/7", ",", "00:00:5e:00:01:09/41", "/", "x"))
          .map((words) => words.join(" ")),
      ),
      (text) => {
        const entry = parsePortSecurity(text);
        if (entry !== undefined) expect(secured(text).length).toBeGreaterThan(0);
      },
    ),
    { numRuns: 100 },
  );
});
