import { describe, expect, it } from "vitest";
import {
  counted,
  createEngine,
  derive,
  type Engine,
  each,
  IncrementalError,
  index,
  input,
  relation,
  sameContent,
  table,
} from "./index.ts";

interface Port {
  readonly name: string;
  readonly bridge: string;
  readonly addresses: string;
}
const ports = input<number, Port>("ports");
const settings = input<string, string>("settings");
const portsOfBridge = index("portsOfBridge", ports, (row) => [row.bridge]);
const addressesOf = derive(
  "addressesOf",
  (port: number, read) => (read(ports, port)?.addresses ?? "").split(" ").filter(Boolean),
  {
    equals: sameContent,
  },
);
const flood = derive("flood", (bridge: string, read) =>
  read(portsOfBridge, bridge)
    .map((port) => read(ports, port)!.name)
    .join(),
);
const lookup = each("lookup", ports, function* (port, row, read) {
  for (const address of read(addressesOf, port)) yield `${row.bridge}: ${address} to ${row.name}`;
});
const flooding = each("flooding", portsOfBridge, function* (bridge, _members, read) {
  yield `${bridge}: flood to ${read(flood, bridge)}${read(settings, "suffix") ?? ""}`;
});

function collectInto(engine: Engine, outputs: string[], patient = false): void {
  const remove = (text: string) => outputs.splice(outputs.indexOf(text), 1);
  engine.collect([lookup, flooding], { add: (text) => outputs.push(text), remove }, patient);
}

function ran(engine: Engine, step: () => void): Record<string, number> {
  const before = engine.statistics().evaluations;
  step();
  engine.commit();
  const difference: Record<string, number> = {};
  for (const [name, count] of engine.statistics().evaluations) {
    if (count !== (before.get(name) ?? 0)) difference[name] = count - (before.get(name) ?? 0);
  }
  return difference;
}

describe("engine", () => {
  it("collects what evaluations yield and keeps it up to date", () => {
    const engine = createEngine();
    const outputs: string[] = [];
    collectInto(engine, outputs);
    engine.set(ports, 1, { name: "p1", bridge: "a", addresses: "m1 m2" });
    engine.set(ports, 2, { name: "p2", bridge: "a", addresses: "" });
    expect(outputs).toEqual([]);
    expect(engine.commit()).toBe(true);
    expect(outputs.toSorted()).toEqual(["a: flood to p1,p2", "a: m1 to p1", "a: m2 to p1"]);
    engine.set(ports, 2, { name: "p2", bridge: "b", addresses: "m3" });
    engine.commit();
    expect(outputs.toSorted()).toEqual(["a: flood to p1", "a: m1 to p1", "a: m2 to p1", "b: flood to p2", "b: m3 to p2"]);
    engine.delete(ports, 1);
    engine.commit();
    expect(outputs.toSorted()).toEqual(["b: flood to p2", "b: m3 to p2"]);
    expect(engine.commit()).toBe(false);
  });

  it("runs again only what read something that changed, and stops at equal results", () => {
    const engine = createEngine();
    collectInto(engine, []);
    for (let i = 0; i < 100; i++) {
      engine.set(ports, i, { name: `p${i}`, bridge: i < 50 ? "a" : "b", addresses: `m${i}` });
    }
    engine.commit();
    // The text differs, the addresses do not: lookup runs for the row itself, flood gives an equal text, flooding rests.
    expect(ran(engine, () => engine.set(ports, 7, { name: "p7", bridge: "a", addresses: " m7" }))).toEqual({
      addressesOf: 1,
      lookup: 1,
      flood: 1,
    });
    expect(ran(engine, () => engine.set(settings, "suffix", "!"))).toEqual({ flooding: 2 });
    expect(ran(engine, () => engine.set(settings, "suffix", "!"))).toEqual({});
    expect(ran(engine, () => engine.set(ports, 100, { name: "p100", bridge: "b", addresses: "" }))).toEqual({
      addressesOf: 1,
      lookup: 1,
      flood: 1,
      flooding: 1,
    });
  });

  it("forgets derivations that nobody reads any more", () => {
    const engine = createEngine();
    collectInto(engine, []);
    engine.commit();
    const empty = engine.statistics().cells;
    for (let i = 0; i < 10; i++) engine.set(ports, i, { name: `p${i}`, bridge: "a", addresses: "" });
    engine.commit();
    expect(engine.statistics().cells).toBeGreaterThan(empty + 20);
    expect(engine.read(addressesOf, 99)).toEqual([]);
    for (let i = 0; i < 10; i++) engine.delete(ports, i);
    engine.commit();
    expect(engine.statistics().cells).toBe(empty);
  });

  it("reports an exception with its key, and goes on", () => {
    const failures: string[] = [];
    const risky = derive("risky", (port: number, read) => {
      const row = read(ports, port)!;
      if (row.addresses === "bad") throw new IncrementalError("test", `no address: ${row.addresses}`);
      return row.addresses;
    });
    const user = each("user", ports, function* (port, _row, read) {
      yield read(risky, port);
    });
    const outputs: string[] = [];
    const engine = createEngine({ onError: ({ definition, key, error }) => failures.push(`${definition} ${key}: ${error}`) });
    engine.collect([user], { add: (o) => outputs.push(o), remove: (o) => outputs.splice(outputs.indexOf(o), 1) });
    engine.set(ports, 1, { name: "p1", bridge: "a", addresses: "bad" });
    engine.set(ports, 2, { name: "p2", bridge: "a", addresses: "good" });
    engine.commit();
    expect(outputs).toEqual(["good"]);
    expect(failures).toEqual(["risky 1: IncrementalError: no address: bad"]);
    expect(() => engine.read(risky, 1)).toThrow("no address");
    engine.set(ports, 1, { name: "p1", bridge: "a", addresses: "better" });
    engine.commit();
    expect(outputs).toEqual(["good", "better"]);
  });

  it("names the chain of a cycle, and recovers when it is broken", () => {
    const links = input<string, string>("links");
    const end = derive("end", (node: string, read): string => {
      const next = read(links, node);
      return next === undefined ? node : read(end, next);
    });
    const ends = each("ends", links, function* (node, _next, read) {
      yield `${node}>${read(end, node)}`;
    });
    const failures: unknown[] = [];
    const outputs: string[] = [];
    const engine = createEngine({ onError: ({ error }) => failures.push(error) });
    engine.collect([ends], { add: (o) => outputs.push(o), remove: (o) => outputs.splice(outputs.indexOf(o), 1) });
    engine.set(links, "a", "b");
    engine.set(links, "b", "c");
    engine.commit();
    expect(outputs.toSorted()).toEqual(["a>c", "b>c"]);
    engine.set(links, "c", "a");
    engine.commit();
    expect(outputs).toEqual([]);
    expect(failures.map(String).at(-1)).toContain("end(a) reads end(b) reads end(c) reads end(a)");
    engine.set(links, "c", "d");
    engine.commit();
    expect(outputs.toSorted()).toEqual(["a>d", "b>d", "c>d"]);
  });

  it("has relations and tables: groups and entries that are found with tracked reads", () => {
    const byFirstAddress = relation("byFirstAddress", ports, (port, _row, read) => read(addressesOf, port).slice(0, 1));
    const addressTable = table("addressTable", ports, function* (port, row, read) {
      for (const address of read(addressesOf, port)) yield [address, `${row.name}#${port}`] as const;
    });
    const byOwner = index("byOwner", addressTable, (owner) => [owner]);
    const seen = each("seen", addressTable, function* (address, owner, read) {
      yield `${address} of ${owner}, first for ${read(byFirstAddress, address).join()}, beside ${read(byOwner, owner).length}`;
    });
    const outputs: string[] = [];
    const engine = createEngine();
    engine.collect([seen], { add: (o) => outputs.push(o), remove: (o) => outputs.splice(outputs.indexOf(o), 1) });
    engine.set(ports, 2, { name: "p", bridge: "a", addresses: "x y" });
    engine.set(ports, 1, { name: "q", bridge: "a", addresses: "y" });
    engine.commit();
    expect(outputs.toSorted()).toEqual(["x of p#2, first for 2, beside 1", "y of q#1, first for 1, beside 1"]);
    engine.delete(ports, 1);
    engine.commit();
    expect(outputs.toSorted()).toEqual(["x of p#2, first for 2, beside 2", "y of p#2, first for , beside 2"]);
    expect(engine.read.keys(addressTable)).toEqual(["x", "y"]);
  });

  it("counts equal outputs of several evaluations", () => {
    const flows = each("flows", ports, function* (_port, row) {
      yield row.bridge;
    });
    const heard: string[] = [];
    const engine = createEngine();
    engine.collect(
      [flows],
      counted((o) => o, { appear: (o) => heard.push(`+${o}`), vanish: (o) => heard.push(`-${o}`) }),
    );
    for (const i of [1, 2]) engine.set(ports, i, { name: "", bridge: "a", addresses: "" });
    engine.commit();
    engine.delete(ports, 1);
    engine.commit();
    expect(heard).toEqual(["+a"]);
    engine.delete(ports, 2);
    engine.commit();
    expect(heard).toEqual(["+a", "-a"]);
  });

  it("does not tell a sink of outputs that are like those before", () => {
    const engine = createEngine();
    const heard: string[] = [];
    const words = each("words", ports, (_port, row) => row.addresses.split(" ").map((word) => ({ word })));
    engine.collect([words], {
      add: ({ word }) => heard.push(`+${word}`),
      remove: ({ word }) => heard.push(`-${word}`),
      same: (a, b) => a.word === b.word,
    });
    engine.set(ports, 1, { name: "", bridge: "", addresses: "a b c" });
    engine.commit();
    engine.set(ports, 1, { name: "", bridge: "", addresses: "a x c" });
    engine.commit();
    expect(heard).toEqual(["+a", "+b", "+c", "+x", "-b"]);
  });

  it("runs part of the evaluations at a time, and takes changes between", () => {
    const engine = createEngine();
    const outputs: string[] = [];
    collectInto(engine, outputs, true);
    for (let i = 0; i < 10; i++) engine.set(ports, i, { name: `p${i}`, bridge: "a", addresses: `m${i}` });
    engine.commit(4);
    expect([outputs.length, engine.unfinished]).toEqual([4, true]);
    engine.delete(ports, 9);
    engine.delete(ports, 0);
    engine.set(ports, 8, { name: "q8", bridge: "a", addresses: "m8 n8" });
    engine.commit(2);
    expect(engine.unfinished).toBe(true);
    while (engine.unfinished) engine.commit(1);
    const fresh: string[] = [];
    const other = createEngine();
    collectInto(other, fresh);
    for (let i = 1; i < 8; i++) other.set(ports, i, { name: `p${i}`, bridge: "a", addresses: `m${i}` });
    other.set(ports, 8, { name: "q8", bridge: "a", addresses: "m8 n8" });
    other.commit();
    expect(outputs.toSorted()).toEqual(fresh.toSorted());
  });

  it("puts off none but the patient, which come last", () => {
    const engine = createEngine();
    const heard: string[] = [];
    const named = (name: string) => each(name, ports, (_port, row) => [`${name} ${row.name}`]);
    const sink = { add: (output: string) => heard.push(output), remove: () => {} };
    engine.collect([named("late")], sink, true);
    engine.collect([named("early")], sink);
    engine.set(ports, 1, { name: "p1", bridge: "a", addresses: "" });
    engine.commit(0);
    expect([heard, engine.unfinished]).toEqual([["early p1"], true]);
    engine.set(ports, 2, { name: "p2", bridge: "a", addresses: "" });
    engine.commit();
    expect([heard, engine.unfinished]).toEqual([["early p1", "early p2", "late p1", "late p2"], false]);
  });

  it("computes all anew on request, and the sinks hear of no difference", () => {
    const engine = createEngine();
    const outputs: string[] = [];
    collectInto(engine, outputs);
    engine.set(ports, 1, { name: "p1", bridge: "a", addresses: "m1 m2" });
    engine.commit();
    const before = [...outputs];
    engine.recompute();
    engine.delete(ports, 1);
    engine.set(ports, 2, { name: "p1", bridge: "a", addresses: "m1 m2" });
    engine.commit();
    expect(outputs.toSorted()).toEqual(before.toSorted());
  });
});
