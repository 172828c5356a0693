/**
 * The switch on real devices: two guests in network namespaces, each at a veth pair whose other end is a port of the bridge. Needs
 * root. The reference's userspace datapath drops TCP whose checksums are left to the device, so its guests do without that; ours
 * keep what Linux does by default.
 */
import { join } from "node:path";
import { checksumsInSoftware, real } from "../packages/cli/src/lab/reference.ts";
import { reference, schemaFiles } from "../test/reference/daemons.ts";
import { type Side, Site } from "../test/reference/hypervisors.ts";
import type { Result } from "./table.ts";

const SECONDS = 3;
const ADDRESSES = ["10.1.0.1", "10.1.0.2"] as const;

/** Prints the Mbit/s of one connection. */
const sink = `
import socket, time
s = socket.socket(); s.bind(("", 5000)); s.listen()
c, _ = s.accept(); buffer = bytearray(1 << 20); count = 0; start = time.time()
while True:
    got = c.recv_into(buffer)
    if got == 0: break
    count += got
print(count * 8 / (time.time() - start) / 1e6)
`;
const source = `
import socket, sys, time
for attempt in range(100):
    try: s = socket.create_connection((sys.argv[1], 5000)); break
    except ConnectionRefusedError: time.sleep(0.05)
buffer = bytes(1 << 18); end = time.time() + ${SECONDS}
while time.time() < end: s.send(buffer)
`;
/** Small datagrams, as many as the guest can make. */
const flood = `
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 9)); end = time.time() + ${SECONDS}
while time.time() < end:
    for n in range(100):
        try: s.send(bytes(22))
        except OSError: pass
`;

interface Rates {
  readonly tcp: number;
  readonly packets: number;
}

async function rates(side: Side): Promise<Rates> {
  const site = new Site();
  try {
    const switchSpace = await site.namespace("s");
    const guests = [await site.namespace("a"), await site.namespace("b")] as const;
    const db = await site.database("reference", "s", "conf", schemaFiles.vs);
    const vsctl = (...args: readonly string[]) => real(join(reference, "bin/ovs-vsctl"), "--timeout=20", `--db=${db}`, ...args);
    await vsctl("--no-wait", "init");
    await site.daemon(switchSpace, side, "ovs-vswitchd", "s", db);
    const python = (guest: string, text: string, ...args: readonly string[]) =>
      real("ip", "netns", "exec", guest, "timeout", "30", "/usr/bin/python3", "-c", text, ...args);
    for (const [i, guest] of guests.entries()) {
      await site.wire(guest, "eth0", switchSpace, `v${i}`);
      await real("ip", "-n", guest, "addr", "add", `${ADDRESSES[i]}/24`, "dev", "eth0");
      if (side === "reference") await python(guest, checksumsInSoftware, "eth0");
    }
    await vsctl(..."add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 v0 -- add-port br0 v1".split(" "));
    await real("ip", "netns", "exec", guests[0], "ping", "-c3", "-i0.2", "-W5", ADDRESSES[1]);
    const received = python(guests[1], sink);
    await python(guests[0], source, ADDRESSES[1]);
    const tcp = Number(await received);
    const sent = async () =>
      JSON.parse(await real("ip", "-n", switchSpace, "-j", "-s", "link", "show", "v1"))[0].stats64.tx.packets as number;
    const before = await sent();
    await python(guests[0], flood, ADDRESSES[1]);
    return { tcp, packets: ((await sent()) - before) / SECONDS };
  } finally {
    await site.close();
  }
}

export async function devices(): Promise<Result[]> {
  if (process.getuid?.() !== 0) {
    process.stderr.write("devices: needs root, left out\n");
    return [];
  }
  const weft = await rates("weft");
  const original = await rates("reference");
  const what = "ovs-vswitchd, between two guests on veth pairs";
  return [
    { what: `${what}: one TCP connection`, unit: "Mbit/s", weft: weft.tcp, reference: original.tcp },
    { what: `${what}: small datagrams`, unit: "/s", weft: weft.packets, reference: original.packets },
  ];
}
