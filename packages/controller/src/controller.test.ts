import { MatchBuilder, type PacketIn } from "@weft/openflow";
import { emit, parseIpv4, parseMac } from "@weft/packet";
import { type LogRecord, type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import { createController } from "./controller.ts";
import { addDatapath, addVif, newCloud, type TestCloud } from "./testing/cloud.ts";
import { FakeSwitch } from "./testing/fakeSwitch.ts";
import type { Controller } from "./types.ts";

interface Node extends TestCloud {
  readonly runtime: VirtualRuntime;
  readonly bridge: FakeSwitch;
  readonly log: string[];
  controller: Controller;
  start(): Promise<void>;
  settle(ms?: number): Promise<void>;
}

function newNode(bridge = new FakeSwitch()): Node {
  const cloud = newCloud();
  const runtime = virtualRuntime();
  const log: string[] = [];
  runtime.log.onRecord((record: LogRecord) => log.push(`${record.module}|${record.level}|${record.text}`));
  for (const row of cloud.ovs.table("Open_vSwitch").rows())
    cloud.ovs.update("Open_vSwitch", row._uuid, {
      external_ids: [...row.external_ids, ["ovn-remote", "tcp:127.0.0.1:6642"]],
    });
  const make = (): Controller =>
    createController({
      runtime,
      ovs: cloud.ovs,
      hostname: "host",
      rundir: "/run",
      // the database outlives the connection
      connectSouthbound: () => Object.create(cloud.sb, { close: { value: async () => {} } }),
      connectBridge: bridge.dial,
    });
  const node: Node = {
    ...cloud,
    runtime,
    bridge,
    log,
    controller: make(),
    async start() {
      node.controller = make();
      await node.controller.start();
      await node.settle();
    },
    settle: (ms = 0) => runtime.clock.advance(ms),
  };
  return node;
}

function port(node: Node, name: string) {
  return [...node.sb.table("Port_Binding").rows()].find((row) => row.logical_port === name)!;
}

/** What controller(userdata=`opcode`...) sends, of a packet from host `source`. */
function packetIn(opcode: number, state: MatchBuilder, source: number, more: Partial<PacketIn> = {}): PacketIn {
  return {
    type: "packet_in",
    format: "nxt_packet_in2",
    totalLength: 60,
    reason: "action",
    buffer: 0xffffffff,
    table: 10,
    cookie: 0n,
    metadata: state.build(),
    userdata: Uint8Array.of(0, 0, 0, opcode, 0, 0, 0, 0),
    continuation: undefined,
    packet: emit([
      { kind: "ethernet", dst: parseMac("50:54:00:00:00:fe")!, src: parseMac(`50:54:00:00:00:0${source}`)! },
      { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("10.0.0.9")! },
    ]),
    ...more,
  };
}

/** The conntrack zones that the bridge's row tells of. */
function zonesOf(node: Node): number[] {
  const [bridge] = node.ovs.table("Bridge").rows();
  return [...bridge!.external_ids].flatMap(([key, zone]) => (key.startsWith("ct-zone-") ? [Number(zone)] : []));
}

test("claims a port whose interface is here, and says so when its flows are in the switch", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1, mac: ["50:54:00:00:00:01 10.0.0.1"] });
  await node.start();
  expect(port(node, "p1").chassis).toBeUndefined();
  const { iface } = addVif(node.ovs, "p1", 7);
  await node.settle();
  const own = [...node.sb.table("Chassis").rows()].find((row) => row.name === "hv1")!._uuid;
  expect(port(node, "p1")).toMatchObject({ chassis: own, up: true });
  expect(node.ovs.table("Interface").get(iface)!.external_ids.get("ovn-installed")).toBe("true");
  expect(node.log.filter((line) => line.startsWith("binding"))).toEqual([
    "binding|info|Claiming lport p1 for this chassis.",
    "binding|info|p1: Claiming 50:54:00:00:00:01 10.0.0.1",
    "binding|info|Setting lport p1 ovn-installed in OVS",
    "binding|info|Setting lport p1 up in Southbound",
  ]);
  expect(node.bridge.texts().some((flow) => flow.includes("table=65") && flow.endsWith("output:7"))).toBe(true);
});

test("a claim leaves before the port's flows are made", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  for (const key of [1, 2]) node.sb.insert("Port_Binding", { logical_port: `p${key}`, datapath: a, tunnel_key: key });
  addVif(node.ovs, "p2", 8);
  await node.start();
  const made = () => node.controller.statistics().evaluations.get("portIngress") ?? 0;
  const before = made();
  const claimed: number[] = [];
  node.sb.onChange(() => {
    if (port(node, "p1").chassis !== undefined) claimed.push(made() - before);
  });
  addVif(node.ovs, "p1", 7);
  await node.settle();
  expect(claimed[0]).toBe(0);
  expect(made()).toBeGreaterThan(before);
});

test("flows give way to news once, and not again and again where each write is answered by more", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  await node.start();
  const made = () => node.controller.statistics().evaluations.get("portIngress") ?? 0;
  const before = made();
  const undone: number[] = [];
  node.sb.onChange(({ changes }) => {
    // Another undoes what the controller writes.
    const row = changes.find(({ table, uuid }) => table === "Chassis" && node.sb.table("Chassis").get(uuid)?.name === "hv1");
    if (row === undefined || undone.length === 8) return;
    if (node.sb.table("Chassis").get(row.uuid)!.hostname !== "hv1") return;
    undone.push(made() - before);
    node.sb.update("Chassis", row.uuid, { hostname: "another" });
  });
  addVif(node.ovs, "p1", 7);
  const [chassis] = [...node.sb.table("Chassis").rows()].filter((row) => row.name === "hv1");
  node.sb.update("Chassis", chassis!._uuid, { hostname: "another" });
  await node.settle();
  expect(undone.length).toBe(8);
  expect(undone.at(-1)).toBeGreaterThan(0);
});

test("releases a port whose interface is gone", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  const { iface } = addVif(node.ovs, "p1", 7);
  await node.start();
  expect(port(node, "p1").up).toBe(true);
  node.ovs.update("Interface", iface, { external_ids: [] });
  await node.settle();
  expect(port(node, "p1")).toMatchObject({ chassis: undefined, up: false });
  expect(node.bridge.texts().some((flow) => flow.includes("output:7"))).toBe(false);
  expect(node.log).toContain("binding|info|Releasing lport p1 from this chassis (sb_readonly=0)");
});

test("a port that was asked for elsewhere is left alone", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1, options: [["requested-chassis", "hv2"]] });
  addVif(node.ovs, "p1", 7);
  await node.start();
  expect(port(node, "p1").chassis).toBeUndefined();
});

test("nb_cfg is reported in Chassis_Private and on the bridge", async () => {
  const node = newNode();
  await node.start();
  const global = [...node.sb.table("SB_Global").rows()][0]!;
  node.sb.update("SB_Global", global._uuid, { nb_cfg: 12 });
  await node.settle();
  expect([...node.sb.table("Chassis_Private").rows()].map((row) => [row.name, row.nb_cfg])).toEqual([["hv1", 12]]);
  expect([...node.ovs.table("Bridge").rows()][0]!.external_ids.get("ovn-nb-cfg")).toBe("12");
});

test("conntrack zones are kept on the bridge and taken up again", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  addVif(node.ovs, "p1", 7);
  const bridge = [...node.ovs.table("Bridge").rows()][0]!;
  node.ovs.update("Bridge", bridge._uuid, { external_ids: [["ct-zone-p1", "77"]] });
  await node.start();
  const kept = node.ovs.table("Bridge").get(bridge._uuid)!.external_ids;
  expect(kept.get("ct-zone-p1")).toBe("77");
  expect([...kept.keys()].filter((key) => key.startsWith("ct-zone-")).sort()).toEqual([
    "ct-zone-a_dnat",
    "ct-zone-a_snat",
    "ct-zone-p1",
  ]);
  expect(node.bridge.flushedZones).not.toContain(77);
});

test("zones that somebody takes off the bridge's row are written again", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  addVif(node.ovs, "p1", 7);
  await node.start();
  const zones = zonesOf(node);
  expect(zones.length).toBeGreaterThan(0);
  const [bridge] = node.ovs.table("Bridge").rows();
  node.ovs.update("Bridge", bridge!._uuid, { external_ids: [] });
  await node.settle();
  expect(zonesOf(node).sort()).toEqual(zones.sort());
});

test("a restart changes nothing in a switch that is right already", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  addVif(node.ovs, "p1", 7);
  await node.start();
  const before = node.bridge.texts();
  expect(before.length).toBeGreaterThan(30);
  await node.controller.stop({ restart: true });
  node.bridge.mods.length = 0;
  await node.start();
  expect(node.bridge.mods).toEqual([]);
  expect(node.bridge.texts()).toEqual(before);
});

test("a switch that comes back empty gets everything again", async () => {
  const node = newNode();
  await node.start();
  const before = node.bridge.texts();
  node.bridge.flows.clear();
  node.bridge.disconnect();
  await node.settle(3000);
  expect(node.bridge.texts()).toEqual(before);
});

test("flushes that a lost connection may have lost are asked for again", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  const balancer = node.sb.insert("Load_Balancer", {
    name: "lb",
    protocol: "tcp",
    vips: [["10.0.0.99:80", "10.0.0.1:8080,10.0.0.2:8080"]],
    options: [["ct_flush", "true"]],
    datapaths: [a],
  });
  addVif(node.ovs, "p1", 7);
  let cuts = 0;
  node.bridge.cutAt = ({ type }) => type === "ct_flush_zone" && ++cuts === 1;
  await node.start();
  await node.settle(3000);
  expect(cuts).toBeGreaterThan(1);
  expect(new Set(node.bridge.flushedZones)).toEqual(new Set(zonesOf(node)));

  node.bridge.flushedZones.length = 0;
  let refused = 0;
  node.bridge.cutAt = ({ type }) => type === "ct_flush" && ++refused === 1;
  node.sb.update("Load_Balancer", balancer, { vips: [["10.0.0.99:80", "10.0.0.1:8080"]] });
  await node.settle();
  expect(node.bridge.flushedConnections).toEqual([]);
  await node.settle(3000);
  expect(node.bridge.flushedConnections).toMatchObject([
    { original: { dst: "10.0.0.99", dstPort: 80 }, reply: { src: "10.0.0.2", srcPort: 8080 } },
  ]);
  // What was flushed, and whose flush was answered, is left alone when the switch comes back once more.
  node.bridge.disconnect();
  await node.settle(3000);
  expect(node.bridge.flushedConnections).toHaveLength(1);
  expect(node.bridge.flushedZones).toEqual([]);
});

test("one flow that the switch refuses keeps back no other", async () => {
  const node = newNode();
  node.bridge.refuse = (mod) => mod.table === 65;
  const a = addDatapath(node.sb, "a", 1);
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1 });
  addVif(node.ovs, "p1", 7);
  await node.start();
  expect(node.bridge.texts().some((flow) => flow.includes("table=64"))).toBe(true);
  expect(node.log.some((line) => line.startsWith("ofctrl|err|add table=65"))).toBe(true);
});

test("tunnels, patch ports and the chassis go on exit, and stay on restart", async () => {
  const node = newNode();
  await node.start();
  await node.controller.stop({ restart: true });
  expect([...node.sb.table("Chassis").rows()].map((row) => row.name).sort()).toEqual(["hv1", "hv2"]);
  await node.start();
  await node.controller.stop();
  expect([...node.sb.table("Chassis").rows()].map((row) => row.name)).toEqual(["hv2"]);
  expect([...node.ovs.table("Bridge").rows()].find((row) => row.name === "br-int")!.ports).toEqual([]);
});

test("put_arp becomes a MAC_Binding, and the packets that waited for it go on", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "r", 3, "router");
  node.sb.insert("Port_Binding", { logical_port: "ra", datapath: a, tunnel_key: 2, type: "patch" });
  await node.start();
  const neighbour = (): MatchBuilder => new MatchBuilder().set("metadata", 3).set("reg0", parseIpv4("10.0.0.9")!);
  node.bridge.send(packetIn(0, neighbour().set("reg15", 2), 1, { continuation: Uint8Array.of(1, 2, 3) }));
  node.bridge.send(packetIn(1, neighbour().set("reg14", 2), 9));
  await node.settle(100);
  expect([...node.sb.table("MAC_Binding").rows()].map((row) => [row.logical_port, row.ip, row.mac])).toEqual([
    ["ra", "10.0.0.9", "50:54:00:00:00:09"],
  ]);
  expect(node.bridge.packets.map((packet) => packet.type)).toEqual(["packet_out", "resume"]);
  expect(node.bridge.packets[1]!.packet.subarray(0, 6)).toEqual(Uint8Array.of(0x50, 0x54, 0, 0, 0, 9));
});

test("what packets have told is written again when the database refuses it", async () => {
  const node = newNode();
  addVif(node.ovs, "a1", 11);
  const a = addDatapath(node.sb, "a", 3);
  node.sb.insert("Port_Binding", { logical_port: "a1", datapath: a, tunnel_key: 2 });
  await node.start();
  const learn = (host: number): void =>
    node.bridge.send(
      packetIn(
        1,
        new MatchBuilder()
          .set("metadata", 3)
          .set("reg0", parseIpv4(`10.0.0.${host}`)!)
          .set("reg14", 2),
        host,
      ),
    );
  const known = (): string[] => [...node.sb.table("MAC_Binding").rows()].map(({ ip }) => ip).sort();
  node.sb.failNext({ status: "error", error: "disk full", details: "" });
  learn(8);
  await node.settle(100);
  expect(known()).toEqual([]);
  learn(9);
  await node.settle(1100);
  expect(known()).toEqual(["10.0.0.8", "10.0.0.9"]);
});

test("stands still beside a northd of another version where it is told to", async () => {
  const node = newNode();
  const a = addDatapath(node.sb, "a", 1);
  const [global] = node.sb.table("SB_Global").rows();
  const northd = (version: string) => ({ options: [["northd_internal_version", version]] as const });
  node.sb.update("SB_Global", global!._uuid, northd("23.03.1-20.27.0-70.6"));
  const [root] = node.ovs.table("Open_vSwitch").rows();
  node.ovs.update("Open_vSwitch", root!._uuid, {
    external_ids: [...root!.external_ids, ["ovn-match-northd-version", "true"]],
  });
  node.sb.insert("Port_Binding", { logical_port: "p1", datapath: a, tunnel_key: 1, mac: ["50:54:00:00:00:01 10.0.0.1"] });
  addVif(node.ovs, "p1", 1);
  await node.start();
  expect(node.log).toContain(
    "main|warn|controller version - 26.03.1-21.8.0-82.14 mismatch with northd version - 23.03.1-20.27.0-70.6",
  );
  expect(port(node, "p1").chassis).toBeUndefined();

  node.sb.update("SB_Global", global!._uuid, northd("26.03.1-21.8.0-82.14"));
  await node.settle();
  expect(port(node, "p1").chassis).toBeDefined();
});
