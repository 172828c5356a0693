/** Bonds and LACP in the reference's switch and in ours, side by side and joined. */
import { readFileSync } from "node:fs";
import {
  emit,
  emitLacp,
  LACP_STATE,
  type LacpInfo,
  macOf,
  readCapture,
  SLOW_MULTICAST,
  SLOW_PROTOCOLS,
  toHex,
} from "@weft/packet";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startOurs, startReference, type TestSwitch } from "./switches.ts";

let switches: readonly TestSwitch[];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An interface of a number and an address that both switches agree about, with a capture. */
const dummy = (one: TestSwitch, name: string, number: number, options = ""): string =>
  ` -- set interface ${name} type=dummy ofport_request=${number} options:tx_pcap=${one.dir}/${name}.pcap ${options}`;

const vsctl = (one: TestSwitch, line: string): Promise<string> => one.vsctl(...line.trim().split(/\s+/));

beforeAll(async () => {
  switches = await Promise.all([startReference(), startOurs()]);
  await all(async (one) => {
    await vsctl(one, "add-br br0 -- set bridge br0 other-config:hwaddr=02:00:00:00:00:b0");
    await vsctl(
      one,
      `add-bond br0 b0 e1 e2${dummy(one, "e1", 1)}${dummy(one, "e2", 2)} -- add-port br0 p4${dummy(one, "p4", 4)}`,
    );
  });
});

afterAll(() => Promise.all(switches.map((one) => one.stop())));

/** The same with both at once; what they answer, the reference first. */
function all<T>(run: (one: TestSwitch) => Promise<T>): Promise<T[]> {
  return Promise.all(switches.map(run));
}

/** Both give the same, which is returned; an error is an answer, too. Waited for, as both do things in their own time. */
async function same(run: (one: TestSwitch) => Promise<string>): Promise<string> {
  const answer = (one: TestSwitch): Promise<string> =>
    run(one).catch(
      (error: Error) =>
        error.message.split("\n").find((line) => !/^Command failed|^ovs-appctl: \/|server returned/.test(line)) ?? "",
    );
  let answers: string[] = [];
  for (let tries = 0; tries < 60; tries++) {
    answers = (await all(answer)).map(plain);
    if (answers[0] === answers[1]) break;
    await sleep(100);
  }
  expect(answers[1]).toEqual(answers[0]);
  return answers[0] as string;
}

/** Without what differs from moment to moment, and from switch to switch. */
const plain = (text: string): string =>
  text
    .replace(/aa:?55:?aa:?55:?00:?[0-9a-f]{2}/g, "MAC")
    .replace(/-?\d+ ms\b/g, "N ms")
    .replace(/Recirc-ID : \d+/, "Recirc-ID : N")
    .replace(/recirc\(0x[0-9a-f]+\)/g, "recirc(N)");

const appctl = (...args: string[]) => same((one) => one.appctl(...args));
const both = (...args: string[]) => all((one) => one.appctl(...args));
const set = (line: string) => all((one) => vsctl(one, line));
const trace = (flow: string) => same(async (one) => (await one.appctl("ofproto/trace", "br0", flow)).replace(/Flow: .*\n/, ""));

/** Frames that have left by a port, in hexadecimal digits. */
const frames = (one: TestSwitch, port: string): string[] =>
  readCapture(readFileSync(`${one.dir}/${port}.pcap`)).map(({ bytes }) => toHex(bytes));

/** The frames that leave by both members while something is done. */
async function sentWhile(run: () => Promise<unknown>): Promise<string> {
  const before = await all(async (one) => ["e1", "e2"].map((port) => frames(one, port).length));
  await run();
  await sleep(400);
  return same(async (one) => {
    const counts = before[switches.indexOf(one)] as number[];
    return ["e1", "e2"].map((port, i) => `${port}: ${frames(one, port).slice(counts[i]).sort().join(" ")}`).join("\n");
  });
}

const receive = (port: string, dst: string, src: string, rest = "1234") =>
  both("netdev-dummy/receive", port, `${dst}${src}${rest}`.padEnd(120, "0"));

it("a bond begins with its first member that works", async () => {
  // Which it is, is up to how the reference has stored them.
  await both("bond/set-active-member", "b0", "e1");
  expect(await appctl("bond/show")).toContain("bond_mode: active-backup");
  await appctl("bond/show", "nope");
  await appctl("lacp/show");
  await appctl("lacp/show", "b0");
  await appctl("lacp/show-stats", "b0");
  await same((one) => vsctl(one, "--columns=lacp_current list interface e1"));
});

it("members come and go", async () => {
  await appctl("bond/set-active-member", "b0", "e1");
  await appctl("bond/set-active-member", "b0", "e2");
  await appctl("bond/set-active-member", "b0", "e2");
  await appctl("bond/show", "b0");
  await same((one) => vsctl(one, "get port b0 bond_active_slave"));
  await both("netdev-dummy/set-admin-state", "e2", "down");
  expect(await appctl("bond/show", "b0")).toContain("(e1)");
  await same((one) => vsctl(one, "get port b0 bond_active_slave"));
  await appctl("bond/set-active-member", "b0", "e2");
  await appctl("bond/enable-member", "b0", "e2");
  await appctl("bond/show", "b0");
  await both("netdev-dummy/set-admin-state", "e1", "down");
  expect(await appctl("bond/show", "b0")).toContain("(none)");
  await same((one) => vsctl(one, "get port b0 bond_active_slave"));
  await both("netdev-dummy/set-admin-state", "e1", "up");
  await both("netdev-dummy/set-admin-state", "e2", "up");
  expect(await appctl("bond/show", "b0")).toContain("(e1)");
  await appctl("bond/disable-member", "b0", "e1");
  await appctl("bond/show", "b0");
  for (const args of [
    ["b0", "e9"],
    ["b9", "e1"],
  ]) {
    for (const command of ["set-active-member", "enable-member", "disable-member"]) await appctl(`bond/${command}`, ...args);
    await appctl("bond/migrate", args[0] as string, "3", args[1] as string);
  }
});

it("delays and the primary member", async () => {
  await set("set port b0 bond_updelay=900 bond_downdelay=700 other_config:bond-primary=e1");
  await appctl("bond/show", "b0");
  await both("netdev-dummy/set-admin-state", "e1", "down");
  expect(await appctl("bond/show", "b0")).toContain("downdelay expires");
  await sleep(800);
  expect(await appctl("bond/show", "b0")).toContain("(e2)");
  await both("netdev-dummy/set-admin-state", "e1", "up");
  expect(await appctl("bond/show", "b0")).toContain("updelay expires");
  await sleep(1000);
  expect(await appctl("bond/show", "b0")).toContain("(e1)");
  await both("netdev-dummy/set-admin-state", "e2", "down");
  await sleep(800);
  await both("netdev-dummy/set-admin-state", "e1", "down");
  await both("netdev-dummy/set-admin-state", "e2", "up");
  await sleep(800);
  // Nothing else is there, so that the updelay is not waited for.
  expect(await appctl("bond/show", "b0")).toContain("(e2)");
  await both("netdev-dummy/set-admin-state", "e1", "up");
  await set("set port b0 bond_updelay=0 bond_downdelay=0 -- remove port b0 other_config bond-primary");
  await sleep(1000);
  await appctl("bond/set-active-member", "b0", "e1");
});

it.each(["active-backup", "balance-slb", "balance-tcp"])("what a bond of mode %s takes in and sends out", async (mode) => {
  await set(`set port b0 bond_mode=${mode}`);
  await both("fdb/flush");
  await receive("p4", "ffffffffffff", "020000000401");
  await receive("p4", "ffffffffffff", "020000000402", "810000071234");
  await receive("e1", "ffffffffffff", "020000000101");
  await appctl("bond/show", "b0");
  await same(async (one) =>
    (await one.appctl("fdb/show", "br0"))
      .replace(/\d+$/gm, "")
      .replace(/^ +[12] /gm, "    b ")
      .split("\n")
      .sort()
      .join("\n"),
  );
  for (const port of [1, 2]) {
    for (const dst of ["ff:ff:ff:ff:ff:ff", "02:00:00:00:04:01", "02:00:00:00:99:99", "02:00:00:00:01:01"])
      for (const src of ["02:00:00:00:77:01", "02:00:00:00:04:01", "02:00:00:00:01:01"])
        await trace(`in_port=${port},dl_src=${src},dl_dst=${dst}`);
    await trace(`in_port=${port},arp,dl_src=02:00:00:00:04:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=2`);
    await trace(`in_port=${port},arp,dl_src=02:00:00:00:04:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1`);
    await trace(`in_port=${port},dl_src=02:00:00:00:04:01,dl_dst=01:80:c2:00:00:02,dl_type=0x8809`);
  }
  if (mode !== "balance-slb")
    for (const dst of ["ff:ff:ff:ff:ff:ff", "02:00:00:00:01:01"]) await trace(`in_port=4,dl_src=02:00:00:00:04:01,dl_dst=${dst}`);
});

it("after a failover the addresses behind the bridge are told of", async () => {
  await set("set port b0 bond_mode=active-backup");
  await receive("p4", "ffffffffffff", "020000000401");
  await receive("p4", "ffffffffffff", "020000000402", "810000071234");
  // The reference learns by the next look at its flows.
  await sleep(1000);
  await appctl("bond/set-active-member", "b0", "e2");
  expect(await sentWhile(() => both("bond/set-active-member", "b0", "e1"))).toMatch(/e1: \S+ \S+/);
  expect(await sentWhile(() => both("netdev-dummy/set-admin-state", "e1", "down"))).toMatch(/e2: \S+ \S+/);
  await both("netdev-dummy/set-admin-state", "e1", "up");
  for (const mode of ["balance-tcp", "balance-slb"]) {
    await set(`set port b0 bond_mode=${mode}`);
    await both("bond/set-active-member", "b0", "e2");
    await sleep(1000);
    await sentWhile(() => both("netdev-dummy/set-admin-state", "e2", "down"));
    await both("netdev-dummy/set-admin-state", "e2", "up");
  }
});

it("hashes of a bond that balances by source are moved by hand", async () => {
  await both("netdev-dummy/set-admin-state", "e2", "down");
  await sleep(300);
  await appctl("bond/set-active-member", "b0", "e1");
  await both("netdev-dummy/set-admin-state", "e2", "up");
  const hash = await appctl("bond/hash", "02:00:00:00:04:01", "0", "0");
  for (const [slot, member] of [
    [hash, "e2"],
    [hash, "e1"],
    ["300", "e1"],
    ["x", "e1"],
    ["-1", "e1"],
    ["255", "e9"],
  ])
    await appctl("bond/migrate", "b0", slot as string, member as string);
  await trace("in_port=4,dl_src=02:00:00:00:04:01,dl_dst=02:00:00:00:01:01");
  await appctl("bond/migrate", "b0", hash, "e2");
  expect(await trace("in_port=4,dl_src=02:00:00:00:04:01,dl_dst=02:00:00:00:01:01")).toContain("Datapath actions: 100,2");
  await both("netdev-dummy/set-admin-state", "e2", "down");
  await appctl("bond/migrate", "b0", hash, "e2");
  await both("netdev-dummy/set-admin-state", "e2", "up");
});

const PEER: LacpInfo = {
  systemPriority: 0xfffe,
  system: macOf(0x020000009999),
  key: 7,
  portPriority: 0xffff,
  port: 3,
  state: 0x3d,
};
const NOBODY: LacpInfo = { systemPriority: 0, system: macOf(0), key: 0, portPriority: 0, port: 0, state: 0 };
const say = (port: string, actor: Partial<LacpInfo>, partner: LacpInfo = NOBODY) =>
  both(
    "netdev-dummy/receive",
    port,
    toHex(
      emit([
        { kind: "ethernet", dst: SLOW_MULTICAST, src: macOf(0x020000000077), etherType: SLOW_PROTOCOLS },
        { kind: "payload", bytes: emitLacp({ actor: { ...PEER, ...actor }, partner }) },
      ]),
    ),
  );

it("LACP of a bond, to a partner that says this and that", async () => {
  const shown = async () => {
    await appctl("lacp/show", "b0");
    await appctl("bond/show", "b0");
    await same((one) => vsctl(one, "--columns=name,lacp_current list interface e1"));
  };
  const { synchronized, activity, aggregation } = LACP_STATE;
  const keys = [1, 2].map((n) => ` -- set interface e${n} other_config:lacp-aggregation-key=9`).join("");
  await set(`set port b0 bond_mode=balance-tcp lacp=active${keys}`);
  await shown();
  await sleep(3300);
  await shown();
  for (const state of [activity | aggregation, activity | aggregation | synchronized, PEER.state]) {
    await sentWhile(() => say("e1", { state }));
    await shown();
  }
  await say("e2", { key: 8 });
  await shown();
  await say("e2", { port: 4 });
  await shown();
  await say("e2", { port: 4, system: macOf(0x0200000000b0) });
  await shown();
  await say("e2", { port: 4 });
  for (const flow of ["in_port=4,tcp", "in_port=1", "in_port=2"])
    await trace(`${flow},dl_src=02:00:00:00:77:01,dl_dst=ff:ff:ff:ff:ff:ff`);
  for (const bad of [
    "0180c200000202000000007788090101",
    "0180c200000202000000007788090201".padEnd(248, "0"),
    "0180c200000202000000007788090101".padEnd(248, "0"),
  ])
    await both("netdev-dummy/receive", "e1", bad);
  await same(async (one) => (await one.appctl("lacp/show-stats", "b0")).replace(/TX PDUs: \d+/g, ""));
  await set(
    "set port b0 other_config:lacp-system-id=02:00:00:00:99:98 other_config:lacp-system-priority=77 other_config:lacp-time=fast -- set interface e1 other_config:lacp-port-id=5 other_config:lacp-port-priority=6",
  );
  await appctl("lacp/show", "b0");
}, 60_000);

it("without a partner a bond falls back to one active member, if asked", async () => {
  await set("set port b0 lacp=off other_config:lacp-fallback-ab=true");
  await set("set port b0 lacp=active");
  await sleep(3500);
  await both("bond/set-active-member", "b0", "e1");
  expect(await appctl("bond/show", "b0")).toContain("lacp_status: configured");
  await appctl("lacp/show", "b0");
  for (const port of [1, 4]) await trace(`in_port=${port},dl_src=02:00:00:00:77:01,dl_dst=ff:ff:ff:ff:ff:ff`);
  await set("set port b0 lacp=passive");
  await sleep(300);
  await appctl("lacp/show", "b0");
  await set("set port b0 lacp=off");
  await appctl("lacp/show", "b0");
}, 60_000);

it("the two switches make a bond with each other", async () => {
  const [reference, ours] = switches as [TestSwitch, TestSwitch];
  const bond = (one: TestSwitch, bridge: string, ...ends: string[]): Promise<string> =>
    vsctl(
      one,
      `add-br ${bridge} -- add-bond ${bridge} l0 l1 l2 bond_mode=balance-tcp lacp=active other_config:lacp-time=fast${ends.map((end, i) => dummy(one, `l${i + 1}`, i + 1, end)).join("")}`,
    );
  await bond(
    reference,
    "br1",
    `options:pstream=punix:${reference.dir}/l1.sock`,
    `options:pstream=punix:${reference.dir}/l2.sock`,
  );
  await bond(ours, "br1", `options:stream=unix:${reference.dir}/l1.sock`, `options:stream=unix:${reference.dir}/l2.sock`);
  await sleep(2500);
  for (const one of switches) {
    const shown = await one.appctl("lacp/show", "l0");
    expect(shown.match(/current attached\n.*\n.*\n {2}may_enable: true/g)).toHaveLength(2);
    expect(await one.appctl("bond/show", "l0")).toContain("lacp_status: negotiated");
  }
  await vsctl(reference, "set interface l1 options:pstream=punix:/nowhere/else");
  await sleep(7500);
  for (const one of switches) expect(await one.appctl("bond/show", "l0")).toMatch(/member l1: disabled[\s\S]*member l2: enabled/);
  await vsctl(reference, `set interface l1 options:pstream=punix:${reference.dir}/l1.sock`);
}, 60_000);
