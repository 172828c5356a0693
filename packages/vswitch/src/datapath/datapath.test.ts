import { parseMatch } from "@weft/openflow";
import { toHex } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { composeFrame } from "../flow/compose.ts";
import { newFlowKey } from "../flow/key.ts";
import { MemorySwitch } from "../memory.ts";
import type { Bridge } from "../ofproto/bridge.ts";

function frame(text: string): Uint8Array {
  const key = newFlowKey();
  const match = parseMatch(text);
  for (let i = 0; i < match.size; i++) key[match.offset(i)] = match.value(i);
  return composeFrame(key, 8);
}

function make(flows: string): {
  sent: string[];
  bridge: Bridge;
  memory: MemorySwitch;
  clock: { advance(ms: number): Promise<void> };
} {
  const runtime = virtualRuntime();
  const sent: string[] = [];
  const memory = new MemorySwitch({
    clock: runtime.clock,
    log: runtime.log.logger("test"),
    onSend: (port, bytes) => sent.push(`${port} ${toHex(bytes)}`),
  });
  const bridge = memory.addBridge({
    name: "br0",
    ports: [1, 2, 3, 4].map((n) => ({ name: `p${n}`, ofport: n })),
  });
  memory.addFlows(bridge, flows);
  return { sent, bridge, memory, clock: runtime.clock };
}

describe("Datapath", () => {
  it("translates the first packet and serves the next from the cache", () => {
    const { sent, memory } = make("ip,nw_dst=10.0.0.0/8 actions=dec_ttl,output:2");
    for (let i = 1; i <= 3; i++) memory.datapath.receive(1, frame(`udp,nw_src=1.1.1.${i},nw_dst=10.0.0.1,nw_ttl=64`));
    expect(sent.length).toBe(3);
    expect(sent.every((text) => text.startsWith("p2 "))).toBe(true);
    expect(sent[0]!.slice(3 + 44, 3 + 46)).toBe("3f");
    expect([memory.datapath.misses, memory.datapath.hits]).toEqual([1, 2]);
  });

  it("counts cached packets for their flows", () => {
    const { memory, bridge } = make("in_port=1 actions=output:2");
    for (let i = 0; i < 5; i++) memory.datapath.receive(1, frame("tcp,nw_dst=1.2.3.4,nw_ttl=5"));
    memory.datapath.pushStatistics();
    const [rule] = bridge.tables[0]!.rules();
    expect(rule?.packets).toBe(5);
  });

  it("translates anew when flows change", () => {
    const { sent, memory, bridge } = make("priority=1 actions=output:2");
    const packet = "arp,arp_op=1,arp_tpa=1.2.3.4";
    memory.datapath.receive(1, frame(packet));
    memory.addFlows(bridge, "priority=5,arp actions=output:3");
    memory.datapath.receive(1, frame(packet));
    expect(sent.map((text) => text.slice(0, 2))).toEqual(["p2", "p3"]);
  });

  it("learns MAC addresses in NORMAL", () => {
    const { sent, memory } = make("actions=NORMAL");
    const a = "00:00:00:00:00:0a";
    const b = "00:00:00:00:00:0b";
    memory.datapath.receive(1, frame(`dl_src=${a},dl_dst=${b},udp`));
    expect(sent.map((text) => text.split(" ")[0]).sort()).toEqual(["br0", "p2", "p3", "p4"]);
    sent.length = 0;
    memory.datapath.receive(2, frame(`dl_src=${b},dl_dst=${a},udp`));
    memory.datapath.receive(1, frame(`dl_src=${a},dl_dst=${b},udp`));
    expect(sent.map((text) => text.split(" ")[0])).toEqual(["p1", "p2"]);
  });

  it("forgets flows that are not used", async () => {
    const { memory, clock } = make("actions=output:2");
    memory.datapath.receive(1, frame("udp"));
    expect(memory.datapath.cache.size).toBe(1);
    await clock.advance(11_000);
    memory.datapath.maintain();
    expect(memory.datapath.cache.size).toBe(0);
  });

  it("recirculates where fields below an MPLS label are needed", () => {
    const { sent, memory } = make(
      "in_port=1,ip actions=push_mpls:0x8847,output:2\nin_port=2,mpls actions=pop_mpls:0x0800,mod_nw_dst:9.9.9.9,output:3",
    );
    memory.datapath.receive(1, frame("udp,nw_src=1.1.1.1,nw_dst=2.2.2.2,nw_ttl=7"));
    const labelled = Uint8Array.from(
      sent[0]!
        .slice(3)
        .match(/../g)!
        .map((byte) => Number.parseInt(byte, 16)),
    );
    expect(sent[0]!.slice(3 + 24, 3 + 28)).toBe("8847");
    memory.datapath.receive(2, labelled);
    expect(sent[1]!.startsWith("p3 ")).toBe(true);
    expect(sent[1]!.slice(3 + 60, 3 + 68)).toBe("09090909");
  });

  const ip = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.0.9");
  const mac = fc.constantFrom("00:00:00:00:00:01", "00:00:00:00:00:02", "ff:ff:ff:ff:ff:ff");
  const match = fc
    .record({
      in_port: fc.option(fc.integer({ min: 1, max: 4 })),
      dl_dst: fc.option(mac),
      proto: fc.constantFrom("ip", "tcp", "udp", "arp", ""),
      nw_dst: fc.option(fc.constantFrom("10.0.0.0/8", "10.0.0.1", "10.0.0.0/31", "192.168.0.0/16")),
      tp_dst: fc.option(fc.constantFrom("80", "0x50/0xfff0", "53")),
      reg0: fc.option(fc.integer({ min: 0, max: 2 })),
    })
    .map((m) => {
      const parts: string[] = [];
      if (m.in_port !== null) parts.push(`in_port=${m.in_port}`);
      if (m.dl_dst !== null) parts.push(`dl_dst=${m.dl_dst}`);
      if (m.proto !== "") parts.push(m.proto);
      if (m.nw_dst !== null && m.proto !== "" && m.proto !== "arp") parts.push(`nw_dst=${m.nw_dst}`);
      if (m.tp_dst !== null && (m.proto === "tcp" || m.proto === "udp")) parts.push(`${m.proto}_dst=${m.tp_dst}`);
      if (m.reg0 !== null) parts.push(`reg0=${m.reg0}`);
      return parts;
    });
  const action = fc.constantFrom(
    "output:1",
    "output:2",
    "output:3",
    "in_port",
    "mod_dl_dst:00:00:00:00:00:09",
    "mod_dl_src:00:00:00:00:00:08",
    "load:1->NXM_NX_REG0[]",
    "load:2->NXM_NX_REG0[]",
    "resubmit(,1)",
    "resubmit(,2)",
    "mod_vlan_vid:5",
    "strip_vlan",
    "move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG0[0..15]",
    "clone(mod_dl_dst:00:00:00:00:00:07,output:4)",
    "check_pkt_larger(60)->NXM_NX_REG0[1]",
    "output:4",
  );
  const flow = fc
    .tuple(fc.integer({ min: 0, max: 2 }), match, fc.array(action, { maxLength: 5 }))
    // Lower tables only lead to higher ones, so that nothing goes around.
    .map(([table, m, actions]) => ({
      table,
      match: m,
      actions: actions.filter((a) => !a.startsWith("resubmit") || Number(/(\d)\)$/.exec(a)![1]) > table),
    }));
  const packet = fc
    .record({
      port: fc.integer({ min: 1, max: 4 }),
      src: mac,
      dst: mac,
      proto: fc.constantFrom("tcp", "udp", "arp", "ip"),
      nw_dst: ip,
      tp: fc.constantFrom(80, 85, 53, 443),
      vlan: fc.option(fc.constantFrom(5, 9)),
    })
    .map((p) => ({
      port: p.port,
      text: [
        `dl_src=${p.src},dl_dst=${p.dst}`,
        ...(p.vlan === null ? [] : [`dl_vlan=${p.vlan}`]),
        p.proto,
        p.proto === "arp" ? `arp_tpa=${p.nw_dst}` : `nw_dst=${p.nw_dst},nw_ttl=9`,
        ...(p.proto === "tcp" || p.proto === "udp" ? [`${p.proto}_dst=${p.tp}`] : []),
      ].join(","),
    }));

  it("sends from the cache what a translation of each packet alone would send", () => {
    fc.assert(
      fc.property(fc.array(flow, { maxLength: 15 }), fc.array(packet, { minLength: 1, maxLength: 20 }), (flows, packets) => {
        const text = flows
          .map(
            ({ table, match: m, actions }, i) =>
              `${[`table=${table}`, `priority=${i + 1}`, ...m].join(",")} actions=${actions.length === 0 ? "drop" : actions.join(",")}`,
          )
          .join("\n");
        const cached = make(text);
        for (const { port, text: flowText } of packets) {
          cached.sent.length = 0;
          cached.memory.datapath.receive(port, frame(flowText));
          const alone = make(text);
          alone.memory.datapath.receive(port, frame(flowText));
          expect(cached.sent).toEqual(alone.sent);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("takes any frame", () => {
    const { memory } = make(
      "ip actions=dec_ttl,NORMAL\narp actions=move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],NORMAL\nactions=NORMAL",
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100), (bytes, type) => {
        const bytesIn = Uint8Array.from(bytes);
        if (bytesIn.length > 14) {
          bytesIn[12] = type >> 8;
          bytesIn[13] = type & 0xff;
        }
        memory.datapath.receive(1, bytesIn);
      }),
    );
  });
});
