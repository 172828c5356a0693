/**
 * Stock ovs-ofctl's `monitor` and our own on a switch of the reference's and on ours, while packets arrive and flows, groups and
 * ports change: all print the same.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Running, reference, startOurs } from "../ctl/differential.ts";
import { ofctl } from "./main.ts";
import { TestBridge } from "./switches.ts";

const { clock } = nodeRuntime();
const theirs = new TestBridge();
const ours = new TestBridge();

beforeAll(async () => {
  await Promise.all([theirs.start("reference"), ours.start("weft")]);
});

afterAll(async () => {
  await Promise.all([theirs.stop(), ours.stop()]);
});

/** It gets every packet: paused ones and those of no time to live too. */
const TOLD_ALL = "-OOpenFlow10 monitor @ 100 invalid_ttl";

/** All of them watch at the same time. */
const MONITORS = [
  "-OOpenFlow10 monitor @ 65534",
  "-OOpenFlow10 -P standard monitor @ 64",
  TOLD_ALL,
  "-OOpenFlow10 -P nxt_packet_in monitor @ 65534 watch:",
  "-OOpenFlow10 monitor @ 65534 watch:!initial,ip,nw_dst=10.0.0.5",
  "-OOpenFlow10 -F OpenFlow10 monitor @ watch:!delete",
  "-OOpenFlow11 -P nxt_packet_in monitor @ 50 invalid_ttl",
  "-OOpenFlow12 -P openflow10 monitor @ invalid_ttl watch:!actions",
  "-OOpenFlow13 monitor @ 65534 watch:table=1",
  "-OOpenFlow13 -P standard monitor @ 65534",
  "-OOpenFlow14 -P nxt_packet_in2 monitor @ 65534 watch:!add,!own",
  "-OOpenFlow14 -P standard monitor @ 65534 watch:out_port=2",
  "-OOpenFlow15 monitor @ watch: watch:!modify,table=1",
  "-OOpenFlow15 -P standard -m monitor @ 65534",
  "--names -OOpenFlow13 monitor @ 65534 watch:table=1,out_port=2",
  "-OOpenFlow15 monitor @ 20",
];

/** Ethernet and IPv4 with the last byte of the destination, a TTL, a protocol, and what follows. */
function ip(last: string, ttl: string, protocol: string, payload: string): string {
  const length = (20 + payload.length / 2).toString(16).padStart(4, "0");
  return `0200000000020200000000010800 4500${length}00004000${ttl}${protocol}00000a0000010a0000${last}${payload}`.replaceAll(
    " ",
    "",
  );
}
const UDP = "0035003500140000000102030405060708090a0b";
/** Seen by every monitor that gets packets: shows that it is set up. */
const GREETING = `02000000000202000000000188b5${"00".repeat(46)}`;
const GOODBYE = GREETING.replace("88b5", "88b6");
const GREETED = /dl_type=0x88b5/;

const FLOWS = [
  "priority=9,dl_type=0x88b5,actions=controller",
  "priority=40000,dl_type=0x88b6,actions=controller",
  "cookie=0x11,priority=5,ip,nw_dst=10.0.0.2,actions=controller(max_len=40)",
  "cookie=0x12,priority=5,ip,nw_dst=10.0.0.3,actions=load:7->NXM_NX_REG3[],set_field:5->tun_id,load:9->OXM_OF_METADATA[],resubmit(,1)",
  "cookie=0x13,table=1,udp,actions=set_field:8->pkt_mark,ct_clear,controller(reason=no_match,userdata=01.02.03)",
  "cookie=0x14,priority=5,ip,nw_dst=10.0.0.4,actions=dec_ttl,output:2",
  "cookie=0x15,priority=5,ip,nw_dst=10.0.0.6,actions=mod_vlan_vid:5,mod_vlan_pcp:3,controller,output:2",
  "cookie=0x16,priority=5,arp,in_port=1,actions=controller(reason=invalid_ttl)",
  "cookie=0x17,priority=5,ip,nw_dst=10.0.0.7,actions=controller(pause,userdata=ff)",
  "cookie=0x18,priority=5,ip,nw_dst=10.0.0.8,actions=ct(zone=5,table=2)",
  "cookie=0x19,table=2,ip,actions=controller",
  "cookie=0x1a,priority=5,ip,nw_dst=10.0.0.9,actions=group:7",
  "cookie=0x1b,priority=5,ip,nw_dst=10.0.0.10,actions=push:NXM_OF_IN_PORT[],push:NXM_NX_REG2[0..2],resubmit(,4),pop:NXM_NX_REG1[],controller",
  "cookie=0x1c,table=4,actions=resubmit(,5),output:2,resubmit:2",
  "cookie=0x1d,table=5,actions=controller(pause),load:3->NXM_NX_REG1[],resubmit(,2),dec_ttl",
  "cookie=0x1e,priority=5,ip,nw_dst=10.0.0.11,actions=ct(table=5,zone=3),controller",
  "cookie=0x1f,priority=5,ip,nw_dst=10.0.0.12,actions=clone(controller(pause,userdata=33),output:1),output:2",
  "cookie=0x20,priority=5,ip,nw_dst=10.0.0.13,actions=resubmit(,6),resubmit(,7)",
  "cookie=0x26,table=6,priority=0,actions=controller,controller(userdata=07),group:7",
  "cookie=0x27,table=7,priority=0,ip,actions=controller(id=0,userdata=08),controller(id=3)",
];

/** Those that only later versions have. */
const INSTRUCTIONS = [
  "cookie=0x30,priority=5,ip,nw_dst=10.0.0.14,actions=goto_table:8",
  "cookie=0x31,table=8,actions=write_actions(group:7),goto_table:9",
  "cookie=0x32,priority=5,ip,nw_dst=10.0.0.15,actions=ct(table=10,zone=3)",
  "cookie=0x33,table=10,actions=set_field:9->reg3,write_actions(output:controller),goto_table:11",
  "cookie=0x34,table=11,actions=resubmit(,12)",
  "cookie=0x35,priority=5,ip,nw_dst=10.0.0.16,actions=write_actions(output:controller),goto_table:5",
  "cookie=0x36,priority=5,ip,nw_dst=10.0.0.17,actions=goto_table:13",
];

/** A packet for x1, or a command line. */
const EVENTS: readonly (string | { readonly packet: string; readonly name: string })[] = [
  { name: "to the controller", packet: ip("02", "40", "11", UDP) },
  { name: "through a table, with registers", packet: ip("03", "40", "11", UDP) },
  { name: "TTL 1", packet: ip("04", "01", "11", UDP) },
  { name: "tagged on the way", packet: ip("06", "40", "06", "00500051000000010000000250020003000000000000") },
  {
    name: "ARP",
    packet: "ffffffffffff02000000000108060001080006040001020000000001 0a0000010000000000000a000002".replaceAll(" ", ""),
  },
  { name: "paused", packet: ip("07", "40", "01", "0800f7ff00000000") },
  { name: "tracked", packet: ip("08", "40", "11", UDP) },
  { name: "a group", packet: ip("09", "40", "11", UDP) },
  { name: "paused within resubmits, with a stack", packet: ip("0a", "40", "11", UDP) },
  { name: "paused when tracked", packet: ip("0b", "40", "11", UDP) },
  { name: "a paused copy", packet: ip("0c", "40", "11", UDP) },
  { name: "table-miss flows", packet: ip("0d", "40", "11", UDP) },
  { name: "a group in the action set", packet: ip("0e", "40", "11", UDP) },
  { name: "the action set of a tracked packet", packet: ip("0f", "40", "11", UDP) },
  { name: "paused with an action set", packet: ip("10", "40", "11", UDP) },
  { name: "a table that sends what it misses", packet: ip("11", "40", "11", UDP) },
  `-OOpenFlow15 packet-out @ "in_port=1,packet=${ip("02", "40", "11", UDP)},actions=controller,group:7,controller(userdata=09),resubmit(,6)"`,
  `packet-out @ "in_port=controller,packet=${ip("02", "40", "11", UDP)},actions=controller(pause),resubmit(,7)"`,
  'add-flow @ "cookie=0x21,priority=7,ip,nw_dst=10.0.0.5,idle_timeout=900,send_flow_rem,actions=output:2"',
  'add-flow @ "cookie=0x22,table=1,priority=8,tcp,tp_dst=80,actions=output:1,output:2"',
  '-OOpenFlow13 add-flow @ "cookie=0x23,table=1,priority=8,ip6,hard_timeout=800,actions=write_actions(output:2),goto_table:3"',
  '-OOpenFlow13 add-flow @ "send_flow_rem,cookie=0x24,table=1,priority=8,arp,actions=set_field:10.0.0.1->arp_spa,output:2"',
  'mod-flows @ "table=1,tcp,actions=output:2"',
  '--strict mod-flows @ "table=1,priority=8,tcp,tp_dst=80,actions=drop"',
  'add-flow @ "cookie=0x25,priority=7,ip,nw_dst=10.0.0.5,send_flow_rem,actions=output:1"',
  "--bundle add-flows @ f2",
  'del-flows @ "ip,nw_dst=10.0.0.5"',
  'del-flows @ "table=1,arp"',
  'del-flows @ "table=1,out_port=2"',
  "mod-port @ x2 down",
  "mod-port @ x2 up",
  "mod-port @ x2 no-flood",
  "mod-port @ x2 flood",
  "-OOpenFlow13 mod-group @ group_id=7,type=all,bucket=output:2",
  "-OOpenFlow13 del-groups @ group_id=7",
  'add-flow @ "cookie=0xfade,table=1,priority=1,actions=output:2"',
];

/** One program that watches. */
function start(line: string, bridge: TestBridge, whose: "stock" | "ours"): Running {
  if (whose === "ours") return startOurs(ofctl, bridge.words(line), bridge.env);
  const process = spawn(join(reference, "bin", "ovs-ofctl"), bridge.words(line), {
    env: bridge.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  process.stdout.on("data", (data) => (stdout += String(data)));
  process.stderr.on("data", (data) => (stderr += String(data)));
  return {
    printed: () => ({ stdout, stderr }),
    stop: () => process.kill(),
    ended: new Promise((resolve) => process.once("close", (code) => resolve({ stdout, stderr, code: code ?? 143 }))),
  };
}

/** The messages in what a monitor printed, without what differs from run to run. */
function messages(monitor: Running): string[] {
  const { stdout, stderr } = monitor.printed();
  return (
    `${stdout}<<< out, err >>>\n${stderr}`
      .replace(/^\d{4}-\d\d-\d\dT.*\n/gm, "")
      .replace(/xid=0x[0-9a-f]+/g, "xid")
      .replace(/addr:[0-9a-f:]+/g, "addr:MAC")
      // What a continuation holds besides is the switch's own.
      .replace(/ continuation\.odp_port=\d+\n/g, "")
      .replace(/bridge=[0-9a-f-]{36}/g, "bridge=UUID")
      .replace(/duration[\d.]+s/g, "durationD")
      .split(/^(?=(?:NX|OFP|ONF)[A-Z]+_|<<<)/m)
      .filter((one) => !GREETED.test(one) || /^\S*FLOW_MONITOR/.test(one))
  );
}

async function until(what: string, condition: () => boolean, seen: () => unknown = () => ""): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 800) throw new Error(`waited in vain: ${what}\n${JSON.stringify(seen())}`);
    await clock.sleep(25);
  }
}

const count = (monitor: Running, kind: RegExp) => messages(monitor).filter((one) => kind.test(one)).length;

/** What each of the monitors prints while the events happen. */
async function watch(bridge: TestBridge, clients: readonly ("stock" | "ours")[]): Promise<Map<string, string[]>[]> {
  const run = async (line: string) => {
    const answer = await bridge.run("ovs-ofctl", ...bridge.words(line));
    expect(answer, line).toMatchObject({ code: 0 });
  };
  await run("del-flows @");
  await run("-OOpenFlow13 add-group @ group_id=7,type=all,bucket=controller,bucket=output:2");
  await run("-OOpenFlow11 mod-table @ 13 controller");
  for (const flow of FLOWS) await run(`add-flow @ "${flow}"`);
  for (const flow of INSTRUCTIONS) await run(`-OOpenFlow13 add-flow @ "${flow}"`);
  const all = clients.flatMap((whose) => MONITORS.map((line) => ({ line, whose, monitor: start(line, bridge, whose) })));
  try {
    for (const { line, monitor } of all) {
      if (/watch/.test(line)) await until(line, () => /FLOW_MON/.test(monitor.printed().stdout), monitor.printed);
      if (!/@ \d/.test(line)) continue;
      let waited = 0;
      await until(line, () => {
        if (waited++ % 8 === 0) void bridge.control("netdev-dummy/receive", "x1", GREETING);
        return GREETED.test(monitor.printed().stderr);
      });
    }
    for (const event of EVENTS) {
      if (typeof event === "string") {
        await run(event);
        continue;
      }
      const teller = all.find(({ line }) => line === TOLD_ALL)!.monitor;
      const had = count(teller, /PACKET_IN/);
      await bridge.control("netdev-dummy/receive", "x1", event.packet);
      await until(event.name, () => count(teller, /PACKET_IN/) > had, teller.printed);
    }
    await bridge.control("netdev-dummy/receive", "x1", GOODBYE);
    for (const { line, monitor } of all) {
      if (/@ \d/.test(line)) await until(line, () => /dl_type=0x88b6/.test(monitor.printed().stderr), monitor.printed);
      else await until(line, () => /fade/.test(monitor.printed().stderr), monitor.printed);
    }
  } finally {
    for (const { monitor } of all) monitor.stop();
  }
  const ends = await Promise.all(all.map(({ monitor }) => monitor.ended));
  expect(ends.length).toBe(all.length);
  return clients.map((whose) => {
    const mine = all.filter((one) => one.whose === whose);
    return new Map(mine.map(({ line, monitor }) => [line, messages(monitor)]));
  });
}

/** Packets come by another way than changes: only the order among themselves is defined. */
function inOrder(all: readonly string[]): string[] {
  const kind = (one: string) => (/^\S*PACKET_IN/.test(one) ? 1 : /^\S*FLOW_MONITOR \(|FLOW_MONITOR reply \(OF/.test(one) ? 2 : 3);
  return [...all].sort((a, b) => kind(a) - kind(b));
}

const differences = (got: ReadonlyMap<string, string[]>, wanted: ReadonlyMap<string, string[]>) =>
  [...wanted].flatMap(([line, want]) => {
    const [a, b] = [inOrder(want), inOrder(got.get(line)!)];
    const at = a.findIndex((one, i) => one !== b[i]);
    return at < 0 && a.length === b.length ? [] : [{ line, wanted: a[at], got: b[at < 0 ? a.length : at] }];
  });

test("monitors print the same of the same packets and changes", async () => {
  const [wanted, byOurClient] = await watch(theirs, ["stock", "ours"]);
  expect([...wanted!.values()].every((all) => all.length > 3)).toBe(true);
  expect(differences(byOurClient!, wanted!), "our client").toEqual([]);
  const [stock, both] = await watch(ours, ["stock", "ours"]);
  expect(differences(stock!, wanted!), "our switch").toEqual([]);
  expect(differences(both!, wanted!), "our client on our switch").toEqual([]);
});

test("our client takes a port's name where the reference takes port 0", async () => {
  const flows = async (line: string, whose: "stock" | "ours") => {
    const monitor = start(line, theirs, whose);
    await until(line, () => /FLOW_MONITOR reply.*\n event/.test(monitor.printed().stdout), monitor.printed);
    monitor.stop();
    await monitor.ended;
    return messages(monitor)[0];
  };
  const wanted = await flows("--names -OOpenFlow13 monitor @ watch:out_port=2", "stock");
  expect(wanted).toMatch(/output:x2/);
  expect(await flows("--names -OOpenFlow13 monitor @ watch:out_port=x2", "ours")).toBe(wanted);
});
