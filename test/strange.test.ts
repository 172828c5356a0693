/** Whatever stands in a database: the daemons that read it say what they cannot use, and go on. */

import { createController } from "@weft/controller";
import { createNorthd } from "@weft/northd";
import { type MemoryReplica, memoryReplica, type SchemaJson, type TableName, type Uuid } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { openVSwitch, ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { createSwitch } from "@weft/vswitch";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeSwitch } from "../packages/controller/src/testing/fakeSwitch.ts";
import { type Column, isKeys } from "../packages/northd/src/support/entry.ts";
import { support } from "../packages/northd/src/support/table.ts";
import { plainColumns, strangeValue } from "./random/strange.ts";
import { Chance } from "./random/xorshift.ts";

/** What a mistake of ours sounds like, in place of one of whoever wrote the row. */
const OURS =
  /Cannot (?:read|set|convert|mix|destructure)|undefined|not iterable|is not a function|BigInt|RangeError|out of range|Maximum call|Invalid (?:array|time)/;

let unhandled: unknown[];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled = [];
  process.on("unhandledRejection", note);
});
afterEach(() => {
  process.off("unhandledRejection", note);
});

/** Puts strange values into cells; returns what was put where, for the message of a failure. */
function disturb<S extends SchemaJson>(
  db: MemoryReplica<S>,
  schema: S,
  chance: Chance,
  keysOf: (table: string, column: string) => readonly string[],
): string {
  const rowsOf = (table: string) => [...db.table(table as TableName<S>).rows()] as readonly { readonly _uuid: Uuid }[];
  const tables = Object.keys(schema.tables).filter((name) => plainColumns(schema, name).length > 0 && rowsOf(name).length > 0);
  const table = chance.pick(tables);
  const { _uuid: uuid } = chance.pick(rowsOf(table));
  const column = chance.pick(plainColumns(schema, table));
  const value = strangeValue(schema, table, column, keysOf(table, column), (bound) => chance.below(bound));
  const what = `${table}.${column} = ${value instanceof Map ? JSON.stringify([...value]) : JSON.stringify(value)}`;
  try {
    db.update(table as TableName<S>, uuid, { [column]: value } as never);
  } catch (error) {
    // Columns that do not change, and values that another row has already.
    return `${what} (${String(error)})`;
  }
  return what;
}

const SWITCH_KEYS: Readonly<Record<string, string>> = {
  "Open_vSwitch.other_config":
    "flow-restore-wait max-idle max-revalidator n-handler-threads vlan-limit hw-offload stats-update-interval bundle-idle-timeout offload-rebalance userspace-tso-enable",
  "Bridge.other_config":
    "datapath-id hwaddr forward-bpdu mac-aging-time mac-table-size disable-in-band dp-desc mcast-snooping-aging-time in-band-queue flow-eviction-threshold",
  "Port.other_config": "qinq-ethtype priority-tags bond-detect-mode transient protected",
  "Interface.options":
    "remote_ip local_ip in_key out_key key dst_port tos ttl csum df_default egress_pkt_mark exts gbp packet_type peer tx_pcap rxq_pcap pcap ifindex mtu stream",
  "Interface.bfd":
    "enable min_rx min_tx decay_min_rx forwarding_if_rx cpath_down check_tnl_key bfd_dst_mac bfd_src_mac bfd_src_ip bfd_dst_ip mult oam",
  "QoS.other_config": "max-rate cir cbs kpkts_policing",
  "Queue.other_config": "min-rate max-rate burst priority",
  "Controller.other_config": "dscp",
};

test("ovs-vswitchd", { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = new Chance(seed);
    const runtime = virtualRuntime({ seed });
    const db = memoryReplica(openVSwitch);
    const made = createSwitch({ world: { runtime, providers: [] }, db, options: { enableDummy: "system", runDir: "/run" } });
    db.edit((tx) => {
      const port = (name: string, type: string, options: readonly (readonly [string, string])[] = []) =>
        tx.insert("Port", { name, interfaces: [tx.insert("Interface", { name, type, options: new Map(options) })] });
      const qos = tx.insert("QoS", { type: "linux-htb", queues: new Map([[0, tx.insert("Queue", {})]]) });
      const ports = [
        port("br0", "internal"),
        port("p1", "dummy"),
        port("p2", "dummy"),
        port("t1", "geneve", [["remote_ip", "10.0.0.2"]]),
        port("patch", "patch", [["peer", "other"]]),
        tx.insert("Port", { name: "p3", qos, interfaces: [tx.insert("Interface", { name: "p3", type: "dummy" })] }),
      ];
      const bridge = tx.insert("Bridge", {
        name: "br0",
        ports,
        controller: [tx.insert("Controller", { target: "tcp:127.0.0.1:6653" })],
        flow_tables: new Map([[0, tx.insert("Flow_Table", {})]]),
        mirrors: [tx.insert("Mirror", { name: "m", select_all: true, output_port: ports[1]! })],
      });
      tx.insert("Open_vSwitch", {
        bridges: [bridge],
        next_cfg: 1,
        manager_options: [tx.insert("Manager", { target: "ptcp:6640" })],
        datapaths: new Map([["system", tx.insert("Datapath", { datapath_version: "" })]]),
      });
    });
    await runtime.clock.run(made.start());
    const story: string[] = [];
    for (let i = 0; i < 12; i++) {
      story.push(disturb(db, openVSwitch, chance, (table, column) => (SWITCH_KEYS[`${table}.${column}`] ?? "foo").split(" ")));
      await runtime.clock.advance(500);
      expect(unhandled, `seed ${seed}: ${story.join("; ")}`).toEqual([]);
    }
    const [root] = db.table("Open_vSwitch").rows();
    db.update("Open_vSwitch", root!._uuid, { next_cfg: 4711 });
    await runtime.clock.advance(5000);
    expect([...db.table("Open_vSwitch").rows()][0]!.cur_cfg, `seed ${seed}: ${story.join("; ")}`).toBe(4711);
    await runtime.clock.run(made.stop());
  }
});

const NB_KEYS = (table: string, column: string): readonly string[] => {
  const columns: Readonly<Record<string, Column<never>>> | undefined = support[table as keyof typeof support];
  const entry = columns?.[column];
  return entry !== undefined && isKeys(entry) ? Object.keys(entry.keys) : ["foo"];
};

/** A row of almost every table. */
function network(nb: MemoryReplica<typeof ovnNorthbound>): void {
  nb.edit((tx) => {
    const map = (...pairs: (readonly [string, string])[]) => new Map(pairs);
    const port = (name: string, more: object = {}) =>
      tx.insert("Logical_Switch_Port", { name, addresses: ["50:54:00:00:00:01 10.0.0.1", "dynamic"], ...more });
    const _meter = tx.insert("Meter", {
      name: "m",
      unit: "pktps",
      bands: [tx.insert("Meter_Band", { action: "drop", rate: 10 })],
    });
    const acl = (direction: "from-lport" | "to-lport", action: "allow-related" | "reject") =>
      tx.insert("ACL", { direction, priority: 1000, match: "ip4.src == $as && inport == @pg", action, log: true, meter: "m" });
    const balancer = tx.insert("Load_Balancer", {
      name: "lb",
      vips: map(["10.1.0.1:80", "10.0.0.1:8080,10.0.0.2:8080"], ["[fd00::1]:80", "[fd00::2]:80"]),
      ip_port_mappings: map(["10.0.0.1", "p1:10.0.0.254"]),
      health_check: [tx.insert("Load_Balancer_Health_Check", { vip: "10.1.0.1:80" })],
    });
    const dhcp = tx.insert("DHCP_Options", {
      cidr: "10.0.0.0/24",
      options: map(["server_id", "10.0.0.254"], ["router", "10.0.0.254"]),
    });
    const dhcp6 = tx.insert("DHCP_Options", { cidr: "fd00::/64", options: map(["server_id", "50:54:00:00:00:ff"]) });
    const p1 = port("p1", { dhcpv4_options: dhcp, dhcpv6_options: dhcp6, port_security: ["50:54:00:00:00:01 10.0.0.1"] });
    const ports = [
      p1,
      port("p2", { parent_name: "p1", tag_request: 5 }),
      port("toR", { type: "router", addresses: ["router"], options: map(["router-port", "rA"]) }),
      port("phys", { type: "localnet", addresses: ["unknown"], options: map(["network_name", "physnet"]), tag: 7 }),
      port("ext", { type: "external" }),
      port("virt", { type: "virtual", options: map(["virtual-ip", "10.0.0.7"], ["virtual-parents", "p1"]) }),
    ];
    const copp = tx.insert("Copp", { name: "c", meters: map(["arp", "m"]) });
    const switchRow = tx.insert("Logical_Switch", {
      name: "s",
      ports,
      acls: [acl("from-lport", "allow-related"), acl("to-lport", "reject")],
      load_balancer: [balancer],
      load_balancer_group: [tx.insert("Load_Balancer_Group", { name: "g", load_balancer: [balancer] })],
      dns_records: [tx.insert("DNS", { records: map(["a.b", "10.0.0.1"]) })],
      qos_rules: [tx.insert("QoS", { direction: "to-lport", priority: 5, match: "ip4", bandwidth: new Map([["rate", 100]]) })],
      forwarding_groups: [
        tx.insert("Forwarding_Group", { name: "f", vip: "10.0.0.50", vmac: "50:54:00:00:00:50", child_port: ["p1"] }),
      ],
      other_config: map(["subnet", "10.0.0.0/24"], ["mcast_snoop", "true"], ["mcast_querier", "false"]),
      copp,
    });
    const group = tx.insert("HA_Chassis_Group", {
      name: "ha",
      ha_chassis: [tx.insert("HA_Chassis", { chassis_name: "hv1", priority: 1 })],
    });
    const bfd = tx.insert("BFD", { logical_port: "rA", dst_ip: "10.0.0.9" });
    const routerPorts = [
      tx.insert("Logical_Router_Port", {
        name: "rA",
        mac: "50:54:00:00:00:ff",
        networks: ["10.0.0.254/24", "fd00::ff/64"],
        ha_chassis_group: group,
      }),
      tx.insert("Logical_Router_Port", {
        name: "rB",
        mac: "50:54:00:00:00:fe",
        networks: ["10.2.0.254/24"],
        gateway_chassis: [tx.insert("Gateway_Chassis", { name: "rB-hv1", chassis_name: "hv1", priority: 3 })],
        ipv6_ra_configs: map(["address_mode", "slaac"]),
      }),
    ];
    tx.insert("Logical_Router", {
      name: "r",
      ports: routerPorts,
      static_routes: [tx.insert("Logical_Router_Static_Route", { ip_prefix: "0.0.0.0/0", nexthop: "10.0.0.9", bfd })],
      policies: [
        tx.insert("Logical_Router_Policy", {
          priority: 10,
          match: "ip4.src == 10.0.0.0/24",
          action: "reroute",
          nexthops: ["10.0.0.9", "10.0.0.8"],
        }),
      ],
      nat: (["snat", "dnat", "dnat_and_snat"] as const).map((type, i) =>
        tx.insert("NAT", { type, external_ip: `10.9.0.${i + 1}`, logical_ip: type === "snat" ? "10.0.0.0/24" : "10.0.0.1" }),
      ),
      load_balancer: [balancer],
      copp,
    });
    tx.insert("Address_Set", { name: "as", addresses: ["10.0.0.1", "10.0.0.0/28"] });
    tx.insert("Port_Group", { name: "pg", ports: [p1], acls: [acl("from-lport", "reject")] });
    tx.insert("Static_MAC_Binding", { logical_port: "rA", ip: "10.0.0.9", mac: "50:54:00:00:00:09" });
    tx.insert("Chassis_Template_Var", { chassis: "hv1", variables: map(["v", "10.0.0.1"]) });
    tx.insert("NB_Global", { name: "nb", nb_cfg: 1 });
    return switchRow;
  });
}

test("ovn-northd", { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const chance = new Chance(seed);
    const runtime = virtualRuntime({ seed });
    const nb = memoryReplica(ovnNorthbound);
    const sb = memoryReplica(ovnSouthbound);
    const told: string[] = [];
    runtime.log.onRecord(({ level, text }) => {
      if (level === "warn" || level === "err") told.push(text);
    });
    network(nb);
    const northd = createNorthd({ runtime, nb, sb });
    const started = northd.start();
    await runtime.clock.advance(50);
    await started;
    const story: string[] = [];
    for (let i = 0; i < 12; i++) {
      story.push(disturb(nb, ovnNorthbound, chance, NB_KEYS));
      await runtime.clock.advance(50);
      const where = `seed ${seed}: ${story.join("; ")}`;
      expect(unhandled, where).toEqual([]);
      expect(
        told.filter((text) => OURS.test(text)),
        where,
      ).toEqual([]);
    }
    const [global] = nb.table("NB_Global").rows();
    nb.update("NB_Global", global!._uuid, { nb_cfg: 4711, options: new Map() });
    await runtime.clock.advance(30_000);
    expect([...nb.table("NB_Global").rows()][0]!.sb_cfg, `seed ${seed}: ${story.join("; ")}`).toBe(4711);
    await northd.stop();
  }
});

const SB_KEYS: Readonly<Record<string, string>> = {
  "Port_Binding.options":
    "requested-chassis activation-strategy network_name peer distributed-port chassis-redirect-port qos_max_rate qos_min_rate qos_burst qdisc_queue_id virtual-ip virtual-parents mcast_flood vif-plug-type iface-id-ver gateway_mtu l3gateway-chassis always-redirect redirect-type prefix router-port force_fdb_lookup",
  "Port_Binding.external_ids": "name neutron:port_name",
  "Datapath_Binding.external_ids":
    "logical-switch logical-router name snat-ct-zone interconn-ts mac_binding_age_threshold fdb_age_threshold requested-tnl-key always_learn_from_arp_request",
  "Chassis.other_config":
    "ovn-bridge-mappings datapath-type iface-types is-interconn is-vtep ovn-chassis-mac-mappings ovn-monitor-all port-up-notif ct-no-masked-label",
  "SB_Global.options":
    "northd_internal_version arp_ns_explicit_output fdb_local bfd-min-rx bfd-mult svc_monitor_mac mac_prefix lb_hairpin_use_ct_mark",
  "Load_Balancer.options": "hairpin_orig_tuple ct_flush hairpin_snat_ip lb_hairpin_use_ct_mark",
  "Encap.options": "csum is_default dst_port",
  "Open_vSwitch.external_ids":
    "ovn-remote ovn-encap-type ovn-encap-ip ovn-encap-ip-default ovn-encap-tos ovn-encap-csum ovn-bridge-mappings ovn-bridge ovn-monitor-all ovn-chassis-mac-mappings ovn-openflow-probe-interval ovn-remote-probe-interval ovn-enable-lflow-cache ovn-limit-lflow-cache ovn-cms-options ovn-transport-zones ovn-is-interconn ovn-match-northd-version ovn-ofctrl-wait-before-clear ovn-set-local-ip ovn-trim-limit-lflow-cache garp-max-timeout-sec arp-nd-max-timeout-sec ovn-installed ct-zone-limit",
  "Bridge.external_ids": "ct-zone-p1 ct-zone-r_snat ovn-nb-cfg ovn-startup-ts",
  "Interface.external_ids": "iface-id iface-id-ver attached-mac encap-ip ovn-egress-iface ovn-installed",
};

test("ovn-controller", { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const chance = new Chance(seed);
    const runtime = virtualRuntime({ seed });
    const nb = memoryReplica(ovnNorthbound);
    const sb = memoryReplica(ovnSouthbound);
    const ovs = memoryReplica(openVSwitch, { integrity: false });
    const told: string[] = [];
    runtime.log.onRecord(({ level, text }) => {
      if (level === "warn" || level === "err") told.push(text);
    });
    network(nb);
    const northd = createNorthd({ runtime, nb, sb });
    const started = northd.start();
    await runtime.clock.advance(50);
    await started;
    await northd.stop();
    ovs.edit((tx) => {
      const port = (name: string, type: string, id?: string) =>
        tx.insert("Port", {
          name,
          interfaces: [
            tx.insert("Interface", { name, type, ofport: 7, external_ids: new Map(id === undefined ? [] : [["iface-id", id]]) }),
          ],
        });
      const bridges = [
        tx.insert("Bridge", { name: "br-int", ports: [port("p1", "", "p1"), port("v", "", "rB")] }),
        tx.insert("Bridge", { name: "br-phys", ports: [port("eth0", "")] }),
      ];
      tx.insert("Open_vSwitch", {
        bridges,
        external_ids: new Map([
          ["system-id", "hv1"],
          ["ovn-remote", "tcp:127.0.0.1:6642"],
          ["ovn-encap-type", "geneve"],
          ["ovn-encap-ip", "10.9.0.1"],
          ["ovn-bridge-mappings", "physnet:br-phys"],
        ]),
      });
    });
    const bridge = new FakeSwitch();
    const encap = sb.insert("Encap", { type: "geneve", ip: "10.9.0.2", chassis_name: "hv2" });
    sb.insert("Chassis", { name: "hv2", hostname: "hv2", encaps: [encap] });
    const controller = createController({
      runtime,
      ovs,
      hostname: "host",
      rundir: "/run",
      // The database outlives the connection.
      connectSouthbound: () => Object.create(sb, { close: { value: async () => {} } }),
      connectBridge: bridge.dial,
    });
    await runtime.clock.run(controller.start());
    await runtime.clock.advance(50);
    expect(bridge.flows.size).toBeGreaterThan(300);
    const story: string[] = [];
    const keys = (table: string, column: string): readonly string[] => (SB_KEYS[`${table}.${column}`] ?? "foo").split(" ");
    for (let i = 0; i < 16; i++) {
      story.push(i % 3 === 0 ? disturb(ovs, openVSwitch, chance, keys) : disturb(sb, ovnSouthbound, chance, keys));
      await runtime.clock.advance(200);
      const where = `seed ${seed}: ${story.join("; ")}`;
      expect(unhandled, where).toEqual([]);
      expect(
        told.filter((text) => OURS.test(text)),
        where,
      ).toEqual([]);
    }
    await controller.stop();
  }
});
