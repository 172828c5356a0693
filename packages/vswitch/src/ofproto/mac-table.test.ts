import { describe, expect, it } from "vitest";
import { MacTable } from "./mac-table.ts";

describe("MacTable", () => {
  it("learns, moves and forgets", () => {
    const macs = new MacTable<string>();
    expect(macs.learn(0, 0x020000000001, "p1", 0)).toBe(true);
    expect(macs.learn(0, 0x020000000001, "p1", 10)).toBe(false);
    expect(macs.lookup(0, 0x020000000001)?.port).toBe("p1");
    expect(macs.lookup(5, 0x020000000001)).toBeUndefined();
    expect(macs.learn(0, 0x020000000001, "p2", 20)).toBe(true);
    expect(macs.statistics.moved).toBe(1);
    expect(macs.forgetPort("p2")).toBe(true);
    expect(macs.size).toBe(0);
  });

  it("never learns multicast sources", () => {
    const macs = new MacTable<string>();
    expect(macs.learn(0, 0x010000000001, "p1", 0)).toBe(false);
    expect(macs.size).toBe(0);
  });

  it("drops what was not seen for the aging time, the longest unseen first", () => {
    const macs = new MacTable<string>();
    macs.idleMs = 1000;
    macs.learn(0, 2, "p1", 0);
    macs.learn(0, 4, "p1", 500);
    macs.learn(0, 2, "p1", 900);
    expect(macs.expire(1600)).toBe(true);
    expect([...macs.entries()].map((entry) => entry.mac)).toEqual([2]);
  });

  it("gives up an entry of the port that has most when it is full", () => {
    const macs = new MacTable<string>();
    macs.maxEntries = 3;
    macs.learn(0, 2, "few", 0);
    macs.learn(0, 4, "many", 1);
    macs.learn(0, 6, "many", 2);
    macs.learn(0, 8, "new", 3);
    expect(macs.lookup(0, 4)).toBeUndefined();
    expect(macs.lookup(0, 2)?.port).toBe("few");
  });

  it("keeps static entries", () => {
    const macs = new MacTable<string>();
    macs.addStatic(5, 2, "p1", 0);
    expect(macs.learn(5, 2, "p2", 1)).toBe(false);
    macs.expire(1e9);
    expect(macs.flush()).toBe(false);
    expect(macs.lookup(5, 2)?.port).toBe("p1");
  });
});
