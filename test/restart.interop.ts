/**
 * A controller that is stopped and started again while packets flow, each of them new to the switch: none is lost, on the
 * reference's switch and on ours, and none of the flows is touched.
 */
import { emit, find, parseIpv4, parseMac, toHex } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Side } from "./reference/cloud.ts";

linkPrograms();

const { clock } = nodeRuntime();
const PORTS = 60;
/** Between two packets (ms). */
const PACE = 5;

const mac = (network: number, port: number) => `50:54:00:00:0${network}:${(port + 1).toString(16).padStart(2, "0")}`;
const ports = [0, 1].flatMap((network) =>
  Array.from({ length: PORTS }, (_, i) => ({
    network,
    name: `n${network}p${i}`,
    mac: mac(network, i),
    ip: `10.0.${network}.${i + 1}`,
  })),
);

/** Two switches on a router, with port security, and a group with ACLs over an address set. */
const NETWORK = [
  "cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24",
  "ovn-nbctl ls-add n0 -- ls-add n1 -- lr-add r",
  ...[0, 1].map(
    (n) => `ovn-nbctl lrp-add r r${n} 50:54:00:00:0${n}:fe 10.0.${n}.254/24 -- lsp-add-router-port n${n} n${n}-r r${n}`,
  ),
  `ovn-nbctl ${ports
    .map(
      ({ network, name, mac, ip }) =>
        `lsp-add n${network} ${name} -- lsp-set-addresses ${name} "${mac} ${ip}" -- lsp-set-port-security ${name} "${mac} ${ip}"`,
    )
    .join(" -- ")}`,
  `ovn-nbctl pg-add group ${ports.map(({ name }) => name).join(" ")}`,
  `ovn-nbctl create address_set name=set addresses=${ports.map(({ ip }) => ip).join(",")}`,
  `ovn-nbctl acl-add group to-lport 1001 'outport == @group && ip4.src == $set && udp.dst == {7, 9}' allow-related \\
    -- acl-add group to-lport 1000 'outport == @group && ip' drop`,
  `hv_do w1 ovs-vsctl ${ports
    .map(
      ({ name }) =>
        `-- add-port br-int ${name} -- set interface ${name} external_ids:iface-id=${name} options:tx_pcap=$DIR/w1/${name}-tx.pcap`,
    )
    .join(" ")}`,
  "ovn-nbctl --wait=hv sync",
].join("\n");

const START = 'daemon $DIR/w1 controller "$(prog CONTROLLER ovn-controller)" unix:$DIR/w1/db.sock';

/** A UDP packet from the first port of one network to the first of the other, through the router. */
function packet(number: number): string {
  return toHex(
    emit([
      { kind: "ethernet", dst: parseMac("50:54:00:00:00:fe")!, src: parseMac(ports[0]!.mac)! },
      { kind: "ipv4", src: parseIpv4(ports[0]!.ip)!, dst: parseIpv4(ports[PORTS]!.ip)!, ttl: 64 },
      { kind: "udp", srcPort: 1024 + number, dstPort: 7 },
      { kind: "payload", bytes: new Uint8Array(18) },
    ]),
  );
}

const OFCTL = "hv_do w1 ovs-ofctl -O OpenFlow15";

/** The flows without what changes by itself, sorted. */
function flowsOf(cloud: Cloud): string[] {
  const dump = cloud.run(`${OFCTL} --no-stats dump-flows unix:$DIR/w1/br-int.mgmt`);
  return dump
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.includes("actions="))
    .sort();
}

/** The flows with how long they have been there (s). */
function flowAges(cloud: Cloud): number[] {
  const dump = cloud.run(`${OFCTL} dump-flows unix:$DIR/w1/br-int.mgmt | grep -o 'duration=[0-9.]*'`);
  return [...dump.matchAll(/duration=([\d.]+)/g)].map((match) => Number(match[1]));
}

function cloudOf(controller: Side, vswitchd: Side): Cloud {
  return new Cloud({ ...allReference, CONTROLLER: controller, VSWITCHD: vswitchd });
}

async function restart(controller: Side, vswitchd: Side): Promise<{ sent: number; lost: number; touched: number }> {
  const cloud = cloudOf(controller, vswitchd);
  try {
    cloud.run(NETWORK);
    const flows = flowAges(cloud).length;
    expect(flows).toBeGreaterThan(5000);
    const arrived = () => cloud.capture("w1", ports[PORTS]!.name).filter((layers) => find(layers, "udp")?.dstPort === 7).length;
    const vswitch = cloud.control("w1/vswitchd");
    let sent = 0;
    let going = true;
    const stream = (async () => {
      for (const begin = clock.now(); going; await clock.sleep(Math.max(0, begin + sent * PACE - clock.now())))
        await vswitch.call("netdev-dummy/receive", ports[0]!.name, packet(sent++));
    })();
    await clock.sleep(500);
    await cloud.control("w1/controller").call("exit", "--restart");
    const stopped = clock.now();
    await clock.sleep(500);
    await cloud.background(START);
    await cloud.background("ovn-nbctl --wait=hv sync");
    await clock.sleep(500);
    going = false;
    await stream;
    for (const end = clock.now() + 3000; clock.now() < end && arrived() < sent; ) await clock.sleep(100);
    const since = (clock.now() - stopped) / 1000;
    return { sent, lost: sent - arrived(), touched: flowAges(cloud).filter((age) => age < since).length };
  } finally {
    cloud.stop(true);
  }
}

test.each<[Side, Side]>([
  ["weft", "reference"],
  ["weft", "weft"],
  ["reference", "reference"],
])("the %s controller on the %s switch", { timeout: 120_000 }, async (controller, vswitchd) => {
  const { sent, lost, touched } = await restart(controller, vswitchd);
  process.stdout.write(`${controller} on ${vswitchd}: ${lost} of ${sent} packets lost, ${touched} flows touched\n`);
  expect(sent).toBeGreaterThan(200);
  expect(lost).toBe(0);
  if (controller === "weft") expect(touched).toBe(0);
});

/** What somebody may do to the flows by hand: a table lost, all actions of another wrong, single flows wrong in each part. */
function tamper(cloud: Cloud, flows: readonly string[]): void {
  const bridge = "unix:$DIR/w1/br-int.mgmt";
  const of = (table: number, number: number) => flows.filter((flow) => flow.includes(`table=${table},`))[number]!;
  const parts = (flow: string) => ({
    match: flow.replace(/^cookie=\w+, /, "").replace(/ actions=.*$/, ""),
    cookie: /cookie=(\w+)/.exec(flow)![1]!,
    actions: flow.replace(/^.* actions=/, ""),
  });
  const [recooked, redirected] = [parts(of(75, 3)), parts(of(75, 7))];
  for (const command of [
    `del-flows ${bridge} table=74`,
    `mod-flows ${bridge} "table=73 actions=resubmit(,9)"`,
    `add-flow ${bridge} "cookie=0x1234,${recooked.match} actions=${recooked.actions}"`,
    `add-flow ${bridge} "cookie=${redirected.cookie},${redirected.match} actions=drop"`,
    `add-flow ${bridge} "table=40,priority=77,ip actions=resubmit(,41)"`,
  ])
    cloud.run(`${OFCTL} ${command}`);
}

test("flows that somebody altered while the controller was down are put right, and those that nobody asks for go", {
  timeout: 120_000,
}, async () => {
  const cloud = cloudOf("weft", "reference");
  try {
    cloud.run(NETWORK);
    const before = flowsOf(cloud);
    await cloud.control("w1/controller").call("exit", "--restart");
    tamper(cloud, before);
    const altered = new Set(flowsOf(cloud));
    expect(before.filter((flow) => !altered.has(flow)).length).toBeGreaterThan(PORTS);
    expect([...altered].filter((flow) => !before.includes(flow)).length).toBeGreaterThan(PORTS);
    await cloud.background(START);
    await cloud.background("ovn-nbctl --wait=hv sync");
    const after = flowsOf(cloud);
    const [wanted, found] = [new Set(before), new Set(after)];
    expect(before.filter((flow) => !found.has(flow))).toEqual([]);
    expect(after.filter((flow) => !wanted.has(flow))).toEqual([]);
  } finally {
    cloud.stop(true);
  }
});
