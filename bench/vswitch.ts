/**
 * The switch: packets through the pipeline of two networks and a router between them, from one guest to the other on the same
 * hypervisor. Both switches get the flows that the reference's controller installs, and are driven through the sockets of dummy
 * devices; that measures a daemon with its sockets. Our switch is measured within this process besides.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { virtualRuntime } from "@weft/runtime";
import { MemorySwitch } from "@weft/vswitch";
import { median, type Side, Site, schemas } from "./daemons.ts";
import type { Result } from "./table.ts";
import { Wire } from "./wire.ts";

/** Two networks with a guest each, and a router. */
const network = `
ls-add network1 -- ls-add network2 -- lsp-add network1 vm1 -- lsp-add network2 vm2 --
lsp-set-addresses vm1 40:44:00:00:00:01\\ 192.168.0.11 -- lsp-set-addresses vm2 40:44:00:00:00:02\\ 192.168.1.11 --
lr-add router1 --
lrp-add router1 router1-net1 40:44:00:00:00:03 192.168.0.1/24 -- lsp-add network1 net1-router1 --
lsp-set-addresses net1-router1 40:44:00:00:00:03 -- lsp-set-type net1-router1 router --
lsp-set-options net1-router1 router-port=router1-net1 --
lrp-add router1 router1-net2 40:44:00:00:00:04 192.168.1.1/24 -- lsp-add network2 net2-router1 --
lsp-set-addresses net2-router1 40:44:00:00:00:04 -- lsp-set-type net2-router1 router --
lsp-set-options net2-router1 router-port=router1-net2`
  .trim()
  .split(/(?<!\\)\s+/)
  .map((word) => word.replace("\\ ", " "));

/** Frames that are on their way at once: fewer than a dummy device's queue holds. */
const WINDOW = 48;
const PAYLOAD = 22;

/** A UDP datagram from vm1 to vm2 by way of the router, without a UDP checksum. */
export function frameOf(n: number): Uint8Array {
  const bytes = new Uint8Array(14 + 20 + 8 + PAYLOAD);
  const view = new DataView(bytes.buffer);
  bytes.set([0x40, 0x44, 0, 0, 0, 3, 0x40, 0x44, 0, 0, 0, 1, 8, 0, 0x45]);
  view.setUint16(16, 20 + 8 + PAYLOAD);
  bytes.set([64, 17], 22);
  bytes.set([192, 168, 0, 11, 192, 168, 1, 11], 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  view.setUint16(24, ~((sum & 0xffff) + (sum >>> 16)));
  view.setUint16(34, 1024 + (n % 50_000));
  view.setUint16(36, 1024 + Math.floor(n / 50_000));
  view.setUint16(38, 8 + PAYLOAD);
  return bytes;
}

/** The switch's database and daemon with br-int; guests' devices listen on sockets named after them. */
export function startSwitch(site: Site, side: Side): string {
  const db = site.database("reference", "db", join(schemas, "openvswitch/vswitch.ovsschema"));
  const vsctl = (...args: string[]) => site.run("reference", "ovs-vsctl", `--db=${db}`, "--timeout=30", ...args);
  vsctl("--no-wait", "init");
  site.daemon(side, "ovs-vswitchd", "vswitchd", "--enable-dummy=system", "--disable-system-route", db);
  const guest = (n: number) =>
    `-- add-port br-int vm${n} -- set Interface vm${n} type=dummy ofport_request=${n} external_ids:iface-id=vm${n} options:pstream=punix:${site.dir}/vm${n}.sock`.split(
      " ",
    );
  vsctl(..."add-br br-int -- set Bridge br-int fail-mode=secure".split(" "), ...guest(1), ...guest(2));
  return db;
}

/** The flows that the reference installs, in ovs-ofctl's syntax. */
async function controllersFlows(): Promise<string> {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    const sb = site.database("reference", "sb", join(schemas, "ovn/ovn-sb.ovsschema"));
    site.daemon("reference", "ovn-northd", "northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    const db = startSwitch(site, "reference");
    const ids = `system-id=hv1 hostname=hv1 ovn-remote=${sb} ovn-encap-type=geneve ovn-encap-ip=127.0.0.1`.split(" ");
    site.run("reference", "ovs-vsctl", `--db=${db}`, "set", "Open_vSwitch", ".", ...ids.map((id) => `external_ids:${id}`));
    site.daemon("reference", "ovn-controller", "controller", db);
    site.run("reference", "ovn-nbctl", `--db=${nb}`, ...network);
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "--timeout=30", "wait-until", "Logical_Switch_Port", "vm2", "up=true");
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "--timeout=30", "--wait=hv", "sync");
    const flows = site.run("reference", "ovs-ofctl", "-O", "OpenFlow15", "--no-names", "--no-stats", "dump-flows", "br-int");
    return flows.replace(/^ */gm, "");
  } finally {
    await site.close();
  }
}

interface Rates {
  readonly cached: number;
  readonly first: number;
}

/** Sends `count` frames with at most WINDOW on their way, and counts what comes out of the other guest's device; frames a second. */
export async function through(from: Wire, to: Wire, count: number, frame: (n: number) => Uint8Array): Promise<number> {
  const before = to.received;
  const start = performance.now();
  for (let sent = 0; sent < count; ) {
    await to.until(before + sent - WINDOW / 2);
    const batch: Uint8Array[] = [];
    while (sent < count && sent - (to.received - before) + batch.length < WINDOW) batch.push(frame(sent + batch.length));
    from.send(batch);
    sent += batch.length;
  }
  await to.until(before + count);
  return count / ((performance.now() - start) / 1000);
}

async function overSockets(side: Side, flows: string): Promise<Rates> {
  const site = new Site();
  try {
    startSwitch(site, side);
    const file = join(site.dir, "flows");
    writeFileSync(file, flows);
    site.run("reference", "ovs-ofctl", "add-tlv-map", "br-int", "{class=0x102,type=0x80,len=4}->tun_metadata0");
    site.run("reference", "ovs-ofctl", "-O", "OpenFlow15", "add-flows", "br-int", file);
    const [from, to] = [await Wire.open(join(site.dir, "vm1.sock")), await Wire.open(join(site.dir, "vm2.sock"))];
    const one = frameOf(0);
    await through(from, to, 20_000, () => one);
    const cached: number[] = [];
    for (let i = 0; i < 3; i++) cached.push(await through(from, to, 40_000, () => one));
    const appctl = (...args: string[]) => site.run("reference", "ovs-appctl", "-t", join(site.dir, "vswitchd.ctl"), ...args);
    appctl("upcall/disable-megaflows");
    let next = 1;
    const fresh = (count: number) => {
      const base = next;
      next += count;
      return through(from, to, count, (n) => frameOf(base + n));
    };
    await fresh(2000);
    const first = await fresh(20_000);
    for (const wire of [from, to]) wire.close();
    return { cached: median(cached), first };
  } finally {
    await site.close();
  }
}

/** Our switch without daemon, database and sockets. */
function inProcess(flows: string): Rates {
  const runtime = virtualRuntime({ seed: 1 });
  let out = 0;
  const made = new MemorySwitch({
    clock: runtime.clock,
    log: runtime.log.logger("bench"),
    onSend: (port) => {
      if (port === "vm2") out++;
    },
  });
  const bridge = made.addBridge({
    name: "br-int",
    ports: [
      { name: "vm1", ofport: 1 },
      { name: "vm2", ofport: 2 },
    ],
  });
  made.addFlows(bridge, flows);
  const { datapath } = made;
  const port = [...datapath.ports.values()].find(({ name }) => name === "vm1")!.number;
  const rate = (count: number, frame: (n: number) => Uint8Array): number => {
    out = 0;
    const start = performance.now();
    for (let n = 0; n < count; n++) datapath.receive(port, frame(n));
    const seconds = (performance.now() - start) / 1000;
    if (out !== count) throw new Error(`${out} of ${count} frames came out of the switch`);
    return count / seconds;
  };
  const template = frameOf(0);
  const copy = () => template.slice();
  rate(200_000, copy);
  const cached = rate(1_000_000, copy);
  datapath.megaflows = false;
  datapath.flushFlows();
  rate(2000, (n) => frameOf(1 + n));
  const first = rate(20_000, (n) => frameOf(2001 + n));
  return { cached, first };
}

export async function vswitch(): Promise<Result[]> {
  const flows = await controllersFlows();
  const weft = await overSockets("weft", flows);
  const reference = await overSockets("reference", flows);
  const inside = inProcess(flows);
  const what = "ovs-vswitchd, routing between two guests";
  return [
    { what: `${what}: cached, over dummy devices' sockets`, unit: "/s", weft: weft.cached, reference: reference.cached },
    { what: `${what}: every packet new, over sockets`, unit: "/s", weft: weft.first, reference: reference.first },
    { what: `${what}: cached, within the process`, unit: "/s", weft: inside.cached },
    { what: `${what}: every packet new, within the process`, unit: "/s", weft: inside.first },
  ];
}
