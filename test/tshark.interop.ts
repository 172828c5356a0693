/**
 * tshark reads what our ovs-ofctl, our switch and our controller send. Where it calls a message malformed, or does not know what is in
 * it, it must say the same of the reference's message in the same place: then that is tshark's limit.
 */
import { execFile } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, runOurs } from "../packages/cli/src/ctl/differential.ts";
import { versioned } from "../packages/cli/src/ofctl/corpus.ts";
import { ofctl } from "../packages/cli/src/ofctl/main.ts";
import { TestBridge } from "../packages/cli/src/ofctl/switches.ts";
import { allReference, Cloud, linkPrograms, programsOf, type Side } from "./reference/cloud.ts";
import { Recorder, type Said } from "./reference/recorder.ts";
import { complaints } from "./reference/tshark.ts";

linkPrograms();

const theirs = new TestBridge();
const ours = new TestBridge();
const recorders = new Map<TestBridge, Recorder>();
const socketOf = (bridge: TestBridge) => join(bridge.dir, "recorded.sock");

beforeAll(async () => {
  await Promise.all([theirs.start("reference"), ours.start("weft")]);
  for (const bridge of [theirs, ours]) recorders.set(bridge, await Recorder.between(socketOf(bridge), bridge.socket));
});
afterAll(async () => {
  for (const recorder of recorders.values()) await recorder.close();
  await Promise.all([theirs.stop(), ours.stop()]);
});

type Client = (words: readonly string[], bridge: TestBridge) => Promise<Answer>;
const stock: Client = (words, bridge) => bridge.run("ovs-ofctl", ...words);
const weft: Client = (words, bridge) => runOurs(ofctl, words, bridge.env);

/** What is said in each line's connections. */
async function record(client: Client, bridge: TestBridge, lines: readonly string[]): Promise<Said[][]> {
  const all: Said[][] = [];
  for (const line of lines) {
    const words = bridge.words(line).map((word) => (word === bridge.socket ? socketOf(bridge) : word));
    await client(words, bridge);
    all.push(recorders.get(bridge)!.take());
  }
  return all;
}

/** Version, type, and of multipart messages and experimenters' the number. */
function kindOf({ from, bytes }: Said): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [version, type] = [view.getUint8(0), view.getUint8(1)];
  const multipart = version === 1 ? type === 16 || type === 17 : type === 18 || type === 19;
  const parts = [from, version, type];
  if (multipart && bytes.length >= 12) parts.push(view.getUint16(8));
  if ((type === 4 || (multipart && view.getUint16(8) === 0xffff)) && bytes.length >= 20) parts.push(view.getUint32(12));
  return parts.join(" ");
}

/** A message but for its transaction id. */
const textOf = ({ bytes }: Said) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8}).{8}/, "$1........");

/** Kinds of messages with what tshark has against them. */
function judged(messages: readonly Said[]): { readonly kind: string; readonly complaint: string; readonly said: Said }[] {
  const texts = messages.map(textOf);
  // Many are said again and again.
  const first = new Map(texts.map((text, i) => [text, messages[i]!]));
  const all = complaints([...first.values()]);
  const byText = new Map([...first.keys()].map((text, i) => [text, all[i]!]));
  return messages.map((said, i) => ({ kind: kindOf(said), complaint: byText.get(texts[i]!)!, said }));
}

/** Complaints about ours that there are not about the reference's: of the same kind in the same line, or of the same bytes. */
function unfounded(lines: readonly string[], got: readonly Said[][], wanted: readonly Said[][]): string[] {
  const mine = judged(got.flat());
  const reference = judged(wanted.flat());
  const known = new Set(reference.map(({ complaint, said }) => complaint + textOf(said)));
  let [at, referenceAt] = [0, 0];
  return lines.flatMap((line, i) => {
    const own = mine.slice(at, (at += got[i]!.length));
    const other = reference.slice(referenceAt, (referenceAt += wanted[i]!.length));
    return own
      .filter((one) => one.complaint !== "" && !known.has(one.complaint + textOf(one.said)))
      .filter((one) => !other.some((it) => it.kind === one.kind && it.complaint === one.complaint))
      .map(({ kind, complaint, said }) => `${line}\n  ${kind}: ${complaint}\n  ${textOf(said).slice(0, 400)}`);
  });
}

const only = (from: Said["from"], all: readonly Said[][]) => all.map((said) => said.filter((one) => one.from === from));

test.each(["10", "13", "14", "15"])("ovs-ofctl and the switch in OpenFlow%s", { timeout: 600_000 }, async (version) => {
  const lines = versioned
    .replaceAll("%", `-OOpenFlow${version}`)
    .split("\n")
    .filter((line) => line !== "");
  const wanted = await record(stock, theirs, lines);
  const byClient = await record(weft, theirs, lines);
  const bySwitch = await record(stock, ours, lines);
  for (const [from, all] of [
    ["client", byClient],
    ["switch", bySwitch],
  ] as const) {
    const got = only(from, all);
    expect(got.flat().length).toBeGreaterThan(lines.length);
    expect(unfounded(lines, got, only(from, wanted)), from).toEqual([]);
  }
});

/** Flows whose packets are told of, and whose end is. */
const TOLD = [
  "send_flow_rem,priority=5,udp,actions=controller",
  "send_flow_rem,priority=6,udp,tp_dst=54,actions=load:7->NXM_NX_REG3[],set_field:5->tun_id,controller(userdata=01.02.03)",
  "priority=6,udp,tp_dst=55,actions=controller(pause),output:2",
  "send_flow_rem,priority=6,udp,tp_dst=56,actions=ct(zone=5,table=2)",
  "table=2,ip,actions=controller(reason=no_match)",
];
const EVENTS = ["mod-port @ x2 down", "mod-port @ x2 up", 'mod-flows @ "udp,actions=output:2"', "del-flows @"];
/** A datagram, from a port that is no protocol's: tshark is not to read on in it. */
const packet = (port: number) =>
  `0200000000020200000000010800450000200000400040110000${"0a0000010a000002"}9c40${port.toString(16).padStart(4, "0")}000c000001020304`;

/** What a monitor and the switch say while packets, flows and ports come and go. */
async function monitored(client: Client, bridge: TestBridge, options: string): Promise<Said[]> {
  for (const flow of TOLD) await bridge.run("ovs-ofctl", "add-flow", bridge.socket, flow);
  // What ours asks for names, the reference asks for a list of ports.
  await client([...options.split(" "), "dump-ports-desc", socketOf(bridge)], bridge);
  const ended = client(["-t5", ...options.split(" "), "monitor", socketOf(bridge), "65534", "watch:"], bridge);
  const said: Said[] = [];
  const heard = () => {
    said.push(...recorders.get(bridge)!.take());
    return said.filter(({ from }) => from === "switch").length;
  };
  // The flows that are there.
  await expect.poll(() => heard() > 4, { timeout: 4000 }).toBe(true);
  // That packets are wanted, the monitor says last, and nothing answers it.
  await sleep(500);
  for (const port of [57, 54, 55, 56]) await bridge.control("netdev-dummy/receive", "x1", packet(port));
  for (const line of EVENTS) await bridge.run("ovs-ofctl", ...bridge.words(line));
  await ended;
  heard();
  return said;
}

test.each([
  "-OOpenFlow10",
  "-OOpenFlow10 -Pstandard",
  "-OOpenFlow13",
  "-OOpenFlow13 -Pstandard",
  "-OOpenFlow14",
  "-OOpenFlow15 -Pstandard",
])("what a switch tells of: %s", { timeout: 120_000 }, async (options) => {
  const [wanted, bySwitch] = await Promise.all([theirs, ours].map((bridge) => monitored(stock, bridge, options)));
  const byClient = await monitored(weft, theirs, options);
  for (const [from, all] of [
    ["client", byClient],
    ["switch", bySwitch!],
  ] as const) {
    const got = only(from, [all]);
    expect(got[0]!.length).toBeGreaterThan(from === "switch" ? 10 : 2);
    expect(unfounded([options], got, only(from, [wanted!])), from).toEqual([]);
  }
});

const run = promisify(execFile);

test("ovn-controller, beside the reference's on the same databases and switch", { timeout: 240_000 }, async () => {
  const cloud = new Cloud(allReference);
  try {
    cloud.run(`
      cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm
      ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" -- lsp-add a p2 -- lsp-set-addresses p2 unknown \
        -- lsp-add a c1 p1 30 -- lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1"
      ovn-nbctl ls-add b -- lr-add r -- lrp-add r r-a 50:54:00:00:00:ff 10.0.0.254/24 fd00::1/64 -- lrp-add r r-b 50:54:00:00:00:fe 10.0.1.254/24 \
        -- lsp-add a a-r -- lsp-set-type a-r router -- lsp-set-addresses a-r router -- lsp-set-options a-r router-port=r-a \
        -- lsp-add b b-r -- lsp-set-type b-r router -- lsp-set-addresses b-r router -- lsp-set-options b-r router-port=r-b
      ovn-nbctl acl-add a to-lport 1000 'outport == "p2" && ip4.src == {10.0.0.1, 10.0.0.3} && tcp.dst == {1, 2, 3}' drop
      ovn-nbctl --log acl-add a from-lport 1001 'udp' allow-related -- lb-add lb0 10.0.0.100:80 10.0.0.1:80,10.0.0.2:80 -- ls-lb-add a lb0
      vif_add w1 p1; vif_add w2 p2; ovn-nbctl --wait=hv sync; kill $(cat $DIR/w1/controller.pid); sleep 1`);
    const socket = join(cloud.dir, "w1/br-int.mgmt");
    renameSync(socket, `${socket}.real`);
    const recorder = await Recorder.between(socket, `${socket}.real`);
    const said = async (side: Side) => {
      // A controller of ours takes over the flows that are there.
      const script = `. test/reference/cloud.sh
        for what in flows groups meters; do ovs-ofctl -OOpenFlow15 del-$what ${socket}.real; done
        daemon $DIR/w1 controller ${programsOf(side)}/ovn-controller unix:$DIR/w1/db.sock
        ovn-nbctl --wait=hv sync; ovn-nbctl --may-exist lsp-add a p3 -- lsp-set-addresses p3 "50:54:00:00:00:03 10.0.0.3"; vif_add w1 p3
        ovn-nbctl --wait=hv sync; vif_send w1 p1 ffffffffffff5054000000010806000108000604000150540000000${"1"}0a0000010000000000000a0000fe
        sleep 1; hv_do w1 ovs-vsctl del-port p3; ovn-nbctl lsp-del p3; ovn-nbctl --wait=hv sync
        kill $(cat $DIR/w1/controller.pid); sleep 2`;
      await run("bash", ["-c", script], { env: cloud.env, timeout: 100_000 });
      return recorder.take().filter(({ from }) => from === "client");
    };
    const wanted = await said("reference");
    const got = await said("weft");
    await recorder.close();
    renameSync(`${socket}.real`, socket);
    for (const all of [wanted, got]) expect(all.length).toBeGreaterThan(200);
    expect(unfounded(["ovn-controller"], [got], [wanted])).toEqual([]);
  } finally {
    cloud.stop(true);
  }
});
