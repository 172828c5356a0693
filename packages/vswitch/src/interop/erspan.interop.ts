/** Mirrored frames in ERSPAN: what both switches send, and what they make of what comes to them. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { udp } from "./datagrams.ts";
import { Pair } from "./pair.ts";

let pair: Pair;

const TUNNELS = {
  9: "erspan options:remote_ip=10.9.0.3 options:key=10 options:erspan_ver=1 options:erspan_idx=0x12345",
  10: "erspan options:remote_ip=10.9.0.3 options:key=1023 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=0x7",
} as const;

beforeAll(async () => {
  pair = await Pair.start();
  for (const one of [pair.reference, pair.ours]) {
    await one.appctl("netdev-dummy/ip4addr", "br0", "10.9.0.1/24");
    await one.appctl("tnl/neigh/set", "br0", "10.9.0.3", "02:00:00:00:00:03");
    for (const [number, type] of Object.entries(TUNNELS))
      await one.vsctl(...`add-port br0 e${number} -- set interface e${number} ofport_request=${number} type=${type}`.split(" "));
  }
  await pair.flows(
    "in_port=1,actions=output:9",
    "in_port=2,actions=output:10",
    "in_port=LOCAL,actions=output:3",
    "in_port=4,actions=LOCAL",
    "in_port=9,tun_id=10,tun_erspan_ver=1,tun_erspan_idx=0x12345,tun_src=10.9.0.3,actions=output:1",
    "in_port=10,tun_id=1023,tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=0x7,actions=output:2",
  );
});

afterAll(() => pair.stop());

/** Offsets in hexadecimal digits: behind Ethernet, IPv4 and GRE's first word. */
const SEQUENCE = 2 * (14 + 20 + 4);
const TIMESTAMP = SEQUENCE + 2 * 8;

/** An outgoing frame without what each switch counts for itself. */
const plain = (frame: string, version: number): string => {
  const counted = frame.slice(0, SEQUENCE) + "seq=----" + frame.slice(SEQUENCE + 8);
  return version === 1 ? counted : `${counted.slice(0, TIMESTAMP)}time=---${counted.slice(TIMESTAMP + 8)}`;
};

/** The frame as it would come back: addresses of Ethernet and IPv4 change places. */
function back(frame: string): string {
  const bytes = Buffer.from(frame, "hex");
  const swap = (at: number, length: number): void => {
    const first = Buffer.from(bytes.subarray(at, at + length));
    bytes.copy(bytes, at, at + length, at + 2 * length);
    first.copy(bytes, at + length);
  };
  swap(0, 6);
  swap(26, 4);
  return bytes.toString("hex");
}

it.each([
  [1, 1],
  [2, 2],
])("what is mirrored in at port %i goes out in version %i and is taken out again", async (port, version) => {
  const packet = udp("10.0.0.1", 1, "10.0.0.2", 2);
  const sent = await pair.receive(port, packet);
  const frames = [sent.reference, sent.ours].map(([first]) => first!.replace(/^p3:/, ""));
  expect(plain(frames[1]!, version)).toBe(plain(frames[0]!, version));
  for (const frame of frames) {
    const taken = await pair.receiveFrame(4, back(frame));
    expect(taken.ours).toEqual(taken.reference);
    expect(taken.ours).toHaveLength(1);
    expect(taken.ours[0]).toMatch(new RegExp(`^p${port}:`));
  }
});

it.each([
  ["another version than its type", (hex: string) => hex.slice(0, SEQUENCE + 8) + "3" + hex.slice(SEQUENCE + 9)],
  ["an end within its header", (hex: string) => hex.slice(0, SEQUENCE + 12)],
  ["a session that nobody has", (hex: string) => hex.slice(0, SEQUENCE + 12) + "0001" + hex.slice(SEQUENCE + 16)],
])("a frame with %s goes nowhere", async (_, spoil) => {
  const { reference } = await pair.receive(1, udp("10.0.0.1", 1, "10.0.0.2", 2));
  const taken = await pair.receiveFrame(4, spoil(back(reference[0]!.replace(/^p3:/, ""))), 0);
  expect(taken.ours).toEqual(taken.reference);
  expect(taken.ours).toEqual([]);
});

const relays = {
  "ERSPAN's fields": {
    type: "erspan options:erspan_ver=flow",
    sets: [
      "5->tun_id,set_field:1->tun_erspan_ver,set_field:7->tun_erspan_idx",
      "6->tun_id,set_field:1->tun_erspan_ver,set_field:7->tun_erspan_idx",
      "6->tun_id,set_field:1->tun_erspan_ver,set_field:8->tun_erspan_idx",
      "6->tun_id,set_field:2->tun_erspan_ver,set_field:1->tun_erspan_dir",
      "6->tun_id,set_field:2->tun_erspan_ver,set_field:1->tun_erspan_hwid",
    ],
  },
  "Geneve's options": {
    type: "geneve",
    sets: [
      "5->tun_id,set_field:7->tun_metadata0",
      "6->tun_id,set_field:7->tun_metadata0",
      "6->tun_id,set_field:8->tun_metadata0",
      "6->tun_id",
    ],
  },
};

it.each(Object.entries(relays))(
  "%s and keys go from one tunnel into another as each frame has them",
  async (_, { type, sets }) => {
    const add = (number: number, remote: string) =>
      `add-port br0 e${number} -- set interface e${number} ofport_request=${number} type=${type} options:remote_ip=${remote} options:key=flow`;
    for (const one of [pair.reference, pair.ours]) {
      await one.vsctl(...`${add(30, "10.9.0.3")} -- ${add(31, "10.9.0.4")}`.split(" "));
      await one.appctl("tnl/neigh/set", "br0", "10.9.0.4", "02:00:00:00:00:04");
      await one.ofctl("del-tlv-map", "br0");
      await one.ofctl("add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0");
    }
    const relay = ["in_port=LOCAL,actions=output:3", "in_port=4,actions=LOCAL", "in_port=30,actions=output:31"];
    const frames: string[] = [];
    for (const set of sets) {
      await pair.flows(`in_port=1,actions=set_field:${set},output:30`, ...relay);
      const { reference } = await pair.receive(1, udp("10.0.0.1", 1, "10.0.0.2", 2));
      frames.push(back(reference[0]!.replace(/^p3:/, "")));
    }
    // Of UDP the source port is whatever each makes of the frame; ERSPAN's versions have Ethernet types of their own.
    const told = (text: string) =>
      type === "geneve" ? text.slice(SEQUENCE) : plain(text, text.slice(SEQUENCE - 4, SEQUENCE) === "88be" ? 1 : 2);
    const relayed = { reference: [] as string[], ours: [] as string[] };
    for (const frame of frames) {
      // The reference sends what differs in these fields alone as it sent what came first, unless it starts anew.
      await pair.reference.appctl("revalidator/purge");
      const sent = await pair.receiveFrame(4, frame);
      for (const side of ["reference", "ours"] as const) relayed[side].push(told(sent[side][0]!.replace(/^p3:/, "")));
    }
    expect(relayed.ours).toEqual(relayed.reference);
    expect(new Set(relayed.ours).size).toBe(sets.length);
    for (const one of [pair.reference, pair.ours]) await one.vsctl("del-port", "e30", "--", "del-port", "e31");
  },
);

it("options are refused, shown and made headers of alike", async () => {
  const types = {
    11: "ip6erspan options:remote_ip=fd00::9 options:key=12 options:erspan_ver=1 options:erspan_idx=5",
    12: "erspan options:remote_ip=10.9.0.3",
    13: "erspan options:remote_ip=10.9.0.3 options:key=1024 options:erspan_ver=1",
    14: "erspan options:remote_ip=10.9.0.3 options:key=14 options:erspan_ver=flow options:erspan_idx=flow",
    15: "erspan options:remote_ip=10.9.0.3 options:key=15 options:erspan_ver=2",
    16: "erspan options:remote_ip=10.9.0.3 options:key=16 options:erspan_ver=3",
    17: "erspan options:remote_ip=10.9.0.3 options:key=17 options:erspan_ver=1 options:erspan_idx=0x100000",
    18: "erspan options:remote_ip=10.9.0.3 options:key=18 options:erspan_ver=2 options:erspan_hwid=0x40",
    19: "ip6gre options:remote_ip=fd00::9 options:key=9",
  };
  const told: string[][] = [];
  for (const one of [pair.reference, pair.ours]) {
    const lines: string[] = [];
    await one.appctl("netdev-dummy/ip6addr", "br0", "fd00::1/64");
    await one.appctl("tnl/neigh/set", "br0", "fd00::9", "02:00:00:00:00:09");
    for (const [number, type] of Object.entries(types)) {
      const add = `--no-wait add-port br0 e${number} -- set interface e${number} ofport_request=${number} type=${type}`;
      await one.vsctl(...add.split(" "));
      await one.vsctl("wait-until", "interface", `e${number}`, "ofport!=[]");
      lines.push(await one.vsctl("get", "interface", `e${number}`, "error"));
    }
    for (const number of [9, 10, 11, 12, 13, 15, 19]) {
      await one.ofctl("add-flow", "br0", `in_port=3,actions=output:${number}`);
      const trace = await one.appctl("ofproto/trace", "br0", "in_port=3,ip");
      lines.push(/^Datapath actions: .*$/m.exec(trace)![0].replace(/tnl_port\(\d+\)|out_port\(\d+\)/g, "PORT"));
    }
    const show = await one.appctl("dpif/show");
    lines.push(
      ...show
        .split("\n")
        .filter((line) => line.includes("erspan") || line.includes("gre"))
        .map((line) => line.replace(/\/\d+:/, ":")),
    );
    told.push(lines);
  }
  expect(told[1]).toEqual(told[0]);
  expect(told[0]!.filter((line) => line.includes("erspan(ver="))).toHaveLength(4);
});

it("GRE beside ERSPAN at one address is told apart, which the reference does not do", async () => {
  const { ours } = pair;
  await ours.vsctl(
    ..."add-port br0 g20 -- set interface g20 ofport_request=20 type=gre options:remote_ip=10.9.0.3 options:key=20".split(" "),
  );
  await ours.ofctl("add-flow", "br0", "in_port=1,actions=output:20");
  await ours.ofctl("add-flow", "br0", "in_port=20,actions=output:2");
  await ours.ofctl("add-flow", "br0", "in_port=LOCAL,actions=output:3");
  const sent = await pair.receive(1, udp("10.0.0.1", 1, "10.0.0.2", 2));
  const taken = await pair.receiveFrame(4, back(sent.ours[0]!.replace(/^p3:/, "")), 0);
  expect(taken.ours).toEqual([expect.stringMatching(/^p2:/)]);
});
