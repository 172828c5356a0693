/**
 * Our controller on one hypervisor of a reference cloud (databases, northd, switches, and the other hypervisor's
 * controller are the reference's): ports, packets, answers, restart, exit.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReplica, type Replica } from "@weft/ovsdb";
import {
  decode,
  emit,
  type Header,
  headers,
  MAC_BROADCAST,
  MAC_ZERO,
  parseIpv4,
  parseIpv6,
  parseMac,
  readCapture,
  toHex,
} from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { openVSwitch, type VsSchema } from "@weft/schemas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createController, localMonitor } from "./controller.ts";
import type { Controller } from "./types.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const script = join(import.meta.dirname, "../../../test/reference/cloud.sh");
const dir = mkdtempSync(join(tmpdir(), "weft-controller-"));
const env = { ...process.env, DIR: dir, SCHEMAS: join(reference, "share"), PATH: `${reference}/bin:${process.env["PATH"]}` };

function bash(text: string): string {
  const set = "export OVN_NB_DB=unix:$DIR/central/nb.sock OVN_SB_DB=unix:$DIR/central/sb.sock";
  const result = spawnSync("bash", ["-ec", `. ${script}; ${set}; ${text}`], { env, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${text}\n${result.stdout}${result.stderr}`);
  return result.stdout.trim();
}

let ovs: Replica<VsSchema>;
let controller: Controller;

async function start(): Promise<void> {
  const runtime = nodeRuntime();
  ovs = createReplica({ runtime, schema: openVSwitch, remotes: [`unix:${dir}/w1/db.sock`], monitor: localMonitor });
  controller = createController({ runtime, ovs, hostname: "w1", rundir: join(dir, "w1") });
  await controller.start();
}

async function stop(restart: boolean): Promise<void> {
  await controller.stop({ restart });
  await ovs.close();
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for nb_cfg to come back from every chassis, ours included; the event loop goes on meanwhile. */
async function sync(): Promise<void> {
  const { exec } = await import("node:child_process");
  await new Promise<void>((resolve, reject) => {
    const command = "ovn-nbctl --timeout=20 --wait=hv sync";
    exec(command, { env: { ...env, OVN_NB_DB: `unix:${dir}/central/nb.sock` } }, (error) => (error ? reject(error) : resolve()));
  });
}

beforeAll(async () => {
  bash(
    "cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm; kill $(cat $DIR/w1/controller.pid)",
  );
  await start();
  bash(`
    ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" -- lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1" \
      -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2" -- lsp-add a c1 p1 10 -- lsp-set-addresses c1 "50:54:00:00:00:03 10.0.0.3"
    ovn-nbctl ls-add b -- lsp-add b q1 -- lsp-set-addresses q1 "50:54:00:00:01:01 10.0.1.1 fd01::1" -- lsp-add b q2 -- lsp-set-addresses q2 "50:54:00:00:01:02 10.0.1.2" unknown
    ovn-nbctl lr-add r -- lrp-add r ra 50:54:00:00:00:fe 10.0.0.254/24 -- lrp-add r rb 50:54:00:00:01:fe 10.0.1.254/24 fd01::fe/64
    ovn-nbctl lsp-add-router-port a a-r ra -- lsp-add-router-port b b-r rb
    vif_add w1 p1; vif_add w2 p2; vif_add w1 q1; vif_add w2 q2`);
  await sync();
  await pause(300);
});

afterAll(async () => {
  await stop(true);
  // a daemon may end by itself between the look at its pid file and the kill
  bash("cloud_stop || true");
  rmSync(dir, { recursive: true });
});

const mac = (text: string) => parseMac(text)!;
const ip = (text: string) => parseIpv4(text)!;
const [P1, Q1, C1, RA, RB] = ["00:01", "01:01", "00:03", "00:fe", "01:fe"].map((end) => mac(`50:54:00:00:${end}`)) as [
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
];

function received(port: string): Header[][] {
  const node = port.endsWith("2") ? "w2" : "w1";
  const packets = readCapture(new Uint8Array(readFileSync(join(dir, node, `${port}-tx.pcap`))));
  return packets.map((packet) => headers(decode(packet.bytes)));
}

/** Sends a frame from a VIF and returns what came out at another one since. */
async function send(from: string, packet: readonly Header[], at: string): Promise<Header[][]> {
  const before = received(at).length;
  const node = from.endsWith("2") ? "w2" : "w1";
  bash(`vif_send ${node} ${from} ${toHex(emit(packet))}`);
  for (let i = 0; i < 30 && received(at).length === before; i++) await pause(50);
  return received(at).slice(before);
}

const udp: Header[] = [
  { kind: "udp", srcPort: 1, dstPort: 7 },
  { kind: "payload", bytes: Uint8Array.of(1, 2, 3) },
];
const v4 = (src: string, dst: string, ttl = 64): Header => ({ kind: "ipv4", src: ip(src), dst: ip(dst), ttl });

test("the chassis looks like one of the reference's", () => {
  const columns = (name: string) =>
    bash(`ovn-sbctl --format=json --columns=other_config,transport_zones find chassis name=${name}`);
  expect(columns("w1")).toBe(columns("w2"));
});

test("ports are up and their interfaces are marked", () => {
  expect(bash("ovn-sbctl --bare --columns=logical_port find port_binding chassis!=[] up=true").split(/\s+/).sort()).toEqual([
    "c1",
    "p1",
    "p2",
    "q1",
    "q2",
  ]);
  expect(bash("hv_do w1 ovs-vsctl get interface p1 external_ids:ovn-installed")).toBe('"true"');
});

test("a packet to another hypervisor, through a router", async () => {
  const [first] = await send("p1", [{ kind: "ethernet", dst: RA, src: P1 }, v4("10.0.0.1", "10.0.1.2"), ...udp], "q2");
  expect(first).toMatchObject([{ src: RB, dst: mac("50:54:00:00:01:02") }, { ttl: 63 }, {}, {}]);
});

test("a packet from another hypervisor to a container", async () => {
  const [first] = await send(
    "p2",
    [{ kind: "ethernet", dst: C1, src: mac("50:54:00:00:00:02") }, v4("10.0.0.2", "10.0.0.3"), ...udp],
    "p1",
  );
  expect(first?.[1]).toMatchObject({ kind: "vlan", id: 10 });
});

test("a spoofed address goes nowhere", async () => {
  expect(await send("p1", [{ kind: "ethernet", dst: C1, src: P1 }, v4("10.0.0.9", "10.0.0.3"), ...udp], "p1")).toEqual([]);
});

test("the router answers for itself: ARP, TTL exceeded, port unreachable, reset, neighbour discovery", async () => {
  const request: Header = {
    kind: "arp",
    operation: 1,
    senderMac: P1,
    senderIp: ip("10.0.0.1"),
    targetMac: MAC_ZERO,
    targetIp: ip("10.0.0.254"),
  };
  const arp = await send("p1", [{ kind: "ethernet", dst: MAC_BROADCAST, src: P1 }, request], "p1");
  expect(arp[0]?.[1]).toMatchObject({ operation: 2, senderMac: RA });
  const up: Header = { kind: "ethernet", dst: RA, src: P1 };
  const expired = await send("p1", [up, v4("10.0.0.1", "10.0.1.1", 1), ...udp], "p1");
  expect(expired[0]?.[2]).toMatchObject({ kind: "icmp", type: 11, code: 0 });
  const closed = await send("p1", [up, v4("10.0.0.1", "10.0.0.254"), ...udp], "p1");
  expect(closed[0]?.[2]).toMatchObject({ kind: "icmp", type: 3, code: 3 });
  const reset = await send(
    "p1",
    [up, v4("10.0.0.1", "10.0.0.254"), { kind: "tcp", srcPort: 1, dstPort: 2, sequence: 9, flags: 2 }],
    "p1",
  );
  expect(reset[0]?.[2]).toMatchObject({ kind: "tcp", flags: 0x14, acknowledgment: 10 });
  const target = parseIpv6("fd01::fe")!;
  const solicited: Header[] = [
    { kind: "ethernet", dst: mac("33:33:ff:00:00:fe"), src: Q1 },
    { kind: "ipv6", src: parseIpv6("fd01::1")!, dst: parseIpv6("ff02::1:ff00:fe")!, hopLimit: 255 },
    { kind: "nd", type: 135, target, options: [{ option: "source-mac", mac: Q1 }] },
  ];
  expect((await send("q1", solicited, "q1"))[0]?.[2]).toMatchObject({ kind: "nd", type: 136, target, router: true });
});

test("a packet waits while its neighbour is asked for, and arrives when that has answered", async () => {
  const asked = await send("p1", [{ kind: "ethernet", dst: RA, src: P1 }, v4("10.0.0.1", "10.0.1.77"), ...udp], "q2");
  expect(asked[0]?.[1]).toMatchObject({ kind: "arp", operation: 1, targetIp: ip("10.0.1.77") });
  const N = mac("50:54:00:00:01:77");
  const answer: Header = {
    kind: "arp",
    operation: 2,
    senderMac: N,
    senderIp: ip("10.0.1.77"),
    targetMac: RB,
    targetIp: ip("10.0.1.254"),
  };
  const before = received("q2").length;
  bash(`vif_send w2 q2 ${toHex(emit([{ kind: "ethernet", dst: RB, src: N }, answer]))}`);
  for (let i = 0; i < 40 && received("q2").length === before; i++) await pause(50);
  expect(bash("ovn-sbctl --bare --columns=mac find mac_binding ip=10.0.1.77")).toBe("50:54:00:00:01:77");
  expect(received("q2").slice(before)[0]).toMatchObject([{ dst: N }, { kind: "ipv4", dst: ip("10.0.1.77") }, {}, {}]);
});

test("a restart sends the switch nothing", async () => {
  await sync();
  const durations = (): number[] => {
    const dump = execFileSync("ovs-ofctl", ["-O", "OpenFlow15", "dump-flows", "br-int"], {
      env: { ...env, OVS_RUNDIR: join(dir, "w1") },
      encoding: "utf8",
    });
    return [...dump.matchAll(/duration=([\d.]+)s/g)].map((match) => Number(match[1]));
  };
  await stop(true);
  const count = durations().length;
  const since = Date.now();
  await start();
  await sync();
  await pause(300);
  const now = durations();
  expect(now.length).toBe(count);
  expect(Math.min(...now)).toBeGreaterThan((Date.now() - since) / 1000);
});

test("a port that is taken away is released, and taken back when it returns", async () => {
  bash("hv_do w1 ovs-vsctl remove interface q1 external_ids iface-id");
  await pause(500);
  expect(bash("ovn-sbctl --bare --columns=chassis find port_binding logical_port=q1")).toBe("");
  bash("hv_do w1 ovs-vsctl set interface q1 external_ids:iface-id=q1");
  await pause(500);
  expect(bash("ovn-sbctl --bare --columns=up find port_binding logical_port=q1")).toBe("true");
});

test("the commands of the control socket", async () => {
  const run = async (name: string, ...args: string[]): Promise<string> =>
    controller.controlCommands.find((command) => command.name === name)!.run(args);
  expect(await run("connection-status")).toBe("connected\n");
  expect(
    (await run("ct-zone-list"))
      .split("\n")
      .map((line) => line.split(" ")[0])
      .sort(),
  ).toContain("p1");
  expect(await run("debug/dump-local-datapaths")).toMatch(/^Local datapaths:\nDatapath: /);
});
