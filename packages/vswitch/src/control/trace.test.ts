import { parseGroupMod } from "@weft/openflow";
import { virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { MemorySwitch } from "../memory.ts";
import { traceCommand } from "./trace-command.ts";

function tracer(flows: string, groups: readonly string[] = []): (...args: string[]) => string {
  const runtime = virtualRuntime();
  const memory = new MemorySwitch({ clock: runtime.clock, log: runtime.log.logger("test") });
  const bridge = memory.addBridge({ name: "br0", ports: [1, 2, 3].map((n) => ({ name: `p${n}`, ofport: n })) });
  for (const text of groups) memory.addGroup(bridge, parseGroupMod(text, "add"));
  memory.addFlows(bridge, flows);
  return (...args) => traceCommand(memory.datapath, ["br0", ...args]);
}

describe("ofproto/trace", () => {
  it("tells tables, details and the result, as the reference does", () => {
    const trace = tracer(`
      table=0,priority=100,in_port=1,ip actions=load:0x5->NXM_NX_REG0[],resubmit(,1),output:3
      table=1,priority=10,ip,nw_dst=10.0.0.0/8,reg0=5 actions=dec_ttl,move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],output:2
    `);
    expect(trace("in_port=1,udp,nw_dst=10.1.2.3,nw_ttl=64,dl_src=00:00:00:00:00:01")).toBe(
      `Flow: udp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=10.1.2.3,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=0,tp_dst=0

bridge("br0")
-------------
 0. ip,in_port=1, priority 100
    load:0x5->NXM_NX_REG0[]
    resubmit(,1)
     1. ip,reg0=0x5,nw_dst=10.0.0.0/8, priority 10
            dec_ttl
            move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]
             -> NXM_OF_ETH_DST[] is now 00:00:00:00:00:01
            output:2
    output:3

Final flow: udp,reg0=0x5,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:01,nw_src=0.0.0.0,nw_dst=10.1.2.3,nw_tos=0,nw_ecn=0,nw_ttl=63,nw_frag=no,tp_src=0,tp_dst=0
Megaflow: recirc_id=0,eth,udp,in_port=1,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:00,nw_dst=10.0.0.0/8,nw_ttl=64,nw_frag=no
Datapath actions: set(eth(dst=00:00:00:00:00:01)),set(ipv4(ttl=63)),2,3`,
    );
  });

  it("goes on after connection tracking", () => {
    const trace = tracer("in_port=1,ip actions=ct(table=2,zone=5)\ntable=2,ct_state=+est+trk actions=output:2");
    const text = trace("in_port=1,udp", "--ct-next", "trk,est");
    expect(text).toContain("Datapath actions: ct(zone=5),recirc(0x1)");
    expect(text).toContain("recirc(0x1) - resume conntrack with ct_state=est|trk");
    expect(text).toMatch(/Datapath actions: 2$/);
  });

  it("writes a zero for connection tracking bare, as printf's %#x does", () => {
    const trace = tracer("in_port=1,ip actions=ct(commit,exec(set_field:0/0x41->ct_mark,set_field:0/0xff->ct_label))");
    expect(trace("in_port=1,ip")).toMatch(/Datapath actions: ct\(commit,mark=0\/0x41,label=0\/0xff\)$/);
  });

  it("leaves a VLAN header that is as it was", () => {
    const trace = tracer("actions=strip_vlan,mod_vlan_vid:1012,output:2");
    expect(trace("in_port=1,dl_vlan=1012,dl_vlan_pcp=0")).toMatch(/Datapath actions: 2$/);
  });

  it.each([
    ["", "hash(sym_l4(0)),recirc(0x1)"],
    [",selection_method=dp_hash", "hash(l4(0)),recirc(0x1)"],
    [",selection_method=dp_hash,selection_method_param=7", "hash(l4(7)),recirc(0x1)"],
    [`,selection_method=dp_hash,selection_method_param=${0x1_0000_0007}`, "hash(sym_l4(7)),recirc(0x1)"],
    [`,selection_method=dp_hash,selection_method_param=${0x2_0000_0007}`, "hash(l4(7)),recirc(0x1)"],
    [",selection_method=hash", "2"],
  ])("has the datapath hash packets as a group%s wants", (method, actions) => {
    const buckets = "bucket=bucket_id:0,actions=output:2,bucket=bucket_id:1,actions=output:2";
    const trace = tracer("actions=group:1", [`group_id=1,type=select${method},${buckets}`]);
    expect(trace("in_port=1,tcp").split("Datapath actions: ")[1]).toBe(actions);
  });

  it.each([
    [[1, 255], true],
    [[1, 256], false],
    [[0, 0], false],
    [new Array<number>(256).fill(1), true],
    [new Array<number>(257).fill(1), false],
  ])("uses the datapath's hash if 256 slots can stand for the weights %s", (weights, slots) => {
    const buckets = weights.map((weight, i) => `bucket=bucket_id:${i},weight:${weight},actions=output:2`);
    const trace = tracer("actions=group:1", [`group_id=1,type=select,${buckets.join(",")}`]);
    expect(trace("in_port=1,tcp").includes("hash(")).toBe(slots);
  });

  it("stops what goes around", () => {
    const text = tracer("actions=resubmit(,0)")("in_port=1");
    expect(text).toContain(">>>> over max translation depth 64 <<<<");
    expect(text).toMatch(/Translation failed \(Recursion too deep\), packet is dropped\.$/);
  });

  it("drops what is nested deeper than the stack holds, and lives on", () => {
    const chain = Array.from({ length: 253 }, (_, table) => `table=${table} actions=resubmit(,${table + 1})`);
    const trace = tracer([...chain, "table=253 actions=resubmit(,1)"].join("\n"));
    for (let i = 0; i < 2; i++)
      expect(trace("in_port=1")).toMatch(/Translation failed \((Recursion too deep|Too many resubmits)\), packet is dropped\.$/);
  });

  it("shows names with --names, and takes them always", () => {
    const text = tracer("in_port=1 actions=output:2")("in_port=p1", "--names");
    expect(text).toContain(" 0. in_port=p1, priority 32768\n    output:p2\n");
    expect(text).toMatch(/Datapath actions: p2$/);
  });

  it("names what is wrong with a flow", () => {
    expect(() => tracer("")("in_port=1,nonsense=3")).toThrow(/Bad openflow flow syntax: in_port=1,nonsense=3: unknown/);
  });
});
