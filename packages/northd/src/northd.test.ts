import { type MemoryReplica, memoryReplica } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { type NbSchema, ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";
import { describe, expect, it, vi } from "vitest";
import { createNorthd, type Northd } from "./index.ts";

interface Place {
  readonly nb: MemoryReplica<NbSchema>;
  readonly sb: MemoryReplica<SbSchema>;
  readonly northd: Northd;
  readonly warnings: string[];
  settle(): Promise<void>;
}

async function place(sb = memoryReplica(ovnSouthbound)): Promise<Place> {
  const runtime = virtualRuntime({ seed: 1 });
  const nb = memoryReplica(ovnNorthbound);
  const warnings: string[] = [];
  runtime.log.onRecord(({ level, text }) => {
    if (level === "warn" || level === "err") warnings.push(text);
  });
  const northd = createNorthd({ runtime, nb, sb });
  const started = northd.start();
  const settle = async () => {
    for (let i = 0; i < 20; i++) await runtime.clock.advance(1);
  };
  await settle();
  await started;
  return { nb, sb, northd, warnings, settle };
}

/** The flows of one stage: "priority match actions", on which datapaths. */
function flows(sb: MemoryReplica<SbSchema>, stage: string): string[] {
  const lines: string[] = [];
  for (const row of sb.table("Logical_Flow").rows()) {
    if (row.external_ids.get("stage-name") !== stage) continue;
    const group = row.logical_dp_group && sb.table("Logical_DP_Group").get(row.logical_dp_group);
    const names = (group?.datapaths ?? [row.logical_datapath!]).map((uuid) =>
      sb.table("Datapath_Binding").get(uuid)?.external_ids.get("name"),
    );
    lines.push(`${row.priority} ${row.match} { ${row.actions} } on ${names.sort().join()}`);
  }
  return lines.sort();
}

function addSwitch(nb: MemoryReplica<NbSchema>, name: string, ports: readonly { name: string; addresses: string[] }[]): void {
  nb.edit((tx) => {
    tx.insert("Logical_Switch", { name, ports: ports.map((port) => tx.insert("Logical_Switch_Port", port)) });
  });
}

describe("northd", () => {
  it("makes a switch's datapath, bindings, groups and flows", async () => {
    const { nb, sb, settle } = await place();
    addSwitch(nb, "a", [
      { name: "p1", addresses: ["50:54:00:00:00:01 10.0.0.1"] },
      { name: "p2", addresses: ["unknown"] },
    ]);
    await settle();
    const datapath = [...sb.table("Datapath_Binding").rows()][0]!;
    expect(datapath.tunnel_key).toBe(1);
    expect(
      [...sb.table("Port_Binding").rows()].map(({ logical_port, tunnel_key, up }) => [logical_port, tunnel_key, up]),
    ).toEqual([
      ["p1", 1, false],
      ["p2", 2, false],
    ]);
    expect([...sb.table("Multicast_Group").rows()].map(({ name, ports }) => `${name} ${ports.length}`).sort()).toEqual([
      "_MC_flood 2",
      "_MC_flood_l2 2",
      "_MC_unknown 1",
    ]);
    expect(flows(sb, "ls_in_l2_unknown")).toEqual([
      "0 1 { output; } on a",
      '50 outport == "none" { outport = "_MC_unknown"; output; } on a',
    ]);
    expect(flows(sb, "ls_in_lookup_fdb")).toContain('100 inport == "p2" { reg0[11] = lookup_fdb(inport, eth.src); next; } on a');
    expect(flows(sb, "ls_in_arp_rsp").filter((line) => line.startsWith("50"))).toEqual([
      "50 arp.tpa == 10.0.0.1 && arp.op == 1 && eth.dst == ff:ff:ff:ff:ff:ff { eth.dst = eth.src; eth.src = 50:54:00:00:00:01; " +
        "arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = 50:54:00:00:00:01; arp.tpa = arp.spa; arp.spa = 10.0.0.1; " +
        "outport = inport; flags.loopback = 1; output; } on a",
    ]);
  });

  it("puts flows that are alike into one row with a datapath group, and keeps that row as switches come and go", async () => {
    const { nb, sb, settle } = await place();
    for (const name of ["a", "b"]) addSwitch(nb, name, []);
    await settle();
    expect(flows(sb, "ls_in_mirror")).toEqual(["0 1 { next; } on a,b"]);
    const row = () =>
      [...sb.table("Logical_Flow").rows()].find(({ external_ids }) => external_ids.get("stage-name") === "ls_in_mirror")!;
    const before = row();
    addSwitch(nb, "c", []);
    await settle();
    expect(flows(sb, "ls_in_mirror")).toEqual(["0 1 { next; } on a,b,c"]);
    expect([row()._uuid, row().logical_dp_group]).toEqual([before._uuid, before.logical_dp_group]);
    for (const { _uuid, name } of [...nb.table("Logical_Switch").rows()]) if (name !== "b") nb.delete("Logical_Switch", _uuid);
    await settle();
    expect(flows(sb, "ls_in_mirror")).toEqual(["0 1 { next; } on b"]);
    expect(sb.table("Datapath_Binding").size).toBe(1);
    expect(sb.table("Logical_DP_Group").size).toBe(0);
  });

  it("routes: connected and static routes, next hops, answers to ping", async () => {
    const { nb, sb, settle, warnings } = await place();
    nb.edit((tx) => {
      const port = tx.insert("Logical_Router_Port", { name: "rp", mac: "00:00:00:00:ff:01", networks: ["10.0.0.254/24"] });
      const routes = [
        tx.insert("Logical_Router_Static_Route", { ip_prefix: "192.168.0.0/16", nexthop: "10.0.0.9" }),
        tx.insert("Logical_Router_Static_Route", { ip_prefix: "192.168.1.0/24", nexthop: "10.9.0.9" }),
      ];
      tx.insert("Logical_Router", { name: "r", ports: [port], static_routes: routes });
    });
    await settle();
    const leave = 'eth.src = 00:00:00:00:ff:01; outport = "rp"; flags.loopback = 1; reg9[9] = 1; next;';
    expect(flows(sb, "lr_in_ip_routing").filter((line) => line.includes("ip4"))).toEqual([
      `132 reg7 == 0 && ip4.dst == 192.168.0.0/16 { ip.ttl--; reg8[0..15] = 0; reg0 = 10.0.0.9; reg5 = 10.0.0.254; ${leave} } on r`,
      `198 ip4.dst == 10.0.0.0/24 { ip.ttl--; reg8[0..15] = 0; reg0 = ip4.dst; reg5 = 10.0.0.254; ${leave} } on r`,
    ]);
    expect(warnings).toEqual(["No path for static route 192.168.1.0/24 on router r; next hop 10.9.0.9"]);
    expect(flows(sb, "lr_in_ip_input").filter((line) => line.includes("icmp4.type == 8"))).toHaveLength(1);
  });

  it("evaluates ACLs: stateless ones without connection tracking", async () => {
    const { nb, sb, settle } = await place();
    nb.edit((tx) => {
      const acl = tx.insert("ACL", { direction: "to-lport", priority: 1000, match: "tcp", action: "allow-stateless" });
      tx.insert("Logical_Switch", { name: "a", acls: [acl] });
    });
    await settle();
    expect(flows(sb, "ls_out_acl_eval")).toContain("2000 (tcp) { reg8[16] = 1; next; } on a");
    expect(flows(sb, "ls_out_pre_acl").filter((line) => line.startsWith("100"))).toEqual([]);
    nb.edit((tx) => {
      const acl = tx.insert("ACL", { direction: "to-lport", priority: 900, match: "udp", action: "allow-related" });
      tx.mutate("Logical_Switch", [...nb.table("Logical_Switch").rows()][0]!._uuid, "acls", { insert: [acl] });
    });
    await settle();
    expect(flows(sb, "ls_out_pre_acl")).toContain("100 ip { reg0[0] = 1; next; } on a");
    expect(flows(sb, "ls_out_pre_acl")).toContain("2000 tcp { reg0[16] = 1; next; } on a");
    expect(flows(sb, "ls_out_acl_eval")).toContain("1900 reg0[7] == 1 && (udp) { reg8[16] = 1; next; } on a");
  });

  it("gives dynamic addresses and VLAN tags, and keeps them", async () => {
    const { nb, settle } = await place();
    nb.edit((tx) => {
      tx.update("NB_Global", [...nb.table("NB_Global").rows()][0]!._uuid, { options: new Map([["mac_prefix", "0a:00:00"]]) });
      const ports = [
        tx.insert("Logical_Switch_Port", { name: "p1", addresses: ["dynamic"] }),
        tx.insert("Logical_Switch_Port", { name: "c1", parent_name: "p1", tag_request: 0 }),
        tx.insert("Logical_Switch_Port", { name: "c2", parent_name: "p1", tag_request: 0 }),
      ];
      tx.insert("Logical_Switch", { name: "a", ports, other_config: new Map([["subnet", "10.0.0.0/24"]]) });
    });
    await settle();
    const ports = () =>
      [...nb.table("Logical_Switch_Port").rows()].map(({ name, tag, dynamic_addresses }) => [name, tag, dynamic_addresses]);
    expect(ports()).toEqual([
      ["p1", undefined, "0a:00:00:00:00:03 10.0.0.2"],
      ["c1", 1, undefined],
      ["c2", 2, undefined],
    ]);
  });

  it("writes back what it has given also when the first attempt is lost, as with a server that dies", async () => {
    const { nb, settle } = await place();
    const p1 = () => [...nb.table("Logical_Switch_Port").rows()][0];
    nb.edit((tx) => {
      const ports = [tx.insert("Logical_Switch_Port", { name: "p1", addresses: ["dynamic"] })];
      tx.insert("Logical_Switch", { name: "a", ports, other_config: new Map([["subnet", "10.0.0.0/24"]]) });
    });
    nb.failNext({ status: "try-again" });
    await settle();
    expect(p1()?.dynamic_addresses).toMatch(/ 10\.0\.0\.2$/);
  });

  it("pauses between rounds as long as they take, and at most as long as northd-backoff-interval-ms says", async () => {
    const runtime = virtualRuntime({ seed: 1 });
    const nb = memoryReplica(ovnNorthbound);
    const sb = memoryReplica(ovnSouthbound);
    const begun: number[] = [];
    const transaction = sb.transaction.bind(sb);
    vi.spyOn(sb, "transaction").mockImplementation(() => {
      const tx = transaction();
      const commit = tx.commit.bind(tx);
      vi.spyOn(tx, "commit").mockImplementation(async () => {
        begun.push(runtime.clock.now());
        await runtime.clock.sleep(100);
        return commit();
      });
      return tx;
    });
    const northd = createNorthd({ runtime, nb, sb });
    const started = northd.start();
    const pass = async (ms: number) => {
      for (let i = 0; i < ms; i++) await runtime.clock.advance(1);
    };
    await pass(1000);
    await started;
    /** How long after the beginning of one round the next one begins, when there is work all the time. */
    const paces = async (value: string) => {
      nb.edit((tx) => {
        const options = new Map([["northd-backoff-interval-ms", value]]);
        tx.update("NB_Global", [...nb.table("NB_Global").rows()][0]!._uuid, { options });
      });
      await pass(1000);
      begun.length = 0;
      for (let i = 0; i < 10; i++) {
        addSwitch(nb, `${value} ${i}`, []);
        await pass(70);
      }
      await pass(1000);
      expect([...sb.table("Datapath_Binding").rows()]).toHaveLength([...nb.table("Logical_Switch").rows()].length);
      return begun.slice(1, 4).map((time, i) => time - begun[i]!);
    };
    expect(await paces("0")).toEqual([100, 100, 100]);
    expect(await paces("30")).toEqual([130, 130, 130]);
    expect(await paces("5000")).toEqual([200, 200, 200]);
    expect(await paces("bogus")).toEqual([100, 100, 100]);
    await northd.stop();
  });

  it("reports how far the configuration has come, and which ports are up", async () => {
    const { nb, sb, settle } = await place();
    addSwitch(nb, "a", [{ name: "p1", addresses: [] }]);
    await settle();
    const global = () => [...nb.table("NB_Global").rows()][0]!;
    nb.update("NB_Global", global()._uuid, { nb_cfg: 7 });
    await settle();
    expect([global().sb_cfg, global().hv_cfg, [...sb.table("SB_Global").rows()][0]!.nb_cfg]).toEqual([7, 7, 7]);
    const chassis = sb.insert("Chassis", { name: "hv1" });
    const own = sb.insert("Chassis_Private", { name: "hv1", chassis, nb_cfg: 7 });
    nb.update("NB_Global", global()._uuid, { nb_cfg: 8 });
    await settle();
    expect([global().sb_cfg, global().hv_cfg]).toEqual([8, 7]);
    sb.update("Chassis_Private", own, { nb_cfg: 8 });
    const binding = [...sb.table("Port_Binding").rows()][0]!;
    sb.update("Port_Binding", binding._uuid, { chassis, up: true });
    await settle();
    expect(global().hv_cfg).toBe(8);
    expect([...nb.table("Logical_Switch_Port").rows()][0]!.up).toBe(true);
  });

  it("tells what was delegated, what checks found, and which network function is active", async () => {
    const { nb, sb, settle } = await place();
    nb.edit((tx) => {
      const check = { protocol: "tcp" as const, src_ip: "10.0.0.9", port: 80, address: "10.0.0.1" };
      const health_checks = [tx.insert("Logical_Switch_Port_Health_Check", check)];
      const vm = tx.insert("Logical_Switch_Port", { name: "vm", addresses: ["50:54:00:00:00:01 10.0.0.1"], health_checks });
      const [inport, outport] = ["in", "out"].map((name) => tx.insert("Logical_Switch_Port", { name }));
      tx.insert("Logical_Switch", { name: "s", ports: [vm, inport!, outport!] });
      const nf = tx.insert("Network_Function", { name: "nf", id: 1, inport: inport!, outport: outport! });
      tx.insert("Network_Function_Group", { name: "g", id: 1, mode: "inline", network_function: [nf] });
      const options = new Map([["prefix", "true"]]);
      const port = tx.insert("Logical_Router_Port", {
        name: "lrp",
        mac: "50:54:00:00:00:02",
        networks: ["10.1.0.1/24"],
        options,
      });
      tx.insert("Logical_Router", { name: "r", ports: [port] });
    });
    await settle();
    const [nf] = [...nb.table("Network_Function").rows()];
    expect([...nb.table("Network_Function_Group").rows()][0]!.network_function_active).toBe(nf!._uuid);

    const binding = [...sb.table("Port_Binding").rows()].find(({ logical_port }) => logical_port === "lrp")!;
    const told = new Map([...binding.options, ["ipv6_ra_pd_list", "1:fd00:9::/64"]]);
    sb.update("Port_Binding", binding._uuid, { options: told });
    sb.update("Service_Monitor", [...sb.table("Service_Monitor").rows()][0]!._uuid, { status: "offline" });
    await settle();
    expect([...nb.table("Logical_Router_Port").rows()][0]!.ipv6_prefix).toEqual(["fd00:9::/64"]);
    expect([...nb.table("Logical_Switch_Port_Health_Check").rows()][0]!.status).toBe("offline");
    // northd leaves in the binding what the chassis wrote.
    expect(sb.table("Port_Binding").get(binding._uuid)!.options.get("ipv6_ra_pd_list")).toBe("1:fd00:9::/64");
  });

  it("tells who hosts a gateway port, and which BFD peers are alive: routes through others wait", async () => {
    const { nb, sb, settle } = await place();
    const chassis = sb.insert("Chassis", { name: "hv1" });
    nb.edit((tx) => {
      const gateway = tx.insert("Gateway_Chassis", { name: "g", chassis_name: "hv1", priority: 1 });
      const port = tx.insert("Logical_Router_Port", {
        name: "out",
        mac: "0a:00:00:00:00:01",
        networks: ["192.0.2.1/24"],
        gateway_chassis: [gateway],
      });
      const session = tx.insert("BFD", { logical_port: "out", dst_ip: "192.0.2.2" });
      const route = tx.insert("Logical_Router_Static_Route", { ip_prefix: "0.0.0.0/0", nexthop: "192.0.2.2", bfd: session });
      tx.insert("Logical_Router", { name: "r", ports: [port], static_routes: [route] });
    });
    await settle();
    const routed = () => [...sb.table("Logical_Flow").rows()].some(({ match }) => match === "reg7 == 0 && ip4.dst == 0.0.0.0/0");
    const told = () => [
      [...nb.table("Logical_Router_Port").rows()][0]!.status.get("hosting-chassis"),
      [...nb.table("BFD").rows()][0]!.status,
      routed(),
    ];
    expect(told()).toEqual([undefined, "down", false]);
    const binding = [...sb.table("Port_Binding").rows()].find(({ logical_port }) => logical_port === "cr-out")!;
    sb.update("Port_Binding", binding._uuid, { chassis });
    sb.update("BFD", [...sb.table("BFD").rows()][0]!._uuid, { status: "up" });
    await settle();
    expect(told()).toEqual(["hv1", "up", true]);
    sb.update("Port_Binding", binding._uuid, { chassis: undefined });
    sb.update("BFD", [...sb.table("BFD").rows()][0]!._uuid, { status: "down" });
    await settle();
    expect(told()).toEqual([undefined, "down", false]);
  });

  it("computes once for a number that is counted on, and undoes what others do to its rows", async () => {
    const { nb, sb, northd, settle } = await place();
    addSwitch(nb, "a", [{ name: "p1", addresses: ["50:54:00:00:00:01 10.0.0.1"] }]);
    await settle();
    const rounds = () => northd.coverage.total("northd_run")!;
    const nbGlobal = () => [...nb.table("NB_Global").rows()][0]!;
    const sbGlobal = () => [...sb.table("SB_Global").rows()][0]!;
    const before = rounds();
    nb.update("NB_Global", nbGlobal()._uuid, { nb_cfg: 1 });
    await settle();
    expect([rounds() - before, nbGlobal().sb_cfg]).toEqual([1, 1]);
    nb.update("NB_Global", nbGlobal()._uuid, { sb_cfg: 9 });
    sb.update("SB_Global", sbGlobal()._uuid, { nb_cfg: 9, options: [] });
    const flow = [...sb.table("Logical_Flow").rows()][3]!;
    sb.update("Logical_Flow", flow._uuid, { actions: "drop; /* not ours */" });
    await settle();
    expect([nbGlobal().sb_cfg, sbGlobal().nb_cfg, sbGlobal().options.get("arp_ns_explicit_output")]).toEqual([1, 1, "true"]);
    expect([...sb.table("Logical_Flow").rows()].map(({ actions }) => actions)).not.toContain("drop; /* not ours */");
  });

  it("writes of a group of many ports what has come and gone, and undoes what others do to it", async () => {
    const { nb, sb, settle } = await place();
    const port = (i: number) => ({ name: `p${i}`, addresses: [`50:54:00:00:00:${10 + i} 10.0.0.${10 + i}`] });
    addSwitch(
      nb,
      "a",
      Array.from({ length: 20 }, (_, i) => port(i)),
    );
    await settle();
    const group = () => [...sb.table("Multicast_Group").rows()].find(({ name }) => name === "_MC_flood")!;
    const names = () => group().ports.map((uuid) => sb.table("Port_Binding").get(uuid)!.logical_port);
    const wanted = () => [...nb.table("Logical_Switch_Port").rows()].map(({ name }) => name).sort();
    const ls = [...nb.table("Logical_Switch").rows()][0]!;
    nb.edit((tx) => tx.mutate("Logical_Switch", ls._uuid, "ports", { insert: [tx.insert("Logical_Switch_Port", port(20))] }));
    await settle();
    expect(names().sort()).toEqual(wanted());
    sb.update("Multicast_Group", group()._uuid, { ports: group().ports.slice(3) });
    nb.edit((tx) => tx.mutate("Logical_Switch", ls._uuid, "ports", { insert: [tx.insert("Logical_Switch_Port", port(21))] }));
    await settle();
    expect(names().sort()).toEqual(wanted());
    const gone = ls.ports[0]!;
    nb.edit((tx) => {
      tx.mutate("Logical_Switch", ls._uuid, "ports", { delete: [gone] });
      tx.delete("Logical_Switch_Port", gone);
    });
    await settle();
    expect([names().sort(), names().length]).toEqual([wanted(), 21]);
  });

  it("takes over what it finds: a second northd writes nothing, foreign rows go, deleted ones come back", async () => {
    const first = await place();
    addSwitch(first.nb, "a", [{ name: "p1", addresses: ["50:54:00:00:00:01 10.0.0.1"] }]);
    addSwitch(first.nb, "b", []);
    await first.settle();
    await first.northd.stop();
    const { sb, nb } = first;
    let changes = 0;
    sb.onChange((set) => {
      changes += set.changes.length;
    });
    const runtime = virtualRuntime({ seed: 2 });
    const second = createNorthd({ runtime, nb, sb });
    void second.start();
    for (let i = 0; i < 20; i++) await runtime.clock.advance(1);
    expect(second.status()).toBe("active");
    expect(changes).toBe(0);
    const before = sb.table("Logical_Flow").size;
    sb.insert("Address_Set", { name: "foreign" });
    const victim = [...sb.table("Logical_Flow").rows()][3]!;
    sb.delete("Logical_Flow", victim._uuid);
    for (let i = 0; i < 20; i++) await runtime.clock.advance(1);
    expect(sb.table("Logical_Flow").size).toBe(before);
    expect([...sb.table("Address_Set").rows()].map(({ name }) => name)).toEqual(["svc_monitor_mac"]);
  });

  it("deletes what chassis learned on a datapath that goes", async () => {
    const { nb, sb, settle, warnings } = await place();
    addSwitch(nb, "a", [{ name: "p1", addresses: [] }]);
    await settle();
    const datapath = [...sb.table("Datapath_Binding").rows()][0]!;
    sb.insert("MAC_Binding", { logical_port: "p1", ip: "10.0.0.9", mac: "00:00:00:00:00:09", datapath: datapath._uuid });
    sb.insert("FDB", { mac: "00:00:00:00:00:09", dp_key: 1, port_key: 1 });
    nb.delete("Logical_Switch", [...nb.table("Logical_Switch").rows()][0]!._uuid);
    await settle();
    expect(warnings).toEqual([]);
    expect([sb.table("MAC_Binding").size, sb.table("FDB").size, sb.table("Port_Binding").size]).toEqual([0, 0, 0]);
  });

  it("tells what is configured but not done", async () => {
    const { nb, warnings, settle } = await place();
    nb.insert("Logical_Router", { name: "r", options: new Map([["dynamic-routing", "true"]]) });
    await settle();
    expect(warnings).toEqual([
      "Logical_Router r: options:dynamic-routing is only partly supported: ovn-controller does not speak with routing daemons",
    ]);
  });

  it("reports a match that does not parse on its ACL, and does the rest", async () => {
    const { nb, sb, warnings, settle } = await place();
    nb.edit((tx) => {
      const bad = tx.insert("ACL", { direction: "to-lport", priority: 1, match: "ip4.src == ", action: "drop", name: "bad" });
      const good = tx.insert("ACL", { direction: "to-lport", priority: 2, match: "ip4.src == $set", action: "drop" });
      tx.insert("Address_Set", { name: "set", addresses: ["10.0.0.1"] });
      tx.insert("Logical_Switch", { name: "a", acls: [bad, good] });
    });
    await settle();
    expect(warnings).toEqual([expect.stringMatching(/^ACL bad: error parsing match "ip4.src == ": /)]);
    expect(flows(sb, "ls_out_acl_eval")).toContain("1002 (ip4.src == $set) { reg8[17] = 1; next; } on a");
  });

  it("reports a source of probes that is no address, in the reference's words", async () => {
    const { nb, warnings, settle } = await place();
    nb.edit((tx) => {
      const check = tx.insert("Load_Balancer_Health_Check", { vip: "10.9.0.1:80" });
      tx.insert("Load_Balancer", {
        name: "lb",
        protocol: "tcp",
        vips: new Map([["10.9.0.1:80", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80"]]),
        ip_port_mappings: new Map([
          ["10.0.0.1", "p1:10.0.0.99"],
          ["10.0.0.2", "p2:bogus"],
          ["10.0.0.3", "p3:[fd00::99]"],
        ]),
        health_check: [check],
      });
    });
    await settle();
    expect(warnings.sort()).toEqual(["Invalid svc mon src IP bogus", "Invalid svc mon src IP fd00::99"]);
  });

  it("writes nothing while it is paused", async () => {
    const { nb, sb, northd, settle } = await place();
    northd.pause();
    addSwitch(nb, "a", []);
    await settle();
    expect([northd.status(), sb.table("Datapath_Binding").size]).toEqual(["paused", 0]);
    northd.resume();
    await settle();
    expect([northd.status(), sb.table("Datapath_Binding").size]).toEqual(["active", 1]);
  });

  it("does without what a chassis' controller does not have, and names the chassis", async () => {
    const { nb, sb, northd, settle, warnings } = await place();
    addSwitch(nb, "a", [{ name: "p1", addresses: ["50:54:00:00:00:01 10.0.0.1"] }]);
    const [ls] = nb.table("Logical_Switch").rows();
    nb.edit((tx) => {
      const lb = tx.insert("Load_Balancer", { name: "lb", vips: [["10.0.0.9:80", "10.0.0.1:80"]] });
      tx.update("Logical_Switch", ls!._uuid, { load_balancer: [lb] });
    });
    await settle();
    const groups = () => {
      const [row] = sb.table("Load_Balancer").rows();
      return { any: row?.datapath_group !== undefined, ls: row?.ls_datapath_group !== undefined };
    };
    expect(groups()).toEqual({ any: false, ls: true });
    expect([...northd.chassisFeatures().values()]).not.toContain(false);

    const all = northd.chassisFeatures();
    const other_config = [...all.keys()]
      .filter((feature) => feature !== "ls_dpg_column")
      .map(
        (feature) =>
          [feature === "sample_with_reg" ? "ovn-sample-with-registers" : feature.replaceAll("_", "-"), "true"] as const,
      );
    const old = sb.insert("Chassis", { name: "hv1", other_config });
    await settle();
    expect(groups()).toEqual({ any: true, ls: false });
    expect(northd.chassisFeatures().get("ls_dpg_column")).toBe(false);
    expect(warnings.filter((text) => text.includes("hv1"))).toEqual([expect.stringContaining("features ls_dpg_column:")]);

    sb.update("Chassis", old, { other_config: [...other_config, ["ls-dpg-column", "true"]] });
    await settle();
    expect(groups()).toEqual({ any: false, ls: true });
  });
});
