import { memoryReplica } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { expect, it } from "vitest";
import { createSwitch } from "../switch.ts";

type Columns = ReadonlyMap<string, string>;
const columns = (text: string): Columns =>
  new Map(text.split(" ").flatMap((pair) => (pair === "" ? [] : [pair.split("=") as [string, string]])));

const RECEIVE =
  "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=1,ttl=64),udp(src=1,dst=";

/** br0 with p1 and p2; UDP to port N goes by queue N of p2, whose QoS is of a type, with queues by their numbers. */
async function start(type: string, other: string, queues: Readonly<Record<number, string>>, dscp?: number) {
  const runtime = virtualRuntime();
  const db = memoryReplica(openVSwitch);
  const made = createSwitch({ world: { runtime, providers: [] }, db, options: { enableDummy: "system" } });
  db.edit((tx) => {
    const rows = Object.entries(queues).map(
      ([id, text]) =>
        [Number(id), tx.insert("Queue", { other_config: columns(text), ...(dscp === undefined ? {} : { dscp }) })] as const,
    );
    const qos = tx.insert("QoS", { type, other_config: columns(other), queues: new Map(rows) });
    const port = (name: string, iface: string, more = {}) =>
      tx.insert("Port", { name, interfaces: [tx.insert("Interface", { name, type: iface })], ...more });
    const ports = [port("br0", "internal"), port("p1", "dummy"), port("p2", "dummy", { qos })];
    tx.insert("Open_vSwitch", { bridges: [tx.insert("Bridge", { name: "br0", fail_mode: "secure", ports })] });
  });
  await runtime.clock.run(made.start());
  const { FlowMods } = await import("../ofproto/flow-mods.ts");
  const { parseFlowMod } = await import("@weft/openflow");
  const mods = new FlowMods(made.bridges.get("br0")!);
  for (const id of [0, ...Object.keys(queues).map(Number)])
    mods.apply(parseFlowMod(`in_port=1,udp,udp_dst=${id},actions=set_queue:${id},output:2`, "add"));
  const command = (name: string, ...args: string[]): Promise<string> =>
    runtime.clock.run(Promise.resolve(made.controlCommands.find((one) => one.name === name)!.run(args)));
  const p2 = [...made.datapath.ports.values()].find(({ name }) => name === "p2")!;
  /** `count` frames of `bytes` for a queue, at once. */
  const send = (queue: number, bytes: number, count: number): Promise<string> => {
    const frame = command("netdev-dummy/receive", "p1", `${RECEIVE}${queue})`, "--len", String(bytes));
    return count === 1 ? frame : frame.then(() => send(queue, bytes, count - 1));
  };
  return { runtime, db, made, command, p2, send };
}

it("holds a queue's frames back to its rate", async () => {
  const { runtime, made, command, p2, send } = await start("linux-htb", "max-rate=10000000", {
    7: "max-rate=800000 burst=80000",
  });
  await send(7, 1000, 200);
  const { statistics } = p2.netdev!;
  // The burst, and the frame that overdraws it.
  expect(statistics.tx_packets).toBeLessThanOrEqual(11);
  const before = statistics.tx_bytes;
  await runtime.clock.advance(1000);
  expect(statistics.tx_bytes - before).toBeGreaterThanOrEqual(99_000);
  expect(statistics.tx_bytes - before).toBeLessThanOrEqual(101_000);
  // Nothing holds the default queue back meanwhile.
  await send(0, 1000, 1);
  expect(await command("qos/show", "p2")).toContain(
    "Default:\n  burst: 12512\n  min-rate: 12000\n  max-rate: 10000000\n  tx_packets: 1\n",
  );
  await runtime.clock.advance(1000);
  expect(statistics.tx_packets).toBe(201);
  await runtime.clock.run(made.stop());
});

it("drops what a queue does not hold, and counts it", async () => {
  const { runtime, db, made, command, send } = await start("linux-htb", "", { 1: "max-rate=8000" });
  await send(1, 1000, 1100);
  const shown = await command("qos/show", "p2");
  const errors = Number(/Queue 1:[^Q]*tx_errors: (\d+)/.exec(shown)?.[1]);
  expect(errors).toBeGreaterThan(90);
  expect(errors).toBeLessThan(100);
  await runtime.clock.advance(6000);
  const row = [...db.table("Interface").rows()].find(({ name }) => name === "p2")!;
  expect(row.statistics.get("tx_dropped")).toBe(errors);
  await runtime.clock.run(made.stop());
});

it("sends freely again when the QoS is taken away, and no more than the new rates say when they change", async () => {
  const { runtime, db, made, command, p2, send } = await start("linux-hfsc", "max-rate=80000", {});
  const [qos] = db.table("QoS").rows();
  const edit = (change: Parameters<typeof db.edit>[0]): Promise<void> => {
    db.edit(change);
    return runtime.clock.run(made.settled());
  };
  await send(0, 1000, 30);
  expect(p2.netdev!.statistics.tx_packets).toBeLessThan(4);
  expect(await command("qos/show", "p2")).toContain("QoS: p2 linux-hfsc\nmax-rate: 80000\n");
  await edit((tx) => tx.update("QoS", qos!._uuid, { other_config: columns("max-rate=160000") }));
  const before = p2.netdev!.statistics.tx_bytes;
  await runtime.clock.advance(500);
  expect(p2.netdev!.statistics.tx_bytes - before).toBeGreaterThan(8_900);
  expect(p2.netdev!.statistics.tx_bytes - before).toBeLessThan(12_100);
  const port = [...db.table("Port").rows()].find(({ name }) => name === "p2")!;
  await edit((tx) => tx.update("Port", port._uuid, { qos: undefined }));
  expect(await command("qos/show", "p2")).toBe("QoS not configured on p2");
  const now = p2.netdev!.statistics.tx_packets;
  await send(0, 1000, 50);
  expect(p2.netdev!.statistics.tx_packets).toBe(now + 50);
  await runtime.clock.run(made.stop());
});

it.each(["linux-noop", "linux-sfq", ""])("does not hold anything back for %j", async (type) => {
  const { runtime, made, command, p2, send } = await start(type, "max-rate=8000", {});
  await send(0, 1000, 50);
  expect(p2.netdev!.statistics.tx_packets).toBe(50);
  expect(await command("qos/show", "p2")).toBe("QoS not configured on p2");
  await runtime.clock.run(made.stop());
});

it("polices what leaves, by bytes of IP packets", async () => {
  const { runtime, made, command, p2, send } = await start("egress-policer", "cir=10000 cbs=5000", {});
  await send(0, 1014, 8);
  expect(p2.netdev!.statistics.tx_packets).toBe(5);
  await runtime.clock.advance(200);
  await send(0, 1014, 8);
  expect(p2.netdev!.statistics.tx_packets).toBe(7);
  expect(p2.drops).toEqual({ rx: 0, tx: 9 });
  expect(await command("qos/show", "p2")).toBe("QoS: p2 egress-policer\ncir: 10000\ncbs: 5000");
  await runtime.clock.run(made.stop());
});

it.each([
  ["kilobits", { ingress_policing_rate: 80, ingress_policing_burst: 40 }, 5, 10],
  ["thousands of packets", { ingress_policing_kpkts_rate: 1, ingress_policing_kpkts_burst: 1 }, 1000, 1000],
  ["the smaller of both", { ingress_policing_rate: 80, ingress_policing_burst: 40, ingress_policing_kpkts_rate: 1 }, 5, 10],
])("polices what comes in, by %s", async (_what, policing, burst, perSecond) => {
  const { runtime, db, made, p2, send } = await start("", "", {});
  const iface = [...db.table("Interface").rows()].find(({ name }) => name === "p1")!;
  db.edit((tx) => tx.update("Interface", iface._uuid, policing));
  await runtime.clock.run(made.settled());
  await send(0, 1000, burst + 20);
  expect(p2.netdev!.statistics.tx_packets).toBe(burst);
  const p1 = [...made.datapath.ports.values()].find(({ name }) => name === "p1")!;
  expect(p1.drops).toEqual({ rx: 20, tx: 0 });
  await runtime.clock.advance(500);
  await send(0, 1000, perSecond);
  expect(p2.netdev!.statistics.tx_packets).toBe(burst + Math.min(burst, perSecond / 2));
  db.edit((tx) => tx.update("Interface", iface._uuid, { ingress_policing_rate: 0, ingress_policing_kpkts_rate: 0 }));
  await runtime.clock.run(made.settled());
  await send(0, 1000, 30);
  expect(p2.netdev!.statistics.tx_packets).toBe(burst + Math.min(burst, perSecond / 2) + 30);
  await runtime.clock.run(made.stop());
});

it("marks packets of a queue with its DSCP", async () => {
  const { runtime, made, command } = await start("linux-htb", "", { 3: "" }, 40);
  const flow = (port: number): string => `in_port=1,udp,nw_tos=4,nw_ecn=1,udp_dst=${port}`;
  expect(await command("ofproto/trace", "br0", flow(3))).toContain(
    "Datapath actions: set(ipv4(tos=0xa0/0xfc)),set(skb_priority(0x3)),2",
  );
  expect(await command("ofproto/trace", "br0", flow(0))).toContain("Datapath actions: 2");
  await runtime.clock.run(made.stop());
});
