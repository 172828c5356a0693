/**
 * BFD's options and numbers in the reference's switch and in ours: two ports of one switch that are each other's peers, and a peer
 * that says what no switch would.
 */
import { readFileSync } from "node:fs";
import { type Bfd, decode, emit, find, macOf, parseIpv4, readCapture, toHex } from "@weft/packet";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addBridge, startOurs, startReference, type TestSwitch } from "./switches.ts";

let switches: readonly TestSwitch[];

const SECOND = 1000;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  switches = await Promise.all([startReference(), startOurs()]);
  await all(async (one) => {
    await addBridge(one);
    await one.vsctl("remove", "port", "p3", "tag", "10");
    const link = (name: string, end: string) => `add-port br0 ${name} -- set interface ${name} type=dummy options:${end}`;
    await one.vsctl(...link("x1", `pstream=punix:${one.dir}/x.sock`).split(" "));
    await one.vsctl(...link("x2", `stream=unix:${one.dir}/x.sock`).split(" "));
  });
});

afterAll(() => Promise.all(switches.map((one) => one.stop())));

/** The same with both at once; what they answer, the reference first. */
function all<T>(run: (one: TestSwitch) => Promise<T>): Promise<T[]> {
  return Promise.all(switches.map(run));
}

/** Both give the same, which is returned. */
async function same<T>(run: (one: TestSwitch) => Promise<T>): Promise<T> {
  const [reference, ours] = await all(run);
  expect(ours).toEqual(reference);
  return reference as T;
}

/** The line of bfd/show on one subject. */
async function shown(one: TestSwitch, port: string, subject: string): Promise<string> {
  const text = await one.appctl("bfd/show", port);
  return text.split("\n").find((line) => line.includes(`${subject}:`)) ?? text;
}

const until = async (one: TestSwitch, port: string, subject: string, value: string): Promise<string> => {
  for (let tries = 0; tries < 80 && !(await shown(one, port, subject)).endsWith(` ${value}`); tries++) await sleep(50);
  return shown(one, port, subject);
};

/** What a peer beyond `port` says. */
async function say(one: TestSwitch, port: string, changes: Partial<Bfd>): Promise<void> {
  const own = Number.parseInt((await shown(one, port, "Local Discriminator")).replace(/.*0x/, ""), 16);
  const frame = emit([
    { kind: "ethernet", dst: macOf(0x002320000001), src: macOf(0x020000000077) },
    { kind: "ipv4", src: parseIpv4("169.254.1.1")!, dst: parseIpv4("169.254.1.0")!, ttl: 255 },
    { kind: "udp", srcPort: 49200, dstPort: 3784 },
    {
      kind: "bfd",
      diagnostic: 0,
      state: 1,
      flags: 0,
      detectMultiplier: 20,
      myDiscriminator: 0x77,
      yourDiscriminator: own,
      desiredMinTx: 500_000,
      requiredMinRx: 600_000,
      requiredMinEchoRx: 0,
      ...changes,
    },
  ]);
  await one.appctl("netdev-dummy/receive", port, toHex(frame));
}

/** Control packets that left by a port. */
function sent(one: TestSwitch, port: string): Bfd[] {
  const frames = readCapture(readFileSync(`${one.dir}/${port}.pcap`)).map(({ bytes }) => decode(bytes));
  return frames.flatMap((layers) => find(layers, "bfd") ?? []);
}

it.each([
  [1999, 1999],
  [500, 500],
  [0, 0],
  [1_000_000, 1_000_001],
])("intervals of %i and %i µs are whole milliseconds", async (desiredMinTx, requiredMinRx) => {
  await all(async (one) => {
    await one.vsctl("set", "interface", "p1", "bfd:enable=true", "bfd:min_tx=100");
    await say(one, "p1", { desiredMinTx, requiredMinRx });
  });
  const subjects = ["Remote Minimum TX Interval", "Remote Minimum RX Interval", "TX Interval", "RX Interval"];
  await same((one) => Promise.all(subjects.map((subject) => shown(one, "p1", subject))));
});

it("a peer that wants nothing is sent nothing, which the reference does all the same", async () => {
  const counts = await all(async (one) => {
    for (const state of [1, 2] as const) await say(one, "p1", { state, requiredMinRx: 0 });
    expect(await shown(one, "p1", "Local Session State")).toContain("up");
    const before = sent(one, "p1").length;
    await sleep(SECOND);
    return sent(one, "p1").length - before;
  });
  expect(counts).toEqual([expect.toSatisfy((count: number) => count > 0), 0]);
  await all((one) => one.vsctl("clear", "interface", "p1", "bfd"));
});

it("an idle interface is content with decay_min_rx until something comes in", async () => {
  const x1 = (...changes: string[]) => all((one) => one.vsctl("set", "interface", "x1", ...changes));
  await all((one) => one.vsctl("set", "interface", "x2", "bfd:enable=true", "bfd:min_tx=200", "bfd:min_rx=300"));
  await x1("bfd:enable=true", "bfd:min_tx=200", "bfd:min_rx=300", "bfd:decay_min_rx=1000");
  const minRx = (value: string) => same((one) => until(one, "x1", "Local Minimum RX Interval", value));
  expect(await minRx("1000ms")).toContain("1000ms");
  expect(await same((one) => until(one, "x2", "TX Interval", "1000ms"))).toContain("1000ms");
  const busy = all(async (one) => {
    await one.ofctl("add-flow", "br0", "in_port=p2,actions=output:x2");
    for (let sends = 0; sends < 50; sends++) {
      await one.appctl(
        "netdev-dummy/receive",
        "p2",
        ...Array.from({ length: 5 }, () => "ffffffffffff02000000000208060001".padEnd(120, "0")),
      );
      await sleep(60);
    }
  });
  expect(await minRx("300ms")).toContain("300ms");
  await busy;
  expect(await minRx("1000ms")).toContain("1000ms");
  // Another value begins anew, with min_rx, and so does a session that has fallen.
  await x1("bfd:decay_min_rx=900");
  expect(await minRx("300ms")).toContain("300ms");
  expect(await minRx("900ms")).toContain("900ms");
  await all((one) => one.vsctl("set", "interface", "x2", "bfd:enable=false"));
  expect(await same((one) => until(one, "x1", "Local Session State", "down"))).toContain("down");
  expect(await same((one) => shown(one, "x1", "Local Minimum RX Interval"))).toContain("300ms");
});

it("packets in a Geneve tunnel are marked as those of its ends with oam alone", async () => {
  await all(async (one) => {
    await one.appctl("netdev-dummy/ip4addr", "br0", "10.9.0.1/24");
    await one.appctl("tnl/neigh/set", "br0", "10.9.0.3", "02:00:00:00:00:03");
    await one.ofctl("add-flow", "br0", "in_port=LOCAL,actions=output:3");
    const type = "type=geneve options:remote_ip=10.9.0.3 options:key=flow bfd:enable=true";
    await one.vsctl(...`add-port br0 tun -- set interface tun ${type}`.split(" "));
  });
  /** The second byte of Geneve headers sent from now on. */
  const marks = async (one: TestSwitch): Promise<Set<string>> => {
    const frames = (): string[] => readCapture(readFileSync(`${one.dir}/p3.pcap`)).map(({ bytes }) => toHex(bytes));
    const before = frames().length;
    await sleep(1.5 * SECOND);
    return new Set(
      frames()
        .slice(before)
        .map((frame) => frame.slice(2 * 43, 2 * 44)),
    );
  };
  expect(await same(marks)).toEqual(new Set(["00"]));
  await all((one) => one.vsctl("set", "interface", "tun", "bfd:oam=true"));
  expect(await same(marks)).toEqual(new Set(["80"]));
  await all((one) => one.vsctl("clear", "interface", "tun", "bfd"));
});

it("flows mark packets, and marks go on from tunnel to tunnel", async () => {
  const tun = await same((one) => one.vsctl("get", "interface", "tun", "ofport"));
  await all((one) => one.ofctl("add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0"));
  const actions = async (flow: string, packet: string) => {
    await all((one) => one.ofctl("add-flow", "br0", flow));
    return same(async (one) => {
      const text = await one.appctl("ofproto/trace", "br0", packet);
      return /^Datapath actions: .*$/m
        .exec(text)![0]
        .replace(/src=[0-9a-f:]{17}/, "")
        .replace(/out_port\(\d+\)/, "");
    });
  };
  const set = `set_field:1->tun_metadata0,set_field:oam->tun_flags,output:${tun}`;
  expect(await actions(`in_port=1,actions=${set}`, "in_port=1,ip")).toContain("geneve(oam,crit,vni");
  const relayed = await actions(
    `in_port=${tun},actions=in_port`,
    `in_port=${tun},ip,tun_src=10.9.0.3,tun_dst=10.9.0.1,tun_flags=oam`,
  );
  expect(relayed).toContain("geneve(oam,vni");
});

it("a port is live as long as BFD says so", async () => {
  const live = async (one: TestSwitch): Promise<string[]> => {
    const shown = await one.ofctl("-O", "OpenFlow15", "show", "br0");
    return [...shown.matchAll(/\((p[12])\): addr:\S+\s+config: +(\S+)\s+state: +(\S+)/g)].map((found) =>
      found.slice(1).join(" "),
    );
  };
  expect(await same(live)).toEqual(["p1 0 LIVE", "p2 0 LIVE"]);
  await all((one) => one.vsctl("set", "interface", "p1", "bfd:enable=true"));
  expect(await same(live)).toEqual(["p1 0 0", "p2 0 LIVE"]);
  await all(async (one) => {
    for (const state of [1, 2] as const) await say(one, "p1", { state });
  });
  expect(await same(live)).toEqual(["p1 0 LIVE", "p2 0 LIVE"]);
  await all((one) => one.appctl("bfd/set-forwarding", "p1", "false"));
  expect(await same(live)).toEqual(["p1 0 0", "p2 0 LIVE"]);
  await all((one) => one.vsctl("clear", "interface", "p1", "bfd"));
  expect(await same(live)).toEqual(["p1 0 LIVE", "p2 0 LIVE"]);
});
