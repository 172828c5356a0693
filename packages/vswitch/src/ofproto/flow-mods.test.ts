import { parseFlowMod } from "@weft/openflow";
import { virtualRuntime } from "@weft/runtime";
import { beforeEach, describe, expect, it } from "vitest";
import { MemorySwitch } from "../memory.ts";
import type { Bridge } from "./bridge.ts";
import { FlowMods } from "./flow-mods.ts";

let bridge: Bridge;
let mods: FlowMods;
let runtime: ReturnType<typeof virtualRuntime>;

beforeEach(() => {
  runtime = virtualRuntime();
  const memory = new MemorySwitch({ clock: runtime.clock, log: runtime.log.logger("test") });
  bridge = memory.addBridge({ name: "br0", ports: [{ name: "p1", ofport: 1 }] });
  mods = new FlowMods(bridge);
});

const add = (text: string) => mods.apply(parseFlowMod(text, "add"));
const flows = (table = 0): string[] => [...bridge.tables[table]!.rules()].map((rule) => `${rule.priority}`).sort();

describe("FlowMods", () => {
  it("deletes what is within a match, or exactly what is named", () => {
    add("priority=1,ip,nw_dst=10.0.0.0/8 actions=drop");
    add("priority=2,ip,nw_dst=10.1.0.0/16 actions=drop");
    add("priority=3,arp actions=drop");
    mods.apply(parseFlowMod("ip,nw_dst=10.1.0.0/16", "delete"));
    expect(flows()).toEqual(["1", "3"]);
    mods.apply(parseFlowMod("priority=9,arp", "delete_strict"));
    expect(flows()).toEqual(["1", "3"]);
    mods.apply(parseFlowMod("priority=3,arp", "delete_strict"));
    expect(flows()).toEqual(["1"]);
  });

  it("deletes by cookie, and by what flows output to", () => {
    add("priority=1,cookie=0x10 actions=output:1");
    add("priority=2,cookie=0x21 actions=output:2");
    mods.apply(parseFlowMod("out_port=1", "delete"));
    expect(flows()).toEqual(["2"]);
    mods.apply(parseFlowMod("cookie=0x1/0xf", "delete"));
    expect(flows()).toEqual([]);
  });

  it("refuses an overlapping flow when asked to look", () => {
    add("priority=5,in_port=1 actions=drop");
    expect(() => add("check_overlap,priority=5,ip actions=drop")).toThrow("OFPFMFC_OVERLAP");
    add("check_overlap,priority=6,ip actions=drop");
    expect(flows()).toEqual(["5", "6"]);
  });

  it("refuses what does not fit into a table, or gives up another flow for it", async () => {
    bridge.tables[0]!.limit = 1;
    add("priority=1,idle_timeout=60,in_port=1 actions=drop");
    expect(() => add("priority=2 actions=drop")).toThrow("OFPFMFC_TABLE_FULL");
    bridge.tables[0]!.evict = true;
    add("priority=2 actions=drop");
    expect(flows()).toEqual(["2"]);
  });

  it("undoes a change", () => {
    add("priority=1,in_port=1 actions=output:1");
    const undo = add("priority=1,in_port=1 actions=drop");
    undo();
    const [rule] = bridge.tables[0]!.rules();
    expect(rule?.actions.length).toBe(1);
  });

  it("lets flows end in their time", async () => {
    add("priority=1,hard_timeout=2 actions=drop");
    add("priority=2,idle_timeout=5 actions=drop");
    await runtime.clock.advance(2500);
    mods.expire();
    expect(flows()).toEqual(["2"]);
    await runtime.clock.advance(3000);
    mods.expire();
    expect(flows()).toEqual([]);
  });

  it("takes learned flows with the flow that taught them", () => {
    add("priority=1 actions=learn(table=3,cookie=0x7,delete_learned,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])");
    add("table=3,priority=9,cookie=0x7,dl_dst=00:00:00:00:00:01 actions=drop");
    add("table=3,priority=8,cookie=0x8,dl_dst=00:00:00:00:00:02 actions=drop");
    mods.apply(parseFlowMod("priority=1", "delete_strict"));
    expect(flows(3)).toEqual(["8"]);
  });
});
