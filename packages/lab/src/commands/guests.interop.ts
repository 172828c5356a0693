/** curl, dig, host, nslookup, getent, nc and the DHCP clients of an emulated machine beside the real ones, on the same network. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DHCP_OPTION, macOf, parseIpv4, put16, put32 } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Device } from "../machine/device.ts";
import { writeEtc } from "../machine/etc.ts";
import { parseNetwork } from "../machine/ip.ts";
import { Machine } from "../machine/machine.ts";
import { Segment } from "../underlay.ts";
import { machineCommands } from "./index.ts";
import { serveDhcp, serveNames } from "./testServers.ts";

interface Outcome {
  readonly code: number;
  readonly text: string;
}

const programs = [
  "/usr/sbin/dnsmasq",
  "/usr/sbin/dhclient",
  "/usr/sbin/udhcpc",
  "/usr/bin/curl",
  "/usr/bin/dig",
  "/usr/bin/nc",
  "/usr/sbin/brctl",
];
const there = process.getuid?.() === 0 && programs.every(existsSync);
const MAC = "02:00:00:00:00:05";
const RESOLV = "nameserver 10.0.0.1\nsearch example.org\n";
const names = { "www.example.org": ["10.0.0.1", "fd00::9"] };
const pages = { "index.html": "hello\n", "a.txt": "file\n" };

const server = `weft-gs${process.pid}`;
const client = `weft-gc${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), "weft-guests-"));
const children: ChildProcess[] = [];

const runtime = virtualRuntime();
const machines = [1, 2].map((n) => {
  const machine = new Machine(n === 1 ? "server" : "vm", runtime, machineCommands);
  const device = new Device("ether", "eth0", macOf(n === 1 ? 0x020000000001 : 0x020000000005));
  machine.root.addDevice(device);
  machine.root.addAddress(device, parseNetwork(`10.0.0.${n}/24`)!);
  device.setUp(true);
  return machine;
});

function emulatedOn(machine: Machine, argv: readonly string[], signal = new AbortController().signal): Promise<Outcome> {
  let out = "";
  let err = "";
  const decoder = new TextDecoder();
  const text = (more: string | Uint8Array) => (typeof more === "string" ? more : decoder.decode(more));
  return machine
    .exec(argv, {
      stdin: (async function* () {})(),
      stdout: { write: (more) => void (out += text(more)), isTerminal: false },
      stderr: { write: (more) => void (err += text(more)), isTerminal: false },
      signal,
    })
    .then((code) => ({ code, text: out + err }));
}

const emulated = (...argv: readonly string[]) => runtime.clock.run(emulatedOn(machines[1]!, argv), 120_000);

function real(...argv: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile("ip", ["netns", "exec", client, ...argv], { timeout: 80_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, text: stdout + stderr });
    });
  });
}

const ip = (...args: readonly string[]) => execFileSync("ip", args);

beforeAll(async () => {
  if (!there) return;
  for (const [path, text] of Object.entries(pages)) {
    writeFileSync(join(folder, path), text);
    await machines[0]!.runtime.files.write(`/srv/${path}`, new TextEncoder().encode(text));
  }
  // Real.
  for (const namespace of [server, client]) ip("netns", "add", namespace);
  ip("link", "add", "eth0", "netns", server, "type", "veth", "peer", "name", "eth0", "netns", client);
  ip("-n", client, "link", "set", "eth0", "address", MAC);
  for (const [namespace, n] of [
    [server, 1],
    [client, 2],
  ] as const) {
    ip("-n", namespace, "addr", "add", `10.0.0.${n}/24`, "dev", "eth0");
    ip("-n", namespace, "link", "set", "lo", "up");
    ip("-n", namespace, "link", "set", "eth0", "up");
  }
  mkdirSync(`/etc/netns/${client}`, { recursive: true });
  writeFileSync(`/etc/netns/${client}/resolv.conf`, RESOLV);
  const start = (program: string, ...args: readonly string[]) =>
    children.push(spawn("ip", ["netns", "exec", server, program, ...args], { stdio: "ignore" }));
  start(
    "/usr/sbin/dnsmasq",
    ..."--no-daemon --conf-file=/dev/null --no-hosts --no-resolv --interface=eth0 --bind-interfaces --local=/example.org/".split(
      " ",
    ),
    ..."--dhcp-range=10.0.0.50,10.0.0.50,1h --dhcp-option=26,1400 --dhcp-option=15,example.org".split(" "),
    `--dhcp-leasefile=${folder}/leases`,
    ...Object.entries(names).flatMap(([name, addresses]) => addresses.map((address) => `--address=/${name}/${address}`)),
  );
  start("/usr/bin/python3", "-m", "http.server", "8000", "--directory", folder);
  // Emulated.
  const wire = new Segment("wire", runtime.clock, 0.05);
  for (const machine of machines) wire.attach(machine.root.device("eth0")!);
  await writeEtc(machines[1]!, machines[1]!.root, "resolv.conf", RESOLV);
  serveNames(machines[0]!.root, names);
  const bytes = (length: 2 | 4, value: number) => {
    const data = new Uint8Array(length);
    if (length === 2) put16(data, 0, value);
    else put32(data, 0, value);
    return data;
  };
  serveDhcp(machines[0]!.root.device("eth0")!, {
    server: parseIpv4("10.0.0.1")!,
    address: parseIpv4("10.0.0.50")!,
    options: [
      { code: DHCP_OPTION.leaseTime, data: bytes(4, 3600) },
      { code: DHCP_OPTION.subnetMask, data: bytes(4, 0xffffff00) },
      { code: DHCP_OPTION.router, data: bytes(4, parseIpv4("10.0.0.1")!) },
      { code: DHCP_OPTION.dnsServer, data: bytes(4, parseIpv4("10.0.0.1")!) },
      { code: DHCP_OPTION.domainName, data: new TextEncoder().encode("example.org") },
      { code: DHCP_OPTION.mtu, data: bytes(2, 1400) },
    ],
  });
  void emulatedOn(machines[0]!, ["python3", "-m", "http.server", "8000", "--directory", "/srv"]);
  for (let tries = 0; tries < 50; tries++) {
    if ((await real("/usr/bin/curl", "-s", "10.0.0.1:8000")).code === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

afterAll(() => {
  for (const child of children) child.kill();
  for (const namespace of [server, client]) {
    try {
      ip("netns", "del", namespace);
    } catch (error) {
      if (there) throw error;
    }
  }
  rmSync(folder, { recursive: true });
  rmSync(`/etc/netns/${client}`, { recursive: true, force: true });
});

/** Times, ids and versions; and the wire, which is of another kind. */
function comparable({ code, text }: Outcome): Outcome {
  return {
    code,
    text: text
      .replace(/(Date|Last-Modified): .*/g, "$1: T")
      .replace(/Python\/[\d.]+/g, "Python/V")
      .replace(/curl\/[\d.]+/g, "curl/V")
      .replace(/DiG \S+/g, "DiG V")
      .replace(/after \d+ (ms|milliseconds)/g, "after N $1")
      .replace(/id: \d+/, "id: N")
      .replace(/Query time: \d+/, "Query time: N")
      .replace(/WHEN: .*/, "WHEN: T")
      .replace(/time=\S+ ms/g, "time=N ms")
      .replace(/rtt .*/g, "rtt")
      .replace(/eth0@if\d+|link-netns \S+|qdisc \S+/g, (match) => (match.startsWith("eth0") ? "eth0" : ""))
      .replace(/ +$/gm, "")
      .replace(/interval \d+/g, "interval N")
      .replace(/renewal in \d+/g, "renewal in N")
      .replace(/valid_lft \d+sec preferred_lft \d+sec/g, "valid_lft Nsec preferred_lft Nsec"),
  };
}

it.skipIf(!there).each([
  ["curl", "-s", "http://10.0.0.1:8000/"],
  ["curl", "-s", "10.0.0.1:8000/a.txt"],
  ["curl", "-sS", "10.0.0.1:8000/nope"],
  ["curl", "-sI", "10.0.0.1:8000"],
  ["curl", "-si", "10.0.0.1:8000/a.txt"],
  ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\\n", "10.0.0.1:8000"],
  ["curl", "-sSf", "10.0.0.1:8000/nope"],
  ["curl", "-sS", "-X", "POST", "-d", "x=y", "10.0.0.1:8000"],
  ["curl", "-sS", "10.0.0.1:81"],
  ["curl", "-s", "10.0.0.1:81"],
  ["curl", "-sS", "-m", "1", "10.0.0.77:81"],
  ["curl", "-sS", "--connect-timeout", "1", "10.0.0.77"],
  ["curl", "-sS", "nope.example.org"],
  ["curl", "-s", "http://www:8000/"],
  ["dig", "+short", "www.example.org"],
  ["dig", "+short", "AAAA", "www.example.org"],
  ["dig", "www.example.org"],
  ["dig", "www.example.org", "+noall", "+answer"],
  ["dig", "@10.0.0.1", "nope.example.org"],
  ["dig", "+short", "www", "+search"],
  ["dig", "@10.0.0.78", "www", "+time=1", "+tries=1"],
  ["host", "www"],
  ["host", "-t", "A", "www.example.org"],
  ["host", "nope.example.org"],
  ["nslookup", "www"],
  ["nslookup", "nope.example.org"],
  ["getent", "hosts", "www"],
  ["getent", "ahosts", "www"],
  ["getent", "hosts", "nope"],
  ["nc", "-zv", "10.0.0.1", "5001"],
  ["nc", "-zv", "10.0.0.1", "8000"],
  ["nc", "-zv", "-w", "1", "10.0.0.77", "5001"],
  ["nc", "-v", "nope.example.org", "53"],
  ["ping", "-c1", "-4", "www"],
  ["ping", "-c1", "nope.example.org"],
  ["dhclient", "-v", "eth0"],
  ["ip", "addr", "show", "eth0"],
  ["ip", "route"],
  ["cat", "/etc/resolv.conf"],
  ["dhclient", "-r", "-v", "eth0"],
  ["ip", "route"],
  ["udhcpc", "-i", "eth0", "-n", "-q"],
  ["ip", "-4", "addr", "show", "eth0"],
  ["cat", "/etc/resolv.conf"],
  ["brctl", "addbr", "br0"],
  ["brctl", "show"],
  ["brctl", "addif", "br0", "eth0"],
  ["brctl", "show", "br0"],
  ["brctl", "addif", "br0", "eth0"],
  ["brctl", "addif", "br0", "nosuch"],
  ["brctl", "delif", "br0", "lo"],
  ["brctl", "showmacs", "nosuch"],
  ["brctl", "show", "nosuch"],
  ["brctl", "delif", "br0", "eth0"],
  ["brctl", "delbr", "br0"],
  ["brctl", "delbr", "br0"],
])("%s %s %s %s", async (...argv) => {
  const files = argv[0] === "dhclient" ? ["-lf", `${folder}/l`, "-pf", `${folder}/p`] : [];
  const wanted = await real(...argv, ...files);
  const got = await emulated(...argv);
  expect(comparable(got)).toEqual(comparable(wanted));
});
