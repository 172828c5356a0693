/**
 * OpenStack: Neutron does the same things on our databases, northd and hypervisor as on the reference's, and the northbound databases
 * hold the same in the end. Needs test/openstack/install.sh.
 */
import { nodeRuntime } from "@weft/runtime";
import { expect, it } from "vitest";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "../reference/cloud.ts";
import { Neutron } from "./neutron.ts";

const runtime = nodeRuntime();
linkPrograms();

/** The tools are the reference's, in both. */
const ours: Mix = { ...allWeft, tools: "reference" };

const TABLES =
  "Logical_Switch Logical_Switch_Port Logical_Router Logical_Router_Port Logical_Router_Static_Route NAT ACL Port_Group Address_Set DHCP_Options Gateway_Chassis HA_Chassis_Group HA_Chassis DNS";

/** A northbound database without what differs from run to run: identifiers, hardware addresses, counters, times. */
function contents(cloud: Cloud): string[] {
  const text = cloud.run(`for t in ${TABLES}; do echo "@@ $t"; ovn-nbctl --format=json --data=json list $t; done`);
  const found: string[] = [];
  for (const part of text.split("@@ ").slice(1)) {
    const [table = "", json = "{}"] = part.split("\n");
    const { headings, data } = JSON.parse(json) as { readonly headings: readonly string[]; readonly data: readonly unknown[][] };
    for (const row of data) {
      const cells = row.map((cell, i) => `${headings[i]}=${JSON.stringify(cell)}`).filter((cell) => !/^(_uuid|hash)=/.test(cell));
      found.push(`${table}: ${normal(cells.join(" "))}`);
    }
  }
  return found.sort();
}

function normal(text: string): string {
  return text
    .replace(/[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}/g, "UUID")
    .replace(/fa:16:3e:[0-9a-f:]{8}/g, "MAC")
    .replace(/f816:3eff:fe[0-9a-f:]+/g, "EUI")
    .replace(/"neutron:revision_number","\d+"/g, '"neutron:revision_number","N"')
    .replace(/"requested-tnl-key","\d+"/g, '"requested-tnl-key","N"')
    .replace(/"tunnel-key","\d+"/g, "")
    .replace(/\["uuid","UUID"\],?/g, "ref ");
}

interface Outcome {
  readonly whole: string[];
  readonly afterwards: string[];
  /** Ports' states as Neutron sees them: bound, and after the interface has gone. */
  readonly states: readonly unknown[];
}

/** Networks, a router with a gateway, a floating IP, security groups, a trunk; ports come up and go; then everything is deleted. */
async function scenario(mix: Mix): Promise<Outcome> {
  const cloud = new Cloud(mix);
  let neutron: Neutron | undefined;
  let passed = false;
  try {
    cloud.run(`cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
      hv_do w1 ovs-vsctl set Open_vSwitch . external_ids:ovn-cms-options=enable-chassis-as-gw`);
    const { OVN_NB_DB: nb = "", OVN_SB_DB: sb = "" } = cloud.env;
    neutron = new Neutron(`${cloud.dir}/neutron`, { nb, sb }, cloud.env);
    await neutron.start();
    const api = neutron;
    const network = await api.create("network", { name: "net1" });
    const subnet = await api.create("subnet", {
      network_id: network.id,
      ip_version: 4,
      cidr: "10.0.0.0/24",
      name: "v4",
      dns_nameservers: ["9.9.9.9"],
    });
    const subnet6 = await api.create("subnet", {
      network_id: network.id,
      ip_version: 6,
      cidr: "fd00:10::/64",
      name: "v6",
      ipv6_address_mode: "slaac",
      ipv6_ra_mode: "slaac",
    });
    const outside = await api.create("network", {
      name: "outside",
      "router:external": true,
      "provider:network_type": "flat",
      "provider:physical_network": "physnet1",
    });
    const publicNet = await api.create("subnet", {
      network_id: outside.id,
      ip_version: 4,
      cidr: "172.16.0.0/24",
      enable_dhcp: false,
    });
    const router = await api.create("router", {
      name: "r1",
      external_gateway_info: {
        network_id: outside.id,
        external_fixed_ips: [{ subnet_id: publicNet.id, ip_address: "172.16.0.5" }],
      },
    });
    for (const one of [subnet, subnet6])
      await api.call("PUT", `routers/${router.id}/add_router_interface`, { subnet_id: one.id });
    const group = await api.create("security_group", { name: "web" });
    for (const port of [80, 443])
      await api.create("security_group_rule", {
        security_group_id: group.id,
        direction: "ingress",
        ethertype: "IPv4",
        protocol: "tcp",
        port_range_min: port,
        port_range_max: port,
        remote_ip_prefix: "0.0.0.0/0",
      });
    await api.create("security_group_rule", {
      security_group_id: group.id,
      direction: "ingress",
      ethertype: "IPv6",
      remote_group_id: group.id,
    });
    const vm = async (name: string, ip: string) =>
      api.create("port", {
        name,
        network_id: network.id,
        fixed_ips: [{ subnet_id: subnet.id, ip_address: ip }, { subnet_id: subnet6.id }],
        security_groups: [group.id],
        "binding:host_id": "w1",
        device_owner: "compute:nova",
        device_id: name,
      });
    const vm1 = await vm("vm1", "10.0.0.11");
    const vm2 = await vm("vm2", "10.0.0.12");
    const floating = await api.create("floatingip", {
      floating_network_id: outside.id,
      floating_ip_address: "172.16.0.50",
      port_id: vm1.id,
      fixed_ip_address: "10.0.0.11",
    });
    const inner = await api.create("network", { name: "inner" });
    const innerNet = await api.create("subnet", { network_id: inner.id, ip_version: 4, cidr: "10.1.0.0/24" });
    const child = await api.create("port", {
      name: "child",
      network_id: inner.id,
      fixed_ips: [{ subnet_id: innerNet.id, ip_address: "10.1.0.9" }],
    });
    const trunk = await api.create("trunk", {
      name: "trunk",
      port_id: vm2.id,
      sub_ports: [{ port_id: child.id, segmentation_type: "vlan", segmentation_id: 30 }],
    });
    const states: unknown[] = [];
    /** Until the port has the status: Neutron hears of it from the database. */
    const reaches = async (id: string, wanted: string) => {
      for (let tries = 0; tries < 200; tries++) {
        const { status } = await api.get("port", id);
        if (status === wanted) return states.push(status);
        await runtime.clock.sleep(250);
      }
      throw new Error(`port ${id} does not become ${wanted}: ${JSON.stringify(await api.get("port", id))}`);
    };
    await reaches(vm1.id, "DOWN");
    cloud.run(`vif_add w1 ${vm1.id}; vif_add w1 ${vm2.id}`);
    for (const id of [vm1.id, vm2.id, child.id]) await reaches(id, "ACTIVE");
    cloud.run("ovn-nbctl --timeout=60 --wait=hv sync");
    states.push((await api.get("floatingip", floating.id)).fixed_ip_address, (await api.get("port", vm1.id))["binding:vif_type"]);
    const whole = contents(cloud);
    cloud.run(`hv_do w1 ovs-vsctl del-port br-int ${vm1.id}`);
    await reaches(vm1.id, "DOWN");
    for (const path of [`trunks/${trunk.id}`, `floatingips/${floating.id}`, ...[vm1, vm2, child].map(({ id }) => `ports/${id}`)])
      await api.call("DELETE", path);
    for (const one of [subnet, subnet6])
      await api.call("PUT", `routers/${router.id}/remove_router_interface`, { subnet_id: one.id });
    for (const path of [
      `routers/${router.id}`,
      ...[network, outside, inner].map(({ id }) => `networks/${id}`),
      `security-groups/${group.id}`,
    ])
      await api.call("DELETE", path);
    passed = true;
    return { whole, afterwards: contents(cloud), states };
  } finally {
    await neutron?.stop();
    cloud.stop(passed);
  }
}

it("Neutron finds in ours what it finds in the reference's", { timeout: 600_000 }, async () => {
  const expected = await scenario(allReference);
  const got = await scenario(ours);
  expect(expected.whole.length).toBeGreaterThan(30);
  expect(got).toEqual(expected);
});
