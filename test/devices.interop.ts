/** Devices of a Linux host under our switch and under the reference's: the same steps, and what the database and the host show of them. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { canMakeNamespaces, real } from "../packages/cli/src/lab/reference.ts";
import { reference, schemaFiles } from "./reference/daemons.ts";
import { type Side, Site } from "./reference/hypervisors.ts";

/** Waits until `look` shows what it should, and returns what it shows at last. */
async function eventually<T>(look: () => Promise<T>, right: (seen: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const seen = await look();
    if (right(seen) || tries === 100) return seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

class Switch {
  readonly site: Site;
  readonly side: Side;
  namespace = "";
  other = "";
  #db = "";

  constructor(site: Site, side: Side) {
    this.site = site;
    this.side = side;
  }

  async start(): Promise<void> {
    this.namespace = await this.site.namespace(this.side);
    this.other = await this.site.namespace(`${this.side}o`);
    this.#db = await this.site.database("reference", this.side, "conf", schemaFiles.vs);
    await this.vsctl("--no-wait", "init");
    await this.daemon();
  }

  daemon(...args: readonly string[]): Promise<void> {
    return this.site.daemon(this.namespace, this.side, "ovs-vswitchd", this.side, ...args, this.#db);
  }

  /** What the command says on standard error does not matter: it complains of missing devices. */
  async vsctl(...args: readonly string[]): Promise<string> {
    return real(join(reference, "bin/ovs-vsctl"), "--timeout=20", `--db=${this.#db}`, ...args);
  }

  ip(...args: readonly string[]): Promise<string> {
    return real("ip", "-n", this.namespace, ...args);
  }

  async column(device: string, column: string): Promise<string> {
    return (await this.vsctl("get", "interface", device, column)).trim();
  }

  /** Columns of an interface, with the host's own numbers in the place of those that follow from it. */
  async columns(device: string, until: (seen: Record<string, string>) => boolean): Promise<Record<string, string>> {
    const columns = [
      "admin_state",
      "link_state",
      "link_speed",
      "duplex",
      "mtu",
      "error",
      "ofport",
      "ifindex",
      "mac_in_use",
      "status",
    ];
    return eventually(async () => {
      const values = (await this.vsctl("get", "interface", device, ...columns)).trim().split("\n");
      const seen = Object.fromEntries(columns.map((column, i) => [column, values[i] ?? ""]));
      const [link] = JSON.parse(await this.ip("-j", "link", "show").catch(() => "[]")).filter(
        ({ ifname }: { ifname: string }) => ifname === device,
      );
      if (seen["ifindex"] === String(link?.ifindex)) seen["ifindex"] = "the host's";
      if (seen["mac_in_use"]?.replaceAll('"', "") === link?.address) seen["mac_in_use"] = "the host's";
      if (Number(seen["ofport"]) > 0) seen["ofport"] = "a number";
      seen["status"] = (seen["status"] ?? "").replace(/peer_ifindex="\d+"/, "peer_ifindex=N");
      return seen;
    }, until);
  }
}

/** The same for both: every step's name with what was seen after it. */
async function story(one: Switch): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  await one.start();
  await one.site.wire(one.namespace, "v0", one.other, "v0p");
  await one.vsctl(
    ..."--no-wait add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 v0 -- add-port br0 in0".split(" "),
    ..."-- set interface in0 type=internal -- add-port br0 t0 -- set interface t0 type=tap -- add-port br0 m0".split(" "),
    ..."-- add-port br0 lo".split(" "),
  );
  const there = ({ ofport, status }: Record<string, string>) => ofport === "a number" && status !== "{}";
  for (const device of ["v0", "in0", "t0"]) seen[`${device} at first`] = await one.columns(device, there);
  for (const device of ["m0", "lo"])
    seen[`${device}, which cannot be`] = await one.columns(device, ({ ofport }) => ofport === "-1");
  seen["names of counters"] = (
    await eventually(
      () => one.column("in0", "statistics"),
      (text) => text !== "{}",
    )
  ).replaceAll(/=\d+/g, "");

  await one.vsctl("set", "interface", "in0", 'mac="02:00:00:00:00:77"', "mtu_request=1300");
  await one.ip("link", "set", "in0", "up");
  seen["in0 as asked for"] = await one.columns("in0", ({ admin_state, mtu }) => admin_state === "up" && mtu === "1300");
  seen["in0's address"] = await one.column("in0", "mac_in_use");
  seen["br0's size"] = await eventually(
    () => one.column("br0", "mtu"),
    (mtu) => mtu === "1300",
  );

  await one.ip("link", "add", "m0", "type", "veth", "peer", "name", "m0p");
  seen["m0 appears"] = await one.columns("m0", there);
  await one.ip("link", "set", "v0", "down");
  seen["v0 goes down"] = await one.columns("v0", ({ admin_state }) => admin_state === "down");

  await one.ip("link", "set", "in0", "netns", one.other);
  seen["in0 is moved"] = await one.columns("in0", ({ ifindex }) => ifindex === "0");
  await real("ip", "-n", one.other, "addr", "add", "10.1.0.1/24", "dev", "in0");
  await real("ip", "-n", one.other, "link", "set", "in0", "up");
  await one.ip("addr", "add", "10.1.0.2/24", "dev", "br0");
  await one.ip("link", "set", "br0", "up");
  seen["in0 elsewhere is reached"] = (
    await real("ip", "netns", "exec", one.namespace, "ping", "-c3", "-i0.2", "-W5", "10.1.0.1")
  ).includes(" 0% packet loss");

  await one.ip("route", "add", "10.9.0.0/16", "via", "10.1.0.7");
  await one.ip("addr", "add", "10.6.0.1/24", "dev", "m0");
  const routes = async () =>
    (await one.site.appctl(one.side, "ovs-vswitchd", "ovs/route/show"))
      .split("\n")
      .filter((line) => line !== "" && !line.includes("fe80"))
      .sort();
  seen["routes"] = await eventually(routes, (lines) => lines.some((line) => line.includes("10.6.0.1/32")));
  await one.ip("route", "del", "10.9.0.0/16");
  seen["routes without one"] = await eventually(routes, (lines) => !lines.some((line) => line.includes("10.9.0.0/16")));

  await one.vsctl("del-port", "t0");
  const names = async () =>
    JSON.parse(await one.ip("-j", "link", "show"))
      .map(({ ifname }: { ifname: string }) => ifname)
      .filter((name: string) => name !== "ovs-netdev");
  seen["devices without t0"] = await names();
  await one.site.appctl(one.side, "ovs-vswitchd", "exit");
  seen["devices when the switch has ended"] = await names();
  await one.daemon();
  seen["br0 of the next switch"] = await one.columns("br0", ({ mtu, link_state }) => mtu === "1300" && link_state === "up");
  await one.site.appctl(one.side, "ovs-vswitchd", "exit", "--cleanup");
  seen["devices after exit --cleanup"] = await names();
  return seen;
}

describe.skipIf(!canMakeNamespaces)("devices of the host", () => {
  const site = new Site();
  afterAll(() => site.close());

  it("show what they show under the reference", async () => {
    const [weft, original] = [await story(new Switch(site, "weft")), await story(new Switch(site, "reference"))];
    expect(weft).toEqual(original);
  });
});

describe.skipIf(!canMakeNamespaces)("our switch, when devices change under it", () => {
  const site = new Site();
  const one = new Switch(site, "weft");
  afterAll(() => site.close());

  it("loses, renames and finds them again; frames of all kinds do no harm", async () => {
    await one.start();
    await site.wire(one.namespace, "v0", one.other, "v0p");
    await one.vsctl(
      ..."add-br br0 -- add-port br0 v0 -- add-port br0 in0 -- set interface in0 type=internal mtu_request=9000".split(" "),
    );
    const gone = ({ ofport }: Record<string, string>) => ofport === "-1";
    const there = ({ ofport }: Record<string, string>) => ofport === "a number";
    const missing = { error: '"could not open network device v0 (No such device)"', admin_state: "[]", mtu: "[]", ifindex: "[]" };
    await one.ip("link", "set", "v0", "name", "v1");
    expect(await one.columns("v0", gone)).toMatchObject(missing);
    await one.ip("link", "set", "v1", "name", "v0");
    expect(await one.columns("v0", there)).toMatchObject({ error: "[]", ifindex: "the host's" });
    await one.ip("link", "del", "v0");
    expect(await one.columns("v0", gone)).toMatchObject(missing);
    await site.wire(one.namespace, "v0", one.other, "v0p");
    expect(await one.columns("v0", there)).toMatchObject({ error: "[]", admin_state: "up", ifindex: "the host's" });

    // A TAP device that somebody removes is made again.
    const before = await one.column("in0", "ifindex");
    await one.ip("link", "del", "in0");
    await eventually(
      () => one.column("in0", "ifindex"),
      (now) => now !== before && now !== "[]",
    );
    await one.ip("addr", "add", "10.1.0.2/24", "dev", "in0");
    await one.ip("link", "set", "in0", "up");
    await real("ip", "-n", one.other, "addr", "add", "10.1.0.1/24", "dev", "v0p");
    const garbage = `
import os, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("v0p", 0))
for n in list(range(14, 90)) + [1514]:
    for type in (b"\\x08\\x00", b"\\x86\\xdd", b"\\x08\\x06", b"\\x81\\x00", b"\\x88\\x47", os.urandom(2)):
        s.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1" + type + os.urandom(n - 14))
`;
    await real("ip", "netns", "exec", one.other, "/usr/bin/python3", "-c", garbage);
    const ping = (...args: readonly string[]) =>
      real("ip", "netns", "exec", one.namespace, "ping", "-W5", ...args, "10.1.0.1").catch(() => "");
    expect(await ping("-c3", "-i0.2")).toContain(" 0% packet loss");
    // Too long for v0: counted, and nothing else suffers.
    expect(await ping("-c1", "-W1", "-s4000", "-Mdo")).toBe("");
    expect(await ping("-c3", "-i0.2")).toContain(" 0% packet loss");
    await eventually(
      () => one.column("v0", "statistics:tx_dropped"),
      (count) => Number(count) > 0,
    );
    expect(Number(await one.column("v0", "statistics:tx_dropped"))).toBeGreaterThan(0);
    expect(site.log("weft", "ovs-vswitchd")).toContain(
      "|netdev_linux|WARN|error sending Ethernet packet on v0: Message too long",
    );
    expect(site.log("weft", "ovs-vswitchd")).not.toMatch(/\|(ERR|EMER)\|/);
  });

  it("a VLAN tag that the kernel took out of a frame is in it again", async () => {
    await one.vsctl("set", "port", "in0", "tag=7");
    const tagged = `
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(("v0p", 3)); s.setsockopt(263, 8, 1); s.settimeout(10)
mac = bytes.fromhex("020000000009")
s.send(b"\\xff" * 6 + mac + bytes.fromhex("81000007080600010800060400010200000000090a010009") + bytes(6) + bytes.fromhex("0a010002"))
while True:
    frame, control, _, _ = s.recvmsg(2000, 200)
    for level, kind, data in control:
        status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data)
        if frame[:6] == mac and status & 0x10: print("ARP", frame[21], "in VLAN", tci); raise SystemExit
`;
    const answer = await real("ip", "netns", "exec", one.other, "/usr/bin/python3", "-c", tagged);
    expect(answer).toBe("ARP 2 in VLAN 7\n");
    await one.vsctl("clear", "port", "in0", "tag");
  });

  it("TCP with all offloads passes between devices, both ways", async () => {
    for (const [from, to, address] of [
      [one.namespace, one.other, "10.1.0.1"],
      [one.other, one.namespace, "10.1.0.2"],
    ] as const) {
      const received = real("ip", "netns", "exec", to, "timeout", "30", "bash", "-c", `nc -l ${address} 5000 | sha1sum`);
      const sent = `for i in $(seq 50); do seq 400000 | nc -N ${address} 5000 && break; sleep 0.1; done; seq 400000 | sha1sum`;
      expect(await real("ip", "netns", "exec", from, "bash", "-c", sent)).toBe(await received);
    }
  });

  it("under --enable-dummy=system touches none", async () => {
    await site.appctl("weft", "ovs-vswitchd", "exit", "--cleanup");
    await one.daemon("--enable-dummy=system");
    expect(await one.columns("v0", ({ status }) => status === "{}")).toMatchObject({ ofport: "a number", ifindex: "0" });
    expect(JSON.parse(await one.ip("-j", "link", "show")).map(({ ifname }: { ifname: string }) => ifname)).not.toContain("br0");
    await site.appctl("weft", "ovs-vswitchd", "exit");
  });

  it("without the right to make devices says so in their rows", async () => {
    const capabilities = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw"];
    await site.daemonThrough(capabilities, one.namespace, "weft", "ovs-vswitchd", "weft", `unix:${site.dir}/weft/conf.sock`);
    const refused = (device: string) => `"could not open network device ${device} (Operation not permitted)"`;
    for (const device of ["br0", "in0", "v0"])
      expect(await one.columns(device, ({ error }) => error !== "[]")).toMatchObject({ ofport: "-1", error: refused(device) });
  });
});
