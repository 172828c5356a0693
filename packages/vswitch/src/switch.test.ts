import { formatFlowStats, type Message, OpenFlowConnection, parseFlowMod } from "@weft/openflow";
import { memoryReplica } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSwitch } from "./switch.ts";

/** A switch with a bridge br0 and dummy ports p1 and p2. */
async function start() {
  const runtime = virtualRuntime();
  const db = memoryReplica(openVSwitch);
  const made = createSwitch({ world: { runtime, providers: [] }, db, options: { enableDummy: "system", runDir: "/run" } });
  db.edit((tx) => {
    const ports = [
      ["br0", "internal", undefined],
      ["p1", "dummy", 1],
      ["p2", "dummy", 2],
    ] as const;
    const rows = ports.map(([name, type, request]) =>
      tx.insert("Port", {
        name,
        interfaces: [tx.insert("Interface", { name, type, ...(request === undefined ? {} : { ofport_request: request }) })],
      }),
    );
    const bridge = tx.insert("Bridge", { name: "br0", fail_mode: "secure", ports: rows });
    tx.insert("Open_vSwitch", { bridges: [bridge], next_cfg: 1 });
  });
  await runtime.clock.run(made.start());
  const command = async (name: string, ...args: string[]): Promise<string> => {
    const found = made.controlCommands.find((one) => one.name === name)!;
    return runtime.clock.run(Promise.resolve(found.run(args)));
  };
  return { runtime, db, made, command };
}

/** A controller's connection to the bridge. */
async function connect(runtime: Awaited<ReturnType<typeof start>>["runtime"], versions: number) {
  const stream = await runtime.clock.run(runtime.net.connect("unix:/run/br0.mgmt"));
  let ready: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const heard: Message[] = [];
  const connection = new OpenFlowConnection(stream, {
    versions,
    onReady: () => ready(),
    onMessage: ({ message }) => heard.push(message),
  });
  await runtime.clock.run(opened);
  return { connection, heard };
}

describe("createSwitch", () => {
  it("makes what the database says and writes back what came of it", async () => {
    const { db, made, runtime, command } = await start();
    const interfaces = [...db.table("Interface").rows()].map((row) => [row.name, row.ofport, row.error, row.admin_state]);
    expect(interfaces).toEqual([
      ["br0", 65534, undefined, "up"],
      ["p1", 1, undefined, "up"],
      ["p2", 2, undefined, "up"],
    ]);
    const [root] = db.table("Open_vSwitch").rows();
    expect(root?.cur_cfg).toBe(1);
    expect(await command("dpif/show")).toBe(
      "system@ovs-system: hit:0 missed:0\n  br0:\n    br0 65534/100: (dummy-internal)\n    p1 1/1: (dummy)\n    p2 2/2: (dummy)",
    );
    await runtime.clock.run(made.stop());
  });

  it("tells once of what a row asks for and the switch does not do", async () => {
    const { db, made, runtime } = await start();
    const warnings: string[] = [];
    runtime.log.onRecord(({ level, text }) => void (level === "warn" && warnings.push(text)));
    const [bridge] = db.table("Bridge").rows();
    for (const text of ["a", "b"]) {
      db.edit((tx) => {
        tx.update("Bridge", bridge!._uuid, { stp_enable: true });
        for (const row of db.table("Interface").rows())
          if (row.name === "p1")
            tx.update("Interface", row._uuid, {
              lldp: new Map([
                ["enable", "true"],
                ["text", text],
              ]),
            });
      });
      await runtime.clock.run(made.settled());
    }
    expect(warnings.sort()).toEqual(["Bridge br0: stp_enable is not supported", "Interface p1: lldp is not supported"]);
    await runtime.clock.run(made.stop());
  });

  it("tells what bonds ask for and it does not do; of a port with one interface that is nothing", async () => {
    const { db, made, runtime } = await start();
    const warnings: string[] = [];
    runtime.log.onRecord(({ level, text }) => void (level === "warn" && warnings.push(text)));
    const [bridge] = db.table("Bridge").rows();
    db.edit((tx) => {
      const members = ["m1", "m2"].map((name) => tx.insert("Interface", { name, type: "dummy" }));
      const asked = {
        bond_fake_iface: true,
        other_config: new Map([
          ["lb-output-action", "true"],
          ["bond-detect-mode", "miimon"],
        ]),
      };
      const bond = tx.insert("Port", { name: "b0", interfaces: members, bond_mode: "active-backup", ...asked });
      for (const row of db.table("Port").rows()) tx.update("Port", row._uuid, asked);
      tx.mutate("Bridge", bridge!._uuid, "ports", { insert: [bond] });
    });
    await runtime.clock.run(made.settled());
    expect(warnings).toEqual(
      ["bond_fake_iface", "other_config:lb-output-action", "other_config:bond-detect-mode=miimon"].map(
        (what) => `Port b0: ${what} is not supported`,
      ),
    );
    await runtime.clock.run(made.stop());
  });

  it("follows changes: a port that goes takes its number with it", async () => {
    const { db, made, runtime } = await start();
    const [bridge] = db.table("Bridge").rows();
    const ports = [...db.table("Port").rows()].filter((row) => row.name !== "p2").map((row) => row._uuid);
    db.update("Bridge", bridge!._uuid, { ports });
    await runtime.clock.advance(10);
    expect([...made.bridges.get("br0")!.ports.keys()].sort()).toEqual([1, 65534]);
    await runtime.clock.run(made.stop());
  });

  it("asks for a tunnel's neighbour as long as there are packets for it, and remembers it as long", async () => {
    const { db, made, runtime, command } = await start();
    const [bridge] = db.table("Bridge").rows();
    db.edit((tx) => {
      const options = new Map([["remote_ip", "192.0.2.2"]]);
      const tunnel = tx.insert("Interface", { name: "t3", type: "geneve", options, ofport_request: 3 });
      const wire = tx.insert("Port", { name: "p9", interfaces: [tx.insert("Interface", { name: "p9", type: "dummy" })] });
      const local = tx.insert("Port", { name: "br1", interfaces: [tx.insert("Interface", { name: "br1", type: "internal" })] });
      const under = tx.insert("Bridge", { name: "br1", fail_mode: "standalone", ports: [wire, local] });
      const [root] = db.table("Open_vSwitch").rows();
      tx.mutate("Bridge", bridge!._uuid, "ports", { insert: [tx.insert("Port", { name: "t3", interfaces: [tunnel] })] });
      tx.update("Open_vSwitch", root!._uuid, { bridges: [bridge!._uuid, under] });
    });
    await runtime.clock.run(made.settled());
    await command("netdev-dummy/ip4addr", "br1", "192.0.2.1/24");
    const { connection } = await connect(runtime, 1 << 6);
    await runtime.clock.run(connection.transact([parseFlowMod("in_port=1 actions=output:3", "add")]));
    await runtime.clock.advance(10);
    const sent = () => made.datapath.ports.get(9)!.netdev!.statistics.tx_packets;
    const frame = `${"02".repeat(12)}0800${"00".repeat(46)}`;
    const eachSecond = async (seconds: number) => {
      for (let i = 0; i < seconds; i++) {
        await command("netdev-dummy/receive", "p1", frame);
        await runtime.clock.advance(1000);
      }
    };
    await eachSecond(10);
    expect(sent()).toBeGreaterThanOrEqual(8);
    await command("tnl/neigh/aging", "20");
    await command("tnl/neigh/set", "br1", "192.0.2.2", "02:00:00:00:00:07");
    const before = sent();
    await eachSecond(60);
    expect(sent() - before).toBe(60);
    expect(await command("tnl/neigh/show")).toContain("02:00:00:00:00:07");
    await runtime.clock.run(made.stop());
  });

  it("reports an interface that cannot be", async () => {
    const { db, made, runtime } = await start();
    const [bridge] = db.table("Bridge").rows();
    db.edit((tx) => {
      const added = tx.insert("Port", { name: "gx", interfaces: [tx.insert("Interface", { name: "gx", type: "geneve" })] });
      tx.mutate("Bridge", bridge!._uuid, "ports", { insert: [added] });
    });
    await runtime.clock.advance(10);
    const row = [...db.table("Interface").rows()].find((one) => one.name === "gx");
    expect([row?.ofport, row?.error]).toEqual([-1, "gx: geneve type requires valid 'remote_ip' argument"]);
    await runtime.clock.run(made.stop());
  });

  it("is an OpenFlow switch", async () => {
    const { made, runtime, command } = await start();
    const { connection } = await connect(runtime, 1 << 4);
    const errors = await runtime.clock.run(
      connection.transact([parseFlowMod("in_port=1,ip actions=dec_ttl,output:2", "add"), parseFlowMod("actions=group:7", "add")]),
    );
    expect(errors.map(({ index, error }) => [index, error.error.error])).toEqual([[1, "OFPBAC_BAD_OUT_GROUP"]]);
    await command(
      "netdev-dummy/receive",
      "p1",
      "in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)",
    );
    const [reply] = await runtime.clock.run(
      connection.requestAll({
        type: "flow_stats_request",
        match: parseFlowMod("", "delete").match,
        cookie: 0n,
        cookieMask: 0n,
        outPort: 0xffff,
        outGroup: 0xffffffff,
        table: 0xff,
      }),
    );
    if (reply?.type !== "flow_stats_reply") throw new Error("no flow statistics");
    expect(reply.flows.map((flow) => formatFlowStats(flow))[0]).toMatch(
      /n_packets=1, n_bytes=106,.*ip,in_port=1 actions=dec_ttl,output:2/,
    );
    expect(await command("dpctl/dump-flows")).toContain("actions:set(ipv4(ttl=63)),2");
    await runtime.clock.run(made.stop());
  });

  it("undoes a bundle that fails", async () => {
    const { made, runtime } = await start();
    const { connection } = await connect(runtime, 1 << 6);
    const version = connection.version!;
    const add = (text: string, xid: number): Message => ({
      type: "bundle_add",
      bundle: 1,
      flags: 3,
      message: { version, xid, message: parseFlowMod(text, "add") },
    });
    await runtime.clock.run(connection.request({ type: "bundle_control", bundle: 1, control: "open_request", flags: 3 }));
    const one = connection.nextXid();
    connection.send(add("in_port=1 actions=output:2", one), one);
    const two = connection.nextXid();
    connection.send(add("actions=group:9", two), two);
    const committed = connection.request({ type: "bundle_control", bundle: 1, control: "commit_request", flags: 3 });
    await expect(runtime.clock.run(committed)).rejects.toThrow("OFPBFC_MSG_FAILED");
    expect(made.bridges.get("br0")!.tables[0]!.size).toBe(0);
    await runtime.clock.run(made.stop());
  });

  it("pauses for a controller and goes on when it says so", async () => {
    const { made, runtime, command } = await start();
    const { connection, heard } = await connect(runtime, 1 << 4);
    connection.send({ type: "set_packet_in_format", format: "nxt_packet_in2" });
    connection.send({ type: "set_config", fragments: "normal", invalidTtlToController: false, missSendLength: 0xffff });
    await runtime.clock.run(
      connection.transact([
        parseFlowMod("in_port=1 actions=load:7->NXM_NX_REG3[],controller(pause,userdata=01.02),output:2", "add"),
      ]),
    );
    await command(
      "netdev-dummy/receive",
      "p1",
      "in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)",
    );
    await runtime.clock.advance(5);
    const packetIn = heard.find((message) => message.type === "packet_in");
    if (packetIn?.type !== "packet_in" || packetIn.continuation === undefined) throw new Error("no paused packet");
    expect([...packetIn.userdata]).toEqual([1, 2]);
    const port = made.bridges.get("br0")!.ports.get(2)!;
    expect(port.netdev!.statistics.tx_packets).toBe(0);
    connection.send({
      type: "resume",
      packet: packetIn.packet,
      metadata: packetIn.metadata,
      userdata: packetIn.userdata,
      continuation: packetIn.continuation,
    });
    await runtime.clock.advance(5);
    expect(port.netdev!.statistics.tx_packets).toBe(1);
    await runtime.clock.run(made.stop());
  });

  it("lives through any bytes on its OpenFlow sockets", async () => {
    const { made, runtime } = await start();
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            version: fc.integer({ min: 1, max: 6 }),
            type: fc.nat({ max: 35 }),
            body: fc.uint8Array({ maxLength: 120 }),
          }),
          {
            maxLength: 6,
          },
        ),
        async (messages) => {
          const stream = await runtime.clock.run(runtime.net.connect("unix:/run/br0.mgmt"));
          stream.start({ onData: () => undefined, onClose: () => undefined });
          stream.write(Uint8Array.of(4, 0, 0, 8, 0, 0, 0, 1));
          for (const { version, type, body } of messages) {
            const bytes = new Uint8Array(8 + body.length);
            bytes[0] = version;
            bytes[1] = type;
            bytes[3] = bytes.length;
            bytes.set(body, 8);
            stream.write(bytes);
          }
          await runtime.clock.advance(2);
          stream.destroy();
          await runtime.clock.advance(2);
        },
      ),
      { numRuns: 100 },
    );
    const { connection } = await connect(runtime, 1 << 1);
    const reply = await runtime.clock.run(connection.request({ type: "features_request" }));
    expect(reply.type).toBe("features_reply");
    await runtime.clock.run(made.stop());
  });
});
