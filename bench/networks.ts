/** Northbound contents to measure with, as operations of one transaction (RFC 7047 section 5.2). */

type Row = Readonly<Record<string, unknown>>;

/** A column's map. */
const map = (pairs: Readonly<Record<string, string>>) => ["map", Object.entries(pairs)];
const refs = (names: readonly string[]) => ["set", names.map((name) => ["named-uuid", name])];

/** Collects inserts. */
class Contents {
  readonly operations: object[] = [];

  /** Returns the name by which other rows of the transaction refer to this one. */
  insert(table: string, row: Row): string {
    const name = `row${this.operations.length}`;
    this.operations.push({ op: "insert", table, "uuid-name": name, row });
    return name;
  }

  /** A switch's port that leads to a router's. */
  uplink(name: string, peer: string): string {
    return this.insert("Logical_Switch_Port", {
      name,
      type: "router",
      addresses: "router",
      options: map({ "router-port": peer }),
    });
  }
}

export function mac(kind: number, high: number, low: number): string {
  const bytes = [0x0a, kind, high >> 8, high & 255, low >> 8, low & 255];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Chassis, of the southbound database. */
export function chassis(names: readonly string[]): object[] {
  return names.flatMap((name, i) => [
    {
      op: "insert",
      table: "Encap",
      "uuid-name": `encap${i}`,
      row: { type: "geneve", ip: `192.168.100.${i + 1}`, chassis_name: name },
    },
    { op: "insert", table: "Chassis", row: { name, hostname: name, encaps: ["named-uuid", `encap${i}`] } },
  ]);
}

/** One guest's port more on a switch, with port security. */
export function guestPort(name: string, network: string, addresses: string): object[] {
  const row = { name, addresses, port_security: addresses };
  return [
    { op: "insert", table: "Logical_Switch_Port", "uuid-name": "port", row },
    {
      op: "mutate",
      table: "Logical_Switch",
      where: [["name", "==", network]],
      mutations: [["ports", "insert", ["named-uuid", "port"]]],
    },
  ];
}

/** Switches with port security on every port, on one router. */
export function campus(switches: number, ports: number): object[] {
  const nb = new Contents();
  const routerPorts: string[] = [];
  for (let s = 0; s < switches; s++) {
    const net = `10.${s >> 8}.${s & 255}`;
    routerPorts.push(nb.insert("Logical_Router_Port", { name: `r-s${s}`, mac: mac(0xff, s, 1), networks: `${net}.1/24` }));
    const members = [nb.uplink(`s${s}-r`, `r-s${s}`)];
    for (let p = 0; p < ports; p++) {
      const addresses = `${mac(0, s, p + 2)} ${net}.${p + 2}`;
      members.push(nb.insert("Logical_Switch_Port", { name: `s${s}p${p}`, addresses, port_security: addresses }));
    }
    nb.insert("Logical_Switch", { name: `s${s}`, ports: refs(members) });
  }
  nb.insert("Logical_Router", { name: "r", ports: refs(routerPorts) });
  return nb.operations;
}

/** As OpenStack has them: tenants with a router, two switches, a gateway with SNAT and floating IPs, a security group, DHCP. */
export function tenants(count: number, ports: number): object[] {
  const nb = new Contents();
  const outside = [
    nb.insert("Logical_Switch_Port", {
      name: "outside-net",
      type: "localnet",
      addresses: "unknown",
      options: map({ network_name: "physnet1" }),
    }),
  ];
  for (let t = 0; t < count; t++) {
    const external = (n: number) => `172.16.${(256 + t * (ports + 1) + n) >> 8}.${(256 + t * (ports + 1) + n) & 255}`;
    const gateway = nb.insert("Gateway_Chassis", { name: `r${t}-out-gw`, chassis_name: `gw${t % 10}`, priority: 10 });
    const routerPorts = [
      nb.insert("Logical_Router_Port", {
        name: `r${t}-out`,
        mac: mac(0xee, t, 1),
        networks: `${external(0)}/16`,
        gateway_chassis: refs([gateway]),
      }),
    ];
    outside.push(nb.uplink(`out-r${t}`, `r${t}-out`));
    const guests: string[] = [];
    const nats: string[] = [];
    for (const k of [0, 1]) {
      const net = `10.${t >> 6}.${(t & 63) * 4 + k}`;
      const routerMac = mac(0xff, t, k);
      const dhcp = nb.insert("DHCP_Options", {
        cidr: `${net}.0/24`,
        options: map({ server_id: `${net}.1`, server_mac: routerMac, router: `${net}.1`, lease_time: "43200" }),
      });
      routerPorts.push(nb.insert("Logical_Router_Port", { name: `r${t}-n${k}`, mac: routerMac, networks: `${net}.1/24` }));
      const members = [nb.uplink(`t${t}n${k}-r`, `r${t}-n${k}`)];
      for (let p = 0; p < ports; p++) {
        const ip = `${net}.${p + 10}`;
        const addresses = `${mac(k, t, p)} ${ip}`;
        const row = { name: `t${t}n${k}p${p}`, addresses, port_security: addresses, dhcpv4_options: ["named-uuid", dhcp] };
        const guest = nb.insert("Logical_Switch_Port", row);
        members.push(guest);
        guests.push(guest);
        if (p % 2 === 0) nats.push(nb.insert("NAT", { type: "dnat_and_snat", external_ip: external(1 + p + k), logical_ip: ip }));
      }
      nats.push(nb.insert("NAT", { type: "snat", external_ip: external(0), logical_ip: `${net}.0/24` }));
      nb.insert("Logical_Switch", { name: `t${t}n${k}`, ports: refs(members) });
    }
    const route = nb.insert("Logical_Router_Static_Route", { ip_prefix: "0.0.0.0/0", nexthop: "172.16.0.1" });
    nb.insert("Logical_Router", { name: `r${t}`, ports: refs(routerPorts), nat: refs(nats), static_routes: refs([route]) });
    const rules: [direction: string, priority: number, match: string, action: string][] = [
      ["from-lport", 1002, `inport == @t${t} && ip4`, "allow-related"],
      ["to-lport", 1002, `outport == @t${t} && ip4 && ip4.src == $t${t}_ip4`, "allow-related"],
      ["to-lport", 1002, `outport == @t${t} && ip4 && tcp && tcp.dst == 22`, "allow-related"],
      ["to-lport", 1002, `outport == @t${t} && ip4 && icmp4`, "allow-related"],
      ["to-lport", 1001, `outport == @t${t} && ip`, "drop"],
    ];
    const acls = rules.map(([direction, priority, match, action]) => nb.insert("ACL", { direction, priority, match, action }));
    nb.insert("Port_Group", { name: `t${t}`, ports: refs(guests), acls: refs(acls) });
  }
  nb.insert("Logical_Switch", { name: "outside", ports: refs(outside) });
  return nb.operations;
}

/** As Kubernetes has them: a switch and a gateway router for each node, a router between, load balancers on all. */
export function nodes(count: number, pods: number, balancers: number): object[] {
  const nb = new Contents();
  const pod = (i: number) => `10.244.${i % count}.${(Math.floor(i / count) % pods) + 10}`;
  const services = Array.from({ length: balancers }, (_, i) => {
    const backends = [0, 1, 2].map((n) => `${pod(7 * i + 11 * n)}:8080`).join(",");
    return nb.insert("Load_Balancer", {
      name: `service${i}`,
      protocol: "tcp",
      vips: map({ [`10.96.${i >> 8}.${i & 255}:80`]: backends }),
    });
  });
  const group = ["named-uuid", nb.insert("Load_Balancer_Group", { name: "services", load_balancer: refs(services) })];
  const clusterPorts = [
    nb.insert("Logical_Router_Port", { name: "cluster-join", mac: mac(0x64, 0, 1), networks: "100.64.0.1/16" }),
  ];
  const join = [nb.uplink("join-cluster", "cluster-join")];
  const clusterRoutes: string[] = [];
  for (let i = 0; i < count; i++) {
    const [net, inner, outer] = [`10.244.${i}`, `100.64.0.${i + 2}`, `172.18.0.${i + 10}`];
    clusterPorts.push(
      nb.insert("Logical_Router_Port", { name: `cluster-node${i}`, mac: mac(0xff, i, 1), networks: `${net}.1/24` }),
    );
    const members = [nb.uplink(`node${i}-cluster`, `cluster-node${i}`)];
    for (let p = 0; p < pods; p++) {
      const addresses = `${mac(0x58, i, p)} ${net}.${p + 10}`;
      members.push(nb.insert("Logical_Switch_Port", { name: `node${i}p${p}`, addresses, port_security: addresses }));
    }
    nb.insert("Logical_Switch", { name: `node${i}`, ports: refs(members), load_balancer_group: group });
    const gatewayPorts = [
      nb.insert("Logical_Router_Port", { name: `gateway${i}-join`, mac: mac(0x65, i, 1), networks: `${inner}/16` }),
      nb.insert("Logical_Router_Port", { name: `gateway${i}-out`, mac: mac(0x66, i, 1), networks: `${outer}/16` }),
    ];
    join.push(nb.uplink(`join-gateway${i}`, `gateway${i}-join`));
    nb.insert("Logical_Switch", { name: `out${i}`, ports: refs([nb.uplink(`out-gateway${i}`, `gateway${i}-out`)]) });
    const routes = [
      nb.insert("Logical_Router_Static_Route", { ip_prefix: "10.244.0.0/16", nexthop: "100.64.0.1" }),
      nb.insert("Logical_Router_Static_Route", { ip_prefix: "0.0.0.0/0", nexthop: "172.18.0.1" }),
    ];
    nb.insert("Logical_Router", {
      name: `gateway${i}`,
      ports: refs(gatewayPorts),
      static_routes: refs(routes),
      nat: refs([nb.insert("NAT", { type: "snat", external_ip: outer, logical_ip: `${net}.0/24` })]),
      load_balancer_group: group,
      options: map({ chassis: `node${i}`, lb_force_snat_ip: "router_ip" }),
    });
    clusterRoutes.push(nb.insert("Logical_Router_Static_Route", { ip_prefix: `${net}.0/24`, nexthop: inner, policy: "src-ip" }));
  }
  nb.insert("Logical_Router", { name: "cluster", ports: refs(clusterPorts), static_routes: refs(clusterRoutes) });
  nb.insert("Logical_Switch", { name: "join", ports: refs(join) });
  return nb.operations;
}
