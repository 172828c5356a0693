/**
 * Connection tracking: UDP through a stateful firewall, from one guest to the other. Packets of one established connection, and
 * packets each of which begins a connection. Driven as in vswitch.ts; and a million connections within our process.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { virtualRuntime } from "@weft/runtime";
import { MemorySwitch } from "@weft/vswitch";
import { median, type Side, Site } from "./daemons.ts";
import type { Result } from "./table.ts";
import { frameOf, startSwitch, through } from "./vswitch.ts";
import { Wire } from "./wire.ts";

const flows = `
table=0,ip,actions=ct(table=1,zone=7)
table=1,in_port=1,ip,ct_state=+trk+new,actions=ct(commit,zone=7),output:2
table=1,in_port=1,ip,ct_state=+trk+est,actions=output:2
table=1,in_port=2,ip,ct_state=+trk+est,actions=output:1
`;

/** The same datagram the other way. */
function replyTo(frame: Uint8Array): Uint8Array {
  const reply = frame.slice();
  const swap = (a: number, b: number, length: number): void => {
    reply.set(frame.subarray(a, a + length), b);
    reply.set(frame.subarray(b, b + length), a);
  };
  swap(0, 6, 6);
  swap(26, 30, 4);
  swap(34, 36, 2);
  return reply;
}

interface Rates {
  readonly established: number;
  readonly opened: number;
}

async function overSockets(side: Side): Promise<Rates> {
  const site = new Site();
  try {
    startSwitch(site, side);
    const file = join(site.dir, "flows");
    writeFileSync(file, flows);
    site.run("reference", "ovs-ofctl", "add-flows", "br-int", file);
    const [one, other] = [await Wire.open(join(site.dir, "vm1.sock")), await Wire.open(join(site.dir, "vm2.sock"))];
    const frame = frameOf(0);
    const reply = replyTo(frame);
    await through(one, other, 1, () => frame);
    await through(other, one, 1, () => reply);
    await through(one, other, 20_000, () => frame);
    const established: number[] = [];
    for (let i = 0; i < 3; i++) established.push(await through(one, other, 40_000, () => frame));
    await through(one, other, 2000, (n) => frameOf(1 + n));
    const opened = await through(one, other, 60_000, (n) => frameOf(2001 + n));
    for (const wire of [one, other]) wire.close();
    return { established: median(established), opened };
  } finally {
    await site.close();
  }
}

interface Inside extends Rates {
  /** MB of a million connections. */
  readonly memory: number;
  /** ms of the longest of the regular sweeps that take them away. */
  readonly sweep: number;
}

const MILLION = 1_000_000;

/** Our switch without daemon, database and sockets. */
async function inProcess(): Promise<Inside> {
  const runtime = virtualRuntime({ seed: 1 });
  let out = 0;
  const made = new MemorySwitch({ clock: runtime.clock, log: runtime.log.logger("bench"), onSend: () => out++ });
  const bridge = made.addBridge({
    name: "br-int",
    ports: [
      { name: "vm1", ofport: 1 },
      { name: "vm2", ofport: 2 },
    ],
  });
  made.addFlows(bridge, flows);
  const { datapath } = made;
  const [one, other] = ["vm1", "vm2"].map((name) => [...datapath.ports.values()].find((port) => port.name === name)!.number);
  const rate = (count: number, frame: (n: number) => Uint8Array): number => {
    out = 0;
    const start = performance.now();
    for (let n = 0; n < count; n++) datapath.receive(one!, frame(n));
    const seconds = (performance.now() - start) / 1000;
    if (out !== count) throw new Error(`${out} of ${count} frames came out of the switch`);
    return count / seconds;
  };
  const template = frameOf(0);
  rate(1, () => template.slice());
  datapath.receive(other!, replyTo(template));
  const copy = () => template.slice();
  rate(200_000, copy);
  const established = rate(MILLION, copy);
  rate(2000, (n) => frameOf(1 + n));
  const opened = rate(MILLION, (n) => frameOf(2001 + n));
  const memory = datapath.conntracker.tables[4].bytes / 2 ** 20;
  // A minute later they are too old, and go by and by.
  await runtime.clock.advance(61_000);
  let sweep = 0;
  while (datapath.conntracker.size > 0) {
    await runtime.clock.advance(500);
    const start = performance.now();
    datapath.conntracker.maintain(runtime.clock.now());
    sweep = Math.max(sweep, performance.now() - start);
  }
  return { established, opened, memory, sweep };
}

export async function conntrack(): Promise<Result[]> {
  const weft = await overSockets("weft");
  const reference = await overSockets("reference");
  const inside = await inProcess();
  const what = "ovs-vswitchd, a stateful firewall";
  return [
    {
      what: `${what}: packets of one connection, over sockets`,
      unit: "/s",
      weft: weft.established,
      reference: reference.established,
    },
    { what: `${what}: new connections, over sockets`, unit: "/s", weft: weft.opened, reference: reference.opened },
    { what: `${what}: packets of one connection, within the process`, unit: "/s", weft: inside.established },
    { what: `${what}: new connections, within the process`, unit: "/s", weft: inside.opened },
    { what: `${what}: a million connections in memory`, unit: "MB", weft: inside.memory },
    { what: `${what}: longest sweep that takes a million away`, unit: "ms", weft: inside.sweep },
  ];
}
