/**
 * BFD between the switches of two hypervisors (ovs-vswitchd.conf.db(5), "Bidirectional Forwarding Detection"): ours beside the
 * reference's, the reference's beside the reference's, and one of each. Told of a session is what the reference tells.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bfd, decode, find, type Header, headers, type Layer, readCapture, type Udp } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, programsOf, type Side } from "./reference/cloud.ts";

linkPrograms();

const { clock } = nodeRuntime();
/** The two switches of each pair; the first is the one looked at. */
const pairs: readonly (readonly [Side, Side])[] = [
  ["reference", "reference"],
  ["weft", "weft"],
  ["weft", "reference"],
  ["reference", "weft"],
];

/** Two switches with a Geneve tunnel between them, without controllers. */
class Pair {
  readonly cloud: Cloud;

  constructor([a, b]: readonly [Side, Side]) {
    this.cloud = new Cloud(allReference);
    // The controllers of hv_add have no Southbound to go to and are ended.
    const hypervisor = (name: string, side: Side, i: number, peer: number) => `
      VSWITCHD=${programsOf(side)} hv_add ${name} n1 10.9.0.${i}/24; kill $(cat $DIR/${name}/controller.pid)
      hv_do ${name} ovs-vsctl set Interface phys-n1 options:tx_pcap=$DIR/${name}/phys-tx.pcap -- add-port br-int tun \\
        -- set interface tun type=geneve options:remote_ip=10.9.0.${peer} options:key=flow options:csum=true`;
    this.cloud.run(`net_add n1 ${hypervisor("a", a, 1, 2)} ${hypervisor("b", b, 2, 1)}
      underlay_warm`);
  }

  vsctl(node: string, text: string): string {
    return this.cloud.run(`hv_do ${node} ovs-vsctl ${text}`);
  }

  appctl(node: string, text: string): string {
    return this.cloud.run(`hv_do ${node} ovs-appctl ${text} 2>&1 || true`);
  }

  status(node: string): string {
    return this.vsctl(node, "get interface tun bfd_status").trim();
  }

  async until(node: string, states: string): Promise<string> {
    for (let tries = 0; tries < 100 && !this.status(node).includes(states); tries++) await clock.sleep(100);
    return this.status(node);
  }

  /** Control packets that a node has sent, decoded. */
  sent(node: string): Layer[][] {
    const frames = readCapture(readFileSync(join(this.cloud.dir, node, "phys-tx.pcap")));
    return frames.map(({ bytes }) => decode(bytes)).filter((layers) => find(layers, "bfd") !== undefined);
  }
}

/** The text of bfd/show without times and what is drawn at random. */
function plain(text: string): string {
  return text.replace(/now [+-]\d+ms/g, "now").replace(/0x[0-9a-f]{2,}/g, "DISC");
}

const opened: Pair[] = [];

beforeAll(() => {
  for (const pair of pairs) opened.push(new Pair(pair));
});

afterAll(() => {
  for (const { cloud } of opened) cloud.stop(true);
});

/** What each pair says, which is what the first says. */
async function same(run: (pair: Pair) => Promise<unknown>): Promise<unknown> {
  const results = await Promise.all(opened.map(run));
  for (const [i, result] of results.entries()) expect([pairs[i], result]).toEqual([pairs[i], results[0]]);
  return results[0];
}

test("commands without a session", async () => {
  const commands = [
    "bfd/show",
    "bfd/show tun",
    "bfd/set-forwarding true",
    "bfd/set-forwarding tun true",
    "bfd/set-forwarding maybe",
  ];
  await same(async (pair) => commands.map((text) => pair.appctl("a", text).replace(/\/.*ctl: /, "")));
});

test("a session comes up", async () => {
  const enable = "set interface tun bfd:enable=true bfd:check_tnl_key=true bfd:min_tx=200 bfd:min_rx=300";
  for (const pair of opened) pair.vsctl("a", enable);
  expect(await same((pair) => pair.until("a", " state=down"))).toContain("state=down");
  await clock.sleep(1500);
  for (const pair of opened) pair.vsctl("b", enable);
  expect(await same((pair) => pair.until("a", "remote_state=up, state=up"))).toContain(" state=up");
  await same((pair) => pair.until("b", "remote_state=up, state=up"));
  await clock.sleep(1000);
  expect(await same(async (pair) => plain(pair.appctl("a", "bfd/show")))).toContain("Approx 300ms");
  await same(async (pair) => plain(pair.appctl("a", "bfd/show tun")));
});

/** What a node's packets say, each once, without discriminators and what else is drawn at random. */
function sayings(frames: readonly (readonly Layer[])[]): Set<string> {
  return new Set(
    frames.map((layers) => {
      // Behind the Geneve header: Ethernet, IPv4, UDP, BFD.
      const [ethernet, ip, udp, bfd] = headers(layers.slice(-4)) as [Header, Header, Udp, Bfd];
      const plain = { ...bfd, myDiscriminator: bfd.myDiscriminator !== 0, yourDiscriminator: bfd.yourDiscriminator !== 0 };
      return JSON.stringify([{ ...ethernet, src: undefined }, ip, { ...udp, srcPort: udp.srcPort >= 49152 }, plain]);
    }),
  );
}

test("packets of a session that comes up", async () => {
  // Who hears first goes through init; down without and with a known peer, and up, are what everybody says.
  const never = (said: string) =>
    !said.includes('"state":2') &&
    !said.includes('"state":1,"flags":0,"detectMultiplier":3,"myDiscriminator":true,"yourDiscriminator":true');
  const said = (await same(async (pair) => [...sayings(pair.sent("a"))].filter(never))) as string[];
  expect(said).toHaveLength(2);
});

test("the cached flow of BFD packets", async () => {
  await same(async (pair) => {
    const flows = pair
      .appctl("a", "dpctl/dump-flows")
      .split("\n")
      .filter((line) => line.includes("slow_path"));
    return flows.map((line) =>
      line
        .replace(/, packets:.*, actions/, ", actions")
        .replace(/pid=\d+/, "pid")
        .replace("geneve(),", ""),
    );
  });
});

test("another interval is agreed on by a poll sequence", async () => {
  for (const pair of opened) pair.vsctl("a", "set interface tun bfd:min_tx=500 bfd:min_rx=700 bfd:mult=4");
  await clock.sleep(3000);
  await same(async (pair) => plain(pair.appctl("a", "bfd/show tun")));
  expect(await same(async (pair) => plain(pair.appctl("b", "bfd/show tun")))).toContain("TX Interval: Approx 700ms");
});

test("a path that ends beyond a switch", async () => {
  for (const pair of opened) pair.vsctl("b", "set interface tun bfd:cpath_down=true");
  await clock.sleep(2000);
  expect(await same(async (pair) => pair.status("a"))).toContain('forwarding="false"');
  await same(async (pair) => pair.status("b"));
  for (const pair of opened) pair.vsctl("b", "set interface tun bfd:cpath_down=false");
  await clock.sleep(2000);
  expect(await same(async (pair) => pair.status("a"))).toContain('flap_count="3"');
});

test("forwarding as the operator says", async () => {
  for (const word of ["false", "true", "normal"]) {
    for (const pair of opened) pair.appctl("a", `bfd/set-forwarding tun ${word}`);
    await clock.sleep(500);
    await same(async (pair) => [pair.status("a"), plain(pair.appctl("a", "bfd/show tun"))]);
  }
});

test("a peer that dies is noticed in time, and comes back", async () => {
  const times: number[] = [];
  for (const [i, pair] of opened.entries()) {
    process.kill(pair.cloud.pid("b/vswitchd"), "SIGKILL");
    const begin = clock.now();
    await pair.until("a", " state=down");
    times[i] = clock.now() - begin;
  }
  expect(await same(async (pair) => [pair.status("a"), plain(pair.appctl("a", "bfd/show tun"))])).toContain(
    '{diagnostic="Control Detection Time Expired", flap_count="4", forwarding="false", remote_diagnostic="No Diagnostic", remote_state=down, state=down}',
  );
  // Three times the 700 ms that were agreed on, and what looking takes.
  for (const time of times) expect(time).toBeLessThan(3 * 700 + 1500);
  for (const [i, { cloud }] of opened.entries()) {
    cloud.run(`rm -f $DIR/b/vswitchd.{pid,ctl}
      switch_daemon $DIR/b ${programsOf(pairs[i]![1])}/ovs-vswitchd
      hv_do b ovs-appctl netdev-dummy/ip4addr br-phys 10.9.0.2/24 >/dev/null; hv_do b ovs-appctl ovs/route/add 10.9.0.2/24 br-phys
      endpoints=(a,10.9.0.1 b,10.9.0.2); underlay_warm`);
  }
  expect(await same(async (pair) => pair.until("a", "remote_state=up, state=up"))).toContain(
    'diagnostic="Control Detection Time Expired"',
  );
});

test("without BFD nothing is told", async () => {
  for (const pair of opened) pair.vsctl("a", "clear interface tun bfd");
  await clock.sleep(500);
  expect(await same(async (pair) => [pair.status("a"), pair.appctl("a", "bfd/show")])).toEqual(["{}", ""]);
});
