import { readFileSync } from "node:fs";
import { parseMatch } from "@weft/openflow";
import { toHex } from "@weft/packet";
import { seededRandom } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { composeFrame } from "../flow/compose.ts";
import { newFlowKey, WORD } from "../flow/key.ts";
import { FlowMaker } from "./flows.ts";
import { addBridge, startOurs, startReference, type TestSwitch } from "./switches.ts";

let reference: TestSwitch;
let ours: Awaited<ReturnType<typeof startOurs>>;

beforeAll(async () => {
  [reference, ours] = await Promise.all([startReference(), startOurs()]);
  await Promise.all([addBridge(reference), addBridge(ours)]);
});

afterAll(async () => {
  await Promise.all([reference.stop(), ours.stop()]);
});

/** Numbers that the two give out on their own. */
const normal = (text: string): string =>
  text.replace(/recirc\(0x[0-9a-f]+\)/g, "recirc(X)").replace(/recirc_id=(0x)?[1-9a-f][0-9a-f]*/g, "recirc_id=X");

/** The same flows in both: those that the reference takes, as it prints them. */
async function load(seed: number, tracked: boolean): Promise<FlowMaker> {
  const maker = new FlowMaker(seededRandom(seed));
  for (const one of [reference, ours]) {
    await one.ofctl("del-flows", "br0");
    await one.ofctl("-O", "OpenFlow13", "del-groups", "br0");
    await one.ofctl(
      "-O",
      "OpenFlow13",
      "add-group",
      "br0",
      "group_id=1,type=all,bucket=mod_dl_dst:00:00:00:00:00:05,output:1,bucket=output:3",
    );
    await one.ofctl("-O", "OpenFlow13", "add-group", "br0", "group_id=2,type=indirect,bucket=load:5->NXM_NX_REG1[],resubmit(,3)");
  }
  const verdicts: string[] = [];
  for (const flow of maker.flows(25, tracked)) {
    const results = await Promise.allSettled(
      [reference, ours].map((one) => one.ofctl("-O", "OpenFlow13", "add-flow", "br0", flow)),
    );
    // What the reference's switch refuses, ours refuses too.
    if (results[0]?.status !== results[1]?.status) verdicts.push(flow);
  }
  expect(verdicts).toEqual([]);
  return maker;
}

const dump = (one: TestSwitch): Promise<string> =>
  one
    .ofctl("-O", "OpenFlow13", "dump-flows", "br0", "--no-stats", "--sort=priority")
    .then((text) => text.split("\n").sort().join("\n"));

const frameOf = (flow: string): { port: string; hex: string } => {
  const key = newFlowKey();
  const match = parseMatch(flow);
  for (let i = 0; i < match.size; i++) key[match.offset(i)] = match.value(i);
  const port = key[WORD.in_port] === 0xfffe ? "br0" : `p${key[WORD.in_port]}`;
  if (key[WORD.eth_type] === 0) key[WORD.eth_type] = 0x88b5;
  return { port, hex: toHex(composeFrame(key, 8)) };
};

/** The frames in a capture. */
function frames(path: string): string[] {
  const bytes = readFileSync(path);
  const found: string[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    found.push(bytes.subarray(at + 16, at + 16 + length).toString("hex"));
    at += 16 + length;
  }
  return found;
}

describe("ofproto/trace", () => {
  it.each([1, 2, 3, 4, 5, 6])("gives the reference's text for random flows and packets (%i)", async (seed) => {
    const maker = await load(seed, true);
    expect(await dump(ours)).toBe(await dump(reference));
    const differences: string[] = [];
    for (let i = 0; i < 25; i++) {
      const packet = maker.packet();
      let theirs: string;
      try {
        theirs = normal(await reference.appctl("ofproto/trace", "br0", packet));
      } catch {
        continue;
      }
      const own = normal(await ours.appctl("ofproto/trace", "br0", packet));
      if (own !== theirs) differences.push(`${packet}\n--- reference\n${theirs}\n--- ours\n${own}`);
    }
    expect(differences).toEqual([]);
  });
});

describe("packets", () => {
  it.each([11, 12, 13, 14])("leave both switches alike (%i)", async (seed) => {
    const maker = await load(seed, true);
    const before = new Map<string, number>();
    for (const one of [reference, ours])
      for (const n of [1, 2, 3, 4]) before.set(`${one.dir}/p${n}.pcap`, frames(`${one.dir}/p${n}.pcap`).length);
    for (let i = 0; i < 40; i++) {
      const { port, hex } = frameOf(maker.packet());
      await Promise.all([reference, ours].map((one) => one.appctl("netdev-dummy/receive", port, hex)));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const n of [1, 2, 3, 4]) {
      const seen = (one: TestSwitch): string[] => frames(`${one.dir}/p${n}.pcap`).slice(before.get(`${one.dir}/p${n}.pcap`));
      expect(seen(ours)).toEqual(seen(reference));
    }
  });
});

describe("a wire between both", () => {
  it("carries frames either way", async () => {
    await reference.vsctl(
      "add-port",
      "br0",
      "w",
      "--",
      "set",
      "interface",
      "w",
      "type=dummy",
      "ofport_request=9",
      `options:pstream=punix:${reference.dir}/wire`,
    );
    await ours.vsctl(
      "add-port",
      "br0",
      "w",
      "--",
      "set",
      "interface",
      "w",
      "type=dummy",
      "ofport_request=9",
      `options:stream=unix:${reference.dir}/wire`,
    );
    for (let tries = 0; tries < 100 && (await ours.appctl("netdev-dummy/conn-state", "w")) !== "w: connected"; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    for (const one of [reference, ours]) {
      await one.ofctl("del-flows", "br0");
      await one.ofctl("add-flow", "br0", "in_port=1,actions=output:9");
      await one.ofctl("add-flow", "br0", "in_port=9,actions=output:2");
    }
    const { hex } = frameOf(
      "in_port=1,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,udp,nw_src=1.1.1.1,nw_dst=2.2.2.2,nw_ttl=4",
    );
    for (const [from, to] of [
      [ours, reference],
      [reference, ours],
    ] as const) {
      const had = frames(`${to.dir}/p2.pcap`).length;
      await from.appctl("netdev-dummy/receive", "p1", hex);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(frames(`${to.dir}/p2.pcap`).slice(had)).toEqual([hex]);
    }
  });
});

describe("ovs-ofctl", () => {
  const commands: readonly (readonly string[])[] = [
    ["dump-desc", "br0"],
    ["show", "br0"],
    ["-O", "OpenFlow13", "dump-ports-desc", "br0"],
    ["-O", "OpenFlow15", "dump-table-features", "br0"],
    ["-O", "OpenFlow13", "dump-group-features", "br0"],
    ["-O", "OpenFlow13", "meter-features", "br0"],
    ["-O", "OpenFlow14", "dump-table-desc", "br0"],
    ["dump-tables", "br0"],
    ["get-frags", "br0"],
    ["-O", "OpenFlow13", "dump-groups", "br0"],
    ["-O", "OpenFlow13", "dump-meters", "br0"],
    ["dump-tlv-map", "br0"],
    ["dump-aggregate", "br0"],
  ];

  beforeAll(async () => {
    for (const one of [reference, ours]) {
      await one.ofctl("del-flows", "br0");
      await one.ofctl("-O", "OpenFlow13", "add-meter", "br0", "meter=1,pktps,burst,band=type=drop,rate=10,burst_size=5");
      await one.ofctl("add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0");
      await one.ofctl("-O", "OpenFlow14", "--bundle", "add-flow", "br0", "cookie=5,priority=7,ip,actions=output:2");
    }
  });

  it.each(commands)("sees the same in %s %s %s", async (...args) => {
    const clean = (text: string): string =>
      text
        .replace(/xid=0x[0-9a-f]+/g, "xid")
        .replace(/addr:[0-9a-f:]+/g, "addr")
        .replace(/ (9|5)\(w\):/g, " w:")
        .replace(/(active|lookup|matched)=\d+/g, "$1");
    const sorted = (text: string): string =>
      args.includes("show") || args.includes("dump-ports-desc")
        ? text
            .split(/\n(?= \S+\()/)
            .sort()
            .join("\n")
        : text;
    expect(sorted(clean(await ours.ofctl(...args)))).toBe(sorted(clean(await reference.ofctl(...args))));
  });

  it("is told the same errors", async () => {
    for (const flow of ["actions=group:77", "actions=meter:9", "table=254,actions=drop"]) {
      const refusals = await Promise.all(
        [reference, ours].map((one) =>
          one.ofctl("-O", "OpenFlow13", "add-flow", "br0", flow).then(
            () => "taken",
            (error: Error & { stderr?: string }) => /OF[A-Z0-9_]+\b(?=\n|$)/.exec((error.stderr ?? "").split("\n")[0] ?? "")?.[0],
          ),
        ),
      );
      expect(refusals[1]).toBe(refusals[0]);
    }
  });
});
