/** Edits that random tests make: of the northbound database, and of what chassis tell. */
import type { MemoryReplica, RowHandle, Uuid } from "@weft/ovsdb";
import type { NbSchema } from "@weft/schemas";
import type { Core } from "../core.ts";
import { ACTIVATED } from "../model/activation.ts";
import { chassisFeatureNames } from "../model/chassis.ts";
import { DELEGATED } from "../model/routerAdvertisement.ts";

export type Nb = MemoryReplica<NbSchema>;

function pick<T>(items: Iterable<T>, at: number): T | undefined {
  const list = [...items];
  return list[at % Math.max(list.length, 1)];
}

let names = 0;
let samples = 0;

function collectorsOf(nb: Nb, at: number): Uuid[] {
  return [...nb.table("Sample_Collector").rows()].filter((_, index) => (index + at) % 2 === 0).map((row) => row._uuid);
}

/** Edits of the northbound database; the numbers choose rows and values. */
export const edits: readonly ((nb: Nb, a: number, b: number, c: number) => void)[] = [
  (nb, a) => {
    if (nb.table("Logical_Switch").size < 5) {
      const config = a % 4 === 0 ? new Map([["subnet", `10.${a % 5}.0.0/28`]]) : new Map<string, string>();
      nb.insert("Logical_Switch", { name: `s${names++}`, other_config: config });
    }
  },
  (nb, a) => {
    if (nb.table("Logical_Router").size < 3) {
      nb.insert("Logical_Router", {
        name: `r${names++}`,
        options: new Map(a % 3 === 0 ? [["always_learn_from_arp_request", "false"]] : []),
      });
    }
  },
  (nb, a, b, c) => {
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    if (ls === undefined) return;
    const addresses = [["dynamic"], ["unknown"], [`0a:00:00:00:00:0${b % 9} 10.${c % 5}.0.${b % 14} fd00::${c % 9}`], []][b % 4]!;
    const types = ["", "", "", "localnet", "localport"];
    nb.edit((tx) => {
      const port = tx.insert("Logical_Switch_Port", {
        name: `p${names++}`,
        addresses,
        type: types[c % 5]!,
        port_security: c % 3 === 0 ? addresses.filter((text) => text.includes(":")) : [],
      });
      tx.mutate("Logical_Switch", ls._uuid, "ports", { insert: [port] });
    });
  },
  (nb, a, b) => {
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    const parent = pick(nb.table("Logical_Switch_Port").rows(), b);
    if (ls === undefined || parent === undefined) return;
    nb.edit((tx) => {
      const port = tx.insert("Logical_Switch_Port", { name: `c${names++}`, parent_name: parent.name, tag_request: b % 3 });
      tx.mutate("Logical_Switch", ls._uuid, "ports", { insert: [port] });
    });
  },
  (nb, a, b, c) => {
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    const lr = pick(nb.table("Logical_Router").rows(), b);
    if (ls === undefined || lr === undefined) return;
    const name = `lrp${names++}`;
    nb.edit((tx) => {
      const networks = c % 2 === 0 ? [`10.${c % 5}.0.1/24`, `fd00::1:${c % 9}/64`] : [`10.${c % 5}.0.${c % 14}/24`];
      const inner = tx.insert("Logical_Router_Port", { name, mac: `0e:00:00:00:00:0${c % 9}`, networks });
      tx.mutate("Logical_Router", lr._uuid, "ports", { insert: [inner] });
      const outer = tx.insert("Logical_Switch_Port", {
        name: `lsp-${name}`,
        type: "router",
        addresses: ["router"],
        options: new Map([["router-port", name]]),
      });
      tx.mutate("Logical_Switch", ls._uuid, "ports", { insert: [outer] });
    });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Switch_Port").rows(), a);
    if (port === undefined) return;
    const { _uuid } = port;
    if (b % 5 === 0) nb.update("Logical_Switch_Port", _uuid, { enabled: c % 2 === 0 });
    else if (b % 5 === 1) nb.update("Logical_Switch_Port", _uuid, { addresses: [`0a:00:00:00:01:0${c % 9} 10.0.0.${c % 14}`] });
    else if (b % 5 === 2) nb.update("Logical_Switch_Port", _uuid, { addresses: ["dynamic", "unknown"] });
    else if (b % 5 === 3)
      nb.update("Logical_Switch_Port", _uuid, {
        options: new Map([...port.options, ["requested-tnl-key", String(1 + (c % 20))]]),
      });
    else nb.update("Logical_Switch_Port", _uuid, { external_ids: new Map([["x", String(c)]]) });
  },
  (nb, a, b) => {
    const table = (["Logical_Switch", "Logical_Router"] as const)[b % 2]!;
    const owner = pick(nb.table(table).rows(), a);
    const port = pick(owner?.ports ?? [], b);
    if (owner !== undefined && port !== undefined) nb.edit((tx) => tx.mutate(table, owner._uuid, "ports", { delete: [port] }));
  },
  (nb, a, b) => {
    const table = (["Logical_Switch", "Logical_Router"] as const)[b % 2]!;
    const row = pick(nb.table(table).rows(), a);
    if (row !== undefined && b % 5 === 0) nb.delete(table, row._uuid);
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    nb.edit((tx) => {
      const six = c % 3 === 0;
      const route = tx.insert("Logical_Router_Static_Route", {
        ip_prefix: six ? `fd77:${b % 4}::/64` : `192.168.${b % 4}.0/24`,
        nexthop: six ? `fd00::${c % 9}` : b % 7 === 0 ? "discard" : `10.${c % 5}.0.9`,
        route_table: b % 3 === 0 ? "other" : "",
      });
      tx.mutate("Logical_Router", lr._uuid, "static_routes", { insert: [route] });
    });
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    nb.edit((tx) => {
      const action = (["allow", "drop", "reroute"] as const)[b % 3]!;
      const policy = tx.insert("Logical_Router_Policy", {
        priority: c,
        match: `ip4.src == 10.0.0.${b}`,
        action,
        nexthops: action === "reroute" ? [`10.${c % 5}.0.9`] : [],
      });
      tx.mutate("Logical_Router", lr._uuid, "policies", { insert: [policy] });
    });
  },
  (nb, a, b, c) => {
    const table = (["Logical_Switch", "Port_Group"] as const)[a % 2]!;
    const owner = pick(nb.table(table).rows(), b);
    if (owner === undefined) return;
    nb.edit((tx) => {
      const acl: RowHandle = tx.insert("ACL", {
        priority: c,
        direction: a % 3 === 0 ? "to-lport" : "from-lport",
        match: "ip4",
        action: (["allow", "allow-related", "allow-stateless", "drop", "reject", "pass"] as const)[c % 6]!,
        tier: c % 4 === 0 ? 1 : 0,
        log: c % 5 === 0,
        label: b % 7 === 0 ? 7 : 0,
        options: new Map([
          ["apply-after-lb", String(a % 4 === 0)],
          ["persist-established", String(b % 4 === 0)],
          ["log-related", String(b % 2 === 0)],
        ]),
        sample_new: b % 5 === 0 ? tx.insert("Sample", { metadata: ++samples, collectors: collectorsOf(nb, c) }) : undefined,
        sample_est: b % 3 === 0 ? tx.insert("Sample", { metadata: ++samples, collectors: collectorsOf(nb, a) }) : undefined,
      });
      tx.mutate(table, owner._uuid, "acls", { insert: [acl] });
    });
  },
  (nb, a, b) => {
    const table = (["Logical_Switch", "Port_Group"] as const)[a % 2]!;
    const owner = pick(nb.table(table).rows(), b);
    const acl = pick(owner?.acls ?? [], b);
    if (owner !== undefined && acl !== undefined) nb.edit((tx) => tx.mutate(table, owner._uuid, "acls", { delete: [acl] }));
  },
  (nb, a, b) => {
    const ports = [...nb.table("Logical_Switch_Port").rows()].filter((_, index) => (index + a) % 3 === 0).map((row) => row._uuid);
    const group = pick(nb.table("Port_Group").rows(), b);
    if (group === undefined || nb.table("Port_Group").size < 3) nb.insert("Port_Group", { name: `pg${names++}`, ports });
    else nb.update("Port_Group", group._uuid, { ports });
  },
  (nb, a, b) => {
    const collector = pick(nb.table("Sample_Collector").rows(), a);
    if (collector === undefined || b % 3 === 0) {
      nb.insert("Sample_Collector", { id: 1 + (names++ % 255), name: "c", probability: a, set_id: 1 + b });
    } else nb.update("Sample_Collector", collector._uuid, { probability: b });
    const type = (["acl-new", "acl-est", "drop"] as const)[a % 3]!;
    const app = [...nb.table("Sampling_App").rows()].find((row) => row.type === type);
    if (app === undefined) nb.insert("Sampling_App", { type, id: 1 + b });
    else nb.update("Sampling_App", app._uuid, { id: 1 + b });
  },
  (nb, a, b) => {
    const set = pick(nb.table("Address_Set").rows(), a);
    if (set === undefined || b % 4 === 0) nb.insert("Address_Set", { name: `as${b % 3}`, addresses: [`10.0.0.${a}`] });
    else if (b % 4 === 1) nb.delete("Address_Set", set._uuid);
    else nb.update("Address_Set", set._uuid, { addresses: [`10.0.0.${a}`, `10.0.1.${b}`] });
  },
  (nb, a, b) => {
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    if (ls === undefined) return;
    const option = ["vlan-passthru", "mcast_snoop", "broadcast-arps-to-all-routers", "mac_only", "enable-stateless-acl-with-lb"][
      b % 5
    ]!;
    nb.update("Logical_Switch", ls._uuid, { other_config: new Map([...ls.other_config, [option, String(a % 2 === 0)]]) });
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    const port = pick(nb.table("Logical_Router_Port").rows(), b);
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    const told = ["connected", "connected-as-host", "static,lb", "nat", "ip"][b % 5]!;
    const redistribute = ["dynamic-routing-redistribute", told] as const;
    if (c % 3 === 0 && lr !== undefined) {
      const dynamic = ["dynamic-routing", String(a % 4 !== 0)] as const;
      nb.update("Logical_Router", lr._uuid, { options: new Map([...lr.options, dynamic, redistribute]) });
    } else if (c % 3 === 1 && port !== undefined) {
      nb.update("Logical_Router_Port", port._uuid, { options: new Map([...port.options, redistribute]) });
    } else if (ls !== undefined) {
      const vni = ["dynamic-routing-vni", a % 3 === 0 ? "" : String(a)] as const;
      nb.update("Logical_Switch", ls._uuid, { other_config: new Map([...ls.other_config, vni, redistribute]) });
    }
  },
  (nb, a, b) => {
    const row = pick(nb.table("NB_Global").rows(), 0);
    const option = ["use_ct_inv_match", "default_acl_drop", "ignore_lsp_down", "install_ls_lb_from_router", "controller_event"][
      b % 5
    ]!;
    const options = new Map([[option, String(a % 2 === 0)]]);
    if (row === undefined) nb.insert("NB_Global", { options });
    else nb.update("NB_Global", row._uuid, { options });
  },
  (nb, a, b, c) => {
    const six = c % 4 === 0;
    const vip = six ? `[fd00::${a % 9}]:80` : c % 4 === 1 ? `10.${a % 5}.0.99` : `10.${a % 5}.0.99:${80 + (b % 3)}`;
    const port = vip.endsWith(".99") ? "" : ":8080";
    const ends = six ? [`[fd00::${b % 9}]${port}`] : [`10.0.0.${b % 14}${port}`, `10.1.0.${c % 14}${port}`];
    const vips = new Map([[vip, b % 5 === 0 ? "" : ends.join()]]);
    const option = ["affinity_timeout", "skip_snat", "reject", "event", "use_stateless_nat", "distributed", "neighbor_responder"][
      a % 7
    ]!;
    const values: Record<string, string> = { affinity_timeout: "60", neighbor_responder: b % 2 === 0 ? "all" : "none" };
    const row = pick(nb.table("Load_Balancer").rows(), b);
    const columns = {
      vips,
      options: new Map([[option, values[option] ?? "true"]]),
      selection_fields: c % 6 === 0 ? ["tp_src" as const] : [],
    };
    if (row === undefined || nb.table("Load_Balancer").size < 4) nb.insert("Load_Balancer", { name: `lb${names++}`, ...columns });
    else nb.update("Load_Balancer", row._uuid, columns);
  },
  (nb, a, b, c) => {
    const lb = pick(nb.table("Load_Balancer").rows(), a);
    const table = (["Logical_Switch", "Logical_Router", "Load_Balancer_Group"] as const)[b % 3]!;
    const owner = pick(nb.table(table).rows(), c);
    if (lb === undefined || owner === undefined) return;
    const had = owner.load_balancer.includes(lb._uuid);
    nb.edit((tx) => tx.mutate(table, owner._uuid, "load_balancer", { [had ? "delete" : "insert"]: [lb._uuid] }));
  },
  (nb, a, b, c) => {
    const group = pick(nb.table("Load_Balancer_Group").rows(), a);
    if (group === undefined || nb.table("Load_Balancer_Group").size < 2) {
      nb.insert("Load_Balancer_Group", { name: `g${names++}` });
      return;
    }
    const table = (["Logical_Switch", "Logical_Router"] as const)[b % 2]!;
    const owner = pick(nb.table(table).rows(), c);
    if (owner === undefined) return;
    const had = owner.load_balancer_group.includes(group._uuid);
    nb.edit((tx) => tx.mutate(table, owner._uuid, "load_balancer_group", { [had ? "delete" : "insert"]: [group._uuid] }));
  },
  (nb, a, b) => {
    const table = (["Load_Balancer", "Load_Balancer_Group"] as const)[a % 2]!;
    const row = pick(nb.table(table).rows(), a);
    if (row !== undefined && b % 3 === 0) nb.delete(table, row._uuid);
  },
  (nb, a, b) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    const options = new Map(lr.options);
    if (b % 3 === 0) options.set("chassis", "ch");
    else if (b % 3 === 1) options.set("lb_force_snat_ip", a % 2 === 0 ? "router_ip" : "10.9.9.9");
    else options.delete(a % 2 === 0 ? "chassis" : "lb_force_snat_ip");
    nb.update("Logical_Router", lr._uuid, { options });
  },
  (nb, a, b) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    if (port === undefined) return;
    nb.edit((tx) => {
      const chassis =
        b % 3 === 0 ? [] : [tx.insert("Gateway_Chassis", { name: `gc${names++}`, chassis_name: "ch", priority: 1 })];
      tx.update("Logical_Router_Port", port._uuid, { gateway_chassis: chassis });
    });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    if (port === undefined) return;
    if (b % 4 === 0) nb.update("Logical_Router_Port", port._uuid, { gateway_chassis: [], ha_chassis_group: undefined });
    else if (b % 4 === 1) {
      const group = pick(nb.table("HA_Chassis_Group").rows(), c);
      if (group !== undefined) nb.update("Logical_Router_Port", port._uuid, { ha_chassis_group: group._uuid });
    } else if (b % 4 === 2) {
      const option = ["reside-on-redirect-chassis", "redirect-type"][c % 2]!;
      const value = c % 2 === 0 ? String(a % 2 === 0) : a % 2 === 0 ? "bridged" : "overlay";
      nb.update("Logical_Router_Port", port._uuid, { options: new Map([...port.options, [option, value]]) });
    } else {
      nb.edit((tx) => {
        const row = { name: `gc${names++}`, chassis_name: `ch${c % 3}`, priority: c };
        const chassis = tx.insert("Gateway_Chassis", row);
        tx.mutate("Logical_Router_Port", port._uuid, "gateway_chassis", { insert: [chassis] });
      });
    }
  },
  (nb, a, b, c) => {
    const group = pick(nb.table("HA_Chassis_Group").rows(), a);
    if (group === undefined) nb.insert("HA_Chassis_Group", { name: `hg${names++}` });
    else {
      nb.edit((tx) => {
        const chassis = tx.insert("HA_Chassis", { chassis_name: `ch${b % 3}`, priority: c });
        tx.mutate("HA_Chassis_Group", group._uuid, "ha_chassis", { insert: [chassis] });
      });
    }
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    nb.edit((tx) => {
      const six = c % 5 === 0;
      const type = (["snat", "dnat", "dnat_and_snat"] as const)[b % 3]!;
      const local = c % 3 === 0 ? pick(nb.table("Logical_Switch_Port").rows(), b) : undefined;
      const gateway = c % 7 === 0 ? pick(nb.table("Logical_Router_Port").rows(), b)?._uuid : undefined;
      const set = c % 11 === 0 ? pick(nb.table("Address_Set").rows(), a)?._uuid : undefined;
      const nat = tx.insert("NAT", {
        type,
        external_ip: six ? `fd00::${b % 9}` : `10.${c % 5}.0.${b % 14}`,
        logical_ip: six ? "fd07::1" : type === "snat" && b % 2 === 0 ? "192.168.0.0/24" : `192.168.0.${c}`,
        logical_port: local?.name,
        external_mac: local === undefined ? undefined : `0a:00:00:00:09:0${b % 9}`,
        gateway_port: gateway,
        exempted_ext_ips: set,
        match: b % 8 === 0 ? "ip4" : "",
        options: new Map(a % 4 === 0 ? [["stateless", "true"]] : a % 4 === 1 ? [["add_route", "true"]] : []),
      });
      tx.mutate("Logical_Router", lr._uuid, "nat", { insert: [nat] });
    });
  },
  (nb, a, b) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    const nat = pick(lr?.nat ?? [], b);
    if (lr !== undefined && nat !== undefined) nb.edit((tx) => tx.mutate("Logical_Router", lr._uuid, "nat", { delete: [nat] }));
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    const options = new Map(lr.options);
    if (b % 4 === 0) options.delete("chassis");
    else if (b % 4 === 1) options.set("chassis", `ch${c % 3}`);
    else if (b % 4 === 2) options.set("ct-commit-all", String(c % 2 === 0));
    else options.set("dnat_force_snat_ip", `10.0.0.${c}`);
    nb.update("Logical_Router", lr._uuid, { options });
  },
  (nb, a, b) => {
    const ports = [...nb.table("Logical_Switch_Port").rows()].filter(({ type }) => type === "router");
    const port = pick(ports, a);
    if (port === undefined) return;
    const value = ["router", "0a:00:00:00:00:01 10.0.0.1", ""][b % 3]!;
    nb.update("Logical_Switch_Port", port._uuid, { options: new Map([...port.options, ["nat-addresses", value]]) });
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    const session = pick(nb.table("BFD").rows(), b);
    const port = pick(nb.table("Logical_Router_Port").rows(), b);
    if (session === undefined && port !== undefined) {
      nb.insert("BFD", { logical_port: port.name, dst_ip: `10.${c % 5}.0.9` });
    } else if (session !== undefined && a % 9 === 0) nb.delete("BFD", session._uuid);
    else if (lr !== undefined) {
      nb.edit((tx) => {
        const route = tx.insert("Logical_Router_Static_Route", {
          ip_prefix: `192.168.${b % 3}.0/24`,
          nexthop: `10.${c % 5}.0.9`,
          bfd: b % 2 === 0 ? session?._uuid : undefined,
          policy: b % 5 === 0 ? "src-ip" : undefined,
          selection_fields: c % 2 === 0 ? ["ip_src" as const] : [],
          options: new Map(c % 3 === 0 ? [["ecmp_symmetric_reply", "true"]] : c % 3 === 1 ? [["origin", "connected"]] : []),
        });
        tx.mutate("Logical_Router", lr._uuid, "static_routes", { insert: [route] });
      });
    }
  },
  (nb, a, b, c) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    if (lr === undefined) return;
    nb.edit((tx) => {
      const policy = tx.insert("Logical_Router_Policy", {
        priority: c,
        match: "ip4",
        action: b % 2 === 0 ? "jump" : "reroute",
        chain: c % 2 === 0 ? `c${b % 2}` : undefined,
        jump_chain: b % 2 === 0 ? `c${a % 2}` : undefined,
        nexthops: b % 2 === 0 ? [] : [`10.${c % 5}.0.9`, `10.${a % 5}.0.9`],
        bfd_sessions: [...nb.table("BFD").rows()].map(({ _uuid }) => _uuid),
      });
      tx.mutate("Logical_Router", lr._uuid, "policies", { insert: [policy] });
    });
  },
  (nb, a, b) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    if (port === undefined) return;
    nb.update("Logical_Router_Port", port._uuid, { options: new Map([...port.options, ["gateway_mtu", String(b * 100)]]) });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    if (port === undefined) return;
    const { _uuid } = port;
    if (b % 4 === 0) {
      const configs = [["address_mode", "slaac"] as const, ["send_periodic", String(c % 2 === 0)] as const];
      nb.update("Logical_Router_Port", _uuid, { ipv6_ra_configs: new Map(c % 3 === 0 ? [] : configs) });
    } else if (b % 4 === 1) {
      const option = ["mcast_flood", "prefix_delegation"][c % 2]!;
      nb.update("Logical_Router_Port", _uuid, { options: new Map([...port.options, [option, String(a % 2 === 0)]]) });
    } else if (b % 4 === 2) {
      nb.edit((tx) => {
        const relay = tx.insert("DHCP_Relay", { name: "relay", servers: `10.0.0.${c}` });
        tx.update("Logical_Router_Port", _uuid, { dhcp_relay: relay });
      });
    } else nb.insert("Static_MAC_Binding", { logical_port: port.name, ip: `10.0.0.${c}`, mac: "0a:00:00:00:00:09" });
  },
  (nb, a, b) => {
    const lr = pick(nb.table("Logical_Router").rows(), a);
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    if (lr === undefined || ls === undefined) return;
    nb.update("Logical_Router", lr._uuid, { options: new Map([...lr.options, ["mcast_relay", String(b % 2 === 0)]]) });
    const port = pick(nb.table("Logical_Switch_Port").rows(), b)?.name ?? "";
    nb.update("Logical_Switch", ls._uuid, { other_config: new Map([...ls.other_config, ["dhcp_relay_port", port]]) });
  },
  (nb, a, b, c) => {
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    const port = pick(nb.table("Logical_Switch_Port").rows(), b);
    if (ls === undefined || port === undefined) return;
    const { _uuid } = port;
    nb.edit((tx) => {
      if (c % 5 === 0) {
        const options = new Map([
          ["server_id", "10.0.0.254"],
          ["server_mac", "0a:00:00:00:00:fe"],
          ["lease_time", "60"],
        ]);
        tx.update("Logical_Switch_Port", _uuid, { dhcpv4_options: tx.insert("DHCP_Options", { cidr: "10.0.0.0/24", options }) });
      } else if (c % 5 === 1) {
        const rate = [["qos_max_rate", String(1000 + a)] as const, ["mcast_flood", String(b % 2 === 0)] as const];
        tx.update("Logical_Switch_Port", _uuid, { options: new Map([...port.options, ...rate]) });
      } else if (c % 5 === 2) {
        const mirror = tx.insert("Mirror", { name: `m${names++}`, filter: "both", sink: port.name, type: "lport", index: 0 });
        tx.update("Logical_Switch_Port", _uuid, { mirror_rules: [mirror] });
      } else if (c % 5 === 3) {
        const rule = tx.insert("QoS", { priority: a, direction: "to-lport", match: "ip4", action: new Map([["dscp", 7]]) });
        tx.mutate("Logical_Switch", ls._uuid, "qos_rules", { insert: [rule] });
      } else {
        const group = { name: `f${names++}`, vip: "10.0.0.77", vmac: "0a:00:00:00:00:77", child_port: [port.name] };
        tx.mutate("Logical_Switch", ls._uuid, "forwarding_groups", { insert: [tx.insert("Forwarding_Group", group)] });
      }
    });
  },
  (nb, a, b, c) => {
    const table = (["Logical_Switch", "Logical_Router"] as const)[b % 2]!;
    const owner = pick(nb.table(table).rows(), a);
    if (owner === undefined) return;
    nb.edit((tx) => {
      if (nb.table("Meter").size === 0) {
        tx.insert("Meter", { name: "m", unit: "pktps", bands: [tx.insert("Meter_Band", { action: "drop", rate: 1 })] });
      }
      const meters = new Map([[(["arp", "nd-na", "reject", "dns", "icmp4-error"] as const)[c % 5]!, "m"]]);
      tx.update(table, owner._uuid, { copp: tx.insert("Copp", { name: `c${names++}`, meters }) });
    });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Switch_Port").rows(), a);
    if (port === undefined) return;
    const asked = (
      [
        ["arp_proxy", "0a:00:00:00:07:07 10.0.0.50 fd00::/64"],
        ["pkt_clone_type", "mc_unknown"],
        ["receive_multicast", String(c % 2 === 0)],
        ["enable_router_port_acl", String(c % 2 === 0)],
        ["exclude-lb-vips-from-garp", String(c % 2 === 0)],
      ] as const
    )[b % 5]!;
    nb.update("Logical_Switch_Port", port._uuid, { options: new Map([...port.options, asked]) });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Switch_Port").rows(), a);
    const peer = pick(nb.table("Logical_Switch_Port").rows(), b);
    if (port === undefined || peer === undefined) return;
    if (c % 3 === 0) nb.update("Logical_Switch_Port", port._uuid, { type: "switch", peer: peer.name });
    else {
      nb.edit((tx) => {
        const check = { protocol: "tcp" as const, src_ip: "10.0.0.99", port: c, address: `10.0.0.${b}` };
        tx.update("Logical_Switch_Port", port._uuid, { health_checks: [tx.insert("Logical_Switch_Port_Health_Check", check)] });
      });
    }
  },
  (nb, a, b, c) => {
    // Parts of transit switches and routers in other zones.
    const chassis = ["requested-chassis", `ch${c % 4}`] as const;
    const ls = pick(nb.table("Logical_Switch").rows(), a);
    const port = pick(nb.table("Logical_Switch_Port").rows(), b);
    const lrp = pick(nb.table("Logical_Router_Port").rows(), b);
    if (ls === undefined || port === undefined || lrp === undefined) return;
    if (c % 3 === 0) {
      const transit = new Map([...ls.other_config, ["interconn-ts", "ts"], ["mcast_snoop", String(b % 2 === 0)]]);
      nb.update("Logical_Switch", ls._uuid, { other_config: transit });
    } else if (c % 3 === 1) {
      const type = b % 3 === 0 ? "" : "remote";
      nb.update("Logical_Switch_Port", port._uuid, { type, options: new Map([...port.options, chassis]) });
    } else nb.update("Logical_Router_Port", lrp._uuid, { options: new Map([...lrp.options, chassis]) });
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    const speaker = pick(nb.table("Logical_Switch_Port").rows(), b)?.name ?? "";
    if (port === undefined) return;
    const asked = [
      ["routing-protocol-redirect", speaker],
      ["routing-protocols", c % 2 === 0 ? "BGP" : "BGP,BFD"],
    ] as const;
    nb.update("Logical_Router_Port", port._uuid, { options: new Map([...port.options, ...asked]) });
  },
  (nb, a, b) => {
    const row = pick(nb.table("NB_Global").rows(), 0);
    const names = ["acl_ct_translation", "ignore_chassis_features", "ecmp_nexthop_monitor_enable", "use_ct_inv_match"];
    const option = [names[a % names.length]!, String(b % 2 === 0)] as const;
    if (row === undefined) nb.insert("NB_Global", { options: new Map([option]) });
    else nb.update("NB_Global", row._uuid, { options: new Map([...row.options, option]) });
  },
  (nb, a, b, c) => {
    const [input, output] = [pick(nb.table("Logical_Switch_Port").rows(), a), pick(nb.table("Logical_Switch_Port").rows(), b)];
    const group = pick(nb.table("Network_Function_Group").rows(), c);
    const acl = pick(nb.table("ACL").rows(), a);
    if (input === undefined || output === undefined) return;
    if (group !== undefined && acl !== undefined && c % 2 === 0) {
      nb.update("ACL", acl._uuid, { network_function_group: group._uuid });
      return;
    }
    const ids = nb.table("Network_Function").size + 1;
    nb.edit((tx) => {
      const check = tx.insert("Network_Function_Health_Check", { name: `h${names++}` });
      const nf = tx.insert("Network_Function", {
        name: `nf${names++}`,
        id: ids,
        inport: input._uuid,
        outport: output._uuid,
        health_check: c % 3 === 0 ? check : undefined,
      });
      if (group === undefined) {
        tx.insert("Network_Function_Group", { name: `nfg${names++}`, id: ids, mode: "inline", network_function: [nf] });
      } else tx.mutate("Network_Function_Group", group._uuid, "network_function", { insert: [nf] });
    });
  },
  (nb, a, b, c) => {
    const lb = pick(nb.table("Load_Balancer").rows(), a);
    const port = pick(nb.table("Logical_Switch_Port").rows(), b);
    const vip = lb === undefined ? undefined : pick(lb.vips, c);
    if (lb === undefined || port === undefined || vip === undefined) return;
    const ends = vip[1].split(",").map((text) => text.replace(/:\d+$/, ""));
    nb.edit((tx) => {
      const check = tx.insert("Load_Balancer_Health_Check", { vip: vip[0] });
      const mappings = new Map(ends.map((ip) => [ip, ip.startsWith("[") ? `${port.name}:[fd00::ff]` : `${port.name}:10.0.0.99`]));
      tx.update("Load_Balancer", lb._uuid, { health_check: [check], ip_port_mappings: mappings });
    });
  },
];

/** What chassis tell: under a key what the core is told, so that another can be told the same. */
type Told = readonly [key: string, tell: (core: Core) => void];

export const chassisEdits: readonly ((nb: Nb, a: number, b: number, c: number) => Told | undefined)[] = [
  (_nb, a, b, c) => {
    const uuid = `00000000-0000-4000-8000-00000000000${a % 3}` as Uuid;
    const lacking = chassisFeatureNames.filter((_, index) => (b >> (index % 6)) % 2 === 1);
    const facts = { name: `ch${a % 3}`, hostname: `host${c % 3}`, remote: b % 5 < 2, lacking };
    return [`chassis ${uuid}`, (core) => core.setChassis(uuid, c % 4 === 0 ? undefined : facts)];
  },
  (nb, a, b) => {
    const session = pick(nb.table("BFD").rows(), a);
    if (session === undefined) return undefined;
    const { logical_port, dst_ip, _uuid } = session;
    const status = (["up", "down", "admin_down", "init"] as const)[b % 4]!;
    return [`bfd ${_uuid}`, (core) => core.setBfd(_uuid, b % 5 === 0 ? undefined : { logical_port, dst_ip, status })];
  },
  (nb, a, b, c) => {
    const port = pick(nb.table("Logical_Switch_Port").rows(), a);
    if (port === undefined) return undefined;
    return [`up ${port._uuid}`, (core) => core.setPortUp(port._uuid, b % 2 === 0, c % 2 === 0 ? `ch${c % 3}` : undefined)];
  },
  (nb, a, b) => {
    const port = pick(nb.table("Logical_Router_Port").rows(), a);
    if (port === undefined) return undefined;
    const options = new Map([[DELEGATED, `1:fd00:${b}::/64`]]);
    return [`prefix ${port.name}`, (core) => core.setTold(port.name, b % 3 === 0 ? undefined : options)];
  },
  (nb, a, b) => {
    const port = pick(nb.table("Logical_Switch_Port").rows(), a);
    if (port === undefined) return undefined;
    const options = new Map([[ACTIVATED, `ch${b % 3}`]]);
    return [`activated ${port.name}`, (core) => core.setTold(port.name, b % 3 === 0 ? undefined : options)];
  },
  (nb, a, b, c) => {
    const router = pick(nb.table("Logical_Router").rows(), a);
    const port = pick(router?.ports ?? [], b);
    const name = port === undefined ? undefined : nb.table("Logical_Router_Port").get(port)?.name;
    if (router === undefined || name === undefined) return undefined;
    const uuid = `00000000-0000-4000-8000-00000000020${a % 10}` as Uuid;
    const route = { router: router._uuid, port: name, prefix: `10.${b}.0.0/16`, nexthop: c % 2 === 0 ? "10.0.0.9" : "fd00::9" };
    return [`learned ${uuid}`, (core) => core.setLearnedRoute(uuid, c % 4 === 0 ? undefined : route)];
  },
  (nb, a, b, c) => {
    const datapath = pick(nb.table("Logical_Switch").rows(), a);
    const port = pick(datapath?.ports ?? [], b);
    const name = port === undefined ? undefined : nb.table("Logical_Switch_Port").get(port)?.name;
    if (datapath === undefined || name === undefined) return undefined;
    const uuid = `00000000-0000-4000-8000-0000000001${a % 10}${b % 10}` as Uuid;
    const address = (["239.0.0.1", "ff0a::1", "mrouters"] as const)[c % 3]!;
    const membership = { datapath: datapath._uuid, address, ports: [name] };
    return [`igmp ${uuid}`, (core) => core.setMembership(uuid, c % 4 === 0 ? undefined : membership)];
  },
];
