/**
 * Load balancers whose VIPs and backends are templates (Chassis_Template_Var): the flows that our controller makes of them on
 * each of two chassis, beside the reference's.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Side } from "./reference/cloud.ts";

linkPrograms();

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24
  ovn-nbctl ls-add a -- lr-add r -- lrp-add r ra 50:54:00:00:02:fe 10.0.0.254/24 -- lsp-add-router-port a a-r ra
  for i in 1 2; do ovn-nbctl lsp-add a p$i -- lsp-set-addresses p$i "50:54:00:00:00:0$i 10.0.0.$i"; vif_add w$i p$i; done
  ovn-nbctl create Chassis_Template_Var chassis=w1 'variables={vip="10.1.0.1", port="80", backends="10.0.0.1:8080,10.0.0.2:8080", six="fd01::1", more="[fd00::1]:53"}'
  ovn-nbctl create Chassis_Template_Var chassis=w2 'variables={vip="10.1.0.2", port="81", backends="10.0.0.2:8080"}'
  ovn-nbctl --id=@lb create Load_Balancer name=lb protocol=tcp 'vips={"^vip:^port"="^backends"}' options:template=true options:address-family=ipv4 \\
    -- add logical_switch a load_balancer @lb -- add logical_router r load_balancer @lb
  ovn-nbctl --id=@lb create Load_Balancer name=lb6 protocol=udp 'vips={"^six:53"="^more"}' options:template=true options:address-family=ipv6 \\
    -- add logical_switch a load_balancer @lb
  ovn-nbctl --wait=hv sync`;

const clouds: Cloud[] = [];

beforeAll(() => {
  for (const side of ["weft", "reference"] satisfies Side[]) {
    const cloud = new Cloud({ ...allReference, CONTROLLER: side });
    clouds.push(cloud);
    cloud.run(NETWORK);
  }
});

afterAll(() => {
  for (const cloud of clouds) cloud.stop(true);
});

/** The flows with an address of a template, and the groups, without numbers that are given out. */
function flows(cloud: Cloud, node: string): string[] {
  const text = cloud.run(
    `hv_do ${node} ovs-ofctl -OOpenFlow15 --no-stats --no-names dump-flows br-int; hv_do ${node} ovs-ofctl -OOpenFlow15 dump-groups br-int`,
  );
  const lines = text.split("\n").filter((line) => /10\.1\.0|0xa0100|fd01::1|0xfd01|type=select/.test(line));
  return lines
    .map((line) =>
      line
        .replace(/cookie=0x[0-9a-f]+,? ?/g, "")
        .replace(/group(_id)?[=:]\d+/g, "group")
        .trim(),
    )
    .sort();
}

function compare(): string[][] {
  return ["w1", "w2"].map((node) => {
    const [got, expected] = clouds.map((cloud) => flows(cloud, node));
    expect(got).toEqual(expected);
    return expected!;
  });
}

test("a chassis has the flows of its own values", () => {
  const [one, two] = compare();
  expect(one!.length).toBeGreaterThan(two!.length);
  expect(two!.some((line) => line.includes("10.1.0.2"))).toBe(true);
});

test("other values", () => {
  for (const cloud of clouds)
    cloud.run("ovn-nbctl --wait=hv set chassis_template_var w2 variables:vip=10.1.0.77 variables:port=443");
  expect(compare()[1]!.some((line) => line.includes("10.1.0.77"))).toBe(true);
});

test("a value that is gone", () => {
  for (const cloud of clouds) cloud.run("ovn-nbctl --wait=hv remove chassis_template_var w2 variables port");
  expect(compare()[1]!.some((line) => /10\.1\.0\.77.*tp_dst/.test(line))).toBe(false);
});
