import { expect, test } from "vitest";
import { GroupTable } from "./groupTable.ts";

const MANY = 100;

test("a group is there while it has members, under the protocol of the last that came", () => {
  const table = new GroupTable();
  expect(table.join("239.0.0.1", 1, "IGMPv3", 0, MANY)).toBe(true);
  expect(table.join("239.0.0.1", 2, "IGMPv2", 0, MANY)).toBe(true);
  expect(table.join("239.0.0.1", 1, "IGMPv1", 5, MANY)).toBe(false);
  expect(table.groups.get("239.0.0.1")).toEqual({
    protocol: "IGMPv2",
    members: new Map([
      [1, 5],
      [2, 0],
    ]),
  });
  expect(table.leave("239.0.0.1", 3)).toBe(false);
  expect(table.leave("239.0.0.1", 1)).toBe(true);
  expect(table.leave("239.0.0.1", 2)).toBe(true);
  expect(table.groups.size).toBe(0);
});

test("over the limit the longest silent group goes", () => {
  const table = new GroupTable();
  for (const address of ["a", "b", "a", "c"]) table.join(address, 1, "IGMPv2", 0, 2);
  expect([...table.groups.keys()]).toEqual(["a", "c"]);
});

test("silent members and routers are forgotten, each in its time", () => {
  const table = new GroupTable();
  table.addRouter(9, 0);
  table.join("a", 1, "MLDv1", 0, MANY);
  table.join("a", 2, "MLDv1", 500, MANY);
  expect(table.next(1000)).toBe(1000);
  expect(table.expire(999, 1000)).toBe(false);
  expect(table.expire(1000, 1000)).toBe(true);
  expect([...table.groups.get("a")!.members.keys()]).toEqual([2]);
  table.expire(1500, 1000);
  expect(table.groups.size).toBe(0);
  expect(table.next(1000)).toBe(180_000);
  expect(table.expire(180_000, 1000)).toBe(true);
  expect(table.next(1000)).toBe(Number.POSITIVE_INFINITY);
});

test("the port of a router is no member", () => {
  const table = new GroupTable();
  table.addRouter(1, 0);
  expect(table.join("a", 1, "IGMPv2", 0, MANY)).toBe(false);
  expect(table.groups.size).toBe(0);
});
